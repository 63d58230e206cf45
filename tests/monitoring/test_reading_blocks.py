"""A block of traces that is as it was is not compared trace by trace, and no change is missed."""

from __future__ import annotations

import datetime
import random
import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pex.monitoring import sql_traces
from pex.monitoring.kept_traces import KeptTraces
from pex.monitoring.reading import read_traces
from pex.monitoring.spec import Source
from tests.helpers.deployed import bulk_traces

SHOP = Source(experiment="shop")
START = datetime.datetime(2026, 10, 1, tzinfo=datetime.UTC)


def trace(minute: float, **more: Any) -> dict[str, Any]:
    return {"started_at": START + datetime.timedelta(minutes=minute), **more}


def run_sql(uri: str, *statements: str) -> None:
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as store:
        for statement in statements:
            store.execute(statement)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many known traces each comparison was about; blocks have at most ten traces."""
    monkeypatch.setattr(sql_traces, "_BLOCK", 10)
    sizes: list[int] = []
    usual = KeptTraces.marks

    def counted(kept: KeptTraces, *about: Any) -> dict[str, str]:
        known = usual(kept, *about)
        sizes.append(len(known))
        return known

    monkeypatch.setattr(KeptTraces, "marks", counted)
    return sizes


def test_only_the_blocks_that_changed_are_compared(
    uri: str, tmp_path: Path, compared: list[int]
) -> None:
    ids = bulk_traces(uri, "shop", [trace(minute) for minute in range(95)])
    read_traces(uri, SHOP, tmp_path)
    assert len(compared) > 9
    compared.clear()
    assert len(read_traces(uri, SHOP, tmp_path).frame) == 95
    assert compared == []

    run_sql(uri, f"UPDATE trace_info SET status = 'ERROR' WHERE request_id = '{ids[42]}'")
    found = read_traces(uri, SHOP, tmp_path)
    assert list(found.frame.index[found.frame.state == "error"]) == [42]
    assert len(compared) == 1
    assert compared[0] < 10

    compared.clear()  # the oldest are deleted: the blocks after them are as they were
    old = "', '".join(ids[:25])
    run_sql(uri, *(f"DELETE FROM {table} WHERE {key} IN ('{old}')" for table, key in (
        ("spans", "trace_id"), ("trace_info", "request_id"))))  # fmt: skip
    assert read_traces(uri, SHOP, tmp_path).frame.trace_id.tolist() == ids[25:]
    assert sum(compared) < 30
    compared.clear()
    assert len(read_traces(uri, SHOP, tmp_path).frame) == 70
    assert compared == []


def test_whatever_changes_a_look_is_that_of_a_fresh_start(
    uri: str, tmp_path: Path, compared: list[int]
) -> None:
    chance = random.Random(3)
    ids = bulk_traces(uri, "shop", [trace(chance.randrange(12)) for _ in range(40)])
    for number in range(4):
        kept = read_traces(uri, SHOP, tmp_path / "kept")
        fresh = read_traces(uri, SHOP, tmp_path / f"fresh {number}")
        pd.testing.assert_frame_equal(kept.frame, fresh.frame)
        pd.testing.assert_frame_equal(kept.feedback, fresh.feedback)
        said = [{"value": number}]
        late = [trace(chance.randrange(12), feedback=said) for _ in range(chance.randrange(25))]
        gone = [ids.pop(chance.randrange(len(ids))) for _ in range(chance.randrange(15))]
        ids += bulk_traces(uri, "shop", late)
        for trace_id in gone:
            run_sql(
                uri,
                f"DELETE FROM spans WHERE trace_id = '{trace_id}'",
                f"DELETE FROM assessments WHERE trace_id = '{trace_id}'",
                f"DELETE FROM trace_info WHERE request_id = '{trace_id}'",
            )
        other = chance.choice(ids)
        run_sql(uri, f"UPDATE assessments SET trace_id = '{other}' WHERE value = '{number - 1}'")


def test_feedback_that_a_killed_look_has_kept_and_that_is_taken_back_is_gone(
    uri: str, tmp_path: Path
) -> None:
    said = {"feedback": [{"value": 1}]}
    bulk_traces(uri, "shop", [trace(0, trace_id="tr-0")])
    bulk_traces(uri, "other", [trace(0, **said)])
    read_traces(uri, SHOP, tmp_path)
    (other,) = _rows(uri, "SELECT trace_id FROM assessments")
    run_sql(uri, "UPDATE assessments SET trace_id = 'tr-0'")

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_traces(uri, SHOP, tmp_path, on_page=killed)
    run_sql(uri, f"UPDATE assessments SET trace_id = '{other[0]}'")
    assert read_traces(uri, SHOP, tmp_path).feedback.empty


def test_feedback_that_another_look_has_seen_meanwhile_and_that_is_taken_back_is_gone(
    uri: str, tmp_path: Path, compared: list[int]
) -> None:
    bulk_traces(uri, "shop", [trace(n, trace_id=f"tr-{n}") for n in range(15)])
    bulk_traces(uri, "other", [trace(0, feedback=[{"value": 1}])])
    read_traces(uri, SHOP, tmp_path)
    (other,) = _rows(uri, "SELECT trace_id FROM assessments")
    seen = []

    def meanwhile(_: object) -> None:
        if not seen:  # this look has seen the first block without feedback
            run_sql(uri, "UPDATE assessments SET trace_id = 'tr-0'")
            seen.append(len(read_traces(uri, SHOP, tmp_path).feedback))
            run_sql(uri, f"UPDATE assessments SET trace_id = '{other[0]}'")

    bulk_traces(uri, "shop", [trace(14.5)])
    read_traces(uri, SHOP, tmp_path, on_page=meanwhile)
    assert seen == [1]
    assert read_traces(uri, SHOP, tmp_path).feedback.empty


def _rows(uri: str, query: str) -> list[Any]:
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as store:
        return store.execute(query).fetchall()
