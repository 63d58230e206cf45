"""What `pex.guard.check` catches, what it flags for nothing, and how long a megabyte takes.

    python benchmarks/guard_check.py [--speed | --rates] [--eight]

The texts are those of `benchmarks/guard`; no rule was written for the families of the test half.
`--speed` leaves the rates out, `--rates` the times, `--eight` adds texts of 8 MB.
Seconds are those of the processor.
"""

from __future__ import annotations

import collections
import json
import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from figures import figure

sys.path.insert(0, str(Path(__file__).parents[1]))

import pex.guard
from pex.stats.intervals import wilson
from tests.helpers.hostile_texts import hostile_texts

SETS = Path(__file__).parent / "guard"
KINDS = {
    "a": "hidden", "b": "letters", "c": "markers", "d": "templates", "e": "size", "f": "secrets",
    "g": "encoded",
}  # fmt: skip
LENGTH = 1_000_000


def main() -> None:
    """Print the figures."""
    if "--speed" not in sys.argv:
        rates()
    if "--rates" not in sys.argv:
        speed()


def rates() -> None:
    """Print both rates for both halves, and what each kind of rule could have seen."""
    for half in ("development", "test"):
        attacks, alikes = _texts("attacks", half), _texts("lookalikes", half)
        print(f"{half} half")
        _say(half, "look-alikes flagged", [_flagged(row) for row in alikes])
        seen = [row for row in attacks if row["detectable"] not in (None, "h")]
        _say(half, "attacks a rule could see", [_flagged(row) for row in seen])
        _say(half, "all attacks", [_flagged(row) for row in attacks])
        by_kind = collections.defaultdict(list)
        for row in seen:
            by_kind[row["detectable"]].append(_flagged(row))
        for kind, found in sorted(by_kind.items()):
            print(f"        {KINDS[kind]:22}{sum(found):4} of {len(found):3}")


def speed() -> None:
    """Print the seconds for a megabyte of each kind of text."""
    pex.guard.check("a")  # loads the tables
    seconds = {name: _seconds(text) for name, text in hostile_texts(LENGTH).items()}
    slowest = sorted(seconds, key=lambda name: -seconds[name])[:5]
    alikes = [row["text"] for row in _texts("lookalikes", "development")]
    each = sum(map(_seconds, alikes)) / len(alikes)
    print(f"a short text ({sum(map(len, alikes)) // len(alikes)} characters): {each * 1e3:.2f} ms")
    print(f"{LENGTH:,} characters of {len(seconds)} kinds")
    print(f"    median {statistics.median(seconds.values()):.2f} s, prose {seconds['prose']:.2f} s")
    words = min(_word_seconds(hostile_texts(LENGTH)["prose"]) for _ in range(5))
    figure(f"check of {LENGTH:,} characters of prose", seconds["prose"], "CPU s",
           floor=words, floor_name="one pattern that lists its words")  # fmt: skip
    figure(f"the slowest kind of text ({slowest[0]})", seconds[slowest[0]], "CPU s",
           floor=seconds["prose"], floor_name="prose")  # fmt: skip
    print("    slowest:", ", ".join(f"{name} {seconds[name]:.2f} s" for name in slowest))
    if "--eight" in sys.argv:
        long = hostile_texts(8 * LENGTH)
        times = {name: _seconds(text) / seconds[name] for name, text in long.items()}
        worst = max(times, key=lambda name: times[name])
        print(f"    eight times as long: at most {times[worst]:.1f} times the time ({worst})")


def _seconds(text: str) -> float:
    start = time.process_time()
    pex.guard.check(text)
    return time.process_time() - start


def _word_seconds(text: str) -> float:
    """The floor: one plain pattern over the text."""
    start = time.process_time()
    re.findall(r"\w+", text)
    return time.process_time() - start


def _texts(name: str, half: str) -> list[dict[str, Any]]:
    lines = (SETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["split"] == half]


def _flagged(row: dict[str, Any]) -> bool:
    return pex.guard.check(row["text"]).flagged


def _say(half: str, what: str, flagged: list[bool]) -> None:
    count, of = sum(flagged), len(flagged)
    low, high = wilson(count, of)
    print(f"    {what:26}{count:4} of {of:3} = {count / of:5.1%}  ({low:.1%} to {high:.1%})")
    figure(f"{what}, {half} half", count, "", floor=of, floor_name="all of them")


if __name__ == "__main__":
    main()
