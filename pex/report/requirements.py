"""The state of the requirements as a table, for a page and for a terminal."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from pex.compare.requirements import (
    MET,
    NEVER_FAILED,
    NOT_MET,
    UNDECIDED,
    UNTESTED,
    counted,
    orphans,
)
from pex.core.about import About, CriteriaChange
from pex.report.terminal import text_table

if TYPE_CHECKING:
    import pandas as pd

SIGNS = {MET: "✓", NOT_MET: "✗", UNDECIDED: "?", NEVER_FAILED: "!", UNTESTED: "–"}
"""Shown with the colour, so a state can be read without it."""
_CHIPS = {MET: "good", NOT_MET: "bad", UNDECIDED: "", NEVER_FAILED: "warn", UNTESTED: "warn"}
_FAILING_ONLY_HERE = (NOT_MET, UNDECIDED, MET)


def requirements_table(table: pd.DataFrame) -> str:
    """An HTML table with a row for each requirement and a column for each variant.

    Args:
        table: the states, as `pex.compare.requirements.states` gives them.
    """
    variants = list(dict.fromkeys(table["variant"]))
    head = ["requirement", *variants, "checked by"]
    out = ['<div class="pex-scroll"><table class="pex-table pex-requirements"><thead><tr>']
    out += [f'<th scope="col">{escape(str(title))}</th>' for title in head]
    out.append("</tr></thead><tbody>")
    for name, rows in table.groupby("requirement", sort=False):
        by_variant = {row["variant"]: row for row in rows.to_dict("records")}
        first = next(iter(by_variant.values()))
        out.append(f'<tr><th scope="row">{escape(str(name))}: {escape(first["text"])}')
        about = [first["priority"], *([f"asked by {first['source']}"] if first["source"] else [])]
        out.append(f'<br><span class="pex-soft">{escape(", ".join(about))}</span></th>')
        for variant in variants:
            row = by_variant[variant]
            said = escape(row["sentence"])
            if row["failing"] and row["state"] in _FAILING_ONLY_HERE:
                more = ", …" if row["failed"] > len(row["failing"]) else ""
                said += f"; failed: {escape(', '.join(row['failing']))}{more}"
            out.append(f'<td data-side="{escape(str(variant))}">{_chip(row["state"])} {said}</td>')
        out.append(f'<td data-side="checked by">{escape(first["scores"]) or "nothing"}</td></tr>')
    out.append(f"</tbody><caption>{_CAPTION}</caption></table></div>")
    return "".join(out)


_CAPTION = (
    "Met and not met: 95 % sure of it. Never failed: all passed, and nothing has ever failed this "
    "check, so no case is known that could. Untested: no scorer checks it."
)


def requirement_notes(about: About) -> list[str]:
    """What else a reader should know: when the criteria were decided, scorers that check nothing.

    Args:
        about: the run's description.
    """
    notes = []
    if about.criteria is not None and about.requirements:
        decided = about.criteria
        when = _day(decided.decided_at)
        if decided.after_runs == 0:
            notes.append(f"These criteria were decided on {when}, before the first run.")
        else:
            notes.append(f"These criteria were decided on {when}, {_after(decided.after_runs)}.")
        notes += change_sentences(decided.changes)
    if found := orphans(about.checks, about.requirements):
        names = ", ".join(f"'{name}'" for name in found)
        one = len(found) == 1
        notes.append(f"{'The scorer' if one else 'The scorers'} {names} "
                     f"{'checks' if one else 'check'} no requirement.")  # fmt: skip
    return notes


def change_sentences(changes: Sequence[CriteriaChange]) -> list[str]:
    """Changes of the criteria in sentences, those of one day together.

    Example:
        >>> noon = datetime.datetime(2026, 3, 5, 12).astimezone().isoformat()
        >>> label = CriteriaChange("scorer label", "changed", noon, 4)
        >>> change_sentences([label, CriteriaChange("R3", "added", noon, 4)])
        ["The scorer 'label' changed on 5 March 2026, after 4 runs.", \
'R3 was added on 5 March 2026, after 4 runs.']
    """
    grouped: dict[tuple[str, str, int], list[str]] = {}
    for change in changes:
        key = (change.how, _day(change.at), change.after_runs)
        kind, _, name = change.what.partition(" ")
        what = f"the scorer '{name}'" if kind == "scorer" and name else change.what
        grouped.setdefault(key, []).append(what)
    said = []
    for (how, day, runs), names in grouped.items():
        verb = how if how == "changed" else f"{'was' if len(names) == 1 else 'were'} {how}"
        subject = ", ".join(names)
        said.append(f"{subject[:1].upper()}{subject[1:]} {verb} on {day}, {_after(runs)}.")
    return said


def signed(state: str) -> str:
    """A state with its sign.

    Example:
        >>> signed("met"), signed("not measured")
        ('✓ met', '– not measured')
    """
    return f"{SIGNS.get(state, '–')} {state}"


def requirements_text(table: pd.DataFrame) -> str:
    """The states as aligned plain text: one row for each requirement and variant."""
    rows = [
        (row["requirement"], row["variant"], f"{SIGNS[row['state']]} {row['state']}",
         row["sentence"], row["text"])
        for row in table.to_dict("records")
    ]  # fmt: skip
    return text_table(rows, ("requirement", "variant", "state", "why", "what must hold"))


def requirements_line(table: pd.DataFrame) -> str:
    """The states of all variants in a line, such as "short: 2 met, 1 untested"."""
    each = [
        f"{variant}: {counted(rows)}"
        for variant, rows in table.groupby("variant", sort=False, observed=True)
    ]
    return f"Requirements: {'; '.join(each)}"


def _chip(state: str) -> str:
    kind = f" pex-chip-{_CHIPS[state]}" if _CHIPS[state] else ""
    return f'<span class="pex-chip{kind}">{SIGNS[state]} {escape(state)}</span>'


def _after(runs: int) -> str:
    return "after 1 run" if runs == 1 else f"after {runs:,} runs"


def _day(at: str) -> str:
    when = datetime.datetime.fromisoformat(at).astimezone()
    return f"{when.day} {when:%B %Y}"
