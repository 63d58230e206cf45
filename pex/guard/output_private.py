"""Secrets and personal data in an answer that nobody gave to the model."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from pex.guard.findings import Finding
from pex.guard.key_shapes import MASK
from pex.guard.output_context import OutputContext, OutputPolicy
from pex.guard.output_letters import folded
from pex.guard.output_window import Window
from pex.guard.personal import personal_data
from pex.guard.redact import known
from pex.guard.scan import plain_spans

_NUMBERS = re.compile(r"[0-9()+./,:# \u00a0\u202f-]*")
_NO_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uac00-\ud7a3"
    "\uf900-\ufaff\uff00-\uffef]"
)
_LONG_NUMBER = re.compile(r"\d(?:[ ()./-]{0,4}\d){40,}+")
_DIGIT = re.compile(r"[0-9(+]")
_ACCOUNT = re.compile(r"(?<![^\W_])[A-Za-z]{2}[0-9]{2}[A-Za-z0-9 ]{0,42}\Z")
_PRIVATE_KEY = "-----BEGIN"
_KEY_END = re.compile(r"-----END (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY-----")
_LONGEST_KEY = 8200


@functools.lru_cache(maxsize=64)
def _had(texts: tuple[str, ...]) -> str:
    return "\n".join(map(folded, texts))


def find_leaked_secrets(
    window: Window, context: OutputContext, policy: OutputPolicy
) -> Iterator[Finding]:
    """Keys and passwords, but those that the user or a document sent; nothing is sent anywhere.

    A secret of the instructions is never to be said.
    """
    for kind, start, end in plain_spans(window.text, known(), _with_breaks(window.text)):
        if start < window.start or folded(window.text[start:end]) in _had(tuple(context.inputs)):
            continue
        yield Finding("leaked-secrets", start, end, "flag", kind, MASK, "", MASK)


def hold_leaked_secrets(window: Window, context: OutputContext, policy: OutputPolicy) -> int:
    """From where on a private key may go on; other secrets have no spaces."""
    text, end = window.text, len(window.text)
    at = max(window.start, end - _LONGEST_KEY)
    while (begin := text.find(_PRIVATE_KEY, at)) >= 0:
        match = _KEY_END.search(text, begin)
        if match is None:
            return begin
        at = match.end()
    return end


def find_leaked_personal_data(
    window: Window, context: OutputContext, policy: OutputPolicy
) -> Iterator[Finding]:
    """Mail addresses, telephone, card and account numbers that the context does not have."""
    texts = (context.system, *context.inputs) if policy.own_personal_data else ()
    text = _with_breaks(window.text)
    for item in personal_data(_without_long_numbers(text), longest=None):
        if item.start < window.start:
            continue
        if texts and folded(window.text[item.start : item.end]) in _had(texts):
            continue
        yield Finding(
            "leaked-personal-data", item.start, item.end, "flag", item.kind, item.masked, "",
            f"[{item.kind}]",
        )  # fmt: skip


def hold_leaked_personal_data(window: Window, context: OutputContext, policy: OutputPolicy) -> int:
    """From where on a number of several groups may go on."""
    end = len(window.text)
    tail = _NUMBERS.match(window.text[window.start :][::-1])
    first = end - (tail.end() if tail else 0)
    digit = _DIGIT.search(window.text, first)
    account = _ACCOUNT.search(window.text, max(window.start, end - 50))
    return min(digit.start() if digit else end, account.start() if account else end)


def _with_breaks(text: str) -> str:
    """The text with breaks in place of scripts without spaces: no key or address goes on there."""
    return text if text.isascii() else _NO_SPACES.sub("|", text)


def _without_long_numbers(text: str) -> str:
    """The text without numbers of so many digits that they are nobody's."""
    return _LONG_NUMBER.sub(lambda match: "|" * len(match[0]), text)
