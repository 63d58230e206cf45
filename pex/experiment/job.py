"""The work of an execution, and its progress."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.cases.edits import Edits
from pex.core.call import Answer, Request
from pex.core.cases import Case
from pex.core.variant import Variant
from pex.experiment.criteria import Criteria
from pex.run.channel import Channel
from pex.run.journal import Journal, Run
from pex.run.simulated_user import SimulatedUser
from pex.score.base import Scorer
from pex.score.judge.asking import JudgePanel
from pex.tools.toolbox import Toolbox


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """Everything that an execution needs, resolved: plain data, open endpoints, the journal.

    `found` are the answers, by key, already in the journal; `panel` are the judges, None
    if there are none; `state` is the project's folder for unrecorded runs; `edits` are those of
    the file of cases, None if it has none; `scorer_items` are the scorers as a user can write
    them, None if they depend on files or this process; `criteria` are what the run is measured by.
    """

    name: str
    purpose: str
    variants: Sequence[Variant]
    cases: Sequence[Case]
    scorers: Sequence[Scorer]
    panel: JudgePanel | None
    repeats: int
    requests: Sequence[Request]
    channels: Mapping[str, Channel]
    journal: Journal
    run: Run
    found: Mapping[str, Answer]
    budget_usd: float
    batch_budget_usd: float | None
    stream: bool
    provider_batch: bool
    note: str
    gate: Mapping[str, Any] | None
    traces: int | str
    state: Path
    files: Mapping[str, str]
    how_to: Sequence[str]
    criteria: Criteria
    max_error_share: float = 0.05
    edits: Edits | None = None
    scorer_items: Sequence[Any] | None = None
    warm_up: frozenset[str] = frozenset()
    """The variants of which one call goes first, so the others hit the provider's cache."""
    toolbox: Toolbox | None = None
    """What the model's calls of tools are answered with."""
    user: SimulatedUser | None = None
    """Who writes the turns after the first."""

    @property
    def score_names(self) -> list[str]:
        """The names of all scores, judges' scores last."""
        judges = self.panel.judges if self.panel is not None else ()
        return [*(scorer.name for scorer in self.scorers), *(judge.name for judge in judges)]


@dataclasses.dataclass(slots=True)
class Progress:
    """The progress of a run: total requests, answers and errors so far, seconds, USD.

    `replayed` counts the answers from the journal. `total` includes the questions to judges: their
    maximum number, until the answers exist and the number is known; `judged` of them have
    finished.
    """

    total: int
    answered: int = 0
    replayed: int = 0
    errors: int = 0
    judged: int = 0
    elapsed_s: float = 0.0
    spent_usd: float = 0.0

    @property
    def done(self) -> int:
        """Answers, errors and judgements together."""
        return self.answered + self.errors + self.judged
