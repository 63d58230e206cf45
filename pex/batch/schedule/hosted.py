"""A plan and its times for schedulers elsewhere: GitHub Actions, Airflow, Kubernetes."""

from __future__ import annotations

import datetime
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from pex.batch.schedule.clocks import latest_in_utc, skipped
from pex.batch.schedule.quoting import (
    airflow_folder,
    airflow_text,
    comment,
    github_text,
    yaml_text,
)
from pex.batch.schedule.schedule import Schedule
from pex.core.canonical_json import digest
from pex.core.version import __version__
from pex.project.actions import by_commit


def github(schedule: Schedule, today: datetime.datetime) -> str:
    """A workflow for GitHub Actions; its times are in UTC, and the same all year.

    Raises:
        PexError: the times cannot be expressed in UTC.
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
    summer = f"; while clocks are forward, nights start {late} minutes later" if late else ""
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
      - uses: {by_commit("actions/checkout")}
        with: {{persist-credentials: false}}
      - uses: {by_commit("actions/setup-python")}
        with: {{python-version: "3.12"}}
      - uses: {by_commit("actions/cache")}
        with:
          path: ~/.cache/pip
          key: pexlab-{__version__}-${{{{ runner.os }}}}
      # The journal and MLflow's store: a night is compared with the nights before it.
      - uses: {by_commit("actions/cache")}
        with:
          path: {yaml_text(kept)}
          key: {yaml_text(f"pexlab-{schedule.label}-${{{{ github.run_id }}}}")}
          restore-keys: {yaml_text(f"pexlab-{schedule.label}-")}
      - run: pip install 'pexlab[lab,local]=={__version__}' && pexlab model install
      - run: {yaml_text(words)}
      - uses: {by_commit("actions/upload-artifact")}
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
    """A CronJob; the project is on a volume, the keys are in a secret.

    Kubernetes starts nothing at a time that the clocks skip: a second CronJob does, in the
    months and on the weekdays when clocks change, and ignores every other night.
    """
    name = re.sub(r"[^a-z0-9-]+", "-", f"pexlab-{schedule.label}".lower()).strip("-")
    if len(name) > 44:  # two long names must not become the same
        name = f"{name[:35].strip('-')}-{digest(name, 8)}"
    text = _cron_job(schedule, name, name, str(schedule.cron), schedule.arguments())
    gaps = list(skipped(schedule.cron, schedule.zone, today))
    times = dict.fromkeys((start.at.hour, start.at.minute) for start in gaps)
    for number, (hour, minute) in enumerate(times, 1):
        days = [start.at for start in gaps if (start.at.hour, start.at.minute) == (hour, minute)]
        months = ",".join(map(str, sorted({day.month for day in days})))
        weekdays = ",".join(map(str, sorted({day.isoweekday() % 7 for day in days})))
        text += "---\n# When the clocks skip the time of a night, it starts right after the gap.\n"
        text += _cron_job(
            schedule,
            name,
            f"{name}-gap{number}",
            f"{minute} {hour} * {months} {weekdays}",
            schedule.arguments("--only-skipped"),
        )
    return text


def _cron_job(schedule: Schedule, group: str, name: str, cron: str, words: Sequence[str]) -> str:
    # Kubernetes substitutes variables for $(NAME); two dollar signs give one.
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
