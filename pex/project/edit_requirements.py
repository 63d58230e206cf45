"""Writes requirements into an `experiment.yaml`: its other bytes, comments too, stay."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from pex.core.errors import PexError
from pex.core.yamltext import load_yaml
from pex.project.spec import Requirement

_KEY = "requirements"
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def with_requirements(text: str, where: str, requirements: Sequence[Requirement]) -> str:
    r"""The text of an experiment's file with new requirements added and known ones changed.

    Args:
        text: the file's text.
        where: its name, for errors.
        requirements: those to write; one whose id is there replaces it. None is removed.

    Raises:
        PexError: the file is not valid YAML, or cannot be changed in place.

    Example:
        >>> text = "name: x  # mine\nrequirements:\n  - {id: R1, text: Be kind.}  # Ada\n"
        >>> print(with_requirements(text, "f", [Requirement(id="R2", text="Be brief.")]), end="")
        name: x  # mine
        requirements:
          - {id: R1, text: Be kind.}  # Ada
          - {id: R2, text: "Be brief."}
    """
    document = load_yaml(text, where)
    if not isinstance(document.root, MappingNode):
        raise PexError(f"{where}: expected keys with values, such as 'name: …'")
    node = next((v for k, v in document.root.value if k.value == _KEY), None)
    before = (document.data or {}).get(_KEY) or []
    items = node.value if isinstance(node, SequenceNode) else []
    by_id = {str(entry.get("id")): number for number, entry in enumerate(before)}
    edits: list[tuple[int, int, str]] = []
    new: list[Requirement] = []
    for item in requirements:
        number = by_id.get(item.id)
        if number is None:
            new.append(item)
        else:
            edits += _changes(text, items[number], before[number], item)
    if new:
        edits.append(_added(text, document.root, node, items, new))
    changed = text
    for start, end, replacement in sorted(edits, reverse=True):
        changed = changed[:start] + replacement + changed[end:]
    _check(changed, where, before, requirements)
    return changed


def _check(
    text: str, where: str, before: Sequence[Mapping[str, Any]], wanted: Sequence[Requirement]
) -> None:
    """Read the new text back: it must have what was there and what was to be written."""
    meant = {str(entry.get("id")): Requirement.model_validate(entry) for entry in before}
    meant |= {item.id: item for item in wanted}
    try:
        there = (load_yaml(text, where).data or {}).get(_KEY) or []
        found = {str(entry.get("id")): Requirement.model_validate(entry) for entry in there}
    except (PexError, ValueError, AttributeError):
        found = {}
    if found != meant:
        lines = "\n".join(f"  - {_flow(item)}" for item in wanted)
        raise PexError(
            f"{where}: its requirements cannot be changed in place; nothing has been written",
            hint=f"write them there yourself:\n{lines}",
        )


def _added(
    text: str,
    root: MappingNode,
    node: Node | None,
    items: Sequence[Node],
    new: Sequence[Requirement],
) -> tuple[int, int, str]:
    """The place and the text of the new requirements."""
    line_end = "\r\n" if "\r\n" in text else "\n"
    if not items:
        lines = "".join(f"  - {_flow(item)}{line_end}" for item in new)
        if node is None:
            gap = "" if text.endswith("\n") or not text else line_end
            at = len(text)
            if root.flow_style:  # one {…}: a check will say that it cannot be changed
                return at, at, f"{gap}{lines}"
            return at, at, f"{gap}{_KEY}:{line_end}{lines}"
        start = node.start_mark.index
        if node.end_mark.index == start or not text[start : node.end_mark.index].strip():
            key = next(key for key, value in root.value if value is node)
            start = text.index(":", key.end_mark.index) + 1
            return start, start, f"{line_end}{lines}".rstrip("\r\n")
        return start, node.end_mark.index, f"{line_end}{lines}".rstrip("\r\n")
    last = items[-1]
    if isinstance(node, SequenceNode) and node.flow_style:
        at = _end(last)
        return at, at, "".join(f", {_flow(item)}" for item in new)
    begin = text.rfind("\n", 0, items[0].start_mark.index) + 1
    dash = text[begin : items[0].start_mark.index]
    at, closed = _line_after(text, _end(last))
    lines = "".join(f"{dash}{_flow(item)}{line_end}" for item in new)
    return at, at, lines if closed else line_end + lines


def _changes(
    text: str, node: Node, before: Mapping[str, Any], item: Requirement
) -> list[tuple[int, int, str]]:
    """The edits that turn one requirement into another: only the values that differ."""
    old = Requirement.model_validate(before)
    if not isinstance(node, MappingNode):
        return []
    there = {key.value: value for key, value in node.value}
    edits: list[tuple[int, int, str]] = []
    missing = []
    for name in ("text", "source", "priority", "at_least"):
        value = getattr(item, name)
        if value == getattr(old, name):
            continue
        if name in there:
            edits.append(_replaced(text, there[name], _scalar(value)))
        else:
            missing.append(f"{name}: {_scalar(value)}")
    if missing and node.flow_style:
        at = len(text[: node.end_mark.index - 1].rstrip())
        edits.append((at, at, "".join(f", {part}" for part in missing)))
    elif missing:
        line_end = "\r\n" if "\r\n" in text else "\n"
        at, closed = _line_after(text, _end(node))
        indent = " " * node.value[0][0].start_mark.column
        lines = "".join(f"{indent}{part}{line_end}" for part in missing)
        edits.append((at, at, lines if closed else line_end + lines))
    return edits


def _replaced(text: str, node: Node, written: str) -> tuple[int, int, str]:
    start, end = node.start_mark.index, node.end_mark.index
    tail = text[start:end]
    line_end = tail[len(tail.rstrip("\r\n")) :]  # a block of text ends with its last line
    return start, end, written + line_end


def _end(node: Node) -> int:
    """Where the last value of a node ends; the node itself ends where the next one begins."""
    if isinstance(node, MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    if isinstance(node, SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    return int(node.end_mark.index)


def _line_after(text: str, at: int) -> tuple[int, bool]:
    """The beginning of the next line, and whether this one has an end."""
    if at and text[at - 1] == "\n":
        return at, True
    found = text.find("\n", at)
    return (len(text), False) if found < 0 else (found + 1, True)


def _flow(item: Requirement) -> str:
    data = item.model_dump(exclude_defaults=True)
    return "{" + ", ".join(f"{name}: {_scalar(value)}" for name, value in data.items()) + "}"


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float):
        return repr(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.casefold() not in _WORDS:
        return text
    written = json.dumps(text, ensure_ascii=False)
    # What cannot be seen is escaped: YAML does not allow all of it in a file.
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in written)
