"""Homes that cannot be written or are missing, folders of others, and every umask."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from pex.core import home, private
from pex.core.errors import PexError
from tests.helpers import other_users
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.other_users import PROMPT, open_ground, somebody, team_project

CLOSED = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
as_root = pytest.mark.skipif(not other_users.possible(), reason=other_users.REASON)


@pytest.fixture
def ground() -> Iterator[Path]:
    with open_ground() as folder:
        yield folder


@as_root
@pytest.mark.slow
def test_without_a_home_each_command_works_or_says_what_to_set(
    ground: Path, lab: FaultyEndpoint
) -> None:
    ana = somebody(ground, "ana", 48_101)
    lost = dataclasses.replace(ana, unset=("HOME", "USER"))
    project = team_project(ground, ana)
    for command in (
        ("run", "experiment.yaml"),
        ("batch", "plan.yaml"),
        ("lab",),
    ):
        done = lost.pexlab(*command, folder=project)
        said = done.stdout.splitlines()
        assert done.returncode == 2, done.stdout
        assert said[-2:] == [
            "error: user id 48101 has no home folder: HOME is not set, and the system does not "
            "know the user",
            "  export HOME=/a/folder/that/you/can/write",
        ]
        assert "Traceback" not in done.stdout
    assert lab.calls == 0
    done = lost.pexlab("guard", "cases.csv", folder=project)
    assert done.returncode == 0, done.stdout
    assert lost.pexlab("init", "new", folder=ana.home).returncode == 0
    # `~` is no folder of that name.
    assert not list(project.glob("~*"))


@as_root
@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o000, pytest.param(0o077, marks=pytest.mark.soak)])
def test_with_a_home_that_cannot_be_written_runs_go_on_and_the_umask_opens_nothing(
    ground: Path, lab: FaultyEndpoint, umask: int
) -> None:
    ana = somebody(ground, "ana", 48_101)
    place = ground / "closed"
    place.mkdir(mode=0o555)
    project = team_project(ground, ana)
    (project / "short.prompty").write_text(PROMPT.replace("Say", "Say {{ canary }}"))
    user = dataclasses.replace(ana, umask=umask, variables=dict.fromkeys(CLOSED, str(place)))
    for command in (("run", "experiment.yaml"), ("report",), ("library", "list")):
        done = user.pexlab(*command, folder=project)
        assert done.returncode == 0, done.stdout
        assert "Traceback" not in done.stdout
    assert lab.calls == 2
    state = project / ".pex"
    assert state.stat().st_mode & 0o777 == 0o700
    for name in ("secret", "journal.db"):
        assert (state / name).stat().st_mode & 0o777 == 0o600
    done = user.pexlab("lab", folder=project)
    assert done.returncode == 2
    assert f"JupyterLab needs a folder that cannot be written: {place}" in done.stdout
    assert "export HOME=/a/folder/that/you/can/write" in done.stdout
    assert "Traceback" not in done.stdout


def test_the_folders_of_a_user_need_a_home_or_their_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert home.folder("state") == tmp_path / "pexlab"
    monkeypatch.delenv("XDG_STATE_HOME")
    with pytest.raises(PexError, match="has no home folder"):
        home.folder("state")


@as_root
@pytest.mark.slow
def test_a_colleagues_project_can_be_used_and_stays_private(
    ground: Path, lab: FaultyEndpoint
) -> None:
    ana, ben = somebody(ground, "ana", 48_101), somebody(ground, "ben", 48_102)
    project = team_project(ground, ana)
    assert ana.pexlab("run", "experiment.yaml", folder=project).returncode == 0
    (project / ".pex" / "keys.env").write_text("LAB_KEY=sk-of-ana-4711-0815\n")
    calls = lab.calls
    # The record is ana's SQLite file: nothing is paid for what could not be recorded.
    done = ben.pexlab("run", "experiment.yaml", folder=project)
    assert done.returncode == 2, done.stdout
    assert "mlruns/mlflow.db cannot be written" in done.stdout
    assert "MLFLOW_TRACKING_URI" in done.stdout
    assert lab.calls == calls
    done = ben.pexlab("run", "experiment.yaml", "--no-record", folder=project)
    assert done.returncode == 0, done.stdout
    assert f"{project}/.pex is a colleague's: your journal is {ben.home}/.local" in done.stdout
    assert lab.calls == calls + 2
    own = next((ben.home / ".local/state/pexlab" / private.STATE).iterdir())
    assert (own / "journal.db").is_file()
    for folder in (own, own.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    for command in (
        ("report", "--out", "ben.html"),
        ("library", "list"),
        ("spend",),
        ("doctor",),
        ("scan",),
    ):
        done = ben.pexlab(*command, folder=project)
        assert done.returncode == 0, (command, done.stdout)
        assert "4711-0815" not in done.stdout
        if command == ("doctor",):
            assert "closed to you: what you keep is in" in done.stdout


@as_root
@pytest.mark.soak
def test_a_project_that_can_only_be_read_is_read(ground: Path, lab: FaultyEndpoint) -> None:
    ana, ben = somebody(ground, "ana", 48_101), somebody(ground, "ben", 48_102)
    project = team_project(ground, ana, mode=0o755)
    assert ana.pexlab("run", "experiment.yaml", folder=project).returncode == 0
    calls = lab.calls
    out = ben.home / "report.html"
    for command in (("library", "list"), ("report", "--out", str(out))):
        done = ben.pexlab(*command, folder=project)
        assert done.returncode == 0, (command, done.stdout)
    assert "greetings" in out.read_text()
    for command in (("run", "experiment.yaml"), ("report",)):
        done = ben.pexlab(*command, folder=project)
        assert done.returncode == 2, done.stdout
        assert "Traceback" not in done.stdout
    assert "report.html" in done.stdout
    assert lab.calls == calls
