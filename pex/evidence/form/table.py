"""A form as a file: a table that a person fills in, as CSV, as a spreadsheet or as a page."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core import jsontext
from pex.core.case_files import rows_of
from pex.core.errors import PexError, nearest
from pex.core.reading import Reading
from pex.core.spreadsheet import inert
from pex.core.text import replace_surrogates
from pex.core.textfile import read_bytes
from pex.core.xlsx import sheets_in
from pex.evidence.card.secrets_of_cards import SecretError
from pex.evidence.form.page import FORMAT, form_page
from pex.guard.redact import known
from pex.guard.scan import scan

KEY = "key"
"""The column that says which row this is; left as it is by who fills the form in."""
BECAUSE = "not taken over because"
"""The column of a file of what is left; it can be read again like a form."""
KINDS = ("requirements", "answers")
"""The kinds of forms; a spreadsheet's sheet has the kind as its name."""
SUFFIXES = (".csv", ".xlsx", ".html")
_TABLE_HINT = 'Fill in the yellow cells, and leave the column "key" as it is.'
_WIDTHS = {True: 46, False: 24}
_MOST_TEXT = 100_000
_MOST_NAMED = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """A column of a form: its title, and whether it is filled in or only read.

    `choices` are the only values that it takes; `help` is a sentence for who fills it in; `lines`
    is for texts of several lines. A column that is not `in_page` repeats the row's title there.
    """

    title: str
    fill: bool = False
    choices: tuple[str, ...] = ()
    help: str = ""
    lines: bool = False
    in_page: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """A form: what it is about, its columns, its rows by title of column and with their key.

    `noun` is one row of it; `empty` rows are left for new ones, which only some forms have.
    """

    kind: str
    title: str
    instructions: str
    noun: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, str]]
    experiment: str
    run_id: str = ""
    empty: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class FilledRow:
    """A row that came back: its place in the file, its key, its values by title."""

    place: str
    key: str
    values: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class FilledForm:
    """A form that came back; `experiment` and `by` are known if a page saved it."""

    path: Path
    titles: Sequence[str]
    rows: Sequence[FilledRow]
    kind: str = ""
    experiment: str = ""
    run_id: str = ""
    by: str = ""


def write_form(form: Form, path: Path, *, delimiter: str = ",", force: bool = False) -> Path:
    """Write a form.

    Args:
        form: the form.
        path: a .csv, .xlsx or .html file.
        delimiter: of a CSV; Excel in many countries of Europe opens only `;` as columns.
        force: replace a file that is there.

    Raises:
        PexError: another ending, or the file is there.
        SecretError: a secret is in it; the message names the row, and nothing is written.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise PexError(
            f"{path}: a form is a .csv, .xlsx or .html file", hint=nearest(suffix, SUFFIXES)
        )
    if path.exists() and not force:
        raise PexError(
            f"{path}: this file already exists, and somebody may have filled it in",
            hint="--force replaces it, --to FILE writes another",
        )
    _check_secrets(form)
    path.parent.mkdir(parents=True, exist_ok=True)
    if suffix == ".html":
        path.write_text(form_page(dataclasses.asdict(form)), encoding="utf-8")
    elif suffix == ".xlsx":
        path.write_bytes(_xlsx(form))
    else:
        # With a mark at the start, Excel reads UTF-8.
        path.write_bytes(_csv(form, delimiter).encode("utf-8-sig"))
    return path


def _check_secrets(form: Form) -> None:
    """Refuse what has a secret in it: a form is sent to somebody."""
    values = known()
    texts = [("the title", form.title), ("the instructions", form.instructions)]
    for number, row in enumerate(form.rows, 1):
        name = row.get("title") or row.get(KEY) or str(number)
        texts += [(f"row '{name}', '{title}'", text) for title, text in row.items()]
    places = [f"{where}, {finding}" for where, text in texts for finding in scan(text, values)]
    if not places:
        return
    shown = "\n".join(f"  {place}" for place in places[:_MOST_NAMED])
    more = f"\n  and {len(places) - _MOST_NAMED} more" if len(places) > _MOST_NAMED else ""
    raise SecretError(
        f"nothing was written, because there are secrets in it:\n{shown}{more}",
        hint="take it out of the requirement, the case or the answer; the key should be changed",
    )


def read_form(path: Path, encoding: str | None = None) -> FilledForm:
    """Read a form that came back: the CSV, the spreadsheet, or the file that the page saved.

    Args:
        path: the file.
        encoding: of a CSV, such as cp1252; None: it is found out.

    Raises:
        PexError: it cannot be read, or it is the page itself, which has no answers in it.
    """
    data = read_bytes(path, "form")
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _saved(data, path)
    if suffix in (".html", ".htm"):
        raise PexError(
            f"{path}: this is the page to fill in; it keeps nothing itself",
            hint="its button 'Save as a file' makes a .json file: read that",
        )
    rows, titles = [], dict.fromkeys([KEY])
    for place, row in rows_of(data, path, _reading(data, path, encoding)):
        values = {str(k): _text(value) for k, value in row.items() if str(k) != BECAUSE}
        titles |= dict.fromkeys(values)
        if any(value for value in values.values()):
            rows.append(FilledRow(place, values.pop(KEY, ""), values))
    return FilledForm(path, list(titles), rows)


def _reading(data: bytes, path: Path, encoding: str | None) -> Reading:
    """How a form is read: its first column is known, and so is the name of its sheet."""
    suffix = path.suffix.lower()
    if suffix == ".xlsx":
        names = sheets_in(data, str(path))
        chosen = next((name for name in names if name in KINDS), names[0] if names else None)
        return Reading(sheet=chosen)
    if suffix not in (".csv", ".tsv"):
        return Reading()
    found = re.match(rb'(?:\xef\xbb\xbf)?"?key"?([,;\t])', data)
    return Reading(delimiter=found[1].decode() if found else None, encoding=encoding)


def check_titles(form: FilledForm, known: Sequence[str], needed: Sequence[str]) -> None:
    """Check the columns of a form.

    Raises:
        PexError: a needed column is missing, or an unknown one has values.
    """
    for title in needed:
        if title not in form.titles:
            raise PexError(
                f"{form.path.name}: the column '{title}' is missing",
                hint=nearest(title, [item for item in form.titles if item != KEY]),
            )
    for title in form.titles:
        used = any(row.values.get(title) for row in form.rows)
        if title not in known and title != KEY and used:
            raise PexError(
                f"{form.path.name}: unknown column '{title}'", hint=nearest(title, known)
            )


def write_rest(form: FilledForm, rows: Sequence[tuple[FilledRow, str]]) -> Path:
    """Keep the rows that were not taken over, each with the reason, in a file beside the form."""
    path = form.path.with_name(f"{form.path.stem}.rest.csv")
    number = 1
    while path.exists():
        number += 1
        path = form.path.with_name(f"{form.path.stem}.rest-{number}.csv")
    filled = [title for row, _ in rows for title in row.values]
    titles = list(dict.fromkeys([KEY, *form.titles, *filled, BECAUSE]))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(inert, titles))
    for row, why in rows:
        values = {KEY: row.key, **row.values, BECAUSE: why}
        writer.writerow([inert(values.get(title, "")) for title in titles])
    path.write_bytes(out.getvalue().encode("utf-8-sig"))
    return path


def _text(value: Any) -> str:
    """A cell as the person meant it: without the apostrophe that keeps it from being a formula."""
    text = "" if value is None else str(value).replace("\r\n", "\n").strip()
    return text[1:] if text.startswith("'") and inert(text[1:]) == text else text


def _titles(form: Form) -> list[str]:
    return [KEY, *(column.title for column in form.columns)]


def _cells(form: Form) -> list[list[str]]:
    titles = _titles(form)
    return [[str(inert(row.get(title, ""))) for title in titles] for row in form.rows]


def _csv(form: Form, delimiter: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(map(inert, _titles(form)))
    writer.writerows(_cells(form))
    return out.getvalue()


def _xlsx(form: Form) -> bytes:
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    book = Workbook()
    sheet = book.active
    sheet.title = form.kind
    rows = [*_cells(form), *([""] * (len(form.columns) + 1) for _ in range(form.empty))]
    filled = PatternFill("solid", fgColor="FFF7D6")
    for number, title in enumerate(_titles(form), 1):
        column = form.columns[number - 2] if number > 1 else Column(KEY)
        head = sheet.cell(1, number, str(inert(title)))
        head.font = Font(bold=True)
        head.alignment = Alignment(wrap_text=True, vertical="top")
        letter = get_column_letter(number)
        sheet.column_dimensions[letter].width = 14 if number == 1 else _WIDTHS[column.lines]
        for at, row in enumerate(rows, 2):
            cell = sheet.cell(at, number, row[number - 1] or None)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            cell.number_format = "@"  # what is typed stays text: 1/2 is no date
            if column.fill:
                cell.fill = filled
        if column.choices and rows:
            listed = ",".join(column.choices)
            rule = DataValidation(type="list", formula1=f'"{listed}"', allow_blank=True)
            rule.add(f"{letter}2:{letter}{len(rows) + 1}")
            sheet.add_data_validation(rule)
    sheet.freeze_panes = "A2"
    about = book.create_sheet("how to fill it in")
    about["A1"] = str(inert(f"{form.instructions} {_TABLE_HINT}"))
    about["A1"].alignment = Alignment(wrap_text=True, vertical="top")
    about.column_dimensions["A"].width = 100
    about.sheet_state = "visible"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _saved(data: bytes, path: Path) -> FilledForm:
    """The file that the page saves."""
    try:
        given = jsontext.loads(data.decode("utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise PexError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        raise PexError(f"{path}: this is not a file that a form saved")
    listed = given.get("rows")
    if not isinstance(listed, list):
        raise PexError(f"{path}: 'rows' is missing")
    rows: list[FilledRow] = []
    titles: dict[str, None] = {KEY: None}
    for number, item in enumerate(listed, 1):
        values = item.get("values") if isinstance(item, dict) else None
        if not isinstance(values, dict) or not all(
            isinstance(value, str) and len(value) <= _MOST_TEXT for value in values.values()
        ):
            raise PexError(f"{path}, row {number}: expected strings by column name")
        clean = {str(k): replace_surrogates(v).strip() for k, v in values.items()}
        titles |= dict.fromkeys(clean)
        rows.append(FilledRow(f"{path.name}, row {number}", str(item.get("key", "")), clean))
    texts = {name: str(given.get(name) or "") for name in ("kind", "experiment", "run_id", "by")}
    return FilledForm(path, list(titles), rows, **texts)
