"""Nothing phones home: every connection of JupyterLab and its kernels is looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.helpers.browser import Lab, free_port, page, serving
from tests.helpers.notebooks import notebook

RECORDER = """
import os, sys
def look(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    with open(os.environ["SEEN_HOSTS"], "a") as file:
        file.write(f"{host} {' '.join(sys.argv)[:100]}\\n")
sys.addaudithook(look)
"""
"""What every Python process of a test runs as it starts."""
HERE = ("127.0.0.1", "::1", "localhost", "None", "", "0.0.0.0", "b'127.0.0.1'")
TESTING = (
    "PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK",
)  # fmt: skip
"""With these MLflow stays at home by itself."""


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the connections of all child processes are, each with its process."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(RECORDER)
    for name in TESTING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hook"))
    monkeypatch.setenv("SEEN_HOSTS", str(tmp_path / "seen"))
    (tmp_path / "seen").touch()
    return tmp_path / "seen"


def foreign(seen: Path) -> list[str]:
    import socket

    here = (*HERE, socket.gethostname())
    return [line for line in seen.read_text().splitlines() if line.partition(" ")[0] not in here]


def test_the_recorder_sees_what_asks(watched: Path) -> None:
    code = "import socket\ntry: socket.getaddrinfo('pex.invalid', 80)\nexcept OSError: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert foreign(watched) == ["pex.invalid -c"]


@pytest.mark.slow
def test_mlflow_after_pex(watched: Path, tmp_path: Path) -> None:
    code = "import pex; pex.Prompt\nimport mlflow, time; time.sleep(1)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert foreign(watched) == []


@pytest.mark.browser
def test_jupyterlab_and_a_kernel_that_imports_mlflow(watched: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pex.toml").touch()
    notebook(project / "n.ipynb", None, "import mlflow\nprint('imported')")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        "pex.cli", "lab", "--", "--no-browser", f"--port={port}", "--ServerApp.root_dir=/",
        "--IdentityProvider.token=t", "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    private = {"JUPYTER_CONFIG_DIR": str(tmp_path / "c"), "JUPYTERLAB_SETTINGS_DIR": str(tmp_path)}
    with serving(command, project, f"{url}/api", MLFLOW_DISABLE_TELEMETRY="", **private):
        with page() as browser_page:
            lab = Lab(url, project, browser_page)
            asked = lab.foreign()
            lab.open("n.ipynb")
            lab.run_all()
            assert "imported" in lab.printed()
        for path in ("extensions?query=&page=1&per_page=30&refresh=1", "news", "update"):
            request = urllib.request.Request(
                f"{url}/lab/api/{path}", headers={"Authorization": "token t"}
            )
            with urllib.request.urlopen(request, timeout=60) as reply:
                found = json.loads(reply.read())
            assert not found or found in ([], {"news": []}, {"notification": None}), path
    assert asked == []
    assert foreign(watched) == []


@pytest.mark.slow
def test_the_commands_set_the_variables_for_what_they_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.helpers.command import pexlab

    started: list[tuple[list[str], dict[str, str]]] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        environment = options.get("env") or os.environ
        started.append((command, dict(environment)))  # type: ignore[call-overload]
        return subprocess.CompletedProcess(command, 0)

    for name in TESTING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pex.cli.servers.subprocess", SimpleNamespace(run=run))
    (tmp_path / "pex.toml").touch()
    assert pexlab("lab", folder=tmp_path).returncode == 0
    assert pexlab("ui", folder=tmp_path).returncode == 0
    (lab, lab_env), (ui, ui_env) = started
    assert lab_env["MLFLOW_DISABLE_TELEMETRY"] == ui_env["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert "--LabApp.extension_manager=readonly" in lab
    assert "--LabApp.news_url=None" in lab
    # Arguments can be read by every user of the machine.
    assert ui_env["PEX_UI_TOKEN"] not in " ".join(ui)
    assert ui_env["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


@pytest.mark.parametrize("option", ["--app-name=basic-auth", "--gunicorn-opts", "--dev"])
def test_another_server_than_ours_is_refused(option: str, tmp_path: Path) -> None:
    from tests.helpers.command import pexlab

    (tmp_path / "pex.toml").touch()
    done = pexlab("ui", "--", option, folder=tmp_path)
    assert done.returncode == 2
    assert "a server that does not ask for a token" in done.stderr
