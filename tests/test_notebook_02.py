"""The notebook on writing prompts by hand, executed as it stands on the built-in model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nbformat
import pytest

from tests.helpers import ROOT
from tests.helpers.model import share

NAME = "02_write_prompts.ipynb"


@pytest.mark.model
def test_it_runs_on_the_built_in_model_and_shows_everything_without_a_kernel(
    project: Path,
) -> None:
    from nbclient import NotebookClient

    shutil.copytree(ROOT / "experiments", project / "experiments")
    (project / "notebooks").mkdir()
    content = nbformat.read(ROOT / "notebooks" / NAME, as_version=4)
    where = {"metadata": {"path": str(project / "notebooks")}}
    share(project)
    NotebookClient(content, timeout=1200, kernel_name="python3", resources=where).execute()
    shown = [json.dumps(cell.get("outputs", [])) for cell in content.cells]
    by_source = {
        cell.source.splitlines()[0]: text
        for cell, text in zip(content.cells, shown, strict=True)
        if cell.cell_type == "code"
    }
    assert "model: local/smollm2" in by_source["%%prompt plain --run --cases review-sentiment "
                                                 "--case 2"]  # fmt: skip
    assert "first token" in by_source['other = pex.Playground("review-sentiment", '
                                      'name="tour-reviews")']  # fmt: skip
    assert "pex.Experiment(" in by_source["print(other.code())"]
    assert "Blind rating: 0 of" in by_source['rating = results.rate(["plain", "polite"], '
                                             'rater="me")']  # fmt: skip
    assert "champion" in by_source['pex.library.save(plain, alias="champion", '
                                   'note="written in notebook 02")']  # fmt: skip
    overview = by_source["%pex"]
    assert "review-sentiment" in overview
    assert "never" in overview  # what was tried by hand is no run of the experiment
