"""The GitHub workflow that writes a comment under a pull request."""

from __future__ import annotations

from pathlib import Path

from pex.project.actions import pinned


def workflow() -> str:
    """The text of the workflow's file."""
    return pinned(Path(__file__).with_name("workflow.yml").read_text("utf-8"))
