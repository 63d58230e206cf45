"""A folder may have any name: what a scheduler's own reader finds in its file is that name."""

import ast
import dataclasses
import datetime
import re
import shlex
import subprocess
from pathlib import Path

import jinja2
import pytest
import yaml

import pex
from pex.batch.schedule import crontab, hosted, schedule, systemd
from pex.batch.schedule.nightly import label_of
from tests.helpers.schedules import BERLIN, made

TODAY = datetime.date(2026, 11, 25)
NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=BERLIN)
NAMES = [
    "plain",
    "-rf",
    "${{ secrets.LAB_KEY }}",
    "$${{ github.token }}}}",
    "{{ var.value.key }}",
    "{% endraw %}{{ 1 + 1 }}",
    "{% raw %}{#",
    "$(LAB_KEY) $LAB_KEY ${LAB_KEY} $$",
    "`id` $(id)",
    "100%",
    "%h\\%s",
    "\\\\%",
    'it\'s "so"',
    "]]>&lt;<!--",
    "- a: [b, {c: d}] # e",
    "!x *y &z",
    "coding=utf_7",
    "# -*- coding: rot13 -*-",
    "'''+__import__('os')+'''",
    "x.sh",
    "x.bash",
    " spaces ",
    "übermäßig Ж 漢字 🙂",
    "\u202eevil\u2066",
    "\ufeffbom",
    "a" * 200,
    "null",
    "1e3",
]


@pytest.fixture(params=NAMES, ids=range(len(NAMES)))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    path.mkdir()
    return path


def named(folder: Path) -> schedule.Schedule:
    """A schedule of a plan in a folder of that name, in a project of that name."""
    plan = made(folder).file
    inner = folder / "experiments" / folder.name
    inner.mkdir(exist_ok=True)
    moved = inner / "plan.yaml"
    moved.write_text(plan.read_text())
    (inner / "n.ipynb").write_text((plan.parent / "n.ipynb").read_text())
    return schedule.make(moved, made(folder).cron, BERLIN, folder / "keys.env", ("LAB_KEY",))


def after_nightly(words: list[str]) -> str:
    """The plan in the words of a command line."""
    return words[words.index("nightly") + 1]


def test_github_puts_nothing_in_its_place(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", str(folder.parent)], check=True)
    schedule = named(folder)
    flow = yaml.safe_load(hosted.github(schedule, NOW))
    assert flow["permissions"] == {"contents": "read"}
    assert set(flow) == {"name", True, "permissions", "concurrency", "jobs"}
    (job,) = flow["jobs"].values()
    assert job["env"] == {"LANG": "C.UTF-8", "LAB_KEY": "${{ secrets.LAB_KEY }}"}
    assert evaluated(job["defaults"]["run"]["working-directory"]) == folder.name
    run = next(s["run"] for s in job["steps"] if "nightly" in s.get("run", ""))
    assert after_nightly(shlex.split(evaluated(run))) == f"experiments/{folder.name}/plan.yaml"
    cached = job["steps"][3]["with"]["path"]
    assert evaluated(cached).split("\n") == [f"{folder.name}/.pex", f"{folder.name}/mlruns"]
    kept = job["steps"][-1]["with"]["path"]
    assert evaluated(kept) == f"{folder.name}/experiments/{folder.name}/outputs"
    assert all(len(step["with"]["key"]) <= 512 for step in job["steps"][2:4])


def evaluated(text: str) -> str:
    """What GitHub makes of a text: only expressions of a literal are in those of ours."""
    found = re.compile(r"\$\{\{ '((?:[^']|'')*)' \}\}")
    assert "${{" not in found.sub("", text)
    return found.sub(lambda match: match[1].replace("''", "'"), text)


def test_airflow_reads_python_and_renders_the_names(folder: Path) -> None:
    schedule = dataclasses.replace(named(folder), python_path=str(folder))
    source = hosted.airflow(schedule, TODAY).encode()
    calls = {
        node.func.id: {word.arg: word.value for word in node.keywords}
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert set(calls) == {"DAG", "BashOperator"}
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,250}", ast.literal_eval(calls["DAG"]["dag_id"]))
    task = calls["BashOperator"]
    command, cwd, env = (ast.literal_eval(task[k]) for k in ("bash_command", "cwd", "env"))
    # Airflow reads a file in place of a text with such an end.
    assert not any(text.endswith((".sh", ".bash")) for text in (command, cwd, *env.values()))
    words = shlex.split(rendered(command))
    assert after_nightly(words) == f"experiments/{folder.name}/plan.yaml"
    assert words[-1] == str(folder / "keys.env")
    assert Path(rendered(cwd)) == Path(rendered(env["PYTHONPATH"])) == folder


def rendered(template: str) -> str:
    return jinja2.Environment().from_string(template).render(var="no")


def test_kubernetes_takes_the_names_and_puts_nothing_in_their_place(folder: Path) -> None:
    jobs = list(yaml.safe_load_all(hosted.kubernetes(named(folder), TODAY)))
    assert [job["kind"] for job in jobs] == ["CronJob"] * 2
    for job in jobs:
        # 11 letters are added to it for the job of a night, and a label takes 63.
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?", job["metadata"]["name"])
        (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        path = after_nightly(container["args"])
        assert not re.search(r"(?<!\$)(\$\$)*\$\(", path)
        assert path.replace("$$", "$") == f"experiments/{folder.name}/plan.yaml"


def test_cron_and_its_shell_find_the_names(folder: Path) -> None:
    _, line, _ = crontab.crontab(named(folder), BERLIN, TODAY).splitlines()
    command = handed_over(line.removeprefix("0 2 * * * "))
    words = shlex.split(command)
    assert words[:3] == ["cd", str(folder), "&&"]
    assert after_nightly(words) == f"experiments/{folder.name}/plan.yaml"
    shown = subprocess.run(
        ["/bin/sh", "-c", command.replace("&& ", "&& printf '%s\\n' \"$PWD\" && exit; ", 1)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout == f"{folder}\n"


def handed_over(command: str) -> str:
    """What Debian's cron gives the shell: up to a bare %, and without the backslash of others."""
    made, escaped = "", False
    for letter in command:
        if escaped:
            made = made[:-1] if letter == "%" else made
            escaped = False
        elif letter == "\\":
            escaped = True
        else:
            assert letter != "%"
        made += letter
    return made


def test_a_unit_has_one_line_for_each_value(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)  # it would have a line of its own
    text = systemd.service(named(folder))
    keys = [line.partition("=")[0] for line in text.splitlines() if "=" in line]
    assert keys == [
        "Description", "Type", "WorkingDirectory", "Environment", "ExecStart", "KillMode",
        "TimeoutStopSec",
    ]  # fmt: skip
    where = next(line for line in text.splitlines() if line.startswith("WorkingDirectory="))
    read = where.partition("=")[2].strip().replace("%%", "%").replace("\\\\", "\\")
    assert Path(read) == folder


@pytest.mark.parametrize(
    "name", ["a\nb", "a\x1b[31mb", "a\x85b", "a\u2028b", "a\udcffb", "a\uffff"]
)
def test_a_name_that_no_file_can_hold_is_refused(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with pytest.raises(pex.PexError, match="no scheduler can start"):
        made(folder)


@pytest.mark.parametrize("key", ["A }} x", "A: b\n  c", "", "1A", "A-B", "Ä"])
def test_only_the_name_of_a_variable_becomes_a_secret(key: str, tmp_path: Path) -> None:
    with pytest.raises(pex.PexError, match="letters, digits") as error:
        made(tmp_path, keys=(key,))
    assert not key or key not in str(error.value)


def test_long_names_stay_apart(tmp_path: Path) -> None:
    deep = tmp_path / "experiments" / ("x" * 200)
    names = {label_of(deep / f"{'y' * 100}{n}.yaml") for n in range(3)}
    assert len(names) == 3
    assert all(len(f"pexlab-{name}.service") < 250 for name in names)
