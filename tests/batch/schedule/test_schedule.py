"""Each text is read by the program it is for, or by that program's parser."""

import ast
import dataclasses
import datetime
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from zoneinfo import ZoneInfo

import jinja2
import pytest
import yaml

import pex
from pex.batch.schedule import crontab, hosted, systemd
from pex.batch.schedule.cron import parse
from tests.helpers.schedules import BERLIN, made

UTC = ZoneInfo("UTC")
TODAY = datetime.date(2026, 11, 25)
NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=BERLIN)
ODD = """50 % $HOME "it's" {{ x }} #1 über"""


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder whose name has what shells, cron, YAML, units and templates take for their own."""
    folder = tmp_path / ODD
    folder.mkdir()
    return folder


def test_a_crontab_line_says_to_the_shell_what_was_meant(odd: Path) -> None:
    schedule = made(odd, env_file=odd / "keys.env")
    begin, line, end = crontab.crontab(schedule, BERLIN, TODAY).splitlines()
    assert begin.startswith("# pexlab nightly, begin: ")
    assert end.startswith("# pexlab nightly, end: ")
    assert line.startswith("0 2 * * * cd ")
    assert not re.search(r"(?<!\\)%", line)
    command = line.removeprefix("0 2 * * * ").replace("\\%", "%")
    words = shlex.split(command)
    assert words[:3] == ["cd", str(odd), "&&"]
    here = Path(words[words.index("-P") - 1])
    assert here.is_absolute()
    assert words[words.index("nightly") + 1] == "experiments/sums/plan.yaml"
    assert words[words.index("--env-file") + 1] == str(odd / "keys.env")
    assert words[words.index("--timezone") + 1] == "Europe/Berlin"
    assert words[-1] == "--quiet"
    # The shell goes there and reads the same words.
    command = command.replace(shlex.quote(str(here)), "printf '%s\\n' \"$PWD\"", 1)
    shown = subprocess.run(
        ["env", "-i", "/bin/sh", "-c", command],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.splitlines()[0] == str(odd)


def test_a_crontab_line_starts_an_interpreter_whose_path_has_spaces(odd: Path) -> None:
    python = odd / "bin dir" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$PWD" "$@"\n')
    python.chmod(0o755)
    schedule = dataclasses.replace(made(odd), python=str(python))
    line = crontab.crontab(schedule, BERLIN, TODAY).splitlines()[1]
    command = line.removeprefix("0 2 * * * ").replace("\\%", "%")
    shown = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[:3] == [str(odd), "-P", "-m"]


def test_another_time_zone_becomes_the_hours_of_summer_and_of_winter(tmp_path: Path) -> None:
    lines = crontab.crontab(made(tmp_path), UTC, TODAY).splitlines()[1:-1]
    assert [line[:10] for line in lines] == ["0 1 * * * ", "0 0 * * * "]
    assert all(line.endswith(" --on-time") for line in lines)
    lines = crontab.crontab(made(tmp_path, zone=ZoneInfo("Asia/Kolkata")), UTC, TODAY).splitlines()
    assert [line[:11] for line in lines[1:-1]] == ["30 20 * * *"]
    assert "--on-time" not in lines[1]


def test_a_command_that_cron_would_cut_off_is_refused(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["n" * 200] * 5)
    deep.mkdir(parents=True)
    with pytest.raises(pex.PexError, match="cron takes 990\n  --to systemd"):
        crontab.crontab(made(deep), BERLIN, TODAY)


def test_a_path_with_a_line_break_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a\n* * * * * evil"
    folder.mkdir()
    with pytest.raises(pex.PexError, match="line breaks"):
        made(folder)


@pytest.mark.skipif(shutil.which("crontab") is None, reason="no crontab on this machine")
def test_cron_takes_the_crontab(odd: Path, tmp_path: Path) -> None:
    asked = subprocess.run(["crontab", "-T", "/dev/null"], capture_output=True, check=False)
    if asked.returncode:
        pytest.skip("this crontab has no -T, which only checks")
    file = tmp_path / "crontab"
    file.write_text(crontab.crontab(made(odd, "*/20 2,14 1-7 * mon"), UTC, TODAY))
    subprocess.run(["crontab", "-T", str(file)], check=True)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
@pytest.mark.parametrize("cron", ["0 2 * * *", "*/20 * 1-7 * mon", "* 2-4 * jan,jul *"])
def test_systemd_takes_the_units(odd: Path, tmp_path: Path, cron: str) -> None:
    schedule = made(odd, cron)
    service, timer = tmp_path / "pexlab.service", tmp_path / "pexlab.timer"
    service.write_text(systemd.service(schedule))
    timer.write_text(systemd.timer(schedule, TODAY))
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(service), str(timer)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "initialize manager" in done.stderr:
        pytest.skip("systemd-analyze verify does not run here")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
@pytest.mark.parametrize(
    "cron", ["0 2 * * *", "30 2,14 * * mon-fri", "0 0 1 */3 *", "15 4 3 * sun"]
)
def test_systemd_counts_the_same_times(cron: str) -> None:
    shown = []
    for line in systemd.calendar(parse(cron), BERLIN):
        done = subprocess.run(
            ["systemd-analyze", "calendar", "--iterations=3", line],
            env={**os.environ, "TZ": "UTC", "LANG": "C"},
            capture_output=True,
            text=True,
            check=True,
        )
        shown += re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d):00 UTC", done.stdout)
    starts = parse(cron).coming(datetime.datetime.now(UTC), BERLIN)
    wanted = [f"{next(starts).astimezone(UTC):%Y-%m-%d %H:%M}" for _ in range(3)]
    assert sorted(set(shown))[:3] == wanted


def test_a_unit_keeps_percent_dollar_and_quotes(odd: Path) -> None:
    text = systemd.service(made(odd, env_file=odd / "keys.env"))
    assert f"WorkingDirectory={str(odd).replace('%', '%%')}" in text
    assert '50 %% $$HOME \\"it\'s\\"' in text


def test_the_workflow_is_yaml_that_actions_can_run(odd: Path) -> None:
    subprocess.run(["git", "init", "-q", str(odd.parent)], check=True)
    text = hosted.github(made(odd, keys=("OPENAI_API_KEY",)), NOW)
    flow = yaml.safe_load(text)
    on = flow[True]  # YAML 1.1 reads the word `on` as true; GitHub does not
    assert on["schedule"] == [{"cron": "0 1 * * *"}]
    assert "workflow_dispatch" in on
    assert flow["concurrency"]["cancel-in-progress"] is False
    assert flow["permissions"] == {"contents": "read"}
    job = flow["jobs"]["night"]
    assert job["env"]["OPENAI_API_KEY"] == "${{ secrets.OPENAI_API_KEY }}"
    assert job["defaults"]["run"]["working-directory"] == ODD
    uses = [step["uses"] for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", name) for name in uses)
    assert job["steps"][-1]["with"]["path"] == f"{ODD}/experiments/sums/outputs"
    assert job["steps"][-1]["if"] == "always()"
    words = shlex.split(next(s["run"] for s in job["steps"] if "nightly" in s.get("run", "")))
    assert words[:6] == ["python", "-P", "-m", "pex.cli", "nightly", words[5]]
    assert words[5] == "experiments/sums/plan.yaml"


def test_the_workflow_says_that_its_times_are_utc(tmp_path: Path) -> None:
    text = hosted.github(made(tmp_path, "0 0 * * mon"), NOW)
    assert '- cron: "0 23 * * 0"' in text
    assert "at 0 0 * * 1 (Europe/Berlin)" in text
    assert "GitHub counts in UTC" in text


def test_the_dag_is_python_with_the_times_and_one_run_at_a_time(odd: Path) -> None:
    text = hosted.airflow(made(odd), TODAY)
    tree = ast.parse(text)
    calls = {
        node.func.id: {word.arg: word.value for word in node.keywords}
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    dag, task = calls["DAG"], calls["BashOperator"]
    assert ast.literal_eval(dag["schedule"]) == "0 2 * * *"
    assert ast.literal_eval(dag["max_active_runs"]) == 1
    assert ast.literal_eval(dag["catchup"]) is False
    assert ast.unparse(dag["start_date"]) == "pendulum.datetime(2026, 11, 25, tz='Europe/Berlin')"
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", ast.literal_eval(dag["dag_id"]))
    assert rendered(ast.literal_eval(task["cwd"])) == str(odd)
    words = shlex.split(ast.literal_eval(task["bash_command"]))
    assert words[1:5] == ["-P", "-m", "pex.cli", "nightly"]


def test_airflow_does_not_render_what_is_in_a_path(odd: Path) -> None:
    text = hosted.airflow(made(odd, env_file=odd / "keys.env"), TODAY)
    command = re.search(r"bash_command=(.+),\n", text)
    assert command is not None
    assert str(odd / "keys.env") in shlex.split(rendered(ast.literal_eval(command.group(1))))


def rendered(template: str) -> str:
    """What Airflow makes of a templated field."""
    return jinja2.Environment().from_string(template).render(x="no")


def test_the_cronjob_has_what_kubernetes_requires(odd: Path) -> None:
    job, _ = yaml.safe_load_all(hosted.kubernetes(made(odd, keys=("LAB_KEY",)), TODAY))
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?", job["metadata"]["name"])
    spec = job["spec"]
    assert spec["schedule"] == "0 2 * * *"
    assert spec["timeZone"] == "Europe/Berlin"
    assert spec["concurrencyPolicy"] == "Forbid"
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    assert {"name", "image", "command", "args", "resources"} <= set(container)
    assert all(isinstance(word, str) for word in container["args"])
    assert all(set(item) == {"name", "value"} for item in container["env"])
    assert all(isinstance(item["value"], str) for item in container["env"])
    secret = container["envFrom"][0]["secretRef"]
    assert secret == {"name": job["metadata"]["name"], "optional": False}
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_no_text_has_a_key(tmp_path: Path) -> None:
    (tmp_path / "keys.env").write_text("LAB_KEY=sk-12345678\n")
    schedule = made(tmp_path, keys=("LAB_KEY",), env_file=tmp_path / "keys.env")
    every = [
        crontab.crontab(schedule, BERLIN, TODAY),
        systemd.service(schedule) + systemd.timer(schedule, TODAY),
        hosted.github(schedule, NOW),
        hosted.airflow(schedule, TODAY),
        hosted.kubernetes(schedule, TODAY),
    ]
    assert "12345678" not in json.dumps(every)
