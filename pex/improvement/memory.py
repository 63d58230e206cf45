"""What MLflow keeps of improvements: the sets, the uses of the confirm set, the proposals."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.canonical_json import digest, json_text
from pex.core.splits import SETS, SetName, Split
from pex.improvement.confirmation import Fold
from pex.improvement.question import Question
from pex.improvement.selection import Candidate
from pex.record.study_run import StudyRun, studies, study_text
from pex.tracking.store import exists

if TYPE_CHECKING:
    import pandas as pd

KIND = "improvement"
SPLITS = "splits.json"
CONFIRMED = "pex.confirmed"
"""The tag of an improvement that has used its confirm set: what it confirmed there."""
_CROSS = "cross-fit-"


@dataclasses.dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier improvement: its sets, and what it confirmed, if anything."""

    run_id: str
    membership: Mapping[str, SetName]
    confirmed: tuple[str, ...] = ()


def place_of(experiment: str) -> str:
    """The MLflow experiment that the improvements of an experiment are in.

    Example:
        >>> place_of("reviews")
        'reviews (improvement)'
    """
    return f"{experiment} (improvement)"


def earlier_improvements(uri: str, experiment: str) -> list[Earlier]:
    """The recorded improvements of an experiment, the newest first.

    Args:
        uri: the store.
        experiment: the experiment's name.

    Raises:
        PexError: the store does not answer.
    """
    if not exists(uri):
        return []
    found = []
    for run in studies(uri, KIND, place_of(experiment), most=1000):
        text = study_text(uri, run.info.run_id, SPLITS)
        confirmed = tuple(run.data.tags.get(CONFIRMED, "").split())
        found.append(Earlier(str(run.info.run_id), _membership(text), confirmed))
    return found


def _membership(text: str | None) -> dict[str, SetName]:
    try:
        data = json.loads(text or "{}")
    except ValueError:
        return {}
    return {
        str(case): name
        for name in SETS
        for case in (data.get(name) or () if isinstance(data, dict) else ())
    }


def known_sets(earlier: Sequence[Earlier]) -> dict[str, SetName]:
    """The set of each case that was divided before; of several, that which has seen most.

    Example:
        >>> one, two = {"a": "confirm", "b": "select"}, {"a": "train"}
        >>> known_sets([Earlier("1", one), Earlier("2", two)])
        {'a': 'train', 'b': 'select'}
    """
    known: dict[str, SetName] = {}
    for item in earlier:
        for case, name in item.membership.items():
            known[case] = min(known.get(case, name), name, key=SETS.index)
    return known


def key_of(question: Question, winner: Candidate, confirm: Collection[str]) -> str:
    """What a confirmation compares: the same comparison again is no further use of its cases.

    With other cases or another scorer it is: who adds cases until a winner is better looks again.

    Args:
        question: what is improved.
        winner: what is confirmed.
        confirm: the ids of the cases that it is confirmed with.
    """
    start, exp = question.start, question.experiment
    what = [start.prompt.digest, winner.prompt.digest, start.model, dict(start.params)]
    scorer = exp.scorer_digests.get(question.metric.split(".")[0])
    return digest([*what, question.metric, scorer, exp.repeats, sorted(confirm)])


def number_of_use(earlier: Sequence[Earlier], confirm: Collection[str], key: str) -> int:
    """How often the confirm set is used with this use: 1 if it is fresh.

    Args:
        earlier: the earlier improvements.
        confirm: the ids of the cases.
        key: what is confirmed now.
    """
    ids = set(confirm)
    used = {
        confirmed
        for item in earlier
        if any(case in ids for case, name in item.membership.items() if name == "confirm")
        for confirmed in item.confirmed
    }
    return len(used - {key}) + 1


def cross_key_of(question: Question, folds: int, seed: int) -> str:
    """What a cross-fitting measures, marked so that it is told from a confirmation."""
    return f"{_CROSS}{digest([*question.identity(), folds, seed])}"


def cross_fitted_before(earlier: Sequence[Earlier], key: str) -> int:
    """How many other cross-fittings of this experiment there were.

    Args:
        earlier: the earlier improvements.
        key: of this one.
    """
    used = {name for item in earlier for name in item.confirmed if name.startswith(_CROSS)}
    return len(used - {key})


class Recorder:
    """Writes an improvement to MLflow while it goes on: its run, and a child for each proposal.

    Args:
        study: the run.
        question: what is improved.
        sign: -1 if less of the metric is better.
    """

    def __init__(self, study: StudyRun, question: Question, sign: float) -> None:
        self._study = study
        self._question = question
        self._sign = sign
        self._written: dict[str, object] = {}
        self._children: dict[str, str] = {}
        self._sets: dict[str, list[str]] = {}
        self._seen: set[str] = set()
        self._confirming: set[str] = set()

    @property
    def run_id(self) -> str:
        """The run."""
        return self._study.run_id

    @property
    def started_at(self) -> float:
        """When its first start began."""
        return self._study.started_at

    def begin(self, split: Split, params: Mapping[str, Any], earlier: Sequence[Earlier]) -> None:
        """Write what is improved, and how large the sets are; no case counts as seen yet.

        Args:
            split: the sets.
            params: how it is searched.
            earlier: the earlier improvements; this one among them if it is continued.
        """
        question = self._question
        self._sets = {name: [case.id for case in getattr(split, name)] for name in SETS}
        own = [item.membership for item in earlier if item.run_id == self.run_id]
        self._seen = set(own[0]) if own else set()
        self._study.write(
            params={
                "experiment": question.experiment.name,
                "prompt": question.start.prompt.name,
                "model": question.start.model,
                "metric": question.metric,
                **params,
            },
            metrics={f"cases.{name}": float(len(ids)) for name, ids in self._sets.items()},
        )

    def seeing(self, cases: Collection[str]) -> None:
        """Write the sets of these cases before a model gets them: what was seen stays seen.

        Args:
            cases: the ids of the cases.
        """
        if self._seen.issuperset(cases):
            return
        self._seen.update(cases)
        sets = {name: [i for i in ids if i in self._seen] for name, ids in self._sets.items()}
        self._study.write(texts={SPLITS: json_text(sets)})

    def confirming(self, key: str, earlier: Sequence[Earlier]) -> None:
        """Write that the confirm set is used, before it is.

        Args:
            key: what is confirmed.
            earlier: the earlier improvements; this one among them if it is continued.
        """
        if key in self._confirming:
            return
        self._confirming.add(key)
        own = [item.confirmed for item in earlier if item.run_id == self.run_id]
        keys = dict.fromkeys([*(own[0] if own else ()), key])
        self._study.write(tags={CONFIRMED: " ".join(keys)})

    def keep(self, candidates: Sequence[Candidate]) -> None:
        """Write the proposals that are new or were measured since."""
        for item in candidates:
            means = {
                name: self._sign * measured.mean
                for name, measured in (("train", item.train), ("select", item.select))
                if measured is not None
            }
            if self._written.get(item.name) == (item.state, means):
                continue
            self._written[item.name] = (item.state, means)
            # A start that continues this run may make another prompt under the same name.
            name = f"{item.name} {item.prompt.digest[:6]}"
            self._children[item.name] = name
            self._study.child(
                name,
                params={
                    "way": item.way or "the start",
                    "parent": item.parent,
                    "digest": item.prompt.digest,
                    "round": item.round,
                },
                metrics=means,
                tags={"pex.state": item.state, "pex.reason": item.reason, "pex.why": item.why},
                texts={"prompt.prompty": item.prompt.to_prompty()},
            )

    def keep_folds(self, folds: Sequence[Fold]) -> None:
        """Write what the search of each fold found, and its scores there."""
        for fold in folds:
            self._study.child(
                # As with `keep`: a start that continues this run may find another winner.
                f"fold {fold.number} of {len(folds)}, {fold.best.prompt.digest[:6]}",
                params={"way": fold.best.way or "the start", "digest": fold.best.prompt.digest},
                metrics={
                    "start": self._sign * fold.start.mean,
                    "winner": self._sign * fold.winner.mean,
                    "cases": float(len(fold.cases)),
                },
                texts={"prompt.prompty": fold.best.prompt.to_prompty()},
            )

    def confirmed(self, scores: Mapping[str, float]) -> None:
        """Write the scores when confirmed, by the candidate's name."""
        for name, score in scores.items():
            self._study.child(self._children[name], metrics={"confirm": score})

    def finish(
        self,
        *,
        verdict: str,
        note: str,
        page: str,
        metrics: Mapping[str, float],
        tables: Mapping[str, pd.DataFrame],
        prompt: str,
    ) -> None:
        """Write how it ended.

        Args:
            verdict: the verdict, or why there is none.
            note: the result in Markdown.
            page: the report.
            metrics: of the whole.
            tables: by their path.
            prompt: the text of the winner's file.
        """
        self._study.write(
            metrics=metrics,
            tags={"pex.verdict": verdict},
            texts={"improvement.html": page, "winner.prompty": prompt},
            tables=tables,
            note=note,
        )

    def end(self, status: str) -> None:
        """Close the run; only a finished one is not continued by the same call."""
        if status == "failed":
            self._study.end("failed")
        else:
            self._study.end("finished" if status == "finished" else "interrupted")
