"""The user's own folders: where what belongs to a person, not to a project, is kept.

They follow `XDG_CONFIG_HOME`, `XDG_CACHE_HOME` and `XDG_STATE_HOME`, and the system's own customs
where there are none. A user without a home folder (an id that the system does not know, without
`HOME`) is told so: `~` would be a folder with that name inside the current one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pex.core.errors import PexError

NAME = "pexlab"


def check() -> None:
    """Check that the user has a home folder; it need not be writable.

    MLflow and Jupyter do not start without one.

    Raises:
        PexError: there is none.
    """
    try:
        Path.home()
    except RuntimeError:
        who = f"user id {os.getuid()}" if hasattr(os, "getuid") else "this user"
        raise PexError(
            f"{who} has no home folder: HOME is not set, and the system does not know the user",
            hint="export HOME=/a/folder/that/you/can/write",
        ) from None


def folder(kind: Literal["config", "cache", "state"]) -> Path:
    """The folder for one kind of things; it is not made.

    Args:
        kind: what the user has chosen, what can be made again, or what must be kept.

    Raises:
        PexError: the user has no home folder, and the variable of the kind is not set.
    """
    import platformdirs

    if not os.environ.get(f"XDG_{kind.upper()}_HOME", "").strip():
        check()
    places = {
        "config": platformdirs.user_config_path,
        "cache": platformdirs.user_cache_path,
        "state": platformdirs.user_state_path,
    }
    return Path(places[kind](NAME))


def check_writable(places: Iterable[Path], what: str, hint: str) -> None:
    """Check that folders can be written, or made where they are missing.

    Args:
        places: the folders.
        what: what needs them, for the message.
        hint: what to set.

    Raises:
        PexError: one of them cannot; the message names it.
    """
    for place in places:
        there = next(path for path in (place, *place.parents) if os.path.lexists(path))
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            raise PexError(f"{what} needs a folder that cannot be written: {place}", hint=hint)
