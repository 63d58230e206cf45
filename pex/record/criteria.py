"""When the criteria of an experiment were decided, from the tags of its recorded runs."""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pex.core.about import CriteriaChange, CriteriaInfo
from pex.core.canonical_json import json_text
from pex.record.search import MOST, is_scratch, numbers_of
from pex.tracking.store import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PARTS = "pex.criteria"
"""The tag of a run with a digest of each requirement and scorer, and of the gate, as JSON."""
SHA256 = "pex.criteria_sha256"
_LONGEST = 5000


class EarlierRun(NamedTuple):
    """A recorded run: its start (ISO, UTC), and its criteria; None if they are not known."""

    run_id: str
    at: str
    parts: Mapping[str, Any] | None
    sha256: str


def iso_time(milliseconds: int) -> str:
    """A time of MLflow's, in UTC.

    Example:
        >>> iso_time(1_767_323_045_678)
        '2026-01-02T03:04:05+00:00'
    """
    at = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    return at.isoformat(timespec="seconds")


def tags_of(parts: Mapping[str, Any], sha256: str) -> dict[str, str]:
    """The tags of a run with these criteria."""
    text = json_text(dict(parts))
    return {SHA256: sha256} | ({PARTS: text} if len(text) <= _LONGEST else {})


def earlier_runs(uri: str, experiment: str, without: str | None = None) -> list[EarlierRun]:
    """The recorded runs of an experiment, the oldest first, without those that were only tried.

    Args:
        uri: the store.
        experiment: the experiment's name.
        without: a run that does not count, because it is being continued.
    """
    client = connect(uri)
    query = f"tags.`pex.kind` = 'run' and tags.`pex.experiment` = '{experiment}'"
    found = [run for run in _pages(client, query, "ASC") if run.info.run_id != without]
    return [_earlier(run) for run in found if not is_scratch(run)]


def decided(
    earlier: Sequence[EarlierRun], parts: Mapping[str, Any], sha256: str, at: str
) -> CriteriaInfo:
    """When the criteria of a new run were decided, and what was changed after the first run.

    Args:
        earlier: the runs before it, the oldest first.
        parts: the criteria of the new run.
        sha256: their hash.
        at: the start of the new run.

    Example:
        >>> one = {"requirements": {"R1": "aa"}, "scorers": {}, "gate": None}
        >>> two = {"requirements": {"R1": "bb", "R2": "cc"}, "scorers": {}, "gate": None}
        >>> before = [EarlierRun("a", "2026-01-01", one, "1"), EarlierRun("b", "2026-01-02", one, "1")]
        >>> found = decided(before, two, "2", "2026-01-03")
        >>> found.decided_at, found.after_runs
        ('2026-01-03', 2)
        >>> [(change.what, change.how) for change in found.changes]
        [('R1', 'changed'), ('R2', 'added')]
    """  # noqa: E501 - the example is one line
    runs = [*earlier, EarlierRun("", at, parts, sha256)]
    changes: list[CriteriaChange] = []
    for number, (old, new) in enumerate(itertools.pairwise(runs), 1):
        for what, how in _differences(old.parts, new.parts):
            changes.append(CriteriaChange(what, how, new.at, number))
    first = len(runs) - 1
    while first and runs[first - 1].sha256 == sha256:
        first -= 1
    return CriteriaInfo(runs[first].at, first, changes)


def failed_scores(
    uri: str, experiment: str, definitions: Mapping[str, str], runs: Sequence[EarlierRun]
) -> set[str]:
    """The scores that failed an answer in an earlier run, with the same scorer.

    Args:
        uri: the store.
        experiment: the experiment's name.
        definitions: by score, the digest of its scorer in the criteria.
        runs: the earlier runs.
    """
    same = {
        run.run_id: [
            score
            for score, value in definitions.items()
            if ((run.parts or {}).get("scorers") or {}).get(score) == value
        ]
        for run in runs
    }
    query = f"tags.`pex.kind` = 'variant' and tags.`pex.experiment` = '{experiment}'"
    found: set[str] = set()
    asked = {score for scores in same.values() for score in scores}
    for child in _pages(connect(uri), query, "DESC") if asked else ():
        if found >= asked:  # the newest runs often say it all
            break
        known = same.get(child.data.tags.get("mlflow.parentRunId", ""), [])
        numbers = numbers_of(child)
        found |= {score for score in known if _has_failed(score, numbers)}
    return found


def _has_failed(score: str, numbers: Mapping[str, float]) -> bool:
    parts = [
        value
        for name, value in numbers.items()
        if name == score or (name.startswith(f"{score}.") and f"{name}.n" in numbers)
    ]
    return any(value < 1 for value in parts)


def _differences(
    old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> list[tuple[str, str]]:
    """What differs between two runs' criteria; of runs by older versions, nothing is known."""
    if new is None:
        return []
    found: list[tuple[str, str]] = []
    for kind, prefix in (("requirements", ""), ("scorers", "scorer ")):
        before, after = (old or {}).get(kind) or {}, new.get(kind) or {}
        if old is None and kind == "scorers":
            continue
        names: Collection[str] = dict.fromkeys([*before, *after])
        for name in names:
            how = _how(before.get(name), after.get(name))
            if how:
                found.append((f"{prefix}{name}", how))
    if old is not None and (how := _how(old.get("gate"), new.get("gate"))):
        found.append(("gate", how))
    return found


def _how(before: Any, after: Any) -> str:
    if before == after:
        return ""
    return "added" if before is None else "removed" if after is None else "changed"


def _earlier(run: Run) -> EarlierRun:
    try:
        parts = json.loads(run.data.tags.get(PARTS, "null"))
    except ValueError:  # somebody else's tag, or one that was cut
        parts = None
    sha256 = run.data.tags.get(SHA256, "")
    known = parts if isinstance(parts, dict) else None
    return EarlierRun(run.info.run_id, iso_time(run.info.start_time), known, sha256)


def _pages(client: MlflowClient, query: str, order: str) -> Iterator[Run]:
    """The runs of a query, a page at a time: ASC is the oldest first, DESC the newest."""
    everywhere = [item.experiment_id for item in client.search_experiments()]
    token = None
    while everywhere:
        page = client.search_runs(
            everywhere, query, max_results=MOST, order_by=[f"attributes.start_time {order}"],
            page_token=token,
        )  # fmt: skip
        yield from page
        token = page.token
        if not token:
            break
