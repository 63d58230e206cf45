"""The Playground: prompts, models and cases by hand, side by side, in a notebook."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pex.core.cases import Source as Cases
from pex.core.errors import PexError, nearest
from pex.core.safe_text import clean
from pex.experiment.execution import Execution
from pex.experiment.experiment import Experiment
from pex.playground import drafting, saving, starting
from pex.playground.draft_files import key_of
from pex.playground.session import Session, session_of
from pex.results.results import Results


class Playground:
    """Edit prompts, run them on cases and watch the answers side by side.

    In a notebook, as the last line of a cell, it is a table: variants across, cases down, answers
    that stream in. Everything typed is kept in `.pex/drafts/` and is restored after a restart; runs
    go through the journal and the budget, and are recorded in MLflow.

    Args:
        experiment: what it starts from: an experiment, its file, its folder's name in
            `experiments/`, a prompt or several; or your own data: a CSV, TSV, JSONL, Parquet or
            Excel file, a DataFrame, or a list of dicts. None: one empty prompt.
        cases: a file or table of cases for prompts.
        columns: which column of your data is `id`, `expected`, `group` or `tags`; other keys are
            names of your own for columns: `{"text": "Text body"}`.
        name: of the draft, for one that several notebooks share; None: the notebook's cell has
            a draft of its own.
        record: whether runs are recorded in MLflow.

    Raises:
        PexError: there is no such experiment.

    Example:
        >>> play = Playground(record=False)
        >>> play
        Playground: 1 variant (draft) x 1 case
        >>> Playground([{"Text body": "It broke."}, {"Text body": "Thanks!"}], record=False)
        Playground: 1 variant (draft) x 2 cases
    """

    def __init__(
        self,
        experiment: starting.Source | None = None,
        *,
        cases: Cases | None = None,
        columns: Mapping[str, str] | None = None,
        name: str | None = None,
        record: bool = True,
    ) -> None:
        base = starting.given(experiment, cases, columns)
        key = key_of(name, base.name if base is not None else "")
        self._session: Session = session_of(key, base, record)

    def __repr__(self) -> str:
        draft = self._session.draft
        names = ", ".join(column.name for column in draft.columns)
        columns, cases = len(draft.columns), len(draft.entries)
        return clean(
            f"Playground: {columns} variant{'s' * (columns != 1)} ({names}) x "
            f"{cases} case{'s' * (cases != 1)}"
        )

    def _ipython_display_(self) -> None:
        from pex.widgets import in_notebook

        if in_notebook():
            from pex.playground.widget import PlaygroundView

            self._session.show(PlaygroundView)
        else:
            sys.stdout.write(f"{self!r}\n")

    @property
    def experiment(self) -> Experiment:
        """Variants and cases as an experiment.

        Raises:
            PexError: something in it is not valid; all problems are named.
        """
        return drafting.experiment_of(self._session.draft, self._session.base)

    @property
    def results(self) -> Results | None:
        """The results of the last run, None before the first one ends."""
        return self._session.runs.results

    def run(
        self, variants: Sequence[str] | None = None, cases: Sequence[str] | None = None
    ) -> Execution:
        """Run, as the buttons do, and return the handle at once: `.wait()`, `.cancel()`.

        Args:
            variants: names; None: all.
            cases: ids; None: all.

        Raises:
            PexError: no such variant or case, or nothing that can be run.
        """
        draft = self._session.draft
        columns = {column.name: column.id for column in draft.columns}
        entries = {draft.cases[entry.id].id: entry.id for entry in draft.entries}
        execution = self._session.run(
            _ids("variant", variants, columns), _ids("case", cases, entries), now=True
        )
        if execution is None:
            raise PexError("these answers are already running; wait for them, or stop()")
        return execution

    def stop(self) -> None:
        """Stop all runs now; answers that are there stay."""
        self._session.stop()

    def code(self) -> str:
        """The cell that makes the same experiment and runs it.

        Raises:
            PexError: something is not valid yet; all problems are named.
        """
        return self._session.code()

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write variants and cases as an `experiment.yaml`, with its files.

        Args:
            path: the YAML file.
            overwrite: replace files with different content.

        Raises:
            PexError: something is not valid yet, or a file would be lost.
        """
        draft, base = self._session.draft, self._session.base
        return saving.to_experiment(draft, base, str(path), overwrite)[0]


def _ids(what: str, names: Sequence[str] | None, known: dict[str, str]) -> list[str] | None:
    if names is None:
        return None
    for name in [names] if isinstance(names, str) else names:
        if name not in known:
            raise PexError(f"there is no {what} '{name}'", hint=nearest(name, known))
    return [known[name] for name in ([names] if isinstance(names, str) else names)]
