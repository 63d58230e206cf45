"""Placeholders such as `[EMAIL_1]` in place of what looks like a person's data.

The same value gets the same placeholder, so a conversation stays readable. Nothing leads back: what
is kept in memory are keyed hashes of the values, under a key that ends with the process.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from pex.guard import personal, telephone
from pex.guard.names import NameFinder, NameList, folded
from pex.guard.personal import CARD, EMAIL, IBAN, TELEPHONE, personal_data

NAME = "name"
LABELS = {EMAIL: "EMAIL", IBAN: "IBAN", CARD: "CARD", TELEPHONE: "PHONE", NAME: "NAME"}
"""By kind: the word in its placeholders."""
PLACEHOLDER = re.compile(rf"\[({'|'.join(LABELS.values())})_([1-9][0-9]{{0,8}})\]")
_REGEX = "re:"
_HAS_ANY = re.compile(r"@|\d[^\W\d_]*\D{0,3}\d")
"""Without any of these there is only a name to find."""


@dataclasses.dataclass(frozen=True, slots=True)
class Hidden:
    """A text without a person's data.

    Attributes:
        text: it with placeholders.
        found: the placeholders that were put in, in their order; one can be there several times.
    """

    text: str
    found: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How often each kind was found: `{"EMAIL": 2}`."""
        return dict(collections.Counter(name[1:].rpartition("_")[0] for name in self.found))


@dataclasses.dataclass(frozen=True, slots=True)
class HiddenValue:
    """A nested value without a person's data, and the placeholders that were put in."""

    value: Any
    found: tuple[str, ...] = ()


class Placeholders:
    """Which value has which number; share one over the texts that belong together.

    Numbers of placeholders that were already in a text are not given to other values. It cannot be
    pickled: nothing that leads back to a value is to be stored.

    Example:
        >>> known = Placeholders()
        >>> hide_personal("ada@firm.org", known=known).text
        '[EMAIL_1]'
        >>> hide_personal("To bob@firm.org, cc Ada@firm.org", known=known).text
        'To [EMAIL_2], cc [EMAIL_1]'
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._numbers: dict[tuple[str, bytes], int] = {}
        self._used: dict[str, set[int]] = {label: set() for label in LABELS.values()}
        self._next: dict[str, int] = dict.fromkeys(LABELS.values(), 1)

    def __reduce__(self) -> NoReturn:
        raise TypeError("Placeholders cannot be stored: they are about people's data")

    def reserve(self, text: str) -> None:
        """Give the numbers of the placeholders in a text to nothing else."""
        for match in PLACEHOLDER.finditer(text):
            self._used[match[1]].add(int(match[2]))

    def of(self, kind: str, value: str) -> str:
        """The placeholder of a value, in the one way to write it."""
        label = LABELS[kind]
        place = (label, hashlib.blake2b(value.encode(errors="replace"), key=self._key).digest())
        if place not in self._numbers:
            number = self._next[label]
            while number in self._used[label]:
                number += 1
            self._numbers[place] = number
            self._next[label] = number + 1
        return f"[{label}_{self._numbers[place]}]"


def hide_personal(
    text: str,
    *,
    names: Sequence[str] = (),
    keep: Sequence[str] = (),
    regions: Sequence[str] = (),
    finder: NameFinder | None = None,
    known: Placeholders | None = None,
) -> Hidden:
    """Put placeholders in place of what looks like a person's data.

    Found are e-mail addresses, IBANs and card numbers (by checksum), telephone numbers (by the
    plans of countries), and the names of a list. Not found are names without a list, postal
    addresses, dates of birth, and whatever points to a person in other words. Placeholders that are
    there already stay. A text that is a JSON document stays one.

    Args:
        text: any text.
        names: names of people: whole words, in any case.
        keep: values that are never replaced: a value as it is written ("help@firm.org"), all
            addresses of a domain ("@firm.org"), or a regular expression for the whole value
            ("re:[+]49 800 .*").
        regions: codes of countries, such as "DE", whose telephone numbers people write without
            the country's code; without them, the usual groups of some countries are found.
        finder: finds more names, such as `pex.guard.names.presidio_names()`.
        known: the placeholders of other texts that belong to this one.

    Returns:
        The text, and the placeholders put in.

    Raises:
        ValueError: a rule in `keep` that is not valid, an unknown region.

    Example:
        >>> hide_personal("Ada (ada@firm.org) called from +44 20 7946 0958.", names=["ada"]).text
        '[NAME_1] ([EMAIL_1]) called from [PHONE_1].'
        >>> hide_personal("Write to help@firm.org", keep=["@firm.org"]).found
        ()
    """
    hidden = hide_in(text, names=names, keep=keep, regions=regions, finder=finder, known=known)
    return Hidden(hidden.value, hidden.found)


def hide_in(
    value: Any,
    *,
    names: Sequence[str] = (),
    keep: Sequence[str] = (),
    regions: Sequence[str] = (),
    finder: NameFinder | None = None,
    known: Placeholders | None = None,
) -> HiddenValue:
    """`hide_personal` for nested values, such as messages: in all strings, keys and long numbers.

    Args:
        value: as of JSON; it is not changed.
        names: as for `hide_personal`.
        keep: as for `hide_personal`.
        regions: as for `hide_personal`.
        finder: as for `hide_personal`.
        known: as for `hide_personal`.

    Returns:
        A copy, and the placeholders put in.

    Raises:
        ValueError: as for `hide_personal`.

    Example:
        >>> hide_in([{"role": "user", "content": "I am ada@firm.org"}]).value
        [{'role': 'user', 'content': 'I am [EMAIL_1]'}]
    """
    rules = _rules(tuple(names), tuple(keep), tuple(regions))
    known = known if known is not None else Placeholders()
    for text in _strings(value):
        known.reserve(text)
    found: list[str] = []
    hidden = _Hiding(rules, finder, known, found, telephone.Plans(rules.regions)).value(value)
    return HiddenValue(hidden, tuple(found))


@dataclasses.dataclass(frozen=True, slots=True)
class _Rules:
    """What is searched for and what is kept, made ready once."""

    names: NameList | None
    values: frozenset[str]
    domains: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...]
    regions: tuple[str, ...]

    def keeps(self, kind: str, part: str, plans: telephone.Plans) -> bool:
        if self.values and not self.values.isdisjoint(
            (folded(part.strip()), self.normal(kind, part, plans))
        ):
            return True
        if kind == EMAIL and self.domains:
            domain = part.rpartition("@")[2].casefold()
            if any(domain == own or domain.endswith("." + own) for own in self.domains):
                return True
        return any(pattern.fullmatch(part) for pattern in self.patterns)

    def normal(self, kind: str, part: str, plans: telephone.Plans) -> str:
        """One way to write a value, so that the same one gets the same number."""
        if kind == TELEPHONE:
            return plans.same_number(part)
        if kind in (IBAN, CARD):
            return re.sub(r"[\W_]", "", part).upper()
        return " ".join(re.findall(r"[^\s,]+", folded(part)))


@functools.lru_cache(maxsize=16)
def _rules(names: tuple[str, ...], keep: tuple[str, ...], regions: tuple[str, ...]) -> _Rules:
    regions = telephone.check_regions(regions)
    plans = telephone.Plans(regions)
    values: set[str] = set()
    patterns = []
    for rule in keep:
        if not rule.startswith(_REGEX):
            values.add(folded(rule.strip()))
            values.add(re.sub(r"[\W_]", "", rule).upper())  # of an IBAN or a card
            if re.match(r"[+(\d]", rule.strip()):
                values.add(plans.same_number(rule.strip()))
            continue
        try:
            patterns.append(re.compile(rule.removeprefix(_REGEX)))
        except re.error as error:
            raise ValueError(f"keep: '{rule}' is not a valid regular expression: {error}") from None
    values.discard("")
    domains = tuple(rule.strip()[1:].casefold() for rule in keep if rule.strip().startswith("@"))
    return _Rules(
        NameList(names) if names else None, frozenset(values), domains, tuple(patterns), regions
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Hiding:
    """One pass over a value."""

    rules: _Rules
    finder: NameFinder | None
    known: Placeholders
    found: list[str]
    plans: telephone.Plans

    def value(self, value: Any, key: str = "") -> Any:
        if isinstance(value, str):
            return self._string(value, key)
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, list | tuple):
            return [self.value(item, key) for item in value]
        if isinstance(value, int) and not isinstance(value, bool) and value > 10**6:
            text = self._text(str(value), key)
            return value if text == str(value) else text
        return value

    def _mapping(self, value: Mapping[Any, Any]) -> dict[Any, Any]:
        hidden: dict[Any, Any] = {}
        for key, item in value.items():
            new = self._text(key, "") if isinstance(key, str) else key
            wanted, count = new, 1
            while new in hidden:  # two ways to write one address
                count += 1
                new = f"{wanted} ({count})"
            hidden[new] = self.value(item, key if isinstance(key, str) else "")
        return hidden

    def _string(self, text: str, key: str) -> str:
        # In a document, an address behind the line break \n would seem to begin with an n.
        document = _document_in(text)
        if document is None:
            return self._text(text, key)
        try:
            hidden = self.value(document)
        except RecursionError:  # nested too deeply to be walked through
            return self._text(text, key)
        if hidden == document:
            return text
        return json.dumps(hidden, ensure_ascii=text.isascii())

    def _text(self, text: str, key: str) -> str:
        if not self.rules.names and not self.finder and not _HAS_ANY.search(text):
            return text
        # A key such as "phone" says as much as the word before a number.
        before = f"{key.replace('_', ' ')}: " if key and len(text) < 40 else ""
        whole = before + text
        parts, end = [], len(before)
        for start, stop, kind in sorted(self._places(whole)):
            if start < len(before):
                continue
            part = whole[start:stop]
            placeholder = self.known.of(kind, self.rules.normal(kind, part, self.plans))
            self.found.append(placeholder)
            parts += [whole[end:start], placeholder]
            end = stop
        return "".join([*parts, whole[end:]])

    def _places(self, text: str) -> Iterator[tuple[int, int, str]]:
        taken = bytearray(len(text))
        for match in PLACEHOLDER.finditer(text):
            taken[match.start() : match.end()] = b"\x01" * len(match[0])
        for start, end, kind in self._candidates(text):
            if start >= end or 1 in taken[start:end]:
                continue
            taken[start:end] = b"\x01" * (end - start)
            if not self.rules.keeps(kind, text[start:end], self.plans):
                yield start, end, kind

    def _candidates(self, text: str) -> Iterator[tuple[int, int, str]]:
        plain = personal.with_plain_spaces(text)
        for item in personal_data(text, longest=None, examples=True):
            if item.kind != TELEPHONE or self.plans.is_telephone(
                plain, item.start, item.end, sure=True
            ):
                yield item.start, item.end, item.kind
        for start, end in telephone.more_candidates(plain) if self.rules.regions else ():
            if self.plans.is_telephone(plain, start, end, sure=False):
                yield start, end, TELEPHONE
        for find in (self.rules.names, self.finder):
            if find is not None:
                for start, end in find(text):
                    yield start, end, NAME


def _document_in(text: str) -> dict[str, Any] | list[Any] | None:
    if text[:1] not in ("{", "[", " ", "\n") or PLACEHOLDER.match(text):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict | list) else None


def _strings(value: Any) -> Iterator[str]:
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple):
            pending += item


def read_names(lines: Iterable[str]) -> list[str]:
    """The names of a file: one a line; empty lines and those that begin with # are left out.

    Example:
        >>> read_names(["# people", "Ada Lovelace", ""])
        ['Ada Lovelace']
    """
    names = (line.strip() for line in lines)
    return [name for name in names if name and not name.startswith("#")]
