"""The files of pex that a project starts from: an experiment and notebooks."""

from __future__ import annotations

from pathlib import Path

from pex.core.errors import PexError

EXPERIMENT = Path("experiments/review-sentiment")


def shipped_files() -> Path:
    """The folder with `experiments/` and `notebooks/`: in the package, or beside it in a clone.

    Raises:
        PexError: this installation does not have it.
    """
    package = Path(__file__).parent.parent
    for folder in (package / "starter", package.parent):
        if (folder / EXPERIMENT / "experiment.yaml").is_file():
            return folder
    raise PexError("the starter files are not in this installation", hint="reinstall pexlab")
