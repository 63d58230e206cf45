"""The environment variables that a batch passes to its jobs: both written and read here."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping

from pex.core.errors import PexError

_BATCH_ID = "PEX_BATCH_ID"
_JOB_ID = "PEX_JOB_ID"
_PLAN = "PEX_PLAN"
_PLAN_FOLDER = "PEX_PLAN_FOLDER"
_JOURNAL = "PEX_JOURNAL"
_TAGS = "PEX_TAGS"
_BUDGET_USD = "PEX_BATCH_BUDGET_USD"
_REPEATS_TIMES = "PEX_REPEATS_TIMES"

VARIABLES = (
    _BATCH_ID, _JOB_ID, _PLAN, _PLAN_FOLDER, _JOURNAL, _TAGS, _BUDGET_USD, _REPEATS_TIMES,
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class BatchContext:
    """The batch that a process belongs to; empty outside a batch.

    `plan_folder` is relative to the project if it is inside; `journal` is the journal mode of its
    runs; `tags` are set on its runs in MLflow; `budget_usd` covers all runs of the batch together;
    `repeats_times` multiplies how often each case is run.

    Example:
        >>> context = BatchContext("2026-11-26", "compare", plan="nightly", budget_usd=1.5)
        >>> context.scope
        'nightly/2026-11-26'
        >>> BatchContext.from_environ(context.to_environ()) == context
        True
    """

    batch_id: str | None = None
    job_id: str | None = None
    plan: str | None = None
    plan_folder: str | None = None
    journal: str | None = None
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)
    budget_usd: float | None = None
    repeats_times: int = 1

    @property
    def scope(self) -> str | None:
        """The name of the batch in the journal: the plan and the batch id.

        Schedulers use the date as batch id, and a project can have several plans on one date: they
        share neither answers nor a budget.
        """
        if self.batch_id and self.plan:
            return f"{self.plan}/{self.batch_id}"
        return self.batch_id

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> BatchContext:
        """The batch context of this process.

        Args:
            environ: default: the process's own environment.

        Raises:
            PexError: a variable has a value that is not valid.
        """
        environ = os.environ if environ is None else environ
        return cls(
            batch_id=environ.get(_BATCH_ID) or None,
            job_id=environ.get(_JOB_ID) or None,
            plan=environ.get(_PLAN) or None,
            plan_folder=environ.get(_PLAN_FOLDER) or None,
            journal=environ.get(_JOURNAL) or None,
            tags=_read_tags(environ.get(_TAGS) or "{}"),
            budget_usd=_read_budget(environ.get(_BUDGET_USD, "")),
            repeats_times=_read_times(environ.get(_REPEATS_TIMES) or "1"),
        )

    def to_environ(self) -> dict[str, str]:
        """The variables that pass this context to another process; without unset fields."""
        texts = {
            _BATCH_ID: self.batch_id,
            _JOB_ID: self.job_id,
            _PLAN: self.plan,
            _PLAN_FOLDER: self.plan_folder,
            _JOURNAL: self.journal,
            _TAGS: json.dumps(dict(self.tags)),
            _BUDGET_USD: None if self.budget_usd is None else repr(self.budget_usd),
            _REPEATS_TIMES: str(self.repeats_times),
        }
        return {name: text for name, text in texts.items() if text is not None}


def _read_tags(text: str) -> dict[str, str]:
    try:
        tags = json.loads(text)
    except ValueError:
        tags = None
    if not isinstance(tags, dict):
        raise PexError(f"the environment variable {_TAGS}: expected a JSON object")
    return tags


def _read_budget(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise PexError(f"the environment variable {_BUDGET_USD}: expected an amount in USD")
    return value


def _read_times(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise PexError(
            f"the environment variable {_REPEATS_TIMES}: expected a whole number of at least 1"
        )
    return int(text)
