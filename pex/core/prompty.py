"""The `.prompty` file format: YAML front matter, then a body with role lines.

Version 2 is written. Version 1 (`inputs: {x: {type: string}}`, `model.parameters`, `sample`) is
read too. Plain dicts go in and out here; `pex.core.prompt.Prompt` is built on them.

Two things differ from the reference loader on purpose: a body without a role line is one user
message (a lone system message is not what a chat model answers), and roles are found before the
template is rendered, so that a case value cannot start a message of its own.
"""

from __future__ import annotations

import io
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pex.core.errors import PexError, nearest
from pex.core.names import plain

ROLES = ("system", "developer", "user", "assistant")
_ROLE_LINE = re.compile(
    rf"^[ \t]*#?[ \t]*({'|'.join(ROLES)})[ \t]*:[ \t]*$", re.MULTILINE | re.IGNORECASE
)
_FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)

_KEYS = (
    "name", "displayName", "description", "metadata", "model", "inputs", "outputs", "tools",
    "template", "instructions",
    "version", "authors", "tags", "sample",  # version 1
)  # fmt: skip
_MODEL_KEYS = (
    "id", "provider", "apiType", "connection", "options",
    "api", "configuration", "parameters", "response",  # version 1
)  # fmt: skip
_OPTIONS = {  # the format's name -> the name in pex
    "frequencyPenalty": "frequency_penalty",
    "maxOutputTokens": "max_tokens",
    "presencePenalty": "presence_penalty",
    "reasoningEffort": "reasoning_effort",
    "seed": "seed",
    "temperature": "temperature",
    "topK": "top_k",
    "topP": "top_p",
    "stopSequences": "stop",
    "allowMultipleToolCalls": "parallel_tool_calls",
}
_FROM_PEX = {ours: theirs for theirs, ours in _OPTIONS.items()}
_KINDS = {"string", "integer", "float", "number", "boolean", "array", "object"}


def parse(text: str, where: str) -> dict[str, Any]:
    r"""Read a prompt file into the fields of a `Prompt`.

    Args:
        text: the file's content.
        where: how to name the file in an error.

    Returns:
        `messages`, and where they are given `name`, `description`, `model`, `params`, `defaults`,
        `response_schema`, `tools`.

    Raises:
        PexError: no valid YAML, an unknown key, a value of the wrong shape, an empty body.

    Example:
        >>> parse("---\nname: hi\n---\nsystem:\nBe kind.\n\nuser:\n{{ q }}\n", "f")["messages"]
        [{'role': 'system', 'content': 'Be kind.'}, {'role': 'user', 'content': '{{ q }}'}]
    """
    found = _FRONT.match(text.removeprefix("\ufeff"))
    front = _front_matter(found.group(1), where) if found else {}
    body = text.removeprefix("\ufeff")[found.end() :] if found else text
    _check_keys(front, _KEYS, where)
    fields: dict[str, Any] = {"messages": split_roles(body or str(front.get("instructions") or ""))}
    if not fields["messages"]:
        raise PexError(f"{where}: the prompt has no text after its front matter")
    for key in ("name", "description"):
        if front.get(key) is not None:
            fields[key] = str(front[key])
    _read_model(front.get("model"), fields, where)
    fields["defaults"] = _read_inputs(front, where)
    if front.get("outputs") and "response_schema" not in fields:
        fields["response_schema"] = to_schema(front["outputs"], f"{where}: outputs")
    if front.get("tools") and "tools" not in fields:
        fields["tools"] = [_read_tool(tool, f"{where}: tools") for tool in front["tools"]]
    return fields


def split_roles(body: str) -> list[dict[str, str]]:
    """Cut a body at its role lines; text before the first one is a user message."""
    pieces = _ROLE_LINE.split(body.replace("\r\n", "\n"))
    messages = [{"role": "user", "content": pieces[0].strip()}]
    for role, content in zip(pieces[1::2], pieces[2::2], strict=True):
        messages.append({"role": role.lower(), "content": content.strip()})
    first_is_empty = not messages[0]["content"]
    return messages[1:] if first_is_empty else messages


def format_prompty(fields: dict[str, Any]) -> str:
    """Write the fields of a `Prompt` as a version 2 file.

    Raises:
        PexError: a message that the format cannot hold.
    """
    front: dict[str, Any] = {"name": fields["name"]}
    if fields.get("description"):
        front["description"] = fields["description"]
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in (fields.get("params") or {}).items():
        if key in _FROM_PEX:
            options[_FROM_PEX[key]] = value
        else:
            extra[key] = value
    schema = fields.get("response_schema")
    outputs = _to_outputs(schema) if schema else None
    if schema and outputs is None:
        extra["response_format"] = response_format(schema)
    if fields.get("tools"):
        extra["tools"] = fields["tools"]
    if extra:
        options["additionalProperties"] = extra
    model: dict[str, Any] = {}
    if fields.get("model"):
        provider, _, identity = fields["model"].partition("/")
        model = {"id": identity, "provider": provider} if identity else {"id": provider}
    if options:
        model["options"] = options
    if model:
        front["model"] = model
    if fields.get("variables"):
        defaults = fields.get("defaults") or {}
        front["inputs"] = [
            {"name": name, "kind": _kind(defaults.get(name))}
            | ({"default": defaults[name]} if name in defaults else {})
            for name in fields["variables"]
        ]
    if outputs:
        front["outputs"] = outputs
    body = "\n\n".join(f"{m['role']}:\n{m['content']}" for m in fields["messages"]) + "\n"
    if split_roles(body) != [dict(m) for m in fields["messages"]]:
        raise PexError(
            f"prompt '{fields['name']}': a .prompty file cannot hold a message with images, or "
            "with a line that is only a role, such as 'user:'",
            hint="write such a line as {{ 'user:' }}",
        )
    return f"---\n{_dump(front)}---\n{body}"


def response_format(schema: dict[str, Any]) -> dict[str, Any]:
    """What an OpenAI-compatible endpoint takes to answer by a JSON Schema."""
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }


def to_schema(outputs: Any, where: str) -> dict[str, Any]:
    """The JSON Schema of a list of output properties, all required and no others allowed.

    Example:
        >>> to_schema([{"name": "n", "kind": "integer", "nullable": True}], "p")["properties"]
        {'n': {'type': ['integer', 'null']}}
    """
    properties = {}
    for item in _named(outputs, where):
        properties[item["name"]] = _property_schema(item, where)
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _property_schema(item: dict[str, Any], where: str) -> dict[str, Any]:
    kind = str(item.get("kind") or item.get("type") or "string")
    if kind not in _KINDS:
        raise PexError(
            f"{where}: '{item.get('name')}' has kind '{kind}'", hint=nearest(kind, _KINDS)
        )
    schema: dict[str, Any] = {"type": "number" if kind == "float" else kind}
    if kind == "object" and item.get("properties"):
        schema = to_schema(item["properties"], where)
    if kind == "array" and item.get("items"):
        schema["items"] = _property_schema(dict(item["items"]), where)
    if item.get("description"):
        schema["description"] = item["description"]
    if item.get("enumValues"):
        schema["enum"] = list(item["enumValues"])
    if item.get("nullable"):
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema and None not in schema["enum"]:
            schema["enum"].append(None)
    return schema


def _to_outputs(schema: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Flat output properties for `schema`, or None where they cannot say the same."""
    outputs = []
    for name, item in schema.get("properties", {}).items():
        kinds = item.get("type")
        nullable = isinstance(kinds, list)
        kind = next((k for k in kinds if k != "null"), None) if nullable else kinds
        if kind not in _KINDS:
            return None
        entry: dict[str, Any] = {"name": name, "kind": kind}
        if item.get("description"):
            entry["description"] = item["description"]
        if item.get("enum"):
            entry["enumValues"] = [value for value in item["enum"] if value is not None]
        if nullable:
            entry["nullable"] = True
        outputs.append(entry)
    return outputs if outputs and to_schema(outputs, "") == schema else None


def _front_matter(text: str, where: str) -> dict[str, Any]:
    try:
        data = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else "?"
        raise PexError(f"{where}, line {line}: no valid YAML: {error.problem}") from None
    except YAMLError as error:
        raise PexError(f"{where}: no valid YAML: {error}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise PexError(f"{where}: the front matter must be keys with values")
    return dict(plain(data))


def _check_keys(data: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in data:
        if key not in known:
            raise PexError(f"{where}: unknown key '{key}'", hint=nearest(key, known))


def _read_model(model: Any, fields: dict[str, Any], where: str) -> None:
    if model is None:
        return
    if isinstance(model, str):
        model = {"id": model}
    if not isinstance(model, dict):
        raise PexError(f"{where}: model must be a name or keys with values")
    _check_keys(model, _MODEL_KEYS, f"{where}: model")
    configuration = model.get("configuration") or {}
    identity = model.get("id") or configuration.get("azure_deployment") or configuration.get("name")
    if identity:
        provider = model.get("provider")
        fields["model"] = f"{provider}/{identity}" if provider else str(identity)
    params = dict(model.get("parameters") or {})
    options = dict(model.get("options") or {})
    params.update(options.pop("additionalProperties", None) or {})
    for key, value in options.items():
        if key not in _OPTIONS:
            raise PexError(
                f"{where}: model.options: unknown key '{key}'", hint=nearest(key, _OPTIONS)
            )
        params[_OPTIONS[key]] = value
    if "tools" in params:
        fields["tools"] = params.pop("tools")
    asked = params.get("response_format")
    if isinstance(asked, dict) and asked.get("type") == "json_schema":
        fields["response_schema"] = params.pop("response_format")["json_schema"]["schema"]
    if params:
        fields["params"] = params


def _read_inputs(front: dict[str, Any], where: str) -> dict[str, Any]:
    defaults = {}
    for item in _named(front.get("inputs") or [], f"{where}: inputs"):
        if item.get("default") is not None:
            defaults[item["name"]] = item["default"]
    return defaults


def _read_tool(tool: Any, where: str) -> dict[str, Any]:
    if not isinstance(tool, dict) or tool.get("kind", "function") != "function":
        raise PexError(f"{where}: only tools of kind 'function' can be sent")
    parameters = tool.get("parameters") or []
    schema = to_schema(parameters, where) if parameters else {"type": "object", "properties": {}}
    function = {"name": tool.get("name"), "parameters": schema}
    if tool.get("description"):
        function["description"] = tool["description"]
    return {"type": "function", "function": function}


def _named(items: Any, where: str) -> list[dict[str, Any]]:
    """Properties as a list with names, from either of the two forms that files use."""
    if isinstance(items, dict):
        items = [
            {"name": name, **(item if isinstance(item, dict) else {"example": item})}
            for name, item in items.items()
        ]
    for item in items:
        if not isinstance(item, dict) or not item.get("name"):
            raise PexError(f"{where}: each entry needs a name: {item!r}")
    return list(items)


def _kind(default: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "float", list: "array", dict: "object"}
    return kinds.get(type(default), "string")


def _dump(front: dict[str, Any]) -> str:
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 10_000  # a line break inside a value would move with every edit
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(front, out)
    return out.getvalue()
