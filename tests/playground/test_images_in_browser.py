"""Images in a message in a real JupyterLab: picked, pasted, dropped, removed, refused."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.helpers.browser import jupyterlab
from tests.helpers.notebooks import notebook
from tests.playground.test_images import png

pytestmark = pytest.mark.browser

BRING = """([kind, files]) => {
  const data = new DataTransfer();
  for (const [name, type, text] of files) {
    const bytes = typeof text === "number" ? new Uint8Array(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    data.items.add(new File([bytes], name, { type }));
  }
  const field = document.querySelector(".pex-block:not(.pex-system) textarea");
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
    : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
  field.dispatchEvent(event);
}"""  # noqa: E501 - a script


def picture(red: int) -> list[Any]:
    return [f"{red}.png", "image/png", base64.b64encode(png(red)).decode()]


def test_images_are_picked_pasted_dropped_shown_and_removed(project: Path) -> None:
    prompt = 'pex.Prompt("Look at {{ text }}", "p", model="local/smollm2")'
    notebook(project / "a.ipynb", None, "import pex", f"pex.Playground({prompt}, record=False)")
    with jupyterlab(project) as lab:
        page = lab.page
        lab.open("a.ipynb")
        lab.run_all()
        play = page.locator(".pex-play")
        message = play.get_by_role("textbox", name="Message 1")
        shown = play.locator(".pex-image img")
        with page.expect_file_chooser() as chooser:
            play.get_by_role("button", name="Add an image").click()
        chooser.value.set_files([{"name": "a (1).png", "mimeType": "image/png", "buffer": png(1)}])
        expect(shown).to_have_count(1)
        expect(message).to_be_focused()
        page.evaluate(BRING, ["paste", [picture(2)]])
        expect(shown).to_have_count(2)
        page.evaluate(BRING, ["drop", [picture(3)]])
        expect(shown).to_have_count(3)
        expect(message).to_have_value(
            "Look at {{ text }}\n![a 1](.pex/images/" + _name(png(1)) + ")\n![2](.pex/images/"
            + _name(png(2)) + ")\n![3](.pex/images/" + _name(png(3)) + ")"
        )  # fmt: skip
        page.wait_for_function(
            "() => [...document.querySelectorAll('.pex-image img')].every((i) => i.naturalWidth)"
        )
        # What cannot be sent says why, and the text stays.
        page.evaluate(
            BRING, ["drop", [["a.svg", "image/svg+xml", ""], ["b.png", "image/png", 12e6]]]
        )
        said = play.locator(".pex-block .pex-image-wrong")
        expect(said).to_contain_text("a.svg is not an image that models accept")
        expect(said).to_contain_text("b.png has 12 MB; 8 MB can be added here")
        page.evaluate(BRING, ["drop", [["c.png", "image/png", ""]]])
        expect(said).to_contain_text("c.png is empty")
        for dark in (False, True):
            lab.theme(dark)
            for width in (900, 1440):
                page.set_viewport_size({"width": width, "height": 900})
                found = Axe().run(page, context=".pex-play")
                assert found.violations_count == 0, found.generate_report()
        play.get_by_role("button", name="Dismiss this message").click()
        expect(said).to_be_hidden()
        play.get_by_role("button", name="Remove image 2").press("Enter")
        expect(shown).to_have_count(2)
        expect(play.get_by_role("button", name="Remove image 3")).to_be_focused()
        play.get_by_role("button", name="Undo").click()
        expect(shown).to_have_count(3)
        # A system message has no images, and after a reload they are all there.
        play.get_by_role("combobox", name="Role of message 1").select_option("assistant")
        expect(shown).to_have_count(0)
        expect(play.get_by_role("button", name="Add an image")).to_be_disabled()
        play.get_by_role("combobox", name="Role of message 1").select_option("user")
        expect(shown).to_have_count(3)


@pytest.mark.soak
def test_an_image_is_the_input_of_a_case(project: Path) -> None:
    prompt = 'pex.Prompt("Look: {{ text }}", "p", model="local/smollm2")'
    notebook(project / "a.ipynb", None, "import pex", f"pex.Playground({prompt}, record=False)")
    with jupyterlab(project) as lab:
        page = lab.page
        lab.open("a.ipynb")
        lab.run_all()
        play = page.locator(".pex-play")
        drop = BRING.replace(".pex-block:not(.pex-system) textarea", ".pex-case-cell textarea")
        page.evaluate(drop, ["drop", [picture(1)]])
        said = play.locator(".pex-case-cell .pex-image-wrong")
        expect(said).to_contain_text("Write ![]({{ text }}) into a prompt first")
        play.get_by_role("textbox", name="Message 1").fill("Look: ![]({{ text }})")
        with page.expect_file_chooser() as chooser:
            play.get_by_role("button", name="Choose an image for text").click()
        chooser.value.set_files([{"name": "a.png", "mimeType": "image/png", "buffer": png(1)}])
        cell = play.locator(".pex-case-cell")
        expect(cell.locator(".pex-image img")).to_have_count(1)
        expect(said).to_be_hidden()
        value = cell.get_by_role("textbox").first
        expect(value).to_have_value(f".pex/images/{_name(png(1))}")
        page.evaluate(drop, ["paste", [picture(2)]])
        expect(value).to_have_value(f".pex/images/{_name(png(2))}")
        for dark in (False, True):
            lab.theme(dark)
            found = Axe().run(page, context=".pex-play")
            assert found.violations_count == 0, found.generate_report()
        cell.get_by_role("button", name="Remove image text").press("Enter")
        expect(value).to_have_value("")
        expect(value).to_be_focused()


def _name(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()[:16]}.png"
