"""A prompt's metadata as tags in MLflow's registry, so its Prompts page can show and search them.

The file is the truth: each new version overwrites them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pex.library.metadata import Metadata

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

METADATA = "pex.metadata"
"""The tag that says which other tags came from the file, so they can be removed again."""
_LONGEST = 5000


def show_metadata(
    client: MlflowClient, card: RegisteredModel, description: str, metadata: Metadata
) -> None:
    """Write the metadata of a prompt's newest version as tags, and its description.

    Args:
        client: a client for the registry.
        card: the prompt's entry.
        description: the prompt's description.
        metadata: its metadata; tags of an earlier version that are not in it are removed.
    """
    tags = tags_of(metadata)
    for key in card.tags.get(METADATA, "").split(", "):
        if key not in tags and key in card.tags:
            client.delete_prompt_tag(card.name, key)
    for key, value in tags.items():
        if card.tags.get(key) != value:
            client.set_prompt_tag(card.name, key, value)
    if tags or METADATA in card.tags:
        client.set_prompt_tag(card.name, METADATA, ", ".join(tags) or "–")
    if description and description != card.description:
        # The client's own method of the same name refuses prompts.
        store: Any = client
        store._get_registry_client().update_registered_model(card.name, description)


def tags_of(metadata: Metadata) -> dict[str, str]:
    """The tags of a prompt: owner, task, domain, language, audience, risk, and the plain ones.

    Example:
        >>> tags_of(Metadata(owner="ada", tags=["refund", "mail"], category={"risk": "high"}))
        {'owner': 'ada', 'risk': 'high', 'tags': 'refund, mail'}
    """
    found = {"owner": metadata.owner, **metadata.category.model_dump()}
    found["tags"] = ", ".join(metadata.tags)
    return {key: value[:_LONGEST] for key, value in found.items() if value}
