"""An alias of a prompt at the moment of a decision, and its move from there."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pex.core.errors import PexError
from pex.core.names import check_name
from pex.core.project import find_project
from pex.core.prompt import Prompt
from pex.evidence.promotion.gate_evidence import Subject
from pex.evidence.promotion.result import Promotion
from pex.library import content
from pex.library.known_prompt import DISABLED, MODEL_ALIAS, disabled_by, numbers_in
from pex.library.move_alias import move_alias, new_move
from pex.library.moves import Move, noticed, read_history, tagged_moves
from pex.library.reference import Reference, check_alias, model_alias
from pex.library.registry_api import all_versions, card_of, get
from pex.project.settings import load_settings
from pex.tracking.store import connect, errors_of, registry_uri
from pex.tracking.store import tracking_uri as store_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import PromptVersion, RegisteredModel


@dataclasses.dataclass(slots=True)
class AliasState:
    """One alias of a prompt as it was when the decision began.

    `uri` is the store of the library, `runs` that of the runs, which may be another one.
    """

    client: MlflowClient
    uri: str
    runs: str
    project: Path
    card: RegisteredModel
    alias: str
    general: str
    model: str | None
    _versions: dict[int, PromptVersion] | None = None

    @classmethod
    def open(cls, name: str, to: str, model: str | None, tracking_uri: str | None) -> AliasState:
        """Read a prompt's entry.

        Raises:
            PexError: the alias is not valid, or there is no such prompt.
        """
        general = check_alias(to)
        if model and not all(model.partition("/")):
            raise PexError(
                f"model '{model}': expected its full name, provider/model",
                hint=f"for example 'openai/{model.strip('/') or 'gpt-5-mini'}'",
            )
        alias = model_alias(general, model) if model else general
        project = find_project()
        settings = load_settings(project)
        uri = registry_uri(project, settings, tracking_uri)
        client = connect(uri)
        card = card_of(client, uri, check_name(name, "prompt name"))
        other = card.tags.get(f"{MODEL_ALIAS}{alias}")
        if model and other and other != model:
            raise PexError(
                f"'{alias}' of '{name}' is the alias for the model '{other}', not '{model}'",
                hint=f"an alias of its own: --to {general}-{model.partition('/')[0]}",
            )
        runs = store_of(project, settings, tracking_uri)
        return cls(client, uri, runs, project, card, alias, general, model)

    @property
    def name(self) -> str:
        """The prompt's name."""
        return str(self.card.name)

    @property
    def before(self) -> int | None:
        """The version that the alias points to."""
        return self._at(self.alias)

    def _at(self, alias: str) -> int | None:
        found = self.card.aliases.get(alias)
        return int(found) if found else None

    @property
    def versions(self) -> dict[int, PromptVersion]:
        """The versions that there are, by number; read once."""
        if self._versions is None:
            with errors_of(self.uri):
                found = all_versions(self.client, self.name)
            self._versions = {int(item.version): item for item in found}
        return self._versions

    def version(self, number: int | None) -> PromptVersion:
        """A version that may be used; None for the newest.

        Raises:
            PexError: it does not exist, or it is disabled.
        """
        disabled = set(numbers_in(self.card.tags.get(DISABLED, "")))
        if number is None:
            usable = [item for item in self.versions if item not in disabled]
            if not usable:
                raise PexError(f"prompt '{self.name}' has no version that may be used")
            number = max(usable)
        found = self.versions.get(number)
        if found is None:
            found = get(self.client, self.uri, Reference(self.name, version=number))
        if number in disabled or DISABLED in found.tags:
            raise PexError(f"version {number} of '{self.name}' is disabled{_why(found)}")
        return found

    def subject(self, found: PromptVersion, instead_of: str | None = None) -> Subject:
        """The version with what it would replace: for a model also the general alias's version.

        If the model takes the place of another one, that one's version.
        """
        own = self._at(model_alias(self.general, instead_of)) if instead_of else self.before
        champion = own or self._at(self.general)
        there = self.prompt_at(champion)
        digest = there.digest if there is not None else None
        number = int(found.version)
        return Subject(
            self.name, number, digest_of(found), champion, digest, self.model, instead_of
        )

    def prompt_at(self, number: int | None) -> Prompt | None:
        """The prompt of a version; None if there is none, or it was deleted since."""
        found = self.versions.get(number or 0)
        return None if found is None else content.decode(found)

    def run_id(self, run: str | None) -> str | None:
        """The id of the run that a person named."""
        from pex.record.run_names import find_run

        return None if run is None else find_run(self.runs, run)

    def previous(self) -> int:
        """The version that the alias pointed to before, by the moves.

        Raises:
            PexError: no move says so.
        """
        moves = read_history(self.project).moves(self.name, self.alias)
        tagged = tagged_moves(self.name, self.card.tags, self.card.aliases).get(self.alias)
        if tagged is not None and tagged.key not in {move.key for move in moves}:
            moves.append(tagged)
        there = self.versions.keys() - set(numbers_in(self.card.tags.get(DISABLED, "")))
        usable = [number for number in _stack(moves, self.before) if number in there]
        if not usable:
            raise PexError(
                f"no move says where '{self.alias}' of '{self.name}' pointed before",
                hint="name the version: --version N",
            )
        return usable[-1]

    def remarks(self) -> list[str]:
        """What else was noticed: moves by other tools, lines that cannot be trusted."""
        history = read_history(self.project)
        others = noticed(self.name, self.card.tags, self.card.aliases, history.moves())
        found = [str(item) for item in others if item.alias == self.alias]
        if self.before is not None and self.before not in self.versions:
            found.append(f"{self.alias} points to version {self.before}, which was deleted")
        return found + list(history.remarks)

    def move(
        self, found: PromptVersion, made: Promotion, kind: str, note: str = "", review: str = ""
    ) -> Move:
        """Move the alias if it still points where it did, with everything that led to it.

        Raises:
            MovedError: it does not.
        """
        evidence = made.evidence
        plain = new_move(self.name, self.alias, self.before, found, kind)
        move = dataclasses.replace(plain, because=made.because, review=review)
        if evidence is not None:
            sentence = evidence.sentence
            if not evidence.enough:
                lacks = [check.text for check in evidence.missing] or [made.why]
                sentence = f"{sentence} Not enough evidence: {'; '.join(lacks)}.".strip()
            elif note:
                sentence = f"{sentence} Note: {note}"
            move = dataclasses.replace(
                move,
                run_id=evidence.run_id,
                experiment=evidence.experiment,
                verdict=evidence.verdict or evidence.outcome,
                sentence=sentence,
                cases_sha256=evidence.cases_sha256,
            )
        if self.model:
            with errors_of(self.uri):
                self.client.set_prompt_tag(self.name, f"{MODEL_ALIAS}{self.alias}", self.model)
        return move_alias(self.client, self.uri, self.project, move)


def digest_of(found: PromptVersion) -> str:
    """`Prompt.digest` of a version's text: anybody can set the tag that says it."""
    return content.decode(found).digest


def _why(found: PromptVersion) -> str:
    because = disabled_by(found.tags.get(DISABLED, ""))["because"]
    return f": {because}" if because else ""


def _stack(moves: Sequence[Move], now: int | None) -> list[int]:
    """The versions that an alias can go back to, the last one first to come.

    A roll-back takes away what it left behind, so two of them in a row go back twice.
    """
    stack: list[int] = []
    for move in moves:
        if not stack and move.before is not None:
            stack.append(move.before)
        if move.kind == "rollback" and move.to in stack:
            while stack[-1] != move.to:
                stack.pop()
        elif not stack or stack[-1] != move.to:
            stack.append(move.to)
    while stack and stack[-1] == now:
        stack.pop()
    return stack
