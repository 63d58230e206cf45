"""A case: one row of inputs that every variant answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pex.core.columns import aliases
from pex.core.provenance import Provenance


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One row of inputs.

    `inputs` are the columns, under the names that the file has for them. `group` marks rows that
    belong together, for example one customer's; `tags` name slices. `renamed` has the names that
    the user gave to columns, with these columns.
    `decimal` is the decimal sign of numbers in its file, empty if it is not known.
    `provenance` says who wrote and accepted a generated case; None for one that people wrote.
    """

    id: str
    inputs: dict[str, Any]
    expected: Any = None
    group: str | None = None
    tags: tuple[str, ...] = ()
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False, repr=False)
    decimal: str = dataclasses.field(default="", compare=False, repr=False)
    provenance: Provenance | None = dataclasses.field(default=None, repr=False)

    @property
    def accepted(self) -> bool:
        """Whether it may enter a verdict: people wrote it, or somebody has accepted it."""
        return self.provenance is None or self.provenance.accepted

    @property
    def values(self) -> dict[str, Any]:
        """The values for a prompt's variables, under every name that a column has.

        Example:
            >>> Case("1", {"Text body": "Hi"}, renamed={"text": "Text body"}).values
            {'Text body': 'Hi', 'Text_body': 'Hi', 'text': 'Hi'}
        """
        inputs = self.inputs
        found = aliases(tuple(inputs))
        if not found and not self.renamed:
            return inputs
        own = [(name, column) for name, column in self.renamed.items() if column in inputs]
        return {**inputs, **{name: inputs[column] for name, column in (*found, *own)}}

    def __hash__(self) -> int:
        return hash(self.id)
