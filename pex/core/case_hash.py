"""The hash of a set of cases: two runs with the same hash measured on the same data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pex.core.canonical_json import canonical_json
from pex.core.case import Case


def cases_sha256(cases: Iterable[Case]) -> str:
    """SHA-256 over id, inputs, expected answer, group and tags of all cases, in order of their ids.

    Example:
        >>> one, two = Case("1", {"review": "Nice."}, "positive"), Case("2", {"review": "Bad."})
        >>> cases_sha256([one, two]) == cases_sha256([two, one])
        True
        >>> cases_sha256([one])[:12]
        '6e8029f98ab0'
    """
    rows = [
        [case.id, case.inputs, case.expected, case.group, list(case.tags)]
        for case in sorted(cases, key=lambda case: case.id)
    ]
    return hashlib.sha256(canonical_json(rows)).hexdigest()
