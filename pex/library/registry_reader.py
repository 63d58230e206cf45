"""Chooses how a registry is read: over HTTP, from its database, or by MLflow.

MLflow takes seconds to import, which an application should not wait for. Only stores that have
neither REST pages nor a database, and logins by a plug-in of MLflow, need it.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

from pex.core.errors import PexError
from pex.library.registry_answer import (
    IS_PROMPT,
    NotThereError,
    PromptAnswer,
    RegistryReader,
    VersionAnswer,
)
from pex.tracking.address import chosen_workspace

_BY_PLUGIN = ("MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_TRACKING_AUTH")
_DATABASES = ("postgresql", "mysql", "mssql")


def reader_of(uri: str, workspace: str = "") -> RegistryReader:
    """The reader of a store.

    Args:
        uri: the store.
        workspace: the workspace in it, by MLflow's `MLFLOW_WORKSPACE`; empty for its default.

    Example:
        >>> [type(reader_of(uri)).__name__ for uri in ("sqlite:////data/m.db", "https://mlflow.example")]
        ['SqliteReader', 'HttpReader']
    """
    scheme = uri.partition(":")[0].partition("+")[0].lower()
    if scheme in ("http", "https") and not any(os.environ.get(name) for name in _BY_PLUGIN):
        from pex.library.registry_over_http import HttpReader

        return HttpReader(uri, workspace)
    if uri.startswith("sqlite:///"):
        from pex.library.registry_over_sql import SqliteReader

        return SqliteReader(uri, workspace)
    if scheme in _DATABASES:
        from pex.library.registry_over_sql import ServerReader

        return ServerReader(uri, workspace)
    return _MlflowReader(uri, workspace)


class _MlflowReader:
    """Reads with MLflow's own client."""

    def __init__(self, uri: str, workspace: str) -> None:
        self._uri, self._workspace = uri, workspace

    def _inside(self) -> contextlib.AbstractContextManager[Any]:
        """The workspace, for this thread, if the environment now names another one."""
        if self._workspace == chosen_workspace():
            return contextlib.nullcontext()
        from mlflow.utils.workspace_context import ServerWorkspaceContext
        from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME

        return ServerWorkspaceContext(self._workspace or DEFAULT_WORKSPACE_NAME)

    def prompt(self, name: str, timeout_s: float) -> PromptAnswer:
        from pex.library.registry_api import card_of
        from pex.tracking.store import connect

        with self._inside():
            card = card_of(connect(self._uri), self._uri, name)
        newest = max((int(item.version) for item in card.latest_versions), default=0)
        aliases = {alias: int(version) for alias, version in card.aliases.items()}
        return PromptAnswer(name, aliases, {**card.tags, IS_PROMPT: "true"}, newest)

    def version(self, name: str, number: int, timeout_s: float) -> VersionAnswer:
        from pex.tracking.store import connect, errors_of

        with errors_of(self._uri), self._inside():
            found = connect(self._uri).get_prompt_version(name, str(number))
        if found is None:
            raise NotThereError(f"prompt '{name}' has no version {number}")
        return VersionAnswer(name, number, dict(found._tags), found.commit_message)

    def names(self, timeout_s: float) -> list[str]:
        from pex.library.registry_api import cards
        from pex.tracking.store import connect, errors_of

        try:
            with errors_of(self._uri), self._inside():
                return [card.name for card in cards(connect(self._uri))]
        except PexError:
            return []
