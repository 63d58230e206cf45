"""A process that has imported what notebooks import, and forks a fresh kernel on demand.

Started by `start.py` with the arguments SOCKET and FOLDER; SOCKET is the number of an inherited
socket. Each message there brings a separate line for one kernel, which starts with an order in
JSON (`cmd`, `cwd`, `env`). The line reports the kernel's `pid` and later its exit `code`, or why
an ordinary kernel is needed (`no`). An order with a `call` runs a function instead of a kernel;
its `answer` is sent before the code. Closing the line ends the kernel. When the socket closes,
because its owner has ended in any way, everything ends and the folder is removed, so a killed
batch leaves nothing behind.

A fork copies only the thread that forks, so there must be no other thread: libraries of linear
algebra start theirs on import unless they are limited to one.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from pex.batch.kernels.forked_kernel import answer, become_kernel
from pex.batch.kernels.lazy_rfc3986 import put_off

STACK = (
    "ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.debugger", "faulthandler",
    "tornado.platform.asyncio", "tornado.queues", "IPython.core.completer",
    "IPython.core.completerlib", "IPython.core.debugger", "IPython.core.logger",
    "IPython.core.oinspect", "IPython.extensions.storemagic", "jedi", "threadpoolctl",
    "pandas", "pandas.io.formats.html", "pandas.io.formats.string", "pyarrow.pandas_compat",
    "mlflow", "mlflow.store.tracking.sqlalchemy_store", "nbformat", "plotly.express",
    "plotly.io._renderers", "pex.batch.kernels.ipykernel_launcher",
    "pex.experiment.experiment", "pex.results.results", "pex.widgets.grid", "pex.results.outcome",
    "pex.results.record",
)  # fmt: skip
"""Imported before the first fork, including what a kernel's start and a cell with a table or a
chart import; packages not installed are skipped. Not matplotlib: it reads its settings from the
notebook's folder and environment."""
ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "MLFLOW_DISABLE_TELEMETRY": "true", "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}  # fmt: skip
"""Variables that keep libraries from starting threads on import, and the debugger from
a warning."""
_PATIENCE_S = 2.0
"""How long to wait for a temporary thread of a package to end."""


def threads() -> int:
    """The number of threads of this process, as the system counts them."""
    return len(list(Path("/proc/self/task").iterdir()))


def import_stack() -> None:
    """Import what notebooks import, without starting any thread."""
    given = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    put_off()
    for name in STACK:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with contextlib.suppress(ImportError):
        _first_chart()
    for name, value in given.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def _first_chart() -> None:
    """Draw a first chart: in plotly, it takes a tenth of a second longer than later ones."""
    import pandas as pd
    import plotly.express as px

    px.bar(pd.DataFrame({"x": [1], "y": [1]}), x="x", y="y")


def main() -> None:
    """Import, then fork until the socket closes."""
    gc.disable()  # almost nothing of what is imported is garbage, and collecting takes long
    control, folder = socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2])
    import_stack()
    end = time.monotonic() + _PATIENCE_S
    while (extra := threads() - 1) and time.monotonic() < end:
        time.sleep(0.02)
    generators = random_generators()
    gc.freeze()  # the collector must not touch, and so copy, what was imported
    refusal = f"{extra} threads beside the first one after the imports" if extra else None
    order = ZygoteServer(control, refusal).serve()
    if order is not None and "call" in order:
        answer(order, generators)
    if order is not None:
        become_kernel(order, generators)
    shutil.rmtree(folder, ignore_errors=True)


class ZygoteServer:
    """The kernels forked from here, each with the line of its client."""

    def __init__(self, control: socket.socket, refusal: str | None) -> None:
        self._control = control
        self._refusal = refusal
        self._kernels: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        signal.set_wakeup_fd(self._woken.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for source in (control, self._wake):
            self._selector.register(source, selectors.EVENT_READ)

    def serve(self) -> dict[str, Any] | None:
        """Fork on demand; returns the order in a new kernel, None in the zygote at the end."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._wake:
                    self._reap()
                elif key.fileobj is self._control:
                    message, lines, _, _ = socket.recv_fds(self._control, 1, 1)
                    if not message:
                        self._end()
                        return None
                    order = self._fork(socket.socket(fileno=lines[0]))
                    if order is not None:
                        return order
                else:
                    self._hang_up(key.fileobj)

    def _fork(self, line: socket.socket) -> dict[str, Any] | None:
        text = line.makefile("rb").readline()
        if not text:
            line.close()
            return None
        order: dict[str, Any] = json.loads(text)
        refusal = self._refusal or shadowed(Path(order["cwd"]))
        if refusal is not None:
            _send(line, {"no": refusal})
            line.close()
            return None
        pid = os.fork()
        if pid == 0:
            self._leave(line, "call" in order)
            return {**order, "line": line}
        self._kernels[pid] = line
        self._selector.register(line, selectors.EVENT_READ)
        _send(line, {"pid": pid})
        return None

    def _leave(self, line: socket.socket, talks: bool) -> None:
        """Close everything the new process does not own; a kernel does not need the line."""
        self._selector.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in (self._control, self._wake, self._woken, *self._kernels.values()):
            end.close()
        if not talks:
            line.close()

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake.recv(4096)
        while self._kernels:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            line = self._kernels.pop(pid, None)
            if line is not None:
                _send(line, {"code": os.waitstatus_to_exitcode(status)})
                self._ignore(line)
                line.close()

    def _hang_up(self, line: Any) -> None:
        """End a kernel that is no longer wanted; it is reaped like any other."""
        self._ignore(line)
        for pid, owner in self._kernels.items():
            if owner is line:
                _kill(pid)

    def _ignore(self, line: socket.socket) -> None:
        with contextlib.suppress(KeyError, ValueError):  # it has just ended, and is already known
            self._selector.unregister(line)

    def _end(self) -> None:
        # The sockets close before the last kernels have ended: there is nobody to wake.
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for pid in self._kernels:
            _kill(pid)


def shadowed(folder: Path) -> str | None:
    """The first module in a notebook's folder that would hide an imported one, if any."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        return str(error)
    for entry in entries:
        name = entry.name.partition(".")[0]
        module = sys.modules.get(name)
        if module is None or not _importable(entry):
            continue
        file = getattr(module, "__file__", None)
        if file is None or not Path(file).is_relative_to(folder):
            return f"{entry.name} in {folder} hides the package '{name}'"
    return None


def _importable(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(".py") or (Path(entry.path) / "__init__.py").is_file()


def random_generators() -> list[Any]:
    """The random number generators that packages created on import."""
    import random

    import numpy as np

    kinds = (random.Random, np.random.RandomState)
    return [item for item in gc.get_objects() if isinstance(item, kinds)]


def _send(line: socket.socket, what: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the client has closed: its end is read next
        line.sendall(json.dumps(what).encode() + b"\n")


def _kill(pid: int) -> None:
    """End a kernel and its child processes."""
    import psutil

    try:
        kernel = psutil.Process(pid)
        family = [kernel, *kernel.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()


if __name__ == "__main__":
    main()
