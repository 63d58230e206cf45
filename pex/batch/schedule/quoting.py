"""Quoting for schedulers' files, so their parsers find a name and substitute nothing."""

from __future__ import annotations

import json
import re


def airflow_text(text: str) -> str:
    """A string that Airflow leaves unchanged; it renders commands, folders and variables."""
    return text.replace("{", "{{ '{' }}")


def airflow_folder(path: str) -> str:
    """A folder for Airflow, which takes a string with a script's ending for a file name."""
    return f"{airflow_text(path)}/" if path.endswith((".sh", ".bash")) else airflow_text(path)


def github_text(text: str) -> str:
    """A string in which GitHub finds no expression to replace."""
    return text.replace("${{", "${{ '${{' }}")


def comment(text: str) -> str:
    """A string as a comment shows it: invisible characters are written as their numbers."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def yaml_text(text: str) -> str:
    r"""A string as YAML reads it: JSON is YAML, except for characters that take two JSON escapes.

    Example:
        >>> print(yaml_text('"ü" 🙂'))
        "\"\xfc\" \U0001f642"
    """
    return re.sub(
        r"[^\x20-\x7e]",
        lambda found: found[0].encode("ascii", "backslashreplace").decode(),
        json.dumps(text, ensure_ascii=False),
    )


def unit_text(text: str) -> str:
    r"""A value in a unit file: % starts a specifier, \\ at the end continues the line."""
    return text.replace("%", "%%").replace("\\", "\\\\")


def unit_word(text: str) -> str:
    """A word of a command line in a unit file."""
    return '"' + unit_text(text).replace('"', '\\"') + '"'
