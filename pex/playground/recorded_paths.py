"""Cases with a recorded path, such as a saved conversation: what replays it, and what checks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pex.core.cases import Case
from pex.core.variant import Variant
from pex.score.tool_path import COLUMN
from pex.tools.spec import REPLIES


def recorded_tools(variants: Sequence[Variant], cases: Sequence[Case]) -> dict[str, Any]:
    """Implementations that give a case's recorded replies, if there are such cases; else none.

    Args:
        variants: with the tools that their models are offered.
        cases: of the draft.
    """
    if not any(case.inputs.get(REPLIES) is not None for case in cases):
        return {}
    return {
        tool["function"]["name"]: {"kind": "recorded"}
        for variant in variants
        for tool in variant.prompt.tools or ()
    }


def path_checks(cases: Sequence[Case], names: Sequence[str]) -> list[dict[str, Any]]:
    """A check of the calls that cases expect, if there are some and nothing checks them yet.

    Args:
        cases: of the draft.
        names: of the scores that there are.
    """
    expects = any(case.inputs.get(COLUMN) is not None for case in cases)
    return [{"kind": "tool_calls"}] if expects and "tool_calls" not in names else []
