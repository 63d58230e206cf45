"""What a scheduler needs to know about a plan: its file, its times, its keys."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from pex.batch.schedule.cron import Cron
from pex.batch.schedule.nightly import default_env_file, label_of
from pex.core import python
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.project.settings import load_settings
from pex.project.trust import VARIABLE as TRUST
from pex.run.provider_trust import directed

KINDS = ("crontab", "systemd", "github", "airflow", "kubernetes")
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


@dataclasses.dataclass(frozen=True, slots=True)
class Schedule:
    """The data that every scheduler's file is made from.

    `python` and `python_path` are this process's own: a night finds the same modules as it does.
    """

    file: Path
    project: Path
    label: str
    cron: Cron
    zone: ZoneInfo
    env_file: Path | None
    python: str
    python_path: str
    keys: tuple[str, ...]

    @property
    def relative(self) -> str:
        """The plan's file relative to the project."""
        return self.file.relative_to(self.project).as_posix()

    @property
    def trusted(self) -> dict[str, str]:
        """The variables that tell another machine that the project is trusted, if needed."""
        return {TRUST: "1"} if directed(load_settings(self.project)) else {}

    def arguments(self, *more: str) -> list[str]:
        """The arguments after the interpreter, when started in the project's folder."""
        line = [*python.command("pex.cli", "nightly", self.relative)[1:]]
        return [*line, "--cron", str(self.cron), "--timezone", self.zone.key, *more]

    def keys_file(self) -> list[str]:
        """The option that names the file of keys, unless it is the default one."""
        if self.env_file is None or self.env_file == default_env_file(self.file):
            return []
        return ["--env-file", str(self.env_file)]


def make(
    file: Path, cron: Cron, zone: ZoneInfo, env_file: Path | None, keys: Sequence[str]
) -> Schedule:
    """Gather what a scheduler needs to know.

    Args:
        file: the plan.
        cron: the times.
        zone: the time zone of these times.
        env_file: the file of keys, None for none.
        keys: names of the variables with keys.

    Raises:
        PexError: a path cannot be written on one line.
    """
    file = file.resolve()
    project = find_project(file.parent)
    env_file = env_file.resolve() if env_file else None
    for path in (project, file, env_file, sys.executable):
        if _NO_TEXT.search(str(path or "")):
            raise PexError(
                f"{str(path)!r}: no scheduler can start in a path with line breaks or with "
                "characters that are not text"
            )
    for key in keys:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
            # It is not shown: it could be the key itself.
            raise PexError(
                "a variable that the plan or the project names for a key has another name than "
                "variables have: letters, digits and '_'"
            )
    return Schedule(
        file,
        project,
        label_of(file),
        cron,
        zone,
        env_file,
        sys.executable,
        python.python_path(os.environ.get("PYTHONPATH", "")),
        tuple(keys),
    )
