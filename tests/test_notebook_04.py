"""The data scientist's notebook: MLflow, pandas and plotly, and nothing of pex."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import nbformat
import pytest

import pex
from tests.helpers.endpoint import FaultyEndpoint

PATH = Path(__file__).parent.parent / "notebooks" / "04_analyse_in_mlflow.ipynb"


def test_it_imports_nothing_of_pex() -> None:
    code = "\n".join(
        cell.source for cell in nbformat.read(PATH, as_version=4).cells if cell.cell_type == "code"
    )
    names = {
        name.name.partition(".")[0]
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Import)
        for name in node.names
    }
    names |= {
        str(node.module) for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)
    }
    assert names == {"json", "mlflow", "os", "pandas", "plotly"}


@pytest.mark.slow
def test_it_runs_on_what_pex_records(project: Path, lab: FaultyEndpoint) -> None:
    from nbclient import NotebookClient

    prompts = [pex.Prompt("{{ word }}", name="echo"), pex.Prompt("{{ word }}!", name="shout")]
    cases = [
        {"word": f"w{n}", "expected": f"w{n}{'' if n % 3 else '!'}", "tags": [f"t{n % 2}"]}
        for n in range(12)
    ]
    exp = pex.Experiment("words", pex.grid(prompts, "lab/m1"), cases, ["exact"])
    for _ in range(2):
        results = exp.run(show=False)
        assert results.traces is not None
        assert results.traces.wait()
    content = nbformat.read(PATH, as_version=4)
    for cell in content.cells:
        if "parameters" in cell.metadata.get("tags", []):
            uri = results.about["tracking_uri"]
            cell.source = f"tracking_uri = {uri!r}\nexperiment_name = 'words'"
    NotebookClient(content, timeout=300, kernel_name="python3").execute()
    text = json.dumps([cell.outputs for cell in content.cells if cell.cell_type == "code"])
    assert "undecided" in text  # the verdict, from comparison.json
    assert "the variants disagree on 12 of 12 cases" in text
    assert "exact over 2 runs" in text
    assert "no traces" not in text
    assert "<th>seconds</th>" in text  # the table of the traces
