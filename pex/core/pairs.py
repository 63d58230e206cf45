"""Who is compared with whom: from a baseline's name to pairs of variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError, nearest
from pex.core.names import canonical

if TYPE_CHECKING:
    import pandas as pd

Pair = tuple[str, str]
"""(candidate, baseline), by their names."""


def variants_in(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The variants of a frame with their factors, in the order in which they come."""
    columns = [name for name in ("variant", "prompt", "model") if name in frame.columns]
    found = frame[columns].drop_duplicates("variant").to_dict("records")
    return [
        {"name": row["variant"], "prompt": row.get("prompt"), "model": row.get("model")}
        for row in found
    ]


def pairs(variants: Sequence[Mapping[str, Any]], baseline: str | None) -> list[Pair]:
    """The pairs that a baseline means.

    Args:
        variants: each with `name` and its factors `prompt`, `model` and `params`.
        baseline: a variant's name: every other one is compared with it. Or a prompt's or a
            model's: every pair that is equal in the other factors. None: the first variant.

    Raises:
        PexError: it names none of these, or there is nothing to compare.

    Example:
        >>> two = [{"name": n, "prompt": n, "model": "lab/m", "params": {}} for n in "ab"]
        >>> pairs(two, "a")
        [('b', 'a')]
    """
    names = [str(item["name"]) for item in variants]
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
        *(str(item[key]) for key in ("prompt", "model") for item in variants if item.get(key)),
    ]
    raise PexError(
        f"baseline='{baseline}': no variant, prompt or model has this name",
        hint=nearest(baseline, list(dict.fromkeys(known))),
    )


def _factor_value(variants: Sequence[Mapping[str, Any]], factor: str, name: str) -> str | None:
    values = list(dict.fromkeys(str(item[factor]) for item in variants if item.get(factor)))
    if name in values:
        return name
    short = [value for value in values if value.partition("/")[2] == name]
    return short[0] if factor == "model" and len(short) == 1 else None


def _by_factor(variants: Sequence[Mapping[str, Any]], factor: str, value: str) -> list[Pair]:
    found = [
        (str(candidate["name"]), str(base["name"]))
        for base in variants
        if base.get(factor) == value
        for candidate in variants
        if candidate.get(factor) != value and _rest(candidate, factor) == _rest(base, factor)
    ]
    if not found:
        raise PexError(
            f"baseline='{value}': no two variants differ in the {factor} alone",
            hint="name one variant: " + ", ".join(f"'{item['name']}'" for item in variants[:12]),
        )
    return found


def _rest(variant: Mapping[str, Any], factor: str) -> bytes:
    """A variant's other factors, comparable."""
    others = [key for key in ("prompt", "model") if key != factor]
    # A prompt's own parameters belong to the prompt.
    params = variant.get("own_params", variant.get("params")) or {}
    return canonical([params, *(variant.get(key) for key in others)])
