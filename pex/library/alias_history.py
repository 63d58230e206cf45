"""Who changed the library: who saved a version, who moved an alias, when and from where.

MLflow knows neither: a version has no author there, and an alias only where it is now. Tags of the
version and of the prompt say so.
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
"""The tag of a version with the name of who saved it."""

_MOVED = "pex.alias."
_KEY_LENGTH = 250
"""MLflow takes no longer name of a tag."""


@dataclasses.dataclass(frozen=True, slots=True)
class Move:
    """An alias was pointed to version `to`; `before` is None where it pointed to none."""

    by: str
    at: datetime.datetime
    before: int | None
    to: int


def point(client: MlflowClient, card: RegisteredModel, alias: str, version: int) -> None:
    """Let an alias point to a version, and keep who moved it from where.

    Args:
        client: for the store.
        card: the prompt's entry as it is before.
        alias: the alias.
        version: where it points from now on.
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
    """The last move of each alias that is where it was moved to.

    One that plain MLflow has moved since is not among them: nobody knows who did.

    Args:
        tags: of the prompt.
        aliases: where they are now.

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
    """What a tag says; None where somebody has written something else there."""
    try:
        kept = json.loads(text)
        at = datetime.datetime.fromisoformat(kept["at"])
        return Move(str(kept["by"]), at, kept["before"], int(kept["to"]))
    except (ValueError, TypeError, KeyError):
        return None
