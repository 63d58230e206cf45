"""Nothing phones home: telemetry is off in pex's dependencies and their child processes."""

from __future__ import annotations

import os

_VARIABLES = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}


def disable_telemetry() -> None:
    """Turn telemetry off for this process and its children, unless the user has set a value.

    MLflow reads the setting on import, and otherwise contacts its vendor's server at once.
    """
    for name, value in _VARIABLES.items():
        os.environ[name] = os.environ.get(name) or value
