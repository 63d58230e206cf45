"""Parameters that a model refuses are left out of its requests; that is remembered and shown.

Endpoints differ in the parameters that they take. After a refusal the parameter that it names is
dropped (`seed`, `logprobs`, `stream_options` …), renamed (a limit on tokens) or replaced by less
(`response_format`: a JSON Schema, then any JSON object, then text, with the schema given in the
request's first message), and the call is made again. All further calls to that model,
in later runs too, are sent without it: the journal's database remembers it for seven days, with
the endpoint and the date.

What is never dropped: a limit on tokens, on which the budget stands; messages and tools; and what
the variants of the run differ in, because the comparison would be between equals. The journal's
key is that of the request as it was meant.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from pex.core.canonical_json import canonical_json
from pex.core.errors import JournalError
from pex.core.params import KNOWN
from pex.core.variant import Variant
from pex.run.database import Database
from pex.run.errors import CallError

REMEMBERED_S = 7 * 24 * 3600.0
GIVE_UP_AFTER = 3
"""Refusals of the same value, that cannot be dropped, after which it is not sent any more."""

LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
FORMAT = "response_format"
JSON_OBJECT = "json_object"
_KEPT = frozenset({"model", "messages", "input", "tools", "tool_choice", "stream"})

_SAID_SO = re.compile(
    r"support|recogni[sz]ed|unknown|unexpected|extra|permit|allow|invalid|deprecat|availab"
    r"|implement|disabled|accept|compatib|enabled|only the default|forbid|no longer|removed"
    r"|not valid|cannot|can't|must (?:not|be)|may not|require|ignored|exist|wrong",
    re.IGNORECASE,
)
_OF_VALUE = re.compile(
    r"above[ _]max|below[ _]min|less than|greater than|at most|at least|out of range|must be (?:in"
    r"|between|positive|an? )|range:|exceed|too (?:large|small|high|low|long|many)|expected a value"
    r"|valid (?:integer|number|string)|invalid value: |got ['\"\w.-]+ instead|[<>]=",
    re.IGNORECASE,
)
"""The parameter is taken, its value is not: the user's to correct."""

_ONLY_SOME = re.compile(r"supported values|one of|valid values|allowed values", re.IGNORECASE)
_WORDS = frozenset({"stop", "user", "store", "metadata", "audio", "functions", "prediction"})
"""Names that may stand in any sentence: they count if they are quoted or called a parameter."""

_ALIASES = {
    FORMAT: r"response[ _-]?format|json[ _-]?schema|structured[ _-]outputs?"
    r"|json[ _-]?(?:mode|object)|guided|grammar",
    "stream_options": r"stream[ _-]?options|include_usage",
    "logprobs": r"log[ _-]?probs?|log[ _-]probabilit(?:y|ies)",
}


_CHAT_NAMES = {"text": FORMAT, "reasoning": "reasoning_effort", "max_output_tokens": "max_tokens"}
"""What the Responses API calls parameters of a chat completion."""


@dataclasses.dataclass(slots=True)
class Refusals:
    """How the requests to one model are changed before they are sent.

    Args:
        model: `provider/model`.
        place: the endpoint, as it is remembered.
        fixed: parameters in which the variants of the run differ.
        database: where refusals are remembered; None: nowhere.
    """

    model: str = ""
    place: str = ""
    fixed: frozenset[str] = frozenset()
    database: Database | None = None
    changes: dict[str, str | None] = dataclasses.field(default_factory=dict)
    """What is sent in place of a parameter: another name, less of it, None for nothing."""
    blocked: dict[tuple[str, bytes], str] = dataclasses.field(default_factory=dict)
    """Refused values that are not dropped, and why nothing more is sent with them."""
    news: dict[str, str] = dataclasses.field(default_factory=dict)
    """What was learnt and has not been remembered yet, with the endpoint's words."""
    _refused: dict[tuple[str, bytes], int] = dataclasses.field(default_factory=dict)

    def sent(self, meant: dict[str, Any]) -> dict[str, Any]:
        """A request as it goes out.

        Example:
            >>> refusals = Refusals(changes={"seed": None, "max_tokens": "max_completion_tokens"})
            >>> refusals.sent({"model": "m", "seed": 1, "max_tokens": 5})
            {'model': 'm', 'max_completion_tokens': 5}
        """
        if not self.changes:
            return meant
        body = dict(meant)
        for name, instead in self.changes.items():
            if name not in body:
                continue
            value = body.pop(name)
            if name == FORMAT:
                body |= _less(value, instead, body.get("messages"))
            elif instead is not None:
                body.setdefault(instead, value)
        return body

    def learn(self, meant: dict[str, Any], sent: dict[str, Any], error: CallError) -> Lesson:
        """Take a refusal; says whether the request can be sent in another way now.

        Args:
            meant: the request.
            sent: how it went out.
            error: what the endpoint said of it.
        """
        if self.sent(meant) != sent:  # learnt from another call meanwhile
            return Lesson(True)
        name = _culprit(meant, sent, error)
        if name is None:
            return Lesson(False)
        error.param = error.param or name
        of_value = bool(_OF_VALUE.search(error.message))
        if name in LIMITS:
            return self._limit(name, error, of_value)
        if of_value and name != FORMAT:
            return Lesson(False)
        if name in self.fixed:
            return self._keep(name, sent, error)
        typo = _typo(name)
        if typo is not None:
            return Lesson(False, f"did you mean '{typo}'?")
        schema = name == FORMAT and _type(sent) == "json_schema"
        self.changes[name] = JSON_OBJECT if schema else None
        if name == FORMAT or not _ONLY_SOME.search(error.message):
            self.news[name] = error.message
        return Lesson(True)

    def _limit(self, name: str, error: CallError, of_value: bool) -> Lesson:
        other = LIMITS[name]
        if of_value and other not in error.message:
            return Lesson(False)
        if name in self.changes.values():  # neither name is taken
            return Lesson(False, f"'{name}' is not dropped: the budget depends on it")
        self.changes[name] = other
        self.news[name] = error.message
        return Lesson(True)

    def _keep(self, name: str, sent: Mapping[str, Any], error: CallError) -> Lesson:
        why = f"'{name}' is not dropped: the variants of this run differ in it"
        value = (name, canonical_json(sent[name]))
        self._refused[value] = self._refused.get(value, 0) + 1
        if self._refused[value] >= GIVE_UP_AFTER:
            self.blocked[value] = f"not run: {error.message}; {why}"
        return Lesson(False, why, of_variant=True)

    def blocks(self, meant: Mapping[str, Any]) -> str | None:
        """Why a request is not sent at all, None if it is."""
        for (name, value), why in self.blocked.items():
            if name in meant and canonical_json(meant[name]) == value:
                return why
        return None

    def remember(self) -> None:
        """Keep what was learnt for later runs; called when a call went well with it."""
        news, self.news = self.news, {}
        if self.database is None or not news:
            return
        columns = ("model", "place", "parameter", "instead", "message", "refused_at")
        # Without the journal the next run learns it again.
        with (
            contextlib.suppress(JournalError),
            self.database.opened() as connection,
            connection.write(),
        ):
            now = connection.now()
            for name, message in news.items():
                connection.rows(
                    "DELETE FROM refused_parameters WHERE model = ? AND place = ? "
                    "AND parameter = ?",
                    [self.model, self.place, name],
                )
                row = (self.model, self.place, name, self.changes.get(name), message, now)
                connection.insert("refused_parameters", columns, [row])

    def recall(self) -> Refusals:
        """Take up what was refused in the last seven days, but for what the variants differ in."""
        # A database that cannot be read now is the journal's to report; it is learnt again.
        with contextlib.suppress(JournalError):
            if self.database is None or not self.database.exists():
                return self
            with self.database.opened(durable=False) as connection:
                rows = connection.rows(
                    "SELECT parameter, instead FROM refused_parameters WHERE model = ? "
                    "AND place = ? AND refused_at > ?",
                    [self.model, self.place, connection.now() - REMEMBERED_S],
                )
            self.changes |= {name: instead for name, instead in rows if name not in self.fixed}
        return self


@dataclasses.dataclass(frozen=True, slots=True)
class Lesson:
    """What came of a refusal: `again` where the call can be made in another way.

    `why` says what keeps the parameter from being dropped, `of_variant` that other variants may
    well be answered.
    """

    again: bool
    why: str = ""
    of_variant: bool = False


def remarks(meant: Mapping[str, Any], sent: Mapping[str, Any]) -> list[str]:
    """Words for how a request differs from what was meant, the kind first, then which.

    Example:
        >>> remarks({"seed": 1, "max_tokens": 2}, {"max_completion_tokens": 2})
        ['parameter_dropped', 'dropped:seed', 'parameter_renamed', 'sent_as:max_completion_tokens']
    """
    words: list[str] = []
    for name in meant:
        if name == FORMAT:
            if _type(meant) != _type(sent):
                words += ["parameter_dropped", f"{FORMAT}:{_type(sent) or 'text'}"]
        elif name in LIMITS and name not in sent:
            words += ["parameter_renamed", f"sent_as:{LIMITS[name]}"]
        elif name not in sent:
            words += ["parameter_dropped", f"dropped:{name}"]
    return list(dict.fromkeys(words))


def differing(variants: Sequence[Variant]) -> frozenset[str]:
    """The parameters in which variants differ; a prompt's schema if nothing else does.

    Example:
        >>> from pex.core.prompt import Prompt
        >>> say = Prompt("Say {{ word }}.", name="say")
        >>> both = [Variant(say, "lab/m", {"seed": 1, "top_p": 1}), Variant(say, "lab/m", {"seed": 2})]
        >>> sorted(differing(both)), differing(both[:1])
        (['seed', 'top_p'], frozenset())
    """  # noqa: E501 - the example is one line
    params = [{k: v for k, v in item.all_params.items() if v is not None} for item in variants]
    found = {
        name
        for name in {name for item in params for name in item}
        if len({canonical_json(item[name]) if name in item else b"" for item in params}) > 1
    }
    schemas: dict[bytes, set[bytes]] = {}
    for item in variants:
        said = canonical_json([item.model, list(item.prompt.messages)])
        schemas.setdefault(said, set()).add(canonical_json(item.prompt.response_schema))
    if any(len(of_prompt) > 1 for of_prompt in schemas.values()):
        found.add(FORMAT)
    return frozenset(found)


def _culprit(meant: Mapping[str, Any], sent: Mapping[str, Any], error: CallError) -> str | None:
    """The parameter of a request that a refusal is about, None if that cannot be told."""
    text = error.message
    if _type(sent) == JSON_OBJECT != _type(meant) and re.search("json|format", text, re.IGNORECASE):
        return FORMAT  # this mode has requirements of its own for the messages
    if error.param is not None:
        parts = [_snake(part) for part in re.split(r"[.\[\]/]", error.param) if part]
        parts = [*parts, *(_CHAT_NAMES[part] for part in parts if part in _CHAT_NAMES)]
        for part in parts:
            if part in sent and part != "model":  # that says who refuses, not what
                return None if part in _KEPT else part
    if not _SAID_SO.search(text):
        return None
    names = sorted((name for name in sent if name not in _KEPT), key=len, reverse=True)
    return next((name for name in names if _speaks_of(text, name)), None)


def _speaks_of(text: str, name: str) -> bool:
    pattern = _ALIASES.get(name, re.escape(name).replace("_", "[ _-]?"))
    if name in _WORDS:
        called = r"(?:parameter|argument|field|property|input|supplied|name)s?"
        patterns = rf"[\"'`]{name}[\"'`]|{called}:? {name}\b|\b{name} {called}\b|\b{name}:"
        return bool(re.search(patterns, text))
    return bool(re.search(rf"(?<![A-Za-z0-9_])(?:{pattern})(?![A-Za-z0-9_])", text, re.IGNORECASE))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip()).lower()


def _typo(name: str) -> str | None:
    """The known parameter that an unknown name may be a typo of."""
    if name in KNOWN:
        return None
    found = difflib.get_close_matches(name, KNOWN, n=1, cutoff=0.8)
    return found[0] if found else None


def _type(body: Mapping[str, Any]) -> str | None:
    given = body.get(FORMAT)
    return str(given.get("type")) if isinstance(given, Mapping) else None


def _less(value: Any, instead: str | None, messages: Any) -> dict[str, Any]:
    """What is sent in place of a response format: less of it, and the schema in words."""
    kind = value.get("type") if isinstance(value, Mapping) else None
    body: dict[str, Any] = {}
    if instead is not None and kind == "json_schema":
        body[FORMAT] = {"type": instead}
    if kind == "json_schema" and isinstance(messages, list):
        schema = (value.get("json_schema") or {}).get("schema") or {}
        body["messages"] = _with_schema(messages, schema)
    return body


def _with_schema(messages: Sequence[Any], schema: Mapping[str, Any]) -> list[Any]:
    """The messages with the schema in the first one, the system's if there is one."""
    asked = (
        "Answer with one JSON object and nothing else. It must follow this JSON Schema:\n"
        + orjson.dumps(schema).decode()
    )
    first = messages[0] if messages else None
    if isinstance(first, Mapping) and first.get("role") in ("system", "developer"):
        content = first.get("content")
        if isinstance(content, str):
            return [{**first, "content": f"{content}\n\n{asked}"}, *messages[1:]]
    return [{"role": "system", "content": asked}, *messages]
