"""What may not leave the machine: secrets stop an export, personal data is hidden or counted."""

from __future__ import annotations

import collections
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from pex.core.errors import PexError
from pex.guard.placeholders import LABELS, Placeholders, hide_in
from pex.guard.redact import known as known_secrets
from pex.guard.scan import scan

Personal = Literal["hide", "keep", "refuse"]
PERSONAL: tuple[Personal, ...] = get_args(Personal)
_MAY_BE = re.compile(r"@|\d(?:[^\d\n]{0,3}\d){5}")
"""An address has an @, and numbers of people have six digits: other texts need no closer look."""
_KIND_OF = {label: kind for kind, label in LABELS.items()}
_MOST_SHOWN = 5
_MOST_KEPT, _LONGEST_KEPT = 10_000, 4_000


class RowCleaner:
    """Looks at every string of a row that is to be written.

    Args:
        personal: what is done about what looks like a person's data: `hide` replaces it with
            placeholders, the same one for the same data throughout the export; `keep` counts it;
            `refuse` stops the export.
        keep: values that are nobody's, such as `@firm.org`; see `pex.guard.placeholders`.

    Raises:
        PexError: a value in `keep` is not valid.

    Example:
        >>> cleaner = RowCleaner("hide")
        >>> cleaner.clean({"content": "Write to ada@firm.org, not to ada@firm.org!"}, "r1")
        {'content': 'Write to [EMAIL_1], not to [EMAIL_1]!'}
        >>> dict(cleaner.counts)
        {'e-mail address': 2}
    """

    def __init__(self, personal: Personal, keep: Sequence[str] = ()) -> None:
        self._keep = tuple(keep)
        self._placeholders = Placeholders()
        self._hide("")
        self.counts: collections.Counter[str] = collections.Counter()
        """The places that look like personal data, by kind."""
        self.rows = 0
        """Rows that have any."""
        self._personal = personal
        self._known = known_secrets()
        self._refused: list[str] = []
        self._clean: set[str] = set()
        self._case = ""

    def reserve(self, text: str) -> None:
        """Give the placeholders that a text has already to nothing else.

        Args:
            text: of any row, before the first is cleaned.
        """
        if "[" in text:
            self._placeholders.reserve(text)

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
        if _is_plain(text) or not _MAY_BE.search(text):
            # System messages, roles and labels come again with every row.
            if len(text) <= _LONGEST_KEPT and len(self._clean) < _MOST_KEPT:
                self._clean.add(text)
            return text
        if text.startswith("data:"):
            return text
        hidden, found = self._hide(text)
        self.counts.update(_KIND_OF[name[1:].rpartition("_")[0]] for name in found)
        return hidden if self._personal == "hide" else text

    def _hide(self, text: str) -> tuple[str, tuple[str, ...]]:
        try:
            hidden = hide_in(text, keep=self._keep, known=self._placeholders)
        except ValueError as error:
            raise PexError(
                f"keep: {error}", hint='"help@firm.org", "@firm.org" or "re:PATTERN"'
            ) from None
        return hidden.value, hidden.found

    def _check(self, text: str) -> None:
        secrets = scan(text, self._known)
        if secrets:
            raise PexError(
                f"case '{self._case}' has a secret ({secrets[0].rule}) in {secrets[0].place}: "
                f"{secrets[0].excerpt}",
                hint="nothing was exported; take it out of the case, and change the secret: a "
                "trained model can repeat it",
            )


def _is_plain(text: str) -> bool:
    """Whether it has neither a digit nor an @; quick, and enough for most texts."""
    if not text.isascii():
        return False
    for sign in "@0123456789":  # noqa: SIM110 - any() with a generator takes three times as long
        if sign in text:
            return False
    return True


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """A value with every string changed; keys stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(inner, change) for key, inner in value.items()}
    return [_mapped(inner, change) for inner in value] if isinstance(value, list) else value
