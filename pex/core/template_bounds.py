"""Limits for one rendering of a template: characters created, steps, processor time.

A template of twenty characters can create gigabytes (`"a" * 10 ** 9`), and one with two loops can
run for days. Operations whose result can exceed their input are checked for its size first; every
loop, call, operator and filter draws on one account.
"""

from __future__ import annotations

import functools
import math
import re
import time
from collections.abc import Callable, Mapping, Sized
from string import Formatter
from typing import Any, cast

from jinja2 import pass_context
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import SandboxedEnvironment, SandboxedFormatter

MOST_OUTPUT = 10_000_000
"""The most characters of a template's result, not counting those of its values."""

MOST_WORK = 100_000_000
"""The most intermediate characters, and steps, each counted as `STEP` characters."""

MOST_SECONDS = 20.0
"""The most processor time; checked every `_LOOK` characters."""

STEP = 100
_CALL = 5
"""The number of loop steps that take as long as a call."""

_LOOK = 1_000_000
_WIDEST = 1_000_000
"""The largest number allowed as a width or a count."""
_MOST_BITS = 100_000
"""The bits of an integer of thirty thousand digits, which cannot be converted to text."""

KEY = "pex account"
"""The account's key in the values of a rendering; no variable name can contain a space."""


class TooMuchError(Exception):
    """A template does more than any prompt needs."""


class Account:
    """The remaining budget of one rendering."""

    __slots__ = ("_began", "_left", "_look_at", "_output", "_room", "_values")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._left = MOST_WORK
        self._look_at = MOST_WORK - _LOOK
        self._output = 0
        self._room: int | None = None
        self._began = 0.0

    def take(self, size: int) -> None:
        """Count characters that have been, or are about to be, created."""
        self._left -= size
        if self._left < self._look_at:
            self._look()

    def make(self, size: int) -> None:
        """Count one string or list of this size that is about to be created."""
        if size > MOST_OUTPUT and size > self._all_room():
            raise TooMuchError(f"it makes a string or a list of more than {MOST_OUTPUT:,} parts")
        self.take(size)

    def write(self, size: int) -> None:
        """Count characters of the result."""
        self._output += size
        if self._output > MOST_OUTPUT and self._output > self._all_room():
            raise TooMuchError(f"it makes a string of more than {MOST_OUTPUT:,} characters")

    def end(self, text: str) -> str:
        """The result, which also includes the template's own text."""
        if len(text) > MOST_OUTPUT and len(text) > self._all_room():
            raise TooMuchError(f"it makes a string of more than {MOST_OUTPUT:,} characters")
        return text

    def step(self, times: int = 1) -> None:
        """Count loop steps or calls."""
        self.take(STEP * times)

    def size(self, value: Any) -> int:
        """The characters and items in a value; an item that a list contains twice counts twice."""
        try:
            return _size(value, MOST_WORK)
        except TooMuchError:
            return _size(value, max(MOST_WORK, 10 * self._all_room()))

    def go_through(self, value: Any) -> None:
        """Count a comparison or output of all items of a value."""
        if isinstance(value, dict | list | tuple):
            self.take(self.size(value))

    def _look(self) -> None:
        if self._left < 0 and self._left < 10 * (MOST_OUTPUT - self._all_room()):
            raise TooMuchError("it makes too much text, or loops too often")
        self._look_at = self._left - _LOOK
        now = time.thread_time()
        self._began = self._began or now
        if now - self._began > MOST_SECONDS:
            raise TooMuchError(f"it has run for {MOST_SECONDS:.0f} s")

    def _all_room(self) -> int:
        """The maximum length of the result; long values, such as an image, raise it.

        Measured only if needed, as hardly any rendering gets this far.
        """
        if self._room is None:
            self._room = MOST_OUTPUT + 2 * _size(self._values)
        return self._room


def account_of(context: Context) -> Account:
    """The account of the current rendering."""
    found = context.parent.get(KEY)
    if found is None:  # rendered without one, as in Jinja's documentation
        found = context.parent[KEY] = Account({})
    return found


def _size(value: Any, most: float = math.inf) -> int:
    total, rest = 0, [value]
    step = 0 if most == math.inf else STEP
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            total += len(item)
        elif isinstance(item, dict):
            rest += item.values()
            total += sum(len(key) for key in item if isinstance(key, str)) + step
        elif isinstance(item, list | tuple):
            rest += item
            total += step
        total += 8
        if total > most:
            raise TooMuchError("it makes a list with too much in it")
    return total


@pass_context
def counted(context: Context, items: Any, data: int = 0) -> Any:
    """The items of a loop, counted; the loop's body has `data` literal characters."""
    account = account_of(context)
    if isinstance(items, Undefined):
        return items
    try:
        account.take((STEP + data) * len(items))
    except TypeError:
        return _one_by_one(account, items, data)
    return items


def _one_by_one(account: Account, items: Any, data: int) -> Any:
    for item in items:
        account.take(STEP + data)
        yield item


@pass_context
def begun(context: Context, value: Any, data: int) -> str:
    """Count the start of a macro's or block's body with this many literal characters."""
    account = account_of(context)
    account.take(STEP + data)
    return ""


def operation(context: Context, operator: str, left: Any, right: Any) -> None:
    """Raise a `TooMuchError` if an operator's result is too large; else count it."""
    account = account_of(context)
    account.step()
    if operator == "%":
        if isinstance(left, str | bytes):
            check_percent(left if isinstance(left, str) else left.decode("latin-1"), right)
            account.take(len(left) + account.size(right))
        return
    if isinstance(left, int) and isinstance(right, int):
        bits, more = left.bit_length(), right.bit_length()
        if operator == "*":
            bits += more
        elif operator == "**":
            bits = bits * right if bits > 1 and right > 0 else 0
        if bits > _MOST_BITS:
            raise TooMuchError("a number has tens of thousands of digits")
        return
    if operator == "+" and isinstance(left, Sized) and isinstance(right, Sized):
        account.make(len(left) + len(right))
    elif operator == "*":
        for one, times in ((left, right), (right, left)):
            if isinstance(one, Sized) and isinstance(times, int):
                account.make(len(one) * max(times, 0))


# -- calls


def call(context: Context, function: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Raise a `TooMuchError` if a call's result is too large; else count it."""
    account = account_of(context)
    account.step(_CALL)
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    if type(function).__name__ == "LoopContext":  # `loop(items)` in a recursive loop
        for items in args[:1]:
            account.step(len(items) if isinstance(items, Sized) else _WIDEST)
    if name == "generate_lorem_ipsum":
        sizes = [value for value in (*args, *named.values()) if isinstance(value, int)]
        if any(size > 1000 for size in sizes):
            raise TooMuchError("lipsum makes at most 1,000 paragraphs or words at once")
        account.take(100_000)
    if function is dict or isinstance(owner, list | tuple | dict):
        for value in (*args, *named.values()):  # searched for, or used as a key
            account.go_through(value)
    if not isinstance(owner, str | bytes | int | list | tuple | dict):
        return
    check_numbers((*args, *named.values()))
    if isinstance(owner, str | bytes):
        account.make(_method_size(account, owner, name, args, named))


def _method_size(
    account: Account,
    text: str | bytes,
    name: str,
    args: tuple[Any, ...],
    named: Mapping[str, Any],
) -> int:
    """The maximum length of a string method's result."""
    given = [*args, *named.values()]
    size = len(text)
    if name == "replace" and len(given) > 1:
        return replaced_size(text, given[0], given[1])
    if name == "expandtabs":
        width = next((value for value in given if isinstance(value, int)), 8)
        tabs = text.count("\t") if isinstance(text, str) else text.count(b"\t")
        return size + tabs * max(width, 0)
    if name == "join" and given and isinstance(given[0], Sized):
        return account.size(given[0]) + size * len(given[0])
    if name == "translate" and given and isinstance(given[0], Mapping):
        longest = max((len(v) for v in given[0].values() if isinstance(v, str)), default=1)
        return size * max(longest, 1)
    return size + sum(value for value in given if isinstance(value, int) and value > 0)


def replaced_size(text: str | bytes, old: Any, new: Any) -> int:
    """The length of a string after `replace`."""
    same = isinstance(old, str if isinstance(text, str) else bytes)
    times = cast(Any, text).count(old) if same else 0
    return len(text) + times * (len(new) if isinstance(new, str | bytes) else 0)


def check_numbers(values: Any) -> None:
    """Refuse numbers that are too large as a width or a count."""
    for value in values:
        if isinstance(value, int) and abs(value) > _WIDEST:
            raise TooMuchError(f"{value if abs(value) < 10**20 else 'a number'} is too large here")


# -- formats

_SPEC = re.compile(r"[-+ #0-9*.hlL]*")
_DIGITS = re.compile(r"\d+")


def check_percent(text: str, values: Any) -> None:
    """Check a `%` format for excessive widths."""
    at = text.find("%")
    while at >= 0:
        at += 1
        if text[at : at + 1] == "(":
            at = _after_parentheses(text, at)
        spec = _SPEC.match(text, at)
        found = spec[0] if spec else ""
        if "*" in found:
            many = values if isinstance(values, tuple) else (values,)
            check_numbers(many)
        _check_width(found)
        at = text.find("%", max(at + len(found), at) + 1)


def _after_parentheses(text: str, start: int) -> int:
    """The position after the parentheses that open at `start`; the end if they do not close."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if not depth:
            return at + 1
    return len(text)


def _check_width(spec: str) -> None:
    for digits in _DIGITS.findall(spec):
        if len(digits) > 6:
            raise TooMuchError(f"the width in '{spec[:40]}' is too large")


class _Format(SandboxedFormatter):
    def format_field(self, value: Any, format_spec: str) -> Any:
        _check_width(format_spec)
        return super().format_field(value, format_spec)


def format_method(environment: SandboxedEnvironment, method: Any) -> Callable[..., str]:
    """`str.format` or `str.format_map` of a string, in the sandbox and with limits."""
    text, is_map = method.__self__, method.__name__ == "format_map"

    @functools.wraps(method)
    def formatted(*args: Any, **named: Any) -> str:
        formatter: Formatter = _Format(environment)
        if is_map:
            (named,), args = args, ()
        return str(formatter.vformat(text, args, named))

    return formatted


@pass_context
def compared(context: Context, value: Any) -> Any:
    """The left side of a comparison, or the key of a dict."""
    account_of(context).go_through(value)
    return value
