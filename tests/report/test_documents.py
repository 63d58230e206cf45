"""Documents in tables and pages: a picture, a name, no address; hostile ones are harmless."""

import json
import re
from pathlib import Path

import pytest

import pex
from pex.core.document_preview import Previews
from pex.core.sent_messages import SentMessages
from pex.report import documents
from pex.report.documents import Figures
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.pdfs import locked, pdf, wav

HOSTILE = "<img src=x onerror=alert(1)>.pdf"
TEXTS = ["![pdf as text]({{ invoice }}) {{ note }} ![]({{ photo }}) ![audio]({{ call }})"]


@pytest.fixture
def folder(project: Path) -> Path:
    (project / "in").mkdir()
    for name, content in {
        "a.pdf": pdf("Invoice 17", "Two"), HOSTILE: pdf("<script>alert(1)</script>"),
        "locked.pdf": locked(pdf("x")), "a.wav": wav(75), "b.png": b"\x89PNG\r\n\x1a\nbroken",
    }.items():  # fmt: skip
        (project / "in" / name).write_bytes(content)
    (project / "out.pdf").write_bytes(pdf("secret"))
    return project / "in"


def test_a_document_is_a_picture_a_name_and_a_number_of_pages(folder: Path) -> None:
    show = Previews(TEXTS, folder)
    shown = show("invoice", "a.pdf")
    assert shown is not None
    assert (shown.name, shown.facts) == ("a.pdf", "2 pages, 1 kB")
    assert shown.picture.startswith("data:image/png;base64,")
    assert shown.size[0] > 2 * shown.size[1]  # what is empty below the text is cut off
    sound = show("call", "a.wav")
    assert sound is not None
    assert sound.facts == "1 min 15 s, 1,200 kB"
    assert sound.sound.startswith("data:audio/wav;base64,")


@pytest.mark.parametrize(
    ("column", "value", "facts"),
    [
        ("invoice", "../out.pdf", "cannot be shown: the document '../out.pdf' is outside"),
        ("invoice", "locked.pdf", "cannot be shown: .*is protected by a password"),
        ("invoice", "gone.pdf", "no such file here"),
        ("photo", "b.png", "no picture of it can be made"),
    ],
)
def test_what_cannot_be_shown_is_said(folder: Path, column: str, value: str, facts: str) -> None:
    shown = Previews(TEXTS, folder)(column, value)
    assert shown is not None
    assert re.search(facts, shown.facts)
    assert not shown.picture


def test_only_documents_of_the_prompts_are_looked_for(folder: Path) -> None:
    show = Previews(TEXTS, folder, {"call": "The call"})
    assert show("note", "a.pdf") is None
    assert show("invoice", 17) is None
    assert show("invoice", "https://example.com/a.pdf") is None
    assert show("The call", "a.wav") is not None  # by the name that the user gave the column
    assert Previews(["{{ invoice }}"], folder)("invoice", "a.pdf") is None


def test_figures_are_escaped_and_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_BYTES", 3_000)
    figures = Figures(Previews(TEXTS, folder))
    html = figures("invoice", HOSTILE)
    assert "<img src=x" not in html
    assert html.count("<img ") == 1
    long = [figures("invoice", "a.pdf") for _ in range(9)]
    assert sum(part.count("data:image") for part in long) in range(1, 8)
    assert "<img" not in long[-1]
    assert "a.pdf · 2 pages" in long[-1]
    assert Figures(None)("invoice", "a.pdf") == ""


def test_report_grid_and_saved_notebook_show_them(lab: FaultyEndpoint, folder: Path) -> None:
    rows = [{"case_id": "i1", "invoice": "a.pdf"}, {"case_id": "i2", "invoice": HOSTILE}]
    cases = folder / "cases.jsonl"
    cases.write_text("".join(json.dumps(row) + "\n" for row in rows))
    prompt = pex.Prompt("![pdf as text]({{ invoice }})\n\nThe total?", "total")
    results = pex.Experiment("invoices", pex.grid(prompt, "lab/m1"), cases, []).run(
        record=False, show=False
    )
    page, grid = results.page(), results.show()
    for html in (page, grid.html):
        assert html.count('src="data:image/png;base64,') == 2
        assert "<img src=x" not in html
        assert "a.pdf · 2 pages" in html
    sent = []
    grid.send = lambda content, *more: sent.append(content)
    grid._on_message(grid, {"kind": "open", "view": "v", "row": 0, "column": 0}, [])
    assert sent[-1]["cell"]["inputs"][0][2]["picture"].startswith("data:image/png")
    [message] = SentMessages(results.about)("total", {"invoice": "a.pdf"})
    assert "![pdf as text](a.pdf)" in json.dumps(message)  # MLflow has the path, not the content
