"""The library as a folder of pages: what is in it, what never is, and how it is replaced."""

from __future__ import annotations

import json
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe

from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.evidence.card.secrets_of_cards import SecretError
from pex.evidence.site import pages as site_pages
from pex.evidence.site.pages import MARKER, write_site
from pex.library.registry import save
from tests.helpers import shop_library
from tests.helpers.browser import page
from tests.helpers.command import pexlab
from tests.helpers.many_prompts import fill


@pytest.fixture
def shop(lab, project):
    return shop_library.fill(project, lab)


def _everything(folder) -> str:
    return "\n".join(path.read_text() for path in folder.rglob("*") if path.is_file())


def test_it_has_every_prompt_with_its_versions_and_nothing_private(shop, project):
    site = write_site(project / "site", title="Shop <prompts>")
    assert str(site).endswith("site/index.html: 3 prompts, 5 versions")
    names = {
        path.relative_to(project / "site").as_posix() for path in (project / "site").rglob("*")
    }
    assert names == {
        "index.html", "site.css", "site.js", "search.js", MARKER, "prompts",
        "prompts/refund-reply.html", "prompts/review-sentiment.html", "prompts/translate.html",
    }  # fmt: skip
    index = (project / "site/index.html").read_text()
    assert "<title>Shop &lt;prompts&gt;</title>" in index
    for part in ("classification", "label 67 %", "champion = v3", "risk: high", "Other"):
        assert part in index, part
    card = (project / "site/prompts/review-sentiment.html").read_text()
    for part in ("<ins>", "Owner", 'id="v2"', "attempt 2", "2 of 6 cases fail now"):
        assert part in card, part
    everything = _everything(project / "site")
    assert "Secretperson" not in everything
    assert str(project) not in everything
    for outside in ("http://", "https://", "//cdn", "fetch(", "import("):
        assert outside not in everything, outside


@pytest.mark.parametrize(
    ("text", "note", "place"),
    [
        ("Use sk-abcdefghijklmnopqrstuv1 here {{ x }}", "", "prompt 'leaky', version 1, line 8,"),
        ("Fine {{ x }}", "key ghp_0123456789abcdefghij0123", "prompt 'leaky', versions.v1[0], "),
    ],
)
def test_a_secret_stops_it_before_a_byte_is_written(shop, project, text, note, place):
    write_site(project / "site")
    before = _everything(project / "site")
    from pex.library.registry_api import add
    from pex.tracking.store import connect

    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    prompt = Prompt(text, name="leaky")
    from pex.library.content import encode

    add(connect(uri), uri, "leaky", prompt, encode(prompt), note)
    with pytest.raises(SecretError) as error:
        write_site(project / "site")
    assert place in error.value.message
    assert "abcdefghijkl" not in str(error.value)
    assert "0123456789abcdef" not in str(error.value)
    assert _everything(project / "site") == before
    done = pexlab("library", "site", "site", folder=project)
    assert done.returncode == 1
    assert "nothing was written" in done.stderr


def test_it_is_replaced_as_a_whole_and_what_is_beside_it_stays(shop, project):
    folder = project / "site"
    write_site(folder)
    (folder / "CNAME").write_text("prompts.example.org")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref")
    stale = folder / "prompts" / "translate.html"
    stale.write_text("old")
    write_site(folder)
    assert stale.read_text() != "old"
    assert (folder / "CNAME").read_text() == "prompts.example.org"
    assert (folder / ".git" / "HEAD").read_text() == "ref"
    assert [path.name for path in project.iterdir() if path.name.startswith(".site")] == []


def test_a_folder_that_is_not_a_site_is_left_alone(shop, project):
    folder = project / "mine"
    folder.mkdir()
    write_site(folder)  # an empty folder is fine
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(PexError, match="not a site of pexlab"):
        write_site(folder)
    assert (folder / "thesis.txt").read_text() == "years of work"
    (project / "file").write_text("x")
    with pytest.raises(PexError, match="a link or a file"):
        write_site(project / "file")
    write_site(project / "site")
    (project / "site" / "prompts" / "notes.txt").write_text("mine")
    with pytest.raises(PexError, match=r"prompts/notes\.txt was not written by pexlab"):
        write_site(project / "site")
    (project / "link").symlink_to(project / "site")
    with pytest.raises(PexError, match="a link or a file"):
        write_site(project / "link")


def test_a_site_that_cannot_be_written_leaves_the_old_one(shop, project, monkeypatch):
    write_site(project / "site")
    before = _everything(project / "site")

    def full(*arguments):
        yield "index.html", "new"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(site_pages, "_pages", full)
    with pytest.raises(PexError, match="cannot be written: No space left"):
        write_site(project / "site")
    assert _everything(project / "site") == before
    assert [path.name for path in project.iterdir() if path.name.startswith(".site")] == []


def test_names_that_differ_by_case_have_a_page_each(lab, project):
    for name in ("Review", "review"):
        save(Prompt(f"{name} {{{{ x }}}}", name=name))
    write_site(project / "site")
    names = sorted(path.name for path in (project / "site/prompts").iterdir())
    assert names == ["Review.html", "review~2.html"]


def test_an_empty_library_has_a_page(lab, project):
    site = write_site(project / "site")
    assert site.prompts == 0
    assert "Nothing has been saved" in site.index.read_text()


def test_many_prompts_take_a_few_queries_and_one_reading_each(lab, project, monkeypatch):
    from pex.evidence.card import gather as gather_cards
    from pex.library import registry_tables

    fill(f"sqlite:///{project}/mlruns/mlflow.db", 30, 4)
    queries, decoded = [], []
    rows = registry_tables.DatabaseTables._rows
    monkeypatch.setattr(
        registry_tables.DatabaseTables, "_rows",
        lambda self, *given: queries.append(given[1]) or rows(self, *given),
    )  # fmt: skip
    decode = gather_cards._decode
    monkeypatch.setattr(
        gather_cards, "_decode", lambda version: decoded.append(version) or decode(version)
    )
    site = write_site(project / "site")
    assert (site.prompts, site.versions) == (30, 120)
    assert len(queries) <= 8
    assert len(decoded) == 30


def _opened(browser_page, project, path="index.html"):
    asked: list[str] = []
    browser_page.on("request", lambda request: asked.append(request.url))
    wrong: list[str] = []
    browser_page.on("pageerror", lambda error: wrong.append(str(error)))
    browser_page.on(
        "console", lambda said: wrong.append(said.text) if said.type == "error" else None
    )
    browser_page.goto((project / "site" / path).as_uri())
    return asked, wrong


@pytest.mark.browser
def test_search_filters_keys_and_the_way_back(shop, project):
    write_site(project / "site")
    with page() as tab:
        asked, wrong = _opened(tab, project)
        rows = tab.locator("[data-at]:visible")
        assert rows.count() == 3
        tab.keyboard.press("/")
        tab.keyboard.type("refund promise")  # words of the text
        assert rows.count() == 1
        assert tab.locator("#count").inner_text() == "1 of 3 prompts"
        tab.keyboard.press("Enter")
        tab.wait_for_url("**/refund-reply.html")
        tab.locator("#back").click()
        tab.wait_for_url("**/index.html**")
        assert tab.locator("#query").input_value() == "refund promise"
        assert rows.count() == 1
        tab.locator("#query").fill("zzz")
        assert rows.count() == 0
        tab.get_by_role("button", name="Show all").click()
        assert rows.count() == 3
        tab.get_by_label("Risk").select_option("low")
        assert rows.count() == 1
        tab.goto((project / "site/prompts/review-sentiment.html").as_uri() + "#v2")
        assert tab.locator("#v2 details[open]").count() == 1
        assert wrong == []
        assert all(url.startswith("file:") for url in asked)


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(375, True), (1300, False)])
def test_it_is_accessible_and_fits_at_every_width_in_light_and_dark(shop, project, width, dark):
    write_site(project / "site")
    with page(width=width, dark=dark) as tab:
        for path in ("index.html", "prompts/review-sentiment.html", "prompts/translate.html"):
            _, wrong = _opened(tab, project, path)
            assert wrong == []  # axe itself looks for style sheets, which the page refuses
            tab.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
            found = Axe().run(tab)
            assert found.violations_count == 0, found.generate_report()
            wide = tab.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wide <= 0, path


@pytest.mark.browser
def test_without_scripts_every_prompt_is_a_link(shop, project):
    write_site(project / "site")
    with page() as tab:
        tab.route("**/*.js", lambda route: route.abort())
        tab.goto((project / "site/index.html").as_uri())
        assert tab.locator("[data-at] a:visible").count() == 3
        assert tab.locator("#tools").is_hidden()


def test_the_search_index_is_json_in_a_script(shop, project):
    write_site(project / "site")
    text = (project / "site/search.js").read_text()
    prompts = json.loads(text.removeprefix("window.PEX_PROMPTS = ").rstrip().removesuffix(";"))
    assert prompts[1]["facets"] == {
        "task": "classification", "domain": "shop", "language": "English", "risk": "low",
        "owner": "ada",
    }  # fmt: skip
    assert "<" not in text
