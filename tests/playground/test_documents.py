"""Documents as inputs of cases: brought, kept, shown, sent, saved; and what is refused."""

from pathlib import Path
from typing import Any

import pytest

import pex
from pex.core.errors import PexError
from pex.playground.documents import keep
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.pdfs import pdf, wav
from tests.helpers.playing import View, column, entry

pytestmark = pytest.mark.usefixtures("new_kernel")


def brought(view: View, **content: Any) -> dict[str, Any]:
    data = [content.pop("data")] if "data" in content else []
    view._on_message(None, {"kind": "image", "view": "v", "id": 1, **content}, data)
    return view.wait_sent("image")


def test_a_document_of_a_case_is_kept_shown_sent_and_saved(
    lab: FaultyEndpoint, project: Path
) -> None:
    prompt = pex.Prompt("![pdf as text]({{ bill }}) Total?", "p", model="lab/m1")
    play = pex.Playground(prompt, record=False)
    view, session = View(play._session), play._session
    assert session.document()["document_variables"] == {"bill": "pdf"}
    path = brought(view, document="pdf", name="a.pdf", data=pdf("Total: 285.60"))["text"]
    assert path.startswith(".pex/images/")
    shown = brought(view, document="pdf", name="bill", url=path)["preview"]
    assert shown["facts"].startswith("1 page")
    assert shown["picture"].startswith("data:image/png;base64,")
    act = {"act": "edit_case", "case": entry(play), "field": "bill", "value": path}
    session.edit(act)
    view.press([column(play)])
    view.wait()
    assert "285.60" in lab.bodies[-1]["messages"][0]["content"]
    play.save(project / "experiments/bills/experiment.yaml")
    (saved,) = pex.Experiment.load("experiments/bills/experiment.yaml").cases
    assert saved.inputs["bill"].startswith("documents/")
    assert (project / "experiments/bills" / saved.inputs["bill"]).read_bytes().startswith(b"%PDF")


def test_what_is_no_document_of_the_kind_says_so(lab: FaultyEndpoint, project: Path) -> None:
    play = pex.Playground(pex.Prompt("![audio]({{ call }})", "p", model="lab/m1"), record=False)
    view = View(play._session)
    assert brought(view, document="audio", name="a.wav", data=wav(1.0))["ok"]
    refused = brought(view, document="audio", name="a.pdf", data=pdf("Hi"))
    assert refused["text"] == "a.pdf is not a recording that models accept: WAV or MP3"
    assert brought(view, document="pdf", name="a.txt", data=b"Hi")["text"] == "a.txt is not a PDF"
    assert brought(view, document="audio", name="", data=b"")["text"] == "the document is empty"
    outside = brought(view, document="audio", name="call", url="../../etc/passwd")
    assert "cannot be shown" in outside["preview"]["facts"]
    assert "no message shows" in brought(view, document="pdf", name="x", url="a.pdf")["text"]
    with pytest.raises(PexError, match="9 MB; 8 MB can be added here"):
        keep(project, b"%PDF-" + bytes(9_000_000), "a.pdf", "pdf")
