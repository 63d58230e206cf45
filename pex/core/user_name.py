"""Who sits at the keyboard, as far as the machine knows."""

from __future__ import annotations

import getpass
import os

from pex.core.text import replace_surrogates


def user_name() -> str:
    """The name of the user; `uid 1234` where the system has no name for its number.

    A container may run under any number, without a variable `USER`; JupyterHub gives everyone the
    same name and says the real one.

    Example:
        >>> user_name() != ""
        True
    """
    name = os.environ.get("JUPYTERHUB_USER", "")
    try:
        name = name or getpass.getuser()
    except (OSError, KeyError, ImportError):
        name = ""
    # A variable may hold bytes that are not UTF-8: no file could be written with them.
    name = replace_surrogates(name).strip()
    return name or (f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown")
