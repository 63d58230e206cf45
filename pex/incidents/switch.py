"""The real switch: where the aliases of a prompt point now, where they pointed, and moving them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from pex.core import private
from pex.core.errors import PexError
from pex.library.known_prompt import DISABLED, numbers_in
from pex.library.move_alias import MovedError, move_alias, new_move
from pex.library.moves import Move, read_history, tagged_moves
from pex.library.registry_api import all_versions, card_of
from pex.project.settings import load_settings
from pex.tracking.store import connect, errors_of, registry_uri

MADE = "incident-drill"
"""The prompt that a drill makes, and deletes, where it is given none."""


@dataclasses.dataclass(slots=True)
class Switch:
    """A prompt's entry in the registry as it was when it was read.

    Args:
        project: whose file of moves is read, and gets the lines of new moves.
        uri: the registry.
        client: a client for it.
        name: the prompt.
        aliases: the version that each alias points to.
        versions: the versions that there are.
        disabled: those that are served to nobody.
        tags: the prompt's tags.
    """

    project: Path
    uri: str
    client: Any
    name: str
    aliases: dict[str, int]
    versions: dict[int, Any]
    disabled: set[int]
    tags: dict[str, str]

    @classmethod
    def of(cls, project: Path, name: str) -> Switch:
        """Read a prompt's entry.

        Args:
            project: the project.
            name: the prompt. The moves of a drill's made one are not in the project's history.

        Raises:
            PexError: there is no such prompt, or the registry does not answer.
        """
        uri = registry_uri(project, load_settings(project))
        client = connect(uri)
        card = card_of(client, uri, name)
        with errors_of(uri):
            versions = {int(item.version): item for item in all_versions(client, name)}
        aliases = {alias: int(version) for alias, version in card.aliases.items()}
        disabled = set(numbers_in(card.tags.get(DISABLED, "")))
        tags = dict(card.tags)
        place = private.folder(private.state(project) / "drill") if name == MADE else project
        return cls(place, uri, client, name, aliases, versions, disabled, tags)

    def moves(self, alias: str) -> list[Move]:
        """The moves of an alias that are known, oldest first."""
        found = read_history(self.project).moves(self.name, alias)
        tagged = tagged_moves(self.name, self.tags, self.aliases).get(alias)
        if tagged is not None and tagged.key not in {move.key for move in found}:
            found.append(tagged)
        return sorted(found, key=lambda move: move.at)

    def before(self, alias: str, affected: Collection[int]) -> int | None:
        """Where an alias pointed before the first affected version; None if no move says so."""
        usable = self.versions.keys() - self.disabled - set(affected)
        return before_first(self.moves(alias), affected, usable)

    def serves(self, alias: str) -> int | None:
        """The version that applications get by an alias: not one that is disabled.

        An alias of a disabled version gives the newest earlier one of its moves.
        """
        now = self.aliases.get(alias)
        if now is None or now not in self.disabled:
            return now
        earlier = [move.before for move in reversed(self.moves(alias))]
        usable = self.versions.keys() - self.disabled
        return next((number for number in earlier if number in usable), None)

    def serving(self, affected: Collection[int]) -> list[str]:
        """The aliases by which applications get one of these versions."""
        return sorted(alias for alias in self.aliases if self.serves(alias) in set(affected))

    def move(self, alias: str, expected: int, to: int, kind: str, because: str) -> Move:
        """Move an alias if it still points to `expected`.

        Raises:
            MovedError: somebody else has moved it since.
            PexError: there is no such version, or the registry refuses.
        """
        if to not in self.versions:
            raise PexError(
                f"'{self.name}' has no version {to}",
                hint=f"there is: {', '.join(map(str, sorted(self.versions)))}",
            )
        plain = new_move(self.name, alias, expected, self.versions[to], kind)
        made = move_alias(
            self.client, self.uri, self.project, dataclasses.replace(plain, because=because)
        )
        self.aliases[alias] = to
        return made


def before_first(
    moves: Sequence[Move], affected: Collection[int], usable: Collection[int]
) -> int | None:
    """The version that an alias pointed to before its first move to an affected version.

    Where that one cannot be used (deleted, disabled, affected itself), it is the one before it.

    Args:
        moves: the moves of the alias, oldest first.
        affected: the versions that do harm.
        usable: the versions that may be served.
    """
    first = next((at for at, move in enumerate(moves) if move.to in affected), None)
    if first is None:
        return None
    earlier = [move.before for move in reversed(moves[: first + 1])]
    return next((number for number in earlier if number in usable), None)


__all__ = ["MovedError", "Switch", "before_first"]
