"""Deployed traces from MLflow, as figures; what was read once is not read again.

What is known is kept in a small sqlite file, without texts. A look compares the store with it:
from a database it learns of everything that changed (new traces, those that came late, that ended,
were judged or deleted) and reads only that. A tracking server is asked for the traces since a day
before the newest known one, which is said in the remarks.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from pex.core.errors import PexError, nearest
from pex.guard.redact import redact
from pex.monitoring.api_traces import ApiTraces, mark_of
from pex.monitoring.columns import tells_language, user_digest
from pex.monitoring.fetch_texts import TraceTexts, fetch_texts
from pex.monitoring.frames import frames, frames_of
from pex.monitoring.kept_traces import Blocks, KeptTraces
from pex.monitoring.spec import Source
from pex.monitoring.sql_traces import IDS, Block, SqlTraces, is_sql
from pex.monitoring.trace_row import RawTrace, Rows
from pex.monitoring.traces import Traces
from pex.project.settings import Settings

if TYPE_CHECKING:
    from mlflow.entities import TraceInfo

__all__ = ["TraceTexts", "fetch_texts", "read_traces", "user_digest"]

AGAIN_MS = 24 * 3600 * 1000
"""How far before the newest known trace a tracking server is asked again."""
_UNFINISHED_MS = 7 * AGAIN_MS
"""How old an unfinished trace is that a server is still asked for."""


@dataclasses.dataclass(slots=True)
class Look:
    """One look at a store.

    Args:
        source: which traces.
        kept: what is known of them.
        rows: makes rows of traces.
        on_page: called with each page that was read.
        new: how many traces were new.
        remarks: what was odd, in sentences.
    """

    source: Source
    kept: KeptTraces
    rows: Rows
    on_page: Callable[[Traces], None] | None
    new: int = 0
    remarks: list[str] = dataclasses.field(default_factory=list)

    def put(
        self, raws: Sequence[RawTrace], matching: Collection[str] | None, known: set[str]
    ) -> None:
        """Keep a page."""
        rows, opinions = [], []
        for raw in raws:
            row, odd = self.rows.row(raw)
            fits = self.source.prompt is None or row["prompt"] == self.source.prompt
            fits = fits and (matching is None or raw.trace_id in matching)
            self.new += fits and raw.trace_id not in known
            rows.append(row | {"mark": raw.mark, "odd": " ".join(odd), "kept": int(fits)})
            opinions += raw.opinions
        self.kept.put(rows, opinions)
        if self.on_page is not None:
            fitting = {row["trace_id"]: row for row in rows if row["kept"]}
            own = [item for item in opinions if item["trace_id"] in fitting]
            page = frames_of(list(fitting.values()), own)
            self.on_page(dataclasses.replace(page, new=self.new))


def read_traces(
    uri: str,
    source: Source,
    state: Path,
    *,
    first: datetime.datetime | None = None,
    last: datetime.datetime | None = None,
    on_page: Callable[[Traces], None] | None = None,
    settings: Settings | None = None,
) -> Traces:
    """The traces of a source: the known ones, and what is new in MLflow.

    Args:
        uri: MLflow's store: a database or a tracking server.
        source: which traces.
        state: the folder for what is kept between two looks, such as `.pex/monitor`. Each source
            has a file of its own there; without it everything is read again.
        first: only traces that started at this moment or later; the others are kept all the same.
        last: only traces that started before this moment.
        on_page: called with each page that was read, at most 500 traces.
        settings: the project's, for its prices where MLflow has no cost.

    Raises:
        PexError: there is no such experiment, MLflow does not take the filter, or the store does
            not answer. What was read until then is kept, and the next look goes on from there.
    """
    with looked(uri, source, state, on_page=on_page, settings=settings) as look:
        kept, limits = look.kept, (milliseconds(first), milliseconds(last))
        found = frames(kept.traces(*limits), kept.opinions(*limits))
        odd = _oddities(kept.oddities(*limits, int((time.time() + 300) * 1000)))
    if not tells_language():
        odd.append("no language is told: the package py3langid is not installed")
    return dataclasses.replace(found, new=look.new, remarks=(*look.remarks, *odd))


@contextlib.contextmanager
def looked(
    uri: str,
    source: Source,
    state: Path,
    *,
    on_page: Callable[[Traces], None] | None = None,
    settings: Settings | None = None,
) -> Iterator[Look]:
    """A look at the store: its `kept` is open as long as the block of `with` lasts.

    Args:
        uri: as for `read_traces`.
        source: as for `read_traces`.
        state: as for `read_traces`.
        on_page: as for `read_traces`.
        settings: as for `read_traces`.

    Raises:
        PexError: as for `read_traces`.
    """
    kept = KeptTraces(_file(uri, source, state))
    look = Look(source, kept, Rows(source.prompt, settings), on_page)
    try:
        try:
            look.remarks += _read(uri, look)
        except PexError as error:
            if look.new:
                hint = (
                    f"{_traces(look.new)} were read before that and are kept; look again to go on"
                )
                raise PexError(error.message, hint=hint) from None
            raise
        yield look
    except sqlite3.Error as error:
        raise PexError(f"what is kept in {state} cannot be used: {error}") from None
    finally:
        kept.close()


def _file(uri: str, source: Source, state: Path) -> Path:
    about = [redact(uri), sorted(source.experiments), source.filter, source.prompt]
    digest = hashlib.blake2b(orjson.dumps(about), digest_size=6).hexdigest()
    return Path(state) / f"traces-{digest}.sqlite"


def milliseconds(moment: datetime.datetime | None) -> int | None:
    """A moment as milliseconds since 1970; without a zone it is one of UTC."""
    if moment is None:
        return None
    return int(
        (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp() * 1000
    )


def _read(uri: str, look: Look) -> list[str]:
    if is_sql(uri):
        with SqlTraces(uri) as store:
            if store.is_current():
                known, now = look.kept.blocks(), dict[tuple[str, int | None], str]()
                for name, number in _chosen(look.source, store.experiments()):
                    now |= _from_sql(uri, store, name, number, look, known)
                if now != known:
                    look.kept.remember(now)
                return []
    api = ApiTraces(uri)
    for name, number in _chosen(look.source, api.experiments()):
        _from_api(api, name, number, look)
    return [
        "the store is not a database of this version of MLflow: changes of traces more than a day "
        "older than the newest one are not seen"
    ]


def _chosen(source: Source, there: Mapping[str, str]) -> list[tuple[str, str]]:
    for name in source.experiments:
        if name not in there:
            raise PexError(
                f"there is no MLflow experiment '{name}'", hint=nearest(name, there) or None
            )
    return [(name, there[name]) for name in dict.fromkeys(source.experiments)]


def _from_sql(
    uri: str, store: SqlTraces, name: str, number: str, look: Look, blocks: Blocks
) -> dict[tuple[str, int | None], str]:
    """Read what changed; returns the digests of the experiment's blocks."""
    api, digests = None, {}
    if look.source.filter:
        api = ApiTraces(uri)
        api.check_filter(number, look.source.filter)
    ends = [end for experiment, end in blocks if experiment == name and end is not None]
    for block in store.blocks(number, ends):
        digest = block.digest()
        if block.rows or block.until is None:  # else the next look joins it with the next block
            digests[name, block.until] = digest
        if digest != blocks.get((name, block.until)):
            _compare(block, store, name, number, look, api)
    return digests


def _compare(
    block: Block, store: SqlTraces, name: str, number: str, look: Look, api: ApiTraces | None
) -> None:
    """Read the traces of a block that changed, and forget those that are gone."""
    known, marks = look.kept.marks(name, block.after, block.until), block.marks()
    changed = [key for key, (_, mark) in marks.items() if known.get(key) != mark]
    for start in range(0, len(changed), IDS):
        page = changed[start : start + IDS]
        matching = None
        if api is not None and look.source.filter:
            matching = api.matching(
                number, look.source.filter, marks[page[0]][0], marks[page[-1]][0]
            )
        raws = store.details(name, page)
        for raw in raws:
            raw.mark = marks[raw.trace_id][1]
        raws.sort(key=lambda raw: raw.started_ms)
        look.put(raws, matching, set(known))
    look.kept.drop(known.keys() - marks.keys())


def _from_api(api: ApiTraces, name: str, number: str, look: Look) -> None:
    if look.source.filter:
        api.check_filter(number, look.source.filter)
    now = int(time.time() * 1000)
    latest = look.kept.latest(name, now)
    since = None if latest is None else latest - AGAIN_MS
    unfinished = look.kept.unfinished_since(name, now - _UNFINISHED_MS)
    if since is not None and unfinished is not None:
        since = min(since, unfinished)
    known = look.kept.marks(name, None if since is None else since - 1, None)
    there: set[str] = set()
    for page in api.pages(number, look.source.filter, since):
        there |= {info.trace_id for info in page}
        changed: list[TraceInfo] = [i for i in page if known.get(i.trace_id) != mark_of(i)]
        if changed:
            look.put(api.details(name, changed), None, set(known))
    look.kept.drop(known.keys() - there)


def _oddities(counts: Mapping[str, int]) -> list[str]:
    return [f"{_traces(counts[word])} {text}" for word, text in _ODD.items() if counts.get(word)]


_ODD = {
    "future": "with a start in the future: a clock is wrong",
    "bare": "without spans: only what MLflow's summary says is known of them",
    "broken": "with spans that cannot be read",
    "endless": "without an end",
    "modelless": "without a model",
    "tokenless": "without a count of tokens",
}


def _traces(count: int) -> str:
    return "1 trace" if count == 1 else f"{count:,} traces"
