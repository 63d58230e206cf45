"""Which values the project says are secret, noted as its files are read.

`pex.guard.redact` takes them out of what is shown and kept. Variables are noted by their names:
what they hold is looked up when it matters, so that one that is set later counts too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

LISTED = "PEX_KEY_NAMES"
"""The variable that tells a batch's kernels and workers the names its plan gives, by commas."""


@dataclasses.dataclass(slots=True)
class Noted:
    """What has been read so far.

    `variables` are the names of those that hold a key; `addresses` may have a login or a key in
    them; `headers` are sent with calls, by name and value.
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
    """Remember what a file of the project names; what it leaves out may be None.

    Args:
        variables: names of variables that hold a key or an address with one.
        addresses: addresses as they stand in the file.
        headers: names and values as they stand in the file.
    """
    noted.variables.update(filter(None, variables))
    noted.addresses.update(filter(None, addresses))
    noted.headers.update(headers)
