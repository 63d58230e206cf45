"""Adds checks to a template before it is compiled, so each rendering is bounded.

Everything that becomes text is wrapped in a check, and every loop and macro gets a counter.
"""

# ruff: noqa: D102 - the visitor's methods have the names that Jinja requires

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import TemplateSyntaxError, nodes
from jinja2.visitor import NodeTransformer

from pex.core.hidden import UNTRUSTED

TEXT_FILTERS = (
    "string", "upper", "lower", "trim", "replace", "title", "capitalize", "center", "indent",
    "truncate", "wordwrap", "wordcount", "escape", "e", "forceescape", "striptags", "urlencode",
    "urlize", "safe", "pprint", "format", "tojson", "join", "xmlattr",
)  # fmt: skip
"""Filters that convert their input, and everything in it, to text."""

CALLED = "()"
"""Marks an attribute that is called; no attribute name can end like this."""

OWN_FUNCTION = "pex_"
"""The prefix of Jinja's own functions, so a bare `range` is a variable like any other."""


class Marker(NodeTransformer):
    """Wraps everything that becomes text in a check, and marks attributes that are called."""

    def __init__(self, tree: nodes.Template, functions: Mapping[str, Any]) -> None:
        own = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
        own |= {node.name for node in tree.find_all(nodes.Macro)}
        self._functions = {name.removeprefix(OWN_FUNCTION) for name in functions} - own

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        size = nodes.Const(_data_in(node.body))
        node.iter = nodes.Filter(node.iter, "pex_counted", [size], [], None, None)
        if node.recursive:
            node.body.insert(0, _begun(node))
        return node

    def visit_Macro(self, node: Any) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.body.insert(0, _begun(node))
        return node  # type: ignore[no-any-return]

    visit_CallBlock = visit_Block = visit_Macro  # noqa: N815

    def visit_ScopedEvalContextModifier(self, node: Any) -> nodes.Node:  # noqa: N802
        for option in node.options:
            if not isinstance(option.value, nodes.Const):
                raise TemplateSyntaxError("autoescape takes true or false", node.lineno)
        self.generic_visit(node)
        return node  # type: ignore[no-any-return]

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        target = node.node
        if isinstance(target, nodes.Getattr):
            target.attr += CALLED
        elif isinstance(target, nodes.Name) and target.name in self._functions:
            target.name = f"{OWN_FUNCTION}{target.name}"
        return self.generic_visit(node)

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.nodes = [
            item if isinstance(item, nodes.TemplateData) else _filtered(item, "pex_shown")
            for item in node.nodes
        ]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.nodes = [_filtered(item, "pex_checked") for item in node.nodes]
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        values = [node.expr, *(operand.expr for operand in node.ops)]
        if not any(isinstance(value, nodes.Const) for value in values):
            node.expr = _compared(node.expr)
            for operand in node.ops[:-1]:
                operand.expr = _compared(operand.expr)
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if not isinstance(node.key, nodes.Const):
            node.key = _compared(node.key)
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        # Here an error can name the expression; `join` also accepts values that only loop.
        if node.name in TEXT_FILTERS and node.name != "join" and node.node is not None:
            node.node = _filtered(node.node, "pex_checked")
        elif node.name == UNTRUSTED and node.node is not None:
            node.node = _filtered(node.node, "pex_text")
        return node


def _begun(node: Any) -> nodes.Output:
    """A counter for a body that can be started any number of times."""
    size = nodes.Const(_data_in(node.body))
    return nodes.Output([nodes.Filter(nodes.Const(0), "pex_begun", [size], [], None, None)])


def _data_in(body: list[nodes.Node]) -> int:
    """The literal characters in a body; loops in it count their own."""
    found, rest = 0, list(body)
    while rest:
        node = rest.pop()
        if isinstance(node, nodes.TemplateData):
            found += len(node.data)
        elif not isinstance(node, nodes.For | nodes.Macro | nodes.CallBlock | nodes.Block):
            rest += node.iter_child_nodes()
    return found


def _filtered(node: nodes.Expr, name: str) -> nodes.Filter:
    source = nodes.Const(_source(node))
    return nodes.Filter(node, name, [source], [], None, None, lineno=node.lineno)


def _compared(node: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, "pex_compared", [], [], None, None, lineno=node.lineno)


def _source(node: nodes.Node | None) -> str:
    """An expression roughly as written in the template."""
    match node:
        case nodes.Name():
            return node.name.removeprefix(OWN_FUNCTION)
        case nodes.Getattr():
            return f"{_source(node.node)}.{node.attr.removesuffix(CALLED)}"
        case nodes.Getitem(arg=nodes.Const(value=key)):
            return f"{_source(node.node)}[{key!r}]"
        case nodes.Call():
            return f"{_source(node.node)}({'…' if node.args or node.kwargs else ''})"
        case nodes.Filter(name="pex_checked" | "pex_shown" | "pex_text" | "pex_compared"):
            return _source(node.node)
        case nodes.Filter():
            return f"{_source(node.node)} | {node.name}"
        case nodes.Const():
            return repr(node.value)
        case _:
            return "…"
