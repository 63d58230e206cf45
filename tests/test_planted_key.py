"""Keys planted under unusual names are in no byte that pex writes or says, whatever happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.helpers.command import pexlab, pexlab_process
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.notebooks import notebook
from tests.helpers.planted import Planted

NAMES = ("MY_LAB_ACCESS", "MY_LAB_DOOR", "MY_LAB_BELL")
"""Of the variables with the provider's key, a header's value, and a webhook's address."""

SETTINGS = """
[providers.lab]
base_url = "{url}"
api_key_env = "MY_LAB_ACCESS"
free = true
headers = {{X-Door = {{env = "MY_LAB_DOOR"}}}}
"""

SHOWS = """
import base64, html, json, os, sys, textwrap, urllib.parse
import pandas
from IPython.display import HTML, JSON, display
for key in [os.environ[name] for name in ("MY_LAB_ACCESS", "MY_LAB_DOOR", "MY_LAB_BELL")]:
    for stream in (sys.stdout, sys.stderr):
        for piece in (key[:7], key[7:30], key[30:]):
            stream.write(piece); stream.flush()
        stream.write("\\n")
    print(key[:25], end="", flush=True); print("-", file=sys.stderr, flush=True); print(key[25:])
    print(f"\\x1b[31m{key[:11]}\\x1b[0m{key[11:]}")
    print("\\n    ".join(textwrap.wrap(key, 31, break_on_hyphens=False)))
    print(repr(key), json.dumps([json.dumps(key)]), html.escape(key), urllib.parse.quote(key))
    print(json.dumps(key).replace("+", "\\\\u002b").replace("/", "\\\\/"))
    print(base64.b64encode(f"me:{key}".encode()).decode(), os.environ)
    display(HTML(f"<b>{html.escape(key[:20])}</b><i>{html.escape(key[20:])}</i>"))
    display(pandas.DataFrame({"a": [key]}), pandas.Series(dict(os.environ)))
    display(JSON({"key": key, key: 1, "deep": [[key]]}))
"""
RAISES = "raise ValueError('refused: ' + os.environ['MY_LAB_ACCESS'])"
DIES = """
import os, signal, sys
sys.stdout.write(os.environ["MY_LAB_ACCESS"][:30]); sys.stdout.flush()
sys.stdout.write(os.environ["MY_LAB_ACCESS"][30:]); sys.stdout.flush()
sys.stderr.write(os.environ["MY_LAB_DOOR"] + "\\n"); sys.stderr.flush()
os.system("env")
os.kill(os.getpid(), signal.SIGKILL)
"""
ASKS = """
import pex
exp = pex.Experiment("words", pex.grid(pex.Prompt("{{ word }}", name="p"), "lab/m1"),
                     [{"word": "echo"}, {"word": "refuse"}], ["length"])
exp.run(show=False)
"""


class Echo(FaultyEndpoint):
    """Says everything that it was sent, in every way that endpoints have."""

    def __init__(self, planted: list[Planted]) -> None:
        super().__init__()
        self.texts = [key.value for key in planted]
        self.reply = lambda body, number: self.said

    async def said(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        word = body["messages"][-1]["content"]
        assert request.headers["Authorization"] == f"Bearer {self.texts[0]}"
        assert request.headers["X-Door"] == self.texts[1]
        sent = {**dict(request.headers), "keys": self.texts}
        if word == "refuse":
            return web.json_response(
                {"error": {"message": f"no: {sent}", "sent": sent}}, status=400
            )
        if word == "html":
            text = f"<html><h1>Bad</h1>{self.texts[0]}</html>"
            return web.Response(status=403, text=text, content_type="text/html")
        if word == "unreadable":
            return web.Response(
                text=f'{{"choices": "{self.texts}', headers={"X-Echo": self.texts[0]}
            )
        if word == "redirect":
            where = f"http://127.0.0.1:9/{self.texts[0]}?door={self.texts[1]}"
            return web.Response(status=302, headers={"Location": where})
        if word == "unauthorized":
            return web.json_response({"error": sent}, status=401)
        text = f"{' '.join(self.texts)} {json.dumps(sent)} {json.dumps(json.dumps(self.texts))}"
        if not body.get("stream"):
            tool = {"id": "1", "type": "function", "function": {"name": "f", "arguments": text}}
            good = completion(text, reasoning_content=text, tool_calls=[tool])
            return web.json_response(good)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for at in range(0, len(text), 9):
            piece = {"choices": [{"index": 0, "delta": {"content": text[at : at + 9]}}]}
            await response.write(f"data: {json.dumps(piece)}\n\n".encode())
        end: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "stop"}
        await response.write(f"data: {json.dumps({'choices': [end]})}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> list[Planted]:
    keys = [Planted() for _ in NAMES]
    keys[2].value = f"http://127.0.0.1:9/services/{'/'.join(keys[2].runs)}"
    for name, key in zip(NAMES, keys, strict=True):
        monkeypatch.setenv(name, key.value)
    return keys


@pytest.fixture
def echo(project: Path, planted: list[Planted]) -> Iterator[Echo]:
    endpoint = Echo(planted)
    with endpoint.running():
        (project / "pex.toml").write_text(SETTINGS.format(url=endpoint.url))
        yield endpoint


def experiment(project: Path, *words: str) -> Path:
    (project / "leaky.py").write_text(
        "import os\ndef leaks(output, word):\n"
        "    if word == 'echo': raise ValueError('for ' + os.environ['MY_LAB_ACCESS'])\n"
        "    return True\n"
    )
    (project / "p.prompty").write_text("---\nname: p\n---\nuser:\n{{ word }}\n")
    (project / "cases.csv").write_text("case_id,word\n" + "".join(f"{w},{w}\n" for w in words))
    path = project / "experiment.yaml"
    path.write_text(
        "name: words\ncases: cases.csv\nprompts: [p.prompty]\nmodels: [lab/m1]\n"
        'scorers: [length, {name: leaky, kind: function, function: "leaky:leaks"}]\n'
        "max_error_share: 1\n"
    )
    return path


def nowhere(planted: list[Planted], project: Path, *said: str) -> list[str]:
    """Where something of a key is; empty is good."""
    bad = [place for key in planted for place in key.places(project)]
    for number, text in enumerate(said):
        bad += [f"output {number}: {f}" for key in planted for f in key.found(text.encode())]
    return bad


@pytest.mark.slow
def test_a_full_run_and_calls_that_fail(
    echo: Echo, project: Path, planted: list[Planted], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(experiment(project, "echo", "refuse", "html", "unreadable"))
    said: list[str] = []

    def call(*arguments: str) -> int:
        done = pexlab(*arguments, folder=project)
        said.extend([done.stdout, done.stderr])
        return done.returncode

    call("doctor")
    call("run", path, "--dry-run")
    assert call("run", path, "--json", "--out", "out.parquet") in (0, 5)
    run_id = json.loads(said[-2])["run_id"]
    call("run", path, "--journal", "fresh")
    call("score", run_id, "--scorer", "length")
    call("report", run_id, "--out", "report.html")
    call("compare", run_id, run_id, "--json")
    call("record", run_id, "--traces", "all")
    call("spend", "--json")
    call("gc")
    experiment(project, "unauthorized")
    assert call("run", path, "--json") == 5
    experiment(project, "redirect")
    assert call("run", path, "--json") == 5
    assert "redirect" in said[-2] + said[-1]
    monkeypatch.delenv("MY_LAB_DOOR")
    assert call("run", path) == 2
    assert "X-Door" in said[-1]
    assert "MY_LAB_DOOR is not set" in said[-1]
    assert "[redacted]" in (project / "report.html").read_text()
    # Nothing has named the third one: there is no plan yet.
    assert nowhere(planted[:2], project, *said) == []


@pytest.mark.slow
@pytest.mark.night
def test_a_batch_that_prints_its_environment_and_dies(
    echo: Echo, project: Path, planted: list[Planted]
) -> None:
    notebook(project / "shows.ipynb", None, SHOWS, "key", RAISES)
    notebook(project / "dies.ipynb", None, DIES)
    notebook(project / "asks.ipynb", None, ASKS, RAISES.replace("os.", "__import__('os')."))
    (project / "plan.yaml").write_text(
        "name: nightly\nworkers: 1\nsteps:\n"
        "  - {id: asks, notebook: asks.ipynb}\n"
        "  - {id: shows, notebook: shows.ipynb}\n"
        "  - {id: dies, notebook: dies.ipynb}\n"
        "notify: [{webhook_env: MY_LAB_BELL}]\n"
    )
    done = pexlab_process(
        "batch", "plan.yaml", "--batch-id", "b", "--json", "--junit", "b.xml", "--report",
        "b.html", folder=project,
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    again = pexlab_process("batch", "plan.yaml", "--batch-id", "b", "--resume", folder=project)
    outputs = project / "outputs" / "nightly" / "b"
    for name in ("shows", "dies", "asks"):
        assert "[redacted]" in (outputs / f"{name}.ipynb").read_text(), name
    said = (done.stdout, done.stderr, again.stdout, again.stderr)
    assert nowhere(planted, project, *said) == []
