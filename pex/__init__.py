"""pex: a prompt laboratory that lives in Jupyter.

The names below are the public ones. Each is loaded on first use, so that `import pex` costs
little and brings in none of MLflow, pandas, plotly, papermill or the widgets.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pex.core.version import __version__

if TYPE_CHECKING:
    from pex import library, stats
    from pex.batch.night.read_back import read_night
    from pex.browser.browser import browse
    from pex.core.errors import BudgetError, Interrupted, PexError, ProviderError
    from pex.core.prompt import Prompt
    from pex.core.score import Score
    from pex.core.variant import Variant, grid
    from pex.experiment.experiment import Experiment
    from pex.playground import Playground
    from pex.rating.rating import Rating
    from pex.results.comparison import Comparison, compare_runs
    from pex.results.load import load_run
    from pex.results.results import Results
    from pex.run.model import Model
    from pex.score.judge.calibration import Calibration
    from pex.score.judge.judge import Judge

_HOMES = {
    "BudgetError": "pex.core.errors",
    "Calibration": "pex.score.judge.calibration",
    "Comparison": "pex.results.comparison",
    "Experiment": "pex.experiment.experiment",
    "Interrupted": "pex.core.errors",
    "Judge": "pex.score.judge.judge",
    "Model": "pex.run.model",
    "PexError": "pex.core.errors",
    "Playground": "pex.playground",
    "Prompt": "pex.core.prompt",
    "ProviderError": "pex.core.errors",
    "Rating": "pex.rating.rating",
    "Results": "pex.results.results",
    "Score": "pex.core.score",
    "Variant": "pex.core.variant",
    "browse": "pex.browser.browser",
    "compare_runs": "pex.results.comparison",
    "grid": "pex.core.variant",
    "library": "pex.library",
    "load_run": "pex.results.load",
    "read_night": "pex.batch.night.read_back",
    "stats": "pex.stats",
}

__all__ = [
    "BudgetError",
    "Calibration",
    "Comparison",
    "Experiment",
    "Interrupted",
    "Judge",
    "Model",
    "PexError",
    "Playground",
    "Prompt",
    "ProviderError",
    "Rating",
    "Results",
    "Score",
    "Variant",
    "__version__",
    "browse",
    "compare_runs",
    "grid",
    "library",
    "load_run",
    "read_night",
    "stats",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pex' has no attribute {name!r}")
    importlib.import_module("pex.core.telemetry").disable_telemetry()
    home = importlib.import_module(_HOMES[name])
    value = home if _HOMES[name] == f"pex.{name}" else getattr(home, name)
    globals()[name] = value
    return value


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext pex`: the magics `%%prompt` and `%pex`."""
    importlib.import_module("pex.core.telemetry").disable_telemetry()
    importlib.import_module("pex.magics").load(shell)


def __dir__() -> list[str]:
    return sorted(__all__)
