"""Lists of records matched to each other: CPU milliseconds, beside a floor in the same run.

    python benchmarks/records.py [200]

A record has six fields, each with its own rule: an id, a name by likeness, a price within a
tolerance, a number, a date and a set. A fifth of the given ones has a wrong price, some are missing
and some too much, and they come in another order. "matching" finds the partners, "scorer" reads the
answer, matches and scores every field. The floor is one assignment of scipy on a matrix of numbers
of that size, and reading the answer as JSON.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from figures import figure

RULES: dict[str, Any] = {
    "id": "exact",
    "name": {"rule": "similarity", "threshold": 0.9},
    "price": {"rule": "number", "tolerance": 0.01},
    "count": "number",
    "day": "date",
    "tags": "set",
}


def records(count: int, chance: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "id": f"A{number:05}",
            "name": f"Item {chance.randint(1, count)} of the list",
            "price": round(chance.random() * 100, 2),
            "count": chance.randint(1, 9),
            "day": f"2024-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}",
            "tags": chance.sample(["new", "old", "red", "blue", "large"], 2),
        }
        for number in range(count)
    ]


def timed(call: Callable[[], object], times: int = 15) -> float:
    """The median of several calls, in milliseconds of processor time."""
    found = []
    for _ in range(times):
        begun = time.process_time()
        call()
        found.append(1000 * (time.process_time() - begun))
    return median(found)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    from pex.core.call import Answer
    from pex.core.cases import Case
    from pex.score.build import build
    from pex.score.field_paths import field_path
    from pex.score.field_rules import check_rules
    from pex.score.record_matching import match_records

    chance = random.Random(1)
    wanted = records(count, chance)
    given = [
        {**item, "price": item["price"] + 1} if chance.random() < 0.2 else item
        for item in wanted[count // 20 :]
    ]
    given += [{**item, "id": f"B{item['id']}"} for item in records(count // 20, chance)]
    chance.shuffle(given)
    text = json.dumps(given)
    case = Case("a", {"q": "x"}, wanted)
    (scorer,) = build([{"kind": "records", "fields": RULES}], [case])
    rules = {field_path(name).names: rule for name, rule in check_rules(RULES).items()}
    random_scores = np.random.default_rng(1).random((count, count))
    floor = timed(lambda: (linear_sum_assignment(random_scores, maximize=True), json.loads(text)))
    print(f"{count} x {count} records of {len(RULES)} fields, CPU milliseconds")
    for what, call in (
        ("matching", lambda: match_records(given, wanted, rules)),
        ("scorer", lambda: scorer(Answer(text), case)),
    ):
        figure(
            f"{what}, {count} x {count} records", timed(call), "CPU ms",
            floor=floor, floor_name="one assignment, one reading of the JSON",
        )  # fmt: skip
    for name, score in scorer(Answer(text), case).items():
        print(f"  {name:22} {score.value:.3f}")


if __name__ == "__main__":
    main()
