"""Nights as cron runs them: the printed line, a bare environment, and the page in a browser."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from xml.etree import ElementTree as Xml

import psutil
import pytest

from pex.batch.schedule.nightly import log_of
from tests.helpers import ROOT, browser
from tests.helpers.command import pexlab_process as pexlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.lab_nights import UNHAPPY, Model, lay_out
from tests.helpers.notebooks import notebook

pytestmark = pytest.mark.night

EVERY_MINUTE = "* * * * *"
MINUTE = datetime.timedelta(minutes=1)
HALF_A_DAY = datetime.timedelta(hours=12)


class Hook(ThreadingHTTPServer):
    """Takes the notices that a night sends, as a chat would."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        hook = self

        class Take(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.notices.append(json.loads(body)["text"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Take)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


class Cron:
    """Runs the command of a crontab's line as cron does: by a shell that knows next to nothing."""

    def __init__(self, plan: Path, times: str) -> None:
        done = pexlab(
            "schedule", str(plan), "--cron", times, "--to", "crontab", "--timezone", "UTC",
            folder=plan.parent, PYTHONPATH=str(ROOT), TZ="UTC",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        begin, line, end = done.stdout.strip().splitlines()
        assert (begin[0], end[0]) == ("#", "#")
        fields, self.command = line[: len(times)], line[len(times) + 1 :]
        assert fields == times
        # Nights of every minute, of the last ones in place of the next: nobody waits for a clock.
        self._due = datetime.datetime.now(datetime.UTC) - 10 * MINUTE
        self.plan = plan
        self.outputs = plan.parent / "outputs" / "nightly"

    def start(self) -> subprocess.Popen[str]:
        # To cron a bare % is a line break; \% is a percent sign.
        command = self.command.replace("\\%", "%")
        command = command.replace(f"'{EVERY_MINUTE}'", f"'{self._due.minute} * * * *'")
        home = Path.home()
        bare = [f"HOME={home}", "SHELL=/bin/sh", "PATH=/usr/bin:/bin", "LOGNAME=nobody"]
        return subprocess.Popen(
            ["env", "-i", *bare, "/bin/sh", "-c", command],
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def night(self) -> tuple[int, str, Path]:
        """One night: its exit code, what cron would mail, its folder."""
        before = self.nights()
        self.next()
        with self.start() as process:
            said, mailed = process.communicate(timeout=300)
        assert said == ""
        assert "Traceback" not in mailed
        (new,) = self.nights() - before
        return process.returncode, mailed, self.outputs / new

    def next(self) -> None:
        """The night of the minute after is due, and of no later one."""
        self._due += MINUTE

    def nights(self) -> set[str]:
        if not self.outputs.is_dir():
            return set()
        return {item.name for item in self.outputs.iterdir()}

    @property
    def log(self) -> str:
        return log_of(self.plan).read_text()


class Reader:
    """Opens the page of a night as a person does, and reads what can be seen."""

    def __init__(self, page: browser.Page) -> None:
        self.page = page

    def text(self, night: Path) -> str:
        self.page.goto((night / "night.html").as_uri())
        return self.page.inner_text("body")

    def sides(self) -> dict[str, tuple[str, str]]:
        """The cases that got worse, with the answers before and now."""
        found = {}
        for row in self.page.locator("table.pex-sides").first.locator("tbody tr").all():
            case, before, now = (cell.inner_text().split() for cell in row.locator("td").all())
            found[case[0]] = (before[0], now[0])
        return found


def nights_ago(folder: Path, days: int) -> None:
    """A night is as old as if so many days had gone by since."""
    path = folder / "batch.json"
    entry = json.loads(path.read_text())
    began = datetime.datetime.fromisoformat(entry["started_at"]) - datetime.timedelta(days=days)
    path.write_text(json.dumps({**entry, "started_at": began.isoformat()}))


def failures(file: Path) -> dict[str, str]:
    found = Xml.parse(file).getroot().iter("testcase")
    return {
        case.attrib["name"]: case.find("failure").attrib["message"]  # type: ignore[union-attr]
        for case in found
        if case.find("failure") is not None
    }


@pytest.mark.browser
def test_nights_of_cron_name_a_changed_prompt_a_changed_model_and_a_night_that_did_not_run(
    project: Path, lab: FaultyEndpoint, hook: Hook
) -> None:
    model = Model(lab)
    plan = lay_out(project)
    plan.write_text(plan.read_text() + "notify: [{webhook_env: LAB_HOOK}]\n")
    keys = project / ".pex" / "schedule.env"
    keys.parent.mkdir(exist_ok=True)
    keys.write_text(f"LAB_HOOK={hook.url}\n")
    keys.chmod(0o600)
    cron = Cron(plan, EVERY_MINUTE)
    short = plan.parent / "prompts" / "short.prompty"
    as_it_was = short.read_text()

    with browser.page() as page:
        reader = Reader(page)

        code, mailed, first = cron.night()
        assert (code, mailed) == (0, "")
        assert "Nothing can be judged yet: no baseline has been accepted." in reader.text(first)
        assert failures(first / "night.xml") == {}
        done = pexlab("batch", "accept", first.name, "--why", "all right", folder=plan.parent)
        assert done.returncode == 0, done.stderr

        # Somebody mends the prompt, for the worse.
        short.write_text("Is this positive or negative? Answer briefly. {{ word }}")
        code, mailed, second = cron.night()
        blamed = re.compile(
            "Something got worse: 'short'.* in words. Only the prompt changed, so that is the "
            "likely cause."
        )
        assert code == 1
        assert blamed.search(mailed)
        text = reader.text(second)
        assert blamed.search(text)
        assert f"The baseline is the run of {first.name}, accepted by" in text
        assert "The prompt 'short' was changed." in text
        assert page.locator("ins", has_text="Answer briefly.").count() == 1
        assert "10 cases are worse than the baseline, all of them new since last night." in text
        assert reader.sides() == dict.fromkeys(UNHAPPY, ("negative", "positive"))
        assert [*failures(second / "night.xml")] == ["short on label"]
        assert blamed.search(hook.notices[-1])
        assert "The prompt 'short' was changed." in hook.notices[-1]

        # The prompt is as it was, and the provider has put another model behind the name.
        short.write_text(as_it_was)
        model.name, model.polite, model.wrong = "m1-2026-03", "Hi!", set(UNHAPPY[:8])
        code, mailed, third = cron.night()
        blamed = "Only the model changed, so that is the likely cause."
        assert code == 1
        assert blamed in mailed
        text = reader.text(third)
        assert blamed in text
        assert "Only the prompt" not in text
        assert "lab/m1: answered by m1-2026-03, before by m1-2026-01." in text
        assert "3 of 3 identical canary questions" in text
        assert "8 cases are worse than the baseline" in text
        assert len(failures(third / "night.xml")) == 2
        assert blamed in hook.notices[-1]

        # The machine is off for a night: nobody runs anything, and the monitor says so.
        for days, night in zip((4, 3, 2), (first, second, third), strict=True):
            nights_ago(night, days)
        done = pexlab("batch", "--check-last", "26h", str(plan), folder=project)
        assert done.returncode == 1
        assert f'last run: "{third.name}", started 48 hours ago' in done.stdout

        # The next night is started twice at once.
        cron.next()
        with cron.start() as one, cron.start() as other:
            ended = [process.communicate(timeout=300)[1] for process in (one, other)]
        # As bad as last night, and nothing was changed since: one night is not believed.
        assert [item.returncode for item in (one, other)] == [0, 0], ended
        assert cron.log.count("an earlier one is still running; this start does nothing") == 1
        (name,) = cron.nights() - {night.name for night in (first, second, third)}
        fourth = cron.outputs / name
        text = reader.text(fourth)
        assert "Perhaps worse, not beyond chance yet" in text
        (missing,) = page.locator("li", has_text="nothing ran").all_inner_texts()
        yesterday = datetime.datetime.now().astimezone() - datetime.timedelta(days=1)
        assert f"{yesterday:%a %d %b %Y}" in missing
        done = pexlab("batch", "--check-last", "26h", str(plan), folder=project)
        assert (done.returncode, done.stderr) == (0, "")
        if shots := os.environ.get("PEX_SHOTS"):
            for night in (first, second, third, fourth):
                reader.text(night)
                page.screenshot(path=f"{shots}/night-{night.name}.png", full_page=True)


def answered(project: Path) -> int:
    """Answers that are on disk."""
    path = project / ".pex" / "journal.db"
    if not path.is_file():
        return 0
    with contextlib.closing(sqlite3.connect(path)) as journal:
        try:
            return int(journal.execute("select count(*) from answers").fetchone()[0])
        except sqlite3.OperationalError:  # its tables are being made
            return 0


def test_a_night_that_was_killed_goes_on_and_asks_only_what_is_missing(
    project: Path, lab: FaultyEndpoint
) -> None:
    Model(lab)
    plan = lay_out(project)
    notebook(plan.parent / "first.ipynb", None, "open('first', 'a').write('x')")
    text = plan.read_text().replace("steps:\n", "steps:\n  - {id: first, notebook: first.ipynb}\n")
    plan.write_text(
        text.replace(
            "experiment: experiment.yaml}}", "experiment: experiment.yaml}, needs: [first]}"
        )
    )
    answer = lab.reply
    lab.reply = lambda body, number: answer(body, number) if number <= 15 else "hang"
    # Due at an hour that does not strike while the test runs.
    far = datetime.datetime.now(datetime.UTC) + HALF_A_DAY
    cron = Cron(plan, f"0 {far.hour} * * *")

    with cron.start() as process:
        until(lambda: answered(project) >= 15 and lab.calls > 15)
        family = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=300)
    assert alive == []  # no kernel is left behind
    (name,) = cron.nights()
    assert not (cron.outputs / name / "night.json").exists()

    lab.reply, before = answer, lab.calls
    with cron.start() as process:
        _, mailed = process.communicate(timeout=300)
    assert (process.returncode, mailed) == (0, "")
    assert cron.nights() == {name}
    assert f"night {name}: continues" in cron.log
    assert "kept     first" in cron.log
    assert (plan.parent / "first").read_text() == "x"
    words = [body for body in lab.bodies[before:] if "positive" in body["messages"][-1]["content"]]
    assert len(words) == 40 - 15
    about = json.loads((cron.outputs / name / "batch.json").read_text())
    assert {job["status"] for job in about["jobs"]} == {"done"}

    with cron.start() as process:
        process.communicate(timeout=300)
    assert f"night {name}: already done; nothing to do" in cron.log


def until(true: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
