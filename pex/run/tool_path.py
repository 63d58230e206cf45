"""The path of one request: model, tools, model, a simulated user, …, each step in the journal.

Each request of the path has a key of its own, made of all that was said before it, and so has the
reply of each tool that ran. A path that was cut off is walked again from the journal: what is there
is neither paid nor run again. The whole path is one answer, under the request's own key.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import orjson

from pex.core.call import Answer, Request
from pex.core.canonical_json import json_text
from pex.run.reasoning import EMPTY, Tags, without_reasoning
from pex.run.request import together, turn_of, user_turn
from pex.run.user_words import message_of

MAX_STEPS = "max_steps"
"""The remark of an answer that stopped because its requests were used up."""
MAX_TURNS = "max_turns"
"""The remark of a conversation that ended because the user had written all it may."""
USER_SILENT = "user_silent"
"""The remark of a conversation that ended because the simulated user wrote nothing."""
NOT_RUN = "not_run"
"""The error of a tool that was called when the path had ended."""

Find = Callable[[str], Answer | None]
Keep = Callable[[Request, Answer], Awaitable[None]]


@dataclasses.dataclass(slots=True)
class ToolCall:
    """One call of a tool and its reply.

    `text` are the arguments as the model wrote them, `arguments` the same as JSON, or the text if
    they are not. `error` is a word for what went wrong; the reply then says it to the model.
    `digest` is set if the tool has to run, and changes with all that its reply depends on.
    """

    id: str
    name: str
    text: str
    arguments: Any = None
    reply: str | None = None
    error: str | None = None
    latency_s: float = 0.0
    from_journal: bool = False
    digest: str | None = None
    has_world: bool = False
    """It reads or changes the case's world, so such calls run one after the other."""

    def facts(self) -> dict[str, Any]:
        """The call as it stands in the steps of an answer; `in_order` if it waited for others."""
        in_order = {"in_order": True} if self.has_world else {}
        return in_order | {
            "id": self.id,
            "name": self.name,
            "arguments": self.arguments,
            "reply": self.reply,
            "error": self.error,
            "latency_s": self.latency_s,
            "from_journal": self.from_journal,
        }


class PathTools(Protocol):
    """The tools of one path, with the state that its calls share."""

    world: dict[str, Any] | None

    def read(self, call: ToolCall) -> None:
        """Read the arguments; reply at once if nothing has to run for it, else set its digest."""

    async def run(self, call: ToolCall) -> None:
        """Run the tool, which sets the reply; whatever goes wrong becomes one."""


class Tools(Protocol):
    """The tools of a run."""

    def begin(self, request: Request) -> PathTools:
        """Those of one request's path, in the state before its first call."""


class ToolPath:
    """The path of one request: what was said, what it took, what comes next.

    Args:
        request: with a `loop`, or a simulated user, or both.
        tools: its tools; None if none run: calls of tools then end the path.
        tags: what holds the model's reasoning, which later requests do not repeat.
        user_tags: the same for the user's model.
    """

    def __init__(
        self,
        request: Request,
        tools: PathTools | None,
        tags: Tags | None,
        user_tags: Tags | None = None,
    ) -> None:
        self._request = request
        self._tools = tools
        self._tags = tags
        self._user_tags = user_tags
        self._most = 1 if request.loop is None else request.loop.max_steps
        self._remarks: list[str] = []
        self._said: list[dict[str, Any]] = []
        self._steps: list[dict[str, Any]] = []
        self._calls: list[ToolCall] = []
        self._turns, self._of_turn = 0, 0
        self._key = ""
        self.answers: list[Answer] = []
        self.pending: list[ToolCall] = []
        """The calls of the last step, until all of them have a reply."""
        self.needs_user = False
        """Whether the simulated user writes next."""
        self.finished = False
        self.walking = True
        """Whether the journal had everything so far."""

    def body(self) -> dict[str, Any]:
        """The body of the next request."""
        messages = [*self._request.body["messages"], *self._said]
        return {**self._request.body, "messages": messages}

    def step(self) -> Request:
        """The next request, as one of its own."""
        step = turn_of(self._request, self.body())
        self._key = step.key
        return step

    def user_step(self) -> Request:
        """The request for the user's next message."""
        return user_turn(self._request, self._said)

    def walk(self, find: Find) -> None:
        """Go on as far as the journal knows the way and no tool has to run.

        What the user said in the same conversation is also used where the path is a new one.
        """
        while (self.walking or self.needs_user) and not self.finished and not self.needs_tools:
            asks_user = self.needs_user
            answer = find((self.user_step() if asks_user else self.step()).key)
            if answer is None:
                self.walking = False
                return
            if asks_user:
                self.take_user(answer)
            else:
                self.take(answer)

    @property
    def needs_tools(self) -> bool:
        """Whether a tool has to run before the next request."""
        return bool(self.pending)

    def take(self, answer: Answer) -> None:
        """Take the answer to `step()`: reply to its calls, or end the turn."""
        self.answers.append(answer)
        self._of_turn += 1
        text = _words(answer, self._tags)
        calls = [_call(item, len(self.answers), at) for at, item in enumerate(_items(answer))]
        self._steps.append(_step(len(self.answers), answer))
        self._calls += calls
        self.pending = calls
        if not calls:
            self._said.append({"role": "assistant", "content": text})
            self._end_turn()
            return
        tools = self._tools
        sent = [_sent(item, call) for item, call in zip(_items(answer), calls, strict=True)]
        self._said.append({"role": "assistant", "content": text or None, "tool_calls": sent})
        if tools is None:
            self.pending, self.finished = [], True
            return
        for call in calls:
            tools.read(call)
        if self._of_turn >= self._most:
            for call in calls:
                call.reply, call.error = None, NOT_RUN
            self._reply()
            self.finished = True
        elif all(call.reply is not None for call in calls):
            self._reply()

    def _end_turn(self) -> None:
        user, turns = self._request.user, self._request.turns
        if user is not None:
            self.needs_user = self._turns < user.max_turns
            self.finished = not self.needs_user
            self._remarks += [MAX_TURNS] * self.finished
        elif self._turns == len(turns):
            self.finished = True
        else:
            self._begin_turn(turns[self._turns])

    def _begin_turn(self, text: str) -> None:
        self._said.append({"role": "user", "content": text})
        self._turns, self._of_turn = self._turns + 1, 0

    def take_user(self, answer: Answer) -> None:
        """Take the answer to `user_step()`: the next turn, or the end of the conversation."""
        assert self._request.user is not None  # it was asked
        text = (without_reasoning(answer, self._user_tags).output or "").strip()
        self._steps.append({**_step(self._turns + 1, answer), "user": True, "message": text})
        message = message_of(text, self._request.user.stop)
        self.needs_user, self.finished = False, not message
        if message:
            self._begin_turn(message)
        elif not text:
            self._remarks.append(USER_SILENT)

    async def run_tools(self, find: Find, keep: Keep, clean: Callable[[str], str]) -> None:
        """Run the tools that were called, all at once; those of the world in their order.

        Args:
            find: a reply of the journal by its key.
            keep: returns when a reply is on disk.
            clean: takes what nobody may see out of a reply.
        """
        tools = self._tools
        assert tools is not None  # without any, nothing is pending
        todo = [(at, call) for at, call in enumerate(self.pending) if call.reply is None]

        async def one(at: int, call: ToolCall) -> None:
            key = self._key_of(at, call)
            kept = find(key) if self.walking else None
            if kept is not None:
                self._take_kept(call, kept)
                return
            began, clock = time.time(), time.perf_counter()
            await tools.run(call)
            call.latency_s = time.perf_counter() - clock
            call.reply = clean(call.reply or "")
            answer = Answer(
                output=call.reply, started_at=began, latency_s=call.latency_s, cost_usd=0.0,
                steps=[call.facts()], world=tools.world if call.has_world else None,
            )  # fmt: skip
            request = dataclasses.replace(self._request, key=key, turns=(), loop=None, user=None)
            await keep(request, answer)

        async def in_order() -> None:
            for at, call in todo:
                if call.has_world:
                    await one(at, call)

        await asyncio.gather(
            in_order(), *(one(at, call) for at, call in todo if not call.has_world)
        )
        self._reply()

    def _key_of(self, at: int, call: ToolCall) -> str:
        """The key of a reply: made of all that it depends on."""
        world = self._tools.world if self._tools is not None and call.has_world else None
        parts = [self._key, at, call.name, call.text, call.digest, world]
        return hashlib.sha256(
            b"tool\n" + orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
        ).hexdigest()

    def _take_kept(self, call: ToolCall, kept: Answer) -> None:
        facts = (kept.steps or [{}])[0]
        call.reply, call.error = kept.output or "", facts.get("error")
        call.latency_s, call.from_journal = kept.latency_s or 0.0, True
        if self._tools is not None and call.has_world and kept.world is not None:
            self._tools.world = kept.world

    def _reply(self) -> None:
        """Say what the tools replied; nothing is pending then."""
        for call in self.pending:
            self._steps[-1]["tools"].append(call.facts())
            if call.error != NOT_RUN:
                self._said.append(
                    {"role": "tool", "tool_call_id": call.id, "name": call.name,
                     "content": call.reply}
                )  # fmt: skip
        self.pending = []

    def whole(self) -> Answer:
        """The path as one answer."""
        answer = self._described(together(self.answers, list(self._said)))
        remarks = [*answer.remarks, *self._remarks]
        if self._steps[-1]["tools"]:
            remarks.append(MAX_STEPS)
            answer.output = _words(self.answers[-1], None)
        elif not (answer.output or "").strip() and EMPTY not in remarks:
            remarks.append(EMPTY)
        return dataclasses.replace(answer, remarks=remarks)

    def failed(self, error: Answer) -> Answer:
        """An error in the middle of the path, with the path up to it."""
        if not self.answers:
            return error
        return self._described(dataclasses.replace(error, conversation=list(self._said)))

    def _described(self, answer: Answer) -> Answer:
        calls = [
            {"id": call.id, "type": "function",
             "function": {"name": call.name, "arguments": call.text}}
            for call in self._calls
        ]  # fmt: skip
        return dataclasses.replace(
            answer,
            tool_calls=calls or None,
            steps=list(self._steps),
            world=None if self._tools is None else self._tools.world,
        )


def _step(number: int, answer: Answer) -> dict[str, Any]:
    return {
        "step": number,
        "latency_s": answer.latency_s,
        "ttft_s": answer.ttft_s,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "cost_usd": answer.cost_usd,
        "finish_reason": answer.finish_reason,
        "started_at": answer.started_at,
        "from_journal": answer.from_journal,
        "tools": [],
    }


def _words(answer: Answer, tags: Tags | None) -> str:
    """What an answer says beside its calls; one that says nothing has them as its text."""
    calls = answer.tool_calls
    if calls and answer.output == orjson.dumps(calls).decode():
        return ""
    return without_reasoning(answer, tags).output or ""


def _items(answer: Answer) -> Sequence[dict[str, Any]]:
    return answer.tool_calls or ()


def _call(item: dict[str, Any], step: int, at: int) -> ToolCall:
    function = item.get("function")
    function = function if isinstance(function, dict) else {}
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json_text(arguments or {})
    made = f"call_{step}_{at + 1}"  # some servers give none
    return ToolCall(str(item.get("id") or made), str(function.get("name") or ""), text, text)


def _sent(item: dict[str, Any], call: ToolCall) -> dict[str, Any]:
    """A call as it is sent back: as it came, since some endpoints expect fields of their own."""
    function = item.get("function")
    own = function if isinstance(function, dict) else {}
    return {
        **item, "id": call.id, "type": "function",
        "function": {**own, "name": call.name, "arguments": call.text},
    }  # fmt: skip
