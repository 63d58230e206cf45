"""Kernels that are forked from a zygote, as a kernel provisioner of Jupyter's."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner


class Zygote:
    """The process that kernels are forked from; started when first asked for."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="pex-")
        self._lock = threading.Lock()

    def ask(self, file: str, cwd: str, env: dict[str, str]) -> _Forked:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
        asked = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        asked.connect(str(self._path))
        asked.sendall(json.dumps({"file": file, "cwd": cwd, "env": env}).encode() + b"\n")
        return _Forked(asked)

    def _start(self) -> None:
        self._path = Path(self._folder.name) / "zygote"
        self._process = subprocess.Popen([sys.executable, "-m", "pex.batch.zygote", self._path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout.readline() == b"ready\n"

    def close(self) -> None:
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait()


class _Forked:
    """What a provisioner needs of a process, for one that another process has forked."""

    stdin = stdout = stderr = None

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self._reader = asked.makefile("rb")
        self.pid = int(json.loads(self._reader.readline())["pid"])
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._asked], [], [], 0)[0]:
            line = self._reader.readline()
            self.returncode = json.loads(line)["code"] if line else -signal.SIGKILL
            self._asked.close()
        return self.returncode

    def wait(self) -> int:
        select.select([self._asked], [], []) if self.returncode is None else None
        return self.poll()

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


ZYGOTE = Zygote()


class ForkProvisioner(LocalProvisioner):
    """Starts kernels by forking."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        self.process = ZYGOTE.ask(self.parent.connection_file, str(kwargs.get("cwd") or os.getcwd()), dict(kwargs["env"]))
        self.pid = self.pgid = self.process.pid
        self.cwd = kwargs.get("cwd")
        return self.connection_info
