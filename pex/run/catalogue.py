"""What the configured endpoints offer, with what is known of each model, and what is new or gone.

It is `pex.run.models` with the facts that a menu has no room for: prices, what the endpoint says,
when a model stops, since when it is listed.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pex.guard.redact import redact
from pex.project.settings import Settings
from pex.run.endpoint import address
from pex.run.kept_lists import KeptList, read_lists
from pex.run.models import Models, Offer, State
from pex.run.price_card import PriceCard, price_card
from pex.run.providers import BUILT_IN, LOCAL
from pex.run.retirement import Retirement, retirement_of

NEW = datetime.timedelta(days=30)
"""For how long a model that came into a list is new, and one that left it is named."""
_AT_ONCE = 8


@dataclasses.dataclass(frozen=True, slots=True)
class CatalogueModel:
    """A model and what is known of it; None where nobody says.

    `context` and `answer` are in tokens, `supports` is what its endpoint says it can do,
    `appeared` when it came into the endpoint's list after the first look. `is_listed` says whether
    the endpoint lists it, None without a list.
    """

    ref: str
    price: PriceCard | None = None
    context: int | None = None
    answer: int | None = None
    supports: tuple[str, ...] | None = None
    retirement: Retirement | None = None
    appeared: datetime.datetime | None = None
    is_listed: bool | None = None

    def is_new(self, now: datetime.datetime) -> bool:
        """Whether it came into the list within the last 30 days."""
        return self.appeared is not None and now - self.appeared < NEW

    def to_json(self, now: datetime.datetime) -> dict[str, Any]:
        """Plain data, for `pexlab models --json`."""
        end = self.retirement
        return {
            "model": self.ref,
            "price": None if self.price is None else dataclasses.asdict(self.price),
            "context_tokens": self.context,
            "answer_tokens": self.answer,
            "supports": self.supports,
            "stops": end.day if end else None,
            "days_left": end.days_left(now.astimezone().date()) if end else None,
            "stops_source": end.source if end else None,
            "successor": end.successor if end else None,
            "listed": self.is_listed,
            "first_seen": self.appeared,
            "new": self.is_new(now),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class CatalogueProvider:
    """A provider: whether it can be called, what somebody should know, when it was last asked.

    `gone` are models that left its list within the last 30 days, and when that was seen.
    `variable` is that of its key; `is_expected` says whether the project or the environment names
    its address, so that it should answer.
    """

    name: str
    state: State
    note: str
    asked_at: datetime.datetime | None
    models: tuple[CatalogueModel, ...]
    gone: Mapping[str, datetime.datetime] = dataclasses.field(default_factory=dict)
    variable: str | None = None
    is_expected: bool = True

    @property
    def is_here(self) -> bool:
        """Whether its models can be called, as far as is known."""
        return self.state == "ready" and (self.asked_at is not None or self.name == LOCAL)


def refresh(models: Models, settings: Settings, *, again: bool = False) -> None:
    """Ask the endpoints whose list is due for their models, several at once.

    Servers of this machine that no one has configured are asked too: that costs nothing. One that
    does not answer is a note of its provider, not an error.

    Args:
        models: of the project.
        settings: its settings.
        again: ask all of them, also those whose list is of today.
    """
    ask_all(models, providers_to_ask(models, settings, again=again))


def providers_to_ask(models: Models, settings: Settings, *, again: bool = False) -> list[str]:
    """The providers that `refresh` asks."""
    free = [name for name, provider in BUILT_IN.items() if provider.free and name != LOCAL]
    every = {**settings.providers, **BUILT_IN} if again else {}
    return list(dict.fromkeys([*models.due(), *free, *every]))


def ask_all(models: Models, names: Collection[str]) -> None:
    """Ask some providers for their lists, several at once.

    Args:
        models: of the project.
        names: the providers; one that may not be called is not.
    """
    with ThreadPoolExecutor(min(_AT_ONCE, len(names) or 1), "pex-models") as pool:
        list(pool.map(models.ask, names))


def catalogue(
    models: Models, settings: Settings, state: Path, used: Iterable[str] = ()
) -> list[CatalogueProvider]:
    """What each provider offers, those that can be called first; nothing is called.

    Args:
        models: of the project.
        settings: its settings.
        state: its `.pex/` folder.
        used: models that are in use: they are listed in any case.
    """
    lists = read_lists(state)
    now = datetime.datetime.now(datetime.UTC)
    found = []
    for offer in models.offers(used):
        kept = lists.get(offer.provider)
        if kept is not None and kept.place != redact(address(offer.provider, settings) or ""):
            kept = None
        found.append(_provider(offer, kept, settings, state, lists, now))
    return found


def _provider(
    offer: Offer,
    kept: KeptList | None,
    settings: Settings,
    state: Path,
    lists: Mapping[str, KeptList],
    now: datetime.datetime,
) -> CatalogueProvider:
    models = []
    for model in offer.models:
        ref = f"{offer.provider}/{model.name}"
        said = kept.model(model.name) if kept is not None else None
        models.append(
            CatalogueModel(
                ref,
                price_card(ref, settings),
                (said.context if said else None) or model.context,
                said.answer if said else None,
                said.supports if said else None,
                retirement_of(ref, settings, state, lists),
                kept.appeared(model.name) if kept is not None else None,
                None if kept is None else said is not None,
            )
        )
    gone = {} if kept is None else kept.gone
    return CatalogueProvider(
        offer.provider,
        offer.state,
        offer.note,
        kept.at if kept is not None else None,
        tuple(models),
        {name: when for name, when in gone.items() if now - when < NEW},
        offer.variable,
        _is_expected(offer.provider, settings),
    )


def _is_expected(name: str, settings: Settings) -> bool:
    known = BUILT_IN.get(name)
    if name in settings.providers or known is None or not known.free:
        return True
    return name == LOCAL or bool(os.environ.get(known.base_url_env or ""))
