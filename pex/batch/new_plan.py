"""A first plan for an experiment: its comparison and the morning page, every night."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from pex.batch.plan import load_plan
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.core.yamltext import dump_yaml
from pex.project.schemas import with_schema
from pex.project.shipped import shipped_files
from pex.project.spec import ExperimentSpec, load_spec

COMPARE, MORNING = "compare.ipynb", "morning.ipynb"
"""The notebooks that a plan executes: one runs the experiment, the other shows the night."""
MARGIN = 0.1


def make_nightly(experiment: Path, path: Path, *, overwrite: bool = False) -> list[Path]:
    """Write a plan that runs an experiment every night, and the notebooks that it executes.

    Notebooks that are there are left as they are; so is a plan that says the same already.

    Args:
        experiment: the experiment's file.
        path: the plan's file.
        overwrite: replace a plan with different content.

    Returns:
        The files that were written.

    Raises:
        PexError: a different plan exists, it cannot be written, or the experiment is not valid.
    """
    project = find_project(experiment.parent)
    written = []
    for name in (COMPARE, MORNING):
        target = project / "notebooks" / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(shipped_files() / "notebooks" / name, target)
            written.append(target)
    text = plan_text(load_spec(experiment), experiment, path, project / "notebooks")
    text = with_schema(text, path, "plan")
    if path.exists() and not overwrite and path.read_bytes() != text.encode():
        raise PexError(f"{path}: a plan with different content exists already")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PexError(f"{path} cannot be written: {error.strerror or error}") from None
    load_plan(path)
    return [*written, path]


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
    # A judge decides nothing before it was compared with people.
    others = [s for s in spec.scorers if isinstance(s, str) or s.get("kind") != "judge"]
    first = (others or spec.scorers)[0]
    name = first if isinstance(first, str) else first.get("name") or first.get("kind")
    return {"baseline": "pinned", "metric": name, "margin": MARGIN}
