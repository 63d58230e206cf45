"""Everything that a chat call can carry: images, tools, schemas, log-probabilities, turns."""

import base64
import json
import sqlite3
from pathlib import Path
from typing import Any

import orjson
import pytest

import pex
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.odd import deep

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def run(exp: pex.Experiment, **options: Any) -> pex.Results:
    return exp.run(**{"record": False, "show": False, **options})


@pytest.fixture
def paid(project: Path, endpoint: FaultyEndpoint) -> FaultyEndpoint:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\n'
        '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
    )
    return endpoint


def test_images_of_the_cases_are_sent(lab: FaultyEndpoint, project: Path) -> None:
    (project / "data").mkdir()
    (project / "data" / "a.png").write_bytes(PNG)
    (project / "data" / "cases.csv").write_text(
        "case_id,photo,note\n1,a.png,![](secret.png)\n2,https://x.test/b.jpg,plain\n3,,no picture\n"
    )
    prompt = pex.Prompt(
        "What is this?\n{% if photo %}![the photo]({{ photo }}){% endif %}\nNote: {{ note }}",
        name="look",
    )
    lab.reply = lambda body, number: completion("a dot")
    exp = pex.Experiment("look", pex.grid(prompt, "lab/m1"), project / "data" / "cases.csv")
    assert "[image/png, 0 kB]" in str(exp.preview())
    run(exp)
    by_id = sorted((body["messages"][0]["content"] for body in lab.bodies), key=len)
    bare = next(content for content in by_id if len(content) == 1)
    assert "no picture" in bare[0]["text"]
    urls = {content[1]["image_url"]["url"] for content in by_id if len(content) == 3}
    data = "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert urls == {data, "https://x.test/b.jpg"}
    notes = {content[2]["text"] for content in by_id if len(content) == 3}
    assert "Note: ![](secret.png)" in notes  # an image in a value is text
    (project / "data" / "a.png").write_bytes(PNG + b" ")
    assert run(exp).about["counts"]["replayed"] == 2  # another picture is another request


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        ("b.png", r"there is no image .*b\.png \(case '1'\)\n.*did you mean 'a\.png'"),
        ("", r"an image is empty \(case '1'\)"),
        ("text.txt", r"is not an image that models accept"),
        ("folder", r"cannot be read"),
    ],
)
def test_an_image_that_cannot_be_sent(
    lab: FaultyEndpoint, project: Path, photo: str, message: str
) -> None:
    (project / "a.png").write_bytes(PNG)
    (project / "text.txt").write_text("hello")
    (project / "folder").mkdir()
    prompt = pex.Prompt("![]({{ photo }}) What is it?", name="look")
    exp = pex.Experiment(
        "look", pex.grid(prompt, "lab/m1"), [{"case_id": "1", "photo": photo, "x": 1}]
    )
    with pytest.raises(pex.PexError, match=message):
        run(exp)
    assert lab.calls == 0


def test_an_image_costs_no_token_for_each_byte(paid: FaultyEndpoint, project: Path) -> None:
    (project / "big.png").write_bytes(PNG + b"x" * 1_000_000)
    prompt = pex.Prompt("![]({{ photo }}) What is it?", name="look")
    exp = pex.Experiment(
        "look", pex.grid(prompt, "lab/m1", {"max_tokens": 2}), [{"photo": "big.png"}]
    )
    preview = exp.preview()
    assert 1000 <= preview.prompt_tokens < 1100
    results = run(exp, budget_usd=51)  # 50,000 tokens at $1 a thousand are set aside
    assert results.status == "finished"
    assert run(exp, budget_usd=49, journal="fresh").status == "budget"


def test_parts_with_templates(lab: FaultyEndpoint) -> None:
    parts = [
        {"type": "text", "text": "Is this {{ what }}?"},
        {"type": "image_url", "image_url": {"url": "{{ url }}", "detail": "low"}},
    ]
    prompt = pex.Prompt([{"role": "user", "content": parts}], name="parts")
    assert prompt.variables == ("url", "what")
    lab.reply = lambda body, number: completion("yes")
    case = {"what": "a cat", "url": "https://x.test/c.png"}
    run(pex.Experiment("parts", pex.grid(prompt, "lab/m1"), [case]))
    assert lab.bodies[0]["messages"][0]["content"] == [
        {"type": "text", "text": "Is this a cat?"},
        {"type": "image_url", "image_url": {"url": "https://x.test/c.png", "detail": "low"}},
    ]


def test_all_parameters_are_sent_and_make_another_request(lab: FaultyEndpoint) -> None:
    def reply(body: dict, number: int) -> dict:
        whole = completion("x")
        whole["choices"][0]["logprobs"] = {"content": [{"token": "x", "logprob": -0.1}]}
        whole["usage"]["completion_tokens_details"] = {"reasoning_tokens": 1}
        return whole

    lab.reply = reply
    prompt = pex.Prompt("{{ word }}", name="p", tools=[TOOL], response_schema={"type": "object"})
    params = {
        "seed": 7,
        "logprobs": True,
        "top_logprobs": 2,
        "reasoning_effort": "low",
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "max_tokens": 5,
    }
    results = run(pex.Experiment("all", pex.grid(prompt, "lab/m1", params), [{"word": "w"}]))
    body = lab.bodies[0]
    assert {key: body[key] for key in params} == params
    assert body["tools"] == [TOOL]
    assert body["response_format"]["type"] == "json_schema"
    row = results.frame.iloc[0]
    assert row["logprobs"] == [{"token": "x", "logprob": -0.1}]
    assert row["reasoning_tokens"] == 1
    for name, value in (("seed", 8), ("reasoning_effort", "high"), ("logprobs", False)):
        changed = pex.grid(prompt, "lab/m1", {**params, name: value})
        assert run(pex.Experiment("all", changed, [{"word": "w"}])).frame["from_journal"].sum() == 0


def test_parameters_have_the_name_that_the_model_takes(project: Path) -> None:
    from pex.core.cases import Case
    from pex.run.request import body_of

    prompt = pex.Prompt("{{ word }}", name="p", params={"max_tokens": 9})
    case = Case(id="1", inputs={"word": "w"})
    for model, name in (
        ("openai/gpt-4.1-mini", "max_tokens"),
        ("openai/o4-mini", "max_completion_tokens"),
        ("openai/gpt-5-nano", "max_completion_tokens"),
        ("groq/llama-3", "max_tokens"),
    ):
        body = body_of(pex.Variant(prompt, model), case)
        assert (body[name], len([key for key in body if key.startswith("max")])) == (9, 1)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n": 3}, "'n' is not a parameter: for several answers to one case use repeats="),
        ({"stream": True}, r"run\(stream=True\)"),
        ({"model": "x"}, "the model is named as provider/model"),
        ({"max_tokens": 0}, "max_tokens: expected a whole number of at least 1, got 0"),
        ({"max_tokens": "many"}, "max_tokens: expected a whole number"),
        ({"temperature": "hot"}, "temperature: expected a number"),
        ({"tool_choice": "auto"}, "tool_choice without tools"),
        ({"tools": [TOOL], "tool_choice": "atuo"}, "did you mean 'auto'"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "wether"}}},
            "did you mean 'weather'",
        ),
        ({"tools": [{"name": "f"}]}, "tool 1: it has no name"),
        ({"tools": [TOOL, TOOL]}, "two tools are called 'weather'"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": 1}}}]},
            "tool 'f': its parameters are not a JSON Schema: type: 1",
        ),
    ],
)
def test_parameters_that_cannot_be_right(params: dict[str, Any], message: str) -> None:
    prompt = pex.Prompt("{{ word }}", name="p")
    with pytest.raises(pex.PexError, match=message):
        pex.grid(prompt, "lab/m1", params)
    with pytest.raises(pex.PexError, match=message):
        pex.grid(pex.Prompt("{{ word }}", name="p", params=params), "lab/m1")


def chat() -> pex.Experiment:
    prompt = pex.Prompt(
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{{ turns }}"}],
        name="chat",
    )
    cases = [
        {"case_id": "long", "turns": ["one", "two", "three"], "expected": "re: three"},
        {"case_id": "short", "turns": ["one"], "expected": "re: one"},
    ]
    return pex.Experiment("chat", pex.grid(prompt, "lab/m1", {"max_tokens": 2}), cases, ["exact"])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("seed", 10**30, "'seed' cannot be sent as JSON"),
        ("logit_bias", deep(), "'logit_bias' cannot be sent as JSON"),
        ("stop", "\ud800", "parameter 'stop': half a character"),
    ],
)
def test_a_parameter_that_json_has_no_form_for_is_named(
    lab: FaultyEndpoint, name: str, value: Any, said: str
) -> None:
    prompt = pex.Prompt("{{ word }}", name="echo")
    with pytest.raises(pex.PexError, match=said):
        run(pex.Experiment("odd", pex.grid(prompt, "lab/m1", {name: value}), [{"word": "w"}]))
    assert lab.calls == 0


def test_turns_are_answered_one_after_another(paid: FaultyEndpoint, project: Path) -> None:
    paid.reply = lambda body, number: completion(f"re: {body['messages'][-1]['content']}")
    exp = chat()
    preview = exp.preview()
    assert preview.calls == 4
    assert "then, after the answer:\n    two" in str(preview)
    results = run(exp)
    assert paid.calls == 4
    assert [len(body["messages"]) for body in paid.bodies if len(body["messages"]) > 2] == [4, 6]
    frame = results.frame.set_index("case_id")
    assert frame["score.exact"].tolist() == [1, 1]
    long = frame.loc["long"]
    assert long["conversation"] == [
        {"role": "assistant", "content": "re: one"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "re: two"},
        {"role": "user", "content": "three"},
        {"role": "assistant", "content": "re: three"},
    ]
    assert (long["prompt_tokens"], long["completion_tokens"]) == (30, 6)
    assert long["cost_usd"] == pytest.approx(0.036)
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        assert connection.execute("SELECT sum(usd), count(*) FROM ledger").fetchone() == (
            pytest.approx(0.012 * 4),
            4,
        )
        sizes = connection.execute("SELECT prompt_bytes FROM ledger").fetchall()
    sent = [len(orjson.dumps(body["messages"])) for body in paid.bodies]
    assert sorted(size for (size,) in sizes) == sorted(sent)
    again = run(chat())
    assert (paid.calls, again.about["counts"]["replayed"]) == (4, 2)


def test_a_conversation_that_was_cut_off_goes_on(
    paid: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)
    prompt = pex.Prompt("{{ turns }}", name="chat")
    cases = [{"case_id": str(i), "turns": [f"{i} one", f"{i} two", f"{i} three"]} for i in range(5)]
    exp = pex.Experiment("chat", pex.grid(prompt, "lab/m1", {"max_tokens": 2}), cases)
    broken = True

    def reply(body: dict, number: int) -> object:
        last = body["messages"][-1]["content"]
        return "drop" if broken and last == "3 three" else completion(f"re: {last}")

    paid.reply = reply
    results = run(exp)
    assert results.about["counts"]["errors"] == 1
    assert results.frame.set_index("case_id").loc["3", "error_kind"] == "connection"
    broken, before = False, paid.calls
    results = run(exp)
    assert results.about["counts"]["answered"] == 5
    assert paid.calls == before + 1
    row = results.frame.set_index("case_id").loc["3"]
    assert [m["content"] for m in row["conversation"]][-3:] == [
        "re: 3 two",
        "3 three",
        "re: 3 three",
    ]


def test_a_list_of_something_else_is_an_error(lab: FaultyEndpoint) -> None:
    prompt = pex.Prompt("{{ items }}", name="p")
    exp = pex.Experiment("p", pex.grid(prompt, "lab/m1"), [{"items": ["a", 2]}])
    with pytest.raises(pex.PexError, match="tojson"):
        run(exp)
    as_json = pex.Prompt("{{ items | tojson }}", name="p")
    run(pex.Experiment("p", pex.grid(as_json, "lab/m1"), [{"items": ["a", 2]}]))
    assert json.loads(lab.bodies[0]["messages"][0]["content"]) == ["a", 2]


@pytest.mark.model
def test_turns_with_the_built_in_model(project: Path) -> None:
    from pex import local

    prompt = pex.Prompt("{{ turns }}", name="chat")
    turns = ["My name is Ada. Say hello.", "What is my name? Answer with the name only."]
    params = {"temperature": 0, "max_tokens": 24}
    exp = pex.Experiment("chat", pex.grid(prompt, "local/smollm2", params), [{"turns": turns}])
    try:
        row = run(exp, record=True).frame.iloc[0]
        assert len(row["conversation"]) == 3
        alone = pex.Experiment("chat", exp.variants, [{"turns": turns[:1]}])
        first = run(alone).frame.iloc[0]
        assert first["output"] == row["conversation"][0]["content"]
        # The second turn sends the first one and its answer again.
        assert row["prompt_tokens"] > 2 * first["prompt_tokens"] + first["completion_tokens"]
        assert pex.load_run(exp.results.run_id).frame["output"].tolist() == [row["output"]]
    finally:
        local.stop(project / ".pex")
