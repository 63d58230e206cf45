"""Deployed traces become rows, and a second look reads only what is new."""

from __future__ import annotations

import datetime
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracing.client import TracingClient

from pex.core.errors import PexError
from pex.monitoring import kept_traces, sql_traces
from pex.monitoring.reading import fetch_texts, read_traces, user_digest
from pex.monitoring.spec import Source
from pex.monitoring.sql_traces import SqlTraces
from pex.monitoring.traces import COLUMNS, OPINIONS
from tests.helpers.deployed import bulk_traces

SHOP = Source(experiment="shop")
START = datetime.datetime(2026, 10, 1, tzinfo=datetime.UTC)


def at(minutes: float) -> datetime.datetime:
    return START + datetime.timedelta(minutes=minutes)


def run_sql(uri: str, *statements: str) -> None:
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as store:
        for statement in statements:
            store.execute(statement)


@pytest.fixture
def detail_ids(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The ids of each page that is read."""
    pages: list[list[str]] = []
    usual = sql_traces.SqlTraces.details

    def counted(store: Any, experiment: str, trace_ids: Any) -> Any:
        pages.append(list(trace_ids))
        return usual(store, experiment, trace_ids)

    monkeypatch.setattr(sql_traces.SqlTraces, "details", counted)
    return pages


def test_a_trace_has_every_column_and_no_text(uri: str, tmp_path: Path) -> None:
    bulk_traces(
        uri,
        "shop",
        [
            {
                "trace_id": "tr-whole", "started_at": at(0), "service": "web", "prompt": "short/3",
                "user": "anna@example.org", "session": "s1", "cached_tokens": 20,
                "cache_write_tokens": 5, "finish_reason": "length",
                "request": "Wie lange dauert die Lieferung nach Bern?",
                "tags": {"country": "CH", "user_id": "anna@example.org"},
                "feedback": [{"value": False, "by": "anna@example.org", "comment": "Nonsense!"}],
            },
            {
                "trace_id": "tr-failed", "started_at": at(1), "state": "error",
                "error": ("openai.RateLimitError", "Too many requests"), "response": None,
            },
            {
                "trace_id": "tr-refused", "started_at": at(2),
                "response": "I'm sorry, but I can't help with that.", "request": "ok",
            },
        ],
    )  # fmt: skip
    found = read_traces(uri, SHOP, tmp_path / "monitor")
    assert list(found.frame.columns[: len(COLUMNS)]) == list(COLUMNS)
    assert {name: str(found.frame[name].dtype) for name in COLUMNS} == COLUMNS
    assert {name: str(found.feedback[name].dtype) for name in OPINIONS} == OPINIONS
    whole, failed, refused = (found.frame.iloc[place] for place in range(3))
    assert whole.dropna().to_dict() == {
        "trace_id": "tr-whole", "experiment": "shop", "name": "answer", "service": "web",
        "started_at": at(0), "state": "ok", "latency_s": 0.8,
        "finish_reason": "length", "refused": False, "prompt": "short", "prompt_version": 3,
        "model": "gpt-4.1-mini", "prompt_tokens": 120, "completion_tokens": 40,
        "cached_tokens": 20, "cache_write_tokens": 5, "cost_usd": 0.0001, "input_chars": 41,
        "output_chars": 35, "language": "de", "has_expected": False, "session": "s1",
        "user_digest": user_digest("anna@example.org"), "tag.country": "CH", "tag.service": "web",
    }  # fmt: skip
    assert (failed.state, failed.error_kind) == ("error", "rate_limit")
    assert (refused.refused, refused.isna().language) == (True, True)
    opinion = found.feedback.iloc[0]
    assert (opinion.value, opinion.number, opinion.source) == ("false", 0, "person")
    assert opinion.by == user_digest("anna@example.org")
    kept = b"".join(path.read_bytes() for path in (tmp_path / "monitor").iterdir())
    for text in (b"anna@", b"Nonsense", b"Lieferung", b"two to three"):
        assert text not in kept


def test_the_second_look_reads_what_came_late_ended_was_judged_or_deleted(
    uri: str, tmp_path: Path, detail_ids: list[list[str]]
) -> None:
    rows: list[dict[str, Any]] = [
        {"trace_id": f"tr-{number}", "started_at": at(number)} for number in range(1, 8)
    ]
    rows[3]["state"] = "unfinished"
    bulk_traces(uri, "shop", rows)
    state = tmp_path / "monitor"
    first = read_traces(uri, SHOP, state)
    assert (first.new, len(detail_ids)) == (7, 1)
    assert first.frame.state.tolist().count("unfinished") == 1
    assert first.frame.set_index("trace_id").latency_s.isna()["tr-4"]
    assert "1 trace without an end" in first.remarks

    detail_ids.clear()
    again = read_traces(uri, SHOP, state)
    assert (again.new, detail_ids) == (0, [])
    assert again.frame.equals(first.frame)

    bulk_traces(uri, "shop", [{"trace_id": "tr-late", "started_at": at(2.5)}])
    judged = {"trace_id": "tr-other", "feedback": [{"value": 4}], "started_at": at(-5)}
    bulk_traces(uri, "other", [judged])
    run_sql(
        uri,
        "UPDATE trace_info SET status = 'OK', execution_time_ms = 900 WHERE request_id = 'tr-4'",
        "UPDATE assessments SET trace_id = 'tr-2'",
        "DELETE FROM spans WHERE trace_id = 'tr-6'",
        "DELETE FROM trace_info WHERE request_id = 'tr-6'",
    )
    later = read_traces(uri, SHOP, state)
    assert sorted(key for page in detail_ids for key in page) == ["tr-2", "tr-4", "tr-late"]
    assert later.new == 1
    ids = [f"tr-{name}" for name in (1, 2, "late", 3, 4, 5, 7)]
    assert later.frame.trace_id.tolist() == ids
    assert later.frame.set_index("trace_id").latency_s["tr-4"] == 0.9
    assert later.feedback[["trace_id", "number"]].values.tolist() == [["tr-2", 4.0]]

    run_sql(uri, "UPDATE assessments SET valid = 0")
    assert read_traces(uri, SHOP, state).feedback.empty


def test_pages_have_500_ids_and_blocks_end_between_moments(
    uri: str, tmp_path: Path, detail_ids: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_traces, "_BLOCK", 100)
    bulk_traces(uri, "shop", ({"started_at": at(number // 130)} for number in range(1200)))
    seen: list[int] = []
    found = read_traces(
        uri, SHOP, tmp_path / "monitor", on_page=lambda page: seen.append(len(page.frame))
    )
    assert sum(seen) == len(found.frame) == found.frame.trace_id.nunique() == found.new == 1200
    assert max(map(len, detail_ids)) <= 500
    part = read_traces(uri, SHOP, tmp_path / "monitor", first=at(1), last=at(3))
    assert (len(part.frame), part.new) == (260, 0)


def test_a_filter_is_mlflows_and_a_wrong_one_is_an_error(uri: str, tmp_path: Path) -> None:
    bulk_traces(
        uri,
        "shop",
        (
            {
                "service": ("web", "app")[number % 2],
                "prompt": f"say/{number % 3}" if number else None,
            }
            for number in range(12)
        ),
    )
    web = Source(experiment="shop", filter="tag.service = 'web'")
    found = read_traces(uri, web, tmp_path)
    assert found.frame.service.tolist() == ["web"] * 6
    bulk_traces(uri, "shop", [{"service": "web"}, {"service": "app"}])
    assert read_traces(uri, web, tmp_path).new == 1
    said = read_traces(uri, Source(experiment="shop", prompt="say"), tmp_path)
    assert (len(said.frame), set(said.frame.prompt)) == (11, {"say"})
    with pytest.raises(PexError, match="does not understand the filter"):
        read_traces(uri, Source(experiment="shop", filter="colour is blue"), tmp_path)
    with pytest.raises(PexError, match="no MLflow experiment 'shpo'") as wrong:
        read_traces(uri, Source(experiment="shpo"), tmp_path)
    assert wrong.value.hint == "did you mean 'shop'?"


def test_what_is_missing_is_missing_and_counted(uri: str, tmp_path: Path) -> None:
    bulk_traces(
        uri,
        "shop",
        [
            {"trace_id": "tr-bare", "spans": "none", "cost_usd": None, "started_at": at(0)},
            {"trace_id": "tr-broken", "spans": "broken", "started_at": at(1)},
            {
                "trace_id": "tr-empty", "model": None, "prompt_tokens": None, "request": None,
                "completion_tokens": None, "cost_usd": None, "started_at": at(2),
            },
            {
                "trace_id": "tr-ahead", "cost_usd": None, "model": "nobodys-model",
                "provider": None, "started_at": datetime.datetime.now(datetime.UTC)
                + datetime.timedelta(days=40),
            },
            {
                "trace_id": "tr-priced", "cost_usd": None, "prompt_tokens": 1000,
                "cached_tokens": 800, "completion_tokens": 100, "started_at": at(3),
            },
        ],
    )  # fmt: skip
    found = read_traces(uri, SHOP, tmp_path)
    frame = found.frame.set_index("trace_id")
    unknown = frame.isna()
    for name in ("model", "finish_reason", "refused", "language", "input_chars", "cost_usd"):
        assert unknown[name]["tr-bare"], name
    for name in ("model", "prompt_tokens", "cost_usd", "input_chars"):
        assert unknown[name]["tr-empty"], name
    assert unknown.cost_usd["tr-ahead"]
    # 200 fresh, 800 cached and 100 generated tokens at 0.40, 0.10 and 1.60 USD a million
    assert frame.cost_usd["tr-priced"] == pytest.approx(0.00032)
    for text in (
        "1 trace with a start in the future: a clock is wrong",
        "1 trace without spans: only what MLflow's summary says is known of them",
        "1 trace with spans that cannot be read",
        "1 trace without a count of tokens",
    ):
        assert text in found.remarks


def test_a_store_that_refuses_a_broken_span_loses_one_trace_and_an_outage_none(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[dict[str, Any]] = [{"trace_id": f"tr-{n}", "started_at": at(n)} for n in range(20)]
    bulk_traces(uri, "shop", [*rows[:7], rows[7] | {"spans": "broken"}, *rows[8:]])
    monkeypatch.setattr(SqlTraces, "is_current", lambda _: False)  # so MLflow's client is asked
    ask = TracingClient.batch_get_traces
    asked: list[int] = []
    problem = "too many 503 error responses"

    def refuse(client: TracingClient, ids: list[str]) -> Any:
        asked.append(len(ids))
        if "tr-7" in ids:
            raise MlflowException(f"API request to /batchGet failed with exception {problem}")
        return ask(client, ids)

    monkeypatch.setattr(TracingClient, "batch_get_traces", refuse)
    with pytest.raises(PexError, match="503"):
        read_traces(uri, SHOP, tmp_path)
    assert asked == [20, 20]  # once in a hurry, once patiently
    problem = "too many 500 error responses"
    found = read_traces(uri, SHOP, tmp_path)
    assert (found.new, list(found.frame[found.frame.model.isna()].trace_id)) == (20, ["tr-7"])
    assert "1 trace with spans that cannot be read" in found.remarks
    asked.clear()
    assert (read_traces(uri, SHOP, tmp_path).new, asked) == (0, [])


def test_a_store_that_goes_away_keeps_what_was_read(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, detail_ids: list[list[str]]
) -> None:
    bulk_traces(uri, "shop", ({"started_at": at(number)} for number in range(1100)))
    store = Path(uri.removeprefix("sqlite:///"))
    away = store.with_suffix(".away")
    pages = 0

    def lose(_: object) -> None:
        nonlocal pages
        pages += 1
        if pages == 2:
            shutil.copy(store, away)
            run_sql(uri, "ALTER TABLE trace_tags RENAME TO gone")

    with pytest.raises(PexError, match="cannot be read") as lost:
        read_traces(uri, SHOP, tmp_path / "monitor", on_page=lose)
    assert lost.value.hint == "1,000 traces were read before that and are kept; look again to go on"
    shutil.copy(away, store)
    detail_ids.clear()
    found = read_traces(uri, SHOP, tmp_path / "monitor")
    assert (found.new, len(found.frame), [len(page) for page in detail_ids]) == (100, 1100, [100])


def test_two_looks_at_once_see_the_same(uri: str, tmp_path: Path) -> None:
    bulk_traces(uri, "shop", ({"started_at": at(number)} for number in range(700)))
    inner: list[Any] = []

    def look_again(_: object) -> None:
        if not inner:
            inner.append(None)
            inner[0] = read_traces(uri, SHOP, tmp_path / "monitor")

    outer = read_traces(uri, SHOP, tmp_path / "monitor", on_page=look_again)
    assert outer.frame.equals(inner[0].frame)
    assert outer.frame.trace_id.is_unique
    assert len(outer.frame) == 700


def test_texts_are_fetched_whole_500_ids_at_a_time(uri: str, detail_ids: list[list[str]]) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "track", "arguments": "{}"}}
    long = "long " * 5000
    bulk_traces(
        uri,
        "shop",
        [
            {
                "trace_id": "tr-1", "request": long, "system": "Be brief.", "tool_calls": [call],
                "prompt": "short/3", "inputs": {"text": long, "words": 5},
                "feedback": [{"comment": "Too <b>long"}],
            },
            {"trace_id": "tr-2", "spans": "broken"},
            *({"trace_id": f"tr-x{number}"} for number in range(600)),
        ],
    )  # fmt: skip
    found = fetch_texts(uri, ["tr-2", "tr-gone", "tr-1", *(f"tr-x{n}" for n in range(600))])
    assert (len(found), [len(page) for page in detail_ids]) == (602, [500, 103])
    texts = found["tr-1"]
    assert texts.request == long
    assert texts.response == "It takes two to three working days."
    assert [message["role"] for message in texts.messages] == ["system", "user"]
    assert texts.tool_calls == (call,)
    assert texts.variables == {"text": long, "words": 5}
    assert texts.comments == (("user", "Too <b>long"),)
    assert found["tr-2"].request is None


def test_a_store_that_is_not_there(project: Path) -> None:
    with pytest.raises(PexError, match="there is no MLflow store"):
        read_traces("sqlite:///nowhere.db", SHOP, project / "monitor")
    assert not (project / "nowhere.db").exists()


def test_a_file_of_another_kind_in_the_state_is_an_error(uri: str, tmp_path: Path) -> None:
    bulk_traces(uri, "shop", [{}])
    read_traces(uri, SHOP, tmp_path / "monitor")
    kept = next((tmp_path / "monitor").glob("*.sqlite"))
    for path in (tmp_path / "monitor").iterdir():
        path.unlink()
    kept.write_bytes(b"nothing that sqlite knows" * 100)
    with pytest.raises(PexError, match="cannot be used") as wrong:
        read_traces(uri, SHOP, tmp_path / "monitor")
    assert "delete it" in str(wrong.value.hint)


def test_a_frame_of_several_pages_is_the_frame_of_one(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags: list[dict[str, str]] = [{"plan": "pro"}, {}, {"city": "Bern"}, {"plan": "free"}, {}]
    bulk_traces(
        uri,
        "shop",
        ({"tags": tag, "started_at": at(n), "model": None} for n, tag in enumerate(tags)),
    )
    whole = read_traces(uri, SHOP, tmp_path)
    monkeypatch.setattr(kept_traces, "_PAGE", 2)
    paged = read_traces(uri, SHOP, tmp_path)
    pd.testing.assert_frame_equal(paged.frame, whole.frame)
    assert list(whole.frame["tag.plan"].fillna("-")) == ["pro", "-", "-", "free", "-"]
    assert list(whole.frame["tag.city"].fillna("-")) == ["-", "-", "Bern", "-", "-"]
    assert "5 traces without a model" in paged.remarks
