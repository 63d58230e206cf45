"""Reading a night writes nothing and asks nothing: only the batch itself judges and keeps."""

import contextlib
import hashlib
import sqlite3
from pathlib import Path

from pex.batch.job_log import newest_unfinished
from pex.batch.night.nights import keep, nights
from pex.batch.night.read_back import read_night
from pex.batch.plan import Plan, load_plan
from tests.batch.night.test_canary import Nights
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.processes import traces_are_written


def dump(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return "\n".join(database.iterdump())


def contents(project: Path) -> dict[str, str]:
    """Every file of the project; of a database what is in it, since looking may move its pages."""
    found = {}
    for path in sorted(project.rglob("*")):
        if path.suffix == ".db":
            text = dump(path).encode()
        elif path.is_file() and ".db-" not in path.name and path.suffix != ".lock":
            text = path.read_bytes()
        else:
            continue
        found[str(path.relative_to(project))] = hashlib.sha256(text).hexdigest()
    return found


def test_a_night_is_read_as_it_was_kept(project: Path, lab: FaultyEndpoint) -> None:
    made = Nights(project, lab)
    made.file.write_text(made.file.read_text().replace("pinned", "short"))
    judged = [made.night() for _ in range(2)]
    for morning in judged:
        morning.batch.folder.mkdir(parents=True)
        keep(morning.batch, morning.started_at, morning.outcome)
    # What a reading might do otherwise: judge by another rule, ask another canary.
    text = made.file.read_text().replace("margin: 0.1", "margin: 0.3")
    made.file.write_text(text.replace("canary.csv", "other.csv"))
    (made.folder / "other.csv").write_text("question\nWhat is new?\n")
    assert "pex.evidence" in dump(project / "mlruns" / "mlflow.db")
    traces_are_written()
    before, asked = contents(project), len(lab.bodies)
    for name in ("night-1", "night-2", None, "night-2"):
        night = read_night(made.file, name)
        night._repr_html_()
        assert len(night.subjects) == 1
    assert len(lab.bodies) == asked
    assert contents(project) == before


def test_within_its_batch_a_notebook_does_not_ask_the_canary(
    project: Path, lab: FaultyEndpoint, monkeypatch
) -> None:
    made = Nights(project, lab)
    monkeypatch.setattr("pex.batch.night.canary.ask", lambda *_: None)
    first = made.night()
    first.batch.folder.mkdir(parents=True)
    keep(first.batch, first.started_at, first.outcome)
    monkeypatch.undo()
    monkeypatch.chdir(project)
    traces_are_written()
    before, asked = contents(project), len(lab.bodies)
    assert len(read_night(made.file, "night-1").subjects) == 1
    assert (contents(project), len(lab.bodies)) == (before, asked)


def test_what_no_batch_wrote_is_no_night(tmp_path: Path) -> None:
    plan = Plan("nightly", tmp_path, (), 1, 0, None)
    assert nights(plan) == []
    (plan.outputs / "2026-03-10").mkdir(parents=True)
    (plan.outputs / "2026-03-10" / "batch.json").write_text('{"batch_id": "2026')
    for name in (".ipynb_checkpoints", "notes", "2026-03-10 (copy)", "empty", "__pycache__"):
        (plan.outputs / name).mkdir()
    (plan.outputs / "notes" / "a-checkpoint.ipynb").write_text("{}")
    (plan.outputs / ".ipynb_checkpoints" / "batch.json").write_text("{}")
    (plan.outputs / "2026-03-10 (copy)" / "batch.json").write_text("{}")
    (plan.outputs / "compare.ipynb").write_text("{}")
    assert [night.batch_id for night in nights(plan)] == ["2026-03-10"]


def test_a_resume_takes_no_folder_that_is_no_batch(project: Path) -> None:
    from tests.batch.test_plan import notebook, plan

    notebook(project / "n.ipynb", None, "1")
    loaded = load_plan(plan(project, "steps: [{id: a, notebook: n.ipynb}]\n"))
    (loaded.outputs / "night").mkdir(parents=True)
    (loaded.outputs / "night" / "begun.json").write_text('{"jobs": ["a"], "files": {}}')
    (loaded.outputs / ".ipynb_checkpoints").mkdir()
    (loaded.outputs / "figures").mkdir()
    assert newest_unfinished(loaded) == "night"
