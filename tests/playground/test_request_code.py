"""A request as code for other programs: what it sends when it runs is what pex sends."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

import pex
from pex.core.errors import PexError
from pex.playground.request_code import KINDS
from pex.project.settings import Settings, load_settings
from pex.run.keyless import keyless
from tests.helpers.browser import jupyterlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.notebooks import notebook
from tests.helpers.playing import View, column, entry, until
from tests.playground.test_playground import EXPERIMENT, opened

pytestmark = pytest.mark.usefixtures("new_kernel")

ODD = (
    "It's \"quoted\", $HOME `id` $(id) \\n \\\n'''\nJSON\nEOF\n%s {x} #!\t"
    "日本 👩‍👩‍👧 \u202eturned\u2028line\x07"
)
PARAMS: dict[str, Any] = {
    "temperature": 0.5, "max_tokens": 40, "top_k": 7, "stop": ["\n\n", "END"], "seed": 3,
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {
        "type": "object", "properties": {"it's": {"type": "string", "enum": ["a", "b\n"]}}}}},
    "chat_template_kwargs": {"thinking": False, "none": None},
}  # fmt: skip


def play_of(lab: FaultyEndpoint, model: str = "lab/m1", **params: Any) -> pex.Playground:
    prompt = pex.Prompt(
        [
            {"role": "system", "content": "Be brief.\nAnd kind."},
            {"role": "user", "content": "About {{ text }}"},
        ],
        "odd",
    )
    cases = [{"case_id": "c1", "text": ODD}, {"case_id": "c2", "text": "other"}]
    return pex.Playground(
        pex.Experiment("odd", pex.grid([prompt], model, params or PARAMS), cases), record=False
    )


def code(play: pex.Playground, kind: str, number: int = 0) -> str:
    view = View(play._session)
    chosen = {"of": kind, "variant": column(play), "case": entry(play, number)}
    view.message({"kind": "code", "view": "v", **chosen})
    message = view.wait_sent("code")
    assert {name: message[name] for name in chosen} == chosen
    return str(message["text"])


def sent_by_pex(lab: FaultyEndpoint, play: pex.Playground) -> dict[str, Any]:
    view = View(play._session)
    view.press(cases=[entry(play)])
    assert view.wait()["error"] == ""
    [body] = lab.bodies
    lab.bodies.clear()
    lab.headers.clear()
    return {k: v for k, v in body.items() if k not in ("stream", "stream_options")}


def run(text: str, kind: str, folder: Path, **environment: str) -> str:
    file = folder / ("code.py" if kind == "openai" else "code.sh")
    file.write_text(text, encoding="utf-8")
    command = [sys.executable, str(file)] if kind == "openai" else ["sh", str(file)]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["openai", "curl"])
def test_it_sends_what_pex_sends_with_the_key_of_the_environment(
    lab: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{lab.url}"\napi_key_env = "LAB_KEY"\nfree = true\n'
        '[providers.lab.headers]\nX-Team = "research"\nX-Gate = "open-4711-sesame"\n'
        'X-Own = { env = "OWN_HEADER" }\n'
    )
    monkeypatch.setenv("LAB_KEY", "sk-very-secret-0815")
    monkeypatch.setenv("OWN_HEADER", "mine-4712-too")
    play = play_of(lab)
    body = sent_by_pex(lab, play)
    assert body["messages"][1]["content"] == f"About {ODD}"
    text = code(play, kind)
    for secret in ("sk-very-secret-0815", "open-4711-sesame", "mine-4712-too"):
        assert secret not in text
    assert "\u202e" not in text, "what cannot be seen is escaped"
    printed = run(text, kind, project, X_GATE="open-4711-sesame")
    assert "quoted" in printed
    assert lab.bodies == [body]
    headers = {name.lower(): value for name, value in lab.headers[0].items()}
    assert headers["authorization"] == "Bearer sk-very-secret-0815"
    found = (headers["x-team"], headers["x-gate"], headers["x-own"])
    assert found == ("research", "open-4711-sesame", "mine-4712-too")


def test_a_model_without_a_key_needs_none(lab: FaultyEndpoint, project: Path) -> None:
    play = play_of(lab, temperature=0)
    body = sent_by_pex(lab, play)
    for kind in ("openai", "curl"):
        text = code(play, kind)
        assert "environ" not in text
        assert "Authorization" not in text
        run(text, kind, project)
        assert lab.bodies == [body]
        lab.bodies.clear()


@pytest.mark.model
def test_the_built_in_model_answers_the_generated_code(
    lab: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pex import local
    from pex.run import keyless as module

    play = play_of(lab, "local/smollm2", temperature=0, max_tokens=4)
    server = local.ensure(project / ".pex")
    port = int(server.base_url.rpartition(":")[2].partition("/")[0])
    assert "pexlab model serve --api-key-env PEX_LOCAL_KEY" in code(play, "openai")
    monkeypatch.setattr(module, "LOCAL_PORT", port)
    for kind in ("openai", "curl"):
        printed = run(code(play, kind, 1), kind, project, PEX_LOCAL_KEY=server.api_key)
        assert printed.strip()


def test_the_messages_are_json_with_the_case_filled_in(lab: FaultyEndpoint) -> None:
    play = play_of(lab)
    assert json.loads(code(play, "messages")) == sent_by_pex(lab, play)["messages"]
    assert json.loads(code(play, "messages", 1))[1]["content"] == "About other"
    assert code(play, "pex") == play.code()


@pytest.mark.parametrize("kind", ["openai", "curl"])
def test_the_responses_api_is_called_where_pex_calls_it(
    lab: FaultyEndpoint, project: Path, kind: str
) -> None:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{lab.url}"\nfree = true\napi = "responses"\n'
    )
    text = code(play_of(lab, max_tokens=9), kind)
    assert ("client.responses.create(" if kind == "openai" else f"{lab.url}/responses") in text
    assert "max_output_tokens" in text
    compile(text, "code", "exec") if kind == "openai" else None


def test_what_cannot_run_says_why_as_a_comment(lab: FaultyEndpoint) -> None:
    play = play_of(lab)
    view = View(play._session)
    view.do("edit", variant=column(play), field="message", index=0, value="{{ text ")
    for kind in KINDS:
        text = code(play, kind)
        assert text.startswith("# variant 'odd', line 1:")
    with pytest.raises(PexError, match="no code of the kind 'perl'"):
        play._session.code("perl", column(play), entry(play))


def test_where_other_programs_reach_a_model(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://user:pass@mine.openai.azure.com")
    azure = keyless("azure/gpt-4o", Settings())
    assert azure.page.startswith(
        "https://mine.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version="
    )
    assert "pass" not in repr(azure)
    assert [(header.name, header.variable) for header in azure.all_headers] == [
        ("api-key", "AZURE_OPENAI_API_KEY"),
        ("Authorization", "AZURE_LOGIN"),
    ]
    (project / "pex.toml").write_text(
        '[providers.mine]\nbase_url = "https://mine.invalid/v1"\ntoken_command = "get token"\n'
    )
    mine = keyless("mine/m", load_settings(project))
    assert (mine.key, mine.notes) == ("MINE_TOKEN", ("first: export MINE_TOKEN=$(get token)",))
    with pytest.raises(PexError, match="there is no provider 'mistrall'"):
        keyless("mistrall/m", Settings())


@pytest.mark.browser
def test_tabs_of_code_by_keys(lab: FaultyEndpoint, project: Path) -> None:
    notebook(project / "play.ipynb", None, EXPERIMENT.format(count=2))
    with jupyterlab(project) as browser:
        play = opened(browser, "play.ipynb")
        play.get_by_role("button", name="Save…").click()
        window = browser.page.get_by_role("dialog")
        window.get_by_role("button", name="Code").click()
        box = window.get_by_role("textbox", name="Code")
        window.get_by_role("tab", name="pex").focus()
        browser.page.keyboard.press("ArrowRight")
        expect(window.get_by_role("tab", name="openai")).to_be_focused()
        until(lambda: "client.chat.completions.create(" in box.input_value())
        assert "Say 0" in box.input_value()
        window.get_by_label("Case").select_option(index=1)
        until(lambda: "Say 1" in box.input_value())
        window.get_by_label("Variant").select_option("tell")
        until(lambda: "Tell 1" in box.input_value())
        browser.page.evaluate(
            "navigator.clipboard.writeText = async (text) => { window.copied = text; }"
        )
        window.get_by_role("tab", name="curl").click()
        until(lambda: "curl http" in box.input_value())
        window.get_by_role("button", name="Copy").click()
        expect(window.get_by_role("status")).to_have_text("Copied.")
        assert browser.page.evaluate("window.copied") == box.input_value()
        assert box.evaluate("e => e.scrollWidth <= e.clientWidth"), "long lines wrap"


def test_code_with_placeholders_says_that_they_must_be_new_for_each_call(
    lab: FaultyEndpoint,
) -> None:
    prompt = pex.Prompt("{{ canary }} {{ text | untrusted('a mail') }}", "guarded")
    exp = pex.Experiment("g", pex.grid([prompt], "lab/m1"), [{"case_id": "c1", "text": "Hi"}])
    play = pex.Playground(exp, record=False)
    for kind in ("openai", "curl"):
        text = code(play, kind)
        assert text.startswith("# ⟨delimiter⟩ and ⟨canary⟩ stand for words")
        assert "<data-⟨delimiter⟩" in text
    body = sent_by_pex(lab, play)
    assert "⟨" not in body["messages"][0]["content"]
