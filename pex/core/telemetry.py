"""Nothing phones home: what keeps the packages below pex, and what they start, from it."""

from __future__ import annotations

import os

_VARIABLES = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}


def disable_telemetry() -> None:
    """Turn telemetry off for this process and its children; a value of the user's own counts.

    MLflow reads it as it is imported, and then asks its makers' server at once.
    """
    for name, value in _VARIABLES.items():
        os.environ[name] = os.environ.get(name) or value
