"""What a model thinks aloud goes beside its answer, wherever it comes and however it is marked."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import pex
from pex.core.call import Answer
from pex.run.reading import read_answer
from pex.run.reasoning import AnswerText, split, tags_of, without_reasoning
from tests.helpers.endpoint import FaultyEndpoint, completion

USUAL = tags_of(None)
SPLIT = [
    ("<think>\nHm.\n</think>\n\nYes", "Yes", "Hm."),
    ("<think>Hm.</think>Yes", "Yes", "Hm."),
    ("\n <think>Hm.</think> Yes", "Yes", "Hm."),
    ("<THINK>Hm.</THINK>Yes", "Yes", "Hm."),
    ("<thinking>Hm.</thinking>Yes", "Yes", "Hm."),
    ("<thought>Hm.</thought>Yes", "Yes", "Hm."),
    ("<reasoning>Hm.</reasoning>Yes", "Yes", "Hm."),
    ('<think duration="3">Hm.</think>Yes', "Yes", "Hm."),
    ("<seed:think>Hm.</seed:think>Yes", "Yes", "Hm."),
    ("[THINK]Hm.[/THINK]Yes", "Yes", "Hm."),
    ("◁think▷Hm.◁/think▷Yes", "Yes", "Hm."),
    ("<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Yes<|END_RESPONSE|>", "Yes", "Hm."),
    ("<|begin_of_thought|>Hm.<|end_of_thought|>\n<|begin_of_solution|>Yes<|end_of_solution|>",
     "Yes", "Hm."),
    ("<|channel>thought\nHm.<channel|>Yes", "Yes", "Hm."),
    # several, nested, never closed, closed only
    ("<think>a</think><think>b</think>Yes", "Yes", "a\n\nb"),
    ("<think>a</think>\n<reasoning>b</reasoning>\nYes", "Yes", "a\n\nb"),
    ("<think>a <think>b</think> c</think>\nYes", "Yes", "a <think>b\n\nc"),
    ("<think>Hm, and then", "", "Hm, and then"),
    ("<think>", "", ""),
    ("<think>\n\n</think>\n\nYes", "Yes", ""),
    ("Hm.\n</think>\n\nYes", "Yes", "Hm."),
    ("Hm.</think>Yes", "Yes", "Hm."),
    ("</think>Yes", "Yes", ""),
    ("Hm.\n[/THINK]\nYes", "Yes", "Hm."),
    ("<think>Write `</think>`?</think>\nYes", "Yes", "Write `</think>`?"),
    ('<think>Write "</think>"?</think>\nYes', "Yes", 'Write "</think>"?'),
    ("<think>Write\n```\n</think>\n```\n</think>\nYes", "Yes", "Write\n```\n</think>\n```"),
    ("<think>A `tick</think>Yes", "Yes", "A `tick"),
    ("<think>Hm.</think>Use `</think>`.", "Use `</think>`.", "Hm."),
    ("<think>Hm.</thinking>Yes", "Yes", "Hm."),
    ("<think>Hm.[/THINK]\nYes", "Yes", "Hm."),
    # gpt-oss
    ("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes"
     "<|return|>", "Yes", "Hm."),
    ("<|start|>assistant<|channel|>analysis<|message|>Hm.<|end|>"
     "<|start|>assistant<|channel|>commentary<|message|>And.<|end|>"
     "<|start|>assistant<|channel|>final<|message|>Yes", "Yes", "Hm.\n\nAnd."),
    ("<|channel|>final <|constrain|>JSON<|message|>{}", "{}", ""),
    ("<|channel|>analysis<|message|>Hm, and", "", "Hm, and"),
    ("<|channel|>ana", "", "ana"),
    ("analysisHm.assistantfinalYes", "Yes", "Hm."),
    # an answer that speaks of tags stays whole
    ("Models think in <think>…</think> first.", None, ""),
    ("Use `<think>` to begin.", None, ""),
    ("```\n<think>Hm.</think>\n```", None, ""),
    ("Close it with </think>, then answer.", None, ""),
    ("The tag `</think>` closes it.", None, ""),
    ("```\nHm.\n</think>\nYes\n```", None, ""),
    ("<thinker> is a word", None, ""),
    ("<think /> is an empty tag", None, ""),
    ("analysis of the assistant final exam", None, ""),
    ("<b>Yes</b>", None, ""),
    ("[1, 2]", None, ""),
    ("analysis of the case", None, ""),
    ("", None, ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "answer", "reasoning"), SPLIT, ids=[s[0][:50] for s in SPLIT])
def test_a_text_is_taken_apart(text: str, answer: str | None, reasoning: str) -> None:
    assert split(text, USUAL) == (text if answer is None else answer, reasoning)
    assert split(text, tags_of([])) == (text, "")


@pytest.mark.parametrize(
    "text",
    ["`</think>`", "</think> ", "<think>`</think>`", "`</think>` <thinking>", "<think>a</think>"],
)
def test_a_hostile_text_is_taken_apart_in_steps_that_grow_with_its_length(text: str) -> None:
    # Nothing is timed: looking at every tag of the whole would not end within the time-out.
    answer, reasoning = split(f"<think>{text * 200_000}", USUAL)
    assert answer or reasoning


def is_known_at_once(text: str) -> bool:
    """Whether the beginning tells what is reasoning.

    Not where its tag is only closed, or closed by another one: its own may still come.
    """
    odd = ("Hm.", "</", "analysisHm", "<think>a <", "<think>Write", "<think />",
           "<think>Hm.</thinking>", "<think>Hm.[/THINK]")  # fmt: skip
    return not text.startswith(odd)


STREAMED = [row for row in SPLIT if is_known_at_once(row[0])]


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"), STREAMED, ids=[s[0][:50] for s in STREAMED]
)
def test_a_stream_shows_the_answer_alone(text: str, answer: str | None, reasoning: str) -> None:
    shown: list[str] = []
    feed = AnswerText(shown.append, USUAL).feed
    for letter in text:
        feed(letter)
    expected = text if answer is None else answer
    said = "".join(shown)
    for mark in ("<|return|>", "<|END_RESPONSE|>", "<|end_of_solution|>"):
        said = said.replace(mark, "")
    assert said in (expected, expected.lstrip())


CIRCLES = ["`</think>` ", "a </think> , ", "<think>a</think>", "<think>", "<think ", "a > b ",
           "<|channel|>", "<|channel|>analysis<|message|>x<|end|>", "[1] "]  # fmt: skip


@pytest.mark.parametrize("piece", CIRCLES)
def test_a_model_that_goes_round_in_circles_holds_nothing_up(piece: str) -> None:
    """Each piece of a stream costs the same, however many came before (no upper bound in seconds).

    The text is long enough for a reader that begins anew with each piece to take hours.
    """
    text = piece * (1_000_000 // len(piece))
    shown: list[str] = []
    feed = AnswerText(shown.append, USUAL).feed
    for start in range(0, len(text), 8):
        feed(text[start : start + 8])
    assert len("".join(shown)) <= len(text)
    answer, reasoning = split(text, USUAL)
    assert len(answer) + len(reasoning) <= len(text) + 2 * text.count(piece)


def test_tags_of_ones_own() -> None:
    for names in (["plan"], ["<plan>"], ["[PLAN]"]):
        assert split("<plan>Hm.</plan>Yes", tags_of(names)) == ("Yes", "Hm.")
    assert split("<think>Hm.</think>Yes", tags_of(["plan"]))[1] == ""


FIELDS = [
    {"reasoning_content": "Hm."},
    {"reasoning": "Hm."},
    {"thinking": "Hm."},
    {"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
    {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm."}]},
    {"reasoning": {"content": [{"text": "Hm."}]}},
    {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                 {"type": "text", "text": "Yes"}]},
    {"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes"}]},
    {"content": [{"type": "reasoning", "summary": [{"text": "Hm."}]}, "Yes"]},
    {"content": {"parts": [{"text": "Hm.", "thought": True}, {"text": "Yes"}]}},
]  # fmt: skip


@pytest.mark.parametrize("message", FIELDS, ids=str)
def test_reasoning_beside_the_text(message: dict[str, Any]) -> None:
    answer = read_answer(json.dumps(completion("Yes", **message)).encode())
    assert (answer.output, answer.reasoning, answer.remarks) == ("Yes", "Hm.", [])


def test_an_answer_that_has_no_text_is_remarked_upon() -> None:
    for output in ("", " \n", "<think>Hm", "<think>Hm.</think>\n"):
        assert without_reasoning(Answer(output), USUAL).remarks == ["empty"]
    assert without_reasoning(Answer("Yes"), USUAL).remarks == []
    called = Answer("", tool_calls=[{"function": {"name": "refund"}}])
    assert without_reasoning(called, USUAL).remarks == []
    assert without_reasoning(Answer(error="no"), USUAL).remarks == []


def experiment(prompt: str = "{{ word }}", **case: Any) -> pex.Experiment:
    cases = [{"case_id": "c1", **(case or {"word": "<think>Hm.</think>Yes", "expected": "Yes"})}]
    scorers = ["exact"] if "expected" in cases[0] else []
    return pex.Experiment("e", pex.grid(pex.Prompt(prompt, "p"), "lab/m1"), cases, scorers)


def run(exp: pex.Experiment, **options: Any) -> Any:
    return exp.run(record=False, show=False, **options).frame.iloc[0]


def test_scorers_see_the_answer_and_the_journal_keeps_the_text(
    lab: FaultyEndpoint, project: Path
) -> None:
    row = run(experiment())
    assert (row["output"], row["reasoning"], row["score.exact"]) == ("Yes", "Hm.", 1)
    settings = (project / "pex.toml").read_text()
    (project / "pex.toml").write_text(f'{settings}[models."lab/m1"]\nreasoning_tags = []\n')
    row = run(experiment())
    assert row["from_journal"]
    assert row["output"] == "<think>Hm.</think>Yes"
    assert row["score.exact"] == 0
    (project / "pex.toml").write_text(settings)
    row = run(experiment())
    assert (row["output"], row["reasoning"], row["score.exact"]) == ("Yes", "Hm.", 1)
    assert lab.calls == 1


def test_the_next_turn_does_not_see_the_reasoning(lab: FaultyEndpoint, project: Path) -> None:
    lab.reply = lambda body, number: completion(f"<think>Hm {number}.</think>Yes {number}")
    exp = experiment("{{ turns }}", turns=["a", "b"])
    row = run(exp)
    assert [m["content"] for m in lab.bodies[1]["messages"]] == ["a", "Yes 1", "b"]
    assert row["output"] == "Yes 2"
    assert row["reasoning"] == "Hm 1.\n\nHm 2."
    assert [m["content"] for m in row["conversation"]] == ["Yes 1", "b", "Yes 2"]
    again = run(exp)
    assert again["from_journal"]
    assert again["output"] == "Yes 2"
    assert again["conversation"] == row["conversation"]
    settings = (project / "pex.toml").read_text()
    (project / "pex.toml").write_text(f'{settings}[models."lab/m1"]\nreasoning_tags = []\n')
    raw = run(exp)
    assert raw["conversation"][0]["content"] == "<think>Hm 1.</think>Yes 1"
    assert lab.calls == 2


def test_a_streamed_run_shows_the_answer_alone(lab: FaultyEndpoint) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for text in ("<thi", "nk>Hm.</th", "ink>", "\n\nY", "es"):
            chunk = {"choices": [{"delta": {"content": text}}]}
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response

    lab.reply = lambda body, number: stream
    execution = experiment().start(record=False, stream=True)
    shown: list[str] = []
    execution.listen(lambda event: shown.append(getattr(event, "text", "")))
    row = execution.wait().frame.iloc[0]
    assert (row["output"], row["reasoning"]) == ("Yes", "Hm.")
    assert "Hm" not in "".join(shown)


def test_a_cut_off_answer_is_marked_also_from_an_older_journal(
    lab: FaultyEndpoint, project: Path
) -> None:
    import sqlite3

    whole = completion("<think>Hm, and")
    whole["choices"][0]["finish_reason"] = "length"
    lab.reply = lambda body, number: whole
    assert run(experiment())["remarks"] == ["cut_off", "empty"]
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        (text,) = connection.execute("SELECT answer FROM answers").fetchone()
        older = {
            key: value
            for key, value in json.loads(text).items()
            if key not in ("reasoning", "remarks", "raw_body", "cache_write_tokens")
        }
        older |= {"prompt_tokens": 10.5, "unheard_of": {}}
        connection.execute("UPDATE answers SET answer = ?", [json.dumps(older)])
    row = run(experiment())
    assert row["from_journal"]
    assert (row["remarks"], row["reasoning"], row["output"]) == (
        ["cut_off", "empty"],
        "Hm, and",
        "",
    )
    assert row.isna()["prompt_tokens"]
    assert lab.calls == 1
