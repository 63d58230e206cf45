"""`pexlab models`: what endpoints offer, what it costs, when it stops, what is new."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pex.cli import console
from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.project.settings import load_settings
from pex.report.terminal import text_table
from pex.run.catalogue import CatalogueModel, CatalogueProvider, catalogue, refresh
from pex.run.models import Models
from pex.run.price_card import PriceCard

if TYPE_CHECKING:
    from pex.evidence.models_in_use import ModelUse
    from pex.evidence.retiring_models import RetiringModel

_MOST = 25
"""Models of one provider that are shown unless more are asked for."""
_UNKNOWN = "?"
_HEAD = ("model", "input", "output", "cached", "cache write", "batch in/out", "context", "supports",
         "stops", "")  # fmt: skip
_ALWAYS = (0, 1, 2)
"""Columns that are shown even if nothing is known: the model and its price."""
_NUMBERS = range(1, 7)


def models(
    wanted: Annotated[
        str | None, typer.Argument(metavar="[PROVIDER|TEXT]", help="Of a provider, or with a text.")
    ] = None,
    refresh_lists: Annotated[
        bool, typer.Option("--refresh", help="Ask every endpoint, also those asked today.")
    ] = False,
    only_new: Annotated[
        bool, typer.Option("--new", help="Only models that came within the last 30 days.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also the price tables of providers without a key.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """List the models that the configured endpoints offer: price, context, when they stop.

    Those in use come first. Prices are in USD per million tokens. Each endpoint is asked once a
    day at most. Examples: pexlab models openai · pexlab models mini --refresh · pexlab models --new
    """
    from pex.evidence.models_in_use import models_in_use
    from pex.evidence.retiring_models import retiring_models

    project = find_project()
    settings = load_settings(project)
    state = project / settings.journal.path
    uses = models_in_use(project, settings)
    offered = Models(settings, state)
    refresh(offered, settings, again=refresh_lists)
    providers = catalogue(offered, settings, state, list(uses))
    now = datetime.datetime.now(datetime.UTC)
    shown = _chosen(providers, wanted, uses, everything=everything or as_json)
    if only_new:
        shown = [model for model in shown if model.is_new(now)]
    retiring = retiring_models(project, settings, uses=uses)
    if as_json:
        console.document(_document(providers, shown, uses, retiring, now))
        return
    _print_models(shown, uses, now, everything=everything or wanted is not None)
    _print_rest(providers, uses, wanted, only_new=only_new)
    refs = {model.ref for model in shown}
    for item in retiring:
        if wanted is not None and item.ref not in refs:
            continue
        console.err(f"warning: {item.sentence}\n  {item.advice}")


def _chosen(
    providers: Sequence[CatalogueProvider],
    wanted: str | None,
    uses: Mapping[str, ModelUse],
    *,
    everything: bool,
) -> list[CatalogueModel]:
    """The models that are meant, those in use first."""
    names = [provider.name for provider in providers]
    every = [model for provider in providers for model in provider.models]
    if wanted in names:
        found = [model for model in every if model.ref.startswith(f"{wanted}/")]
    elif wanted is not None:
        found = [model for model in every if wanted.casefold() in model.ref.casefold()]
        if not found:
            known = [*names, *(model.ref for model in every)]
            raise PexError(f"no model and no provider matches '{wanted}'",
                           hint=nearest(wanted, known))  # fmt: skip
    elif everything:
        found = every
    else:
        here = {provider.name for provider in providers if provider.is_here}
        found = [m for m in every if m.ref in uses or m.ref.partition("/")[0] in here]
    return sorted(found, key=lambda model: model.ref not in uses)


def _print_models(
    shown: Sequence[CatalogueModel],
    uses: Mapping[str, ModelUse],
    now: datetime.datetime,
    *,
    everything: bool,
) -> None:
    rows: list[tuple[str, ...]] = []
    counts: dict[str, int] = {}
    for model in shown:
        provider = model.ref.partition("/")[0]
        counts[provider] = counts.get(provider, 0) + 1
        if everything or model.ref in uses or model.is_new(now) or counts[provider] <= _MOST:
            rows.append(_cells(model, uses.get(model.ref), now))
    if not rows:
        console.err("No model to show.")
        return
    columns = [number for number, column in enumerate(zip(*rows, strict=True))
               if number in _ALWAYS or set(column) - {"", _UNKNOWN}]  # fmt: skip
    console.out(text_table(
        [[row[number] for number in columns] for row in rows],
        [_HEAD[number] for number in columns],
        right=[place for place, number in enumerate(columns) if number in _NUMBERS],
    ))  # fmt: skip
    if len(rows) < len(shown):
        console.err(f"{len(shown) - len(rows):,} more: pexlab models --all, or name a provider")
    if any(set(row[1:6]) - {"", _UNKNOWN, "free"} for row in rows):
        console.err("prices are in USD per million tokens")
    if any(row[number] == _UNKNOWN for row in rows for number in columns):
        console.err("? = not known")
    hidden = set(range(len(_HEAD))) - set(columns)
    absent = [
        _HEAD[number] for number in sorted(hidden) if any(r[number] == _UNKNOWN for r in rows)
    ]
    if absent:
        console.err(f"nothing is known of: {', '.join(absent)}")


def _cells(model: CatalogueModel, use: ModelUse | None, now: datetime.datetime) -> tuple[str, ...]:
    return (
        model.ref,
        *_prices(model.price),
        _tokens(model.context),
        ", ".join(model.supports) if model.supports is not None else _UNKNOWN,
        _stops(model, now),
        "; ".join(_remarks(model, use, now)),
    )


def _prices(card: PriceCard | None) -> list[str]:
    """Input, output, cached, cache write, batch."""
    if card is None:
        return [_UNKNOWN] * 5
    if card.source == "free":
        return ["free", "", "", "", ""]
    batch = [_usd(card.batch_input), _usd(card.batch_output)]
    said = _UNKNOWN if set(batch) == {_UNKNOWN} else " / ".join(batch)
    return [*map(_usd, (card.input, card.output, card.cached, card.cache_write)), said]


def _remarks(model: CatalogueModel, use: ModelUse | None, now: datetime.datetime) -> list[str]:
    said = []
    if use is not None:
        prompts, judges = len(use.prompts), len(use.judges)
        parts = [f"{prompts} prompt{'s' * (prompts != 1)}"] if prompts else []
        parts += [f"{judges} judge{'s' * (judges != 1)}"] if judges else []
        said.append(f"in use: {', '.join(parts) or 'an experiment'}")
        if model.is_listed is False:
            said.append("not in its endpoint's list")
    if model.is_new(now) and model.appeared is not None:
        said.append(f"new: {_day(model.appeared)}")
    return said


def _print_rest(
    providers: Sequence[CatalogueProvider],
    uses: Mapping[str, ModelUse],
    wanted: str | None,
    *,
    only_new: bool,
) -> None:
    """What left the lists, and the providers that have none."""
    names = {provider.name for provider in providers}
    asked = [item for item in providers if wanted not in names or item.name == wanted]
    for provider in asked:
        for name, when in provider.gone.items():
            ref = f"{provider.name}/{name}"
            if wanted in {None, *names} or str(wanted).casefold() in ref.casefold():
                used = ", and it is in use" if ref in uses else ""
                console.out(f"{ref} is no longer listed, since {_day(when)}{used}")
    if only_new or (wanted is not None and wanted not in names):
        return
    for item in asked:
        if item.note and item.is_expected:
            console.err(f"{item.name}: {item.note}")
    keyless = [f"{item.name} ({item.variable})" for item in asked if item.state == "needs key"]
    if keyless:
        console.err(f"without a key: {', '.join(keyless)}")
    absent = [item.name for item in asked if not item.is_here and not item.is_expected]
    if absent:
        console.err(f"not running on this machine: {', '.join(absent)}")


def _document(
    providers: Sequence[CatalogueProvider],
    shown: Sequence[CatalogueModel],
    uses: Mapping[str, ModelUse],
    retiring: Sequence[RetiringModel],
    now: datetime.datetime,
) -> dict[str, Any]:
    used = {ref: {"prompts": use.prompts, "experiments": use.experiments, "judges": use.judges}
            for ref, use in uses.items()}  # fmt: skip
    return {
        "models": [{**model.to_json(now), "used_by": used.get(model.ref)} for model in shown],
        "providers": [
            {"provider": item.name, "state": item.state, "note": item.note,
             "asked_at": item.asked_at}
            for item in providers
        ],
        "gone": [
            {"model": ref, "since": when, "used_by": used.get(ref)}
            for item in providers
            for ref, when in ((f"{item.name}/{name}", at) for name, at in item.gone.items())
        ],
        "retiring": [item.to_json() for item in retiring],
    }  # fmt: skip


def _usd(value: float | None) -> str:
    """A price of a million tokens.

    Example:
        >>> _usd(None), _usd(0.4), _usd(0.075), _usd(15)
        ('?', '0.40', '0.075', '15.00')
    """
    if value is None:
        return _UNKNOWN
    return f"{value:.2f}" if round(value, 2) == round(value, 6) else f"{value:.4g}"


def _tokens(value: int | None) -> str:
    return _UNKNOWN if value is None else f"{value:,}"


def _stops(model: CatalogueModel, now: datetime.datetime) -> str:
    end = model.retirement
    if end is None:
        return ""
    if end.day is None:
        return f"deprecated ({end.source})"
    left = end.days_left(now.astimezone().date()) or 0
    count = f"in {left:,} days" if left > 0 else "has stopped" if left < 0 else "today"
    source = end.source.partition(" of ")[0]
    return f"{end.day} ({count}; {source})"


def _day(when: datetime.datetime) -> str:
    local = when.astimezone()
    return f"{local.day} {local:%b %Y}"
