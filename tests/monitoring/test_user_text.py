"""What a user said is told from the prompt around it, so a changed prompt is no drift."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pex.monitoring import kept_traces, meaning
from pex.monitoring.alarms import check_rules
from pex.monitoring.baseline import Baseline
from pex.monitoring.meaning import sample_vectors
from pex.monitoring.reading import fetch_texts, read_traces
from pex.monitoring.spans import StoredSpan
from pex.monitoring.spec import Source
from pex.monitoring.user_text import user_text
from tests.helpers.deployed import bulk_traces
from tests.helpers.watched_days import day, monitor

SHORT = "Is this review positive or negative? {}"
LONG = (
    "Du bist ein freundlicher Mitarbeiter unseres Kundendienstes. Lies die folgende Bewertung "
    "aufmerksam durch, denke Schritt für Schritt nach und sage dann, ob sie gut oder schlecht ist. "
    "Antworte nur mit einem einzigen Wort.\n\nBewertung: {}\n\nDanke für deine sorgfältige Arbeit!"
)
REVIEWS = [
    "The parcel arrived late and the box was broken on one side.",
    "I like this lamp very much, it is bright and it was cheap.",
    "Nobody answered my three messages about the missing cable, which is a shame.",
    "It works as it should.",
    "The colour is not what the picture shows, so I am sending it back to the shop tomorrow.",
]


def letters(texts: list[str]) -> list[list[float]]:
    """Embeddings that only depend on the text: how often each letter occurs."""
    return [[text.lower().count(chr(97 + n)) / len(text) for n in range(26)] for text in texts]


def test_a_longer_prompt_in_another_language_is_no_drift_of_what_users_said(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days, per_day, release = 24, 25, 14
    rows: list[dict[str, Any]] = []
    for number in range(days * per_day):
        at, review = (
            number / per_day,
            f"{REVIEWS[number * 7 % 5]} My order is {number * 7919 % 1000:03}.",
        )
        rows.append({
            "started_at": day(at),
            "request": (LONG if at >= release else SHORT).format(review),
            "system": "Antworte kurz." if at >= release else "Be brief.",
            "inputs": {"review": review, "user_id": f"u-{number}"},
            # With a link to a prompt of the library, and without one.
            "prompt": None if number % 2 else f"review/{2 if at >= release else 1}",
        })  # fmt: skip
    ids = bulk_traces(uri, "shop", rows)
    monkeypatch.setattr(meaning, "embed", letters)
    traces = read_traces(uri, Source(experiment="shop"), tmp_path / "monitor")
    texts = fetch_texts(uri, ids)
    vectors = sample_vectors(
        tmp_path, "support", ids, lambda some: {key: texts[key].request or "" for key in some}
    )
    rules = [{"drift": what} for what in ("language", "length", "meaning")]
    baseline = Baseline(day(0), day(release), "dates")
    states = check_rules(monitor(*rules), traces, baseline, day(days), vectors=vectors)
    assert [state.status for state in states] == ["quiet"] * 3
    assert set(traces.frame["language"].dropna()) == {"en"}
    assert [texts[key].request for key in ids] == [row["inputs"]["review"] for row in rows]
    # What was sent is still there to be shown.
    assert texts[ids[-1]].messages[-1]["content"] == rows[-1]["request"]


def test_what_was_kept_of_all_that_was_sent_is_read_anew(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk_traces(uri, "shop", [{"request": SHORT.format("Nice."), "inputs": {"review": "Nice."}}])
    source, state = Source(experiment="shop"), tmp_path / "monitor"
    with monkeypatch.context() as earlier:
        earlier.setattr(kept_traces, "_FORMAT", 1)
        read_traces(uri, source, state)
    (path,) = state.glob("*.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as kept:
        kept.execute("UPDATE traces SET input_chars = 99")
        kept.commit()
    found = read_traces(uri, source, state)
    assert (found.new, found.frame["input_chars"].tolist()) == (1, [5])
    asked: list[str] = []
    monkeypatch.setattr(meaning, "embed", lambda texts: asked.extend(texts) or letters(texts))
    vectors = state / "support.embeddings.jsonl"
    vectors.write_text('{"trace_id": "a", "vector": [9.0]}\n')
    for _ in range(2):
        sample_vectors(tmp_path, "support", ["a"], lambda ids: dict.fromkeys(ids, "Nice."))
    assert (asked, len(vectors.read_text().splitlines())) == (["Nice."], 1)


CALL = StoredSpan("chat", "root", "CHAT_MODEL", "OK", {
    "mlflow.spanInputs": {"messages": [
        {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Sent text"},
    ]}
})  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("Plain text", "Plain text"),
        ({"title": "Late", "review": "Broken", "stars": 1, "lang": "en"}, "Late\nBroken"),
        ({"input": {"question": "Where?", "session_id": "s"}, "model": "m"}, "Where?"),
        ({"args": ["Where?"], "kwargs": {}}, "Where?"),
        ({"client": "<openai.OpenAI object at 0x7f0>", "question": "Where?"}, "Where?"),
        ({"instruction": "Be kind.", "question": "Where?"}, "Where?"),
        ({"messages": [{"role": "user", "content": "Raw"}], "temperature": 0}, "Raw"),
        ({"messages": [{"type": "human", "content": "Raw"}]}, "Raw"),
        ([{"role": "user", "parts": [{"type": "text", "content": "Raw"}]}], "Raw"),
        ({"row_id": "7", "count": 3}, "Sent text"),
        ({"messages": [{"role": "assistant", "content": ""}]}, "Sent text"),
        (None, "Sent text"),
    ],
)
def test_inputs_of_every_shape(given: Any, said: str) -> None:
    inputs = {} if given is None else {"mlflow.spanInputs": given}
    assert user_text([StoredSpan("answer", None, "CHAIN", "OK", inputs), CALL]) == said


def test_a_call_without_an_application_around_it_says_its_last_user_message() -> None:
    call = StoredSpan("chat", None, "CHAT_MODEL", "OK", CALL.attributes)
    assert user_text([call]) == "Sent text"
    assert user_text([]) is None
