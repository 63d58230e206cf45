"""What users think is recorded once each, without their ids, and never breaks an application."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import pex
from pex.core.errors import PexError
from pex.monitoring.reading import fetch_texts, read_traces, user_digest
from pex.monitoring.spec import Source
from pex.monitoring.sql_traces import SqlTraces
from pex.tracking.store import connect
from tests.helpers.deployed import bulk_traces


def test_the_newer_feedback_of_a_user_replaces_the_older(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk_traces(uri, "shop", [{"trace_id": "tr-1"}])
    state = tmp_path / "monitor"
    assert read_traces(uri, Source(experiment="shop"), state).feedback.empty
    for value, comment in ((True, None), (False, "wrong shop"), (False, "wrong shop")):
        assert pex.feedback("tr-1", value, user="anna@example.org", comment=comment, uri=uri)
    assert pex.feedback("tr-1", True, user="ben", show_user=True, uri=uri)
    assert pex.feedback("tr-1", 4, name="stars", expected="Two days.", uri=uri)
    given = connect(uri).get_trace("tr-1").info.assessments
    assert len(given) == 5  # the second time of the same changed nothing
    assert [item.valid for item in given].count(False) == 1
    assert not any("anna" in str(item) for item in given)
    found = read_traces(uri, Source(experiment="shop"), state)
    about = {(row["name"], row["by"]): row["value"] for _, row in found.feedback.iterrows()}
    anybody = user_digest("user")
    assert about == {
        ("user", user_digest("anna@example.org")): "false",
        ("user", user_digest("ben")): "true",
        ("stars", anybody): "4",
    }
    # What the answer should have been is no opinion of it, and its text is not kept.
    assert found.frame["has_expected"].tolist() == [True]
    assert fetch_texts(uri, ["tr-1"])["tr-1"].expected == "Two days."
    assert b"Two days" not in b"".join(path.read_bytes() for path in state.iterdir())
    monkeypatch.setattr(SqlTraces, "is_current", lambda _: False)  # so MLflow's client is asked
    other = read_traces(uri, Source(experiment="shop"), tmp_path / "other")
    assert sorted(other.feedback["value"]) == sorted(about.values())
    assert other.frame["has_expected"].tolist() == [True]


def test_feedback_on_a_deleted_or_unknown_trace(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    bulk_traces(uri, "shop", [{"trace_id": "tr-first-one"}, {"trace_id": "tr-deleted"}])
    client = connect(uri)
    number = client.get_experiment_by_name("shop").experiment_id
    client.delete_traces(number, trace_ids=["tr-deleted"])
    with pytest.raises(PexError, match="no trace 'tr-deleted', or it was deleted"):
        pex.feedback("tr-deleted", True, uri=uri, strict=True)
    with pytest.raises(PexError) as wrong:
        pex.feedback("tr-frist-one", True, uri=uri, strict=True)
    assert wrong.value.hint == "did you mean 'tr-first-one'?"
    with caplog.at_level(logging.WARNING):
        assert not pex.feedback("tr-deleted", True, uri=uri)
    assert "no trace 'tr-deleted'" in caplog.text


@pytest.mark.parametrize("value", [None, float("nan"), ["good"]])
def test_a_value_that_is_no_opinion(uri: str, value: object) -> None:
    with pytest.raises(PexError, match="feedback"):
        pex.feedback("tr-1", value, uri=uri, strict=True)  # type: ignore[arg-type]


def test_a_store_that_does_not_answer_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with caplog.at_level(logging.WARNING):
        assert not pex.feedback("tr-1", True, uri="http://127.0.0.1:9")
    assert "the feedback was not recorded" in caplog.text
