"""The implementations of tools as data: the section `tools` of an experiment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator

from pex.core.errors import PexError, nearest
from pex.core.function_schema import WORLD as WORLD  # noqa: PLC0414 - also the cases' column
from pex.core.values import to_json_value
from pex.project.files import validate
from pex.project.functions import parts_of
from pex.project.spec import Strict

REPLIES = "tool_replies"
"""The column of the cases that has recorded replies, unless another is named."""
_KINDS = ("function", "recorded", "made", "mcp")


class ToolSpec(Strict):
    """What every implementation has."""

    kind: str
    """What replies: `function`, `recorded`, `made` or `mcp`. Example: `recorded`."""
    timeout_s: float = Field(default=30.0, gt=0)
    """How many seconds a reply may take. Example: `30`."""
    max_chars: int = Field(default=100_000, ge=1)
    """The longest reply, in characters. Example: `100000`."""
    effects: bool = False
    """Whether it does something outside (sends, pays, deletes): it then runs only where
    `allow_effects` names it. Example: `true`."""


class FunctionSpec(ToolSpec):
    """A Python function, by the name of its module."""

    kind: Literal["function"]
    function: str
    """The function, as `module:function`. Example: `orders:lookup`."""

    @field_validator("function")
    @classmethod
    def _function(cls, value: str) -> str:
        try:
            parts_of(value, "tool")
        except PexError as error:
            raise ValueError(error.message.removeprefix("function: ")) from None
        return value


class RecordedSpec(ToolSpec):
    """Replies that a column of the case has."""

    kind: Literal["recorded"]
    column: str = REPLIES
    """The column of the cases with the recorded replies. Example: `tool_replies`."""


class MadeReply(Strict):
    """The reply to calls that have these arguments."""

    arguments: dict[str, Any] = Field(default_factory=dict)
    """The arguments that a call must have. Example: `{city: Köln}`."""
    reply: Any
    """The reply to it. Example: `{sky: clear, celsius: 21}`."""


class MadeSpec(ToolSpec):
    """A reply that is written down: always the same, or by arguments."""

    kind: Literal["made"]
    reply: Any = None
    """The reply to every other call; `{city}` stands for an argument. Example: `There is no weather
    for {city}.`."""
    replies: list[MadeReply] = Field(default_factory=list)
    """Replies by arguments. Example: `[{arguments: {city: Köln}, reply: {sky: clear}}]`."""


class McpSpec(ToolSpec):
    """A tool of an MCP server that pex starts for the run."""

    kind: Literal["mcp"]
    command: list[str] = Field(min_length=1)
    """The command that starts the server. Example: `[python, server.py]`."""
    tool: str | None = None
    """The tool's name at the server, if it is another one. Example: `lookup_order`."""


_SPECS: dict[str, type[ToolSpec]] = {
    "function": FunctionSpec,
    "recorded": RecordedSpec,
    "made": MadeSpec,
    "mcp": McpSpec,
}

Given = str | Callable[..., Any] | Mapping[str, Any]
"""How a user gives an implementation."""


def named_tools(tools: Any) -> dict[str, Given]:
    """The implementations by the tools' names; a list is one of functions.

    Raises:
        PexError: it is neither a mapping nor a list of functions, or a name comes twice.

    Example:
        >>> def lookup(order_id): ...
        >>> list(named_tools([lookup]))
        ['lookup']
    """
    if tools is None:
        return {}
    if isinstance(tools, Mapping):
        return {str(name): given for name, given in tools.items()}
    if not isinstance(tools, Sequence) or isinstance(tools, str):
        raise PexError(
            f"tools: expected names with implementations, got {type(tools).__name__}",
            hint='for example tools={"lookup": "orders:lookup"}',
        )
    found: dict[str, Given] = {}
    for tool in tools:
        name = getattr(tool, "__name__", None)
        if not callable(tool) or name in (None, "<lambda>"):
            raise PexError(
                f"tools: a list holds functions with a name, got {tool!r:.80}",
                hint='give other implementations by name: tools={"lookup": {"kind": "made", …}}',
            )
        if name in found:
            raise PexError(f"tools: two functions are called '{name}'")
        found[str(name)] = tool
    return found


def read_spec(name: str, given: Given) -> tuple[ToolSpec, Callable[..., Any] | None]:
    """What was given for a tool, checked; and the function itself, if that was given.

    Nothing is imported.

    Raises:
        PexError: an unknown kind or option, or a value that does not fit.

    Example:
        >>> read_spec("lookup", {"kind": "made", "reply": "No such order.", "max_char": 5})
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: tool 'lookup': unknown key 'max_char'
          did you mean 'max_chars'?
    """
    where, function = f"tool '{name}'", None
    if isinstance(given, str) or callable(given):
        given = {"kind": "function", "function": given}
    if not isinstance(given, Mapping):
        raise PexError(
            f"{where}: expected 'module:function', a function or a dict with 'kind', got "
            f"{type(given).__name__}"
        )
    data = dict(given)
    kind = data.get("kind", "function" if "function" in data else None)
    if kind is None:
        raise PexError(f"{where}: the key 'kind' is missing", hint=f"one of {', '.join(_KINDS)}")
    if not isinstance(kind, str) or kind not in _SPECS:
        raise PexError(f"{where}: there is no kind '{kind}'", hint=nearest(str(kind), _KINDS))
    if callable(data.get("function")):
        function = data["function"]
        data["function"] = "here:function"
    return validate(_SPECS[kind], {**data, "kind": kind}, where), function


def written(name: str, given: Given) -> Any:
    """An implementation as `experiment.yaml` has it.

    Raises:
        PexError: a function that another process cannot import.
    """
    if isinstance(given, Mapping):
        named = {"function": reference(name, given["function"])} if callable(
            given.get("function")
        ) else {}  # fmt: skip
        return to_json_value({**given, **named})
    return reference(name, given) if callable(given) else given


def reference(name: str, function: Callable[..., Any]) -> str:
    """The `module:function` of a function.

    Raises:
        PexError: another process cannot import it.
    """
    module = str(getattr(function, "__module__", None))
    attribute = str(getattr(function, "__qualname__", None))
    if module == "__main__" or getattr(sys.modules.get(module), attribute, None) is not function:
        raise PexError(
            f"tool '{name}' cannot be saved: a file can only name a function that another process "
            "can import",
            hint="move it into a module, then use 'module:function'",
        )
    return f"{module}:{attribute}"
