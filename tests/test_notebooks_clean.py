"""The notebooks in the repository: valid, without stored outputs, errors or keys."""

import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted([*FOLDER.glob("*.ipynb"), *FOLDER.glob("threats/*.ipynb")])
KEY = re.compile(r"\b(sk|pk|ghp|hf|xox[bp])[-_][A-Za-z0-9_-]{16,}")


def test_there_are_notebooks() -> None:
    assert {path.name for path in NOTEBOOKS} >= {"01_compare_prompts.ipynb", "compare.ipynb"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_clean(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    content = nbformat.reads(text, as_version=4)
    nbformat.validate(content)
    for cell in content.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert not KEY.search(text)
    assert content.metadata.kernelspec.name == "python3"
