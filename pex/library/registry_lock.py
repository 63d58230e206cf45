"""One process at a time at a prompt's aliases, also on a server, which has no lock to offer.

A local store is locked by a file. On a server the lock is a registered model of a name of its own:
its creation is the one step that MLflow and its database do for one caller only. It is there for
about a second, and nobody sees it but on the page of models.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pex.tracking.store import alone, local_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOCK = "pex-lock."
"""The start of the name of the registered model that is the lock; the prompt's name follows."""

_STALE_S = 60.0
"""A lock that was there for so long, whatever any clock says, is of a process that was killed."""
_PAUSE_S = 0.2


@contextlib.contextmanager
def locked_prompt(client: MlflowClient, uri: str, name: str) -> Iterator[None]:
    """Let in one process at a time to a prompt's aliases and their tags.

    Args:
        client: a client for the store.
        uri: the store.
        name: the prompt.
    """
    if local_folder(uri) is not None:
        with alone(uri):
            yield
        return
    from mlflow.exceptions import MlflowException

    lock = f"{LOCK}{name}"
    _acquire(client, lock)
    try:
        yield
    finally:
        # A lock that is left behind costs the next one a minute, no more.
        with contextlib.suppress(MlflowException):
            client.delete_registered_model(lock)


def _acquire(client: MlflowClient, lock: str) -> None:
    from mlflow.exceptions import MlflowException

    seen, since = 0, time.monotonic()
    while True:
        try:
            client.create_registered_model(lock, description="pex is moving an alias.")
            return
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = _made_at(client, lock)
        if made != seen:
            seen, since = made, time.monotonic()
        elif time.monotonic() - since > _STALE_S and _made_at(client, lock) == seen:
            with contextlib.suppress(MlflowException):  # another one was quicker
                client.delete_registered_model(lock)
        time.sleep(_PAUSE_S)


def _made_at(client: MlflowClient, lock: str) -> int:
    """When the lock was made, by the server's clock; 0 if it is gone."""
    from mlflow.exceptions import MlflowException

    try:
        return int(client.get_registered_model(lock).creation_timestamp)
    except MlflowException:
        return 0
