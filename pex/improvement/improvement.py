"""`pex.improve`: a better prompt, chosen on some cases and confirmed on others.

Proposals see the training cases only. Those that do better there are compared on the select set;
the best of them is compared with the start on the confirm set, once, at the end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pex.core.canonical_json import digest
from pex.core.case import Case
from pex.core.checks import check_count
from pex.core.errors import BudgetError, Interrupted, PexError, ProviderError, nearest
from pex.core.project import project_of
from pex.core.prompt import Prompt
from pex.core.safe_text import in_markdown
from pex.core.splits import Split
from pex.core.values import missing
from pex.core.variant import ClientModel
from pex.experiment.experiment import Experiment
from pex.improvement import memory
from pex.improvement.check_proposal import check_proposal
from pex.improvement.confirmation import Confirmation, confirm
from pex.improvement.cross_fit import confirm_folds, run_folds
from pex.improvement.lab import Lab
from pex.improvement.progress import progress
from pex.improvement.proposal import BudgetSpent, Way, way_identity
from pex.improvement.question import Question, question_of
from pex.improvement.result import Improvement
from pex.improvement.selection import START, Plan, Search, Selection
from pex.improvement.sets import folded_sets_of, sets_of
from pex.project.settings import load_settings
from pex.record.study_run import StudyRun
from pex.run.database import database_of
from pex.run.shared_budget import SharedBudget
from pex.tracking.store import tracking_uri as store_of

Say = Callable[[str], None]

_METRICS = {
    "confirm.start": "baseline_score",
    "confirm": "candidate_score",
    "difference": "diff",
    "difference.lo": "lo",
    "difference.hi": "hi",
}
"""What MLflow gets of the comparison."""


def improve(
    prompt: Prompt | str | None,
    experiment: Experiment | str | Path,
    *,
    budget_usd: float,
    model: str | ClientModel | None = None,
    writer: str | ClientModel | None = None,
    reference: str | ClientModel | None = None,
    ways: Sequence[str | Way] | None = None,
    metric: str | None = None,
    rounds: int = 3,
    proposals: int = 4,
    margin: float | None = None,
    cross_fit: int | None = None,
    seed: int = 0,
    record: bool = True,
    show: bool | None = None,
    tracking_uri: str | None = None,
) -> Improvement:
    """Look for a better prompt, and confirm it on cases that the search has not seen.

    The cases are divided into three sets, by `splits:` of the experiment: proposals are made from
    *train*, the best is chosen on *select*, and compared with the start on *confirm* once. After a
    stop the same call continues: answers come from the journal.

    Args:
        prompt: the prompt to improve, a reference to the library, or a name in the experiment.
        experiment: the experiment with cases and scorers, its file or its name.
        budget_usd: the most that may be spent, with the calls of the writer; the confirmation is
            set aside before anything else.
        model: that the prompt is for; default: the experiment's for this prompt.
        writer: the model that writes proposals; default: the same.
        reference: the old model that the way "adaptation" adapts from: its answers on the training
            cases come from the journal, or are asked within the budget.
        ways: of making proposals, by name or as objects; default: all that need no further package.
        metric: the score to improve; default: the gate's, else the first.
        rounds: at most; each starts from the best so far.
        proposals: of each way in a round, at most.
        margin: with it, a shorter prompt that is worse by less than this counts as no worse;
            default: the gate's.
        cross_fit: for few cases: the number of folds. In place of one confirmation the search is
            repeated without each fold and its winner measured there, so the verdict is about the
            search; the prompt that is returned comes from one more search over all cases.
        seed: another one asks for other proposals.
        record: write it to MLflow: one run, a child for each proposal, and which cases were used
            to confirm.
        show: show progress; None: if the session is interactive.
        tracking_uri: a store other than the project's.

    Returns:
        The winner with its verdict, and all proposals.

    Raises:
        PexError: something does not fit, too few cases, too small a budget; no model was called.
        BudgetError: the budget ended before the start was measured.
        ProviderError: the start could not be measured, or no way could make a proposal.
        Interrupted: from the keyboard; the answers are kept, and the same call continues.
    """
    question = question_of(
        prompt,
        experiment,
        model=model,
        writer=writer,
        metric=metric,
        margin=margin,
        reference=reference,
    )
    plans = functools.partial(plan_of, question, ways, rounds, proposals, seed)
    job = _Job(question, plans, budget_usd, record, tracking_uri, cross_fit)
    with progress(show) as say:
        return job.run(say)


def plan_of(
    question: Question,
    ways: Sequence[str | Way] | None,
    rounds: int,
    proposals: int,
    seed: int,
) -> Plan:
    """How to search.

    Raises:
        PexError: no such way, a number that does not fit, a way without the reference model that
            it needs, or a reference model that no way uses.
    """
    from pex.improvement.ways.by_name import DEFAULT_WAYS, WAYS

    check_count("rounds", rounds)
    check_count("proposals", proposals)
    chosen: list[Way] = []
    for way in DEFAULT_WAYS if ways is None else ways:
        if not isinstance(way, str):
            chosen.append(way)
        elif way in WAYS:
            chosen.append(WAYS[way]())
        else:
            raise PexError(f"there is no way '{way}'", hint=nearest(way, WAYS))
    if not chosen:
        raise PexError("ways: none is given", hint=nearest("", WAYS))
    _check_reference(chosen, question)
    return Plan(
        chosen,
        check_proposal,
        rounds,
        proposals,
        seed,
        question.experiment.max_error_share,
        question.margin is not None,
    )


def _check_reference(ways: Sequence[Way], question: Question) -> None:
    using = [way.name for way in ways if getattr(way, "uses_reference", False)]
    if using and question.reference is None:
        raise PexError(
            f"way '{using[0]}' needs the old model, whose answers are its reference",
            hint="name it: reference='openai/gpt-4o', or --reference-model openai/gpt-4o",
        )
    if question.reference is not None and not using:
        raise PexError(
            f"reference '{question.reference.model}': no way uses it",
            hint="add the way 'adaptation', or leave the reference out",
        )


class _Job:
    """One improvement from its sets to its result."""

    def __init__(
        self,
        question: Question,
        plans: Callable[[], Plan],
        budget_usd: float,
        record: bool,
        tracking_uri: str | None,
        folds: int | None,
    ) -> None:
        exp = question.experiment
        project = project_of(exp.path.parent if exp.path else None)
        settings = load_settings(project)
        self._plan, self._plans = plans(), plans
        self._recorded = record
        self._uri = store_of(project, settings, tracking_uri)
        self._database = database_of(project / settings.journal.path, settings)
        self._earlier = memory.earlier_improvements(self._uri, exp.name)
        self._folds: list[tuple[Split, tuple[Case, ...]]] = []
        if folds is None:
            self.sets = sets_of(question, memory.known_sets(self._earlier))
            self._unseen: Sequence[Case] = self.sets.split.confirm
        else:
            self.sets, self._folds = folded_sets_of(question, folds)
            self._unseen = question.cases
        plan = self._plan
        self._identity = [
            *question.identity(),
            [way_identity(way) for way in plan.ways],
            plan.rounds,
            plan.proposals,
            plan.seed,
            len(self._folds),
        ]
        # Its calls are told from those of other improvements of the experiment.
        self._question = dataclasses.replace(question, key=digest(self._identity)[:6])
        self._budget = functools.partial(SharedBudget, budget_usd, [self._question.name])
        self._budget(0.0)  # an invalid amount is refused before any call

    def run(self, say: Say) -> Improvement:
        """Search, confirm, record."""
        split = self.sets.split
        cap = self._budget(time.time())
        Lab(self._question, cap, self._database, self._unseen).check_budget(
            split.train, split.select
        )
        recorder = self._open()
        # What is not recorded has no beginning: the same call never has the whole budget again.
        since = recorder.started_at if recorder is not None else 0.0
        lab = Lab(self._question, self._budget(since), self._database, self._unseen)
        lab.reserve(self._question.start.prompt)
        with self._ending(recorder):
            if recorder is not None:
                recorder.begin(split, self._settings(), self._earlier)
                lab.before_calls = functools.partial(self._seeing, recorder)
            sizes = ", ".join(f"{n} {name}" for name, n in self.sets.sizes().items())
            say(f"cases: {sizes}; measuring the start")
            if self._folds:
                confirmation = self._cross_fit(lab, recorder, say)
                found = self._search(lab, split, self._plans(), recorder, say)
            else:
                found = self._search(lab, split, self._plan, recorder, say)
                confirmation = self._confirm(lab, found, recorder, say)
            result = self._result(lab, found, confirmation, recorder)
            if recorder is not None:
                self._finish(recorder, result)
        return result

    @property
    def _cross_key(self) -> str:
        return memory.cross_key_of(self._question, len(self._folds), self._plan.seed)

    def _seeing(self, recorder: memory.Recorder, cases: Sequence[Case]) -> None:
        """Remember, just before the first call on them, which cases are no longer fresh.

        A cross-fitting searches on and judges by each case, so they are marked as they come. Of
        three sets the division is remembered whole: the confirm set must stay the same one.
        """
        if not self._folds:
            recorder.seeing(self.sets.split.membership())
            return
        recorder.confirming(self._cross_key, self._earlier)
        recorder.seeing([case.id for case in cases])

    def _open(self) -> memory.Recorder | None:
        if not self._recorded:
            return None
        question = self._question
        study = StudyRun(
            self._uri,
            memory.KIND,
            memory.place_of(question.experiment.name),
            f"improve {question.start.prompt.name}",
            self._identity,
            {"pex.experiment": question.experiment.name},
        )
        return memory.Recorder(study, question, 1.0 if question.higher_is_better else -1.0)

    def _settings(self) -> dict[str, Any]:
        plan, writer, old = self._plan, self._question.writer, self._question.reference
        return {
            "writer": writer if isinstance(writer, str) else writer.ref,
            "ways": ", ".join(way.name for way in plan.ways),
            "rounds": plan.rounds,
            "proposals": plan.proposals,
            "seed": plan.seed,
            "margin": self._question.margin,
            **({} if old is None else {"reference": old.model}),
            **({"cross_fit": len(self._folds)} if self._folds else {}),
        }

    def _search(
        self, lab: Lab, split: Split, plan: Plan, recorder: memory.Recorder | None, say: Say
    ) -> Search:
        keep = recorder.keep if recorder is not None else lambda candidates: None
        question = self._question
        selection = Selection(
            lab,
            split,
            plan,
            question.metric,
            question.higher_is_better,
            say,
            keep,
        )
        return selection.run(question.start.prompt)

    def _cross_fit(
        self, lab: Lab, recorder: memory.Recorder | None, say: Say
    ) -> Confirmation | None:
        """The searches of all folds against the start; None if the budget ended before."""
        question, count = self._question, len(self._folds)

        def search(split: Split, number: int) -> Search:
            lab.searching()
            say(f"fold {number} of {count}: searching without its cases")
            found = self._search(lab, split, self._plans(), None, say)
            lab.confirming(self._folds[number - 1][1])
            return found

        use = memory.cross_fitted_before(self._earlier, self._cross_key) + 1
        try:
            folds = run_folds(self._folds, search, lab)
        except BudgetSpent:
            lab.searching()
            return None
        lab.settled()
        found = confirm_folds(
            folds,
            question.metric,
            margin=question.margin,
            confidence=question.confidence,
            uncalibrated=lab.uncalibrated,
            use=use,
        )
        if recorder is not None:
            recorder.keep_folds(folds)
        return found

    def _confirm(
        self, lab: Lab, found: Search, recorder: memory.Recorder | None, say: Say
    ) -> Confirmation | None:
        """The winner against the start; None if the start won or the budget ended before."""
        if found.best.name == START:
            return None
        question, cases = self._question, self.sets.split.confirm
        ids = [case.id for case in cases]
        key = memory.key_of(question, found.best, ids)
        use = memory.number_of_use(self._earlier, ids, key)
        say(f"confirming '{found.best.name}' on {len(cases)} cases")
        if recorder is not None:
            recorder.confirming(key, self._earlier)
        lab.confirming()
        try:
            return confirm(
                lab,
                found.start,
                found.best,
                cases,
                question.metric,
                margin=question.margin,
                confidence=question.confidence,
                uncalibrated=lab.uncalibrated,
                use=use,
            )
        except BudgetSpent:
            return None

    def _result(
        self,
        lab: Lab,
        found: Search,
        confirmation: Confirmation | None,
        recorder: memory.Recorder | None,
    ) -> Improvement:
        short = confirmation is None and (found.best.name != START or bool(self._folds))
        notes = []
        if confirmation is not None and recorder is None:
            notes.append("not recorded: this use of the confirm set will not be counted")
        fitted = self._folds and confirmation is None
        if fitted:
            notes.append("the budget ended the cross-fitting; the same call with more continues it")
        return Improvement(
            self._question,
            self.sets,
            found,
            confirmation,
            status="budget" if short else found.ended,
            spent_usd=lab.spent_usd,
            run_id=recorder.run_id if recorder is not None else None,
            notes=tuple(notes),
            unfinished=bool(fitted),
        )

    def _finish(self, recorder: memory.Recorder, result: Improvement) -> None:
        metrics = {"spent_usd": result.spent_usd, "proposals": float(len(result.candidates) - 1)}
        metrics["replies.no_proposal"] = float(len(result.left_out))
        tables = {"proposals.json": result.frame}
        if result.confirmation is not None:
            row = result.confirmation.row
            if not self._folds:
                recorder.confirmed({s.name: s.confirm for s in result.scores()})
            metrics |= {
                name: float(row[key]) for name, key in _METRICS.items() if not missing(row[key])
            }
            metrics["confirm.use"] = float(result.confirmation.use)
            tables["confirm.json"] = result.confirmation.answers()
        recorder.finish(
            verdict=result.verdict,
            note=note_of(result),
            page=result.page(),
            metrics=metrics,
            tables=tables,
            prompt=result.prompt.to_prompty(),
        )
        recorder.end(result.status)

    @contextlib.contextmanager
    def _ending(self, recorder: memory.Recorder | None) -> Iterator[None]:
        """Close the run however it ends; a stop says how to continue."""
        try:
            yield
        except BudgetSpent:
            if recorder is not None:
                recorder.end("budget")
            raise BudgetError(
                "the budget ended before there was a result",
                hint="the answers are kept; the same call with more budget_usd continues",
            ) from None
        except KeyboardInterrupt as stop:
            if recorder is not None:
                recorder.end("interrupted")
            results = stop.results if isinstance(stop, Interrupted) else None
            raise Interrupted(
                "the improvement was stopped; its answers are kept, and the same call continues",
                results,
            ) from None
        except BaseException as error:
            if recorder is not None:
                recorder.end("failed")
            if isinstance(error, ProviderError) and error.hint is None:
                raise ProviderError(
                    error.message, hint="the answers are kept; the same call continues"
                ) from error
            raise


def note_of(result: Improvement) -> str:
    """The result for MLflow's page, in Markdown, of which replies of models are no part."""
    said, *notes = (
        in_markdown(" ".join(text.split())) for text in (result.sentence, *result.notes)
    )
    return "\n".join([f"**{said}**", "", *(f"- {note}" for note in notes)])
