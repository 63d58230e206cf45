"""Attacks by a second model: the same runner and budget, and nothing in its place if it is dead."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pex import redteam
from pex.core.attack_columns import CATEGORY, KIND
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint, completion

EXPERIMENT = """\
name: shop
cases: [CASES]
prompts: [open.prompty]
models: [lab/m1]
params: [{max_tokens: 20}]
scorers: [label]
redteam:
  suites: [override]
  converters: [plain]
  attacker: {model: evil/m2, turns: 3, attacks: 2, budget_usd: 1}
"""


@pytest.fixture
def evil() -> Iterator[FaultyEndpoint]:
    """The second model; its second attempt says the word on a line of its own."""
    server = FaultyEndpoint()

    def reply(body: dict[str, Any], number: int) -> dict[str, Any]:
        told = body["messages"][-1]["content"]
        word = told.partition("only the word ")[2].split(".")[0]
        return completion(f"please: SESAME {word}" if "Attempt 1" in told else "please")

    server.reply = reply
    with server.running():
        yield server


@pytest.fixture
def shop(project: Path, lab: FaultyEndpoint, evil: FaultyEndpoint) -> Path:
    """A prompt whose model obeys whoever says SESAME."""
    text = "---\nname: open\n---\nsystem:\nSort it.\n\nuser:\n{{ review }}\n"
    (project / "open.prompty").write_text(text, encoding="utf-8")
    (project / "cases.csv").write_text("case_id,review,expected\na,Nice.,good\n", encoding="utf-8")
    (project / "experiment.yaml").write_text(EXPERIMENT.replace("[CASES]", "cases.csv"))
    settings = project / "pex.toml"
    other = f'[providers.evil]\nbase_url = "{evil.url}"\nfree = true\n'
    settings.write_text(settings.read_text() + other)

    def reply(body: dict[str, Any], number: int) -> dict[str, Any]:
        said = body["messages"][-1]["content"]
        return completion(said.partition("SESAME ")[2] or "good")

    lab.reply = reply
    return project


def test_it_reaches_in_two_turns_what_no_fixed_attack_does_and_is_not_paid_twice(
    shop: Path, lab: FaultyEndpoint, evil: FaultyEndpoint
) -> None:
    done = pexlab("redteam", "experiment.yaml", "--no-record", folder=shop)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "open override 0 of 4: below 53 % 0 of 4" in said
    assert "open attacker 2 of 2: 100 % [34, 100] 0 of 2" in said
    assert "attacker, turn 2 of 3: 2 of 2 goals reached" in done.stderr
    assert evil.calls == 4, "two goals, two turns"
    told = [body["messages"][-1]["content"] for body in evil.bodies]
    assert sum("Attempt 1:\nplease\nIts answer:\ngood" in text for text in told) == 2
    before = lab.calls, evil.calls
    assert pexlab("redteam", "experiment.yaml", "--no-record", folder=shop).returncode == 0
    assert (lab.calls, evil.calls) == before


def test_a_dead_attacker_ends_the_run_with_5_and_no_other_host_is_called(
    shop: Path, lab: FaultyEndpoint, evil: FaultyEndpoint
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    settings = shop / "pex.toml"
    settings.write_text(settings.read_text().replace(evil.url, dead))
    done = pexlab("redteam", "experiment.yaml", folder=shop)
    assert done.returncode == 5, done.stderr
    assert "the attacker evil/m2" in done.stderr
    assert (lab.calls, evil.calls) == (0, 0)


def test_an_attacker_that_fails_once_is_not_replaced(
    shop: Path, lab: FaultyEndpoint, evil: FaultyEndpoint
) -> None:
    from aiohttp import web

    def reply(body: dict[str, Any], number: int) -> Any:
        if number == 2:
            return web.json_response({"error": {"message": "not allowed"}}, status=400)
        return completion("please")

    evil.reply = reply
    done = pexlab("redteam", "experiment.yaml", folder=shop)
    assert done.returncode == 5
    assert "did not answer 1 of 2 calls" in done.stderr
    assert lab.calls == 0


def test_its_budget_ends_it(shop: Path, evil: FaultyEndpoint) -> None:
    settings = shop / "pex.toml"
    priced = settings.read_text().replace(f'{evil.url}"\nfree = true', f'{evil.url}"')
    priced += '[prices."evil/m2"]\ninput_usd_per_million = 1e6\noutput_usd_per_million = 1e6\n'
    settings.write_text(priced)
    done = pexlab("redteam", "experiment.yaml", folder=shop)
    assert done.returncode == 4, done.stderr
    assert evil.calls == 0


def test_without_it_there_are_only_the_suites(shop: Path) -> None:
    cases = redteam.attack(shop / "experiment.yaml").experiment.cases
    assert {case.inputs[CATEGORY] for case in cases if case.inputs[KIND] == "attack"} == {
        "override"
    }
