"""Three disjoint sets of cases: to learn from, to choose by, and to confirm with once."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from pex.core.case import Case
from pex.core.errors import PexError, nearest

SetName = Literal["train", "select", "confirm"]
SETS: tuple[SetName, ...] = get_args(SetName)
COLUMN = "split"
"""A column of the cases that says which set each case is in, in place of shares."""
SHARES = {"train": 0.5, "select": 0.25, "confirm": 0.25}
"""The shares where an experiment names none."""
MOST_STRATA = 20
"""With more expected answers than this, cases are not stratified by them: they are texts."""


@dataclasses.dataclass(frozen=True, slots=True)
class Split:
    """The cases of each set; no group is in two of them.

    Proposals may see `train`, `select` chooses among them, `confirm` is measured once, at the end.
    """

    train: tuple[Case, ...]
    select: tuple[Case, ...]
    confirm: tuple[Case, ...]

    def membership(self) -> dict[str, SetName]:
        """The set of each case, by its id."""
        return {case.id: name for name in SETS for case in getattr(self, name)}


def split_cases(
    cases: Sequence[Case],
    shares: Mapping[str, float] | None = None,
    *,
    together: Mapping[str, str] | None = None,
    known: Mapping[str, SetName] | None = None,
) -> Split:
    """Divide cases into three sets, by the hash of their group or else of their id.

    The sets are stratified: each has about the same share of every expected answer, as far as
    whole groups allow. A case that was in a set before stays there, whatever is added later, so
    nothing that a proposal has seen can confirm it.

    Args:
        cases: the cases. If they have a column `split`, it says which set each is in.
        shares: of each set, by default one half to train and a quarter each to select and confirm.
        together: further cases that belong together although they have no group, such as near
            duplicates: any common text by case id.
        known: the set of cases that were divided before, by id.

    Raises:
        PexError: a share or a value of the column that does not fit, a group that is in two sets.

    Example:
        >>> cases = [Case(str(n), {"n": n}, expected=n % 2 == 0) for n in range(40)]
        >>> found = split_cases(cases)
        >>> len(found.train), len(found.select), len(found.confirm)
        (20, 10, 10)
        >>> sum(case.expected for case in found.confirm)
        5
    """
    parts = check_shares(SHARES if shares is None else shares)
    units = _units(cases, together or {})
    declared = _declared(cases)
    fixed = dict(known or {}) if declared is None else declared
    sets: dict[str, str] = {}
    for unit, members in units.items():
        found = {fixed[case.id]: case.id for case in members if case.id in fixed}
        if len(found) > 1:
            (one, first), (two, second) = list(found.items())[:2]
            if declared is not None:
                raise PexError(
                    f"cases '{first}' ({one}) and '{second}' ({two}) belong together but are in "
                    "two sets",
                    hint=f"give them one value in the column '{COLUMN}'",
                )
            # Cases became a group after they were divided: what was seen stays seen.
            found = {name: "" for name in SETS if name in found}
        if found:
            sets[unit] = next(iter(found))
    _divide_all(units, _labels(cases), {str(name): share for name, share in parts.items()}, sets)
    members_of = {name: {u for u, chosen in sets.items() if chosen == name} for name in SETS}
    unit_of = {case.id: unit for unit, members in units.items() for case in members}
    return Split(*(tuple(c for c in cases if unit_of[c.id] in members_of[name]) for name in SETS))


def divide_cases(
    cases: Sequence[Case],
    shares: Mapping[str, float],
    together: Mapping[str, str] | None = None,
) -> dict[str, list[Case]]:
    """Divide cases into parts as `split_cases` does: by hash, stratified, groups undivided.

    Args:
        cases: the cases.
        shares: of each part, by its name; they add up to 1.
        together: further cases that belong together; see `split_cases`.

    Example:
        >>> cases = [Case(str(n), {"n": n}, expected=n % 2 == 0) for n in range(40)]
        >>> folds = divide_cases(cases, {"1": 0.5, "2": 0.5})
        >>> [len(fold) for fold in folds.values()]
        [20, 20]
    """
    units = _units(cases, together or {})
    chosen: dict[str, str] = {}
    _divide_all(units, _labels(cases), shares, chosen)
    name_of = {case.id: chosen[unit] for unit, members in units.items() for case in members}
    return {name: [case for case in cases if name_of[case.id] == name] for name in shares}


def check_shares(shares: Mapping[str, float]) -> dict[SetName, float]:
    """The shares of all three sets, which must add up to 1.

    Raises:
        PexError: an unknown set, a share that is not between 0 and 1, or shares that do not
            add up to 1.

    Example:
        >>> check_shares({"train": 0.6, "select": 0.2, "confirm": 0.2})["confirm"]
        0.2
        >>> check_shares({"train": 0.5, "holdout": 0.5})
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: splits: unknown set 'holdout'
          there is: 'train', 'select', 'confirm'
    """
    for name in shares:
        if name not in SETS:
            raise PexError(f"splits: unknown set '{name}'", hint=nearest(name, SETS))
    found: dict[SetName, float] = {}
    for known in SETS:
        share = shares.get(known)
        if share is None or isinstance(share, bool) or not 0 < share < 1:
            raise PexError(
                f"splits: {known}: expected a share between 0 and 1, got {share!r}",
                hint="for example {train: 0.5, select: 0.25, confirm: 0.25}",
            )
        found[known] = float(share)
    if abs(sum(found.values()) - 1) > 1e-6:
        raise PexError(f"splits: the shares add up to {sum(found.values()):.4g}, expected 1")
    return found


def _declared(cases: Sequence[Case]) -> dict[str, SetName] | None:
    """What the column `split` says; None if there is none."""
    given = {case.id: case.inputs.get(COLUMN) for case in cases}
    if not any(value in SETS for value in given.values()):
        return None
    for case_id, value in given.items():
        if value not in SETS:
            raise PexError(
                f"case '{case_id}': {COLUMN}: expected {', '.join(SETS)}, got {value!r}",
                hint=nearest(str(value), SETS),
            )
    return {case_id: value for case_id, value in given.items() if value in SETS}


def _units(cases: Sequence[Case], together: Mapping[str, str]) -> dict[str, list[Case]]:
    """The cases that must stay together, each unit under the smallest name of its parts."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    def join(one: str, two: str) -> None:
        first, second = sorted((root(one), root(two)))
        parent[second] = first

    for case in cases:
        own = f"id\0{case.id}"
        root(own)
        if case.group is not None:
            join(own, f"group\0{case.group}")
        if case.id in together:
            join(own, f"together\0{together[case.id]}")
    units: dict[str, list[Case]] = collections.defaultdict(list)
    for case in cases:
        units[root(f"id\0{case.id}")].append(case)
    return dict(units)


def _labels(cases: Sequence[Case]) -> bool:
    """Whether the expected answers are labels, of which there are few."""
    found = {str(case.expected) for case in cases}
    return len(found) <= MOST_STRATA


def _stratum(members: Sequence[Case], labels: bool) -> str:
    if not labels:
        return ""
    counts = collections.Counter(str(case.expected) for case in members)
    return min(counts, key=lambda label: (-counts[label], label))


def _divide_all(
    units: Mapping[str, Sequence[Case]],
    labels: bool,
    shares: Mapping[str, float],
    sets: dict[str, str],
) -> None:
    """Give every unit that has no set yet one, stratum by stratum."""
    strata: dict[str, list[str]] = collections.defaultdict(list)
    filled = collections.Counter[str]()
    for unit, members in units.items():
        if unit in sets:
            filled[sets[unit]] += len(members)
        else:
            strata[_stratum(members, labels)].append(unit)
    for stratum in sorted(strata):
        _divide(strata[stratum], units, shares, sets, filled)


def _divide(
    chosen: Sequence[str],
    units: Mapping[str, Sequence[Case]],
    shares: Mapping[str, float],
    sets: dict[str, str],
    filled: collections.Counter[str],
) -> None:
    """Give each unit of a stratum, in the order of their hashes, to the set that lacks most."""
    names = list(shares)
    here = dict.fromkeys(names, 0)
    done, total = 0, sum(filled.values())
    for unit in sorted(chosen, key=_hash):
        size = len(units[unit])
        done += size
        total += size
        lacks = [
            (round(share * done - here[name], 9), round(share * total - filled[name], 9))
            for name, share in shares.items()
        ]
        name = names[lacks.index(max(lacks))]
        sets[unit] = name
        here[name] += size
        filled[name] += size


def _hash(unit: str) -> str:
    return hashlib.sha256(unit.encode()).hexdigest()
