"""Images in the messages of a draft: kept, sent, shown, saved and loaded again."""

import base64
import json
import os
import zlib
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.core.errors import PexError
from pex.playground import images
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.playing import View, column, entry, experiment, keys_of, restarted, typed

pytestmark = pytest.mark.usefixtures("new_kernel")


def png(red: int = 200, size: int = 8) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data).to_bytes(4)
        return len(data).to_bytes(4) + kind + data + check

    rows = (b"\0" + bytes([red, 80, 80]) * size) * size
    head = size.to_bytes(4) + size.to_bytes(4) + bytes([8, 2, 0, 0, 0])
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def asked(lab: FaultyEndpoint) -> Any:
    """The content of the last user message that was sent."""
    return lab.bodies[-1]["messages"][-1]["content"]


def brought(view: View, data: bytes, name: str = "shot.png") -> dict:
    """As if somebody had picked a file in the browser."""
    view._on_message(None, {"kind": "image", "view": "v", "id": 1, "name": name}, [data])
    return view.wait_sent("image")


def with_image(play: pex.Playground, view: View, text: str = "What is {{ review }}?") -> str:
    found = brought(view, png())
    assert found["ok"], found
    typed(play, f"{text}\n{found['text']}")
    return found["text"]


def test_an_image_is_kept_once_and_sent_as_a_part_of_its_message(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    markdown = with_image(play, view)
    assert brought(view, png(), "again.png")["text"].endswith(markdown.partition("(")[2])
    (file,) = Path(".pex/images").iterdir()
    assert file.read_bytes() == png()
    assert oct(file.stat().st_mode)[-3:] == "600"
    play.run(cases=["c1"]).wait()
    assert asked(lab) == [
        {"type": "text", "text": "What is I love it.?"},
        {"type": "image_url", "image_url": {"url": data_url(png())}},
    ]
    # Its bytes are in no document, no step of undo and no draft.
    assert base64.b64encode(png()).decode()[:60] not in json.dumps(view.docs)
    play._session.flush()
    assert all(len(file.read_bytes()) < 20_000 for file in Path(".pex/drafts").glob("*.json"))


def test_a_draft_finds_its_images_again_in_any_folder_of_the_project(
    lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("notebooks").mkdir()
    play = pex.Playground(pex.Prompt("{{ text }}", "p", model="lab/m1"), name="d", record=False)
    view = View(play._session)
    with_image(play, view, "Look")
    monkeypatch.chdir("notebooks")
    restarted()
    play = pex.Playground(pex.Prompt("{{ text }}", "p", model="lab/m1"), name="d", record=False)
    play.run().wait()
    assert asked(lab)[1]["image_url"]["url"] == data_url(png())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "photo.png is empty"),
        (b"<svg/>", "photo.png is not an image that models accept: expected PNG, JPEG"),
        (b"RIFF1234WAVEfmt ", "photo.png is not an image that models accept"),
        (png() + bytes(9_000_000), "photo.png has 9 MB; 8 MB can be added here"),
    ],
)
def test_what_is_no_image_is_refused_and_kept_nowhere(
    tmp_path: Path, data: bytes, message: str
) -> None:
    with pytest.raises(PexError, match=message.replace(".", r"\.")):
        images.keep(tmp_path, data, "photo.png")
    assert not any(tmp_path.rglob("*.png"))


def test_a_view_gets_an_image_that_a_message_names_and_no_other(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    markdown = with_image(play, view)
    url = markdown.partition("(")[2].removesuffix(")")
    assert play._session.imports.image(url) == ("image/png", png())
    Path("secret.png").write_bytes(png(1))
    with pytest.raises(PexError, match="no message has this image"):
        play._session.imports.image("secret.png")
    typed(play, "![](gone.png)")
    with pytest.raises(PexError, match="no such file"):
        play._session.imports.image("gone.png")
    view._on_message(None, {"kind": "image", "view": "v", "id": 7, "url": "gone.png"}, [])
    found = view.wait_sent("image")
    assert (found["id"], found["ok"], found["text"]) == (7, False, "no such file")


@pytest.mark.parametrize("url", ["https://example.com/a.png", data_url(png()), "a.png"])
def test_a_prompt_with_parts_can_be_edited_and_stays_as_it_is_until_then(
    lab: FaultyEndpoint, url: str
) -> None:
    Path("a.png").write_bytes(png())
    parts = [
        {"type": "text", "text": "What is {{ review }}?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    prompt = pex.Prompt([{"role": "user", "content": parts}], "p", model="lab/m1")
    play = pex.Playground(prompt, record=False)
    view = View(play._session)
    doc = play._session.document()["variants"][0]
    assert not doc["locked"]
    assert "base64" not in doc["messages"][0]["text"]
    assert play.experiment.variants[0].prompt == prompt
    before = play._session.draft.columns[0].fingerprint
    view.do("edit_case", case=entry(play), field="review", value="it")
    play.run().wait()
    as_given = asked(lab)
    typed(play, doc["messages"][0]["text"].replace("What is", "Where is"))
    assert play._session.draft.columns[0].fingerprint != before
    play.run().wait()
    assert asked(lab) == [{"type": "text", "text": "Where is it?"}, as_given[1]]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]},
        {"role": "system", "content": [{"type": "text", "text": "a ![](b.png)"}]},
        {"role": "user", "content": [
            {"type": "text", "text": "a"},
            {"type": "image_url", "image_url": {"url": "a.png", "detail": "low"}}]},
    ],
)  # fmt: skip
def test_parts_that_no_text_can_say_stay_locked(message: dict) -> None:
    prompt = pex.Prompt([message, {"role": "user", "content": "{{ q }}"}], "p", model="lab/m1")
    play = pex.Playground(prompt, record=False)
    assert "parts that are not text" in play._session.document()["variants"][0]["locked"]


@pytest.mark.parametrize("to", ["prompty", "library"])
def test_a_saved_prompt_has_its_image_and_answers_stay_up_to_date(
    lab: FaultyEndpoint, to: str
) -> None:
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    with_image(play, view)
    play.run(cases=["c1"]).wait()
    sent = asked(lab)
    view.message({"kind": "save", "view": "v", "to": to, "variant": column(play), "name": "p"})
    answer = view.wait_sent("saved")
    assert answer["ok"], answer["text"]
    assert not any(cell["stale"] for cell in play._session.cells().values())
    assert "changed" not in play._session.document()["variants"][0]["origin"]
    for file in Path(".pex/images").iterdir():
        file.unlink()
    loaded = pex.library.load("p") if to == "library" else pex.Prompt.load("prompts/p0.prompty")
    assert "images/" in loaded.text
    assert loaded.render_with_images({"review": "I love it."}, Path())[-1]["content"] == sent
    calls = lab.calls
    play.run(cases=["c1"]).wait()
    assert lab.calls == calls  # the same request


def test_a_saved_experiment_has_its_images_beside_it(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    with_image(play, view)
    play._session.edit({"act": "duplicate", "variant": column(play)})
    typed(play, f"Or {{{{ review }}}}? {brought(view, png(10))['text']}", 1)
    wanted = keys_of(play.experiment)
    file = play.save("experiments/mine/experiment.yaml")
    assert len(list(Path("experiments/mine/images").iterdir())) == 2
    Path(".pex/images").rename(".pex/elsewhere")
    saved = pex.Experiment.load(file)
    os.chdir("/")
    bodies = saved.run(record=False, cases=["c1"], journal="off").frame
    assert bodies["error"].isna().all()
    assert {asked_of["messages"][-1]["content"][1]["image_url"]["url"] for asked_of in lab.bodies} \
        == {data_url(png()), data_url(png(10))}  # fmt: skip
    assert len(wanted) == 6


def test_code_with_an_image_makes_the_same_requests(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    with_image(play, View(play._session))
    space: dict[str, Any] = {}
    exec(play.code().replace("exp.run()", ""), space)  # noqa: S102 - it is what the code is for
    space["exp"].run(record=False)
    assert asked(lab)[1]["image_url"]["url"] == data_url(png())


def test_a_restored_version_with_image_data_can_be_edited(lab: FaultyEndpoint) -> None:
    parts = [
        {"type": "text", "text": "What is {{ review }}?"},
        {"type": "image_url", "image_url": {"url": data_url(png())}},
    ]
    pex.library.save(pex.Prompt([{"role": "user", "content": parts}], "p0"))
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    play._session.restore({"act": "restore", "variant": column(play), "key": "library:p0/1"})
    text = play._session.draft.columns[0].messages[0].text
    typed(play, text.replace("What", "Where"))
    play.run(cases=["c1"]).wait()
    assert asked(lab)[0]["text"] == "Where is I love it.?"
    assert asked(lab)[1]["image_url"]["url"] == data_url(png())


def test_an_image_can_be_the_input_of_a_case(
    lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("notebooks").mkdir()
    monkeypatch.chdir("notebooks")
    prompt = pex.Prompt("What is this?\n![]({{ photo }})", "p", model="lab/m1")
    play = pex.Playground(prompt, record=False)
    view = View(play._session)
    assert play._session.document()["image_variables"] == ["photo"]
    url = brought(view, png())["text"].partition("(")[2].removesuffix(")")
    view.do("edit_case", case=entry(play), field="photo", value=url)
    assert play._session.imports.image(url) == ("image/png", png())
    with pytest.raises(PexError, match="no message has this image"):
        play._session.imports.image("../pex.toml")
    play.run().wait()
    assert asked(lab)[1]["image_url"]["url"] == data_url(png())
    file = play.save("../experiments/mine/experiment.yaml")
    Path("../.pex/images").rename("../.pex/elsewhere")
    (case,) = pex.Experiment.load(file).cases
    assert case.inputs["photo"].startswith("images/")
    pex.Experiment.load(file).run(record=False, journal="off")
    assert asked(lab)[1]["image_url"]["url"] == data_url(png())


def test_a_case_names_no_other_file_outside_its_folder(lab: FaultyEndpoint) -> None:
    Path("cases").mkdir()
    Path("secret.png").write_bytes(png())
    Path("cases/c.csv").write_text("photo\nsecret.png\n../secret.png\n")
    prompt = pex.Prompt("What?\n![]({{ photo }})", "p", model="lab/m1")
    exp = pex.Experiment("e", pex.grid([prompt], "lab/m1"), "cases/c.csv", [])
    for number, message in enumerate(["there is no image", "is outside the cases' folder"]):
        with pytest.raises(PexError, match=message):
            exp.run(record=False, cases=[exp.cases[number].id])
