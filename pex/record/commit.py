"""The commit of the user's own repository that a run was made from."""

from __future__ import annotations

import subprocess
from pathlib import Path

COMMIT, DIRTY = "mlflow.source.git.commit", "pex.git_dirty"
_PATIENCE_S = 5.0


def commit_tags(folder: Path) -> dict[str, str]:
    """MLflow's tag with the commit, and whether files differ from it; empty outside git.

    MLflow itself looks in the program's folder: for a notebook, that is Jupyter's installation.
    """
    commit = git(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    changed = git(folder, "status", "--porcelain", "--untracked-files=no")
    return {COMMIT: commit, DIRTY: "true" if changed else "false"}


def git(folder: Path, *arguments: str) -> str | None:
    """The output of a git command in a folder; None if it fails or there is no git."""
    try:
        done = subprocess.run(
            # A folder's own git settings may name a program that watches its files.
            ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):  # no git here, no repository, or a very slow disk
        return None
    return done.stdout.strip()
