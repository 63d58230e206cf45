"""New cases from a model: asked for, checked, without near-duplicates, kept for review."""

from __future__ import annotations

import collections
import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.cases.near_duplicates import near_duplicates
from pex.core.case import Case
from pex.core.cases import load_cases
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.core.provenance import COLUMNS
from pex.core.safe_text import clean
from pex.core.text import value_text
from pex.core.variant import ClientModel, ref_of
from pex.experiment.asking import Reply, ask_model
from pex.experiment.experiment import Experiment
from pex.improvement.cases.candidates import CandidateCheck, Check, objects_in, text_of
from pex.improvement.cases.compared import compared_columns, compared_text
from pex.improvement.cases.personas import PERSONAS, people_in, question_for, with_people
from pex.improvement.cases.proposed import FILE, Proposals
from pex.improvement.cases.ways import QUESTION, WAYS, Asked, questions, schema_of
from pex.project.settings import load_settings
from pex.run.shared_budget import SharedBudget

if TYPE_CHECKING:
    import pandas as pd

    from pex.improvement.cases.review_widget import ReviewWidget

_UNBROKEN = 24
"""Characters of a cell that is kept on one line, such as an id."""
_NEXT = "None of them counts until somebody accepts it: .review() here, or pexlab cases review."
_IN_MEMORY = "They are only in memory: generate them for a pex.Experiment to review them."
LIKE = 0.9
"""Cases at least so much alike are near-duplicates."""


@dataclasses.dataclass(frozen=True, slots=True)
class ProposedCases:
    """Cases that a model proposed, and what became of all that it was asked for.

    None of them is in a verdict before somebody accepts it: `pexlab cases review`.

    Args:
        cases: the cases that were kept, with their provenance.
        asked: how many were asked for.
        near_duplicates: how many were too much like each other, existing or earlier ones.
        failed: how many failed the check, by reason.
        errors: how many calls failed.
        not_called: how many calls did not happen because the budget ended.
        cost_usd: what the replies cost; None if it is not known.
        proposals: the file that they are kept in; None if they are only in memory.
        nameless: how many cases were asked for without a persona, because no usable one was named.
    """

    cases: list[Case]
    asked: int
    near_duplicates: int
    failed: Mapping[str, int]
    errors: int
    not_called: int
    cost_usd: float | None
    proposals: Proposals | None
    nameless: int = 0

    def __len__(self) -> int:
        return len(self.cases)

    @property
    def summary(self) -> str:
        """What became of the cases that were asked for, in a sentence.

        Example:
            >>> ProposedCases([], 5, 2, {"no 'q'": 3}, 0, 0, None, None).summary
            "asked 5, kept 0: 2 near-duplicates, 3 failed the check (3 no 'q')"
        """
        refused = sum(self.failed.values())
        missing = self.asked - len(self.cases) - self.near_duplicates - refused
        parts = []
        if n := self.near_duplicates:
            parts.append(f"{n} near-duplicate{'s' * (n != 1)}")
        if refused:
            why = ", ".join(f"{count} {reason}" for reason, count in self.failed.items())
            parts.append(f"{refused} failed the check ({why})")
        if missing > 0:
            parts.append(f"{missing} not delivered by the model")
        if n := self.errors:
            parts.append(f"{n} call{'s' * (n != 1)} failed")
        if n := self.not_called:
            parts.append(f"{n} call{'s' * (n != 1)} not made: the budget ended")
        text = f"asked {self.asked}, kept {len(self.cases)}"
        text = f"{text}: {', '.join(parts)}" if parts else text
        if n := self.nameless:
            cases = "1 case was" if n == 1 else f"{n} cases were"
            text += f"; the model named no personas, so {cases} asked for without one"
        return clean(text)

    def review(self) -> ReviewWidget:
        """A view in a notebook that accepts, rejects or edits each proposal with a key.

        It also shows open proposals of earlier calls. `pexlab cases review` does the same.

        Raises:
            PexError: the cases came without an experiment, so no file keeps the proposals.
        """
        from pex.improvement.cases.review_widget import ReviewWidget

        if self.proposals is None:
            raise PexError(
                "these proposals are only in memory", hint="generate them for a pex.Experiment"
            )
        return ReviewWidget(self.proposals)

    @property
    def frame(self) -> pd.DataFrame:
        """The kept cases, one row each, with inputs, expected answer and provenance."""
        import pandas as pd

        return pd.DataFrame([_row(case) for case in self.cases])

    def __repr__(self) -> str:
        lines = [self.summary]
        for case in self.cases:
            way = case.provenance.way if case.provenance else ""
            expected = "" if case.expected is None else f" → {value_text(case.expected)}"
            lines.append(f"  {way}: {' '.join(text_of(case).split())[:100]}{expected}")
        return clean("\n".join(lines))

    def _repr_html_(self) -> str:
        from html import escape

        rows = [_shown(case) for case in self.cases]
        names = list(dict.fromkeys(name for row in rows for name in row))
        left, short = "text-align:left", "text-align:left;white-space:nowrap"
        head = "".join(f"<th style='{short}'>{escape(clean(name))}</th>" for name in names)
        body = "".join(
            "<tr>"
            + "".join(
                f"<td style='{short if len(text) <= _UNBROKEN else left}'>{escape(text)}</td>"
                for text in (clean(row.get(name, ""))[:300] for name in names)
            )
            + "</tr>"
            for row in rows
        )
        table = (
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>{escape(_NEXT if self.proposals is not None else _IN_MEMORY)}</p>"
        )
        return f"<p>{escape(self.summary)}</p>{table if rows else ''}"


def generate_cases(
    experiment_or_cases: Experiment | Any,
    n: int = 40,
    *,
    model: str | ClientModel,
    ways: Sequence[str] = WAYS,
    seeds: Sequence[str] | None = None,
    budget_usd: float | SharedBudget | None = None,
    seed: int = 0,
    check: Check | None = None,
    like: float = LIKE,
    name: str | None = None,
    show: bool | None = False,
) -> ProposedCases:
    """Ask a model for new cases like the existing ones, and keep those that are new and fit.

    Each candidate needs the columns of the existing cases, of the same types and about the same
    size, a known label where expected answers are labels, and prompts that render with it.
    Those of an experiment are kept beside its file of cases (`proposed_cases.jsonl`) until
    somebody has reviewed them. The same call again costs nothing: it takes the same replies from
    the journal; another `seed` asks new questions. Calls are in the ledger as `<name>.cases`.

    Args:
        experiment_or_cases: an experiment, or cases as `load_cases` takes them.
        n: how many are asked for.
        model: the model that writes, `provider/model` or a `pex.Model`.
        ways: `variations` of existing cases, `personas`, `gaps` (labels, tags and groups with few
            cases), `edge` and `adversarial` cases.
        seeds: ids of the cases that are shown as examples; all unless given.
        budget_usd: the most that may be spent; by default what the project allows a run.
        seed: which cases are shown to the model.
        check: a check of your own on each case: False or a reason refuses it.
        like: how much alike near-duplicates are, from 0.5 to 1.
        name: under which the calls are in the ledger, if no experiment is given.
        show: show progress.

    Raises:
        PexError: something does not fit; no model was called.
        ProviderError: no question was answered, and retrying would not help.

    Example:
        >>> import pex
        >>> pex.generate_cases([{"q": "Hi", "expected": "a"}], 0, model="local/smollm2")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: n: expected a whole number of at least 1, got 0
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise PexError(f"n: expected a whole number of at least 1, got {n!r}")
    near_duplicates([], like)
    experiment = experiment_or_cases if isinstance(experiment_or_cases, Experiment) else None
    cases = experiment.cases if experiment is not None else load_cases(experiment_or_cases)
    _check_columns(cases)
    prompts = [variant.prompt for variant in experiment.variants] if experiment is not None else []
    shown = _seeds(cases, seeds)
    task = prompts[0].text if prompts else "(not given)"
    asked = questions(shown, task, n, ways, seed)
    proposals = proposals_of(experiment) if experiment is not None else None
    earlier = [item.case for item in proposals.all()] if proposals is not None else []
    ledger = f"{name or (experiment.name if experiment is not None else 'cases')}.cases"
    if not isinstance(budget_usd, SharedBudget) and PERSONAS in ways:  # one for both questions
        cap = load_settings(find_project()).budget.usd_per_run if budget_usd is None else budget_usd
        budget_usd = SharedBudget(cap, [ledger], time.time())
    asked, first, nameless = _with_people(asked, model, ledger, budget_usd)
    most = max(item.count for item in asked)
    question = QUESTION.changed(response_schema=schema_of(cases, most))
    replies = ask_model(
        question,
        [item.row for item in asked],
        model,
        name=ledger,
        budget_usd=budget_usd,
        show=show,
    )
    checker = CandidateCheck(cases, prompts, check)
    failed: collections.Counter[str] = collections.Counter()
    candidates: list[Case] = []
    for item, found in zip(asked, replies, strict=True):
        for reply in found[:1]:
            for row in objects_in(reply.text)[: item.count]:
                case = checker.case_of(row, item, ref_of(model))
                if isinstance(case, str):
                    failed[case] += 1
                else:
                    candidates.append(case)
    kept, alike = _different(
        candidates, [*cases, *earlier], like, compared_columns(cases, experiment)
    )
    if proposals is not None:
        proposals.add(kept)
    replies = [*first, *replies]
    answers = [reply for found in replies for reply in found]
    costs = [reply.cost_usd for reply in answers if reply.cost_usd is not None]
    return ProposedCases(
        kept,
        n,
        alike,
        dict(failed.most_common()),
        sum(reply.error is not None for reply in answers),
        sum(not found for found in replies),
        sum(costs) if costs else None,
        proposals,
        nameless,
    )


def _check_columns(cases: Sequence[Case]) -> None:
    """Raise a `PexError` if an input has the name of a column that accepted cases need."""
    for name in cases[0].inputs:
        if name in COLUMNS:
            raise PexError(
                f"the cases have an input '{name}': in accepted cases, this column says where they "
                "come from",
                hint="give the input another name",
            )


def _with_people(
    asked: list[Asked],
    model: str | ClientModel,
    ledger: str,
    budget_usd: float | SharedBudget | None,
) -> tuple[list[Asked], list[list[Reply]], int]:
    """The questions with the people who write the cases, and the replies that named these.

    Without a usable reply the questions only ask for different people; the last value says of how
    many cases.
    """
    found = question_for(asked)
    if found is None:
        return asked, [], 0
    prompt, row = found
    replies = ask_model(prompt, [row], model, name=ledger, budget_usd=budget_usd)
    text = "".join(reply.text for reply in replies[0][:1])
    people = people_in(text, objects_in(text))
    nameless = 0 if people else sum(item.count for item in asked if item.way == PERSONAS)
    return list(with_people(asked, people)), replies, nameless


def proposals_of(experiment: Experiment) -> Proposals:
    """The proposals of an experiment: beside its file of cases, or in its folder."""
    path = experiment.cases_path
    folder = path.parent if path is not None else find_project() / "experiments" / experiment.name
    name = FILE if path is None or path.stem == "cases" else f"proposed_{path.stem}.jsonl"
    return Proposals(Path(folder) / name, path, experiment.columns, experiment.data.reading)


def _seeds(cases: Sequence[Case], seeds: Sequence[str] | None) -> list[Case]:
    from pex.core.cases import select

    chosen = list(cases) if seeds is None else select(cases, ids=seeds)
    usable = [case for case in chosen if case.accepted]
    if not usable:
        raise PexError("every case is generated and nobody has accepted one: there is no seed")
    return usable


def _different(
    candidates: Sequence[Case], known: Sequence[Case], like: float, columns: Sequence[str]
) -> tuple[list[Case], int]:
    """The candidates that are like no known case and no earlier candidate, and the others' number.

    They are compared by `columns`. Only a candidate that is kept keeps out later ones; but what
    equals one that is left out is like what kept that one out.
    """
    texts = [compared_text(case, columns) for case in [*known, *candidates]]
    start = len(known)
    out: set[int] = set()
    for one, two, likeness in sorted(near_duplicates(texts, like), key=lambda pair: pair[1]):
        if two >= start and (one not in out or likeness == 1):
            out.add(two)
    kept = [case for number, case in enumerate(candidates, start) if number not in out]
    return kept, len(out)


def _row(case: Case) -> dict[str, Any]:
    origin = case.provenance.row() if case.provenance else {}
    return {"case_id": case.id, **case.inputs, "expected": case.expected, "group": case.group,
            "tags": ", ".join(case.tags), **origin}  # fmt: skip


def _shown(case: Case) -> dict[str, str]:
    """A row for people: without what is the same in all rows, or twice in one."""
    values: dict[str, Any] = {"case": case.id, **case.inputs, "expected": case.expected}
    if case.group not in case.inputs.values():
        values["group"] = case.group
    if origin := case.provenance:
        values |= {"tags": ", ".join(case.tags), "way": origin.way, "from case": origin.seed}
    return {name: value_text(value) for name, value in values.items() if value not in (None, "")}
