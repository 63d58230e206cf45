"""Documents and recordings in a prompt: how they are written, read, limited and kept."""

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pex
from pex.core import kept_documents, pdf
from pex.core.attachments import references_in
from pex.core.audio import seconds_of
from pex.core.documents import chosen_pages, way_of
from tests.helpers.pdfs import locked, mp3, wav
from tests.helpers.pdfs import pdf as made

FILES = {
    "a.pdf": made("Invoice 17\nTotal 12.50", "Page two"),
    "scan.pdf": made("", ""),
    "mixed.pdf": made("Hello", ""),
    "locked.pdf": locked(made("x")),
    "broken.pdf": b"%PDF-1.4 nothing",
    "empty.pdf": b"",
    "text.pdf": b"Invoice 17",
    "a.wav": wav(2.5),
    "a.mp3": mp3(),
    "odd.mp3": b"ID3" + bytes(100),
}


@pytest.fixture
def folder(project: Path) -> Path:
    for name, content in FILES.items():
        (project / name).write_bytes(content)
    return project


def content(text: str, folder: Path, file: str, **options: Any) -> Any:
    prompt = pex.Prompt(text, "p")
    [message] = prompt.render_with_images({"f": file}, folder, **options)
    return message["content"]


def test_its_text_is_part_of_the_text_around_it(folder: Path) -> None:
    template = "<invoice>\n![pdf as text]({{ f }})\n</invoice> ![pdf as text 2]({{ f }})"
    assert content(template, folder, "a.pdf") == (
        "<invoice>\nInvoice 17\nTotal 12.50\n\nPage two\n</invoice> Page two"
    )
    assert content("![pdf as text]({{ f }})", folder, "mixed.pdf") == (
        "Hello\n\n[page 2 has no text]"
    )
    parts = [{"type": "text", "text": "Read "}, {"type": "document", "document": "{{ f }}",
             "as": "text", "pages": 1}]  # fmt: skip
    [message] = pex.Prompt([{"role": "user", "content": parts}], "p").messages(f="a.pdf")
    assert message["content"] == "Read Invoice 17\nTotal 12.50"


def test_an_application_gets_the_contents_and_a_run_their_digests(folder: Path) -> None:
    template = "Read:\n![pdf as pages]({{ f }})\n![pdf as file]({{ f }})"
    text, one, two, file = content(template, folder, "a.pdf")
    assert text == {"type": "text", "text": "Read:"}
    assert one["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert one != two
    assert file["file"]["file_data"].startswith("data:application/pdf;base64,JVBER")
    short = content(template, folder, "a.pdf", by_digest=True)
    assert len(str(short)) < 800
    page, _, whole = references_in([{"role": "user", "content": short}])
    assert page.shown == "a.pdf, page 1 of 2: image/png, 1109 × 1568 pixels"
    assert whole.shown == "a.pdf: application/pdf, 2 pages, 1 kB"
    [_, sound] = content("Hear ![audio]({{ f }})", folder, "a.wav")
    assert sound["input_audio"]["format"] == "wav"
    assert sound["input_audio"]["data"].startswith("UklGR")


def test_the_same_file_under_another_name_is_the_same_request(folder: Path) -> None:
    (folder / "paid.pdf").write_bytes(FILES["a.pdf"])
    template = "![pdf as file]({{ f }}) ![pdf as pages]({{ f }})"
    given = [content(template, folder, name, by_digest=True) for name in ("a.pdf", "paid.pdf")]
    assert given[0] == given[1]
    assert "paid" not in str(given)


@pytest.mark.parametrize(
    ("file", "way", "message"),
    [
        ("locked.pdf", "pdf as pages", r"locked\.pdf is protected by a password\n.*qpdf"),
        ("broken.pdf", "pdf as file", r"broken\.pdf is a broken PDF"),
        ("empty.pdf", "pdf as text", r"empty\.pdf is empty"),
        ("text.pdf", "pdf as text", r"text\.pdf is not a PDF"),
        ("scan.pdf", "pdf as text", r"have no text, probably a scan\n.*pdf as pages"),
        ("a.pdf", "pdf as text 2-3", r"a\.pdf has 2 pages; the prompt asks for 2-3"),
        ("a.pdf", "audio", r"not a recording.*\n.*it is a PDF: write"),
        ("a.wav", "pdf as text", r"not a PDF.*\n.*write !\[audio\]"),
        ("a.pdf", "", r"not an image.*\n.*it is a PDF: write"),
        ("odd.mp3", "audio", r"broken MP3"),
        ("ap.pdf", "pdf as text", r"no document .*ap\.pdf\n.*did you mean 'a\.pdf'"),
        ("../a.pdf", "pdf as text", r"the document '\.\./a\.pdf' is outside the cases' folder"),
        ("", "audio", r"a document is empty"),
    ],
)
def test_what_cannot_be_sent_is_said(folder: Path, file: str, way: str, message: str) -> None:
    with pytest.raises(pex.PexError, match=message) as error:
        content(f"![{way}]({{{{ f }}}})", folder, file)
    assert file == "" or file[-6:] in str(error.value)


def test_a_long_or_large_file_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "long.pdf").write_bytes(made(*["x"] * 60))
    with pytest.raises(pex.PexError, match=r"60 pages.*at most 50.*\n.*pdf as pages 1-50"):
        content("![pdf as pages]({{ f }})", folder, "long.pdf")
    assert len(content("![pdf as pages 11-60]({{ f }})", folder, "long.pdf", by_digest=True)) == 50
    monkeypatch.setattr(pdf, "LARGEST_MB", 0.0001)
    with pytest.raises(pex.PexError, match=r"MB can be sent"):
        content("![pdf as file]({{ f }})", folder, "mixed.pdf")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("![pdf]({{ f }})", r"message 1: !\[pdf\]\(…\): expected !\[pdf as text\]"),
        ("![pdf as txt]({{ f }})", r"expected text, pages or file, got 'txt'\n.*'text'"),
        ("![pdf as file 1]({{ f }})", r"the file is sent whole"),
        ("![pdf as text 3-1]({{ f }})", r"pages '3-1': expected something like"),
        ([{"type": "document", "document": "{{ f }}", "az": "text"}], r"key 'az'\n.*'as'"),
        ([{"type": "document", "document": "{{ f }}"}], r"as: expected text, pages, file or audio"),
    ],
)
def test_a_mistake_in_a_prompt_is_said_before_anything_is_read(text: Any, message: str) -> None:
    with pytest.raises(pex.PexError, match=message):
        pex.Prompt([{"role": "user", "content": text}], "p")


def test_only_the_user_sends_documents() -> None:
    with pytest.raises(pex.PexError, match="only be in messages of the user"):
        pex.Prompt([{"role": "system", "content": "![audio](a.wav)"},
                    {"role": "user", "content": "Hi"}], "p")  # fmt: skip


def test_a_missing_package_says_how_to_install_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "other.pdf").write_bytes(made("not read before"))
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(pex.PexError, match=r'pypdfium2\n.*pip install "pexlab\[documents\]"'):
        content("![pdf as text]({{ f }})", folder, "other.pdf")


def test_pages_and_texts_are_made_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "once.pdf").write_bytes(made("Once"))
    template = "![pdf as pages]({{ f }}) ![pdf as text]({{ f }})"
    first = content(template, folder, "once.pdf")
    pdf._texts.cache_clear()  # as in another process
    monkeypatch.setattr(pdf, "_opened", lambda *given: pytest.fail("read again"))
    assert content(template, folder, "once.pdf") == first
    assert len(list((folder / ".pex" / "documents").iterdir())) == 2


def test_a_huge_page_becomes_an_image_of_bounded_size(folder: Path) -> None:
    huge = made("x").replace(b"[0 0 595 842]", b"[0 0 14400 9999]")
    (folder / "huge.pdf").write_bytes(huge)
    document = pdf.read_pdf(folder / "huge.pdf")
    assert max(pdf.pixels_of(document, 1)) == 1568


def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    for number in range(5):
        assert kept_documents.write(tmp_path, f"{number}", bytes(100))
        kept_documents.read(tmp_path, "0")  # used last
    kept_documents.shrink(tmp_path, most=250)
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == 2
    assert "0" in left
    assert not kept_documents.write(tmp_path / "0", "x", b"")  # no folder: it only takes longer


def test_a_file_that_changes_during_a_run_is_not_sent(folder: Path) -> None:
    template = "![pdf as file]({{ f }}) ![audio](a.wav)"
    parts = content(template, folder, "a.pdf", by_digest=True)
    (folder / "a.pdf").write_bytes(made("another"))
    (folder / "a.wav").unlink()
    file, sound = references_in([{"role": "user", "content": parts}])
    with pytest.raises(pex.PexError, match="changed during the run"):
        file.load()
    with pytest.raises(FileNotFoundError):
        sound.load()


def test_bytes_of_a_table_are_documents_too(folder: Path) -> None:
    import pandas as pd

    rows = pd.DataFrame({"f": [FILES["a.pdf"], FILES["a.wav"]]})
    cases = pex.core.cases.load_cases(rows)
    assert [Path(case.inputs["f"]).suffix for case in cases] == [".pdf", ".wav"]
    text = content("![pdf as text 2]({{ f }})", folder / "elsewhere", cases[0].inputs["f"])
    assert text == "Page two"
    with pytest.raises(pex.PexError, match=r"row 1, column 'f': .*bytes.*\n.*PDF, an image"):
        pex.core.cases.load_cases(pd.DataFrame({"f": [b"\x00\x01"]}))


def test_how_long_recordings_are() -> None:
    assert seconds_of(wav(2.5), "a.wav") == pytest.approx(2.5)
    assert seconds_of(mp3(100), "a.mp3") == pytest.approx(2.6, abs=0.1)
    floats = wav(1).replace(b"\x01\x00\x01\x00", b"\x03\x00\x01\x00", 1)
    assert seconds_of(floats, "f.wav") == pytest.approx(1.0)


@given(st.text(alphabet="0123456789,-–x ", max_size=12), st.integers(1, 50))
def test_chosen_pages_exist_or_are_refused(pages: str, count: int) -> None:
    try:
        way = way_of(f"pdf as text {pages}")
        chosen = chosen_pages(way.pages, count, "a.pdf")
    except pex.PexError:
        return
    assert chosen
    assert len(set(chosen)) == len(chosen)
    assert all(1 <= number <= count for number in chosen)


@given(st.binary(max_size=200))
def test_any_bytes_after_a_recordings_start_are_read_or_refused(rest: bytes) -> None:
    for start in (b"RIFF\x00\x00\x00\x00WAVEfmt ", b"ID3", b"\xff\xfb\x90\x64"):
        try:
            seconds = seconds_of(start + rest, "x")
        except pex.PexError:
            continue
        assert seconds > 0
