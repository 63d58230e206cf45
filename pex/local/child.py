"""The server process: loads the weights, serves, and exits when idle.

Started by `pex.local.server` as `python -P -m pex.local.child STATE_FOLDER`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from pex.local.engine import open_server
from pex.local.info import ServerInfo, own
from pex.local.server import KEY_VARIABLE, forget, get, write

IDLE_S = 600.0
"""Seconds without a request after which the server exits; overridden by PEX_MODEL_IDLE_S."""


def main(state: Path) -> None:
    """Serve for the project of `state` until idle, stopped, or the folder is gone."""
    key = os.environ.pop(KEY_VARIABLE)
    server = open_server("127.0.0.1", 0, key)
    info = own(f"{server.listening_address}/v1", key)
    write(state, info)

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)
    try:
        _serve_until_idle(state, info, float(os.environ.get("PEX_MODEL_IDLE_S", IDLE_S)))
    finally:
        forget(state, info.pid)


def _serve_until_idle(state: Path, info: ServerInfo, idle_s: float) -> None:
    last: list[Any] = []
    asked_at = time.monotonic()
    while state.is_dir() and time.monotonic() - asked_at < idle_s:
        time.sleep(min(5.0, idle_s / 4))
        slots = get(info, "/slots") or []
        # A slot's task number changes with each request that it serves.
        now = [slot.get("id_task") for slot in slots]
        if now != last or any(slot.get("is_processing") for slot in slots):
            last, asked_at = now, time.monotonic()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
