"""The processes that kernels are forked from, as seen by their clients.

Nothing of Jupyter is imported here: the first one starts while a command is still being parsed.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import json
import os
import pickle
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pex.batch.kernels.redacted_output import ASIDE
from pex.core import batch_context, python
from pex.guard.project_secrets import LISTED

OF_A_JOB = (
    *batch_context.VARIABLES, "PEX_TRUST", LISTED, "JPY_PARENT_PID", "PYTEST_CURRENT_TEST",
)  # fmt: skip
"""Variables that no package reads on import: kernels that differ only in these can be
forked from one process."""
QUIET = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
"""Prevents the debugger's warning in every kernel."""
_OWNER = "owner"
"""A file in the folder of sockets that is locked while they are in use."""
_LONGEST = 60
"""Maximum length of the socket folder's path: an address has 108, and ZeroMQ adds to it."""


class Refused(Exception):  # noqa: N818 - not an error: an ordinary kernel is started instead
    """The zygote refuses to fork this kernel; the message says why."""


class Zygote:
    """The process that kernels with one environment are forked from, and their socket folder."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.folder = private_folder()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("start.py")),
                "pex.batch.kernels.zygote",
                str(theirs.fileno()),
                str(self.folder),
            ],
            stdin=subprocess.DEVNULL,
            stdout=ASIDE.fileno(),
            stderr=ASIDE.fileno(),
            pass_fds=[theirs.fileno()],
            env=python.environment(env),
            start_new_session=True,  # its owner passes interrupts on
        )
        theirs.close()
        self._forked: list[Forked] = []
        self.refusal: str | None = None
        """Why it did not fork the last kernel."""

    @property
    def busy(self) -> bool:
        """Whether one of its kernels runs."""
        return any(kernel.returncode is None for kernel in self._forked)

    @property
    def alive(self) -> bool:
        """Whether it can still fork."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process that forks."""
        return self._process.pid

    def wait(self) -> None:
        """Wait until it has imported everything, or has died trying."""
        line = self._line()
        line.shutdown(socket.SHUT_WR)
        with line, contextlib.suppress(OSError):
            line.recv(1)

    def _line(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs, contextlib.suppress(BrokenPipeError):  # then `ours` reports the same
            socket.send_fds(self._control, [b"k"], [theirs.fileno()])
        return ours

    def fork(self, cmd: list[str], cwd: str, env: Mapping[str, str]) -> Forked:
        """Fork a new kernel.

        Raises:
            Refused: an ordinary kernel has to be started.
            OSError: the zygote has ended.
        """
        return self._order({"cmd": cmd, "cwd": cwd, "env": dict(env)})

    def ask(self, function: Callable[..., Any], *args: Any) -> Forked:
        """A process that calls a function; `Forked.answer` is its return value.

        Raises:
            Refused: the function has to be called here.
            OSError: the zygote has ended.
        """
        packed = base64.b64encode(pickle.dumps((function, args))).decode()
        place = {"cwd": str(Path.cwd()), "env": dict(os.environ), "path": sys.path}
        return self._order({"call": packed, **place})

    def _order(self, order: Mapping[str, Any]) -> Forked:
        line = self._line()
        line.sendall(json.dumps(order).encode() + b"\n")
        process = Forked(line)
        self._forked = [other for other in self._forked if other.returncode is None]
        self._forked.append(process)
        return process

    def close(self) -> None:
        """End it, its kernels and their folder."""
        self._control.close()
        if not self.busy:  # it may still be importing
            self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def private_folder() -> Path:
    """A new private folder with a path short enough for sockets."""
    usual = Path(tempfile.gettempdir())
    short = usual if len(str(usual)) <= _LONGEST - len("/pex-12345678") else Path("/tmp")
    _tidy(short)
    folder = Path(tempfile.mkdtemp(prefix="pex-", dir=short))
    # Locked before it gets its name, so nobody can mistake it for an abandoned folder.
    _locked(folder / "new")
    (folder / "new").rename(folder / _OWNER)
    return folder


def _locked(path: Path) -> int | None:
    """An open file locked until it is closed or this process ends; None if already locked."""
    import fcntl

    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file


def _tidy(place: Path) -> None:
    """Remove the folders of processes that were killed together with their zygotes."""
    for path in place.glob(f"pex-*/{_OWNER}"):
        with contextlib.suppress(OSError):
            if path.stat().st_uid == os.getuid() and (file := _locked(path)) is not None:
                shutil.rmtree(path.parent)
                os.close(file)


class Zygotes:
    """The zygotes of this process, one for each environment; they end with it."""

    def __init__(self) -> None:
        self._known: dict[str, Zygote] = {}
        self._lock = threading.Lock()

    def of(self, env: Mapping[str, str]) -> Zygote:
        """The zygote for an environment; a new one if there is none, or it has died."""
        shared = {name: value for name, value in env.items() if name not in OF_A_JOB}
        key = json.dumps(shared, sort_keys=True)
        with self._lock:
            zygote = self._known.get(key)
            if zygote is None or not zygote.alive:
                if zygote is not None:
                    zygote.close()
                zygote = self._known[key] = Zygote(shared)
            return zygote

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function in a process that has imported MLflow and pandas.

        Args:
            function: a module-level function; it can rely only on this process's environment,
                folder and module search path.
            *args: must be picklable, like what it returns or raises.

        Returns:
            Its return value; its exception is raised here. If nothing can fork, it is called here.

        Raises:
            RuntimeError: the process ended before it returned.
        """
        with self._lock:
            alive = [zygote for zygote in self._known.values() if zygote.alive]
        if not alive:
            return function(*args)
        try:
            process = alive[-1].ask(function, *args)
        except (Refused, OSError):
            return function(*args)
        return process.answer()

    @property
    def alive(self) -> bool:
        """Whether any of them can fork."""
        with self._lock:
            return any(zygote.alive for zygote in self._known.values())

    def close(self, idle: bool = False) -> None:
        """End all of them, or only the idle ones."""
        with self._lock:
            for key, zygote in list(self._known.items()):
                if not (idle and zygote.busy):
                    del self._known[key]
                    zygote.close()


ZYGOTES = Zygotes()
atexit.register(ZYGOTES.close)


def prepare() -> None:
    """Start the process that a batch's kernels are forked from while its plan is being read."""
    if sys.platform == "linux":
        ZYGOTES.of({**os.environ, **QUIET})


class Forked:
    """The interface a provisioner needs, for a process that another process has forked."""

    stdin = stdout = stderr = None

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._reader = line.makefile("rb")
        said = self._hear()
        if "pid" not in said:
            self._line.close()
            if "no" in said:
                raise Refused(said["no"])
            raise ConnectionResetError("the process that forks kernels has ended")
        self.pid = int(said["pid"])
        self.returncode: int | None = None

    def _hear(self) -> dict[str, Any]:
        try:
            text = self._reader.readline()
        except OSError:
            return {}
        return dict(json.loads(text)) if text else {}

    def answer(self) -> Any:
        """The return value of its function; its exception is raised.

        Raises:
            RuntimeError: it ended before it returned.
        """
        try:
            packed = self._hear().get("answer")
        except BaseException:  # an interrupt: nobody waits for it any more
            self.kill()
            raise
        if packed is None:
            raise RuntimeError("a process that was to judge or to write ended before it had")
        good, value = pickle.loads(base64.b64decode(packed))
        if not good:
            raise value
        return value

    def poll(self) -> int | None:
        """The exit code, None while it runs; if a kernel's zygote has died, so has the kernel."""
        if self.returncode is None:
            waiting = select.poll()
            waiting.register(self._line, select.POLLIN)
            if waiting.poll(0):
                self.returncode = int(self._hear().get("code", -signal.SIGKILL))
                self._reader.close()
                self._line.close()
        return self.returncode

    def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        while (code := self.poll()) is None:
            waiting = select.poll()
            waiting.register(self._line, select.POLLIN)
            waiting.poll()
        return code

    def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel alone."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)
