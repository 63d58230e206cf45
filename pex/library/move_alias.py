"""Moving an alias: the registry, its tag and the project's line together, one process at a time.

A move has three parts, and a process can be stopped between any two of them. The order is:

1. the tag `pex.moving.<alias>` announces the move with everything its line will say;
2. the alias is moved: now the move has happened, whoever is stopped;
3. the tag `pex.move.<alias>` (in a few words: `pex.moved.<alias>`) and the line in
   `library/moves.jsonl` are written;
4. the announcement is deleted.

Stopped before 2, nothing has moved and nothing says so. Stopped after 2, the announcement has what
is missing, and the next move of the prompt writes it (`finish_moves`). So there is no line without
a move, and no move stays without its line.
"""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pex.core.errors import PexError
from pex.core.user_name import user_name
from pex.guard.redact import redact
from pex.library import content
from pex.library.moves import (
    ANNOUNCED,
    SUMMARY,
    TAG,
    Move,
    append_move,
    check_writable,
    summary_of,
    tag_of,
    tagged_moves,
)
from pex.library.registry_api import card_of
from pex.library.registry_lock import locked_prompt
from pex.library.serving import changed
from pex.tracking.store import errors_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import PromptVersion, RegisteredModel

_KEY_LENGTH = 250
"""The longest tag name that MLflow accepts."""
_TRIES = 5


class MovedError(PexError):
    """The alias no longer points where it did when the decision was made."""

    exit_code = 1


def set_alias_at(
    client: MlflowClient, uri: str, project: Path, name: str, alias: str, found: PromptVersion
) -> Move | None:
    """Point an alias to a version, wherever it points now; None if it points there already.

    Args:
        client: a client for the store.
        uri: the store.
        project: the project whose file of moves gets the line.
        name: the prompt.
        alias: the alias.
        found: the version that it will point to.

    Raises:
        PexError: others keep moving it, or the store or the project's file refuses.
    """
    for attempt in range(1, _TRIES + 1):
        seen = card_of(client, uri, name).aliases.get(alias)
        move = new_move(name, alias, int(seen) if seen else None, found)
        if move.before == move.to:
            return None
        try:
            return move_alias(client, uri, project, move)
        except MovedError:
            if attempt == _TRIES:
                raise
    raise AssertionError("unreachable")


def new_move(
    name: str, alias: str, before: int | None, found: PromptVersion, kind: str = "set"
) -> Move:
    """A move by the current user, now, to a version.

    Args:
        name: the prompt.
        alias: the alias.
        before: the version that it points to, None if there is no such alias yet.
        found: the version that it will point to.
        kind: "promote", "rollback" or "set".

    Raises:
        PexError: the version's text cannot be read, so it could not be served.
    """
    prompt = content.decode(found)
    return Move(
        prompt=name,
        alias=alias,
        before=before,
        to=int(found.version),
        by=user_name(),
        at=datetime.datetime.now(datetime.UTC),
        # Reading has compared the tag with the text; plain MLflow sets none.
        sha256=found.tags.get(content.SHA256) or content.sha256_of(prompt),
        digest=prompt.digest,
        kind=kind,
    )


def move_alias(client: MlflowClient, uri: str, project: Path, move: Move) -> Move:
    """Move an alias if it still points to `move.before`, and record the move.

    Args:
        client: a client for the store.
        uri: the store.
        project: the project whose file of moves gets the line.
        move: the move; its time is set here.

    Returns:
        The move as it was recorded.

    Raises:
        MovedError: somebody else has moved the alias since; nothing has moved.
        PexError: the store refuses, or the project's file cannot be written; nothing has moved.
    """
    check_writable(project)
    name = move.prompt
    try:
        with errors_of(uri), locked_prompt(client, uri, name):
            return _move(client, uri, project, move)
    finally:  # the alias may have moved though the line could not be written
        changed(uri, name, project)


def _move(client: MlflowClient, uri: str, project: Path, move: Move) -> Move:
    name, alias = move.prompt, move.alias
    card = card_of(client, uri, name)
    finish_moves(client, uri, project, card)
    _check(card, move.before, move)
    now = datetime.datetime.now(datetime.UTC)
    move = dataclasses.replace(
        move,
        at=now.replace(microsecond=now.microsecond // 1000 * 1000),
        because=redact(move.because),
        sentence=redact(move.sentence),
    )
    tagged = len(f"{ANNOUNCED}{alias}") <= _KEY_LENGTH
    if tagged:
        client.set_prompt_tag(name, f"{ANNOUNCED}{alias}", tag_of(move))
    client.set_prompt_alias(name, alias, move.to)
    # MLflow's UI knows no lock.
    _check(card_of(client, uri, name), move.to, move)
    if tagged:
        _write_tags(client, move)
    append_move(project, move)
    if tagged:
        client.delete_prompt_tag(name, f"{ANNOUNCED}{alias}")
    return move


def finish_moves(
    client: MlflowClient, uri: str, project: Path, card: RegisteredModel
) -> list[Move]:
    """Write what writers that were stopped have left unwritten: the tags and lines of their moves.

    Args:
        client: a client for the store.
        uri: the store.
        project: the project whose file of moves gets the lines.
        card: the prompt's entry; announcements that are settled here are removed from its tags.

    Returns:
        The moves that had happened and were not written yet.
    """
    finished = []
    moves = tagged_moves(card.name, card.tags, card.aliases)
    for key in [key for key in card.tags if key.startswith(ANNOUNCED)]:
        alias = key.removeprefix(ANNOUNCED)
        # Only one process moves at a time: the writer of this one was stopped.
        move = moves.get(alias)
        if move is not None and int(card.aliases.get(alias, 0)) == move.to:
            append_move(project, move)
            _write_tags(client, move)
            finished.append(move)
        client.delete_prompt_tag(card.name, key)
        del card.tags[key]
    return finished


def _write_tags(client: MlflowClient, move: Move) -> None:
    client.set_prompt_tag(move.prompt, f"{TAG}{move.alias}", tag_of(move))
    client.set_prompt_tag(move.prompt, f"{SUMMARY}{move.alias}", summary_of(move))


def _check(card: RegisteredModel, expected: int | None, move: Move) -> None:
    now = card.aliases.get(move.alias)
    if (int(now) if now else None) != expected:
        raise _moved(move, f"it now points to version {now}" if now else "it was removed")


def _moved(move: Move, what: str) -> MovedError:
    there = f"version {move.before}" if move.before else "no version"
    return MovedError(
        f"'{move.alias}' of '{move.prompt}' was moved by somebody else meanwhile: it pointed to "
        f"{there}, {what}",
        hint="look at it again, then decide",
    )
