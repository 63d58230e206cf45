"""A night under a bare environment: real notebooks, the printed line, two at once."""

import datetime
import errno
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml
from zoneinfo import ZoneInfo

import pytest

from pex import local
from pex.batch.job_log import alone
from pex.batch.plan import load_plan
from pex.batch.schedule import crontab
from pex.batch.schedule.cron import parse
from pex.batch.schedule.nightlog import NightLog
from pex.batch.schedule.nightly import Night, label_of, log_of, prune, run_night
from pex.batch.schedule.schedule import make
from pex.cli import starter
from pex.core.errors import PexError
from tests.helpers import ROOT
from tests.helpers.notebooks import notebook, plan, printed, small

pytestmark = pytest.mark.night

UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """A night adds to the environment of its process."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def at(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def command(file: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The command of the line that `pexlab schedule` prints, as cron hands it to the shell."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    schedule = make(file, parse("0 2 * * *"), UTC, None, [])
    line = crontab.crontab(schedule, UTC, datetime.date.today()).splitlines()[1]
    return line.removeprefix("0 2 * * * ").replace("\\%", "%")


def shell(line: str) -> list[str]:
    return ["env", "-i", "/bin/sh", "-c", line]


def test_the_printed_line_runs_a_night_under_a_bare_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / """50 % "odd" project"""
    folder.mkdir()
    file = small(folder, more="keep: 2\n")
    keys = folder / ".pex" / "schedule.env"
    keys.parent.mkdir()
    keys.write_text("LAB_KEY=sk-12345678\n")
    keys.chmod(0o600)
    outputs = folder / "outputs" / "nightly"
    for old in ("2020-01-01", "2020-01-02", "by-hand"):
        (outputs / old).mkdir(parents=True)
        (outputs / old / "night.json").write_text('{"exit_code": 0}')
        (outputs / old / "night.html").touch()
    line = command(file, monkeypatch)
    begun = datetime.datetime.now(UTC)
    done = subprocess.run(shell(line), capture_output=True, text=True, check=False)
    # Cron would mail whatever is said: after a good night, nothing is.
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    night = f"{parse('0 2 * * *').latest(begun, UTC):%Y-%m-%d}"
    pages = sorted(item.parent.name for item in outputs.glob("*/night.html"))
    assert pages == ["2020-01-02", night, "by-hand"]
    shown = printed(outputs / night / "a.ipynb")
    assert f"[redacted] {folder}" in shown  # the key was there, and is not in the notebook
    assert "'HOME'" in shown
    assert "'LANG'" in shown
    log = log_of(file).read_text()
    assert f"night {night}: starts" in log
    assert re.search(rf"night {night}: ended after \d+\.\d minutes with exit code 0", log)
    assert "notebooks of old nights deleted: 2020-01-01" in log
    again = subprocess.run(shell(line), capture_output=True, text=True, check=False)
    assert again.returncode == 0
    assert "already done" in log_of(file).read_text()


@pytest.mark.soak
@pytest.mark.model
def test_the_printed_line_runs_the_starters_plan_on_the_built_in_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter.write(tmp_path)
    file = tmp_path / starter.EXPERIMENT / "plan.yaml"
    file.write_text(file.read_text().replace("limit: 40", "limit: 2").replace("[0, 1]", "[0]"))
    line = command(file, monkeypatch)
    try:
        done = subprocess.run(shell(line), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        local.stop(tmp_path / ".pex")
    assert "done     compare-temperature=0" in log_of(file).read_text()
    (page,) = file.parent.glob("outputs/nightly/*/summary.html")
    assert "strict" in page.read_text()
    assert (tmp_path / "mlruns" / "mlflow.db").is_file()  # the project's store, not the home's


@pytest.mark.soak
def test_two_starts_at_once_do_not_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = (
        "import pathlib, time\npathlib.Path('runs').open('a').write('x')\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.05)"
    )
    file = small(tmp_path, cell)
    line = command(file, monkeypatch)
    with subprocess.Popen(shell(line)) as first:
        wait_for(tmp_path / "runs")
        second = subprocess.run(shell(line), capture_output=True, text=True, check=False)
        assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
        assert "an earlier one is still running" in log_of(file).read_text()
        (tmp_path / "go").touch()
        assert first.wait(240) == 0
    assert (tmp_path / "runs").read_text() == "x"


def test_a_night_that_is_stopped_ends_its_kernels_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\n"
    cell += "time.sleep(600)"
    file = small(tmp_path, cell)
    # `exec`: the signal goes to pexlab, as systemd's does, and not to the shell.
    line = command(file, monkeypatch).replace("&& PYTHONPATH", "&& exec env PYTHONPATH")
    with subprocess.Popen(shell(line)) as process:
        wait_for(tmp_path / "pid")
        kernel = int((tmp_path / "pid").read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(240) == 130
    assert "stopped; the next start continues" in log_of(file).read_text()
    assert not Path(f"/proc/{kernel}").exists()


def test_a_failed_night_says_its_last_lines_for_crons_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = small(tmp_path, "1 / 0")
    done = subprocess.run(
        shell(command(file, monkeypatch)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 5
    assert "ZeroDivisionError" in done.stderr
    assert done.stderr.endswith(f"log: {log_of(file)}\n")


def test_a_broken_plan_is_in_the_log_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = small(tmp_path)
    line = command(file, monkeypatch)
    (tmp_path / "n.ipynb").unlink()
    done = subprocess.run(shell(line), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no notebook" in done.stderr
    assert "Traceback" not in done.stderr
    assert "error: " in log_of(file).read_text()


@pytest.mark.soak
def test_a_log_that_cannot_be_written_ends_no_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = small(tmp_path, "1")

    def full(self: NightLog, line: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(NightLog, "write", full)
    said: list[str] = []
    assert run_night(Night(file, parse("0 2 * * *"), UTC), said.append) == 0
    assert "the log cannot be written: No space left on device" in said
    assert any(line.startswith("done     a") for line in said)


def test_a_state_folder_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = small(tmp_path)
    line = command(file, monkeypatch)
    (tmp_path / ".pex").write_text("in the way")
    done = subprocess.run(shell(line), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path / '.pex'}")


@pytest.mark.parametrize(
    ("cron", "now", "night"),
    [
        ("0 2 * * *", "2026-11-25T02:00:01", "2026-11-25"),
        ("0 2 * * *", "2026-11-25T01:59:40", "2026-11-25"),  # a clock that is a little slow
        ("59 23 * * *", "2026-11-26T00:40:00", "2026-11-25"),  # a scheduler that is late
        ("30 2 * * *", "2026-03-29T03:00:00", "2026-03-29"),  # the clocks leave 2:30 out
        ("0 2,14 * * *", "2026-11-25T14:00:05", "2026-11-25T14-00"),
    ],
)
def test_a_night_has_the_date_at_which_it_was_due(
    tmp_path: Path, cron: str, now: str, night: str
) -> None:
    file = small(tmp_path, "1")
    folder = tmp_path / "outputs" / "nightly" / night
    folder.mkdir(parents=True)
    (folder / "night.json").write_text('{"exit_code": 0}')
    said: list[str] = []
    assert run_night(Night(file, parse(cron), BERLIN), said.append, at(now)) == 0
    assert said == [f"night {night}: already done; nothing to do"]


def test_a_line_for_the_other_half_of_the_year_does_nothing(tmp_path: Path) -> None:
    file = small(tmp_path)
    said: list[str] = []
    night = Night(file, parse("0 2 * * *"), BERLIN, on_time=True)
    for hour in (1, 3):
        assert run_night(night, said.append, at(f"2026-11-25T0{hour}:00:01")) == 0
    assert said == []
    assert not (tmp_path / "outputs").exists()


def test_a_night_that_did_not_end_well_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook(tmp_path / "good.ipynb", None, "open('good', 'a').write('x')")
    small(tmp_path, "open('bad', 'a').write('x')\nassert open('mended').read()")
    steps = "steps: [{id: good, notebook: good.ipynb}, {id: bad, notebook: n.ipynb}]\n"
    line = command(plan(tmp_path, steps), monkeypatch)

    def start() -> int:
        return subprocess.run(shell(line), capture_output=True, check=False).returncode

    assert start() == 5
    (tmp_path / "mended").write_text("yes")
    assert start() == 0
    assert [(tmp_path / name).read_text() for name in ("good", "bad")] == ["x", "xx"]
    log = log_of(tmp_path / "plan.yaml").read_text()
    assert ": continues" in log
    assert "kept     good" in log
    (night,) = (tmp_path / "outputs" / "nightly").iterdir()
    (suite, _) = Xml.parse(night / "night.xml").getroot()
    assert (suite.attrib["tests"], suite.attrib["errors"]) == ("2", "0")


@pytest.mark.parametrize("ended", ['{"exit_code": 130}', '{"exit_co'])
def test_a_night_that_was_cut_off_before_a_notebook_was_done_goes_on(
    tmp_path: Path, ended: str
) -> None:
    file = small(tmp_path, "1")
    folder = tmp_path / "outputs" / "nightly" / "2026-11-25"
    folder.mkdir(parents=True)
    (folder / "night.json").write_text(ended)
    said: list[str] = []
    night = Night(file, parse("0 2 * * *"), BERLIN)
    assert run_night(night, said.append, at("2026-11-25T03:00")) == 0
    assert said[0] == "night 2026-11-25: continues"
    assert any(line.startswith("done     a") for line in said)
    assert (folder / "a.ipynb").is_file()


def test_old_notebooks_go_and_what_later_pages_and_people_need_stays(tmp_path: Path) -> None:
    loaded = load_plan(small(tmp_path))
    outputs = tmp_path / "outputs" / "nightly"
    names = ("2026-01-01", "2026-01-02", "2026-01-02T14-00", "2026-01-03", "2026-01-01-mine")
    for name in names:
        (outputs / name).mkdir(parents=True)
        for file in ("a.ipynb", "mine.ipynb", "night.html", "jobs.jsonl"):
            (outputs / name / file).touch()
        (outputs / name / "batch.json").write_text('{"jobs": [{"id": "a"}]}')
        (outputs / name / "night.json").write_text('{"exit_code": 5}')
    (outputs / "2025-12-31").symlink_to(outputs / "2026-01-03")
    cut_off = outputs / "2025-12-30"
    cut_off.mkdir()
    (cut_off / "a.ipynb").touch()
    with alone(outputs / "2026-01-02"):
        assert [folder.name for folder in prune(loaded, 2)] == ["2026-01-01"]
    assert [folder.name for folder in prune(loaded, 2)] == ["2026-01-02"]
    assert prune(loaded, 2) == []
    left = {f.name: {item.name for item in f.iterdir()} - {".lock"} for f in outputs.iterdir()}
    whole = {"a.ipynb", "mine.ipynb", "night.html", "jobs.jsonl", "batch.json", "night.json"}
    thin = {"mine.ipynb", "jobs.jsonl", "batch.json", "night.json"}
    assert left == {
        "2025-12-30": {"a.ipynb"},
        "2025-12-31": whole,
        "2026-01-01": thin,
        "2026-01-01-mine": whole,
        "2026-01-02": thin,
        "2026-01-02T14-00": whole,
        "2026-01-03": whole,
    }


def test_plans_of_one_project_have_logs_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    paths = [
        "plan.yaml",
        "experiments/a b/plan.yaml",
        "experiments/c/plan.yaml",
        "experiments/c/x.yaml",
    ]
    assert [label_of(tmp_path / path) for path in paths] == ["plan", "a-b-plan", "c-plan", "c-x"]


def wait_for(path: Path, seconds: float = 300) -> None:
    """Until a file is there and has something in it."""
    end = time.monotonic() + seconds
    while not (path.is_file() and path.stat().st_size):
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.05)


def test_old_nights_behind_a_link_out_of_the_project_stay(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    loaded = load_plan(small(tmp_path))
    (tmp_path / "outputs").symlink_to(elsewhere)
    for name in ("2026-01-01", "2026-01-02"):
        ended(loaded.outputs / name, "a")
    with pytest.raises(PexError, match=f"outputs/nightly leads to {elsewhere}"):
        prune(loaded, 1)
    assert (elsewhere / "nightly" / "2026-01-01" / "a.ipynb").exists()


@pytest.mark.parametrize("job", ["../../../mine", "../a", "/{folder}/mine", "x/../../../../mine"])
def test_a_name_of_a_job_leads_to_no_other_folder(tmp_path: Path, job: str) -> None:
    loaded = load_plan(small(tmp_path))
    for name in ("2026-01-01", "2026-01-02"):
        ended(loaded.outputs / name, job.format(folder=tmp_path))
    (loaded.outputs / "2026-01-01" / "x").mkdir()
    (tmp_path / "mine.ipynb").touch()
    (loaded.outputs / "a.ipynb").touch()
    prune(loaded, 1)
    assert (tmp_path / "mine.ipynb").exists()
    assert (loaded.outputs / "a.ipynb").exists()


def ended(folder: Path, job: str) -> None:
    """A night that has ended, as its files say."""
    folder.mkdir(parents=True)
    (folder / "a.ipynb").touch()
    (folder / "batch.json").write_text(json.dumps({"jobs": [{"id": job}]}))
    (folder / "begun.json").write_text(json.dumps({"jobs": [job]}))
    (folder / "night.json").write_text('{"exit_code": 0}')
