"""The pages about the public names of `pex`; mkdocstrings puts their docstrings in."""

from __future__ import annotations

import importlib
import inspect

import pex

ROOMS = {
    name: str(getattr(pex, name).__doc__).partition("\n")[0]
    for name in pex.__all__
    if inspect.ismodule(getattr(pex, name))
}
"""What is public as a module of its own, with the first line of its docstring."""
_GROUPS = {
    "Prompts and experiments": [
        "Prompt", "Variant", "grid", "Experiment", "Model", "SimulatedUser", "Playground",
    ],
    "Results": ["Results", "load_run", "Comparison", "compare_runs", "Rating", "read_night"],
    "Scores and judges": ["Score", "Judge", "Calibration", "field_rule"],
    "Cases": ["generate_cases", "audit_cases", "case_versions"],
    "Library and evidence": [
        "browse", "card", "Card", "promote", "rollback", "review", "bisect", "improve", "adopt",
        "Adoption",
    ],
    "Deployed prompts": ["feedback", "monitor", "triage"],
    "Errors": ["PexError", "BudgetError", "ProviderError", "Interrupted"],
}  # fmt: skip
_HEAD = """# Python
Everything that `import pex` offers. Each name is imported when it is first used. The rooms with
functions of their own have a page each: {rooms}. `pex.__version__` is the version;
`%load_ext pex` gives notebooks the magics
[`%%prompt` and `%pex`](../notebook-cells.md).
"""


def pages() -> dict[str, str]:
    """Each page by its name."""
    grouped = {name for names in _GROUPS.values() for name in names}
    more = sorted(set(pex.__all__) - grouped - set(ROOMS) - {"__version__"})
    groups = {**_GROUPS, **({"More": more} if more else {})}
    rooms = ", ".join(f"[`pex.{room}`](python-{room}.md)" for room in ROOMS)
    parts = [_HEAD.format(rooms=rooms)]
    for title, names in groups.items():
        parts.append(f"## {title}\n")
        parts += [_entry(f"pex.{name}", _home(name)) for name in names]
    return {"python.md": "\n".join(parts)} | {f"python-{room}.md": _room(room) for room in ROOMS}


def _home(name: str) -> str:
    return f"{pex._HOMES[name]}.{getattr(pex, name).__name__}"


def _entry(name: str, home: str) -> str:
    return f"### `{name}`\n::: {home}\n"


def _room(room: str) -> str:
    """All that a room offers, in the order of its `__all__`."""
    module = importlib.import_module(f"pex.{room}")
    parts = [f"# `pex.{room}`\n{ROOMS[room]}\n"]
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isfunction(value) or inspect.isclass(value):
            parts.append(f"## `pex.{room}.{name}`\n::: {value.__module__}.{value.__qualname__}\n")
        else:
            parts.append(f"## `pex.{room}.{name}`\n::: pex.{room}.{name}\n")
    return "\n".join(parts)
