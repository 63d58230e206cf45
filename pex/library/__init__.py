"""The library of prompts: versions and aliases in MLflow's prompt registry.

Plain MLflow reads what is saved here: `mlflow.genai.load_prompt("prompts:/short@champion")`, whose
`.format(review=…)` fills in `{{ review }}`, and Jinja if the template has `{% … %}`.
"""

from __future__ import annotations

from pex.library.registry import load, save, set_alias, versions
from pex.library.registry import table as list  # noqa: A004 - the public name is pex.library.list
from pex.library.registry_api import Version

__all__ = ["Version", "list", "load", "save", "set_alias", "versions"]
