"""Drift of meaning: from a sample's embeddings, which are made once."""

from pathlib import Path

import numpy as np
import pytest

from pex.core.errors import PexError
from pex.monitoring import meaning
from pex.monitoring.alarms import check_alarms, check_rules
from pex.monitoring.baseline import Baseline
from pex.monitoring.meaning import meaning_sample, sample_vectors
from tests.helpers.watched_days import day, made_traces, monitor

BASELINE = Baseline(day(0), day(14), "dates")


def vectors_of(traces, ids: list[str], new_from: float, seed: int) -> dict[str, list[float]]:
    """Three topics, and from a day on a quarter of a fourth."""
    rng = np.random.default_rng(seed)
    topics = np.eye(16)[:4] * 3
    at = traces.frame.set_index("trace_id")["started_at"]
    found = {}
    for trace_id in ids:
        new = at[trace_id] >= day(new_from) and rng.random() < 0.25
        found[trace_id] = list(topics[3 if new else rng.integers(3)] + rng.normal(0, 0.5, 16))
    return found


def test_a_new_topic_is_found_and_quiet_months_are_quiet() -> None:
    traces = made_traces(1, 44, per_day=60)
    ids = meaning_sample(traces, BASELINE, day(44))
    assert len(ids) == 44 * 40
    spec = monitor({"drift": "meaning"})
    for seed in range(2):
        quiet = vectors_of(traces, ids, 99, seed)
        assert not check_alarms(spec, traces, BASELINE, day(44), vectors=quiet)
    found = vectors_of(traces, ids, 30, 1)
    (alarm,) = check_alarms(spec, traces, BASELINE, day(35), vectors=found)
    assert alarm.since_first <= day(30).date() <= alarm.since_last
    assert set(alarm.trace_ids) <= set(ids)
    (state,) = check_rules(spec, traces, BASELINE, day(44), no_vectors="no model: install it")
    assert (state.status, state.reason) == ("cannot tell", "no model: install it")


def test_a_text_is_embedded_once_and_a_cut_line_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def embed(texts: list[str]) -> list[list[float]]:
        asked.append(list(texts))
        return [[float(len(text)), 1.0] for text in texts]

    monkeypatch.setattr(meaning, "embed", embed)
    texts = {"a": "one", "b": "three", "c": " "}

    def fetch(ids: list[str]) -> dict[str, str]:
        return {item: texts[item] for item in ids if item in texts}

    found = sample_vectors(tmp_path / ".pex", "support", ["a", "b", "c", "gone"], fetch)
    assert found == {"a": [3.0, 1.0], "b": [5.0, 1.0]}
    path = tmp_path / ".pex" / "monitor" / "support.embeddings.jsonl"
    path.write_bytes(path.read_bytes()[:-6])
    assert sample_vectors(tmp_path / ".pex", "support", ["a", "b"], fetch) == found
    assert asked == [["one", "three"], ["three"]]
    assert b"three" not in path.read_bytes()


@pytest.mark.model
def test_the_built_in_model_puts_like_texts_near_each_other() -> None:
    from pex.local.embedding import embed

    one, like, other = np.array(embed([
        "The parcel arrived late and the box was broken.",
        "The package came late and its box was damaged.",
        "def add(a, b): return a + b",
    ]))  # fmt: skip
    assert one @ like > one @ other


def test_without_the_model_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from pex.local import embedding

    monkeypatch.setattr(embedding, "missing", lambda: "install with: pexlab model install")
    with pytest.raises(PexError, match="pexlab model install"):
        embedding.embed(["a"])
