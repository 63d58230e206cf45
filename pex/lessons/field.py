"""One field of a lesson's form."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One field of a lesson's form.

    Args:
        name: under which a try has its value.
        label: what people read.
        value: what is there at first.
        choices: what can be chosen, as (label, value); empty: any text.
        lines: the height of a text.
    """

    name: str
    label: str
    value: str
    choices: tuple[tuple[str, str], ...] = ()
    lines: int = 2
