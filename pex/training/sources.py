"""What training data is made of: expected answers, passed answers, preferences, thumbs."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pex.core.about import About
from pex.core.case import Case
from pex.core.errors import PexError, nearest
from pex.core.pairs import pairs
from pex.core.provenance import GENERATED, STATE
from pex.core.text import value_text
from pex.rating.order import find_pairs
from pex.rating.store import FOLDER, PairRating, RatingFile, parse_rating
from pex.training.example import Message, Pick

if TYPE_CHECKING:
    import pandas as pd

SourceName = Literal["expected", "passed", "ratings", "judge", "thumbs", "attacks"]
SOURCES: tuple[SourceName, ...] = get_args(SourceName)


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """Which answers are chosen.

    `score` is the scorer or judge, or the name of the thumbs; `at_least` what passes. `raters` is
    how many people at least must have rated a pair; `failed_too` takes
    answers that failed as well, with their label.
    """

    score: str | None = None
    at_least: float = 1.0
    raters: int = 1
    failed_too: bool = False


class LeftOut(collections.Counter[str]):
    """How many were left out, by the reason."""


def text_message(text: str) -> dict[str, Any]:
    """An answer of the assistant."""
    return {"role": "assistant", "content": text}


def expected_answers(cases: list[Case], left_out: LeftOut) -> Iterator[Pick]:
    """The expected answers of an experiment's cases.

    Args:
        cases: the cases.
        left_out: counts those without an expected answer, and generated ones nobody accepted.
    """
    for case in cases:
        if not case.accepted:
            left_out["generated, accepted by nobody"] += 1
        elif case.expected is None or not value_text(case.expected).strip():
            left_out["no expected answer"] += 1
        else:
            yield Pick("expected", case, text_message(value_text(case.expected)))


class RunAnswers:
    """The answers of a run, as training data.

    Args:
        frame: the long frame.
        about: the run's description.
        left_out: counts what is left out.

    Raises:
        PexError: the run has no answers.
    """

    def __init__(self, frame: pd.DataFrame, about: About, left_out: LeftOut) -> None:
        if not len(frame):
            raise PexError(f"the run of '{about.name}' has no answers")
        self._frame = frame
        self._about = about
        self._left_out = left_out
        self._inputs = [name for name in frame.columns if name.startswith("case.")]
        names = ["variant", "case_id", "repeat"]
        self._places: list[tuple[Any, ...]] = list(frame[names].itertuples(index=False, name=None))
        self._cases: dict[str, Case] = {}

    def cases(self) -> list[Case]:
        """The cases of the run, without generated ones that nobody has accepted."""
        there: dict[str, Case] = {}
        for row in range(len(self._frame)):
            case = self._case(row)
            if case.id not in there and self._counts(row):
                there[case.id] = case
        return list(there.values())

    def passed(self, options: Options) -> Iterator[Pick]:
        """The answers that passed a score; of several to a case, the first.

        Args:
            options: the score, and what passes; perhaps also those that failed, with their label.

        Raises:
            PexError: there is no such score, or several and none is named.
        """
        name = self._score(options.score)
        scores = self._frame[f"score.{name}"].tolist()
        taken: set[tuple[str, bool]] = set()
        for row, score in enumerate(scores):
            if score is None or score != score:
                self._left_out[f"no score '{name}'"] += 1
                continue
            good = bool(score >= options.at_least)
            if not good and not options.failed_too:
                self._left_out[f"failed '{name}'"] += 1
                continue
            case = self._case(row)
            answer = self._answer(row)
            if answer is None or not self._counts(row):
                continue
            if (case.id, good) in taken:
                self._left_out["another answer to the same case was taken"] += 1
                continue
            taken.add((case.id, good))
            facts = {**self._facts(row), "score": name, "value": float(score)}
            yield Pick(
                "passed", case, answer, label=good if options.failed_too else None, facts=facts
            )

    def ratings(self, folder: Path, options: Options) -> Iterator[Pick]:
        """The preferences of people who rated blind: what most of a pair's raters preferred.

        Args:
            folder: the project's state, with the ratings.
            options: how many raters at least.

        Raises:
            PexError: nobody has rated answers of this run.
        """
        names = tuple(str(name) for name in self._frame["variant"].unique())
        found = find_pairs(self._frame, names) if len(names) > 1 else None
        by_id = {pair.id: pair for pair in found.different} if found else {}
        votes: dict[str, dict[str, PairRating]] = collections.defaultdict(dict)
        for path in sorted((folder / FOLDER).glob("*.jsonl")):
            for rated in RatingFile(path, parse_rating).ratings:
                if rated.pair in by_id and not rated.second_look:
                    votes[rated.pair][rated.rater] = rated
        if not votes:
            raise PexError(
                f"nobody has rated pairs of answers of this run of '{self._about.name}'",
                hint="results.rate() opens them for rating",
            )
        rows = self._rows()
        for pair_id, given in votes.items():
            pair = by_id[pair_id]
            if len(given) < options.raters:
                self._left_out[f"fewer than {options.raters} raters"] += 1
                continue
            counts = collections.Counter(rated.winner for rated in given.values())
            one, two = (counts[name] for name in pair.variants)
            if one == two:
                why = "a tie" if not one else "raters disagree"
                self._left_out[why] += 1
                continue
            better, worse = pair.variants if one > two else pair.variants[::-1]
            facts = {"raters": len(given), "agreement": round(max(one, two) / len(given), 3)}
            yield from self._preference(
                "ratings", rows[better, pair.case_id, pair.repeat],
                rows[worse, pair.case_id, pair.repeat], facts,
            )  # fmt: skip

    def judged(self, options: Options) -> Iterator[Pick]:
        """The preferences of a pairwise judge, where it said the same in both orders.

        Args:
            options: the judge's name as `score`.

        Raises:
            PexError: the run has no pairwise judge, or several and none is named.
        """
        judges = {judge.name: judge for judge in self._about.judges if judge.kind == "pairwise"}
        name = options.score or (next(iter(judges)) if len(judges) == 1 else "")
        if name not in judges:
            said = f"no pairwise judge '{name}'" if name else "which judge? Name one with --score"
            if not judges:
                said = "the run has no pairwise judge"
            raise PexError(f"'{self._about.name}': {said}", hint=nearest(name, judges))
        judge = judges[name]
        baseline_of = dict(pairs(self._about.variants, judge.baseline))
        rows = self._rows()
        for row, score in enumerate(self._frame[f"score.{name}"].tolist()):
            variant, case_id, repeat = self._place(row)
            other = rows.get((baseline_of.get(variant, ""), case_id, repeat))
            if other is None:
                continue
            if score is None or score != score:
                self._left_out["no verdict of the judge"] += 1
            elif score not in (0.0, 1.0):
                self._left_out["a tie"] += 1
            else:
                better, worse = (row, other) if score == 1.0 else (other, row)
                facts = {
                    "judge": name, "judge_model": judge.model, "calibrated": judge.calibrated,
                }  # fmt: skip
                yield from self._preference("judge", better, worse, facts)

    def thumbs(self, ratings: pd.DataFrame, options: Options) -> Iterator[Pick]:
        """Thumbs of people on single answers: those that say yes or no.

        Args:
            ratings: as read by `pex.record.assessments.read`.
            options: the name of the assessment as `score`, if only one counts.

        Raises:
            PexError: nobody gave a thumb to an answer of the run.
        """
        votes: dict[tuple[str, str, int], dict[str, bool]] = collections.defaultdict(dict)
        for item in ratings.to_dict("records"):
            if isinstance(item["value"], bool) and options.score in (None, item["name"]):
                place = str(item["variant"]), str(item["case_id"]), int(item["repeat"])
                votes[place][f"{item['name']} {item['rater']}"] = item["value"]
        if not votes:
            raise PexError(
                f"nobody gave a thumb (yes or no) to an answer of this run of '{self._about.name}'",
                hint="people give them in MLflow's pages, or with pex.feedback",
            )
        rows = self._rows()
        for place, given in votes.items():
            row = rows.get(place)
            if row is None:
                continue
            up = sum(given.values())
            if 2 * up == len(given):
                self._left_out["raters disagree"] += 1
                continue
            answer = self._answer(row)
            if answer is None or not self._counts(row):
                continue
            agreement = max(up, len(given) - up) / len(given)
            facts = {
                **self._facts(row), "raters": len(given), "agreement": round(agreement, 3)
            }  # fmt: skip
            yield Pick("thumbs", self._case(row), answer, label=2 * up > len(given), facts=facts)

    def _preference(
        self, source: str, better: int, worse: int, facts: Mapping[str, Any]
    ) -> Iterator[Pick]:
        chosen, rejected = self._answer(better), self._answer(worse)
        if chosen is None or rejected is None or not self._counts(better):
            return
        if chosen == rejected:
            self._left_out["identical answers"] += 1
            return
        rejects = {"rejected_variant": str(self._frame["variant"].iloc[worse])}
        yield Pick(
            source, self._case(better), chosen, rejected,
            facts={**self._facts(better), **rejects, **facts},
        )  # fmt: skip

    def _rows(self) -> dict[tuple[str, str, int], int]:
        return {self._place(row): row for row in range(len(self._frame))}

    def _place(self, row: int) -> tuple[str, str, int]:
        variant, case_id, repeat = self._places[row]
        return str(variant), str(case_id), int(repeat)

    def _case(self, row: int) -> Case:
        case_id = str(self._frame["case_id"].iat[row])
        if case_id not in self._cases:
            inputs = {name[5:]: _plain(self._frame[name].iat[row]) for name in self._inputs}
            group = self._frame["group"].iat[row] if "group" in self._frame else None
            self._cases[case_id] = Case(
                case_id, inputs, _plain(self._frame["expected"].iat[row]),
                group=group if isinstance(group, str) and group else None,
                renamed=self._about.renamed,
            )  # fmt: skip
        return self._cases[case_id]

    def _answer(self, row: int) -> Message | None:
        """The answer of a row; None if there is none that could be learnt, which is counted."""
        frame = self._frame
        output = frame["output"].iat[row]
        calls = frame["tool_calls"].iat[row] if "tool_calls" in frame else None
        remarks: Any = frame["remarks"].iat[row] if "remarks" in frame else None
        if isinstance(frame["error"].iat[row], str):
            self._left_out["an error instead of an answer"] += 1
        elif "conversation" in frame and isinstance(frame["conversation"].iat[row], list):
            self._left_out["a conversation of several turns"] += 1
        elif remarks is not None and set(remarks) & {"cut_off", "filtered"}:
            self._left_out["cut off or filtered"] += 1
        elif isinstance(calls, list) and calls:
            content = {"content": output} if isinstance(output, str) and output else {}
            return {"role": "assistant", **content, "tool_calls": calls}
        elif isinstance(output, str) and output.strip():
            return text_message(output)
        else:
            self._left_out["an empty answer"] += 1
        return None

    def _counts(self, row: int) -> bool:
        if STATE in self._frame and self._frame[STATE].iat[row] == GENERATED:
            self._left_out["generated, accepted by nobody"] += 1
            return False
        return True

    def _facts(self, row: int) -> dict[str, Any]:
        names = {"variant": "variant", "resolved_model": "model", "trace_id": "trace_id"}
        found = {
            key: self._frame[name].iat[row] for name, key in names.items() if name in self._frame
        }
        if not isinstance(found.get("model"), str):
            found["model"] = self._frame["model"].iat[row]
        return {key: str(value) for key, value in found.items() if isinstance(value, str)}

    def _score(self, name: str | None) -> str:
        known = [column[6:] for column in self._frame.columns if column.startswith("score.")]
        if name is None and len(known) == 1:
            return known[0]
        if name is None:
            shown = ", ".join(known) or "none"
            raise PexError(
                f"which score must an answer pass? There is: {shown}", hint="--score NAME"
            )
        if name not in known:
            raise PexError(f"the run has no score '{name}'", hint=nearest(name, known))
        return name


def _plain(value: Any) -> Any:
    """A value of a frame as it was in the case: numpy's numbers and gaps are Python's."""
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item() if getattr(value, "size", 1) == 1 else value.tolist()
    return None if isinstance(value, float) and value != value else value
