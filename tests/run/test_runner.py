"""Every call ends as a row: a good answer, after retries where need be, or a named error."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from aiohttp import web

import pex
from pex.run import retry, runner
from tests.helpers.endpoint import FaultyEndpoint, completion


def experiment(
    n: int = 4, *, models: tuple[str, ...] = ("lab/m1",), **options: object
) -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"word": f"word{i}", "expected": f"word{i}"} for i in range(n)]
    return pex.Experiment(
        "echo", variants=pex.grid([prompt], list(models)), cases=cases, scorers=["exact"], **options
    )


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)


def test_every_case_is_answered_and_scored(lab: FaultyEndpoint) -> None:
    results = experiment(20).run(record=False, show=False)
    assert lab.calls == 20
    assert list(results.frame["output"]) == [f"word{i}" for i in range(20)]
    assert results.frame["score.exact"].eq(1.0).all()
    assert results.frame["resolved_model"].eq("m1-2026-01-01").all()
    assert results.about["counts"] == {
        "requests": 20,
        "answered": 20,
        "replayed": 0,
        "errors": 0,
        "not_asked": 0,
    }


def test_concurrency_is_bounded(lab: FaultyEndpoint) -> None:
    lab.latency_s = 0.05
    experiment(30).run(record=False, show=False, max_in_flight=7)
    assert lab.most_at_once == 7


@pytest.mark.parametrize(
    "fault",
    [
        web.Response(status=429, headers={"Retry-After": "0.01"}),
        web.Response(status=500, text="<html><body>oops</body></html>"),
        web.Response(status=529, text="overloaded"),
        web.Response(status=200, text='{"choices": [{"mess'),
        web.Response(status=200, text="<html>a proxy's page</html>"),
        {"choices": []},
        "drop",
    ],
    ids=["429", "500", "529", "truncated", "html", "empty", "dropped"],
)
def test_passing_faults_are_retried(lab: FaultyEndpoint, fault: object) -> None:
    def reply(body: dict, number: int) -> object:
        if number > 1:
            return None
        if isinstance(fault, web.Response):  # a response object can be sent once only
            return web.Response(status=fault.status, text=fault.text, headers=fault.headers)
        return fault

    lab.reply = reply
    results = experiment(1).run(record=False, show=False)
    assert lab.calls == 2
    assert results.frame["output"].tolist() == ["word0"]
    assert results.about["counts"]["errors"] == 0


@pytest.mark.parametrize(
    ("status", "kind"), [(429, "rate_limit"), (500, "server"), (503, "server")]
)
def test_a_fault_that_stays_is_a_row_with_its_kind(
    lab: FaultyEndpoint, status: int, kind: str
) -> None:
    lab.reply = lambda body, number: (
        web.json_response({"error": {"message": "no"}}, status=status)
        if body["messages"][0]["content"] == "word1"
        else None
    )
    results = experiment(3).run(record=False, show=False)
    row = results.frame.set_index("case.word").loc["word1"]
    assert row["error_kind"] == kind
    assert row["error"] == f"HTTP {status}: no"
    assert lab.calls == 2 + (retry.MAX_ATTEMPTS if status == 500 else retry.MAX_REFUSALS)
    # An error is counted, and is neither a zero nor left out.
    summary = results.summary().iloc[0]
    assert (summary["errors"], summary["answers"], summary["score.exact"]) == (1, 2, 1.0)


def test_a_hang_is_a_timeout(lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pex.run.retry.MAX_ATTEMPTS", 2)
    lab.reply = lambda body, number: "hang"
    results = experiment(1).run(record=False, show=False, timeout_s=0.2)
    assert results.frame["error_kind"].tolist() == ["timeout"]
    assert "0.2 s" in results.frame["error"][0]


def test_a_wrong_key_ends_early(lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: web.json_response(
        {"error": {"message": "Incorrect API key provided"}}, status=401
    )
    exp = experiment(200)
    with pytest.raises(pex.ProviderError, match="Incorrect API key"):
        exp.run(record=False, show=False)
    assert lab.calls <= retry.GIVE_UP_AFTER + 16
    assert exp.results is not None
    assert exp.results.about["counts"]["errors"] == 200
    assert exp.results.frame["error"].str.startswith("not run").sum() == 200 - lab.calls


def test_an_unknown_model_names_the_nearest(lab: FaultyEndpoint) -> None:
    lab.models = ["mistral-small", "m1"]
    lab.reply = lambda body, number: web.json_response({"error": "no such model"}, status=404)
    with pytest.raises(pex.ProviderError, match="did you mean 'mistral-small'"):
        experiment(2, models=("lab/mistral-smal",)).run(record=False, show=False)


def test_one_bad_model_does_not_end_the_others(lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: (
        web.json_response({"error": "no such model"}, status=404) if body["model"] == "m9" else None
    )
    results = experiment(5, models=("lab/m1", "lab/m9")).run(record=False, show=False)
    by_variant = results.summary().set_index("variant")
    assert by_variant.loc["echo|m1", "answers"] == 5
    assert by_variant.loc["echo|m9", "errors"] == 5


def test_a_content_filter_and_a_cut_answer_are_told_apart(lab: FaultyEndpoint) -> None:
    def reply(body: dict, number: int) -> dict:
        word = body["messages"][0]["content"]
        answer = completion("" if word == "word0" else "half an ans")
        answer["choices"][0]["finish_reason"] = "content_filter" if word == "word0" else "length"
        return answer

    lab.reply = reply
    frame = experiment(2).run(record=False, show=False).frame
    assert frame["error_kind"].fillna("").tolist() == ["content_filter", ""]
    assert frame["finish_reason"].tolist()[1] == "length"


def test_missing_usage_is_missing_not_zero(lab: FaultyEndpoint) -> None:
    def reply(body: dict, number: int) -> dict:
        answer = completion("x")
        del answer["usage"]
        return answer

    lab.reply = reply
    frame = experiment(1).run(record=False, show=False).frame
    assert frame["prompt_tokens"].isna().all()


def test_nobody_at_the_address(project: Path) -> None:
    (project / "pex.toml").write_text(
        '[providers.lab]\nbase_url = "http://127.0.0.1:9/v1"\nfree = true'
    )
    with pytest.raises(pex.PexError, match=r"'lab' cannot be reached.*127\.0\.0\.1:9"):
        experiment(1).run(record=False, show=False)


def test_equal_requests_are_asked_once(lab: FaultyEndpoint) -> None:
    prompt = pex.Prompt("{{ word }}", name="a")
    same = pex.Prompt("{{ word }}", name="b")
    exp = pex.Experiment("twins", pex.grid([prompt, same], "lab/m1"), [{"word": "x"}], ["length"])
    results = exp.run(record=False, show=False)
    assert lab.calls == 1
    assert len(results) == 2
    assert results.frame["request_key"].nunique() == 1


def test_repeats_are_asked_each(lab: FaultyEndpoint) -> None:
    results = experiment(2, repeats=3).run(record=False, show=False)
    assert lab.calls == 6
    assert sorted(results.frame["repeat"]) == [1, 1, 2, 2, 3, 3]
    assert results.summary()["score.exact.n"].tolist() == [2]


def test_only_errors_and_only_failed(lab: FaultyEndpoint) -> None:
    broken = {"word2"}

    def reply(body: dict, number: int) -> object:
        word = body["messages"][0]["content"]
        if word in broken:
            return web.json_response({"error": "bad"}, status=400)
        return completion("wrong") if word == "word3" else None

    lab.reply = reply
    exp = experiment(5)
    exp.run(record=False, show=False)
    first = exp.results
    broken.clear()
    again = exp.run(record=False, show=False, only="errors")
    assert again.frame["case.word"].tolist() == ["word2"]
    exp.results = first
    assert sorted(exp.run(record=False, show=False, only="failed").frame["case.word"]) == [
        "word2",
        "word3",
    ]


def test_a_budget_stops_and_keeps(project: Path, endpoint: FaultyEndpoint) -> None:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\n'
        '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
    )
    # A call costs 12 tokens, $0.012; its worst case is some 100 bytes and 20 tokens, $0.12.
    exp = experiment(200)
    for variant in exp.variants:
        variant.params["max_tokens"] = 20
    results = exp.run(record=False, show=False, budget_usd=0.5)
    assert results.status == "budget"
    assert 0 < results.about["spent_usd"] <= 0.5
    assert endpoint.calls * 0.012 == pytest.approx(results.about["spent_usd"])
    assert len(results) == endpoint.calls == results.about["counts"]["answered"] < 200


def test_a_budget_needs_a_price(project: Path, endpoint: FaultyEndpoint) -> None:
    (project / "pex.toml").write_text(f'[providers.lab]\nbase_url = "{endpoint.url}"\n')
    with pytest.raises(pex.PexError, match="no price is known"):
        experiment(1).run(record=False, show=False, budget_usd=1)
    assert endpoint.calls == 0


def test_cancel_keeps_what_was_answered(lab: FaultyEndpoint) -> None:
    lab.latency_s = 0.05
    execution = experiment(400).start(record=False, max_in_flight=4)
    while execution.progress.answered < 8:
        time.sleep(0.01)
    execution.cancel()
    results = execution.wait()
    assert results.status == "interrupted"
    counts = results.about["counts"]
    assert 8 <= counts["answered"] == lab.calls < 400
    assert counts["not_asked"] == 400 - counts["answered"]


def test_a_second_stop_stops_now(lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: "hang" if number > 8 else None
    execution = experiment(40).start(record=False, max_in_flight=4)
    while lab.calls < 12:
        time.sleep(0.01)
    execution.cancel()
    time.sleep(0.5)
    assert not execution.done  # calls in flight may finish
    execution.cancel()
    counts = execution.wait().about["counts"]
    assert (counts["answered"], counts["errors"], counts["not_asked"]) == (8, 0, 32)


def test_a_stop_while_calls_wait_for_another_attempt(lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: (
        web.Response(status=429, headers={"Retry-After": "1"}) if number % 2 else None
    )
    execution = experiment(40).start(record=False, max_in_flight=4)
    while execution.progress.answered < 4:
        time.sleep(0.01)
    execution.cancel()
    counts = execution.wait().about["counts"]
    assert counts["errors"] == 0
    assert counts["answered"] + counts["not_asked"] == 40


def test_a_fault_of_our_own_keeps_the_answers(
    lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = runner.ask

    async def breaks(http: object, endpoint: object, payload: bytes, on_delta: object) -> object:
        if b"word7" in payload:
            raise ZeroDivisionError("a bug")
        return await ask(http, endpoint, payload, on_delta)

    monkeypatch.setattr(runner, "ask", breaks)
    exp = experiment(20)
    with pytest.raises(ZeroDivisionError):
        exp.run(record=False, show=False)
    assert exp.results.status == "failed"
    assert len(exp.results) == 19


def test_failed_calls_that_nobody_charges_for_cost_nothing(
    project: Path, endpoint: FaultyEndpoint
) -> None:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\n'
        '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
    )
    endpoint.reply = lambda body, number: (
        web.json_response({"error": "too long context"}, status=400) if number <= 10 else None
    )
    results = experiment(20).run(record=False, show=False, budget_usd=3)
    assert results.about["counts"] == {
        "requests": 20,
        "answered": 10,
        "replayed": 0,
        "errors": 10,
        "not_asked": 0,
    }
    assert results.about["spent_usd"] == pytest.approx(10 * 0.012)


async def _inside_a_loop(exp: pex.Experiment) -> pex.Results:
    return exp.run(record=False, show=False)


def test_it_runs_inside_a_running_event_loop(lab: FaultyEndpoint) -> None:
    import asyncio

    assert len(asyncio.run(_inside_a_loop(experiment(3)))) == 3
    assert len(asyncio.run(experiment(3).arun(record=False))) == 3


def test_the_key_is_sent_and_never_shown(
    project: Path, endpoint: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "sk-very-secret-1234")
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\napi_key_env = "LAB_KEY"\nfree = true\n'
    )
    endpoint.reply = lambda body, number: web.json_response(
        {"error": {"message": "bad key sk-very-secret-1234"}}, status=401
    )
    exp = experiment(1)
    with pytest.raises(pex.ProviderError) as caught:
        exp.run(record=False, show=False)
    assert endpoint.headers[0]["Authorization"] == "Bearer sk-very-secret-1234"
    assert "sk-very" not in str(caught.value) + exp.results.frame.to_csv()


def test_what_an_endpoint_echoes_of_keys_and_headers_is_kept_nowhere(
    project: Path, endpoint: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = ["sesame-sesame-key", "open-4711-sesame", "pass-of-mine"]
    monkeypatch.setenv("LAB_KEY", secrets[0])
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\napi_key_env = "LAB_KEY"\nfree = true\n'
        f'headers = {{"X-Gate" = "{secrets[1]}"}}\nproxy = ""\n'
        f'[providers.other]\nbase_url = "http://me:{secrets[2]}@gw.test/v1"\n'
    )
    text = f"sent {secrets[0]}, {secrets[1]} and {secrets[2]}; a key looks like sk-0123456789abcdef"
    tool = {"id": "1", "type": "function", "function": {"name": "f", "arguments": text}}
    endpoint.reply = lambda body, number: completion(text, tool_calls=[tool])
    for stream in (False, True):
        exp = experiment(1)
        row = exp.run(record=False, show=False, stream=stream, journal="fresh").frame.iloc[0]
        clean = "sent [redacted], [redacted] and [redacted]; a key looks like sk-0123456789abcdef"
        assert row["output"] == clean
        assert row["tool_calls"][0]["function"]["arguments"] == clean
    for file in (project / ".pex").glob("journal.db*"):
        assert not [one for one in secrets if one.encode() in file.read_bytes()]


def test_a_key_that_is_not_set(lab: FaultyEndpoint) -> None:
    with pytest.raises(pex.PexError, match="OPENAI_API_KEY is not set"):
        experiment(1, models=("openai/gpt-4.1-mini",)).run(record=False, show=False)


def test_an_unknown_provider_names_the_nearest(lab: FaultyEndpoint) -> None:
    with pytest.raises(pex.PexError, match="did you mean 'openai'"):
        experiment(1, models=("opnai/gpt-4.1-mini",)).run(record=False, show=False)
