"""A process that has imported what notebooks import, and forks a fresh kernel on demand.

Started as `python -m pex.batch.zygote SOCKET`. A connection asks for one kernel, by a line of
JSON (`file`, `cwd`, `env`); it is told the kernel's `pid`, and later its exit `code`. Who closes
the connection ends the kernel; when standard input closes, everything ends. So nothing is left of
a batch that was killed.

A fork copies the thread that forks and no other, so there must be no other one: libraries of
linear algebra start theirs while they are imported unless they are told to do with one.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

STACK = (
    "ipykernel.kernelapp", "ipykernel.ipkernel", "pandas", "mlflow", "plotly.graph_objects",
    "plotly.express", "pex.experiment", "pex.results", "pex.widgets.grid", "pex.recording",
    "IPython.core.completer", "matplotlib_inline.backend_inline", "jedi",
)  # fmt: skip
"""What is imported before the first fork; a part that is not installed is left out."""
ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false",
}  # fmt: skip
"""Variables that keep libraries from starting threads as they are imported."""


def threads() -> int:
    """The threads of this process, as the kernel of the system counts them."""
    return len(os.listdir("/proc/self/task"))


def main() -> None:
    """Import, listen, fork; until standard input closes."""
    given = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    with contextlib.suppress(ValueError):
        sys.path.remove(os.getcwd())  # put there by `-m`; a kernel has its own folder first
    for name in STACK:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for name, value in given.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    if threads() > 1:
        sys.exit(f"{threads()} threads after the imports; a fork would lose all but one")
    gc.collect()
    gc.freeze()  # collecting must not touch, and so copy, what was imported
    _Nursery(Path(sys.argv[1])).serve()


class _Nursery:
    def __init__(self, path: Path) -> None:
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        os.chmod(path, 0o600)
        self._server.listen(64)
        self._wake, woken = socket.socketpair()
        for end in (self._wake, woken):
            end.setblocking(False)
        signal.set_wakeup_fd(woken.fileno())
        self._woken = woken
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asked for a kernel hands it on
        self._kernels: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        for source in (self._server, self._wake, sys.stdin):
            self._selector.register(source, selectors.EVENT_READ)

    def serve(self) -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is sys.stdin:
                    if not os.read(0, 1):
                        return self._end()
                elif key.fileobj is self._server:
                    self._selector.register(self._server.accept()[0], selectors.EVENT_READ)
                elif key.fileobj is self._wake:
                    self._wake.recv(4096)
                    self._reap()
                else:
                    self._hear(key.fileobj)

    def _hear(self, asked: Any) -> None:
        line = asked.makefile("rb").readline() if asked not in self._kernels.values() else b""
        if not line:
            self._selector.unregister(asked)
            for pid in [pid for pid, owner in self._kernels.items() if owner is asked]:
                del self._kernels[pid]
                _kill(pid)
            asked.close()
            return
        pid = os.fork()
        if pid == 0:
            self._leave(asked)
            _become_kernel(json.loads(line))
        self._kernels[pid] = asked
        _tell(asked, {"pid": pid})

    def _leave(self, asked: socket.socket) -> None:
        self._selector.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for end in (asked, self._server, self._wake, self._woken, *self._kernels.values()):
            end.close()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            asked = self._kernels.pop(pid, None)
            if asked is not None:
                _tell(asked, {"code": os.waitstatus_to_exitcode(status)})

    def _end(self) -> None:
        for pid in self._kernels:
            _kill(pid)


def _become_kernel(order: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        os.setsid()
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["env"])
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        gc.unfreeze()
        _new_randomness()
        sys.argv = ["ipykernel_launcher", "-f", order["file"]]
        from ipykernel.kernelapp import IPKernelApp

        IPKernelApp.launch_instance(sys.argv[1:])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        import atexit

        atexit._run_exitfuncs()
        os._exit(code)


def _new_randomness() -> None:
    """`random` begins anew by itself after a fork, numpy's global generator does not."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()


def _tell(to: socket.socket, what: dict[str, int]) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more: its end is read next
        to.sendall(json.dumps(what).encode() + b"\n")


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
