"""A token from a command: one that runs out in mid-run, and commands that go wrong."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import pex
from pex.run import endpoint as endpoint_module
from tests.helpers.endpoint import FaultyEndpoint, completion


class Tokens:
    """A command that prints `token-1`, then `token-2` …, and an endpoint that knows them."""

    def __init__(self, project: Path, lab: FaultyEndpoint, script: str = "") -> None:
        self.counter = project / "count"
        self.counter.write_text("0")
        self.file = project / "token.py"
        self.print(script or "print(f'token-{number}')")
        command = f"'{sys.executable}' '{self.file}'"
        (project / "pex.toml").write_text(
            f'[providers.lab]\nbase_url = "{lab.url}"\ntoken_command = {json.dumps(command)}\n'
            '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
        )
        self.good = {"token-1"}
        self.paid: Counter[str] = Counter()
        lab.reply = self.reply

    def print(self, script: str) -> None:
        self.file.write_text(
            "import pathlib, sys, time\n"
            f"path = pathlib.Path({str(self.counter)!r})\n"
            "number = int(path.read_text()) + 1\n"
            # In one step: the endpoint reads it meanwhile.
            "path.with_suffix('.new').write_text(str(number))\n"
            "path.with_suffix('.new').replace(path)\n" + script
        )

    @property
    def printed(self) -> int:
        return int(self.counter.read_text())

    def reply(self, body: dict[str, Any], number: int) -> Any:
        return self.handle

    async def handle(self, request: web.Request) -> web.Response:
        if request.headers["Authorization"].removeprefix("Bearer ") not in self.good:
            return web.json_response({"error": {"message": "the token has expired"}}, status=401)
        body = await request.json()
        word = body["messages"][0]["content"]
        self.paid[word] += 1
        return web.json_response(completion(word))


@pytest.fixture
def tokens(project: Path, endpoint: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch) -> Tokens:
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)
    return Tokens(project, endpoint)


def experiment(count: int) -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"word": f"w{i}"} for i in range(count)]
    return pex.Experiment("tokens", pex.grid(prompt, "lab/m1", {"max_tokens": 2}), cases)


def run(exp: pex.Experiment, **options: Any) -> pex.Results:
    return exp.run(**{"record": False, "show": False, "budget_usd": 1000, **options})


def test_the_token_is_sent(tokens: Tokens, endpoint: FaultyEndpoint) -> None:
    assert run(experiment(5)).about["counts"]["answered"] == 5
    assert {head["Authorization"] for head in endpoint.headers} == {"Bearer token-1"}
    assert tokens.printed == 1


def test_one_that_runs_out_is_renewed_once_and_no_call_in_flight_is_lost(
    tokens: Tokens, endpoint: FaultyEndpoint
) -> None:
    """Calls that the endpoint took before the token ran out are still being answered then."""
    slow: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        number = endpoint.calls
        if number == 12:
            tokens.good = {"token-2"}
        answer = await tokens.handle(request)
        if token == "token-1" and answer.status == 200:
            body = await request.json()
            slow.append(body["messages"][0]["content"])
            while tokens.printed < 2:  # until the token has been renewed
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
        return answer

    endpoint.reply = lambda body, number: handle
    results = run(experiment(40), max_in_flight=24)
    assert results.about["counts"]["answered"] == 40
    assert len(slow) > 5
    assert set(tokens.paid.values()) == {1}
    assert tokens.printed == 2
    assert results.about["spent_usd"] == pytest.approx(40 * 0.012)


def test_one_that_runs_out_again_and_again(tokens: Tokens, endpoint: FaultyEndpoint) -> None:
    """Also for a call that has been tried before, for another reason."""

    def reply(body: dict[str, Any], number: int) -> Any:
        tokens.good = {f"token-{1 + sum(tokens.paid.values()) // 10}"}
        return web.Response(status=503) if number % 7 == 0 else tokens.handle

    endpoint.reply = reply
    results = run(experiment(50), max_in_flight=4)
    assert results.about["counts"]["answered"] == 50
    assert set(tokens.paid.values()) == {1}
    assert tokens.printed == 5


def test_one_that_has_run_out_before_the_first_call_is_answered(
    tokens: Tokens, endpoint: FaultyEndpoint
) -> None:
    tokens.good = {"token-2"}
    results = run(experiment(60), max_in_flight=16)
    assert results.about["counts"]["answered"] == 60
    assert tokens.printed == 2


def test_a_slow_command_holds_calls_back_instead_of_failing_them(
    tokens: Tokens, endpoint: FaultyEndpoint
) -> None:
    tokens.print("time.sleep(1.5 * (number > 1))\nprint(f'token-{number}')")

    def reply(body: dict[str, Any], number: int) -> Any:
        if sum(tokens.paid.values()) >= 8:
            tokens.good = {"token-2"}
        return tokens.handle

    endpoint.reply = reply
    endpoint.latency_s = 0.02
    results = run(experiment(80), max_in_flight=8)
    assert results.about["counts"]["answered"] == 80
    assert tokens.printed == 2
    refused = [n for n, head in enumerate(endpoint.headers) if "token-1" in head["Authorization"]]
    assert len(refused) <= 8 + 3 * 8  # those that were out when it ran out, and no more


def test_a_token_that_is_refused_ends_early(tokens: Tokens, endpoint: FaultyEndpoint) -> None:
    tokens.good = set()
    exp = experiment(300)
    with pytest.raises(pex.ProviderError, match="the token has expired"):
        run(exp, max_in_flight=4)
    assert endpoint.calls < 30
    assert tokens.printed == 2
    assert exp.results is not None
    assert len(exp.results.frame) == 300


BROKEN = {
    "prints nothing": ("pass", "expected one line with the token, got nothing"),
    "prints two lines": ("print('Logging in...')\nprint('abc')", "got 2 lines"),
    "prints words": ("print('not logged in')", "a line that is not a token"),
    "prints JSON": ('print(\'{\\n "accessToken": "abc"\\n}\')', "got 3 lines"),
    "fails": ("sys.exit('please log in first')", "exited with code 1: please log in first"),
    "fails with a token": ("print('abc')\nsys.exit(3)", "exited with code 3"),
    "hangs": ("time.sleep(60)", r"printed no token within 0\.7 s"),
    "asks": ("print(input('password? '))", "exited with code 1: EOFError"),
    "is not UTF-8": ("sys.stdout.buffer.write(b'\\xff\\xfe')", "could not be run"),
    "prints odd letters": ("print('t\\u00f6ken')", "a line that is not a token"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_command_that_goes_wrong_says_how(
    tokens: Tokens, endpoint: FaultyEndpoint, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, said = BROKEN[name]
    monkeypatch.setattr(endpoint_module, "TOKEN_COMMAND_TIMEOUT_S", 0.7 if name == "hangs" else 30)
    tokens.print(script)
    with pytest.raises(pex.PexError, match=said) as caught:
        run(experiment(2))
    assert "[providers.lab] token_command" in str(caught.value)
    assert endpoint.calls == 0


def test_a_command_that_is_not_there(project: Path, endpoint: FaultyEndpoint) -> None:
    for command in ("no-such-command --token", "'unclosed", "   "):
        (project / "pex.toml").write_text(
            f'[providers.lab]\nbase_url = "{endpoint.url}"\ntoken_command = "{command}"\n'
            "free = true\n"
        )
        with pytest.raises(pex.PexError, match="token_command: could not be run"):
            run(experiment(1))


def test_a_command_that_fails_in_mid_run_ends_the_model_with_its_words(
    tokens: Tokens, endpoint: FaultyEndpoint
) -> None:
    def reply(body: dict[str, Any], number: int) -> Any:
        if sum(tokens.paid.values()) == 10:
            tokens.good = set()
            tokens.print("sys.exit('the login has expired')")
        return tokens.handle

    endpoint.reply = reply
    results = run(experiment(200), max_in_flight=4)
    counts = results.about["counts"]
    assert counts["answered"] == 10
    assert counts["errors"] == 190
    assert results.frame["error"].dropna().str.contains("the login has expired").all()
    assert tokens.printed == 3  # at the beginning, and twice when it had run out
    assert endpoint.calls < 30


def test_a_command_that_fails_once_is_tried_again(tokens: Tokens, endpoint: FaultyEndpoint) -> None:
    tokens.print("sys.exit(1) if number == 2 else print(f'token-{number}')")

    def reply(body: dict[str, Any], number: int) -> Any:
        if sum(tokens.paid.values()) == 10:
            tokens.good = {"token-3"}
        return tokens.handle

    endpoint.reply = reply
    assert run(experiment(40), max_in_flight=4).about["counts"]["answered"] == 40
    assert set(tokens.paid.values()) == {1}


def test_a_dropped_connection_does_not_ask_for_a_new_token(
    tokens: Tokens, endpoint: FaultyEndpoint
) -> None:
    endpoint.reply = lambda body, number: "drop" if number == 2 else tokens.handle
    assert run(experiment(4), max_in_flight=1).about["counts"]["answered"] == 4
    assert tokens.printed == 1
