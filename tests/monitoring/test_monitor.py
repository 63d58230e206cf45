from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

import pex
from pex.core.errors import PexError
from pex.monitoring.monitor import spec_of
from pex.monitoring.results import MonitorResults
from tests.helpers.deployed import bulk_traces

NOW = datetime.datetime(2026, 3, 31, tzinfo=datetime.UTC)
START = NOW - datetime.timedelta(days=30)
MONITOR = """\
name: support
source: {experiment: shop}
scorers: [{kind: length, max_words: 5}]
baseline_dates: {first: 2026-03-01, last: 2026-03-14}
alarms: [{metric: error_share, above: 0.05}]
"""


def deployed(days: int, per_day: int, bad_from: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(3)
    rows = []
    for day in range(days):
        for number in range(per_day):
            bad = day >= bad_from
            failed = rng.random() < (0.4 if bad else 0.01)
            rows.append(
                {
                    "started_at": START + datetime.timedelta(days=day, minutes=number),
                    "state": "error" if failed else "ok",
                    "prompt": "reply/2" if bad else "reply/1",
                    "response": "one two three" if number % 2 else "one two three four five six",
                    "feedback": [{"name": "helpful", "value": not bad}] if number == 0 else [],
                }
            )
    return rows


@pytest.fixture
def shop(project: Path, uri: str) -> str:
    bulk_traces(uri, "shop", deployed(30, 20, 20))
    (project / "monitor.yaml").write_text(MONITOR)
    return uri


def look(source: str = "monitor.yaml", **options: Any) -> MonitorResults:
    return pex.monitor(source, now=NOW, show=False, **options)


def test_a_bad_release_is_found_scored_and_recorded(shop: str, project: Path) -> None:
    results = look()
    assert (results.code, len(results.frame), results.traces.new) == (1, 600, 600)
    assert results.alarms[0].metric == "error_share"
    assert results.alarms[0].since_first <= datetime.date(2026, 3, 21)
    assert "reply/2" in results.headline
    assert results.scored is not None
    assert results.scored.now > 400
    scores = results.over_time(metrics=["score.length"])
    assert scores["value"].mean() == pytest.approx(0.5, abs=0.05)
    table = results.by("prompt_version")
    errors = table[table["metric"] == "error_share"].set_index("prompt_version")
    assert errors.loc["reply/2", "diff_lo"] > 0.2
    with pytest.raises(PexError, match="monitor 'support': Alarm: error_share"):
        results.check()

    client = MlflowClient(shop)
    run = client.get_run(str(results.run_id))
    assert run.data.tags["pex.kind"] == "monitoring"
    assert run.data.metrics["alarms"] == 1
    assert run.data.metrics["traces"] == 600
    assert {item.path for item in client.list_artifacts(str(results.run_id))} == {
        "monitor.html", "figures.json",
    }  # fmt: skip

    again = look()
    assert (again.traces.new, again.code) == (0, 1)
    assert again.scored is not None
    assert again.scored.now == 0
    assert again.frame["score.length"].count() == results.frame["score.length"].count()


def test_the_page_says_what_since_when_how_sure_and_which_traces(shop: str, project: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    bulk_traces(shop, "shop", [{"started_at": START, "model": hostile, "name": hostile}])
    results = look(record=False)
    text = results.page(project / "out" / "page.html").read_text()
    assert hostile not in text
    assert "&lt;img" in text
    assert "since 2026-03-21" in text
    assert "of thirty quiet days" in text
    assert results.alarms[0].trace_ids[0] in text
    assert "Not randomised: other users, other days." in text
    assert "http" not in text.replace("http://www.w3.org", "")
    shown = results._repr_html_()
    assert "<script" not in shown
    assert "<svg" in shown
    assert "score" in repr(results).lower()
    assert "<svg" in results.plot("error_share")._repr_html_()
    assert "no metric 'eror_share'" in _message(lambda: results.plot("eror_share"))
    root = ElementTree.fromstring(results.junit(project / "rules.xml").read_text())
    assert root[0].get("failures") == "1"


def _message(act: Any) -> str:
    with pytest.raises(PexError) as caught:
        act()
    return str(caught.value)


def test_empty_states_name_what_there_is(shop: str, project: Path) -> None:
    MlflowClient(shop).create_experiment("empty")
    results = look("empty", first="2026-03-01", record=False)
    assert results.headline == (
        "No traces in 'empty' since 2026-03-01. Experiments that have traces: shop."
    )
    assert results.code == 3
    assert "No traces" in results._repr_html_()
    assert repr(results).startswith(results.headline)
    said = _message(lambda: look("shpo"))
    assert "no experiment 'shpo'" in said
    assert "shop" in said
    (project / "new.yaml").write_text("name: new\nsource: {experiment: shop-2}\n")
    early = look("new.yaml", record=False)
    assert early.code == 3
    assert early.headline.startswith("MLflow has no experiment 'shop-2' yet (did you mean 'shop'?")
    assert "mlflow.openai.autolog()" in early.headline
    assert len(early.by("prompt_version")) == 0
    early.check()
    nothing = look("shop", first="2027-01-01", record=False)
    assert nothing.headline.startswith("No traces in 'shop' since 2027-01-01.")


def test_days_and_filters_choose_the_traces(shop: str) -> None:
    results = look("shop", first="2026-03-02", last=datetime.date(2026, 3, 3), record=False)
    assert len(results.frame) == 40
    assert results.frame["started_at"].max() < pd.Timestamp("2026-03-04", tz="UTC")
    bad = look("shop", filter="trace.status = 'ERROR'", record=False)
    assert set(bad.frame["state"]) == {"error"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"first": "March"}, "first: expected a day"),
        ({"first": "2026-03-02", "last": "2026-03-01"}, "before first"),
        ({"sample": 1.5}, "sample"),
        ({"scorers": ["lenght"]}, "'length'"),
        ({"by": "modle"}, "cannot be divided by 'modle'"),
        ({"source": "none.yaml"}, "none.yaml does not exist"),
    ],
)
def test_wrong_use_is_said_before_anything_is_scored(
    shop: str, options: dict[str, Any], said: str
) -> None:
    given = {"source": "monitor.yaml", "record": False, **options}
    assert said in _message(lambda: look(**given))


def test_what_is_given_goes_over_the_file(shop: str) -> None:
    spec, folder = spec_of("monitor.yaml")
    assert (spec.name, folder) == ("support", Path.cwd())
    results = look(scorers=[{"kind": "length", "max_words": 9, "name": "long"}],
                   sample={"rate": 1, "per_day": 2}, record=False)  # fmt: skip
    assert results.scored is not None
    assert (results.scored.names, results.scored.now) == (["long"], 60)
    assert any("each stands for about" in line for line in results.notes)
    assert dataclasses.replace(results, run_id="a").to_dict()["run_id"] == "a"


def test_what_traces_are_about_is_embedded_once_or_the_rule_says_why_not(
    project: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"started_at": START + datetime.timedelta(days=day, minutes=number),
         "request": f"{'Where is my parcel' if day < 20 else 'Please cancel my order'} {number}"}
        for day in range(24)
        for number in range(20)
    ]  # fmt: skip
    bulk_traces(uri, "about", rows)
    file = project / "monitor.yaml"
    text = MONITOR.replace("shop", "about").replace("scorers: [{kind: length, max_words: 5}]\n", "")
    file.write_text(text.replace("{metric: error_share, above: 0.05}", "{drift: meaning}"))
    asked: list[int] = []

    def embed(texts: list[str]) -> list[list[float]]:
        asked.append(len(texts))
        return [[1.0, 0.0] if "parcel" in text else [0.0, 1.0] for text in texts]

    monkeypatch.setattr("pex.local.package.missing", lambda: "the model is not installed")
    (rule,) = pex.monitor(file, record=False, tracking_uri=uri, now=NOW).rules
    assert (rule.status, "the model is not installed" in rule.reason) == ("cannot tell", True)
    monkeypatch.setattr("pex.local.package.missing", lambda: None)
    monkeypatch.setattr("pex.monitoring.meaning.embed", embed)
    for _ in range(2):
        (rule,) = pex.monitor(file, record=False, tracking_uri=uri, now=NOW).rules
        assert rule.status == "alarm"
    assert asked == [24 * 20]
