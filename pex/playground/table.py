"""A table that somebody pastes, drops or names, on its way to cases of a draft."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.case_files import case_file_bytes, read_rows
from pex.core.case_table import CaseTable, Tally, describe, group_notes
from pex.core.cases import ROLES, Case, read_cases, roles_of
from pex.core.columns import variable, variables
from pex.core.encodings import called
from pex.core.errors import PexError
from pex.core.reading import DELIMITERS, AmbiguousError, Reading
from pex.core.text import replace_surrogates
from pex.core.values import to_json_value

MOST_BYTES = 8_000_000
"""Of a pasted table or a dropped file; a larger one is named."""
SHOWN = 100
"""Columns whose roles can be chosen; the others are inputs."""
_PASTED = "pasted.csv"
_INPUT, _LEFT_OUT = "input", "leave out"
_USUAL = {
    "id": {"id", "case_id", "caseid", "case_no", "ticket_id", "ticket_no"},
    "expected": {"label", "labels", "expected_answer", "expected_output", "answer", "ground_truth",
                 "reference", "target", "gold", "truth"},
}  # fmt: skip
"""What people call these columns; a proposal that they see and can change."""
_DELIMITERS = re.compile(r"[,;\t|]")


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """The rows of a table, its columns, and how it was read."""

    rows: list[dict[str, Any]]
    names: list[str]
    reading: Reading
    notes: tuple[str, ...]
    file: str

    def shown(self, asked: Sequence[str]) -> dict[str, Any]:
        """What the browser gets: sentences, and each column with a role and a name.

        Args:
            asked: the variables of the prompts; a column is proposed for each.
        """
        table = CaseTable([], reading=self.reading, notes=self.notes, file=self.file)
        count = len(self.rows)
        read = f"Read as {table.reading}; " if str(table.reading) else ""
        columns = []
        for info in self._described(asked)[:SHOWN]:
            found = dataclasses.asdict(info)
            columns.append({name: replace_surrogates(str(value)) for name, value in found.items()})
            columns[-1]["empty"] = info.row[-1]
        return {
            "sentences": [f"{read}{count:,} row{'s' * (count != 1)}.", *self.notes],
            "columns": columns,
            "more": max(0, len(self.names) - SHOWN),
            "count": count,
        }

    def cases(self, columns: Sequence[Mapping[str, Any]], limit: int) -> list[Case]:
        """The first rows as cases, with the roles and names that somebody chose.

        Args:
            columns: `name`, `role` and `variable` of each; others are inputs.
            limit: how many rows.

        Raises:
            PexError: two columns have one role or one name, or a row cannot be a case.
        """
        chosen = {str(item.get("name")): item for item in columns}
        new_names: dict[str, str] = {}
        roles: dict[str, str] = {}
        for name in self.names:
            item = chosen.get(name, {})
            role = str(item.get("role") or _INPUT)
            if role == _LEFT_OUT:
                continue
            if role in ROLES:
                if role in roles:
                    raise PexError(f"'{roles[role]}' and '{name}' are both {role}; choose one")
                roles[role] = name
                new_names[name] = name
                continue
            new = str(item.get("variable") or "").strip() or name
            if name in chosen and not new.isidentifier():
                hint = f"for example {variable(new) or 'text'}"
                raise PexError(f"'{new}' cannot be the name of a variable", hint=hint)
            same = [old for old, other in new_names.items() if other == new]
            if same:
                raise PexError(f"'{same[0]}' and '{name}' are both {{{{ {new} }}}}; choose one")
            new_names[name] = new
        rows = [
            {new: row.get(name) for name, new in new_names.items()} for row in self.rows[:limit]
        ]
        return read_cases(rows, roles).cases

    def _roles(self) -> dict[str, str]:
        """The columns by role; what a table calls otherwise is proposed by usual names."""
        roles = roles_of(self.names, {}, self.file or _PASTED)
        for role, usual in _USUAL.items():
            named = [name for name in self.names if variable(name).casefold() in usual]
            if role not in roles and len(named) == 1 and len(self.names) > len(roles) + 1:
                values = [str(row.get(named[0]) or "") for row in self.rows]
                if role != "id" or (all(values) and len(set(values)) == len(values)):
                    roles[role] = named[0]
        return roles

    def _described(self, asked: Sequence[str]) -> Sequence[Any]:
        roles = self._roles()
        inputs = [name for name in self.names if name not in roles.values()]
        tally = Tally()
        for row in self.rows:
            tally.add({name: to_json_value(value) for name, value in row.items()})
        infos = describe(self.names, tally, roles, {}, dict.fromkeys(inputs))
        renamed = _proposed(inputs, self.rows, asked)
        return [
            dataclasses.replace(
                info, variable=renamed.get(info.name, info.variable or _fallback(number, info.role))
            )
            for number, info in enumerate(infos, 1)
        ]


def read_table(content: Mapping[str, Any], data: bytes | None, asked: Sequence[str]) -> Table:
    """Read what the browser sent.

    Args:
        content: `file`, a path for Python to read, or `name`, that of a dropped file; else it was
            pasted. `header` says whether its first row has the names, `reading` how to read it.
        data: the content of what was dropped or pasted.
        asked: the variables of the prompts, the names of a table without any.

    Raises:
        AmbiguousError: several readings fit.
        PexError: it is too large, not a table, or cannot be read.
    """
    given = content.get("reading")
    reading = Reading(**{str(k): str(v) for k, v in given.items()}) if given else Reading()
    file = str(content.get("file") or "").strip()
    if file:
        path = Path(file).expanduser()
        return _rows(case_file_bytes(path), path, reading)
    data = data or b""
    if len(data) > MOST_BYTES:
        size, most = len(data) / 1e6, MOST_BYTES // 1_000_000
        raise PexError(
            f"{size:,.0f} MB are too many, at most {most} MB",
            hint="save them as a file beside the notebook and give its path",
        )
    name = str(content.get("name") or "")
    if name:
        return _rows(data, Path(name), reading)
    text = data.decode("utf-8", "replace").strip("\r\n\ufeff")
    if not text.strip():
        raise PexError("nothing was pasted", hint="copy the cells with their headings")
    if "\t" in text.split("\n", 1)[0] and reading.delimiter is None:
        reading = dataclasses.replace(reading, delimiter="\t")
    reading = dataclasses.replace(reading, encoding="utf-8")
    if content.get("header") is False:
        text = _with_header(text, reading, asked)
    elif "\n" not in text:
        raise _no_table("it is one line" + (", the headings" if "\t" in text else ""))
    try:
        return _rows(text.encode(), Path(_PASTED), reading)
    except AmbiguousError:
        raise
    except PexError as error:
        said = re.sub(rf"^(cases file )?{_PASTED}[:,] ", "", error.message)
        raise _no_table(said) from None


def _no_table(why: str) -> PexError:
    return PexError(
        f"the pasted text is not a table: {why}",
        hint="copy cells with their headings, or, without headings, say that there are none",
    )


def _with_header(text: str, reading: Reading, asked: Sequence[str]) -> str:
    """The text with a first line of names: the prompts' variables, then column_2, …."""
    first = text.split("\n", 1)[0]
    found = _DELIMITERS.search(first)
    mark = reading.delimiter or (found[0] if found else "\t")
    width = first.count(mark) + 1
    names = [*asked[:width], *(f"column_{at + 1}" for at in range(len(asked), width))]
    return mark.join(names) + "\n" + text


def _rows(data: bytes, path: Path, reading: Reading) -> Table:
    found = read_rows(data, path, reading, ROLES["expected"])
    rows = [row for _, row in found.rows]
    if not rows:
        raise PexError(f"{path.name}: it has no rows below its first line")
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    file = "" if path.name == _PASTED else path.name
    return Table(rows, names, found.reading, found.notes, file)


def _fallback(number: int, role: str) -> str:
    return f"column_{number}" if role == _INPUT else ""


def _proposed(
    inputs: Sequence[str], rows: Sequence[Mapping[str, Any]], asked: Sequence[str]
) -> dict[str, str]:
    """Columns for the prompts' variables that no column is called like, by their names.

    Example:
        >>> rows = [{"No": "1", "Text body": "It broke on the first day."}]
        >>> _proposed(["No", "Text body"], rows, ["text"])
        {'Text body': 'text'}
    """
    known = variables(inputs)
    found: dict[str, str] = {}
    for name in asked:
        if name in known or name in inputs:
            continue
        left = [column for column in inputs if column not in found]
        left = [column for column in left if variable(column) not in asked]
        alike = [column for column in left if variable(column).casefold() == name.casefold()]
        if not left:
            break
        size = {c: sum(len(str(row.get(c) or "")) for row in rows[:100]) for c in left}
        found[alike[0] if alike else max(left, key=lambda column: size[column])] = name
    return found


def choices_of(error: AmbiguousError) -> dict[str, Any]:
    """The readings that fit a table, as the browser gets them."""
    first = error.choices[0][0]
    given = {name: value for name, value in first.given().items() if name != error.key}
    return {
        "text": "Several readings fit: choose one.",
        "reading": given,
        "choices": [
            {
                "key": error.key,
                "value": getattr(reading, error.key),
                "shown": _called(error.key, getattr(reading, error.key)),
                "row": replace_surrogates(row),
            }
            for reading, row in error.choices
        ],
    }


def _called(key: str, value: str) -> str:
    if key == "encoding":
        return called(value)
    return DELIMITERS.get(value, value) if key == "delimiter" else f"'{value}'"


def added_text(before: int, after: int, cases: Sequence[Case]) -> str:
    """What was added, in a sentence, and what to know of it.

    Example:
        >>> added_text(1, 3, [Case("1", {}), Case("2", {}), Case("3", {})])
        '2 cases added; 1 was here already.'
    """
    new, there = after - before, len(cases) - (after - before)
    said = f"{new} case{'s' * (new != 1)} added"
    if there:
        said += f"; {there} {'was' if there == 1 else 'were'} here already"
    return " ".join([f"{said}.", *(f"{note}." for note in group_notes(cases))])
