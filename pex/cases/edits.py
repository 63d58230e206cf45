"""Edits to a case file: one at a time, journalled, never overwriting another edit."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.cases import file as case_file
from pex.core import jsonl, jsontext, private
from pex.core.canonical_json import digest
from pex.core.case_files import rows_of
from pex.core.cases import Case, parse_cases, roles_of
from pex.core.errors import PexError
from pex.core.project import FILE, find_project
from pex.core.reading import Reading
from pex.core.text import replace_surrogates
from pex.core.user_name import user_name
from pex.core.values import to_json_value
from pex.project.settings import load_settings

JOURNAL = "edits.jsonl"
"""In the project's `.pex/`: who changed which case, when, and the old and new values."""
LOCK = "edits.lock"
PATIENCE_S = 10.0


class DiffersError(PexError):
    """The file differs from what was shown; nothing has been written.

    `there` is the case in the file; pass `seen` back to confirm that the user has seen it.
    """

    def __init__(self, message: str, there: Case, seen: str) -> None:
        self.there, self.seen = there, seen
        super().__init__(message)


@dataclasses.dataclass(frozen=True, slots=True)
class Draft:
    """Shown before a row is added: a free id, and the tags (None: no tags column)."""

    new_id: str
    tags: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Edits:
    """The edits that can be made to a case file.

    Args:
        path: the file, absolute.
        columns: the column mapping, as in the experiment.
        state: the `.pex/` for the journal, if the file is not in a project of its own.
        reading: what is known of how to read the file.
    """

    path: Path
    columns: Mapping[str, str]
    state: Path
    reading: Reading = dataclasses.field(default_factory=Reading)

    @property
    def name(self) -> str:
        """The file's name for people: relative to its project's folder, if it is in one."""
        project = find_project(self.path.parent)
        here = (project / FILE).is_file() and self.path.is_relative_to(project)
        return (self.path.relative_to(project) if here else self.path).as_posix()

    def check(self) -> None:
        """Raise a `PexError` with the reason if the file cannot be changed."""
        if not self.path.is_file():
            raise PexError(f"{self.name} no longer exists")
        case_file.check_editable(self.path)
        for place in (self.path, self.path.resolve().parent):
            if not os.access(place, os.W_OK):
                raise PexError(f"{place} is read-only")

    def draft(self, case: Case) -> Draft:
        """An id and tags for a new row with the inputs of `case`.

        Raises:
            PexError: the file cannot be changed, or cannot store the row.
        """
        self.check()
        data = self.path.read_bytes()
        cases = self._cases(data)
        roles = self._roles(data)
        if "id" not in roles and any(other.id == digest(case.inputs) for other in cases):
            raise PexError(
                f"{self.name} has no id column, so its cases are identified by their inputs, "
                "and it already has a case with these",
                hint="correct its expected answer, or give the file a column 'case_id'",
            )
        taggable = "tags" in roles or self.path.suffix.lower() == ".jsonl"
        new_id = _free(case.id, [other.id for other in cases]) if "id" in roles else ""
        return Draft(new_id, "; ".join(case.tags) if taggable else None)

    def correct(self, case: Case, text: str | None, seen: str | None = None) -> Case:
        """Change a case's expected answer in the file.

        Args:
            case: the case as it was shown.
            text: the answer; empty for none; JSON if the file's answers are not strings. None
                does not change the file and returns its case.
            seen: the `seen` of a `DiffersError`, if the user has seen the file's case.

        Returns:
            The case as it is now.

        Raises:
            DiffersError: the file's case is not as it was shown.
            PexError: it cannot be written.
        """
        shown = case

        def change(data: bytes) -> tuple[bytes, Case, Any]:
            cases = self._cases(data)
            there = cases[case_file.place_of(cases, shown.id, self.path)]
            if _seen(there) != (seen or _seen(shown)):
                what = "expected answer" if there.inputs == shown.inputs else "input"
                message = f"the {what} of '{there.id}' in {self.name} is not what is shown here"
                raise DiffersError(message, there, _seen(there))
            expected = there.expected if text is None else _value(text, there.expected, cases)
            new = dataclasses.replace(there, expected=expected)
            if new == there:
                return data, there, there.expected
            changed = case_file.correct(
                data, self.path, self.columns, there.id, expected, self.reading
            )
            return changed, new, there.expected

        return self._change("corrected", change)

    def save(self, case: Case, text: str, case_id: str = "", tags: str | None = None) -> Case:
        """Add a case with the inputs and the group of another case.

        Args:
            case: the other case.
            text: the expected answer; empty for none.
            case_id: the new id; without an id column, the id derived from the inputs.
            tags: separated by semicolons or commas; None for none.

        Raises:
            PexError: the id is taken, or the file cannot be written.
        """
        names = tuple(dict.fromkeys(part for part in re.split(r"\s*[;,]\s*", tags or "") if part))

        def change(data: bytes) -> tuple[bytes, Case, Any]:
            cases = self._cases(data)
            new_id = case_id.strip()
            if "id" not in self._roles(data):
                new_id = digest(case.inputs)
            elif not new_id:
                raise PexError("the new case needs an id")
            elif new_id in {other.id for other in cases}:
                raise PexError(f"{self.name} already has a case '{new_id}'")
            expected = _value(text, case.expected, cases)
            new = dataclasses.replace(case, id=new_id, expected=expected, tags=names)
            added = case_file.add(data, self.path, self.columns, new, self.reading)
            return added, new, None

        return self._change("added", change)

    def row(self, case: Case) -> str:
        """A case as a row of the file, to paste there by hand.

        Raises:
            PexError: the file cannot be read, or has no column for a value.
            OSError: the same.
        """
        data = self.path.read_bytes()
        return case_file.row_text(data, self.path, self.columns, case, self.reading)

    def _cases(self, data: bytes) -> list[Case]:
        return parse_cases(data, self.path, self.columns, self.reading)

    def _roles(self, data: bytes) -> dict[str, str]:
        rows = rows_of(data, self.path, self.reading)
        names = dict.fromkeys(str(key) for _, row in rows for key in row)
        return roles_of(list(names), self.columns, self.path.name)

    def _change(self, what: str, change: Callable[[bytes], tuple[bytes, Case, Any]]) -> Case:
        from filelock import FileLock, Timeout

        self.check()
        # In the file's own project, so kernels in any folder share one lock.
        project, state = find_project(self.path.parent), self.state
        if (project / FILE).is_file():
            state = project / load_settings(project).journal.path
        try:
            private.folder(state)
            private.touch(state / JOURNAL)
            with FileLock(state / LOCK, timeout=PATIENCE_S):
                # If the journal cannot be written, the file is not changed.
                (state / JOURNAL).open("ab").close()
                info, data = self.path.stat(), self.path.read_bytes()
                changed, case, before = change(data)
                if changed == data:
                    return case
                entry = {
                    "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                    "who": user_name(),
                    "file": self.name,
                    "what": what,
                    "case": case.id,
                    "group": case.group,
                    "before": before,
                    "after": case.expected,
                }
                case_file.write(self.path, changed, info)
                try:
                    jsonl.append(state / JOURNAL, [entry])
                except OSError:  # a full disk: no change without a journal line
                    case_file.write(self.path, data, self.path.stat())
                    raise
        except Timeout:
            raise PexError(f"{self.name} is being changed by another kernel; try again") from None
        except OSError as error:
            raise PexError(f"{self.name} cannot be written: {error.strerror or error}") from None
        return case


def changes(before: Sequence[Case], after: Sequence[Case]) -> str:
    """A short summary of changes to the cases; empty if there are none.

    Example:
        >>> one = Case("a", {"q": "x"}, "yes")
        >>> changes([one], [dataclasses.replace(one, expected="no"), Case("b", {"q": "y"})])
        '1 added, 1 with a changed expected answer'
    """
    old, new = ({case.id: case for case in cases} for cases in (before, after))
    both = [(old[case_id], case) for case_id, case in new.items() if case_id in old]
    answers = sum(a.expected != b.expected for a, b in both)
    rest = sum(dataclasses.replace(a, expected=b.expected) != b for a, b in both)
    counts = [
        (len(new.keys() - old.keys()), "added"),
        (len(old.keys() - new.keys()), "removed"),
        (answers, "with a changed expected answer"),
        (rest, "with changed inputs, group or tags"),
    ]
    return ", ".join(f"{count} {what}" for count, what in counts if count)


def journalled(state: Path, case_id: str | None, group: str | None) -> int:
    """The number of edits to a case, or to a group's cases, in a project's journal.

    A truncated line counts if it contains the id or the group.

    Args:
        state: the project's `.pex/`.
        case_id: the case, or None.
        group: the group, or None.
    """
    return sum(_is_of(line, case_id, group) for line in _entries(state))


def forget(state: Path, case_id: str | None, group: str | None) -> None:
    """Remove the edits to a case, or to a group's cases, from a project's journal."""
    from filelock import FileLock, Timeout

    if not (state / JOURNAL).is_file():
        return
    path = state / JOURNAL
    try:
        with FileLock(state / LOCK, timeout=PATIENCE_S):
            left = [line for line in _entries(state) if not _is_of(line, case_id, group)]
            case_file.write(path, b"".join(left), path.stat())
    except Timeout:
        raise PexError(f"{path} is being written by another process; try again") from None


def unreadable(state: Path) -> int:
    """The number of unreadable lines in a project's journal: their writer was killed."""
    return sum(jsonl.entry_in(line) is None for line in _entries(state) if line.strip())


def _entries(state: Path) -> list[bytes]:
    path = state / JOURNAL
    return jsonl.lines_in(path.read_bytes()) if path.is_file() else []


def _is_of(line: bytes, case_id: str | None, group: str | None) -> bool:
    entry = jsonl.entry_in(line)
    if entry is None:
        return any(name is not None and jsonl.mentions(line, name) for name in (case_id, group))
    of_group = group is not None and entry.get("group") == group
    return of_group or (case_id is not None and entry.get("case") == case_id)


def _seen(case: Case) -> str:
    return digest([case.inputs, case.expected])


def _value(text: str, before: Any, cases: Sequence[Case]) -> Any:
    """The expected answer that a text stands for: a string or JSON, like the others."""
    if not text:
        return None
    others = [case.expected for case in cases if case.expected is not None]
    samples = others if before is None else [before]
    if not samples or any(isinstance(value, str) for value in samples):
        # None of these file formats can store half a character.
        return replace_surrogates(text)
    try:
        return to_json_value(jsontext.loads(text))
    except ValueError:
        raise PexError(
            "the expected answers in this file are not strings: this one must be JSON too",
            hint=f"for example {json.dumps(samples[0], ensure_ascii=False)[:80]}",
        ) from None


def _free(case_id: str, taken: Sequence[str]) -> str:
    """An unused id: the next number, if all ids are numbers.

    Example:
        >>> _free("7", ["7", "12"]), _free("r1", ["r1", "r1-2"])
        ('13', 'r1-3')
    """
    if all(other.isdecimal() for other in taken):
        return str(max(map(int, taken), default=0) + 1)
    known, number = set(taken), 2
    while f"{case_id}-{number}" in known:
        number += 1
    return f"{case_id}-{number}"
