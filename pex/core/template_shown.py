"""Which variables a template shows: where, and whether between delimiters."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator

from jinja2 import nodes

from pex.core.hidden import UNTRUSTED

_FIGURES = frozenset({"length", "count", "int", "float", "round", "abs", "wordcount", "sum"})
"""Filters whose result is a number, whatever the value says."""


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """A variable that is shown: its name, its line from 1, and whether between delimiters."""

    name: str
    line: int
    fenced: bool


def shown_in(tree: nodes.Template, names: Collection[str]) -> Iterator[Shown]:
    """The variables among `names` that a parsed template shows, also by another name."""
    loops = {
        target.name: origin
        for loop in tree.find_all(nodes.For)
        for origin in _names(loop.iter)
        for target in [loop.target]
        if isinstance(target, nodes.Name)
    } | {
        item.target.name: origin
        for item in tree.find_all(nodes.Assign)
        if isinstance(item.target, nodes.Name) and not _is_fenced(item.node)
        for origin in _names(item.node)
    }
    seen = set()
    for output in tree.find_all(nodes.Output):
        for item in output.nodes:
            for name, line, fenced in _shown(item, fenced=False):
                origin = loops.get(name, name)
                place = (origin, line, fenced)
                if origin in names and place not in seen:
                    seen.add(place)
                    yield Shown(origin, line, fenced)


def _shown(node: nodes.Node, *, fenced: bool) -> Iterator[tuple[str, int, bool]]:
    if isinstance(node, nodes.Name):
        if node.ctx == "load":
            yield node.name, node.lineno, fenced
        return
    if isinstance(node, nodes.Filter):
        if node.name in _FIGURES:
            return
        fenced = fenced or node.name == UNTRUSTED
    if isinstance(node, nodes.CondExpr):  # its condition is not shown
        for part in (node.expr1, node.expr2):
            if part is not None:
                yield from _shown(part, fenced=fenced)
        return
    for child in node.iter_child_nodes():
        yield from _shown(child, fenced=fenced)


def _is_fenced(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Filter) and node.name == UNTRUSTED


def _names(node: nodes.Node) -> list[str]:
    found = [node] if isinstance(node, nodes.Name) else list(node.find_all(nodes.Name))
    return [name.name for name in found if name.ctx == "load"][:1]
