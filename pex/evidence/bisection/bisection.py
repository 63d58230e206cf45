"""`pex.bisect`: since which version is a prompt worse?

A version counts as bad if the paired comparison on the experiment's cases finds it measurably
worse than the good one by more than the margin, and as good if it is not worse by more than the
margin. Between the two there is "undecided": then repeats are raised within the budget, and a
version that stays undecided is passed over, as one that cannot be run.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.compare.metric import MEASURED
from pex.core.errors import Interrupted, PexError, nearest
from pex.core.project import find_project
from pex.core.variant import Variant
from pex.evidence.bisection.judging import BAD, GOOD, UNDECIDED, step_of, unmeasured
from pex.evidence.bisection.prompt_history import PastVersion, past_versions
from pex.evidence.bisection.result import Bisection, Step
from pex.evidence.using_experiments import experiment_for
from pex.experiment.extend import MOST_REPEATS
from pex.library.reference import parse_reference
from pex.project.settings import load_settings
from pex.record.search import SOURCE
from pex.report.word_difference import word_difference
from pex.run.request import check_variables
from pex.tracking.store import registry_uri

if TYPE_CHECKING:
    from pex.experiment.experiment import Experiment
    from pex.results.results import Results

FOUND, NO_BREAK, STOPPED = "found", "no break", "budget"


def bisect(
    name: str,
    good: str,
    bad: str,
    *,
    experiment: Experiment | str | Path | None = None,
    metric: str | None = None,
    margin: float | None = None,
    model: str | None = None,
    repeats: int | None = None,
    limit: int | None = None,
    budget_usd: float | None = None,
    say: Callable[[str], None] | None = None,
    tracking_uri: str | None = None,
) -> Bisection:
    """Find the version since which a prompt is worse.

    Both ends are compared first; if the bad one is not measurably worse, there is no break to find.
    Answers come from the journal where they exist, so the same call continues what was interrupted.
    The runs are recorded as tried out, not as measurements of the experiment.

    Args:
        name: the prompt's name.
        good: the older version: `v3` or `@champion` of the library, or a git revision.
        bad: the newer version that is worse.
        experiment: the experiment, its name or its file; None: the one that uses the prompt.
        metric: the score that decides; None: the gate's, else the first.
        margin: how much worse still counts as good, in the unit of the score; a version is bad if
            it is measurably worse by more. None: the gate's, else half of the difference between
            the ends.
        model: the model; None: the one that the experiment uses for this prompt.
        repeats: how often each case is run at first; None: the experiment's.
        limit: only this many cases at first.
        budget_usd: the most that all runs together may spend; None: the experiment's, else the
            project's.
        say: called with a line about each step; None: nothing is said.
        tracking_uri: a library other than the project's.

    Raises:
        PexError: a version or the experiment does not exist, or an end cannot be run.
        Interrupted: from the keyboard; the answers are kept, and the same call continues.
    """
    project = find_project()
    settings = load_settings(project)
    uri = registry_uri(project, settings, tracking_uri)
    versions = past_versions(project, uri, name, good, bad)
    exp = experiment_for(project, name, experiment)
    cap = next(
        value for value in (budget_usd, exp.budget_usd, settings.budget.usd_per_run)
        if value is not None
    )  # fmt: skip
    search = _Search(
        name, versions, exp, _metric(exp, metric), _margin(exp, metric, margin), cap,
        say or (lambda text: None),
    )  # fmt: skip
    search.prepare(model, repeats, limit)
    try:
        return search.run()
    except Interrupted as interrupted:
        raise Interrupted(
            f"{search.position()}; all answers are kept, and the same command continues at no "
            "further cost for them",
            interrupted.results,
        ) from None


def _metric(exp: Experiment, metric: str | None) -> str:
    known = [*exp.score_names, *MEASURED]
    rule = exp.gate or {}
    chosen = metric or rule.get("metric") or (exp.score_names or [""])[0]
    if not any(chosen == item or chosen.startswith(f"{item}.") for item in known):
        if not chosen:
            raise PexError(f"experiment '{exp.name}' has no scorer: nothing decides")
        raise PexError(
            f"experiment '{exp.name}' has no score '{chosen}'", hint=nearest(chosen, known)
        )
    return chosen


def _margin(exp: Experiment, metric: str | None, margin: float | None) -> float | None:
    if margin is not None:
        if margin < 0:
            raise PexError(f"margin: expected a number from 0, got {margin:g}")
        return margin
    rule = exp.gate or {}
    same = metric is None or metric == rule.get("metric")
    value = rule.get("margin") if same else None
    return float(value) if value is not None else None


class _Search:
    """One bisection: what is known of each version, and the runs that find it out."""

    def __init__(
        self,
        name: str,
        versions: Sequence[PastVersion],
        exp: Experiment,
        metric: str,
        margin: float | None,
        budget_usd: float,
        say: Callable[[str], None],
    ) -> None:
        self.name, self.versions, self.exp = name, versions, exp
        self.metric, self.margin, self.say = metric, margin, say
        self.cap, self.spent = budget_usd, 0.0
        self.known: dict[str, str] = {}  # by digest: identical versions are run once
        self.effort: dict[int, tuple[int, int | None]] = {}
        self.undecided: set[int] = set()
        self.skipped: dict[str, str] = {}
        self.steps: list[Step] = []
        self.notes: list[str] = []
        self.low, self.high = 0, len(versions) - 1
        self.exhausted = False

    def prepare(self, model: str | None, repeats: int | None, limit: int | None) -> None:
        """Choose the model, find the versions that cannot be run, check the ends."""
        own = [v for v in self.exp.variants if self._is_own(v)]
        own = own or list(self.exp.variants)
        chosen = [v for v in own if model is None or v.model == model]
        if not chosen:
            names = dict.fromkeys(v.model for v in own)
            raise PexError(
                f"experiment '{self.exp.name}' does not use the model '{model}'",
                hint=nearest(str(model), names),
            )
        self.variant = chosen[0]
        others = {(v.model, str(v.params)) for v in chosen}
        if len(others) > 1:
            self.notes.append(
                f"measured with {self.variant.model}, the first of {len(others)} settings of the "
                "experiment (--model chooses another)"
            )
        self.repeats = repeats or self.exp.repeats
        self.limit = limit if limit is not None and limit < len(self.exp.cases) else None
        for number, version in enumerate(self.versions):
            problem = self._problem(version)
            if problem and number in (0, len(self.versions) - 1):
                end = "good" if number == 0 else "bad"
                raise PexError(f"the {end} version {version.label} cannot be run: {problem}")
            if problem:
                self.skipped[version.label] = problem
                self.say(f"{version.label}: skipped, {problem}")

    def _is_own(self, variant: Variant) -> bool:
        origin = variant.prompt.origin
        if origin is not None:  # two versions in one experiment are named after their references
            return parse_reference(origin).name == self.name
        return variant.prompt.name == self.name

    def _problem(self, version: PastVersion) -> str:
        if version.prompt is None:
            return version.problem
        try:
            with warnings.catch_warnings():  # remarks on the text are for whoever writes it
                warnings.simplefilter("ignore")
                check_variables([self._variant(version)], self.exp.cases)
        except PexError as error:
            return error.message
        return ""

    def _variant(self, version: PastVersion) -> Variant:
        assert version.prompt is not None  # versions without one are skipped
        label = f"{self.name}.{version.label}"
        prompt = version.prompt.called(label, version.prompt.origin)
        own = self.variant
        return Variant(prompt, own.model, own.params, label, own.via)

    def _digest(self, number: int) -> str:
        prompt = self.versions[number].prompt
        assert prompt is not None  # as before
        return prompt.digest

    def run(self) -> Bisection:
        """Test the ends, then halve what is between them."""
        last = len(self.versions) - 1
        if self._digest(0) == self._digest(last):
            self.notes.append("both ends are identical")
            return self._ended(NO_BREAK)
        ends = self._decide(last)
        if ends.judged != BAD:
            outcome = STOPPED if self.exhausted else UNDECIDED
            return self._ended(outcome if ends.judged == UNDECIDED else NO_BREAK)
        if self.margin is None and ends.diff is not None:
            self.margin = abs(ends.diff) / 2
            self.notes.append(
                "no margin was given: a version counts as good if it measurably lost less than "
                "half of the difference between the ends, and as bad if it measurably lost more"
            )
        self._place_identical()
        while (number := self._next()) is not None:
            step = self._decide(number)
            if step.judged == GOOD:
                self.low = number
            elif step.judged == BAD:
                self.high = number
            else:
                self.undecided.add(number)
                if self.exhausted:
                    return self._ended(STOPPED)
        return self._ended(FOUND)

    def _place_identical(self) -> None:
        """Versions identical to an end need no run; the history can also go back and forth."""
        good, bad = self._digest(0), self._digest(len(self.versions) - 1)
        runnable = [n for n, v in enumerate(self.versions) if v.label not in self.skipped]
        self.high = next(n for n in runnable if self._digest(n) == bad)
        self.low = max(n for n in runnable if n < self.high and self._digest(n) == good)
        again = [n for n in runnable if n > self.high and self._digest(n) == good]
        if again:
            names = ", ".join(self.versions[n].label for n in again)
            self.notes.append(
                f"the history goes back and forth: {names} has the text of the good version "
                "again; the first break is reported"
            )

    def _next(self) -> int | None:
        """The version nearest to the middle that can still be tested."""
        middle = (self.low + self.high) / 2
        open_ones = [
            number
            for number in range(self.low + 1, self.high)
            if number not in self.undecided and self.versions[number].label not in self.skipped
        ]
        return min(open_ones, key=lambda n: (abs(n - middle), n)) if open_ones else None

    def _decide(self, number: int) -> Step:
        """Compare a version with the good one, with more repeats until it is decided."""
        version = self.versions[number]
        digest = self._digest(number)
        earlier = self.known.get(digest)
        if earlier is not None:
            step = next(step for step in reversed(self.steps) if step.version == earlier)
            step = dataclasses.replace(step, version=version.label)
            self.steps.append(step)
            self.say(f"{version.label}: {step.judged}, identical to {earlier}")
            return step
        repeats, limit = self.repeats, self.limit
        while True:
            self.say(f"{version.label}: comparing with {self.versions[0].label}, "
                     f"{_effort(limit or len(self.exp.cases), repeats)}")  # fmt: skip
            results = self._measure([0, number], repeats, limit)
            step = self._step(results, number, 0)
            self.effort[number] = (repeats, limit)
            if step.judged != UNDECIDED or results.status == "budget":
                break
            if limit is not None:
                limit = 2 * limit if 2 * limit < len(self.exp.cases) else None
            elif 2 * repeats <= MOST_REPEATS and self.metric not in results.about.uncalibrated:
                repeats *= 2
            else:
                break
            if self.cap <= self.spent and self.spent > 0:
                self.exhausted = True
                break
        self.exhausted = self.exhausted or results.status == "budget"
        self.steps.append(step)
        self.known[digest] = version.label
        self.say(f"{version.label}: {step.judged} ({step.verdict})")
        return step

    def _measure(self, numbers: Sequence[int], repeats: int, limit: int | None) -> Results:
        variants = [self._variant(self.versions[number]) for number in numbers]
        ends = f"{self.versions[0].label} to {self.versions[-1].label}"
        results = self.exp.drafted(variants, self.exp.cases).run(
            repeats=repeats,
            limit=limit,
            budget_usd=max(0.0, self.cap - self.spent),
            journal="reuse",
            show=False,
            traces="none",
            note=f"bisecting {self.name}, {ends}",
            mlflow_tags={SOURCE: "bisect", "pex.bisect": f"{self.name} {ends}"},
        )
        self.spent += results.about.spent_usd
        return results

    def _step(self, results: Results, number: int, against: int) -> Step:
        label, other = self.versions[number].label, self.versions[against].label
        answered = set(results.frame.loc[results.frame["error"].isna(), "variant"])
        if not {f"{self.name}.{label}", f"{self.name}.{other}"} <= answered:
            # The budget ended the run before it came to this version, or every call failed.
            return unmeasured(label, other, results)
        table = results.compare(f"{self.name}.{other}", self.metric, margin=self.margin).frame
        found = table[table["candidate"] == f"{self.name}.{label}"].iloc[0]
        row = {str(key): value for key, value in found.items()}
        return step_of(label, other, row, self.margin, results.run_id)

    def _neighbours(self) -> list[Step]:
        """The two neighbours, each against the good version and against each other."""
        efforts = [self.effort[n] for n in (self.low, self.high) if n in self.effort]
        repeats = min((r for r, _ in efforts), default=self.repeats)
        limits = [limit for _, limit in efforts if limit is not None]
        numbers = list(dict.fromkeys([0, self.low, self.high]))
        results = self._measure(numbers, repeats, min(limits, default=None))
        pairs = [(self.low, 0), (self.high, 0), (self.high, self.low)]
        return [
            self._step(results, one, other) for one, other in dict.fromkeys(pairs) if one != other
        ]

    def _ended(self, outcome: str) -> Bisection:
        found = outcome in (FOUND, STOPPED) and any(step.judged == BAD for step in self.steps)
        neighbours: list[Step] = []
        difference = None
        if found:
            if not self.exhausted:
                neighbours = self._neighbours()
            one, two = (self.versions[n].prompt for n in (self.high, self.low))
            assert one is not None  # neither of them is skipped
            assert two is not None
            difference = word_difference(_whole(one), _whole(two))
        between = [version.label for version in self.versions[self.low + 1 : self.high]]
        return Bisection(
            name=self.name,
            outcome=outcome,
            versions=self.versions,
            first_bad=self.versions[self.high].label if found else None,
            last_good=self.versions[self.low].label if found else None,
            between=between if found else [],
            difference=difference,
            steps=self.steps,
            neighbours=neighbours,
            skipped=self.skipped,
            notes=self.notes,
            metric=self.metric,
            margin=self.margin,
            experiment=self.exp.name,
            model=self.variant.model,
            spent_usd=self.spent,
        )

    def position(self) -> str:
        """How far it is, for whoever interrupted it."""
        ends = [self.versions[n].label for n in (self.low, self.high)]
        if not self.steps:
            return "interrupted before the ends were compared"
        return f"interrupted: the break is after {ends[0]} and not later than {ends[1]}"


def _whole(prompt: Any) -> str:
    """The whole prompt as text: the file where there is one, else its messages."""
    try:
        return str(prompt.to_prompty())
    except PexError:
        return str(prompt.text)


def _effort(cases: int, repeats: int) -> str:
    shown = "1 case" if cases == 1 else f"{cases:,} cases"
    return shown if repeats == 1 else f"{shown}, {repeats} repeats"
