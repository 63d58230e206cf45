"""The MLflow experiments that runs are recorded in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pex.core.errors import PexError
from pex.guard.redact import redact
from pex.record.search import SOURCE
from pex.tracking.store import artifact_location

if TYPE_CHECKING:
    from mlflow import MlflowClient

_DESCRIPTION = "mlflow.note.content"
_PURPOSE = "pex.purpose"
"""The tag of an MLflow experiment with the description that pex wrote."""


def place_of(experiment: str, tags: Mapping[str, str]) -> str:
    """The name in MLflow: what is tried in a Playground or a cell has an experiment of its own.

    Example:
        >>> place_of("reviews", {}), place_of("reviews", {"pex.source": "playground"})
        ('reviews', 'reviews (scratch)')
    """
    return f"{experiment} (scratch)" if SOURCE in tags else experiment


def experiment_of(client: MlflowClient, uri: str, name: str, purpose: str = "") -> str:
    """Return the id of an MLflow experiment; create it if there is none of this name.

    Args:
        client: a client for the store.
        uri: the store.
        name: the experiment's name.
        purpose: its description, unless a person has written another one.

    Raises:
        PexError: it is deleted.
    """
    from mlflow.exceptions import MlflowException

    said = {_DESCRIPTION: redact(purpose), _PURPOSE: redact(purpose)} if purpose else {}
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            location = artifact_location(uri, name)
            kind = {"mlflow.experimentKind": "genai_development", **said}
            return str(client.create_experiment(name, artifact_location=location, tags=kind))
        except MlflowException:  # another process created it first
            found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage == "deleted":
        raise PexError(
            f"the MLflow experiment '{name}' is deleted",
            hint="restore it in MLflow, or give the experiment another name",
        )
    there = found.tags.get(_DESCRIPTION, "")
    if said and there != said[_DESCRIPTION] and there == found.tags.get(_PURPOSE, ""):
        for key, text in said.items():
            client.set_experiment_tag(found.experiment_id, key, text)
    return str(found.experiment_id)
