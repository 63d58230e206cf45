"""Secrets and payment data in a text: what should be in no prompt, journal or log."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pex.guard.findings import MOST_LISTED, Finding
from pex.guard.policy import PolicyOptions

if TYPE_CHECKING:
    from pex.guard.known_keys import Known

_PLACEHOLDER = re.compile(
    r"example|placeholder|your[-_ ]|changeme|change[-_]me|dummy|redacted|insert|replace|x{4,}"
    r"|\*{3,}|\.{3}|…|[<>{}]|(?:token|key|secret|password)[-_]?here|([0-9a-z])\1{5,}",
    re.I,
)
"""What stands in place of a secret in examples."""


def find_secrets(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """Keys and passwords, by their shapes and by the values of key variables; nothing is sent.

    What is shown has the secret masked.
    """
    from pex.guard.key_shapes import MASK
    from pex.guard.scan import KNOWN, secret_spans

    for kind, start, end in secret_spans(text, _known(int(time.monotonic()))):
        if kind != KNOWN and _PLACEHOLDER.search(text, start, end):
            continue
        yield Finding("secrets", start, end, "flag", kind, MASK, "", MASK)


@functools.lru_cache(maxsize=1)
def _known(second: int) -> Known:
    """The values of key variables, read once in a second: it takes as long as all other rules."""
    from pex.guard.redact import known

    return known()


def find_payment_data(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """Numbers of cards and bank accounts whose checksums are right."""
    from pex.guard.personal import payment_data

    for found in payment_data(text, MOST_LISTED + 1):
        yield Finding(
            "payment-data", found.start, found.end, "flag", found.kind, found.masked, "",
            _mask(found.kind),
        )  # fmt: skip


def without_payment_data(text: str) -> str:
    """The text without any number that is as long as that of a card or a bank account."""
    from pex.guard import personal

    return personal.without_payment_data(text, _mask)


def _mask(kind: str) -> str:
    return f"[{kind}]"
