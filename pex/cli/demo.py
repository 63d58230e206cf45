"""`pexlab demo`: the whole story on the built-in model."""

from __future__ import annotations

import dataclasses
import datetime
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pex import local
from pex.cli import console, starter
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.project.settings import load_settings
from pex.project.shipped import EXPERIMENT
from pex.results.finished import check

if TYPE_CHECKING:
    from pex.batch.plan import Plan

CASES = 40
PROMPTS = 4
BATCH_CASES = 8
"""The plan has forty, so that a night can decide; nobody wants to wait for them here."""


def demo(
    cases: Annotated[int, typer.Option(help="How many cases each prompt answers.")] = CASES,
) -> None:
    """Compare prompts on the built-in model, record in MLflow, run a Papermill batch, report."""
    from pex.batch.mlflow_batch import recording
    from pex.batch.night import nights
    from pex.batch.night.headline import headline
    from pex.batch.night.judge_night import judge_night
    from pex.batch.night.write_page import write_page
    from pex.batch.plan import load_plan
    from pex.batch.run import run_batch
    from pex.batch.summary import collect, text, write
    from pex.experiment.experiment import Experiment

    absent = local.missing()
    if absent is not None:
        raise PexError(absent)
    begun = time.perf_counter()
    project = _enter_project()
    folder = project / EXPERIMENT
    exp = Experiment.load(folder / "experiment.yaml")
    exp = Experiment.load(
        folder / "experiment.yaml",
        prompts=[f"prompts/{v.prompt.path.name}" for v in exp.variants[:PROMPTS] if v.prompt.path],
    )
    shown = min(cases, len(exp.cases))
    console.err(
        f"1. {len(exp.variants)} prompts on {shown} reviews, with a real model on this machine"
    )
    results = exp.run(limit=shown, show=True)
    check(results, exp.max_error_share)
    console.out(repr(results))
    console.out("\nIs one better, or is it noise?")
    console.out(repr(results.compare()))

    console.err("\n2. The same experiment as a notebook, executed twice by Papermill, and its page")
    uri, started_at = str(results.about.tracking_uri), datetime.datetime.now(datetime.UTC)
    with recording(uri, console.err) as record:
        batch = run_batch(_short(load_plan(folder / "plan.yaml")), say=console.err, record=record)
        table = collect(batch, uri)
        write(table, batch)
        console.out(text(table))
        night = judge_night(batch, started_at, uri)
        nights.keep(batch, started_at, night.outcome)
        page = write_page(night, console.err)
        record.end(batch, headline(night), night.outcome, page)

    report = results.report(project / "outputs" / "report.html")
    whole = folder.relative_to(project) / "experiment.yaml"
    console.out(
        f"\nDone in {time.perf_counter() - begun:.0f} s. Where to look:\n"
        f"  report       {report}\n"
        f"  notebooks    {batch.folder}\n"
        f"  morning page {page}\n"
        f"  MLflow       pexlab ui    (run {results.run_id})\n"
        f"  JupyterLab   pexlab lab   (notebooks/01_compare_prompts.ipynb)\n"
        f"  all {len(exp.cases)} cases, all prompts:  pexlab run {whole}"
    )
    if batch.failed:
        raise PexError(f"{len(batch.failed)} notebooks failed; see above")


def _short(plan: Plan) -> Plan:
    """A plan whose jobs run a few cases only."""
    jobs = [
        dataclasses.replace(job, parameters={**job.parameters, "limit": BATCH_CASES})
        if "limit" in job.parameters
        else job
        for job in plan.jobs
    ]
    return dataclasses.replace(plan, jobs=tuple(jobs))


def _enter_project() -> Path:
    """The current project, or a new folder `pexlab-demo` if there is none with the example."""
    project = find_project()
    if not (project / EXPERIMENT / "experiment.yaml").is_file():
        project = Path.cwd() / "pexlab-demo"
        starter.write(project)
        console.err(f"the demo's files are in {project}")
    os.chdir(project)
    load_settings(project)
    return project
