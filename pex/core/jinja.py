"""Jinja's sandbox for prompts: only strings, numbers, booleans, lists and dicts are rendered.

Plain Jinja renders any object, so `{{ order.items }}` sends the model
`<built-in method items of dict object at 0x7f…>`. Here keys take precedence over methods, and a
method that is not called is an error, as is every object that is not plain data; the error names
it.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, cast

from jinja2 import StrictUndefined, UndefinedError, nodes, pass_context
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from pex.core import filter_bounds, hidden, template_bounds
from pex.core.errors import nearest
from pex.core.template_marks import CALLED, OWN_FUNCTION, TEXT_FILTERS, Marker

_LAZY = (
    "map", "select", "reject", "selectattr", "rejectattr", "unique", "batch", "slice", "reverse",
    "items",
)  # fmt: skip
"""Filters whose result is consumed when read, and has no text form."""

_COMPARING = (
    "==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", "ge", ">=", "<", "lt", "lessthan",
    "<=", "le", "in",
)  # fmt: skip
"""Tests that compare two values completely."""

_TYPES = {
    str: "text", bool: "a boolean", int: "a number", float: "a number", list: "a list",
    dict: "a dict", tuple: "a tuple", type(None): "None",
}  # fmt: skip


class NotTextError(Exception):
    """An object that cannot be rendered in a prompt."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Lazy:
    """The result of a filter such as `map`, or of `range(3)`: for loops, not for rendering."""

    __slots__ = ("_items", "_source")

    def __init__(self, items: Any, source: str) -> None:
        self._items = items
        self._source = source

    def __iter__(self) -> Iterator[Any]:
        yield from self._items

    def __len__(self) -> int:
        return len(self._items)

    def __bool__(self) -> bool:
        return bool(self._items)

    def __contains__(self, item: Any) -> bool:
        return item in self._items

    def __getitem__(self, at: Any) -> Any:
        return self._items[at]

    def __reversed__(self) -> Iterator[Any]:
        yield from reversed(self._items)

    def __str__(self) -> str:
        raise _not_text(self, self._source)

    __repr__ = __str__


class _Missing(StrictUndefined):
    """A missing variable, key or attribute; the message's second line is a hint."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        name, value = self._undefined_name, self._undefined_obj
        if self._undefined_hint:
            return self._undefined_hint
        if value is missing:
            return f"variable '{name}'"
        public = isinstance(name, str) and not name.startswith("_")
        method = public and callable(getattr(value, str(name), None))
        if isinstance(value, Mapping):
            call = f"; call the method as .{name}()" if method else ""
            return f"there is no key '{name}'\n{nearest(str(name), map(str, value))}{call}"
        kind = _TYPES.get(type(value), type(value).__name__)
        if method:
            return f"'{name}' is a method of {kind}\nwrite .{name}()"
        return f"{kind} has no '{name}'" if isinstance(name, str) else f"{kind} has no item {name}"

    def __repr__(self) -> str:  # rendered in a list, it would be the word "Undefined"
        return str(self)


class Environment(ImmutableSandboxedEnvironment):
    """The environment of all prompts."""

    intercepted_binops = frozenset(("*", "**", "+", "%"))

    def __init__(self) -> None:
        super().__init__(
            undefined=_Missing,
            keep_trailing_newline=True,
            autoescape=False,  # a prompt is not HTML
            optimized=False,  # or `"a" * 10 ** 9` is evaluated when the template is read
        )
        self.globals = {f"{OWN_FUNCTION}{name}": value for name, value in self.globals.items()}
        self.filters = {
            name: filter_bounds.filtered(name, make) for name, make in self.filters.items()
        }
        self.filters |= {name: _lazily(name, self.filters[name]) for name in _LAZY}
        self.filters |= {name: _as_text(name, self.filters[name]) for name in TEXT_FILTERS}
        self.filters |= {
            "pex_shown": _written,
            "pex_text": _text,
            hidden.UNTRUSTED: hidden.untrusted,
            "pex_checked": _joined,
            "pex_counted": template_bounds.counted,
            "pex_begun": template_bounds.begun,
            "pex_compared": template_bounds.compared,
        }
        self.tests |= {
            name: filter_bounds.comparing(cast(Any, self.tests[name])) for name in _COMPARING
        }

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        hidden.Places().visit(tree)
        Marker(tree, self.globals).visit(tree)
        tree.set_environment(self)
        return tree

    def getattr(self, obj: Any, attribute: str) -> Any:
        """The value of `obj.attribute`: a key comes before a method, unless that is called."""
        if attribute.endswith(CALLED):
            return super().getattr(obj, attribute.removesuffix(CALLED))
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return self._no_method(obj, attribute, super().getattr(obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        """The value of `obj[argument]`, never a method."""
        if isinstance(obj, Mapping) and isinstance(argument, str):
            return obj[argument] if argument in obj else self.undefined(obj=obj, name=argument)
        if isinstance(argument, dict | list | tuple):
            return self.undefined(hint="a list or a dict cannot be a key")
        return self._no_method(obj, argument, super().getitem(obj, argument))

    def _no_method(self, obj: Any, name: Any, value: Any) -> Any:
        bound = callable(value) and not isinstance(value, Undefined)
        return self.undefined(obj=obj, name=name) if bound else value

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An operator whose result can be larger than its operands; `%` formats a string."""
        if operator == "%" and isinstance(left, str):
            _check_all(right, "… % …", template_bounds.account_of(context))
        template_bounds.operation(context, operator, left, right)
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: Any) -> Any:
        """`str.format` in the sandbox."""
        found = super().wrap_str_format(value)
        return None if found is None else template_bounds.format_method(self, value)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """Call a function; a result that can only be looped over is marked as `Lazy`."""
        method = getattr(__obj, "__wrapped__", __obj)  # the sandbox has its own `format`
        if isinstance(getattr(method, "__self__", None), str):
            given = [*args, *kwargs.values()]
            _check_all(given, f"….{method.__name__}(…)", template_bounds.account_of(__context))
        template_bounds.call(__context, __obj, args, kwargs)
        found = super().call(__context, __obj, *args, **kwargs)
        if isinstance(found, str | bytes | list | tuple | dict):
            template_bounds.account_of(__context).take(len(found))
        lazy = not isinstance(found, Undefined) and isinstance(
            found, range | KeysView | ValuesView | ItemsView | Iterator
        )
        name = getattr(__obj, "__name__", "call").removeprefix("safe_")
        return Lazy(found, f"{name}()") if lazy else found


def shown(value: Any, source: str = "") -> Any:
    """The rendered form of a value: a dict or list as JSON, None as nothing.

    Args:
        value: the value of an expression.
        source: the expression, for errors.

    Raises:
        NotTextError: it is not a string, number, boolean, list or dict.
        UndefinedError: the variable or key does not exist.

    Example:
        >>> shown({"a": [1, None]}), shown(None), shown(1.5)
        ('{"a": [1, null]}', '', 1.5)
    """
    if value is None:
        return ""
    if isinstance(value, dict | list):
        try:
            return json.dumps(value, ensure_ascii=False, default=_in_json(source), allow_nan=False)
        except ValueError as error:
            raise NotTextError(
                f"{{{{ {source} }}}} cannot be written as JSON: {error}", ""
            ) from None
    return _checked(value, source)


@pass_context
def _written(context: Context, value: Any, source: str) -> Any:
    account = template_bounds.account_of(context)
    account.go_through(value)
    text = value if type(value) is str else shown(value, source)
    account.write(len(text) if isinstance(text, str) else 20)
    return text


@pass_context
def _text(context: Context, value: Any, source: str) -> str:
    account = template_bounds.account_of(context)
    account.go_through(value)
    text = str(shown(value, source))
    account.take(len(text))
    return text


@pass_context
def _joined(context: Context, value: Any, source: str) -> Any:
    account = template_bounds.account_of(context)
    if isinstance(value, str):
        account.take(len(value))
    return _check_all(value, source, account)


def _checked(value: Any, source: str) -> Any:
    """The value itself, unless it is an object without a text form."""
    if isinstance(value, Undefined):
        _raise_missing(value, source)
    if isinstance(value, float) and not math.isfinite(value):
        raise NotTextError(f"{{{{ {source} }}}} is {value}, which is not a number", "check the sum")
    if value is None or isinstance(value, str | int | float | dict | list):
        return value
    raise _not_text(value, source)


def _check_all(value: Any, source: str, account: template_bounds.Account) -> Any:
    """The value itself, unless it or anything in it is an object without a text form."""
    if type(value) is str:
        return value
    if isinstance(value, dict | list | tuple):
        account.step()  # a list can contain one list many times, and that list another
        account.take(len(value))
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            _check_all(item, source, account)
        return value
    return _checked(value, source)


def _raise_missing(value: Undefined, source: str) -> None:
    try:
        str(value)
    except UndefinedError as error:
        message = str(error.message)
        plain_name = message.startswith("variable ")
        raise UndefinedError(message if plain_name else f"{{{{ {source} }}}}: {message}") from None


def _in_json(source: str) -> Callable[[Any], Any]:
    def refuse(value: Any) -> Any:
        if isinstance(value, Undefined):
            _raise_missing(value, source)
        raise _not_text(value, source)

    return refuse


def _not_text(value: Any, source: str) -> NotTextError:
    kind = _TYPES.get(type(value), f"a Python object ({type(value).__name__})")
    if isinstance(value, Lazy):
        named = value._source if source.startswith("…") else source
        return NotTextError(
            f"{{{{ {named} }}}} is a lazy sequence without text",
            "add | list, or | join(', ')",
        )
    if isinstance(value, tuple):
        return NotTextError(f"{{{{ {source} }}}} is {kind}", "add | list, or | join(', ')")
    hint = "name the part you mean"
    if callable(value) and "…" not in source:
        hint = f"call it: {source}(…)"
    return NotTextError(f"{{{{ {source} }}}} is {kind}, not text", hint)


def _lazily(name: str, make: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(make)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        found = make(*args, **kwargs)
        return Lazy(found, f"… | {name}") if hasattr(found, "__next__") else found

    return filtered


def _as_text(name: str, make: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that refuses objects in its input, even when called by `map`."""

    @functools.wraps(make)
    def filtered(context: Context, *args: Any, **kwargs: Any) -> Any:
        if name == "join":
            args = tuple(list(value) if isinstance(value, Lazy) else value for value in args)
        for value in (*args, *kwargs.values()):
            if type(value) is not str:
                _check_all(value, f"… | {name}", template_bounds.account_of(context))
        return make(context, *args, **kwargs)

    return filtered
