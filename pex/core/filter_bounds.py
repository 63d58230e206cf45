"""Bounds for Jinja's filters and tests: each checks the account before creating anything large."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sized
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context, Undefined

from pex.core.template_bounds import (
    STEP,
    Account,
    TooMuchError,
    account_of,
    check_numbers,
    check_percent,
    replaced_size,
)


def comparing(make: Callable[..., Any]) -> Callable[..., Any]:
    """A Jinja test that compares two values."""

    @functools.wraps(make)
    def bounded(context: Context, value: Any, *args: Any) -> Any:
        account_of(context).go_through(value)
        return make(value, *args)

    return pass_context(bounded)


def filtered(name: str, make: Callable[..., Any]) -> Callable[..., Any]:
    """A Jinja filter that first checks the size of its result, and then counts it."""
    passed = getattr(make, "jinja_pass_arg", None)
    kind = passed.name if passed is not None else ""
    ask = _BEFORE.get(name)

    if ask is None and passed is None:  # most of them: only text in and text out

        @functools.wraps(make)
        def quick(context: Context, value: Any = None, *args: Any, **named: Any) -> Any:
            found = make(value, *args, **named)
            sized = isinstance(found, str | list | tuple | dict)
            account_of(context).take(STEP + len(found) if sized else STEP)
            return found

        return pass_context(quick)

    @functools.wraps(make)
    def bounded(context: Context, value: Any = None, *args: Any, **named: Any) -> Any:
        account = account_of(context)
        account.step()
        if ask is not None and not isinstance(value, Undefined):
            value = ask(account, value, args, named)
        given = (value, *args)
        if kind == "context":
            given = (context, *given)
        elif kind == "eval_context":
            given = (context.eval_ctx, *given)
        elif kind == "environment":
            given = (context.environment, *given)
        found = make(*given, **named)
        if isinstance(found, str | list | tuple | dict):
            account.take(len(found))
        return found

    return pass_context(bounded)


_Given = tuple[Any, ...]
_Named = Mapping[str, Any]


def _wide(account: Account, value: Any, args: _Given, named: _Named) -> Any:
    """Widths, counts and similar; `indent` repeats one before each line."""
    given = [*args, *named.values()]
    check_numbers(given)
    width = max(
        (len(item) if isinstance(item, str) else item for item in given
         if isinstance(item, str | int)), default=0)  # fmt: skip
    if isinstance(value, str):
        account.make(len(value) + max(width, 0) * (value.count("\n") + 1))
    else:
        account.take(max(width, 0))
    return value


def _json_wide(account: Account, value: Any, args: _Given, named: _Named) -> Any:
    for indent in (*args, *named.values()):
        if isinstance(indent, int) and indent > 100:
            raise TooMuchError("an indent of more than 100 spaces")
    account.take(account.size(value))
    return value


def _precise(account: Account, value: Any, args: _Given, named: _Named) -> Any:
    for number in (*args, *named.values()):
        if isinstance(number, int) and abs(number) > 1000:
            raise TooMuchError("it rounds to more than 1,000 places")
    return value


def _percent(account: Account, value: Any, args: _Given, named: _Named) -> Any:
    if isinstance(value, str):
        check_percent(value, args)
        account.make(len(value) + account.size([*args, *named.values()]))
    return value


def _replace(account: Account, value: Any, args: _Given, named: _Named) -> Any:
    old, new = [*args, *named.values(), None, None][:2]
    if isinstance(value, str):
        account.make(replaced_size(value, old, new))
    return value


def _join(account: Account, value: Any, args: _Given, named: _Named) -> Any:
    between = args[0] if args else named.get("d", "")
    items = value if isinstance(value, list | tuple | str | dict) else _listed(account, value)
    longest = len(between) if isinstance(between, str) else 0
    account.make(account.size(items) + longest * len(items))
    return items


def _wrap(account: Account, value: Any, args: _Given, named: _Named) -> Any:
    between = named.get("wrapstring", args[2] if len(args) > 2 else None)
    width = named.get("width", args[0] if args else 79)
    if isinstance(value, str) and isinstance(between, str) and isinstance(width, int):
        lines = len(value) // max(width, 1) + value.count("\n") + len(value.split()) + 1
        account.make(len(value) + lines * len(between))
    return value


def _sum(account: Account, value: Any, args: _Given, named: _Named) -> Any:
    items = value if isinstance(value, list | tuple | dict) else _listed(account, value)
    sizes = [len(item) for item in items if isinstance(item, Sized)]
    account.take(sum(sizes) * len(sizes))  # each addition copies the sum so far
    return items


def _short_words(account: Account, value: Any, args: _Given, named: _Named) -> Any:
    """`urlize` takes time quadratic in the length of a word."""
    if isinstance(value, str) and max(map(len, value.split()), default=0) > 2000:
        raise TooMuchError("urlize reads words of at most 2,000 characters")
    return value


def _few_comments(account: Account, value: Any, args: _Given, named: _Named) -> Any:
    """`striptags` copies the text for each comment."""
    if isinstance(value, str):
        account.take(len(value) * (1 + value.count("<!--")))
    return value


def _compared(account: Account, value: Any, args: _Given, named: _Named) -> Any:
    """Filters that compare the items of a list with one another."""
    items = value if isinstance(value, list | tuple | str | dict) else _listed(account, value)
    account.go_through(items)
    return items


def _listed(account: Account, value: Any) -> Any:
    try:
        items = iter(value)
    except TypeError:  # the filter itself reports the error
        return value
    found = []
    for item in items:
        account.take(1)
        found.append(item)
    return found


_BEFORE: dict[str, Callable[[Account, Any, _Given, _Named], Any]] = {
    **dict.fromkeys(("center", "indent", "batch", "slice", "truncate"), _wide),
    "wordwrap": _wrap,
    "tojson": _json_wide,
    "round": _precise,
    "format": _percent,
    "replace": _replace,
    "join": _join,
    "sum": _sum,
    **dict.fromkeys(("sort", "unique", "groupby", "min", "max", "dictsort"), _compared),
    "urlize": _short_words,
    "striptags": _few_comments,
}
"""Checks before a filter starts, for filters whose result can be larger than their input."""
