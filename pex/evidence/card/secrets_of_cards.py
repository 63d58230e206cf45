"""Nothing of a card leaves the machine while a secret is in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from pex.core.errors import PexError
from pex.evidence.card.data import CardData
from pex.guard.known_keys import Known
from pex.guard.redact import known
from pex.guard.scan import scan, scan_json

_MOST_NAMED = 10


class SecretError(PexError):
    """A secret is in what was about to be written; nothing was written."""

    exit_code = 1


def check_card(data: CardData) -> None:
    """Check that a card has no secret in it.

    Raises:
        SecretError: it has one; the message names the place, and shows it masked.
    """
    check_cards([data])


def check_cards(cards: Iterable[CardData]) -> None:
    """Check many cards.

    Raises:
        SecretError: one has a secret in it; the message names prompts and places.
    """
    values = known()
    clean: set[str] = set()  # versions share texts, and prompts their cases
    found = [place for data in cards for place in _secrets(data, values, clean)]
    if not found:
        return
    shown = "\n".join(f"  {place}" for place in found[:_MOST_NAMED])
    more = f"\n  and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    raise SecretError(
        f"nothing was written, because there are secrets in it:\n{shown}{more}",
        hint="take it out of the prompt, the case or the note; a version that has it can be "
        "deleted in MLflow, and the key should be changed",
    )


def _secrets(data: CardData, values: Known, clean: set[str]) -> Iterable[str]:
    for version in data.versions:
        if version.text in clean:
            continue
        findings = scan(version.text, values)
        if not findings:
            clean.add(version.text)
        for finding in findings:
            yield f"prompt '{data.name}', version {version.number}, {finding}"
    if data.text not in clean and data.text not in {version.text for version in data.versions}:
        for finding in scan(data.text, values):
            yield f"prompt '{data.name}', {data.path or data.shown}, {finding}"
    for finding in scan_json(_rest(data), values, clean):
        yield f"prompt '{data.name}', {str(finding).removeprefix('$.')}"


def _rest(data: CardData) -> dict[str, Any]:
    """Everything but the texts of the versions."""
    fields = {field.name: getattr(data, field.name) for field in dataclasses.fields(data)}
    del fields["versions"], fields["text"]
    plain = {key: _plain(value) for key, value in fields.items()}
    plain["versions"] = {
        f"v{version.number}": [version.note, version.by, *version.aliases]
        for version in data.versions
    }
    return plain


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
