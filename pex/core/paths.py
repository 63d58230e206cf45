"""A path: the tool calls from the first request to the last answer; where two paths part."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pex.core.call import Answer

PATH_COLUMNS = ("expected_calls", "tool_replies", "world", "expected_world", "forbidden_tools",
                "goal")  # fmt: skip
"""Columns of the cases of paths: what is expected of a path, and what its tools stand on."""

_SHORT = 160
"""The longest call in a message, in characters."""
_LONG = 4000
"""The longest reply, message or list of arguments in a path as text, in characters."""


@dataclasses.dataclass(frozen=True, slots=True)
class PathCall:
    """A tool call of a path.

    Args:
        name: the tool's name.
        arguments: parsed; the text itself if it is not valid JSON.
        reply: what the tool returned, None if it did not run or its reply is not known.
        error: why there is no proper reply: raised, timeout, unknown …; None if there is one.
        step: the number of the request whose answer made the call, from 1.

    Example:
        >>> str(PathCall("cancel", {"order_id": 7}))
        'cancel(order_id=7)'
    """

    name: str
    arguments: Any = None
    reply: str | None = None
    error: str | None = None
    step: int = 1

    def __str__(self) -> str:
        """In one line, shortened."""
        return _cut(self.whole, _SHORT)

    @property
    def whole(self) -> str:
        """The call with all its arguments, as a function call."""
        if self.arguments is None or self.arguments == {}:
            return f"{self.name}()"
        if not isinstance(self.arguments, Mapping):
            return f"{self.name}({_json(self.arguments)})"
        given = ", ".join(f"{key}={_json(value)}" for key, value in self.arguments.items())
        return f"{self.name}({given})"

    def same_call(self, other: PathCall) -> bool:
        """Whether both call the same tool with the same arguments, in any order."""
        return self.name == other.name and same_json(self.arguments or {}, other.arguments or {})


@dataclasses.dataclass(frozen=True, slots=True)
class Parting:
    """Where two paths first differ.

    Args:
        call: the number of the call, from 1; the number of calls + 1 if the answers differ.
        kind: `tool`, `arguments`, `reply`, `missing` (the second path ends), `further` (the first
            path ends), or `answer`.
        text: what differs, in one line.
    """

    call: int
    kind: str
    text: str

    def __str__(self) -> str:
        return self.text


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 1 and 1.0 are, 1 and true are not.

    Example:
        >>> same_json({"a": 1, "b": [2]}, {"b": [2.0], "a": 1}), same_json(1, True)
        (True, False)
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same_json, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def read_call(call: Mapping[str, Any], **about: Any) -> PathCall | None:
    """A tool call in OpenAI's form, or as `{name, arguments}`; None if it names no tool.

    Args:
        call: the call.
        about: the other fields of the `PathCall`.

    Example:
        >>> read_call({"type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}})
        PathCall(name='f', arguments={'a': 1}, reply=None, error=None, step=1)
    """
    inside = call.get("function") or call.get("custom") or call
    if not isinstance(inside, Mapping) or not isinstance(inside.get("name"), str):
        return None
    given = inside.get("arguments", inside.get("input"))
    return PathCall(inside["name"], read_arguments(given), **about)


def read_arguments(given: Any) -> Any:
    """The arguments of a call: JSON in a string is parsed, any other string is kept."""
    if not isinstance(given, str):
        return given
    if not given.strip():
        return {}
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        return given


def tool_times(tools: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """When each tool of a step began, in seconds after the step's answer, and how long it ran.

    They ran at once; those of a made world, which are marked `in_order`, one after the other.

    Example:
        >>> one, two = {"latency_s": 1.0}, {"latency_s": 2.0, "in_order": True}
        >>> tool_times([one, two, one, two])
        [(0.0, 1.0), (0.0, 2.0), (0.0, 1.0), (2.0, 2.0)]
    """
    found, world = [], 0.0
    for tool in tools:
        lasts = float(tool.get("latency_s") or 0.0)
        if tool.get("in_order"):
            found.append((world, lasts))
            world += lasts
        else:
            found.append((0.0, lasts))
    return found


def calls_of(answer: Answer) -> list[PathCall]:
    """The tool calls of an answer, in order: of its whole path, or those that it ends with.

    Example:
        >>> call = {"id": "1", "function": {"name": "f", "arguments": "{}"}}
        >>> [str(call) for call in calls_of(Answer(tool_calls=[call]))]
        ['f()']
    """
    steps = answer.steps
    if steps:
        return list(_of_steps(steps))
    found = list(calls_in(answer.conversation or ()))
    return found or list(_read(answer.tool_calls, 1))


def calls_in(messages: Sequence[Mapping[str, Any]]) -> Iterator[PathCall]:
    """The tool calls in messages of OpenAI's form, each with the reply that follows it."""
    replies = {
        message["tool_call_id"]: _words(message.get("content"))
        for message in messages
        if message.get("role") == "tool" and message.get("tool_call_id")
    }
    step = 0
    for message in messages:
        if message.get("role") != "assistant":
            continue
        step += 1
        for call in message.get("tool_calls") or ():
            if isinstance(call, Mapping):
                read = read_call(call, reply=replies.get(call.get("id")), step=step)
                if read is not None:
                    yield read


def number_of_steps(answer: Answer) -> int:
    """The number of requests that an answer took.

    Example:
        >>> number_of_steps(Answer("Hi"))
        1
    """
    steps = answer.steps
    if steps:
        return sum(not step.get("user") for step in steps)
    replies = [m for m in answer.conversation or () if m.get("role") == "assistant"]
    return max(1, len(replies))


def path_text(answer: Answer) -> str:
    """A path as plain text for a reader: calls with their replies, messages, the last answer.

    Long replies are shortened in the middle, and the text says so. Only what pex writes begins at
    the margin: the further lines of a text are indented, so a reply cannot pretend to be a step.

    Example:
        >>> call = {"id": "1", "function": {"name": "f", "arguments": '{"a": 1}'}}
        >>> print(path_text(Answer("Done.", tool_calls=[call])))
        Step 1
        Call: f(a=1)
        Answer: Done.
    """
    calls, lines, shown = calls_of(answer), [], 0
    replies = {call.step: call for call in reversed(calls)}
    messages = [m for m in answer.conversation or () if m.get("role") in ("user", "assistant")]
    if not messages or not any(m.get("role") == "assistant" for m in messages):
        messages = [{"role": "assistant"} for _ in range(max(replies, default=0))]
    step = 0
    for message in messages:
        words = _middle(_words(message.get("content")))
        if message.get("role") == "user":
            lines.append(f"User: {words}")
            continue
        step += 1
        lines.append(f"Step {step}")
        if words and words != answer.output:
            lines.append(f"Says: {words}")
        for call in [call for call in calls[shown:] if call.step == step]:
            shown += 1
            lines.append(f"Call: {_middle(call.whole)}")
            if call.error is not None:
                lines.append(f"Error: {call.error}")
            if call.reply is not None:
                lines.append(f"Reply: {_middle(call.reply)}")
    if "max_steps" in answer.remarks:
        lines.append("The path was stopped: it had the most steps that are allowed.")
    lines.append(f"Answer: {_middle(answer.output) if answer.output else '(none)'}")
    return "\n".join(lines)


def first_difference(
    one: Sequence[PathCall],
    other: Sequence[PathCall],
    answers: tuple[str | None, str | None] = (None, None),
) -> Parting | None:
    """Where the second path first differs from the first; None if they are equal.

    Args:
        one: the calls of the first path, for example the recorded one.
        other: the calls of the second path.
        answers: the last answers of both; compared, ignoring white space, if the calls are equal.

    Example:
        >>> one = [PathCall("look_up", {"id": 7}), PathCall("cancel", {"id": 7})]
        >>> two = [PathCall("look_up", {"id": 7}), PathCall("refund", {"id": 7})]
        >>> print(first_difference(one, two))
        call 2 is refund(id=7) instead of cancel(id=7)
    """
    for number, (wanted, given) in enumerate(zip(one, other, strict=False), 1):
        if not wanted.same_call(given):
            kind = "tool" if wanted.name != given.name else "arguments"
            return Parting(number, kind, f"call {number} is {given} instead of {wanted}")
        known = wanted.reply is not None and given.reply is not None
        if wanted.error != given.error or (known and not _same_reply(wanted.reply, given.reply)):
            text = f"call {number}, {given}: the reply is {_reply(given)} instead of"
            return Parting(number, "reply", f"{text} {_reply(wanted)}")
    shared = min(len(one), len(other))
    if len(one) > shared:
        text = f"call {shared + 1} is missing: {one[shared]}"
        return Parting(shared + 1, "missing", text)
    if len(other) > shared:
        text = f"call {shared + 1} is one more: {other[shared]}"
        return Parting(shared + 1, "further", text)
    first, second = (" ".join((text or "").split()) for text in answers)
    if first != second:
        text = f"same calls; the answer is {_quoted(second)} instead of {_quoted(first)}"
        return Parting(shared + 1, "answer", text)
    return None


def _of_steps(steps: Sequence[Mapping[str, Any]]) -> Iterator[PathCall]:
    own = [step for step in steps if not step.get("user")]
    for number, step in enumerate(own, 1):
        for tool in step.get("tools") or ():
            reply = tool.get("reply")
            read = read_call(
                tool,
                reply=None if reply is None else _words(reply),
                error=tool.get("error"),
                step=number,
            )
            if read is not None:
                yield read


def _read(calls: Sequence[Any] | None, step: int) -> Iterator[PathCall]:
    for call in calls or ():
        read = read_call(call, step=step) if isinstance(call, Mapping) else None
        if read is not None:
            yield read


def _same_reply(one: str | None, other: str | None) -> bool:
    return one == other or same_json(read_arguments(one), read_arguments(other))


def _reply(call: PathCall) -> str:
    return f"the error '{call.error}'" if call.error else _quoted(call.reply or "")


def _quoted(text: str) -> str:
    return f"'{_cut(' '.join(text.split()), _SHORT)}'" if text else "empty"


def _words(content: Any) -> str:
    """The text of a message: a string, or the parts of a list that are text."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        if texts and all(isinstance(text, str) for text in texts):
            return "\n".join(text for text in texts if text)
    return _json(content)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _middle(text: str) -> str:
    if len(text) > _LONG:
        half = _LONG // 2
        text = f"{text[:half]} […{len(text) - 2 * half:,} characters left out…] {text[-half:]}"
    return "\n    ".join(text.splitlines())
