"""Waiting for what other processes do, and looking which of them are left."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil


def no_kernel_is_left(folder: Path) -> bool:
    """Waits a little: a kernel whose owner was killed notices it within a second or so."""
    deadline = time.monotonic() + 300
    while kernels_of(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def kernels_of(folder: Path) -> list[int]:
    """Kernels that still run in a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            line = " ".join(process.info["cmdline"] or [])
            ours = "ipykernel" in line or "pex.batch.kernels.zygote" in line
            if ours and process.cwd() == str(folder):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def sockets(family: list[psutil.Process]) -> Path:
    """Where the kernels of a batch listen."""
    (folder,) = {p.cmdline()[-1] for p in family if "pex.batch.kernels.zygote" in p.cmdline()}
    return Path(folder)


def wait_for(check: Callable[[], object], timeout_s: float = 300) -> None:
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def traces_are_written() -> None:
    """Wait until nothing writes traces in the background any more."""
    for thread in threading.enumerate():
        if thread.name == "pex-traces":
            thread.join()
