"""A workbench without an endpoint: a target, a scorer and a writer that are plain functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from pex.core.cases import Case
from pex.core.prompt import Prompt
from pex.experiment.asking import Reply
from pex.improvement.proposal import BudgetSpent, Measured

Target = Callable[[str, Case], str]
"""(the prompt's text with its roles, the case) -> the answer."""
Scorer = Callable[[str, Case], tuple[float, str]]
"""(the answer, the case) -> (the score, the reason)."""
Writer = Callable[[str, int], str]
"""(what it is asked, the number of the call from 0) -> the reply."""


class MadeBench:
    """A workbench; `measured` and `asked` count the calls, `budget` is how many there may be."""

    def __init__(
        self,
        train: Sequence[Case],
        target: Target,
        scorer: Scorer,
        writer: Writer = lambda asked, number: "",
        *,
        metric: str = "right",
        budget: int | None = None,
        seed: int = 1,
        higher_is_better: bool = True,
    ) -> None:
        self.train = train
        self.metric = metric
        self.higher_is_better = higher_is_better
        self.seed = seed
        self.questions: list[str] = []
        self.batches: list[tuple[int, int]] = []
        """The prompts and cases of each call of `measure`."""
        self.old: Measured | None = None
        """What the reference model answers."""
        self.measured = 0
        self.asked = 0
        self._target = target
        self._scorer = scorer
        self._writer = writer
        self._budget = budget

    def measure(self, prompts: Sequence[Prompt], cases: Sequence[Case]) -> list[Measured]:
        self.batches.append((len(prompts), len(cases)))
        return [self._measure(prompt, cases) for prompt in prompts]

    def _measure(self, prompt: Prompt, cases: Sequence[Case]) -> Measured:
        rows, scores = [], {}
        for case in cases:
            self._spend()
            self.measured += 1
            output = self._target(prompt.text, case)
            score, reason = self._scorer(output, case)
            own = case.id in prompt.examples
            if not own:
                scores[case.id] = score if self.higher_is_better else -score
            rows.append(
                {
                    "variant": prompt.name,
                    "case_id": case.id,
                    "group": case.group,
                    "repeat": 0,
                    "output": output,
                    "error": None,
                    "expected": case.expected,
                    f"score.{self.metric}": float("nan") if own else score,
                    f"reason.{self.metric}": reason,
                    "remarks": ["example"] if own else [],
                    "from_journal": False,
                    "request_key": None,
                }
            )
        return Measured(prompt, pd.DataFrame(rows), scores)

    def ask(
        self, prompt: Prompt, rows: Sequence[Mapping[str, Any]], times: int = 1
    ) -> list[list[Reply]]:
        found: list[list[Reply]] = []
        for row in rows:
            asked = "\n\n".join(str(message["content"]) for message in prompt.render(row))
            self.questions.append(asked)
            replies = []
            for _ in range(times):
                self._spend()
                replies.append(Reply(self._writer(asked, self.asked)))
                self.asked += 1
            found.append(replies)
        return found

    def reference(self) -> Measured | None:
        return self.old

    def _spend(self) -> None:
        if self._budget is not None and self.measured + self.asked >= self._budget:
            raise BudgetSpent
