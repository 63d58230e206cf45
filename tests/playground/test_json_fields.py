"""Tools and the schema of answers, typed as JSON: checked with their lines, sent, saved."""

import json
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.core.errors import PexError
from pex.playground.draft_files import from_json, to_json
from pex.playground.json_fields import schema_of, text_of_json, tools_of
from pex.widgets.cell import Line
from pex.widgets.sheet import Sheet
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.playing import View, column, experiment, typed

pytestmark = pytest.mark.usefixtures("new_kernel")

TOOL = {
    "type": "function",
    "function": {
        "name": "lookup",
        "parameters": {"type": "object", "properties": {"id": {"type": "string"}}},
    },
}
SCHEMA = {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]}


def write(view: View, play: pex.Playground, field: str, value: Any, number: int = 0) -> dict:
    text = value if isinstance(value, str) else text_of_json(value)
    doc = view.do("edit", variant=column(play, number), field=field, value=text)
    return doc["variants"][number]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('[\n  {"type": "function",}\n]', 2, "not valid JSON"),
        ('{\n"a": 1}', 1, "expected a list, got dict"),
        (text_of_json([TOOL, TOOL]), 16, "two tools are called 'lookup'"),
        (text_of_json([TOOL, {"type": "function"}]), 16, "tool 2: it has no name"),
        (text_of_json([TOOL]).replace('"string"', '"text"'), 10, "'lookup': its parameters"),
        ("[" * 200 + "]" * 200, None, "nested more than 100 levels"),
    ],
)
def test_a_mistake_in_tools_is_told_with_its_line(
    text: str, line: int | None, message: str
) -> None:
    with pytest.raises(PexError) as found:
        tools_of(text)
    assert message in found.value.message
    if line:
        assert f"tools, line {line}: " in found.value.message


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[1]", 1, "expected an object"),
        ("{}", 1, "expected an object"),
        ('{"type": "object"\n"properties": {}}', 2, "not valid JSON"),
        (text_of_json(SCHEMA).replace('"string"', '"text"'), 5, "properties.label.type: 'text'"),
        ('{"$ref": "https://example.com/a.json"}', None, "example.com"),
    ],
)
def test_a_mistake_in_a_schema_is_told_with_its_line(
    text: str, line: int | None, message: str
) -> None:
    with pytest.raises(PexError) as found:
        schema_of(text)
    assert message in found.value.message
    if line:
        assert f"schema, line {line}: " in found.value.message


def test_they_are_sent_and_mark_answers_out_of_date(lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: completion('{"label": "a"}')
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    play.run(cases=["c1"]).wait()
    assert not any(cell["stale"] for cell in play._session.cells().values())
    variant = write(view, play, "schema", SCHEMA)
    assert not variant["problems"]
    assert [cell["stale"] for cell in play._session.cells().values()] == [True]
    write(view, play, "tools", [TOOL])
    play.run(cases=["c1"]).wait()
    body = lab.bodies[-1]
    assert body["tools"] == [TOOL]
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    # Another layout of the same JSON changes nothing.
    write(view, play, "schema", json.dumps(SCHEMA))
    assert [cell["stale"] for cell in play._session.cells().values()] == [False]
    variant = write(view, play, "tools", "[\n{]")
    assert [(p["where"], p["line"]) for p in variant["problems"]] == [("tools", 2)]
    with pytest.raises(PexError, match="variant 'p0', line 2: not valid JSON"):
        play.run(cases=["c1"])
    write(view, play, "tools", "")
    play.run(cases=["c1"]).wait()
    assert "tools" not in lab.bodies[-1]


def test_an_answer_that_calls_tools_shows_the_calls(lab: FaultyEndpoint) -> None:
    call = {"id": "1", "type": "function"}
    call |= {"function": {"name": "lookup", "arguments": '{"id": "7"}'}}
    lab.reply = lambda body, number: completion("", tool_calls=[call])
    exp = experiment("a {{ review }}")
    play = pex.Playground(exp, record=False)
    view = View(play._session)
    write(view, play, "tools", [TOOL])
    results = play.run(cases=["c1"]).wait()
    (cell,) = play._session.cells().values()
    assert cell["text"] == 'lookup({"id": "7"})'
    sheet = Sheet(["p0"], [Line("c1", "x")], 1)
    sheet.fill(results.frame, ())
    (shown,) = sheet.row(0)
    assert shown is not None
    assert shown.text == cell["text"]  # in the grid too, live and afterwards


def test_those_of_a_prompt_are_shown_edited_and_removed(lab: FaultyEndpoint) -> None:
    prompt = pex.Prompt("{{ q }}", "p", model="lab/m1", tools=[TOOL], response_schema=SCHEMA)
    play = pex.Playground(prompt, record=False)
    view = View(play._session)
    shown = play._session.document()["variants"][0]
    assert (json.loads(shown["tools"]), json.loads(shown["schema"])) == ([TOOL], SCHEMA)
    assert play._session.draft.columns[0].is_as_given
    kept = to_json(play._session.draft)
    assert from_json(kept) == play._session.draft
    for item in kept["columns"]:  # as an earlier version kept it
        del item["tools"], item["schema"]
    assert from_json(kept) == play._session.draft
    write(view, play, "tools", "")
    assert play._session.draft.columns[0].prompt.tools is None
    assert play._session.draft.columns[0].prompt.response_schema == SCHEMA
    assert view.do("undo")["variants"][0]["tools"] == shown["tools"]


@pytest.mark.parametrize("to", ["prompty", "library", "experiment", "code"])
def test_what_is_saved_has_them(lab: FaultyEndpoint, to: str) -> None:
    lab.reply = lambda body, number: completion('{"label": "a"}')
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    typed(play, "b {{ review }}")
    write(view, play, "tools", [TOOL])
    write(view, play, "schema", SCHEMA)
    play.run(cases=["c1"]).wait()
    if to == "code":
        space: dict[str, Any] = {}
        exec(play.code().replace("exp.run()", ""), space)  # noqa: S102 - it is what it is for
        prompt = space["exp"].variants[0].prompt
    else:
        view.message({"kind": "save", "view": "v", "to": to, "variant": column(play), "name": "p"})
        answer = view.wait_sent("saved")
        assert answer["ok"], answer["text"]
        prompt = {
            "prompty": lambda: pex.Prompt.load("prompts/p0.prompty"),
            "library": lambda: pex.library.load("p"),
            "experiment": lambda: pex.Experiment.load(
                Path("experiments/reviews/experiment.yaml")
            ).variants[0].prompt,
        }[to]()  # fmt: skip
    assert (prompt.tools, prompt.response_schema) == ([TOOL], SCHEMA)
    assert not any(cell["stale"] for cell in play._session.cells().values())


def test_a_pydantic_class_stays_until_its_schema_is_changed(lab: FaultyEndpoint) -> None:
    import pydantic

    class Review(pydantic.BaseModel):
        label: str

    prompt = pex.Prompt("{{ q }}", "p", model="lab/m1", response_model=Review)
    play = pex.Playground(prompt, record=False)
    view = View(play._session)
    typed(play, "b {{ q }}")
    assert play._session.draft.columns[0].prompt.response_model is Review
    write(view, play, "schema", SCHEMA)
    assert play._session.draft.columns[0].prompt.response_model is None
