"""Changes of a draft, one after another, with undo and redo."""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.text import replace_surrogates
from pex.playground.checks import MOST as MOST_CHECKS
from pex.playground.checks import new_check
from pex.playground.draft import Column, Draft, Entry, Message
from pex.playground.judges import KIND as JUDGE
from pex.playground.judges import new_judge
from pex.playground.typed_values import parameter, sound_case

DEPTH = 100
"""So many steps can be undone."""
TOGETHER_S = 2.0
"""Edits of one field that follow each other this fast are one step."""
MOST_COLUMNS = 24
MOST_ENTRIES = 200
MOST_CHARS = 1_000_000

Act = Mapping[str, Any]
_Item = TypeVar("_Item", Column, Entry)


class History:
    """A draft and the steps to it.

    Args:
        draft: where it starts.

    Example:
        >>> history = History(Draft())
        >>> history.do({"act": "add_case"})
        >>> len(history.draft.entries), history.can_undo
        (1, True)
        >>> history.undo(); len(history.draft.entries), history.can_redo
        (0, True)
    """

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self._before: list[Draft] = []
        self._after: list[Draft] = []
        self._last: tuple[Any, ...] | None = None
        self._last_at = 0.0

    @property
    def can_undo(self) -> bool:
        """Whether there is a step back."""
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step that was undone."""
        return bool(self._after)

    def do(self, act: Act) -> None:
        """Take a step that comes from outside.

        Args:
            act: see `done`; one that is `whole` is a step of its own, however fast it follows
                the one before.

        Raises:
            PexError: there is no such act, or it does not fit the draft, which is unchanged.
        """
        field = (act.get("act"), act.get("variant"), act.get("case"), act.get("field"),
                 act.get("index"))  # fmt: skip
        typed = act.get("act") in ("edit", "edit_case") and not act.get("whole")
        self.step(done(self.draft, act), field if typed else None)

    def step(self, draft: Draft, field: tuple[Any, ...] | None = None) -> None:
        """Go on to a draft.

        Args:
            draft: the next one.
            field: what was edited; edits of the same one in quick succession are one step.
        """
        if draft == self.draft and repr(draft) == repr(self.draft):  # 1 is True, but not as typed
            return
        now = time.monotonic()
        same = field is not None and field == self._last and now - self._last_at < TOGETHER_S
        if not same or not self._before:
            self._before = [*self._before, self.draft][-DEPTH:]
        self._last, self._last_at = field, now
        self._after = []
        self.draft = draft

    def replace(self, draft: Draft) -> None:
        """Change the draft without a step: only its source is another one now."""
        self.draft = draft

    def undo(self) -> None:
        """One step back, if there is one."""
        if self._before:
            self._after.append(self.draft)
            self.draft = self._before.pop()
        self._last = None

    def redo(self) -> None:
        """One step forward again, if one was undone."""
        if self._after:
            self._before.append(self.draft)
            self.draft = self._after.pop()
        self._last = None


def done(draft: Draft, act: Act) -> Draft:
    """The draft after an act.

    Args:
        draft: before it.
        act: `act` says what, the other keys on what.

    Raises:
        PexError: no such act, variant or case, or a value of the wrong kind.
    """
    name = str(act.get("act"))
    if name not in _ACTS:
        raise PexError(f"there is no act '{name}'", hint=nearest(name, _ACTS))
    return _ACTS[name](draft, act)


def with_cases(draft: Draft, cases: Sequence[Case]) -> Draft:
    """The draft with given cases at its end; those that it has already are left out."""
    there = {entry.base.id for entry in draft.entries if entry.base is not None}
    new = [Entry(new_id(), sound_case(case)) for case in cases if case.id not in there]
    _check_room(len(draft.entries) + len(new), MOST_ENTRIES, "cases")
    return dataclasses.replace(draft, entries=(*draft.entries, *new))


def without_blank(draft: Draft) -> Draft:
    """The draft without the cases in which nothing is typed yet."""
    entries = tuple(
        entry
        for entry in draft.entries
        if entry.expected_text
        or any(entry.text(name) for name in (*draft.variables, *entry.texts))
        or (entry.base is not None and any(entry.base.inputs.values()))
    )
    return dataclasses.replace(draft, entries=entries)


def new_id() -> str:
    """An id that no other column or entry has."""
    return secrets.token_hex(4)


def _edit(draft: Draft, act: Act) -> Draft:
    column, field, value = _column(draft, act), act.get("field"), act.get("value")
    if field == "name":
        return _put(draft, column, name=_text(value))
    if field == "model":
        return _put(draft, column, model=_text(value).strip())
    if field == "params":
        name, text = replace_surrogates(str(act.get("index") or "").strip()), _text(value)
        params = {key: item for key, item in column.params.items() if key != name or text.strip()}
        return _put(
            draft, column, params=params | ({name: parameter(text)} if text.strip() else {})
        )
    if field == "tools":
        return _put(draft, column, tools=_text(value))
    if field == "schema":
        return _put(draft, column, schema=_text(value))
    if field == "system":
        _check_unlocked(column)
        return _put(draft, column, messages=_with_system(column, _text(value)))
    if field not in ("message", "role"):
        raise PexError(f"a variant has no '{field}'")
    _check_unlocked(column)
    number = _index(act, column)
    message = column.messages[number]
    if field == "role":
        message = dataclasses.replace(message, role=_text(value))
    else:
        message = dataclasses.replace(message, text=_text(value))
    messages = [*column.messages]
    messages[number] = message
    return _put(draft, column, messages=tuple(messages))


def _add_variant(draft: Draft, act: Act) -> Draft:
    model = draft.columns[-1].model if draft.columns else ""
    messages = (Message("user", ""),)
    if draft.variables:
        messages = (Message("user", f"{{{{ {draft.variables[0]} }}}}"),)
    column = Column(new_id(), _free_name(draft, "draft"), model, {}, messages)
    return _with_columns(draft, [*draft.columns, column])


def _duplicate(draft: Draft, act: Act) -> Draft:
    column = _column(draft, act)
    copy = dataclasses.replace(column, id=new_id(), name=_free_name(draft, column.name))
    columns = [*draft.columns]
    columns.insert(columns.index(column) + 1, copy)
    return _with_columns(draft, columns)


def _remove_variant(draft: Draft, act: Act) -> Draft:
    column = _column(draft, act)
    if len(draft.columns) == 1:
        raise PexError("the last variant cannot be removed", hint="edit it, or add another first")
    return _with_columns(draft, [item for item in draft.columns if item is not column])


def _move(draft: Draft, act: Act) -> Draft:
    column = _column(draft, act)
    return _with_columns(draft, _moved(draft.columns, draft.columns.index(column), act))


def _add_message(draft: Draft, act: Act) -> Draft:
    column = _column(draft, act)
    _check_unlocked(column)
    last = column.messages[-1].role if column.messages else ""
    message = Message("assistant" if last == "user" else "user", "")
    return _put(draft, column, messages=(*column.messages, message))


def _with_system(column: Column, text: str) -> tuple[Message, ...]:
    """The messages with another system message at their beginning; an empty one is none."""
    body = column.messages[column.has_system :]
    if not text:
        return body or (Message("user", ""),)
    role = column.messages[0].role if column.has_system else "system"
    return (Message(role, text), *body)


def _remove_message(draft: Draft, act: Act) -> Draft:
    column = _column(draft, act)
    _check_unlocked(column)
    number = _index(act, column)
    left = (*column.messages[:number], *column.messages[number + 1 :])
    return _put(draft, column, messages=left or (Message("user", ""),))


def _move_message(draft: Draft, act: Act) -> Draft:
    column = _column(draft, act)
    _check_unlocked(column)
    first = int(column.has_system)
    moved = _moved(column.messages[first:], _index(act, column) - first, act)
    return _put(draft, column, messages=(*column.messages[:first], *moved))


def _edit_case(draft: Draft, act: Act) -> Draft:
    entry, field, text = _entry(draft, act), str(act.get("field")), _text(act.get("value"))
    if field == "expected":
        plain = dataclasses.replace(entry, expected=None)
        same = entry.base is not None and text == plain.expected_text
        changed = plain if same else dataclasses.replace(entry, expected=text)
    else:
        field = entry.column(field)
        texts = {name: value for name, value in entry.texts.items() if name != field}
        plain = dataclasses.replace(entry, texts=texts)
        has = entry.base is not None and field in entry.base.inputs
        same = has and text == plain.text(field)
        changed = plain if same else dataclasses.replace(entry, texts={**texts, field: text})
    return _with_entries(draft, [changed if item is entry else item for item in draft.entries])


def _add_case(draft: Draft, act: Act) -> Draft:
    return _with_entries(draft, [*draft.entries, Entry(new_id())])


def _remove_case(draft: Draft, act: Act) -> Draft:
    entry = _entry(draft, act)
    return _with_entries(draft, [item for item in draft.entries if item is not entry])


def _baseline(draft: Draft, act: Act) -> Draft:
    return dataclasses.replace(draft, baseline=_column(draft, act).id)


def _add_check(draft: Draft, act: Act) -> Draft:
    taken = {str(name) for name in act.get("taken") or ()}
    others = tuple(check for check in draft.checks if check["name"] != act.get("replaces"))
    taken |= {str(check["name"]) for check in others}
    kind, value = str(act.get("check")), _text(act.get("value") or "")
    if kind == JUDGE:
        model, name = _text(act.get("model") or ""), _text(act.get("name") or "")
        check = new_judge(value, model, bool(act.get("scale")), name, taken)
    else:
        check = new_check(kind, value, taken)
    _check_room(len(others) + 1, MOST_CHECKS, "checks")
    return dataclasses.replace(draft, checks=(*others, check))


def _remove_check(draft: Draft, act: Act) -> Draft:
    left = tuple(check for check in draft.checks if check["name"] != act.get("name"))
    return dataclasses.replace(draft, checks=left)


_ACTS: dict[str, Callable[[Draft, Act], Draft]] = {
    "edit": _edit,
    "add_variant": _add_variant,
    "duplicate": _duplicate,
    "remove_variant": _remove_variant,
    "move": _move,
    "add_message": _add_message,
    "remove_message": _remove_message,
    "move_message": _move_message,
    "edit_case": _edit_case,
    "add_case": _add_case,
    "remove_case": _remove_case,
    "baseline": _baseline,
    "add_check": _add_check,
    "remove_check": _remove_check,
}


def _column(draft: Draft, act: Act) -> Column:
    return _of(draft.columns, act.get("variant"), "variant")


def _entry(draft: Draft, act: Act) -> Entry:
    return _of(draft.entries, act.get("case"), "case")


def _of(items: Sequence[_Item], wanted: Any, what: str) -> _Item:
    for item in items:
        if item.id == wanted:
            return item
    raise PexError(f"this {what} is no longer there")


def _put(draft: Draft, column: Column, **changes: Any) -> Draft:
    new = dataclasses.replace(column, **changes)
    return _with_columns(draft, [new if item is column else item for item in draft.columns])


def _with_columns(draft: Draft, columns: Sequence[Column]) -> Draft:
    _check_room(len(columns), MOST_COLUMNS, "variants")
    there = {column.id for column in columns}
    first = columns[0].id if columns else ""
    baseline = draft.baseline if draft.baseline in there else first
    chats = tuple(chat for chat in draft.chats if chat.column in there)
    return dataclasses.replace(draft, columns=tuple(columns), baseline=baseline, chats=chats)


def _with_entries(draft: Draft, entries: Sequence[Entry]) -> Draft:
    _check_room(len(entries), MOST_ENTRIES, "cases")
    return dataclasses.replace(draft, entries=tuple(entries))


def _check_room(count: int, most: int, what: str) -> None:
    if count > most:
        raise PexError(
            f"a Playground holds at most {most} {what}",
            hint="save them as an experiment: its runs take any number",
        )


def _check_unlocked(column: Column) -> None:
    if column.locked:
        raise PexError(f"'{column.name}' cannot be edited here: {column.locked}")


def _moved(items: Sequence[Any], number: int, act: Act) -> list[Any]:
    moved = list(items)
    item = moved.pop(number)
    moved.insert(max(0, number + (-1 if act.get("by") == -1 else 1)), item)
    return moved


def _index(act: Act, column: Column) -> int:
    """The place of a message; the system message is not counted: it may be just being typed."""
    number, first = act.get("index"), int(column.has_system)
    if not isinstance(number, int) or not 0 <= number < len(column.messages) - first:
        raise PexError("this message is no longer there")
    return first + number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise PexError(f"expected a string, got {type(value).__name__}")
    if len(value) > MOST_CHARS:
        raise PexError(f"{len(value):,} characters are too many, at most {MOST_CHARS:,}")
    return replace_surrogates(value)


def _free_name(draft: Draft, name: str) -> str:
    names = {column.name for column in draft.columns}
    number = 2
    free = name
    while free in names:
        free = f"{name}-{number}"
        number += 1
    return free
