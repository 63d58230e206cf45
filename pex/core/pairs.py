"""The pairs of variants to compare, from a baseline's name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pex.core.about import VariantInfo
from pex.core.canonical_json import canonical_json
from pex.core.errors import PexError, nearest

if TYPE_CHECKING:
    import pandas as pd

Pair = tuple[str, str]
"""The names of (candidate, baseline)."""


def variants_in(frame: pd.DataFrame) -> list[VariantInfo]:
    """The variants of a frame with their factors, in order of appearance."""
    columns = [name for name in ("variant", "prompt", "model") if name in frame.columns]
    found = frame[columns].drop_duplicates("variant").to_dict("records")
    return [
        VariantInfo(row["variant"], row.get("prompt") or "", model=row.get("model") or "")
        for row in found
    ]


def pairs(variants: Sequence[VariantInfo], baseline: str | None) -> list[Pair]:
    """The pairs selected by a baseline.

    Args:
        variants: their names and factors: prompt, model and parameters.
        baseline: a variant's name, to compare every other variant with it; or a prompt's or
            model's name, for every pair equal in the other factors. None: the first variant.

    Raises:
        PexError: it is none of these, or there is nothing to compare.

    Example:
        >>> two = [VariantInfo(name, prompt=name, model="lab/m") for name in "ab"]
        >>> pairs(two, "a")
        [('b', 'a')]
    """
    names = [item.name for item in variants]
    if len(names) < 2:
        raise PexError(
            f"there is only one variant, '{names[0]}': nothing to compare it with",
            hint="give pex.grid a second prompt, model or set of parameters",
        )
    if baseline is None:
        baseline = names[0]
    if not isinstance(baseline, str):
        raise PexError(f"baseline={baseline!r}: expected the name of a variant, prompt or model")
    if baseline in names:
        return [(name, baseline) for name in names if name != baseline]
    for factor in ("prompt", "model"):
        value = _factor_value(variants, factor, baseline)
        if value is not None:
            return _by_factor(variants, factor, value)
    known = [
        *names,
        *(item.prompt for item in variants if item.prompt),
        *(item.model for item in variants if item.model),
    ]
    raise PexError(
        f"baseline='{baseline}': no variant, prompt or model has this name",
        hint=nearest(baseline, list(dict.fromkeys(known))),
    )


def _factor_value(variants: Sequence[VariantInfo], factor: str, name: str) -> str | None:
    values = list(filter(None, dict.fromkeys(_factor(item, factor) for item in variants)))
    if name in values:
        return name
    short = [value for value in values if value.partition("/")[2] == name]
    return short[0] if factor == "model" and len(short) == 1 else None


def _by_factor(variants: Sequence[VariantInfo], factor: str, value: str) -> list[Pair]:
    found = [
        (candidate.name, base.name)
        for base in variants
        if _factor(base, factor) == value
        for candidate in variants
        if _factor(candidate, factor) != value and _rest(candidate, factor) == _rest(base, factor)
    ]
    if not found:
        raise PexError(
            f"baseline='{value}': no two variants differ in the {factor} alone",
            hint="name one variant: " + ", ".join(f"'{item.name}'" for item in variants[:12]),
        )
    return found


def _factor(variant: VariantInfo, factor: str) -> str:
    return variant.prompt if factor == "prompt" else variant.model


def _rest(variant: VariantInfo, factor: str) -> bytes:
    """A variant's other factors, in comparable form."""
    # A prompt's own parameters belong to the prompt.
    params = variant.params if variant.own_params is None else variant.own_params
    return canonical_json([params, _factor(variant, "model" if factor == "prompt" else "prompt")])
