"""The cap holds and the ledger is true, whatever is sent and whatever is reported."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pex
from pex.core.batch_context import BatchContext
from pex.core.cases import Case
from pex.core.errors import BudgetError
from pex.run import provider_batch
from pex.run.budget import Budget
from pex.run.database import SqliteDatabase
from pex.run.ledger import spending, total
from pex.run.request import body_of, max_tokens
from pex.score.judge.judge import Judge
from tests.helpers.batch_endpoint import BatchEndpoint, answered
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.lab_nights import pexlab
from tests.run.test_usage import USAGES

PRICES = (
    "input_usd_per_million = 1000\noutput_usd_per_million = 1000\n"
    "cached_input_usd_per_million = 100\ncache_write_usd_per_million = 1250\n"
)
PRICE = 0.012
"""USD for one good answer: 10 + 2 tokens at $1,000 a million."""


def priced(project: Path, endpoint: FaultyEndpoint) -> None:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\n'
        f'[prices."lab/m1"]\n{PRICES}[prices."lab/judge"]\n{PRICES}'
    )


@pytest.fixture
def paid(
    project: Path, endpoint: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> FaultyEndpoint:
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.001)
    priced(project, endpoint)
    return endpoint


def experiment(count: int, name: str = "cap", **params: Any) -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"case_id": f"c{i}", "word": f"w{i}"} for i in range(count)]
    return pex.Experiment(name, pex.grid(prompt, "lab/m1", params or {"max_tokens": 20}), cases)


def run(exp: pex.Experiment, **options: Any) -> pex.Results:
    return exp.run(**{"record": False, "show": False, "journal": "off", **options})


def ledger(project: Path) -> list[dict[str, Any]]:
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM ledger ORDER BY at")]


def reports(endpoint: FaultyEndpoint, **usage: Any) -> None:
    endpoint.reply = lambda body, number: {**completion("x"), "usage": usage}


# -- what a call can cost at most

CASE = Case(id="1", inputs={"word": "w"})


@pytest.mark.parametrize(
    ("model", "params", "sent", "longest"),
    [
        ("lab/m1", {}, {"max_tokens": 1024}, 1024),
        ("lab/m1", {"max_tokens": 7}, {"max_tokens": 7}, 7),
        ("lab/m1", {"max_tokens": None}, {"max_tokens": 1024}, 1024),
        ("lab/m1", {"max_completion_tokens": None}, {"max_tokens": 1024}, 1024),
        ("lab/m1", {"max_completion_tokens": 7}, {"max_completion_tokens": 7}, 7),
        ("lab/m1", {"max_completion_tokens": 9000}, {"max_completion_tokens": 9000}, 9000),
        (
            "lab/m1",
            {"max_tokens": 7, "max_completion_tokens": 9000},
            {"max_tokens": 7, "max_completion_tokens": 9000},
            9000,
        ),
        (
            "lab/m1",
            {"max_tokens": None, "max_completion_tokens": 9},
            {"max_completion_tokens": 9},
            9,
        ),
        ("openai/o3", {}, {"max_completion_tokens": 1024}, 1024),
        ("openai/o3", {"max_completion_tokens": 7}, {"max_completion_tokens": 7}, 7),
        ("openai/o3", {"max_tokens": 7}, {"max_completion_tokens": 7}, 7),
        ("openai/o3", {"max_completion_tokens": None}, {"max_completion_tokens": 1024}, 1024),
        (
            "lab/m1",
            {"max_output_tokens": 5000},
            {"max_tokens": 1024, "max_output_tokens": 5000},
            5000,
        ),
        ("lab/m1", {"max_new_tokens": 5}, {"max_tokens": 1024, "max_new_tokens": 5}, 1024),
        (
            "lab/m1",
            {"max_tokens": 7, "extra_body": {"generationConfig": {"maxOutputTokens": 900}}},
            None,
            900,
        ),
        ("lab/m1", {"max_tokens": 7, "best_of": 3}, None, 21),
        ("lab/m1", {"max_tokens": 7, "extra_body": {"n": 3}}, None, 21),
        ("lab/m1", {"max_tokens": 7, "thinking_budget": 100}, None, 107),
        (
            "lab/m1",
            {"max_tokens": 200, "thinking": {"type": "enabled", "budget_tokens": 100}},
            None,
            300,
        ),
        ("lab/m1", {"max_tokens": 7, "reasoning": {"max_tokens": 100}}, None, 100),
        ("lab/m1", {"max_tokens": 7, "prediction": {"content": "x" * 83}}, None, 104),
        ("lab/m1", {"max_tokens": 7, "max_new_tokens": -1, "n_predict": True}, None, 7),
        ("lab/m1", {"max_tokens": 7, "metadata": {"max_tokens": 900, "n": 5}}, None, 7),
        ("lab/m1", {"max_tokens": 7, "logit_bias": {"50256": -100}}, None, 7),
    ],
)
def test_the_longest_answer_is_that_of_whatever_limit_is_sent(
    model: str, params: dict[str, Any], sent: dict[str, int] | None, longest: int
) -> None:
    variant = pex.Variant(pex.Prompt("{{ word }}", name="p"), model, params)
    body = body_of(variant, CASE, 1024)
    assert max_tokens(body) == longest
    if sent is not None:
        assert {key: value for key, value in body.items() if "max" in key} == sent


def test_limits_in_what_is_said_are_no_limits() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"max_tokens": 900}}}
    body = {"messages": [{"role": "user", "content": "n"}], "max_tokens": 7, "tools": [tool]}
    assert max_tokens(body) == 7


@pytest.mark.parametrize(
    "params",
    [{"max_tokens": None}, {"max_completion_tokens": 3000}, {"max_tokens": 2, "best_of": 40}],
    ids=str,
)
def test_a_cap_that_no_call_fits_lets_none_through(
    paid: FaultyEndpoint, params: dict[str, Any]
) -> None:
    results = run(experiment(3, **params), budget_usd=0.15)
    assert results.status == "budget"
    assert paid.calls == 0


# -- what is reported


@pytest.mark.parametrize(
    ("usage", "usd", "remark"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 2}, PRICE, None),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 1},
            },
            0.00505,
            None,
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 2,
                "completion_tokens_details": {"reasoning_tokens": 12},
            },
            0.024,
            None,
        ),
        ({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 24}, 0.024, None),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 4000},
            },
            None,
            "usage_implausible",
        ),
        (
            {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            None,
            "usage_implausible",
        ),
        ({"prompt_tokens": 10, "completion_tokens": 0}, None, "usage_implausible"),
        ({"prompt_tokens": 0, "completion_tokens": 2}, None, "usage_implausible"),
        ({"prompt_tokens": 10.5, "completion_tokens": 2}, None, "usage_missing"),
        ({"prompt_tokens": -5, "completion_tokens": 2}, None, "usage_missing"),
        ({"prompt_tokens": 10**19, "completion_tokens": 2}, None, "usage_missing"),
        ({}, None, "usage_missing"),
        (None, None, "usage_missing"),
    ],
)
def test_the_ledger_has_what_was_reported_or_the_worst_case(
    paid: FaultyEndpoint, project: Path, usage: Any, usd: float | None, remark: str | None
) -> None:
    paid.reply = lambda body, number: {**completion("x"), "usage": usage}
    results = run(experiment(3))
    assert results.about["counts"]["answered"] == 3
    rows = ledger(project)
    assert len(rows) == 3
    for row in rows:
        assert row["remark"] == remark
        if usd is None:
            assert row["usd"] is None
            assert row["at_most_usd"] > 0.1  # some 100 bytes and 20 tokens
        else:
            assert row["usd"] == pytest.approx(usd)
            assert row["at_most_usd"] is None
    spent = sum(row["at_most_usd"] if row["usd"] is None else row["usd"] for row in rows)
    assert results.about["spent_usd"] == pytest.approx(spent)
    items = spending(SqliteDatabase(project / ".pex" / "journal.db"), "model")
    whole = total(items)
    assert whole.usd + whole.unsure_usd == pytest.approx(spent)
    for name in ("cache_write_tokens", "reasoning_tokens"):
        assert getattr(whole, name) == sum(row[name] or 0 for row in rows)


def test_more_cached_tokens_than_tokens_do_not_open_the_cap(
    paid: FaultyEndpoint, project: Path
) -> None:
    reports(
        paid,
        prompt_tokens=10,
        completion_tokens=2,
        prompt_tokens_details={"cached_tokens": 100_000},
    )
    results = run(experiment(300), budget_usd=1.0)
    assert results.status == "budget"
    assert 0 < paid.calls < 10
    assert all(row["at_most_usd"] > 0 for row in ledger(project))


def test_a_report_beyond_the_worst_case_stops_the_run_at_once(
    paid: FaultyEndpoint, project: Path
) -> None:
    """The endpoint does not keep to max_tokens: 5,000 where 20 were allowed."""
    paid.latency_s = 0.05
    good = {"prompt_tokens": 10, "completion_tokens": 2}
    paid.reply = lambda body, number: {
        **completion("x"),
        "usage": {"prompt_tokens": 10, "completion_tokens": 5000} if number == 9 else good,
    }
    exp = experiment(300)
    with pytest.raises(BudgetError, match="the run was stopped") as caught:
        run(exp, budget_usd=6, max_in_flight=4)
    assert caught.value.exit_code == 4
    said = str(caught.value)
    assert "lab/m1" in said
    assert "5,000 completion tokens, $5.01" in said
    (dear,) = [row for row in ledger(project) if row["remark"] is not None]
    assert dear["remark"] == "beyond_worst_case"
    assert dear["usd"] == pytest.approx(5.01)
    assert dear["at_most_usd"] is None
    assert exp.results is not None
    frame = exp.results.frame
    assert exp.results.status == "budget"
    (case_id,) = frame[frame["cost_usd"] > 1]["case_id"]
    assert f"case '{case_id}'" in said
    assert paid.calls <= 9 + 4  # those in flight, and nothing after them
    assert exp.results.about["spent_usd"] == pytest.approx(5.01 + (paid.calls - 1) * PRICE)


def test_what_was_paid_beyond_the_worst_case_counts_when_the_run_goes_on(
    paid: FaultyEndpoint,
) -> None:
    reports(paid, prompt_tokens=10, completion_tokens=5000)
    exp = experiment(30)
    with pytest.raises(BudgetError):
        run(exp, budget_usd=1, max_in_flight=1, journal="reuse")
    assert paid.calls == 1
    results = run(exp, budget_usd=1, journal="reuse")
    assert results.status == "budget"
    assert paid.calls == 1
    assert results.frame["from_journal"].tolist() == [True]


def test_a_free_endpoint_may_report_what_it_likes(lab: FaultyEndpoint) -> None:
    reports(lab, prompt_tokens=10**9, completion_tokens=10**9)
    results = run(experiment(5))
    assert results.about["counts"]["answered"] == 5
    assert results.frame["cost_usd"].eq(0).all()


def test_a_turn_of_a_conversation_beyond_its_worst_case_stops_the_run(
    paid: FaultyEndpoint, project: Path
) -> None:
    paid.reply = lambda body, number: {
        **completion("x"),
        "usage": {"prompt_tokens": 10, "completion_tokens": 2 if number == 1 else 700},
    }
    prompt = pex.Prompt("{{ turns }}", name="talk")
    cases = [{"case_id": f"c{i}", "turns": ["one", f"two {i}", "three"]} for i in range(20)]
    exp = pex.Experiment("talk", pex.grid(prompt, "lab/m1", {"max_tokens": 20}), cases)
    with pytest.raises(BudgetError):
        run(exp, max_in_flight=1, budget_usd=50)
    assert paid.calls == 2


def test_a_judge_beyond_its_worst_case_stops_the_judging(paid: FaultyEndpoint) -> None:
    paid.reply = lambda body, number: (
        {
            **completion('{"reason": "r", "verdict": "yes"}'),
            "usage": {"prompt_tokens": 10, "completion_tokens": 90_000},
        }
        if body["model"] == "judge"
        else None
    )
    prompt = pex.Prompt("{{ word }}", name="echo")
    question = pex.Prompt("Is this polite? {{ output }}", name="polite")
    judge = Judge(question, "lab/judge", params={"max_tokens": 50})
    cases = [{"word": f"w{i}"} for i in range(20)]
    exp = pex.Experiment(
        "judged", pex.grid(prompt, "lab/m1", {"max_tokens": 20}), cases, ["length", judge]
    )
    with pytest.raises(BudgetError, match="lab/judge"):
        run(exp, max_in_flight=2, budget_usd=50)
    assert exp.results is not None
    assert exp.results.status == "budget"
    assert len(exp.results.frame) == 20
    assert paid.calls <= 20 + 2


def test_a_provider_batch_beyond_its_worst_case_is_booked_and_said(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_batch, "FIRST_POLL_S", 0.02)

    def line(item: dict[str, Any], number: int) -> dict[str, Any] | None:
        whole: dict[str, Any] = json.loads(json.dumps(answered(item, number)))
        usage = {1: {"prompt_tokens": 10, "completion_tokens": 5000}, 2: {"prompt_tokens": -1}}
        whole["response"]["body"]["usage"] |= usage.get(number, {})
        return whole

    server = BatchEndpoint()
    server.line = line
    with server.running():
        priced(project, server)
        exp = experiment(6)
        with pytest.raises(BudgetError, match="5,000 completion tokens"):
            run(exp, provider_batch=True, journal="reuse")
        rows = ledger(project)
        assert len(rows) == 6
        assert sorted(row["usd"] for row in rows if row["usd"]) == pytest.approx(
            [PRICE / 2] * 4 + [5.01 / 2]
        )
        (unknown,) = [row for row in rows if row["usd"] is None]
        assert unknown["remark"] == "usage_missing"
        assert unknown["at_most_usd"] > 0
        # Everything that was paid for is kept.
        assert run(exp, provider_batch=True, journal="reuse").about["counts"]["replayed"] == 6


# -- whatever is sent and reported

LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "max_tokens": st.none() | st.integers(1, 60),
        "max_completion_tokens": st.none() | st.integers(1, 60),
        "max_output_tokens": st.integers(1, 60),
        "best_of": st.integers(1, 3),
        "thinking_budget": st.integers(0, 30),
        "extra_body": st.fixed_dictionaries({"max_new_tokens": st.integers(-1, 60)}),
    },
)
NUMBERS = itertools.count()
SMALL = st.builds(
    lambda prompt, completion, details: {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": details,
    },
    st.integers(0, 60),
    st.integers(0, 40),
    st.dictionaries(st.sampled_from(["cached_tokens", "cache_write_tokens"]), st.integers(0, 80)),
)


@pytest.fixture
def highest(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was spent and set aside, each time that a call was let go."""
    seen: list[float] = []
    reserve = Budget.reserve

    def watched(self: Budget, worst_usd: float) -> bool:
        let = reserve(self, worst_usd)
        if let:
            seen.append(self.used_usd)
        return let

    monkeypatch.setattr(Budget, "reserve", watched)
    return seen


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(SMALL | USAGES, min_size=1, max_size=8), LIMITS, st.floats(0.0, 8.0))
def test_whatever_is_sent_and_reported(
    paid: FaultyEndpoint,
    project: Path,
    highest: list[float],
    usages: list[Any],
    params: dict[str, Any],
    cap: float,
) -> None:
    paid.reply = lambda body, number: {
        **completion("x"),
        "usage": usages[number % len(usages)],
    }
    before, calls = len(ledger(project)) if (project / ".pex").exists() else 0, paid.calls
    highest.clear()
    # Of its own name, else it is the same run, and goes on.
    exp = experiment(10, f"cap-{next(NUMBERS)}", **params)
    stopped = False
    try:
        run(exp, budget_usd=cap, max_in_flight=3)
    except BudgetError:
        stopped = True
    assert all(used <= cap + 1e-9 for used in highest)
    rows = ledger(project)[before:]
    assert len(rows) == paid.calls - calls
    booked = 0.0
    for row in rows:
        usd, most = row["usd"], row["at_most_usd"]
        assert (usd is None) != (most is None)
        booked += most if usd is None else usd
        assert (most if usd is None else usd) >= 0
        if usd is None:
            assert row["remark"]
        else:
            cached, written = row["cached_tokens"] or 0, row["cache_write_tokens"] or 0
            fresh = row["prompt_tokens"] - cached - written
            out = row["completion_tokens"]
            assert usd == pytest.approx(fresh / 1e3 + cached / 1e4 + written / 800 + out / 1e3)
    beyond = [row for row in rows if row["remark"] == "beyond_worst_case"]
    assert bool(beyond) == stopped
    assert len(beyond) <= 3
    if not stopped:
        assert booked <= cap + 1e-9
    if exp.results is not None:
        assert exp.results.about["spent_usd"] == pytest.approx(booked, abs=1e-5)


# -- what an earlier version booked


def test_negative_costs_of_an_earlier_version_count_as_nothing(
    paid: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = SqliteDatabase(project / ".pex" / "journal.db")
    database.connect().close()
    with sqlite3.connect(database.path) as connection:
        connection.execute(
            "INSERT INTO runs (id, experiment, digest, scope, batch_id, status, owner, "
            "started_at, seen_at) VALUES ('r', 'e', '', '', 'night', 'finished', 'x 1 1', 0, 0)"
        )
        for number, usd in enumerate((0.5, -22.06, None)):
            connection.execute(
                "INSERT INTO ledger (id, run_id, at, model, variant, usd, at_most_usd) "
                "VALUES (?, 'r', ?, 'lab/m1', 'v', ?, ?)",
                [str(number), time.time(), usd, 0.25 if usd is None else None],
            )
    whole = total(spending(database, "model"))
    assert (whole.usd, whole.unsure_usd, whole.negative) == (0.5, 0.25, 1)
    # They give a batch no more to spend than it has.
    monkeypatch.setenv("PEX_BATCH_ID", "night")
    monkeypatch.setenv("PEX_BATCH_BUDGET_USD", "0.8")
    assert BatchContext.from_environ().budget_usd == 0.8
    results = run(experiment(20), budget_usd=5)
    assert results.status == "budget"
    assert paid.calls == 0


# -- on the command line


def test_the_command_line_says_what_ended_it_and_what_was_paid(
    paid: FaultyEndpoint, project: Path
) -> None:
    details = {"cached_tokens": 4, "cache_write_tokens": 5}
    good = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": details}
    paid.reply = lambda body, number: {
        **completion("x"),
        "usage": {"prompt_tokens": 10, "completion_tokens": 5000} if number == 3 else good,
    }
    (project / "cases.csv").write_text("word\na\nb\nc\nd\ne\n")
    (project / "echo.prompty").write_text("{{ word }}")
    (project / "e.yaml").write_text(
        "name: e\npurpose: To see.\ncases: cases.csv\nprompts: [echo.prompty]\nmodels: [lab/m1]\n"
        "params: [{max_tokens: 20}]\nscorers: [length]\n"
    )
    run_it = ("run", "e.yaml", "--no-record", "--max-in-flight", "1", "--budget", "50")
    done = pexlab(*run_it, folder=project)
    assert done.returncode == 4, done.stderr
    assert "lab/m1, variant 'echo', case '" in done.stderr
    assert "5,000 completion tokens, $5.01, but this call could cost at most $0.1" in done.stderr
    assert "Traceback" not in done.stderr
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        connection.execute("UPDATE ledger SET usd = -1 WHERE rowid = 1")
    spent = pexlab("spend", folder=project)
    head, row, whole = spent.stdout.splitlines()
    assert "written to cache" in head
    assert row.split() == ["e", "3", "30", "8", "10", "5,004", f"{5.01 + 0.00965:.4f}"]
    assert whole.split()[1:] == row.split()[1:]
    assert "1 call cost more than max_tokens allows" in spent.stderr
    assert "1 call cost less than nothing" in spent.stderr
    document = json.loads(pexlab("spend", "--json", folder=project).stdout)
    assert document["total"]["cache_write_tokens"] == 10
    assert document["total"]["beyond"] == document["total"]["negative"] == 1


def test_a_streamed_answer_without_counts_costs_its_worst_case(
    paid: FaultyEndpoint, project: Path
) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        chunk = {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]}
        await response.write(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())
        return response

    paid.reply = lambda body, number: stream
    results = run(experiment(3), stream=True)
    assert results.about["counts"]["answered"] == 3
    assert [row["remark"] for row in ledger(project)] == ["usage_missing"] * 3
    assert all(row["at_most_usd"] > 0.1 for row in ledger(project))
