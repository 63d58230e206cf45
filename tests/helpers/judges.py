"""What stands in for a judge: the verdicts that it gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.helpers.endpoint import completion


def is_judge(body: dict) -> bool:
    return "response_format" in body


def verdict(word: Any, reason: str = "So.") -> dict:
    return completion(json.dumps({"reason": reason, "verdict": word}))


def likes(good: str) -> Callable[[dict, int], Any]:
    """A judge that says yes to what has this text in it; the models repeat what they are asked."""

    def reply(body: dict, number: int) -> Any:
        if is_judge(body):
            return verdict("yes" if good in body["messages"][0]["content"] else "no")
        return None

    return reply
