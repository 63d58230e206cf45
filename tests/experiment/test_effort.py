"""Effort and verbosity as factors: names, requests, journal, refusals, and the frontier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import pex
from pex.core.responses import responses_body
from tests.helpers.endpoint import FaultyEndpoint, completion

FACTORS = {"reasoning_effort": ["low", "high"], "verbosity": ["low", "medium"], "max_tokens": 50}
PRICES = '[prices."lab/m1"]\ninput_usd_per_million = 1.0\noutput_usd_per_million = 2.0\n'


def experiment(params: Any, n: int = 3, **options: Any) -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="say")
    cases = [{"case_id": f"c{i}", "word": f"w{i}", "expected": f"w{i}"} for i in range(n)]
    variants = pex.grid(prompt, "lab/m1", params)
    return pex.Experiment("effort", variants, cases, ["exact"], **options)


def test_every_combination_is_a_variant_with_its_own_requests(lab: FaultyEndpoint) -> None:
    exp = experiment(FACTORS)
    assert [variant.name for variant in exp.variants] == [
        "say|reasoning_effort=low,verbosity=low",
        "say|reasoning_effort=low,verbosity=medium",
        "say|reasoning_effort=high,verbosity=low",
        "say|reasoning_effort=high,verbosity=medium",
    ]
    results = exp.run(record=False, show=False)
    sent = {(body["reasoning_effort"], body["verbosity"]) for body in lab.bodies}
    assert sent == {(e, v) for e in ("low", "high") for v in ("low", "medium")}
    assert results.frame["request_key"].nunique() == 12
    exp.run(record=False, show=False)
    assert lab.calls == 12, "each combination has its own place in the journal"
    assert responses_body(lab.bodies[0])["text"] == {"verbosity": lab.bodies[0]["verbosity"]}
    effort = lab.bodies[0]["reasoning_effort"]
    assert responses_body(lab.bodies[0])["reasoning"] == {"effort": effort}


def test_a_refused_effort_is_an_error_of_that_variant_and_never_dropped(
    lab: FaultyEndpoint,
) -> None:
    def refuse(body: dict[str, Any], number: int) -> Any:
        if body.get("reasoning_effort") != "high":
            return None
        said = "Unsupported value: 'reasoning_effort' does not support 'high' with this model."
        error = {"message": said, "param": "reasoning_effort", "code": "unsupported_value"}
        return web.json_response({"error": error}, status=400)

    lab.reply = refuse
    exp = experiment({"reasoning_effort": ["low", "high"]})
    results = exp.run(record=False, show=False, max_in_flight=1)
    errors = results.frame.groupby("variant")["error"].apply(lambda found: found.notna().sum())
    assert errors["say|reasoning_effort=high"] == 3
    assert errors["say|reasoning_effort=low"] == 0


def test_a_file_has_factors_too_and_a_list_without_values_is_an_error(project: Path) -> None:
    exp = experiment(FACTORS)
    (project / "p.prompty").write_text("---\nname: say\n---\nuser:\n{{ word }}\n")
    (project / "cases.csv").write_text("case_id,word\nc1,a\n")
    text = (
        "name: effort\ncases: cases.csv\nprompts: [p.prompty]\nmodels: [lab/m1]\n"
        "params: {reasoning_effort: [low, high], verbosity: [low, medium], max_tokens: 50}\n"
    )
    (project / "experiment.yaml").write_text(text)
    loaded = pex.Experiment.load("experiment.yaml")
    assert [v.params for v in loaded.variants] == [v.params for v in exp.variants]
    (project / "experiment.yaml").write_text(text.replace("[low, high]", "[]"))
    with pytest.raises(pex.PexError, match="'reasoning_effort' has no values"):
        pex.Experiment.load("experiment.yaml")


def test_an_unknown_effort_is_sent_with_a_remark(lab: FaultyEndpoint) -> None:
    with pytest.warns(UserWarning, match="'hihg' is sent as it is; did you mean 'high'"):
        experiment({"reasoning_effort": "hihg"})
    experiment({"reasoning_effort": "hihg"}).run(record=False, show=False)
    assert lab.bodies[0]["reasoning_effort"] == "hihg"


def test_lists_that_are_one_value_stay_one_value() -> None:
    prompt = pex.Prompt("Hi", name="p")
    assert [v.params for v in pex.grid(prompt, "a/b", {"stop": ["x", "y"], "own": [1, 2]})] == [
        {"stop": ["x", "y"], "own": [1, 2]}
    ]
    assert [v.params["stop"] for v in pex.grid(prompt, "a/b", {"stop": [["x"], ["y"]]})] == [
        ["x"], ["y"],
    ]  # fmt: skip


def test_the_frontier_of_efforts_reaches_results_report_and_mlflow(
    lab: FaultyEndpoint, project: Path
) -> None:
    """High effort thinks ten times as long, and answers no better."""
    (project / "pex.toml").write_text(f'[providers.lab]\nbase_url = "{lab.url}"\n{PRICES}')

    def answer(body: dict[str, Any], number: int) -> Any:
        thought = 400 if body["reasoning_effort"] == "high" else 40
        word = body["messages"][-1]["content"]
        right = body["reasoning_effort"] == "high" or word != "w0"
        details = {"reasoning_tokens": thought}
        usage = {"prompt_tokens": 100, "completion_tokens": thought + 2,
                 "total_tokens": thought + 102, "completion_tokens_details": details}  # fmt: skip
        return completion(word if right else "no") | {"usage": usage}

    lab.reply = answer
    gate = {"baseline": "say|reasoning_effort=high", "metric": "exact", "margin": 0.1}
    levels = {"reasoning_effort": ["high", "low"], "max_tokens": 500}
    results = experiment(levels, 80, gate=gate).run(show=False, traces=0)
    low, high = "say|reasoning_effort=low", "say|reasoning_effort=high"
    found = results.frontier()
    assert found.named == low
    table = found.frame.set_index("variant")
    # Reasoning is paid as what was generated: (100 + 2 x 42) and (100 + 2 x 402) USD per million.
    assert table.loc[low, "usd_per_1000"] == pytest.approx(0.184)
    assert table.loc[high, "usd_per_1000"] == pytest.approx(0.904)
    assert found.finding.startswith(f"Cheapest that is shown to be no worse than the best ({high})")
    assert "reasoning" in repr(results)
    assert results.frontier(margin=0.001).named == high
    page = results.page()
    assert f"◆ {low}" in page
    assert page.count("<polygon") == 1
    figure = results.plot("cost")
    assert any("◆" in str(item.text) for item in figure.layout.annotations)
    import mlflow

    mlflow.set_tracking_uri(str(results.about.tracking_uri))
    run = mlflow.get_run(str(results.run_id))
    assert run.data.tags["pex.cheapest_no_worse"] == low
    assert run.data.metrics["cheapest_no_worse.usd_per_1000"] == pytest.approx(0.184)
    stored = {item.path for item in mlflow.MlflowClient().list_artifacts(str(results.run_id))}
    assert {"frontier.json", "frontier.svg"} <= stored
    loaded = pex.load_run(str(results.run_id))
    assert loaded.frontier().named == low
    with pytest.raises(pex.PexError, match="no score 'exakt'"):
        results.frontier("exakt")
