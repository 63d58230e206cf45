"""promptfoo's assertions as scorers: what each of them checks, with what it expects."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pex.core.errors import PexError
from pex.core.yamltext import load_yaml
from pex.importers.promptfoo_config.nunjucks import NotCarriedOverError, fill
from pex.importers.promptfoo_config.patterns import (
    all_of,
    any_of,
    from_javascript,
    not_containing,
)
from pex.importers.promptfoo_config.sources import SCHEME, LeftOutError, Sources
from pex.score.structured import follows

CODE = ("javascript", "python", "ruby", "webhook")
RUBRICS = {
    "llm-rubric": "rubric",
    "model-graded-closedqa": "rubric",
    "g-eval": "rubric",
    "factuality": "facts",
    "model-graded-factuality": "facts",
    "similar": "meaning",
}
"""What a judge is asked, by the assertion."""
_OTHERS = {
    "cost": "the cost of every answer is in its results; budget_usd caps a run",
    "moderation": "it calls a service; pex's scorers leaked_data and links need none",
    "is-refusal": "write a judge, for example 'Does the answer refuse?'",
    "answer-relevance": "write a judge that sees the question and {{ output }}",
    "human": "rate by hand: pexlab rate, or pex.Rating",
    "select-best": "it compares variants: pex.compare does, or a judge with a baseline",
    "max-score": "it compares variants: the table of results does",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One check of one case.

    `options` are those of the scorer without what it expects; `value` is that, None if it needs
    none. `constant` is the option that holds a value which is the same for all cases, empty if it
    has none. With `joins`, several values of a case are one list. `rubric` and `grader` are a
    judge's. `partly` is a pattern for the same where only some cases are checked.
    """

    name: str
    options: Mapping[str, Any]
    value: Any = None
    constant: str = ""
    joins: bool = False
    rubric: str = ""
    grader: Any = None
    said: str = ""
    partly: str = ""


def check_of(
    given: Mapping[str, Any], values: Mapping[str, Any], where: str, sources: Sources
) -> Check:
    """One assertion of a test as a check.

    Args:
        given: the assertion.
        values: the test's variables, which its value can refer to.
        where: its place, for notes.
        sources: the files it may name.

    Raises:
        LeftOutError: pex cannot say it, and why.
    """
    kind = str(given.get("type") or "")
    negated, base = kind.startswith("not-"), kind.removeprefix("not-")
    if base in CODE:
        raise LeftOutError(
            f"{base}: code is never run; write it as a function and add scorers: [module:function]"
        )
    value = given.get("value")
    if isinstance(value, str) and value.startswith(SCHEME):
        value = _from_file(value, base, sources)
    else:
        value = _filled(value, values)
    if given.get("transform"):
        raise LeftOutError(f"{base} of a transformed answer: transform is code, which is never run")
    name = str(given.get("metric") or "") or kind
    make = _MAKERS.get(base)
    if make is None and base not in RUBRICS:
        why = _OTHERS.get(base, "pex has no scorer like it")
        raise LeftOutError(f"{kind or 'an assertion without a type'}: {why}")
    if base in RUBRICS:
        return _judged(base, negated, value, name, given)
    assert make is not None
    check = make(value, negated, given)
    return dataclasses.replace(check, name=fill_name(name, values))


def fill_name(name: str, values: Mapping[str, Any]) -> str:
    """A metric's name, with variables filled in as far as possible."""
    try:
        return fill(name, values) or name
    except NotCarriedOverError:
        return name


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    try:
        if isinstance(value, str):
            return fill(value, values)
        if isinstance(value, list):
            return [fill(item, values) if isinstance(item, str) else item for item in value]
    except NotCarriedOverError as error:
        raise LeftOutError(f"its value: {error}") from None
    return value


def _from_file(reference: str, base: str, sources: Sources) -> Any:
    from pex.core.textfile import read_text

    file = sources.path(reference)
    if file.suffix.lower() in (".json", ".yaml", ".yml"):
        return sources.data(file)
    try:
        return read_text(file, "value").strip()
    except PexError as error:
        raise LeftOutError(error.message) from None


def _equals(value: Any, negated: bool, given: Mapping[str, Any]) -> Check:
    if isinstance(value, dict | list):
        if negated:
            raise LeftOutError("not-equals of a value in JSON")
        options = {"kind": "json"}
        return Check("", options, {"const": value}, "schema", said="compares the answer's JSON")
    text = _text(value)
    if negated:
        return _pattern(rf"\A(?!{re.escape(text)}\Z)")
    if not text:
        return _pattern(r"\A\Z")  # an empty column is none
    return Check("", {"kind": "exact", "strip": False}, text)


def _contains(ignore_case: bool) -> Callable[[Any, bool, Mapping[str, Any]], Check]:
    def make(value: Any, negated: bool, given: Mapping[str, Any]) -> Check:
        text = _text(value)
        if not text:
            raise LeftOutError("it has no value")
        if negated:
            return _pattern(not_containing(re.escape(text)), ignore_case)
        return Check("", _containing(ignore_case), [text], "value", joins=True)

    return make


def _contains_some(every: bool, ignore_case: bool) -> Callable[..., Check]:
    def make(value: Any, negated: bool, given: Mapping[str, Any]) -> Check:
        # Only contains-any reads quotation marks in a text with commas.
        quoted = isinstance(value, list) or not (every or ignore_case)
        texts = _texts(value) if quoted else [part.strip() for part in _text(value).split(",")]
        if not texts or not all(texts):
            raise LeftOutError("an empty text, which every answer contains")
        if every and not negated:
            return Check("", _containing(ignore_case), texts, "value", joins=True)
        if every:
            return _pattern(rf"\A(?!{all_of(texts)})", ignore_case)
        found = any_of(texts)
        return _pattern(not_containing(found) if negated else found, ignore_case)

    return make


def _containing(ignore_case: bool) -> dict[str, Any]:
    return {"kind": "contains", "ignore_case": ignore_case}


def _regex(value: Any, negated: bool, given: Mapping[str, Any]) -> Check:
    if not _text(value):
        raise LeftOutError("it has no value")
    found = from_javascript(_text(value))
    return _pattern(not_containing(found) if negated else found)


def _edge(start: bool) -> Callable[[Any, bool, Mapping[str, Any]], Check]:
    def make(value: Any, negated: bool, given: Mapping[str, Any]) -> Check:
        text = re.escape(_text(value))
        if not text:
            raise LeftOutError("it has no value")
        found = rf"\A{text}" if start else rf"{text}\Z"
        return _pattern(not_containing(found) if negated else found)

    return make


def _pattern(pattern: str, ignore_case: bool = False) -> Check:
    options: dict[str, Any] = {"kind": "regex"}
    if ignore_case:
        options["ignore_case"] = True
    return Check("", options, pattern, "pattern")


def _json(value: Any, negated: bool, given: Mapping[str, Any]) -> Check:
    if negated:
        raise LeftOutError("an answer that must not be JSON")
    if isinstance(value, str) and value.strip():
        try:
            value = load_yaml(value, "schema").data
        except PexError as error:
            raise LeftOutError(f"its schema: {error.message}") from None
    schema = value or {}
    if not isinstance(schema, dict):
        raise LeftOutError("its schema is not an object")
    try:
        follows(schema)
    except PexError as error:
        raise LeftOutError(f"its schema: {error.message}") from None
    fence = "JSON in one code fence counts as well"
    return Check("", {"kind": "json"}, schema, "schema", said=fence)


def _levenshtein(value: Any, negated: bool, given: Mapping[str, Any]) -> Check:
    if negated or not _text(value):
        raise LeftOutError("not-levenshtein" if negated else "it has no value")
    said = "is the scorer similarity, 0 to 1; its threshold is left out, so it does not fail"
    return Check("", {"kind": "similarity"}, _text(value), said=said)


def _latency(value: Any, negated: bool, given: Mapping[str, Any]) -> Check:
    limit = number_of(given.get("threshold"))
    if limit is None or limit <= 0 or negated:
        raise LeftOutError("it has no threshold in milliseconds")
    return Check("", {"kind": "latency", "max_s": limit / 1000})


def _words(value: Any, negated: bool, given: Mapping[str, Any]) -> Check:
    exact = number_of(value)
    ends = value if isinstance(value, dict) else {"min": exact, "max": exact}
    low, high = number_of(ends.get("min")), number_of(ends.get("max"))
    if negated or (low is None and high is None):
        raise LeftOutError("it has neither a minimum nor a maximum")
    named = {"min_words": low, "max_words": high}
    options = {key: int(number) for key, number in named.items() if number is not None}
    most = "" if high is None else str(max(int(high) - 1, 0))
    words = rf"\A\s*(?:\S+\s+){{{max(int(low or 0) - 1, 0)},{most}}}\S+\s*\Z"
    return Check("", {"kind": "length", **options}, partly=words)


def _judged(base: str, negated: bool, value: Any, name: str, given: Mapping[str, Any]) -> Check:
    texts = _texts(value) if isinstance(value, list) else [_text(value)]
    text = "\n".join(f"- {item}" for item in texts) if len(texts) > 1 else texts[0]
    if not text.strip():
        raise LeftOutError("it has no value")
    said = "a judge says yes or no; it asks with pex's own prompt, in judges/"
    if given.get("threshold") is not None:
        said += ", without the threshold"
    rubric = f"not-{RUBRICS[base]}" if negated else RUBRICS[base]
    return Check(name, {}, text, "rubric", rubric=rubric, grader=given.get("provider"), said=said)


_MAKERS: dict[str, Callable[[Any, bool, Mapping[str, Any]], Check]] = {
    "equals": _equals,
    "contains": _contains(ignore_case=False),
    "icontains": _contains(ignore_case=True),
    "contains-all": _contains_some(every=True, ignore_case=False),
    "icontains-all": _contains_some(every=True, ignore_case=True),
    "contains-any": _contains_some(every=False, ignore_case=False),
    "icontains-any": _contains_some(every=False, ignore_case=True),
    "regex": _regex,
    "starts-with": _edge(start=True),
    "ends-with": _edge(start=False),
    "is-json": _json,
    "contains-json": _json,
    "levenshtein": _levenshtein,
    "latency": _latency,
    "word-count": _words,
}


def _text(value: Any) -> str:
    """A value as JavaScript writes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _texts(value: Any) -> list[str]:
    """Several texts: a list, or one text with commas, in which quotation marks hold parts."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    parts: Sequence[str] = re.findall(r'(?:".*?"|[^,]+)(?=\s*,|\s*$)', _text(value))
    return [re.sub(r'^"|"$', "", part.strip()) for part in parts]


def number_of(value: Any) -> float | None:
    """A number, also as text; None if it is none.

    Example:
        >>> number_of("0.5"), number_of("x"), number_of(True)
        (0.5, None, None)
    """
    if isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
