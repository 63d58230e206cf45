"""Runs a server until the process that started it ends.

Started as `python -P -m pex.record.ui_child COMMAND …` with a pipe as its input, which the system
closes when the process at its other end is gone, even if it was killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

_END_S = 5.0


def main(command: list[str]) -> int:
    """Run a command; end it, and all that it started, when the input is closed."""
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    ended = threading.Event()

    def watch() -> None:
        while os.read(0, 1024):
            pass
        if not ended.is_set():
            _end(server)

    threading.Thread(target=watch, daemon=True).start()
    code = server.wait()
    ended.set()
    return code


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server, whose workers are in the same group as this process."""
    if not hasattr(os, "killpg"):
        server.terminate()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(0, signal.SIGTERM)
    try:
        server.wait(_END_S)
    except subprocess.TimeoutExpired:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
