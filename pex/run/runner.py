"""The runner: makes every call once, many at a time, and turns every failure into a row."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import functools
from collections.abc import Callable, Collection, Iterable
from typing import Any

from pex.core.call import Answer, Request
from pex.core.errors import JournalError, PexError, nearest
from pex.core.events import (
    Delta,
    Event,
    Retried,
    Started,
)
from pex.guard.redact import known
from pex.run import retry
from pex.run.budget import BEYOND, Bill, beyond, bill
from pex.run.channel import Call, Channel, Lane
from pex.run.client import ask
from pex.run.echo import mask
from pex.run.endpoint import Endpoint
from pex.run.errors import CallError
from pex.run.hidden_words import words_of
from pex.run.journal_writer import Entry
from pex.run.leases import TICK_S, need_of
from pex.run.pace_reporter import PaceReporter
from pex.run.reasoning import AnswerText, without_reasoning
from pex.run.refusals import Lesson, remarks
from pex.run.request import conversation, next_body, turn_of
from pex.run.runner_context import RunnerContext, by_key
from pex.run.tool_path import ToolPath, Tools
from pex.run.user_calls import FAILED, UserCalls
from pex.run.warm_up import WarmUp

GRACE_S = 5.0
"""How long calls in flight may go on after the first interrupt."""

THREAD_LOST = frozenset({"unknown_model", "refused_parameter", "bad_body"})
"""Kinds of error that may come of an earlier response that the endpoint has not kept."""

_ELSEWHERE = ("unknown_model", "bad_body", "redirect")
_NOT_HERE = ("HTTP 404", "HTTP 405")
"""What a wrong address leads to: the message names the one that was used."""


class Runner:
    """Sends requests to their models and reports what happens.

    Requests with the same key are sent once and share the answer. `run` returns "finished",
    "interrupted" or "budget"; what was answered is on disk and has been told by then.

    Args:
        requests: what to send.
        context: models, budget, journal, and who is told.
        find: an answer of the journal by its key, for the turns of a conversation.
        stream: have answers streamed, for `Delta` events and `ttft_s`.
        warm_up: the variants of which one call is answered before the others go out.
        tools: what runs between the steps of requests that have a `loop`.
    """

    def __init__(
        self,
        requests: Iterable[Request],
        context: RunnerContext,
        find: Callable[[str], Answer | None] = lambda key: None,
        stream: bool = False,
        warm_up: Collection[str] = (),
        tools: Tools | None = None,
    ) -> None:
        self._context = context
        self._warm_up = WarmUp(warm_up)
        self._channels = context.channels
        self._lanes = list({id(c.lane): c.lane for c in context.channels.values()}.values())
        self._budget = context.budget
        self._listen = context.listen
        self._limits = context.shared_limits()
        self._users = UserCalls(context.channels, find)
        self._find = self._users.find
        self._stream = stream
        self._pace = PaceReporter(self._lanes, context.listen)
        self._secrets = known()
        self._status = "finished"
        self._failure: BaseException | None = None
        self._left = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._asked_to_stop = False
        self._on_the_way: list[Call] = []
        for group in by_key(requests).values():
            request, channel = group[0], self._channels[group[0].model]
            if (request.loop is not None and tools is not None) or request.user is not None:
                self._begin_path(group, channel, tools)
                continue
            earlier = self._earlier(request, channel) if request.turns else []
            body = next_body(request, _without_reasoning(earlier, channel))
            words = words_of(request, context.database.state)
            call = Call(group, channel, body, earlier=earlier, words=words)
            channel.lane.waiting.append(call)
            self._left += 1

    def _begin_path(self, group: list[Request], channel: Channel, tools: Tools | None) -> None:
        """A call with tools or a simulated user, as far as the journal knows its way."""
        request = group[0]
        own = None if tools is None or request.loop is None else tools.begin(request)
        user = None if request.user is None else self._channels[request.user.model].tags
        path = ToolPath(request, own, channel.tags, user)
        path.walk(self._find)
        call = Call(group, channel, path.body(), earlier=path.answers, path=path)
        call.words = words_of(request, self._context.database.state)
        self._left += 1
        if path.finished or path.needs_tools or path.needs_user:
            self._on_the_way.append(call)  # it goes on when there is a loop
        else:
            channel.lane.waiting.append(call)

    def _earlier(self, request: Request, channel: Channel) -> list[Answer]:
        """The answers to a conversation's first turns that the journal has."""
        earlier: list[Answer] = []
        while len(earlier) < len(request.turns):
            body = next_body(request, _without_reasoning(earlier, channel))
            found = self._find(turn_of(request, body).key)
            if found is None:
                break
            earlier.append(found)
        return earlier

    @property
    def has_work(self) -> bool:
        """Whether there is anything to send."""
        return self._left > 0

    async def run(self) -> str:
        """Make all calls; returns how it ended.

        Raises:
            JournalError: answers could not be written; they have been reported all the same.
            BudgetError: a call cost more than it could; no call was made after it.
        """
        self._loop = asyncio.get_running_loop()
        if self._asked_to_stop:  # before there was a loop to stop
            self._end("interrupted")
        self._writer = self._context.open_writer(self._release, self._break)
        ticks = None
        try:
            for channel in self._channels.values():
                channel.open()
            await self._tick()
            for call in self._on_the_way:
                self._go_on(call)
            ticks = asyncio.create_task(self._tick_on())
            self._pump()
            await self._over.wait()
        finally:
            if ticks is not None:
                ticks.cancel()
            self._cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)
            self._pace.end()
            await self._writer.close()
            for channel in self._channels.values():
                await channel.close()
            with contextlib.suppress(JournalError):  # a lease that is not given back runs out
                await asyncio.to_thread(self._limits.leases.release)
        if self._failure is not None:
            raise self._failure
        return self._status

    def stop(self) -> None:
        """From any thread: start no new call and let those in flight finish; twice: stop now."""
        self._asked_to_stop = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        assert self._loop is not None  # stop() has looked
        now = self._status == "interrupted"
        self._end("interrupted")
        self._loop.call_later(0 if now else GRACE_S, self._cancel)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _break(self, failure: JournalError) -> None:
        failure.exit_code = 5  # calls have been made
        self._failure = self._failure or failure
        self._end("failed")

    def _end(self, status: str) -> None:
        """Start no new call; the run is over when the calls in flight are."""
        self._status = status
        for lane in self._lanes:
            lane.waiting.clear()
        self._warm_up.clear()
        self._check_if_over()

    def _check_if_over(self) -> None:
        stopped = self._status != "finished"
        if not self._tasks and (stopped or self._left == 0):
            self._over.set()

    # -- what goes out when

    def _pump(self) -> None:
        """Send out what may go; called whenever something has changed."""
        for lane in self._lanes:
            self._pump_lane(lane)
        self._check_if_over()

    def _pump_lane(self, lane: Lane) -> None:
        assert self._loop is not None  # run() has set it
        now = self._loop.time()
        while lane.waiting and lane.limiter.may_begin(now):
            call = lane.waiting[0]
            if call.channel.renewing.locked():  # it would go out with what has run out
                return
            if call.channel.refusals.blocked and self._blocked(call):
                lane.waiting.popleft()
                continue
            if not self._warm_up.done and self._warm_up.hold(call):
                lane.waiting.popleft()
                continue
            payload = call.payload(self._streams(call))
            worst_usd = call.worst_usd(len(payload))
            if not self._budget.reserve(worst_usd):
                self._wait_for_money(worst_usd)
                return
            lane.waiting.popleft()
            self._warm_up.begin(call, now)
            tokens = call.tokens(len(payload))
            lane.limiter.begin(now, tokens)
            task = asyncio.create_task(self._make(call, payload, worst_usd, tokens))
            self._tasks.add(task)
            task.add_done_callback(functools.partial(self._made, call))
        if lane.waiting and lane.timer is None:
            again_s = lane.limiter.look_again_s(now)
            if again_s is not None:
                lane.timer = self._loop.call_later(again_s, self._again, lane)

    def _streams(self, call: Call) -> bool:
        """Whether an answer is shown as it grows: what a simulated user writes is not."""
        return self._stream and call.stands_in is None

    def _again(self, lane: Lane) -> None:
        lane.timer = None
        self._pump_lane(lane)

    def _wait_for_money(self, worst_usd: float) -> None:
        """Calls in flight may give some back, and the batch may have more; else this is the end."""
        cap, used = self._budget.cap_usd, self._budget.used_usd
        if cap is not None and used + worst_usd > cap and self._idle():
            self._end("budget")

    def _blocked(self, call: Call) -> bool:
        """Whether a call would be refused like earlier ones; it is a row without being made."""
        why = call.channel.refusals.blocks(call.body)
        if why is None:
            return False
        self._left -= 1
        self._put(call, Answer(error=why, error_kind="refused_parameter"), None)
        return True

    # -- one call

    async def _make(self, call: Call, payload: bytes, worst_usd: float, tokens: float) -> None:
        assert self._loop is not None  # run() has set it
        channel, endpoint, lane = call.channel, call.channel.endpoint, call.channel.lane
        call.attempts += 1
        began = self._loop.time()
        self._emit(call, Started)
        on_delta = self._delta_listener(call) if self._streams(call) else None
        usd = worst_usd  # the price of a call that is never heard of again
        failure: CallError | None = CallError("stopped", "stopped")
        http = channel.take()
        try:
            payload = await call.complete(payload)
            answer, headers = await ask(http, endpoint, payload, on_delta)
            self._conceal(call, answer)
            booked = bill(channel.price, answer, worst_usd)
            answer.cost_usd, usd = booked.usd, booked.charged_usd
            failure = None
        except CallError as error:
            failure, usd = error, worst_usd if error.charged else 0.0
        except asyncio.CancelledError:
            self._put(call, Answer(error="stopped", error_kind="stopped"), worst_usd, tell=False)
            raise
        finally:
            lane.limiter.ended()
            self._budget.settle(worst_usd, usd)
            channel.give_back(http)
            self._warm_up.ended(call, failure is None)
        now = self._loop.time()
        if failure is None:
            used = (answer.prompt_tokens or 0) + (answer.completion_tokens or 0)
            lane.limiter.succeeded(now, tokens - used if tokens else 0.0, headers)
            lane.limiter.unsaved += 1
            channel.answered_at, channel.failed_in_a_row = now, 0
            channel.answered_by = endpoint
            answer.attempts = call.attempts
            if call.sent is not call.meant:
                answer.remarks += remarks(call.meant, call.sent)
            if booked.remark == BEYOND:
                self._stop_at(beyond(call.group[0], answer, usd, worst_usd))
            await self._answered(call, answer, booked)
            if channel.refusals.news:  # a paid answer waits for nothing on its way to the journal
                await asyncio.to_thread(channel.refusals.remember)
            return
        if failure.kind == "rate_limit":
            lane.limiter.refused(now, failure.retry_after_s)
        elif failure.busy or failure.kind == "timeout":
            lane.limiter.overloaded(began, now, failure.kind)
        await self._failed(call, endpoint, failure, worst_usd)

    def _conceal(self, call: Call, answer: Answer) -> None:
        """Take keys, and what only a request has, out of an answer."""
        mask(answer, self._secrets)
        if call.words is not None:
            call.words.take_out(answer)

    def _delta_listener(self, call: Call) -> Callable[[str], None]:
        """What tells the pieces of an answer, without the model's reasoning."""
        feed = AnswerText(functools.partial(self._emit, call, Delta), call.channel.tags).feed
        return feed if call.words is None else call.words.streaming(feed)

    def _made(self, call: Call, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._warm_up.ended(call, answered=False)  # it may have gone wrong before it was sent
            self._left -= 1  # an error of our own: the other calls go on, then it is raised
            if call.stands_in is not None:
                self._left -= max(0, len(self._users.failed(call)) - 1)
            self._failure = self._failure or task.exception()
        self._pump()

    def _stop_at(self, error: PexError) -> None:
        """Start no new call, and raise this when the calls in flight have ended."""
        self._failure = self._failure or error
        if self._status == "finished":
            self._end("budget")

    async def _answered(self, call: Call, answer: Answer, booked: Bill) -> None:
        at_most, remark = booked.at_most_usd, booked.remark
        request = call.group[0]
        if call.stands_in is not None and call.path is not None:
            self._user_answered(call, call.path, answer, booked)
        elif call.path is not None:
            self._step_answered(call, call.path, answer, booked)
        elif not request.turns:
            self._left -= 1
            self._writer.put(Entry(request, answer, True, at_most, call.group, remark=remark))
        elif len(call.earlier) == len(request.turns):
            self._left -= 1
            whole = conversation(request, [*call.earlier, answer])
            sent = dataclasses.replace(request, body=call.body)  # the ledger counts its bytes
            self._writer.put(Entry(sent, whole, True, at_most, call.group, answer, remark))
        else:
            # An answer of its own, so it is not paid again if a later turn is cut off.
            turn = turn_of(request, call.body)
            self._writer.put(Entry(turn, answer, True, at_most, remark=remark))
            call.earlier.append(answer)
            call.body = next_body(request, _without_reasoning(call.earlier, call.channel))
            call.attempts = 0
            if self._status == "finished":
                call.channel.lane.waiting.appendleft(call)

    # -- the steps of a path, and the tools between them

    def _step_answered(self, call: Call, path: ToolPath, answer: Answer, booked: Bill) -> None:
        step = path.step()
        path.walking = False
        path.take(answer)
        if path.finished:
            # The step too, so a path whose tools have changed pays only for what became different.
            self._writer.put(Entry(step, answer, charged=False))
            self._finish_path(call, path, booked, answer)
            return
        entry = Entry(step, answer, True, booked.at_most_usd, remark=booked.remark)
        if path.needs_tools:  # they run when it is on disk: it then leads to them again
            entry.then = functools.partial(self._go_on, call)
        self._writer.put(entry)
        if not path.needs_tools:
            self._go_on(call)

    def _user_answered(self, call: Call, path: ToolPath, answer: Answer, booked: Bill) -> None:
        """What a simulated user wrote, for all conversations that are the same so far."""
        asked = path.user_step()
        self._writer.put(Entry(asked, answer, True, booked.at_most_usd, remark=booked.remark))
        path.take_user(answer)
        for waiting in self._users.answered(call, answer):
            self._go_on(waiting)

    def _go_on(self, call: Call) -> None:
        """The next thing on a path: its end, its tools, its user, or its next request."""
        path = call.path
        assert path is not None  # only calls with a path come here
        path.walk(self._find)
        if path.finished:
            self._finish_path(call, path)
        elif self._status != "finished":
            return
        elif path.needs_tools:
            task = asyncio.create_task(self._run_tools(call, path))
            self._tasks.add(task)
            task.add_done_callback(functools.partial(self._made, call))
        elif path.needs_user:
            asked = self._users.call_for(call)
            if asked is not None:
                asked.channel.lane.waiting.appendleft(asked)
        else:
            call.body, call.attempts = path.body(), 0
            queue_next(call)

    async def _run_tools(self, call: Call, path: ToolPath) -> None:
        """Run the tools of a step, outside of the lane: a slow one takes no call's place."""
        await path.run_tools(self._find, self._keep_reply, self._cleaned(call))
        self._go_on(call)

    async def _keep_reply(self, request: Request, answer: Answer) -> None:
        """Returns when a tool's reply is on disk: the tool is not run again."""
        on_disk = asyncio.Event()
        self._writer.put(Entry(request, answer, charged=False, then=on_disk.set))
        await on_disk.wait()

    def _cleaned(self, call: Call) -> Callable[[str], str]:
        """What takes keys, and words that only the sent request has, out of a tool's reply."""
        words = call.words

        def clean(text: str) -> str:
            text = self._secrets.masked(text) if self._secrets else text
            return text if words is None else words.masked(text)

        return clean

    def _finish_path(
        self, call: Call, path: ToolPath, booked: Bill | None = None, paid: Answer | None = None
    ) -> None:
        """Hand a path to the journal; `paid` is its last answer, if that was paid just now."""
        self._left -= 1
        sent = dataclasses.replace(call.group[0], body=call.body)  # the ledger counts its bytes
        at_most, remark = (None, None) if booked is None else (booked.at_most_usd, booked.remark)
        whole = path.whole()
        self._writer.put(Entry(sent, whole, booked is not None, at_most, call.group, paid, remark))

    async def _failed(
        self, call: Call, endpoint: Endpoint, error: CallError, worst_usd: float
    ) -> None:
        assert self._loop is not None  # run() has set it
        channel, lane = call.channel, call.channel.lane
        if call.words is not None:
            call.words.take_out_of(error)
        if call.previous is not None and error.kind in THREAD_LOST:
            if error.charged:
                self._put(call, _error_answer(channel, error, call.attempts), worst_usd, tell=False)
            channel.stateless = True
            if self._status == "finished":
                lane.waiting.appendleft(call)  # this time with all that was said
            return
        lesson = Lesson(False)
        if error.kind == "refused_parameter":
            lesson = channel.refusals.learn(call.meant, call.sent, error)
            if lesson.again:
                call.attempts -= 1
                if self._status == "finished":
                    lane.waiting.appendleft(call)
                return
            error.message += f"; {lesson.why}" if lesson.why else ""
        renew = channel.may_renew(endpoint, error.kind)
        last = retry.is_last(error, call.attempts, renewed=renew)
        stopped = self._status != "finished"  # it might have come through: no answer, no error
        if error.charged or (last and not stopped):
            at_most = worst_usd if error.charged else None
            self._put(call, _error_answer(channel, error, call.attempts), at_most, tell=last)
        if last:
            self._left -= 1
        counts = (last or not renew) and not lesson.of_variant and not error.of_case
        if counts and retry.is_lost(channel, error, self._loop.time(), last=last):
            self._give_up(channel, error)
        if not last and not stopped:
            wait_s = retry.wait_s(call.attempts, error.retry_after_s)
            self._emit(call, Retried, call.attempts, wait_s, error.kind)
            lane.delayed += 1
            if renew:
                wait_s = 0.0
                try:
                    await channel.reconnect(endpoint)
                    self._secrets = known()  # a new token
                except PexError as failed:
                    lane.delayed -= 1
                    self._left -= 1
                    self._put(call, Answer(error=str(failed), error_kind=error.kind), None)
                    self._give_up(channel, CallError(error.kind, failed.message))
                    return
            due = (self._loop.time() + wait_s, error.kind)
            lane.due.append(due)
            self._loop.call_later(wait_s, self._ask_again, call, due)

    def _ask_again(self, call: Call, due: tuple[float, str]) -> None:
        lane = call.channel.lane
        lane.delayed -= 1
        lane.due.remove(due)
        if self._status == "finished":
            lane.waiting.appendleft(call)
            self._pump_lane(lane)

    def _give_up(self, channel: Channel, error: CallError) -> None:
        """Send nothing more to a model."""
        lane = channel.lane
        self._warm_up.release(channel)
        doomed = [call for call in lane.waiting if call.channel is channel]
        lane.waiting = collections.deque(c for c in lane.waiting if c.channel is not channel)
        self._left -= len(doomed)
        for call in doomed:
            lost = _error_answer(channel, error, 0)
            lost.error, lost.raw_body = f"not run: {lost.error}", None
            self._put(call, lost, None)

    # -- what is told, and when

    def _emit(self, call: Call, kind: Callable[..., Event], *details: Any) -> None:
        for request in call.group:
            self._listen(kind(request.place, *details))

    def _put(self, call: Call, answer: Answer, at_most: float | None, tell: bool = True) -> None:
        """Hand a call that has ended to the journal; it is told when it is on disk."""
        charged = answer.error is None or at_most is not None
        if call.stands_in is not None:
            self._put_user(call, answer, at_most, tell)
            return
        if call.path is not None:
            answer = call.path.failed(answer)
        self._writer.put(Entry(call.group[0], answer, charged, at_most, call.group if tell else []))

    def _put_user(self, call: Call, answer: Answer, at_most: float | None, tell: bool) -> None:
        """A simulated user's call that has failed: so have all conversations that wait for it."""
        assert call.path is not None  # only paths have users
        if at_most is not None:
            self._writer.put(Entry(call.path.user_step(), answer, True, at_most))
        waiting = self._users.failed(call) if tell else []
        self._left -= max(0, len(waiting) - 1)  # the first one is counted where it failed
        lost = dataclasses.replace(answer, error=f"{FAILED}{answer.error}")
        for other in waiting:
            assert other.path is not None
            self._writer.put(
                Entry(other.group[0], other.path.failed(lost), False, None, other.group)
            )

    def _release(self, entries: list[Entry]) -> None:
        self._context.tell_ended(entries)
        for entry in entries:
            if entry.then is not None:
                entry.then()
            if entry.answer.error is None and entry.charged:
                self._channels[entry.request.model].lane.limiter.unsaved -= 1
        self._pump()

    # -- what is shared with other processes

    async def _tick_on(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            await self._tick()
            assert self._loop is not None  # run() has set it
            self._warm_up.give_up_late(self._loop.time())
            self._pump()

    async def _tick(self) -> None:
        """Renew the leases: a report for each lane, a share in return."""
        assert self._loop is not None  # run() has set it
        now = self._loop.time()
        needs = [need_of(lane, now, self._stream) for lane in self._lanes]
        least_usd = max((need.next_usd for need in needs), default=0.0)
        try:
            grants, pot = await asyncio.to_thread(
                self._limits.renew, needs, self._budget.used_usd, least_usd
            )
        except JournalError as error:
            self._break(error)
            return
        for lane, grant in zip(self._lanes, grants, strict=True):
            lane.limiter.take(grant, self._loop.time())
        self._pace.report(self._loop.time())
        if pot is not None:
            self._budget.allowed_usd, held_elsewhere = pot
            short = self._budget.used_usd + least_usd > self._budget.allowed_usd
            if short and least_usd and not held_elsewhere and self._idle():
                self._end("budget")

    def _idle(self) -> bool:
        return not self._tasks and not any(lane.delayed for lane in self._lanes)


def queue_next(call: Call) -> None:
    """Queue the next request of a path: before new paths, so that what has begun ends soon.

    When so few are left that all of them can be on their way, they take turns: otherwise the last
    ones begin when the others end, and most places stay empty while they are walked.
    """
    lane = call.channel.lane
    if len(lane.waiting) < lane.limiter.share:
        lane.waiting.append(call)
    else:
        lane.waiting.appendleft(call)


def _error_answer(channel: Channel, error: CallError, attempts: int) -> Answer:
    message, endpoint = error.message, channel.endpoint
    if error.kind == "unknown_model" and channel.known_models:
        message += f" ({nearest(endpoint.model, channel.known_models)})"
    if error.kind in _ELSEWHERE or message.startswith(_NOT_HERE):
        message += f"; address: {endpoint.place}"
    if endpoint.through and endpoint.through not in message:
        message += f";{endpoint.through}"
    return Answer(error=message, error_kind=error.kind, attempts=attempts, raw_body=error.raw_body)


def _without_reasoning(answers: Iterable[Answer], channel: Channel) -> list[Answer]:
    """Answers as the next turn of a conversation has them: without the reasoning."""
    return [without_reasoning(answer, channel.tags) for answer in answers]
