"""The handbook builds, looks the same here as on a code host, and asks nobody else for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from playwright.sync_api import expect

from docs.make_concepts import FOLDER, pictures
from tests.helpers import ROOT
from tests.helpers.browser import free_port, page, serving

DOCS = ROOT / "docs"
HANDWRITTEN = sorted(DOCS.glob("*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a link or an anchor that leads nowhere ends the build."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


class Parts(HTMLParser):
    """How many of each part a page has."""

    COUNTED = ("h1", "h2", "h3", "h4", "li", "table", "tr", "pre", "img", "strong", "em")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.COUNTED:
            self.count[tag] += 1


def article(html: str) -> str:
    (found,) = re.findall(r'<article class="md-content__inner.*?</article>', html, re.DOTALL)
    return found


def test_each_page_has_the_parts_that_a_code_host_shows(site: Path) -> None:
    """Two dialects of Markdown: one begins a list or a table only after an empty line."""
    host = MarkdownIt("commonmark").enable("table")
    for document in HANDWRITTEN:
        built = article((site / document.name).with_suffix(".html").read_text("utf-8"))
        shown = Parts(host.render(document.read_text("utf-8"))).count
        assert Parts(built).count == shown, document.name


def test_each_public_name_has_its_docstring(site: Path) -> None:
    for source in (DOCS / "reference").glob("python*.md"):
        named = re.findall(r"^::: (\S+)$", source.read_text("utf-8"), re.MULTILINE)
        built = article((site / "reference" / source.name).with_suffix(".html").read_text("utf-8"))
        shown = built.count('class="doc doc-contents first"')
        assert shown == len(named), source.name


def test_what_a_page_links_to_is_in_the_site(site: Path) -> None:
    pages = [path for path in site.glob("**/*.html") if path.name != "404.html"]
    gone = [
        (built.name, link)
        for built in pages
        for link in re.findall(r'(?:href|src)="([^"#?]+)', article(built.read_text("utf-8")))
        if ":" not in link and not (built.parent / link).exists()
    ]
    assert gone == []


def test_the_pictures_of_concepts_are_up_to_date() -> None:
    old = [name for name, text in pictures().items() if (FOLDER / name).read_text("utf-8") != text]
    assert old == [], "run python docs/make_concepts.py"


@pytest.mark.browser
def test_it_is_read_on_a_telephone_in_the_dark_without_another_host(site: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["http.server", str(port), "--bind", "127.0.0.1"]
    with serving(command, site, f"{url}/"), page(360, 740, dark=True) as handbook:
        elsewhere: list[str] = []
        handbook.on("request", lambda request: elsewhere.append(request.url))
        too_wide = []
        for built in sorted(site.glob("**/*.html")):
            name = built.relative_to(site).as_posix()
            handbook.goto(f"{url}/{name}", wait_until="domcontentloaded")
            if handbook.evaluate("document.documentElement.scrollWidth > innerWidth"):
                too_wide.append(name)
        assert too_wide == []
        assert handbook.evaluate("document.body.dataset.mdColorScheme") == "slate"
        handbook.set_viewport_size({"width": 1400, "height": 900})
        handbook.goto(f"{url}/index.html")
        handbook.get_by_role("textbox", name="Search").fill("Clopper")
        expect(handbook.locator(".md-search-result__link").first).to_contain_text("Methods")
        assert [asked for asked in elsewhere if not asked.startswith((url, "blob:", "data:"))] == []
