"""The file format: every byte kept, both versions read, the reference loader agrees."""

from pathlib import Path

import prompty as reference
import pytest

import pex

SCHEMA = {
    "type": "object",
    "properties": {
        "label": {"type": "string", "enum": ["positive", "negative"]},
        "name": {"type": ["string", "null"]},
    },
    "required": ["label", "name"],
    "additionalProperties": False,
}
DEEP = {"type": "object", "properties": {"a": {"type": "array", "items": {"minimum": 3}}}}


def prompts() -> list[pex.Prompt]:
    chat = [
        {"role": "system", "content": "Be {{ tone }}."},
        {"role": "user", "content": "Hé {{ q }}\n\n  indented: yes\n---\nend"},
        {"role": "assistant", "content": "Yes: {{ 'user:' }}"},
    ]
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    return [
        pex.Prompt("Say {{ word }}.", name="say"),
        pex.Prompt(
            chat,
            name="chat",
            description="with: a colon, 'quotes' and #",
            model="openai/gpt-4.1-mini",
            params={"temperature": 0.5, "max_tokens": 9, "stop": ["\n"], "logprobs": True},
            defaults={"tone": "kind", "q": 3},
        ),
        pex.Prompt("x", name="flat", response_schema=SCHEMA),
        pex.Prompt("x", name="deep", response_schema=DEEP, tools=[tool]),
    ]


@pytest.mark.parametrize("prompt", prompts(), ids=lambda p: p.name)
def test_made_in_python_and_read_again(prompt: pex.Prompt, tmp_path: Path) -> None:
    first = prompt.save(tmp_path / "a.prompty")
    again = pex.Prompt.load(first)
    assert again == prompt
    assert again.digest == prompt.digest
    assert again.save(tmp_path / "b.prompty").read_bytes() == first.read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "---\n# why\nname:   odd\n\nmodel: {id: x,   options: {seed: 0}}\n---\nuser:\nHi\n\n",
        "---\r\nname: crlf\r\n---\r\nuser:\r\nHi {{ a }}\r\n",
        "Only {{ text }}, no front matter",
        "\ufeff---\nname: bom\n---\nHi",
    ],
)
def test_a_loaded_file_keeps_every_byte(text: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.prompty"
    path.write_bytes(text.encode())
    copy = pex.Prompt.load(path).save(tmp_path / "copy.prompty")
    assert copy.read_bytes() == path.read_bytes()


def test_version_1(tmp_path: Path) -> None:
    path = tmp_path / "old.prompty"
    path.write_text(
        "---\nname: old\nauthors: [a]\nmodel:\n  api: chat\n  configuration:\n"
        "    type: azure_openai\n    azure_deployment: gpt-35\n  parameters:\n"
        "    max_tokens: 50\n    temperature: 0.2\ninputs:\n  who:\n    type: string\n"
        "    default: you\nsample:\n  who: me\n---\nsystem:\nBe brief.\n\nuser:\nHello {{who}}\n"
    )
    prompt = pex.Prompt.load(path)
    assert (prompt.name, prompt.model) == ("old", "gpt-35")
    assert prompt.params == {"max_tokens": 50, "temperature": 0.2}
    assert prompt.render({})[1] == {"role": "user", "content": "Hello you"}


@pytest.mark.parametrize("prompt", prompts(), ids=lambda p: p.name)
def test_the_reference_loader_reads_what_we_write(prompt: pex.Prompt, tmp_path: Path) -> None:
    agent = reference.load(prompt.save(tmp_path / "x.prompty"))
    assert agent.name == prompt.name
    assert (agent.description or "") == prompt.description
    assert [item.name for item in agent.inputs or []] == list(prompt.variables)
    defaults = {item.name: item.default for item in agent.inputs or [] if item.default is not None}
    assert defaults == prompt.defaults
    if prompt.model:
        assert f"{agent.model.provider}/{agent.model.id}" == prompt.model
        assert agent.model.options.temperature == prompt.params["temperature"]
        assert agent.model.options.max_output_tokens == prompt.params["max_tokens"]
    if prompt.name == "flat":
        assert agent.outputs[0].enum_values == ["positive", "negative"]
    for message in prompt.messages:
        assert message["content"] in agent.instructions


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\nname: [\n---\nhi", r"x.prompty, line \d: not valid YAML"),
        ("---\nname: x\n---\n\n", "no text after its front matter"),
        ("---\noutputs: [{name: a, kind: strng}]\n---\nhi", "did you mean 'string'"),
        ("---\nname: x\n---\n{{ a", "x.prompty: prompt 'x', message 1"),
    ],
)
def test_bad_files(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.prompty"
    path.write_text(text)
    with pytest.raises(pex.PexError, match=message):
        pex.Prompt.load(path)


def test_a_line_that_is_a_role_cannot_be_saved() -> None:
    with pytest.raises(pex.PexError, match="only a role"):
        pex.Prompt("Roles are:\nuser:\nassistant:", name="p").to_prompty()
