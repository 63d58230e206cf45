"""An experiment's folder: the words on one side, what its files say on the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from pex.core.cases import Case
from pex.core.names import canonical, plain
from pex.core.prompt import Prompt
from pex.core.spec import ExperimentSpec, VariantSpec
from pex.core.variant import Variant, grid, named


def load_variants(
    spec: ExperimentSpec, base: Path, extra_params: Mapping[str, Any]
) -> list[Variant]:
    """The variants that a spec describes.

    Args:
        spec: what `experiment.yaml` says.
        base: the folder that its paths start from.
        extra_params: parameters that every variant gets over its own.

    Raises:
        PexError: a prompt file that is missing or bad, a model without a provider.
    """
    extra = plain(dict(extra_params))
    if not spec.variants:
        prompts = [Prompt.load(base / ref) for ref in spec.prompts]
        params = [{**item, **extra} for item in (spec.params or [{}])]
        return grid(prompts, spec.models, params)
    variants = [
        Variant(Prompt.load(base / item.prompt), item.model or "", {**item.params, **extra})
        for item in spec.variants
    ]
    return [
        dataclasses.replace(variant, name=item.name or variant.name)
        for variant, item in zip(named(variants), spec.variants, strict=True)
    ]


def variants_spec(variants: Sequence[Variant], refs: Mapping[str, str]) -> dict[str, Any]:
    """The keys of a spec that describe `variants`: a grid where they are one, else a list.

    Args:
        variants: what is compared.
        refs: for each prompt's name, how the file refers to it.
    """
    prompts = list({v.prompt.name: v.prompt for v in variants}.values())
    models = list(dict.fromkeys(v.model for v in variants))
    params = list({canonical(v.params): dict(v.params) for v in variants}.values())
    if list(variants) == grid(prompts, models, params):
        return {
            "prompts": [refs[prompt.name] for prompt in prompts],
            "models": models,
            "params": [] if params == [{}] else params,
            "variants": [],
        }
    listed = [
        VariantSpec(name=v.name, prompt=refs[v.prompt.name], model=v.model, params=dict(v.params))
        for v in variants
    ]
    return {"prompts": [], "models": [], "params": [], "variants": listed}


def cases_text(cases: Sequence[Case]) -> str:
    """The cases as the text of a `.jsonl` file with the default column names."""
    lines = []
    for case in cases:
        row: dict[str, Any] = {"case_id": case.id, **case.inputs}
        if case.expected is not None:
            row["expected"] = case.expected
        if case.group is not None:
            row["group"] = case.group
        if case.tags:
            row["tags"] = list(case.tags)
        lines.append(orjson.dumps(row).decode() + "\n")
    return "".join(lines)
