"""Finds keys and other secrets in a text or in JSON before it leaves the machine.

Nothing is changed: a finding names the place, and whoever is about to write or send decides. The
rules are those of `redact`: known values in every form, and the shapes of keys. Pictures and sound
in data URLs are skipped, because any letters can occur in them by chance; hashes, UUIDs and ids
are not keys.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import re
from collections.abc import Iterator
from typing import Any

from pex.guard import key_shapes, printed_output
from pex.guard.key_shapes import MASK
from pex.guard.known_keys import Known
from pex.guard.redact import known

KNOWN = "value of a key variable"
"""The kind of a finding whose value is known: from the environment, a header, a login."""
NAMED = "value of a secret setting"
"""The kind of a finding whose name says that it is a secret: `password: s3cr3tv4lue`."""

_DATA_URL = re.compile(
    r"data:(?:image|audio|video|font)/[a-z0-9.+-]{1,60}(?:;[a-z0-9=_-]{1,60}){0,4};base64,"
    r"([A-Za-z0-9+/=_%-]+)",
    re.IGNORECASE,
)
_EXAMPLE_LOGIN = re.compile(
    r"(?:user(?:name)?|me|login)(?::(?:pass(?:word|wd)?|pw|secret))?", re.IGNORECASE
)
_URL_SAFE = re.compile(r"[A-Za-z0-9._~%+/=@:,-]+")
_ATTRIBUTE = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*(?:\.[A-Za-z_$][A-Za-z0-9_$]*)+")
_ADDRESS_LENGTH = 2000
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BEFORE, _AFTER = 30, 20
"""Characters of the line that an excerpt shows around a secret."""


@dataclasses.dataclass(frozen=True, slots=True)
class FoundSecret:
    """A secret in a text.

    Attributes:
        rule: the kind of secret, in words.
        line: its line, from 1; in JSON, within the string.
        column: its column, from 1.
        excerpt: its surroundings, with the secret masked.
        path: in JSON, the place of the string, for example `$.cases[3].input`; else empty.
    """

    rule: str
    line: int
    column: int
    excerpt: str
    path: str = ""

    @property
    def place(self) -> str:
        """Where it is, in words.

        Example:
            >>> FoundSecret("private key", 3, 7, "[redacted]", "$.note").place
            '$.note, line 3, column 7'
        """
        where = f"line {self.line}, column {self.column}"
        return f"{self.path}, {where}" if self.path else where

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}: {self.excerpt}"


def scan(text: str, values: Known | None = None) -> list[FoundSecret]:
    """Find the secrets in a text, in order.

    Args:
        text: any text: prose, code, HTML, JSON.
        values: known values, from `redact.known()`, for a caller with many texts.

    Example:
        >>> [finding] = scan("url: https://host/v1?api_key=a1b2c3d4")
        >>> print(finding)
        line 1, column 30: key in an address: url: https://host/v1?api_key=[redacted]
        >>> scan("sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
        []
    """
    found = secret_spans(text, known() if values is None else values)
    if not found:
        return []
    breaks = [-1, *(match.start() for match in re.finditer("\n", text)), len(text)]
    ends = [0, *(end for _, _, end in found)]
    starts = [*(start for _, start, _ in found), len(text)]
    findings = []
    for number, (rule, start, end) in enumerate(found):
        line = bisect.bisect_left(breaks, start)
        # Neither side of an excerpt reaches into another secret.
        first = max(breaks[line - 1] + 1, start - _BEFORE, ends[number])
        last_break = breaks[bisect.bisect_left(breaks, end)]
        last = max(end, min(last_break, end + _AFTER, starts[number + 1]))
        excerpt = f"{text[first:start]}{MASK}{text[end:last]}".strip()
        findings.append(FoundSecret(rule, line, start - breaks[line - 1], excerpt))
    return findings


def scan_json(
    data: Any, values: Known | None = None, clean: set[str] | None = None
) -> list[FoundSecret]:
    """Find the secrets in the names and strings of JSON-like data.

    Here the name of a value counts too: `{"password": "s3cr3tv4lue"}` has a secret.

    Args:
        data: dicts, lists, tuples, strings, numbers; anything else is skipped.
        values: known values, from `redact.known()`.
        clean: strings without a secret, for a caller with many documents: it grows.

    Example:
        >>> [finding] = scan_json({"steps": [{"auth": {"password": "s3cr3tv4lue"}}]})
        >>> finding.path, finding.rule, finding.excerpt
        ('$.steps[0].auth.password', 'value of a secret setting', '[redacted]')
    """
    ready = known() if values is None else values
    found: list[FoundSecret] = []
    clean = set() if clean is None else clean  # the same string often occurs many times
    for path, name, text in _strings(data):
        if text not in clean:
            there = scan(text, ready)
            if there:
                # A name can be the secret itself.
                safe = key_shapes.redact_shapes(ready.masked(path))
                found += [dataclasses.replace(item, path=safe) for item in there]
                continue
            clean.add(text)
        if name and key_shapes.names_a_secret(name) and key_shapes.looks_random(text):
            found.append(FoundSecret(NAMED, 1, 1, MASK, path))
    return found


def secret_spans(text: str, values: Known) -> list[tuple[str, int, int]]:
    """The secrets of a text: kind, start, end; in order, without overlaps."""
    shown = _without_pictures(text)
    spans = [(KNOWN, start, end) for start, end in printed_output.find(shown, values)]
    spans += [span for span in key_shapes.find_shapes(shown) if not _is_code(shown, *span)]
    return _merged(spans)


def plain_spans(text: str, values: Known, shown: str | None = None) -> list[tuple[str, int, int]]:
    """The secrets of a text that stand in it without a break: kind, start, end.

    Whether there is one at a place depends on no more than what is around it, so a text that
    arrives in pieces can be read as it comes.

    Args:
        text: any text.
        values: known values, from `redact.known()`.
        shown: of the same length, where shapes of keys are looked for; None: in the text itself.
    """
    shown = text if shown is None else shown
    spans = [(KNOWN, start, end) for start, end in values.spans(text)]
    spans += [span for span in key_shapes.find_shapes(shown) if not _is_code(shown, *span)]
    return _merged(spans)


def _merged(spans: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    spans.sort(key=lambda span: (span[1], -span[2]))
    merged: list[tuple[str, int, int]] = []
    for rule, start, end in spans:
        if merged and start < merged[-1][2]:
            kind, first, last = merged[-1]
            merged[-1] = (KNOWN if rule == KNOWN else kind, first, max(last, end))
        else:
            merged.append((rule, start, end))
    return merged


def _is_code(text: str, rule: str, start: int, end: int) -> bool:
    """Whether this is source code or an example that only has the shape of a secret.

    `redact` errs on the side of taking too much out; here a false alarm stops people's work.
    """
    value = text[start:end]
    if rule == "login in an address":
        return _EXAMPLE_LOGIN.fullmatch(value) is not None
    if rule == "key in an address":  # `;` and `?` also come before an assignment in JavaScript
        before = text[max(0, start - _ADDRESS_LENGTH) : start]
        plain = _URL_SAFE.fullmatch(value) is not None
        return not plain or not ("://" in before.split()[-1] or key_shapes.looks_random(value))
    if rule == NAMED:
        if text.startswith("(", end) or value.startswith("\\"):  # a call; an escaped letter
            return True
        return text[start - 1] not in "\"'" and _ATTRIBUTE.fullmatch(value) is not None
    return False


def _without_pictures(text: str) -> str:
    """The text with spaces instead of the bytes in data URLs: every position stays the same."""
    if ";base64," not in text:
        return text
    return _DATA_URL.sub(
        lambda found: found[0][: found.start(1) - found.start()] + " " * len(found[1]), text
    )


def _strings(data: Any) -> Iterator[tuple[str, str, str]]:
    """Every string with its path and the name that it has; a name itself has none.

    Not recursive: data from elsewhere can be nested deeper than Python's stack.
    """
    waiting: list[tuple[str, str, Any]] = [("$", "", data)]
    while waiting:
        path, name, value = waiting.pop()
        if isinstance(value, str):
            yield path, name, value
        elif isinstance(value, dict):
            inside: list[tuple[str, str, Any]] = []
            for key, item in value.items():
                below = f"{path}{_step(str(key))}"
                inside += [(below, "", str(key)), (below, str(key), item)]
            waiting += reversed(inside)
        elif isinstance(value, list | tuple):
            # The items of a list have the list's name: {"tokens": ["…", "…"]}.
            steps = zip(itertools.count(), value, strict=False)
            waiting += reversed([(f"{path}[{at}]", name, item) for at, item in steps])


def _step(key: str) -> str:
    return f".{key}" if _PLAIN_NAME.fullmatch(key) else f"[{key!r}]"
