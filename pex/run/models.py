"""Which models can be named, by provider: for menus, without a call unless `ask` is called.

A list comes from the price table, from `pex.toml`, and, where an endpoint answers, from its own
`/v1/models`, which is kept for a day in `.pex/models.json`. An endpoint that does not answer is a
note in its list and never an error: any model can still be named.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pex import local
from pex.core.errors import PexError
from pex.core.safe_text import clean
from pex.guard.redact import redact
from pex.local.engine import CONTEXT
from pex.project import keys
from pex.project.settings import ProviderSettings, Settings
from pex.project.trust import command
from pex.run.client import list_models
from pex.run.endpoint import address, connect, key_variable, some_model
from pex.run.errors import KeyRefusedError
from pex.run.kept_lists import FILE, KeptList, keep_list, read_lists
from pex.run.prices import Listed, listed, price_of
from pex.run.provider_trust import waits_for_trust
from pex.run.providers import BUILT_IN, LOCAL, Provider
from pex.run.threads import run_in_thread

__all__ = ["FILE", "KEPT", "Model", "Models", "Offer", "price_text"]

KEPT = datetime.timedelta(days=1)
FAILED_S = 60.0
"""Seconds until an endpoint that did not answer is asked again."""

State = Literal["ready", "needs key", "refused", "needs trust", "unasked", "unreachable"]

_NOT_CHAT = re.compile(
    r"embed|whisper|\btts\b|dall-e|moderation|transcri|\bimage|realtime|rerank|\bocr\b|\bsora\b"
    r"|^(?:ada|babbage|curie|davinci|text-davinci)\b|\bft-$|imagen|veo-|\blyria\b|\baqa\b"
)
"""Names of models that have another API than chat."""

_NOTHING = re.compile("(?!)")
_OWN = {"gemini": re.compile(r"gem|learnlm")}
"""Where the table has models of the provider that its chat API does not serve."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Failure:
    """Why an endpoint gave no list, when, and what state its provider is in."""

    state: State
    note: str
    at: float


_failed: dict[tuple[Path, str], _Failure] = {}


@dataclasses.dataclass(frozen=True, slots=True)
class Model:
    """A model in a list: its name at the provider, its price in words, the tokens it can read."""

    name: str
    price: str
    context: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """What a provider offers.

    `state` says whether it can be called, `note` what somebody should know in a sentence.
    `variable` is that of its key, `key_from` where the key was found, `place` where it is sent.
    """

    provider: str
    state: State
    models: tuple[Model, ...]
    note: str = ""
    place: str = ""
    variable: str | None = None
    key_from: str = ""


class Models:
    """The models of a project.

    Args:
        settings: the project's.
        state: its `.pex/` folder.

    Example:
        >>> offers = Models(Settings(), Path(".pex")).offers()
        >>> offers[0].provider, [model.price for model in offers[0].models]
        ('local', ['free'])
    """

    def __init__(self, settings: Settings, state: Path) -> None:
        self._settings = settings
        self._state = state

    def offers(self, used: Iterable[str] = ()) -> list[Offer]:
        """What each provider offers, those that can be called first; nothing is called.

        Args:
            used: models that are in use, `provider/model`: they are listed in any case.
        """
        own = [name for name in self._settings.providers if name != LOCAL]
        names = [LOCAL, *own, *(name for name in BUILT_IN if name != LOCAL and name not in own)]
        refs = [*used, *self._settings.prices, *self._settings.models]
        kept = self._kept()
        found = [self._offer(name, refs, kept.get(name)) for name in names]
        last: tuple[State, ...] = ("needs key", "unasked")
        return sorted(found, key=lambda offer: (offer.state in last, offer.state == "unasked"))

    def due(self) -> list[str]:
        """The providers whose endpoints should be asked for their list now.

        They are configured, their key is there or not needed, the project may call them, and
        their list is not known or older than a day.
        """
        kept = self._kept()
        found = []
        for name in {**self._settings.providers, **BUILT_IN}:
            if name == LOCAL or self._cannot_list(name):
                continue
            if self._why_not(name)[0] not in ("ready", "refused"):
                continue
            failure = self._failure(name)
            late = failure is None or time.monotonic() - failure.at > FAILED_S
            if (name not in kept or self._is_refused(name)) and late:
                found.append(name)
        return found

    def ask(self, name: str) -> None:
        """Ask a provider's endpoint for its models, and keep the answer.

        Args:
            name: the provider's; one that may not be called is not.
        """
        state, _ = self._why_not(name)
        if name == LOCAL or state in ("needs key", "needs trust") or self._cannot_list(name):
            return
        try:
            endpoint = connect(some_model(name, self._settings), self._settings, self._state)
            models = run_in_thread(list_models(endpoint))
        except KeyRefusedError as error:
            key = self._key(name)
            place = f" ({key.variable} {keys.told(key)})" if key is not None else ""
            self._fail(name, "refused", f"refuses the key: {error.said}{place}")
        except PexError as error:
            self._fail(name, "unreachable", error.message)
        else:
            _failed.pop((self._state, name), None)
            if models:
                keep_list(self._state, name, self._place(name), models)
            else:
                self._fail(name, "ready", "does not list its models: type a name")

    def last_failure(self, name: str) -> str:
        """Why a provider's endpoint gave no list when it was last asked here; empty if it did."""
        failure = _failed.get((self._state, name))
        return failure.note if failure is not None else ""

    def _fail(self, name: str, state: State, note: str) -> None:
        note = redact(clean(note))
        _failed[self._state, name] = _Failure(state, note, time.monotonic())

    def _failure(self, name: str) -> _Failure | None:
        """What the endpoint last failed with; that of a key that is no longer used is over."""
        failure = _failed.get((self._state, name))
        over = failure is not None and failure.state == "refused" and not self._is_refused(name)
        return None if over else failure

    # -- one provider

    def _offer(self, name: str, refs: list[str], names: list[str] | None) -> Offer:
        if name == LOCAL:
            absent = local.missing()
            model = Model(local.MODEL, "free", CONTEXT)
            return Offer(LOCAL, "unreachable" if absent else "ready", (model,), absent or "")
        state, note = self._why_not(name)
        failure = self._failure(name)
        told = failure is not None and (names is None or failure.state == "refused")
        if failure is not None and told and state in ("ready", "unasked", "refused"):
            state, note = failure.state, failure.note
        elif state == "unasked" and names is not None:
            state, note = "ready", ""
        variable, _ = key_variable(name, self._settings)
        key = self._key(name)
        extra = [ref.partition("/")[2] for ref in refs if ref.startswith(f"{name}/")]
        return Offer(
            name,
            state,
            tuple(self._models(name, names, extra)),
            note,
            self._place(name),
            variable,
            keys.told(key) if key is not None else "",
        )

    def _why_not(self, name: str) -> tuple[State, str]:
        """Whether a provider can be called, as far as that is known without a call."""
        settings = self._settings
        if waits_for_trust(name, settings) and settings.project is not None:
            return (
                "needs trust",
                f"not asked: this project is not trusted: {command(settings.project)}",
            )
        variable, required = key_variable(name, settings)
        try:
            key = keys.find(variable, settings.project)
        except PexError as error:
            return "needs key", f"{error.message}; {error.hint}" if error.hint else error.message
        if required and key is None:
            return "needs key", ""
        if keys.is_refused(key) and key is not None:
            return "refused", f"refuses the key; {key.variable} {keys.told(key)}"
        if address(name, settings) is None:
            return "unasked", "has no base URL: set base_url in pex.toml"
        if cannot := self._cannot_list(name):
            return "ready", cannot
        provider = BUILT_IN.get(name) or Provider(None)
        named = name in settings.providers or bool(os.environ.get(provider.base_url_env or ""))
        if not named and not required:
            return "unasked", f"not asked yet whether it runs at {provider.base_url}"
        return "ready", ""

    def _cannot_list(self, name: str) -> str:
        own = self._settings.providers.get(name, ProviderSettings())
        if own.token_command is not None:
            return "its models are not listed: token_command runs only when a prompt does"
        if name == "azure" or "azure.com" in (address(name, self._settings) or ""):
            return "Azure does not list its deployments: type the name of yours"
        return ""

    def _key(self, name: str) -> keys.Key | None:
        variable, _ = key_variable(name, self._settings)
        with contextlib.suppress(PexError):
            return keys.find(variable, self._settings.project)
        return None

    def _is_refused(self, name: str) -> bool:
        return keys.is_refused(self._key(name))

    def _models(self, name: str, names: list[str] | None, extra: list[str]) -> list[Model]:
        provider = BUILT_IN.get(name)
        table = {item.name: item for item in listed(provider.prices or "")} if provider else {}
        if names is None:
            names = [item.name for item in table.values() if item.per_million is not None]
            own = _OWN.get(name) or re.compile("(?!ft:)")
            names = [item for item in names if own.match(item)]
        others = _NOT_CHAT if table else _NOTHING
        chat = [item for item in names if not others.search(item.lower())]
        return [self._model(name, item, table) for item in dict.fromkeys([*extra, *chat])]

    def _model(self, provider: str, name: str, table: dict[str, Listed]) -> Model:
        ref, known = f"{provider}/{name}", table.get(name)
        context = known.context if known is not None else None
        own = self._settings.providers.get(provider, ProviderSettings())
        if ref in self._settings.prices or own.free or known is None or known.per_million is None:
            price = price_of(ref, self._settings)
            return Model(name, "free" if price and price.source == "free" else price_text(
                price.per_million() if price is not None else None), context)  # fmt: skip
        return Model(name, price_text(known.per_million), context)

    # -- the lists that are kept

    def _place(self, name: str) -> str:
        return redact(address(name, self._settings) or "")

    def _kept(self) -> dict[str, list[str]]:
        """The names in the lists that are not older than a day."""
        now = datetime.datetime.now(datetime.UTC)
        return {
            name: [model.name for model in found.models]
            for name, found in self._lists().items()
            if datetime.timedelta() <= now - found.at < KEPT
        }

    def _lists(self) -> dict[str, KeptList]:
        """The lists, however old, that came from where the provider still is."""
        lists = read_lists(self._state)
        return {name: found for name, found in lists.items() if found.place == self._place(name)}


def price_text(per_million: tuple[float, float] | None) -> str:
    """A price in words.

    Example:
        >>> price_text((0.4, 1.6)), price_text((0.075, 15)), price_text((0, 0)), price_text(None)
        ('$0.40 / $1.60 per million', '$0.075 / $15.00 per million', 'free', 'no price known')
    """
    if per_million is None:
        return "no price known"
    if not any(per_million):
        return "free"
    said = [f"${usd:.2f}" if round(usd, 2) == round(usd, 6) else f"${usd:.4g}"
            for usd in per_million]  # fmt: skip
    return f"{said[0]} / {said[1]} per million"
