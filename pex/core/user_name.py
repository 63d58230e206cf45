"""The name of the current user, as far as the machine knows it."""

from __future__ import annotations

import getpass
import os

from pex.core.text import replace_surrogates


def user_name() -> str:
    """The name of the user; `uid 1234` if the system has no name for the user id.

    A container can run under any user id, without a variable `USER`; JupyterHub gives everyone the
    same system name and passes the real one.

    Example:
        >>> user_name() != ""
        True
    """
    name = os.environ.get("JUPYTERHUB_USER", "")
    try:
        name = name or getpass.getuser()
    except (OSError, KeyError, ImportError):
        name = ""
    # A variable can contain bytes that are not UTF-8, which cannot be written to a file.
    name = replace_surrogates(name).strip()
    return name or (f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown")
