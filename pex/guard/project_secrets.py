"""The values that the project declares secret, noted as its files are read.

`pex.guard.redact` removes them from everything shown and stored. Variables are noted by name;
their values are looked up when needed, so variables set later also count.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

LISTED = "PEX_KEY_NAMES"
"""Passes the names in a batch's plan, separated by commas, to its kernels and workers."""


@dataclasses.dataclass(slots=True)
class Noted:
    """Secrets noted so far.

    `variables` are the names of variables that hold a key; `addresses` can contain a login or a
    key; `headers` are sent with calls, by name and value.
    """

    variables: set[str] = dataclasses.field(default_factory=set)
    addresses: set[str] = dataclasses.field(default_factory=set)
    headers: set[tuple[str, str]] = dataclasses.field(default_factory=set)


noted = Noted()


def note(
    variables: Iterable[str | None] = (),
    addresses: Iterable[str | None] = (),
    headers: Iterable[tuple[str, str]] = (),
) -> None:
    """Remember the secrets that a project file names; missing entries may be None.

    Args:
        variables: names of variables that hold a key or an address with one.
        addresses: addresses as written in the file.
        headers: names and values as written in the file.
    """
    noted.variables.update(filter(None, variables))
    noted.addresses.update(filter(None, addresses))
    noted.headers.update(headers)
