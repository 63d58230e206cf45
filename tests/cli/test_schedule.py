"""`pexlab schedule` as a person meets it: what is printed, said, refused."""

import ast
from pathlib import Path

import pytest
import yaml

from tests.helpers.command import pexlab
from tests.helpers.notebooks import small
from tests.helpers.schedules import stand_ins


@pytest.fixture
def file(project: Path) -> Path:
    return small(project)


def test_what_is_printed_can_be_put_where_it_belongs(project: Path, file: Path) -> None:
    texts = {}
    for to in ("github", "airflow", "kubernetes"):
        done = pexlab("schedule", "plan.yaml", "--to", to, "--timezone", "UTC", folder=project)
        assert done.returncode == 0, done.stderr
        assert done.stderr.startswith("next: ")
        assert done.stderr.endswith(" (UTC)\n")
        assert done.stderr.count(" 02:00") == 3
        texts[to] = done.stdout
    assert yaml.safe_load(texts["kubernetes"])["kind"] == "CronJob"
    assert "jobs" in yaml.safe_load(texts["github"])
    ast.parse(texts["airflow"])


def test_installing_twice_and_removing(
    project: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = stand_ins(tmp_path, monkeypatch) / "table"
    table.write_text("MAILTO=me\n")
    first = pexlab("schedule", "plan.yaml", "--install", folder=project)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("installed, in your crontab:\n# pexlab nightly, begin")
    assert "undo: pexlab schedule plan.yaml --to crontab --remove\n" in first.stderr
    with_line = table.read_text()
    again = pexlab("schedule", "plan.yaml", "--install", folder=project)
    assert again.stdout.startswith("already there")
    assert table.read_text() == with_line
    pexlab("schedule", "plan.yaml", "--cron", "0 3 * * *", "--install", folder=project)
    assert table.read_text().count("pex.cli nightly") == 1
    (project / "n.ipynb").unlink()  # a plan that cannot run any more can still be taken out
    gone = pexlab("schedule", "plan.yaml", "--remove", folder=project)
    assert gone.stdout == "removed: plan.yaml, crontab\n"
    assert table.read_text() == "MAILTO=me\n"
    none = pexlab("schedule", "plan.yaml", "--remove", folder=project)
    assert none.stdout == "nothing to remove: plan.yaml, crontab\n"


def test_keys_that_a_night_would_miss_are_named(project: Path, file: Path) -> None:
    (project / "pex.toml").write_text(
        '[providers.lab]\nbase_url = "http://127.0.0.1:9/v1"\napi_key_env = "LAB_KEY"\n'
    )
    keys = project / ".pex" / "schedule.env"
    keys.parent.mkdir()
    keys.write_text("OTHER_KEY=sk-12345678\n")
    keys.chmod(0o644)
    done = pexlab("schedule", "plan.yaml", folder=project)
    assert f"warning: LAB_KEY: not in {keys} nor in " in done.stderr
    assert f"chmod 600 '{keys}'" in done.stderr
    keys.write_text("LAB_KEY=sk-12345678\n")
    keys.chmod(0o600)
    done = pexlab("schedule", "plan.yaml", folder=project)
    assert "warning" not in done.stderr
    github = pexlab("schedule", "plan.yaml", "--to", "github", folder=project)
    assert "secrets to set in the repository: LAB_KEY" in github.stderr
    file.write_text(file.read_text() + "\nnotify: [{webhook_env: SLACK_URL}]\n")
    done = pexlab("schedule", "plan.yaml", folder=project)
    assert f"warning: SLACK_URL: not in {keys} nor in " in done.stderr
    assert "LAB_KEY: ${{ secrets.LAB_KEY }}" in github.stdout
    assert "12345678" not in done.stdout + done.stderr + github.stdout + github.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "crontap"], "--to crontap: no such scheduler\n  did you mean 'crontab'?"),
        (["--to", "github", "--install"], "only a crontab or systemd"),
        (["--install", "--remove"], "give only one of them"),
        (["--cron", "0 25 * * *"], "hour 25: expected 0 to 23\n  did you mean '23'?"),
        (["--timezone", "Europe/Belrin"], "did you mean 'Europe/Berlin'?"),
        (["--env-file", "nowhere.env"], "no such file"),
    ],
)
def test_wrong_use(project: Path, file: Path, arguments: list[str], message: str) -> None:
    done = pexlab("schedule", "plan.yaml", *arguments, folder=project)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_the_command_for_schedulers_is_not_among_those_for_people(project: Path) -> None:
    shown = pexlab("--help", folder=project).stdout
    assert " schedule " in shown
    assert "nightly " not in shown.replace("nightly with", "")
