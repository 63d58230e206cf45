"""One trace as a row: what MLflow's info says, and what its spans add."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from pex.monitoring import columns, spans
from pex.monitoring.spans import StoredSpan
from pex.monitoring.traces import ERROR, OK, UNFINISHED
from pex.monitoring.user_text import user_text
from pex.project.settings import Settings

_USERS = ("mlflow.trace.user", "user.id", "enduser.id")
_SESSIONS = ("mlflow.trace.session", "session.id", "gen_ai.conversation.id")
_PERSONAL = frozenset({"user", "user_id", "user.id", "enduser.id", "email", "username"})
_STATES = {"OK": OK, "ERROR": ERROR}
_LONGEST = 250
_SOURCES = {"HUMAN": "person", "CODE": "code", "LLM_JUDGE": "judge", "AI_JUDGE": "judge"}


EXPECTED = ("expected_response", "expected", "expected_answer", "expected_output")
"""Names of MLflow expectations that are an expected answer; the first one that a trace has counts.
MLflow's own scorers read `expected_response`."""


@dataclasses.dataclass(slots=True)
class RawTrace:
    """A trace as it came from a store.

    `contents` are the spans' JSON, `opinions` its feedback as rows, `expectations` the names of
    MLflow's expectations: their texts are fetched where they are needed.
    """

    trace_id: str
    experiment: str
    started_ms: int
    latency_ms: int | None
    status: str
    name: str | None = None
    session: str | None = None
    cost_usd: float | None = None
    tokens: dict[str, int | None] = dataclasses.field(default_factory=dict)
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    contents: list[tuple[str | bytes, str | None]] = dataclasses.field(default_factory=list)
    links: list[str] = dataclasses.field(default_factory=list)
    opinions: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    expectations: list[str] = dataclasses.field(default_factory=list)
    mark: str = ""


class Rows:
    """Makes rows of traces.

    Args:
        prompt: the prompt that is watched, which then is the one shown.
        settings: the project's, for its prices.
    """

    def __init__(self, prompt: str | None = None, settings: Settings | None = None) -> None:
        self._prompt = prompt
        self._cost: Callable[..., float | None] = functools.partial(
            columns.cost_usd, price=columns.price_lookup(settings or Settings())
        )

    def row(self, raw: RawTrace) -> tuple[dict[str, Any], list[str]]:
        """The row by column, with tags as JSON, and words for what was odd about the trace."""
        read = [spans.stored_span(content, kind) for content, kind in raw.contents]
        whole = [span for span in read if span is not None]
        odd = [
            word
            for word, holds in (("broken", len(whole) < len(read)), ("bare", not read))
            if holds
        ]
        model, provider = spans.model_of(whole)
        tokens = self._tokens(raw, whole)
        finish = spans.finish_of(whole)
        request, reply = user_text(whole), spans.reply_of(whole)
        state = _STATES.get(raw.status, UNFINISHED)
        prompt, version = self._prompt_of(raw, whole)
        user = _first(raw, whole, _USERS)
        session = raw.session or _first(raw, whole, _SESSIONS)
        cost = raw.cost_usd
        if cost is None:
            cost = self._cost(model, provider, tokens)
        row = {
            "trace_id": raw.trace_id,
            "experiment": raw.experiment,
            "name": raw.name,
            "service": raw.tags.get("service") or _first(raw, whole, ("service.name",)),
            "started_at": raw.started_ms,
            "state": state,
            "latency_s": None
            if raw.latency_ms is None or state == UNFINISHED
            else raw.latency_ms / 1000,
            "error_kind": self._error(whole) if state == ERROR else None,
            "finish_reason": finish,
            "refused": columns.is_refusal(reply, finish, spans.refusal_of(whole)),
            "prompt": prompt,
            "prompt_version": version,
            "model": model,
            **tokens,
            "cost_usd": cost,
            "input_chars": None if request is None else len(request),
            "output_chars": None if reply is None else len(reply),
            "language": columns.language_of(request),
            "has_expected": not set(EXPECTED).isdisjoint(raw.expectations),
            "session": session,
            "user_digest": None if not user else columns.user_digest(user),
            "tags": orjson.dumps(_own(raw.tags)).decode(),
        }
        odd += ["endless"] * (state == UNFINISHED) + ["modelless"] * (model is None)
        odd += ["tokenless"] * (tokens["prompt_tokens"] is None)
        return row, odd

    @staticmethod
    def _tokens(raw: RawTrace, whole: Sequence[StoredSpan]) -> dict[str, int | None]:
        names = ("prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens")
        found = spans.tokens_of(whole) if any(raw.tokens.get(n) is None for n in names) else {}
        return {n: raw.tokens[n] if raw.tokens.get(n) is not None else found.get(n) for n in names}

    @staticmethod
    def _error(whole: Sequence[StoredSpan]) -> str:
        found = spans.error_of(whole)
        return "error" if found is None else columns.error_kind(found[0], found[1][:1000])

    def _prompt_of(
        self, raw: RawTrace, whole: Sequence[StoredSpan]
    ) -> tuple[str | None, int | None]:
        links = linked_prompts(raw, whole)
        mine = [link for link in links if link[0] == self._prompt]
        name, version = next(iter(mine or links), (None, None))
        return name, int(version) if version is not None and version.isdecimal() else None


def linked_prompts(raw: RawTrace, whole: Sequence[StoredSpan]) -> list[tuple[str, str | None]]:
    """Name and version of the prompts that a trace is linked to, in MLflow or by its spans."""
    found: list[tuple[str, str | None]] = []
    for link in raw.links:
        name, _, version = link.rpartition("/")
        found.append((name, version))
    try:
        tagged = orjson.loads(raw.tags.get("mlflow.linkedPrompts") or "[]")
    except orjson.JSONDecodeError:
        tagged = []
    found += [
        (entry["name"], str(entry.get("version", "")))
        for entry in (tagged if isinstance(tagged, list) else ())
        if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    ]
    return [*found, *spans.prompts_of(whole)]


def opinion_row(
    trace_id: str, name: str, value: Any, source: str, by: str | None, at_ms: int
) -> dict[str, Any]:
    """A feedback as a row of figures: no comment, and a person only as digest."""
    kind = _SOURCES.get(source, "code")
    number = float(value) if isinstance(value, bool | int | float) else None
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return {
        "trace_id": trace_id,
        "name": name,
        "value": text[:_LONGEST],
        "number": number,
        "source": kind,
        "by": columns.user_digest(by) if by and kind == "person" else by,
        "at": at_ms,
    }


def _own(tags: Mapping[str, str]) -> dict[str, str]:
    """The application's tags, as far as they may be kept: no ids of people, no long texts."""
    return {
        key: value
        for key, value in tags.items()
        if not key.startswith("mlflow.")
        and key.lower() not in _PERSONAL
        and value is not None
        and len(value) <= _LONGEST
    }


def _first(raw: RawTrace, whole: Sequence[StoredSpan], names: Sequence[str]) -> str | None:
    for place in (raw.metadata, raw.tags, *(span.attributes for span in whole)):
        for name in names:
            value = place.get(name)
            if value not in (None, ""):
                return str(value)
    return None
