"""MLflow's prompt registry: finding, reading and adding versions.

`register_prompt` is not used: it also writes a version's tags to the prompt, where they appear
as the prompt's own and a database accepts at most 5,000 characters.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError, nearest
from pex.core.prompt import Prompt
from pex.core.user_name import user_name
from pex.guard.redact import redact
from pex.library import content
from pex.library.content import Content, UnfitError, decode, encode
from pex.library.moves import BY
from pex.library.reference import Reference, parse_reference
from pex.tracking.store import alone, errors_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import PromptVersion, RegisteredModel

_IS_PROMPT = "tags.`mlflow.prompt.is_prompt` = 'true'"
_NOTE_LENGTH = 5000
_MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class NewerError(PexError):
    """Somebody has saved a newer version since the decision was made."""

    exit_code = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """One version of a prompt in the library.

    `new` says whether it has just been created, `by` who created it, if known.
    """

    name: str
    version: int
    aliases: tuple[str, ...]
    note: str
    created: datetime.datetime
    model: str | None
    variables: tuple[str, ...]
    digest: str | None
    new: bool = False
    by: str = ""

    @property
    def reference(self) -> str:
        """Its reference, for example `review-sentiment/3`."""
        return f"{self.name}/{self.version}"


def describe(found: PromptVersion, card: RegisteredModel) -> Version:
    """Describe a version.

    Args:
        found: the version.
        card: the prompt's entry, which has the aliases.
    """
    number = int(found.version)
    return Version(
        name=card.name,
        version=number,
        aliases=tuple(sorted(a for a, version in card.aliases.items() if int(version) == number)),
        note=found.description or "",
        created=datetime.datetime.fromtimestamp(found.creation_timestamp / 1000, datetime.UTC),
        model=content.model_of(found),
        variables=content.variables_of(found),
        digest=found.tags.get(content.DIGEST),
        by=found.tags.get(BY) or found.user_id or "",
    )


def cards(client: MlflowClient, at_once: int = 100) -> Iterator[RegisteredModel]:
    """The entries of all prompts, in alphabetical order."""
    token = None
    while True:
        page = client.search_registered_models(_IS_PROMPT, at_once, ["name ASC"], token)
        yield from page
        token = page.token
        if not token:
            return


def card_of(client: MlflowClient, uri: str, name: str) -> RegisteredModel:
    """Return the entry of a prompt: its aliases and its latest version.

    Raises:
        PexError: the prompt does not exist; the message gives the nearest name.
    """
    with errors_of(uri):
        found = client.search_registered_models(f"name = '{name}' AND {_IS_PROMPT}")
        if found:
            return found[0]
        known = [card.name for card in cards(client)]
    raise PexError(
        f"there is no prompt '{name}' in the library, {redact(uri)}",
        hint=nearest(name, known) if known else "nothing has been saved there yet",
    )


def latest_of(client: MlflowClient, card: RegisteredModel) -> PromptVersion | None:
    """The latest version of a prompt; None if it was created without one."""
    if not card.latest_versions:
        return None
    latest: PromptVersion | None
    latest = max(card.latest_versions, key=lambda found: int(found.version))
    # If pex saved it, the tags that came with the entry are enough.
    if content.SHA256 not in latest.tags:
        latest = client.get_prompt_version(card.name, latest.version)
    return latest


def all_versions(client: MlflowClient, name: str) -> list[PromptVersion]:
    """Every version of a prompt, page by page."""
    found: list[PromptVersion] = []
    token = None
    while True:
        page = client.search_prompt_versions(name, 100, token)
        found += page
        token = page.token
        if not token:
            return found


def get(client: MlflowClient, uri: str, reference: Reference) -> PromptVersion:
    """Return the version that a reference names.

    Raises:
        PexError: the prompt, alias or version does not exist.
    """
    name, alias = reference.name, reference.alias
    wanted = str(reference.version or alias or "latest")
    found = _get(client, uri, name, wanted)
    if found is not None:
        return found
    card = card_of(client, uri, name)
    if alias is not None:
        hint = nearest(alias, card.aliases) if card.aliases else "it has no alias yet"
        raise PexError(f"prompt '{name}' has no alias '{alias}'", hint=hint)
    if not card.latest_versions:
        raise PexError(f"prompt '{name}' has no version yet")
    newest = max(int(item.version) for item in card.latest_versions)
    raise PexError(
        f"prompt '{name}' has no version {reference.version}",
        hint=f"the latest is '{name}/{newest}'",
    )


def find(client: MlflowClient, uri: str, name: str, prompt: Prompt, written: Content) -> int | None:
    """Find the version of `name` that already holds the same prompt.

    Args:
        client: a client for the store.
        uri: the store.
        name: the name in the library.
        prompt: the prompt to find.
        written: the prompt in MLflow's form.
    """
    with errors_of(uri):
        same = client.search_model_versions(
            f"name = '{name}' AND tags.`{content.SHA256}` = '{written.sha256}' AND {_IS_PROMPT}",
            max_results=1,
            order_by=["version_number ASC"],
        )
    if same:
        return int(same[0].version)
    if prompt.origin is None:
        return None
    # A version saved by plain MLflow has no tag to find it by.
    origin = parse_reference(prompt.origin)
    there = _get(client, uri, name, str(origin.version)) if origin.name == name else None
    if there is None or decode(there).called(prompt.name, None) != prompt:
        return None
    return int(there.version)


def find_same(client: MlflowClient, uri: str, prompt: Prompt) -> tuple[str, int] | None:
    """Find a version that holds the same prompt under any name; its own name comes first.

    Args:
        client: a client for the store.
        uri: the store.
        prompt: the prompt to find.

    Returns:
        The name in the library and the version.
    """
    own = parse_reference(prompt.origin).name if prompt.origin else prompt.name
    try:
        written = encode(prompt)
    except UnfitError:  # then it cannot have been saved
        return None
    with errors_of(uri):
        same = client.search_model_versions(
            f"tags.`{content.DIGEST}` = '{prompt.digest}' AND {_IS_PROMPT}", max_results=1000
        )
    if not same:
        number = find(client, uri, own, prompt, written) if prompt.origin else None
        return None if number is None else (own, number)
    best = min(
        same,
        key=lambda item: (
            item.name != own,
            item.tags.get(content.SHA256) != written.sha256,
            item.creation_timestamp,
        ),
    )
    return str(best.name), int(best.version)


def add(
    client: MlflowClient,
    uri: str,
    name: str,
    prompt: Prompt,
    written: Content,
    note: str = "",
    tags: Mapping[str, str] | None = None,
    after: int | None = None,
) -> tuple[int, bool]:
    """Add a version, unless another process has just added it.

    Args:
        client: a client for the store.
        uri: the store.
        name: the name in the library.
        prompt: the prompt.
        written: the prompt in MLflow's form.
        note: the reason for this version.
        tags: further tags.
        after: the newest version when the user decided, 0 if there was none; None: any.

    Returns:
        The version's number, and whether it is new.

    Raises:
        UnfitError: a registered model already has the name.
        NewerError: somebody has saved a version since; nothing is saved.
    """
    with alone(uri):
        number = find(client, uri, name, prompt, written)
        if number is not None:
            return number, False
        with errors_of(uri):
            if after is not None:
                _check_newest(client, name, after)
            _begin(client, name, prompt.description)
            made = client.create_prompt_version(
                name,
                written.template,
                description=note or None,
                tags={**(tags or {}), **written.tags, BY: user_name()},
                response_format=written.response_format,
                model_config=written.model_config or None,
            )
    return int(made.version), True


def _check_newest(client: MlflowClient, name: str, after: int) -> None:
    found = client.search_registered_models(f"name = '{name}' AND {_IS_PROMPT}")
    versions = [item for card in found for item in card.latest_versions or []]
    newest = max(versions, key=lambda item: int(item.version), default=None)
    if newest is not None and int(newest.version) != after:
        by = newest.tags.get(BY) or "somebody else"
        raise NewerError(
            f"prompt '{name}': {by} has saved version {newest.version} meanwhile; nothing is "
            "pushed",
            hint=f"look at it (pexlab library diff {name}), then push again",
        )


def check_note(note: str) -> None:
    """Check that MLflow holds a note.

    Raises:
        PexError: it is too long.
    """
    if len(note) > _NOTE_LENGTH:
        raise PexError(f"note: {len(note):,} characters, at most {_NOTE_LENGTH:,}")


def add_note(client: MlflowClient, name: str, version: int, note: str) -> None:
    """Add a note to a version that is already saved, below the note that it has.

    Raises:
        PexError: both together are too long.
    """
    there = client.get_prompt_version(name, version).description or ""
    if not note or note in there.split("\n"):
        return
    whole = f"{there}\n{note}" if there else note
    check_note(whole)
    # The client's own method of the same name refuses prompts.
    store: Any = client
    store._get_registry_client().update_model_version(name, str(version), whole)


def _begin(client: MlflowClient, name: str, description: str) -> None:
    from mlflow.exceptions import MlflowException

    if client.get_prompt(name) is not None:
        return
    try:
        client.create_prompt(name, description=description or None)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        if client.get_prompt(name) is None:  # else another machine created it first
            raise UnfitError(
                f"prompt '{name}': MLflow has a registered model of this name",
                hint="give the prompt another name",
            ) from None


def _get(client: MlflowClient, uri: str, name: str, wanted: str) -> PromptVersion | None:
    """A version by its number or alias, None if it does not exist."""
    from mlflow.exceptions import MlflowException

    with errors_of(uri):
        found: PromptVersion | None = None
        try:
            found = client.get_prompt_version(name, wanted)
        except MlflowException as error:
            if error.error_code not in _MISSING:
                raise
        return found
