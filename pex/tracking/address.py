"""The address of a project's store, found without pydantic and MLflow: for serving prompts.

It is the same address as `pex.tracking.store.tracking_uri` returns, which checks the settings and
the trust in them; `check_address` does that before anything is sent.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path

from pex.core.project import FILE, find_project

_SQLITE = re.compile(r"sqlite:///(?!/)(.+)")
_HERE = "sqlite:///mlruns/mlflow.db"


def chosen_address(given: str | None) -> str | None:
    """The store of the argument, of MLflow in this process, or of the environment, if any."""
    if given:
        return given
    # MLflow itself is not imported: if the user has not done so, nothing was chosen in it.
    service = sys.modules.get("mlflow.tracking._tracking_service.utils")
    chosen = getattr(service, "_tracking_uri", None)
    return chosen or os.environ.get("MLFLOW_TRACKING_URI") or None


def store_address(given: str | None) -> tuple[str, Path | None]:
    """The address of the store, and the project's folder if there is one.

    Raises:
        PexError: `pex.toml` is not valid.
    """
    folder = find_project()
    project = folder if (folder / FILE).is_file() else None
    uri = chosen_address(given) or (project and _in_settings(project)) or _HERE
    relative = _SQLITE.fullmatch(uri)
    return (f"sqlite:///{folder / relative[1]}" if relative else uri), project


def _in_settings(project: Path) -> str | None:
    try:
        settings = tomllib.loads((project / FILE).read_text(encoding="utf-8"))
        found = settings.get("record", {}).get("tracking_uri")
        return found if isinstance(found, str) else None
    except (OSError, ValueError, AttributeError):
        from pex.project.settings import load_settings

        return load_settings(project).record.tracking_uri  # raises the error that explains it


def check_address(given: str | None, project: Path | None) -> None:
    """Check the settings that the address is from, before a registry is asked.

    Raises:
        TrustError: it is a server named in the project's `pex.toml`, and the user has not
            allowed it.
        PexError: `pex.toml` is not valid.
    """
    if project is None or chosen_address(given) or _in_settings(project) is None:
        return
    from pex.project.settings import load_settings
    from pex.run.provider_trust import check_record

    check_record(load_settings(project))
