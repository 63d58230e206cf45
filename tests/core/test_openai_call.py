"""A prompt's arguments for a call with the openai package, tried with real clients."""

from __future__ import annotations

import asyncio
import enum
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import openai
import pydantic
import pytest
from openai.types.chat import CompletionCreateParams
from openai.types.responses import ResponseCreateParams

import pex
from pex.core.cases import Case
from pex.core.response_model import read_answer, strict_schema
from pex.core.responses import responses_body
from pex.run.request import body_of
from tests.helpers.responses_endpoint import ResponsesEndpoint

TOOL = {
    "type": "function",
    "function": {"name": "find", "parameters": {"type": "object", "properties": {}}},
}


class Kind(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Part(pydantic.BaseModel):
    """A part of it."""

    name: str
    about: Kind = Kind.GOOD


class Review(pydantic.BaseModel):
    label: Literal["positive", "negative"]
    stars: int | None = None
    parts: list[Part] = pydantic.Field(default_factory=list, description="what it is about")
    first: Part | None = None
    main: Part = pydantic.Field(description="the most important one")


class Tree(pydantic.BaseModel):
    value: int
    children: list[Tree] = []


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]


class Animals(pydantic.BaseModel):
    one: Cat | Dog = pydantic.Field(discriminator="kind")
    default: str = "x"
    discriminator: int = 1


@pydantic.dataclasses.dataclass
class Point:
    x: int
    y: int = 0


@pytest.fixture
def served() -> Iterator[ResponsesEndpoint]:
    server = ResponsesEndpoint()
    with server.running():
        yield server


def prompt(**fields: Any) -> pex.Prompt:
    text = [
        {"role": "system", "content": "Be {{ how }}."},
        {"role": "user", "content": "{{ word }}"},
    ]
    params = {"temperature": 0, "max_tokens": 9, "top_k": 4, "reasoning_effort": "low"}
    whole = {"model": "lab/m1", "params": params, "tools": [TOOL], "response_model": Part, **fields}
    return pex.Prompt(text, "p", defaults={"how": "brief"}, **whole)


# -- arguments


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_real_client_takes_them(served: ResponsesEndpoint, api: Any) -> None:
    arguments = prompt().openai({"word": "hello"}, api=api)
    blocking = openai.OpenAI(base_url=served.url, api_key="none")
    waiting = openai.AsyncOpenAI(base_url=served.url, api_key="none")
    if api == "chat":
        said = blocking.chat.completions.create(**arguments).choices[0].message.content
        also = asyncio.run(waiting.chat.completions.create(**arguments)).choices[0].message.content
    else:
        said = blocking.responses.create(**arguments).output_text
        also = asyncio.run(waiting.responses.create(**arguments)).output_text
    assert (said, also) == ("hello", "hello")
    case = Case("c", {"word": "hello"})
    whole = body_of(pex.Variant(prompt()), case)
    # What a run of pex sends is what the client sends.
    assert served.bodies[0] == (whole if api == "chat" else responses_body(whole))
    assert served.bodies[0]["top_k"] == 4


@pytest.mark.parametrize(
    ("api", "params"), [("chat", CompletionCreateParams), ("responses", ResponseCreateParams)]
)
def test_they_have_the_types_of_the_package(api: Any, params: Any) -> None:
    arguments = prompt().openai(word="hello", api=api)
    assert arguments.pop("extra_body") == {"top_k": 4}
    pydantic.TypeAdapter(typing.get_args(params)[0]).validate_python(arguments)
    assert arguments["model"] == "m1"


def test_values_come_from_the_case_and_by_name() -> None:
    case = Case("c", {"word": "a", "how": "kind"})
    for given, more, said in [
        ({"word": "a"}, {}, ["Be brief.", "a"]),
        (case, {}, ["Be kind.", "a"]),
        (case, {"word": "b"}, ["Be kind.", "b"]),
        (None, {"word": "b", "how": "short"}, ["Be short.", "b"]),
    ]:
        arguments = prompt().openai(given, **more)
        assert [message["content"] for message in arguments["messages"]] == said
    assert prompt().openai({"word": "a", "how": "x"}, api="responses")["instructions"] == "Be x."


def test_without_a_model_and_with_newer_and_omitted_names() -> None:
    assert "model" not in prompt(model=None).openai(word="a")
    newer = prompt(model="openai/gpt-5-mini", params={"max_tokens": 9, "temperature": None})
    arguments = newer.openai(word="a")
    assert arguments["max_completion_tokens"] == 9
    assert not {"max_tokens", "temperature"} & set(arguments)
    assert newer.openai(word="a", api="responses")["max_output_tokens"] == 9


def test_an_image_is_sent_as_data(project: Path) -> None:
    (project / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n0")
    sees = pex.Prompt("What is this? ![]({{ photo }})", "p")
    (message,) = sees.openai(photo="a.png")["messages"]
    assert message["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
    (item,) = sees.openai(photo="a.png", api="responses")["input"]
    assert item["content"][1]["type"] == "input_image"
    with pytest.raises(pex.PexError, match="there is no image"):
        sees.openai(photo="b.png")


@pytest.mark.parametrize(
    ("arguments", "named", "said"),
    [
        (("hello",), {}, "expected a case, or a dict"),
        (({"wrod": "a"},), {}, "no value for the variable 'word'"),
        (({"word": "a"},), {"api": "chats"}, "api 'chats': expected"),
    ],
)
def test_wrong_use_is_said(arguments: Any, named: Any, said: str) -> None:
    with pytest.raises(pex.PexError, match=said):
        prompt().openai(*arguments, **named)


# -- pydantic classes


@pytest.mark.parametrize("model", [Part, Review, Tree, Animals, Point])
def test_the_schema_is_strict(model: Any) -> None:
    schema = strict_schema(model, "prompt 'p'")
    assert schema["type"] == "object"

    def look(part: Any) -> None:
        if isinstance(part, list):
            for item in part:
                look(item)
        if not isinstance(part, dict):
            return
        if part.get("type") == "object":
            assert part["additionalProperties"] is False
            assert part["required"] == list(part["properties"])
        assert "$ref" not in part or len(part) == 1
        assert "oneOf" not in part
        for key, item in part.items():
            for inner in item.values() if key in ("properties", "$defs") else [item]:
                look(inner)

    look(schema)


@pytest.mark.parametrize("model", [Part, Tree])
def test_it_is_the_openai_packages_own_but_for_defaults(model: Any) -> None:
    def without(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: without(item) for key, item in part.items() if key != "default"}
        return [without(item) for item in part] if isinstance(part, list) else part

    theirs = openai.pydantic_function_tool(model)["function"]["parameters"]
    ours = strict_schema(model, "prompt 'p'")
    if model is Tree:  # theirs has a $ref at the root, which is not an object
        theirs = {**theirs["$defs"]["Tree"], "$defs": theirs["$defs"]}  # type: ignore[index, dict-item]
    assert ours == without(theirs)


def test_a_prompt_with_a_class_keeps_its_schema_in_a_file(project: Path) -> None:
    made = pex.Prompt("{{ word }}", "p", response_model=Review)
    assert made.response_schema == strict_schema(Review, "prompt 'p'")
    loaded = pex.Prompt.load(made.save("p.prompty"))
    assert loaded.response_schema == made.response_schema
    assert loaded.response_model is None
    assert loaded.digest == made.digest
    assert made.called("q", None).response_model is Review
    assert made.changed(name="q", params={"seed": 1}).response_model is Review
    assert made.changed(response_schema={"type": "object"}).response_model is None


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (dict, "expected a pydantic class"),
        (Review(label="positive", main=Part(name="x")), "expected a pydantic class"),
        ({"type": "object"}, "expected a pydantic class"),
        (pydantic.create_model("Empty"), "has no fields"),
        (
            pydantic.create_model("Odd", call=(typing.Callable[[], int], ...)),
            "response_model 'Odd'",
        ),
    ],
)
def test_what_is_no_such_class(model: Any, said: str) -> None:
    with pytest.raises(pex.PexError, match=said):
        pex.Prompt("x", "p", response_model=model)


def test_a_class_and_a_schema_are_one_too_many() -> None:
    with pytest.raises(pex.PexError, match="not both"):
        pex.Prompt("x", "p", response_model=Part, response_schema={"type": "object"})


def test_answers_come_back_as_objects(project: Path, served: ResponsesEndpoint) -> None:
    (project / "pex.toml").write_text(f'[providers.lab]\nbase_url = "{served.url}"\nfree = true\n')
    plain = pex.Prompt("plain {{ word }}", "plain")
    typed = pex.Prompt("{{ word }}", "typed", response_model=Part)
    odd = ['{"name": "a", "x": 1e999}', '{"name": ' + "[" * 500 + "]" * 500 + "}"]
    words = ['{"name": "a", "about": "bad"}', '```json\n{"name": "b"}\n```', '{"name": 1}', "no"]
    words += odd
    cases = [{"case_id": f"c{n}", "word": word} for n, word in enumerate(words)]
    exp = pex.Experiment("e", pex.grid([typed, plain], "lab/m1"), cases)
    results = exp.run(record=False, show=False)
    assert served.bodies[0]["response_format"]["json_schema"]["strict"] is True
    frame = results.frame.assign(parsed=results.parse()).sort_values(["prompt", "case_id"])
    assert frame["parsed"].tolist() == [
        *[None] * 6, Part(name="a", about=Kind.BAD), Part(name="b"), *[None] * 4
    ]  # fmt: skip
    assert results.rescore(["json"], record=False).parse().notna().sum() == 2
    results.response_models = {}
    # Of "plain" also the one whose JSON is in a fence behind a word.
    assert results.parse(Part).notna().sum() == 3
    with pytest.raises(pex.PexError, match=r"results\.parse\(Review\)"):
        results.parse()


def test_dates_and_classes_are_read_as_json() -> None:
    import datetime

    class When(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(strict=True)
        day: datetime.date

    assert read_answer(When, {"day": "2026-11-28"}).day == datetime.date(2026, 11, 28)
    assert read_answer(When, {"day": "soon"}) is None
