"""`pexlab lab` and `pexlab ui`: JupyterLab, and MLflow's own pages, on this project."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.core import home, python
from pex.core.errors import PexError
from pex.core.network import keep_loopback_direct
from pex.core.project import find_project
from pex.project.settings import load_settings

_STAYS_HOME = (
    # JupyterLab would ask its maker's server for a newer version and for news, PyPI for extensions.
    "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    "--LabApp.news_url=None",  # not "": JupyterLab would then ask whether it may fetch news
    "--LabApp.extension_manager=readonly",
)
_OTHER_SERVERS = ("--app-name", "--dev", "--gunicorn-opts", "--waitress-opts")


def lab(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Passed on to jupyter lab, after --.")
    ] = None,
) -> None:
    """Open JupyterLab in this project, on the first notebook if there is one.

    It calls no other host by itself: no check for updates, no news, no list of extensions
    (-- --LabApp.extension_manager=pypi brings the list back), no telemetry in its kernels.
    """
    _check_home()
    keep_loopback_direct()
    project = find_project()
    first = Path("notebooks/01_compare_prompts.ipynb")
    tree = (
        [f"--LabApp.default_url=/lab/tree/{first.as_posix()}"] if (project / first).exists() else []
    )
    command = python.command("jupyterlab", *_STAYS_HOME, *tree)
    if os.name == "posix" and os.geteuid() == 0:  # in a container, where it otherwise refuses
        command.append("--allow-root")
    # Opening a notebook starts its kernel, in the notebook's folder.
    command.append("--MultiKernelManager.kernel_manager_class=pex.batch.kernels.lab.Manager")
    command += arguments or []
    environment = python.environment()
    # `!pexlab` in a notebook is the one of this environment, whether it is activated or not.
    places = [str(Path(sys.executable).parent), environment.get("PATH", "")]
    environment["PATH"] = os.pathsep.join(place for place in places if place)
    raise typer.Exit(subprocess.run(command, cwd=project, env=environment, check=False).returncode)


def _check_home() -> None:
    """Check that JupyterLab can write where it notes its servers and kernels; else it ends."""
    from jupyter_core.paths import jupyter_runtime_dir

    home.check()
    home.check_writable(
        [Path(jupyter_runtime_dir())],
        "JupyterLab",
        "export HOME=/a/folder/that/you/can/write, or JUPYTER_RUNTIME_DIR alone: the settings that "
        "you change in JupyterLab are then lost when it ends",
    )


def ui(
    port: Annotated[int, typer.Option(help="The port on 127.0.0.1.")] = 5000,
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Passed on to mlflow ui, after --.")
    ] = None,
) -> None:
    """Open MLflow's pages on this project's record, first its newest experiment.

    The printed link has a token, which is new with each start: without it other users of this
    machine could read the record through the port. The link leaves a cookie in the browser;
    programs set MLFLOW_TRACKING_TOKEN to the token. The pages load nothing from other hosts, so an
    answer that names an image there tells nobody that it is being read. MLflow's jobs
    (judges that it runs by itself) are off unless MLFLOW_SERVER_ENABLE_JOB_EXECUTION is true.
    """
    from pex.guard.redact import redact
    from pex.record import search, ui_server
    from pex.tracking import store

    project = find_project()
    uri = store.tracking_uri(project, load_settings(project))
    if uri.startswith("http"):
        console.out(f"The record is on a server: {redact(uri)}")
        return
    for argument in arguments or []:
        if (name := argument.partition("=")[0]) in _OTHER_SERVERS:
            raise PexError(
                f"pexlab ui: {name} starts a server that does not ask for a token",
                hint=f"without a token: mlflow ui --backend-store-uri {redact(uri)} {name} …",
            )
    ui_server.check()
    store.connect(uri)
    store.check_files(uri)  # MLflow's server would connect there with the user's login
    token = secrets.token_hex(24)
    newest = search.newest_experiment(uri)
    place = f"#/experiments/{newest}/evaluation-runs" if newest else ""
    link = f"http://127.0.0.1:{port}/?token={token}{place}"
    console.err(f"MLflow on {link} (Ctrl-C ends it); record: {redact(uri)}")
    command = ui_server.command(port, *(arguments or []))
    environment = ui_server.environment(uri, token)
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)
