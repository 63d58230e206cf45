"""Output that kernels write outside cells, on its way to this process's standard error.

The output of a cell's `os.system("env")` belongs to no cell: it is passed on in lines, redacted.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading

_MOST = 1 << 20
"""Longer lines are passed on in parts."""
_PATIENCE_S = 1.0
"""How long to wait for final output; a process that keeps running does not delay this one."""


class Aside:
    """A pipe for processes to write to, created when the first one needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._write: int | None = None
        self._thread: threading.Thread | None = None

    def fileno(self) -> int:
        """The descriptor that a process writes to."""
        with self._lock:
            if self._write is None:
                read, self._write = os.pipe()
                self._thread = threading.Thread(
                    target=_pass_on, args=(read,), name="pex-aside", daemon=True
                )
                self._thread.start()
            return self._write

    def close(self) -> None:
        """Pass on the remaining output, once the processes that could write more have ended."""
        with self._lock:
            if self._write is None or self._thread is None:
                return
            os.close(self._write)
            self._thread.join(_PATIENCE_S)
            self._write = self._thread = None


def _pass_on(read: int) -> None:
    begun = b""
    while data := os.read(read, 1 << 16):
        begun += data
        end = max(begun.rfind(b"\n"), begun.rfind(b"\r")) + 1
        end = end or len(begun) * (len(begun) > _MOST)
        _say(begun[:end])
        begun = begun[end:]
    _say(begun)
    os.close(read)


def _say(data: bytes) -> None:
    from pex.guard import printed_output
    from pex.guard.redact import known

    if data:
        text = printed_output.masked(data.decode("utf-8", "surrogateescape"), known())
        with contextlib.suppress(OSError):  # the reader has closed
            left = text.encode("utf-8", "surrogateescape")
            while left:
                left = left[os.write(2, left) :]


ASIDE = Aside()
atexit.register(ASIDE.close)
