"""Names as the file of a scheduler holds them: its reader finds the name, and puts in no value."""

from __future__ import annotations

import json
import re


def airflow_text(text: str) -> str:
    """A text that Airflow, which renders commands, folders and variables, leaves as it is."""
    return text.replace("{", "{{ '{' }}")


def airflow_folder(path: str) -> str:
    """A folder for Airflow, which takes a text with the ending of a script for a file's name."""
    return f"{airflow_text(path)}/" if path.endswith((".sh", ".bash")) else airflow_text(path)


def github_text(text: str) -> str:
    """A text in which GitHub finds no expression to put a value in place of."""
    return text.replace("${{", "${{ '${{' }}")


def comment(text: str) -> str:
    """A text as a comment shows it: what cannot be seen is written as its number."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def yaml_text(text: str) -> str:
    r"""A string as YAML reads it: JSON is YAML, but for letters that take two of JSON's numbers.

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
    r"""A value of a unit file: % begins a specifier, \\ at the end a further line."""
    return text.replace("%", "%%").replace("\\", "\\\\")


def unit_word(text: str) -> str:
    """A word of a command line in a unit file."""
    return '"' + unit_text(text).replace('"', '\\"') + '"'
