"""Prompts that runs registered, as earlier versions of pex did, apart from those a person saved.

Runs keep their prompts as files of their own; only what somebody saves is in the library now. An
earlier version registered every prompt of every run. These stay, with a tag, and are not listed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pex.library import content
from pex.library.registry_api import all_versions, cards
from pex.tracking.store import connect, errors_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, PromptVersion, RegisteredModel

SAVED = "pex.saved"
"""The tag of a prompt that a person saved."""
SCRATCH = "pex.scratch"
"""The tag of a prompt that only runs registered."""
EXPERIMENTS = "_mlflow_experiment_ids"
"""MLflow's tag of a prompt with the experiments whose runs used it."""
_OWN = ("pex.", "mlflow.", "_mlflow")
_settled: set[str] = set()


@dataclasses.dataclass(frozen=True, slots=True)
class ScratchPrompt:
    """A prompt that only runs registered; `experiments` are the ids of those that used it."""

    name: str
    versions: tuple[int, ...]
    experiments: tuple[str, ...]


def is_scratch(card: RegisteredModel) -> bool:
    """Whether only runs registered a prompt, as far as its entry tells.

    Args:
        card: the prompt's entry; one with an alias was chosen by a person.
    """
    if SAVED in card.tags or card.aliases or not card.latest_versions:
        return False
    if SCRATCH in card.tags:
        return True
    # Of the time before the tags: a run saved neither a note nor tags.
    return EXPERIMENTS in card.tags and all(map(_is_bare, card.latest_versions))


def saved_by_tags(tags: Mapping[str, str], aliases: Mapping[str, int]) -> bool | None:
    """Whether a person saved a prompt; None if only a look at its versions tells.

    Args:
        tags: the prompt's tags.
        aliases: its aliases; one that has any was chosen by a person.

    Example:
        >>> saved_by_tags({"pex.saved": "true"}, {}), saved_by_tags({"pex.scratch": "true"}, {})
        (True, False)
    """
    if SAVED in tags or aliases or not {SCRATCH, EXPERIMENTS} & tags.keys():
        return True
    return False if SCRATCH in tags else None


def is_bare(tags: Mapping[str, str], note: str) -> bool:
    """Whether pex saved a version with nothing that only a person gives."""
    own = [key for key in tags if not key.startswith(_OWN)]
    return content.SHA256 in tags and not note and not own


def settle(uri: str) -> None:
    """Tag every prompt of before the tags, once for each process and store.

    Raises:
        PexError: the store does not answer.
    """
    if uri in _settled:
        return
    client = connect(uri)
    with errors_of(uri):
        for card in cards(client):
            if card.latest_versions and not {SAVED, SCRATCH} & card.tags.keys():
                tag = SCRATCH if _only_runs(client, card) else SAVED
                client.set_prompt_tag(card.name, tag, "true")
    _settled.add(uri)


def scratch_prompts(uri: str) -> list[ScratchPrompt]:
    """Return the prompts that only runs registered, in alphabetical order.

    Raises:
        PexError: the store does not answer.
    """
    client = connect(uri)
    with errors_of(uri):
        return [
            ScratchPrompt(
                card.name,
                tuple(int(item.version) for item in all_versions(client, card.name)),
                experiments_of(card),
            )
            for card in cards(client)
            if _only_runs(client, card)
        ]


def delete_prompts(uri: str, prompts: list[ScratchPrompt]) -> None:
    """Delete prompts from the registry; the runs that used them keep their texts as files.

    Raises:
        PexError: the store does not answer.
    """
    client = connect(uri)
    with errors_of(uri):
        for prompt in prompts:
            for version in prompt.versions:
                client.delete_prompt_version(prompt.name, str(version))
            client.delete_prompt(prompt.name)


def experiments_of(card: RegisteredModel) -> tuple[str, ...]:
    """The ids of the MLflow experiments whose runs used a prompt."""
    return tuple(part for part in card.tags.get(EXPERIMENTS, "").split(",") if part)


def _only_runs(client: MlflowClient, card: RegisteredModel) -> bool:
    """The same as `is_scratch`, with a look at every version."""
    if not is_scratch(card):
        return False
    return SCRATCH in card.tags or all(map(_is_bare, all_versions(client, card.name)))


def _is_bare(version: ModelVersion | PromptVersion) -> bool:
    return is_bare(version.tags, version.description or "")
