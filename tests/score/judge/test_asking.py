"""Judges are a second wave: the same budget and journal, and whatever goes wrong loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import pex
from pex.core.about import VariantInfo
from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.events import Scored
from pex.run import provider_batch, retry
from pex.score.judge import asking
from pex.score.judge.calibration import calibrate
from pex.score.judge.judge import Judge
from pex.score.judge.positions import Positions
from tests.helpers.batch_endpoint import BatchEndpoint
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.judges import is_judge, likes, verdict
from tests.helpers.model import share

POLITE = pex.Prompt("Is this polite?\n<answer>{{ output }}</answer>", name="polite")
KINDER = pex.Prompt("Which is kinder?\nA: {{ first }}\nB: {{ second }}", name="kinder")
PRICES = "".join(
    f'[prices."lab/{name}"]\ninput_usd_per_million = {usd}\noutput_usd_per_million = {usd}\n'
    for name, usd in (("m1", 1000), ("judge", 1000))
)


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)


def prefers(good: str) -> Callable[[dict, int], Any]:
    """A pairwise judge that prefers what has this text in it, wherever it stands."""

    def reply(body: dict, number: int) -> Any:
        if not is_judge(body):
            return None
        first, _, second = body["messages"][0]["content"].partition("\nB: ")
        sides = {(True, False): "first", (False, True): "second"}
        return verdict(sides.get((good in first, good in second), "tie"))

    return reply


def experiment(n: int = 4, *judges: Any, prompts: int = 1, **options: Any) -> pex.Experiment:
    texts = ["{{ word }}", "please {{ word }}", "now {{ word }}"][:prompts]
    names = ["echo", "please", "now"]
    asked = [pex.Prompt(text, name=name) for text, name in zip(texts, names, strict=False)]
    return pex.Experiment(
        "judged",
        variants=pex.grid(asked, "lab/m1"),
        cases=[{"word": f"word{i}", "expected": f"word{i}"} for i in range(n)],
        scorers=["exact", *(judges or [Judge(POLITE, "lab/judge")])],
        **options,
    )


def run(exp: pex.Experiment, **options: Any) -> pex.Results:
    return exp.run(show=False, **{"record": False, **options})


def priced(project: Path, endpoint: FaultyEndpoint) -> None:
    (project / "pex.toml").write_text(f'[providers.lab]\nbase_url = "{endpoint.url}"\n{PRICES}')


def test_every_answer_is_judged_after_the_first_wave(lab: FaultyEndpoint) -> None:
    lab.reply = likes("word1<")
    results = run(experiment(4))
    assert [is_judge(body) for body in lab.bodies] == [False] * 4 + [True] * 4
    frame = results.frame.set_index("case.word")
    assert frame["score.polite"].to_dict() == {"word0": 0, "word1": 1, "word2": 0, "word3": 0}
    assert frame["reason.polite"].eq("So.").all()
    assert frame["score.exact"].eq(1).all()
    assert results.about["scorers"] == ["exact", "polite"]
    assert results.about["counts"]["requests"] == results.about["counts"]["answered"] == 4
    (judge,) = results.about["judges"]
    assert (judge["name"], judge["model"], judge["calls"], judge["replayed"]) == (
        "polite",
        "lab/judge",
        4,
        0,
    )
    assert not judge["calibrated"]
    assert judge["why"] == "uncalibrated: no human ratings"
    assert judge["digest"] == Judge(POLITE, "lab/judge").digest


def test_a_second_run_asks_no_judge_again(lab: FaultyEndpoint, project: Path) -> None:
    lab.reply = likes("word1<")
    first = run(experiment(4))
    calls = lab.calls
    (project / "pex.toml").write_text(  # nobody is there any more
        '[providers.lab]\nbase_url = "http://127.0.0.1:9/v1"\nfree = true\n'
    )
    again = run(experiment(4))
    assert lab.calls == calls
    assert again.frame["score.polite"].tolist() == first.frame["score.polite"].tolist()
    assert (again.about["judges"][0]["calls"], again.about["judges"][0]["replayed"]) == (4, 4)
    assert again.status == "finished"


def test_a_changed_judge_is_asked_and_the_models_are_not(lab: FaultyEndpoint) -> None:
    lab.reply = likes("word")
    run(experiment(4))
    stricter = pex.Prompt("Is this very polite? {{ output }}", name="polite")
    run(experiment(4, Judge(stricter, "lab/judge")))
    assert [is_judge(body) for body in lab.bodies[8:]] == [True] * 4


def test_answers_with_an_error_are_not_judged(lab: FaultyEndpoint) -> None:
    def reply(body: dict, number: int) -> Any:
        if is_judge(body):
            return verdict("yes")
        if body["messages"][0]["content"] == "word2":
            return web.json_response({"error": "too long context"}, status=400)
        return None

    lab.reply = reply
    results = run(experiment(4))
    row = results.frame.set_index("case.word").loc["word2"]
    assert row["error_kind"] is not None
    assert row[["score.polite", "score_error.polite"]].isna().all()
    assert results.about["judges"][0]["calls"] == 3


def test_what_is_no_verdict_is_an_error_and_no_zero(lab: FaultyEndpoint) -> None:
    garbage = ["I think yes.", '{"reason": "a", "verdict": "maybe"}', '{"verdict": "yes"', ""]

    def reply(body: dict, number: int) -> Any:
        if not is_judge(body):
            return None
        text = body["messages"][0]["content"]
        found = [g for i, g in enumerate(garbage) if f"word{i}<" in text]
        return completion(found[0]) if found else verdict("yes")

    lab.reply = reply
    results = run(experiment(6))
    summary = results.summary().iloc[0]
    assert (summary["score.polite"], summary["score.polite.n"]) == (1.0, 2)
    assert summary["score.polite.errors"] == 4
    assert results.frame["score_error.polite"].notna().tolist() == [True] * 4 + [False] * 2
    assert results.about["judges"][0]["errors"] == 4
    assert results.status == "finished"


def test_pairs_are_asked_in_both_orders(lab: FaultyEndpoint) -> None:
    lab.reply = prefers("please")
    judge = Judge(KINDER, "lab/judge", baseline="echo")
    results = run(experiment(3, judge, prompts=3))
    assert sum(map(is_judge, lab.bodies)) == 2 * 3 * 2
    mean = results.frame.groupby("variant")["score.kinder"].mean()
    assert mean.to_dict() == {"echo": 0.5, "please": 1.0, "now": 0.5}
    row = results.frame[results.frame["variant"] == "please"].iloc[0]
    assert row["reason.kinder"] == "first: please, swapped: please. So. / So."
    positions = results.about["judges"][0]["positions"]
    assert (positions["pairs"], positions["consistent"]) == (6, 6)


def test_a_judge_that_likes_the_first_place_is_found_out(lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: verdict("first") if is_judge(body) else None
    judge = Judge(KINDER, "lab/judge", baseline="echo")
    results = run(experiment(8, judge, prompts=2))
    assert results.frame["score.kinder"].eq(0.5).all()
    found = Positions(**results.about["judges"][0]["positions"])
    assert (found.consistency, found.first_share) == (0.0, 1.0)
    assert found.p < 0.01


def test_a_baseline_that_is_not_there_is_refused_at_once(lab: FaultyEndpoint) -> None:
    with pytest.raises(pex.PexError, match=r"judge 'kinder': .*'ecko'.*\n.*did you mean 'echo'"):
        experiment(2, Judge(KINDER, "lab/judge", baseline="ecko"), prompts=2)
    with pytest.raises(pex.PexError, match="judge 'kinder': there is only one variant"):
        experiment(2, Judge(KINDER, "lab/judge", baseline="echo"))
    assert lab.calls == 0


def test_judges_spend_of_the_same_budget(project: Path, endpoint: FaultyEndpoint) -> None:
    priced(project, endpoint)
    endpoint.reply = likes("word")
    results = run(experiment(5), budget_usd=5)
    assert results.about["spent_usd"] == pytest.approx(10 * 0.012)
    assert results.about["judges"][0]["cost_usd"] == pytest.approx(5 * 0.012)
    assert results.frame["cost_usd"].sum() == pytest.approx(5 * 0.012)


def test_the_budget_ends_the_judging_and_the_next_run_goes_on(
    project: Path, endpoint: FaultyEndpoint
) -> None:
    priced(project, endpoint)
    endpoint.reply = likes("word")
    judge = Judge(POLITE, "lab/judge", params={"max_tokens": 100})
    exp = experiment(10, judge, max_in_flight=1)
    for variant in exp.variants:
        variant.params["max_tokens"] = 10
    # Each call costs 0.012; a judge may cost about half a dollar at most.
    results = run(exp, budget_usd=0.7)
    assert results.status == "budget"
    assert results.about["spent_usd"] <= 0.7
    assert results.about["counts"]["answered"] == 10
    assert results.frame["score.exact"].eq(1).all()
    judged = int(results.frame["score.polite"].notna().sum())
    assert 0 < judged < 10
    errors = results.frame["score_error.polite"].dropna()
    assert len(errors) == 10 - judged
    assert errors.eq("not judged: the budget ended the run").all()
    more = run(exp, budget_usd=5)
    assert more.status == "finished"
    assert more.frame["score.polite"].eq(1).all()
    assert more.about["journal"]["continued"]
    assert endpoint.calls == 20
    assert more.about["spent_usd"] == pytest.approx(20 * 0.012)


def test_judges_spend_of_the_budget_of_their_batch(
    project: Path, endpoint: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced(project, endpoint)
    endpoint.reply = likes("word")
    monkeypatch.setenv("PEX_BATCH_ID", "night-1")
    monkeypatch.setenv("PEX_JOB_ID", "compare")
    judge = Judge(POLITE, "lab/judge", params={"max_tokens": 100})
    exp = experiment(10, judge, max_in_flight=1)
    for variant in exp.variants:
        variant.params["max_tokens"] = 10
    monkeypatch.setenv("PEX_BATCH_BUDGET_USD", "0.7")
    results = run(exp, budget_usd=50)
    assert results.status == "budget"
    assert 0 < results.frame["score.polite"].notna().sum() < 10
    assert results.about["spent_usd"] <= 0.7
    monkeypatch.setenv("PEX_BATCH_BUDGET_USD", "5")
    assert run(exp, budget_usd=50).frame["score.polite"].eq(1).all()
    assert endpoint.calls == 20


def test_an_unpriced_judge_is_refused_before_anything_is_asked(
    project: Path, endpoint: FaultyEndpoint
) -> None:
    priced(project, endpoint)
    exp = experiment(2, Judge(POLITE, "lab/other"))
    with pytest.raises(pex.PexError, match="'lab/other': no price is known"):
        run(exp)
    assert endpoint.calls == 0


def test_a_missing_key_names_the_judge_that_needs_it(
    lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    exp = experiment(2, Judge(POLITE, "openai/gpt-4.1-mini"))
    with pytest.raises(
        pex.PexError, match=r"judge 'polite' \(openai/gpt-4.1-mini\): .*OPENAI_API_KEY is not set"
    ):
        run(exp)
    assert lab.calls == 0


def test_a_judge_that_cannot_be_asked_leaves_the_other_scores(lab: FaultyEndpoint) -> None:
    def refuses(body: dict, number: int) -> Any:
        if is_judge(body):
            return web.json_response({"error": {"message": "Incorrect API key"}}, status=401)
        return None

    lab.reply = refuses
    exp = experiment(30)
    results = run(exp)
    assert results.status == "failed"
    assert results.frame["score.exact"].eq(1).all()
    assert results.frame["score.polite"].isna().all()
    assert results.frame["score_error.polite"].str.contains("Incorrect API key").all()
    assert results.about["counts"]["errors"] == 0
    assert "Incorrect API key" in results.about["judges"][0]["error"]
    assert sum(map(is_judge, lab.bodies)) <= retry.GIVE_UP_AFTER + 16
    lab.reply = likes("word")
    mended = run(exp)
    assert mended.status == "finished"
    assert mended.about["journal"]["continued"]
    assert mended.frame["score.polite"].eq(1).all()


def test_one_judge_that_fails_does_not_end_the_other(lab: FaultyEndpoint) -> None:
    def reply(body: dict, number: int) -> Any:
        if is_judge(body) and body["model"] == "m9":
            return web.json_response({"error": "no such model"}, status=404)
        return verdict("yes") if is_judge(body) else None

    lab.reply = reply
    bad = Judge(POLITE, "lab/m9", name="bad")
    results = run(experiment(5, Judge(POLITE, "lab/judge"), bad))
    assert results.status == "failed"
    assert results.frame["score.polite"].eq(1).all()
    assert results.frame["score_error.bad"].notna().all()


def test_a_stop_while_judging_keeps_what_is_there(lab: FaultyEndpoint) -> None:
    def reply(body: dict, number: int) -> Any:
        if is_judge(body):
            lab.latency_s = 0.05
            return verdict("yes")
        return None

    lab.reply = reply
    exp = experiment(60, max_in_flight=4)
    execution = exp.start(record=False)
    assert execution.progress.total == 120
    while execution.progress.judged < 5:
        time.sleep(0.01)
    execution.cancel()
    results = execution.wait()
    assert results.status == "interrupted"
    assert results.about["counts"]["answered"] == 60
    judged = results.frame["score.polite"].notna().sum()
    assert 5 <= judged < 60
    assert (
        results.frame["score_error.polite"].dropna().eq("not judged: the run was interrupted").all()
    )
    lab.latency_s = 0
    lab.reply = likes("word")
    done = run(exp)
    assert done.status == "finished"
    assert done.frame["score.polite"].eq(1).all()
    assert lab.calls == 120


def test_a_stop_in_the_first_wave_asks_no_judge(lab: FaultyEndpoint) -> None:
    lab.latency_s = 0.05
    lab.reply = likes("word")
    execution = experiment(100, max_in_flight=4).start(record=False)
    while execution.progress.answered < 8:
        time.sleep(0.01)
    execution.cancel()
    results = execution.wait()
    assert results.status == "interrupted"
    assert not any(map(is_judge, lab.bodies))
    assert results.frame["score_error.polite"].eq("not judged: the run was interrupted").all()


SCRIPT = textwrap.dedent(
    """
    import pex
    from pex.score.judge.judge import Judge
    polite = pex.Prompt("Is this polite? {{ output }}", name="polite")
    cases = [{"word": f"word{i}"} for i in range(150)]
    exp = pex.Experiment("kills", pex.grid(pex.Prompt("{{ word }}", name="echo"), "lab/m1"), cases,
                         [Judge(polite, "lab/judge")])
    print("ready", flush=True)
    results = exp.run(record=False, show=False, max_in_flight=8)
    print(results.status, results.frame["score.polite"].sum())
    """
)


def test_a_killed_run_pays_only_what_was_in_flight_again(
    lab: FaultyEndpoint, project: Path
) -> None:
    lab.latency_s = 0.01
    lab.reply = likes("word")
    for kills in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT], cwd=project, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        if kills < 2:
            seen = lab.calls
            while lab.calls < (200 if kills else seen + 40):  # the second time among the judges
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        out, _ = process.communicate(timeout=300)
    assert out.split() == ["finished", "150.0"]
    assert 300 <= lab.calls <= 300 + 2 * 8


def test_progress_and_views_are_told(lab: FaultyEndpoint) -> None:
    lab.reply = likes("word")
    exp = experiment(3)
    told: list[Any] = []
    execution, job = exp.prepare(record=False)
    execution.listen(told.append)
    assert job.score_names == ["exact", "polite"]
    execution.start().wait()
    scored = [event.scores for event in told if isinstance(event, Scored)]
    assert sorted(next(iter(scores)) for scores in scored) == ["exact"] * 3 + ["polite"] * 3
    assert (execution.progress.done, execution.progress.total) == (6, 6)


def test_progress_counts_what_is_really_asked(lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: verdict("tie") if is_judge(body) else completion("the same")
    judge = Judge(KINDER, "lab/judge", baseline="echo")
    execution = experiment(3, judge, prompts=2).start(record=False)
    execution.wait()
    assert (execution.progress.done, execution.progress.total) == (6, 6)
    assert not any(map(is_judge, lab.bodies))


def test_a_preview_counts_and_prices_the_judges(project: Path, endpoint: FaultyEndpoint) -> None:
    priced(project, endpoint)
    endpoint.reply = likes("word")
    plain = pex.Experiment(
        "judged",
        variants=pex.grid([pex.Prompt("{{ word }}", name="echo")], "lab/m1"),
        cases=[{"word": f"word{i}"} for i in range(4)],
    )
    alone, both = plain.preview(), experiment(4).preview()
    assert (alone.calls, both.calls, both.replayed) == (4, 8, 0)
    # An answer may be 1,024 tokens long, and the judge reads it and says as many.
    assert both.longest_tokens == 2 * alone.longest_tokens
    assert both.at_most_usd > 2.5 * alone.at_most_usd
    run(experiment(4), budget_usd=50)
    after = experiment(4).preview()
    assert (after.calls, after.replayed, after.cost_usd) == (0, 8, 0.0)
    # Half of the answers are there: their judgements too.
    more = experiment(8).preview()
    assert (more.calls, more.replayed) == (8, 8)
    assert more.cost_usd < both.at_most_usd / 10  # by what the earlier answers and verdicts took
    pairs = experiment(4, Judge(KINDER, "lab/judge", baseline="echo"), prompts=2).preview()
    assert (pairs.calls, pairs.replayed) == (4 + 8, 4)
    assert endpoint.calls == 8


def test_a_preview_names_a_judge_without_a_price(project: Path, endpoint: FaultyEndpoint) -> None:
    priced(project, endpoint)
    found = experiment(2, Judge(POLITE, "lab/other")).preview()
    assert (found.cost_usd, found.unpriced) == (None, ("lab/other",))


def test_repeats_with_the_same_text_are_judged_once(lab: FaultyEndpoint) -> None:
    lab.reply = likes("word")
    results = run(experiment(2), repeats=3)
    assert sum(map(is_judge, lab.bodies)) == 2
    assert results.frame["score.polite"].eq(1).all()
    assert len(results.frame) == 6


def test_a_judge_is_saved_and_comes_back_with_the_experiment(
    lab: FaultyEndpoint, project: Path
) -> None:
    lab.reply = likes("word")
    POLITE.save(project / "judges" / "polite.prompty")
    filed = Judge("judges/polite.prompty", "lab/judge", scale=(1, 5))
    inline = Judge(POLITE, "lab/judge", name="inline")
    exp = experiment(2, filed, inline)
    path = exp.save(project / "experiments" / "judged" / "experiment.yaml")
    text = path.read_text("utf-8")
    assert "prompt: ../../judges/polite.prompty" in text
    assert "prompt: judges/inline.prompty" in text
    again = pex.Experiment.load(path)
    assert [judge.digest for judge in again._built[1:]] == [filed.digest, inline.digest]
    moved = again.save(project / "elsewhere" / "experiment.yaml")
    assert "prompt: ../judges/polite.prompty" in moved.read_text("utf-8")
    assert pex.Experiment.load(moved)._built[2].digest == inline.digest
    (path.parent / "judges" / "inline.prompty").write_text("Another one: {{ output }}")
    with pytest.raises(pex.PexError, match=r"inline\.prompty: a file with different content"):
        exp.save(path)


def test_mlflow_alone_says_who_judged(lab: FaultyEndpoint, project: Path) -> None:
    lab.reply = likes("word")
    results = run(experiment(2), record=True)
    again = pex.load_run(results.run_id)
    assert again.frame["score.polite"].tolist() == [1.0, 1.0]
    (judge,) = again.about["judges"]
    assert judge["text"] == POLITE.text
    assert judge["identity"] == Judge(POLITE, "lab/judge").identity

    import mlflow

    client = mlflow.MlflowClient(results.about["tracking_uri"])
    file = client.download_artifacts(results.run_id, "judges/polite.prompty")
    assert pex.Prompt.load(file).text == POLITE.text
    spec = Path(client.download_artifacts(results.run_id, "experiment.yaml")).read_text("utf-8")
    assert "prompt: judges/polite.prompty" in spec


def test_a_calibrated_judge_says_so_in_the_run(lab: FaultyEndpoint, project: Path) -> None:
    lab.reply = likes("word1")  # and 10 to 19
    POLITE.save(project / "polite.prompty")
    judge = Judge("polite.prompty", "lab/judge")
    results = run(experiment(20, judge))
    rows = results.frame[["variant", "case_id", "repeat"]].itertuples(index=False, name=None)
    judged = dict(zip(rows, results.frame["score.polite"], strict=True))
    calibrate(judged, judged, judge.identity, raters=["ann"]).save(judge.calibration_path)
    (again,) = run(experiment(20, judge)).about["judges"]
    assert again["calibrated"]
    assert again["why"].startswith("kappa 1.00 [")
    assert (again["calibration"]["n"], again["calibration"]["raters"]) == (20, ["ann"])


def test_a_damaged_calibration_is_found_before_anything_is_asked(
    lab: FaultyEndpoint, project: Path
) -> None:
    POLITE.save(project / "polite.prompty")
    (project / "polite.calibration.json").write_text("{")
    with pytest.raises(pex.PexError, match=r"polite\.calibration\.json"):
        run(experiment(2, Judge("polite.prompty", "lab/judge")))
    assert lab.calls == 0


def test_judges_of_a_provider_batch_are_asked_at_once_and_at_the_full_price(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_batch, "FIRST_POLL_S", 0.02)
    server = BatchEndpoint()
    server.reply = likes("word")
    with server.running():
        priced(project, server)
        exp = experiment(4)
        results = run(exp, provider_batch=True, budget_usd=50)
        assert len(server.batches) == 1
        assert server.calls == 4
    assert results.frame["score.polite"].eq(1).all()
    assert results.about["spent_usd"] == pytest.approx(4 * 0.006 + 4 * 0.012)


# -- without an experiment

ANSWERS = {("echo", f"c{i}", 1): Answer(output=f"word{i}") for i in range(6)}
CASES = [Case(f"c{i}", {"word": f"word{i}"}) for i in range(6)]
VARIANTS = [VariantInfo("echo", "echo", model="lab/m1")]


def test_old_answers_are_judged_without_an_experiment(
    project: Path, endpoint: FaultyEndpoint
) -> None:
    priced(project, endpoint)
    endpoint.reply = likes("word1<")
    told: list[Any] = []
    judge = Judge(POLITE, "lab/judge")
    found = asking.judge(
        [judge], ANSWERS, CASES, VARIANTS, project, "old", budget_usd=5, on_event=told.append
    )
    values = [scores["polite"].value for _, scores in sorted(found.scores.items())]
    assert values == [False, True, False, False, False, False]
    assert found.status == "finished"
    assert found.spent_usd == pytest.approx(6 * 0.012)
    assert sum(isinstance(event, Scored) for event in told) == 6
    again = asking.judge([judge], ANSWERS, CASES, VARIANTS, project, "old", budget_usd=0)
    assert (again.spent_usd, again.about[0].replayed) == (0.0, 6)
    assert again.scores == found.scores
    assert endpoint.calls == 6


def test_old_answers_share_verdicts_with_the_run_that_asked_them(lab: FaultyEndpoint) -> None:
    lab.reply = likes("word")
    exp = experiment(4)
    results = run(exp)
    answers = {
        (row.variant, row.case_id, row.repeat): Answer(output=row.output)
        for row in results.frame.itertuples()
    }
    about = results.about.variants
    found = asking.judge([exp._built[1]], answers, exp.cases, about, Path.cwd(), "judged")
    assert found.about[0].replayed == 4
    assert lab.calls == 8


def test_a_budget_ends_the_judging_of_old_answers(project: Path, endpoint: FaultyEndpoint) -> None:
    priced(project, endpoint)
    endpoint.reply = likes("word")
    judge = Judge(POLITE, "lab/judge", params={"max_tokens": 10})
    found = asking.judge([judge], ANSWERS, CASES, VARIANTS, project, "old", budget_usd=0.1)
    assert found.status == "budget"
    assert endpoint.calls == 0
    assert {scores["polite"].error for scores in found.scores.values()} == {
        "not judged: the budget ended the run"
    }


def test_an_interrupt_keeps_the_verdicts_so_far(lab: FaultyEndpoint, project: Path) -> None:
    def reply(body: dict, number: int) -> Any:
        if number == 3:
            os.kill(os.getpid(), signal.SIGINT)
            lab.latency_s = 0.2
        return verdict("yes")

    lab.reply = reply
    (project / "pex.toml").open("a").write("max_in_flight = 1\n")
    found = asking.judge([Judge(POLITE, "lab/judge")], ANSWERS, CASES, VARIANTS, project, "old")
    assert found.status == "interrupted"
    values = [scores["polite"].value for scores in found.scores.values()]
    assert len(values) == 6
    assert values.count(True) == lab.calls < 6


def test_it_works_inside_a_running_event_loop(lab: FaultyEndpoint, project: Path) -> None:
    import asyncio

    async def inside() -> asking.Judged:
        judge = Judge(POLITE, "lab/judge")
        return asking.judge([judge], ANSWERS, CASES, VARIANTS, project, "old")

    lab.reply = likes("word")
    assert asyncio.run(inside()).status == "finished"


@pytest.mark.model
def test_the_built_in_model_judges_by_a_schema(project: Path) -> None:
    rubric = pex.Prompt(
        "Review: {{ output }}\nIs this review positive? Answer in JSON.", name="positive"
    )
    echo = pex.Prompt("Repeat: {{ review }}", name="echo")
    exp = pex.Experiment(
        "built-in",
        pex.grid(echo, "local/smollm2", {"temperature": 0, "max_tokens": 16}),
        [{"review": "Great, I love it."}, {"review": "Awful, it broke at once."}],
        [Judge(rubric, "local/smollm2", params={"max_tokens": 200})],
    )
    share(project)
    results = run(exp)
    assert results.status == "finished"
    # It is no good judge; but what it says follows the schema, or is an error.
    judged = results.frame["score.positive"].notna()
    assert (judged ^ results.frame["score_error.positive"].notna()).all()
    assert judged.any()
    assert results.about["judges"][0]["calls"] == 2
    assert results.about["judges"][0]["note"].startswith("local/smollm2 judges local/smollm2")
