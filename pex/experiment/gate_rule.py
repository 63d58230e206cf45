"""An experiment's gate, checked against the experiment before any model is called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pex.compare.metric import MEASURED
from pex.core.about import VariantInfo
from pex.core.errors import PexError, nearest
from pex.core.pairs import pairs
from pex.core.variant import Variant
from pex.library.reference import is_reference
from pex.library.resolve import resolve_beside
from pex.project.spec import GateSpec

PINNED = "pinned"
"""The baseline accepted for a batch; a run by itself has none."""


def gate_rule(
    gate: GateSpec, variants: Sequence[Variant], scores: Sequence[str], folder: Path
) -> dict[str, Any]:
    """The rule as plain data, with its baseline resolved to a name that the comparison knows.

    Args:
        gate: the rule.
        variants: the experiment's variants.
        scores: the names of its scorers and judges.
        folder: the experiment's folder, for a baseline in the library.

    Raises:
        PexError: a baseline or a metric that the experiment does not have.
    """
    rule = gate.model_dump()
    if is_reference(gate.baseline):
        rule["baseline"] = _of_library(gate.baseline, variants, folder)
    if rule["baseline"] != PINNED:
        try:
            pairs([VariantInfo.of(variant) for variant in variants], rule["baseline"])
        except PexError as error:
            raise PexError(f"gate: {error.message}", hint=error.hint) from None
    # A scorer can give several scores, `name.key`, which are unknown before it runs.
    known = {*scores, *MEASURED}
    if not any(gate.metric == name or gate.metric.startswith(f"{name}.") for name in known):
        raise PexError(
            f"gate: no scorer produces the metric '{gate.metric}'",
            hint=nearest(gate.metric, [*scores, *MEASURED]),
        )
    return rule


def _of_library(reference: str, variants: Sequence[Variant], folder: Path) -> str:
    """The name of the variants' prompt that a library reference resolves to."""
    origin = resolve_beside(folder, reference).origin
    names = {variant.prompt.name for variant in variants if variant.prompt.origin == origin}
    if not names:
        raise PexError(
            f"gate: the baseline {reference} ({origin}) is not among the prompts",
            hint=f'add it to the prompts of the experiment: "{reference}"',
        )
    return names.pop()
