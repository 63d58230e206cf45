"""A real MCP server of the official SDK: listed, called, ended, and one that dies in mid-path."""

import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

import pex
from pex.core.errors import PexError
from pex.tools.server import _why, mcp_tools
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.tool_paths import playing, tool

pytest.importorskip("mcp")

SERVER = '''
import os
from mcp.server.fastmcp import FastMCP

server = FastMCP("orders")
calls = 0

@server.tool()
def look_up(order_id: str) -> str:
    """The state of an order."""
    global calls
    calls += 1
    if order_id == "missing":
        raise ValueError("no such order")
    return f"{order_id} is sent (call {calls}, key {os.environ.get('LAB_KEY')})"

@server.tool()
def stop() -> str:
    """End the server."""
    os._exit(3)

server.run()
'''


def desk(**more: Any) -> pex.Experiment:
    command = [sys.executable, "orders_server.py"]
    tools = {
        "lookup": {"kind": "mcp", "command": command, "tool": "look_up", **more},
        "stop": {"kind": "mcp", "command": command},
    }
    offered = [tool("lookup", "order_id", order_id="string"), tool("stop")]
    prompt = pex.Prompt("{{ q }}", name="desk", tools=offered)
    return pex.Experiment("desk", pex.grid(prompt, "lab/m1"), [{"q": "go"}], tools=tools)


def test_a_server_is_asked_and_ended_and_one_that_dies_is_counted(
    project: Path, endpoint: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "sesame-sesame")
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\n[prices."lab/m1"]\n'
        "input_usd_per_million = 0\n"
        "output_usd_per_million = 0\n"
    )
    (project / "orders_server.py").write_text(SERVER)
    endpoint.reply = playing(
        [("lookup", {"order_id": "A1"})],
        [("lookup", {"order_id": "missing"}), ("lookup", {"order_id": "B2"})],
        [("stop", {})],
        [("lookup", {"order_id": "C3"})],
        "Done.",
    )
    row = desk().run(record=False, show=False).frame.iloc[0]
    ran = [call for step in row["steps"] for call in step["tools"]]
    assert [call["error"] for call in ran] == [None, "raised", None, "died", "died"]
    assert ran[0]["reply"] == "A1 is sent (call 1, key None)"
    assert "no such order" in ran[1]["reply"]
    assert ran[2]["reply"].startswith("B2 is sent")  # by the same process
    assert ran[4]["reply"] == '{"error":"the tool\'s server has ended"}'
    assert row["output"] == "Done."
    before = endpoint.calls
    with pytest.raises(PexError, match=r"no tool 'lookup'\n.*did you mean 'look_up'"):
        desk(tool=None, max_chars=5).run(record=False, show=False)
    assert endpoint.calls == before


def test_a_server_that_cannot_be_started_is_said_before_any_call(
    project: Path, endpoint: FaultyEndpoint
) -> None:
    with pytest.raises(PexError, match="there is no program 'nowhere-to-be-found'"):
        mcp_tools(["nowhere-to-be-found"])
    with pytest.raises(PexError, match="cannot be used: Connection closed"):
        mcp_tools([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.parametrize("error", [anyio.BrokenResourceError(), anyio.ClosedResourceError()])
def test_a_server_that_ends_while_it_is_written_to_has_closed_the_connection(
    error: Exception,
) -> None:
    assert _why(ExceptionGroup("in a task", [error])) == "Connection closed"
