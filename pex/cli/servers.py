"""`pexlab lab` and `pexlab ui`: JupyterLab, and MLflow's own pages, on this project."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.core import python
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
    command = python.command("jupyterlab", *tree)
    # JupyterLab would ask its maker's server for a newer version.
    command.append(
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate"
    )
    if os.name == "posix" and os.geteuid() == 0:  # in a container, where it otherwise refuses
        command.append("--allow-root")
    # Opening a notebook starts its kernel, in the notebook's folder.
    command.append("--MultiKernelManager.kernel_manager_class=pex.batch.kernels.lab.Manager")
    command += arguments or []
    environment = python.environment()
    raise typer.Exit(subprocess.run(command, cwd=project, env=environment, check=False).returncode)


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
    command = python.command("mlflow", "ui", "--backend-store-uri", uri)
    command += ["--host", "127.0.0.1", "--port", str(port), *(arguments or [])]
    environment = python.environment(
        MLFLOW_DISABLE_TELEMETRY="true",
        DO_NOT_TRACK="1",
        # For the processes that it starts itself. Uvicorn would put the current folder first.
        PYTHONSAFEPATH="1",
        UVICORN_APP_DIR=os.devnull,
    )
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)
