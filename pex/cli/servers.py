"""`pexlab lab` and `pexlab ui`: JupyterLab, and MLflow's own pages, on this project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.core.network import keep_loopback_direct
from pex.core.settings import find_project, load_settings


def lab(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Passed on to jupyter lab, after --.")
    ] = None,
) -> None:
    """Open JupyterLab in this project, on the first notebook where there is one."""
    keep_loopback_direct()
    project = find_project()
    first = Path("notebooks/01_compare_prompts.ipynb")
    tree = (
        [f"--LabApp.default_url=/lab/tree/{first.as_posix()}"] if (project / first).exists() else []
    )
    command = [sys.executable, "-m", "jupyterlab", *tree]
    # JupyterLab would ask its maker's server for a newer version.
    command.append(
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate"
    )
    if os.name == "posix" and os.geteuid() == 0:  # in a container, where it otherwise refuses
        command.append("--allow-root")
    command += arguments or []
    raise typer.Exit(subprocess.run(command, cwd=project, check=False).returncode)


def ui(
    port: Annotated[int, typer.Option(help="The port on 127.0.0.1.")] = 5000,
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Passed on to mlflow ui, after --.")
    ] = None,
) -> None:
    """Open MLflow's pages on this project's record."""
    from pex.record import store

    project = find_project()
    uri = store.tracking_uri(project, load_settings(project))
    if uri.startswith("http"):
        console.out(f"The record is on a server: {uri}")
        return
    store.connect(uri)
    console.err(f"MLflow on http://127.0.0.1:{port} (Ctrl-C ends it); record: {uri}")
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri]
    command += ["--host", "127.0.0.1", "--port", str(port), *(arguments or [])]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)
