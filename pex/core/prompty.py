"""The `.prompty` file format: YAML front matter, then a body with role lines.

Version 2 is written. Version 1 (`inputs: {x: {type: string}}`, `model.parameters`, `sample`) is
also read. The functions here work with plain dicts; `pex.core.prompt.Prompt` is built on them.

Two things differ from the reference loader on purpose: text before the first role line is a user
message (a chat model does not answer a lone system message), and roles are found before the
template is rendered, so a case value cannot start a message of its own.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from pex.core import front_matter
from pex.core.errors import PexError
from pex.core.names import ROLES
from pex.core.prompty_fields import FROM_PEX, KEYS, FrontMatter
from pex.core.prompty_schema import named, response_format, to_outputs
from pex.core.yamltext import Document, dump_yaml, load_yaml

_ATTRIBUTES = r"\[([ \t]*\w+[ \t]*=[^\]\n]*)\]"
_ROLE_LINE = re.compile(
    rf"^[ \t]*+#?[ \t]*+({'|'.join(ROLES)})[ \t]*+(?:{_ATTRIBUTES})?[ \t]*+:[ \t]*+$",
    re.MULTILINE | re.IGNORECASE,
)
_LINE_END = re.compile(r"\r*\n|\r")
"""Also a lone CR, as in Jinja, and the CR CR LF of a file that was converted twice."""
_ATTRIBUTE = re.compile(r'(\w+)[ \t]*=[ \t]*(?:"([^"]*)"|([^",\]]*))')


def parse(text: str, where: str) -> dict[str, Any]:
    r"""Read a prompt file into the fields of a `Prompt`.

    Args:
        text: the file's content.
        where: how to name the file in an error.

    Returns:
        `messages`, `front` (the raw front matter), `remarks` on unused parts, and, if given,
        `name`, `description`, `model`, `params`, `defaults`, `response_schema`, `tools`,
        `examples`.

    Raises:
        PexError: front matter is in the wrong place or not valid, a value has the wrong type, or
            the body is empty.

    Example:
        >>> parse("---\nname: hi\n---\nsystem:\nBe kind.\n\nuser:\n{{ q }}\n", "f")["messages"]
        [{'role': 'system', 'content': 'Be kind.'}, {'role': 'user', 'content': '{{ q }}'}]
    """
    parts = front_matter.split(text, where, KEYS)
    document = _front_matter(parts, where)
    read = FrontMatter(document, where)
    fields = read.fields
    instructions = fields.pop("instructions", "")
    fields["messages"] = split_roles(parts.body if parts.body.strip() else instructions)
    if not fields["messages"]:
        raise PexError(f"{where}: the prompt has no text after its front matter")
    return fields | {"front": document.data, "remarks": tuple(read.remarks)}


def split_roles(body: str) -> list[dict[str, str]]:
    r"""Split a body at its role lines; text before the first one is a user message.

    A role line can have attributes: `name` is the message's name, others (such as the `nonce`
    written by other tools) are dropped.

    Example:
        >>> split_roles('user[name="Ann", nonce=x1]:\nHi')
        [{'role': 'user', 'content': 'Hi', 'name': 'Ann'}]
    """
    pieces = _ROLE_LINE.split(_LINE_END.sub("\n", body))
    messages = [{"role": "user", "content": pieces[0].strip()}]
    for role, attributes, content in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        found = {key: quoted or bare.strip()
                 for key, quoted, bare in _ATTRIBUTE.findall(attributes or "")}  # fmt: skip
        name = {"name": found["name"]} if found.get("name") else {}
        messages.append({"role": role.lower(), "content": content.strip(), **name})
    first_is_empty = not messages[0]["content"]
    return messages[1:] if first_is_empty else messages


def format_prompty(fields: dict[str, Any]) -> str:
    """Write the fields of a `Prompt` as a version 2 file.

    `front` is the front matter that the prompt was read with: anything not in the fields
    (`metadata`, `displayName`, descriptions of inputs, unknown keys) is kept from it.

    Raises:
        PexError: a message that the format cannot hold.
    """
    kept: dict[str, Any] = copy.deepcopy(fields.get("front") or {})
    was = FrontMatter(Document(copy.deepcopy(kept), None), "").fields if kept else {}
    data: dict[str, Any] = {"name": fields["name"]}
    if slug(was.get("name", "")) == fields["name"] != was.get("name"):
        data["displayName"] = kept.get("displayName") or was["name"]
    if fields.get("description"):
        data["description"] = fields["description"]
    tools = kept.get("tools") if fields.get("tools") == was.get("tools") else None
    model = _model(fields, kept.get("model"), was, apart=not tools)
    inputs = _inputs(fields, kept.get("inputs"), was)
    outputs = to_outputs(fields["response_schema"]) if fields.get("response_schema") else None
    same = outputs is not None and was.get("response_schema") == fields["response_schema"]
    own = {"model": model, "inputs": inputs, "outputs": kept.get("outputs") if same else outputs}
    own["tools"] = tools
    examples = tuple(fields.get("examples") or ())
    same = examples == was.get("examples", ())
    own["examples"] = kept.get("examples") if same else list(examples)
    data |= {key: value for key, value in own.items() if value}
    # In the order of the file it was read from; new keys come at the end.
    dropped = {"description", "instructions", *own} - set(data)
    rest = {key: value for key, value in kept.items() if key not in dropped}
    written = {key: data.get(key, value) for key, value in rest.items()} if kept else {}
    written |= {key: value for key, value in data.items() if key not in written}
    messages = [_with_line_feeds(message) for message in fields["messages"]]
    body = "\n\n".join(f"{_role_line(m)}\n{m['content']}" for m in messages) + "\n"
    if split_roles(body) != messages:
        raise PexError(
            f"prompt '{fields['name']}': a .prompty file cannot hold a message with images, or "
            "with a line that is only a role, such as 'user:'",
            hint="write such a line as {{ 'user:' }}",
        )
    return f"---\n{dump_yaml(written)}---\n{body}"


def _with_line_feeds(message: dict[str, Any]) -> dict[str, Any]:
    """A message with the line endings that a template produces anyway."""
    content = message["content"]
    return {
        **message,
        "content": _LINE_END.sub("\n", content) if isinstance(content, str) else content,
    }


def slug(name: str) -> str:
    """A name that `check_name` accepts, from a name written by another tool.

    Example:
        >>> slug("Shakespearean Writing Prompty")
        'Shakespearean-Writing-Prompty'
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-")


def _front_matter(parts: front_matter.Parts, where: str) -> Document:
    if parts.front is None:
        return Document({}, None)
    try:
        document = load_yaml(parts.front, where, parts.front_line)
    except PexError as error:
        swallowed = _ROLE_LINE.search(parts.front)
        hint = "is the line '---' missing that ends the front matter?" if swallowed else None
        raise PexError(error.message, hint=hint) from None
    if document.data is None:
        return Document({}, None)
    if not isinstance(document.data, dict):
        toml = re.search(r"^\s*\w+\s*=", parts.front, re.MULTILINE)
        raise PexError(
            f"{where}, line {parts.front_line}: the front matter must be keys with values",
            hint="it is YAML: write 'key: value', not 'key = value'" if toml else None,
        )
    return document


def _role_line(message: dict[str, Any]) -> str:
    name = message.get("name")
    return f'{message["role"]}[name="{name}"]:' if name else f"{message['role']}:"


def _model(
    fields: dict[str, Any], kept: Any, was: dict[str, Any], *, apart: bool
) -> dict[str, Any]:
    """The key `model`: parts that were read are rewritten, others are kept.

    `apart` means that tools are here, in OpenAI's form, and not under their own key.
    """
    data: dict[str, Any] = {"id": kept} if isinstance(kept, str) else dict(kept or {})
    if fields.get("model") != was.get("model"):
        for key in ("id", "provider"):
            data.pop(key, None)
        provider, _, identity = (fields.get("model") or "").partition("/")
        named_model = {"id": identity, "provider": provider} if identity else {"id": provider}
        data = {key: value for key, value in named_model.items() if value} | data
    given: dict[str, Any] = data.pop("options", None) or {}
    data.pop("parameters", None)
    options = {key: value for key, value in given.items() if _is_unread(key)}
    extra: dict[str, Any] = {}
    for key, value in (fields.get("params") or {}).items():
        if key in FROM_PEX:
            options[FROM_PEX[key]] = value
        else:
            extra[key] = value
    schema = fields.get("response_schema")
    if schema and to_outputs(schema) is None:
        extra["response_format"] = response_format(schema)
    if fields.get("tools") and apart:
        extra["tools"] = fields["tools"]
    if extra:
        options["additionalProperties"] = extra
    return data | ({"options": options} if options else {})


def _is_unread(key: str) -> bool:
    return key != "additionalProperties" and key not in FROM_PEX and key not in FROM_PEX.values()


def _inputs(fields: dict[str, Any], kept: Any, was: dict[str, Any]) -> list[dict[str, Any]]:
    """The key `inputs`: the variables, with the file's details on each."""
    defaults, before = fields.get("defaults") or {}, was.get("defaults") or {}
    known = {} if isinstance(kept, str) else {item["name"]: item for item in named(kept or [], "")}
    made = []
    for name in dict.fromkeys([*known, *(fields.get("variables") or ())]):
        item = dict(known.get(name) or {"name": name})
        kind = item.pop("kind", None) or item.pop("type", None) or _kind(defaults.get(name))
        if name not in defaults:
            item.pop("default", None)
        elif name not in before or before[name] != defaults[name]:
            kind = kind if name in before else _kind(defaults[name])
            item["default"] = defaults[name]
        made.append({"name": item.pop("name"), "kind": kind} | item)
    return made


def _kind(default: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "float", list: "array", dict: "object"}
    return kinds.get(type(default), "string")
