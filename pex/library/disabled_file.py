"""`library/disabled.jsonl`: which versions a project has disabled, a line for each time, in git."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = "library/disabled.jsonl"


def exists(project: Path) -> bool:
    """Whether the project has ever disabled a version."""
    return (project / FILE).is_file()


def disabled_lines(project: Path, prompt: str) -> dict[int, dict[str, Any]]:
    """The last line of each version of a prompt; a line that cannot be read is left out.

    Args:
        project: the project's folder.
        prompt: the prompt's name in the library.
    """
    found: dict[int, dict[str, Any]] = {}
    try:
        lines = (project / FILE).read_bytes().splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            entry = json.loads(line)
            if entry["prompt"] == prompt:
                number, at = int(entry["version"]), seconds_of(entry["at"])
                if number not in found or at >= seconds_of(found[number]["at"]):
                    found[number] = entry
        except (ValueError, TypeError, KeyError):
            continue
    return found


def disabled_since(project: Path, prompt: str, asked_at: float) -> dict[int, dict[str, str]]:
    """The versions that were disabled since the registry was last asked, with the reasons.

    Args:
        project: the project's folder.
        prompt: the prompt's name in the library.
        asked_at: the time of the registry's last answer, which knows what was done before.
    """
    return {
        number: {key: str(line.get(key, "")) for key in ("by", "at", "because")}
        for number, line in disabled_lines(project, prompt).items()
        if line.get("disabled") and seconds_of(line["at"]) > asked_at - 1
    }


def seconds_of(at: str) -> float:
    """A time as seconds."""
    import datetime

    return datetime.datetime.fromisoformat(at).timestamp()
