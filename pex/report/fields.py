"""The fields of structured answers, as tables in HTML and text: which fail, and what is there.

Model output is hostile text: it is escaped here, in the one place where it becomes HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.compare.field_table import FieldTable
from pex.core.values import to_json_value
from pex.report.safe_html import escaped
from pex.report.tables import cut, format_interval, format_score
from pex.report.terminal import text_table
from pex.score.field_outcomes import Difference, differences, read_again, verdicts_in
from pex.score.field_scorers import FieldScorer

if TYPE_CHECKING:
    import pandas as pd

MOST_PAIRS = 10
"""Pairs of values that a page shows for each scorer; `.confusion` has all."""
MOST_DIFFERENCES = 8
"""Fields of one answer that are listed."""
_CHARS = 120
SIGNS = {"wrong": "✗", "missing": "−", "too much": "+"}
"""A sign beside the word for what is wrong with a field; ◐ if a part of it is right."""


def sign(what: str) -> str:
    """The sign for what is wrong with a field.

    Example:
        >>> sign("missing"), sign("50 % right")
        ('−', '◐')
    """
    return SIGNS.get(what, "◐")


def fields_html(found: FieldTable) -> str:
    """The tables of fields, one for each scorer, and the values that are most often confused."""
    parts = []
    several = found.table["scorer"].nunique() > 1
    for scorer, table in found.table.groupby("scorer", sort=False):
        if several:
            parts.append(f"<h3>{escaped(str(scorer))}</h3>")
        parts.append(_fields(table))
        pairs = found.confusion[found.confusion["scorer"] == scorer]
        if len(pairs):
            parts.append(_confusion(pairs))
    parts += [f'<p class="pex-soft">{escaped(note)}.</p>' for note in found.notes()]
    return "".join(parts)


def _fields(table: pd.DataFrame) -> str:
    names = ("field", "variant", "share", "✓ right", "✗ wrong", "− missing", "+ too much")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = []
    for field, part in table.groupby("field", sort=False):
        for number, row in enumerate(part.to_dict("records")):
            first = f'<th scope="rowgroup" rowspan="{len(part)}">{escaped(str(field))}</th>'
            interval = escaped(format_interval(row["lo"], row["hi"], True))
            counts = "".join(
                f'<td class="pex-number">{row[name] or _none(name)}</td>'
                for name in ("right", "wrong", "missing", "too_much")
            )
            rows.append(
                f"<tr>{'' if number else first}<td>{escaped(str(row['variant']))}</td>"
                f'<td class="pex-number">{escaped(format_score(row["share"], True))} '
                f'<span class="pex-interval">{interval}</span></td>{counts}</tr>'
            )
    note = (
        "Share: of the cases that have the field right, with its 95 % interval. The "
        "counts are of answers; of a list of records, of its records."
    )
    return (
        f'<div class="pex-scroll"><table class="pex-table pex-fields"><thead><tr>{head}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody><caption>{note}</caption></table></div>"
    )


def _none(name: str) -> str:
    return "0" if name == "right" else '<span class="pex-soft">0</span>'


def _confusion(pairs: pd.DataFrame) -> str:
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("field", "expected", "given", "times", "variant")
    )
    rows = "".join(
        f"<tr><td>{escaped(row['field'])}</td><td>{_value(row['expected'])}</td>"
        f'<td>{_value(row["given"])}</td><td class="pex-number">{row["count"]}</td>'
        f"<td>{escaped(row['variant'])}</td></tr>"
        for row in pairs.head(MOST_PAIRS).to_dict("records")
    )
    more = len(pairs) - MOST_PAIRS
    note = "What comes instead of what is expected, the most frequent first"
    note += f"; {more:,} more in results.fields().confusion." if more > 0 else "."
    return (
        f'<div class="pex-scroll"><table class="pex-table pex-fields"><thead><tr>{head}</tr>'
        f"</thead><tbody>{rows}</tbody><caption>{note}</caption></table></div>"
    )


def _value(text: str) -> str:
    return f'<span class="pex-output" dir="auto">{escaped(cut(text, _CHARS))}</span>'


def fields_text(found: FieldTable) -> str:
    """The table of fields as aligned plain text."""
    rows: list[tuple[str, ...]] = [
        (
            str(row["scorer"]),
            str(row["field"]),
            str(row["variant"]),
            f"{format_score(row['share'], True)} {format_interval(row['lo'], row['hi'], True)}",
            *(str(row[name]) for name in ("right", "wrong", "missing", "too_much")),
        )
        for _, part in found.table.groupby(["scorer", "field"], sort=False)
        for row in part.to_dict("records")
    ]
    head = ["scorer", "field", "variant", "share", "right", "wrong", "missing", "too much"]
    if len({row[0] for row in rows}) == 1:
        rows, head = [row[1:] for row in rows], head[1:]
    numbers = range(len(head) - 4, len(head))
    return "\n".join([text_table(rows, head, numbers), *found.notes()])


def answer_differences(row: Mapping[str, Any], scorers: Mapping[str, FieldScorer]) -> str:
    """The fields of one answer that are not as expected, as a small table; empty if there are none.

    Args:
        row: a row of the long frame.
        scorers: the scorers of structured answers, by name.
    """
    parts = []
    for name, scorer in scorers.items():
        reading = read_again(
            scorer, row.get("output"), to_json_value(row.get("expected")),
            row.get("finish_reason"), row.get("remarks"), verdicts_in(row, name),
        )  # fmt: skip
        if reading is not None and reading.unread is None:
            found = differences(reading)
            parts.append(_differences(found, name if len(scorers) > 1 else "") if found else "")
    return "".join(parts)


def _differences(found: Sequence[Difference], name: str) -> str:
    rows = "".join(
        f'<tr><th scope="row"><span class="pex-sign">{sign(item.what)}</span> '
        f"{escaped(item.field)}</th>"
        f"<td>{_given(item)}</td><td>{_wanted(item)}</td></tr>"
        for item in found[:MOST_DIFFERENCES]
    )
    more = len(found) - MOST_DIFFERENCES
    if more > 0:
        rows += f'<tr><td colspan="3" class="pex-soft">and {more:,} more</td></tr>'
    title = f"{escaped(name)}: " if name else ""
    return (
        '<table class="pex-table pex-differing"><thead><tr>'
        f'<th scope="col">{title}field</th><th scope="col">given</th>'
        f'<th scope="col">expected</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _given(item: Difference) -> str:
    if item.given is None:
        return f'<span class="pex-soft">{escaped(item.what)}</span>'
    note = f' <span class="pex-soft">({escaped(item.note)})</span>' if item.note else ""
    return _value(item.given) + note


def _wanted(item: Difference) -> str:
    if item.wanted is None:
        return f'<span class="pex-soft">{"none" if item.what == "too much" else "–"}</span>'
    return _value(item.wanted)
