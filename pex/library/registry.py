"""Saving, loading and listing prompts in MLflow's prompt registry."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pex.core.attempt import attempt
from pex.core.errors import PexError
from pex.core.names import check_name
from pex.core.project import FILE, find_project
from pex.core.prompt import Prompt
from pex.guard.redact import redact
from pex.library.content import LONGEST, decode, encode
from pex.library.metadata import metadata_of
from pex.library.move_alias import set_alias_at
from pex.library.reference import Reference, check_alias, parse_reference
from pex.library.registry_api import (
    Version,
    add,
    add_note,
    all_versions,
    card_of,
    cards,
    check_note,
    describe,
    find,
    find_same,
    get,
    latest_of,
)
from pex.library.scratch import EXPERIMENTS, SAVED, is_scratch, settle
from pex.library.serving import changed
from pex.library.shown_metadata import show_metadata
from pex.library.synced import Synced, mark_synced
from pex.project.listing import prompt_paths
from pex.project.settings import load_settings
from pex.tracking.store import connect, errors_of, registry_uri
from pex.tracking.store import tracking_uri as store_of

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

_LINKED = "mlflow.linkedPrompts"
_LINKED_LENGTH = 8000
_VERSIONS = ["version", "aliases", "note", "created", "model", "variables", "digest"]
_PROMPTS = [
    "name", "version", "aliases", "description", "note", "created", "model", "variables",
]  # fmt: skip


def save(
    prompt: Prompt,
    name: str | None = None,
    alias: str | None = None,
    note: str = "",
    tags: Mapping[str, str] | None = None,
    tracking_uri: str | None = None,
) -> Version:
    """Save a prompt as a new version; a prompt saved before keeps its version.

    Args:
        prompt: the prompt, saved with every byte of its file.
        name: the name in the library; by default, the prompt's own.
        alias: an alias to point to this version, for example "champion".
        note: the reason for this version, at most 5,000 characters; added to the version's note
            if the prompt was saved before.
        tags: further tags for the version.
        tracking_uri: a store other than the project's.

    Returns:
        The version; `new` is False if the same text was saved before.

    Raises:
        PexError: MLflow does not accept the name or the alias, or cannot hold the prompt or the
            note, or the store does not answer.
    """
    return save_at(_store(tracking_uri), prompt, name, alias, note, tags)


def save_at(
    uri: str,
    prompt: Prompt,
    name: str | None = None,
    alias: str | None = None,
    note: str = "",
    tags: Mapping[str, str] | None = None,
    after: int | None = None,
) -> Version:
    """The same as `save`, in a known registry.

    Args:
        uri: the registry.
        prompt: the prompt.
        name: its name in the library.
        alias: an alias to point to this version.
        note: the reason for this version.
        tags: further tags for the version.
        after: the newest version when the user decided, 0 if there was none; None: any.

    Raises:
        NewerError: somebody has saved a version since; nothing is saved.
        PexError: as in `save`.
    """
    if not isinstance(prompt, Prompt):
        raise PexError(
            f"expected a pex.Prompt, got {type(prompt).__name__}",
            hint="make one with pex.Prompt.load(path)",
        )
    name = check_name(prompt.name if name is None else name, "prompt name")
    if alias is not None:
        check_alias(alias)
    own = _check_tags(tags or {})
    note = redact(note)
    check_note(note)
    metadata = metadata_of(prompt)
    written = encode(prompt)
    client = connect(uri)
    number = find(client, uri, name, prompt, written)
    new = False
    if number is None:
        number, new = add(client, uri, name, prompt, written, note, own, after)
    with errors_of(uri):
        if not new:
            add_note(client, name, number, note)
            for key, value in own.items():
                _set_tag(client.set_prompt_version_tag, name, number, key, value)
        card = card_of(client, uri, name)
        if SAVED not in card.tags:
            _set_tag(client.set_prompt_tag, name, SAVED, "true")
        if new:
            show_metadata(client, card, prompt.description, metadata)
        if alias is not None:
            found = client.get_prompt_version(name, number)
            set_alias_at(client, uri, find_project(), name, alias, found)
        card = card_of(client, uri, name)
        version = describe(client.get_prompt_version(name, number), card)
    if new:
        _mark(prompt, name, number, written.sha256)
        changed(uri, name)
    return dataclasses.replace(version, new=new)


def _set_tag(set_tag: Callable[..., object], *what: object) -> None:
    """Set a tag, also where another process sets it for the first time in the same moment.

    The store then refuses a second row for it; the second attempt finds the row and changes it.
    """
    from mlflow.exceptions import MlflowException

    try:
        set_tag(*what)
    except MlflowException:
        set_tag(*what)


def _mark(prompt: Prompt, name: str, version: int, sha256: str) -> None:
    """Note that a file of the project is in step with the version that was made of it."""
    project = find_project()
    if prompt.path is None or prompt.name != name or not (project / FILE).is_file():
        return
    if prompt.path.is_relative_to(project) and prompt.path in prompt_paths(project):
        path = prompt.path.relative_to(project).as_posix()
        mark_synced(project, {name: Synced(version, sha256, path)})


def load(reference: str, tracking_uri: str | None = None) -> Prompt:
    """Load a prompt of the library, as it was saved.

    Args:
        reference: "name@alias", "name/3", or "name" for its latest version.
        tracking_uri: a store other than the project's.

    Returns:
        The prompt under its name in the library; `origin` names its version.

    Raises:
        PexError: the name, alias or version does not exist; the message gives the nearest one.
    """
    return fetch(_store(tracking_uri), parse_reference(reference))


def fetch(uri: str, reference: Reference) -> Prompt:
    """Return the prompt of a reference.

    Raises:
        PexError: the name, alias or version does not exist, or the store does not answer.
    """
    return decode(get(connect(uri), uri, reference))


def look(reference: str, tracking_uri: str | None = None) -> Version:
    """Describe the version that a reference names.

    Raises:
        PexError: the name, alias or version does not exist.
    """
    uri = _store(tracking_uri)
    client = connect(uri)
    found = get(client, uri, parse_reference(reference))
    return describe(found, card_of(client, uri, found.name))


def table(tracking_uri: str | None = None, *, scratch: bool = False) -> pd.DataFrame:
    """Return the prompts of the library, one per row, in alphabetical order.

    Args:
        tracking_uri: a store other than the project's.
        scratch: also those that nobody saved: runs of earlier versions of pex registered them.

    Returns:
        `name`, `version` (the latest), `aliases` (each with its version), `description`, and the
        latest version's `note`, `created`, `model`, `variables`.
    """
    import pandas as pd

    uri = _store(tracking_uri)
    client = connect(uri)
    rows = []
    with errors_of(uri):
        for card in cards(client):
            if not card.latest_versions or (is_scratch(card) and not scratch):
                continue
            found = attempt(functools.partial(_latest_row, client, card))
            rows.append(_odd_row(card, found) if isinstance(found, PexError) else found)
    return pd.DataFrame(rows, columns=_PROMPTS)


def _latest_row(client: MlflowClient, card: RegisteredModel) -> dict[str, Any]:
    latest = latest_of(client, card)
    assert latest is not None  # because it has versions
    return {
        **_row(describe(latest, card)),
        "name": card.name,
        "aliases": {alias: int(card.aliases[alias]) for alias in sorted(card.aliases)},
        "description": card.description or "",
    }


def _odd_row(card: RegisteredModel, problem: PexError) -> dict[str, Any]:
    """The row of an unreadable prompt: the facts of its entry, and the error."""
    at = datetime.datetime.fromtimestamp(card.last_updated_timestamp / 1000, datetime.UTC)
    return {
        "name": card.name,
        "version": max(int(item.version) for item in card.latest_versions),
        "aliases": {},
        "created": at,
        "note": "",
        "model": "",
        "variables": "",
        "description": f"✗ {problem.message}",
    }


def versions(name: str, tracking_uri: str | None = None) -> pd.DataFrame:
    """Return the versions of a prompt, latest first.

    Args:
        name: its name in the library.
        tracking_uri: a store other than the project's.

    Returns:
        `version`, `aliases`, `note`, `created`, `model`, `variables`, `digest`.

    Raises:
        PexError: the prompt does not exist.
    """
    import pandas as pd

    uri = _store(tracking_uri)
    client = connect(uri)
    card = card_of(client, uri, check_name(name, "prompt name"))
    with errors_of(uri):
        found = all_versions(client, name)
    rows = [_row(describe(item, card)) for item in found]
    return pd.DataFrame(rows, columns=_VERSIONS)


def set_alias(name: str, alias: str, version: int, tracking_uri: str | None = None) -> Version:
    """Point an alias to a version, instead of the one it pointed to before.

    Args:
        name: the prompt's name in the library.
        alias: letters, digits, `_`, `-`; MLflow reserves names such as `latest` and `v3`.
        version: the version's number.
        tracking_uri: a store other than the project's.

    Raises:
        PexError: the prompt or version does not exist, or MLflow does not accept the alias.
    """
    check_alias(alias)
    uri = _store(tracking_uri)
    client = connect(uri)
    found = get(client, uri, parse_reference(f"{name}/{version}"))
    with errors_of(uri):
        set_alias_at(client, uri, find_project(), name, alias, found)
        return describe(found, card_of(client, uri, name))


def versions_used(uri: str, prompts: Iterable[Prompt]) -> dict[str, tuple[str, int]]:
    """The same as `saved_versions` for a run, in the registry that belongs to the run's store.

    A registry elsewhere that does not answer is a warning: the run is recorded all the same.

    Args:
        uri: the store of the run.
        prompts: the prompts of the run.

    Raises:
        PexError: the run's own store does not answer.
    """
    project = find_project()
    settings = load_settings(project)
    registry = uri if uri != store_of(project, settings) else registry_uri(project, settings)
    if registry == uri:
        return saved_versions(uri, prompts)
    try:
        return saved_versions(registry, prompts)
    except PexError as error:
        warnings.warn(f"the run is not linked to prompts of the library: {error.message}",
                      stacklevel=2)  # fmt: skip
        return {}


def saved_versions(uri: str, prompts: Iterable[Prompt]) -> dict[str, tuple[str, int]]:
    """Find the prompts of a run that somebody saved in the library; nothing is saved here.

    Args:
        uri: the store.
        prompts: the prompts of a run.

    Returns:
        Name in the library and version, by prompt name; without those that nobody saved.

    Raises:
        PexError: the store does not answer.
    """
    settle(uri)
    client = connect(uri)
    found = {prompt.name: find_same(client, uri, prompt) for prompt in prompts}
    return {name: version for name, version in found.items() if version is not None}


def link(client: MlflowClient, run_id: str, versions: Iterable[tuple[str, int]]) -> None:
    """Show prompt versions on a run's page in MLflow, and on its experiment's page of prompts.

    MLflow's own `link_prompt_version_to_run` uses the store set for the whole process, not the
    client's.

    Args:
        client: a client for the run's store.
        run_id: the run.
        versions: names in the library and versions.

    Raises:
        PexError: MLflow refuses, or the run does not exist.
    """
    pairs = list(dict.fromkeys(versions))
    with errors_of(client.tracking_uri):
        run = client.get_run(run_id)
        linked = json.loads(run.data.tags.get(_LINKED, "[]"))
        for name, version in pairs:
            entry = {"name": name, "version": str(version)}
            # A run's tag that is too long would be cut, and a cut list is useless.
            if entry not in linked and len(json.dumps([*linked, entry])) <= _LINKED_LENGTH:
                linked.append(entry)
        client.set_tag(run_id, _LINKED, json.dumps(linked))
        here = str(run.info.experiment_id)
        for name in dict.fromkeys(name for name, _ in pairs):
            prompt = client.get_prompt(name)
            known = prompt.tags.get(EXPERIMENTS, "") if prompt else ""
            if prompt and f",{here}," not in known:
                client.set_prompt_tag(name, EXPERIMENTS, f"{known.rstrip(',')},{here},")


def _store(given: str | None) -> str:
    project = find_project()
    return registry_uri(project, load_settings(project), given)


def _row(version: Version) -> dict[str, Any]:
    return dataclasses.asdict(version) | {
        "model": version.model or "",
        "digest": version.digest or "",
        "aliases": ", ".join(version.aliases),
        "variables": ", ".join(version.variables),
    }


def _check_tags(tags: Mapping[str, str]) -> dict[str, str]:
    for key, value in tags.items():
        if key.startswith(("pex.", "mlflow.", "_mlflow")):
            raise PexError(f"tags: '{key}' starts like the tags of pex and MLflow themselves")
        if not isinstance(value, str) or len(value) > LONGEST:
            raise PexError(f"tags: '{key}': expected a string of at most {LONGEST:,} characters")
    return {key: redact(value) for key, value in tags.items()}
