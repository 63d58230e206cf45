"""Rules on models: PX108, a variable that spoils the shared prefix; PX109, a model that stops."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pex.core.canonical_json import canonical_json
from pex.lint.finding import Finding
from pex.lint.subject import Subject, Surroundings, line_of
from pex.run.prefix import caches_from
from pex.run.request import BYTES_PER_TOKEN
from pex.run.retirement import retirement_of

_CALLS = 1000
_CANARY = re.compile(r"\{\{-?\s*canary\s*-?\}\}")


def spoiled_prefix(subject: Subject) -> Iterator[Finding]:
    """PX108: what comes after the first difference is never read from the provider's cache."""
    before, fixed, first = _sizes(subject)
    if first is None:
        return
    line, name = first
    dearest: tuple[float, str, int] | None = None
    for model in subject.models:
        price = subject.around.price_of(model)
        least = caches_from(model, price, subject.prompt.params)
        if price is None or least is None or fixed < least or 2 * before > fixed:
            continue
        saved = _CALLS * (price.usd(fixed, 0, 0) - price.usd(fixed, fixed, 0))
        if before >= least:  # that part is read from the cache already
            saved -= _CALLS * (price.usd(before, 0, 0) - price.usd(before, before, 0))
        if saved > 0 and (dearest is None or saved > dearest[0]):
            dearest = (saved, model, least)
    if dearest is not None:
        saved, model, least = dearest
        yield Finding(
            "PX108",
            line,
            f"{{{{ {name} }}}} differs between calls, and about {fixed - before:,} of {fixed:,} "
            f"fixed tokens come after it: {model} reads a shared beginning of {least:,} tokens "
            f"from its cache, which would save about ${saved:.2g} per 1,000 calls",
            "move it to the end of the last message"
            if name != "canary"
            else "move it to the end of the system message, behind all rules",
        )


def _sizes(subject: Subject) -> tuple[int, int, tuple[int, str] | None]:
    """Fixed tokens before the first variable that differs, all of them, and its line and name."""
    prompt = subject.prompt
    head = len(canonical_json(prompt.tools or [])) + len(
        canonical_json(prompt.response_schema or {})
    )
    before, fixed, first = head, head, None
    for text in subject.texts:
        lines = text.text.split("\n")
        differing = [(shown.line, shown.name) for shown in text.shown]
        differing += [(n, "canary") for n, line in enumerate(lines, 1) if _CANARY.search(line)]
        for line, name in sorted(differing):
            if first is None and (name == "canary" or _differs(name, subject)):
                first = (text.line + line - 1, name)
                before = fixed + len("\n".join(lines[: line - 1]).encode())
        fixed += len(text.text.encode())
    return round(before / BYTES_PER_TOKEN), round(fixed / BYTES_PER_TOKEN), first


def _differs(name: str, subject: Subject) -> bool:
    values: list[Any] | None = subject.values.get(name)
    if values is None:
        return name not in subject.prompt.defaults
    return len({canonical_json(value) for value in values[:100]}) > 1


def stopping_models(subject: Subject) -> Iterator[Finding]:
    """PX109: the prompt's own model stops soon."""
    model = subject.prompt.model
    if model and model in subject.models:
        yield from stopping(model, subject.source, subject.around)


def stopping(model: str, source: str, around: Surroundings) -> Iterator[Finding]:
    """PX109: a model that a file names stops soon.

    Args:
        model: `provider/model`.
        source: the text of the file.
        around: what is known of models.
    """
    found = retirement_of(model, around.settings, around.state, around.lists)
    if found is None or not found.is_near(around.today):
        return
    new = f"{model.partition('/')[0]}/{found.successor}" if found.successor else "NEW_MODEL"
    yield Finding(
        "PX109",
        line_of(source, model.partition("/")[2] or model),
        f"{model} {found.when(around.today)}, according to {found.source}",
        f"try its successor: pexlab adopt {new} --baseline {model}",
    )
