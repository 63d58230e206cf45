"""What an endpoint says of each of its models in `/v1/models`.

Only the name is sure to be there. The other fields differ from provider to provider; what is
missing or cannot be read is unknown, never guessed.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Iterable, Mapping
from typing import Any

MOST = 10_000
"""Models of one list that are read."""
_LONGEST_NAME = 300
_YEARS = range(2000, 2200)
_MILLISECONDS = 1e11
"""A larger number counts milliseconds: as seconds it would be beyond the year 5000."""

_STOPS = ("shutdown_date", "deprecation", "expiration_date")
"""OpenAI's field, Mistral's and OpenRouter's."""
_CONTEXT = ("context_length", "context_window", "max_context_length", "max_model_len",
            "max_input_tokens")  # fmt: skip
_ANSWER = ("max_completion_tokens", "max_output_tokens", "max_output_length")
_SUPPORTS = ("capabilities", "supported_parameters", "supported_features")
_MODES = ("input_modalities",)

_WORDS = {
    "tools": "tools",
    "tool_use": "tools",
    "tool_calling": "tools",
    "function_calling": "tools",
    "structured_outputs": "JSON schema",
    "json_schema": "JSON schema",
    "response_format": "JSON",
    "json_mode": "JSON",
    "reasoning": "reasoning",
    "thinking": "reasoning",
    "reasoning_effort": "effort",
    "effort": "effort",
    "vision": "images",
    "image": "images",
    "image_input": "images",
    "audio": "audio",
    "pdf_input": "files",
    "file": "files",
    "video": "video",
    "logprobs": "logprobs",
    "batch": "batch",
}
"""What endpoints call an ability, and its word here; other abilities are not shown."""


@dataclasses.dataclass(frozen=True, slots=True)
class EndpointModel:
    """A model in an endpoint's list; None where the endpoint does not say.

    `stops` is the day from which it no longer answers, `successor` the model that the endpoint
    names in its place, `context` and `answer` are in tokens. `supports` has only what the endpoint
    says it can do.
    """

    name: str
    created: datetime.date | None = None
    stops: datetime.date | None = None
    successor: str | None = None
    context: int | None = None
    answer: int | None = None
    supports: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data without the name and what is unknown, for the file of lists."""
        facts: dict[str, Any] = {
            "created": self.created and self.created.isoformat(),
            "stops": self.stops and self.stops.isoformat(),
            "successor": self.successor,
            "context": self.context,
            "answer": self.answer,
            "supports": None if self.supports is None else list(self.supports),
        }
        return {key: value for key, value in facts.items() if value is not None}


def read_list(data: Any) -> list[EndpointModel]:
    """The models of the body of `/v1/models`; an entry without a name is left out.

    Raises:
        KeyError, TypeError: it is not a list of models.

    Example:
        >>> data = {"data": [{"id": "m1", "shutdown_date": "2027-01-14"}, {"id": "m2"}]}
        >>> [(model.name, str(model.stops)) for model in read_list(data)]
        [('m1', '2027-01-14'), ('m2', 'None')]
    """
    entries = data["data"][:MOST]
    found = [read_model(entry["id"], entry) for entry in entries if _is_named(entry)]
    if entries and not found:
        raise TypeError("no entry has a name")
    return found


def read_model(name: str, entry: Mapping[str, Any]) -> EndpointModel:
    """A model of an endpoint's list, whichever of the known fields it has.

    Args:
        name: the model's name.
        entry: what the endpoint says of it.

    Example:
        >>> entry = {"created": 1766400000, "max_model_len": 8192, "capabilities": {"vision": True}}
        >>> read_model("m", entry)  # doctest: +ELLIPSIS
        EndpointModel(name='m', created=datetime.date(2025, 12, 22), ... supports=('images',))
    """
    top, design = _dict(entry.get("top_provider")), _dict(entry.get("architecture"))
    successor = entry.get("deprecation_replacement_model")
    short = isinstance(successor, str) and 0 < len(successor) <= _LONGEST_NAME
    return EndpointModel(
        name,
        day_of(entry.get("created")),
        next(filter(None, (day_of(entry.get(key)) for key in _STOPS)), None),
        successor if short else None,
        _tokens(entry, _CONTEXT) or _tokens(_dict(entry.get("meta")), ("n_ctx", "n_ctx_train")),
        _tokens(entry, _ANSWER) or _tokens(top, _ANSWER),
        _abilities([entry.get(key) for key in _SUPPORTS]
                   + [of.get(key) for of in (entry, design) for key in _MODES]),
    )  # fmt: skip


def kept_model(name: str, facts: Any) -> EndpointModel:
    """A model from the file of lists; of facts that somebody changed, those that fit are taken.

    Example:
        >>> model = EndpointModel("m", stops=datetime.date(2027, 1, 14), supports=("tools",))
        >>> kept_model("m", model.to_json()) == model
        True
    """
    found = _dict(facts)
    supports = found.get("supports")
    known = set(_WORDS.values())
    successor = found.get("successor")
    return EndpointModel(
        name,
        day_of(found.get("created")),
        day_of(found.get("stops")),
        successor if isinstance(successor, str) else None,
        _tokens(found, ("context",)),
        _tokens(found, ("answer",)),
        tuple(word for word in supports if word in known) if isinstance(supports, list) else None,
    )


def day_of(value: Any) -> datetime.date | None:
    """The day of a date, a moment, or a time in seconds or milliseconds; None for anything else.

    Example:
        >>> [str(day_of(value)) for value in ("2027-01-14", "2027-01-14T09:00:00Z", 1799884800)]
        ['2027-01-14', '2027-01-14', '2027-01-14']
        >>> [day_of(value) for value in (None, True, "", "soon", 0, -1, 1e300, "0001-01-01")]
        [None, None, None, None, None, None, None, None]
    """
    found: datetime.date | None = None
    try:
        if isinstance(value, bool):
            return None
        text = value.strip() if isinstance(value, str) else ""
        if text and not text.replace(".", "", 1).isdigit():
            found = datetime.datetime.fromisoformat(text).date()
        elif text or isinstance(value, int | float):
            seconds = float(text or value)
            if not math.isfinite(seconds) or seconds <= 0:
                return None
            seconds = seconds / 1000 if seconds > _MILLISECONDS else seconds
            found = datetime.datetime.fromtimestamp(seconds, datetime.UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
    return found if found is not None and found.year in _YEARS else None


def _is_named(entry: Any) -> bool:
    name = entry.get("id") if isinstance(entry, dict) else None
    return isinstance(name, str) and 0 < len(name.strip()) <= _LONGEST_NAME


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _tokens(entry: Mapping[str, Any], keys: Iterable[str]) -> int | None:
    for key in keys:
        value = entry.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9:
            return value
    return None


def _abilities(said: Iterable[Any]) -> tuple[str, ...] | None:
    """The abilities in lists of words, or in dicts of flags; None if there is neither."""
    words: dict[str, None] = {}
    known = False
    for part in said:
        if isinstance(part, dict):
            # Anthropic's have {"supported": true} where Mistral's have true.
            names = [key for key, value in part.items()
                     if value is True or _dict(value).get("supported") is True]  # fmt: skip
        elif isinstance(part, list):
            names = [item for item in part if isinstance(item, str)]
        else:
            continue
        known = True
        words.update((_WORDS[name], None) for name in names if name in _WORDS)
    return tuple(sorted(words, key=str.casefold)) if known else None
