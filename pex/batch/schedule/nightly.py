"""One scheduled night of a plan, directly under a scheduler's bare environment.

Schedulers start `pexlab nightly`, which determines the night, checks whether it is running or
done, reads the keys from their file, and runs `pexlab batch` as a user would.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from filelock import FileLock, Timeout

from pex.batch import snapshot
from pex.batch.job_log import alone
from pex.batch.night.nights import FILE, LOG, NEXT
from pex.batch.plan import Plan, load_plan
from pex.batch.schedule.clocks import EARLY, is_first
from pex.batch.schedule.cron import Cron
from pex.batch.schedule.envfile import NAME
from pex.batch.schedule.nightlog import NightLog
from pex.batch.schedule.timezones import machine_zone
from pex.core import jsontext, python
from pex.core.canonical_json import digest
from pex.core.errors import PexError
from pex.core.project import find_project, led_outside
from pex.guard.redact import register
from pex.project.env_file import exposed, read_env
from pex.project.settings import load_settings
from pex.project.trust import VARIABLE as TRUST

DONE, JUNIT = "night.json", "night.xml"
_NIGHT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d-\d\d)?")
_LONGEST_LABEL = 190
_PAGES = ("night.html", "summary.html", "summary.csv")
_SETTLED = (0, 1, 3)
"""Exit codes after which a night is not retried: done, gate failed, undecided."""


@dataclasses.dataclass(frozen=True, slots=True)
class Night:
    """A scheduled night: the plan's file, when it is due, and the file of keys.

    `on_time` ignores a start that is not the first since the night was due: a crontab in another
    time zone fires at the hours of summer and of winter. `only_skipped` ignores all nights except
    those at times that the clocks skip, for schedulers that skip them too.
    """

    file: Path
    cron: Cron
    zone: ZoneInfo
    env_file: Path | None = None
    on_time: bool = False
    only_skipped: bool = False


def label_of(file: Path) -> str:
    """A name for a plan's log, timer and job, from its path in the project.

    Example:
        >>> label_of(Path("/nowhere/plan.yaml"))
        'plan'
    """
    file = file.resolve()
    parts = list(file.relative_to(find_project(file.parent)).with_suffix("").parts)
    if parts[0] == "experiments" and len(parts) > 1:
        parts = parts[1:]
    label = re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(parts)).strip("-.") or "plan"
    # It becomes part of file names, which systems limit to 255 characters.
    return label if len(label) <= _LONGEST_LABEL else f"{label[:180]}-{digest(label, 8)}"


def state_of(file: Path) -> Path:
    """The folder of the project's state, `.pex` unless its settings say otherwise."""
    project = find_project(file.resolve().parent)
    return project / load_settings(project).journal.path


def log_of(file: Path) -> Path:
    """The log of a plan's nights."""
    return state_of(file) / "logs" / f"{label_of(file)}.log"


def default_env_file(file: Path) -> Path | None:
    """The project's file of keys, if there is one."""
    path = state_of(file) / NAME
    return path if path.is_file() else None


def run_night(
    night: Night,
    say: Callable[[str], None] = lambda line: None,
    now: datetime.datetime | None = None,
) -> int:
    """Run the night that is due, unless it is running or done.

    Args:
        night: the plan, its times, its keys.
        say: gets every line of the log.
        now: the time; by default the current time.

    Returns:
        The exit code of `pexlab batch`; 0 if there was nothing to do.

    Raises:
        PexError: the plan, the settings or the file of keys are wrong; the log says so too.
        OSError: the folder of the log, or an old night, cannot be written.
        KeyboardInterrupt: interrupted; the batch has been ended and can be resumed.
    """
    os.environ.update(_bare())
    log = NightLog(log_of(night.file), night.zone)

    def note(line: str) -> None:
        try:
            log.write(line)
        except OSError as error:  # a full disk ends the log, not the night
            say(f"the log cannot be written: {error.strerror}")

    def tell(line: str) -> None:
        note(line)
        say(line)

    name = due_name(night, now or datetime.datetime.now(datetime.UTC), ZoneInfo(machine_zone()))
    if name is None:
        return 0
    try:
        with FileLock(log.path.with_suffix(".lock"), timeout=0):
            log.rotate()
            return _run(night, name, tell)
    except Timeout:
        tell(f"night {name}: an earlier one is still running; this start does nothing")
        return 0
    except PexError as error:
        note(f"night {name}: error: {error.message}")
        raise


def due_name(night: Night, now: datetime.datetime, machine: ZoneInfo) -> str | None:
    """The name of the night that a start is for; None if the start is to be ignored.

    Args:
        night: when nights are due, and which starts are ignored.
        now: the moment of the start.
        machine: the crontab's time zone.

    Example:
        >>> from pex.batch.schedule.cron import parse
        >>> night = Night(Path("plan.yaml"), parse("30 2 * * *"), ZoneInfo("Europe/Berlin"))
        >>> due_name(night, datetime.datetime(2027, 3, 28, 1, tzinfo=datetime.UTC), ZoneInfo("UTC"))
        '2027-03-28'
    """
    due = night.cron.due(now + EARLY, night.zone)
    if night.only_skipped and not due.skipped:
        return None
    if night.on_time and not is_first(night.cron, night.zone, machine, now):
        return None
    # A night is named by its scheduled day, even if it starts only after midnight.
    once = night.cron.once_a_day
    return f"{due.wall:%Y-%m-%d}" if once else f"{due.at:%Y-%m-%dT%H-%M}"


def prune(plan: Plan, keep: int) -> list[Path]:
    """Delete the notebooks and pages of all but the newest nights.

    Each night's result is kept, since later pages refer to it; so are batches that were named by
    hand, nights that were cut off or are still running, and files that others put there.

    Args:
        plan: the plan whose nights are pruned.
        keep: how many nights to keep unchanged.

    Returns:
        The folders in which something was deleted.

    Raises:
        PexError: a link in the outputs leads out of the project.
    """
    project = find_project(plan.folder)
    if (outside := led_outside(plan.outputs, project)) is not None:
        raise PexError(
            f"keep: nothing was deleted: {plan.outputs} leads to {outside}, outside the project"
        )
    nights = sorted(
        folder
        for folder in plan.outputs.glob("*")
        if _NIGHT.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink()
    )
    old = []
    for folder in nights[:-keep]:
        # A running night is not touched.
        with contextlib.suppress(PexError), alone(folder):
            found = [path for path in _bulky(folder) if path.is_file()]
            for path in found:
                path.unlink()
            old += [folder] if found else []
    return old


def _bulky(folder: Path) -> list[Path]:
    """A finished night's files other than its result; none for a night that was cut off."""
    if _code(folder) is None:
        return []
    names = [f"{job}.ipynb" for job in snapshot.jobs_of(folder) or ()]
    try:
        entries = jsontext.loads((folder / FILE).read_text(encoding="utf-8"))["jobs"]
        names += [f"{entry['id']}.ipynb" for entry in entries]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # a full disk: its end could not be written
    # A job's name contains no folder.
    return [folder / name for name in dict.fromkeys([*names, *_PAGES]) if Path(name).name == name]


def _run(night: Night, name: str, tell: Callable[[str], None]) -> int:
    env_file = night.env_file or default_env_file(night.file)
    if env_file is not None:
        variables = read_env(env_file)
        if night.env_file is None:
            variables.pop(TRUST, None)  # a project cannot declare itself trusted
        os.environ.update(variables)
        for value in variables.values():  # an address can be a secret too
            register(value)
        if warning := exposed(env_file):
            tell(f"warning: {warning}")
    plan = load_plan(night.file)
    folder = plan.folder / "outputs" / plan.name / name
    code = _code(folder)
    if code in _SETTLED:
        tell(f"night {name}: already done; nothing to do")
        return 0
    arguments = ["batch", str(night.file.resolve()), "--batch-id", name]
    arguments += ["--junit", str(folder / JUNIT)]
    arguments += ["--resume"] if folder.exists() else []
    tell(f"night {name}: {'continues' if folder.exists() else 'starts'}")
    begun = time.monotonic()
    try:
        told = {LOG: str(log_of(night.file)), NEXT: _next(night)}
        with _started(arguments, find_project(plan.folder), told) as process:
            assert process.stdout is not None
            for line in process.stdout:
                tell(line)
    except KeyboardInterrupt:
        tell(f"night {name}: stopped; the next start continues it")
        raise
    code = process.returncode
    minutes = (time.monotonic() - begun) / 60
    if folder.is_dir():
        text = json.dumps({"night": name, "exit_code": code})
        (folder / DONE).write_text(text + "\n", encoding="utf-8")
    tell(f"night {name}: ended after {minutes:.1f} minutes with exit code {code}")
    if plan.keep is not None:
        _tell_pruned(plan, plan.keep, tell)
    return code


def _tell_pruned(plan: Plan, keep: int, tell: Callable[[str], None]) -> None:
    try:
        old = prune(plan, keep)
    except PexError as error:  # the night itself is done
        tell(f"warning: {error}")
        return
    if old:
        tell(f"notebooks of old nights deleted: {', '.join(item.name for item in old)}")


@contextlib.contextmanager
def _started(
    arguments: list[str], project: Path, variables: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """A pexlab command that writes to a pipe; if this process ends, it ends cleanly too."""
    process = subprocess.Popen(
        python.command("pex.cli", *arguments),
        env=python.environment(**variables),
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    try:
        yield process
    except BaseException:
        process.terminate()
        raise
    finally:
        process.communicate()


def _next(night: Night) -> str:
    """When the next night is due, for this night's page."""
    now = datetime.datetime.now(night.zone)
    due = next(night.cron.coming(now, night.zone), None)
    return due.isoformat() if due else ""


def _code(folder: Path) -> int | None:
    """A night's exit code; None if it did not run or was cut off."""
    try:
        return int(jsontext.loads((folder / DONE).read_text(encoding="utf-8"))["exit_code"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _home() -> str:
    """The user's home folder; the temporary folder if the system has no entry for this user."""
    try:
        return str(Path("~").expanduser())
    except RuntimeError:
        return tempfile.gettempdir()


def _bare() -> dict[str, str]:
    """Variables that programs expect and a scheduler may omit."""
    here = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    return {
        "PATH": path if here in path.split(os.pathsep) else f"{here}{os.pathsep}{path}",
        "HOME": os.environ.get("HOME") or _home(),
        "LANG": os.environ.get("LANG") or "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }
