"""What `pexlab batch` refuses, in words and with the code for wrong use."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pex.cli.commands import app
from pex.core.errors import PexError
from tests.helpers.notebooks import notebook, plan


def refused(*arguments: str) -> str:
    found = CliRunner().invoke(app, ["batch", *arguments])
    assert isinstance(found.exception, PexError)
    assert found.exception.exit_code == 2
    return str(found.exception)


@pytest.fixture
def file(project: Path) -> Path:
    notebook(project / "n.ipynb", "x: int = 0", "print(x)")
    return plan(project, "steps: [{id: a, notebook: n.ipynb}]\n")


@pytest.mark.parametrize(
    ("batch_id", "said"),
    [
        ("../x", "only letters, digits"),
        ("a b", "only letters, digits"),
        ("é", "only letters, digits"),
        ("..", "it begins with '.'"),
        (".", "it begins with '.'"),
        ("", "it is empty"),
        ("x" * 300, "300 characters, at most 100"),
    ],
)
@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_batch_ids_that_are_no_name_of_a_folder(
    batch_id: str, said: str, resume: list[str], file: Path
) -> None:
    assert said in refused(str(file), f"--batch-id={batch_id}", *resume)
    assert not (file.parent / "outputs").exists()


def test_no_workers_and_nothing_to_resume(file: Path) -> None:
    assert "--workers 0: expected a number from 1" in refused(str(file), "--workers", "0")
    assert "there is no unfinished batch" in refused(str(file), "--resume")


@pytest.mark.parametrize(
    ("name", "said"), [("a?b", "'?'"), ("a%20b", "'%20'"), ("a'\"b", "quotes")]
)
def test_a_folder_in_which_mlflow_keeps_no_store_is_named_before_anything_runs(
    name: str, said: str, project: Path
) -> None:
    folder = project / name
    folder.mkdir()
    (folder / "pex.toml").touch()
    notebook(folder / "n.ipynb", None, "1")
    path = plan(folder, "steps: [{id: a, notebook: n.ipynb}]\n")
    assert said in refused(str(path))
    assert not (folder / "outputs").exists()
