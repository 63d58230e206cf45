"""All incidents on a page, whatever somebody wrote into them."""

import pytest

from pex.incidents.overview import overview
from tests.helpers.browser import page
from tests.helpers.command import pexlab

EVIL = "<img src=x onerror='window.PWNED=1'><script>window.PWNED=1</script>\u202e"
RECORD = """---
title: "{title}"
severity: 1
affected: [2]
began_at: 2026-11-30 02:00 UTC
noticed_at: 2026-11-30 02:20 UTC
contained_at: {contained}
---
# {title}
## Timeline
- 2026-11-30 02:20 UTC · {title}
"""


@pytest.mark.browser
def test_the_page_says_what_is_open_and_runs_nothing_that_a_record_has(project):
    folder = project / "incidents"
    folder.mkdir()
    (folder / "a.md").write_text(RECORD.format(title=EVIL, contained=""))
    late = "2026-11-30 02:10 UTC"
    (folder / "b.md").write_text(RECORD.format(title="B", contained=late))
    done = pexlab("incident", "list", "--html", "all.html", folder=project)
    assert done.returncode == 0
    assert "2 incidents: 2 not closed; users may still be harmed by a." in done.stdout
    assert "b: contained_at is before noticed_at" in done.stderr
    assert "\u202e" not in done.stdout
    with page(dark=True) as browser_page:
        browser_page.goto((project / "all.html").as_uri())
        assert "⟨U+202E⟩" in browser_page.locator("details.open summary strong").inner_text()
        assert browser_page.locator("details.open ul.timeline").is_visible()
        assert browser_page.evaluate("window.PWNED") is None


def test_without_incidents_it_says_how_to_begin(project):
    found = overview(project)
    assert found.sentence == "No incident is recorded."
    assert "pexlab incident drill" in found.html()
    assert "ends in .html" in pexlab("incident", "list", "--html", "x.txt", folder=project).stderr
