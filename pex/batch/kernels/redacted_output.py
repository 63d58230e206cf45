"""What kernels say beside their outputs, on its way to this process's standard error.

A cell's `os.system("env")` is nobody's output: it goes line by line, and without keys.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading

_MOST = 1 << 20
"""A line that is longer is passed on in parts."""
_PATIENCE_S = 1.0
"""For what has been said at the end; a process that goes on does not hold this one up."""


class Aside:
    """A pipe for processes to write to; made when the first one needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._write: int | None = None
        self._thread: threading.Thread | None = None

    def fileno(self) -> int:
        """Where a process is to write."""
        with self._lock:
            if self._write is None:
                read, self._write = os.pipe()
                self._thread = threading.Thread(
                    target=_pass_on, args=(read,), name="pex-aside", daemon=True
                )
                self._thread.start()
            return self._write

    def close(self) -> None:
        """Pass on what has been said, once those who could say more have ended."""
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
        with contextlib.suppress(OSError):  # nobody reads it any more
            left = text.encode("utf-8", "surrogateescape")
            while left:
                left = left[os.write(2, left) :]


ASIDE = Aside()
atexit.register(ASIDE.close)
