"""The first sentences of a report: they give the figures of those that they name."""

from typing import Any

from pex.report.plain_answer import MOST, _shown


def rows(**verdicts: str) -> list[dict[str, Any]]:
    return [
        {"baseline": "a", "candidate": name, "verdict": word} for name, word in verdicts.items()
    ]


def test_the_variant_that_is_worse_is_among_the_figures() -> None:
    order = ["b", "a", "c", "d", "e", "f"]  # the best first
    found = rows(b="undecided", c="undecided", d="undecided", e="undecided", f="worse")
    assert _shown(order, found) == ["b", "a", "c", "f"]
    assert _shown(order, rows(b="undecided", f="undecided")) == ["b", "a", "c", "d"]
    all_worse = rows(**dict.fromkeys("bcdef", "worse"))
    assert len(_shown(order, all_worse)) == MOST
