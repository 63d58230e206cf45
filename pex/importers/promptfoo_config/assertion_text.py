"""Expected values as the columns `__expected` of a table have them: `contains-any: a, b`."""

from __future__ import annotations

import re
from typing import Any

TYPES = (
    "answer-relevance", "bleu", "classifier", "contains", "contains-all", "contains-any",
    "contains-html", "contains-json", "contains-sql", "contains-xml", "context-faithfulness",
    "context-recall", "context-relevance", "conversation-relevance", "cost", "ends-with", "equals",
    "factuality", "finish-reason", "g-eval", "gleu", "guardrails", "icontains", "icontains-all",
    "icontains-any", "is-html", "is-json", "is-refusal", "is-sql", "is-valid-function-call",
    "is-valid-openai-function-call", "is-valid-openai-tools-call", "is-xml", "javascript",
    "latency", "levenshtein", "llm-rubric", "pi", "meteor", "model-graded-closedqa",
    "model-graded-factuality", "moderation", "perplexity", "perplexity-score", "python", "regex",
    "rouge-n", "ruby", "search-rubric", "similar", "starts-with", "tool-call-f1",
    "trace-error-spans", "trace-span-count", "trace-span-duration", "webhook", "word-count",
)  # fmt: skip
_TYPED = re.compile(
    r"(not-)?(" + "|".join(sorted(TYPES, key=len, reverse=True)) + r")"
    r"(?:\((\d+(?:\.\d+)?)\))?(?::([\s\S]*))?"
)
_LISTS = ("contains-all", "contains-any", "icontains-all", "icontains-any")
_WITH_THRESHOLD = (
    "answer-relevance", "classifier", "context-faithfulness", "context-recall", "context-relevance",
    "cost", "latency", "levenshtein", "perplexity-score", "perplexity", "rouge-n", "similar",
    "starts-with",
)  # fmt: skip
_DEFAULT_THRESHOLD = {"similar": 0.8}


def assertion_from_text(text: str) -> dict[str, Any]:
    """An assertion as a table writes it: `type(threshold): value`; without a type, `equals`.

    Example:
        >>> assertion_from_text("Paris")
        {'type': 'equals', 'value': 'Paris'}
        >>> assertion_from_text("not-icontains-any: a, b")
        {'type': 'not-icontains-any', 'value': ['a', 'b']}
        >>> assertion_from_text("similar(0.9): Hi")
        {'type': 'similar', 'value': 'Hi', 'threshold': 0.9}
        >>> assertion_from_text("fn:output.length > 3")["type"]
        'javascript'
    """
    for prefix, kind in (
        ("javascript:", "javascript"),
        ("fn:", "javascript"),
        ("eval:", "javascript"),
        ("python:", "python"),
        ("grade:", "llm-rubric"),
        ("llm-rubric:", "llm-rubric"),
    ):
        if text.startswith(prefix):
            return {"type": kind, "value": text.removeprefix(prefix).strip()}
    if re.match(r"file://.*\.(py|[cm]?js|[cm]?ts)(:|$)", text):
        return {"type": "python" if ".py" in text else "javascript", "value": text}
    found = _TYPED.fullmatch(text)
    if found is None:
        return {"type": "equals", "value": text}
    negated, kind, threshold, value = found.groups()
    assertion: dict[str, Any] = {"type": f"{negated or ''}{kind}"}
    if kind in _LISTS:
        assertion["value"] = [part.strip() for part in (value or "").split(",")]
    elif value is not None:
        assertion["value"] = value.strip()
    if kind in _WITH_THRESHOLD:
        default = _DEFAULT_THRESHOLD.get(kind, 0.75)
        assertion["threshold"] = float(threshold) if threshold else default
    return assertion
