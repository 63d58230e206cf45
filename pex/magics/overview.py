"""The project at a glance: its experiments and last verdicts, spending, runs in progress."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from pex.core.attempt import attempt
from pex.core.batch_context import BatchContext
from pex.core.cases import load_cases
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.core.safe_text import clean
from pex.project.listing import experiment_files
from pex.project.settings import Settings, load_settings
from pex.project.spec import ExperimentSpec, load_spec
from pex.report.tables import cut, fragment
from pex.report.terminal import text_table
from pex.run.database import database_of
from pex.run.journal import running
from pex.run.ledger import Spending, spending, total

_STATUS = {"KILLED": "interrupted", "FAILED": "failed", "RUNNING": "running"}
_NEWEST = 500
_ORDER = ("better", "no worse", "worse", "undecided", "unchanged")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One experiment: its size, its last run and verdict.

    `problem` says why its file cannot be read.
    """

    name: str
    size: str
    last: str
    verdict: str
    problem: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Overview:
    """What `%pex` shows: a table in a notebook, the same as text elsewhere."""

    project: str
    rows: Sequence[Row]
    notes: Sequence[str]

    def __repr__(self) -> str:
        lines = [f"Project {self.project}"]
        if self.rows:
            lines.append(text_table([_cells(row) for row in self.rows], _HEAD))
        return clean("\n".join([*lines, *self.notes]))

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{title}</th>' for title in _HEAD)
        body = []
        for row in self.rows:
            name, *others = (escape(clean(cell)) for cell in _cells(row))
            cells = "".join(f"<td>{cell}</td>" for cell in others)
            body.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
        table = (
            f'<div class="pex-scroll"><table class="pex-table"><thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(body)}</tbody></table></div>"
            if body
            else ""
        )
        notes = "".join(f"<div>{escape(clean(note))}</div>" for note in self.notes)
        title = f"<div><strong>Project {escape(clean(self.project))}</strong></div>"
        return fragment(f'<div class="pex-project">{title}{table}{notes}</div>')


_HEAD = ("experiment", "variants × cases", "last run", "last verdict")


def project_overview(now: datetime.datetime | None = None) -> Overview:
    """The project of the current folder.

    Args:
        now: the time from which "today" is told; None: the current time.

    Raises:
        PexError: `pex.toml` cannot be read.
    """
    now = now or datetime.datetime.now()
    project = find_project()
    settings = load_settings(project)
    files = experiment_files(project)
    notes: list[str] = []
    named = [_name_of(path, name) for name, path in files.items()]
    runs, tried, why = _runs(project, settings, named)
    rows = [_row(name, path, runs, tried, now) for name, path in files.items()]
    rows += [
        Row(name, "in a notebook", *_last_run(run, now))
        for name, run in runs.items()
        if name not in named
    ]
    if not rows:
        notes.append(
            'No experiments yet: `pexlab init` creates one, exp.save("experiments/NAME/'
            'experiment.yaml") saves one from a notebook.'
        )
    if why:
        notes.append(why)
    try:
        notes += _spending_lines(project, settings, now)
    except PexError as error:
        notes.append(f"Spending is unknown: {error.message}")
    return Overview(project.name, rows, notes)


def when(at: datetime.datetime, now: datetime.datetime) -> str:
    """A time relative to now, for people.

    Example:
        >>> noon = datetime.datetime(2026, 3, 5, 12)
        >>> when(noon.replace(hour=9), noon), when(noon.replace(day=4), noon)
        ('today 09:00', 'yesterday 12:00')
        >>> when(noon.replace(day=2), noon), when(noon.replace(year=2025), noon)
        ('3 days ago', '2025-03-05')
    """
    days = (now.date() - at.date()).days
    if days <= 0:
        return f"today {at:%H:%M}"
    if days == 1:
        return f"yesterday {at:%H:%M}"
    return f"{days} days ago" if days < 14 else f"{at:%Y-%m-%d}"


def verdicts_text(verdicts: str) -> str:
    """The verdicts of a run's tag in words, the good ones first.

    Example:
        >>> verdicts_text("a: undecided; b: better; c: undecided")
        'better: b · undecided: a, c'
        >>> verdicts_text("a: better; a: undecided")
        'better: a (on 1 of 2 scores) · undecided: a (on 1 of 2 scores)'
        >>> verdicts_text("a (label): better; a (words): undecided")
        'better: a (on 1 of 2 scores) · undecided: a (on 1 of 2 scores)'
    """
    items = [item.rpartition(": ")[::2] for item in verdicts.split("; ") if ": " in item]
    pairs = [(re.sub(r" \([^()]*\)$", "", name), verdict) for name, verdict in items]
    scores = collections.Counter(name for name, _ in pairs)
    names_by_verdict: dict[str, collections.Counter[str]] = {}
    for name, verdict in pairs:
        names_by_verdict.setdefault(verdict, collections.Counter())[name] += 1
    parts = []
    for verdict in sorted(
        names_by_verdict, key=lambda v: (_ORDER.index(v) if v in _ORDER else 9, v)
    ):
        names = [
            name if times == scores[name] else f"{name} (on {times} of {scores[name]} scores)"
            for name, times in names_by_verdict[verdict].items()
        ]
        parts.append(f"{verdict}: {', '.join(names)}")
    return " · ".join(parts)


def _cells(row: Row) -> tuple[str, str, str, str]:
    return row.name, row.size, row.last, f"✗ {row.problem}" if row.problem else row.verdict


def _row(
    name: str,
    path: Path,
    runs: dict[str, dict[str, object]],
    tried: dict[str, datetime.datetime],
    now: datetime.datetime,
) -> Row:
    found = attempt(lambda: _spec_and_size(path))
    if isinstance(found, PexError):
        problem = str(found).replace(f"{path.parent}/", "").replace("\n ", ";")
        return Row(name, "–", "–", "", problem=cut(problem, 300))
    spec, cases = found
    last, verdict = _last_run(runs[spec.name], now) if spec.name in runs else ("never", "")
    variants = _variants(spec)
    if last == "never" and spec.name in tried:
        return Row(
            name, f"{variants} × {cases:,}", f"only tried, {when(tried[spec.name], now)}", ""
        )
    if last != "never" and not verdict:
        verdict = "one variant: nothing to compare" if variants == 1 else "no verdict"
    return Row(name, f"{variants} × {cases:,}", last, verdict)


def _spec_and_size(path: Path) -> tuple[ExperimentSpec, int]:
    spec = load_spec(path)
    return spec, len(load_cases(spec.cases.model_dump(), spec.columns, path.parent))


def _name_of(path: Path, folder: str) -> str:
    found = attempt(lambda: load_spec(path).name)
    return folder if isinstance(found, PexError) else found


def _variants(spec: ExperimentSpec) -> int:
    grid = len(spec.prompts) * max(1, len(spec.models)) * max(1, len(spec.params))
    return len(spec.variants) or grid


def _last_run(run: dict[str, object], now: datetime.datetime) -> tuple[str, str]:
    at = datetime.datetime.fromtimestamp(float(str(run["started_at"])))
    status = _STATUS.get(str(run["status"]), "")
    verdict = verdicts_text(str(run["verdicts"]))
    verdict += f" (compared with {run['baseline']})" if verdict and run["baseline"] else ""
    return when(at, now) + (f", {status}" if status else ""), verdict


def _runs(
    project: Path, settings: Settings, names: Sequence[str]
) -> tuple[dict[str, dict[str, object]], dict[str, datetime.datetime], str]:
    """The newest run of each experiment, when each was last tried, or why that is unknown."""
    from pex.record import run_names, search
    from pex.tracking import store

    try:
        uri = store.tracking_uri(project, settings)
        if store.local_folder(uri) and not Path(uri.removeprefix("sqlite:///")).exists():
            return {}, {}, ""
        runs = search.newest(uri, names)
        tried: dict[str, datetime.datetime] = {}
        if set(names) - set(runs):  # those tried in a Playground or a cell are no measurement
            for run in run_names.recorded_runs(uri, limit=_NEWEST):
                tried.setdefault(run.experiment, run.started_at.replace(tzinfo=None))
        return runs, tried, ""
    except PexError as error:
        return {}, {}, f"Last runs are unknown: {error.message}"


def _spending_lines(project: Path, settings: Settings, now: datetime.datetime) -> list[str]:
    database = database_of(project / settings.journal.path, settings)
    days = spending(database, "day")
    today = total([item for item in days if item.name == f"{now:%Y-%m-%d}"])
    month = total([item for item in days if item.name.startswith(f"{now:%Y-%m}")])
    cap = f"Cap: ${settings.budget.usd_per_run:,.2f} per run"
    whole = BatchContext.from_environ().budget_usd
    cap += f", ${whole:,.2f} for this batch." if whole is not None else "."
    lines = [f"Spent today {_usd(today)}, this month {_usd(month)}. {cap}"]
    going = [
        f"{name} since {datetime.datetime.fromtimestamp(begun):%H:%M} ({calls:,} calls so far)"
        for name, begun, calls in running(database)
    ]
    return [*lines, f"Running: {', '.join(going)}." if going else "No runs in progress."]


def _usd(spent: Spending) -> str:
    unsure = f", possibly ${spent.unsure_usd:.2f} more" if spent.unsure_usd else ""
    amount = f"${spent.usd:,.2f}" if spent.usd >= 0.01 or not spent.usd else "less than $0.01"
    return f"{amount} ({spent.calls:,} {'call' if spent.calls == 1 else 'calls'}{unsure})"
