"""Format and schema: the prompt says in which form it wants the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from pex.core import template
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.improvement.proposal import Measured, Proposal, Workbench
from pex.improvement.ways.failures import failing, observations

ALONE = "Reply with the answer alone: no introduction, no explanation, no formatting."
MOST_LABELS = 12
"""More different answers than this are no labels."""
LONGEST_LABEL = 40


class Formats:
    """Saying what form the answer has, as far as the expected answers show it.

    Proposes the answer alone; for labels, the list of them; for numbers, the number alone; for
    objects, JSON with their keys, and a response schema.
    """

    name = "formats"

    def propose(self, parent: Measured, bench: Workbench) -> Iterator[Proposal]:
        """Propose the prompt with a sentence on the form of the answer; nothing if none fails."""
        prompt = parent.prompt
        if not failing(observations(parent, bench), bench):
            return
        for text, schema, why in _forms(bench.train, prompt):
            made = _with(prompt, text, schema)
            if made is not None:
                yield Proposal(made, self.name, prompt.digest, why, made.examples)


def _forms(
    train: Sequence[Case], prompt: Prompt
) -> Iterator[tuple[str, dict[str, Any] | None, str]]:
    expected = [case.expected for case in train if case.expected is not None]
    objects = [value for value in expected if isinstance(value, dict) and value]
    if expected and len(objects) == len(expected):
        yield from _objects(objects, prompt)
        return
    if prompt.response_schema is not None or prompt.params.get("response_format") is not None:
        return  # the form is settled
    labels = _labels(expected)
    numbers = expected and all(_is_number(value) for value in expected)
    if labels:
        listed = ", ".join(labels)
        text = f"Reply with exactly one of these, written the same way: {listed}."
        if listed not in prompt.text:
            yield text, None, f"lists the {len(labels)} labels"
            yield f"{text} {ALONE}", None, f"lists the {len(labels)} labels and asks for one alone"
    elif numbers:
        text = "Reply with the number alone, in digits, without a unit or other text."
        yield text, None, "asks for the number alone"
    if ALONE not in prompt.text:
        yield ALONE, None, "asks for the answer alone"


def _objects(
    objects: Sequence[dict[str, Any]], prompt: Prompt
) -> Iterator[tuple[str, dict[str, Any] | None, str]]:
    keys = list(dict.fromkeys(str(key) for value in objects for key in value))
    text = (
        "Reply with a JSON object alone, without a code block or other text. "
        f"Its keys are: {', '.join(keys)}."
    )
    yield text, None, "asks for JSON with the keys of the expected answers"
    if prompt.response_schema is None and prompt.params.get("response_format") is None:
        schema = _schema(objects, keys)
        if schema is not None:
            yield text, schema, "asks for JSON, with a response schema"


def _schema(objects: Sequence[dict[str, Any]], keys: Sequence[str]) -> dict[str, Any] | None:
    """The schema that all objects follow; None if a key has values of different kinds."""
    properties = {}
    for key in keys:
        kinds = {_kind(value[key]) for value in objects if key in value}
        if len(kinds) != 1 or not (kind := kinds.pop()):
            return None
        properties[key] = {"type": kind}
    required = [key for key in keys if all(key in value for value in objects)]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _kind(value: Any) -> str:
    """The JSON type of a plain value; empty for those that need more than that."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else ""


def _labels(expected: Sequence[Any]) -> list[str]:
    """The labels that the answers are, the most frequent first; empty if they are none.

    Example:
        >>> _labels(["good", "bad", "good", "bad"]), _labels(["Rome", "Paris", "Oslo"])
        (['bad', 'good'], [])
    """
    if not expected or not all(isinstance(value, str | bool) for value in expected):
        return []
    counts = Counter(str(value) for value in expected)
    few = len(counts) <= MOST_LABELS and 2 * len(counts) <= len(expected)
    short = all(len(label) <= LONGEST_LABEL and label.strip() for label in counts)
    return sorted(counts) if few and short and len(counts) > 1 else []


def _is_number(value: Any) -> bool:
    if isinstance(value, int | float):
        return not isinstance(value, bool)
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _with(prompt: Prompt, text: str, schema: dict[str, Any] | None) -> Prompt | None:
    """The prompt with a sentence at the end of its instructions, and perhaps a schema."""
    messages = [dict(message) for message in prompt.messages]
    places = [
        number
        for number, message in enumerate(messages)
        if isinstance(message["content"], str) and not template.only_variable(message["content"])
    ]
    system = [at for at in places if messages[at]["role"] in ("system", "developer")]
    users = [at for at in places if messages[at]["role"] == "user"]
    if not system and not users:
        if any(message["role"] in ("system", "developer") for message in messages):
            return None
        messages.insert(0, {"role": "system", "content": text})
    else:
        at = system[-1] if system else users[-1]
        messages[at] = {**messages[at], "content": f"{messages[at]['content']}\n\n{text}"}
    try:
        changes: dict[str, Any] = {"response_schema": schema} if schema is not None else {}
        return prompt.changed(messages=messages, **changes)
    except PexError:
        return None
