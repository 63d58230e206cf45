"""The library of prompts: versions and aliases in MLflow's prompt registry.

Plain MLflow reads what is saved here: `mlflow.genai.load_prompt("prompts:/short@champion")`, whose
`.format(review=…)` fills in `{{ review }}`, and Jinja if the template has `{% … %}`.

The names below are loaded on first use: an application that only loads prompts imports neither
MLflow nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pex.library.disabling import disable, enable
    from pex.library.push_pull import pull, push
    from pex.library.registry import save, set_alias, versions
    from pex.library.registry import table as list  # noqa: A004 - the public name
    from pex.library.registry_api import Version
    from pex.library.serving import load
    from pex.library.serving_status import Status, status

_HOMES = {
    "Status": ("serving_status", "Status"),
    "Version": ("registry_api", "Version"),
    "disable": ("disabling", "disable"),
    "enable": ("disabling", "enable"),
    "list": ("registry", "table"),
    "load": ("serving", "load"),
    "pull": ("push_pull", "pull"),
    "push": ("push_pull", "push"),
    "save": ("registry", "save"),
    "set_alias": ("registry", "set_alias"),
    "status": ("serving_status", "status"),
    "versions": ("registry", "versions"),
}

__all__ = [
    "Status",
    "Version",
    "disable",
    "enable",
    "list",
    "load",
    "pull",
    "push",
    "save",
    "set_alias",
    "status",
    "versions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pex.library' has no attribute {name!r}")
    home, own = _HOMES[name]
    value = getattr(importlib.import_module(f"pex.library.{home}"), own)
    globals()[name] = value
    return value


def __dir__() -> list[str]:  # type: ignore[valid-type]
    return sorted(__all__)
