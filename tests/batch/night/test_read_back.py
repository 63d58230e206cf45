"""A night read again is the one that ran, whatever became of its plan since."""

import dataclasses
import datetime
from pathlib import Path

import pytest

from pex.batch import snapshot
from pex.batch.night.nights import keep
from pex.batch.night.read_back import _result
from pex.batch.plan import Job, Plan
from pex.batch.result import BatchResult, JobResult
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.night_pages import judged_night


def two(folder: Path) -> Plan:
    jobs = tuple(Job(name, name, folder / "n.ipynb", {}, ()) for name in ("a", "b"))
    return Plan("nightly", folder, jobs, 1, 0, None)


def test_jobs_that_the_plan_got_or_lost_since_change_no_night(tmp_path: Path) -> None:
    plan = two(tmp_path)
    folder = plan.outputs / "night"
    folder.mkdir(parents=True)
    results = [
        JobResult(job, folder / f"{job.id}.ipynb", "failed", 3.0, "no", 2) for job in plan.jobs
    ]
    keep(BatchResult("night", plan, folder, results), datetime.datetime.now(datetime.UTC))
    other = dataclasses.replace(plan.jobs[0], id="c", step="c")
    edited = dataclasses.replace(plan, jobs=(plan.jobs[0], other))
    read = _result(edited, "night").results
    assert [(item.job.id, item.status, item.error, item.cell) for item in read] == [
        ("a", "failed", "no", 2),
        ("b", "failed", "no", 2),
    ]


def test_a_night_that_was_cut_off_has_the_jobs_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = two(tmp_path)
    folder = plan.outputs / "night"
    folder.mkdir(parents=True)
    snapshot.begin(folder, plan)
    (folder / "batch.json").write_text('{"jobs": [{"id"')
    other = dataclasses.replace(plan.jobs[0], id="c", step="c")
    edited = dataclasses.replace(plan, jobs=(*plan.jobs, other))
    read = _result(edited, "night").results
    assert [(item.job.id, item.status) for item in read] == [
        ("a", "interrupted"), ("b", "interrupted")
    ]  # fmt: skip
    monkeypatch.setenv("PEX_JOB_ID", "b")
    assert [item.job.id for item in _result(edited, "night").results] == ["a"]


def test_an_experiment_says_itself_how_many_errors_are_too_many(
    project: Path, lab: FaultyEndpoint
) -> None:
    night = judged_night(project, 20, 2)
    now = night.subjects[0].now
    counts = dataclasses.replace(now.about.counts, errors=now.about.counts.requests // 10)
    now.about = dataclasses.replace(now.about, counts=counts)
    assert night.erring == night.subjects
    now.about = dataclasses.replace(now.about, max_error_share=0.2)
    assert night.erring == []
    now.about = dataclasses.replace(now.about, max_error_share=0.0)
    assert night.erring == night.subjects
    # Errors of generated cases that nobody has accepted do not count.
    errors = [f"error {n}" if n < counts.errors else None for n in range(len(now.frame))]
    states = ["generated" if error else None for error in errors]
    now.frame = now.frame.assign(error=errors, provenance=states)
    assert night.erring == []
