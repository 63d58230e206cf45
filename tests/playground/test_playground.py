"""The Playground in a real JupyterLab: the whole story, keys, Stop, hostile answers, widths."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, expect

from pex.widgets import shared
from tests.helpers.browser import Lab, jupyterlab, page
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.made import HOSTILE
from tests.helpers.model import share
from tests.helpers.notebooks import notebook

pytestmark = pytest.mark.browser


TEXTS = [
    "",
    "one line",
    "ends with a line break\n",
    "{{ a }} and {% if b %}\n\n{{ c }}{% endif %} {# note #}   spaces at the end          ",
    "word " * 200,
    "unbroken" * 60,
    "\ttab\tand\ttab" * 12,
    "עברית {{ name }} ועוד טקסט " * 9 + "\nthen English\n" + "عاجل: أعد المبلغ {{ x }} " * 9,
    "請退款給我，謝謝。商品壞了。" * 9 + "👩‍👩‍👧‍👦🎉" * 20,
    "half {{ open\n{{ done }}\n" * 8,
]


def test_the_marks_of_the_editor_stand_where_the_text_is() -> None:
    script = shared.script("playground/editor")
    style = shared.styles("playground/playground")
    body = f"<style>{style}</style><main class='pex pex-kit pex-play'></main>"
    with page() as plain:
        plain.set_content(f"<!doctype html>{body}<script>{script}</script>")
        found = plain.evaluate(
            """(texts) => [236, 640].flatMap((width) => texts.map((text) => {
              const editor = $playground$editor.makeEditor("x", { template: true });
              editor.box.style.width = `${width}px`;
              editor.box.style.maxHeight = "none";
              document.querySelector("main").append(editor.box);
              editor.set(text);
              const copy = editor.box.firstChild;
              const area = editor.area;
              const there = area.offsetHeight;
              area.style.minHeight = area.style.height = "0";
              area.style.alignSelf = "start";
              const needs = area.scrollHeight;
              const said = copy.textContent.replace("\\u200b", "") === text;
              const marks = copy.querySelectorAll(".pex-token-value").length;
              editor.box.remove();
              return { there, needs, said, marks, copy: copy.offsetHeight };
            }))""",
            TEXTS,
        )
    for text, seen in zip(TEXTS * 2, found, strict=True):
        assert seen["said"], text
        assert seen["there"] >= seen["needs"], (text, seen)
        assert seen["there"] <= max(50, seen["needs"] + 1), (text, seen)
        assert seen["marks"] == text.count("}}"), text


WATCH = """() => {
  window.lengths = {};
  new MutationObserver(() => {
    for (const cell of document.querySelectorAll("[data-cell]")) {
      (window.lengths[cell.dataset.cell] ??= new Set())
        .add(cell.querySelector(".pex-answer-text").textContent.length);
    }
  }).observe(document.querySelector(".pex-play-grid"),
    { subtree: true, childList: true, characterData: true });
}"""


def opened(lab: Lab, name: str) -> Locator:
    """Open a notebook, run it; returns its first Playground."""
    lab.open(name)
    lab.command("application:toggle-left-area")
    lab.run_all()
    assert lab.errors() == []
    return playground(lab)


def playground(lab: Lab, number: int = 0) -> Locator:
    found = lab.page.locator(".pex-play").nth(number)
    found.locator(".pex-variant").first.wait_for()
    return found


def restart(lab: Lab) -> None:
    """Restart the notebook's kernel and run nothing."""
    lab.page.evaluate(
        "async () => { await window.jupyterapp.shell.currentWidget"
        ".sessionContext.session.kernel.restart(); }"
    )


def column(play: Locator, number: int) -> Locator:
    return play.locator(".pex-variant").nth(number)


def write(place: Locator, text: str) -> None:
    """Type into the first message of a column."""
    place.get_by_role("textbox", name="Message 1").fill(text)


def states(play: Locator, state: str, count: int, timeout_s: float = 300) -> None:
    """Wait until so many answers are in a state."""
    expect(play.locator(f"[data-state={state}]")).to_have_count(count, timeout=timeout_s * 1000)


@pytest.mark.model
def test_the_whole_story_on_the_built_in_model(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    notebook(tmp_path / "play.ipynb", None, "import pex\npex.Playground()", "pex.Playground()")
    share(tmp_path)
    with jupyterlab(tmp_path) as lab:
        play = opened(lab, "play.ipynb")
        play.scroll_into_view_if_needed()
        assert lab.page.locator(".pex-static").first.is_hidden()
        _type_and_run(lab, play)
        _compare_and_save(lab, play, tmp_path)
        other = playground(lab, 1)
        expect(other.locator(".pex-variant")).to_have_count(1)
        write(column(other, 0), "Another text")
        expect(column(play, 0).get_by_role("textbox", name="Message 1")).to_have_value(
            "Tell me about {{ thing }}."
        )

        # The page is loaded again while the kernel goes on: all of it is there.
        lab.page.wait_for_timeout(600)
        lab.save()
        lab.page.reload()
        play = playground(lab)
        _is_as_it_was(play)

        # The kernel starts anew and the cell runs again: the draft is there, and says so.
        restart(lab)
        lab.run_all()
        assert lab.errors() == []
        play = playground(lab)
        _is_as_it_was(play)
        expect(play.locator(".pex-notice")).to_contain_text("draft")
        other = column(playground(lab, 1), 0)
        expect(other.get_by_role("textbox", name="Message 1")).to_have_value("Another text")


def _type_and_run(lab: Lab, play: Locator) -> None:
    first = column(play, 0)
    text = first.get_by_role("textbox", name="Message 1")
    text.fill("Tell me about {{ thing")
    problem = first.locator(".pex-problem")
    expect(problem).to_contain_text("line 1")
    text.press("End")
    text.press_sequentially(" }}.")
    expect(problem).to_be_hidden()
    expect(first.locator(".pex-token-value")).to_have_text("{{ thing }}")
    play.get_by_role("textbox", name="thing of case").fill("a small cat")
    first.get_by_label("Max tokens").fill("40")
    play.get_by_role("button", name="Add variant").click()
    expect(play.locator(".pex-variant")).to_have_count(2)
    second = column(play, 1)
    expect(second.get_by_label("Name of the variant")).to_be_focused()
    lab.page.keyboard.press("Control+A")
    lab.page.keyboard.type("poem")
    write(second, "Tell me a poem about {{ thing }}.")
    second.get_by_label("Max tokens").fill("40")
    lab.page.evaluate(WATCH)
    play.get_by_role("button", name="Run all").click()
    states(play, "answered", 2)
    lengths = lab.page.evaluate("() => Object.values(lengths).map((seen) => seen.size)")
    assert max(lengths) > 3
    expect(play.locator(".pex-answer-facts").first).to_contain_text("tokens")


def _compare_and_save(lab: Lab, play: Locator, folder: Path) -> None:
    recorded = play.locator(".pex-recorded")
    expect(recorded).to_contain_text("Recorded: ")
    recorded.get_by_role("button", name="Open in MLflow").click()
    link = recorded.get_by_role("link", name="open in MLflow")
    expect(link).to_have_attribute("href", re.compile("/runs/"))
    link.hover()
    expect(link).to_have_css("text-decoration-line", "underline")

    play.get_by_role("button", name="Show differences").click()
    second = play.locator(".pex-answer").nth(1)
    expect(second.locator("ins, del, .pex-answer-note:not([hidden])").first).to_be_visible()
    play.get_by_role("button", name="Show differences").click()

    # After Run all the answers are in view, and the prompts are a line each.
    expect(play.locator(".pex-play-prompts")).to_be_hidden()
    expect(play.locator(".pex-title-about").nth(1)).to_contain_text("Tell me a poem about")
    play.get_by_role("button", name="Edit poem").click()
    expect(column(play, 1).get_by_role("textbox", name="Message 1")).to_be_focused()
    name = column(play, 1).get_by_label("Name of the variant")
    name.fill("ode")
    name.press("Tab")
    expect(play.locator(".pex-title-name").nth(1)).to_have_text("ode")
    play.get_by_role("button", name="Undo").click()
    expect(name).to_have_value("poem")
    expect(play.locator(".pex-title-name").nth(1)).to_have_text("poem")

    play.get_by_role("button", name="Save…").click()
    window = lab.page.get_by_role("dialog")
    said = window.get_by_role("status")
    window.get_by_label("Variant").select_option("poem")
    expect(window.get_by_label("Path")).to_have_value("prompts/poem.prompty")
    window.get_by_role("button", name="Save", exact=True).click()
    expect(said).to_contain_text("poem.prompty")
    assert "a poem about {{ thing }}" in (folder / "prompts" / "poem.prompty").read_text()
    (folder / "prompts" / "poem.prompty").write_text("user:\nmine\n")
    window.get_by_role("button", name="Save", exact=True).click()
    expect(said.locator(".pex-bad-text")).not_to_be_empty()
    assert (folder / "prompts" / "poem.prompty").read_text() == "user:\nmine\n"
    window.get_by_role("button", name="Library").click()
    window.get_by_label("Alias").fill("champion")
    window.get_by_role("button", name="Save", exact=True).click()
    expect(said).to_contain_text("poem")
    assert said.locator(".pex-bad-text").count() == 0
    window.get_by_role("button", name="Code").click()
    expect(window.get_by_role("textbox", name="Code")).to_have_value(
        re.compile(r"import pex[^\0]*pex\.Prompt[^\0]*exp\.run\(\)")
    )
    window.get_by_role("button", name="Close").click()


def _is_as_it_was(play: Locator) -> None:
    expect(play.locator(".pex-variant")).to_have_count(2)
    text = column(play, 1).get_by_role("textbox", name="Message 1")
    expect(text).to_have_value("Tell me a poem about {{ thing }}.")
    states(play, "answered", 2)
    assert len(play.locator(".pex-answer-text").nth(1).inner_text()) > 20


def _slow(text: str, pieces: int, pause_s: float) -> Any:
    """A handler that streams a text so slowly that somebody can stop it."""

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for _ in range(pieces):
            chunk = {"model": "m1", "choices": [{"index": 0, "delta": {"content": text}}]}
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
            await asyncio.sleep(pause_s)
        for chunk in (
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 2}},
        ):
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response

    return stream


EXPERIMENT = """import pex
prompts = [pex.Prompt("Say {{{{ n }}}}", name="say"), pex.Prompt("Tell {{{{ n }}}}", name="tell")]
exp = pex.Experiment("hostile", pex.grid(prompts, ["lab/m1"], [{{"temperature": 0}}]),
                     [{{"n": n}} for n in range({count})])
pex.Playground(exp)"""


def test_keys_only_and_stop_at_once(lab: FaultyEndpoint, project: Path) -> None:
    lab.reply = lambda body, number: _slow("word ", 20_000, 0.05)  # nobody waits for its end
    notebook(project / "play.ipynb", None, EXPERIMENT.format(count=3))
    with jupyterlab(project) as browser:
        play = opened(browser, "play.ipynb")
        keys = browser.page.keyboard
        # From the first message: run the column, stop, then everything from an answer.
        column(play, 1).get_by_role("textbox", name="Message 1").focus()
        keys.type("!")
        keys.press("Control+Enter")
        states(play, "running", 3)
        expect(play.locator(".pex-answer-text").nth(1)).to_contain_text("word word word")
        keys.press("Escape")
        states(play, "stopped", 3)
        assert play.locator(".pex-answer-text").nth(1).inner_text().startswith("word")

        play.locator(".pex-answer").first.focus()
        keys.press("ArrowDown")
        keys.press("ArrowRight")
        keys.press("End")
        keys.press("Home")
        expect(play.locator(".pex-answer").nth(2)).to_be_focused()
        lab.reply = lambda body, number: None
        expect(play.get_by_role("button", name="Run all")).to_be_enabled()
        keys.press("Enter")
        states(play, "answered", 1)
        expect(play.locator(".pex-answer").nth(2)).to_be_focused()
        expect(play.locator(".pex-answer-text").nth(2)).to_have_text("Say 1")
        expect(play.get_by_role("button", name="Run all")).to_be_enabled()
        keys.press("Control+Shift+Enter")
        states(play, "answered", 6)
        keys.press("Alt+z")
        play.get_by_role("button", name="Edit prompts").click()
        text = column(play, 1).get_by_role("textbox", name="Message 1")
        expect(text).to_have_value("Tell {{ n }}")
        # JupyterLab saw none of it: there is no new cell, and this one did not run again.
        assert browser.page.locator(".jp-Notebook .jp-Cell").count() == 1


def test_a_new_case_has_the_cursor_and_the_system_message_is_on_top(
    lab: FaultyEndpoint, project: Path
) -> None:
    notebook(project / "play.ipynb", None, EXPERIMENT.format(count=1))
    with jupyterlab(project) as browser:
        play = opened(browser, "play.ipynb")
        play.get_by_role("button", name="Add case").click()
        browser.page.get_by_role("dialog").get_by_role("button", name="New empty case").click()
        expect(play.locator(".pex-case-cell")).to_have_count(2)
        expect(play.locator(".pex-case-cell").nth(1).get_by_role("textbox").first).to_be_focused()
        browser.page.keyboard.type("7")
        variant = column(play, 0)
        system = variant.get_by_role("textbox", name="System message")
        names = variant.get_by_role("textbox", name=re.compile("essage"))
        labels = names.evaluate_all("es => es.map(e => e.ariaLabel)")
        assert labels == ["System message", "Message 1"]
        system.press_sequentially("Be brief.")
        variant.get_by_role("textbox", name="Message 1").press("Control+End")
        browser.page.keyboard.type("!")
        variant.get_by_role("button", name="Add a message").click()
        expect(variant.get_by_role("textbox", name="Message 2")).to_be_focused()
        expect(variant.get_by_role("combobox", name="Role of message 2")).to_have_value("assistant")
        browser.page.keyboard.type("Yes.")
        play.get_by_role("button", name="Run all").click()
        states(play, "answered", 4)
        sent = [body["messages"] for body in lab.bodies if body["messages"][0]["role"] == "system"]
        assert sorted(body[1]["content"] for body in sent) == ["Say 0!", "Say 7!"]
        assert {(body[0]["content"], body[2]["content"]) for body in sent} == {
            ("Be brief.", "Yes.")
        }


def test_a_cell_that_keeps_the_kernel_busy_does_not_hold_it_up(
    lab: FaultyEndpoint, project: Path
) -> None:
    busy = "import time\nwhile True: time.sleep(0.2)"
    notebook(project / "play.ipynb", None, EXPERIMENT.format(count=1), "0")
    with jupyterlab(project) as browser:
        play = opened(browser, "play.ipynb")
        browser.page.evaluate(
            "text => { const book = window.jupyterapp.shell.currentWidget.content;"
            " book.model.cells.get(1).sharedModel.setSource(text);"
            " book.deselectAll(); book.activeCellIndex = 1;"
            " window.jupyterapp.commands.execute('notebook:run-cell'); }",
            busy,
        )
        browser.page.locator(".jp-Cell").nth(1).get_by_text("[*]").wait_for()
        text = column(play, 0).get_by_role("textbox", name="Message 1")
        text.fill("Shout {{ n")
        play.get_by_text(re.compile("line 1")).first.wait_for()
        text.fill("Shout {{ n }}")
        play.get_by_role("button", name="Run all").click()
        states(play, "answered", 2)
        expect(play.locator(".pex-answer-text").first).to_have_text("Shout 0")
        browser.page.locator(".jp-Cell").nth(1).get_by_text("[*]").wait_for()
        browser.command("notebook:interrupt-kernel")


def test_what_is_typed_while_the_kernel_is_gone_is_not_lost(
    lab: FaultyEndpoint, project: Path
) -> None:
    notebook(project / "play.ipynb", None, EXPERIMENT.format(count=1))
    with jupyterlab(project) as browser:
        play = opened(browser, "play.ipynb")
        restart(browser)
        write(column(play, 0), "Typed into nothing: {{ n }}")
        expect(play.get_by_role("alert")).to_contain_text("kept in this browser")
        browser.page.reload()
        browser.ready()
        browser.run_all()
        play = playground(browser)
        text = column(play, 0).get_by_role("textbox", name="Message 1")
        expect(text).to_have_value("Typed into nothing: {{ n }}")
        play.get_by_role("button", name="Run all").click()
        states(play, "answered", 2)
        expect(play.locator(".pex-answer-text").first).to_have_text("Typed into nothing: 0")
        assert (
            browser.page.evaluate("Object.keys(localStorage).filter((n) => /^pex-/.test(n))") == []
        )


def test_hostile_answers_run_nothing_and_fetch_nothing(lab: FaultyEndpoint, project: Path) -> None:
    # Half a surrogate is no JSON: no answer can have it.
    texts = [text for text in HOSTILE if "\ud800" not in text]

    def reply(body: dict[str, Any], number: int) -> Any:
        return completion(texts[int(re.findall(r"\d+", body["messages"][-1]["content"])[0])])

    lab.reply = reply
    notebook(
        project / "play.ipynb", None, EXPERIMENT.format(count=len(texts)).replace(
            "pex.Playground(exp)", "play = pex.Playground(exp)\nplay"
        ),
    )  # fmt: skip
    with jupyterlab(project) as browser:
        foreign = browser.foreign()
        play = opened(browser, "play.ipynb")
        play.get_by_role("button", name="Add case").click()
        window = browser.page.get_by_role("dialog")
        window.get_by_label("How many").fill(str(len(texts)))
        window.get_by_role("button", name="Add", exact=True).click()
        expect(play.locator(".pex-case-cell")).to_have_count(len(texts))
        play.get_by_role("button", name="Run all").click()
        states(play, "answered", 2 * len(texts))
        play.get_by_role("button", name="Show differences").click()
        expect(play.get_by_text("the same answer").first).to_be_visible()
        assert play.locator("img, script, a[href^=javascript]").count() == 0
        play.get_by_role("button", name="Show differences").click()
        play.get_by_label("Markdown").check()
        expect(play.locator(".pex-answer .pex-markdown strong").first).to_have_text("bold")
        expect(play.locator(".pex-answer .pex-markdown")).to_have_count(
            2 * len([text for text in texts if text.strip()])
        )
        assert play.locator("img, script, a[href^=javascript]").count() == 0
        assert browser.page.evaluate("window.hacked") is None
        assert foreign == []
        assert play.evaluate("e => e.scrollWidth <= e.clientWidth")
        # The longest shows its beginning only and says so.
        expect(play.get_by_text("only the beginning is shown").first).to_be_visible()


def test_it_is_accessible_at_every_width_in_light_and_dark(
    lab: FaultyEndpoint, project: Path
) -> None:
    lab.reply = lambda body, number: (
        web.json_response({"error": {"message": "no such thing"}}, status=400)
        if number == 1
        else completion("word " * 60)
    )
    notebook(project / "play.ipynb", None, EXPERIMENT.format(count=3))
    with jupyterlab(project) as browser:
        play = opened(browser, "play.ipynb")
        play.get_by_role("button", name="Run all").click()
        states(play, "error", 1)
        states(play, "answered", 5)
        found = Axe().run(browser.page, context=".pex-play")
        assert found.violations_count == 0, found.generate_report()
        play.get_by_label("Markdown").check()
        play.locator("[data-state=answered]").first.focus()
        browser.page.keyboard.press("+")
        browser.page.keyboard.press("n")
        play.get_by_role("textbox", name="Note on this answer").fill("too long")
        browser.page.keyboard.press("Enter")
        play.get_by_role("button", name="Edit prompts").click()
        write(column(play, 0), "Say {{ n }} {% if %}")
        expect(column(play, 0).locator(".pex-problem")).to_be_visible()
        for dark in (False, True):
            browser.theme(dark)
            for width in (375, 1300, 3840):
                browser.page.set_viewport_size({"width": width, "height": 900})
                browser.page.wait_for_timeout(300)
                assert play.evaluate("e => e.scrollWidth <= e.clientWidth"), width
                found = Axe().run(browser.page, context=".pex-play")
                assert found.violations_count == 0, found.generate_report()
            play.get_by_role("button", name="Save…").click()
            browser.page.get_by_role("dialog").get_by_role("button", name="Code").click()
            browser.page.get_by_role("tab", name="curl").click()
            found = Axe().run(browser.page, context=".pex-dialog[open]")
            assert found.violations_count == 0, found.generate_report()
            browser.page.keyboard.press("Escape")


@pytest.mark.soak
def test_panes_density_and_the_whole_window(lab: FaultyEndpoint, project: Path) -> None:
    lab.reply = lambda body, number: completion("word " * 200)
    notebook(project / "play.ipynb", None, EXPERIMENT.format(count=3))
    with jupyterlab(project, height=900) as browser:
        play = opened(browser, "play.ipynb")
        prompts, splitter = play.locator(".pex-play-prompts"), play.get_by_role("separator")
        before = prompts.bounding_box()
        splitter.focus()
        for _ in range(6):
            browser.page.keyboard.press("ArrowUp")
        expect(splitter).to_have_attribute("aria-valuenow", "35")
        after = prompts.bounding_box()
        assert before is not None
        assert after is not None
        assert after["height"] < before["height"]

        # The first answer is in view after a run, whatever was scrolled to.
        play.get_by_role("button", name="Run all").click()
        states(play, "answered", 6)
        expect(play.locator(".pex-answer-text").first).to_be_in_viewport(ratio=0.9)
        expect(play.locator(".pex-title-totals").first).to_contain_text("ms")

        # A check is added while one looks; the answers that are there are asked for no more.
        calls = lab.calls
        play.get_by_role("button", name="Edit prompts").click()
        play.get_by_label("Add a check").select_option("contains")
        play.get_by_role("textbox", name="Text").fill("word")
        browser.page.keyboard.press("Enter")
        expect(play.locator(".pex-checks")).to_contain_text("Run again")
        play.get_by_role("button", name="Run all").click()
        expect(play.locator(".pex-title-totals").first).to_contain_text("3/3 ✓")
        expect(play.locator(".pex-checks")).not_to_contain_text("Run again")
        assert lab.calls == calls
        expect(
            play.get_by_role("button", name="Stop")
        ).to_be_disabled()  # Escape would stop the run

        heights = []
        for density in ("compact", "normal", "full"):
            play.get_by_label("Density of the rows").select_option(density)
            text = play.locator(".pex-answer-text").first
            heights.append(text.evaluate("e => e.clientHeight"))
        assert heights == sorted(set(heights))

        play.get_by_role("button", name="Maximise").click()
        size = play.evaluate("e => [e.clientWidth, e.clientHeight]")
        assert size == browser.page.evaluate("[document.body.clientWidth, window.innerHeight]")
        play.get_by_role("button", name="Restore").focus()
        browser.page.keyboard.press("Escape")
        expect(play.get_by_role("button", name="Maximise")).to_be_focused()

        # Both are as they were left, also in another page.
        browser.page.reload()
        browser.ready()
        browser.run_all()
        play = playground(browser)
        expect(play.get_by_label("Density of the rows")).to_have_value("full")
        expect(play.get_by_role("separator")).to_have_attribute("aria-valuenow", "35")
