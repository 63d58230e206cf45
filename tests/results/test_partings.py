"""Where the paths of a run part."""

from typing import Any

import pytest

from pex.core.call import Answer, Request
from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.variant import Variant
from pex.results.partings import partings
from pex.score.frame import build_frame

VARIANTS = [Variant(Prompt("Q: {{ q }}", name=name), "lab/m") for name in ("old", "new")]
REPLIES = [{"name": "look", "arguments": {"id": 7}, "reply": {"state": "open"}}]


def _steps(*tools: tuple[str, Any, str]) -> list[dict[str, Any]]:
    made = [{"name": name, "arguments": given, "reply": reply} for name, given, reply in tools]
    return [{"step": number, "tools": [tool]} for number, tool in enumerate(made, 1)]


def _frame(replies: Any) -> Any:
    cases = [Case("a", {"q": "x", "tool_replies": replies}), Case("b", {"q": "y"})]
    look = ("look", {"id": 7}, '{"state":"open"}')
    answers = {
        ("old", "a"): Answer("Open.", steps=_steps(look)),
        ("new", "a"): Answer("Open.", steps=_steps(look, ("cancel", {"id": 7}, "done"))),
        ("old", "b"): Answer("Yes."),
        ("new", "b"): Answer(error="503", error_kind="server"),
    }
    rows = [
        (Request(variant, case, 1, "lab/m", {}, f"{variant}{case}"), answer, {})
        for (variant, case), answer in answers.items()
    ]
    return build_frame(rows, VARIANTS, cases, [])


@pytest.mark.parametrize("replies", [REPLIES, '[{"name": "look", "arguments": {"id": 7}}]'])
def test_from_the_recorded_path(replies: Any) -> None:
    table = partings(_frame(replies), None)
    assert [tuple(row[:4]) for row in table.itertuples(index=False)][1] == ("new", "a", 1, 2)
    assert list(table["kind"]) == ["", "further"]
    assert table["text"][1] == "call 2 is one more: cancel(id=7)"
    assert table["call"].isna().tolist() == [True, False]


def test_from_another_variant_errors_are_left_out() -> None:
    table = partings(_frame(REPLIES), "old")
    assert list(table["case_id"]) == ["a"]
    with pytest.raises(PexError, match="no variant 'odl'"):
        partings(_frame(REPLIES), "odl")
    with pytest.raises(PexError, match="no case has a recorded path"):
        partings(_frame(None), None)
