"""The store of the project that is the current folder."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def uri_of_project(project: Path, empty_store: Path) -> str:
    """The project's store, empty if nothing has been recorded yet."""
    path = project / "mlruns" / "mlflow.db"
    if not path.exists():
        path.parent.mkdir()
        shutil.copy(empty_store, path)
    return f"sqlite:///{path}"
