"""What is wrong with cases: repeated, contradicting, leaking, useless, lopsided, private."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pex.cases.near_duplicates import near_duplicates, normalised
from pex.core.case import Case
from pex.core.cases import file_of, load_cases
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.reading import Reading
from pex.core.safe_text import clean
from pex.core.splits import COLUMN
from pex.core.text import value_text
from pex.experiment.experiment import Experiment
from pex.guard.personal import personal_data
from pex.improvement.cases.compared import compared_columns, compared_text
from pex.improvement.cases.ways import gaps_in
from pex.improvement.sets import division
from pex.project.folder import declared_beside
from pex.results.load import last_run
from pex.results.results import Results

if TYPE_CHECKING:
    import pandas as pd

LIKE = 0.9
Pair = tuple[int, int, float]
"""Two cases by their places, and how much alike they are."""
_SHOWN_IDS = 5
_LEAST_IN_PROMPT = 20
"""Characters: a shorter text of a case can be in a prompt by chance."""

EQUAL, NEAR, CONTRADICTING = "equal inputs", "nearly equal inputs", "contradicting labels"
LEAK, IN_PROMPT = "leak between sets", "in a prompt"
NONE_FAILS, NONE_PASSES = "no variant fails", "none passes"
FEW, PERSONAL = "few cases", "personal data"

_TO_DO = {
    EQUAL: "keep one of them, or use repeats= to run a case more than once",
    NEAR: "keep one of them, or give them one group: they count as one piece of evidence",
    CONTRADICTING: "find out which label is right: no prompt can get both",
    LEAK: "give them one group, or one value of `split`, so that they get into the same set",
    IN_PROMPT: "take it out of the cases, or declare it in `examples:` of the prompt",
    NONE_FAILS: "they do not tell variants apart: add harder cases",
    NONE_PASSES: "check the label and the scorer: either may be wrong",
    FEW: "add cases: pexlab cases generate EXPERIMENT --way gaps",
    PERSONAL: "replace it with made-up data before cases are shared or sent",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: its kind, the cases, what exactly, and what to do."""

    kind: str
    case_ids: tuple[str, ...]
    detail: str

    @property
    def to_do(self) -> str:
        """What to do about it."""
        return _TO_DO[self.kind]


@dataclasses.dataclass(frozen=True, slots=True)
class CaseAudit:
    """The findings of an audit; shown as a table. `notes` say what could not be checked.

    Args:
        findings: what is wrong.
        count: the number of cases.
        notes: what was not checked, and why.
    """

    findings: list[Finding]
    count: int
    notes: list[str]

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def summary(self) -> str:
        """The findings by kind, in a sentence.

        Example:
            >>> CaseAudit([], 12, []).summary
            '12 cases: nothing found'
        """
        kinds = collections.Counter(finding.kind for finding in self.findings)
        said = ", ".join(f"{count} × {kind}" for kind, count in kinds.items())
        return f"{self.count:,} case{'s' * (self.count != 1)}: {said or 'nothing found'}"

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each finding: `kind`, `case_ids`, `detail`, `to_do`."""
        import pandas as pd

        names = ["kind", "case_ids", "detail", "to_do"]
        rows = [[f.kind, list(f.case_ids), f.detail, f.to_do] for f in self.findings]
        return pd.DataFrame(rows, columns=names)

    def __repr__(self) -> str:
        lines = [self.summary]
        for kind, found in self._by_kind():
            lines.append(f"{kind} ({_TO_DO[kind]})")
            lines += [f"  {_ids(finding)}: {finding.detail}" for finding in found]
        return clean("\n".join([*lines, *self.notes]))

    def _repr_html_(self) -> str:
        from html import escape

        left = "style='text-align:left'"
        head = "".join(f"<th {left}>{name}</th>" for name in ("finding", "cases", "what", "to do"))
        rows = [
            "".join(
                f"<td {left}>{escape(clean(text))}</td>"
                for text in (kind, _ids(finding), finding.detail, finding.to_do)
            )
            for kind, found in self._by_kind()
            for finding in found
        ]
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        notes = "".join(f"<p>{escape(clean(note))}</p>" for note in self.notes)
        return f"<p>{escape(self.summary)}</p>{table if rows else ''}{notes}"

    def _by_kind(self) -> Iterator[tuple[str, list[Finding]]]:
        for kind in _TO_DO:
            found = [finding for finding in self.findings if finding.kind == kind]
            if found:
                yield kind, found


def audit_cases(
    cases: Experiment | Any, results: Results | None = None, *, like: float = LIKE
) -> CaseAudit:
    """Look for what is wrong with cases, without asking a model.

    Found are equal and nearly equal inputs (of the columns that the prompts read), contradicting
    labels, near-duplicates and groups in two of the sets that the column `split` or else
    `pex.improve` makes, cases whose text is in a prompt without being declared there,
    cases that no variant fails or none passes, labels, tags and groups with few cases, and text
    that looks like a person's data (shown masked).

    Args:
        cases: an experiment, or cases as `load_cases` takes them.
        results: results of a run on them; by default the last ones of the experiment, else its
            last recorded run.
        like: how much alike near-duplicates are, from 0.5 to 1.

    Raises:
        PexError: the cases cannot be read, or `like` is out of bounds.

    Example:
        >>> rows = [{"q": "Where is it?", "expected": "a"}, {"q": "where is it", "expected": "b"}]
        >>> audit_cases(rows).summary
        '2 cases: 1 × contradicting labels'
    """
    experiment = cases if isinstance(cases, Experiment) else None
    known = experiment.cases if experiment is not None else _read(cases)
    notes: list[str] = []
    columns = compared_columns(known, experiment)
    texts = [compared_text(case, columns) for case in known]
    pairs = near_duplicates(texts, like)
    findings = [*_alike(known, texts, pairs)]
    try:
        findings += _leaks(known, _sets(known, experiment), pairs)
    except PexError as error:
        notes.append(f"Not checked: leaks between sets; {error.message}")
    if experiment is not None:
        findings += _in_prompts(known, [variant.prompt for variant in experiment.variants])
        results = results or experiment.results or last_run(experiment.name)
    if results is None:
        notes.append(
            "Not checked: cases that no variant fails or none passes; there are no results"
        )
    else:
        findings += _by_results(known, results)
    findings += _few(known)
    findings += _personal(known)
    return CaseAudit(findings, len(known), notes)


def _read(source: Any) -> list[Case]:
    """Cases without their experiment; of a file, an `experiment.yaml` beside says the columns."""
    file = file_of(source)
    if file is None:
        return load_cases(source)
    columns, beside = declared_beside(file[0])
    reading = beside if file[1] == Reading() else file[1]
    return load_cases({"file": file[0], **reading.given()}, columns)


def _alike(cases: Sequence[Case], texts: Sequence[str], pairs: Iterable[Pair]) -> Iterator[Finding]:
    for one, two, likeness in pairs:
        first, second = cases[one], cases[two]
        ids = (first.id, second.id)
        both = first.expected is not None and second.expected is not None
        shown = f"{likeness:.0%}".replace("%", " %")
        how = "equal inputs" if likeness == 1 else f"inputs {shown} alike"
        if both and first.expected != second.expected:
            labels = f"'{value_text(first.expected)}' and '{value_text(second.expected)}'"
            yield Finding(CONTRADICTING, ids, f"{how}, expected {labels}")
        elif first.group is None or first.group != second.group:
            yield Finding(EQUAL if likeness == 1 else NEAR, ids, _cut(texts[one]))


def _sets(cases: Sequence[Case], experiment: Experiment | None) -> dict[str, str]:
    """The set of each accepted case: as the column `split` says, or else as `pex.improve` divides.

    Those are the sets of a first improvement of the first prompt; a later one keeps its cases
    there. Without a column and an experiment there are no sets.

    Raises:
        PexError: the experiment's shares do not fit.
    """
    used = [case for case in cases if case.accepted]
    declared = {
        case.id: value.strip().casefold()
        for case in used
        if isinstance(value := case.inputs.get(COLUMN), str) and value.strip()
    }
    if declared or experiment is None:
        return declared
    shares: Any = experiment.splits
    variables = experiment.variants[0].prompt.variables
    return {**division(used, shares, variables, {})[0].membership()}


def _leaks(cases: Sequence[Case], sets: dict[str, str], pairs: Iterable[Pair]) -> Iterator[Finding]:
    """Cases that are alike or of one group, in two sets; of a group, its first in each set."""
    for one, two, _ in pairs:
        ids = (cases[one].id, cases[two].id)
        names = [sets[case_id] for case_id in ids if case_id in sets]
        if len(set(names)) > 1:
            yield Finding(LEAK, ids, f"one in {names[0]}, one in {names[1]}")
    firsts: dict[str, dict[str, str]] = {}
    for case in cases:
        if case.group is not None and case.id in sets:
            firsts.setdefault(case.group, {}).setdefault(sets[case.id], case.id)
    for group, first in firsts.items():
        if len(first) > 1:
            detail = f"group '{group}' is in {' and '.join(first)}"
            yield Finding(LEAK, tuple(first.values()), detail)


def _in_prompts(cases: Sequence[Case], prompts: Iterable[Prompt]) -> Iterator[Finding]:
    for prompt in {prompt.digest: prompt for prompt in prompts}.values():
        text = normalised(prompt.text)
        for case in cases:
            if case.id in prompt.examples:
                continue
            values = (normalised(v) for v in case.inputs.values() if isinstance(v, str))
            if any(len(value) >= _LEAST_IN_PROMPT and value in text for value in values):
                yield Finding(IN_PROMPT, (case.id,), f"its text is in the prompt '{prompt.name}'")


def _by_results(cases: Sequence[Case], results: Results) -> Iterator[Finding]:
    """Of yes/no scores, by the mean over the repeats; of one variant nothing can be told."""
    from pex.score.frame import percentages

    frame = results.frame
    variants = frame["variant"].nunique()
    if variants < 2:
        return
    known = {case.id for case in cases}
    for name in results.scores:
        if name not in percentages(frame):
            continue
        scored = frame[frame[f"score.{name}"].notna() & frame["case_id"].isin(known)]
        grouped = scored.groupby("case_id", sort=False)
        lowest, highest = grouped[f"score.{name}"].min(), grouped[f"score.{name}"].max()
        full = grouped["variant"].nunique() == variants
        passed = [str(case_id) for case_id in lowest.index[(lowest == 1) & full]]
        failed = [str(case_id) for case_id in highest.index[(highest == 0) & full]]
        of = f"of {variants} variants, by '{name}'"
        if passed:
            yield Finding(NONE_FAILS, tuple(passed), f"{len(passed)} of {len(known)} cases, {of}")
        if failed:
            yield Finding(NONE_PASSES, tuple(failed), f"{len(failed)} of {len(known)} cases, {of}")


def _few(cases: Sequence[Case]) -> Iterator[Finding]:
    for kind, value in gaps_in(cases):
        have = [
            case.id
            for case in cases
            if (value in case.tags if kind == "tag" else getattr(case, kind) == value)
        ]
        yield Finding(
            FEW, tuple(have), f"{kind} '{value_text(value)}': {len(have)} of {len(cases)}"
        )


def _personal(cases: Sequence[Case]) -> Iterator[Finding]:
    for case in cases:
        for name, value in {**case.inputs, "expected": case.expected}.items():
            for item in personal_data(value_text(value)) if value is not None else ():
                place = f"'{name}', characters {item.start + 1} to {item.end}"
                yield Finding(PERSONAL, (case.id,), f"{item.kind} {item.masked} in {place}")


def _ids(finding: Finding) -> str:
    shown = ", ".join(finding.case_ids[:_SHOWN_IDS])
    more = len(finding.case_ids) - _SHOWN_IDS
    return f"{shown} and {more} more" if more > 0 else shown


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:79] + "…"
