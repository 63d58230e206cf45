"""The tools of a run: what the model's calls are answered with, case by case."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core import jsontext
from pex.core.call import Request, ToolLoop
from pex.core.canonical_json import digest
from pex.core.case import Case
from pex.core.errors import PexError, nearest
from pex.core.variant import Variant
from pex.run.tool_path import ToolCall
from pex.score.reading import shorten
from pex.score.structured import follows
from pex.tools.implementation import Implementation, error_reply
from pex.tools.replies import RecordedReplies, made_reply, recorded_entries
from pex.tools.server import McpServer, ServerDiedError, ToolError
from pex.tools.spec import WORLD, FunctionSpec, MadeSpec, McpSpec, RecordedSpec, named_tools
from pex.tools.workers import Workers

MAX_STEPS = 10
"""Requests of a path, unless an experiment says otherwise."""


class Toolbox:
    """The implementations of an experiment's tools.

    Made without importing or starting anything; `open` does that, before any model is called.

    Args:
        given: the implementations by the tools' names, or a list of functions.
        max_steps: requests that one answer may take.
        beside: the folder of the experiment's file.
        allow_effects: True, or the names of the tools with effects that may run.

    Raises:
        PexError: an implementation does not fit.
    """

    def __init__(
        self,
        given: Any,
        max_steps: int = MAX_STEPS,
        beside: Path | None = None,
        allow_effects: bool | Collection[str] = False,
    ) -> None:
        tools = named_tools(given)
        _check_allowed(allow_effects, tools)
        self.max_steps = max_steps
        self.tools: dict[str, Implementation] = {}
        for name, tool in tools.items():
            allowed = allow_effects if isinstance(allow_effects, bool) else name in allow_effects
            self.tools[name] = Implementation(name, tool, beside, allowed=allowed)
        self._beside = beside
        self._cases: dict[str, tuple[dict[str, Any] | None, dict[str, list[dict[str, Any]]]]] = {}
        self._digests: dict[tuple[str, frozenset[str]], str] = {}
        self._checks: dict[int, tuple[Any, Callable[[Any], str | None]]] = {}
        self._by_digest: dict[str, Callable[[Any], str | None]] = {}
        self._servers: dict[tuple[str, ...], McpServer] = {}
        self._workers = Workers()

    def __bool__(self) -> bool:
        return bool(self.tools)

    def check(self, variants: Sequence[Variant], *, every: bool = True) -> None:
        """Check that tools and implementations belong together.

        Args:
            variants: with the prompts' tools.
            every: every implementation has to belong to a tool.

        Raises:
            PexError: they do not.
        """
        known: list[str] = []
        for variant in variants:
            names = list(_schemas(_tools_of(variant)))
            known += names
            missing = [name for name in names if name not in self.tools]
            if missing and len(missing) < len(names):
                raise PexError(
                    f"prompt '{variant.prompt.name}': tool '{missing[0]}' has no implementation, "
                    "and others have",
                    hint=nearest(missing[0], list(self.tools))
                    or f'a reply that is always the same: tools={{"{missing[0]}": '
                    '{"kind": "made", "reply": …}}',
                )
        for name in self.tools if every else ():
            if name not in known:
                raise PexError(
                    f"tools: no prompt has a tool '{name}'",
                    hint=nearest(name, known)
                    if known
                    else "a prompt's tools say what the model is offered: Prompt(…, tools=[…])",
                )

    def loop_of(self, variant: Variant, case: Case) -> ToolLoop | None:
        """What runs for a variant and a case; None if the calls of tools are the answer.

        Raises:
            PexError: the case's world or recorded replies are not valid.
        """
        if not self.tools:
            return None
        names = frozenset(_schemas(_tools_of(variant))).intersection(self.tools)
        if not names:
            return None
        made = self._digests.get((case.id, names))
        if made is None:
            used = [self.tools[name] for name in sorted(names)]
            world, replies = self._of_case(case)
            parts: list[Any] = [[tool.name, tool.digest] for tool in used]
            if any(isinstance(tool.spec, FunctionSpec) for tool in used):
                parts.append(world)
            columns = {t.spec.column for t in used if isinstance(t.spec, RecordedSpec)}
            parts += [replies[column] for column in sorted(columns)]
            made = self._digests[case.id, names] = digest(parts, 32)
        return ToolLoop(made, self.max_steps)

    def _of_case(self, case: Case) -> tuple[dict[str, Any] | None, dict[str, list[dict[str, Any]]]]:
        if case.id not in self._cases:
            values = case.values
            columns = {
                t.spec.column for t in self.tools.values() if isinstance(t.spec, RecordedSpec)
            }
            replies = {
                column: recorded_entries(values.get(column), column, case.id) for column in columns
            }
            self._cases[case.id] = (_world(values.get(WORLD), case.id), replies)
        return self._cases[case.id]

    def described(self) -> list[str]:
        """A line for each tool: how it is answered, and whether it has effects."""
        return [str(tool) for tool in self.tools.values()]

    def open(self, variants: Sequence[Variant]) -> None:
        """Import the functions and start the servers.

        Args:
            variants: with the schemas of their tools.

        Raises:
            PexError: a function or a server's tool does not exist, or a server does not start.
        """
        for variant in variants:
            for name, schema in _schemas(_tools_of(variant)).items():
                if name in self.tools:
                    self.tools[name].open(schema)
        for tool in self.tools.values():
            if not isinstance(tool.spec, McpSpec) or tool.withheld:
                continue
            command = tuple(tool.spec.command)
            if command not in self._servers:
                server = self._servers[command] = McpServer(command, self._beside)
                server.start()
            listed = [item["function"]["name"] for item in self._servers[command].tools]
            wanted = tool.spec.tool or tool.name
            if wanted not in listed:
                raise PexError(
                    f"tool '{tool.name}': the MCP server has no tool '{wanted}'",
                    hint=nearest(wanted, listed),
                )

    def close(self) -> None:
        """End the servers and the threads that have nothing to do."""
        for server in self._servers.values():
            server.close()
        self._workers.close()

    def begin(self, request: Request) -> CaseTools:
        """The tools of one request's path; its world is a copy of the case's."""
        return CaseTools(self, request, *copy.deepcopy(self._cases[request.case_id]))

    def check_of(self, schema: Any) -> Callable[[Any], str | None]:
        """The check of arguments against a tool's parameters, made once."""
        made = self._checks.get(id(schema))
        if made is None or made[0] is not schema:
            key = digest(schema, 32)
            made = self._checks[id(schema)] = (schema, self._by_digest.get(key) or follows(schema))
            self._by_digest[key] = made[1]
        return made[1]

    async def answer(
        self, tool: Implementation, arguments: dict[str, Any], world: dict[str, Any] | None
    ) -> tuple[str, str | None, dict[str, Any] | None]:
        """Run a tool: its reply, a word for what went wrong, and the world after it."""
        spec = tool.spec
        if isinstance(spec, McpSpec):
            return (*await self._of_server(tool, spec, arguments), world)
        if not self._workers.may_run:
            return error_reply("not run: too many tools have not replied in time"), "timeout", world
        future = self._workers.submit(functools.partial(tool.call, arguments, world))
        try:
            return await asyncio.wait_for(
                asyncio.shield(asyncio.wrap_future(future)), spec.timeout_s
            )
        except TimeoutError:
            self._workers.leave(future)
            return error_reply(f"no reply within {spec.timeout_s:g} s"), "timeout", world

    async def _of_server(
        self, tool: Implementation, spec: McpSpec, arguments: dict[str, Any]
    ) -> tuple[str, str | None]:
        server = self._servers[tuple(spec.command)]
        try:
            asked = server.call(spec.tool or tool.name, arguments)
            return await asyncio.wait_for(asked, spec.timeout_s), None
        except TimeoutError:
            return error_reply(f"no reply within {spec.timeout_s:g} s"), "timeout"
        except ToolError as error:
            return str(error), "raised"
        except ServerDiedError:
            return error_reply("the tool's server has ended"), "died"


class CaseTools:
    """The tools of one path, with the state that its calls share.

    Args:
        toolbox: the run's.
        request: with the tools that the model knows.
        world: of the case, a copy.
        replies: the recorded replies of the case, by column.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        request: Request,
        world: dict[str, Any] | None,
        replies: Mapping[str, list[dict[str, Any]]],
    ) -> None:
        self._toolbox = toolbox
        self._schemas = _schemas(request.body.get("tools") or [])
        self._recorded = {column: RecordedReplies(entries) for column, entries in replies.items()}
        self.world = world

    def read(self, call: ToolCall) -> None:
        """Read the arguments; reply at once if nothing has to run for it, else set its digest."""
        problem = self._problem(call)
        if problem is not None:
            call.error, call.reply = problem[0], error_reply(problem[1])
            return
        tool = self._toolbox.tools[call.name]
        spec = tool.spec
        if isinstance(spec, RecordedSpec):
            reply = self._recorded[spec.column].take(call.name, call.arguments)
            if reply is None:
                call.error = "not_recorded"
                reply = error_reply("no reply was recorded for this call")
            call.reply = reply
        elif isinstance(spec, MadeSpec):
            call.reply = made_reply(spec, call.arguments)
        else:
            call.digest, call.has_world = tool.digest, tool.has_world
            return
        self._limit(call, tool)

    def _problem(self, call: ToolCall) -> tuple[str, str] | None:
        """Why a call is not answered: a word, and what the model is told."""
        if call.name not in self._schemas or call.name not in self._toolbox.tools:
            known = ", ".join(self._schemas)
            return "unknown", f"there is no tool '{shorten(call.name)}', only: {known}"
        try:
            call.arguments = jsontext.loads(call.text) if call.text.strip() else {}
        except (ValueError, RecursionError) as error:
            return "arguments", f"the arguments are not valid JSON: {error}"
        if not isinstance(call.arguments, dict):
            return "arguments", "the arguments must be a JSON object"
        mismatch = self._toolbox.check_of(self._schemas[call.name])(call.arguments)
        if mismatch is not None:
            return "arguments", f"the arguments do not fit: {mismatch}"
        if self._toolbox.tools[call.name].withheld:
            return "not_allowed", "not run: the tool has effects, and this run does not allow them"
        return None

    async def run(self, call: ToolCall) -> None:
        """Run the tool, which sets the reply; whatever goes wrong becomes one."""
        tool = self._toolbox.tools[call.name]
        call.reply, call.error, world = await self._toolbox.answer(tool, call.arguments, self.world)
        if call.has_world:
            self.world = world
        self._limit(call, tool)

    @staticmethod
    def _limit(call: ToolCall, tool: Implementation) -> None:
        most, size = tool.spec.max_chars, len(call.reply or "")
        if size > most:
            call.error = "too_long"
            call.reply = error_reply(f"the reply has {size:,} characters, {most:,} are allowed")


def _check_allowed(allowed: Any, tools: Collection[str]) -> None:
    if isinstance(allowed, bool):
        return
    if isinstance(allowed, str) or not isinstance(allowed, Collection):
        raise PexError(
            f"allow_effects: expected True, False or a list of tools, got {allowed!r:.80}"
        )
    for name in allowed:
        if name not in tools:
            raise PexError(
                f"allow_effects: there is no tool '{name}'", hint=nearest(str(name), list(tools))
            )


def _tools_of(variant: Variant) -> Sequence[Any]:
    tools = variant.prompt.tools or variant.all_params.get("tools")
    return tools if isinstance(tools, list) else []


def _schemas(tools: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """The parameters of tools by their names."""
    found: dict[str, dict[str, Any]] = {}
    for tool in tools:
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if isinstance(function, Mapping) and isinstance(function.get("name"), str):
            schema = function.get("parameters")
            found[function["name"]] = schema if isinstance(schema, dict) else {}
    return found


def _world(value: Any, case_id: str) -> dict[str, Any] | None:
    if isinstance(value, str) and value.strip():
        with contextlib.suppress(ValueError, RecursionError):
            value = jsontext.loads(value)
    if value is None or value == "":
        return None
    if not isinstance(value, dict):
        raise PexError(
            f"case '{case_id}': {WORLD}: expected an object, got {shorten(repr(value))}",
            hint="the tools' functions get it as a dict",
        )
    return value
