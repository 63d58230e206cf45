"""What an endpoint refuses is left out, remembered and said; what must not be, is an error."""

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import pex
from pex.run.error_body import named_parameter
from pex.run.errors import CallError
from pex.run.failures import refusal
from pex.run.refusals import Refusals, remarks
from tests.helpers.endpoint import FaultyEndpoint, completion

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


def openai(name: str, instead: str = "") -> web.Response:
    text = f"Unsupported parameter: '{name}' is not supported with this model.{instead}"
    error = {"message": text, "type": "invalid_request_error", "param": name,
             "code": "unsupported_parameter"}  # fmt: skip
    return web.json_response({"error": error}, status=400)


def refuses(*names: str) -> Callable[[dict[str, Any], int], Any]:
    def reply(body: dict[str, Any], number: int) -> Any:
        return next((openai(name) for name in names if name in body), None)

    return reply


def experiment(
    params: Any, count: int = 6, prompt: pex.Prompt | None = None, **more: Any
) -> pex.Experiment:
    prompt = prompt or pex.Prompt("{{ word }}", name="echo")
    cases = [{"word": f"word{i}", "expected": f"word{i}"} for i in range(count)]
    variants = pex.grid(prompt, "lab/m1", params)
    return pex.Experiment("refusals", variants, cases, more.get("scorers", ["exact"]))


def run(exp: pex.Experiment, **options: Any) -> pex.Results:
    return exp.run(**{"record": False, "show": False, **options})


NAMES = ["seed", "logprobs", "temperature", "top_p", "frequency_penalty", "parallel_tool_calls",
         "reasoning_effort", "my_own_switch"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_refused_parameter_is_dropped_remembered_and_said(lab: FaultyEndpoint, name: str) -> None:
    lab.reply = refuses(name)
    exp = experiment({name: 1, "max_tokens": 5})
    results = run(exp, max_in_flight=1)
    assert results.frame["output"].tolist() == [f"word{i}" for i in range(6)]
    assert lab.calls == 7  # one call was refused
    assert [name in body for body in lab.bodies] == [True] + [False] * 6
    assert all(body["max_tokens"] == 5 for body in lab.bodies)
    assert results.frame["remarks"].tolist() == [["parameter_dropped", f"dropped:{name}"]] * 6
    assert f"requested without '{name}'" in repr(results)
    assert f"requested without &#x27;{name}&#x27;" in results._repr_html_()
    # Another run, other cases: sent without it at once.
    before = lab.calls
    run(experiment({name: 1, "max_tokens": 5}, 8))
    assert lab.calls == before + 2
    assert not any(name in body for body in lab.bodies[before:])
    # The journal's key is that of the request as meant.
    assert run(exp).about["counts"]["replayed"] == 6
    assert run(exp).frame["remarks"].tolist() == [["parameter_dropped", f"dropped:{name}"]] * 6


def test_many_calls_in_flight_are_refused_once_each_and_all_answered(lab: FaultyEndpoint) -> None:
    lab.latency_s = 0.05
    lab.reply = refuses("seed", "logprobs", "top_logprobs", "temperature")
    params = {"seed": 1, "logprobs": True, "top_logprobs": 2, "temperature": 0}
    results = run(experiment(params, 60), max_in_flight=30)
    assert results.about["counts"]["answered"] == 60
    assert lab.calls <= 60 + 30 * 4
    words = set(results.frame["remarks"].explode())
    assert words == {"parameter_dropped", *(f"dropped:{name}" for name in params)}


WORDS = {
    "openai": ({"error": {"message": "Unsupported parameter: 'seed' is not supported with this "
                          "model.", "param": "seed", "code": "unsupported_parameter"}}, 400),
    "openai, old": ({"error": {"message": "Unrecognized request argument supplied: seed",
                               "param": None}}, 400),
    "openai, value": ({"error": {"message": "Unsupported value: 'seed' does not support 7 with "
                                 "this model. Only the default (1) value is supported.",
                                 "param": "seed", "code": "unsupported_value"}}, 400),
    "fastapi": ({"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"],
                             "msg": "Extra inputs are not permitted"}]}, 422),
    "mistral": ({"object": "error", "message": {"detail": [{"type": "extra_forbidden",
                 "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}}, 422),
    "google": ({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "Invalid JSON "
                "payload received. Unknown name \"seed\": Cannot find field."}}, 400),
    "google, camel case": ({"error": {"message": "bad", "details": [{"fieldViolations": [
        {"field": "generationConfig.seed"}]}]}}, 400),
    "in a list": ([{"error": {"message": "seed: not supported"}}], 400),
    "a text": ("Unknown parameter seed", 400),
    "anthropic": ({"type": "error", "error": {"type": "invalid_request_error",
                   "message": "seed: Extra inputs are not permitted"}}, 400),
    "groq": ({"error": {"message": "property 'seed' is unsupported, did you mean 'speed'?"}}, 400),
    "not valid": ({"error": {"message": "The parameter `seed` is not valid"}}, 400),
    "who refuses it": ({"error": {"message": "The model does not support seed.",
                                  "param": "model"}}, 400),
    "litellm": ({"error": {"message": "lab does not support parameters: ['seed'], for model=m1. "
                           "To drop these, set drop_params=True", "code": "400"}}, 400),
}  # fmt: skip


@pytest.mark.parametrize("kind", WORDS)
def test_in_the_words_of_any_provider(lab: FaultyEndpoint, kind: str) -> None:
    said, status = WORDS[kind]
    lab.reply = lambda body, number: (
        web.json_response(said, status=status) if "seed" in body else None
    )
    results = run(experiment({"seed": 7, "top_p": 0.5}))
    assert results.about["counts"]["answered"] == 6
    assert results.frame["remarks"].iloc[0] == ["parameter_dropped", "dropped:seed"]
    assert lab.bodies[-1]["top_p"] == 0.5


NOT_REFUSED = [
    "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
    "temperature: range: 0..1",
    "temperature must be between 0 and 1",
    "Input should be less than or equal to 2: temperature",
    "the user message must not be empty",
    "Invalid value: 'hot' of temperature. Supported values are: 0, 1",
    "stop talking to me, it is not supported",
    "invalid messages",
    "this is not supported",
]


@pytest.mark.parametrize("text", NOT_REFUSED)
def test_a_mistake_of_the_user_stays_an_error(lab: FaultyEndpoint, text: str) -> None:
    lab.reply = lambda body, number: web.json_response({"error": {"message": text}}, status=400)
    exp = experiment({"temperature": 3, "user": "me", "stop": ["x"]}, 1)
    with pytest.raises(pex.ProviderError):
        run(exp)
    assert lab.calls == 1
    assert exp.results.frame["error_kind"].tolist() == ["refused_parameter"]


def test_a_misspelt_parameter_is_an_error_with_the_right_name(lab: FaultyEndpoint) -> None:
    lab.reply = refuses("temprature")
    with pytest.raises(pex.ProviderError, match="did you mean 'temperature'"):
        run(experiment({"temprature": 0}, 1))


def test_a_limit_is_renamed_never_dropped(lab: FaultyEndpoint) -> None:
    meant, instead = "max_tokens", "max_completion_tokens"
    lab.reply = lambda body, number: (
        openai(meant, f" Use '{instead}' instead.") if meant in body else None
    )
    results = run(experiment({meant: 5}))
    assert results.about["counts"]["answered"] == 6
    assert lab.bodies[-1][instead] == 5
    assert results.frame["remarks"].iloc[0] == ["parameter_renamed", f"sent_as:{instead}"]
    assert f"token limit as '{instead}'" in repr(results)


def test_a_limit_is_renamed_in_both_directions() -> None:
    meant = {"model": "m", "max_completion_tokens": 5}
    refusals = Refusals()
    error = CallError("refused_parameter", "Unknown parameter: 'max_completion_tokens'")
    assert refusals.learn(meant, meant, error).again
    assert refusals.sent(meant) == {"model": "m", "max_tokens": 5}


def test_a_limit_that_is_taken_under_no_name_is_an_error(lab: FaultyEndpoint) -> None:
    lab.reply = refuses("max_tokens", "max_completion_tokens")
    with pytest.raises(pex.ProviderError, match="not dropped: the budget depends on it"):
        run(experiment({"max_tokens": 5}, 2))
    assert all({"max_tokens", "max_completion_tokens"} & set(body) for body in lab.bodies)


def test_a_limit_that_is_too_large_is_not_renamed(lab: FaultyEndpoint) -> None:
    text = "max_tokens is too large: 5. This model supports at most 4 completion tokens"
    error = {"message": text, "param": "max_tokens"}
    lab.reply = lambda body, number: web.json_response({"error": error}, status=400)
    with pytest.raises(pex.ProviderError):
        run(experiment({"max_tokens": 5}, 1))
    assert lab.calls == 1


def test_what_the_variants_differ_in_is_never_dropped(lab: FaultyEndpoint) -> None:
    def reply(body: dict[str, Any], number: int) -> Any:
        return openai("temperature") if body.get("temperature") == 0 else None

    lab.reply = reply
    exp = experiment([{"temperature": 0, "seed": 1}, {"temperature": 1, "seed": 1}], 20)
    results = run(exp, max_in_flight=2)
    frame = results.frame.groupby("variant")["error_kind"].apply(list)
    assert not any(isinstance(kind, str) for kind in frame["echo|temperature=1"])
    assert set(frame["echo|temperature=0"]) == {"refused_parameter"}
    errors = results.frame["error"].dropna()
    assert errors.str.contains("the variants of this run differ in it").all()
    assert lab.calls < 20 + 10  # it is not asked twenty times
    assert not any("temperature" not in body for body in lab.bodies)
    # Alone, nothing differs any more.
    alone = run(experiment({"temperature": 0, "seed": 1}, 20))
    assert alone.about["counts"]["answered"] == 20
    # And what was remembered does not make the variants of the next run equal.
    before = lab.calls
    run(exp, max_in_flight=2, journal="fresh")
    assert not any("temperature" not in body for body in lab.bodies[before:])


@pytest.mark.parametrize("name", ["tools", "messages", "tool_choice"])
def test_messages_and_tools_are_never_dropped(lab: FaultyEndpoint, name: str) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    prompt = pex.Prompt("{{ word }}", name="echo", tools=[tool])
    lab.reply = refuses(name)
    with pytest.raises(pex.ProviderError):
        run(experiment({"tool_choice": "auto"}, 1, prompt))
    assert name in lab.bodies[-1]


def test_what_is_asked_for_a_stream_may_be_refused(lab: FaultyEndpoint) -> None:
    lab.reply = refuses("stream_options")
    results = run(experiment({"max_tokens": 3}), stream=True)
    assert results.about["counts"]["answered"] == 6
    assert results.frame["remarks"].iloc[0] == ["parameter_dropped", "dropped:stream_options"]


def takes(level: str) -> Callable[[dict[str, Any], int], Any]:
    """An endpoint that takes a response format of this kind at most."""

    def reply(body: dict[str, Any], number: int) -> Any:
        kind = (body.get("response_format") or {}).get("type")
        if kind == "json_schema" or (kind == "json_object" and level == "text"):
            return openai("response_format")
        text = json.dumps(body["messages"])
        if kind == "json_object" and "JSON" not in text:
            return web.json_response({"error": {"message": "'messages' must contain the word "
                                     "'json'", "param": "messages"}}, status=400)  # fmt: skip
        return completion('{"reason": "so", "verdict": "yes"}' if "polite" in text
                          else '{"n": 1}')  # fmt: skip

    return reply


@pytest.mark.parametrize("level", ["json_object", "text"])
def test_outputs_fall_back_by_name(lab: FaultyEndpoint, level: str) -> None:
    lab.reply = takes(level)
    prompt = pex.Prompt("Count {{ word }}.", name="count", response_schema=SCHEMA)
    scorer = {"kind": "json", "schema": SCHEMA}
    results = run(experiment({"max_tokens": 9}, 6, prompt, scorers=[scorer]))
    assert results.about["counts"]["answered"] == 6
    assert results.frame["score.json"].tolist() == [1.0] * 6
    words = ["parameter_dropped", f"response_format:{level}"]
    assert results.frame["remarks"].tolist() == [words] * 6
    last = lab.bodies[-1]
    assert last.get("response_format") == ({"type": "json_object"} if level != "text" else None)
    assert last["messages"][-1]["content"].startswith("Count word")
    assert json.dumps(SCHEMA, separators=(",", ":")) in last["messages"][0]["content"]
    assert "schema in words" in repr(results)
    before = lab.calls
    run(experiment({"max_tokens": 9}, 7, prompt))
    assert lab.calls == before + 1


@pytest.mark.parametrize("level", ["json_object", "text"])
def test_judges_fall_back_by_name(lab: FaultyEndpoint, level: str) -> None:
    lab.reply = takes(level)
    judge = pex.Judge(pex.Prompt("Is this polite?\n{{ output }}", name="polite"), "lab/m2")
    results = run(experiment({"max_tokens": 9}, 3, scorers=[judge]))
    assert results.frame["score.polite"].tolist() == [1.0] * 3, results.about["judges"]
    what = "text" if level == "text" else "JSON"
    assert f"of 'polite' was requested as {what}" in repr(results)
    assert "schema in words" in repr(results)


def test_variants_that_differ_in_their_schema_alone_are_not_made_equal(
    lab: FaultyEndpoint,
) -> None:
    lab.reply = takes("text")
    plain = pex.Prompt("Count {{ word }}.", name="plain")
    strict = pex.Prompt("Count {{ word }}.", name="strict", response_schema=SCHEMA)
    cases = [{"word": f"word{i}"} for i in range(5)]
    results = run(pex.Experiment("two", pex.grid([plain, strict], "lab/m1"), cases))
    kinds = results.frame.set_index("variant")["error_kind"]
    assert kinds["plain"].isna().all()
    assert set(kinds["strict"]) == {"refused_parameter"}


def test_it_is_said_in_the_comparison_and_in_the_record(lab: FaultyEndpoint) -> None:
    import mlflow

    lab.reply = refuses("seed")
    prompts = [pex.Prompt("{{ word }}", name="a"), pex.Prompt("{{ word }}!", name="b")]
    cases = [{"word": f"word{i}", "expected": f"word{i}"} for i in range(4)]
    exp = pex.Experiment("said", pex.grid(prompts, "lab/m1", {"seed": 1}), cases, ["exact"])
    results = run(exp, record=True)
    comparison = results.compare("a")
    text = "4 of 4 answers of 'b' were requested without 'seed', which the model refuses"
    assert text in comparison.frame["warnings"].iloc[0]
    assert text in repr(comparison)
    assert text.replace("'", "&#39;") in results.page()
    tags = mlflow.MlflowClient(results.about["tracking_uri"]).get_run(results.run_id).data.tags
    assert text in tags["pex.remarks"]
    assert text in tags["mlflow.note.content"]
    loaded = pex.load_run(results.run_id)
    assert text in repr(loaded)
    assert [list(words) for words in loaded.frame["remarks"]] == [
        ["parameter_dropped", "dropped:seed"]
    ] * 8


def rows(project: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        return connection.execute(
            "SELECT model, place, parameter, instead, refused_at FROM refused_parameters"
        ).fetchall()


def test_it_is_remembered_for_seven_days_with_endpoint_and_date(
    lab: FaultyEndpoint, project: Path
) -> None:
    lab.reply = refuses("seed")
    run(experiment({"seed": 1}, 1))
    ((model, place, parameter, instead, at),) = rows(project)
    assert (model, place, parameter, instead) == ("lab/m1", lab.url, "seed", None)
    assert abs(at - time.time()) < 600
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        connection.execute("UPDATE refused_parameters SET refused_at = refused_at - 604801")
    before = lab.calls
    run(experiment({"seed": 1}, 2))
    assert lab.calls == before + 2  # asked again, refused again
    assert abs(rows(project)[0][-1] - time.time()) < 600
    # Another endpoint, or another model, has refused nothing.
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{lab.url.replace("127.0.0.1", "localhost")}"\nfree = true\n'
    )
    before = lab.calls
    run(experiment({"seed": 1}, 3))
    assert lab.calls == before + 2


def test_what_did_not_help_is_not_remembered(lab: FaultyEndpoint, project: Path) -> None:
    """A refusal that names a parameter, and stays without it, is another one."""
    lab.reply = lambda body, number: openai("seed")
    with pytest.raises(pex.ProviderError):
        run(experiment({"seed": 1}, 1))
    assert rows(project) == []


@pytest.mark.parametrize("where", ["prompt", "variant"])
def test_a_parameter_of_null_is_not_sent(lab: FaultyEndpoint, where: str) -> None:
    names = ["temperature", "top_p", "seed", "stop", "logprobs", "reasoning_effort", "tool_choice",
             "response_format", "my_own_switch", "stream_options", "n"]  # fmt: skip
    nulls = dict.fromkeys(names)
    prompt = pex.Prompt("{{ word }}", name="p", params={"temperature": 0.5, "seed": 3})
    if where == "prompt":
        prompt = pex.Prompt("{{ word }}", name="p", params=nulls)
    params = nulls if where == "variant" else {}
    run(experiment(params, 1, prompt))
    assert set(lab.bodies[0]) == {"model", "messages", "max_tokens"}


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b'{"error": {"param": "seed"}}', "seed"),
        (b'{"error": {"param": null, "message": "x"}}', None),
        (b'{"detail": [{"loc": ["body", "response_format", "type"]}]}', "response_format.type"),
        (b'{"detail": "no"}', None),
        (b'{"error": {"details": [{"fieldViolations": [{"field": "seed"}]}]}}', "seed"),
        (b"<html>", None),
        (b"[[[[[[[[[[[[1]]]]]]]]]]]]", None),
        (b'{"param": 7, "loc": {}}', None),
        (b'"seed"', None),
    ],
)
def test_the_name_apart_from_the_words(raw: bytes, name: str | None) -> None:
    assert named_parameter(raw) == name
    assert refusal(400, raw, {}).param == name


@pytest.mark.parametrize(
    ("name", "dropped"),
    [("text.format", "response_format"), ("reasoning.effort", "reasoning_effort")],
)
def test_the_names_of_the_responses_api_are_those_of_the_request(name: str, dropped: str) -> None:
    meant = {"model": "m", "input": "x", "response_format": {"type": "json_object"},
             "reasoning_effort": "low"}  # fmt: skip
    refusals = Refusals()
    error = CallError("refused_parameter", f"Unsupported parameter: '{name}'.", param=name)
    assert refusals.learn(meant, meant, error).again
    assert set(meant) - set(refusals.sent(meant)) == {dropped}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("structured outputs are not supported", "response_format"),
        ("This model does not support log probs", "logprobs"),
        ("The stop parameter is not supported", "stop"),
        ("stop talking to me, it is not supported", None),
    ],
)
def test_what_a_parameter_is_called_in_prose(text: str, name: str | None) -> None:
    form = {"type": "json_object"}
    body = {"model": "m", "messages": [], "response_format": form, "logprobs": True, "stop": ["x"]}
    refusals = Refusals("lab/m", "here")
    refusals.learn(body, body, CallError("refused_parameter", text))
    assert list(refusals.changes) == ([name] if name else [])


def test_remarks_of_a_request_as_meant() -> None:
    meant = {"model": "m", "seed": 1}
    assert remarks(meant, Refusals().sent(meant)) == []


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)
