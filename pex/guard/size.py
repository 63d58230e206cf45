"""Too much of a text: its length, and one piece repeated until nothing else fits."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from pex.guard.findings import Finding, visible
from pex.guard.policy import PolicyOptions

_BLOCK, _LEAST = 1000, 500
_RATIO, _SHARE = 0.08, 0.5


def find_size(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """More characters than the policy allows."""
    if len(text) > policy.most_characters:
        yield Finding(
            "size", policy.most_characters, len(text), "flag",
            f"{len(text):,} characters; the policy allows {policy.most_characters:,}",
        )  # fmt: skip


def find_repetition(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """A text of which half or more is one piece repeated: its blocks compress to almost nothing."""
    if len(text) < _LEAST:
        return
    spans: list[list[int]] = []
    total = 0
    for start in range(0, len(text), _BLOCK):
        block = text[start : start + _BLOCK]
        data = block.encode("utf-8", "replace")
        if len(block) < _LEAST or len(zlib.compress(data, 1)) > _RATIO * len(data):
            continue
        total += len(block)
        if spans and spans[-1][1] == start:
            spans[-1][1] = start + len(block)
        else:
            spans.append([start, start + len(block)])
    if total >= _SHARE * len(text):
        for start, end in spans:
            yield Finding(
                "repetition", start, end, "flag",
                f"{end - start:,} characters that repeat one piece", visible(text[start:end]),
            )  # fmt: skip
