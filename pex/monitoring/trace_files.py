"""The files of traces, deleted with them: in a local store's folder, or by a tracking server."""

from __future__ import annotations

import collections
import shutil
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from pex.core.errors import PexError
from pex.core.project import is_inside
from pex.guard.redact import redact
from pex.tracking.store import local_folder

_PLACE = "mlflow.artifactLocation"
_SERVED = "mlflow-artifacts"
"""The scheme of files that a tracking server hands out, and deletes."""


def delete_files(uri: str, trace_ids: Sequence[str]) -> None:
    """Delete the folders of traces' files, as far as they can be reached.

    Args:
        uri: MLflow's store.
        trace_ids: of traces that are still there.

    Raises:
        PexError: the server does not delete them; it names the place.
    """
    root = local_folder(uri)
    for trace_id, place in _places(uri, trace_ids):
        if root is not None:
            _delete_local(root, trace_id, place)
        elif _is_served(uri, trace_id, place):
            _delete_served(uri, trace_id, place)


def out_of_reach(uri: str, trace_ids: Sequence[str]) -> dict[str, int]:
    """How many of the traces have files that only a tracking server's operator reaches, by place.

    Args:
        uri: MLflow's store; there are none unless it is a tracking server.
        trace_ids: of traces that are still there.
    """
    found = collections.Counter[str]()
    if is_server(uri):
        for trace_id, place in _places(uri, trace_ids):
            if not _is_served(uri, trace_id, place):
                found[redact(place.partition(f"/{trace_id}")[0])] += 1
    return dict(found)


def is_server(uri: str) -> bool:
    """Whether a store is a tracking server."""
    return urllib.parse.urlsplit(uri).scheme in ("http", "https")


def _places(uri: str, trace_ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each trace that has a place for files, and the place."""
    from mlflow.exceptions import MlflowException
    from mlflow.tracing.client import TracingClient

    tracing = TracingClient(uri)
    for trace_id in trace_ids:
        try:
            place = tracing.get_trace_info(trace_id).tags.get(_PLACE)
        except MlflowException:
            continue
        if place:
            yield trace_id, place


def _delete_local(root: Path, trace_id: str, place: str) -> None:
    path = _local(place)
    # Only a folder of this trace alone, in the store: a tag can say anything.
    if path is None or trace_id not in path.parts or not is_inside(path, root):
        return
    while path.name != trace_id:
        path = path.parent
    shutil.rmtree(path, ignore_errors=True)


def _local(place: str) -> Path | None:
    parsed = urllib.parse.urlparse(place)
    if parsed.scheme == "file":
        return Path(urllib.parse.unquote(parsed.path))
    return Path(place) if not parsed.scheme else None


def _is_served(uri: str, trace_id: str, place: str) -> bool:
    """Whether this server hands out a folder of this trace alone."""
    parsed = urllib.parse.urlsplit(place)
    parts = PurePosixPath(parsed.path).parts
    host = parsed.netloc in ("", urllib.parse.urlsplit(uri).netloc)
    return (
        is_server(uri) and parsed.scheme == _SERVED and host
        and trace_id in parts and ".." not in parts
    )  # fmt: skip


def _delete_served(uri: str, trace_id: str, place: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    folder = place.partition(f"/{trace_id}")[0] + f"/{trace_id}"
    try:
        files = get_artifact_repository(folder, tracking_uri=uri)
        if files.list_artifacts():
            files.delete_artifacts()  # type: ignore[no-untyped-call]
    except (MlflowException, OSError) as error:
        first = redact((str(error).strip().splitlines() or [type(error).__name__])[0])
        raise PexError(
            f"the tracking server does not delete the files of trace '{trace_id}' in "
            f"{redact(folder)}: {first}",
            hint="its operator can; the same command goes on from here",
        ) from None
