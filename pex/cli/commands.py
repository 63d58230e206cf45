"""The commands of `pexlab`; the module of each is imported when it is used."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from pex.cli import console
from pex.core.extras import require
from pex.core.version import __version__

COMMANDS = {
    "demo": "Compare prompts on the built-in model, record in MLflow, run a Papermill batch, "
    "report.",
    "init": "Start a project: pex.toml, one experiment, notebooks to work in, a CI workflow.",
    "schemas": "Write JSON Schemas of the project's files, for editors that complete and check "
    "them.",
    "run": "Run an experiment: call the models, score, record in MLflow, print the table.",
    "improve": "Look for a better prompt, and confirm it on cases that the search has not seen.",
    "plan": "Write a plan that runs an experiment every night and judges it.",
    "schedule": "Print the lines that make a scheduler run a plan every night, or install them.",
    "nightly": "",
    "score": "Rescore a recorded run's answers; no model is called, except by judges.",
    "runs": "List the recorded runs: id, experiment, name, when, verdict.",
    "compare": "Compare two recorded runs case by case; no model is called.",
    "changes": "Compare the prompts that a branch changes with its base branch: a comment in "
    "Markdown.",
    "report": "Write one HTML file about a recorded run: what was run, table, cases side by side.",
    "lesson": "Lessons of your team, in lessons.md, each with the run that shows it.",
    "record": "Upload missing parts of a run to MLflow; no model is called.",
    "spend": "Show what the project has spent, from the ledger beside the journal.",
    "gc": "List what can be deleted from .pex/ and mlruns/, with its size; --delete deletes it.",
    "bundle": "Pack a project for a colleague: files, answers, MLflow runs, ratings and library "
    "prompts.",
    "open": "Unpack a project that 'pexlab bundle' packed: runs are then answered from its "
    "journal.",
    "lab": "Open JupyterLab in this project, on the first notebook if there is one.",
    "ui": "Open MLflow's pages on this project's record, first its newest experiment.",
    "trust": "Trust a project: let its pex.toml send your keys to its addresses and run its "
    "commands.",
    "doctor": "Show what is installed, set and reachable, and what to do about the rest.",
    "batch": "Run a plan of notebooks as a batch (a night), judge it and write the morning page.",
    "adopt": "Compare every prompt of the library on a new model with the old one, on its own "
    "cases.",
    "finetune": "Fine-tuning jobs: check the data, start a job with a budget, follow it, cancel "
    "it.",
    "library": "The library of prompts: versions and aliases in MLflow's prompt registry.",
    "export": "Write training data of an experiment or a run, or the run itself for other tools.",
    "status": "Show where each prompt stands, from its requirements to new cases, and what is "
    "stuck.",
    "form": "Forms for people without code: what must hold, what is right, how good answers are.",
    "models": "List the models that the configured endpoints offer: price, context, when they "
    "stop.",
    "cases": "Cases: propose new ones, review them, audit them, how many are needed, which to "
    "label.",
    "guard": "Check texts that go into a prompt, and measure what the check catches.",
    "lint": "Check prompts without a model: unsafe, contradictory, unfairly scored or expensive.",
    "redteam": "Attack an experiment's own prompts, and see what a defence costs.",
    "import": "Import a project of another tool as an experiment, or its results as a run.",
    "scan": "Look for keys and passwords in notebooks, cases, prompts, settings and all other text "
    "files.",
    "monitor": "Look at deployed traces: figures over time, scores of a sample, feedback, alarms.",
    "incident": "Incidents: harm done by a deployed prompt is recorded, stopped, fixed and tested.",
    "model": "The built-in model local/smollm2: a small real language model, without a key.",
}
"""Each with the first sentence of its help; a command without one is not listed."""
_MODULES = {"lab": "servers", "ui": "servers", "import": "importing", "open": "open_bundle"}
"""The module, if it is not named like the command."""
_FUNCTIONS = {"import": "import_file", "open": "open_bundle"}
"""The function, if it cannot be named like the command."""
_BASE = {"doctor", "guard", "init", "lint", "model", "models", "scan", "spend", "trust"}
"""Commands that work without the extra `lab`."""
_PLAIN: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}


class Commands(TyperGroup):
    """The commands by name; a list of them imports none of their modules."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, text in COMMANDS.items():
            self.add_command(TyperCommand(name, help=text, hidden=not text))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The requested command, instead of its placeholder in the list."""
        name, found, rest = super().resolve_command(ctx, args)
        if name and name not in _BASE and "--help" not in rest:
            require("lab", f"pexlab {name}")  # before a call is paid for
        return name, command(name) if name else found, rest


def command(name: str) -> Any:
    """A command, imported.

    Args:
        name: one of `COMMANDS`.
    """
    module = importlib.import_module(f"pex.cli.{_MODULES.get(name, name)}")
    around = typer.Typer(**_PLAIN)
    if group := getattr(module, "app", None):
        around.add_typer(group, name=name)
    else:
        around.command(name)(getattr(module, _FUNCTIONS.get(name, name)))
    return get_group(around).commands[name]


app = typer.Typer(
    cls=Commands,
    name="pexlab",
    help="pex, a prompt laboratory: compare prompts side by side, record in MLflow, "
    "run the same experiment every night.",
    epilog="Exit codes: 0 done · 1 gate failed · 2 wrong use, no call was made · 3 undecided · "
    "4 stopped by the budget · 5 provider error, too many errors or a failed notebook · "
    "130 interrupted",
    no_args_is_help=True,
    **_PLAIN,
)


def _version(value: bool) -> None:
    if value:
        console.out(f"pexlab {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
