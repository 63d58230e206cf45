"""Which requirements each score checks, and what a scorer is, in a few hex digits."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.about import CheckInfo
from pex.core.canonical_json import digest
from pex.core.errors import PexError, nearest
from pex.score.base import Scorer
from pex.score.build import dump
from pex.score.field_judge import judges_of
from pex.score.judge.judge import Judge
from pex.score.kinds import KINDS, FunctionKind, Kind

DIGITS = 8
"""Hex digits of a scorer's definition."""


def checks_of(
    items: Sequence[Any], built: Sequence[Scorer | Judge], base: Path | None = None
) -> list[CheckInfo]:
    """What each score checks.

    Args:
        items: the scorers as a user gave them.
        built: the scorers built from them, in the same order.
        base: the folder that paths in `items` start from.

    Example:
        >>> from pex.score.build import build
        >>> from pex.core.cases import Case
        >>> items = [{"kind": "label", "checks": "R1"}, {"kind": "length"}]
        >>> found = checks_of(items, build(items, [Case("a", {}, "yes")]))
        >>> [(check.score, check.requirements, check.compares, check.numbers) for check in found]
        [('label', ('R1',), True, False), ('length', (), False, True)]
    """
    found = []
    for item, scorer in zip(items, built, strict=True):
        options = _options(item)
        if isinstance(scorer, Judge):
            ids, compares, numbers = scorer.checks, False, scorer.gives_numbers
        else:
            ids = tuple(options.checks) if options else ()
            known = options is not None and not isinstance(options, FunctionKind)
            compares = known and options is not None and options.needs_expected()
            numbers = options is not None and options.gives_numbers()
            if judges := judges_of(scorer):
                compares = judges[0].fields.needs_expected
        ids = tuple(dict.fromkeys(ids))
        found.append(
            CheckInfo(
                scorer.name,
                ids,
                compares,
                numbers=numbers,
                definition=_definition(item, scorer, base or Path()),
            )
        )
    return found


def requirement_digest(text: str, priority: str, at_least: float | None) -> str:
    """Digits that change with what a requirement asks for; not with spaces or who asked.

    Example:
        >>> requirement_digest("Be  kind.", "must", None) == requirement_digest("Be kind.", "must", None)
        True
    """  # noqa: E501 - the example is one line
    return digest([" ".join(text.split()), priority, at_least], DIGITS)


def check_known(checks: Sequence[CheckInfo], requirements: Collection[str]) -> None:
    """Refuse a scorer that checks a requirement which does not exist.

    Raises:
        PexError: it does; the hint has the nearest id.

    Example:
        >>> check_known([CheckInfo("polite", ("tone1",))], ["tone", "R3"])
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: scorer 'polite': checks: there is no requirement 'tone1'
          did you mean 'tone'?
    """
    for check in checks:
        for item in check.requirements:
            if item not in requirements:
                hint = (
                    nearest(item, requirements)
                    if requirements
                    else f"write it down: requirements: [{{id: {item}, text: …}}]"
                )
                raise PexError(
                    f"scorer '{check.score}': checks: there is no requirement '{item}'", hint=hint
                )


def _options(item: Any) -> Kind | None:
    """The options of a scorer that a file can name; None for a function or a judge object."""
    if isinstance(item, str) and item in KINDS:
        item = {"kind": item}
    if not isinstance(item, Mapping):
        return None
    options = dict(item)
    if callable(options.get("function")):
        options["function"] = ""
    return KINDS[str(options["kind"])].model_validate(options)


def _definition(item: Any, scorer: Scorer | Judge, base: Path) -> str:
    """Digits that change with the scorer: its options, its schema's text, a judge's identity.

    The code of a function is not part of it, only its name.
    """
    if isinstance(scorer, Judge):
        return digest([scorer.digest, scorer.baseline], DIGITS)
    try:
        (found,) = dump([item])
    except PexError:  # a function that only this process knows
        return digest(scorer.name, DIGITS)
    if not isinstance(found, dict):
        return digest(found, DIGITS)
    options = {key: value for key, value in found.items() if key not in ("name", "checks")}
    if isinstance(schema := options.get("schema"), str):
        with contextlib.suppress(OSError):  # removed since it was read: its name has to do
            options["schema"] = (base / schema).read_text("utf-8")
    if judges := judges_of(scorer):
        options["judges"] = [judge.digest for judge in judges]
    return digest(options, DIGITS)
