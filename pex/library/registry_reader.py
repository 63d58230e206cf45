"""Chooses how a registry is read: over HTTP, from its database, or by MLflow.

MLflow takes seconds to import, which an application should not wait for. Only stores that have
neither REST pages nor a database, and logins by a plug-in of MLflow, need it.
"""

from __future__ import annotations

import os

from pex.core.errors import PexError
from pex.library.registry_answer import (
    IS_PROMPT,
    NotThereError,
    PromptAnswer,
    RegistryReader,
    VersionAnswer,
)

_BY_PLUGIN = ("MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_TRACKING_AUTH")
_DATABASES = ("postgresql", "mysql", "mssql")


def reader_of(uri: str) -> RegistryReader:
    """The reader of a store.

    Example:
        >>> [type(reader_of(uri)).__name__ for uri in ("sqlite:////data/m.db", "https://mlflow.example")]
        ['SqliteReader', 'HttpReader']
    """
    scheme = uri.partition(":")[0].partition("+")[0].lower()
    if scheme in ("http", "https") and not any(os.environ.get(name) for name in _BY_PLUGIN):
        from pex.library.registry_over_http import HttpReader

        return HttpReader(uri)
    if uri.startswith("sqlite:///"):
        from pex.library.registry_over_sql import SqliteReader

        return SqliteReader(uri)
    if scheme in _DATABASES:
        from pex.library.registry_over_sql import ServerReader

        return ServerReader(uri)
    return _MlflowReader(uri)


class _MlflowReader:
    """Reads with MLflow's own client."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def prompt(self, name: str, timeout_s: float) -> PromptAnswer:
        from pex.library.registry_api import card_of
        from pex.tracking.store import connect

        card = card_of(connect(self._uri), self._uri, name)
        newest = max((int(item.version) for item in card.latest_versions), default=0)
        aliases = {alias: int(version) for alias, version in card.aliases.items()}
        return PromptAnswer(name, aliases, {**card.tags, IS_PROMPT: "true"}, newest)

    def version(self, name: str, number: int, timeout_s: float) -> VersionAnswer:
        from pex.tracking.store import connect, errors_of

        with errors_of(self._uri):
            found = connect(self._uri).get_prompt_version(name, str(number))
        if found is None:
            raise NotThereError(f"prompt '{name}' has no version {number}")
        return VersionAnswer(name, number, dict(found._tags), found.commit_message)

    def names(self, timeout_s: float) -> list[str]:
        from pex.library.registry_api import cards
        from pex.tracking.store import connect, errors_of

        try:
            with errors_of(self._uri):
                return [card.name for card in cards(connect(self._uri))]
        except PexError:
            return []
