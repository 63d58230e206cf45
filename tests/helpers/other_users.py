"""Processes of other users of this machine: their own uid, group, home and umask.

Only root can start them. A Python that is installed where only root may look, such as
`/root/.pyenv`, is made available to them by links to its files.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REASON = "only root can start processes of other users"
TEAM = 48_100
"""A group that nobody on the machine has."""

EXPERIMENT = """
name: greetings
prompts: [short.prompty]
models: [lab/m1]
cases: cases.csv
scorers: [length]
"""
PROMPT = "---\nname: short\n---\nuser:\nSay {{ word }}.\n"


def possible() -> bool:
    """Whether processes of other users can be started here."""
    return os.name == "posix" and os.getuid() == 0


@dataclass(frozen=True)
class User:
    """Somebody with an own uid and an own home, without an entry in `/etc/passwd`."""

    name: str
    uid: int
    home: Path
    groups: tuple[int, ...] = (TEAM,)
    umask: int = 0o002
    variables: dict[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()

    def environment(self) -> dict[str, str]:
        """What a login would set; nothing of the test's own environment."""
        found = {
            "PATH": f"{python().parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "USER": self.name,
            "LANG": "C.UTF-8",
            "PEX_TRUST": "1",
            # A Python with a shared library looks for it where it was built, or finds another.
            "LD_LIBRARY_PATH": str(python().resolve().parents[1] / "lib"),
            **self.variables,
        }
        return {name: value for name, value in found.items() if name not in self.unset}

    def popen(self, *command: str | Path, folder: Path, **options: Any) -> subprocess.Popen[str]:
        """Start a program as this user; its output is one stream unless `options` differ."""
        return subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env=self.environment(),
            user=self.uid,
            group=self.uid,
            extra_groups=list(self.groups),
            umask=self.umask,
            text=True,
            start_new_session=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options},
        )

    def run(self, *command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a program as this user until it ends."""
        process = self.popen(*command, folder=folder)
        out, _ = process.communicate(timeout=120)
        return subprocess.CompletedProcess(command, process.returncode, out, "")

    def pexlab(self, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a command of pex as this user."""
        return self.run(python(), "-m", "pex.cli", *arguments, folder=folder)


@functools.cache
def python() -> Path:
    """An interpreter with the packages of this one that every user can run."""
    place = Path(tempfile.mkdtemp(prefix="pex-python-"))
    place.chmod(0o755)
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    base = Path(os.path.realpath(sys.executable))
    if not _is_open(base):
        base = _linked(Path(sys.base_prefix), place / "base") / base.relative_to(sys.base_prefix)
    program = place / "bin" / "python"
    program.parent.mkdir()
    program.symlink_to(base)
    (place / "pyvenv.cfg").write_text(f"home = {base.parent}\n")
    packages = Path(sysconfig.get_path("purelib"))
    inside = place / packages.relative_to(sys.prefix)
    inside.mkdir(parents=True)
    # Not a link to the folder: it is also found by the place of its files.
    (inside / "tests.pth").write_text(f"import site; site.addsitedir({str(packages)!r})\n")
    return program


def _is_open(path: Path) -> bool:
    """Whether everyone may enter the folders of a path."""
    return all(folder.stat().st_mode & 0o001 for folder in path.parents)


def _linked(base: Path, to: Path) -> Path:
    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:  # on another file system
            shutil.copy2(source, target)

    shutil.copytree(
        base, to, symlinks=True, copy_function=link,
        ignore=shutil.ignore_patterns("site-packages", "test", "share", "include"),
    )  # fmt: skip
    return to


@contextmanager
def open_ground() -> Iterator[Path]:
    """A folder that every user may enter; those of pytest are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="pex-users-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def somebody(ground: Path, name: str, uid: int) -> User:
    place = ground / name
    place.mkdir(mode=0o700)
    os.chown(place, uid, uid)
    return User(name, uid, place)


def team_project(folder: Path, owner: User, mode: int = 0o2775) -> Path:
    """A project of one user that a group of colleagues may read, and write if `mode` says so."""
    project = folder / "project"
    project.mkdir()
    for name, text in {
        "pex.toml": (Path.cwd() / "pex.toml").read_text(),
        "experiment.yaml": EXPERIMENT,
        "short.prompty": PROMPT,
        "cases.csv": "word\nhello\ngoodbye\n",
    }.items():
        (project / name).write_text(text)
        os.chown(project / name, owner.uid, TEAM)
        (project / name).chmod(0o664)
    shutil.copytree(Path.cwd() / "mlruns", project / "mlruns")  # MLflow takes seconds to make one
    for path in (project / "mlruns", project / "mlruns" / "mlflow.db"):
        os.chown(path, owner.uid, TEAM)
    os.chown(project, owner.uid, TEAM)
    project.chmod(mode)
    return project
