"""When a step of a plan runs: always, or only if a model stops soon or a new one has appeared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from pex.core.errors import nearest
from pex.run.retirement import WARN_DAYS

MODEL_STOPS, NEW_MODEL = "model-stops", "new-model"
CONDITIONS = (MODEL_STOPS, NEW_MODEL)
MODEL, BASELINE = "model", "baseline"
"""The parameters of a notebook that get the new model and the one that stops."""
ANY = "*"
_MOST_DAYS = 3650


def _conditions(value: Any) -> Any:
    """A name, a list of names, or names with their options, as a dict."""
    if value is None:
        return None
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        value = dict.fromkeys(map(str, value))
    if not isinstance(value, dict) or not value:
        raise ValueError(f"expected {MODEL_STOPS}, {NEW_MODEL}, or {{{MODEL_STOPS}: 30}}")
    for name in value:
        if name not in CONDITIONS:
            raise ValueError(f"'{name}' is not a condition: {nearest(str(name), CONDITIONS)}")
    return {name: _option(name, option) for name, option in value.items()}


def _option(name: str, option: Any) -> Any:
    if name == MODEL_STOPS:
        days = WARN_DAYS if option is None else option
        if type(days) is not int or not 0 <= days <= _MOST_DAYS:
            raise ValueError(f"{name}: expected days from 0 to {_MOST_DAYS}, got {option!r}")
        return days
    pattern = ANY if option is None else option
    if not isinstance(pattern, str) or not pattern.strip():
        raise ValueError(f"{name}: expected a pattern such as openai/gpt-*, got {option!r}")
    if "/" not in pattern and not pattern.strip().startswith(ANY):
        # No name would ever fit, and the step would never run.
        raise ValueError(f"{name}: '{pattern}' has no provider: write */{pattern.strip()}")
    return pattern.strip()


When = Annotated[Mapping[str, Any] | None, BeforeValidator(_conditions)]
"""The conditions of a step by name, with their options: the days before a model stops, the pattern
of a new model's name. One that holds is enough."""


def filled(when: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The parameters that a step gets in any case when it runs.

    Example:
        >>> filled({"new-model": "*"}), filled({"new-model": "*", "model-stops": 60}), filled(None)
        (('model',), (), ())
    """
    names = {NEW_MODEL: MODEL, MODEL_STOPS: BASELINE}
    return tuple(names[name] for name in when) if when and len(when) == 1 else ()
