"""Documents in a run: sent whole, kept by digest, estimated, refused where nobody reads them."""

import base64
import json
import warnings
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.run import provider_batch
from pex.run.part_support import takes
from pex.run.part_tokens import tokens_about
from tests.helpers.batch_endpoint import BatchEndpoint, answered
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.pdfs import pdf, wav
from tests.helpers.responses_endpoint import ResponsesEndpoint, response


def experiment(text: str, model: str = "lab/m1", file: str = "a.pdf") -> pex.Experiment:
    prompt = pex.Prompt(text, "read")
    variants = pex.grid(prompt, model, params={"max_tokens": 20, "temperature": 0})
    return pex.Experiment("invoices", variants, [{"invoice": file, "case_id": "i1"}])


def run(exp: pex.Experiment, **options: Any) -> pex.Results:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return exp.run(record=False, show=False, **options)


@pytest.fixture
def files(lab: FaultyEndpoint, project: Path) -> FaultyEndpoint:
    (project / "a.pdf").write_bytes(pdf("Invoice 17", "Total 5"))
    (project / "a.wav").write_bytes(wav(2))
    return lab


def test_contents_are_sent_and_nothing_else_has_them(files: FaultyEndpoint, project: Path) -> None:
    text = "Read ![pdf as pages]({{ invoice }}) ![pdf as file]({{ invoice }}) ![audio](a.wav)"
    files.reply = lambda body, number: completion("5")  # an echo would have what was sent
    results = run(experiment(text))
    [body] = files.bodies
    _, one, two, file, sound = body["messages"][0]["content"]
    assert all(part["image_url"]["url"].startswith("data:image/png;base64,") for part in (one, two))
    sent = file["file"]["file_data"].removeprefix("data:application/pdf;base64,")
    assert base64.b64decode(sent) == (project / "a.pdf").read_bytes()
    assert file["file"]["filename"] == "document.pdf"
    assert base64.b64decode(sound["input_audio"]["data"]) == (project / "a.wav").read_bytes()
    kept = b"".join(path.read_bytes() for path in (project / ".pex").glob("journal*"))
    assert kept
    assert base64.b64encode(b"%PDF-1.4")[:8] not in kept
    assert results.frame["case.invoice"].tolist() == ["a.pdf"]


def test_another_name_is_reused_and_a_changed_file_is_a_new_request(
    files: FaultyEndpoint, project: Path
) -> None:
    text = "![pdf as text]({{ invoice }})"
    run(experiment(text))
    (project / "b.pdf").write_bytes((project / "a.pdf").read_bytes())
    assert run(experiment(text, file="b.pdf")).frame["from_journal"].all()
    assert files.calls == 1
    (project / "a.pdf").write_bytes(pdf("Invoice 18"))
    said = r"a\.pdf was changed since 20..-..-..: what is asked about it is a new request"
    assert "Note: a.pdf was changed since" in str(experiment(text).preview())
    with pytest.warns(UserWarning, match=said):
        experiment(text).run(record=False, show=False)
    assert files.calls == 2
    assert "changed" not in str(experiment(text).preview())


def test_a_file_that_is_gone_is_a_row_with_its_error(files: FaultyEndpoint, project: Path) -> None:
    exp = experiment("![pdf as file]({{ invoice }})")
    original = pex.run.channel.Call.complete

    async def gone(call: Any, payload: bytes) -> bytes:
        (project / "a.pdf").unlink(missing_ok=True)
        return await original(call, payload)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pex.run.channel.Call, "complete", gone)
        results = run(exp)
    [row] = results.frame.to_dict("records")
    assert row["error_kind"] == "file"
    assert "a.pdf cannot be read" in row["error"]
    assert files.calls == 0


def test_an_error_names_case_and_file_before_any_call(files: FaultyEndpoint, project: Path) -> None:
    (project / "a.pdf").write_bytes(b"%PDF-1.7 broken")
    with pytest.raises(pex.PexError, match=r"a\.pdf is a broken PDF.*\(case 'i1'\)"):
        run(experiment("![pdf as text]({{ invoice }})"))
    assert files.calls == 0


@pytest.mark.parametrize(
    ("model", "text", "message"),
    [
        ("local/smollm2", "![pdf as pages]({{ invoice }})", "sends images.*takes none"),
        ("anthropic/claude-x", "![pdf as file]({{ invoice }})", "ignores them and answers all"),
        ("openai/gpt-4.1", "![audio]({{ invoice }})", "sends recordings.*takes none\n.*transcript"),
    ],
)
def test_what_a_provider_does_not_take_is_said_before_the_run(
    files: FaultyEndpoint, model: str, text: str, message: str
) -> None:
    with pytest.raises(pex.PexError, match=message):
        experiment(text, model, "a.wav" if "audio" in text else "a.pdf").preview()


def test_what_is_not_known_of_a_model_is_remarked(files: FaultyEndpoint) -> None:
    shown = str(experiment("![pdf as file]({{ invoice }})").preview())
    assert "Note: whether lab/m1 takes files is not known: look at the first answers" in shown
    assert "Note" not in str(experiment("![pdf as text]({{ invoice }})").preview())
    assert takes("vllm/m", "audio") is None


def test_cost_is_estimated_from_pages_pixels_and_seconds(files: FaultyEndpoint) -> None:
    by_way = {
        way: experiment(f"![{way}]({{{{ invoice }}}})", model).preview()
        for way, model in [
            ("pdf as pages", "openai/gpt-4.1"),
            ("pdf as pages 1", "openai/gpt-4.1"),
            ("pdf as file", "openai/gpt-4.1"),
        ]
    }
    tokens = [preview.prompt_tokens for preview in by_way.values()]
    assert tokens[0] - tokens[1] == pytest.approx(1105, abs=40)
    assert tokens[2] > tokens[0]
    assert all(preview.cost_usd for preview in by_way.values())
    sound = experiment("![audio]({{ invoice }})", "openai/gpt-audio", "a.wav").preview()
    assert 20 <= sound.prompt_tokens < 60
    assert (
        tokens_about({"type": "image_url", "image_url": {"url": "https://a.test/b"}}, "m") == 1000
    )


def test_earlier_calls_say_how_many_tokens_pages_have(files: FaultyEndpoint) -> None:
    """A rate for each byte of text alone would make of a later long text hundreds of thousands."""
    files.reply = lambda body, number: {
        "choices": [{"message": {"content": "5"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 2000, "completion_tokens": 1},
    }
    run(experiment("![pdf as pages]({{ invoice }})"))
    later = experiment("Say yes. " * 500).preview()
    assert later.prompt_tokens < 3000


def test_different_pages_are_no_shared_prefix(files: FaultyEndpoint, project: Path) -> None:
    (project / "b.pdf").write_bytes(pdf("Invoice 18"))
    prompt = pex.Prompt("![pdf as pages 1]({{ invoice }}) What is the total?", "read")
    variants = pex.grid(prompt, "openai/gpt-4.1", params={"max_tokens": 20})
    rows = [{"invoice": "a.pdf"}, {"invoice": "b.pdf"}]
    [prefix] = pex.Experiment("invoices", variants, rows).preview().prefixes
    assert prefix.shared < 50


@pytest.mark.model
def test_the_built_in_model_reads_a_pdf_as_text(project: Path) -> None:
    (project / "a.pdf").write_bytes(pdf("Invoice 17\nTotal 12.50"))
    results = run(experiment("![pdf as text]({{ invoice }})\nWhat is the total?", "local/smollm2"))
    assert "12.50" in results.frame["output"][0]


def test_the_responses_api_gets_its_own_parts(project: Path) -> None:
    (project / "a.pdf").write_bytes(pdf("Invoice 17"))
    server = ResponsesEndpoint()
    server.reply = lambda body, number: response("5")
    with server.running():
        (project / "pex.toml").write_text(
            f'[providers.lab]\nbase_url = "{server.url}"\napi = "responses"\nfree = true\n'
        )
        text = "Read ![pdf as pages]({{ invoice }}) ![pdf as file]({{ invoice }})"
        assert run(experiment(text)).frame["output"].tolist() == ["5"]
    words, page, file = server.bodies[0]["input"][0]["content"]
    assert (words["type"], page["type"], file["type"]) == (
        "input_text", "input_image", "input_file"
    )  # fmt: skip
    assert page["image_url"].startswith("data:image/png;base64,")
    sent = file["file_data"].removeprefix("data:application/pdf;base64,")
    assert base64.b64decode(sent) == (project / "a.pdf").read_bytes()


def test_a_provider_batch_has_the_contents_in_its_file(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_batch, "FIRST_POLL_S", 0.02)
    (project / "a.pdf").write_bytes(pdf("Invoice 17"))
    server = BatchEndpoint()
    # An echo would have what was sent.
    server.line = lambda line, number: answered(
        {**line, "body": {"messages": [{"content": "5"}]}}, number
    )
    with server.running():
        (project / "pex.toml").write_text(
            f'[providers.lab]\nbase_url = "{server.url}"\nfree = true\n'
        )
        results = run(experiment("![pdf as file]({{ invoice }})"), provider_batch=True)
        assert results.frame["output"].tolist() == ["5"]
    (line,) = server.files["file-1"].splitlines()
    (part,) = json.loads(line)["body"]["messages"][0]["content"]
    sent = part["file"]["file_data"].removeprefix("data:application/pdf;base64,")
    assert base64.b64decode(sent) == (project / "a.pdf").read_bytes()
