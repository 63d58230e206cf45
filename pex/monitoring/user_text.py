"""What a user said in a trace, apart from the prompt around it.

What is sent to a model is the user's text within a prompt. Whoever compares users over time must
not see a changed prompt as changed users, so the user's part is taken from what the application
was given: the inputs of the outermost span, which are the prompt's variables where the trace is
linked to a prompt. Only where that span says nothing, or is the call of the model itself, it is the
last user message that was sent. Nothing of this depends on how the prompt is worded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pex.monitoring.spans import GIVEN, StoredSpan, messages_of, root_of, text_of

_DEEPEST = 6
_USERS, _PROMPTS = ("user", "human"), ("system", "developer")
_LABELS = frozenset({
    "id", "user", "username", "email", "session", "role", "type", "model", "language", "lang",
    "locale", "metadata", "tags", "config", "system", "system_prompt", "instructions", "template",
    "prompt_template",
})  # fmt: skip
"""Names of inputs that are about a request, or are the prompt: never what the user said."""
_NO_TEXT = re.compile(r"data:[\w/+.-]*[;,]|<.* at 0x[0-9a-f]+>$")
"""An image or a file, and an object of Python that was passed along."""


def user_text(spans: Sequence[StoredSpan]) -> str | None:
    r"""What the user said; None if the trace does not say.

    Several texts, such as a title and a review, are joined by line breaks.

    Args:
        spans: those of one trace, in the order in which they began.

    Example:
        >>> root = StoredSpan("answer", None, "CHAIN", "OK", {
        ...     "mlflow.spanInputs": {"review": "Nice.", "user_id": "u-7"}})
        >>> sent = {"messages": [{"role": "user", "content": "Is this positive?\nNice."}]}
        >>> call = StoredSpan("chat", "answer", "CHAT_MODEL", "OK", {"mlflow.spanInputs": sent})
        >>> user_text([root, call]), user_text([call])
        ('Nice.', 'Is this positive?\nNice.')
    """
    root = root_of(spans)
    if root is None:
        return None
    messages = messages_of(spans)
    given = root.first(GIVEN)
    if not root.is_call:
        prompts = {text_of(item) for item in messages if item.get("role") in _PROMPTS}
        texts = [text for text in _texts_in(given) if text not in prompts]
        if texts:
            return "\n".join(texts)
    return _last_said(messages) or text_of(given) or None


def _texts_in(value: Any, depth: int = 0) -> list[str]:
    """The texts of a user within inputs of any shape: the outermost ones."""
    if isinstance(value, str):
        return [value] if value.strip() and not _NO_TEXT.match(value) else []
    if depth == _DEEPEST:
        return []
    if isinstance(value, list):
        said = _last_said(value)
        return [said] if said else [text for item in value for text in _texts_in(item, depth + 1)]
    if not isinstance(value, dict):
        return []
    for name in ("messages", "inputs"):
        if isinstance(value.get(name), list | dict):
            return _texts_in(value[name], depth + 1)
    parts = [part for name, part in value.items() if not _is_label(str(name))]
    texts = [text for part in parts if isinstance(part, str) for text in _texts_in(part)]
    return texts or [text for part in parts for text in _texts_in(part, depth + 1)]


def _is_label(name: str) -> bool:
    return name.lower() in _LABELS or name.lower().endswith(("_id", "-id", ".id"))


def _last_said(messages: Sequence[Any]) -> str | None:
    """The text of the last user message; None if these are not messages, or none has a text."""
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role", message.get("type")) in _USERS:
            text = text_of(message)
            if text:
                return text
    return None
