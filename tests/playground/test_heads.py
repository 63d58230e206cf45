"""What the answers of a column come to, above it."""

import json
from typing import Any

import pytest

from pex.widgets import shared
from tests.widgets.test_shared import node, run


def cell(**more: Any) -> dict[str, Any]:
    found = {"state": "answered", "stale": False, "seconds": 2.0, "usd": 0.001, "short": False}
    return {**found, "marks": [["good", "✓ ok", "", "ok", 1.0]], **more}


BAD = [["bad", "✗ ok", "", "ok", 0.0]]
NUMBER = [["number", "f1 0.5", "", "f1", 0.5]]


@node
@pytest.mark.parametrize(
    ("cells", "chips"),
    [
        ([], []),
        ([None, cell(state="queued", marks=[])], []),
        ([cell(), cell(seconds=4.0)], [["good", "2/2 ✓"], ["plain", "3.0 s"], ["plain", "$0.002"]]),
        ([cell(), cell(marks=BAD)], [["", "1/2 ✓"], ["plain", "2.0 s"], ["plain", "$0.002"]]),
        ([cell(marks=BAD, usd=0)], [["bad", "0/1 ✗"], ["plain", "2.0 s"]]),
        ([cell(stale=True)], []),
        (
            [cell(thumb="up"), cell(thumb="down"), cell(thumb="up"), cell(thumb="")],
            [["good", "4/4 ✓"], ["thumbs", [2, 1]], ["plain", "2.0 s"], ["plain", "$0.004"]],
        ),
        (
            [cell(marks=NUMBER, short=True, usd=None), cell(state="error", marks=[])],
            [["", "f1 0.5"], ["bad", "! 1 error"], ["warn", "1 cut off"], ["plain", "2.0 s"]],
        ),
        (
            [cell(marks=BAD + NUMBER, seconds=0.25, usd=0)],
            [["bad", "0/1 ✗ ok"], ["", "f1 0.5"], ["plain", "250 ms"]],
        ),
    ],
)
def test_totals(cells: list[Any], chips: list[list[str]]) -> None:
    script = shared.script("playground/heads")
    printed = run(
        f"{script}\nconsole.log(JSON.stringify($playground$heads.totals({json.dumps(cells)})));"
    )
    assert [chip[:2] for chip in json.loads(printed)] == chips
