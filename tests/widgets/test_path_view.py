"""A path in the opened cell, beside the one it is compared with, and in pages without a kernel."""

from typing import Any

from pex.report.path_items import path_html
from pex.widgets.path_view import path_of


def step(number: int, *tools: tuple[str, Any, str, str | None]) -> dict[str, Any]:
    made = [
        {"id": "1", "name": name, "arguments": given, "reply": reply, "error": error,
         "latency_s": 0.5, "from_journal": False}
        for name, given, reply, error in tools
    ]  # fmt: skip
    return {"step": number, "latency_s": 1.0, "prompt_tokens": 10, "completion_tokens": 2,
            "cost_usd": 0.0, "finish_reason": "stop", "tools": made}  # fmt: skip


LOOKED = ("lookup", {"order_id": "A1"}, '{"state": "sent"}', None)
SAID = [{"role": "assistant", "content": None}, {"role": "assistant", "content": "It is sent."}]


def row(*steps: Any, output: str = "It is sent.") -> dict[str, Any]:
    return {"steps": list(steps), "conversation": SAID, "output": output}


def test_a_path_is_a_list_of_what_happened_with_its_times() -> None:
    path = path_of(row(step(1, LOOKED), step(2)), None, "short")
    assert path is not None
    assert path["line"] == "2 steps, 1 tool call"
    assert [(item["title"], item["begin"], item["length"]) for item in path["items"]] == [
        ("Step 1", 0.0, 0.4), ("lookup", 0.4, 0.2), ("Step 2", 0.6, 0.4),
    ]  # fmt: skip
    assert path["items"][1]["arguments"] == "order_id=A1"
    assert path["items"][2]["text"] == "It is sent."
    assert path_of({"output": "x"}, None, "short") is None
    assert path_of({"steps": float("nan")}, None, "short") is None


def test_tools_are_drawn_beside_each_other_those_of_the_world_one_after_the_other() -> None:
    made = step(1, LOOKED, LOOKED, LOOKED)
    for tool in made["tools"][1:]:
        tool["in_order"] = True
    path = path_of(row(made), None, "short")
    assert path is not None
    assert [(item["begin"], item["length"]) for item in path["items"]] == [
        (0.0, 0.5), (0.5, 0.25), (0.5, 0.25), (0.75, 0.25)
    ]  # fmt: skip


def test_two_paths_say_where_they_part() -> None:
    other = row(step(1, LOOKED), step(2))
    gone = ("refund", {}, '{"error":"…"}', "not_allowed")
    path = path_of(row(step(1, LOOKED), step(2, gone), step(3)), other, "short")
    assert path is not None
    assert (path["at"], path["parting"]) == (
        2, "Compared with short: call 2 is one more: refund().",
    )  # fmt: skip
    assert path["line"] == "3 steps, 2 tool calls (1 failed)"
    assert path["other"]["line"] == "2 steps, 1 tool call"
    same = path_of(other, row(step(1, LOOKED), step(2)), "short")
    assert same is not None
    assert (same["at"], same["parting"]) == (None, "The two paths are the same.")


def test_a_static_page_has_the_path_escaped_and_bounded() -> None:
    hostile = ("<b>x</b>", {"a": "<script>"}, "\u202e<img src=x>" + "y" * 500, "raised")
    html = path_html(row(step(1, *[hostile] * 50)), 100)
    assert "<script>" not in html
    assert "<img" not in html
    assert "\u202e" not in html
    assert "! raised an error" in html
    assert "… 11 more" in html
    assert "y" * 101 not in html
    assert path_html({"output": "x"}, 100) == ""
