"""Papermill's own notebooks come out of this engine as they come out of Papermill's."""

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

pytestmark = pytest.mark.night


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebooks that Papermill's source distribution has for its tests."""
    folder = tmp_path_factory.mktemp("papermill")
    name = f"papermill=={papermill.__version__}"
    ask = [sys.executable, "-m", "pip", "download", "--no-binary", ":all:", "--no-deps", name]
    got = subprocess.run(ask, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    archives = list(folder.glob("papermill-*.tar.gz"))
    if not archives:
        pytest.skip(f"Papermill's source cannot be had: {got.stderr.strip().splitlines()[-1:]}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.glob("papermill-*/papermill/tests/notebooks"))


def executed(source: Path, output: Path, engine: str | None) -> tuple[int, list[Any]]:
    """The exit code, and every cell with its outputs; not what differs from run to run."""
    chosen = ["--engine", engine] if engine else []
    ask = [sys.executable, "-m", "papermill", "--no-progress-bar", *chosen, source, output]
    done = subprocess.run(ask, cwd=source.parent, capture_output=True, check=False, timeout=300)
    if not output.exists():
        return done.returncode, []
    cells = []
    for cell in nbformat.read(output, as_version=4).cells:
        for item in cell.get("outputs", []):
            item.pop("traceback", None)
        status = cell.metadata.get("papermill", {}).get("status")
        outputs = whole(cell.get("outputs", []))
        cells.append((cell.source, outputs, cell.get("execution_count"), status))
    return done.returncode, cells


def whole(outputs: list[Any]) -> list[Any]:
    """Outputs with what was printed in one piece: where it is cut is a matter of time."""
    found: list[Any] = []
    for item in outputs:
        last = found[-1] if found else {}
        if item["output_type"] == "stream" and last.get("name") == item["name"]:
            last["text"] += item["text"]
        else:
            found.append(item)
    return found


@pytest.mark.soak
def test_papermills_own_notebooks_come_out_the_same(examples: Path, tmp_path: Path) -> None:
    sources = sorted(examples.rglob("*.ipynb"))
    assert len(sources) > 15
    for source in sources:
        name = source.stem
        own = executed(source, tmp_path / f"{name}-own.ipynb", None)
        ours = executed(source, tmp_path / f"{name}-pex.ipynb", "pex")
        assert ours == own, name
