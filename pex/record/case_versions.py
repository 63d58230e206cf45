"""The versions of an experiment's cases: what changed from one recorded run to the next.

A version begins with a run on other cases than the run before, and is read from the cases that
each run keeps. Runs on a part of the cases (`--limit`) and runs that were tried in a Playground
or a cell are none.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.case import Case
from pex.core.cases import load_cases
from pex.core.errors import PexError
from pex.core.safe_text import clean
from pex.record.criteria import iso_time
from pex.record.files import CASES
from pex.record.search import CASES_SHA256, GENERATED_SHARE, MOST, PART, is_scratch
from pex.tracking.store import connect, errors_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CHANGED = "pex.cases_changed"
"""The tag of a run, and the start of one of the dataset: what changed against the last version."""
_IDS = 10
"""Ids that a sentence names of each kind."""
_TAG_LENGTH = 5000


@dataclasses.dataclass(frozen=True, slots=True)
class CasesChange:
    """What changed between two versions: ids of cases.

    Args:
        added: those that are new.
        removed: those that are gone.
        changed: those that changed, with what: `inputs`, `expected`, `group`, `tags`.
        accepted: generated ones that are accepted now and were not before; also new ones.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    accepted: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The change in words, with at most ten ids of each kind.

        Example:
            >>> CasesChange(("c7", "c8"), (), {"c1": ("expected",)}, ("c8",)).sentence
            '2 added (c7, c8); 1 changed (c1: expected); 1 generated case newly accepted (c8)'
        """
        changed = [f"{key}: {', '.join(parts)}" for key, parts in self.changed.items()]
        cases = "case" if len(self.accepted) == 1 else "cases"
        kinds = [
            ("added", self.added),
            ("removed", self.removed),
            ("changed", changed),
            (f"generated {cases} newly accepted", self.accepted),
        ]
        said = [f"{len(ids):,} {kind} ({_listed(ids)})" for kind, ids in kinds if ids]
        return "; ".join(said) or "nothing changed"

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.accepted)


def change_between(before: Sequence[Case], now: Sequence[Case]) -> CasesChange:
    """What changed from some cases to others, by their ids.

    Without a column of ids, a case's id comes from its inputs: other inputs are another case.

    Example:
        >>> change_between([Case("1", {"q": "a"}, "x")], [Case("1", {"q": "a"}, "y")]).changed
        {'1': ('expected',)}
    """
    earlier = {case.id: case for case in before}
    there = {case.id for case in now}
    changed = {}
    for case in now:
        other = earlier.get(case.id)
        if other is None:
            continue
        parts = tuple(name for name in _PARTS if getattr(case, name) != getattr(other, name))
        if parts:
            changed[case.id] = parts
    accepted = (
        case.id
        for case in now
        if case.provenance is not None
        and case.provenance.generated
        and case.accepted
        and not (case.id in earlier and earlier[case.id].accepted)
    )
    return CasesChange(
        tuple(case.id for case in now if case.id not in earlier),
        tuple(key for key in earlier if key not in there),
        changed,
        tuple(accepted),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class CasesVersion:
    """One version of an experiment's cases.

    Args:
        number: 1 for the first recorded one.
        started_at: when its first run began, in UTC.
        run_id: that run.
        runs: how many runs in a row were on it.
        cases: how many cases it has, also those left out of verdicts.
        generated: the share of the cases that count which a model wrote.
        waiting: generated cases that nobody has accepted.
        change: what changed against the version before; None for the first one, and where a run's
            file of cases is gone.
    """

    number: int
    started_at: str
    run_id: str
    runs: int
    cases: int
    generated: float
    waiting: int
    change: CasesChange | None

    @property
    def line(self) -> str:
        """The version in a line."""
        cases = "case" if self.cases == 1 else "cases"
        parts = [f"{self.cases:,} {cases}"]
        if self.generated:
            share = 100 * self.generated
            parts.append(f"{'<1' if share < 1 else format(share, '.0f')} % generated")
        if self.waiting:
            parts.append(f"{self.waiting:,} not accepted")
        if self.change is not None:
            said = self.change.sentence
        else:
            said = "the first recorded" if self.number == 1 else "what changed is not known"
        start = self.started_at[:16].replace("T", " ")
        return clean(f"{self.number}  {start}  run {self.run_id[:8]}  {', '.join(parts)}: {said}")

    def document(self) -> dict[str, Any]:
        """All of it as plain data, with all ids."""
        change = self.change
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "change": None
            if change is None
            else {
                "added": list(change.added),
                "removed": list(change.removed),
                "changed": {key: list(parts) for key, parts in change.changed.items()},
                "accepted": list(change.accepted),
            },
        }


_PLAIN = ("number", "started_at", "run_id", "runs", "cases", "generated", "waiting")


def versions(uri: str, experiment: str, limit: int = 20) -> list[CasesVersion]:
    """The last versions of an experiment's cases, the newest first.

    Args:
        uri: the store.
        experiment: its name.
        limit: how many at most.

    Raises:
        PexError: the store does not answer.
    """
    client = connect(uri)
    with errors_of(uri):
        groups: list[list[Run]] = []
        for run in reversed(list(_runs(client, experiment))):
            if not groups or _key(groups[-1][0]) != _key(run):
                groups.append([])
            groups[-1].append(run)
        shown = groups[-limit - 1 :] if limit < len(groups) else groups
        known = [_cases_of(client, group[0]) for group in shown]
    found = []
    first = len(groups) - len(shown) + 1
    for place, (group, cases) in enumerate(zip(shown, known, strict=True)):
        before = known[place - 1] if place else None
        run = group[0]
        used = [case for case in cases or () if case.accepted]
        generated = sum(case.provenance is not None and case.provenance.generated for case in used)
        found.append(
            CasesVersion(
                first + place,
                iso_time(run.info.start_time),
                str(run.info.run_id),
                len(group),
                len(cases) if cases is not None else _count(run),
                generated / len(used) if used else 0.0,
                len(cases or ()) - len(used),
                None if before is None or cases is None else change_between(before, cases),
            )
        )
    return found[::-1][:limit]


def note_change(uri: str, run_id: str, dataset_id: str | None) -> CasesChange | None:
    """Say in a run's tag, and in one of its dataset, what changed against the run before.

    Nothing is written if nothing changed, for a part of the cases, and for what was only tried.

    Args:
        uri: the store.
        run_id: a recorded run, with its file of cases.
        dataset_id: the dataset of its cases.

    Returns:
        The change; None if there is none.
    """
    client = connect(uri)
    run = client.get_run(run_id)
    if not _counts(run):
        return None
    before = next(_runs(client, run.data.tags["pex.experiment"], run), None)
    if before is None or _key(before) == _key(run):
        return None
    earlier, now = _cases_of(client, before), _cases_of(client, run)
    if earlier is None or now is None:
        return None
    change = change_between(earlier, now)
    if not change:
        return None
    client.set_tag(run_id, CHANGED, change.sentence[:_TAG_LENGTH])
    if dataset_id is not None:
        day = iso_time(run.info.start_time)[:10]
        name = f"{CHANGED}.{day}.{run_id[:8]}"
        client.set_dataset_tags(dataset_id, {name: change.sentence[:_TAG_LENGTH]})
    return change


def _runs(client: MlflowClient, experiment: str, before: Run | None = None) -> Iterator[Run]:
    """The runs of an experiment that count, the newest first; with `before`, those before it."""
    everywhere = [item.experiment_id for item in client.search_experiments()]
    query = f"tags.`pex.kind` = 'run' and tags.`pex.experiment` = '{_plain(experiment)}'"
    if before is not None:
        query += f" and attributes.start_time <= {before.info.start_time}"
    token = None
    while everywhere:
        page = client.search_runs(everywhere, query, max_results=MOST, page_token=token)
        for run in page:
            if _counts(run) and (before is None or run.info.run_id != before.info.run_id):
                yield run
        token = page.token
        if not token:
            return


def _plain(text: str) -> str:
    """A name without the character that would end it in a query."""
    return text.replace("'", "")


def _counts(run: Run) -> bool:
    tags = run.data.tags
    return not is_scratch(run) and PART not in tags and CASES_SHA256 in tags


def _key(run: Run) -> tuple[str, str]:
    """What differs between versions; the hash of the cases does not know who accepted them."""
    return run.data.tags[CASES_SHA256], run.data.tags.get(GENERATED_SHARE, "")


def _cases_of(client: MlflowClient, run: Run) -> list[Case] | None:
    """The cases that a run keeps; None if they are gone or cannot be read."""
    run_id = run.info.run_id
    if CASES not in {item.path for item in client.list_artifacts(run_id)}:
        return None
    with tempfile.TemporaryDirectory() as folder:
        try:
            return load_cases(Path(client.download_artifacts(run_id, CASES, folder)))
        except PexError:
            return None


def _count(run: Run) -> int:
    given: Any = run.data.params.get("cases", "")
    return int(given) if str(given).isdecimal() else 0


def _listed(ids: Sequence[str]) -> str:
    more = len(ids) - _IDS
    shown = ", ".join(str(key)[:80] for key in ids[:_IDS])
    return shown if more <= 0 else f"{shown} and {more:,} more"


_PARTS = ("inputs", "expected", "group", "tags")
