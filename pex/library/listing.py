"""Listing the prompts in the library, all at once and without their texts."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pex.core.names import check_name
from pex.core.prompt import Prompt
from pex.library import content
from pex.library.content import UnfitError, encode
from pex.library.moves import Move, last_moves
from pex.library.registry_api import Version, all_versions, card_of, cards, describe, find
from pex.library.scratch import experiments_of, is_scratch
from pex.tracking.store import errors_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A prompt of the library; `sha256` is its newest version's, None if MLflow saved it."""

    name: str
    version: int
    aliases: dict[str, int]
    description: str
    changed: datetime.datetime
    model: str | None
    experiments: tuple[str, ...]
    """The ids of the MLflow experiments that used it."""
    sha256: str | None
    scratch: bool = False
    """Whether only runs registered it, as earlier versions of pex did."""


def entries(client: MlflowClient, uri: str) -> list[Entry]:
    """Return the prompts of a store in alphabetical order.

    Args:
        client: a client for the store.
        uri: the store.

    Raises:
        PexError: the store does not answer.
    """
    with errors_of(uri, "does not answer"):
        return [_entry(card) for card in cards(client) if card.latest_versions]


def _entry(card: RegisteredModel) -> Entry:
    newest = max(card.latest_versions, key=lambda item: int(item.version))
    aliases = {alias: int(card.aliases[alias]) for alias in sorted(card.aliases)}
    times = [datetime.datetime.fromtimestamp(newest.creation_timestamp / 1000, datetime.UTC)]
    times += [move.at for move in last_moves(card.name, card.tags, aliases).values()]
    return Entry(
        card.name,
        int(newest.version),
        aliases,
        card.description or "",
        max(times),
        content.model_of(newest) if content.SHA256 in newest.tags else None,
        experiments_of(card),
        newest.tags.get(content.SHA256),
        is_scratch(card),
    )


def editions(
    client: MlflowClient, uri: str, name: str
) -> tuple[list[Version], dict[str, Move], dict[str, int]]:
    """Return the versions of a prompt, newest first, the last moves of its aliases, its aliases.

    Raises:
        PexError: the prompt does not exist, or the store does not answer.
    """
    card = card_of(client, uri, check_name(name, "prompt name"))
    with errors_of(uri, "does not answer"):
        found = all_versions(client, name)
    aliases = {alias: int(version) for alias, version in card.aliases.items()}
    said = [describe(item, card) for item in found]
    return (
        sorted(said, key=lambda item: -item.version),
        last_moves(card.name, card.tags, aliases),
        aliases,
    )


def versions_of(
    client: MlflowClient, uri: str, prompts: Iterable[Prompt], there: Mapping[str, Entry]
) -> list[int | None]:
    """Return for each prompt the identical version under its name, None if there is none.

    Args:
        client: a client for the store.
        uri: the store.
        prompts: the prompts, for example those of files.
        there: the entries of the library by name.

    Raises:
        PexError: the store does not answer.
    """
    found: list[int | None] = []
    for prompt in prompts:
        entry = there.get(prompt.name)
        found.append(_version_of(client, uri, prompt, entry) if entry else None)
    return found


def _version_of(client: MlflowClient, uri: str, prompt: Prompt, entry: Entry) -> int | None:
    try:
        written = encode(prompt)
    except UnfitError:  # then it cannot have been saved
        return None
    if written.sha256 == entry.sha256:
        return entry.version
    return find(client, uri, prompt.name, prompt, written)
