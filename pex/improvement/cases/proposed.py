"""Proposed cases, in a file until somebody has accepted or rejected each of them."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from pex.cases.add_columns import add_columns
from pex.cases.file import add, check_editable, write
from pex.core.canonical_json import digest
from pex.core.case import Case
from pex.core.cases import parse_cases
from pex.core.errors import PexError, nearest
from pex.core.provenance import COLUMNS, Provenance
from pex.core.reading import Reading
from pex.core.text import value_text
from pex.core.user_name import user_name

FILE = "proposed_cases.jsonl"
OPEN, ACCEPTED, REJECTED = "proposed", "accepted", "rejected"


@dataclasses.dataclass(frozen=True, slots=True)
class Proposed:
    """A proposed case and what was decided: `proposed`, `accepted` or `rejected`."""

    case: Case
    state: str = OPEN


class Proposals:
    """The file of an experiment's proposals; every decision is on disk before it counts.

    Args:
        path: the file; it need not exist.
        cases_path: the file of cases that accepted ones are added to; without one, none can be
            accepted.
        columns: the columns of the file of cases, as in the experiment.
        reading: how the file of cases is read.
    """

    def __init__(
        self,
        path: Path,
        cases_path: Path | None,
        columns: Mapping[str, str] | None = None,
        reading: Reading | None = None,
    ) -> None:
        self.path = path
        self.cases_path = cases_path
        self._columns = dict(columns or {})
        self._reading = reading or Reading()

    def all(self) -> list[Proposed]:
        """All proposals, the decided ones too.

        Raises:
            PexError: a line of the file cannot be read.
        """
        if not self.path.is_file():
            return []
        lines = self.path.read_text(encoding="utf-8").split("\n")
        return [self._read(number, line) for number, line in enumerate(lines, 1) if line.strip()]

    def open(self) -> list[Proposed]:
        """The proposals that nobody has decided on."""
        return [item for item in self.all() if item.state == OPEN]

    def add(self, cases: Sequence[Case]) -> None:
        """Add proposals; one whose id is there already is left as it is."""
        with self._locked():
            known = self.all()
            there = {item.case.id for item in known}
            new = [Proposed(case) for case in cases if case.id not in there]
            self._write([*known, *new])

    def accept(self, case_id: str, changes: Mapping[str, Any] | None = None) -> Case:
        """Accept a proposal: it joins the file of cases, with your name and the day.

        Args:
            case_id: the proposal.
            changes: other inputs, or `expected`.

        Raises:
            PexError: there is no such open proposal, no file of cases, or it cannot hold the case
                or has it already and nobody has accepted it there; nothing has changed then.
        """
        if self.cases_path is None:
            raise PexError(
                "the cases are in no file that an accepted one could join",
                hint=f'save the experiment first: exp.save("{self._spec()}"), then load it',
            )
        with self._locked():
            known = self.all()
            place = self._place(known, case_id)
            case = known[place].case
            changes = dict(changes or {})
            expected = changes.pop("expected", case.expected)
            for name in changes:
                if name not in case.inputs:
                    raise PexError(f"a case has no '{name}'", hint=nearest(name, case.inputs))
            origin = case.provenance or Provenance()
            today = datetime.datetime.now(datetime.UTC).date().isoformat()
            inputs = {**case.inputs, **changes}
            case_id = case.id if not changes else f"{_prefix(case)}{digest(inputs)}"
            case = dataclasses.replace(
                case,
                id=case_id,
                inputs=inputs,
                expected=expected,
                group=self._group(case, changes),
                provenance=dataclasses.replace(origin, accepted_by=user_name(), accepted_on=today),
            )
            self._join(case, self.cases_path)
            known[place] = Proposed(case, ACCEPTED)
            self._write(known)
            return case

    def reject(self, case_id: str) -> None:
        """Reject a proposal; it is kept, so that it is not proposed again.

        Raises:
            PexError: there is no such open proposal.
        """
        with self._locked():
            known = self.all()
            place = self._place(known, case_id)
            known[place] = dataclasses.replace(known[place], state=REJECTED)
            self._write(known)

    def reopen(self, case_id: str) -> None:
        """Take back a rejection.

        Raises:
            PexError: the proposal was not rejected.
        """
        with self._locked():
            known = self.all()
            place = self._place(known, case_id, REJECTED)
            known[place] = dataclasses.replace(known[place], state=OPEN)
            self._write(known)

    def _group(self, case: Case, changes: Mapping[str, Any]) -> str | None:
        """The group after the changes: an input can be the group too."""
        column = self._columns.get("group")
        if column is None or column not in changes:
            return case.group
        return None if changes[column] is None else str(changes[column])

    def _spec(self) -> str:
        """Where the experiment is saved so that these proposals are its own."""
        return f"experiments/{self.path.parent.name}/experiment.yaml"

    def _join(self, case: Case, path: Path) -> None:
        check_editable(path)
        seen, data = path.stat(), path.read_bytes()
        reading = self._reading
        there = parse_cases(data, path, self._columns, reading)
        same = [other for other in there if other.id == case.id]
        if same:
            if same[0].accepted and _content(same[0]) == _content(case):
                return  # added just before the file of proposals could say so
            raise PexError(
                f"{path.name} already has a case '{case.id}'{_difference(same[0], case)}",
                hint="change that row in the file, or reject the proposal",
            )
        data = add_columns(data, path, COLUMNS, reading)
        write(path, add(data, path, self._columns, case, reading), seen)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_name(f".{self.path.name}.lock")):
            yield

    def _place(self, known: Sequence[Proposed], case_id: str, state: str = OPEN) -> int:
        ids = {item.case.id: place for place, item in enumerate(known) if item.state == state}
        if case_id not in ids:
            raise PexError(
                f"{self.path.name} has no case '{case_id}' that is {state}",
                hint=nearest(case_id, ids) if ids else None,
            )
        return ids[case_id]

    def _read(self, number: int, line: str) -> Proposed:
        try:
            entry = json.loads(line)
            origin = {name: str(entry["provenance"].get(name, "")) for name in _FIELDS}
            state = entry["state"]
            if state not in (OPEN, ACCEPTED, REJECTED) or not isinstance(entry["inputs"], dict):
                raise ValueError(state)
            return Proposed(
                Case(
                    str(entry["id"]),
                    entry["inputs"],
                    entry.get("expected"),
                    entry.get("group"),
                    tuple(entry.get("tags") or ()),
                    provenance=Provenance(**origin),
                ),
                state,
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise PexError(f"{self.path.name}, line {number}: not a proposed case") from None

    def _write(self, items: Sequence[Proposed]) -> None:
        lines = []
        for item in items:
            case = item.case
            entry = {
                "id": case.id,
                "state": item.state,
                "inputs": case.inputs,
                "expected": case.expected,
                "group": case.group,
                "tags": list(case.tags),
                "provenance": dataclasses.asdict(case.provenance or Provenance()),
            }
            lines.append(json.dumps(entry, ensure_ascii=False) + "\n")
        self.path.touch()
        write(self.path, "".join(lines).encode(), self.path.stat())


def _content(case: Case) -> Case:
    return dataclasses.replace(case, provenance=None)


def _difference(there: Case, case: Case) -> str:
    """How the case in the file differs from one with the same id."""
    if there.inputs != case.inputs:
        return ", with other inputs"
    if there.expected != case.expected:
        return f", with the expected answer '{value_text(there.expected)}'"
    return ", with another group or other tags" if there.accepted else ", which nobody has accepted"


def _prefix(case: Case) -> str:
    return "g-" if case.id.startswith("g-") else ""


_FIELDS = tuple(field.name for field in dataclasses.fields(Provenance))
