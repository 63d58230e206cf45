"""A plan and its times as the text of a scheduler: crontab, systemd, GitHub, Airflow, Kubernetes.

Nothing here touches a machine; `pex.batch.schedule.install` puts the first two where they work.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from pex.batch.schedule.clocks import YEARS, latest_in_utc, moved, skipped
from pex.batch.schedule.cron import Cron
from pex.batch.schedule.nightly import default_env_file, label_of
from pex.batch.schedule.quoting import (
    airflow_folder,
    airflow_text,
    comment,
    github_text,
    unit_text,
    unit_word,
    yaml_text,
)
from pex.core import python
from pex.core.canonical_json import digest
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.core.version import __version__
from pex.project.settings import load_settings
from pex.project.trust import VARIABLE as TRUST
from pex.run.provider_trust import directed

KINDS = ("crontab", "systemd", "github", "airflow", "kubernetes")
_LONGEST_LINE = 990
"""Debian's cron refuses commands of 1000 characters and more."""
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


@dataclasses.dataclass(frozen=True, slots=True)
class Schedule:
    """What every text is made of.

    `python` and `python_path` are this process's own: a night finds what is found here.
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
        """The plan's file as seen from the project."""
        return self.file.relative_to(self.project).as_posix()

    @property
    def trusted(self) -> dict[str, str]:
        """What tells another machine that the project is trusted, where its settings need it."""
        return {TRUST: "1"} if directed(load_settings(self.project)) else {}

    def arguments(self, *more: str) -> list[str]:
        """What comes after the interpreter, started in the project's folder."""
        line = [*python.command("pex.cli", "nightly", self.relative)[1:]]
        return [*line, "--cron", str(self.cron), "--timezone", self.zone.key, *more]

    def keys_file(self) -> list[str]:
        """The option that names the file of keys, where it is not the one found anyway."""
        if self.env_file is None or self.env_file == default_env_file(self.file):
            return []
        return ["--env-file", str(self.env_file)]


def make(
    file: Path, cron: Cron, zone: ZoneInfo, env_file: Path | None, keys: Sequence[str]
) -> Schedule:
    """Gather what a scheduler has to know.

    Args:
        file: the plan.
        cron: when.
        zone: where these times count.
        env_file: the file of keys, None for none.
        keys: names of the variables with keys.

    Raises:
        PexError: a path cannot stand in one line.
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
            # It is not shown: it may be the key itself.
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


def crontab(schedule: Schedule, machine: ZoneInfo, today: datetime.date) -> str:
    """The lines of a crontab, between two comments that mark them.

    Cron counts in the machine's time zone, and Debian's knows no other. Times of another zone
    become the lines for each difference that the two have in the coming year; `pexlab nightly`
    leaves alone what is not due.

    Raises:
        PexError: the command is longer than cron takes, or the times cannot be moved.
    """
    times = moved(schedule.cron, schedule.zone, machine, today)
    more = [*schedule.keys_file(), "--quiet", *(["--on-time"] if len(times) > 1 else [])]
    command = shlex.join([schedule.python, *schedule.arguments(*more)])
    if schedule.python_path:
        command = f"PYTHONPATH={shlex.quote(schedule.python_path)} {command}"
    command = f"cd {shlex.quote(str(schedule.project))} && {command}"
    # To cron a bare % is a line break, also after two backslashes: a pair of quotes parts them.
    command = command.replace("\\%", "\\''%").replace("%", "\\%")
    if len(command) > _LONGEST_LINE:
        raise PexError(
            f"the command has {len(command)} characters, cron takes {_LONGEST_LINE}",
            hint="--to systemd has no such limit",
        )
    begin, end = marks(schedule)
    return "\n".join([begin, *(f"{line} {command}" for line in times), end]) + "\n"


def marks(schedule: Schedule) -> tuple[str, str]:
    """The comments around a plan's lines in a crontab."""
    return (f"# pexlab nightly, begin: {schedule.file}", f"# pexlab nightly, end: {schedule.file}")


def service(schedule: Schedule) -> str:
    """The unit that systemd starts."""
    words = [schedule.python, *schedule.arguments(*schedule.keys_file())]
    folder = str(schedule.project)
    folder += "/" if folder[-1].isspace() else ""  # systemd drops spaces at the end of a line
    lines = [
        "[Unit]",
        f"Description=pexlab nightly: {unit_text(schedule.relative)}",
        "",
        "[Service]",
        "Type=oneshot",
        f"WorkingDirectory={unit_text(folder)}",
        "Environment=LANG=C.UTF-8",
    ]
    if schedule.python_path:
        lines.append(f"Environment={unit_word('PYTHONPATH=' + schedule.python_path)}")
    lines += [
        f"ExecStart={' '.join(unit_word(word).replace('$', '$$') for word in words)}",
        "# The batch is asked to end and keeps what was answered.",
        "KillMode=mixed",
        "TimeoutStopSec=60",
    ]
    return "\n".join(lines) + "\n"


def timer(schedule: Schedule, today: datetime.date) -> str:
    """The unit that says when; a night that was missed while the machine was off is made up."""
    lines = ["[Unit]", f"Description=Times of pexlab nightly: {unit_text(schedule.relative)}", ""]
    times = [f"OnCalendar={item}" for item in calendar(schedule.cron, schedule.zone)]
    extra = [f"OnCalendar={item}" for item in after_gaps(schedule.cron, schedule.zone, today)]
    lines += ["[Timer]", *times]
    if extra:
        lines += [
            f"# When the clocks skip that time; for {YEARS} years, then write this file again.",
            *extra,
        ]
    lines += ["Persistent=true", "", "[Install]", "WantedBy=timers.target"]
    return "\n".join(lines) + "\n"


def calendar(cron: Cron, zone: ZoneInfo) -> list[str]:
    """The times as systemd writes them.

    Example:
        >>> from pex.batch.schedule.cron import parse
        >>> calendar(parse("0 2 * * mon-fri"), ZoneInfo("Europe/Berlin"))
        ['Mon,Tue,Wed,Thu,Fri *-*-* 02:00:00 Europe/Berlin']
    """
    hours = "*" if len(cron.hours) == 24 else _two(cron.hours)
    minutes = "*" if len(cron.minutes) == 60 else _two(cron.minutes)
    months = "*" if len(cron.months) == 12 else _two(cron.months)
    clock = f"{hours}:{minutes}:00 {zone.key}"
    by_date = f"*-{months}-{'*' if cron.any_day else _two(cron.days)} {clock}"
    week = ",".join(_WEEKDAYS[day] for day in cron.weekdays)
    if cron.any_weekday:
        return [by_date]
    if cron.any_day:
        return [f"{week} {by_date}"]
    # Cron takes a day that fits either field; a line of systemd's, one that fits both.
    return [by_date, f"{week} *-{months}-* {clock}"]


def after_gaps(cron: Cron, zone: ZoneInfo, today: datetime.date) -> list[str]:
    """The times to add for systemd, which starts nothing at a time that the clocks skip.

    Example:
        >>> from pex.batch.schedule.cron import parse
        >>> new_york = ZoneInfo("America/New_York")
        >>> after_gaps(parse("30 2 * * *"), new_york, datetime.date(2026, 11, 26))[0]
        '2027-03-14 03:00:00 America/New_York'
    """
    moments = dict.fromkeys(start.at for start in skipped(cron, zone, today))
    return [f"{moment:%Y-%m-%d %H:%M}:00 {zone.key}" for moment in moments]


def github(schedule: Schedule, today: datetime.datetime) -> str:
    """A workflow for GitHub Actions; its times are in UTC, and the same all year.

    Raises:
        PexError: the times cannot be said in UTC.
    """
    lines, late = latest_in_utc(schedule.cron, schedule.zone, today.date())
    root = _repository(schedule.project)
    folder = schedule.project.relative_to(root).as_posix()
    prefix = "" if folder == "." else f"{folder}/"
    outputs = Path(schedule.relative).parent.as_posix()
    outputs = "outputs" if outputs == "." else f"{outputs}/outputs"
    words = github_text(shlex.join(["python", *schedule.arguments()]))
    kept = "\n".join(github_text(prefix + name) for name in (".pex", "mlruns"))
    trust = "".join(f'      {key}: "{value}"\n' for key, value in schedule.trusted.items())
    secrets = "".join(f"      {key}: ${{{{ secrets.{key} }}}}\n" for key in schedule.keys)
    crons = "".join(f"    - cron: {yaml_text(line)}\n" for line in lines)
    plan = comment(schedule.relative)
    summer = f"; with clocks forward, nights begin {late} minutes later" if late else ""
    return f"""\
# Runs the plan {plan} at {schedule.cron} ({schedule.zone.key}) and keeps its outputs.
# GitHub counts in UTC and may start later than it says{summer}.
name: {yaml_text(f"nightly {schedule.label}")}
on:
  schedule:
{crons}  workflow_dispatch:
permissions:
  contents: read
concurrency:
  group: {yaml_text(f"pexlab-{schedule.label}")}
  cancel-in-progress: false
jobs:
  night:
    runs-on: ubuntu-latest
    timeout-minutes: 350
    env:
      LANG: C.UTF-8
{trust}{secrets}    defaults:
      run:
        working-directory: {yaml_text(github_text(folder))}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {{python-version: "3.12"}}
      - uses: actions/cache@v4
        with:
          path: ~/.cache/pip
          key: pexlab-{__version__}-${{{{ runner.os }}}}
      # The journal and MLflow's store: a night is compared with the nights before it.
      - uses: actions/cache@v4
        with:
          path: {yaml_text(kept)}
          key: {yaml_text(f"pexlab-{schedule.label}-${{{{ github.run_id }}}}")}
          restore-keys: {yaml_text(f"pexlab-{schedule.label}-")}
      - run: pip install 'pexlab[local]=={__version__}' && pexlab model install
      - run: {yaml_text(words)}
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: {yaml_text(f"night-{schedule.label}-${{{{ github.run_id }}}}")}
          path: {yaml_text(github_text(prefix + outputs))}
          if-no-files-found: ignore
          retention-days: 30
"""


def airflow(schedule: Schedule, today: datetime.date) -> str:
    """The file of an Airflow DAG, for 2.4 and later and for 3."""
    words = shlex.join([schedule.python, *schedule.arguments(*schedule.keys_file())])
    plan = comment(schedule.relative)
    begins = f"{today.year}, {today.month}, {today.day}"
    environment = {"LANG": "C.UTF-8", **schedule.trusted}
    if schedule.python_path:
        environment["PYTHONPATH"] = airflow_folder(schedule.python_path)
    return f"""\
# -*- coding: utf-8 -*-
# Runs the plan {plan} every night; put this file into Airflow's folder of DAGs.
import pendulum
from airflow import DAG

try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:  # Airflow 2
    from airflow.operators.bash import BashOperator

with DAG(
    dag_id={f"pexlab-{schedule.label}"!a},
    schedule={str(schedule.cron)!a},
    start_date=pendulum.datetime({begins}, tz={schedule.zone.key!a}),
    catchup=False,
    max_active_runs=1,
    tags=["pexlab"],
) as dag:
    BashOperator(
        task_id="night",
        bash_command={airflow_text(words) + " "!a},
        cwd={airflow_folder(str(schedule.project))!a},
        env={environment!a},
        append_env=True,
        retries=0,
    )
"""


def kubernetes(schedule: Schedule, today: datetime.date) -> str:
    """A CronJob; the project lies on a volume, the keys in a secret.

    Kubernetes starts nothing at a time that the clocks skip: a second CronJob does, in the
    months and on the weekdays when clocks change, and leaves every other night alone.
    """
    name = re.sub(r"[^a-z0-9-]+", "-", f"pexlab-{schedule.label}".lower()).strip("-")
    if len(name) > 44:  # two long ones must not become one
        name = f"{name[:35].strip('-')}-{digest(name, 8)}"
    text = _cron_job(schedule, name, name, str(schedule.cron), schedule.arguments())
    gaps = list(skipped(schedule.cron, schedule.zone, today))
    times = dict.fromkeys((start.at.hour, start.at.minute) for start in gaps)
    for number, (hour, minute) in enumerate(times, 1):
        days = [start.at for start in gaps if (start.at.hour, start.at.minute) == (hour, minute)]
        months = ",".join(map(str, sorted({day.month for day in days})))
        weekdays = ",".join(map(str, sorted({day.isoweekday() % 7 for day in days})))
        text += "---\n# When the clocks skip the time of a night, it begins right after that.\n"
        text += _cron_job(
            schedule,
            name,
            f"{name}-gap{number}",
            f"{minute} {hour} * {months} {weekdays}",
            schedule.arguments("--only-skipped"),
        )
    return text


def _cron_job(schedule: Schedule, group: str, name: str, cron: str, words: Sequence[str]) -> str:
    # Kubernetes puts variables in place of $(NAME); two dollar signs are one.
    escaped = (word.replace("$", "$$") for word in words)
    arguments = "".join(f"                - {yaml_text(word)}\n" for word in escaped)
    source = comment(shlex.quote(str(schedule.env_file or ".pex/schedule.env")))
    trusted = schedule.trusted.items()
    trust = "".join(
        f'                - {{name: {key}, value: "{value}"}}\n' for key, value in trusted
    )
    return f"""\
# Runs the plan {comment(schedule.relative)}. It needs, under the names below:
#   an image with Python and pexlab {__version__},
#   a volume with the project's folder, which keeps the journal, MLflow's store and the outputs,
#   the keys: kubectl create secret generic {group} --from-env-file={source}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {name}
spec:
  schedule: {yaml_text(cron)}
  timeZone: {yaml_text(schedule.zone.key)}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 0
      template:
        spec:
          restartPolicy: Never
          terminationGracePeriodSeconds: 60
          containers:
            - name: night
              image: pexlab:{__version__}
              workingDir: /project
              command: ["python"]
              args:
{arguments}              env:
                - {{name: LANG, value: C.UTF-8}}
                - {{name: HOME, value: /tmp}}
{trust}              envFrom:
                - secretRef: {{name: {group}, optional: {str(not schedule.keys).lower()}}}
              resources:
                requests: {{cpu: "1", memory: 2Gi}}
                limits: {{memory: 4Gi}}
              securityContext: {{allowPrivilegeEscalation: false}}
              volumeMounts:
                - {{name: project, mountPath: /project}}
          volumes:
            - name: project
              persistentVolumeClaim: {{claimName: {group}}}
"""


def _repository(project: Path) -> Path:
    for folder in (project, *project.parents):
        if (folder / ".git").exists():
            return folder
    return project


def _two(values: Sequence[int]) -> str:
    return ",".join(f"{value:02d}" for value in values)
