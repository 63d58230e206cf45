"""Rows that are recognised as plain are those in which the full check finds nothing."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from pex.training.check_row import check_row
from pex.training.plain_rows import is_plain

_TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
]
_CHAT = {"messages": _TURNS}
_SAID = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
PLAIN: dict[str, dict[str, Any]] = {
    "openai-chat": _CHAT,
    "trl-messages": _CHAT,
    "alpaca": {"instruction": "Hi", "input": "", "output": "Hello", "system": "", "history": []},
    "sharegpt": {"conversations": _SAID, "system": "", "tools": "[]"},
}
ODD = (
    None, "", " ", "\u00a0", 0, [], {}, [{}], "system", "user", "assistant", "tool", "human", "gpt",
    _TURNS, _SAID, [["Hi", "Hello"]], "[{}]",
)  # fmt: skip


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container and key in a row."""
    keys = range(len(value)) if isinstance(value, list) else list(value)
    found = [(value, key) for key in keys]
    inner = [value[key] for key in keys if isinstance(value[key], dict | list)]
    return [*found, *(place for item in inner for place in _places(item))]


def _changed(row: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    row = copy.deepcopy(row)
    for _ in range(dice.randint(1, 2)):
        if not (places := _places(row)):
            break
        inside, key = dice.choice(places)
        act = dice.randrange(4)
        if act == 0:
            inside[key] = copy.deepcopy(dice.choice(ODD))
        elif act == 1:
            del inside[key]
        elif isinstance(inside, list):
            inside.insert(dice.randint(0, len(inside)), copy.deepcopy(inside[key]))
        else:
            inside[dice.choice(("tools", "name", "weight", "other"))] = copy.deepcopy(
                dice.choice(ODD)
            )
    return row


@pytest.mark.parametrize("format_name", PLAIN)
def test_nothing_is_found_in_a_plain_row(format_name: str) -> None:
    assert is_plain(PLAIN[format_name], format_name)
    dice = random.Random(11)
    plain = 0
    for _ in range(800):
        row = _changed(PLAIN[format_name], dice)
        if is_plain(row, format_name):
            plain += 1
            found: list[Any] = []
            check_row(row, format_name, lambda *args, found=found: found.append(args))
            assert not found, (row, found)
    assert plain
