"""What `hide_personal` finds, what it mistakes for a person's data, and MB a second on one core.

    python benchmarks/personal.py

The sets are those of the tests: made-up but valid data of 15 countries, and what looks like it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from figures import figure

sys.path.insert(0, str(Path(__file__).parents[1]))

from pex.guard.placeholders import hide_personal
from tests.helpers.personal_sets import look_alike_set, personal_set

NAMES = [f"{first} {last}" for first in ("Ada", "Bob", "Zoë") for last in ("Byron", "Müller", "Wu")]


def main() -> None:
    """Print the figures."""
    data, alikes = personal_set(), look_alike_set()
    hidden = sum(value[-9:] not in hide_personal(text).text for text, value in data)
    wrong = sum(bool(hide_personal(text).found) for text in alikes)
    figure("personal data hidden", hidden, "", floor=len(data), floor_name="all of the set")
    figure("look-alikes mistaken", wrong, "", floor=len(alikes), floor_name="all of the set")
    # No number comes twice.
    many = [text for seed in range(20) for text, _ in personal_set(seed)]
    others = [text for seed in range(5) for text in look_alike_set(seed)]
    filler = "The parcel came late and the box was open, order 4711-0815 of 2026-11-30, 12.50 EUR. "
    chat = "".join(filler * 5 + text + " " for text in many[:1200])
    dense = " ".join(many + others)
    for label, text, names in (
        ("conversation", chat, []),
        ("conversation, names", chat, NAMES),
        ("nothing but numbers", dense, []),
    ):
        size, start = len(text.encode()) / 1e6, time.process_time()
        hide_personal(text, names=names)
        figure(f"{label}, {size:.1f} MB", size / (time.process_time() - start), "MB per CPU s")


if __name__ == "__main__":
    main()
