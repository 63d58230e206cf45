"""Real clients of the openai package as providers, against an endpoint with faults to choose."""

from __future__ import annotations

import asyncio
import copy
import pickle
import signal
import sqlite3
import ssl
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from aiohttp import web

import pex
from pex.project.settings import Settings
from pex.run.model import settings_lines
from tests.helpers.endpoint import completion
from tests.helpers.responses_endpoint import ResponsesEndpoint

pytestmark = pytest.mark.traces

KEY = "sk-very-secret-key-of-mine"


@pytest.fixture
def served(project: Path) -> Iterator[ResponsesEndpoint]:
    server = ResponsesEndpoint()
    with server.running():
        (project / "pex.toml").write_text(
            f'[providers.lab]\nbase_url = "{server.url}"\n'
            '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
            '[prices."lab/m2"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
            '[prices."azure/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
        )
        yield server


def sync_client(server: ResponsesEndpoint, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(**{"base_url": server.url, "api_key": KEY, **options})


def async_client(server: ResponsesEndpoint, **options: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(**{"base_url": server.url, "api_key": KEY, **options})


def azure_options(server: ResponsesEndpoint, **options: Any) -> dict[str, Any]:
    at = server.url.removesuffix("/v1")
    return {"azure_endpoint": at, "api_key": KEY, "api_version": "2024-10-21", **options}


CLIENTS: dict[str, Callable[[ResponsesEndpoint], Any]] = {
    "OpenAI": sync_client,
    "AsyncOpenAI": async_client,
    "AzureOpenAI": lambda server: openai.AzureOpenAI(**azure_options(server)),
    "AsyncAzureOpenAI": lambda server: openai.AsyncAzureOpenAI(**azure_options(server)),
    "a subclass": lambda server: type("Ours", (openai.OpenAI,), {})(
        base_url=server.url, api_key=KEY
    ),
    "own transport": lambda server: sync_client(server, http_client=httpx.Client()),
    "own async transport": lambda server: async_client(server, http_client=httpx.AsyncClient()),
}
every_client = pytest.mark.parametrize("made", CLIENTS.values(), ids=list(CLIENTS))


def experiment(model: Any, count: int = 6, **params: Any) -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"case_id": f"c{i}", "word": f"w{i}", "expected": f"w{i}"} for i in range(count)]
    variants = pex.grid(prompt, models=[model], params=[{"max_tokens": 2, **params}])
    return pex.Experiment("mine", variants, cases, ["exact"], budget_usd=50)


def run(exp: pex.Experiment, **options: Any) -> pex.Results:
    return exp.run(**{"record": False, "show": False, **options})


def ledger(project: Path) -> tuple[float, int]:
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        total, count = connection.execute("SELECT sum(usd), count(*) FROM ledger").fetchone()
    return total or 0.0, count


# -- every client


@every_client
def test_a_client_is_asked_as_a_provider(
    served: ResponsesEndpoint, project: Path, made: Callable[..., Any]
) -> None:
    model = pex.Model(made(served), "m1")
    results = run(experiment(model))
    frame = results.frame
    assert frame["error"].isna().all(), frame["error"].tolist()
    assert frame["score.exact"].eq(1).all()
    assert set(frame["model"]) == {model.ref}
    assert model.ref in ("lab/m1", "azure/m1")
    assert type(frame["model"].iloc[0]) is str
    assert frame["cost_usd"].tolist() == pytest.approx([0.012] * 6)
    assert ledger(project) == (pytest.approx(0.072), 6)
    assert served.calls == 6
    again = run(experiment(model))
    assert again.about["counts"]["replayed"] == 6
    assert served.calls == 6


@every_client
def test_twice_in_one_process_and_streamed(
    served: ResponsesEndpoint, made: Callable[..., Any]
) -> None:
    model = pex.Model(made(served), "m1")
    for _ in range(2):
        assert run(experiment(model), journal="fresh").frame["score.exact"].eq(1).all()
    served.reply = stream_of
    frame = run(experiment(model), journal="fresh", stream=True).frame
    assert frame["error"].isna().all(), frame["error"].tolist()
    assert frame["score.exact"].eq(1).all()
    assert frame["ttft_s"].notna().all()


def stream_of(body: dict[str, Any], number: int) -> Any:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert body["stream"] is True
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await stream.prepare(request)
        for letter in body["messages"][-1]["content"]:
            await stream.write(
                b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n' % letter.encode()
            )
        await stream.write(
            b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": '
            b'{"prompt_tokens": 1, "completion_tokens": 1}}\n\ndata: [DONE]\n\n'
        )
        return stream

    return answer


def test_the_key_of_an_answer_is_that_of_the_named_model(
    served: ResponsesEndpoint, project: Path
) -> None:
    run(experiment("lab/m1"))
    results = run(experiment(pex.Model(sync_client(served), "m1")))
    assert results.about["counts"]["replayed"] == 6
    assert served.calls == 6


def test_its_authentication_headers_and_query_are_the_clients(served: ResponsesEndpoint) -> None:
    keys = iter(f"key-number-{n}" for n in range(100))
    client = sync_client(
        served,
        api_key=lambda: next(keys),
        default_headers={"X-Team": "reviews"},
        default_query={"tenant": "t1"},
        organization="org-1",
    )
    frame = run(experiment(pex.Model(client, "m1"), 2)).frame
    assert frame["score.exact"].eq(1).all()
    came = [{name.lower(): value for name, value in h.items()} for h in served.headers]
    sent = {headers["authorization"] for headers in came}
    assert len(sent) == 2
    assert all(value.startswith("Bearer key-number-") for value in sent)
    for headers in came:
        assert headers["x-team"] == "reviews"
        assert headers["openai-organization"] == "org-1"
    assert all(query["tenant"] == "t1" for query in served.queries)


@pytest.mark.parametrize("kind", [openai.AzureOpenAI, openai.AsyncAzureOpenAI])
def test_azure_is_asked_at_its_deployment_with_a_token_of_its_provider(
    served: ResponsesEndpoint, kind: Any
) -> None:
    options = azure_options(served, azure_ad_token_provider=lambda: "a-token-of-entra")
    options.pop("api_key")
    frame = run(experiment(pex.Model(kind(**options), "m1"), 2)).frame
    assert frame["score.exact"].eq(1).all()
    assert set(served.paths) == {"/openai/deployments/m1/chat/completions"}
    assert all(query["api-version"] == "2024-10-21" for query in served.queries)
    assert {h.get("Authorization") or h.get("authorization") for h in served.headers} == {
        "Bearer a-token-of-entra"
    }


def test_an_http_client_of_ones_own_goes_on_working_where_it_was(
    served: ResponsesEndpoint,
) -> None:
    """Its connections belong to the loop that opened them: pex leaves none of its own behind."""

    async def main() -> None:
        client = async_client(served, http_client=httpx.AsyncClient(headers={"X-From": "mine"}))
        asked: Any = {"model": "m1", "messages": [{"role": "user", "content": "hello"}]}
        await client.chat.completions.create(**asked)
        results = await asyncio.to_thread(run, experiment(pex.Model(client, "m1")))
        assert results.frame["score.exact"].eq(1).all(), results.frame["error"].tolist()
        said = await client.chat.completions.create(**asked)
        assert said.choices[0].message.content == "hello"
        await client.close()

    asyncio.run(main())
    assert {h.get("X-From") or h.get("x-from") for h in served.headers} == {"mine"}
    assert served.calls == 8


def test_a_client_that_was_used_on_a_loop_that_has_ended(served: ResponsesEndpoint) -> None:
    client = async_client(served)
    asked: Any = {"model": "m1", "messages": [{"role": "user", "content": "hello"}]}
    asyncio.run(client.chat.completions.create(**asked))
    results = run(experiment(pex.Model(client, "m1")))
    assert results.frame["score.exact"].eq(1).all(), results.frame["error"].tolist()
    assert served.calls == 7


def test_a_transport_of_ones_own_is_used(served: ResponsesEndpoint) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        if request.method == "GET":
            return httpx.Response(200, json={"data": [{"id": "m1"}]})
        return httpx.Response(200, json=completion("w0"))

    http = httpx.Client(transport=httpx.MockTransport(answer))
    frame = run(experiment(pex.Model(sync_client(served, http_client=http), "m1"), 1)).frame
    assert frame["score.exact"].eq(1).all()
    assert "/v1/chat/completions" in seen
    assert served.calls == 0


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_proxy_of_ones_own_client_is_used(served: ResponsesEndpoint, asynchronous: bool) -> None:
    made, http = (async_client, httpx.AsyncClient) if asynchronous else (sync_client, httpx.Client)
    through = http(proxy=served.url.removesuffix("/v1"), headers={"X-Way": "proxy"})
    client = made(served, base_url="http://lab.invalid/v1", http_client=through)
    frame = run(experiment(pex.Model(client, "m1", provider="lab"))).frame
    assert frame["score.exact"].eq(1).all(), frame["error"].tolist()
    assert {headers["Host"] for headers in served.headers} == {"lab.invalid"}


def test_clients_that_block_are_as_many_at_once_as_may_be(served: ResponsesEndpoint) -> None:
    served.latency_s = 0.2
    model = pex.Model(sync_client(served), "m1")
    results = run(experiment(model, 40), max_in_flight=20)
    assert results.frame["score.exact"].eq(1).all()
    assert 10 < served.most_at_once <= 20


def test_a_client_of_other_make_is_asked_by_its_create(served: ResponsesEndpoint) -> None:
    class Completions:
        def create(self, *, model: str, messages: list[dict[str, Any]], **more: Any) -> Any:
            if messages[-1]["content"] == "w1":
                raise RuntimeError("no such luck")
            return completion(messages[-1]["content"])

    class Chat:
        completions = Completions()

    class Client:
        chat = Chat()
        base_url = served.url

    frame = run(experiment(pex.Model(Client(), "m1"), 3)).frame.sort_values("case_id")
    assert frame["output"].iloc[[0, 2]].tolist() == ["w0", "w2"]
    assert "no such luck" in frame["error"].iloc[1]


# -- errors


def failing(status: int, headers: dict[str, str] | None = None, **error: Any) -> Any:
    body = {"error": {"message": "no", **error}}
    return lambda _, __: web.json_response(body, status=status, headers=headers or {})


@pytest.mark.parametrize("made", [sync_client, async_client], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("reply", "kind", "calls"),
    [
        (failing(401), "auth", 1),
        (failing(402), "quota", 1),
        (failing(404), "unknown_model", 1),
        (failing(400, message="unknown parameter: top_q"), "refused_parameter", 1),
        (failing(400, message="maximum context length is 8 tokens"), "too_long", 1),
        (failing(500), "server", 5),
        (failing(429, {"Retry-After": "0"}), "rate_limit", 2),
        (lambda _, __: "drop", "connection", 5),
        (lambda _, __: web.Response(text="<html>busy</html>"), "bad_body", 5),
        (lambda _, __: {"choices": []}, "empty", 5),
    ],
    ids=["401", "402", "404", "400", "long", "500", "429", "drop", "html", "empty"],
)
def test_failures_have_the_kinds_and_the_number_of_calls_of_any_other(
    served: ResponsesEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    made: Callable[..., Any],
    reply: Any,
    kind: str,
    calls: int,
) -> None:

    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)
    monkeypatch.setattr("pex.run.retry.MAX_REFUSALS", 2)
    served.reply = reply
    model = pex.Model(made(served, max_retries=7), "m1")

    def outcome(asked: Any) -> tuple[str, str, int]:
        before = served.calls
        try:
            frame = run(experiment(asked, 1), journal="fresh").frame
        except pex.ProviderError as error:
            return "ProviderError", str(error).partition("HTTP")[2], served.calls - before
        return frame["error_kind"].iloc[0], "", served.calls - before

    mine, named = outcome(model), outcome("lab/m1")
    assert mine == named
    assert mine[2] == calls
    assert mine[0] in (kind, "ProviderError")


def test_nobody_there_and_a_wrong_key_are_said_before_anything_is_asked(
    served: ResponsesEndpoint, project: Path
) -> None:
    nobody = pex.Model(openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key=KEY), "m1", "lab")
    with pytest.raises(pex.PexError, match="cannot be reached: no connection to"):
        run(experiment(nobody))
    http = httpx.Client(
        transport=httpx.MockTransport(
            lambda request: httpx.Response(401, json={"error": {"message": f"bad key {KEY}"}})
        )
    )
    wrong = pex.Model(sync_client(served, http_client=http), "m1")
    with pytest.raises(pex.PexError, match="refuses the key") as caught:
        run(experiment(wrong))
    assert KEY not in str(caught.value)
    assert "your client" in str(caught.value)


def test_a_certificate_that_is_not_trusted_is_named(project: Path) -> None:
    from pex.run.user_client import _failure

    try:
        try:
            raise ssl.SSLCertVerificationError("certificate verify failed")
        except ssl.SSLError as error:
            raise httpx.ConnectError("handshake") from error
    except httpx.ConnectError as error:
        request = httpx.Request("POST", "https://lab.example/v1")
        failed = openai.APIConnectionError(request=request)  # type: ignore[arg-type]
        failed.__cause__ = error
    found = _failure(failed, "https://lab.example")
    assert (found.kind, found.charged) == ("certificate", False)


def test_a_slow_endpoint_times_out_once_for_each_try(
    served: ResponsesEndpoint, monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:

    monkeypatch.setattr("pex.run.retry.MAX_ATTEMPTS", 2)
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)
    served.reply = lambda body, number: "hang"
    for made in (sync_client, async_client):
        before = served.calls
        exp = experiment(pex.Model(made(served, max_retries=5), "m1"), 1)
        frame = run(exp, timeout_s=0.3, journal="fresh").frame
        assert frame["error_kind"].tolist() == ["timeout"]
        assert served.calls - before == 2


def test_a_token_provider_that_fails_is_an_error_of_authentication(
    served: ResponsesEndpoint,
) -> None:
    def token() -> str:
        raise ValueError("the login has expired")

    options = azure_options(served, azure_ad_token_provider=token)
    options.pop("api_key")
    with pytest.raises(pex.ProviderError, match="the login has expired"):
        run(experiment(pex.Model(openai.AzureOpenAI(**options), "m1"), 2))
    assert served.calls == 0


def test_the_cap_holds(served: ResponsesEndpoint, project: Path) -> None:
    model = pex.Model(sync_client(served), "m1")
    results = run(experiment(model, 40), budget_usd=0.5)
    assert results.status == "budget"
    assert ledger(project)[0] <= 0.5
    assert ledger(project)[1] == served.calls


def test_a_run_that_was_killed_goes_on(served: ResponsesEndpoint, project: Path) -> None:
    script = project / "ask.py"
    script.write_text(
        textwrap.dedent(f"""\
            import openai, pex
            client = openai.OpenAI(base_url="{served.url}", api_key="{KEY}")
            prompt = pex.Prompt("{{{{ word }}}}", name="echo")
            cases = [{{"case_id": f"c{{i}}", "word": f"w{{i}}"}} for i in range(60)]
            exp = pex.Experiment("killed", pex.grid(prompt, pex.Model(client, "m1")), cases)
            results = exp.run(record=False, show=False, max_in_flight=2, budget_usd=500)
            print(results.about["counts"]["replayed"], results.about["counts"]["answered"])
        """)
    )
    served.latency_s = 0.05
    command = [sys.executable, str(script)]
    process = subprocess.Popen(command, cwd=project)
    while served.calls < 12:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    served.latency_s = 0.0
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    replayed, answered = map(int, done.stdout.split())
    assert answered == 60
    assert replayed >= 8
    assert served.calls <= 60 + 2


# -- beside MLflow


def test_autolog_makes_no_second_trace(served: ResponsesEndpoint, empty_store: Path) -> None:
    import shutil

    import mlflow

    Path("mlruns").mkdir()
    shutil.copyfile(empty_store, "mlruns/mlflow.db")
    uri = f"sqlite:///{Path('mlruns/mlflow.db').resolve()}"
    mlflow.set_tracking_uri(uri)
    mlflow.openai.autolog()
    try:
        client = sync_client(served)
        for made in (client, async_client(served)):
            results = run(experiment(pex.Model(made, "m1"), 3), record=True, journal="fresh")
            assert results.traces is not None
            results.traces.wait()
        where = results.about["experiment_id"]
        found = mlflow.search_traces(locations=[where], return_type="list", flush=True)
        assert len(found) == 6
        elsewhere = mlflow.search_traces(locations=["0"], return_type="list", flush=True)
        assert elsewhere == []
        # The user's own calls are traced as before.
        client.chat.completions.create(model="m1", messages=[{"role": "user", "content": "x"}])
        mlflow.flush_trace_async_logging()
        all_ = [e.experiment_id for e in mlflow.search_experiments()]
        assert len(mlflow.search_traces(locations=all_, return_type="list", flush=True)) == 7
    finally:
        mlflow.openai.autolog(disable=True)
        mlflow.set_tracking_uri(None)


# -- names

GATEWAY: Any = {"api_key": KEY, "api_version": "v", "azure_endpoint": "https://gw.example"}


def at(url: str) -> openai.OpenAI:
    return openai.OpenAI(api_key=KEY, base_url=url)


@pytest.mark.parametrize(
    ("made", "provider"),
    [
        (lambda: openai.OpenAI(api_key=KEY), "openai"),
        (lambda: openai.AsyncOpenAI(api_key=KEY), "openai"),
        (lambda: at("https://eu.api.openai.com/v1/"), "openai"),
        (lambda: at("https://x.openai.azure.com/openai/v1"), "azure"),
        (lambda: at("https://api.groq.com/openai/v1"), "groq"),
        (lambda: at("http://localhost:11434/v1/"), "ollama"),
        (lambda: at("https://lab.example/v1"), "lab"),
        (lambda: openai.AzureOpenAI(**GATEWAY), "azure"),
        (lambda: openai.AsyncAzureOpenAI(**GATEWAY), "azure"),
    ],
)
def test_the_providers_name(project: Path, made: Callable[[], Any], provider: str) -> None:
    (project / "pex.toml").write_text('[providers.lab]\nbase_url = "https://LAB.example:443/v1/"\n')
    model = pex.Model(made(), "m1")
    assert model.ref == f"{provider}/m1"
    assert KEY not in repr(model)
    assert copy.copy(model) is model
    assert copy.deepcopy([model])[0] is model
    with pytest.raises(pex.PexError, match="another process"):
        pickle.dumps(model)


def test_a_provider_that_is_not_known_is_asked_for(project: Path) -> None:
    client = openai.OpenAI(api_key=KEY, base_url="https://me:pass@nowhere.example/v1")
    with pytest.raises(pex.PexError, match="provider='lab'") as caught:
        pex.Model(client, "m1")
    assert "pass" not in str(caught.value)
    assert pex.Model(client, "m1", provider="lab").ref == "lab/m1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gpt-4.1",), "missing"),
        ((openai.OpenAI, "m1"), "expected a client of the openai package, got OpenAI"),
        ((openai, "m1"), "expected a client of the openai package, got openai"),
        ((object(), "m1"), "got object"),
        ((openai.OpenAI(api_key=KEY), " "), "expected the model's name"),
        ((openai.OpenAI(api_key=KEY), "openai/gpt-4.1"), "the model's name alone: 'gpt-4.1'"),
        ((openai.OpenAI(api_key=KEY), "m1", "my lab"), "provider 'my lab'"),
        ((openai.OpenAI(api_key=KEY), "m1", "local"), "the built-in model"),
    ],
)
def test_wrong_use_is_said(project: Path, arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises((pex.PexError, TypeError), match=said):
        pex.Model(*arguments)


def test_a_client_where_a_model_is_meant(project: Path) -> None:
    with pytest.raises(pex.PexError, match=r"pex\.Model\(client"):
        pex.grid(pex.Prompt("{{ x }}", "p"), models=[openai.OpenAI(api_key=KEY)])  # type: ignore[list-item]


def test_beside_named_models_and_two_endpoints_of_one_name(served: ResponsesEndpoint) -> None:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"word": "w", "expected": "w"}]
    mine = pex.Model(sync_client(served), "m1", provider="mine")
    with Path("pex.toml").open("a") as file:
        file.write("[providers.mine]\nfree = true\n")
    both = pex.grid(prompt, models=[mine, "lab/m1"])
    assert [variant.name for variant in both] == ["echo|mine/m1", "echo|lab/m1"]
    assert run(pex.Experiment("e", both, cases, ["exact"])).frame["score.exact"].eq(1).all()
    clash = [pex.Variant(prompt, pex.Model(sync_client(served), "m1"), name="a"),
             pex.Variant(prompt, "lab/m1", name="b")]  # fmt: skip
    with pytest.raises(pex.PexError, match="two different endpoints"):
        run(pex.Experiment("e", clash, cases))


def test_a_judge_is_asked_through_the_client(served: ResponsesEndpoint, project: Path) -> None:
    def reply(body: dict[str, Any], number: int) -> Any:
        judged = "response_format" in body
        return completion('{"reason": "r", "verdict": "yes"}') if judged else None

    served.reply = reply
    model = pex.Model(async_client(served), "m1")
    judge = pex.Judge(pex.Prompt("Polite? {{ output }}", "polite"), model)
    assert judge.model == "lab/m1"
    exp = experiment(model, 3)
    judged = pex.Experiment("judged", exp.variants, exp.cases, [judge])
    assert run(judged).frame["score.polite"].eq(1).all()
    plain = run(experiment(model, 3), journal="fresh")
    assert plain.rescore([judge], record=False).frame["score.polite"].eq(1).all()
    (project / "pex.toml").write_text(
        (project / "pex.toml").read_text().replace(served.url, "http://127.0.0.1:9/v1")
    )
    again = run(experiment(pex.Model(sync_client(served), "m1", "lab"), 3), journal="fresh")
    assert (
        again.rescore(
            [
                pex.Judge(
                    pex.Prompt("Kind? {{ output }}", "kind"),
                    pex.Model(sync_client(served), "m1", "lab"),
                )
            ],
            record=False,
        )
        .frame["score.kind"]
        .eq(1)
        .all()
    )


# -- saving


def test_saving_says_what_to_write_to_pex_toml(project: Path) -> None:
    client = openai.OpenAI(api_key=KEY, base_url="https://lab-2.example/v1")
    exp = experiment(pex.Model(client, "m1", provider="lab-2"))
    with pytest.warns(UserWarning, match=r"\[providers\.lab-2\]") as said:
        exp.save("experiments/mine/experiment.yaml")
    text = str(said[0].message)
    assert 'base_url = "https://lab-2.example/v1"' in text
    assert 'api_key_env = "LAB_2_API_KEY"' in text
    assert KEY not in text
    lines = text.splitlines()[1:]
    (project / "pex.toml").write_text("\n".join(lines) + "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exp.save("experiments/mine/experiment.yaml", overwrite=True)
    assert pex.Experiment.load("experiments/mine/experiment.yaml").variants[0].model == "lab-2/m1"


def test_what_pex_toml_needs_for_azure_and_for_openai_itself(project: Path) -> None:
    azure = openai.AzureOpenAI(
        api_key=KEY, api_version="2025-01-01", azure_endpoint="https://a.example"
    )
    lines = settings_lines(pex.Model(azure, "d1"), Settings())
    assert lines == [
        "[providers.azure]",
        'base_url = "https://a.example"',
        'api_version = "2025-01-01"',
    ]
    assert settings_lines(pex.Model(openai.OpenAI(api_key=KEY), "m"), Settings()) == []


def test_a_draft_of_an_experiment_keeps_the_client(served: ResponsesEndpoint) -> None:
    exp = experiment(pex.Model(sync_client(served), "m1", provider="mine"), 2)
    with Path("pex.toml").open("a") as file:
        file.write("[providers.mine]\nfree = true\n")
    drafted = exp.drafted([pex.Variant(exp.variants[0].prompt, "mine/m1", {"seed": 1})], exp.cases)
    assert run(drafted).frame["score.exact"].eq(1).all()


def test_a_file_is_asked_through_a_client(served: ResponsesEndpoint) -> None:
    with Path("pex.toml").open("a") as file:
        file.write("[providers.mine]\nfree = true\n")
    saved = experiment("lab/m1", 2).save("experiments/mine/experiment.yaml")
    mine = pex.Model(sync_client(served, default_headers={"X-Mine": "1"}), "m1", provider="mine")
    results = run(pex.Experiment.load(saved, models=[mine, "lab/m2"]))
    assert set(results.frame["model"]) == {"mine/m1", "lab/m2"}
    assert results.frame["score.exact"].eq(1).all()
    by_model = {body["model"]: "x-mine" in {name.lower() for name in headers}
                for body, headers in zip(served.bodies, served.headers, strict=True)}  # fmt: skip
    assert by_model == {"m1": True, "m2": False}


# -- provider batches


@pytest.mark.parametrize("made", [sync_client, async_client], ids=["sync", "async"])
def test_a_provider_batch_goes_up_and_comes_back_through_the_client(
    served: ResponsesEndpoint, monkeypatch: pytest.MonkeyPatch, made: Callable[..., Any]
) -> None:
    from pex.run import provider_batch

    monkeypatch.setattr(provider_batch, "FIRST_POLL_S", 0.02)
    client = made(served, default_query={"tenant": "t1"})
    results = run(experiment(pex.Model(client, "m1")), provider_batch=True)
    assert results.frame["score.exact"].eq(1).all(), results.frame["error"].tolist()
    assert results.frame["cost_usd"].tolist() == pytest.approx([0.006] * 6)
    assert served.calls == 0
    assert len(served.batches) == 1
    assert {query.get("tenant") for query in served.queries} == {"t1"}


def test_interrupting_does_not_wait_for_calls_of_a_client_that_blocks(
    served: ResponsesEndpoint, project: Path
) -> None:
    served.reply = lambda body, number: "hang"
    execution = experiment(pex.Model(sync_client(served), "m1"), 2).start(record=False)
    while served.calls < 2:
        time.sleep(0.01)
    execution.cancel()
    execution.cancel()
    assert execution.wait().status == "interrupted"
