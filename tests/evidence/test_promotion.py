"""Promotion by evidence: real runs against scripted answers, a real registry."""

import datetime
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

import pex
from pex.core.user_name import user_name
from pex.evidence.promotion.result import MOVED, REFUSED, THERE, WOULD_MOVE
from pex.library.moves import FILE, TAG, read_history
from pex.library.registry_api import card_of
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.promoting import BAD, EVEN, GOOD, YAML, aliases, answer, run, shelve


def missing(found: Any) -> dict[str, str]:
    return {check.name: check.text for check in found.evidence.missing}


def test_a_better_version_is_promoted_and_the_move_says_everything(team: Path) -> None:
    shelve(BAD, GOOD)
    results = run()
    tried = pex.promote("ask", dry_run=True)
    assert (tried.outcome, tried.exit_code, aliases(team)) == (WOULD_MOVE, 0, {"champion": 1})
    found = pex.promote("ask")
    assert (found.outcome, found.before, found.to, found.exit_code) == (MOVED, 1, 2, 0)
    assert found.sentence == "champion of ask moved from version 1 to 2: the evidence is enough."
    assert aliases(team) == {"champion": 2}
    line = json.loads((team / FILE).read_text().splitlines()[-1])
    assert (line["from"], line["to"], line["by"], line["kind"]) == (1, 2, user_name(), "promote")
    assert (line["run_id"], line["experiment"], line["verdict"]) == (
        results.run_id, "sums", "better",
    )  # fmt: skip
    assert line["sentence"].startswith("'ask.2' is better than 'ask.1' on label: 98 %")
    assert (line["because"], line["digest"]) == ("", GOOD.digest)
    uri = f"sqlite:///{team / 'mlruns' / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri)
    tags = card_of(client, uri, "ask").tags
    assert json.loads(tags[f"{TAG}champion"]) == line
    assert re.fullmatch(r"1 → 2, \d{4}-\d\d-\d\d, .+: better", tags["pex.moved.champion"])
    assert line["cases_sha256"] == client.get_run(line["run_id"]).data.tags["pex.cases_sha256"]
    text = str(found)
    assert "✓ compared with version 1, used now" in text
    assert "✓ gate: label, margin 0.02, confidence 0.95" in text
    assert pex.promote("ask").outcome == THERE


def test_worse_and_undecided_move_nothing_without_a_reason(team: Path) -> None:
    shelve(GOOD, BAD)
    run()
    found = pex.promote("ask", version=2)
    assert (found.outcome, found.exit_code) == (REFUSED, 1)
    assert found.sentence == (
        "champion of ask stays at version 1: it is measurably worse for version 2."
    )
    assert aliases(team) == {"champion": 1}
    assert len(read_history(team).lines) == 1
    found = pex.promote("ask", version=2, because="the law changed")
    assert (found.outcome, found.because, aliases(team)) == (
        MOVED, "the law changed", {"champion": 2},
    )  # fmt: skip
    move = read_history(team).lines[-1].move
    assert (move.because, move.verdict) == ("the law changed", "worse")
    assert "Not enough evidence: it is measurably worse." in move.sentence


def test_undecided_has_its_own_exit_code(team: Path) -> None:
    shelve(pex.Prompt("EVEN {{ q }}", name="ask"), pex.Prompt("EVEN  {{ q }}", name="ask"))
    (team / "experiments/sums/cases.csv").write_text(
        "case_id,q,expected\n1,is 1,yes\n2,is 2,yes\n3,is 3,no\n"
    )
    run()
    found = pex.promote("ask")
    assert (found.outcome, found.exit_code, found.why) == (
        REFUSED,
        3,
        "the comparison is undecided",
    )
    assert "undecided on label" in str(found)


def test_what_is_missing_is_named_with_its_command(team: Path) -> None:
    shelve(BAD, GOOD)
    found = pex.promote("ask")
    assert (found.outcome, found.exit_code) == (REFUSED, 1)
    assert missing(found) == {"run": "no finished run has measured ask/2"}
    assert (
        'with "library:ask/2" and "library:ask/1" among its prompts: '
        "pexlab run experiments/sums/experiment.yaml"
    ) in str(found)
    run(limit=30)
    assert missing(pex.promote("ask")) == {
        "cases": "the run used other cases than experiments/sums/cases.csv has now"
    }
    run(mlflow_tags={"pex.source": "playground"})
    assert missing(pex.promote("ask", run="latest"))["run"] == (
        "the run was only tried (playground), not measured"
    )


@pytest.mark.parametrize(
    ("old", "new", "name", "text"),
    [
        ("gate:", "# gate:", "gate", "nothing says what is good enough"),
        ('"library:ask/1", ', "prompts/other.prompty, ", "comparison", "does not compare ask/2"),
    ],
)
def test_a_run_without_a_gate_or_without_the_champion_is_no_evidence(
    team: Path, old: str, new: str, name: str, text: str
) -> None:
    shelve(BAD, GOOD)
    (team / "experiments/sums/prompts").mkdir()
    pex.Prompt("BAD BAD {{ q }}", name="other").save(
        team / "experiments/sums/prompts/other.prompty"
    )
    path = team / "experiments/sums/experiment.yaml"
    path.write_text(YAML.replace(old, new).replace("ask.1", "other" if "other" in new else "ask.1"))
    lab_answers = run()
    assert lab_answers.status == "finished"
    assert text in missing(pex.promote("ask"))[name]


def test_the_gate_must_still_be_the_one_of_the_run(team: Path) -> None:
    shelve(BAD, GOOD)
    path = team / "experiments/sums/experiment.yaml"
    path.write_text(YAML.replace("0.02", "0.9"))
    run()
    path.write_text(YAML)
    assert missing(pex.promote("ask")) == {
        "gate": "the experiment's gate has changed since the run: margin 0.9 → 0.02"
    }


def test_a_gate_that_was_removed_since_the_run_promotes_nothing(team: Path) -> None:
    shelve(BAD, GOOD)
    path = team / "experiments/sums/experiment.yaml"
    run()
    path.write_text(YAML.replace("gate:", "# gate:"))
    assert missing(pex.promote("ask")) == {"gate": "the experiment's file no longer has a gate"}
    path.write_text(YAML)
    assert pex.promote("ask", dry_run=True).outcome == WOULD_MOVE


def test_a_gate_that_only_the_plan_has_is_enough(team: Path) -> None:
    shelve(BAD, GOOD)
    (team / "experiments/sums/experiment.yaml").write_text(YAML.replace("gate:", "# gate:"))
    folder = team / "plans"
    folder.mkdir()
    (folder / "plan.yaml").write_text(
        "name: nightly\nsteps: [{id: a, notebook: a.ipynb}]\n"
        "gate: {baseline: ask.1, metric: label, margin: 0.3}\n"
    )
    run(mlflow_tags={"pex.plan": "nightly", "pex.plan_folder": "plans"})
    found = pex.promote("ask", dry_run=True)
    assert found.outcome == WOULD_MOVE, str(found)


def test_a_deleted_run_is_no_evidence_and_the_next_one_decides(
    team: Path, lab: FaultyEndpoint
) -> None:
    shelve(BAD, GOOD)
    good = run()
    lab.reply = lambda body, number: completion("yes")
    bad = run(journal="fresh")
    assert pex.promote("ask").outcome == REFUSED
    client = mlflow.MlflowClient(f"sqlite:///{team / 'mlruns' / 'mlflow.db'}")
    client.delete_run(str(bad.run_id))
    found = pex.promote("ask", dry_run=True)
    assert (found.outcome, found.evidence.run_id) == (WOULD_MOVE, good.run_id)
    said = f"run {str(bad.run_id)[:8]} was deleted"
    assert said in str(found)
    assert missing(pex.promote("ask", run=bad.run_id)) == {"deleted run": said}
    client.delete_run(str(good.run_id))
    found = pex.promote("ask")
    assert found.outcome == REFUSED
    assert f"run {str(good.run_id)[:8]} was deleted" in str(found)
    assert "pexlab run experiments/sums/experiment.yaml" in str(found)


def test_the_digest_is_that_of_the_text_whatever_its_tag_says(team: Path) -> None:
    shelve(BAD, EVEN, GOOD)
    run()
    assert missing(pex.promote("ask", version=3))["run"].startswith("no finished run has measured")
    client = mlflow.MlflowClient(f"sqlite:///{team / 'mlruns' / 'mlflow.db'}")
    client.set_prompt_version_tag("ask", "3", "pex.digest", BAD.digest)
    found = pex.promote("ask", version=3, dry_run=True)
    assert missing(found)["run"].startswith("no finished run has measured ask/3")
    pex.promote("ask", version=3, because="x")
    assert read_history(team).lines[-1].move.digest == GOOD.digest


def test_a_newer_run_that_came_out_otherwise_is_not_passed_over(
    team: Path, lab: FaultyEndpoint
) -> None:
    shelve(BAD, GOOD)
    good = run()
    lab.reply = lambda body, number: completion("yes")
    run(journal="fresh")
    found = pex.promote("ask", run=good.run_id)
    assert (found.outcome, found.evidence.run_id) == (REFUSED, good.run_id)
    assert "a newer run" in missing(found)["newest run"]
    assert pex.promote("ask").outcome == REFUSED


def test_old_answers_are_not_made_younger_by_a_new_run(
    team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pex.evidence.promotion import gate_evidence

    shelve(BAD, GOOD)
    run()
    path = team / "experiments/sums/experiment.yaml"
    now = datetime.datetime.now(datetime.UTC)

    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return now + datetime.timedelta(days=days)

    fake = type(
        "clock", (), {"datetime": Later, "timedelta": datetime.timedelta, "UTC": datetime.UTC}
    )
    monkeypatch.setattr(gate_evidence, "datetime", fake)
    days = 31
    assert missing(pex.promote("ask", dry_run=True)) == {
        "age": "its oldest answers are 31 days old; evidence counts for 30 days "
        "(gate.evidence_days)"
    }
    path.write_text(YAML.replace("margin: 0.02", "margin: 0.02, evidence_days: 40"))
    assert pex.promote("ask", dry_run=True).outcome == WOULD_MOVE
    days = -1
    assert "of the future" in missing(pex.promote("ask", dry_run=True))["age"]


def test_too_many_errors_are_no_evidence(team: Path, lab: FaultyEndpoint) -> None:
    shelve(BAD, GOOD)

    def broken(body: dict[str, Any], number: int) -> Any:
        case = int(body["messages"][-1]["content"].split()[2])
        if case < 4:
            from aiohttp import web

            return web.json_response({"error": {"message": "bad"}}, status=400)
        return answer(body, number)

    lab.reply = broken
    run()
    assert missing(pex.promote("ask")) == {
        "errors": "8 of 82 requests without an answer, more than max_error_share (5%)"
    }
    # Of generated cases that nobody has accepted neither scores nor errors count.
    [path] = team.glob("experiments/*/cases.csv")
    head, *rows = path.read_text().splitlines()
    rows = [f"{row},{'generated' if n < 4 else 'own'}," for n, row in enumerate(rows)]
    path.write_text("\n".join([f"{head},origin,accepted_by", *rows]) + "\n")
    run()
    assert pex.promote("ask").outcome == MOVED


def test_errors_of_one_variant_do_not_hide_among_those_of_many(
    team: Path, lab: FaultyEndpoint
) -> None:
    shelve(BAD, GOOD)

    def broken(body: dict[str, Any], number: int) -> Any:
        kind, _, case = body["messages"][-1]["content"].split()
        if kind == "GOOD" and int(case) < 4:
            from aiohttp import web

            return web.json_response({"error": {"message": "bad"}}, status=400)
        return answer(body, number)

    lab.reply = broken
    run()  # 4 of 82 are under 5 %
    assert missing(pex.promote("ask")) == {
        "errors": "4 of 41 requests of 'ask.2' without an answer, more than max_error_share (5%)"
    }


def test_the_first_champion_is_compared_with_the_gates_baseline(team: Path) -> None:
    shelve(BAD, GOOD, champion=None)
    run()
    first = pex.promote("ask", version=1)
    assert missing(first)["comparison"].startswith("ask/1 is the gate's baseline itself")
    found = pex.promote("ask")
    assert (found.outcome, found.before, found.sentence) == (
        MOVED, None, "champion of ask moved to 2: the evidence is enough.",
    )  # fmt: skip


def test_a_version_that_sends_the_same_needs_no_run(team: Path) -> None:
    shelve(GOOD, pex.Prompt("GOOD {{ q }}", name="ask", description="Asks."))
    found = pex.promote("ask")
    assert found.outcome == MOVED
    assert "sends the same requests as version 1" in found.evidence.sentence


def test_a_model_gets_a_version_of_its_own_by_evidence_on_it_alone(team: Path) -> None:
    shelve(BAD, GOOD)
    path = team / "experiments/sums/experiment.yaml"
    path.write_text(YAML.replace("[lab/m1]", "[lab/m1, lab/m2]").replace('"ask.1"', "ask.1"))
    run()
    assert missing(pex.promote("ask", model="lab/m3")) == {
        "run": "no finished run has measured ask/2 on lab/m3, only on lab/m1, lab/m2"
    }
    found = pex.promote("ask", model="lab/m2")
    assert found.outcome == MOVED, str(found)
    assert aliases(team) == {"champion": 1, "champion--m2": 2}
    assert {pair[0] for pair in found.evidence.pairs} == {"ask.2|m2"}
    uri = f"sqlite:///{team / 'mlruns' / 'mlflow.db'}"
    tags = card_of(mlflow.MlflowClient(uri), uri, "ask").tags
    assert tags["pex.model_alias.champion--m2"] == "lab/m2"
    with pytest.raises(pex.PexError, match="is the alias for the model 'lab/m2', not 'other/m2'"):
        pex.promote("ask", model="other/m2")
    with pytest.raises(pex.PexError, match="model 'm2': expected its full name, provider/model"):
        pex.promote("ask", model="m2")


def test_another_provider_of_the_same_model_is_another_model(team: Path) -> None:
    shelve(BAD, GOOD)
    path = team / "experiments/sums/experiment.yaml"
    path.write_text(YAML.replace("[lab/m1]", "[lab/openai/m1]"))
    run()
    assert missing(pex.promote("ask", model="openai/m1")) == {
        "run": "no finished run has measured ask/2 on openai/m1, only on lab/openai/m1"
    }
    found = pex.promote("ask", model="lab/openai/m1", dry_run=True)
    assert found.outcome == WOULD_MOVE, str(found)


def test_each_variant_of_the_version_must_be_compared(team: Path) -> None:
    # Two prompts of one digest are two used variants on m1, which must not stand in for m2.
    from pex.core.about import VariantInfo
    from pex.evidence.promotion.gate_evidence import Subject, _pairs

    def variant(name: str, digest: str, model: str) -> VariantInfo:
        return VariantInfo(name, name, digest, model)

    about: Any = type("about", (), {"variants": [
        variant("new|m1", "n", "lab/m1"), variant("new|m2", "n", "lab/m2"),
        variant("old|m1", "o", "lab/m1"), variant("same|m1", "o", "lab/m1"),
    ]})  # fmt: skip
    pairs, check = _pairs(team, Subject("ask", 2, "n", 1, "o"), about, None)
    assert (pairs, check.met) == ([], False)


def test_rolling_back_needs_a_reason_and_goes_back_step_by_step(team: Path) -> None:
    shelve(BAD, EVEN, GOOD)
    for number in (2, 3):
        assert pex.promote("ask", version=number, because="first days").moved
    with pytest.raises(pex.PexError, match="a roll-back needs a reason"):
        pex.rollback("ask")
    found = pex.rollback("ask", because="complaints")
    assert (found.before, found.to) == (3, 2)
    assert found.sentence == "champion of ask moved from version 3 to 2, because: complaints"
    assert read_history(team).lines[-1].move.kind == "rollback"
    assert pex.rollback("ask", because="more complaints").to == 1
    with pytest.raises(pex.PexError, match="no move says where"):
        pex.rollback("ask", because="and on")
    assert pex.rollback("ask", version=3, because="it was the phone line").to == 3


def test_a_disabled_version_is_refused_and_passed_over(team: Path) -> None:
    shelve(BAD, EVEN, GOOD)
    client = mlflow.MlflowClient(f"sqlite:///{team / 'mlruns' / 'mlflow.db'}")
    pex.promote("ask", version=2, because="x")
    pex.promote("ask", version=3, because="x")
    client.set_prompt_tag("ask", "pex.disabled", "[2]")
    client.set_prompt_version_tag("ask", 2, "pex.disabled", json.dumps({"because": "it leaks"}))
    with pytest.raises(pex.PexError, match="version 2 of 'ask' is disabled: it leaks"):
        pex.promote("ask", version=2, because="never mind")
    assert pex.rollback("ask", because="x").to == 1


def test_a_champion_that_was_deleted_can_be_replaced(team: Path) -> None:
    shelve(EVEN, BAD, GOOD, champion=3)
    client = mlflow.MlflowClient(f"sqlite:///{team / 'mlruns' / 'mlflow.db'}")
    client.delete_prompt_version("ask", "3")
    with sqlite3.connect(team / "mlruns" / "mlflow.db") as store:  # MLflow itself tidies up
        store.execute(
            "INSERT INTO registered_model_aliases (workspace, name, alias, version) "
            "VALUES ('default', 'ask', 'champion', 3)"
        )
    found = pex.promote("ask", version=2, because="3 is gone")
    assert "champion points to version 3, which was deleted" in str(found)
    assert aliases(team) == {"champion": 2}


def test_a_move_elsewhere_is_said(team: Path) -> None:
    shelve(BAD, GOOD)
    client = mlflow.MlflowClient(f"sqlite:///{team / 'mlruns' / 'mlflow.db'}")
    client.set_prompt_alias("ask", "champion", 2)
    found = pex.promote("ask", version=1, because="back")
    assert re.search(r"champion of ask was moved elsewhere .*from version 1 to 2", str(found))


def test_two_that_decide_at_once_do_not_overwrite_each_other(
    team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pex.evidence.promotion import promotion

    shelve(BAD, EVEN, GOOD)
    plain: Callable[..., Any] = promotion.find_evidence

    def slow(*args: Any) -> Any:
        pex.library.set_alias("ask", "champion", 3)
        return plain(*args)

    monkeypatch.setattr(promotion, "find_evidence", slow)
    with pytest.raises(pex.PexError, match="moved by somebody else meanwhile") as error:
        pex.promote("ask", version=2, because="mine")
    assert error.value.exit_code == 1
    assert aliases(team) == {"champion": 3}


FIGHTER = """
import sys, time
from pathlib import Path
import pex
from pex.evidence.promotion import promotion
plain = promotion.find_evidence
me, other = sys.argv[1], sys.argv[2]

def together(*args):
    found = plain(*args)
    Path(me).touch()  # both have decided on what they saw before either moves
    while not Path(other).exists():
        time.sleep(0.01)
    return found

promotion.find_evidence = together
try:
    print(pex.promote("ask", version=int(me), because=f"process {me}").outcome)
except pex.PexError as error:
    print("lost:", error.message)
"""


def test_the_library_and_the_runs_can_be_in_two_stores(team: Path) -> None:
    with (team / "pex.toml").open("a") as settings:
        settings.write('[library]\nregistry_uri = "sqlite:///mlruns/registry.db"\n')
    shelve(BAD, GOOD)
    results = run()
    found = pex.promote("ask")
    assert found.outcome == MOVED, str(found)
    assert found.evidence.run_id == results.run_id
    assert pex.library.versions("ask").set_index("aliases")["version"]["champion"] == 2
    assert (
        mlflow.MlflowClient(f"sqlite:///{team / 'mlruns' / 'mlflow.db'}").get_prompt("ask") is None
    )
    assert pex.rollback("ask", because="x").to == 1


def test_a_judge_that_nobody_calibrated_promotes_nothing(team: Path, lab: FaultyEndpoint) -> None:
    shelve(BAD, GOOD)
    (team / "experiments/sums/judge.prompty").write_text("Is {{ output }} a yes?")
    judge = "{name: polite, kind: judge, prompt: judge.prompty, model: lab/m1}"
    path = team / "experiments/sums/experiment.yaml"
    path.write_text(
        YAML.replace("[label]", f"[label, {judge}]").replace("metric: label", "metric: polite")
    )

    def judged(body: dict[str, Any], number: int) -> Any:
        text = body["messages"][-1]["content"]
        if not text.startswith("Is "):
            return answer(body, number)
        return completion(json.dumps({"reason": "", "verdict": "yes" if "yes a" in text else "no"}))

    lab.reply = judged
    run()
    found = pex.promote("ask")
    assert (found.outcome, found.exit_code) == (REFUSED, 3)
    assert "judge 'polite' is not calibrated against people" in missing(found)["judge"]


def test_a_plans_gate_overrides_the_experiments(team: Path) -> None:
    shelve(BAD, GOOD)
    folder = team / "plans"
    folder.mkdir()
    (folder / "plan.yaml").write_text(
        "name: nightly\nsteps: [{id: a, notebook: a.ipynb}]\n"
        "gate: {margin: 0.3, evidence_days: 1}\n"
    )
    run(mlflow_tags={"pex.plan": "nightly", "pex.plan_folder": "plans"})
    assert "✓ gate: label, margin 0.3, confidence 0.95" in str(pex.promote("ask", dry_run=True))


@pytest.mark.slow
def test_two_processes_fight_over_one_alias(team: Path) -> None:
    shelve(BAD, EVEN, GOOD)
    _fight(team)


@pytest.mark.slow
@pytest.mark.postgres
def test_two_processes_fight_over_one_alias_on_a_server_without_a_lock(
    team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.helpers.postgres import postgres

    with postgres() as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address.replace(":", "+pg8000:", 1))
        shelve(BAD, EVEN, GOOD)
        _fight(team)


def _fight(team: Path) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", FIGHTER, *pair], cwd=team, stdout=subprocess.PIPE, text=True
        )
        for pair in (("2", "3"), ("3", "2"))
    ]
    said = sorted(process.communicate()[0].strip() for process in both)
    assert said[1] == "moved", said
    assert said[0].startswith("lost: 'champion' of 'ask' was moved by somebody else meanwhile")
    moves = read_history(team).moves("ask", "champion")
    now = pex.library.versions("ask").set_index("aliases")["version"]["champion"]
    assert [(move.before, move.to) for move in moves] == [(None, 1), (1, int(now))]
    assert list(read_history(team).remarks) == []


@pytest.mark.postgres
def test_moves_on_postgresql(team: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.helpers.postgres import postgres

    with postgres() as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address.replace(":", "+pg8000:", 1))
        shelve(BAD, EVEN, GOOD)
        run(budget_usd=None)
        found = pex.promote("ask", version=2)
        assert found.outcome == MOVED, str(found)
        assert pex.rollback("ask", because="complaints").to == 1
        with pytest.raises(pex.PexError, match="moved by somebody else meanwhile"):
            _promote_while_another_does(monkeypatch)
        assert [move.to for move in read_history(team).moves("ask")] == [1, 2, 1, 3]


def _promote_while_another_does(monkeypatch: pytest.MonkeyPatch) -> None:
    from pex.evidence.promotion import promotion

    plain = promotion.find_evidence

    def slow(*args: Any) -> Any:
        pex.library.set_alias("ask", "champion", 3)
        return plain(*args)

    monkeypatch.setattr(promotion, "find_evidence", slow)
    pex.promote("ask", version=2, because="mine")


def test_the_commands(team: Path) -> None:
    shelve(BAD, GOOD)
    run()
    said = pexlab("library", "promote", "ask", "--dry-run", "--json", folder=team)
    assert (said.returncode, json.loads(said.stdout)["outcome"]) == (0, "would move")
    said = pexlab("library", "promote", "ask", folder=team)
    assert said.stdout.startswith("champion of ask moved from version 1 to 2")
    said = pexlab("library", "promote", "ask", "--version", "1", folder=team)
    assert said.returncode == 1
    assert "✗ " not in said.stdout.split("\n")[0]
    said = pexlab("library", "rollback", "ask", folder=team)
    assert (said.returncode, said.stderr.split("\n")[0]) == (2, "error: a roll-back needs a reason")
    said = pexlab("library", "rollback", "ask", "--because", "complaints", folder=team)
    assert said.stdout.startswith("champion of ask moved from version 2 to 1, because: complaints")
