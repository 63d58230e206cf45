"""The lists of models that endpoints gave, kept in `.pex/models.json`: also what is new and gone.

A list saves a question to its endpoint for a day. What is in it beyond that, the day on which a
model stops and when it was first seen, holds longer, and is read without a call.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core import private
from pex.core.safe_text import clean
from pex.run.model_list import EndpointModel, kept_model

FILE = "models.json"
MOST = 2000
"""Models of one provider that are kept."""
GONE = datetime.timedelta(days=180)
"""For how long a model that is no longer listed is remembered."""

_writing = threading.Lock()


@dataclasses.dataclass(frozen=True, slots=True)
class KeptList:
    """What a provider's endpoint listed.

    `at` is when it was last asked and `place` where it was then; `since` is when it was asked
    first, `seen` when each model was first in its list, `gone` since when one is no longer in it.
    """

    at: datetime.datetime
    place: str
    models: tuple[EndpointModel, ...]
    since: datetime.datetime
    seen: Mapping[str, datetime.datetime]
    gone: Mapping[str, datetime.datetime]

    def model(self, name: str) -> EndpointModel | None:
        """The model of this name, None if it is not listed."""
        return next((model for model in self.models if model.name == name), None)

    def appeared(self, name: str) -> datetime.datetime | None:
        """When a model came into the list; None if it was in the first one, or is not in it."""
        first = self.seen.get(name)
        return first if first is not None and first > self.since and self.model(name) else None


def read_lists(state: Path) -> dict[str, KeptList]:
    """The lists that are kept, by provider; what cannot be read is left out.

    Args:
        state: the project's `.pex/` folder.
    """
    found = {}
    for name, entry in _read(state).items():
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
            found[name] = _list(entry)
    return found


def keep_list(
    state: Path,
    provider: str,
    place: str,
    models: Sequence[EndpointModel],
    at: datetime.datetime | None = None,
) -> None:
    """Keep what an endpoint listed; a full disk only means that it is asked again.

    Args:
        state: the project's `.pex/` folder.
        provider: the provider's name.
        place: where it was asked; a list from elsewhere is forgotten.
        models: its models.
        at: when it was asked; by default now.
    """
    at = at or datetime.datetime.now(datetime.UTC)
    named: dict[str, EndpointModel] = {}
    for model in models:
        name = clean(model.name.removeprefix("models/"))  # Gemini's have the prefix
        if name:
            named.setdefault(name, dataclasses.replace(model, name=name))
    names = sorted(named, key=str.casefold)[:MOST]
    with _writing:
        before = read_lists(state).get(provider)
        if before is None or before.place != place:
            before = KeptList(at, place, (), at, {}, {})
        seen = {**dict.fromkeys(names, at), **before.seen}
        left = {model.name: at for model in before.models} | dict(before.gone)
        gone = {name: when for name, when in left.items()
                if name not in named and at - when < GONE}  # fmt: skip
        facts = {name: named[name].to_json() for name in names}
        entry = {
            "at": at.isoformat(),
            "place": place,
            "models": names,
            "facts": {name: item for name, item in facts.items() if item},
            "since": before.since.isoformat(),
            "seen": _moments(seen, {*names, *gone}),
            "gone": _moments(gone, gone),
        }
        with contextlib.suppress(OSError):
            _write(state, {**_read(state), provider: entry})


def _list(entry: Mapping[str, Any]) -> KeptList:
    at = _moment(entry["at"])
    names = [str(name) for name in entry["models"]]
    facts = entry.get("facts") or {}
    # Without these keys a list is of an earlier version: all in it was there from the beginning.
    since = _moment(entry["since"]) if "since" in entry else at
    seen = {str(name): _moment(text) for name, text in (entry.get("seen") or {}).items()}
    gone = {str(name): _moment(text) for name, text in (entry.get("gone") or {}).items()}
    models = tuple(kept_model(name, facts.get(name)) for name in names)
    first = {**dict.fromkeys(names, since), **seen}
    return KeptList(at, str(entry["place"]), models, since, first, gone)


def _moments(times: Mapping[str, datetime.datetime], names: Iterable[str]) -> dict[str, str]:
    wanted = set(names)
    return {name: when.isoformat() for name, when in times.items() if name in wanted}


def _moment(text: str) -> datetime.datetime:
    found = datetime.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


def _read(state: Path) -> dict[str, Any]:
    try:
        found = json.loads((state / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # it only saves a question
    return found if isinstance(found, dict) else {}


def _write(state: Path, lists: dict[str, Any]) -> None:
    folder = private.folder(state)
    number, name = tempfile.mkstemp(dir=folder, prefix=f".{FILE}.")
    with os.fdopen(number, "w", encoding="utf-8") as file:
        json.dump(lists, file)
    Path(name).replace(folder / FILE)
