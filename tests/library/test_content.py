"""What MLflow holds of a prompt, and that nothing is lost on the way."""

import json
from typing import Any

import mlflow
import pytest

import pex
from pex.library.content import LONGEST, UnfitError, encode

LONG = "書評 «né» 😀🇯🇵 {{ review }}\n" * 1400
SCHEMA = {"type": "object", "properties": {"label": {"minLength": 2, "type": "string"}}}
CHAT = [
    {"role": "system", "content": "Be {{ tone }}."},
    {"role": "user", "content": "{{ review }}"},
]


@pytest.mark.parametrize(
    "text",
    [
        "---\n# why\nname:   odd\n\nmodel: {id: x,   options: {seed: 0}}\n---\nuser:\nHi\n\n",
        "---\r\nname: odd\r\n---\r\nuser:\r\nHi {{ a }}\r\n",
        "\ufeff---\nname: odd\n---\nHi  \n\n",
        f"---\nname: odd\n---\n{LONG}",
        f"---\nname: odd\n---\nsystem:\n{LONG}\nuser:\n{{{{ q }}}}\n",
        "---\nname: other\n---\nHi",
    ],
    ids=["spelling", "crlf", "mark", "long", "long chat", "other name"],
)
def test_every_byte_of_the_file_comes_back(text: str, uri: str) -> None:
    assert len(LONG.encode()) > 50_000
    prompt = pex.Prompt.parse(text, "odd.prompty", "odd")
    pex.library.save(prompt, name="odd")
    again = pex.library.load("odd")
    assert again.to_prompty() == text
    assert again.digest == prompt.digest
    assert again.name == "odd"


def test_plain_mlflow_reads_and_fills_in_a_text(uri: str) -> None:
    prompt = pex.Prompt(
        "Review: {{ review }}",
        name="short",
        model="openai/gpt-4.1-mini",
        params={"temperature": 0.5, "max_tokens": 9, "stop": "\n", "logprobs": True, "top_k": -1},
        response_schema=SCHEMA,
    )
    pex.library.save(prompt, alias="champion", note="why")
    mlflow.set_tracking_uri(uri)
    try:
        found = mlflow.genai.load_prompt("prompts:/short@champion", cache_ttl_seconds=0)
    finally:
        mlflow.set_tracking_uri(None)
    assert found.format(review="Nice.") == "Review: Nice."
    assert found.commit_message == "why"
    assert found.response_format == SCHEMA
    # MLflow refuses a top_k below 1, which some servers take for "all".
    assert found.model_config == {
        "provider": "openai",
        "model_name": "gpt-4.1-mini",
        "temperature": 0.5,
        "max_tokens": 9,
        "stop_sequences": ["\n"],
        "logprobs": True,
    }
    assert pex.library.load("short") == prompt


def test_plain_mlflow_reads_and_fills_in_a_conversation(uri: str) -> None:
    pex.library.save(pex.Prompt(CHAT, name="chat"))
    found = mlflow.MlflowClient(uri).load_prompt("prompts:/chat/1")
    assert found.template == CHAT
    assert found.format(tone="kind", review="书") == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "书"},
    ]


def test_the_tags_of_a_version_do_not_become_those_of_the_prompt(uri: str) -> None:
    pex.library.save(pex.Prompt("Hi", name="p", description="Greets."), tags={"team": "blue"})
    client = mlflow.MlflowClient(uri)
    assert client.get_prompt("p").tags == {"pex.saved": "true"}
    assert client.get_prompt("p").description == "Greets."
    assert client.get_prompt_version("p", 1).tags["team"] == "blue"


def test_what_plain_mlflow_has_saved_is_a_prompt_here(uri: str) -> None:
    client = mlflow.MlflowClient(uri)
    client.register_prompt("text", "Say {{ word }} {{ b }}", commit_message="first")
    client.register_prompt(
        "chat",
        CHAT,
        response_format=SCHEMA,
        model_config={
            "provider": "openai",
            "model_name": "m",
            "stop_sequences": ["x"],
            "temperature": 1,
            "seed": 3,
        },
    )
    text = pex.library.load("text/1")
    assert text == pex.Prompt("Say {{ word }} {{ b }}", name="text", description="first")
    chat = pex.library.load("chat")
    assert chat == pex.Prompt(
        CHAT,
        name="chat",
        model="openai/m",
        params={"stop": ["x"], "temperature": 1, "seed": 3},
        response_schema=SCHEMA,
    )
    assert (text.origin, chat.origin) == ("text/1", "chat/1")
    rows = pex.library.list().set_index("name")
    assert rows["model"].to_dict() == {"chat": "openai/m", "text": ""}
    assert rows["variables"].to_dict() == {"chat": "review, tone", "text": "b, word"}


@pytest.mark.parametrize(
    ("asked", "params", "schema"),
    [
        ({"type": "json_object"}, {"response_format": {"type": "json_object"}}, None),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}, {}, SCHEMA),
    ],
)
def test_a_response_format_as_openai_writes_it_is_read(
    asked: dict, params: dict, schema: dict | None, uri: str
) -> None:
    mlflow.MlflowClient(uri).register_prompt("p", "Hi", response_format=asked)
    prompt = pex.library.load("p")
    assert (prompt.params, prompt.response_schema) == (params, schema)


def test_a_text_of_mlflow_that_is_no_template_is_an_error_that_names_it(uri: str) -> None:
    mlflow.MlflowClient(uri).register_prompt("broken", "Say {{ word")
    with pytest.raises(pex.PexError, match=r"broken/1: prompt 'broken', message 1"):
        pex.library.load("broken")


def test_a_message_with_an_image_is_kept_though_no_file_holds_it(uri: str) -> None:
    parts = [
        {"type": "text", "text": "What is on {{ it }}?"},
        {"type": "image_url", "image_url": {"url": "{{ photo }}"}},
    ]
    prompt = pex.Prompt([{"role": "user", "content": parts}], name="see", defaults={"it": "it"})
    assert pex.library.save(prompt).new
    assert not pex.library.save(prompt).new
    assert pex.library.load("see") == prompt
    assert mlflow.MlflowClient(uri).get_prompt_version("see", 1).template == [
        {"role": "user", "content": parts}
    ]


def test_what_mlflow_cannot_hold_is_an_error_before_anything_is_written() -> None:
    part = {"type": "file", "file": {"file_id": "f"}}
    message = {"role": "user", "content": [{"type": "text", "text": "Sum up."}, part]}
    with pytest.raises(UnfitError, match="message 1: MLflow's registry cannot hold it"):
        encode(pex.Prompt([message], name="p"))
    with pytest.raises(UnfitError, match="100,001 characters"):
        encode(pex.Prompt("x" * (LONGEST + 1), name="p"))


def test_the_longest_conversation_is_counted_in_characters_not_in_escapes(uri: str) -> None:
    content = "書" * 99_000
    chat = [{"role": "system", "content": content}, {"role": "user", "content": "{{ q }}"}]
    assert len(json.dumps(chat)) > 5 * LONGEST
    pex.library.save(pex.Prompt(chat, name="long"))
    assert pex.library.load("long").messages[0]["content"] == content
    assert mlflow.MlflowClient(uri).get_prompt_version("long", 1).template == chat


def test_a_kept_text_that_somebody_changed_is_noticed(uri: str) -> None:
    pex.library.save(pex.Prompt("Hi", name="p"))
    mlflow.MlflowClient(uri).set_prompt_version_tag("p", 1, "pex.text.1", "---\nname: p\n---\nHo")
    with pytest.raises(pex.PexError, match="p/1: the text in its tags"):
        pex.library.load("p")


@pytest.mark.parametrize("messages", ["Review: {{ review }}", CHAT], ids=["text", "chat"])
def test_what_plain_mlflow_would_serve_is_what_pex_serves(uri: str, messages: Any) -> None:
    prompt = pex.Prompt(messages, name="short")
    pex.library.save(prompt)
    client, template = mlflow.MlflowClient(uri), encode(prompt).template
    changed = template.replace("review", "other")
    client.set_prompt_version_tag("short", "1", "mlflow.prompt.text", changed)
    for use in (pex.library.load, lambda name: pex.library.set_alias(name, "champion", 1)):
        with pytest.raises(pex.PexError, match="short/1: MLflow's own text is not the one"):
            use("short")
    # A chat's JSON may be spelled otherwise, as an older pexlab or MLflow did.
    spelled = template if isinstance(messages, str) else json.dumps(messages, indent=1)
    client.set_prompt_version_tag("short", "1", "mlflow.prompt.text", spelled)
    assert pex.library.load("short").digest == prompt.digest
