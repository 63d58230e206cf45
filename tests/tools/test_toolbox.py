"""What is said of tools before any model is called."""

from pathlib import Path
from typing import Any

import pytest

import pex
from pex.core.errors import PexError
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.tool_paths import playing, tool

LOOKUP = tool("lookup", "order_id", order_id="string")
CANCEL = tool("cancel", order_id="string")
MADE = {"kind": "made", "reply": "ok"}


def other(order: str) -> str:
    return order


def experiment(tools: Any, **more: Any) -> pex.Experiment:
    prompt = pex.Prompt("{{ q }}", name="desk", tools=[LOOKUP, CANCEL])
    cases = more.pop("cases", [{"case_id": "1", "q": "A1"}])
    return pex.Experiment("desk", pex.grid(prompt, "lab/m1"), cases, tools=tools, **more)


@pytest.mark.parametrize(
    ("tools", "message", "hint"),
    [
        ({"lookup": MADE}, "prompt 'desk': tool 'cancel' has no implementation", ""),
        ({"lokup": MADE}, "tools: no prompt has a tool 'lokup'", "did you mean 'lookup'?"),
        ({"lookup": {"kind": "maid"}}, "tool 'lookup': there is no kind 'maid'", "'made'?"),
        ({"lookup": {"reply": "x"}}, "tool 'lookup': the key 'kind' is missing", "one of function"),
        ({"lookup": {**MADE, "timeout": 3}}, "tool 'lookup': unknown key 'timeout'", "timeout_s"),
        ({"lookup": "orders"}, "tool 'lookup': function: expected 'module:function'", ""),
        ({"lookup": "os:system"}, "tool 'lookup': function: 'os:system' cannot be a", ""),
        ({"lookup": {"kind": "mcp", "command": []}}, "tool 'lookup': command:", ""),
        ("lookup", "tools: expected names with implementations, got str", "orders:lookup"),
        ([lambda order_id: 1], "tools: a list holds functions with a name", ""),
        ([other, other], "tools: two functions are called 'other'", ""),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_at_once(tools: Any, message: str, hint: str) -> None:
    with pytest.raises(PexError) as caught:
        experiment(tools)
    assert caught.value.message.startswith(message)
    assert hint in (caught.value.hint or "")


def test_a_function_that_takes_other_arguments(lab: FaultyEndpoint) -> None:
    exp = experiment({"lookup": other, "cancel": MADE})
    with pytest.raises(
        PexError, match="its function needs 'order', which the tool's parameters lack"
    ):
        exp.run(record=False, show=False)
    with pytest.raises(PexError, match="does not take 'order_id', which the model may give"):
        experiment({"lookup": lambda: 1, "cancel": MADE}).run(record=False, show=False)
    assert lab.calls == 0


def test_a_world_that_is_not_an_object_names_its_case(project: Path) -> None:
    exp = experiment([lookup, cancel], cases=[{"case_id": "c7", "q": "x", "world": "[1"}])
    with pytest.raises(PexError, match=r"case 'c7': world: expected an object, got '\[1'"):
        exp.preview()


def test_effects_are_allowed_by_name(project: Path) -> None:
    exp = experiment({"lookup": MADE, "cancel": {"function": cancel, "effects": True}})
    assert exp.preview().tools[1].endswith("not run (allow_effects=True runs it)")
    assert exp.preview(allow_effects=["cancel"]).tools[1].endswith("has effects, and runs")
    with pytest.raises(PexError, match=r"there is no tool 'cancle'\n.*did you mean 'cancel'"):
        exp.preview(allow_effects=["cancle"])


def lookup(order_id: str) -> str:
    return "sent"


def cancel(order_id: str = "") -> str:
    return "cancelled"


def test_looking_at_a_project_imports_no_tool(lab: FaultyEndpoint, project: Path) -> None:
    (project / "spying.py").write_text("open('ran', 'w')\ndef lookup(order_id): return 'sent'\n")
    exp = experiment({"lookup": "spying:lookup", "cancel": MADE})
    path = exp.save(project / "exp" / "experiment.yaml")
    assert "lookup: spying:lookup" in path.read_text("utf-8")
    (project / "spying.py").rename(project / "exp" / "spying.py")
    again = pex.Experiment.load(path)
    assert "lookup: function spying:lookup" in str(again.preview())
    assert not (project / "ran").exists()
    lab.reply = playing([("lookup", {"order_id": "A1"})], "Sent.")
    row = again.run(record=False, show=False).frame.iloc[0]  # a module beside experiment.yaml
    assert row["steps"][0]["tools"][0]["reply"] == "sent"
    assert (project / "ran").exists()
    in_notebook = experiment([lookup, cancel])
    saved = in_notebook.save(project / "two" / "experiment.yaml").read_text("utf-8")
    assert "lookup: tests.tools.test_toolbox:lookup" in saved
    with pytest.raises(PexError, match="tool 'lookup' cannot be saved"):
        experiment({"lookup": lambda order_id: 1, "cancel": MADE}).save(project / "3" / "e.yaml")


def test_a_function_describes_itself(lab: FaultyEndpoint) -> None:
    def find(order_id: str, most: int = 3, world: dict[str, Any] | None = None) -> str:
        """Find an order.

        This is for people."""
        return f"{order_id} {most} {world}"

    prompt = pex.Prompt("{{ q }}", name="desk", tools=[find])
    assert prompt.tools is not None
    function = prompt.tools[0]["function"]
    assert (function["name"], function["description"]) == ("find", "Find an order.")
    assert list(function["parameters"]["properties"]) == ["order_id", "most"]
    lab.reply = playing([("find", {"order_id": "A1"}), ("find", {"order": "A1"})], "Found.")
    cases = [{"q": "x", "world": {"n": 1}}]
    exp = pex.Experiment("desk", pex.grid(prompt, "lab/m1"), cases, tools=[find])
    ran = exp.run(record=False, show=False).frame.iloc[0]["steps"][0]["tools"]
    assert [(call["reply"][:13], call["error"]) for call in ran] == [
        ("A1 3 {'n': 1}", None), ('{"error":"the', "arguments"),
    ]  # fmt: skip
    with pytest.raises(PexError, match="tool 'odd': its parameters cannot be described"):
        pex.Prompt("x", name="p", tools=[odd])


def odd(value: Path, other: FaultyEndpoint) -> str:
    return "x"
