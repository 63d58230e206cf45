"""Where prompts are measured and the writing model is asked, within the budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pex.compare.metric import metric_of
from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.remarks import EXAMPLE
from pex.core.variant import Variant
from pex.experiment.asking import Reply, ask_model
from pex.improvement.proposal import BudgetSpent, Measured
from pex.improvement.question import Question
from pex.run.database import Database
from pex.run.shared_budget import SharedBudget

if TYPE_CHECKING:
    import pandas as pd

RESERVE = 1.5
"""The confirmation is set aside at this multiple of its likely cost, as answers vary in length."""


class Measurer(Protocol):
    """Measures prompts on cases, and asks the model that writes proposals."""

    def measure(self, prompts: Sequence[Prompt], cases: Sequence[Case]) -> list[Measured]:
        """The prompts' results on the cases.

        Raises:
            BudgetSpent: the budget ended before all were answered.
        """

    def known(self, prompt: Prompt, cases: Sequence[Case]) -> Measured | None:
        """A prompt's results if all the cases were answered before; nothing is run."""

    def ask(
        self, prompt: Prompt, rows: Sequence[Mapping[str, Any]], times: int = 1
    ) -> list[list[Reply]]:
        """As `Workbench.ask`."""

    def reference(self, cases: Sequence[Case]) -> Measured | None:
        """What the reference model answers to the start; None without one."""

    def affords(self, prompts: Sequence[Prompt], cases: Sequence[Case]) -> bool:
        """Whether the budget likely pays for measuring all the prompts on all the cases."""

    def can_confirm(self, prompt: Prompt) -> bool:
        """Whether the budget could still pay for the confirmation of this prompt."""


class Lab:
    """The measurer of a real experiment: runs it, and never runs the same request twice.

    Args:
        question: what is improved.
        budget: what the search and the confirmation may spend together.
        database: the project's journal.
        confirm: the cases to confirm with; their cost is set aside.
    """

    def __init__(
        self, question: Question, budget: SharedBudget, database: Database, confirm: Sequence[Case]
    ) -> None:
        self._question = question
        self._budget = budget
        self._database = database
        self._confirm = list(confirm)
        self._searching = True
        self._frames: dict[str, pd.DataFrame] = {}
        self.reserved_usd = 0.0
        self.before_calls: Callable[[Sequence[Case]], None] = lambda cases: None
        """Gets the cases of each run just before its first call."""
        self.uncalibrated: list[str] = []
        """Scores of judges that were not compared with people."""

    @property
    def spent_usd(self) -> float:
        """What the improvement has spent, its writer's calls included."""
        return self._budget.spent_usd(self._database)

    def reserve(self, prompt: Prompt) -> float:
        """Set the cost of confirming the start and this prompt aside; returns what it may cost."""
        start = self._likely_usd(self._question.start.prompt, self._confirm, again=False)
        cost = start + self._likely_usd(prompt, self._confirm, again=True)
        self.reserved_usd = max(self.reserved_usd, cost)
        return cost

    def needed_usd(self, train: Sequence[Case], select: Sequence[Case]) -> float:
        """What the start, the reference and the confirmation of one proposal likely cost."""
        start, old = self._question.start.prompt, self._question.reference
        needed = self._likely_usd(start, [*train, *select], again=False) + self.reserve(start)
        return needed if old is None else needed + self._price(old, train, again=False)

    def check_budget(self, train: Sequence[Case], select: Sequence[Case]) -> None:
        """Refuse a budget that does not pay for the start, the reference and the confirmation.

        Args:
            train: the cases that the start and the reference model are measured on first.
            select: the cases that the start is measured on next.

        Raises:
            PexError: it says how much is needed.
        """
        old, needed = self._question.reference, self.needed_usd(train, select)
        if needed > self._budget.cap_usd:
            also = "" if old is None else f", asking '{old.model}'"
            raise PexError(
                f"the budget of ${self._budget.cap_usd:g} does not pay for measuring the start"
                f"{also} and confirming one proposal: about ${needed:.3g} is needed",
                hint=f"give more, for example budget_usd={_rounded_up(3 * needed):g}",
            )

    def can_confirm(self, prompt: Prompt) -> bool:
        """Whether what is left pays for the confirmation of this prompt too; sets it aside."""
        if not self.reserved_usd:
            return True
        before = self.reserved_usd
        if self.reserve(prompt) <= self._budget.left_usd(self._database):
            return True
        self.reserved_usd = before
        return False

    def confirming(self, part: Sequence[Case] | None = None) -> None:
        """End the search: from here on, what was set aside may be spent.

        Args:
            part: the cases that are confirmed now, of whose cost nothing stays set aside; None:
                everything is.
        """
        self._searching = False
        if part is not None:
            self.reserved_usd *= 1 - len(part) / max(len(self._confirm), len(part))
            there = {case.id for case in part}
            self._confirm = [case for case in self._confirm if case.id not in there]

    def searching(self) -> None:
        """Search again, without what was set aside."""
        self._searching = True

    def settled(self) -> None:
        """Set nothing aside any more: everything is confirmed."""
        self.reserved_usd = 0.0

    def measure(self, prompts: Sequence[Prompt], cases: Sequence[Case]) -> list[Measured]:
        """As `Measurer.measure`; what was measured before is not run again."""
        missing: dict[tuple[str, ...], list[Prompt]] = {}
        for prompt in {prompt.digest: prompt for prompt in prompts}.values():
            known = self._frames.get(prompt.digest)
            there = set() if known is None else set(known["case_id"])
            lacking = tuple(case.id for case in cases if case.id not in there)
            if lacking:
                missing.setdefault(lacking, []).append(prompt)
        for ids, group in missing.items():
            wanted = set(ids)
            variants = [self._variant(prompt) for prompt in group]
            self._run(variants, [case for case in cases if case.id in wanted])
        return [self._measured(prompt, cases) for prompt in prompts]

    def known(self, prompt: Prompt, cases: Sequence[Case]) -> Measured | None:
        """As `Measurer.known`."""
        frame = self._frames.get(prompt.digest)
        if frame is None or not {case.id for case in cases} <= set(frame["case_id"]):
            return None
        return self._measured(prompt, cases)

    def ask(
        self, prompt: Prompt, rows: Sequence[Mapping[str, Any]], times: int = 1
    ) -> list[list[Reply]]:
        """As `Workbench.ask`."""
        replies = ask_model(
            prompt,
            rows,
            self._question.writer,
            name=self._question.name,
            times=times,
            budget_usd=self._cap(),
        )
        if any(len(found) < times for found in replies):
            raise BudgetSpent
        return replies

    def reference(self, cases: Sequence[Case]) -> Measured | None:
        """As `Measurer.reference`; what was asked before is not asked again."""
        old = self._question.reference
        if old is None:
            return None
        there = set(self._frames[old.name]["case_id"]) if old.name in self._frames else set()
        lacking = [case for case in cases if case.id not in there]
        if lacking:
            self._run([old], lacking)
        rows = self._frames[old.name]
        rows = rows[rows["case_id"].isin([case.id for case in cases])].reset_index(drop=True)
        return Measured(old.prompt, rows, scores_of(rows, self._question.metric))

    def _run(self, variants: Sequence[Variant], cases: Sequence[Case]) -> None:
        import pandas as pd

        exp = self._question.experiment.drafted(variants, cases, name=self._question.name)
        self._check_judge(exp.score_names)
        execution, _ = exp.prepare(record=False, journal="reuse", budget_usd=self._cap())
        self.before_calls(cases)  # nothing refuses the run any more
        results = execution.start().wait()
        self.uncalibrated = list(results.about.uncalibrated)
        complete = len(cases) * exp.repeats
        for digest, rows in results.frame.groupby("variant", sort=False):
            if len(rows) < complete or (results.status == "budget" and self._unjudged(rows)):
                continue
            before = self._frames.get(str(digest))
            self._frames[str(digest)] = (
                rows if before is None else pd.concat([before, rows], ignore_index=True)
            )
        if results.status == "budget":
            raise BudgetSpent

    def _unjudged(self, rows: pd.DataFrame) -> bool:
        """Whether an answer has no score, as where the budget ended before its judge was asked."""
        examples = rows["remarks"].map(lambda words: EXAMPLE in (words or ()))
        answered = rows[rows["error"].isna() & ~examples]
        try:
            column = metric_of(rows, self._question.metric).column
        except PexError:  # no answer at all was judged
            return bool(len(answered))
        return bool(answered[column].isna().any())

    def _check_judge(self, names: Sequence[str]) -> None:
        metric = self._question.metric
        judges = {judge.name for judge in self._question.experiment.judges}
        if metric.split(".")[0] in judges and metric.split(".")[0] not in names:
            raise PexError(
                f"'{metric}' compares two answers: it cannot score a proposal by itself",
                hint="improve by a score of single answers, with metric=…",
            )

    def _measured(self, prompt: Prompt, cases: Sequence[Case]) -> Measured:
        wanted = [case.id for case in cases]
        rows = self._frames[prompt.digest]
        rows = rows[rows["case_id"].isin(wanted)].reset_index(drop=True)
        return Measured(prompt, rows, scores_of(rows, self._question.metric))

    def _variant(self, prompt: Prompt) -> Variant:
        start = self._question.start
        return Variant(prompt, start.via or start.model, start.params, name=prompt.digest)

    def affords(self, prompts: Sequence[Prompt], cases: Sequence[Case]) -> bool:
        """As `Measurer.affords`."""
        likely = sum(self._likely_usd(prompt, cases, again=False) for prompt in prompts)
        return not likely or likely <= self._cap().left_usd(self._database)

    def _cap(self) -> SharedBudget:
        if not self._searching:
            return self._budget
        return self._budget.less(self.reserved_usd)

    def _likely_usd(self, prompt: Prompt, cases: Sequence[Case], *, again: bool) -> float:
        """What measuring a prompt will likely cost; with `again` even if it was measured before."""
        start = self._question.start
        name = prompt.digest if prompt.digest in self._frames else start.name
        variant = Variant(prompt, start.via or start.model, start.params, name=name)
        return self._price(variant, cases, again=again)

    def _price(self, variant: Variant, cases: Sequence[Case], *, again: bool) -> float:
        """What a variant will likely cost, judged by its earlier answers if there are any."""
        name = self._question.name if variant.name in self._frames else None
        drafted = self._question.experiment.drafted([variant], cases, name=name)
        preview = drafted.preview(journal="off" if again else "reuse")
        if preview.cost_usd is None or preview.at_most_usd is None:
            return 0.0  # a model without a price: the first run refuses it
        return min(RESERVE * preview.cost_usd, preview.at_most_usd)


def scores_of(frame: pd.DataFrame, metric: str) -> dict[str, float]:
    """The mean of a metric over the repeats of each case, turned so that more is better.

    Args:
        frame: rows of one prompt; those that ended in an error are left out.
        metric: a score, or cost or time.

    Raises:
        PexError: no scorer gave this score.
    """
    found = metric_of(frame, metric)
    values = frame[found.column].astype("float64").where(frame["error"].isna())
    means = values.groupby(frame["case_id"], sort=False).mean()
    sign = 1.0 if found.higher_is_better else -1.0
    return {str(case): sign * float(mean) for case, mean in means.items() if not math.isnan(mean)}


def error_share(frame: pd.DataFrame) -> float:
    """The share of calls that ended in an error."""
    return float(frame["error"].notna().mean()) if len(frame) else 0.0


def _rounded_up(usd: float) -> float:
    unit = 10.0 ** (math.floor(math.log10(usd)) - 1)
    return float(f"{math.ceil(usd / unit) * unit:.3g}")
