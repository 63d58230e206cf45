"""What is known of a prompt of a registry, and which of its versions a reference means.

Plain data that never changes: an answer of the registry makes a new one, so whoever reads it in
another thread sees all of the old one or all of the new one.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError, nearest
from pex.library.reference import NotThereError, Reference, model_alias

if TYPE_CHECKING:
    from pex.library.registry_answer import PromptAnswer

DISABLED = "pex.disabled"
"""The tag of a prompt with the numbers of its disabled versions, and of each such version."""
MODEL_ALIAS = "pex.model_alias."
"""The start of the tag of a prompt with the full name of the model that an alias is for."""

_MOVES = ("pex.move.", "pex.alias.")
_MOST_VERSIONS = 50
"""Texts that are kept of one prompt."""


class DisabledError(PexError):
    """Every version that could be served was disabled."""


class BrokenVersionError(PexError):
    """A version whose text cannot be read: it was changed in MLflow, or is not a valid template."""


@dataclasses.dataclass(frozen=True, slots=True)
class KnownPrompt:
    """A prompt's entry in the registry, and the texts of the versions that were needed.

    `disabled` has for each disabled version who disabled it, when and why, as far as known.
    `before` has for each alias the versions that it had before, newest first. `versions` has the
    fields of `pex.core.prompt_fields`, `good` the version that each reference was last served
    with, such as `{"@champion": 3}`. `asked_at` is the time of the answer in seconds, 0 if none.
    """

    name: str
    aliases: dict[str, int] = dataclasses.field(default_factory=dict)
    model_aliases: dict[str, str] = dataclasses.field(default_factory=dict)
    newest: int = 0
    disabled: dict[int, dict[str, str]] = dataclasses.field(default_factory=dict)
    before: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    versions: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)
    good: dict[str, int] = dataclasses.field(default_factory=dict)
    asked_at: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, whose keys are strings."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for key in ("disabled", "versions"):
            fields[key] = {str(number): value for number, value in fields[key].items()}
        return fields

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> KnownPrompt:
        """From plain JSON."""
        fields = dict(data)
        for key in ("disabled", "versions"):
            fields[key] = {int(number): value for number, value in fields[key].items()}
        return cls(**fields)

    def with_answer(self, answer: PromptAnswer, asked_at: float) -> KnownPrompt:
        """The same with a new answer of the registry; texts and reasons are kept."""
        numbers = numbers_in(answer.tags.get(DISABLED, ""))
        before = {alias: _earlier(alias, answer) for alias in answer.aliases}
        for alias, found in before.items():
            old = [self.aliases[alias]] if alias in self.aliases else []
            current = answer.aliases[alias]
            whole = dict.fromkeys((*found, *old, *self.before.get(alias, [])))
            before[alias] = [number for number in whole if number != current][:_MOST_VERSIONS]
        models = {
            key.removeprefix(MODEL_ALIAS): value
            for key, value in answer.tags.items()
            if key.startswith(MODEL_ALIAS)
        }
        return dataclasses.replace(
            self,
            aliases=answer.aliases,
            model_aliases=models,
            newest=answer.newest,
            disabled={number: self.disabled.get(number, {}) for number in numbers},
            before=before,
            asked_at=asked_at,
        )

    def with_version(self, number: int, fields: Mapping[str, Any]) -> KnownPrompt:
        """The same with the text of one more version; the oldest that nothing needs are dropped."""
        versions = {**self.versions, number: dict(fields)}
        needed = {*self.aliases.values(), *self.good.values(), number}
        spare = [other for other in versions if other not in needed]
        for other in spare[: max(0, len(versions) - _MOST_VERSIONS)]:
            del versions[other]
        return dataclasses.replace(self, versions=versions)

    def with_before(self, earlier: Mapping[str, Iterable[int]]) -> KnownPrompt:
        """The same with more versions that aliases had before, after those that are known."""
        before = dict(self.before)
        for alias, numbers in earlier.items():
            if alias in self.aliases:
                whole = dict.fromkeys((*before.get(alias, []), *numbers))
                whole.pop(self.aliases[alias], None)
                before[alias] = list(whole)[:_MOST_VERSIONS]
        return dataclasses.replace(self, before=before)

    def with_good(self, key: str, number: int) -> KnownPrompt:
        """The same with the version that a reference was served with."""
        return dataclasses.replace(self, good={**self.good, key: number})

    def with_reasons(self, reasons: Mapping[int, Mapping[str, str]]) -> KnownPrompt:
        """The same with more disabled versions, or with the reasons of those that it has."""
        more = {number: dict(reason) for number, reason in reasons.items()}
        return dataclasses.replace(self, disabled={**self.disabled, **more})

    def candidates(self, reference: Reference, model: str | None = None) -> list[tuple[str, int]]:
        """The versions that a reference can mean, the first that is served first.

        Each has the key under which `good` keeps it. For an alias, its version comes first, then
        those that it had before; for a name alone, the newest and those below.

        Raises:
            NotThereError: there is no such alias or version; the message gives the nearest one.
            DisabledError: all of them were disabled.
        """
        alias = self._alias_for(reference.alias, model)
        if alias is not None:
            key = f"@{alias}"
            if alias not in self.aliases and key not in self.good:
                hint = nearest(alias, self.aliases) if self.aliases else "it has no alias yet"
                raise NotThereError(f"prompt '{self.name}' has no alias '{alias}'", hint=hint)
            current = self.aliases.get(alias, self.good.get(key, 0))
            numbers = [current, *(self.before.get(alias, []) if current in self.disabled else [])]
        elif reference.version is not None:
            key, numbers = f"/{reference.version}", [reference.version]
        else:
            key, numbers = "", list(range(self.newest, 0, -1))
            if not numbers:
                raise NotThereError(f"prompt '{self.name}' has no version yet")
        served = [(key, number) for number in numbers if number not in self.disabled]
        if not served:
            raise self._all_disabled(reference, numbers[0])
        return served

    def choose(self, reference: Reference, model: str | None = None) -> tuple[str, int] | None:
        """The version whose text is at hand, with its key; None if the registry must be asked.

        Raises:
            PexError: there is no such alias or version, or all of them were disabled.
        """
        key, number = self.candidates(reference, model)[0]
        if number in self.versions:
            return key, number
        good = self.good.get(key)
        return (key, good) if good in self.versions and good not in self.disabled else None

    def _alias_for(self, alias: str | None, model: str | None) -> str | None:
        """The alias of a model's own version if there is one and it is for just this model."""
        if alias is None or model is None:
            return alias
        try:
            own = model_alias(alias, model)
        except PexError:  # a name that no alias can hold
            return alias
        known = own in self.aliases or f"@{own}" in self.good
        return own if known and self.model_aliases.get(own) == model else alias

    def _all_disabled(self, reference: Reference, number: int) -> DisabledError:
        reason = self.disabled.get(number, {})
        who = f" by {reason['by']}" if reason.get("by") else ""
        when = f" on {reason['at'][:16].replace('T', ' ')} UTC" if reason.get("at") else ""
        why = f": {reason['because']}" if reason.get("because") else ""
        whose = f"'{reference}' is version {number}, which" if reference.version is None else ""
        return DisabledError(
            f"prompt '{self.name}': {whose or f'version {number}'} was disabled{who}{when}{why}",
            hint="move the alias to another version, or load another one",
        )


def disabled_by(tag: str) -> dict[str, str]:
    """Who disabled a version, when and why, from its tag; empty strings if it says nothing."""
    try:
        found = json.loads(tag)
        return {key: str(found.get(key) or "") for key in ("by", "at", "because")}
    except (ValueError, AttributeError):
        return {"by": "", "at": "", "because": ""}


def numbers_in(tag: str) -> list[int]:
    """The version numbers in a prompt's tag of disabled versions."""
    try:
        found = json.loads(tag) if tag else []
        return [int(number) for number in found] if isinstance(found, Iterable) else []
    except (ValueError, TypeError):
        return []


def _earlier(alias: str, answer: PromptAnswer) -> list[int]:
    """The version that an alias had before its last move, by the tag of that move."""
    for start in _MOVES:
        try:
            move = json.loads(answer.tags.get(f"{start}{alias}", "null"))
            before = move.get("from", move.get("before"))
            if int(move["to"]) == answer.aliases[alias] and before is not None:
                return [int(before)]
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return []
