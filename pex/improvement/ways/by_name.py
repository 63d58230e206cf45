"""The ways of making proposals, by the names that a user gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pex.improvement.proposal import Way
from pex.improvement.ways.ablation import Ablation
from pex.improvement.ways.adaptation import Adaptation
from pex.improvement.ways.examples import Examples
from pex.improvement.ways.formats import Formats
from pex.improvement.ways.gepa import Gepa
from pex.improvement.ways.rewrite import Rewrite

WAYS: Mapping[str, Callable[[], Way]] = {
    "rewrite": Rewrite,
    "examples": Examples,
    "ablation": Ablation,
    "formats": Formats,
    "gepa": Gepa,
    "adaptation": Adaptation,
}
"""Each makes a way with its default settings."""

DEFAULT_WAYS = ("rewrite", "examples", "ablation", "formats")
"""The ways that are used if none is named: those that need no further package."""
