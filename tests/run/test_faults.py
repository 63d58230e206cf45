"""Every fault an endpoint can have: an answer after retries or a row with its kind, never a gap."""

import asyncio
import datetime
import json
import random
import sqlite3
import ssl
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import pex
from tests.helpers.endpoint import FaultyEndpoint, completion

PRICE = 0.012
"""USD for one good answer: 10 + 2 tokens at $1,000 a million."""


def experiment(count: int, model: str = "lab/m1", **params: Any) -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"word": f"word{i}", "expected": f"word{i}"} for i in range(count)]
    return pex.Experiment("faults", pex.grid(prompt, model, params or {"max_tokens": 2}), cases)


def run(exp: pex.Experiment, **options: Any) -> pex.Results:
    return exp.run(**{"record": False, "show": False, "budget_usd": 1000, **options})


@pytest.fixture
def paid(project: Path, endpoint: FaultyEndpoint) -> FaultyEndpoint:
    """The endpoint as a provider that charges."""
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\ntimeout_s = 0.6\n'
        '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
    )
    return endpoint


def ledger(project: Path) -> tuple[float, int]:
    """USD that are certain, and the number of calls that may have been charged."""
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        rows = connection.execute("SELECT usd, at_most_usd FROM ledger").fetchall()
    return sum(usd or 0 for usd, _ in rows), sum(most is not None for _, most in rows)


def status(code: int, text: str = "no", **headers: str) -> Callable[[], web.Response]:
    return lambda: web.json_response({"error": {"message": text}}, status=code, headers=headers)


def body(text: str, kind: str = "application/json") -> Callable[[], web.Response]:
    return lambda: web.Response(text=text, content_type=kind)


def answer(**changes: Any) -> Callable[[], dict[str, Any]]:
    """A good answer with some of its parts changed."""

    def make() -> dict[str, Any]:
        whole = completion("half an ans")
        whole["choices"][0] |= {k: v for k, v in changes.items() if k in ("finish_reason",)}
        whole["choices"][0]["message"] |= {
            k: v for k, v in changes.items() if k in ("content", "refusal", "tool_calls")
        }
        return whole | {k: v for k, v in changes.items() if k in ("choices", "usage")}

    return make


def _in_a_second() -> str:
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)
    return then.strftime("%a, %d %b %Y %H:%M:%S GMT")


async def _cut_short(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"choices": [')
    assert request.transport is not None
    request.transport.close()
    return response


MENDING = {
    "429": status(429),
    "429 with Retry-After": status(429, **{"Retry-After": "0.2"}),
    "429 with a date": lambda: status(429, **{"Retry-After": _in_a_second()})(),  # noqa: PLW0108
    "500": status(500),
    "502": status(502),
    "503": status(503),
    "529": status(529),
    "504": status(504),
    "408": status(408),
    "dropped": lambda: "drop",
    "hanging": lambda: "hang",
    "truncated body": lambda: _cut_short,
    "no JSON": body("{'choices': oops"),
    "not UTF-8": lambda: web.Response(body=b'{"choices": "\xff\xfe"}'),
    "an HTML page": body("<html><body>Gateway <b>error</b></body></html>", "text/html"),
    "an empty body": body(""),
    "no choices": lambda: {"object": "chat.completion"},
    "empty choices": lambda: {"choices": []},
    "choices of null": lambda: {"choices": [None]},
    "no message": lambda: {"choices": [{"finish_reason": "stop"}]},
    "a list": lambda: web.json_response([1, 2]),
}


@pytest.mark.parametrize("name", MENDING)
def test_a_fault_that_passes_is_mended(
    paid: FaultyEndpoint, project: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.02)
    paid.reply = lambda body, number: MENDING[name]() if number in (2, 3) else None
    results = run(experiment(5), max_in_flight=2)
    assert results.about["counts"]["answered"] == 5
    assert results.frame["output"].tolist() == [f"word{i}" for i in range(5)]
    assert paid.calls == 7
    certain, unsure = ledger(project)
    assert certain == pytest.approx(5 * PRICE)
    refused = name[:3] in ("429", "500", "502", "503", "529")
    assert unsure == (0 if refused else 2)


STAYING = {
    "rate_limit": status(429),
    "server": status(500),
    "connection": lambda: "drop",
    "timeout": lambda: "hang",
    "bad_body": body("<html>sorry</html>", "text/html"),
    "empty": lambda: {"choices": []},
    "content_filter": answer(content=None, finish_reason="content_filter"),
    "too_long": status(400, "this model's maximum context length is 8 tokens"),
}


@pytest.mark.parametrize("kind", STAYING)
def test_a_fault_that_stays_is_a_row_with_its_kind(
    paid: FaultyEndpoint, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)
    paid.reply = lambda body, number: (
        STAYING[kind]() if body["messages"][0]["content"] == "word1" else None
    )
    results = run(experiment(4))
    row = results.frame.set_index("case.word").loc["word1"]
    assert row["error_kind"] == kind
    assert row["error"]
    assert "<html>" not in row["error"]
    counts = results.about["counts"]
    assert (counts["answered"], counts["errors"], counts["not_asked"]) == (3, 1, 0)


def test_answers_that_are_odd_but_answers(paid: FaultyEndpoint) -> None:
    tool = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    odd = [
        answer(finish_reason="length"),
        answer(content=None, refusal="I cannot help with that."),
        answer(usage=None),
        answer(content=None, tool_calls=[tool], finish_reason="tool_calls"),
        answer(content=[{"type": "text", "text": "in "}, {"type": "text", "text": "parts"}]),
        answer(content=""),
    ]
    paid.reply = lambda body, number: odd[int(body["messages"][0]["content"][4:])]()
    frame = run(experiment(6)).frame
    assert frame["error"].isna().all()
    reasons = frame["finish_reason"].tolist()
    assert reasons == ["length", "refusal", "stop", "tool_calls", "stop", "stop"]
    assert frame["output"].tolist()[1] == "I cannot help with that."
    assert json.loads(frame["output"].tolist()[3]) == [tool]
    assert frame["output"].tolist()[4:] == ["in parts", ""]
    assert frame["prompt_tokens"].isna().tolist() == [False, False, True, False, False, False]
    assert frame["cost_usd"].isna().tolist() == [False, False, True, False, False, False]


FATAL = {
    "auth": status(401, "no such key"),
    "unknown_model": status(404, "no such model"),
    "refused_parameter": status(400, "Unsupported value: 'temperature'"),
    "quota": status(429, "You exceeded your current quota, please check your plan"),
}


@pytest.mark.parametrize("kind", FATAL)
def test_what_asking_again_does_not_mend_ends_early(paid: FaultyEndpoint, kind: str) -> None:
    paid.reply = lambda body, number: FATAL[kind]()
    exp = experiment(10_000)
    with pytest.raises(pex.ProviderError):
        run(exp, max_in_flight=4)
    assert paid.calls < 20
    assert set(exp.results.frame["error_kind"]) == {kind}
    assert len(exp.results.frame) == 10_000


def test_a_host_that_is_not_there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "pex.toml").write_text(
        '[providers.lab]\nbase_url = "http://no-such-host.invalid/v1"\nfree = true\n'
    )
    with pytest.raises(pex.PexError, match=r"no such host: no-such-host\.invalid"):
        run(experiment(1))


def test_an_endpoint_that_goes_away_is_given_up(
    paid: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)
    paid.reply = lambda body, number: "drop"
    exp = experiment(5000)
    results = run(exp, max_in_flight=4)
    assert results.about["counts"]["errors"] == 5000
    assert paid.calls < 60
    assert results.frame["error"].str.startswith("not run").sum() > 4900


def test_a_bad_certificate(project: Path, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_self_signed(tmp_path))
    server = FaultyEndpoint(context)
    with server.running():
        text = f'[providers.lab]\nbase_url = "{server.url}"\nfree = true\n'
        (project / "pex.toml").write_text(text)
        with pytest.raises(pex.PexError, match="bad certificate at https"):
            run(experiment(1))
        bundle = json.dumps(str(tmp_path / "cert.pem"))
        (project / "pex.toml").write_text(f"{text}ca_bundle = {bundle}\n")
        assert run(experiment(1)).about["counts"]["answered"] == 1


def _self_signed(folder: Path) -> tuple[Path, Path]:
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    place = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(place, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


def test_many_faults_at_once(paid: FaultyEndpoint, project: Path) -> None:
    """5 % 429, 5 % 500, 5 % dropped, 3 % garbage on 600 calls, 32 at once, 50 ms."""
    dice, served = random.Random(7), Counter()

    def reply(body: dict, number: int) -> object:
        roll = dice.random()
        if roll < 0.05:
            return status(429, "slow down")()
        if roll < 0.10:
            return status(500, "oops")()
        if roll < 0.15:
            return "drop"
        if roll < 0.18:
            return web.Response(text="<html>garbage")
        served[body["messages"][0]["content"]] += 1
        return None

    paid.reply, paid.latency_s = reply, 0.05
    begun = time.monotonic()
    results = run(experiment(600), max_in_flight=32)
    elapsed = time.monotonic() - begun
    counts = results.about["counts"]
    print(f"{counts['answered']} of 600 answered in {elapsed:.1f} s")
    assert counts["answered"] + counts["errors"] == 600
    assert counts["answered"] >= 597
    assert set(results.frame["error_kind"].dropna()) <= {
        "rate_limit",
        "server",
        "connection",
        "bad_body",
    }
    assert ledger(project)[0] == pytest.approx(served.total() * PRICE)
    assert results.about["spent_usd"] >= served.total() * PRICE
    assert max(served.values()) == 1


def test_streams(paid: FaultyEndpoint, project: Path) -> None:
    """Streamed answers: the whole text, the time to the first piece, and a break in the middle."""
    broken = set()

    async def stream(request: web.Request) -> web.StreamResponse:
        data = await request.json()
        word = data["messages"][0]["content"]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in (word, " and", " more"):
            chunk = {"model": "m1-x", "choices": [{"index": 0, "delta": {"content": piece}}]}
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
            await asyncio.sleep(0.02)
            if word == "word1" and word not in broken:
                broken.add(word)
                assert request.transport is not None
                request.transport.close()
                return response
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        usage = {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 2}}
        for chunk in (end, usage):
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response

    paid.reply = lambda body, number: stream
    results = run(experiment(3), stream=True)
    assert [sent["stream"] for sent in paid.bodies] == [True] * 4
    assert sorted(results.frame["output"]) == [f"word{i} and more" for i in range(3)]
    assert (results.frame["ttft_s"] < results.frame["latency_s"]).all()
    assert results.frame["cost_usd"].tolist() == pytest.approx([PRICE] * 3)
    assert results.frame["resolved_model"].eq("m1-x").all()
    assert run(experiment(3)).frame["from_journal"].all()


def test_an_endpoint_that_does_not_stream(paid: FaultyEndpoint) -> None:
    results = run(experiment(2), stream=True)
    assert results.frame["output"].tolist() == ["word0", "word1"]
    assert results.frame["ttft_s"].isna().all()
