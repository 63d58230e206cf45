"""One tool that can run: what it is, what its replies depend on, and how it is called."""

from __future__ import annotations

import asyncio
import copy
import functools
import hashlib
import inspect
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pex.core.canonical_json import digest, json_text
from pex.core.errors import PexError, nearest
from pex.core.text import replace_surrogates
from pex.core.values import to_json_value
from pex.guard.redact import redact
from pex.project.functions import import_callable, module_file
from pex.tools.spec import (
    WORLD,
    FunctionSpec,
    Given,
    MadeSpec,
    McpSpec,
    RecordedSpec,
    ToolSpec,
    read_spec,
)


class Implementation:
    """How a tool is answered.

    Args:
        name: the tool's.
        given: what the user gave for it.
        beside: the folder of the experiment's file, which may have its module.
        allowed: whether it may run if it has effects.

    Raises:
        PexError: what was given does not fit; nothing is imported.
    """

    def __init__(self, name: str, given: Given, beside: Path | None, *, allowed: bool) -> None:
        self.name = name
        self.spec: ToolSpec
        self.spec, self._function = read_spec(name, given)
        self._beside = beside
        self.runs = isinstance(self.spec, FunctionSpec | McpSpec)
        """Whether something runs for a reply."""
        self.withheld = self.runs and self.spec.effects and not allowed
        """Whether it does not run here, because of its effects."""
        self.has_world = False
        """Whether it takes the case's world; known once it is open."""
        self.digest = digest([self.spec.model_dump(), self._code(), self.withheld], 64)
        """Changes with what it is, and with the code of a function."""

    @property
    def function(self) -> Callable[..., Any]:
        """The function that runs."""
        assert self._function is not None  # open() has imported it
        return self._function

    def __str__(self) -> str:
        spec = self.spec
        if isinstance(spec, RecordedSpec):
            how = f"recorded replies, column '{spec.column}'"
        elif isinstance(spec, MadeSpec):
            how = "a made reply"
        elif isinstance(spec, McpSpec):
            how = f"MCP server: {redact(' '.join(spec.command))}"
        elif isinstance(spec, FunctionSpec) and self._function is None:
            how = f"function {spec.function}"
        else:
            how = f"function {getattr(self._function, '__qualname__', self._function)}"
        if self.withheld:
            how += "; has effects: not run (allow_effects=True runs it)"
        elif self.runs and spec.effects:
            how += "; has effects, and runs"
        return f"{self.name}: {how}"

    def open(self, schema: Mapping[str, Any]) -> None:
        """Import its function, and check that it takes what the model can give.

        Args:
            schema: of the arguments.

        Raises:
            PexError: there is no such function, or it takes other arguments.
        """
        if not isinstance(self.spec, FunctionSpec) or self.withheld:
            return
        if self._function is None:
            try:
                self._function = import_callable(self.spec.function, "tool", self._beside)
            except PexError as error:
                raise PexError(f"tool '{self.name}': {error.message}", hint=error.hint) from None
        self.has_world = self._check_parameters(schema)

    def _check_parameters(self, schema: Mapping[str, Any]) -> bool:
        """Whether the function takes the world."""
        try:
            parameters = inspect.signature(self.function).parameters.values()
        except ValueError:
            return False
        known = schema.get("properties")
        known = list(known) if isinstance(known, Mapping) else []
        named = {
            p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        }
        where = f"tool '{self.name}'"
        for name, parameter in named.items():
            if parameter.default is parameter.empty and name not in (*known, WORLD):
                raise PexError(
                    f"{where}: its function needs '{name}', which the tool's parameters lack",
                    hint=nearest(name, known) if known else None,
                )
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            for name in known:
                if name not in named:
                    raise PexError(
                        f"{where}: its function does not take '{name}', which the model may give",
                        hint=nearest(name, list(named)) if named else None,
                    )
        return WORLD in named and WORLD not in known

    def call(
        self, arguments: Mapping[str, Any], world: dict[str, Any] | None
    ) -> tuple[str, str | None, dict[str, Any] | None]:
        """The reply of the function, a word for what went wrong, and the world after it.

        A call that fails changes nothing in the world. Never raises.
        """
        given: dict[str, Any] = copy.deepcopy(dict(arguments))
        after = copy.deepcopy(world)
        if self.has_world:
            after = {} if after is None else after
            given[WORLD] = after
        try:
            result = self.function(**given)
            if inspect.isawaitable(result):
                result = asyncio.run(_awaited(result))
        except BaseException as error:  # noqa: BLE001 - a user's function may fail in any way
            return error_reply(_said(error)), "raised", world
        try:
            reply = _text(result)
            after = to_json_value(after) if self.has_world else after
        except Exception as error:  # noqa: BLE001 - so may an object that is written
            return error_reply(f"what it returned is not JSON: {_said(error)}"), "no_json", world
        return reply, None, after

    def _code(self) -> str | None:
        """The hash of a function's code: of its module's file, where only its name was given."""
        if not isinstance(self.spec, FunctionSpec):
            return None
        if self._function is not None:
            inner = inspect.unwrap(self._function)
            while isinstance(inner, functools.partial):
                inner = inner.func
            try:
                source = textwrap.dedent(inspect.getsource(inner)).encode()
            except (OSError, TypeError):
                code = getattr(inner, "__code__", None)
                source = repr((getattr(code, "co_code", b""), type(inner).__name__)).encode()
            name = getattr(inner, "__qualname__", type(inner).__qualname__)
            return hashlib.sha256(name.encode() + b"\n" + source).hexdigest()
        path = module_file(self.spec.function, self._beside)
        try:
            return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError:
            return None


def error_reply(message: str) -> str:
    """An error as the model gets it.

    Example:
        >>> error_reply("no reply within 30 s")
        '{"error":"no reply within 30 s"}'
    """
    return json_text({"error": replace_surrogates(message)})


async def _awaited(result: Any) -> Any:
    return await result


def _said(error: BaseException) -> str:
    try:
        message = redact(str(error))
    except Exception:  # noqa: BLE001 - an error without a printable message must not end the run
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _text(result: Any) -> str:
    """What a function returned, as the model reads it: a string as it is, else JSON."""
    if isinstance(result, str):
        return replace_surrogates(result)
    from pydantic_core import to_json

    return to_json(result, inf_nan_mode="null").decode()
