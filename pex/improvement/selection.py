"""The search: ways make proposals, training cases sift them, the select set chooses among them."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from pex.core.case import Case
from pex.core.errors import BudgetError, JournalError, PexError, ProviderError
from pex.core.prompt import Prompt
from pex.core.splits import Split
from pex.experiment.asking import Reply
from pex.improvement.differences import clearly_behind, gain, too_few_scores
from pex.improvement.lab import Measurer, error_share
from pex.improvement.proposal import BudgetSpent, Measured, Proposal, Way

START = "start"
SAMPLE = 24
"""Training cases that a proposal is measured on first, if there are more than twice as many."""
TRIES = 3
"""A way that makes this many times the wanted number of proposals, most refused, is stopped."""

BUDGET_ENDED = "the budget ended before it was measured"

Check = Callable[[Proposal, Prompt, Sequence[Case]], str | None]
State = Literal["start", "refused", "behind on train", "not chosen", "chosen", "not measured"]


@dataclasses.dataclass(slots=True)
class Candidate:
    """A proposal and its fate; the start is the first of them.

    `reason` says why it was refused or not measured; `train` and `select` are its results.
    """

    name: str
    prompt: Prompt
    way: str
    parent: str
    why: str
    round: int
    state: State
    reason: str = ""
    examples: tuple[str, ...] = ()
    train: Measured | None = None
    select: Measured | None = None

    @property
    def usable(self) -> bool:
        """Whether it was measured at all."""
        return self.state not in ("refused", "not measured")

    @property
    def usd_per_1000(self) -> float:
        """What 1,000 answers cost on the training cases, NaN if that is not known."""
        if self.train is None:
            return math.nan
        costs = self.train.frame["cost_usd"].astype("float64").dropna()
        return float(costs.mean()) * 1000 if len(costs) else math.nan


@dataclasses.dataclass(slots=True)
class Search:
    """How a search ended: all candidates, the start first, and the best of them.

    `ended` is "finished" or "budget"; `failures` are the ways that could not make proposals;
    `left_out` says why replies of the writing model were none.
    """

    candidates: list[Candidate]
    best: Candidate
    ended: str = "finished"
    failures: dict[str, str] = dataclasses.field(default_factory=dict)
    left_out: list[str] = dataclasses.field(default_factory=list)

    @property
    def start(self) -> Candidate:
        """What everything is compared with."""
        return self.candidates[0]

    @property
    def tried(self) -> list[Candidate]:
        """The proposals that were measured."""
        return [item for item in self.candidates[1:] if item.usable]

    @property
    def refused(self) -> list[Candidate]:
        """The proposals that were refused."""
        return [item for item in self.candidates if item.state == "refused"]


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """How to search: the ways, and how many rounds and proposals of each way in a round.

    `shorter` says whether a shorter prompt with an equal score is an improvement.
    """

    ways: Sequence[Way]
    check: Check
    rounds: int = 3
    proposals: int = 4
    seed: int = 0
    max_error_share: float = 0.05
    shorter: bool = False


class TrainBench:
    """What a way may use: nothing but the training cases.

    Args:
        lab: measures and asks.
        train: the training cases.
        metric: the score.
        higher_is_better: its direction.
        seed: another one in each round.
    """

    def __init__(
        self, lab: Measurer, train: Sequence[Case], metric: str, higher_is_better: bool, seed: int
    ) -> None:
        self._lab = lab
        self._ids = {case.id for case in train}
        self.train = train
        self.metric = metric
        self.higher_is_better = higher_is_better
        self.seed = seed

    def measure(self, prompts: Sequence[Prompt], cases: Sequence[Case]) -> list[Measured]:
        """As `Workbench.measure`.

        Raises:
            PexError: a case that is not for training.
        """
        for case in cases:
            if case.id not in self._ids:
                raise PexError(f"case '{case.id}' is not for training: no way may measure it")
        return self._lab.measure(prompts, cases)

    def ask(
        self, prompt: Prompt, rows: Sequence[Mapping[str, Any]], times: int = 1
    ) -> list[list[Reply]]:
        """As `Workbench.ask`."""
        return self._lab.ask(prompt, rows, times)

    def reference(self) -> Measured | None:
        """As `Workbench.reference`."""
        return self._lab.reference(self.train)


class Selection:
    """One search.

    Args:
        lab: measures and asks.
        split: the sets; that to confirm with is not looked at.
        plan: how to search.
        metric: the score.
        higher_is_better: its direction.
        say: told a line about each step.
        keep: told the candidates after each round.
    """

    def __init__(
        self,
        lab: Measurer,
        split: Split,
        plan: Plan,
        metric: str,
        higher_is_better: bool = True,
        say: Callable[[str], None] = lambda line: None,
        keep: Callable[[Sequence[Candidate]], None] = lambda candidates: None,
    ) -> None:
        self._lab = lab
        self._split = split
        self._plan = plan
        self._metric = metric
        self._higher = higher_is_better
        self._say = say
        self._keep = keep
        self._seen: set[str] = set()
        self._numbers = itertools.count(1)
        self._sample = _sample(split.train)
        self._first: Candidate | None = None

    def run(self, start: Prompt) -> Search:
        """Search from a prompt; the end of the budget ends the search with what it has.

        Raises:
            BudgetSpent: the budget does not even pay for the start.
            ProviderError: too many calls of the start fail.
            PexError: no way could make a proposal.
        """
        first = self._first = Candidate(START, start, "", "", "", 0, "start")
        self._seen.add(_text_of(start))
        (first.train,) = self._lab.measure([start], self._split.train)
        (first.select,) = self._lab.measure([start], self._split.select)
        for measured in (first.train, first.select):
            self._check_errors(measured)
        search = Search([first], first)
        self._keep(search.candidates)
        for number in range(1, self._plan.rounds + 1):
            try:
                proposed = self._round(search, number)
            except BudgetSpent:
                search.ended = "budget"
                break
            finally:
                search.best = self._best(search)
                self._keep(search.candidates)
            if not proposed:
                break
        return search

    def _round(self, search: Search, number: int) -> bool:
        """One round; returns whether there was any new proposal."""
        parent = search.best
        assert parent.train is not None
        seed = self._plan.seed * 1000 + number
        bench = TrainBench(self._lab, self._split.train, self._metric, self._higher, seed)
        new: list[Candidate] = []
        spent: BudgetSpent | None = None
        failure: Exception | None = None
        for way in self._plan.ways:
            before = len(_left_out(way))
            try:
                for candidate in self._proposals(way, parent, bench, search, number):
                    search.candidates.append(candidate)
                    if candidate.state != "refused":
                        new.append(candidate)
            except BudgetSpent as error:
                spent = error  # what was proposed before is measured as far as it goes
                break
            except (BudgetError, JournalError):
                raise
            except Exception as error:  # noqa: BLE001 - anybody's way: the others go on
                search.failures[way.name] = _message(error)
                failure = failure or error
            finally:
                search.left_out += _left_out(way)[before:]
        self._say(f"round {number}: {len(new)} new proposals from '{parent.name}'")
        if new:
            ended = self._measure(new, parent)
            best = self._best(search)
            assert best.select is not None
            self._say(
                f"round {number}: best so far '{best.name}', {best.select.mean:.3g} on select"
            )
            if ended and spent is None:
                spent = BudgetSpent()
        elif failure is not None and len(search.candidates) == 1:
            name, message = next(iter(search.failures.items()))
            kind = ProviderError if isinstance(failure, ProviderError) else PexError
            raise kind(f"no way could make a proposal; '{name}': {message}") from failure
        if spent is not None:
            raise spent
        return bool(new)

    def _proposals(
        self, way: Way, parent: Candidate, bench: TrainBench, search: Search, number: int
    ) -> Iterator[Candidate]:
        """The way's proposals, checked, until it made as many good ones as wanted."""
        assert parent.train is not None
        good = 0
        names = {item.prompt.digest: item.name for item in search.candidates if item.usable}
        for proposal in itertools.islice(
            way.propose(parent.train, bench), TRIES * self._plan.proposals
        ):
            reason = self._refusal(proposal, search.start.prompt)
            yield Candidate(
                f"{way.name}-{next(self._numbers)}",
                proposal.prompt,
                way.name,
                names.get(proposal.parent, parent.name),
                proposal.why,
                number,
                "refused" if reason else "not measured",
                reason or "",
                proposal.examples,
            )
            if not reason:
                good += 1
                if good == self._plan.proposals:
                    return

    def _refusal(self, proposal: Proposal, start: Prompt) -> str | None:
        text = _text_of(proposal.prompt)
        if text in self._seen:
            return "the same prompt as before"
        if reason := self._plan.check(proposal, start, self._split.train):
            return reason
        self._seen.add(text)
        return None

    def _measure(self, new: Sequence[Candidate], parent: Candidate) -> bool:
        """Sift new proposals; returns whether the budget ended before all were measured.

        Where the money may not last, one is measured to its end before the next one begins.
        """
        prompts = [item.prompt for item in new]
        both = [*self._split.train, *self._split.select]
        parts = [list(new)] if self._lab.affords(prompts, both) else [[item] for item in new]
        ended = any(self._sift(part, parent) for part in parts)
        for item in new:
            if item.state == "not measured" and not item.reason:
                item.reason = BUDGET_ENDED
        return ended

    def _sift(self, new: Sequence[Candidate], parent: Candidate) -> bool:
        """Measure proposals on training cases; those that look better go on to select."""
        assert parent.train is not None
        split, ended = self._split, False
        left, short = self._stage(new, self._sample) if self._sample else (list(new), False)
        ended |= short
        for item in list(left) if self._sample else []:
            assert item.train is not None
            if clearly_behind(item.train, parent.train):
                item.state = "behind on train"
                left.remove(item)
        left, short = self._stage(left, split.train)
        ended |= short
        for item in list(left):
            assert item.train is not None
            if gain(item.train, parent.train) < 0:
                item.state = "behind on train"
                left.remove(item)
            elif not self._lab.can_confirm(item.prompt):
                item.reason = "the budget does not pay for confirming it"
                left.remove(item)
        left, short = self._stage(left, split.select)
        for item in left:
            item.state = "not chosen"
        return ended or short

    def _stage(
        self, items: Sequence[Candidate], cases: Sequence[Case]
    ) -> tuple[list[Candidate], bool]:
        """Measure proposals on some cases; returns those that were, and whether money ran out."""
        if not items:
            return [], False
        found: list[Measured | None]
        prompts, short = [item.prompt for item in items], False
        try:
            found = [*self._lab.measure(prompts, cases)]
        except BudgetSpent:
            found, short = [self._lab.known(prompt, cases) for prompt in prompts], True
        except ProviderError as error:  # no call of any of them was answered
            for item in items:
                item.reason = f"none of its calls is answered: {error.message}"
            return [], False
        left = []
        for item, measured in zip(items, found, strict=True):
            if measured is None:
                item.reason = BUDGET_ENDED
                continue
            if cases is self._split.select:
                item.select = measured
            else:
                item.train = measured
            item.reason = self._unusable(item, measured, cases)
            if not item.reason:
                left.append(item)
        return left, short

    def _unusable(self, item: Candidate, found: Measured, cases: Sequence[Case]) -> str:
        """Why what was measured cannot be compared with the start; empty if it can."""
        share = error_share(found.frame)
        if share > self._plan.max_error_share:
            return f"{share:.0%} of its calls ended in an error"
        assert self._first is not None
        start = self._first.select if cases is self._split.select else self._first.train
        assert start is not None
        own = {*item.examples, *item.prompt.examples}
        wanted = {case.id for case in cases if case.id in start.scores} - own
        return too_few_scores(found, wanted, self._plan.max_error_share)

    def _check_errors(self, found: Measured) -> None:
        share = error_share(found.frame)
        if share > self._plan.max_error_share or not found.scores:
            errors = found.frame["error"].dropna()
            first = f"; the first: {errors.iloc[0]}" if len(errors) else ""
            raise ProviderError(
                f"the start cannot be measured: {len(errors)} of {len(found.frame)} calls ended in "
                f"an error, {len(found.scores)} cases have a score{first}",
                hint="the answers are kept; the same call continues",
            )

    def _best(self, search: Search) -> Candidate:
        """The best on select; the start unless a proposal is better than it."""
        start = search.start
        assert start.select is not None
        best, most = start, 0.0
        for item in search.candidates[1:]:
            if item.state not in ("not chosen", "chosen") or item.select is None:
                continue
            item.state = "not chosen"
            more = gain(item.select, start.select)
            equal = math.isclose(more, most, abs_tol=1e-12)
            if (not equal and more > most) or (equal and self._prefers(item, best)):
                best, most = item, more
        if best is not start:
            best.state = "chosen"
        return best

    def _prefers(self, item: Candidate, best: Candidate) -> bool:
        """Whether a proposal that is equally good is taken: the shorter one, if that counts."""
        if best.state == "start" and not self._plan.shorter:
            return False
        return len(item.prompt.text) < len(best.prompt.text)


def _message(error: Exception) -> str:
    """What went wrong, in a line."""
    if isinstance(error, PexError):
        return error.message
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _left_out(way: Way) -> list[str]:
    """Why replies to a way were no proposals, if it says so."""
    return list(getattr(way, "left_out", ()))


def _sample(train: Sequence[Case]) -> list[Case]:
    """A part of the training cases, always the same; none if there are few anyway."""
    if len(train) <= 2 * SAMPLE:
        return []
    hashed = sorted(train, key=lambda case: hashlib.sha256(case.id.encode()).hexdigest())
    return hashed[:SAMPLE]


def _text_of(prompt: Prompt) -> str:
    """What makes two prompts the same: everything that is sent, but for white space."""
    rest = prompt.changed(messages=[{"role": "user", "content": "x"}], name="x").digest
    return " ".join(prompt.text.split()) + "\0" + rest
