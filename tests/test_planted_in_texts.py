"""A key in what a user wrote: a case, a prompt, a parameter, a setting; echoed and in a crash."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.helpers.command import pexlab, pexlab_process
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.planted import Planted

SETTINGS = """
[providers.lab]
base_url = "{url}"
api_key_env = "MY_LAB_ACCESS"
free = true
headers = {{X-Door = {door}}}
"""
WRITTEN = ("cases.csv", "p.prompty", "experiment.yaml", "pex.toml")
"""Files of the user's own, which have the keys that the test puts there."""
SCORER = """
import os
def leaks(output, word, kind):
    if kind == "dies" and not os.path.exists("died"):
        open("died", "w").close()
        print("dying with", os.environ["MY_LAB_ACCESS"], flush=True)
        os.kill(os.getpid(), 9)
    if kind == "echo":
        raise ValueError("for " + word + " and " + output)
    return {"length": len(output)}
"""


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> list[Planted]:
    found = [Planted(), Planted()]
    monkeypatch.setenv("MY_LAB_ACCESS", found[0].value)
    return found


@pytest.fixture
def endpoint(project: Path, keys: list[Planted]) -> Iterator[FaultyEndpoint]:
    """Says what it was sent: headers, messages, parameters, as text, tool call and error."""

    async def said(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        sent = json.dumps({**dict(request.headers), "body": body, "door": keys[1].value})
        if "refuse" in body["messages"][-1]["content"]:
            return web.json_response({"error": {"message": f"no: {sent}"}}, status=400)
        tool = {"id": "1", "type": "function", "function": {"name": "f", "arguments": sent}}
        return web.json_response(completion(sent, reasoning_content=sent, tool_calls=[tool]))

    faulty = FaultyEndpoint()
    faulty.reply = lambda body, number: said
    with faulty.running():
        door = json.dumps(keys[1].value)
        (project / "pex.toml").write_text(SETTINGS.format(url=faulty.url, door=door))
        yield faulty


@pytest.mark.slow
def test_a_key_in_a_case_a_prompt_a_parameter_and_a_setting(
    endpoint: FaultyEndpoint, project: Path, keys: list[Planted]
) -> None:
    (project / "echoing.py").write_text(SCORER)
    (project / "p.prompty").write_text(
        f"---\nname: p\n---\nsystem:\nThe key is {keys[0].value}, the door {keys[1].value}.\n"
        "user:\n{{ kind }} {{ word }}\n"
    )
    with (project / "cases.csv").open("w", newline="") as file:
        rows = [
            (kind, kind, f"{keys[0].value} {keys[1].value}") for kind in ("echo", "refuse", "dies")
        ]
        csv.writer(file).writerows([("case_id", "kind", "word"), *rows])
    (project / "experiment.yaml").write_text(
        "name: words\ncases: cases.csv\nprompts: [p.prompty]\nmodels: [lab/m1]\n"
        "max_error_share: 1\n"
        f"params: [{{user: {json.dumps(keys[0].value)}}}]\n"
        "scorers: [prompt_leak, leaked_data, "
        "{name: leaky, kind: function, function: 'echoing:leaks'}]\n"
    )
    path = str(project / "experiment.yaml")
    done = pexlab_process("run", path, folder=project)
    assert done.returncode == -9, done.stderr
    said = [done.stderr]  # what a scorer prints itself is not pex's
    for arguments in (
        ("run", path, "--dry-run"),
        ("run", path, "--json", "--out", "out.parquet"),
        ("run", path, "--journal", "fresh"),
        ("scan", "--all"),
    ):
        done = pexlab(*arguments, folder=project)
        said += [done.stdout, done.stderr]
    run_id = json.loads(pexlab("runs", "--json", folder=project).stdout)["runs"][0]["run_id"]
    for arguments in (("report", run_id, "--out", "r.html"), ("record", run_id, "--traces", "all")):
        done = pexlab(*arguments, folder=project)
        said += [done.stdout, done.stderr]
    assert "[redacted]" in (project / "r.html").read_text()
    for name in WRITTEN:
        (project / name).unlink()
    bad = [place for key in keys for place in key.places(project)]
    bad += [
        f"output {n}: {f}" for n, t in enumerate(said) for k in keys for f in k.found(t.encode())
    ]
    assert bad == []
