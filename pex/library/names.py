"""The names in the library, for completion: quick, offline, and never an error."""

from __future__ import annotations

import contextlib
import sqlite3

_PROMPTS = (
    "SELECT name FROM registered_model_tags WHERE key = 'mlflow.prompt.is_prompt' "
    "AND value = 'true'"
)


def names(uri: str) -> list[str]:
    """Prompts and their aliases: `short`, `short@champion`.

    Read from the database itself: MLflow takes seconds to import. Nothing is found if the store
    is a server, or its tables are different.
    """
    if not uri.startswith("sqlite:///"):
        return []
    path = uri.removeprefix("sqlite:///").replace("?", "%3f").replace("#", "%23")
    try:
        opened = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.05)
        with contextlib.closing(opened) as connection:
            found = [str(row[0]) for row in connection.execute(_PROMPTS)]
            aliases = connection.execute(
                f"SELECT name, alias FROM registered_model_aliases WHERE name IN ({_PROMPTS})"
            )
            return sorted([*found, *(f"{name}@{alias}" for name, alias in aliases)])
    except sqlite3.Error:
        return []
