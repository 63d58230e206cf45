"""From what a comparison says to what to do with a prompt.

- *keep as it is*: the new model is better, no worse by the margin, or nothing changed.
- *needs a rewrite*: it is measurably worse, but in a way that another wording can fix: at least
  half of the lost cases are losses of form, or it gains at least half as many cases as it loses.
- *do not move yet*: it is measurably worse otherwise, or with its errors counted as failures, or
  too many of its answers are errors.
- *undecided*: the cases do not suffice; about how many more would is said.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.adoption.family import Finding
from pex.compare.verdict import BETTER, NO_WORSE, UNCHANGED, WORSE
from pex.core.provenance import accepted_rows
from pex.core.text import value_text
from pex.core.values import missing
from pex.score.unusual_answers import unusual

if TYPE_CHECKING:
    import pandas as pd

KEEP, REWRITE, WAIT, UNDECIDED = (
    "keep as it is", "needs a rewrite", "do not move yet", "undecided",
)  # fmt: skip
VERDICTS = (KEEP, REWRITE, WAIT, UNDECIDED)

_FORMS = {
    "cut_off": "cut off",
    "empty": "empty",
    "parameter": "without the answer format, which the model refuses",
    "contains": "with the right answer inside other words",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a prompt, and why, in a sentence."""

    verdict: str
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class Sides:
    """The names of the two variants in a frame, and their models in words."""

    new: str
    old: str
    new_model: str
    old_model: str


def decide(
    frame: pd.DataFrame,
    sides: Sides,
    finding: Finding,
    max_error_share: float,
    margin: float | None,
) -> Decision:
    """What to do with a prompt.

    Args:
        frame: the long frame of both variants.
        sides: who is who.
        finding: what the comparison says, corrected for the family.
        max_error_share: the share of errors above which a model cannot be used.
        margin: by how much worse is still no worse.
    """
    errors = _too_many_errors(frame, sides, max_error_share)
    if errors:
        return Decision(WAIT, errors)
    if finding.problem:
        return Decision(UNDECIDED, f"no paired evidence: {finding.problem}")
    word = finding.word
    if word == UNCHANGED:
        return Decision(KEEP, "the same requests and the same answers")
    if word in (BETTER, NO_WORSE):
        if not finding.row["calibrated"]:
            return Decision(
                UNDECIDED, f"{word}, but by a judge that is not calibrated against people"
            )
        said = "measurably better" if word == BETTER else "no worse by the margin"
        strict = finding.row["verdict_errors_as_worst"]
        if strict not in (None, BETTER, NO_WORSE, UNCHANGED):
            why = f"{said}, but with errors counted as failures: {strict}"
            return Decision(WAIT if strict == WORSE else UNDECIDED, why)
        return Decision(KEEP, said)
    if word == WORSE:
        return _worse(frame, sides, finding)
    more = finding.more_cases
    need = f"about {more:,} more {'case' if more == 1 else 'cases'}" if more else ""
    why = (
        "the cases do not suffice"
        if margin is not None
        else ("no measurable difference, and no margin says what is no worse")
    )
    return Decision(UNDECIDED, f"{why}; {need} would decide" if need else why)


def has_too_many_errors(frame: pd.DataFrame, variant: str, max_error_share: float) -> bool:
    """Whether a variant's errors are more than an experiment allows.

    Generated cases that nobody has accepted do not count, as in the verdict.
    """
    rows = accepted_rows(frame)
    errors = rows.loc[rows["variant"] == variant, "error"].notna()
    return bool(errors.sum() > max_error_share * len(errors))


def _too_many_errors(frame: pd.DataFrame, sides: Sides, max_error_share: float) -> str:
    if not has_too_many_errors(frame, sides.new, max_error_share):
        return ""
    rows = accepted_rows(frame)
    rows = rows[rows["variant"] == sides.new]
    errors = rows["error"].dropna()
    kinds = Counter(rows.loc[errors.index, "error_kind"].astype(str)).most_common()
    said = ", ".join(f"{number:,} {kind}" for kind, number in kinds)
    return (
        f"{len(errors):,} of {len(rows):,} answers of {sides.new_model} ended in an error "
        f"({said}), more than {100 * max_error_share:g} %"
    )


def _worse(frame: pd.DataFrame, sides: Sides, finding: Finding) -> Decision:
    forms, lost = losses_of_form(frame, sides, finding)
    wins, losses = int(finding.row["wins"]), int(finding.row["losses"])
    of_form = sum(forms.values())
    said = f"{of_form} of the losses {'is' if of_form == 1 else 'are'} of form"
    said = said if of_form else "no loss is one of form"
    cases = "case" if lost == 1 else "cases"
    if lost and 2 * of_form >= lost:
        parts = ", ".join(f"{number} {_FORMS[kind]}" for kind, number in forms.items())
        return Decision(
            REWRITE, f"measurably worse, but {of_form} of {lost} lost {cases} are losses of form: "
            f"{parts}",
        )  # fmt: skip
    if losses and 2 * wins >= losses:
        gained = "1 case" if wins == 1 else f"{wins} cases"
        return Decision(
            REWRITE, f"measurably worse, but it gains {gained} while it loses {losses}: the prompt "
            "steers it differently",
        )  # fmt: skip
    return Decision(
        WAIT, f"measurably worse: it loses {losses} {cases} and gains {wins}, {said}"
    )  # fmt: skip


def losses_of_form(
    frame: pd.DataFrame, sides: Sides, finding: Finding
) -> tuple[dict[str, int], int]:
    """How many lost cases are losses of form, by kind, and how many cases are lost at all.

    A loss is one of form if the new answer is cut off or empty, if the model refused the response
    format, or if the expected answer (without one: the old model's) is in it word for word, with
    other words around it. Generated cases that nobody has accepted do not count, as in the verdict.
    """
    frame = accepted_rows(frame)
    metric, higher = finding.row["metric"], bool(finding.row["higher_is_better"])
    column = f"score.{metric}" if f"score.{metric}" in frame.columns else metric
    scores = frame.pivot_table(index="case_id", columns="variant", values=column, observed=True)
    difference = scores[sides.new] - scores[sides.old]
    lost = set(difference.index[(difference < 0) if higher else (difference > 0)])
    strange = unusual(frame)
    rows = frame.assign(**{f"_{name}": mask for name, mask in strange.items()})
    by_case: dict[str, dict[str, list[dict[Any, Any]]]] = {}
    for row in rows[rows["case_id"].isin(lost)].to_dict("records"):
        by_case.setdefault(row["case_id"], {}).setdefault(row["variant"], []).append(row)
    kinds: Counter[str] = Counter()
    for case in by_case.values():
        kind = _form(case.get(sides.new, []), case.get(sides.old, []))
        if kind:
            kinds[kind] += 1
    return dict(kinds.most_common()), len(lost)


def _form(new: Sequence[Mapping[Any, Any]], old: Sequence[Mapping[Any, Any]]) -> str:
    for kind in ("cut_off", "empty"):
        if any(row[f"_{kind}"] for row in new):
            return kind
    if any(
        str(word).startswith("response_format:") for row in new for word in row["remarks"] or ()
    ):
        return "parameter"
    expected = new[0]["expected"] if new else None
    wanted = [value_text(expected)] if not missing(expected) else [
        str(row["output"]) for row in old if not missing(row["output"])
    ]  # fmt: skip
    outputs = [str(row["output"]) for row in new if not missing(row["output"])]
    if any(_inside(text, output) for text in wanted for output in outputs):
        return "contains"
    return ""


def _inside(wanted: str, output: str) -> bool:
    """Whether the words of one text are in another, in order, with others around them.

    Example:
        >>> _inside("positive", "**Positive.** The customer is happy"), _inside("yes", "yesterday")
        (True, False)
    """
    one, other = _words(wanted), _words(output)
    return bool(one) and f" {one} " in f" {other} "


def _words(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"\w+", folded))
