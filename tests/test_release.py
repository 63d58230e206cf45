"""What a stranger installs: the wheel and the sdist, and the wheel at work outside the checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

from pex.core.version import __version__
from tests.helpers import ROOT
from tests.helpers.browser import free_port
from tests.helpers.processes import wait_for

pytestmark = pytest.mark.soak


def tracked(*places: str) -> set[str]:
    """The files that git has in these places."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *places], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(filter(None, listed.stdout.split("\0")))


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what `make package` built, else of what is built here."""
    built = os.environ.get("PEX_DIST")
    folder = Path(built).resolve() if built else tmp_path_factory.mktemp("dist")
    if not built:
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_the_wheel_has_the_package_and_nothing_else(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    about = f"pexlab-{__version__}.dist-info/"
    package = {name for name in names if name.startswith("pex/")}
    assert {name for name in names if not name.startswith(about)} == package
    assert {name for name in package if not name.startswith("pex/starter/")} == tracked("pex")
    assert f"{about}licenses/LICENSE" in names


def test_the_sdist_has_what_git_has(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names - tracked() == {"PKG-INFO"}
    assert tracked() - names == set()


def install(folder: Path, what: str) -> Path:
    """A new environment with the wheel; returns the folder of its programs."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    programs = folder / "bin"
    command = [str(programs / "python"), "-m", "pip", "install", "-q", what]
    subprocess.run(command, check=True)
    return programs


def run(programs: Path, *command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A program of an environment, which sees nothing of the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PATH": f"{programs}{os.pathsep}{environment['PATH']}"}
    return subprocess.run(
        [str(programs / command[0]), *command[1:]],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_service_needs_the_wheel_alone(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    programs = install(tmp_path / "environment", str(wheel))
    program = "import pex; print(pex.guard.check('Nice.\\u200b').cleaned, pex.__file__)"
    said = run(programs, "python", "-c", program, folder=tmp_path)
    assert said.stdout.startswith("Nice. "), said.stderr
    assert str(tmp_path) in said.stdout
    assert run(programs, "pexlab", "init", "project", folder=tmp_path).returncode == 0
    refused = run(programs, "pexlab", "demo", folder=tmp_path)
    assert refused.returncode == 2
    assert 'pip install "pexlab[lab]"' in refused.stderr


def test_the_laboratory_from_the_wheel(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    programs = install(tmp_path / "environment", f"{wheel}[lab,local]")
    installed = run(programs, "pexlab", "model", "install", folder=tmp_path)
    assert installed.returncode == 0, installed.stderr
    made = run(programs, "pexlab", "init", "project", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    project = tmp_path / "project"
    experiment = "experiments/review-sentiment/experiment.yaml"
    try:
        ran = run(programs, "pexlab", "run", experiment, "--limit", "2", folder=project)
        assert ran.returncode == 0, ran.stderr
        assert "short" in ran.stdout
        told = run(programs, "pexlab", "demo", "--cases", "4", folder=project)
        assert told.returncode == 0, told.stderr
        assert list(project.glob("outputs/**/*.html"))
        _jupyterlab_answers(programs, project)
    finally:
        run(programs, "pexlab", "model", "stop", folder=project)
        shutil.rmtree(tmp_path / "environment")


def _jupyterlab_answers(programs: Path, project: Path) -> None:
    port = free_port()
    options = ["--no-browser", f"--port={port}", "--ServerApp.port_retries=0"]
    lab = subprocess.Popen(
        [str(programs / "pexlab"), "lab", "--", *options],
        cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: _status(f"http://127.0.0.1:{port}/login") == 200)
    finally:
        lab.terminate()
        lab.wait()


def _status(address: str) -> int | None:
    try:
        with urllib.request.urlopen(address) as answer:
            return int(answer.status)
    except (urllib.error.URLError, ConnectionError):
        return None
