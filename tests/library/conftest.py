"""A project with an empty MLflow store."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def uri(project: Path, empty_store: Path) -> str:
    """The store of the project that is the current folder."""
    path = project / "mlruns" / "mlflow.db"
    path.parent.mkdir()
    shutil.copy(empty_store, path)
    return f"sqlite:///{path}"
