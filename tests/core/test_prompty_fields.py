"""What front matter says: types by key, text as it was written, what is unknown kept and said."""

# ruff: noqa: E501 - a line of a table is one case
from __future__ import annotations

from pathlib import Path
from typing import Any

import prompty as reference
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pex


def read(front: str, body: str = "user:\nHi") -> pex.Prompt:
    return pex.Prompt.parse(f"---\n{front}\n---\n{body}", "t.prompty", "t")


TEXTS = [
    "01067", "1.10", "1_000", "0x1F", "0o17", "12:30:00", "yes", "no", "on", "off", "Yes", "2024-01-01",
    "2024-01-01 10:00:00", "1e5", "1E5", "+5", ".5", "5.", "-01", "00", "1.0", "42", "-0.0", "true",
    "True", "FALSE", ".inf", ".nan", "1.1.0", "_", "007", "1:30", "0b101",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_text_stays_text(text: str) -> None:
    """In each place where text is meant."""
    inputs = f"inputs:\n  - name: a\n    kind: string\n    default: {text}"
    assert read(inputs).defaults == {"a": text}
    assert read(f"inputs: {{a: {{type: string, default: {text}}}}}").defaults == {"a": text}
    outputs = f"outputs:\n  - name: a\n    kind: string\n    enumValues: [{text}, x]"
    schema = read(outputs).response_schema
    assert schema is not None
    assert schema["properties"]["a"]["enum"] == [text, "x"]
    tools = f"tools: [{{name: f, parameters: {{a: {{kind: string, enumValues: [{text}]}}}}}}]"
    found = read(tools).tools
    assert found is not None
    assert found[0]["function"]["parameters"]["properties"]["a"]["enum"] == [text]
    assert read(f"model: {{options: {{stopSequences: [{text}]}}}}").params == {"stop": [text]}
    assert read(f"model: {{parameters: {{stop: {text}}}}}").params == {"stop": text}
    assert read(f"model: {{id: {text}, provider: {text}}}").model == f"{text}/{text}"
    assert read(f"description: {text}").description == text
    schema = f"{{type: object, properties: {{a: {{type: [string, 'null'], enum: [{text}, x]}}}}}}"
    meant = {"type": ["string", "null"], "enum": [text, "x"]}
    found = read(f"tools: [{{name: f, parameters: {schema}}}]").tools
    assert found is not None
    assert found[0]["function"]["parameters"]["properties"]["a"] == meant
    form = f"{{type: json_schema, json_schema: {{schema: {schema}}}}}"
    asked = read(f"model: {{parameters: {{response_format: {form}}}}}").response_schema
    assert asked is not None
    assert asked["properties"]["a"] == meant


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("01067", "01067"), ("1.10", "1.10"), ("1_000", "1_000"), ("2024-01-01", "2024-01-01"),
        ("5", 5), ("5.0", 5.0), ("true", True), ("False", False), ("yes", "yes"), ("Jane", "Jane"),
        ("[01, 2, {a: 1.10}]", ["01", 2, {"a": "1.10"}]), ("{a: 01}", {"a": "01"}),
    ],
)  # fmt: skip
def test_without_a_kind_a_value_is_what_json_would_write_so(text: str, value: Any) -> None:
    assert read(f"inputs: {{a: {text}}}").defaults == {"a": value}
    assert read(f"inputs: [{{name: a, default: {text}}}]").defaults == {"a": value}


@pytest.mark.parametrize(
    ("options", "params"),
    [
        ("temperature: 0.50", {"temperature": 0.5}),
        ("temperature: .5", {"temperature": 0.5}),
        ("temperature: 1e-1", {"temperature": 0.1}),
        ("temperature: 1", {"temperature": 1}),
        ("temperature: null", {"temperature": None}),
        ("maxOutputTokens: 1_000", {"max_tokens": 1000}),
        ("max_tokens: 0x10", {"max_tokens": 16}),
        ("seed: 007", {"seed": 7}),
        ("allowMultipleToolCalls: false", {"parallel_tool_calls": False}),
        ("additionalProperties: {top_a: 0.50, seed: 1}", {"top_a": 0.5, "seed": 1}),
    ],
)
def test_a_number_stays_a_number(options: str, params: dict[str, Any]) -> None:
    prompt = read(f"model:\n  options:\n    {options}")
    assert prompt.params == params
    assert [type(value) for value in prompt.params.values()] == [type(v) for v in params.values()]


@pytest.mark.parametrize(
    ("front", "message"),
    [
        ("model:\n  options:\n    temperature: hot", "line 4: model.options.temperature: expected a number, got 'hot'"),
        ("model: {options: {temperature: true}}", "temperature: expected a number, got True"),
        ("model: {options: {temperature: .nan}}", "temperature: expected a number"),
        ("model: {parameters: {top_p: [1]}}", "line 2: model.parameters.top_p: expected a number"),
        ("model: {options: {maxOutputTokens: 10.5}}", "maxOutputTokens: expected a whole number, got 10.5"),
        ("model: {options: {maxOutputTokens: many}}", "maxOutputTokens: expected a whole number, got 'many'"),
        ("model: {options: {seed: x}}", "seed: expected a whole number"),
        ("model: {options: {stopSequences: {a: 1}}}", "stopSequences: expected a string"),
        ("model: {options: {stopSequences: [[a]]}}", "stopSequences.0: expected a string"),
        ("model: {options: {allowMultipleToolCalls: maybe}}", "expected true or false, got 'maybe'"),
        ("model: {options: [1]}", "model.options: expected keys with values"),
        ("model: {options: {additionalProperties: 3}}", "additionalProperties: expected keys"),
        ("model: [a]", "line 2: model: expected keys with values"),
        ("model: {id: {a: 1}}", "model.id: expected a string"),
        ("model: {configuration: x}", "model.configuration: expected keys"),
        ("name: [a]", "line 2: name: expected a string, got a list"),
        ("x: 1\ndescription: {a: 1}", "line 3: description: expected a string"),
        ("inputs: 5", "line 2: inputs: expected names"),
        ("inputs: [a, b]", "inputs: each entry needs a name: 'a'"),
        ("inputs: {a: {kind: integer, default: few}}", "inputs.a.default: expected integer, got 'few'"),
        ("inputs: {a: {kind: array, default: few}}", "inputs.a.default: expected array"),
        ("inputs: [{name: a, kind: boolean, default: 3}]", "inputs.0.default: expected boolean, got 3"),
        ("outputs: {a: {kind: strng}}", "did you mean 'string'"),
        ("outputs: {a: {enumValues: x}}", "enumValues: expected a list"),
        ("tools: 3", "line 2: tools: expected a list, got 3"),
        ("tools: [3]", "tools.0: expected keys with values"),
        ("model: {options: {temperature: .inf}}", "line 2: model.options.temperature: expected a number, got .inf"),
        ("outputs: {a: {kind: integer, enumValues: [1, few]}}", "outputs.a.enumValues.1: expected integer, got 'few'"),
        ("outputs: {a: {nullable: yes}}", "outputs.a.nullable: expected true or false, got 'yes'"),
        ("tools: [{name: f, strict: on}]", "tools.0.strict: expected true or false, got 'on'"),
        ("tools: [{name: f, parameters: {a: {required: yes}}}]", "tools.0.parameters.a.required: expected true or false"),
        ("template: {format: mustache}", "template.format: expected jinja2, got 'mustache'"),
        ("template: {format: {kind: handlebars}}", "template.format.kind: expected jinja2"),
        ("model: {options: {temperature: '${env:T}'}}", "temperature: ${env:T} is not looked up"),
        ("inputs: {a: '${env:HOME}'}", "inputs.a: ${env:HOME} is not looked up"),
        ("inputs: {a: {default: '${file:x.txt}'}}", "inputs.a.default: ${file:x.txt} is not looked up"),
        ("outputs: '${file:x.json}'", "outputs: ${file:x.json} is not looked up"),
        ("tools: '${file:x.json}'", "tools: ${file:x.json} is not looked up"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_named_by_its_key(front: str, message: str) -> None:
    with pytest.raises(pex.PexError) as caught:
        read(front)
    assert message in str(caught.value)
    assert str(caught.value).startswith("t.prompty")


@pytest.mark.parametrize(
    ("front", "remark"),
    [
        ("nmae: x", "line 2: unknown key 'nmae' is not read; did you mean 'name'?"),
        ("model: {optoins: {}}", "line 2: model: unknown key 'optoins' is not read; did you mean 'options'?"),
        ("model: {options: {maxTokens: 3}}", "line 2: model.options: 'maxTokens' is not an option: it is not sent; did you mean 'maxOutputTokens'?"),
        ("model: {options: {logprobz: 3}}", "line 2: model.options: 'logprobz' is not an option: it is not sent; put it in additionalProperties"),
        ("a: 1\ntemperature: 0", "line 3: 'temperature' is ignored here; it belongs in model.options"),
        ("model: {max_tokens: 3}", "line 2: model: 'max_tokens' is ignored here; it belongs in model.options"),
        ("model: {parameters: {stream: true}}", "line 2: model.parameters: 'stream' is not sent: pex sets it by itself"),
        ("model: {apiType: image}", "line 2: apiType 'image' is unknown: the chat API is used"),
        ("model: {id: '${env:M}'}", "line 2: model.id: ${env:M} is not looked up: name the model in models"),
        ("inputs: {t: {kind: thread}}", "line 2: inputs: 't' of kind 'thread' is filled in as text"),
        ("tools: [{name: f, kind: mcp}]", "line 2: tools: 'f' of kind 'mcp' is not sent, only functions are"),
        ("name: Two words", "name: 'Two words' cannot be a prompt's name; it is 'Two-words' here"),
    ],
)  # fmt: skip
def test_what_is_not_used_is_remarked_upon(front: str, remark: str, tmp_path: Path) -> None:
    assert read(front).remarks == (remark,)
    path = tmp_path / "t.prompty"
    path.write_text(f"---\n{front}\n---\nHi")
    with pytest.warns(UserWarning, match="t.prompty: ") as caught:
        prompt = pex.Prompt.load(path)
    assert [str(item.message) for item in caught] == [f"t.prompty: {remark}"]
    assert prompt.save(tmp_path / "u.prompty").read_text() == path.read_text()


@pytest.mark.parametrize("key", ["vendor", "x-team", "custom", "$schema", "threshold"])
def test_an_unknown_key_that_is_like_none_is_nobodys_mistake(key: str) -> None:
    assert read(f"{key}: 1\nmetadata: {{owner: me}}\nmodel: {{vendor: 1}}").remarks == ()


def test_numbers_that_may_be_chosen_stay_numbers() -> None:
    schema = read("outputs: {a: {kind: integer, enumValues: [01, 2]}, b: {kind: float, "
                  "enumValues: [1.10, 2]}}").response_schema  # fmt: skip
    assert schema is not None
    assert schema["properties"]["a"]["enum"] == [1, 2]
    assert schema["properties"]["b"]["enum"] == [1.1, 2]


def test_scalar_inputs_are_defaults() -> None:
    prompt = read("inputs: {who: Jane, n: 3, ok: true, list: [a], none: }", "{{ who }} {{ n }}")
    assert prompt.defaults == {"who": "Jane", "n": 3, "ok": True, "list": ["a"]}
    assert prompt.render({})[0]["content"] == "Jane 3"


def test_tool_parameters_are_optional_unless_they_are_required() -> None:
    front = (
        "tools:\n  - name: f\n    kind: function\n    strict: {strict}\n    bindings: {{user: {{input: u}}}}\n"
        "    parameters:\n      - {{name: city, kind: string, required: true}}\n"
        "      - {{name: unit, kind: string, required: false}}\n      - {{name: day, kind: string}}\n"
        "      - {{name: user, kind: string, required: true}}"
    )
    loose, strict = (read(front.format(strict=word)).tools for word in ("false", "true"))
    assert loose is not None
    assert strict is not None
    parameters = loose[0]["function"]["parameters"]
    assert (list(parameters["properties"]), parameters["required"]) == (
        ["city", "unit", "day"], ["city"],
    )  # fmt: skip
    function = strict[0]["function"]
    assert function["strict"] is True
    assert function["parameters"]["required"] == ["city", "unit", "day"]
    assert function["parameters"]["properties"]["unit"]["type"] == ["string", "null"]


RICH = """
# kept
name: rich
displayName: A rich one
description: Old
metadata:
  authors: [ann]
  version: "2.0"
  ratio: 1.10
vendorKey: {deep: [1, 02]}
model:
  id: m1
  provider: lab
  apiType: chat
  connection: {kind: key, endpoint: "${env:E:https://x}", apiKey: "${env:K}"}
  options:
    temperature: 0.50
    vendorOption: 3
    additionalProperties: {top_a: 1}
inputs:
  who: {kind: string, description: Whom to greet, example: Jane, default: 01067}
  unused: {kind: integer}
outputs:
  - {name: code, kind: string, enumValues: [01, 02]}
tools:
  - {name: f, kind: function, parameters: {a: {kind: string, required: true}}, bindings: {b: x}}
  - {name: g, kind: mcp, serverName: s}
template: {format: {kind: jinja2}, parser: {kind: prompty}}
"""


@pytest.mark.filterwarnings("ignore:t.prompty")
@pytest.mark.parametrize(
    "changes",
    [
        {}, {"name": "other"}, {"params": {"temperature": 0.7}}, {"description": "New"},
        {"model": "lab/m2"}, {"messages": "Bye {{ who }} {{ more }}"}, {"response_schema": None},
        {"defaults": {"who": "x"}}, {"defaults": {}}, {"tools": None},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_read_is_kept_when_a_prompt_is_changed(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    from pex.core.yamltext import load_yaml

    changed = read(RICH, "user:\nHi {{ who }}").changed(**changes)
    path = changed.save(tmp_path / "t.prompty")
    again = pex.Prompt.load(path)
    assert again == changed
    assert again.file_text is not None
    front = load_yaml(again.file_text.split("---\n")[1], "f").data
    assert front["displayName"] == "A rich one"
    assert front["metadata"] == {"authors": ["ann"], "version": "2.0", "ratio": 1.1}
    assert "ratio: 1.10" in again.file_text
    assert front["vendorKey"] == {"deep": [1, 2]}
    assert front["model"]["connection"]["apiKey"] == "${env:K}"
    assert front["model"]["options"]["vendorOption"] == 3
    assert front["template"]["parser"] == {"kind": "prompty"}
    who = next(item for item in front["inputs"] if item["name"] == "who")
    assert (who["description"], who["example"]) == ("Whom to greet", "Jane")
    assert {"name": "unused", "kind": "integer"} in front["inputs"]
    assert changed.save(path).read_bytes() == again.save(tmp_path / "u.prompty").read_bytes()


def test_a_prompt_of_version_1_is_written_as_version_2(tmp_path: Path) -> None:
    front = (
        "name: Basic Prompt\nauthors: [a]\nmodel:\n  api: chat\n  configuration:\n"
        "    type: azure_openai\n    azure_deployment: gpt-35\n    api_version: 2024-07-01-preview\n"
        "  parameters:\n    max_tokens: 50\n    temperature: 0.2\n    stop: [1.10]\n"
        "inputs:\n  who:\n    type: string\n    sample: Jane\nsample:\n  who: Jane\n  n: 01"
    )
    prompt = read(front, "\nsystem:\nBe kind.\n\nuser:\nHi {{who}}")
    assert (prompt.name, prompt.model) == ("Basic-Prompt", "gpt-35")
    assert prompt.params == {"max_tokens": 50, "temperature": 0.2, "stop": ["1.10"]}
    assert prompt.defaults == {}
    changed = prompt.changed(params=prompt.params | {"temperature": 0.3})
    again = pex.Prompt.load(changed.save(tmp_path / "t.prompty"))
    assert again == changed
    agent = reference.load(tmp_path / "t.prompty")
    assert agent.display_name == "Basic Prompt"
    assert agent.model.options.max_output_tokens == 50
    assert again.file_text is not None
    assert "sample:\n  who: Jane\n  n: 01\n" in again.file_text
    assert "azure_deployment: gpt-35" in again.file_text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\x7f", exclude_categories=["Cc", "Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(defaults=st.fixed_dictionaries({"a": JSON, "b": JSON}))
def test_any_default_survives_the_file(defaults: dict[str, Any]) -> None:
    prompt = pex.Prompt("{{ a }} {{ b }}", name="p", defaults=defaults)
    again = pex.Prompt.parse(prompt.to_prompty(), "p.prompty", "p")
    kept = {name: value for name, value in defaults.items() if value is not None}
    assert again.defaults == kept
