"""The front matter of a record, changed in place: comments and other keys stay as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

from pex.core.errors import PexError
from pex.core.text import replace_surrogates
from pex.core.yamltext import load_yaml

_FENCED = re.compile(
    r"\A\ufeff?---[ \t]*\r?\n(?P<front>.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE
)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./@+-]*(?: [A-Za-z0-9_./@:+-]*[A-Za-z0-9_./@+-])*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def front_of(text: str, where: str) -> tuple[str, int]:
    """The front matter of a record and where it begins.

    Raises:
        PexError: there is none.
    """
    found = _FENCED.search(text)
    if found is None:
        raise PexError(
            f"{where}, line 1: expected the front matter: a line '---', keys with values, '---'",
            hint="`pexlab incident new` writes records; git has what was there before",
        )
    return found["front"], found.start("front")


def read_fields(text: str, where: str) -> dict[str, Any]:
    """The keys and values of a record's front matter.

    Raises:
        PexError: there is none, or it is not valid YAML; the error names the line.
    """
    front, _ = front_of(text, where)
    data = load_yaml(front, where, first_line=2).data
    if not isinstance(data, Mapping):
        raise PexError(f"{where}, line 2: expected keys with values, such as 'title: …'")
    return {str(key): value for key, value in data.items()}


def with_fields(text: str, where: str, fields: Mapping[str, Any]) -> str:
    r"""The text of a record with other values of some keys; new keys come last.

    Args:
        text: the whole record.
        where: its name, for errors.
        fields: the values; None for a key without one.

    Raises:
        PexError: the front matter cannot be changed in place; nothing is lost then.

    Example:
        >>> text = "---\ntitle: Hi   # mine\nfixed_at:\n---\n# Hi\n"
        >>> print(with_fields(text, "f", {"fixed_at": "2026-11-30 03:12:05 UTC", "case": "t-1"}))
        ---
        title: Hi   # mine
        fixed_at: 2026-11-30 03:12:05 UTC
        case: t-1
        ---
        # Hi
        <BLANKLINE>
    """
    front, begin = front_of(text, where)
    before = read_fields(text, where)
    root = load_yaml(front, where, first_line=2).root
    pairs = root.value if isinstance(root, MappingNode) else []
    places: dict[str, tuple[Node, Node]] = {key.value: (key, value) for key, value in pairs}
    line_end = "\r\n" if "\r\n" in text else "\n"
    edits: list[tuple[int, int, str]] = []
    new = ""
    for name, value in fields.items():
        written = flow(value)
        if name not in places:
            new += f"{name}:{' ' if written else ''}{written}{line_end}"
        elif before.get(name) != value:
            edits.append(_edit(front, *places[name], written))
    changed = front
    for start, end, replacement in sorted(edits, reverse=True):
        changed = changed[:start] + replacement + changed[end:]
    whole = text[:begin] + changed + new + text[begin + len(front) :]
    if read_fields(whole, where) != {**before, **fields}:
        raise PexError(
            f"{where}: its front matter cannot be changed in place; nothing has been written",
            hint="give these keys plain values, each on a line of its own: "
            + ", ".join(name for name in fields if name in places),
        )
    return whole


def _edit(front: str, key: Node, value: Node, written: str) -> tuple[int, int, str]:
    """The place of a value, and what comes there."""
    start, end = value.start_mark.index, _end(value)
    if not front[start:end].strip():  # a key without a value
        start = end = front.index(":", key.end_mark.index) + 1
        return start, end, f" {written}" if written else ""
    if not written:  # without the space before it
        start = front.index(":", key.end_mark.index) + 1
    return start, end, written


def _end(node: Node) -> int:
    """The end of a value; the parser counts what follows a block to it."""
    if isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    if isinstance(node, ScalarNode) and node.style in ("|", ">"):
        raise PexError("a value of several lines cannot be changed in place")
    return int(node.end_mark.index)


def flow(value: Any) -> str:
    """A value on one line of YAML.

    Example:
        >>> flow([1, "a: b"]), flow({"alias": "champion", "to": 1}), flow("on"), flow(None)
        ('[1, "a: b"]', '{alias: champion, to: 1}', '"on"', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item) or "null" for item in value) + "]"
    text = str(value)
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS and not _is_number(text)
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    r"""In double quotes, with YAML's escapes for what YAML does not have as it is.

    Example:
        >>> print(_quoted('a "b"\x7f'))
        "a \"b\"\U0000007f"
    """
    written = json.dumps(replace_surrogates(text), ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in written)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9][0-9._eExXoO+-]*|0[xo][0-9a-fA-F]+", text) is not None
