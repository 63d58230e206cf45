"""Paths of tools in MLflow: what comes back, and a span for each request and each tool."""

from pathlib import Path

import mlflow
import pytest

import pex
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.tool_paths import playing, tool


@pytest.mark.traces
def test_a_path_comes_back_whole_and_each_part_has_a_span(
    lab: FaultyEndpoint, project: Path
) -> None:
    lab.reply = playing(
        [("lookup", {"order_id": "A1"}), ("lookup", {"order_id": "Z9"})], "It is sent."
    )
    prompt = pex.Prompt(
        "Where is {{ q }}?", name="desk", tools=[tool("lookup", "order_id", order_id="string")]
    )

    def lookup(order_id: str, world: dict[str, str]) -> dict[str, str]:
        return {"state": world.pop(order_id)}

    cases = [{"case_id": "1", "q": "A1", "world": {"A1": "sent", "B2": "lost"}}]
    exp = pex.Experiment("desk", pex.grid(prompt, "lab/m1"), cases, tools=[lookup])
    results = exp.run(show=False)
    assert results.traces is not None
    results.traces.join()
    again = pex.load_run(results.run_id)
    for name in ("steps", "tool_calls", "conversation", "world"):
        assert again.frame[name].tolist() == results.frame[name].tolist()
    assert again.frame["world"].iloc[0] == {"B2": "lost"}
    assert again.about.tools == [f"lookup: function {lookup.__qualname__}"]
    assert str(again).count("1 of 2 tool calls of 'desk' failed: 1 raised") == 1
    client = mlflow.MlflowClient(str(results.about["tracking_uri"]))
    (trace,) = client.search_traces(locations=[results.about["experiment_id"]])
    root, first, found, missing, last = trace.data.spans
    assert [span.name for span in trace.data.spans[1:]] == [
        "step 1: m1", "lookup", "lookup", "step 2: m1",
    ]  # fmt: skip
    assert {span.parent_id for span in trace.data.spans[1:]} == {root.span_id}
    assert [span.span_type for span in (first, found)] == ["CHAT_MODEL", "TOOL"]
    assert (found.inputs, found.outputs) == ({"order_id": "A1"}, {"state": "sent"})
    assert missing.status.status_code == "ERROR"
    assert "KeyError" in missing.status.description
    assert [m["role"] for m in last.inputs["messages"]] == ["user", "assistant", "tool", "tool"]
    assert last.outputs["choices"][0]["message"]["content"] == root.outputs == "It is sent."
    assert root.start_time_ns <= first.start_time_ns
    assert last.end_time_ns <= root.end_time_ns + 2_000_000  # each is rounded to a millisecond
