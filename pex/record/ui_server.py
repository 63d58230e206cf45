"""MLflow's pages on a record: how their server is started, and one that ends with this process."""

from __future__ import annotations

import atexit
import contextlib
import importlib.metadata
import os
import secrets
import socket
import subprocess
import sysconfig
import threading
import time
import urllib.request

from pex.core import python
from pex.core.errors import PexError
from pex.record import pages

_START_S = 120.0
"""A busy machine takes long to import MLflow's server."""
_POLL_S = 0.2
_CHILD = "pex.record.ui_child"

_HUB = "JUPYTERHUB_SERVICE_PREFIX"
"""JupyterHub sets it for the servers that it starts, and kernels inherit it."""

_lock = threading.Lock()
_servers: dict[str, _Server] = {}


def check() -> None:
    """Raise a `PexError` if MLflow cannot find the pages with a token."""
    if pages.APP not in importlib.metadata.entry_points(group="mlflow.app").names:
        raise PexError(
            "pexlab ui: this installation does not say where MLflow finds the pages with a token",
            hint="it is older than the code: reinstall pexlab (in a clone: pip install -e .)",
        )


def command(port: int, *arguments: str) -> list[str]:
    """The command that serves MLflow's pages on a port of this machine."""
    return [
        *python.command("mlflow", "ui", "--app-name", pages.APP),
        *("--host", "127.0.0.1", "--port", str(port), *arguments),
    ]


def environment(uri: str, token: str) -> dict[str, str]:
    """The environment of the server: not arguments, which all users of a machine can read.

    Args:
        uri: the store, perhaps with a login.
        token: without it, nobody can read the pages.
    """
    # Opening a record must not run anything that it contains.
    variables = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONWARNINGS": "ignore",  # those of the packages that MLflow uses, a screen of them
        **os.environ,
    }
    return python.environment(
        variables,
        **{pages.TOKEN: token},
        MLFLOW_TRACKING_TOKEN=token,
        MLFLOW_BACKEND_STORE_URI=uri,
        # For the processes that it starts itself. Uvicorn would put the current folder first.
        PYTHONSAFEPATH="1",
        UVICORN_APP_DIR=sysconfig.get_path("stdlib"),
    )


def open_page(uri: str, place: str) -> str:
    """The address of a page of MLflow; its server is started if this process has none yet.

    The server listens on 127.0.0.1 and a free port, and ends with this process.

    Args:
        uri: the store, a file or a database.
        place: the part of the address after `#`.

    Raises:
        PexError: the server did not start; or the kernel is on a JupyterHub, so the browser is on
            another machine.
    """
    from pex.tracking import store

    if os.environ.get(_HUB):
        raise PexError(
            "MLflow's pages would open on JupyterHub's machine, where your browser cannot reach "
            "them",
            hint="pexlab report writes the run as one file. Runs on a tracking server have links: "
            "MLFLOW_TRACKING_URI, or [record] tracking_uri in pex.toml",
        )

    with _lock:
        server = _servers.get(uri)
        if server is None or server.process.poll() is not None:
            check()
            store.check_files(uri)  # MLflow's server would connect there with the user's login
            server = _servers[uri] = _Server(uri)
        server.wait()
    return f"http://127.0.0.1:{server.port}/?token={server.token}#{place}"


class _Server:
    """A server that ends when this process does, however that ends: its input is then closed."""

    def __init__(self, uri: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.token = secrets.token_hex(24)
        self.process = subprocess.Popen(
            python.command(_CHILD, *command(self.port, "--workers", "1")),
            env=environment(uri, self.token),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt of the kernel must not reach it
        )
        atexit.register(self.close)

    def wait(self) -> None:
        """Return when it answers.

        Raises:
            PexError: it ended, or does not answer.
        """
        from pex.core.network import keep_loopback_direct

        keep_loopback_direct()
        until = time.monotonic() + _START_S
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).close()
                return
            time.sleep(_POLL_S)
        self.close()
        raise PexError("MLflow's pages did not start", hint="pexlab ui in a terminal says why")

    def close(self) -> None:
        """End it."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
