"""The command line: in this process, or as a person's shell starts it."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from tests.helpers.processes import traces_are_written

Done = subprocess.CompletedProcess[str]


def pexlab(*arguments: str, folder: Path, **environment: str) -> Done:
    """Run a command here, without the seconds that a new process takes to import everything.

    The process's folder, environment, arguments, streams and signals are as they were afterwards.
    """
    from pex.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with _as_a_process(["pexlab", *arguments], folder, environment, out, err):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # noqa: BLE001 - what Python does with what nobody catches
            traceback.print_exc()
            code = 1
        traces_are_written()  # a process does not end before that
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _as_a_process(
    arguments: list[str],
    folder: Path,
    environment: dict[str, str],
    out: io.StringIO,
    err: io.StringIO,
) -> Iterator[None]:
    on_end, on_thread = signal.getsignal(signal.SIGTERM), threading.excepthook
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "argv", arguments),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, on_end)
            threading.excepthook = on_thread


def pexlab_process(*arguments: str, folder: Path, **environment: str) -> Done:
    """Run a command in a process of its own: its code, its streams, its environment."""
    return subprocess.run(
        [sys.executable, "-m", "pex.cli", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
        check=False,
    )
