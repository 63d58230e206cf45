"""Calls that send or make a prompt: OpenAI's, Anthropic's and LangChain's."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping
from typing import Any

from pex.core.params import KNOWN, RESERVED
from pex.importers.python_code.texts import (
    BuiltByCodeError,
    Scope,
    TooManyPartsError,
    formatted,
    template_of,
    variable_of,
)
from pex.importers.variables import as_template, literal
from pex.run.providers import BUILT_IN

ROLES = {"system": "system", "developer": "developer", "user": "user", "human": "user",
         "assistant": "assistant", "ai": "assistant"}  # fmt: skip
_SENDING = ("create", "parse", "stream", "completion", "acompletion", "generate")
_CLASSES = {"SystemMessage": "system", "HumanMessage": "user", "AIMessage": "assistant",
            "SystemMessagePromptTemplate": "system", "HumanMessagePromptTemplate": "user",
            "AIMessagePromptTemplate": "assistant"}  # fmt: skip
_TEMPLATES = ("PromptTemplate", "ChatPromptTemplate")


@dataclasses.dataclass(slots=True)
class Called:
    """The prompt of a call, with the model and the parameters that it names."""

    messages: list[dict[str, str]]
    model: str | None = None
    params: dict[str, Any] = dataclasses.field(default_factory=dict)
    left: list[str] = dataclasses.field(default_factory=list)


def prompt_of(call: ast.Call, scope: Scope) -> Called | None:
    """The prompt of a call; None if it is another call.

    Raises:
        BuiltByCodeError: it sends a prompt, which code makes.
    """
    path = ast.unparse(call.func)
    name = path.rpartition(".")[2]
    given = {item.arg: item.value for item in call.keywords if item.arg}
    if name in ("from_messages", "from_template") or name in _TEMPLATES:
        return _of_langchain(path, name, call, given, scope)
    if name not in _SENDING or not given.keys() & {"messages", "input", "instructions", "system"}:
        return None
    if "messages" not in given and "model" not in given:
        return None  # `input=` is a name that many functions have
    found = Called([])
    for key in ("system", "instructions"):
        if key in given:
            found.messages.append({"role": "system", "content": _text(given[key], scope)})
    for key in ("messages", "input"):
        if key in given:
            _add_messages(given[key], scope, found)
    if not found.messages:
        raise BuiltByCodeError("; ".join(found.left) or "its messages are made by code")
    found.model = _model(path, scope.value(given.get("model")))
    for key, value in given.items():
        known = key in KNOWN and key not in RESERVED
        constant = scope.value(value)
        if known and isinstance(constant, ast.Constant) and constant.value is not None:
            found.params[key] = constant.value
        elif key not in ("model", "messages", "input", "system", "instructions"):
            found.left.append(f"the argument {key}")
    return found


def _add_messages(node: ast.expr, scope: Scope, found: Called) -> None:
    resolved = scope.value(node)
    if isinstance(resolved, ast.List | ast.Tuple):
        for item in resolved.elts:
            message = _message(item, scope)
            if message is None:
                found.left.append(f"messages that code adds: `{ast.unparse(item)[:60]}`")
            else:
                found.messages.append(message)
        return
    if resolved is not None and not isinstance(resolved, ast.Name):
        found.messages.append({"role": "user", "content": template_of(resolved, scope)})
        return
    raise BuiltByCodeError(f"its messages are the value of {ast.unparse(node)}, made by code")


def _message(node: ast.expr, scope: Scope) -> dict[str, str] | None:
    """A message: a dict with role and content, a pair, or a class of LangChain."""
    node = scope.value(node) or node
    if isinstance(node, ast.Dict):
        given = {key.value: value for key, value in zip(node.keys, node.values, strict=True)
                 if isinstance(key, ast.Constant)}  # fmt: skip
        role = scope.value(given.get("role"))
        if isinstance(role, ast.Constant) and role.value in ROLES and "content" in given:
            return {"role": ROLES[role.value], "content": _text(given["content"], scope)}
    return None


def _text(node: ast.expr, scope: Scope) -> str:
    """A message's text, also as a list of parts; a value that only code knows is a variable."""
    resolved = scope.value(node)
    if isinstance(resolved, ast.List):
        parts = []
        for item in resolved.elts:
            given = (
                {
                    key.value: value
                    for key, value in zip(item.keys, item.values, strict=True)
                    if isinstance(key, ast.Constant)
                }
                if isinstance(item, ast.Dict)
                else {}
            )
            if "text" not in given:
                raise BuiltByCodeError("a message with parts other than text")
            parts.append(_text(given["text"], scope))
        return "\n".join(parts)
    try:
        return template_of(node, scope)
    except TooManyPartsError:
        raise
    except BuiltByCodeError:
        return variable_of(node, scope)


def _model(path: str, node: ast.expr | None) -> str | None:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or not node.value:
        return None
    provider, _, rest = node.value.partition("/")
    if rest and provider in BUILT_IN:
        return node.value
    if "messages.create" in path or "messages.stream" in path or provider.startswith("claude"):
        return f"anthropic/{node.value}"
    return f"openai/{node.value}"


def _of_langchain(
    path: str, name: str, call: ast.Call, given: Mapping[str, ast.expr], scope: Scope
) -> Called | None:
    if not any(word in path for word in _TEMPLATES):
        return None
    first = call.args[0] if call.args else given.get("messages", given.get("template"))
    if first is None:
        return None
    kind = scope.value(given.get("template_format"))
    style = str(kind.value) if isinstance(kind, ast.Constant) else "f-string"
    if name == "from_messages":
        listed = scope.value(first)
        if not isinstance(listed, ast.List | ast.Tuple):
            raise BuiltByCodeError("its messages are made by code")
        found = Called([])
        for item in listed.elts:
            message = _of_template(scope.value(item) or item, style, scope)
            if message is None:
                found.left.append(f"messages that code adds: `{ast.unparse(item)[:60]}`")
            else:
                found.messages.append(message)
        if not found.messages:
            raise BuiltByCodeError("; ".join(found.left) or "it has no messages")
        return found
    return Called([{"role": "user", "content": _template(first, style, scope)}])


def _of_template(node: ast.expr, style: str, scope: Scope) -> dict[str, str] | None:
    if isinstance(node, ast.Tuple) and len(node.elts) == 2:
        role = scope.value(node.elts[0])
        if isinstance(role, ast.Constant) and role.value in ROLES:
            content = _template(node.elts[1], style, scope)
            return {"role": ROLES[role.value], "content": content}
    if isinstance(node, ast.Call):
        path = ast.unparse(node.func)
        role_name = next((_CLASSES[part] for part in path.split(".") if part in _CLASSES), None)
        given = {item.arg: item.value for item in node.keywords if item.arg}
        content_node = node.args[0] if node.args else given.get("content", given.get("template"))
        if role_name and content_node is not None:
            fixed = "PromptTemplate" not in path  # a message's own text is no template
            text = _text(content_node, scope) if fixed else _template(content_node, style, scope)
            return {"role": role_name, "content": text}
    return _message(node, scope)


def _template(node: ast.expr, style: str, scope: Scope) -> str:
    """A text of LangChain, which is a format of Python unless it says so."""
    found = scope.value(node)
    if not isinstance(found, ast.Constant) or not isinstance(found.value, str):
        return template_of(node, scope)
    scope.used.add(id(found))
    if style == "f-string":
        return formatted(found.value, [], {}, scope)
    if style == "jinja2":
        return as_template(found.value).text
    scope.changes.append(f"a template of the kind {style}: its marks are written as text")
    return literal(found.value)
