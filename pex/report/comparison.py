"""A comparison for people: one sentence, one table, and how it was calculated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from pex.compare.effect import METHODS
from pex.compare.verdict import BETTER, COUNTED, NO_WORSE, POWER, UNCHANGED, UNDECIDED, WORSE
from pex.core.values import missing
from pex.report.tables import format_score, format_seconds, format_usd, minus
from pex.report.terminal import text_table

if TYPE_CHECKING:
    import pandas as pd

SIGNS = {BETTER: "▲", WORSE: "▼", NO_WORSE: "≥", UNDECIDED: "?", UNCHANGED: "="}
"""Shown with the colour, so a verdict can be read without it."""

_CHIPS = {BETTER: " pex-chip-good", NO_WORSE: " pex-chip-good", WORSE: " pex-chip-bad"}
_MONEY = ("cost_usd",)
_SECONDS = ("latency_s", "ttft_s")


def format_value(value: Any, metric: str, yes_no: bool) -> str:
    """A metric's value with its unit; a missing one as a dash.

    Example:
        >>> format_value(0.655, "label", True), format_value(0.2, "latency_s", False)
        ('66 %', '200 ms')
    """
    if missing(value):
        return "–"
    if metric in _MONEY:
        return f"{format_usd(float(value) * 1000)} per 1,000"
    if metric in _SECONDS:
        return format_seconds(float(value))
    return format_score(float(value), yes_no)


def format_difference(value: Any, metric: str, yes_no: bool, *, unit: bool = True) -> str:
    """A difference with its sign; of yes/no scores in percentage points.

    Example:
        >>> format_difference(-0.0221, "label", True), format_difference(0.5, "words", False)
        ('−2.2 points', '+0.5')
        >>> format_difference(0.31, "latency_s", False), format_difference(0.0, "label", True)
        ('+310 ms', '0 points')
    """
    if missing(value):
        return "–"
    number = float(value)
    if yes_no and abs(number) < 0.0005:
        number = 0.0
    sign = "+" if number > 0 else "−" if number < 0 else ""
    size = abs(number)
    if yes_no:
        points = size * 100
        text = f"{points:.0f}" if points >= 9.95 else f"{points:.1f}".removesuffix(".0")
        return f"{sign}{text} points" if unit else f"{sign}{text}"
    if metric in _MONEY:
        text = f"{sign}{format_usd(size * 1000)}" if size else "$0"
        return f"{text} per 1,000" if unit else text
    if metric in _SECONDS:
        return f"{sign}{format_seconds(size)}" if size else "0 s"
    return minus(f"{sign}{size:.3g}")


def format_ends(row: Mapping[str, Any]) -> str:
    """The ends of a difference's interval, in brackets; nothing if there is none."""
    if missing(row["lo"]):
        return ""
    ends = (
        format_difference(row[end], row["metric"], row["yes_no"], unit=False)
        for end in ("lo", "hi")
    )
    return f"[{', '.join(ends)}]"


def finding(row: Mapping[str, Any]) -> str:
    """One row of a comparison as a sentence or two."""
    metric, yes_no = row["metric"], row["yes_no"]
    one, other = f"'{row['candidate']}'", f"'{row['baseline']}'"
    verdict = row["verdict"]
    if verdict == UNCHANGED:
        return f"{one} is unchanged: {same_as(other)}."
    head = (
        f"{one} against {other} is undecided on {metric}"
        if verdict == UNDECIDED
        else f"{one} is {verdict} than {other} on {metric}"
    )
    if row["n_cases"] == 0:
        return f"{head}: no case has a value for both."
    scores = [format_value(row[f"{w}_score"], metric, yes_no) for w in ("candidate", "baseline")]
    cases = f"{row['n_cases']:,} {'case' if row['n_cases'] == 1 else 'cases'}"
    difference = f"{format_difference(row['diff'], metric, yes_no)} {format_ends(row)}".rstrip()
    text = f"{head}: {scores[0]} instead of {scores[1]}, {difference} on {cases}."
    return f"{text} {decides(row)}".strip()


def same_as(other: str) -> str:
    """Why a candidate is unchanged, as a clause."""
    return f"prompt, model and every answer are the same as those of {other}"


def findings(table: pd.DataFrame) -> list[str]:
    """Every row of a comparison as a sentence or two."""
    return [finding(row) for row in records(table)]


def sentences(table: pd.DataFrame) -> list[str]:
    """The findings for people: all unchanged candidates of one baseline share a sentence."""
    rows = records(table)
    said = [finding(row) for row in rows if row["verdict"] != UNCHANGED]
    same: dict[str, dict[str, None]] = {}
    for row in rows:
        if row["verdict"] == UNCHANGED:
            same.setdefault(f"'{row['baseline']}'", {})[f"'{row['candidate']}'"] = None
    for other, names in same.items():
        are = "is" if len(names) == 1 else "are"
        said.append(f"{listed(list(names))} {are} unchanged: {same_as(other)}.")
    return said


def listed(names: Sequence[str]) -> str:
    """Names as a list in a sentence.

    Example:
        >>> listed(["a", "b", "c"]), listed(["a"])
        ('a, b and c', 'a')
    """
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a comparison as dicts by column name."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def decides(row: Mapping[str, Any]) -> str:
    """How many more cases would decide an undecided row, in a sentence; else nothing."""
    if row["verdict"] != UNDECIDED or missing(row["more_cases"]):
        return ""
    more = round_count(int(row["more_cases"]))
    cases = f"{more:,} more {'case' if more == 1 else 'cases'}"
    if row["diff"] == 0:
        return f"About {cases} without a difference would show that it is no worse."
    return f"About {cases} would decide, if the difference is as large as it looks."


def table_text(table: pd.DataFrame, slices: bool = False, more: Sequence[str] = ()) -> str:
    """The comparison as aligned plain text, with caveats below it."""
    head, rows = _cells(table, slices)
    caveats = [f"! {note}" for note in [*more, *notes(table, slices)]]
    return "\n".join([headline(table), text_table(rows, head), *caveats])


def table_html(table: pd.DataFrame, slices: bool = False, more: Sequence[str] = ()) -> str:
    """The comparison as an HTML table, without its style."""
    head, rows = _cells(table, slices)
    out = [f'<p class="pex-soft">{escape(headline(table))}</p>']
    out.append('<div class="pex-scroll"><table class="pex-table pex-verdicts"><thead><tr>')
    out += [f'<th scope="col">{escape(title)}</th>' for title in head]
    out.append("</tr></thead><tbody>")
    at = head.index("verdict")
    for verdict, cells in zip(table["verdict"], rows, strict=True):
        out.append(f'<tr><th scope="row">{escape(cells[0])}</th>')
        for number, cell in enumerate(cells[1:], 1):
            text = escape(cell)
            if number == at:
                text = chip(verdict, text)
            out.append(f"<td>{text}</td>")
        out.append("</tr>")
    out.append("</tbody></table></div>")
    said = [*more, *notes(table, slices)]
    if said:
        items = "".join(f"<li>{escape(note)}</li>" for note in said)
        out.append(f'<ul class="pex-notes" aria-label="Caveats">{items}</ul>')
    return "".join(out)


def chip(verdict: str, text: str) -> str:
    """A verdict's words, already escaped, in its colour."""
    return f'<span class="pex-chip{_CHIPS.get(verdict, "")}">{text}</span>'


def headline(table: pd.DataFrame) -> str:
    """What is compared with what, in a line."""
    first = table.iloc[0]
    baselines = list(dict.fromkeys(table["baseline"]))
    baseline = f"from '{baselines[0]}'" if len(baselines) == 1 else "pair by pair"
    level = f"{first['confidence'] * 100:.4g} %"
    text = f"Differences {baseline} on the same cases, with {level} intervals"
    if not missing(first["margin"]):
        margin = format_difference(first["margin"], first["metric"], first["yes_no"])
        text += f"; 'no worse' means worse by less than {margin.removeprefix('+')}"
    return f"{text}."


def notes(table: pd.DataFrame, slices: bool = False) -> list[str]:
    """The caveats, each once, with the rows that it is about; then counts of unusual answers."""
    by_note: dict[str, list[str]] = {}
    counts: dict[str, list[str]] = {}
    everywhere: dict[str, int] = {}
    slice_names = list(dict.fromkeys(table["slice"])) if slices else []
    for row in records(table):
        name = f"{row['candidate']} ({row['slice']})" if slices else str(row["candidate"])
        if table["metric"].nunique() > 1:
            name += f" on {row['metric']}"
        for note in row["warnings"]:
            head, _, count = note.partition(": ")
            if head in COUNTED.values():
                of_kind = counts.setdefault(f"{row['slice']}: {head}" if slices else head, [])
                if count not in of_kind:
                    of_kind.append(count)
                continue
            names = by_note.setdefault(note, [])
            everywhere[note] = len(table)
            if _names_a_variant(note, row):
                everywhere[note] = len(slice_names)
                if slices and row["slice"] not in names:
                    names.append(row["slice"])
            else:
                names.append(name)
    said = []
    for note, names in by_note.items():
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        plain = len(names) == everywhere[note] != 1
        said.append(note if plain else f"{shown}: {note}")
    return [*said, *(f"{head}: {', '.join(of_kind)}" for head, of_kind in counts.items())]


def _names_a_variant(note: str, row: Mapping[str, Any]) -> bool:
    """Whether a note says itself which variant's answers it is about; it is of all metrics then."""
    return any(f" of '{row[who]}'" in note for who in ("candidate", "baseline"))


def _cells(table: pd.DataFrame, slices: bool) -> tuple[list[str], list[list[str]]]:
    """Head and cells as plain text; a column that would say nothing is left out."""
    several = table["metric"].nunique() > 1
    many = table["baseline"].nunique() > 1
    errors = bool((table["errors_candidate"] + table["errors_baseline"]).any())
    replayed = bool(table["replayed"].any())
    head = [*(["slice"] if slices else []), "variant", *(["against"] if many else [])]
    head += [*(["score"] if several else []), "value", "baseline", "difference", "verdict", "cases"]
    head += ["better / same / worse", "detectable difference", "more cases needed"]
    head += [*(["errors"] if errors else []), *(["errors as failures"] if errors else [])]
    head += ["reused"] if replayed else []
    rows = []
    for row in records(table):
        metric, yes_no = row["metric"], row["yes_no"]
        cells = [*([str(row["slice"])] if slices else []), str(row["candidate"])]
        cells += [str(row["baseline"])] if many else []
        cells += [str(metric)] if several else []
        cells += [
            format_value(row[f"{w}_score"], metric, yes_no) for w in ("candidate", "baseline")
        ]
        cells.append(f"{format_difference(row['diff'], metric, yes_no)} {format_ends(row)}".strip())
        mark = "" if row["calibrated"] else " (uncalibrated judge)"
        cells.append(f"{SIGNS[row['verdict']]} {row['verdict']}{mark}")
        cells.append(f"{row['n_cases']:,}" + _times(row["n_repeats"]))
        cells.append(f"{row['wins']} / {row['ties']} / {row['losses']}")
        detectable = format_difference(row["min_detectable"], metric, yes_no)
        cells.append(detectable.replace("+", "±"))
        cells.append(_more_cases(row))
        if errors:
            cells.append(f"{row['errors_candidate']} and {row['errors_baseline']}")
            as_failures = format_difference(row["diff_errors_as_worst"], metric, yes_no)
            said = row["verdict_errors_as_worst"]
            cells.append(f"{as_failures}, {said}" if isinstance(said, str) else "–")
        if replayed:
            cells.append(str(row["replayed"]))
        rows.append(cells)
    return head, rows


def _times(repeats: int) -> str:
    return f" × {repeats}" if repeats > 1 else ""


def _more_cases(row: Mapping[str, Any]) -> str:
    if row["verdict"] != UNDECIDED:
        return "–"
    if missing(row["more_cases"]):
        return "n/a"
    return f"about {round_count(int(row['more_cases'])):,}"


def round_count(count: int) -> int:
    """A guess like this has two meaningful digits.

    Example:
        >>> round_count(1873), round_count(7)
        (1900, 7)
    """
    if count < 100:
        return count
    step: int = 10 ** (int(math.log10(count)) - 1)
    return round(count / step) * step


_METHODS = {
    METHODS["newcombe"]: (
        "Each case is a yes or a no, so only the cases on which the two differ count. The "
        "interval is Newcombe's for the difference of paired shares (Newcombe, Statistics in "
        "Medicine 17, 1998, 2635-2650, method 8 without continuity correction); p is the mid-p "
        "form of McNemar's test (Fagerland, Lydersen & Laake, BMC Medical Research Methodology "
        "13, 2013, 91). The bound for 'no worse' is Tango's (Statistics in Medicine 17, 1998, "
        "891-908). The exact test is in the column p_exact; it is conservative."
    ),
    METHODS["paired t"]: (
        "Each case gives one difference of numbers (repeats averaged first). The interval is "
        "Student's t for the mean difference (Student, Biometrika 6, 1908, 1-25); p comes from "
        "flipping the signs of the differences (Fisher, The Design of Experiments, 1935), with a "
        "fixed seed; with 2,000 differing cases or more it is that of the t test."
    ),
    METHODS["clustered t"]: (
        "Cases in one group resemble each other, so groups count, not cases. The "
        "standard error is the cluster-robust one times the square root of G/(G-1), with t on G-1 "
        "degrees of freedom (Liang & Zeger, Biometrika 73, 1986, 13-22; for evaluations Miller, "
        "arXiv 2411.00640)."
    ),
    METHODS["bca"]: (
        "Costs and times have a few very large values. The interval is the bias-corrected and "
        "accelerated bootstrap of the mean difference (Efron, Journal of the American Statistical "
        "Association 82, 1987, 171-185), with a fixed seed; p comes from flipping the signs of the "
        "differences (Fisher, The Design of Experiments, 1935)."
    ),
    METHODS["unchanged"]: (
        "Where prompt, model and every answer are the same, there is no difference to test; such a "
        "pair is not one of the comparisons that p is corrected for."
    ),
    METHODS["none"]: "No case has a value for both variants, so there is no method to name.",
}


def explain(table: pd.DataFrame, more: Sequence[str] = ()) -> str:
    """How the verdicts were calculated: findings, methods with sources, corrections, caveats."""
    first = table.iloc[0]
    level = f"{first['confidence'] * 100:.4g} %"
    parts = ["\n".join(sentences(table))]
    parts.append(
        "Only cases that both variants have a value for are compared, each with itself; repeats "
        "are averaged within their case first, so that running a case twice does not count as two "
        "cases. Calls that failed are left out and counted; the same comparison with every error "
        "counted as a failure is shown beside it."
    )
    parts += [_METHODS[name] for name in dict.fromkeys(table["method"])]
    parts.append(
        f"'better' and 'worse' need the {level} interval to exclude zero, and p below "
        f"{1 - first['confidence']:.3g} after correction. 'no worse' needs the one-sided {level} "
        "bound (the end of the interval with twice the error) to stay within the margin. "
        "'unchanged' means that prompt, model and every answer are the same. "
        "Everything else is 'undecided', which is a normal result and does not mean 'no "
        "difference'."
    )
    if table["family"].max() > 1:
        parts.append(_correction(table))
    parts.append(
        f"'Detectable difference' is the smallest true difference that this many cases find "
        f"{POWER * 100:.0f} % of the time, given the spread of the differences here. 'More cases "
        "needed' assumes that the true difference is the one observed, so it is as rough as the "
        "difference itself."
    )
    repeats = _repeats(table)
    if repeats:
        parts.append(repeats)
    parts += [f"Note: {note}." for note in [*more, *notes(table)]]
    return "\n\n".join(parts)


def _correction(table: pd.DataFrame) -> str:
    """For how many comparisons p is corrected."""
    first = table.iloc[0]
    count = f"This table has {first['family']} comparisons"
    if table["metric"].nunique() > 1 and first["family"] < table["p"].notna().sum():
        count = (
            f"'{first['metric']}' is the primary score, with {first['family']} "
            f"{'comparison' if first['family'] == 1 else 'comparisons'}; other scores are "
            "corrected by themselves and are leads to confirm, not findings"
        )
    return (
        f"{count}, so p is corrected by Holm's method (Scandinavian Journal of Statistics 6, "
        "1979, 65-70). Each interval is for one comparison alone."
    )


def _repeats(table: pd.DataFrame) -> str:
    """More cases or more repeats? From the part of the error that repeats could remove."""
    rows = table.dropna(subset=["se_endless_repeats"])
    rows = rows[rows["se"] > 0]
    if not len(rows):
        return ""
    share = float((rows["se_endless_repeats"] / rows["se"]).mean())
    advice = (
        "more cases will help, more repeats hardly will"
        if share > 0.9
        else "more repeats will help nearly as much as more cases"
        if share < 0.6
        else "more cases will help most, more repeats a little"
    )
    return (
        "With unlimited repeats of the same cases, the standard error would still be "
        f"{share * 100:.0f} % of its present size: {advice}."
    )
