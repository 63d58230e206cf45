"""A prompt whose alias has a history, made once and copied."""

import shutil
from pathlib import Path

import pytest

import pex


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    (folder / "pex.toml").touch()
    (folder / "mlruns").mkdir()
    shutil.copyfile(empty_store, folder / "mlruns" / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for number in range(1, 5):
            pex.library.save(pex.Prompt(f"Version {number}: {{{{ q }}}}", name="ask"))
        for number in (1, 3, 2, 4):
            pex.library.set_alias("ask", "champion", number)
    return folder


@pytest.fixture
def ask(project: Path, shelf: Path) -> Path:
    """champion of `ask` went 1 → 3 → 2 → 4."""
    for name in ("mlruns", "library"):
        shutil.copytree(shelf / name, project / name)
    return project
