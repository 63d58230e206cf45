"""A real `mlflow server` for a test, which can be killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


class MlflowServer:
    """Serves a store over HTTP, the artifacts too, on 127.0.0.1 and a port that stays the same."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = int(free.getsockname()[1])
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve; returns when it answers."""
        store = f"sqlite:///{self._folder}/store.db"
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store,
                 "--serve-artifacts", "--artifacts-destination", str(self._folder / "files"),
                 "--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"],
                cwd=self._folder, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
            )  # fmt: skip
        for _ in range(1800):  # it takes minutes where others use the machine too
            assert self._process.poll() is None, (self._folder / "server.log").read_text()
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
            else:
                return
        raise AssertionError("the MLflow server does not answer")

    def kill(self) -> None:
        """End it and its workers at once, as a machine that goes down."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)
            self._process = None
