"""A decision's line in the experiment's files: a case in its file of cases, a requirement."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from pex.cases.add_columns import add_columns
from pex.cases.file import add, check_editable, write
from pex.cases.forget_rows import without_rows
from pex.core.canonical_json import canonical_text, digest
from pex.core.case import Case
from pex.core.case_files import rows_of
from pex.core.cases import ROLES, parse_cases, read_cases, roles_of
from pex.core.errors import PexError, nearest
from pex.core.paths import PATH_COLUMNS, PathCall
from pex.core.provenance import Provenance
from pex.core.reading import Reading
from pex.core.splits import COLUMN, SETS
from pex.monitoring.trace_path import path_columns
from pex.project.edit_requirements import with_requirements
from pex.project.spec import Requirement, load_spec


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """What was written to a file, to be taken back while it is still there.

    `base` is the content that the row was added to, with the columns of its origin.
    """

    path: Path
    before: bytes
    base: bytes
    after: bytes

    def take_back(self) -> None:
        """Remove what was written.

        Raises:
            PexError: it was changed since; nothing has been written.
        """
        with _lock(self.path):
            if not self.path.is_file():
                raise PexError(f"{self.path.name} no longer exists")
            seen, data = self.path.stat(), self.path.read_bytes()
            if data == self.after:
                write(self.path, self.before, seen)
                return
            row = self.after[len(self.base) :] if self.after.startswith(self.base) else b""
            if not row.strip() or data.count(row) != 1:
                raise PexError(
                    f"{self.path.name} was changed since, at what was written: it is left as it is",
                    hint="remove it by hand if it is not to stay",
                )
            write(self.path, data.replace(row, b""), seen)


class Files:
    """The files of one experiment.

    Args:
        path: its `experiment.yaml`.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path).resolve()
        spec = load_spec(self.path)
        self.cases_path = (self.path.parent / spec.cases.file).resolve()
        self._columns = dict(spec.columns)
        table = read_cases(spec.cases.model_dump(), spec.columns, self.path.parent)
        self._reading: Reading = table.reading
        self.inputs = list(table.cases[0].inputs) if table.cases else []
        self._has_ids = any(column.role == "id" for column in table.columns)
        found = {case.inputs.get(COLUMN) for case in table.cases}
        self.expects = any(case.expected is not None for case in table.cases)
        """Whether its cases have expected answers."""
        self._held_out = "confirm" if found & set(SETS) else "test"

    def inputs_of(
        self,
        variables: Mapping[str, Any] | None,
        text: str | None,
        given: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The inputs of the case that a trace makes: its variables, else the text of the user.

        Where the cases have a column `split`, the new one is held out: nothing is trained on it
        unless somebody says so.

        Args:
            variables: of the trace's prompt.
            text: what the user wrote.
            given: inputs that are missing or otherwise; they come first.

        Raises:
            PexError: the columns do not fit, with their names.
        """
        if not self.inputs and given:
            return dict(given)
        for name in given or {}:
            if name not in self.inputs:
                raise PexError(
                    f"{self.cases_path.name} has no input '{name}'", hint=nearest(name, self.inputs)
                )
        found = {**(variables or {}), **(given or {})}
        if COLUMN in self.inputs:
            found.setdefault(COLUMN, self._held_out)
        texts = [name for name in self.inputs if name not in (COLUMN, *PATH_COLUMNS)]
        if len(texts) == 1 and text:
            found.setdefault(texts[0], text)
        missing = [name for name in self.inputs if name not in (*found, *PATH_COLUMNS)]
        if not missing:
            return {name: found[name] for name in self.inputs if name in found}
        there = ", ".join(variables or {}) or "only the text of the user"
        raise PexError(
            f"{self.cases_path.name} needs {', '.join(missing)}; the trace has {there}",
            hint=f"give them: inputs={{{', '.join(f'{name!r}: …' for name in missing)}}}",
        )

    def path_inputs(self, calls: Sequence[PathCall]) -> dict[str, Any]:
        """A recorded path as inputs of a case: expected calls and recorded replies.

        Args:
            calls: the path.

        Raises:
            PexError: there are no calls, or the columns would change the ids of the other cases.
        """
        if not calls:
            raise PexError("the trace has no tool calls: there is no path", hint="take 'case'")
        columns: dict[str, Any] = dict(path_columns(calls))
        missing = [name for name in columns if name not in self.inputs]
        if missing and not self._has_ids:
            raise PexError(
                f"{self.cases_path.name} has no column {' or '.join(missing)}, and no ids: new "
                "columns would change what its cases are",
                hint="give its cases ids, in a column case_id",
            )
        if self.cases_path.suffix.lower() == ".jsonl":
            return columns
        return {name: canonical_text(value) for name, value in columns.items()}

    def add_case(
        self,
        inputs: Mapping[str, Any],
        expected: Any,
        origin: Provenance | None,
        tags: Sequence[str] = (),
    ) -> tuple[Case, Change | None]:
        """Append a case.

        A row of this trace that is there already is from a decision that was cut short, by a kill
        for instance: it stays as it is, without a change, or is replaced if the answer is another
        or it lacks a tag.

        Args:
            inputs: its inputs.
            expected: the expected answer.
            origin: the trace that it is from; None if a person wrote it.
            tags: its tags; a file without a column for them gets one.

        Raises:
            PexError: the file cannot hold it, or has another case with these inputs or of this
                trace.
        """
        path = self.cases_path
        check_editable(path)
        with _lock(path):
            seen, data = path.stat(), path.read_bytes()
            there = parse_cases(data, path, self._columns, self._reading)
            rows = [row for _, row in rows_of(data, path, self._reading)]
            names = list(dict.fromkeys(str(key) for row in rows for key in row))
            roles = roles_of(names, self._columns, path.name)
            own = dict(inputs)
            # A path column that the file has is part of every case, empty or not.
            own = {name: None for name in names if name in PATH_COLUMNS} | own
            case_id = digest(own)
            if "id" in roles:
                case_id = f"t-{digest(origin.trace)}" if origin else f"i-{case_id}"
            case = Case(case_id, own, expected, tags=tuple(tags), provenance=origin)
            base = data
            for number, other in enumerate(there):
                known_trace = other.provenance.trace if other.provenance else ""
                same_trace = origin is not None and known_trace == origin.trace
                known = bool(tags) and _texts(other) == _texts(case)
                if known or (same_trace and other.inputs == case.inputs):
                    if other.expected == expected and set(tags) <= set(other.tags):
                        return other, None
                    if known:
                        case = _tagged(other, expected, tags, path)
                    base = without_rows(data, path, {number}, self._reading)
                elif same_trace or other.id == case_id or _texts(other) == _texts(case):
                    which = (
                        "of this trace, with other inputs" if same_trace else "with these inputs"
                    )
                    raise PexError(
                        f"{path.name} already has a case {which}: '{other.id}'",
                        hint=f"link the trace to it: known('{other.id}'), or change that row",
                    )
            columns = [name for name in PATH_COLUMNS if own.get(name) is not None]
            columns += list(origin.row()) if origin else []
            if case.tags and "tags" not in roles:
                columns.append(self._columns.get("tags", ROLES["tags"]))
            if columns:
                base = add_columns(base, path, columns, self._reading)
            after = add(base, path, self._columns, case, self._reading)
            write(path, after, seen)
            return case, Change(path, data, base, after)

    def add_requirement(
        self, text: str, source: str, requirement_id: str | None, priority: str
    ) -> tuple[Requirement, Change | None]:
        """Add a requirement to `experiment.yaml`.

        Raises:
            PexError: the id is taken, or the file cannot be changed in place.
        """
        with _lock(self.path):
            seen, data = self.path.stat(), self.path.read_bytes()
            known = load_spec(self.path).requirements
            same = [item for item in known if (item.text, item.source) == (text, source)]
            if same:
                return same[0], None
            ids = {item.id for item in known}
            if requirement_id in ids:
                raise PexError(f"{self.path.name} already has a requirement '{requirement_id}'")
            free = next(f"R{n}" for n in range(1, len(ids) + 2) if f"R{n}" not in ids)
            try:
                item = Requirement.model_validate(
                    {"id": requirement_id or free, "text": text, "source": source,
                     "priority": priority}
                )  # fmt: skip
            except ValueError as error:
                raise PexError(f"this is not a requirement: {error}") from None
            after = with_requirements(data.decode("utf-8"), self.path.name, [item]).encode()
            write(self.path, after, seen)
            return item, Change(self.path, data, data, after)

    def known(self, name: str) -> str:
        """What a trace is linked to: a requirement or a case of these files, else an issue's text.

        Raises:
            PexError: it looks like an id, but is none.
        """
        data = self.cases_path.read_bytes()
        cases = parse_cases(data, self.cases_path, self._columns, self._reading)
        kinds = {item.id: "requirement" for item in load_spec(self.path).requirements}
        kinds |= {case.id: "case" for case in cases if case.id not in kinds}
        if name in kinds:
            return f"{kinds[name]} {name}"
        near = nearest(name, kinds) if len(name.split()) == 1 else None
        if near:
            raise PexError(f"no requirement or case is called '{name}'", hint=near)
        return f"issue: {name}"


def _tagged(case: Case, expected: Any, tags: Sequence[str], path: Path) -> Case:
    """A case that is there already, with more tags."""
    if case.provenance is None and case.expected != expected:
        raise PexError(
            f"{path.name} has a case with these inputs, '{case.id}', whose expected answer is "
            f"{case.expected!r}, not {expected!r}",
            hint="correct that row first, or give its answer",
        )
    every = tuple(dict.fromkeys((*case.tags, *tags)))
    return dataclasses.replace(case, expected=expected, tags=every)


def _texts(case: Case) -> dict[str, Any]:
    return {name: value for name, value in case.inputs.items() if name != COLUMN}


def _lock(path: Path) -> FileLock:
    return FileLock(path.with_name(f".{path.name}.lock"))
