"""A project with an empty MLflow store, which takes seconds to make and is made once."""

import shutil
from pathlib import Path

import pytest

from pex.library.store import connect


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def uri(project: Path, empty_store: Path) -> str:
    """The store of the project that is the current folder."""
    path = project / "mlruns" / "mlflow.db"
    path.parent.mkdir()
    shutil.copy(empty_store, path)
    return f"sqlite:///{path}"
