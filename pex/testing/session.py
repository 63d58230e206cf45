"""One run of pytest: where paths start, what may be spent, which answers may be reused.

The processes of pytest-xdist share a folder: in it are a lock, so that no answer is paid for by
two of them, and the sum of what they have spent.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.errors import BudgetError, PexError
from pex.core.extras import require
from pex.testing import active

if TYPE_CHECKING:
    from pex.experiment.experiment import Experiment
    from pex.results.results import Results


@dataclasses.dataclass(slots=True)
class Session:
    """A run of pytest, or, without pytest, a plain process.

    `root` is what relative paths start from; `budget_usd` caps all tests together; `fresh` gets new
    answers, once for all processes; `shared` is the folder that the processes have in common.
    """

    root: Path
    budget_usd: float | None = None
    fresh: bool = False
    shared: Path | None = None
    groups: dict[str, Any] = dataclasses.field(default_factory=dict)
    """The answers that tests share, by what was run; kept by `pex.testing.answered`."""
    verdicts: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """The comparisons of the test that is running, as plain data."""

    def path(self, given: str | Path) -> Path:
        """A path as a test names it: relative to pytest's root folder."""
        return self.root / given

    def run(self, experiment: Experiment, cases: Sequence[str] | None = None) -> Results:
        """Run an experiment without a record in MLflow, one process at a time.

        Raises:
            PexError: the extra `lab` is missing; no model was called.
            BudgetError: the budget of the tests is spent, and answers are missing.
        """
        require("lab", "pex.testing")
        with self._alone():
            spent = self._spent()
            left = None if self.budget_usd is None else max(0.0, self.budget_usd - spent)
            own = experiment.budget_usd
            caps = [cap for cap in (left, own) if cap is not None]
            with self._scope():
                results = experiment.run(
                    cases=cases,
                    budget_usd=None if left is None else min(caps),
                    journal="fresh" if self.fresh else None,
                    record=False,
                    show=False,
                )
            self._spend(spent + (results.about.spent_usd or 0.0))
        return results

    def over_budget(self, results: Results) -> BudgetError:
        """The error for what a run could not send."""
        counts = results.about.counts
        cap = self.budget_usd if self.budget_usd is not None else results.about.budget_usd
        return BudgetError(
            f"the budget of ${cap:g} ended the run of '{results.about.name}': {counts.answered} of "
            f"{counts.requests} requests were answered",
            hint="all answers are kept; raise it with --pex-budget USD",
        )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if self.shared is None:
            yield
            return
        from filelock import FileLock

        with FileLock(self.shared / "lock"):
            yield

    @contextlib.contextmanager
    def _scope(self) -> Iterator[None]:
        """With new answers wanted: those of this run of pytest are the new ones, in any process."""
        from pex.core.batch_context import BatchContext

        if not self.fresh or self.shared is None or BatchContext.from_environ().batch_id:
            yield
            return
        before = dict(os.environ)
        os.environ |= BatchContext(batch_id=self.shared.name, journal="fresh").to_environ()
        try:
            yield
        finally:
            for name in os.environ.keys() - before.keys():
                del os.environ[name]

    def spent_usd(self) -> float:
        """What the tests have spent so far, in all processes."""
        with self._alone():
            return self._spent()

    def _spent(self) -> float:
        file = self._file()
        return float(json.loads(file.read_text("utf-8"))) if file and file.is_file() else 0.0

    def _spend(self, usd: float) -> None:
        if file := self._file():
            file.write_text(json.dumps(usd), encoding="utf-8")

    def _file(self) -> Path | None:
        return None if self.shared is None else self.shared / "spent.json"


def current() -> Session:
    """The session of the running pytest; without one, the current folder is the root."""
    made: Session = active.make() if active.make is not None else Session(Path.cwd())
    return made


def budget_of(text: str) -> float:
    """The value of `--pex-budget`.

    Raises:
        PexError: it is not an amount.

    Example:
        >>> budget_of("0.5")
        0.5
    """
    try:
        usd = float(text)
    except ValueError:
        usd = -1.0
    if not 0 <= usd < float("inf"):
        raise PexError(f"--pex-budget {text}: expected an amount in USD, such as 0.50")
    return usd
