"""The address of a project's registry, found without pydantic and MLflow: for serving prompts.

It is the address that `pex.tracking.store.registry_uri` returns, which checks the settings and the
trust in them; `check_address` does that before anything is sent.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from pex.core.project import FILE, find_project

_SQLITE = re.compile(r"sqlite:///(?!/)(.+)")
_HERE = "sqlite:///mlruns/mlflow.db"


def chosen_addresses() -> tuple[str | None, ...]:
    """The registry and the store chosen in MLflow in this process, and in the environment.

    The last one is the workspace in them (`chosen_workspace`).
    """
    # MLflow itself is not imported: if the user has not done so, nothing was chosen in it.
    registry = sys.modules.get("mlflow.tracking._model_registry.utils")
    service = sys.modules.get("mlflow.tracking._tracking_service.utils")
    return (
        getattr(registry, "_registry_uri", None),
        os.environ.get("MLFLOW_REGISTRY_URI"),
        getattr(service, "_tracking_uri", None),
        os.environ.get("MLFLOW_TRACKING_URI"),
        chosen_workspace(),
    )


def chosen_workspace() -> str:
    """The workspace in a registry that several teams share; empty for the default one."""
    return os.environ.get("MLFLOW_WORKSPACE", "").strip()


def registry_address(given: str | None) -> tuple[str, Path | None]:
    """The address of the registry, and the project's folder if there is one.

    Raises:
        PexError: `pex.toml` is not valid.
    """
    folder = find_project()
    project = folder if (folder / FILE).is_file() else None
    uri = given or _first(project)[0] or _HERE
    relative = _SQLITE.fullmatch(uri)
    return (f"sqlite:///{folder / relative[1]}" if relative else uri), project


def check_address(given: str | None, project: Path | None) -> None:
    """Check the settings that the address is from, before a registry is asked.

    Raises:
        TrustError: it is a server named in the project's `pex.toml`, and the user has not
            allowed it.
        PexError: `pex.toml` is not valid.
    """
    if given is None and project is not None and _first(project)[1]:
        from pex.project.settings import load_settings
        from pex.tracking.store import registry_uri

        registry_uri(project, load_settings(project))


def _first(project: Path | None) -> tuple[str | None, bool]:
    """The address that is chosen first, and whether the project chose it."""
    registry, registry_named, store, store_named = chosen_addresses()[:4]
    if registry or registry_named:
        return registry or registry_named, False
    settings = _settings(project) if project is not None else {}
    if settings.get("library"):
        return settings["library"], True
    if store or store_named:
        return store or store_named, False
    return settings.get("record"), bool(settings.get("record"))


def _settings(project: Path) -> dict[str, str | None]:
    """The addresses in a project's settings: of the registry, and of the record."""
    try:
        text = (project / FILE).read_text(encoding="utf-8")
        if "_uri" not in text:
            return {}
        import tomllib

        found = tomllib.loads(text)
        addresses = {
            "library": found.get("library", {}).get("registry_uri"),
            "record": found.get("record", {}).get("tracking_uri"),
        }
    except (OSError, ValueError, AttributeError):
        from pex.project.settings import load_settings

        settings = load_settings(project)  # raises the error that explains it
        return {
            "library": settings.library.registry_uri,
            "record": settings.record.tracking_uri,
        }
    return {key: uri for key, uri in addresses.items() if isinstance(uri, str)}
