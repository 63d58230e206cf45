"""A night whose variants were judged, without models."""

import datetime
from pathlib import Path

from pex.batch.night.night import JudgedNight, JudgedRun
from pex.batch.night.night_gate import judge, rule_of
from pex.batch.night.run_changes import Recorded
from pex.batch.plan import Job, Plan, PlanGate
from pex.batch.result import BatchResult, JobResult
from pex.project.spec import GateSpec
from tests.helpers.made import made

AT = datetime.datetime(2026, 3, 10, 2, tzinfo=datetime.UTC)


def recorded(run_id: str, cases: int, variants: int, *, hostile: bool = False) -> Recorded:
    results = made(cases, variants, hostile=hostile)
    run = {
        "run_id": run_id, "experiment_id": "0", "experiment": "made", "job_id": "job",
        "batch_id": run_id, "started_at": AT,
    }  # fmt: skip
    return Recorded(run, results.frame, results.about)


def judged_night(project: Path, cases: int, variants: int, *, hostile: bool = False) -> JudgedNight:
    """A night whose variants are judged against the first, with a night before it."""
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    now = recorded("tonight", cases, variants, hostile=hostile)
    last = recorded("before", cases, variants)
    last.frame["score.label"] = last.frame["score.label"].sample(frac=1, random_state=1).to_numpy()
    rule = rule_of(PlanGate(baseline="variant-0", metric="label", margin=0.02), None)
    assert isinstance(rule, GateSpec)
    judged = judge(now, rule, "nightly", project, lambda run_id: last, uri)
    subject = JudgedRun(now, last, [], None, judged, [], [], "label")
    job = Job("job", "job", project / "n.ipynb", {}, ())
    plan = Plan("nightly", project, (job,), 1, 0, None)
    error = "<script>window.hacked=1</script> \x1b[31mred\x00"
    result = JobResult(job, project / "job.ipynb", "failed" if hostile else "done", error=error)
    batch = BatchResult("tonight", plan, project, [result])
    return JudgedNight(batch, AT, uri, [subject], [], [], [], [])
