"""The HTML report in a real browser: from a phone to a wall, light and dark, printed."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.helpers.browser import page as opened
from tests.helpers.made_results import HOSTILE, results

pytestmark = pytest.mark.browser

STATES = {
    "hostile": results(30),
    "one case": results(1),
    "one variant": results(8, ("alone",)),
    "twelve variants": results(12, tuple(f"variant-{number}" for number in range(12))),
    "wide texts": results(6, output="x" * 100_000),
    "requirements": results(
        30,
        requirements=[
            {"id": "R1", "text": HOSTILE, "source": HOSTILE},
            {
                "id": "R2",
                "text": "An answer is short enough for a text message.",
                "priority": "could",
            },
            {"id": "R3", "text": "Nobody is promised money.", "at_least": 0.9},
        ],
        checks=[
            {"score": "ok", "requirements": ["R1", "R3"]},
            {"score": "size", "requirements": []},
        ],
        criteria={
            "decided_at": "2026-01-02T03:04:05+00:00",
            "after_runs": 4,
            "changes": [
                {"what": "R3", "how": "changed", "at": "2026-01-02T03:04:05+00:00", "after_runs": 4}
            ],
        },
    ),
    "right to left": results(6, output="عاجل: أعد المبلغ من فضلك"),
}


@pytest.mark.parametrize("state", STATES)
def test_it_fits_from_a_phone_to_a_wall_and_axe_finds_nothing(tmp_path: Path, state: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(STATES[state].page())
    with opened() as tab:
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri())
        for width in (375, 900, 3840):
            tab.set_viewport_size({"width": width, "height": 900})
            beyond = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert beyond <= 0, width
        for scheme, width in (("light", 375), ("dark", 1280)):
            tab.set_viewport_size({"width": width, "height": 900})
            tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            tab.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
            found = Axe().run(tab)
            assert found.violations_count == 0, (scheme, found.generate_report())
        assert tab.evaluate("window.hacked") is None
        assert asked == [path.as_uri()]


def test_what_is_folded_opens_with_a_key_and_in_print(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(results(30).page())
    with opened() as tab:
        tab.goto(path.as_uri())
        specialists = tab.locator("details.specialists")
        assert specialists.get_attribute("open") is None
        specialists.locator("summary").first.focus()
        tab.keyboard.press("Enter")
        assert specialists.get_attribute("open") is not None
        tab.keyboard.press("Enter")
        tab.pdf(path=tmp_path / "report.pdf")
        assert tab.locator("details:not([open])").count() == 0
