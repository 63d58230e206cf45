"""Expressions of Python as templates: strings, f-strings, `.format`, `%`, `+` and `join`."""

from __future__ import annotations

import ast
import dataclasses
import re
import string
import textwrap
from collections.abc import Mapping, Sequence

from pex.importers.variables import literal

_PERCENT = re.compile(r"%(?:\((\w+)\))?[-+ #0]*(?:\d+|\*)?(?:\.\d+)?([sdrifgxeac%])")
_SAME = ("strip", "lstrip", "rstrip")
_DEDENT = ("dedent", "cleandoc")
_DEEPEST = 60
_MOST_STEPS = 500
_LONGEST_NAME = 40


class BuiltByCodeError(Exception):
    """An expression is not text that can be read without running it; the message says why."""


class TooManyPartsError(BuiltByCodeError):
    """A text of texts of texts without end: no part of it becomes a variable."""


@dataclasses.dataclass(slots=True)
class Scope:
    """The names that are assigned once, and what is said while an expression is read.

    `used` has the places of strings that are part of a prompt, so that none is found twice.
    """

    values: Mapping[str, ast.expr]
    changes: list[str] = dataclasses.field(default_factory=list)
    used: set[int] = dataclasses.field(default_factory=set)
    steps: int = 0

    def step(self) -> None:
        """Count a step: a text of texts of texts can be too long to be written.

        Raises:
            BuiltByCodeError: it takes too many.
        """
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise TooManyPartsError("it is put together from too many parts")

    def value(self, node: ast.expr | None) -> ast.expr | None:
        """The expression that a name stands for; another expression as it is."""
        for _ in range(_DEEPEST):
            if not isinstance(node, ast.Name) or node.id not in self.values:
                return node
            node = self.values[node.id]
            self.used.add(id(node))
        return None


def template_of(node: ast.expr | None, scope: Scope, depth: int = 0) -> str:
    """The template that an expression writes.

    Raises:
        BuiltByCodeError: it is not text, or only running the code would tell.

    Example:
        >>> def read(code):
        ...     return template_of(ast.parse(code, mode="eval").body, Scope({}))
        >>> read('f"Hi {user.name}, " + "{" + greet(x)'), read('"Say %s %(a)s" % {"a": b}')
        ('Hi {{ user_name }}, {{{ greet_x }}', 'Say {{ value }} {{ b }}')
        >>> read('"{} {x} {{y}}".format(first, x=2)')
        '{{ first }} 2 {y}'
    """
    scope.step()
    if depth > _DEEPEST:
        raise TooManyPartsError("it is nested too deeply")
    if isinstance(node, ast.Name) and node.id in scope.values:
        scope.used.add(id(scope.values[node.id]))
        return template_of(scope.values[node.id], scope, depth + 1)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        scope.used.add(id(node))
        return literal(node.value)
    if isinstance(node, ast.JoinedStr):
        scope.used.add(id(node))
        return "".join(_part(part, scope) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _sum(node, scope, depth)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return _percent(_plain(node.left, scope), node.right, scope)
    if isinstance(node, ast.Call):
        return _call(node, scope, depth)
    raise BuiltByCodeError(f"it is {_kind(node)}")


def variable_of(node: ast.expr, scope: Scope) -> str:
    """A template for a value that only the code knows: a variable named after the expression."""
    if isinstance(node, ast.Constant):
        return literal(str(node.value))
    resolved = scope.value(node)
    if resolved is not node and isinstance(resolved, ast.Constant | ast.JoinedStr):
        return template_of(resolved, scope)
    source = ast.unparse(node)
    name = re.sub(r"\W+", "_", source).strip("_")[:_LONGEST_NAME].rstrip("_") or "value"
    name = f"_{name}" if name[0].isdigit() else name
    if not isinstance(node, ast.Name):
        scope.changes.append(f"`{textwrap.shorten(source, 80)}` is the variable {name}")
    return "{{ " + name + " }}"


def _part(part: ast.expr, scope: Scope) -> str:
    if isinstance(part, ast.Constant):
        return literal(str(part.value))
    assert isinstance(part, ast.FormattedValue)
    if part.format_spec is not None or part.conversion > 0:
        scope.changes.append(f"the format of `{textwrap.shorten(ast.unparse(part.value), 60)}` "
                             "is left to the case's value")  # fmt: skip
    return variable_of(part.value, scope)


def _sum(node: ast.BinOp, scope: Scope, depth: int) -> str:
    """Two texts, of which one may be a value that the code knows."""
    made: list[str | None] = []
    for side in (node.left, node.right):
        try:
            made.append(template_of(side, scope, depth + 1))
        except TooManyPartsError:
            raise
        except BuiltByCodeError:
            made.append(None)
    if made == [None, None]:
        raise BuiltByCodeError("it is a sum of values")
    sides = (node.left, node.right)
    return "".join(variable_of(side, scope) if text is None else text
                   for side, text in zip(sides, made, strict=True))  # fmt: skip


def _plain(node: ast.expr, scope: Scope) -> str:
    """A string as Python has it, before it is formatted."""
    scope.step()
    found = scope.value(node)
    if isinstance(found, ast.Constant) and isinstance(found.value, str):
        scope.used.add(id(found))
        return found.value
    if isinstance(found, ast.Call) and _name_of(found.func) in _DEDENT and found.args:
        return textwrap.dedent(_plain(found.args[0], scope))
    if isinstance(found, ast.BinOp) and isinstance(found.op, ast.Add):
        return _plain(found.left, scope) + _plain(found.right, scope)
    raise BuiltByCodeError(f"what is formatted is {_kind(found)}")


def _percent(text: str, values: ast.expr, scope: Scope) -> str:
    named = {}
    if isinstance(values, ast.Dict):
        named = {key.value: value for key, value in zip(values.keys, values.values, strict=True)
                 if isinstance(key, ast.Constant)}  # fmt: skip
    inner = [values] if not isinstance(values, ast.Tuple | ast.Dict) else []
    listed: list[ast.expr] = list(values.elts) if isinstance(values, ast.Tuple) else inner
    pieces: list[str] = []
    at = 0
    for found in _PERCENT.finditer(text):
        pieces.append(literal(text[at : found.start()]))
        at = found.end()
        if found[2] == "%":
            pieces.append("%")
        elif found[1] and found[1] in named:
            pieces.append(variable_of(named[found[1]], scope))
        elif found[1]:
            pieces.append("{{ " + found[1] + " }}")
        elif listed:
            pieces.append(variable_of(listed.pop(0), scope))
        else:
            pieces.append("{{ value }}")
    return "".join([*pieces, literal(text[at:])])


def formatted(text: str, args: Sequence[ast.expr], named: Mapping[str, ast.expr],
              scope: Scope) -> str:  # fmt: skip
    """A text of `.format` as a template; fields without a value become variables.

    Raises:
        BuiltByCodeError: it is not a valid format.

    Example:
        >>> formatted("{a.b} {0} {c!r} {{d}}", [], {}, Scope({}))
        '{{ a_b }} {{ value_0 }} {{ c }} {d}'
    """
    pieces: list[str] = []
    count = 0
    try:
        for before, field, _, _ in string.Formatter().parse(text):
            pieces.append(literal(before))
            if field is None:
                continue
            base = re.split(r"[.\[]", field, maxsplit=1)[0]
            number = int(base) if base.isdigit() else count if not base else None
            count += not base
            if number is not None:
                known = number < len(args) and field in ("", base)
                name = re.sub(r"\W+", "_", field).strip("_") or str(number)
                pieces.append(variable_of(args[number], scope) if known
                              else "{{ value_" + name + " }}")  # fmt: skip
            elif field in named:
                pieces.append(variable_of(named[field], scope))
            else:
                pieces.append("{{ " + re.sub(r"\W+", "_", field).strip("_") + " }}")
    except ValueError as error:
        raise BuiltByCodeError(f"it is not a valid format: {error}") from None
    return "".join(pieces)


def _call(node: ast.Call, scope: Scope, depth: int) -> str:
    name = _name_of(node.func)
    if name in _DEDENT and len(node.args) == 1:
        return textwrap.dedent(template_of(node.args[0], scope, depth + 1))
    if not isinstance(node.func, ast.Attribute):
        raise BuiltByCodeError(f"{name or 'a function'}() makes it")
    owner = node.func.value
    if name == "format":
        named = {item.arg: item.value for item in node.keywords if item.arg}
        return formatted(_plain(owner, scope), node.args, named, scope)
    if name in _SAME and not node.args:
        return str(getattr(template_of(owner, scope, depth + 1), name)())
    if name == "join" and len(node.args) == 1 and isinstance(node.args[0], ast.List | ast.Tuple):
        between = template_of(owner, scope, depth + 1)
        return between.join(_either(item, scope, depth) for item in node.args[0].elts)
    raise BuiltByCodeError(f".{name}() makes it")


def _either(node: ast.expr, scope: Scope, depth: int) -> str:
    try:
        return template_of(node, scope, depth + 1)
    except TooManyPartsError:
        raise
    except BuiltByCodeError:
        return variable_of(node, scope)


def _name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _kind(node: ast.expr | None) -> str:
    if isinstance(node, ast.Name):
        return f"the value of {node.id}, which the code makes"
    if node is None:
        return "a value that refers to itself"
    return f"an expression ({type(node).__name__})"
