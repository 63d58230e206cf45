"""pex: a prompt laboratory that lives in Jupyter.

The names below are the public ones. Each is loaded on first use, so `import pex` is cheap and
imports none of MLflow, pandas, plotly, papermill or the widgets.

Each room (a package in this folder) is a subject, and imports only rooms further down this list:

    cli             the command line
    bundle          a project as one file for a colleague: packed, and opened elsewhere
    changes         prompts that a branch changes, compared with its base branch
    testing         pex.testing: a service's own tests, with pytest
    magics          %%prompt and %pex
    lessons         threats tried by hand, for people who do not program
    browser         pex.browse: the library browser
    playground      pex.Playground
    incidents       harm done by a deployed prompt: recorded, stopped, fixed, tested for
    monitoring      deployed traces: watched, triaged, turned into cases
    training        training data and fine-tuning jobs
    batch           plans run by Papermill, night by night: judged, shown, scheduled
    lint            prompts checked without a model
    adoption        may every prompt move to a new model?
    improvement     better prompts, confirmed on cases that no proposal has seen
    evidence        what runs say of a prompt's version before it is shipped
    redteam         pex.redteam: attacks on an experiment's prompts, and their harmless twins
    exporters       experiments and runs in the formats of other tools
    importers       projects of other tools as experiments, their results as recorded runs
    experiment      pex.Experiment: prepared, run, gated, extended, saved
    results         pex.Results: loaded, compared, rescored, corrected, recorded
    rating          pex.Rating: which of two answers is better?
    widgets         the result grid, progress bars, and what all views share
    report          frames and verdicts as tables, plots and pages
    record          runs, traces, tables and data sets in MLflow
    library         pex.library: prompts in files and in MLflow's registry
    compare         frames in, verdicts out
    tools           what runs when a model calls a tool
    score           scorers and judges
    tracking        which MLflow store is used
    run             how calls are made: endpoints, limits, budget, prices, journal
    cases           files of cases, read and edited in place
    local           the built-in model
    project         pex.toml, experiment.yaml, plan.yaml and their folders
    guard           what goes in and out of a prompt, checked; keys kept out of what is shown
    stats           intervals, paired tests, power, agreement
    core            the words as plain data: prompt, variant, case, answer, score
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pex.core.version import __version__

if TYPE_CHECKING:
    from pex import guard, library, redteam, stats, testing
    from pex.adoption.adopting import adopt
    from pex.adoption.adoption import Adoption
    from pex.batch.night.read_back import read_night
    from pex.browser.browser import browse
    from pex.core.errors import BudgetError, Interrupted, PexError, ProviderError
    from pex.core.prompt import Prompt
    from pex.core.score import Score
    from pex.core.variant import Variant, grid
    from pex.evidence.bisection.bisection import bisect
    from pex.evidence.card.cards import Card, card
    from pex.evidence.promotion.promotion import promote, rollback
    from pex.evidence.review.reviews import review
    from pex.experiment.experiment import Experiment
    from pex.improvement.cases.audit import audit_cases
    from pex.improvement.cases.generate import generate_cases
    from pex.improvement.cases.versions import case_versions
    from pex.improvement.improvement import improve
    from pex.monitoring.feedback import feedback
    from pex.monitoring.monitor import monitor
    from pex.monitoring.triage.triage import triage
    from pex.playground import Playground
    from pex.rating.rating import Rating
    from pex.results.comparison import Comparison, compare_runs
    from pex.results.load import load_run
    from pex.results.results import Results
    from pex.run.model import Model
    from pex.run.simulated_user import SimulatedUser
    from pex.score.field_rules import field_rule
    from pex.score.judge.calibration import Calibration
    from pex.score.judge.judge import Judge

_HOMES = {
    "Adoption": "pex.adoption.adoption",
    "BudgetError": "pex.core.errors",
    "Calibration": "pex.score.judge.calibration",
    "Card": "pex.evidence.card.cards",
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
    "SimulatedUser": "pex.run.simulated_user",
    "Variant": "pex.core.variant",
    "adopt": "pex.adoption.adopting",
    "audit_cases": "pex.improvement.cases.audit",
    "case_versions": "pex.improvement.cases.versions",
    "bisect": "pex.evidence.bisection.bisection",
    "browse": "pex.browser.browser",
    "card": "pex.evidence.card.cards",
    "compare_runs": "pex.results.comparison",
    "feedback": "pex.monitoring.feedback",
    "field_rule": "pex.score.field_rules",
    "generate_cases": "pex.improvement.cases.generate",
    "grid": "pex.core.variant",
    "guard": "pex.guard",
    "improve": "pex.improvement.improvement",
    "library": "pex.library",
    "load_run": "pex.results.load",
    "monitor": "pex.monitoring.monitor",
    "promote": "pex.evidence.promotion.promotion",
    "read_night": "pex.batch.night.read_back",
    "redteam": "pex.redteam",
    "review": "pex.evidence.review.reviews",
    "rollback": "pex.evidence.promotion.promotion",
    "stats": "pex.stats",
    "testing": "pex.testing",
    "triage": "pex.monitoring.triage.triage",
}

__all__ = [
    "Adoption",
    "BudgetError",
    "Calibration",
    "Card",
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
    "SimulatedUser",
    "Variant",
    "__version__",
    "adopt",
    "audit_cases",
    "bisect",
    "browse",
    "card",
    "case_versions",
    "compare_runs",
    "feedback",
    "field_rule",
    "generate_cases",
    "grid",
    "guard",
    "improve",
    "library",
    "load_run",
    "monitor",
    "promote",
    "read_night",
    "redteam",
    "review",
    "rollback",
    "stats",
    "testing",
    "triage",
]


_BASE = {
    "BudgetError",
    "Interrupted",
    "Model",
    "PexError",
    "Prompt",
    "ProviderError",
    "Score",
    "Variant",
    "grid",
    "guard",
    "library",
}
"""What a service needs; the other names need the extra `lab`."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pex' has no attribute {name!r}")
    if name not in _BASE:
        importlib.import_module("pex.core.extras").require("lab", f"pex.{name}")
    importlib.import_module("pex.core.telemetry").disable_telemetry()
    home = importlib.import_module(_HOMES[name])
    value = home if _HOMES[name] == f"pex.{name}" else getattr(home, name)
    globals()[name] = value
    return value


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext pex`: the magics `%%prompt` and `%pex`."""
    importlib.import_module("pex.core.extras").require("lab", "%load_ext pex")
    importlib.import_module("pex.core.telemetry").disable_telemetry()
    importlib.import_module("pex.magics").load(shell)


def __dir__() -> list[str]:
    return sorted(__all__)
