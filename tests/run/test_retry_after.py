"""What an endpoint asks to wait, in every form, and what is kept of it."""

from __future__ import annotations

import datetime
import email.utils
import math
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

import pex
from pex.core.events import Event, Pace, Retried
from pex.run import retry_after
from pex.run.database import SqliteDatabase
from pex.run.failures import refusal
from pex.run.leases import Leases
from pex.run.limits import Grant, Limiter, Report
from tests.helpers.endpoint import FaultyEndpoint, completion

NOW = 1_800_000_000.0
LATER = datetime.datetime.fromtimestamp(NOW + 7, datetime.UTC)

FORMS = {
    "3": 3.0,
    " 1.5 ": 1.5,
    "0": 0.0,
    "-3": -3.0,
    "20ms": 0.02,
    "1s": 1.0,
    "6m0s": 360.0,
    "2m59.56s": 179.56,
    "1h30m": 5400.0,
    "1d": 86400.0,
    "PT30S": 30.0,
    "PT1H2M3.5S": 3723.5,
    "P1DT1M": 86460.0,
    "P": None,
    "PT": None,
    f"{NOW + 7:.0f}": 7.0,
    f"{(NOW + 7) * 1000:.0f}": 7.0,
    f"{NOW - 7:.0f}": -7.0,
    LATER.isoformat(): 7.0,
    LATER.isoformat().replace("+00:00", "Z"): 7.0,
    LATER.replace(tzinfo=None).isoformat(): 7.0,
    LATER.astimezone(datetime.timezone(datetime.timedelta(hours=2))).isoformat(): 7.0,
    email.utils.format_datetime(LATER, usegmt=True): 7.0,
    email.utils.format_datetime(LATER.replace(tzinfo=None)): 7.0,
    "inf": math.inf,
    "1e999": math.inf,
    "nan": None,
    "soon": None,
    "": None,
    "1.2.3": None,
    "..": None,
    "5 apples": None,
    "99999-99-99": None,
}


@pytest.mark.parametrize("text", FORMS)
def test_each_form_is_read(text: str) -> None:
    expected = FORMS[text]
    found = retry_after.seconds(text, NOW)
    assert found == (None if expected is None else pytest.approx(expected, abs=0.001))


@given(st.text() | st.floats().map(str) | st.integers().map(str))
def test_no_header_asks_for_more_than_a_minute_or_fails(text: str) -> None:
    for name in ("Retry-After", "Retry-After-Ms"):
        wait_s = retry_after.asked_s({name: text})
        assert wait_s is None or 0 <= wait_s <= retry_after.LONGEST_S
        error = refusal(429, b"{}", {name: text})
        assert error.retry_after_s is None or 0 <= error.retry_after_s <= retry_after.LONGEST_S


FAR = ["86400", "1d", "inf", "4102444800", "Fri, 01 Jan 2100 00:00:00 GMT"]


@pytest.mark.parametrize("asked", [*FAR, "nan", "-5", "1.2.3", "2100-01-01T00:00:00Z"])
@pytest.mark.parametrize("what", ["requests", "tokens"])
def test_headers_of_an_answer_hold_nothing_up_for_long(what: str, asked: str) -> None:
    limiter = Limiter(8)
    limiter.begin(100.0)
    limiter.ended()
    headers = {f"x-ratelimit-remaining-{what}": "0", f"x-ratelimit-reset-{what}": asked}
    limiter.succeeded(100.0, 0.0, headers)
    assert 100.0 <= limiter.paused_until <= 160.0
    assert limiter.may_begin(160.0)


@pytest.mark.parametrize("asked_s", [86400.0, math.inf, 1.8e9])
def test_after_the_longest_wait_one_call_asks_again(asked_s: float) -> None:
    limiter = Limiter(8)
    for _ in range(2):  # refused twice: the second wait is as long as the first
        limiter.begin(100.0)
        limiter.ended()
        limiter.refused(100.0, asked_s)
    assert not limiter.may_begin(159.9)
    assert limiter.may_begin(160.0)
    limiter.begin(160.0)
    assert not limiter.may_begin(160.5)  # one only, until it is known how it goes
    assert limiter.look_again_s(160.5) is None
    limiter.ended()
    limiter.succeeded(161.0, 0.0, {})
    limiter.report(161.0, 8)
    limiter.take(Grant(share=8), 161.0)
    limiter.begin(161.0)
    assert limiter.may_begin(161.1)


def test_a_header_that_was_wrong_is_not_believed_again() -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1d"}
    limiter = Limiter(8)
    for at in (100.0, 160.0, 161.0):
        limiter.begin(at)
        limiter.ended()
        limiter.succeeded(at, 0.0, headers)
    assert limiter.may_begin(161.0)


def test_a_process_that_is_told_to_wait_by_another_asks_again_alone() -> None:
    limiter = Limiter(8)
    limiter.take(Grant(share=8, paused_s=60.0), 100.0)
    assert limiter.may_begin(160.0)
    limiter.begin(160.0)
    assert not limiter.may_begin(161.0)


def row(database: SqliteDatabase, **values: Any) -> None:
    """Write an endpoint's row as an earlier version may have left it."""
    Leases(database, "old").renew("lab", 8, Report(), 8, 0)
    with sqlite3.connect(database.path) as connection:
        for name, value in values.items():
            connection.execute(f"UPDATE endpoints SET {name} = ?", [value])
        connection.execute("DELETE FROM leases")


@pytest.mark.parametrize("ahead_s", [86400.0, 57 * 365 * 86400.0, math.inf, -1.0])
@pytest.mark.parametrize("age_s", [0.0, 30.0, 3600.0])
def test_a_pause_that_an_earlier_version_stored_is_cut(
    tmp_path: Path, ahead_s: float, age_s: float
) -> None:
    database = SqliteDatabase(tmp_path / "journal.db")
    now = time.time()
    row(database, at=now - age_s, paused_until=now + ahead_s)
    grant = Leases(database, "new").renew("lab", 8, Report(), 8, 0)
    assert grant.paused_s <= max(0.0, 60.0 - age_s) + 0.01
    with sqlite3.connect(database.path) as connection:
        ((until,),) = connection.execute("SELECT paused_until FROM endpoints")
    assert until <= time.time() + 60


def test_a_pause_is_not_stored_for_longer_than_a_minute(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "journal.db")
    for asked_s in (86400.0, math.inf):
        grant = Leases(database, "one").renew("lab", 8, Report(paused_s=asked_s), 8, 0)
        assert grant.paused_s <= 60.0


def test_a_clock_that_was_put_back_holds_nothing_up(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "journal.db")
    tomorrow = time.time() + 86400
    row(database, at=tomorrow, paused_until=tomorrow + 30, requests=0.5)
    with sqlite3.connect(database.path) as connection:
        connection.execute("INSERT INTO leases VALUES ('lab', 'dead', 8, 8, 8, ?)", [tomorrow + 3])
    rates = (600.0, None)
    asks = Report(requests=5.0)
    grant = Leases(database, "new").renew("lab", 8, asks, 8, 0, rates)
    assert grant.paused_s <= 60.0
    assert grant.share == 8
    deadline = time.monotonic() + 30
    while grant.requests < 1 and time.monotonic() < deadline:
        time.sleep(0.05)
        grant = Leases(database, "new").renew("lab", 8, asks, 8, 0, rates)
    assert grant.requests >= 1


def experiment(count: int) -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"word": f"w{i}"} for i in range(count)]
    return pex.Experiment("waits", pex.grid(prompt, "lab/m1"), cases)


@pytest.mark.parametrize("asked", FAR)
def test_a_run_goes_on_after_the_longest_wait(
    lab: FaultyEndpoint, project: Path, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_after, "LONGEST_S", 0.6)
    lab.reply = lambda body, number: (
        web.Response(status=429, headers={"Retry-After": asked}) if number <= 6 else None
    )
    events: list[Event] = []
    execution = experiment(12).start(record=False, journal="off")
    execution.listen(events.append)
    assert execution.wait().about["counts"]["answered"] == 12
    assert all(event.wait_s < 1 for event in events if isinstance(event, Retried))
    assert all(math.isfinite(event.waits_until) for event in events if isinstance(event, Pace))
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        ((until,),) = connection.execute("SELECT paused_until FROM endpoints")
    assert until < time.time() + 1
    # The next run is not held up, and does not fail.
    assert experiment(3).run(record=False, show=False).about["counts"]["answered"] == 3


def test_a_run_after_one_of_an_earlier_version_that_was_told_to_wait_a_day(
    lab: FaultyEndpoint, project: Path
) -> None:
    row(SqliteDatabase(project / ".pex" / "journal.db"), at=time.time() - 300,
        paused_until=time.time() + 86400)  # fmt: skip
    execution = experiment(3).start(record=False)
    execution.wait()
    assert execution.results is not None
    assert execution.results.about["elapsed_s"] < retry_after.LONGEST_S


def test_an_endpoint_that_keeps_asking_for_a_day_is_given_up(
    lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_after, "LONGEST_S", 0.05)
    monkeypatch.setattr("pex.run.retry.MAX_REFUSALS", 3)
    lab.reply = lambda body, number: web.Response(status=429, headers={"Retry-After": "86400"})
    results = experiment(500).run(record=False, show=False)
    assert results.about["counts"]["errors"] == 500
    assert set(results.frame["error_kind"]) == {"rate_limit"}
    assert lab.calls < 100
    assert results.frame["error"].str.startswith("not run").sum() > 400


def test_an_epoch_that_is_near_is_waited_for(lab: FaultyEndpoint) -> None:
    times: list[float] = []

    def reply(body: dict[str, Any], number: int) -> Any:
        times.append(time.time())
        headers = {
            "x-ratelimit-remaining-requests": "0" if number == 1 else "9",
            "x-ratelimit-reset-requests": f"{(times[0] + 1.2) * 1000:.0f}",
        }
        return web.json_response(completion("x"), headers=headers)

    lab.reply = reply
    experiment(3).run(record=False, show=False, max_in_flight=1)
    assert times[1] - times[0] >= 1.15
