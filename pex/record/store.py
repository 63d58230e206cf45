"""Where the files of recorded runs are kept; the store itself is the library's."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pex.core.errors import PexError
from pex.library.store import (
    check_files,
    check_place,
    connect,
    local_folder,
    quiet,
    tracking_uri,
)

__all__ = [
    "artifact_location",
    "check_files",
    "check_place",
    "connect",
    "exists",
    "local_folder",
    "quiet",
    "tracking_uri",
    "warm",
]


def artifact_location(uri: str, name: str) -> str | None:
    """Where a local store keeps the files of an experiment; a server decides for itself."""
    folder = local_folder(uri)
    return (folder / "artifacts" / name).as_uri() if folder else None


def exists(uri: str) -> bool:
    """Whether anything can have been recorded: MLflow would make an empty store to look into."""
    kind, _, path = uri.partition(":///")
    return kind != "sqlite" or Path(path).exists()


def warm(uri: str) -> None:
    """Load MLflow, and open a store of this machine that is there; nothing new is made."""
    quiet()
    import mlflow  # noqa: F401 - it takes seconds, which a run need not wait for then

    folder = local_folder(uri)
    if folder is not None and Path(uri.removeprefix("sqlite:///")).is_file():
        with contextlib.suppress(PexError):  # a run will say so
            connect(uri)
