"""Resolving references to the library in an experiment's file."""

from __future__ import annotations

from pathlib import Path

from pex.core.project import project_of
from pex.core.prompt import Prompt
from pex.library.reference import parse_reference
from pex.library.registry import fetch
from pex.project.settings import load_settings
from pex.tracking.store import registry_uri


def resolve(ref: str, uri: str) -> Prompt:
    """Return the prompt of a reference such as `library:review-sentiment@champion`.

    Args:
        ref: the reference in the file.
        uri: the store.

    Returns:
        The prompt; its `origin` is its current version, for example `review-sentiment/3`.

    Raises:
        PexError: the prompt, alias or version does not exist, or the store does not answer.
    """
    return fetch(uri, parse_reference(ref))


def resolve_beside(folder: Path, ref: str) -> Prompt:
    """The same, using the store of the project that a folder belongs to."""
    project = project_of(folder)
    return resolve(ref, registry_uri(project, load_settings(project)))
