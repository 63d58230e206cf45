"""What an endpoint allows is found out and kept, by one process and by several together."""

import asyncio
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import pex
from pex.core.events import Event, Pace
from pex.run.database import SqliteDatabase
from pex.run.leases import Leases
from pex.run.limits import Limiter, Report
from tests.helpers.endpoint import FaultyEndpoint, completion

SCRIPT = textwrap.dedent(
    """
    import sys, pex
    prompt = pex.Prompt(sys.argv[2] + "{{ word }}", name="echo")
    cases = [{"word": f"w{i}"} for i in range(int(sys.argv[1]))]
    params = {"max_tokens": 2}
    exp = pex.Experiment("e" + sys.argv[2], pex.grid(prompt, "lab/m1", params), cases)
    results = exp.run(record=False, show=False)
    counts = results.about["counts"]
    print(counts["answered"], counts["errors"], results.status)
    """
)


class Narrow:
    """Serves `slots` calls at once and refuses the rest."""

    def __init__(self, endpoint: FaultyEndpoint, slots: int, latency_s: float) -> None:
        self.slots, self.latency_s = slots, latency_s
        self.now = self.refused = self.served = 0
        self.changes: list[tuple[float, int]] = []
        endpoint.reply = lambda body, number: self.handle

    async def handle(self, request: web.Request) -> web.Response:
        if self.now >= self.slots:
            self.refused += 1
            return web.json_response({"error": "too many"}, status=429)
        self._change(1)
        try:
            await asyncio.sleep(self.latency_s)
        finally:
            self._change(-1)
        self.served += 1
        return web.json_response(completion("x"))

    def _change(self, by: int) -> None:
        self.now += by
        self.changes.append((time.monotonic(), self.now))

    def in_use(self, begin: float, end: float) -> float:
        """How many calls were being served on average, over a part of the time (0 to 1)."""
        first, last = self.changes[0][0], self.changes[-1][0]
        since, until = (first + share * (last - first) for share in (begin, end))
        spans = zip(self.changes, self.changes[1:], strict=False)
        inside = [(min(b, until) - max(a, since), now) for (a, now), (b, _) in spans]
        return sum(s * now for s, now in inside if s > 0) / (until - since)


def start(project: Path, processes: int, calls: int, **env: str) -> list[list[str]]:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(calls // processes), f"p{number}"],
            cwd=project,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    return [worker.communicate(timeout=300)[0].split() for worker in workers]


@pytest.mark.soak
@pytest.mark.parametrize("processes", [1, 4])
def test_it_settles_at_what_is_served(lab: FaultyEndpoint, project: Path, processes: int) -> None:
    with (project / "pex.toml").open("a") as file:
        file.write("max_in_flight = 64\n")
    narrow = Narrow(lab, 20, 0.2)
    outs = start(project, processes, 1200)
    assert outs == [[str(1200 // processes), "0", "finished"]] * processes
    share = narrow.refused / lab.calls
    print(f"{processes} processes: {share:.1%} refused, {narrow.in_use(0.2, 0.8):.1f} of 20 in use")
    assert share < 0.15  # 64 at once without a limiter would be refused two times in three
    assert 10 <= narrow.in_use(0.2, 0.8) <= 20  # 19 where nothing else runs


@pytest.mark.soak
def test_it_finds_more_room_when_there_is_more(lab: FaultyEndpoint) -> None:
    narrow = Narrow(lab, 4, 0.02)
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"word": f"w{i}"} for i in range(2500)]
    exp = pex.Experiment("room", pex.grid(prompt, "lab/m1"), cases)
    execution = exp.start(record=False, max_in_flight=32)
    while execution.progress.answered < 200:
        time.sleep(0.01)
    narrow.slots = 30
    execution.wait()
    assert max(now for _, now in narrow.changes[-400:]) >= 15


def test_an_overloaded_server_is_spared(lab: FaultyEndpoint, monkeypatch: Any) -> None:

    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.02)
    lab.latency_s = 0.05
    # For many ticks of the lease: what is allowed is told with each.
    busy = range(40, 300, 20)
    lab.reply = lambda body, number: web.Response(status=529) if number in busy else None
    prompt = pex.Prompt("{{ word }}", name="echo")
    exp = pex.Experiment(
        "spared", pex.grid(prompt, "lab/m1"), [{"word": f"w{i}"} for i in range(300)]
    )
    execution = exp.start(record=False, max_in_flight=32)
    told: list[Event] = []
    execution.listen(told.append)
    assert execution.wait().about["counts"]["answered"] == 300
    lowered = [event for event in told if isinstance(event, Pace) and event.why == "server"]
    assert lowered
    assert all(pace.allowed < pace.most == 32 for pace in lowered)


def test_a_rate_per_minute_is_kept_by_all_processes(lab: FaultyEndpoint, project: Path) -> None:
    with (project / "pex.toml").open("a") as file:
        file.write("requests_per_minute = 1200\n")  # 20 a second
    times: list[float] = []
    lock = threading.Lock()

    def reply(body: dict, number: int) -> None:
        with lock:
            times.append(time.monotonic())

    lab.reply = reply
    outs = start(project, 2, 120)
    assert [out[0] for out in outs] == ["60", "60"]
    assert times[-1] - times[0] >= (120 - 20 - 1) / 20 * 0.95
    for begin in times:  # no second has more than a full bucket and a second's refill
        assert sum(begin <= t < begin + 1 for t in times) <= 42


def test_tokens_per_minute_are_kept(lab: FaultyEndpoint, project: Path) -> None:
    with (project / "pex.toml").open("a") as file:
        file.write("tokens_per_minute = 7200\n")  # 120 a second, ten answers of 12 tokens
    prompt = pex.Prompt("{{ word }}", name="echo")
    exp = pex.Experiment(
        "tokens", pex.grid(prompt, "lab/m1"), [{"word": f"w{i}"} for i in range(40)]
    )
    begun = time.monotonic()
    assert exp.run(record=False, show=False).about["counts"]["answered"] == 40
    assert time.monotonic() - begun > 1.5


def test_a_used_up_minute_is_waited_for(lab: FaultyEndpoint) -> None:
    times: list[float] = []

    def reply(body: dict, number: int) -> web.Response:
        times.append(time.monotonic())
        left = "0" if number == 5 else "9"
        headers = {"x-ratelimit-remaining-requests": left, "x-ratelimit-reset-requests": "700ms"}
        return web.json_response(completion("x"), headers=headers)

    lab.reply = reply
    prompt = pex.Prompt("{{ word }}", name="echo")
    exp = pex.Experiment(
        "minute", pex.grid(prompt, "lab/m1"), [{"word": f"w{i}"} for i in range(10)]
    )
    exp.run(record=False, show=False, max_in_flight=1)
    assert times[5] - times[4] >= 0.65
    assert times[9] - times[5] < 0.5


def test_four_processes_spend_one_cap(
    project: Path, endpoint: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\n'
        '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
    )
    endpoint.latency_s = 0.02
    monkeypatch.setenv("PEX_BATCH_ID", "night")
    monkeypatch.setenv("PEX_BATCH_BUDGET_USD", "1.5")
    outs = start(project, 4, 800)
    spent = endpoint.calls * 0.012
    assert spent <= 1.5
    assert spent >= 1.2  # a call's worst case is $0.08
    assert "budget" in {out[2] for out in outs}
    assert sum(int(out[0]) for out in outs) == endpoint.calls


def test_a_streamed_run_ends_at_the_budget_of_its_batch(
    project: Path, endpoint: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\n'
        '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
    )
    monkeypatch.setenv("PEX_BATCH_ID", "night")
    # Enough for one call as it would go out alone, but not with what asks for a stream.
    monkeypatch.setenv("PEX_BATCH_BUDGET_USD", "0.1")
    prompt = pex.Prompt("{{ word }}", name="echo")
    exp = pex.Experiment("s", pex.grid(prompt, "lab/m1", {"max_tokens": 2}), [{"word": "w"}])
    execution = exp.start(record=False, stream=True)
    deadline = time.monotonic() + 300
    while not execution.done and time.monotonic() < deadline:
        time.sleep(0.05)
    execution.cancel()
    assert execution.wait().status == "budget"


def test_a_lease_of_a_dead_process_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pex.run.leases.EXPIRES_S", 0.2)
    database = SqliteDatabase(tmp_path / "journal.db")
    first, second = Leases(database, "a"), Leases(database, "b")
    assert first.renew("lab", 10, Report(), 10, 0).share == 10
    assert second.renew("lab", 10, Report(), 10, 0).share == 1
    assert first.renew("lab", 10, Report(), 10, 10).share == 5
    assert second.renew("lab", 10, Report(), 10, 0).share == 1
    assert first.renew("lab", 10, Report(), 10, 5).share == 5
    assert second.renew("lab", 10, Report(), 10, 0).share == 5
    time.sleep(0.25)
    assert second.renew("lab", 10, Report(), 10, 0).share == 10
    second.release()
    assert first.renew("lab", 10, Report(), 10, 0).share == 10


def test_a_refusal_while_nothing_is_served_waits() -> None:
    limiter = Limiter(8)
    limiter.begin(0.0)
    limiter.ended()
    limiter.refused(1.0, None)
    limiter.begin(1.0)
    limiter.ended()
    limiter.refused(1.0, 2.0)
    assert not limiter.may_begin(2.9)
    assert limiter.look_again_s(2.0) == pytest.approx(1.0)
    assert limiter.may_begin(3.1)
