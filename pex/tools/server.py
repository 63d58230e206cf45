"""An MCP server over stdio: one process for a run, on an event loop of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError
from pex.core.extras import require
from pex.guard.redact import redact

if TYPE_CHECKING:
    from mcp import ClientSession

START_S = 30.0
"""How long a server may take until it lists its tools."""
END_S = 5.0


class ServerDiedError(Exception):
    """The server has ended, or was never started."""


class ToolError(Exception):
    """The tool itself says that it failed."""


class McpServer:
    """A server that is started, asked and ended.

    It gets none of the environment's keys: the SDK passes on only what a process needs to start.

    Args:
        command: the program and its arguments.
        folder: where it is started.
    """

    def __init__(self, command: Sequence[str], folder: Path | None = None) -> None:
        self.command = list(command)
        self.tools: list[dict[str, Any]] = []
        """What it lists, as tools in OpenAI's form."""
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._stop: asyncio.Event | None = None
        self._session: ClientSession | None = None
        self._thread = threading.Thread(target=self._main, name="pex-mcp", daemon=True)

    @property
    def place(self) -> str:
        """How it is started, for messages."""
        return redact(" ".join(self.command))

    def start(self) -> None:
        """Start it, and read the list of its tools.

        Raises:
            PexError: the extra is not installed, or it does not start.
        """
        require("mcp", "an MCP server")  # before a thread needs it
        self._thread.start()
        try:
            self._ready.result(START_S)
        except concurrent.futures.TimeoutError:
            self.close()
            raise PexError(
                f"the MCP server '{self.place}' did not list its tools within {START_S:.0f} s"
            ) from None
        except FileNotFoundError:
            raise PexError(
                f"the MCP server '{self.place}' cannot be started: there is no program "
                f"'{self.command[0]}'"
            ) from None
        except Exception as error:  # noqa: BLE001 - the SDK raises groups of many kinds
            said = redact(_why(error))
            raise PexError(f"the MCP server '{self.place}' cannot be used: {said}") from None

    async def call(self, name: str, arguments: dict[str, Any]) -> str:
        """The reply of one of its tools, as text.

        Raises:
            ServerDiedError: it has ended.
            ToolError: the tool says that it failed.
        """
        if self._session is None:
            raise ServerDiedError
        asked = asyncio.run_coroutine_threadsafe(self._call(name, arguments), self._loop)
        return await asyncio.wrap_future(asked)

    async def _call(self, name: str, arguments: dict[str, Any]) -> str:
        import anyio
        from mcp import McpError

        session = self._session
        if session is None:
            raise ServerDiedError
        try:
            result = await session.call_tool(name, arguments)
        except McpError as error:
            if "closed" in str(error).lower():
                self._session = None
                raise ServerDiedError from None
            raise ToolError(str(error)) from None
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._session = None
            raise ServerDiedError from None
        text = "\n".join(_text(part) for part in result.content)
        if result.isError:
            raise ToolError(text)
        return text

    def close(self) -> None:
        """End it; returns when its process is gone, or soon after."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # its loop has just ended
                self._loop.call_soon_threadsafe(self._end)
            self._thread.join(END_S)

    def _end(self) -> None:
        if self._stop is not None:
            self._stop.set()

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001 - raised by start(), or it has ended anyway
            if not self._ready.done():
                self._ready.set_exception(error)
        finally:
            self._session = None
            self._loop.close()

    async def _serve(self) -> None:
        from mcp import ClientSession, StdioServerParameters
        from mcp.client.stdio import stdio_client

        self._stop = asyncio.Event()
        parameters = StdioServerParameters(
            command=self.command[0], args=self.command[1:], cwd=self._folder
        )
        with Path(os.devnull).open("w") as nowhere:
            async with (
                stdio_client(parameters, errlog=nowhere) as streams,
                ClientSession(*streams) as session,
            ):
                await session.initialize()
                self.tools = [_tool(tool) for tool in (await session.list_tools()).tools]
                self._session = session
                self._ready.set_result(None)
                await self._stop.wait()


def mcp_tools(command: Sequence[str], folder: Path | None = None) -> list[dict[str, Any]]:
    """The tools that an MCP server offers, in OpenAI's form, for `Prompt(tools=…)`.

    They are part of the prompt then: a server that describes its tools differently later does not
    change what a run has measured.

    Args:
        command: the program and its arguments.
        folder: where it is started; left out, the current folder.

    Raises:
        PexError: the extra is not installed, or the server does not start.
    """
    server = McpServer(command, folder)
    try:
        server.start()
        return server.tools
    finally:
        server.close()


def _tool(tool: Any) -> dict[str, Any]:
    function = {"name": tool.name, "parameters": tool.inputSchema}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _text(part: Any) -> str:
    text = getattr(part, "text", None)
    if isinstance(text, str):
        return text
    resource = getattr(getattr(part, "resource", None), "text", None)
    return resource if isinstance(resource, str) else f"[{part.type}]"


_ENDED = {"BrokenResourceError", "ClosedResourceError", "EndOfStream"}
"""What anyio raises, without words, where a server ends before the SDK has noticed it."""


def _why(error: BaseException) -> str:
    """The first cause in a group of errors."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    if type(error).__name__ in _ENDED:
        return "Connection closed"
    return str(error) or type(error).__name__
