"""What may not leave the machine: secrets stop an export, personal data is hidden or counted."""

from __future__ import annotations

import collections
import re
from collections.abc import Callable
from typing import Any, Literal, get_args

from pex.core.errors import PexError
from pex.guard.personal import personal_data
from pex.guard.redact import known
from pex.guard.scan import scan

Personal = Literal["hide", "keep", "refuse"]
PERSONAL: tuple[Personal, ...] = get_args(Personal)
_MAY_BE = re.compile(r"@|[0-9](?:[^0-9\n]{0,3}[0-9]){5}")
"""An address has an @, and numbers of people have six digits: other texts need no closer look."""
_MOST_SHOWN = 5
_MOST_KEPT, _LONGEST_KEPT = 10_000, 4_000


class RowCleaner:
    """Looks at every string of a row that is to be written.

    Args:
        personal: what is done about what looks like a person's data: `hide` replaces it with
            placeholders, the same one for the same data throughout the export; `keep` counts it;
            `refuse` stops the export.

    Example:
        >>> cleaner = RowCleaner("hide")
        >>> cleaner.clean({"content": "Write to ada@firm.org, not to ada@firm.org!"}, "r1")
        {'content': 'Write to [e-mail address 1], not to [e-mail address 1]!'}
        >>> dict(cleaner.counts)
        {'e-mail address': 2}
    """

    def __init__(self, personal: Personal) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        """The places that look like personal data, by kind."""
        self.rows = 0
        """Rows that have any."""
        self._personal = personal
        self._known = known()
        self._placeholders: dict[tuple[str, str], str] = {}
        self._numbers: collections.Counter[str] = collections.Counter()
        self._refused: list[str] = []
        self._clean: set[str] = set()
        self._case = ""

    def clean(self, row: dict[str, Any], case_id: str) -> dict[str, Any]:
        """The row as it may be written.

        Args:
            row: the row.
            case_id: its case, for messages.

        Raises:
            PexError: it has a secret.
        """
        before, self._case = self.counts.total(), case_id
        cleaned: dict[str, Any] = _mapped(row, self._text)
        if self.counts.total() > before:
            self.rows += 1
            if self._personal == "refuse" and len(self._refused) < _MOST_SHOWN:
                self._refused.append(case_id)
        return cleaned

    def end(self) -> None:
        """Stop the export if personal data is refused and there was some.

        Raises:
            PexError: there was some.
        """
        if self._refused:
            shown = ", ".join(f"'{case_id}'" for case_id in self._refused)
            more = " and others" if self.rows > len(self._refused) else ""
            raise PexError(
                f"{self.rows:,} rows look as if they had personal data: cases {shown}{more}",
                hint="nothing was exported; --personal hide replaces it with placeholders",
            )

    def _text(self, text: str) -> str:
        if text in self._clean:
            return text
        self._check(text)
        if not _MAY_BE.search(text):
            # System messages, roles and labels come again with every row.
            if len(text) <= _LONGEST_KEPT and len(self._clean) < _MOST_KEPT:
                self._clean.add(text)
            return text
        if text.startswith("data:"):
            return text
        found = personal_data(text)
        for item in found:
            self.counts[item.kind] += 1
        if not found or self._personal != "hide":
            return text
        parts, end = [], 0
        for item in found:
            parts += [
                text[end : item.start],
                self._placeholder(item.kind, text[item.start : item.end]),
            ]
            end = item.end
        return "".join([*parts, text[end:]])

    def _check(self, text: str) -> None:
        secrets = scan(text, self._known)
        if secrets:
            raise PexError(
                f"case '{self._case}' has a secret ({secrets[0].rule}) in {secrets[0].place}: "
                f"{secrets[0].excerpt}",
                hint="nothing was exported; take it out of the case, and change the secret: a "
                "trained model can repeat it",
            )

    def _placeholder(self, kind: str, value: str) -> str:
        key = kind, re.sub(r"[\s().-]+", "", value).casefold() if "@" not in value else value
        if key not in self._placeholders:
            self._numbers[kind] += 1
            self._placeholders[key] = f"[{kind} {self._numbers[kind]}]"
        return self._placeholders[key]


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """A value with every string changed; keys stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(inner, change) for key, inner in value.items()}
    return [_mapped(inner, change) for inner in value] if isinstance(value, list) else value
