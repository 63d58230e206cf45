"""Disabling a version of a prompt: no application is served it again."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core import jsonl
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.core.user_name import user_name
from pex.guard.redact import redact
from pex.library.disabled_file import FILE
from pex.library.known_prompt import DISABLED, numbers_in
from pex.library.reference import parse_reference
from pex.library.registry_api import Version, card_of, describe, get
from pex.library.registry_lock import locked_prompt
from pex.library.serving import changed
from pex.project.settings import load_settings
from pex.tracking.store import connect, errors_of, registry_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LONGEST = 2000
_TRIES = 5


def disable(name: str, version: int, because: str, tracking_uri: str | None = None) -> Version:
    """Stop serving a version: `pex.library.load` never returns it again.

    In this project that holds at once, elsewhere with the registry's next answer, at most `ttl_s`
    later if it can be reached. An alias that points to the version gives the one that it had
    before; move it, or save a better version. Experiments and plain MLflow still read the version.

    Args:
        name: the prompt's name in the library.
        version: the version's number.
        because: why; it is shown to whoever asks for the version.
        tracking_uri: a store other than the project's.

    Raises:
        PexError: there is no such version or no reason, or the store does not answer.
    """
    because = redact(because).strip()
    if not because:
        raise PexError(
            "because: expected the reason why nobody may be served this version",
            hint="it is shown to whoever asks for it",
        )
    if len(because) > _LONGEST:
        raise PexError(f"because: {len(because):,} characters, at most {_LONGEST:,}")
    return _record(name, version, because, tracking_uri, disabled=True)


def enable(name: str, version: int, because: str = "", tracking_uri: str | None = None) -> Version:
    """Serve a version again that was disabled.

    Args:
        name: the prompt's name in the library.
        version: the version's number.
        because: why, for the line in `library/disabled.jsonl`.
        tracking_uri: a store other than the project's.

    Raises:
        PexError: there is no such version, it is not disabled, or the store does not answer.
    """
    return _record(name, version, redact(because).strip(), tracking_uri, disabled=False)


def _record(
    name: str, version: int, because: str, tracking_uri: str | None, *, disabled: bool
) -> Version:
    project = find_project()
    uri = registry_uri(project, load_settings(project), tracking_uri)
    client = connect(uri)
    reference = parse_reference(f"{name}/{version}")
    get(client, uri, reference)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    reason = {"by": user_name(), "at": now, "because": because}
    with errors_of(uri), locked_prompt(client, uri, name):
        tagged = DISABLED in get(client, uri, reference).tags
        # Whoever was stopped between the two has left one of them.
        if not (disabled or tagged or version in _listed(client, uri, name)):
            raise PexError(f"{name}/{version} is not disabled")
        if disabled:
            client.set_prompt_version_tag(name, version, DISABLED, json.dumps(reason))
        elif tagged:
            client.delete_prompt_version_tag(name, version, DISABLED)
        _list(client, uri, name, version, disabled=disabled)
    try:
        _append(project, {"prompt": name, "version": version, "disabled": disabled, **reason})
    finally:  # the registry has it all the same
        changed(uri, name, project)
    with errors_of(uri):
        return describe(client.get_prompt_version(name, str(version)), card_of(client, uri, name))


def _list(client: MlflowClient, uri: str, name: str, version: int, *, disabled: bool) -> None:
    """Put a version into the prompt's list of disabled ones, or take it out.

    MLflow's UI knows no lock: whoever lost to it tries again.
    """
    for _ in range(_TRIES):
        listed = _listed(client, uri, name)
        if (version in listed) == disabled:
            return
        wanted = listed | {version} if disabled else listed - {version}
        client.set_prompt_tag(name, DISABLED, json.dumps(sorted(wanted)))
    raise PexError(f"'{name}': others keep changing which versions are disabled", hint="try again")


def _listed(client: MlflowClient, uri: str, name: str) -> set[int]:
    return set(numbers_in(card_of(client, uri, name).tags.get(DISABLED, "")))


def _append(project: Path, line: dict[str, Any]) -> None:
    path = project / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        jsonl.append(path, [line])
    except OSError as error:
        raise PexError(
            f"{FILE}: cannot be written: {error.strerror or error}",
            hint="the registry has it; the file is for git and for when the registry is down",
        ) from None
