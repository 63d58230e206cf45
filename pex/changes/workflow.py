"""The GitHub workflow that writes a comment under a pull request."""

from __future__ import annotations

from pathlib import Path


def workflow() -> str:
    """The text of the workflow's file."""
    return Path(__file__).with_name("workflow.yml").read_text("utf-8")
