"""The store of a project: made whole or not at all."""

import subprocess
import sys
import time
from pathlib import Path

from pex.tracking.store import connect


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
