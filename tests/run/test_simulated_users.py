"""Simulated users: who writes the turns, what is paid, and what is paid again after a kill."""

import importlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest

import pex
from pex.core.remarks import of_run
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.model import share
from tests.helpers.tool_paths import calling, tool

PROMPT = pex.Prompt(
    [
        {"role": "system", "content": "You are an order desk."},
        {"role": "user", "content": "{{ q }}"},
    ],
    name="desk",
)
CASES = [{"case_id": "1", "q": "Where is my order?", "goal": "know where order A1 is"}]
USER = {"model": "lab/m2", "max_turns": 4}


@pytest.fixture
def paid(project: Path, endpoint: FaultyEndpoint) -> FaultyEndpoint:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\n'
        '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
        '[prices."lab/m2"]\ninput_usd_per_million = 100\noutput_usd_per_million = 100\n'
    )
    return endpoint


def turns_of(body: dict[str, Any]) -> int:
    """How many answers of the other side a request has."""
    first = "user" if body["model"] == "m2" else "assistant"
    return sum(message["role"] == first for message in body["messages"])


def talking(*words: str) -> Any:
    """An endpoint whose users write these words; the desk numbers its answers."""

    def reply(body: dict[str, Any], number: int) -> Any:
        if body["model"] == "m1":
            return completion(f"Answer {turns_of(body) + 1}.")
        return completion(words[min(turns_of(body) - 2, len(words) - 1)])  # after its own prompt

    return reply


def talk(user: Any = USER, variants: Any = None, cases: Any = CASES, **more: Any) -> pex.Experiment:
    return pex.Experiment("talk", variants or pex.grid(PROMPT, "lab/m1"), cases, user=user, **more)


def run(exp: pex.Experiment, **options: Any) -> pex.Results:
    return exp.run(**{"record": False, "show": False, **options})


def said(row: Any) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in row["conversation"]]


def test_the_user_writes_the_turns_and_the_variant_is_not_blamed_for_it(
    paid: FaultyEndpoint, project: Path
) -> None:
    paid.reply = talking("It is A1.", "Thank you! STOP")
    results = run(talk(pex.SimulatedUser("lab/m2", params={"seed": 5})))
    row = results.frame.iloc[0]
    assert said(row) == [
        ("assistant", "Answer 1."), ("user", "It is A1."), ("assistant", "Answer 2."),
    ]  # fmt: skip
    assert (row["output"], row["remarks"], paid.calls) == ("Answer 2.", [], 4)
    # The user sees who it is, and the conversation from its own side.
    asked = paid.bodies[1]
    assert (asked["model"], asked["seed"]) == ("m2", 5)
    assert "know where order A1 is" in asked["messages"][0]["content"]
    assert "write only STOP" in asked["messages"][0]["content"]
    assert [(m["role"], m["content"]) for m in asked["messages"][2:]] == [
        ("assistant", "Where is my order?"), ("user", "Answer 1."),
    ]  # fmt: skip
    assert [step.get("user", False) for step in row["steps"]] == [False, True, False, True]
    assert row["steps"][3]["message"] == "Thank you! STOP"
    # Tokens and cost of the row are those of the variant; the run's are both.
    assert (row["prompt_tokens"], row["cost_usd"]) == (20, pytest.approx(0.024))
    user = results.about.user
    assert user is not None
    assert (user.model, user.messages, user.cost_usd) == ("lab/m2", 2, pytest.approx(0.0024))
    assert results.about.spent_usd == pytest.approx(0.0264)
    told = (
        "the simulated user (lab/m2) wrote 2 messages for $0.0024: in no variant's tokens and cost"
    )
    assert told in of_run(results.frame, results.about)[0]
    # A fact about the run; "!" is for what one should look at.
    assert f"\nT{told[1:]}." in repr(results)
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        booked = connection.execute(
            "SELECT model, variant, count(*), sum(usd) FROM ledger GROUP BY 1, 2 ORDER BY 1"
        ).fetchall()
    assert booked == [
        ("lab/m1", "desk", 2, pytest.approx(0.024)),
        ("lab/m2", "simulated user", 2, pytest.approx(0.0024)),
    ]
    again = run(talk(pex.SimulatedUser("lab/m2", params={"seed": 5})))
    assert (paid.calls, again.about.counts.replayed, again.about["user"]["reused"]) == (4, 1, 2)


def test_an_end_that_never_comes_is_cut_and_silence_is_an_end(paid: FaultyEndpoint) -> None:
    paid.reply = talking("And then?")
    exp = talk()
    preview = exp.preview()
    assert (preview.most_calls, preview.calls, preview.max_turns) == (9, 7, 4)
    assert "up to 4 messages of each simulated user" in str(preview)
    assert "What the person wants: know where order A1 is" in str(preview)
    row = run(exp).frame.iloc[0]
    assert (paid.calls, row["remarks"], row["output"]) == (9, ["max_turns"], "Answer 5.")
    paid.reply = talking("  ")
    row = run(talk({"model": "lab/m2", "stop": "DONE"})).frame.iloc[0]
    assert (row["remarks"], said(row)) == (["user_silent"], [("assistant", "Answer 1.")])


def test_variants_with_the_same_conversation_have_the_same_user(paid: FaultyEndpoint) -> None:
    wrote: list[str] = []

    def reply(body: dict[str, Any], number: int) -> Any:
        if body["model"] == "m1":
            return completion(f"Answer {turns_of(body) + 1}.")
        wrote.append(f"Message {len(wrote) + 1}")  # never the same twice
        return completion(wrote[-1])

    paid.reply = reply
    other = PROMPT.changed(
        name="other",
        messages=[{"role": "system", "content": "A desk."}, {"role": "user", "content": "{{ q }}"}],
    )
    user = {"model": "lab/m2", "max_turns": 2}
    exp = talk(user, pex.grid([PROMPT, other], "lab/m1"))
    results = run(exp, repeats=2)
    rows = {(row["variant"], row["repeat"]): said(row) for _, row in results.frame.iterrows()}
    assert rows["desk", 1] == rows["other", 1] != rows["desk", 2] == rows["other", 2]
    # 2 repeats, 2 messages: written once for both variants, and paid once.
    assert len(wrote) == 4
    user_info = results.about.user
    assert user_info is not None
    assert (user_info.messages, user_info.reused) == (8, 4)
    assert user_info.cost_usd == pytest.approx(4 * 0.0012)


def test_a_user_between_tools(paid: FaultyEndpoint) -> None:
    def reply(body: dict[str, Any], number: int) -> Any:
        last = body["messages"][-1]
        if body["model"] == "m2":
            return completion("Look for B2." if "A1" in last["content"] else "STOP")
        if last["role"] == "tool":
            return completion(f"Found: {last['content']}")
        return calling(("lookup", {"order_id": "B2" if "B2" in last["content"] else "A1"}))

    paid.reply = reply
    lookup = tool("lookup", "order_id", order_id="string")
    exp = talk(
        USER,
        pex.grid(PROMPT.changed(tools=[lookup]), "lab/m1"),
        tools={"lookup": {"kind": "made", "reply": "{order_id} is sent"}},
        scorers=[{"name": "path", "kind": "tool_calls"}, "steps"],
        cases=[{**CASES[0], "expected_calls": [{"name": "lookup"}, {"name": "lookup"}]}],
    )
    row = run(exp).frame.iloc[0]
    assert row["output"] == "Found: B2 is sent"
    assert (bool(row["score.path"]), row["score.steps"]) == (True, 4)
    seen = [m["content"] for m in paid.bodies[-1]["messages"][2:]]  # no tools, and no empty texts
    assert seen == [CASES[0]["q"], "Found: A1 is sent", "Look for B2.", "Found: B2 is sent"]
    # Without an implementation the calls of tools end the conversation: they are the answer.
    exp = talk(USER, pex.grid(PROMPT.changed(tools=[lookup], name="bare"), "lab/m1"))
    row = run(exp).frame.iloc[0]
    assert (row["remarks"], len(row["tool_calls"])) == ([], 1)


def test_a_user_that_fails_is_named_and_the_path_up_to_it_is_kept(
    paid: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)
    broken = True

    def reply(body: dict[str, Any], number: int) -> Any:
        if body["model"] == "m2" and broken:
            return completion("x") | {"choices": []}
        return talking("It is A1.", "STOP")(body, number)

    paid.reply = reply
    exp = talk(USER, pex.grid(PROMPT, "lab/m1", {"top_p": [0.1, 0.2]}))  # both wait for one user
    results = run(exp, budget_usd=100)
    assert results.about.counts.errors == 2
    for _, row in results.frame.iterrows():
        assert row["error"].startswith("simulated user: ")
        assert said(row) == [("assistant", "Answer 1.")]
    broken, before = False, paid.calls
    row = run(exp, budget_usd=100).frame.iloc[0]
    assert (row["output"], paid.calls) == ("Answer 2.", before + 2 + 2)  # users once, answers twice


def test_mistakes_are_said_before_any_call(paid: FaultyEndpoint, project: Path) -> None:
    own = pex.Prompt("You are {{ gaol }}.", name="own")
    turns = [{"q": ["a", "b"], "goal": "x"}]
    plain = pex.Prompt("{{ q }}", name="plain")
    for wrong, message in [
        (lambda: talk({"model": "lab/m2", "max_turns": 0}), "max_turns"),
        (lambda: talk({"model": "lab/m2", "stopp": "X"}), "did you mean 'stop'"),
        (lambda: talk(pex.SimulatedUser("lab/m2", prompt=own)), "did you mean 'goal'"),
        (lambda: talk("m2"), "expected provider/model"),
        (lambda: talk({"model": "lab/m2", "opening": "qq"}), "no case has a column 'qq'"),
        (lambda: talk(USER, pex.grid(plain, "lab/m1"), turns), "list of turns"),
        (lambda: talk(USER, cases=[{"q": "x"}]), "needs a column 'goal'"),
        (lambda: run(talk("labb/m2")), "labb"),
        (lambda: run(talk(), provider_batch=True), "simulated user"),
        (lambda: run(talk(cases=[*CASES, {"case_id": "2", "q": "x"}])), "case '2'"),
    ]:
        with pytest.raises(pex.PexError) as caught:
            wrong()
        assert message in str(caught.value)
    assert paid.calls == 0
    with pytest.raises(pex.PexError, match="lab/m3"):
        run(talk("lab/m3"))  # it has no price
    assert paid.calls == 0


def test_saved_and_read_again_it_is_the_same_user(paid: FaultyEndpoint, project: Path) -> None:
    paid.reply = talking("It is A1.", "DONE")
    own = pex.Prompt("Play {{ goal }}; end with {{ stop }}.", name="customer")
    user = pex.SimulatedUser("lab/m2", prompt=own, stop="DONE", max_turns=3, params={"seed": 1})
    exp = talk(user)
    run(exp)
    path = exp.save(project / "experiments" / "talk" / "experiment.yaml")
    assert (path.parent / "users" / "customer.prompty").is_file()
    text = path.read_text()
    assert "prompt: users/customer.prompty" in text
    assert "max_turns: 3" in text
    before = paid.calls
    loaded = pex.Experiment.load(path)
    assert repr(loaded.user) == repr(user)
    assert run(loaded).about.counts.replayed == 1
    assert paid.calls == before
    shorter = pex.Experiment.load(path, user={"model": "lab/m2", "max_turns": 1})
    assert shorter.user is not None
    assert shorter.user.own_prompt is None


KILLED = """
import pex

def go():
    prompt = pex.Prompt("{{ q }}", name="desk")
    cases = [{"case_id": "1", "q": "Where?", "goal": "know it"}]
    user = pex.SimulatedUser("lab/m2", max_turns=3)
    exp = pex.Experiment("talk", pex.grid(prompt, "lab/m1"), cases, user=user)
    return exp.run(record=False, show=False).frame.iloc[0]
"""


def test_killed_in_the_middle_only_the_call_in_flight_is_paid_again(
    paid: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "killed_talk.py").write_text(KILLED)
    here = str(Path(__file__).parents[2])
    started: list[subprocess.Popen[bytes]] = []

    def reply(body: dict[str, Any], number: int) -> Any:
        if number == 4:  # the user's second message is in flight
            os.kill(started[0].pid, signal.SIGKILL)
            return "hang"
        return talking("One.", "Two.", "STOP")(body, number)

    paid.reply = reply
    command = [sys.executable, "-c", "import killed_talk; killed_talk.go()"]
    started.append(
        subprocess.Popen(
            command, cwd=project, env={**os.environ, "PYTHONPATH": f"{project}:{here}"}
        )
    )
    assert started[0].wait(60) == -signal.SIGKILL
    monkeypatch.syspath_prepend(str(project))
    row = importlib.import_module("killed_talk").go()
    assert [text for role, text in said(row) if role == "user"] == ["One.", "Two."]
    assert [step["from_journal"] for step in row["steps"]] == [True] * 3 + [False] * 3
    assert paid.calls == 3 + 1 + 3  # only the request in flight is paid again


def test_how_alike_the_user_was_and_what_failed_becomes_a_case(paid: FaultyEndpoint) -> None:
    def reply(body: dict[str, Any], number: int) -> Any:
        system, turn = body["messages"][0]["content"], turns_of(body)
        if body["model"] == "m1":
            return completion(f"{system} {turn + 1}")
        last = body["messages"][-1]["content"]
        return completion("Where is it then?" if "kind" in last else "This is outrageous!")

    paid.reply = reply
    prompts = [
        pex.Prompt(
            [{"role": "system", "content": name}, {"role": "user", "content": "{{ q }}"}], name=name
        )
        for name in ("kind", "rude")
    ]
    scorer = {"name": "calm", "kind": "regex", "pattern": "kind|rude 1", "turns": "each"}
    exp = talk({"model": "lab/m2", "max_turns": 2}, pex.grid(prompts, "lab/m1"), scorers=[scorer])
    results = run(exp)
    (row,) = results.user_likeness().to_dict("records")
    assert (row["conversations"], row["messages"], row["compared"], row["equal"]) == (1, 2, 2, 0)
    assert row["likeness"] < 0.7
    assert "the simulated user did not write the same to both" in str(
        results.compare(baseline="kind").frame["warnings"].iloc[0]
    )
    assert results.cut_turns("q", score="calm") == [
        {
            "case_id": "1-turn-2",
            "q": ["Where is my order?", "This is outrageous!"],
            "goal": "know where order A1 is",
            "group": "1",
            "tags": [],
        }
    ]
    again = talk(None, pex.grid(prompts, "lab/m1"), results.cut_turns("q", score="calm"))
    assert [len(said(row)) for _, row in run(again).frame.iterrows()] == [3, 3]
    assert len(results.cut_turns("q", turn=1, variant="rude")) == 1
    with pytest.raises(pex.PexError, match="did you mean 'calm'"):
        results.cut_turns("q", score="clam")


@pytest.mark.model
def test_the_built_in_model_talks_to_itself_and_mlflow_has_all_of_it(project: Path) -> None:
    share(project)
    desk = pex.Prompt(
        [{"role": "system", "content": "You sell shoes."}, {"role": "user", "content": "{{ q }}"}],
        name="shop",
        params={"max_tokens": 20, "temperature": 0},
    )
    user = pex.SimulatedUser("local/smollm2", max_turns=2, params={"max_tokens": 20, "seed": 1})
    exp = talk(user, pex.grid(desk, "local/smollm2"), scorers=[{"kind": "length", "max_words": 50}])
    results = exp.run(show=False)
    row = results.frame.iloc[0]
    assert row["error"] is None
    assert [role for role, _ in said(row)][:3] == ["assistant", "user", "assistant"]
    assert results.about.run_id is not None
    read = pex.load_run(results.about.run_id)
    assert read.about.user == results.about.user
    assert said(read.frame.iloc[0]) == said(row)
    client = mlflow.MlflowClient(tracking_uri=results.about.tracking_uri)
    assert client.get_run(results.about.run_id).data.params["user_model"] == "local/smollm2"
    assert results.traces is not None
    assert results.traces.wait(300)
    every = client.search_traces([str(results.about.experiment_id)], order_by=["timestamp_ms ASC"])
    (trace,) = [one for one in every if "mlflow.sourceRun" in one.info.trace_metadata]
    turns = [one for one in every if "mlflow.trace.session" in one.info.trace_metadata]
    answers = [text for role, text in said(row) if role == "assistant"]
    assert [turn.data.spans[0].outputs for turn in turns] == answers
    names = [span.name for span in trace.data.spans]
    assert names[:3] == [row["case_id"], "step 1: smollm2", "simulated user 1"]
    usage = trace.info.token_usage  # of the variant alone
    assert usage is not None
    assert usage["output_tokens"] == row["completion_tokens"]


def test_a_long_conversation_is_kept_once(paid: FaultyEndpoint) -> None:
    """Each request has all that was said before it; none of that is kept."""

    def reply(body: dict[str, Any], number: int) -> Any:
        return completion(f"{number} ".ljust(5000, "x"))

    paid.reply = reply
    user = pex.SimulatedUser("lab/m2", max_turns=30)
    frame = run(talk(user), budget_usd=1e6).frame
    texts = sum(len(m["content"]) for said in frame["conversation"] for m in said)
    assert texts > 30 * 2 * 5000
    found: dict[int, int] = {}
    todo: list[Any] = [frame[name].tolist() for name in frame.columns]
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            found[id(value)] = len(value)
        elif isinstance(value, dict | list):
            todo += value.values() if isinstance(value, dict) else value
    assert sum(found.values()) < 1.1 * texts
