"""Which traces are in the queue, in which order and why."""

import contextlib
import datetime
import random
import sqlite3

from pex.monitoring.reading import looked, milliseconds, read_traces
from pex.monitoring.spec import Source
from pex.monitoring.triage.ordering import worst
from tests.helpers.deployed import bulk_traces

START = datetime.datetime(2026, 10, 1, tzinfo=datetime.UTC)
REPLIES = ["Two days.", "I'm sorry, but I can't help with that.", None]
FEEDBACK = [
    {"name": "helpful", "value": False},
    {"name": "helpful", "value": True},
    {"name": "stars", "value": 2},
    {"name": "stars", "value": 3},
    {"name": "stars", "value": 5},
    {"name": "votes", "value": -0.5},
    {"name": "words", "value": "no"},
    {"name": "exact", "value": 0, "source": "CODE"},
    {"name": "pex.triage", "value": "known"},
]


def varied(chance, number):
    """A trace; several begin at the same moment."""
    return {
        "trace_id": f"tr-{number:03}",
        "started_at": START + datetime.timedelta(minutes=chance.randrange(60)),
        "state": chance.choice(["ok", "ok", "ok", "error", "unfinished"]),
        "error": chance.choice([("app.OutOfStock", "no shoes"), None]),
        "finish_reason": chance.choice(["stop", "stop", "length", "max_tokens", None]),
        "response": chance.choice(REPLIES),
        "prompt": chance.choice(["say/3", None]),
        "user": chance.choice(["u-1", None]),
        "feedback": [
            {"by": f"u-{n}", **chance.choice(FEEDBACK)} for n in range(chance.randrange(3))
        ],
    }  # fmt: skip


def reasons(traces):
    """The rule, trace by trace: (id, why, prompt, when), worst first."""
    said = traces.feedback[traces.feedback["source"] == "person"]
    said = said[(said["name"] != "pex.triage") & said["number"].notna()]
    tops = said.groupby("name")["number"].max()
    negative = {}
    for one in said.sort_values("name", kind="stable").itertuples():
        if one.number <= (0.4 * tops[one.name] if tops[one.name] > 1 else 0):
            negative.setdefault(one.trace_id, {})[one.name] = None
    found = []
    for row in traces.frame.astype(object).where(traces.frame.notna(), None).itertuples():
        why = {
            8: (row.state == "error") and f"error: {row.error_kind}",
            4: row.trace_id in negative
            and f"negative feedback: {', '.join(negative[row.trace_id])}",
            2: row.refused and "refused",
            1: row.finish_reason == "length" and "cut off",
        }
        weight = sum(number for number, text in why.items() if text)
        if weight:
            text = "; ".join(text for text in why.values() if text)
            prompt = f"{row.prompt}/{row.prompt_version}" if row.prompt else ""
            found.append((-weight, -row.started_at.value, row.trace_id, text, prompt))
    return [row[2:] for row in sorted(found)]


def test_the_order_and_the_reasons_of_varied_traces(uri, tmp_path):
    chance = random.Random(7)
    bulk_traces(uri, "app", [varied(chance, number) for number in range(400)])
    source = Source(experiment="app")
    for minutes in (None, 0, 20):  # the highest seen is that of the chosen traces
        first = None if minutes is None else START + datetime.timedelta(minutes=minutes)
        last = None if minutes is None else START + datetime.timedelta(minutes=minutes + 3)
        expected = reasons(read_traces(uri, source, tmp_path, first=first, last=last))
        with looked(uri, source, tmp_path) as look:
            found = worst(look.kept, milliseconds(first), milliseconds(last))
        assert [(key, found.why(key), row.prompt) for key, row in found.rows.items()] == expected
        assert len(expected) > (200 if first is None else 5)
        starts = {row.started_at for row in found.rows.values()}
        assert first is None or starts <= {first + datetime.timedelta(minutes=n) for n in range(3)}


def test_a_clock_that_is_very_wrong_does_not_close_the_queue(uri, tmp_path):
    bulk_traces(uri, "app", [{"state": "error"}])
    with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as store, store:
        store.execute("UPDATE trace_info SET timestamp_ms = timestamp_ms * 1000")
    with looked(uri, Source(experiment="app"), tmp_path) as look:
        (row,) = worst(look.kept).rows.values()
    assert row.started_at.year == 9999


def test_low_scores_of_pex_are_a_reason_and_the_newest_counts(uri, tmp_path):
    def score(name, value, minute, by="pex:exact@1", source="CODE"):
        at = START + datetime.timedelta(minutes=minute)
        return {"name": name, "value": value, "by": by, "source": source, "at": at}

    rows = {
        "tr-low": [score("exact", 0.25, 0), score("polite", 0, 0, "pex:polite@2", "LLM_JUDGE")],
        "tr-better": [score("exact", 0, 0), score("exact", 1, 1, "pex:exact@2")],
        "tr-worse": [score("exact", 1, 0), score("exact", 0, 1, "pex:exact@2")],
        "tr-other": [score("latency", 0, 0, "a tool of theirs")],
    }
    bulk_traces(uri, "app", [{"trace_id": key, "feedback": of} for key, of in rows.items()])
    with looked(uri, Source(experiment="app"), tmp_path) as look:
        found = worst(look.kept)
    assert {key: found.why(key) for key in found.rows} == {
        "tr-low": "low score: exact 0.25, polite 0",
        "tr-worse": "low score: exact 0",
    }
