"""Alarms between looks: they stay, are notified once, and end when somebody accepts."""

import http.server
import json
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from pex.core.errors import PexError
from pex.library.moves import Move
from pex.monitoring.baseline import FILE, accept, find_baseline
from pex.monitoring.look import alarms_junit, look, notify_alarms, summary
from pex.monitoring.traces import Traces
from tests.helpers.watched_days import day, made_traces, monitor

DROP = {"metric": "polite", "drop": 0.05}


def until(traces: Traces, number: float) -> Traces:
    frame = traces.frame
    return Traces(frame[frame["started_at"].lt(day(number))], traces.feedback)


def move(number: float, to: int) -> Move:
    return Move(
        prompt="reviews", alias="champion", before=to - 1 or None, to=to, by="ada", at=day(number)
    )


def test_an_alarm_stays_until_it_is_accepted(tmp_path: Path) -> None:
    spec = monitor(DROP, baseline="pinned", baseline_days=7)
    with pytest.raises(PexError, match="needs a reason"):
        accept(spec, tmp_path, " ", day(14))
    state = tmp_path / ".pex"
    traces = made_traces(1, 44, fault_at=20, fault={"rate": 0.8})
    before = look(spec, tmp_path, state, until(traces, 14), day(14))
    assert (before.exit_code, before.states[0].status) == (3, "cannot tell")
    assert "pexlab monitor --accept" in before.states[0].reason
    path = accept(spec, tmp_path, "all is well", day(14), who="ada")
    assert json.loads(path.read_text())["support"]["why"] == "all is well"
    quiet = look(spec, tmp_path, state, until(traces, 19), day(19))
    assert quiet.exit_code == 0
    alarm = look(spec, tmp_path, state, until(traces, 23), day(23))
    assert alarm.exit_code == 1
    # The traces are gone from the store: what was found is not forgotten.
    later = look(spec, tmp_path, state, until(traces, 19), day(23.5))
    assert later.alarms[0].since == alarm.alarms[0].since == day(20).date()
    assert later.alarms[0].seen_at == day(23)
    accept(spec, tmp_path, "the new tone is wanted", day(30), first=day(20), who="bob")
    after = look(spec, tmp_path, state, until(traces, 44), day(44))
    assert (after.exit_code, after.alarms) == (0, [])
    assert "bob: the new tone is wanted" in str(after.baseline)


def test_each_alarm_is_notified_once_and_again_only_if_nothing_went_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    spec = monitor(DROP, {"metric": "error_share", "above": 0.03},
                   notify=[{"webhook_env": "HOOK"}])  # fmt: skip
    fault = {"rate": 0.8, "version": 4}
    traces = made_traces(2, 24, fault_at=20, fault=fault)
    said: list[str] = []
    found = look(spec, tmp_path, tmp_path / ".pex", traces, day(24))
    monkeypatch.setenv("HOOK", "http://127.0.0.1:9/services/secret-path")
    notify_alarms(spec, found, "<p>page</p>", said.append)
    assert "could not be sent" in said[0]
    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{server.server_address[1]}/services/x")
    for _ in range(2):
        found = look(spec, tmp_path, tmp_path / ".pex", traces, day(24))
        notify_alarms(spec, found, "<p>page</p>", said.append)
    server.shutdown()
    server.server_close()
    assert len(seen) == 1
    first, second, *_ = seen[0]["text"].splitlines()
    assert first == "support: 1 of 2 rules with an alarm"
    assert second.startswith("New: polite 89.7 %")
    assert "near in time: reviews/4" in second
    assert "New:" not in summary(found)


def test_junit_has_a_case_for_each_rule(tmp_path: Path) -> None:
    spec = monitor(DROP, {"metric": "error_share", "above": 0.03}, {"drift": "tag.\x00x"})
    traces = made_traces(2, 24, fault_at=20, fault={"rate": 0.8})
    found = look(spec, tmp_path, tmp_path / ".pex", traces, day(24))
    (suite,) = Xml.fromstring(alarms_junit(found))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    assert suite[0].find("failure").get("message").startswith("polite 89.7 %")


def test_the_baseline_is_the_last_complete_period_of_the_alias(tmp_path: Path) -> None:
    spec = monitor(DROP, baseline="champion", baseline_days=10)
    moves = [move(0, 1), move(20, 2), move(40, 3)]
    assert "ends on" in find_baseline(spec, tmp_path, moves[:1], day(9)).problem
    assert find_baseline(spec, tmp_path, moves[:2], day(29)).first == day(0)
    second = find_baseline(spec, tmp_path, moves, day(45))
    assert (second.first, second.end) == (day(20), day(30))
    # A period ends when the next release comes.
    short = find_baseline(spec, tmp_path, [move(0, 1), move(4, 2)], day(12))
    assert (short.first, short.end) == (day(0), day(4))
    # Alarms that are open keep the baseline that they were found with.
    assert find_baseline(spec, tmp_path, moves, day(60), keep=second) == second
    accept(spec, tmp_path, "as wanted", day(61), who="ada")
    assert find_baseline(spec, tmp_path, moves, day(62), keep=second).end == day(61)
    with pytest.raises(PexError, match="alias 'champoin'") as caught:
        find_baseline(monitor(DROP, baseline="champoin"), tmp_path, moves, day(50))
    assert "did you mean 'champion'?" in str(caught.value)
    (tmp_path / FILE).write_text("{")
    with pytest.raises(PexError, match="not a file of accepted baselines"):
        find_baseline(spec, tmp_path, moves, day(50))


def test_a_damaged_memory_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".pex" / "monitor" / "support.alarms.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"alarms": 3}')
    with pytest.raises(PexError, match=r"support\.alarms\.json"):
        look(monitor(DROP), tmp_path, tmp_path / ".pex", made_traces(1, 15), day(15))
