"""A prompt of a registry as this process serves it: what is known of it, and how it is asked."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pex.core.errors import PexError, nearest
from pex.core.prompt import Prompt
from pex.core.prompt_fields import fields_of, prompt_of
from pex.library import disabled_file, prompt_cache
from pex.library.known_prompt import (
    DISABLED,
    BrokenVersionError,
    DisabledError,
    KnownPrompt,
    disabled_by,
)
from pex.library.reference import NotThereError, Reference
from pex.tracking.address import check_address

if TYPE_CHECKING:
    from pex.library.registry_answer import RegistryReader

_FIRST_RETRY_S, _LONGEST_RETRY_S = 5.0, 60.0
_FEW = 20
"""Disabled versions of a prompt up to which every reason is read."""
_LEAST_S = 0.5
"""Seconds between two questions, however low `ttl_s` is."""
_UNREAD = (-1, -1, -1)
_Key = tuple[Reference, str | None]
"""What is asked for: a reference, and the model that it is for."""


class Slot:
    """What one reference gets; `prompt` is replaced as a whole, never changed."""

    __slots__ = ("model", "problem", "prompt", "reference", "served", "version")

    def __init__(self, reference: Reference, model: str | None) -> None:
        self.reference, self.model = reference, model
        self.prompt: Prompt | None = None
        self.version = 0
        self.problem: PexError | None = None
        self.served: ServedPrompt


class ServedPrompt:
    """One prompt of one registry.

    Args:
        uri: the registry.
        name: the prompt.
        project: the project's folder, None if there is none.
        given: the registry that the caller named, None if the project's is used.
        workspace: the workspace in the registry, empty for its default.
    """

    def __init__(
        self, uri: str, name: str, project: Path | None, given: str | None, workspace: str = ""
    ) -> None:
        self.uri, self.name, self.project, self._given = uri, name, project, given
        self.workspace = workspace
        self.known = KnownPrompt(name)
        self.slots: dict[tuple[Reference, str | None], Slot] = {}
        self.path = str(next(self._paths(), ""))
        self.stamp: prompt_cache.Stamp = _UNREAD
        self.ttl_s = math.inf
        self.due = 0.0
        self.problem: PexError | None = None
        """Why the registry could not be asked the last time."""
        self.failures = 0
        self.lock = threading.RLock()

    def _paths(self) -> Iterator[Path]:
        return prompt_cache.cache_paths(self.uri, self.name, self.project, self.workspace)

    def slot(self, reference: Reference, model: str | None) -> Slot:
        """The slot of a reference, made if there is none."""
        with self.lock:
            key = (reference, model)
            if key not in self.slots:
                slot = Slot(reference, model)
                slot.served = self
                self.slots[key] = slot
                self._fill(slot)
            return self.slots[key]

    def read(self) -> None:
        """Take what the cache file knows, if it is newer."""
        with self.lock:
            for path in map(str, self._paths()):
                stamp = prompt_cache.stamp_of(path)
                if stamp is None:
                    continue
                if (path, stamp) == (self.path, self.stamp):
                    return
                self.path, self.stamp = path, stamp
                found = prompt_cache.read_cache(path, self.name)
                if found is not None:
                    self._take(found)
                    return
            if self.stamp == _UNREAD:
                self.stamp = None
                self._take(self.known)

    def _take(self, found: KnownPrompt) -> None:
        """Use what an answer or another process knows; texts of both are kept."""
        # A clock that was set back must not make all later answers count as old ones.
        if found.asked_at < self.known.asked_at <= time.time():
            found = self.known
        else:
            for number, fields in self.known.versions.items():
                if number not in found.versions:
                    found = found.with_version(number, fields)
        if self.project is not None and disabled_file.exists(self.project):
            since = disabled_file.disabled_since(self.project, self.name, found.asked_at)
            found = found.with_reasons(since) if since else found
        self.known = found
        for slot in self.slots.values():
            self._fill(slot)
        self._plan()

    def _fill(self, slot: Slot) -> None:
        """Put into a slot what is known now."""
        if not self.known.asked_at:
            return
        try:
            chosen = self.known.choose(slot.reference, slot.model)
            slot.problem = None
        except PexError as error:
            chosen, slot.problem = None, error
        if chosen is None:
            # What was known last goes on, unless it was disabled.
            if slot.version in self.known.disabled or isinstance(slot.problem, DisabledError):
                slot.prompt, slot.version = None, 0
            return
        number = chosen[1]
        if slot.prompt is None or slot.version != number or slot.prompt.source != "memory":
            made = prompt_of(self.known.versions[number])
            slot.prompt, slot.version = with_source(made, "memory"), number

    def _plan(self) -> None:
        """Set when the registry is asked next, for the answer that is known."""
        age = time.time() - self.known.asked_at
        left = self.ttl_s - age if age >= 0 else 0.0
        self.due = time.monotonic() + max(0.0, min(left, self.ttl_s))

    def lower_ttl(self, ttl_s: float) -> None:
        """Keep the answer at most this old from now on."""
        with self.lock:
            if ttl_s < self.ttl_s:
                self.ttl_s = ttl_s
                if not self.failures:
                    self._plan()

    def ask(self, timeout_s: float) -> None:
        """Ask the registry; what it answers is served from now on, a failure is kept.

        Never raises: `problem` says what went wrong.
        """
        self.due = time.monotonic() + timeout_s + _FIRST_RETRY_S
        try:
            known, problems = self._asked(time.monotonic() + timeout_s)
        except Exception as error:  # noqa: BLE001 - whatever it is, what is known goes on
            if not isinstance(error, PexError):
                from pex.guard.redact import redact

                reason = redact(str(error) or type(error).__name__)
                error = PexError(f"MLflow's store {redact(self.uri)} cannot be read: {reason}")
            self.failed(error)
            return
        with self.lock:
            self.problem, self.failures = None, 0
            self._take(known)
            for key, problem in problems.items():
                self.slots[key].problem = problem
            self._write()
            self.due = max(self.due, time.monotonic() + _LEAST_S)

    def failed(self, error: PexError) -> None:
        """Keep why the registry could not be asked; the next time is later each time."""
        with self.lock:
            self.problem = error
            self.failures += 1
            wait = _FIRST_RETRY_S * 2 ** min(self.failures - 1, 10)
            self.due = time.monotonic() + min(wait, _LONGEST_RETRY_S)

    def _asked(self, end: float) -> tuple[KnownPrompt, dict[_Key, PexError]]:
        from pex.library.registry_reader import reader_of

        check_address(self._given, self.project)
        reader = reader_of(self.uri, self.workspace)
        asked_at = time.time()
        try:
            answer = reader.prompt(self.name, _left(end))
        except NotThereError:
            raise self._no_such_prompt(reader, end) from None
        with self.lock:
            known, slots = self.known.with_answer(answer, asked_at), list(self.slots)
        if known.disabled:
            known = _with_reasons(reader, self._with_moves(known), end)
        problems: dict[_Key, PexError] = {}
        for key in slots or _kept(known):
            try:
                known = _with_text(reader, known, *key, end)
            except (NotThereError, DisabledError, BrokenVersionError) as error:
                if key in slots:
                    problems[key] = error
        return known, problems

    def _with_moves(self, known: KnownPrompt) -> KnownPrompt:
        """What is known, with all the versions that the project's file says an alias had."""
        if self.project is None:
            return known
        from pex.library.moves import read_history

        before: dict[str, list[int]] = {}
        try:
            moves = read_history(self.project).moves(self.name)
        except (PexError, OSError, ValueError):  # what the registry has answered holds all the same
            return known
        for move in reversed(moves):
            before.setdefault(move.alias, []).extend(filter(None, (move.to, move.before)))
        return known.with_before(before)

    def _no_such_prompt(self, reader: RegistryReader, end: float) -> PexError:
        from pex.guard.redact import redact

        try:
            names = reader.names(_left(end))
        except PexError:
            names = []
        hint = nearest(self.name, names) if names else "nothing has been saved there yet"
        return NotThereError(
            f"there is no prompt '{self.name}' in the library, {redact(self.uri)}", hint=hint
        )

    def _write(self) -> None:
        """Write the cache file, with the texts that another process has added meanwhile."""
        known = self.known
        if self.path and prompt_cache.stamp_of(self.path) != self.stamp:
            other = prompt_cache.read_cache(self.path, self.name)
            for number, fields in (other.versions if other else {}).items():
                if number not in known.versions:
                    known = known.with_version(number, fields)
        for path in self._paths():
            if prompt_cache.write_cache(path, known):
                self.known = known
                self.path, self.stamp = str(path), prompt_cache.stamp_of(str(path))
                return


def with_source(prompt: Prompt, source: str) -> Prompt:
    """The same prompt with the word that says where it is from."""
    made = copy.copy(prompt)
    object.__setattr__(made, "source", source)
    return made


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise PexError("the registry took too long to answer")
    return left


def _kept(known: KnownPrompt) -> list[_Key]:
    """The references that a cache file was written for."""
    kinds = {"@": lambda rest: Reference(known.name, alias=rest),
             "/": lambda rest: Reference(known.name, version=int(rest))}  # fmt: skip
    return [(kinds[key[0]](key[1:]) if key else Reference(known.name), None) for key in known.good]


def _with_text(
    reader: RegistryReader,
    known: KnownPrompt,
    reference: Reference,
    model: str | None,
    end: float,
) -> KnownPrompt:
    """What is known, with the text of the version that a reference means."""
    from pex.library.content import decode

    missing: PexError | None = None
    for key, number in known.candidates(reference, model):
        if number not in known.versions:
            try:
                found = reader.version(known.name, number, _left(end))
            except NotThereError:  # deleted
                missing = missing or _deleted(known, reference, number)
                continue
            if DISABLED in found.tags:
                known = known.with_reasons({number: disabled_by(found.tags[DISABLED])})
                return _with_text(reader, known, reference, model, end)
            try:
                prompt = decode(found)
            except (PexError, ValueError, KeyError, TypeError) as error:
                raise BrokenVersionError(
                    getattr(error, "message", f"{known.name}/{number}: {error!r}"),
                    hint=getattr(error, "hint", None),
                ) from None
            known = known.with_version(number, fields_of(prompt))
        return known.with_good(key, number)
    assert missing is not None  # there is always a candidate
    raise missing


def _with_reasons(reader: RegistryReader, known: KnownPrompt, end: float) -> KnownPrompt:
    """What is known, with the reasons of disabled versions that somebody may ask for."""
    may_be_asked = {*known.versions, *known.aliases.values(), *known.good.values()}
    may_be_asked |= {int(key[1:]) for key in known.good if key.startswith("/")}
    for number, reason in known.disabled.items():
        if not reason and (number in may_be_asked or len(known.disabled) <= _FEW):
            try:
                tags = reader.version(known.name, number, _left(end)).tags
            except NotThereError:
                tags = {}
            known = known.with_reasons({number: disabled_by(tags.get(DISABLED, ""))})
    return known


def _deleted(known: KnownPrompt, reference: Reference, number: int) -> PexError:
    hint = f"the latest is '{known.name}/{known.newest}'" if known.newest else None
    if reference.alias is not None:
        message = f"'{reference}' is version {number}, which was deleted"
        return NotThereError(message, hint="point the alias to another version")
    return NotThereError(f"prompt '{known.name}' has no version {number}", hint=hint)
