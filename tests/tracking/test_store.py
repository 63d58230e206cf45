"""The store of a project: made whole or not at all."""

import gc
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from mlflow.tracking._tracking_service import utils

from pex.core.errors import PexError
from pex.project.settings import Settings
from pex.tracking.store import KEPT_REPOSITORIES, connect, tracking_uri
from tests.helpers.processes import wait_for


def test_a_store_whose_making_was_killed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "mlruns" / "mlflow.db"
    uri = f"sqlite:///{path}"
    maker = subprocess.Popen(
        [sys.executable, "-c", f"from pex.tracking.store import connect; connect({uri!r})"]
    )
    deadline = time.monotonic() + 300
    while not list(path.parent.glob("*.part")):
        assert maker.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    maker.kill()
    maker.wait()
    assert not path.exists()
    assert [item.name for item in connect(uri).search_experiments()] == ["Default"]
    assert not list(path.parent.glob("*.part"))


def test_a_path_that_mlflow_would_open_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setattr(utils, "_tracking_uri", "sqlite:///mlruns/a.db")
    assert tracking_uri(tmp_path, Settings()) == f"sqlite:///{tmp_path}/mlruns/a.db"
    monkeypatch.setattr(utils, "_tracking_uri", "sqlite:///../mlruns/a.db")
    with pytest.raises(PexError, match=r"MLflow opens .*mlruns/a\.db, the project would") as caught:
        tracking_uri(tmp_path, Settings())
    assert f"sqlite:///{tmp_path}/mlruns/a.db" in caught.value.hint


def test_the_files_of_many_runs_leave_no_thread_each(tmp_path: Path) -> None:
    """MLflow alone keeps a thread for each of up to 1,024 runs."""
    client = connect(f"sqlite:///{tmp_path}/mlflow.db")
    name = "MlflowLocalArtifactRepository"
    there = sum(thread.name.startswith(name) for thread in threading.enumerate())
    file = tmp_path / "a.txt"
    file.write_text("a")
    for _ in range(KEPT_REPOSITORIES + 5):
        run = client.create_run("0").info.run_id
        client.log_artifact(run, str(file))
        assert client.download_artifacts(run, "a.txt", str(tmp_path))

    def started() -> int:
        gc.collect()
        now = sum(thread.name.startswith(name) for thread in threading.enumerate())
        return now - there

    wait_for(lambda: started() <= KEPT_REPOSITORIES)


def test_without_the_laboratory_the_error_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service has the base install only, where `pex.library.save` ended in a traceback."""
    monkeypatch.setitem(sys.modules, "mlflow.exceptions", None)
    with pytest.raises(PexError, match="mlflow is not installed") as raised:
        connect(f"sqlite:///{tmp_path}/mlflow.db")
    assert raised.value.hint == 'pip install "pexlab[lab]"'
