"""Where the files of recorded runs are kept; the store itself is the library's."""

from __future__ import annotations

from pex.library.store import connect, local_folder, quiet, tracking_uri

__all__ = ["artifact_location", "connect", "local_folder", "quiet", "tracking_uri"]


def artifact_location(uri: str, name: str) -> str | None:
    """Where a local store keeps the files of an experiment; a server decides for itself."""
    folder = local_folder(uri)
    return (folder / "artifacts" / name).as_uri() if folder else None
