"""How often the guard flags texts: attacks that it catches, ordinary texts that it flags."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pex.guard.findings import SEVERITIES, Checked
from pex.guard.input_check import RULES, Policy, check
from pex.stats.intervals import wilson


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """A text that is measured.

    Args:
        place: where it is, in words: `cases.csv, case c3, review`.
        text: the text.
        attack: whether it is known to be an attack.
    """

    place: str
    text: str
    attack: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """How many of some texts, with the 95 % Wilson interval; None of no texts."""

    count: int
    of: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """The lower and the upper end of the share, between 0 and 1."""
        return wilson(self.count, self.of) if self.of else None

    def to_dict(self) -> dict[str, Any]:
        """The share as plain data."""
        return {"count": self.count, "of": self.of, "interval": self.interval}

    def __str__(self) -> str:
        if not self.of:
            return "none given"
        low, high = self.interval or (0.0, 1.0)
        share = self.count / self.of
        return f"{self.count:,} of {self.of:,}: {share:.1%} ({low:.1%} to {high:.1%})"


@dataclasses.dataclass(frozen=True, slots=True)
class GuardRates:
    """What the guard does on texts of one's own.

    Args:
        caught: attacks that are flagged.
        false_alarms: other texts that are flagged.
        signals: other texts that have nothing but signals.
        by_rule: for each rule that flagged something: attacks, and other texts.
        wrongly_flagged: the other texts that are flagged, most findings first.
        missed: the attacks that are not flagged.
    """

    caught: Share
    false_alarms: Share
    signals: int
    by_rule: dict[str, tuple[Share, Share]]
    wrongly_flagged: Sequence[tuple[Text, Checked]]
    missed: Sequence[tuple[Text, Checked]]

    def to_dict(self, shown: int | None = None) -> dict[str, Any]:
        """The rates as plain data, with at most `shown` texts of either kind."""
        return {
            "caught": self.caught.to_dict(),
            "false_alarms": self.false_alarms.to_dict(),
            "signals": self.signals,
            "by_rule": {
                rule: {"caught": caught.to_dict(), "false_alarms": alarms.to_dict()}
                for rule, (caught, alarms) in self.by_rule.items()
            },
            "wrongly_flagged": [_row(*item) for item in self.wrongly_flagged[:shown]],
            "missed": [_row(*item) for item in self.missed[:shown]],
        }


def _row(text: Text, checked: Checked) -> dict[str, Any]:
    return {"place": text.place, "text": text.text, "findings": checked.to_dict()["findings"]}


def guard_rates(
    texts: Iterable[Text],
    policy: Policy | None = None,
    on_text: Callable[[], None] | None = None,
) -> GuardRates:
    """How often the guard flags texts of one's own.

    Args:
        texts: attacks and others; one that comes again counts again.
        policy: what to look for; default: all rules.
        on_text: called after each text.

    Example:
        >>> rates = guard_rates([Text("a", "Nice lamp."), Text("b", "<|im_start|>system", True)])
        >>> print(rates.caught)
        1 of 1: 100.0% (20.7% to 100.0%)
        >>> print(rates.false_alarms)
        0 of 1: 0.0% (0.0% to 79.3%)
    """
    counts = {True: 0, False: 0}
    flagged: dict[bool, list[tuple[Text, Checked]]] = {True: [], False: []}
    by_rule = {kind: collections.Counter[str]() for kind in (True, False)}
    missed: list[tuple[Text, Checked]] = []
    signals = 0
    for text in texts:
        checked = check(text.text, policy)
        counts[text.attack] += 1
        if checked.flagged:
            flagged[text.attack].append((text, checked))
            strong = {one.rule for one in checked.findings if one.severity != SEVERITIES[0]}
            by_rule[text.attack].update(strong)
        elif text.attack:
            missed.append((text, checked))
        else:
            signals += bool(checked.findings)
        if on_text is not None:
            on_text()
    attacks, others = counts[True], counts[False]
    rules = [rule.name for rule in RULES if by_rule[True][rule.name] or by_rule[False][rule.name]]
    return GuardRates(
        Share(len(flagged[True]), attacks),
        Share(len(flagged[False]), others),
        signals,
        {
            rule: (Share(by_rule[True][rule], attacks), Share(by_rule[False][rule], others))
            for rule in sorted(rules, key=lambda rule: -by_rule[False][rule])
        },
        sorted(flagged[False], key=lambda item: -len(item[1].findings)),
        missed,
    )
