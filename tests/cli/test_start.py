"""How `pexlab` starts: a command imports what it needs, no more."""

import subprocess
import sys
from pathlib import Path

import pytest

from pex.cli.commands import COMMANDS, command
from tests.helpers.notebooks import notebook

HEAVY = ("pandas", "mlflow", "numpy", "scipy", "plotly", "papermill", "aiohttp", "nbformat")


def imported(*arguments: str, folder: Path) -> tuple[list[str], str]:
    """The heavy packages and the commands that a command line has imported at its end."""
    code = (
        "import atexit, sys\n"
        f"sys.argv = {['pexlab', *arguments]!r}\n"
        "def say():\n"
        f"    heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    ours = [name for name in sys.modules if name.startswith('pex.cli.')]\n"
        "    print('imported', *heavy, *sorted(ours), file=sys.stderr)\n"
        "atexit.register(say)\n"
        "from pex.cli.main import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    *said, last = done.stderr.splitlines()
    assert last.startswith("imported"), done.stderr
    return last.split()[1:], done.stdout + "\n".join(said)


OWN = ["pex.cli.commands", "pex.cli.console", "pex.cli.main"]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["nope"]])
def test_what_needs_no_command_imports_none(arguments: list[str], tmp_path: Path) -> None:
    assert imported(*arguments, folder=tmp_path)[0] == OWN


def test_a_command_imports_itself_alone(tmp_path: Path) -> None:
    found, said = imported("spend", "--help", folder=tmp_path)
    assert "ledger" in said
    assert found == sorted([*OWN, "pex.cli.spend"])


def test_a_batch_is_driven_without_mlflow_and_pandas(tmp_path: Path) -> None:
    """They are in the process that kernels are forked from, which judges the night as well."""
    notebook(tmp_path / "n.ipynb", "x: int = 1", "print(x)")
    (tmp_path / "plan.yaml").write_text("name: p\nsteps:\n- {id: n, notebook: n.ipynb}\n")
    found, said = imported("batch", "plan.yaml", folder=tmp_path)
    assert "All notebooks ran" in said
    assert "papermill" in found
    assert not {"pandas", "mlflow", "scipy", "plotly"} & set(found)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_its_own_help_says(name: str) -> None:
    found = command(name)
    assert found.name == name
    text = COMMANDS[name] or "Run the night of a plan that is due"
    assert " ".join((found.help or "").split()).startswith(text)
