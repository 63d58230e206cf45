"""The built-in model's server, one for all tests of a session: starting it costs seconds."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from pex import local
from pex.local import server

VARIABLE = "PEX_TESTS_MODEL"
"""Where the state of the shared server is; set by the process that starts the workers."""


def open_state() -> None:
    """Before the first test: a folder for the state, found by all workers."""
    os.environ.setdefault(VARIABLE, tempfile.mkdtemp(prefix="pex-model-"))


def close_state() -> None:
    """After the last test: the server ends."""
    state = Path(os.environ.pop(VARIABLE))
    local.stop(state)
    shutil.rmtree(state, ignore_errors=True)


def share(project: Path) -> None:
    """The server of all becomes the project's, as if a notebook before had started it.

    It answers others too: what has to be the same to the letter, asks one of its own.
    """
    state = project / ".pex"
    state.mkdir(parents=True, exist_ok=True)
    server.write(state, local.ensure(Path(os.environ[VARIABLE])))
