"""A first plan for an experiment: its comparison and the morning page, every night."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pex.batch.plan import Plan, load_plan
from pex.core.errors import PexError
from pex.core.yamltext import dump_yaml
from pex.project.spec import ExperimentSpec, load_spec

COMPARE, MORNING = "compare.ipynb", "morning.ipynb"
"""The notebooks that a plan executes: one runs the experiment, the other shows the night."""
MARGIN = 0.1


def write_plan(experiment: Path, path: Path, notebooks: Path) -> Plan:
    """Write a plan that runs an experiment, and read it back, checked.

    Args:
        experiment: the experiment's file.
        path: the plan's file, which does not exist yet.
        notebooks: the folder with the two notebooks.

    Raises:
        PexError: the plan exists or cannot be written, or the experiment is not valid.
    """
    spec = load_spec(experiment)
    if path.exists():
        raise PexError(f"{path}: exists already", hint=f"run it: pexlab batch {path}")
    try:
        path.write_text(plan_text(spec, experiment, path, notebooks), encoding="utf-8")
    except OSError as error:
        raise PexError(f"{path} cannot be written: {error.strerror or error}") from None
    return load_plan(path)


def plan_text(spec: ExperimentSpec, experiment: Path, path: Path, notebooks: Path) -> str:
    """The text of an experiment's plan; paths in it are relative to the plan's folder."""
    compare, morning, file = (
        Path(os.path.relpath(item.resolve(), path.parent.resolve())).as_posix()
        for item in (notebooks / COMPARE, notebooks / MORNING, experiment)
    )
    steps = [
        {"id": "compare", "notebook": compare, "parameters": {"experiment": file}},
        {
            "id": "page",
            "notebook": morning,
            "parameters": {"plan": path.name},
            "needs": ["compare"],
        },
    ]
    # The name is the plan's in MLflow, where several experiments can have one.
    data: dict[str, Any] = {"name": f"{spec.name}-nightly", "steps": steps}
    gate = _gate(spec)
    lines = [dump_yaml(data)]
    if gate:
        lines.append("# pinned: compared with the night that `pexlab batch accept` accepted\n")
        lines.append(dump_yaml({"gate": gate}))
    return "".join(lines)


def _gate(spec: ExperimentSpec) -> dict[str, Any] | None:
    """The rule for its nights: the experiment's own, or its first score; None without a score."""
    if spec.gate is not None:
        return {"baseline": "pinned", "metric": spec.gate.metric, "margin": spec.gate.margin}
    if not spec.scorers:
        return None
    first = spec.scorers[0]
    name = first if isinstance(first, str) else first.get("name") or first.get("kind")
    return {"baseline": "pinned", "metric": name, "margin": MARGIN}
