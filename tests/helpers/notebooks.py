"""Small notebooks and plans of them."""

from pathlib import Path

import nbformat

QUICK = "import os; print(sorted(os.environ)); print(os.environ.get('LAB_KEY'), os.getcwd())"


def notebook(path: Path, parameters: str | None, *cells: str) -> Path:
    content = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        }
    )
    if parameters is not None:
        cell = nbformat.v4.new_code_cell(parameters)
        cell.metadata["tags"] = ["parameters"]
        content.cells.append(cell)
    content.cells += [nbformat.v4.new_code_cell(text) for text in cells]
    nbformat.write(content, path)
    return path


def plan(folder: Path, text: str) -> Path:
    path = folder / "plan.yaml"
    path.write_text(f"name: nightly\n{text}")
    return path


def small(folder: Path, cell: str = QUICK, more: str = "") -> Path:
    """A project with a plan of one notebook without a model."""
    (folder / "pex.toml").touch()
    notebook(folder / "n.ipynb", None, cell)
    return plan(folder, f"steps: [{{id: a, notebook: n.ipynb}}]\n{more}")


def printed(path: Path) -> str:
    content = nbformat.read(path, as_version=4)
    cells = [cell for cell in content.cells if cell.cell_type == "code"]
    return "".join(output.get("text", "") for cell in cells for output in cell.outputs)
