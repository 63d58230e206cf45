"""Bodies and streams with one odd place: each is an answer or a named error, written and shown."""

import asyncio
import dataclasses
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from pex.core.call import Answer, Request
from pex.core.cases import Case
from pex.core.errors import JournalError
from pex.core.prompt import Prompt
from pex.core.variant import Variant
from pex.record.files import storable
from pex.run.database import SqliteDatabase
from pex.run.errors import FATAL, TRANSIENT, CallError
from pex.run.journal import Journal, Run
from pex.run.journal_writer import Entry, Writer
from pex.run.prices import Price, Rates, cost
from pex.run.reading import read_answer
from pex.run.stream import Stream
from pex.score.frame import build_frame
from tests.helpers.odd import (
    GOOD,
    PIECES,
    VALUES,
    changed,
    deep,
    odd_bodies,
    odd_streams,
    paths,
    stream_of,
)

PRICE = Price("pex.toml", [Rates(1e-3, 1e-3, 1e-3, 1e-3)])
WORST_USD = 0.5
VARIANT = Variant(Prompt("{{ word }}", "echo"), "lab/m1", name="echo")
KINDS = FATAL | TRANSIENT | {"content_filter", "too_long"}


def from_stream(raw: bytes) -> Answer:
    stream = Stream(lambda text: text.encode())  # half a surrogate cannot be shown
    for start in range(0, len(raw), 97):
        stream.feed(raw[start : start + 97])
    return stream.answer()


def entries(
    bodies: Iterator[tuple[str, bytes]], read: Callable[[bytes], Answer]
) -> Iterator[tuple[str, Entry]]:
    """What the runner hands to the journal for each body."""
    for number, (name, raw) in enumerate(bodies):
        body = {"messages": [{"role": "user", "content": name}]}
        request = Request("echo", f"c{number}", 1, "lab/m1", body, f"k{number}")
        try:
            answer = read(raw)
            answer.cost_usd = cost(PRICE, answer)
            charged, at_most = True, WORST_USD if answer.cost_usd is None else None
        except CallError as error:
            answer = Answer(error=error.message, error_kind=error.kind, raw_body=error.raw_body)
            charged, at_most = error.charged, WORST_USD if error.charged else None
        yield name, Entry(request, answer, charged, at_most, [request])


async def written(database: SqliteDatabase, items: list[Entry]) -> list[Entry]:
    """Hand entries to the journal's thread; returns those that came back."""
    released: list[Entry] = []
    failures: list[JournalError] = []
    writer = Writer(database, Run("r", "reuse", ""), released.extend, failures.append)
    for item in items:
        writer.put(item)
    await writer.close()
    assert not failures
    return released


@pytest.mark.parametrize("kind", ["bodies", "streams"])
def test_no_odd_answer_is_lost(tmp_path: Path, kind: str) -> None:
    bodies, read = (odd_bodies(), read_answer) if kind == "bodies" else (odd_streams(), from_stream)
    named = list(entries(bodies, read))
    items = [entry for _, entry in named]
    errors = [(name, e.answer) for name, e in named if e.answer.error is not None]
    assert [name for name, answer in errors if answer.error_kind not in KINDS] == []
    assert [name for name, answer in errors if not answer.raw_body] == []
    # The net under all readers catches nothing: each oddity is met where it is read.
    assert [name for name, answer in errors if "cannot be read: " in str(answer.error)] == []
    assert len(items) >= 400
    database = SqliteDatabase(tmp_path / "journal.db")
    assert asyncio.run(written(database, items)) == items
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        lines = connection.execute("SELECT usd, at_most_usd FROM ledger").fetchall()
        types = connection.execute(
            "SELECT DISTINCT typeof(prompt_tokens), typeof(completion_tokens) FROM ledger"
        ).fetchall()
    assert len(lines) == sum(entry.charged for entry in items)
    assert all((usd is None) != (most is None) for usd, most in lines)
    assert all((usd or most or 0) >= 0 for usd, most in lines)
    assert {name for row in types for name in row} <= {"integer", "null"}
    found = Journal(database).find([e.request.key for e in items], Run("r", "reuse", ""))
    for name, entry in named:
        if entry.answer.error is None:
            again = found[entry.request.key]
            assert again.output == entry.answer.output, name
            assert again.tool_calls == entry.answer.tool_calls, name
            assert again.logprobs == entry.answer.logprobs, name
    rows = [(entry.request, found.get(entry.request.key, entry.answer), {}) for entry in items]
    cases = [Case(entry.request.case_id, {"word": name}) for name, entry in named]
    frame = build_frame(rows, [VARIANT], cases, [])
    assert len(frame) == len(items)
    table, _ = storable(frame)
    table.to_parquet(tmp_path / "frame.parquet")
    assert frame["cost_usd"].fillna(0).ge(0).all()


def test_a_good_answer_is_read_whole() -> None:
    for answer in (read_answer(orjson.dumps(GOOD)), from_stream(stream_of(PIECES))):
        assert (answer.output, answer.reasoning, answer.finish_reason) == ("Hi", "Say hi.", "stop")
        assert answer.tool_calls == GOOD["choices"][0]["message"]["tool_calls"]
        assert (answer.prompt_tokens, answer.cached_tokens) == (10, 4)
        assert (answer.remarks, answer.raw_body) == ([], None)


def test_no_answer_in_the_journal_makes_a_later_run_fail(tmp_path: Path) -> None:
    """Whatever an earlier version has kept: each field replaced by each odd value."""
    good = dataclasses.asdict(
        Answer("Hi", tool_calls=[{"id": "t"}], prompt_tokens=3, latency_s=0.5)
    )
    texts = [
        json.dumps(changed(good, path, value))
        for path in paths(good)
        if path
        for value in [*VALUES.values(), deep()]
    ]
    assert len(texts) >= 400
    database = SqliteDatabase(tmp_path / "journal.db")
    columns = ("key", "scope", "run_id", "variant", "case_id", "model", "answered_at", "answer")
    rows = [
        (f"k{n}", "", "r", "echo", f"c{n}", "lab/m1", 1.0, text) for n, text in enumerate(texts)
    ]
    with database.opened() as connection, connection.write():
        connection.insert("answers", columns, rows)
    found = Journal(database).find([row[0] for row in rows], Run("r", "reuse", ""))
    assert len(found) == len(texts)
    asked = [Request("echo", row[4], 1, "lab/m1", {}, row[0]) for row in rows]
    frame = build_frame(
        [(request, found[request.key], {}) for request in asked],
        [VARIANT],
        [Case(request.case_id, {"word": request.key}) for request in asked],
        [],
    )
    storable(frame)[0].to_parquet(tmp_path / "frame.parquet")
    assert frame["from_journal"].all()


def test_an_odd_answer_is_shown_in_a_frame() -> None:
    """Also one that no reader has made: a scorer's, or an earlier version's."""
    odd = Answer("a \ud83d", prompt_tokens=10**19, latency_s=float("inf"), started_at=1e300)
    odd.logprobs = [{"logprob": float("-inf"), "rank": 2**70}]
    odd.attempts = "two"  # type: ignore[assignment]
    request = Request("echo", "c1", 1, "lab/m1", {}, "k1")
    frame = build_frame([(request, odd, {})], [VARIANT], [Case("c1", {})], [])
    row = frame.iloc[0]
    assert row["output"] == "a �"
    assert row[["prompt_tokens", "latency_s"]].isna().all()
    assert row["logprobs"] == [{"logprob": None, "rank": 2.0**70}]
    storable(frame)


def test_an_entry_that_cannot_be_written_loses_no_other(tmp_path: Path) -> None:
    request = Request("echo", "c1", 1, "lab/m1", {"messages": []}, "k1")
    odd = Answer("kept", prompt_tokens=10**30, tool_calls=[{"f": {1, 2}}], cost_usd=0.25)
    items = [
        Entry(request, Answer("good"), True),
        Entry(Request("echo", "c2", 1, "lab/m1", {"messages": []}, "k2"), odd, True),
    ]
    database = SqliteDatabase(tmp_path / "journal.db")
    assert asyncio.run(written(database, items)) == items
    found = Journal(database).find(["k1", "k2"], Run("r", "reuse", ""))
    assert [found["k1"].output, found["k2"].output] == ["good", "kept"]
    assert found["k2"].cost_usd == 0.25


def test_the_journals_thread_ends_with_a_failure_that_is_told(tmp_path: Path) -> None:
    class Broken(SqliteDatabase):
        def connect(self, *, durable: bool = True) -> object:  # type: ignore[override]
            raise RuntimeError("no such thing")

    async def main() -> tuple[list[Entry], list[JournalError]]:
        released: list[Entry] = []
        failures: list[JournalError] = []
        writer = Writer(
            Broken(tmp_path / "j.db"), Run("r", "reuse", ""), released.extend, failures.append
        )
        for number in range(3):
            request = Request("echo", f"c{number}", 1, "lab/m1", {"messages": []}, f"k{number}")
            writer.put(Entry(request, Answer("x"), True))
            await asyncio.sleep(0.02)
        await asyncio.wait_for(writer.close(), 30)
        return released, failures

    released, failures = asyncio.run(main())
    assert len(released) == 3
    assert [type(failure) for failure in failures] == [JournalError]
    assert "RuntimeError: no such thing" in failures[0].message
