"""Running what a project directs: refused at once, with the command that allows it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import sqlite3
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

import pex
from pex.batch.plan import load_plan
from pex.batch.run import run_batch
from pex.batch.schedule.cron import parse
from pex.project.trust import TrustError, place
from pex.record import unrecorded
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.notebooks import notebook, plan, printed

KEY = "planted-key-4711"


@pytest.fixture(autouse=True)
def nobody_is_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    monkeypatch.delenv("PEX_TRUST")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("LAB_KEY", KEY)


class Listening(FaultyEndpoint):
    """Counts every request, to whatever page."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []
        self.all = 0

    def add_routes(self, app: web.Application) -> None:
        @web.middleware
        async def see(request: web.Request, handler):
            self.all += 1
            self.keys.append(request.headers.get("Authorization", ""))
            return await handler(request)

        app.middlewares.append(see)


@pytest.fixture
def endpoint():
    server = Listening()
    with server.running():
        yield server


@pytest.fixture
def keyed(lab: Listening, project: Path, monkeypatch: pytest.MonkeyPatch) -> Listening:
    """A project whose provider takes a key, with an experiment on it and a scorer of its own."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.modules.pop("pex_t_theirs", None)
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{lab.url}"\napi_key_env = "LAB_KEY"\nfree = true\n'
    )
    (project / "e.yaml").write_text(
        "name: echo\ncases: c.csv\nprompts: [p.prompty]\nmodels: [lab/m1]\n"
        "scorers: [exact, 'pex_t_theirs:good']\n"
    )
    (project / "c.csv").write_text("word,expected\na,a\nb,b\n")
    (project / "p.prompty").write_text("{{ word }}")
    (project / "pex_t_theirs.py").write_text(
        "import pathlib\npathlib.Path('marker').write_text('run')\ndef good(output): return True\n"
    )
    return lab


RUNS = [
    ["run", "e.yaml"],
    ["run", "e.yaml", "--json", "--no-record"],
    ["run", "e.yaml", "--provider-batch"],
    ["run", "e.yaml", "--journal", "off"],
]


@pytest.mark.parametrize("arguments", RUNS, ids=" ".join)
def test_a_run_without_trust_does_nothing(
    arguments: list[str], keyed: Listening, project: Path
) -> None:
    done = pexlab(*arguments, folder=project)
    assert done.returncode == 2
    said = f"{project}/pex.toml, [providers.lab] base_url: LAB_KEY would be sent to {keyed.url}"
    assert said in done.stderr
    assert f"pexlab trust {project}" in done.stderr
    assert keyed.all == 0
    assert not (project / "marker").exists()
    assert not (project / ".pex").exists(), "nor has anything been begun"


def test_trust_once_and_run(keyed: Listening, project: Path) -> None:
    done = pexlab("trust", "--json", folder=project)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["project"] == str(project)
    assert told["trusted"] == [
        f"pex.toml, [providers.lab] base_url: LAB_KEY would be sent to {keyed.url}"
    ]
    assert keyed.all == 0
    assert pexlab("run", "e.yaml", folder=project).returncode == 0
    assert set(keyed.keys) == {f"Bearer {KEY}"}
    assert (project / "marker").exists(), "a scorer runs when the experiment is run"


def test_one_command_without_trust(keyed: Listening, project: Path) -> None:
    assert pexlab("run", "e.yaml", folder=project, PEX_TRUST="1").returncode == 0
    assert not place().exists()


@pytest.mark.parametrize("folder", ["nowhere", "e.yaml"])
def test_there_is_no_such_folder(folder: str, keyed: Listening, project: Path) -> None:
    done = pexlab("trust", folder, folder=project)
    assert done.returncode == 2
    assert f"{folder}: there is no such folder" in done.stderr


def test_a_project_that_directs_nothing(project: Path) -> None:
    done = pexlab("trust", folder=project)
    assert "needs no trust" in done.stdout
    assert not place().exists()


def test_looking_imports_no_scorer_even_where_it_is_trusted(
    keyed: Listening, project: Path
) -> None:
    assert pexlab("trust", folder=project).returncode == 0
    assert pexlab("run", "e.yaml", "--dry-run", folder=project).returncode == 0
    exp = pex.Experiment.load(project / "e.yaml")
    exp.preview()
    pex.Playground(exp)._ipython_display_()
    assert "good" in repr(exp)
    assert not (project / "marker").exists()
    assert keyed.all == 0


def test_a_scorer_that_is_not_there_ends_a_run_before_it_begins(
    keyed: Listening, project: Path
) -> None:
    (project / "pex_t_theirs.py").unlink()
    done = pexlab("run", "e.yaml", folder=project, PEX_TRUST="1")
    assert done.returncode == 2
    assert "scorer 'good': cannot import pex_t_theirs" in done.stderr
    assert keyed.all == 0


def test_doctor_never_runs_a_command(lab: Listening, project: Path) -> None:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{lab.url}"\ntoken_command = "touch {project}/marker"\n'
    )
    for trusted in (False, True):
        if trusted:
            assert pexlab("trust", folder=project).returncode == 0
        done = pexlab("doctor", folder=project)
        assert done.returncode == 0, done.stderr
        [line] = [line for line in done.stdout.splitlines() if line.split()[1] == "lab"]
        assert "not checked" in line
        assert ("pexlab trust" in line) is not trusted
    assert not (project / "marker").exists()
    assert lab.all == 0


def test_doctor_asks_what_is_trusted_and_what_takes_no_key(keyed: Listening, project: Path) -> None:
    assert pexlab("trust", folder=project).returncode == 0
    assert f"{keyed.url}: {len(keyed.models)} models" in pexlab("doctor", folder=project).stdout
    place().unlink()
    (project / "pex.toml").write_text(f'[providers.lab]\nbase_url = "{keyed.url}"\nfree = true\n')
    assert f"{keyed.url}: {len(keyed.models)} models" in pexlab("doctor", folder=project).stdout


def test_a_run_in_python_is_refused_too(keyed: Listening, project: Path) -> None:
    exp = pex.Experiment.load(project / "e.yaml")
    for act in (exp.run, exp.start):
        with pytest.raises(TrustError, match="LAB_KEY would be sent"):
            act()
    assert keyed.all == 0


def on_a_terminal(arguments: list[str], folder: Path, answer: bytes) -> tuple[int, str]:
    """Run a command whose stdin and stderr are a terminal, and answer what it asks."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "pex.cli", *arguments],
        cwd=folder, stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs,
    ) as process:  # fmt: skip
        os.close(theirs)
        said = b""
        try:
            while chunk := os.read(ours, 4096):
                asked = b"[y/N]" in said
                said += chunk
                if b"[y/N]" in said and not asked:
                    os.write(ours, answer)
        except OSError:  # the other end is closed
            pass
        code = process.wait(300)
    os.close(ours)
    return code, said.decode()


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"\n", 2), (b"n\n", 2)])
def test_somebody_at_a_terminal_is_asked(
    answer: bytes, code: int, keyed: Listening, project: Path
) -> None:
    ended, said = on_a_terminal(["run", "e.yaml", "--no-record"], project, answer)
    assert "LAB_KEY would be sent to" in said
    assert "Trust this project?" in said
    assert ended == code, said
    assert (keyed.all > 0) is (code == 0)
    assert place().exists() is (code == 0)


def test_a_batch_is_refused_before_a_kernel_starts(keyed: Listening, project: Path) -> None:
    notebook(project / "n.ipynb", None, "open('kernel', 'w').close()")
    file = plan(project, "steps: [{id: a, notebook: n.ipynb}]\n")
    done = pexlab("batch", str(file), "--batch-id", "b", folder=project)
    assert done.returncode == 2
    assert "LAB_KEY would be sent" in done.stderr
    assert f"pexlab trust {project}" in done.stderr
    with pytest.raises(TrustError):
        run_batch(load_plan(file), "b", say=lambda line: None)
    assert not (project / "outputs").exists()
    assert not (project / "kernel").exists()


@pytest.mark.night
def test_the_jobs_of_a_batch_are_trusted_with_it(keyed: Listening, project: Path) -> None:
    assert pexlab("trust", folder=project).returncode == 0
    ask = (
        "import os, pex\n"
        "os.environ['XDG_CONFIG_HOME'] = '/nonexistent'  # as on another machine\n"
        "results = pex.Experiment.load('e.yaml').run(show=False, record=False)\n"
        "print(results.about['counts']['answered'])\n"
        "with open('pex.toml', 'a') as file: file.write('proxy = \"http://127.0.0.1:9\"')\n"
        "try: pex.Experiment.load('e.yaml').run(show=False, record=False, journal='off')\n"
        "except pex.PexError as error: print(type(error).__name__)\n"
    )
    notebook(project / "n.ipynb", None, ask)
    result = run_batch(
        load_plan(plan(project, "steps: [{id: a, notebook: n.ipynb}]\n")), "b", say=print
    )
    assert printed(result.results[0].output).split() == ["2", "TrustError"]


@pytest.mark.night
def test_a_file_of_the_project_does_not_trust_it(keyed: Listening, project: Path) -> None:
    from pex.batch.schedule.nightly import Night, run_night

    notebook(project / "n.ipynb", None, "open('kernel', 'w').close()")
    file = plan(project, "steps: [{id: a, notebook: n.ipynb}]\n")
    text = "PEX_TRUST=1\n"
    for path in (project / ".pex" / "schedule.env", project / "mine.env"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
    said: list[str] = []
    before = dict(os.environ)
    try:
        code = run_night(Night(file, parse("* * * * *"), ZoneInfo("UTC")), said.append)
        assert code == 2, said
        assert "LAB_KEY would be sent" in "\n".join(said)
        assert not (project / "kernel").exists()
        own = Night(file, parse("* * * * *"), ZoneInfo("UTC"), project / "mine.env")
        assert run_night(own, said.append) == 0, said
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.mark.parametrize("to", ["crontab", "systemd", "github", "airflow", "kubernetes"])
def test_a_schedule_asks_before_the_first_night(to: str, keyed: Listening, project: Path) -> None:
    notebook(project / "n.ipynb", None, "1")
    (project / ".git").mkdir()
    plan(project, "steps: [{id: a, notebook: n.ipynb}]\n")
    arguments = ["schedule", "plan.yaml", "--cron", "0 2 * * *", "--to", to]
    done = pexlab(*arguments, folder=project)
    assert done.returncode == 2
    assert "pexlab trust" in done.stderr
    assert pexlab("trust", folder=project).returncode == 0
    done = pexlab(*arguments, folder=project)
    assert done.returncode == 0, done.stderr
    # Another machine is told; on this one it is known.
    assert ("PEX_TRUST" in done.stdout) is (to in ("github", "airflow", "kubernetes"))
    (project / "pex.toml").write_text("")
    done = pexlab(*arguments, folder=project)
    assert "PEX_TRUST" not in done.stdout


def elsewhere(project: Path, column: str) -> str:
    """Let the store of the project say that files are on a server; returns its address."""
    address = "http://127.0.0.1:9/artifacts"
    with contextlib.closing(sqlite3.connect(project / "mlruns" / "mlflow.db")) as store:
        store.execute(f"UPDATE {column.replace('.', ' SET ')} = ?", (address,))
        store.commit()
    return address


@pytest.fixture
def recorded(keyed: Listening, project: Path) -> str:
    """The id of a run that is recorded here."""
    done = pexlab("run", "e.yaml", "--json", folder=project, PEX_TRUST="1")
    return str(json.loads(done.stdout)["run_id"])


def test_files_of_runs_elsewhere_are_left_alone(recorded: str, project: Path) -> None:
    address = elsewhere(project, "runs.artifact_uri")
    for arguments in (["report"], ["compare", recorded, recorded], ["record", recorded]):
        done = pexlab(*arguments, folder=project)
        assert done.returncode == 2
        assert f"mlflow.db: the files of runs are at {address}" in done.stderr
        assert f"pexlab trust {project}" in done.stderr
    assert pexlab("library", "list", folder=project).returncode == 0


def test_nor_does_a_run_begin_whose_files_would_go_there(
    recorded: str, keyed: Listening, project: Path
) -> None:
    place().unlink(missing_ok=True)
    (project / "pex.toml").write_text(f'[providers.lab]\nbase_url = "{keyed.url}"\nfree = true\n')
    elsewhere(project, "experiments.artifact_location")
    before = keyed.calls
    done = pexlab("run", "e.yaml", "--journal", "off", folder=project)
    assert done.returncode == 2
    assert "the files of runs are at http://127.0.0.1:9" in done.stderr
    assert keyed.calls == before


def test_trust_holds_for_the_places_that_were_shown(recorded: str, project: Path) -> None:
    elsewhere(project, "runs.artifact_uri")
    done = pexlab("trust", folder=project)
    assert "mlflow.db: what is recorded is at http://127.0.0.1:9" in done.stdout
    done = pexlab("report", folder=project, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert "not trusted" not in done.stderr
    assert done.returncode == 2  # nobody is there
    with contextlib.closing(sqlite3.connect(project / "mlruns" / "mlflow.db")) as store:
        store.execute("UPDATE runs SET artifact_uri = 's3://other/x'")
        store.commit()
    assert "not trusted" in pexlab("report", folder=project).stderr


def test_a_store_that_the_user_chose_is_not_looked_into(recorded: str, project: Path) -> None:
    elsewhere(project, "runs.artifact_uri")
    chosen = f"sqlite:///{project}/mlruns/mlflow.db"
    done = pexlab(
        "report",
        folder=project,
        MLFLOW_TRACKING_URI=chosen,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
    )
    assert "not trusted" not in done.stderr


def test_a_waiting_run_names_no_server_by_itself(
    recorded: str, keyed: Listening, project: Path
) -> None:
    frame, about = (pex.load_run(recorded).frame, pex.load_run(recorded).about)
    folder = unrecorded.keep(project / ".pex", recorded, frame, about, {})
    text = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps(text | {"tracking_uri": "http://127.0.0.1:9"}))
    done = pexlab("record", recorded, folder=project, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert done.returncode == 2
    assert "the run was started for http://127.0.0.1:9" in done.stderr
    assert "pexlab trust" in done.stderr
    assert pexlab("trust", folder=project).returncode == 0
    done = pexlab("record", recorded, folder=project, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert "does not answer" in done.stderr
