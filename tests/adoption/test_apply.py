"""Model-specific versions, and what promotion says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import pex
from pex.adoption.decide import KEEP, WAIT
from tests.helpers.adopting import NEW, OLD, experiment, models, reply
from tests.helpers.endpoint import FaultyEndpoint


@pytest.fixture
def shelved(lab: FaultyEndpoint, project: Path) -> FaultyEndpoint:
    """Two prompts in the registry, each the champion; the new model does one of them well."""
    models(lab)
    for name in ("gain", "lose"):
        path = experiment(project, name, 30, params="params: [{max_tokens: 4}]\n")
        pex.library.save(pex.Prompt.load(path.parent / f"prompts/{name}.prompty"), alias="champion")
    return lab


def adopt(**options: object) -> pex.Adoption:
    found = pex.adopt(NEW, OLD, show=False, record=False, **options)  # type: ignore[arg-type]
    assert isinstance(found, pex.Adoption)
    return found


def test_a_prompt_that_may_stay_is_promoted_for_the_model_by_a_recorded_run(
    shelved: FaultyEndpoint,
) -> None:
    found = adopt(params={"reasoning_effort": "low"})
    calls = shelved.calls
    [done] = found.apply()
    assert shelved.calls == calls, "the evidence is made from the journal"
    assert done.prompt == "gain"
    assert done.promotion is not None
    assert done.promotion.moved, str(done)
    # The effort is part of what was adopted, so the model has a version of its own.
    special = pex.library.load("gain@champion--new")
    assert special.params == {"reasoning_effort": "low"}
    assert special.origin == "gain/2"
    assert pex.library.load("gain@champion").origin == "gain/1"
    evidence = done.promotion.evidence
    assert evidence is not None
    assert evidence.run_id == done.run_id
    assert pex.load_run(done.run_id).about.name == "gain"
    # Once more: it is there already.
    assert adopt(params={"reasoning_effort": "low"}).apply()[0].moved


def test_what_promotion_refuses_is_shown_and_nothing_moves(
    shelved: FaultyEndpoint, project: Path
) -> None:
    found = adopt()
    # Since the adoption the gate has changed, so what was measured is not what counts now.
    path = project / "experiments/gain/experiment.yaml"
    path.write_text(path.read_text().replace("margin: 0.1", "margin: 0.01"))
    [done] = found.apply()
    assert not done.moved
    assert "the experiment's gate has changed since the run: margin 0.1 → 0.01" in str(done)
    with pytest.raises(pex.PexError):
        pex.library.load("gain@champion--new")


def test_a_prompt_that_should_not_move_is_left_alone(shelved: FaultyEndpoint) -> None:
    found = adopt()
    [done] = found.apply(["lose"])
    assert "nothing moves: do not move yet" in str(done)
    with pytest.raises(pex.PexError, match="did you mean 'lose'"):
        found.apply(["loose"])


def test_promotion_of_a_model_in_place_of_another_needs_their_comparison(
    shelved: FaultyEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    from pex.cli.library.promote import promote_version

    refused = pex.promote("gain", model=NEW, instead_of=OLD)
    assert not refused.moved
    assert "pexlab adopt lab/new --baseline lab/old --prompt gain --apply" in str(refused)
    # The command says the same.
    with pytest.raises(SystemExit):
        promote_version("gain", model=NEW, instead_of=OLD)
    assert capsys.readouterr().out.strip() == str(refused).strip()
    with pytest.raises(pex.PexError, match="instead_of"):
        pex.promote("gain", instead_of=OLD)


def test_without_every_answer_there_is_no_evidence_and_no_model_is_asked_for_it(
    shelved: FaultyEndpoint,
) -> None:
    def failing(body: dict[str, Any], number: int) -> object:
        if body["model"] == "new" and str(body["messages"][-1]["content"]).endswith(" 7"):
            error = {"message": "this text is not allowed", "code": "content_filter"}
            return web.json_response({"error": error}, status=400)
        return reply(body, number)

    shelved.reply = failing
    found = adopt(params={"reasoning_effort": "low"}, prompts="gain")
    assert found.verdicts == {"gain": KEEP}
    calls = shelved.calls
    [done] = found.apply()
    assert shelved.calls == calls
    assert not done.failed
    assert "each of the 30 cases" in done.why
    assert done.why.endswith("1 of lab/new")
    with pytest.raises(pex.PexError):
        pex.library.load("gain/2")


def test_an_error_with_a_promotion_loses_nothing_of_what_was_compared(
    shelved: FaultyEndpoint,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from pex.cli.adopt import adopt as command

    def promote(name: str, **options: object) -> None:
        raise pex.PexError("the store does not answer")

    monkeypatch.setattr("pex.adoption.apply.promote", promote)
    page = project / "page.html"
    with pytest.raises(SystemExit) as stop:
        command(NEW, OLD, apply=True, no_record=True, report=page, as_json=True)
    assert stop.value.code == 5
    told = json.loads(capsys.readouterr().out)
    assert told["verdicts"] == {"gain": KEEP, "lose": WAIT}
    [done] = told["applied"]
    assert (done["why"], done["failed"]) == ("the store does not answer", True)
    assert done["version"] == 1
    assert "gain" in page.read_text()
