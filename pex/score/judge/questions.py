"""Turning answers into questions for judges, and the judges' verdicts into scores."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.call import Answer, Request
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.events import RowKey
from pex.core.remarks import of_judge
from pex.core.score import Score
from pex.run.request import requests
from pex.score.base import NOT_EXPECTED, OWN_EXAMPLE, is_example, named_scores
from pex.score.field_judge import FieldJudge
from pex.score.judge.judge import Judge, Verdict
from pex.score.judge.positions import Positions, positions

Scores = dict[str, Score]


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """One request to a judge: the answer, the answer to compare it with, and their order."""

    request: Request
    judge: Judge
    place: RowKey
    baseline: str | None = None
    swapped: bool = False


@dataclasses.dataclass(slots=True)
class _Tally:
    """A judge's questions and verdicts so far; equal questions are one call."""

    keys: set[str] = dataclasses.field(default_factory=set)
    replayed: int = 0
    errors: int = 0
    cost_usd: float | None = 0.0
    failed: int = 0
    first_error: str | None = None
    pairs: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    scored: int = 0
    remarks: Counter[str] = dataclasses.field(default_factory=Counter)


class Verdicts:
    """The judges' questions about the answers of a run, and the scores that follow.

    Answers that ended in an error are not judged. Equal answers to a case are judged once: all
    questions have the repeat 1, so the same text has the same verdict. A pair of equal answers is a
    tie, without a call.

    Args:
        judges: the judges that score.
        rivals: the baseline of each variant, by the name of each pairwise judge.
        answers: the answers to judge.
        cases: the cases of the answers.
        longest: `max_tokens` if the judge's prompt does not set it.
        folder: the folder that paths of images start from.
        api_of: returns the API of a model.
        to_come: the places whose answers only stand for ones that do not exist yet.
    """

    def __init__(
        self,
        judges: Sequence[Judge],
        rivals: Mapping[str, Mapping[str, str]],
        answers: Mapping[RowKey, Answer],
        cases: Sequence[Case],
        longest: int,
        folder: Path,
        api_of: Callable[[str], str] = lambda ref: "chat",
        to_come: Collection[RowKey] = (),
    ) -> None:
        self._judges = judges
        self._rivals = rivals
        self._answers = answers
        self._how = (longest, folder, api_of)
        self._to_come = to_come
        self._of_fields: dict[tuple[str, RowKey], Scores] = {}
        self._heard: dict[tuple[str, RowKey], dict[bool, Verdict]] = {}
        self._tallies = {judge.name: _Tally() for judge in judges}
        self.settled: dict[RowKey, Scores] = {}
        """Scores that need no call."""
        self._questions: dict[RowKey, Question] = {}
        self._case_of = case_of = {case.id: case for case in cases}
        for place, answer in answers.items():
            if answer.error is not None:
                continue
            for judge in judges:
                self._put(judge, place, answer, case_of[place[1]])

    @property
    def requests(self) -> list[Request]:
        """The requests to make."""
        return [question.request for question in self._questions.values()]

    def take(self, asked: RowKey, answer: Answer) -> tuple[RowKey, Scores] | None:
        """Take a judge's answer; return a place and its score once that is complete.

        Args:
            asked: the place of the question's request.
            answer: the judge's answer.
        """
        question = self._questions[asked]
        judge, tally = question.judge, self._tallies[question.judge.name]
        verdict = judge.read(answer)
        self._count(tally, question, answer, verdict)
        heard = self._heard.setdefault((judge.name, question.place), {})
        heard[question.swapped] = verdict
        if len(heard) < 1 + judge.pairwise:
            return None
        score = self._compared(question, heard, tally) if judge.pairwise else _plain(verdict)
        tally.scored += score.error is None
        return question.place, self._scores(judge, question.place, score)

    def unheard(self, why: str) -> Iterator[tuple[RowKey, Scores]]:
        """The scores, all errors, of the answers whose verdicts will stay incomplete."""
        told: set[tuple[str, RowKey]] = set()
        for question in self._questions.values():
            name, place = question.judge.name, question.place
            if (name, place) in told:
                continue
            if len(self._heard.get((name, place), {})) < 1 + question.judge.pairwise:
                told.add((name, place))
                score = Score(None, error=f"not judged: {why}")
                yield place, self._scores(question.judge, place, score)

    @property
    def broken(self) -> bool:
        """Whether a judge could not be run: calls failed, and none gave a score."""
        return any(tally.failed and not tally.scored for tally in self._tallies.values())

    def about(self, judge: Judge) -> dict[str, Any]:
        """A judge's counts and costs, as plain data; costs in USD, including reused verdicts."""
        tally = self._tallies[judge.name]
        said: dict[str, Any] = {
            "calls": len(tally.keys),
            "replayed": tally.replayed,
            "errors": tally.errors,
            "error": tally.first_error,
            "cost_usd": None if tally.cost_usd is None else round(tally.cost_usd, 6),
        }
        if tally.remarks:
            said["remarks"] = of_judge(judge.name, tally.remarks, len(tally.keys))
        if judge.pairwise:
            said["positions"] = dataclasses.asdict(self.positions(judge))
        return said

    def positions(self, judge: Judge) -> Positions:
        """The effect of the order of the answers on a pairwise judge."""
        return positions(self._tallies[judge.name].pairs)

    def _put(self, judge: Judge, place: RowKey, answer: Answer, case: Case) -> None:
        if is_example(answer):
            self._settle(place, judge, OWN_EXAMPLE)
            return
        settled = None if judge.applies(case) else Score(None, reason=NOT_EXPECTED)
        if place not in self._to_come:
            settled = judge.settled(case, answer)
        if settled is not None:
            self._settle(place, judge, settled)
            return
        if not judge.pairwise:
            self._ask(judge, place, None, case, [(False, (answer,))])
            return
        baseline = self._rivals[judge.name].get(place[0])
        if baseline is None:
            base = place[0] in self._rivals[judge.name].values()
            score = (
                Score(0.5, reason="the baseline itself")
                if base
                else Score(None, reason="there is no baseline to compare this variant with")
            )
            self._settle(place, judge, score)
            return
        other = self._answers.get((baseline, *place[1:]))
        if other is None or other.error is not None:
            self._settle(place, judge, Score(None, error=f"'{baseline}' has no answer here"))
        elif is_example(other):
            self._settle(place, judge, OWN_EXAMPLE)
        elif (other.output, other.tool_calls) == (answer.output, answer.tool_calls):
            self._settle(place, judge, Score(0.5, reason="the same answer"))
        else:
            both = [(False, (other, answer)), (True, (answer, other))]
            self._ask(judge, place, baseline, case, both)

    def _ask(
        self,
        judge: Judge,
        place: RowKey,
        baseline: str | None,
        case: Case,
        orders: Sequence[tuple[bool, tuple[Answer, ...]]],
    ) -> None:
        asked: list[Question] = []
        for swapped, shown in orders:
            try:
                rows = [judge.question(case, *shown)]
                (request,) = requests([judge.variant], rows, 1, *self._how)
            except PexError as error:
                self._settle(place, judge, Score(None, error=error.message))
                return
            # The place in the table of questions; the key, which names the request, is unchanged.
            label = f"judge:{judge.name}{':swapped' * swapped}|{place[0]}"
            request = dataclasses.replace(request, variant=label, repeat=place[2])
            asked.append(Question(request, judge, place, baseline, swapped))
        for question in asked:
            self._questions[question.request.place] = question

    def _settle(self, place: RowKey, judge: Judge, score: Score) -> None:
        self.settled.setdefault(place, {}).update(self._scores(judge, place, score))

    def _scores(self, judge: Judge, place: RowKey, score: Score) -> Scores:
        """A judge's score; with the last one of the fields of a scorer, the scorer's own too."""
        scores = named_scores(judge.name, score)
        if isinstance(judge, FieldJudge) and place not in self._to_come:
            said = self._of_fields.setdefault((judge.scorer, place), {})
            said[judge.path.name] = scores[judge.name]
            scores |= judge.whole(self._case_of[place[1]], self._answers[place], said)
        return scores

    def _count(self, tally: _Tally, question: Question, answer: Answer, verdict: Verdict) -> None:
        if question.request.key in tally.keys:
            return
        tally.keys.add(question.request.key)
        tally.replayed += answer.from_journal
        tally.remarks.update(dict.fromkeys(answer.remarks, 1))
        if answer.error is None:
            known = tally.cost_usd is not None and answer.cost_usd is not None
            tally.cost_usd = (tally.cost_usd or 0) + (answer.cost_usd or 0) if known else None
        if verdict.error is not None:
            tally.errors += 1
            tally.first_error = tally.first_error or verdict.error
            tally.failed += answer.error is not None

    def _compared(self, question: Question, heard: Mapping[bool, Verdict], tally: _Tally) -> Score:
        """Both orders together: 1 if the variant wins both, 0 if it loses both."""
        plain, swapped = heard[False], heard[True]
        error = plain.error or swapped.error
        if error is not None:
            return Score(None, error=error)
        tally.pairs.append((str(plain.value), str(swapped.value)))
        ours, theirs = question.place[0], str(question.baseline)
        winners = [
            {"first": theirs, "second": ours}.get(str(plain.value), "tie"),
            {"first": ours, "second": theirs}.get(str(swapped.value), "tie"),
        ]
        value = {(ours, ours): 1.0, (theirs, theirs): 0.0}.get((winners[0], winners[1]), 0.5)
        said = " / ".join(verdict.reason for verdict in (plain, swapped) if verdict.reason)
        reason = f"first: {winners[0]}, swapped: {winners[1]}"
        return Score(value, reason=f"{reason}. {said}" if said else reason)


def _plain(verdict: Verdict) -> Score:
    value = None if isinstance(verdict.value, str) else verdict.value
    return Score(value, reason=verdict.reason, error=verdict.error)


def family(model: str) -> str:
    """The family of a model, as far as its name shows it.

    Example:
        >>> family("openai/gpt-4.1-mini"), family("azure/gpt-5"), family("local/smollm2")
        ('gpt', 'gpt', 'smollm')
    """
    found = re.match(r"[a-z]+", model.rpartition("/")[2].casefold())
    return found[0] if found else model


def self_preference(judge: Judge, models: Sequence[str]) -> str | None:
    """A note if a judge scores answers of its own model family, else None.

    Source: A. Panickssery, S. Bowman and S. Feng, LLM Evaluators Recognize and Favor Their Own
    Generations, NeurIPS 2024.
    """
    kin = [model for model in models if family(model) == family(judge.model)]
    if not kin:
        return None
    return f"{judge.model} judges {kin[0]}: models tend to prefer answers from their own family"
