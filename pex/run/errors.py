"""A call that failed: its kind, and what its kind means for this call and for others."""

from __future__ import annotations

import dataclasses
import re

from pex.core.errors import PexError

FATAL = frozenset(
    {"auth", "quota", "unknown_model", "refused_parameter", "certificate", "redirect"}
)
"""Kinds of error that neither a retry nor another case fixes."""

TRANSIENT = frozenset({"rate_limit", "server", "connection", "timeout", "bad_body", "empty"})
"""Kinds of error that are worth another attempt."""

UNBILLED = FATAL | {"rate_limit", "server", "too_long"}
"""Kinds of error for which no provider charges; with the others a call may have to be paid."""

CASE_PARTS = ("messages", "input", "contents", "prompt")
"""The parts of a request that have the case in them."""

BUSY = "busy"
"""In the tables: `server`, and the provider says that it is overloaded."""


class KeyRefusedError(PexError):
    """A provider refuses the key: nothing of it can be called with this one.

    Args:
        provider: its name.
        said: the provider's own words.
        hint: where the key came from.
    """

    def __init__(self, provider: str, said: str, hint: str) -> None:
        super().__init__(f"the provider '{provider}' refuses the key: {said}", hint=hint)
        self.provider, self.said = provider, said


@dataclasses.dataclass(slots=True)
class CallError(Exception):
    """An attempt that failed: its kind, a message, and how long the provider asks to wait.

    `sent` is False if nothing reached the provider, so nothing can be charged; `busy` if the
    provider says that it is overloaded; `begun` if the answer had started, so it may be charged
    whatever the kind. `param` is the parameter that the provider names,
    `raw_body` what came where an answer was expected.
    """

    kind: str
    message: str
    retry_after_s: float | None = None
    sent: bool = True
    busy: bool = False
    begun: bool = False
    param: str | None = None
    raw_body: str | None = None

    @property
    def charged(self) -> bool:
        """Whether the provider may charge for it."""
        return self.sent and (self.begun or self.kind not in UNBILLED)

    @property
    def of_case(self) -> bool:
        """Whether it is about this case: others may well be answered."""
        first = re.split(r"[.\[/]", self.param or "", maxsplit=1)[0]
        return self.kind == "refused_parameter" and first in CASE_PARTS


def of_kind(kind: str, message: str, *, begun: bool = False) -> CallError:
    """An error with a kind of the tables."""
    if kind == BUSY:
        return CallError("server", message, busy=True, begun=begun)
    return CallError(kind, message, begun=begun)
