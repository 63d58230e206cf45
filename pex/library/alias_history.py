"""The history of the library: who saved a version, who moved an alias, when and from where.

MLflow records neither: its versions have no author, its aliases only their current version. Tags
of the version and of the prompt keep both.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pex.core.user_name import user_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

BY = "pex.by"
"""The tag of a version with the name of the person who saved it."""

_MOVED = "pex.alias."
_KEY_LENGTH = 250
"""The longest tag name that MLflow accepts."""


@dataclasses.dataclass(frozen=True, slots=True)
class Move:
    """A move of an alias to version `to`; `before` is None if it pointed to none."""

    by: str
    at: datetime.datetime
    before: int | None
    to: int


def point(client: MlflowClient, card: RegisteredModel, alias: str, version: int) -> None:
    """Point an alias to a version, and record who moved it and from which version.

    Args:
        client: a client for the store.
        card: the prompt's entry before the move.
        alias: the alias.
        version: the version that it will point to.
    """
    before = card.aliases.get(alias)
    client.set_prompt_alias(card.name, alias, version)
    if before is not None and int(before) == version:
        return
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    kept = {"by": user_name(), "at": now, "before": int(before) if before else None, "to": version}
    if len(f"{_MOVED}{alias}") <= _KEY_LENGTH:
        client.set_prompt_tag(card.name, f"{_MOVED}{alias}", json.dumps(kept))


def moves(tags: Mapping[str, str], aliases: Mapping[str, int | str]) -> dict[str, Move]:
    """The last move of each alias that is still on the version it was moved to.

    An alias that plain MLflow has moved since is left out: nobody knows who moved it.

    Args:
        tags: the prompt's tags.
        aliases: the current version of each alias.

    Example:
        >>> kept = '{"by": "ada", "at": "2026-01-02T03:04:05+00:00", "before": 1, "to": 2}'
        >>> moves({"pex.alias.champion": kept}, {"champion": 2})["champion"].by
        'ada'
        >>> moves({"pex.alias.champion": kept}, {"champion": 3})
        {}
    """
    found = {}
    for alias, version in aliases.items():
        kept = _read(tags.get(f"{_MOVED}{alias}", ""))
        if kept is not None and kept.to == int(version):
            found[alias] = kept
    return found


def _read(text: str) -> Move | None:
    """Read a move from a tag; None if the tag contains anything else."""
    try:
        kept = json.loads(text)
        at = datetime.datetime.fromisoformat(kept["at"])
        return Move(str(kept["by"]), at, kept["before"], int(kept["to"]))
    except (ValueError, TypeError, KeyError):
        return None
