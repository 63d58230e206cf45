"""The MLflow store of a project, for prompts and for runs, and a client for it."""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core import home
from pex.core.errors import PexError
from pex.core.extras import explained
from pex.core.network import keep_loopback_direct
from pex.core.telemetry import disable_telemetry
from pex.guard.project_secrets import note
from pex.guard.redact import redact
from pex.project.settings import Settings
from pex.run.provider_trust import LIBRARY, check_record
from pex.tracking.artifacts import check_places

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SQLITE = re.compile(r"sqlite:///(?!/)(.+)")
KEPT_REPOSITORIES = 8
"""Of so many runs MLflow keeps the access to their files."""


def tracking_uri(project: Path, settings: Settings, given: str | None = None) -> str:
    """The store to use: the argument, the user's own choice in MLflow, the settings, or `mlruns/`.

    A relative sqlite path starts from the project, not from the notebook's folder.

    Raises:
        PexError: MLflow was told a path with `..`, which it opens from another folder than pex;
            or the user has no home folder, without which MLflow does not start.
        TrustError: it is a server named in the project's `pex.toml`, and the user has not
            allowed it.
    """
    home.check()
    uri = given or _chosen_in_mlflow() or os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        check_record(settings)
    if not given:
        _check_same_file(project)
    return stored_in(project, uri or settings.record.tracking_uri)


def registry_uri(project: Path, settings: Settings, given: str | None = None) -> str:
    """The store of the library: the argument, the user's own choice in MLflow, or the settings.

    Where none names a registry of its own, it is the store of the record.

    Raises:
        TrustError: it is a server named in the project's `pex.toml`, and the user has not
            allowed it.
    """
    home.check()
    uri = given or _registry_chosen_in_mlflow() or os.environ.get("MLFLOW_REGISTRY_URI")
    if not uri and settings.library.registry_uri:
        check_record(settings, LIBRARY)
        uri = settings.library.registry_uri
    return stored_in(project, uri) if uri else tracking_uri(project, settings)


def stored_in(project: Path, uri: str | None) -> str:
    """The address of a store, valid in any folder; None is the project's `mlruns/`."""
    uri = uri or "sqlite:///mlruns/mlflow.db"
    note(addresses=[uri])
    relative = _SQLITE.fullmatch(uri)
    return f"sqlite:///{project / relative.group(1)}" if relative else uri


def check_place(uri: str, project: Path) -> None:
    """Refuse a project's own store if MLflow would create it elsewhere, or not at all.

    MLflow names its database by an address, in which `?` and `%20` have a meaning, and it writes
    its first row with the folder's name between quotes.

    Raises:
        PexError: the folder's name breaks one of these rules.

    Example:
        >>> check_place("sqlite:////nowhere/what?/mlruns/mlflow.db", Path("/nowhere/what?"))
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: MLflow cannot keep its store in the folder /nowhere/what?: '?' in its name
          rename the folder, or choose another store (MLFLOW_TRACKING_URI)
    """  # noqa: E501 - the message is one line
    if not uri.startswith(f"sqlite:///{project}"):
        return
    found = re.search(r"\?|%[0-9A-Fa-f]{2}", str(project))
    what = f"'{found.group()}'" if found else "both kinds of quotes"
    if found or {"'", '"'} <= set(str(project)):
        raise PexError(
            f"MLflow cannot keep its store in the folder {project}: {what} in its name",
            hint="rename the folder, or choose another store (MLFLOW_TRACKING_URI)",
        )


def _check_same_file(project: Path) -> None:
    """Refuse a path that MLflow, in this process, opens elsewhere than in the project."""
    utils = sys.modules.get("mlflow.tracking._tracking_service.utils")
    chosen = _SQLITE.fullmatch(str(getattr(utils, "_tracking_uri", None)))
    if chosen is None or not chosen[1].startswith(".."):
        return
    theirs, ours = (Path.cwd() / chosen[1]).resolve(), (project / chosen[1]).resolve()
    if theirs != ours:
        raise PexError(
            f"mlflow.set_tracking_uri('{chosen[0]}'): MLflow opens {theirs}, the project "
            f"would use {ours}",
            hint=f"give the whole path: mlflow.set_tracking_uri('sqlite:///{theirs}')",
        )


def _chosen_in_mlflow() -> str | None:
    mlflow = sys.modules.get("mlflow")
    # If the user has not imported it, nothing was chosen, and importing it takes a second.
    if mlflow is None or not hasattr(mlflow, "is_tracking_uri_set"):
        return None
    return str(mlflow.get_tracking_uri()) if mlflow.is_tracking_uri_set() else None


def _registry_chosen_in_mlflow() -> str | None:
    utils = sys.modules.get("mlflow.tracking._model_registry.utils")
    # MLflow's public `get_registry_uri` also returns the tracking store, which nobody chose here.
    chosen = getattr(utils, "_registry_uri", None)
    return str(chosen) if chosen else None


def quiet() -> None:
    """Stop MLflow's telemetry, its messages on each database step, and local use of proxies."""
    disable_telemetry()
    keep_loopback_direct()
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # With a server, the client would print an address whenever a run ends.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    for name in ("mlflow.store.db.utils", "alembic", "alembic.runtime.migration"):
        logging.getLogger(name).setLevel(logging.WARNING)


def connect(uri: str) -> MlflowClient:
    """Return a client, after checking that its store answers.

    Raises:
        PexError: the store cannot be reached or opened.
    """
    quiet()
    hint = (
        "start it, change it (MLFLOW_TRACKING_URI, or [record] tracking_uri in pex.toml), or, for "
        "a run, do without a record: record=False, --no-record"
    )
    # If two processes created the database at once, both would fail.
    with errors_of(uri, "does not answer", hint), alone(uri), _few_retries():
        _make(uri)
        client = client_of(uri)
        client.search_experiments(max_results=1)
    return client


def client_of(uri: str) -> MlflowClient:
    """A client that accesses a run's files only if they are on this machine, or trusted.

    Its methods for files raise a `TrustError` if the database places them elsewhere.
    """
    # The address is also its registry: the one set for the whole process may be another.
    made: MlflowClient = _guarded_client()(uri, uri)
    return made


@functools.cache
def _guarded_client() -> Any:
    from mlflow import MlflowClient

    def guarded(name: str) -> Callable[..., Any]:
        method = getattr(MlflowClient, name)

        def checked(self: Any, subject: Any = None, *args: Any, **options: Any) -> Any:
            # Without spans, only the database is read.
            if options.get("include_spans") is not False:
                check_files(self.tracking_uri, subject if isinstance(subject, str) else None)
            try:
                return method(self, *([] if subject is None else [subject]), *args, **options)
            finally:
                _forget_repositories()

        return functools.update_wrapper(checked, method)

    names = ("download_artifacts", "list_artifacts", "log_artifact", "log_artifacts")
    own = {name: guarded(name) for name in (*names, "get_trace", "search_traces")}
    return type("MlflowClient", (MlflowClient,), own)


def _forget_repositories() -> None:
    """Have MLflow forget the access to files of all but the last few runs.

    It keeps up to 1024 of them, each with a thread; those that are forgotten end theirs.
    """
    from mlflow.tracking._tracking_service import utils

    kept = getattr(utils, "_artifact_repos_cache", {})
    with suppress(KeyError, StopIteration, RuntimeError):  # another thread did the same
        while len(kept) > KEPT_REPOSITORIES:
            kept.pop(next(iter(kept)))


def check_files(uri: str, subject: str | None = None) -> None:
    """Refuse access to a run's files if a local database places them elsewhere without trust.

    Args:
        uri: the store; a store that the user chose in MLflow is not checked.
        subject: the id of a run, an experiment or a trace; None: everything.

    Raises:
        TrustError: they are not on this machine, and the user has not allowed that.
    """
    path = database_file(uri)
    if path is not None and uri not in (_chosen_in_mlflow(), os.environ.get("MLFLOW_TRACKING_URI")):
        check_places(path, subject)


def database_file(uri: str) -> Path | None:
    """The file of a local store if it exists, else None."""
    path = Path(uri.removeprefix("sqlite:///").partition("?")[0])
    return path if local_folder(uri) is not None and path.is_file() else None


def check_writable(uri: str) -> None:
    """Check that a local store can be written, before anything is paid for.

    Raises:
        PexError: it is somebody else's, or on a disk that cannot be written.
    """
    path = database_file(uri)
    if path is not None and not all(os.access(place, os.W_OK) for place in (path, path.parent)):
        raise PexError(
            f"MLflow's store {redact(uri)} cannot be written",
            hint="several people record on a tracking server (MLFLOW_TRACKING_URI, or [record] "
            "tracking_uri in pex.toml), or, for a run, do without a record: record=False, "
            "--no-record",
        )


def _make(uri: str) -> None:
    """Create a local store that does not exist yet, completely or not at all.

    MLflow takes seconds for this, and could never open an incomplete store if killed halfway.
    """
    path = Path(uri.removeprefix("sqlite:///"))
    if local_folder(uri) is None or path.exists() or "?" in path.name:
        return
    import mlflow

    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    mlflow.MlflowClient(f"sqlite:///{part}").search_experiments(max_results=1)
    part.replace(path)


@contextmanager
def errors_of(uri: str, what: str = "refused", hint: str | None = None) -> Iterator[None]:
    """Turn an error of MLflow or its database into a `PexError` that names the store.

    Args:
        uri: the store.
        what: the store's action, for the message.
        hint: the hint of the message.
    """
    try:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ModuleNotFoundError as error:  # a service has the base install only
        raise explained(error) or error from None

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        first_line = (redact(str(error)).strip().splitlines() or [type(error).__name__])[0]
        raise PexError(f"MLflow's store {redact(uri)} {what}: {first_line}", hint=hint) from None


@contextmanager
def alone(uri: str) -> Iterator[None]:
    """Let in one process at a time, if the store is a local file."""
    folder = local_folder(uri)
    if folder is None:
        yield
        return
    from filelock import FileLock

    lock = Path(f"{uri.removeprefix('sqlite:///')}.lock")
    if database_file(uri) is not None and not os.access(lock if lock.exists() else folder, os.W_OK):
        yield  # who can only read the store creates nothing either
        return
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(lock, timeout=120):
        yield


@contextmanager
def _few_retries() -> Iterator[None]:
    """Try a missing server three times, not for four minutes as MLflow would."""
    from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES as RETRIES

    usual = str(RETRIES.default)
    with retries(2) if os.environ.get(RETRIES.name, usual) == usual else nullcontext():
        yield


@contextmanager
def retries(count: int) -> Iterator[None]:
    """Let MLflow repeat a request that failed only so often; in all threads, so keep it short."""
    from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES as RETRIES

    usual = os.environ.get(RETRIES.name, str(RETRIES.default))
    os.environ[RETRIES.name] = str(count)
    try:
        yield
    finally:
        # Set back, not taken away: a thread that uploads traces may be between MLflow's look
        # whether it is set and its reading.
        os.environ[RETRIES.name] = usual


def local_folder(uri: str) -> Path | None:
    """The folder of a local store, None for a server."""
    return Path(uri.removeprefix("sqlite:///")).parent if uri.startswith("sqlite:///") else None


def artifact_location(uri: str, name: str) -> str | None:
    """The place of an experiment's files in a local store; None if a server decides."""
    folder = local_folder(uri)
    return (folder / "artifacts" / name).as_uri() if folder else None


def exists(uri: str) -> bool:
    """Whether anything can have been recorded: MLflow would create an empty store to search."""
    kind, _, path = uri.partition(":///")
    return kind != "sqlite" or Path(path).exists()


def warm(uri: str) -> None:
    """Load MLflow, and open an existing local store; nothing is created."""
    quiet()
    import mlflow  # noqa: F401 - takes seconds, and a later run need not wait for it

    folder = local_folder(uri)
    if folder is not None and Path(uri.removeprefix("sqlite:///")).is_file():
        with suppress(PexError):  # a run will report it
            connect(uri)
