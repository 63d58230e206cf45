"""Provider batches: OpenAI's Batch API, at half the price, within a day.

Requests go up as one JSONL file for each model, and come back by their custom id, which is the
journal's key. What was uploaded is in the journal's database before it is waited for, so a
process that was killed finds its batch again instead of paying for another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from pex.core.attachments import filled, references_in
from pex.core.call import Answer, Request, read_count, restored
from pex.core.errors import BudgetError, JournalError, PexError
from pex.core.events import Away, Started
from pex.core.responses import responses_body
from pex.guard.redact import known
from pex.run.budget import BEYOND, Bill, beyond, bill
from pex.run.channel import Call
from pex.run.client import session
from pex.run.echo import mask
from pex.run.errors import CallError
from pex.run.hidden_words import Words, with_marks, words_of
from pex.run.journal_writer import Entry
from pex.run.provider_batch_api import RESPONSES, call, page_of
from pex.run.provider_batch_lines import (
    answer_in,
    as_object,
    as_objects,
    find_line,
    why_unanswered,
)
from pex.run.provider_batch_parts import Part, forget, note_batch_id, open_parts, remember
from pex.run.refusals import remarks
from pex.run.runner_context import RunnerContext, by_key

HALF = 0.5
"""The price of a provider batch, as a part of the ordinary one."""

MOST_REQUESTS = 50_000
MOST_BYTES = 150_000_000
"""What one file may hold; the provider's own limits are 50,000 requests and 200 MB."""

FIRST_POLL_S = 2.0
LONGEST_POLL_S = 30.0
_ENDED = ("completed", "failed", "expired", "cancelled")


class ProviderBatchRunner:
    """Sends `requests` through the provider's Batch API; used like a `Runner`.

    Args:
        requests: what to send; none of them a conversation. Those that do not fit the budget are
            left out.
        context: models, budget, journal, and who is told.
    """

    def __init__(self, requests: Iterable[Request], context: RunnerContext) -> None:
        self._context = context
        self._channels = context.channels
        self._budget = context.budget
        self._listen = context.listen
        self._database = context.database
        self._run = context.run
        self._limits = context.shared_limits()
        self._status = "finished"
        self._failure: JournalError | None = None
        self._beyond: BudgetError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self._unwritten = 0
        self._secrets = known()
        self._sent: dict[str, dict[str, Any]] = {}
        self._reserved: dict[str, float] = {}
        self._groups = by_key(requests)
        state = context.database.state
        self._words: dict[str, Words | None] = {
            key: words_of(group[0], state) for key, group in self._groups.items()
        }

    @property
    def has_work(self) -> bool:
        """Whether there is anything to send."""
        return bool(self._groups)

    def stop(self) -> None:
        """From any thread: wait no longer. The batch goes on, and the next start finds it."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._interrupt)

    def _interrupt(self) -> None:
        self._status = "interrupted"
        self._stopped.set()

    async def run(self) -> str:
        """Upload, wait, merge; returns how it ended.

        Raises:
            JournalError: the journal cannot be written.
            ProviderError: the provider has no Batch API, or refuses the file.
            BudgetError: an answer cost more than it could.
        """
        self._loop = asyncio.get_running_loop()
        self._writer = self._context.open_writer(self._release, self._break)
        try:
            async with contextlib.AsyncExitStack() as stack:
                for channel in self._channels.values():
                    channel.http = await stack.enter_async_context(session(channel.endpoint))
                noted = await asyncio.to_thread(open_parts, self._database, self._run.id)
                parts = [part for part in noted if await self._adopt(part)]
                there = {key for part in parts for key in part.keys}
                new = sum(self._worst_usd(g[0]) for k, g in self._groups.items() if k not in there)
                await self._allow(new)
                ticks = asyncio.create_task(self._keep_allowed())
                stack.callback(ticks.cancel)
                parts += await self._upload(there)
                # One that cannot be fetched keeps none of the others from being merged.
                ended = await asyncio.gather(
                    *(self._fetch(part) for part in parts), return_exceptions=True
                )
                for failure in ended:
                    if failure is not None:
                        raise failure
        finally:
            await self._writer.close()
            with contextlib.suppress(JournalError):  # a lease that is not given back runs out
                await asyncio.to_thread(self._limits.leases.release)
        if self._failure is not None:
            raise self._failure
        if self._beyond is not None:
            raise self._beyond
        return self._status

    async def _allow(self, more_usd: float) -> None:
        """Take what is needed of the budget of a batch of notebooks, as far as it goes."""
        limits = self._limits
        if limits.batch_id is not None and limits.batch_cap_usd is not None:
            self._budget.allowed_usd, _ = await asyncio.to_thread(
                limits.leases.allow,
                limits.batch_id,
                limits.batch_cap_usd,
                self._budget.used_usd,
                0.0,
                more_usd,
            )

    async def _keep_allowed(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            try:
                await self._allow(0.0)
            except JournalError as error:
                self._break(error)
                return

    # -- going up

    async def _adopt(self, part: Part) -> bool:
        """Whether a batch of an earlier start is there; one that was never created is forgotten."""
        if part.batch_id is None:
            # The process ended between the provider's yes and our note of it, or before.
            listed = await call(self._channels[part.model], "GET", "batches?limit=100")
            for batch in as_objects(listed.get("data")):
                if as_object(batch.get("metadata")).get("pex_part") == part.id and batch.get("id"):
                    part.batch_id = str(batch["id"])
                    await asyncio.to_thread(note_batch_id, self._database, part)
                    break
        if part.batch_id is None:
            await asyncio.to_thread(forget, self._database, part)
            return False
        for key in part.keys:
            if key in self._groups:
                # Whatever the cap says now: the provider has it already.
                self._budget.reserved_usd += self._worst_usd(self._groups[key][0])
        return True

    async def _upload(self, there: set[str]) -> list[Part]:
        parts: list[Part] = []
        for model in self._channels:
            page = page_of(self._channels[model])
            lines: list[bytes] = []
            keys: list[str] = []
            size = 0
            for key, group in self._groups.items():
                if group[0].model != model or key in there:
                    continue
                if not self._budget.reserve(self._worst_usd(group[0])):
                    self._status = "budget"
                    break
                body = self._as_sent(model, key)
                line = orjson.dumps(
                    {
                        "custom_id": key,
                        "method": "POST",
                        "url": page,
                        "body": responses_body(body) if page == RESPONSES else body,
                    }
                )
                words = self._words[key]
                line = line if words is None else words.filled(line)
                files = references_in(group[0].body["messages"])
                line = await asyncio.to_thread(filled, line, files) if files else line
                if lines and (len(lines) >= MOST_REQUESTS or size + len(line) > MOST_BYTES):
                    parts.append(await self._create(model, keys, lines))
                    lines, keys, size = [], [], 0
                lines.append(line)
                keys.append(key)
                size += len(line) + 1
            if lines:
                parts.append(await self._create(model, keys, lines))
        return parts

    async def _create(self, model: str, keys: list[str], lines: list[bytes]) -> Part:
        channel = self._channels[model]
        part = Part(uuid.uuid4().hex, model, None, keys)
        await asyncio.to_thread(remember, self._database, self._run, part)
        content = ("pex.jsonl", b"\n".join(lines) + b"\n", "application/jsonl")
        # Where one of these fails, the note stays: the next start looks whether there is a batch.
        file = await call(channel, "POST", "files", file=content, names=True)
        batch = await call(
            channel,
            "POST",
            "batches",
            body={
                "input_file_id": file["id"],
                "endpoint": page_of(channel),
                "completion_window": "24h",
                "metadata": {"pex_part": part.id},
            },
            names=True,
        )
        part.batch_id = str(batch["id"])
        await asyncio.to_thread(note_batch_id, self._database, part)
        for key in keys:
            for request in self._groups[key]:
                self._listen(Started(request.place))
        return part

    # -- coming back

    async def _fetch(self, part: Part) -> None:
        wait_s = FIRST_POLL_S
        while not self._stopped.is_set():
            batch = await call(self._channels[part.model], "GET", f"batches/{part.batch_id}")
            part.status = str(batch.get("status"))
            part.completed = (
                read_count(as_object(batch.get("request_counts")).get("completed")) or 0
            )
            self._listen(Away(str(part.batch_id), part.status, part.completed, len(part.keys)))
            if part.status in _ENDED:
                await self._merge(part, batch)
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), wait_s)
            wait_s = min(wait_s * 1.5, LONGEST_POLL_S)

    async def _merge(self, part: Part, batch: Mapping[str, Any]) -> None:
        left = {key for key in part.keys if key in self._groups}
        for name in ("output_file_id", "error_file_id"):
            if not isinstance(batch.get(name), str) or not batch[name]:
                continue
            # A connection that breaks is made again: a line that was taken is not taken twice.
            path = f"files/{batch[name]}/content"
            await call(
                self._channels[part.model],
                "GET",
                path,
                take=lambda line: self._take(part, batch, line, left),
            )
        why = why_unanswered(batch)
        for key in left:
            self._put(part, key, Answer(error=why, error_kind="server"), Bill(0.0))
        # Only now: a restart before this finds the batch and merges the rest of it.
        while self._unwritten:
            await asyncio.sleep(0.01)
        if self._failure is None:
            await asyncio.to_thread(forget, self._database, part)

    def _take(self, part: Part, batch: Mapping[str, Any], line: bytes, left: set[str]) -> None:
        """Make one line of the provider's file an answer or an error."""
        key, item = find_line(line, left)
        if key is None:
            return  # whose line it is cannot be known; the request counts as not answered
        left.discard(key)
        channel, words = self._channels[part.model], self._words[key]
        try:
            answer = answer_in(item, line)
        except CallError as error:
            if words is not None:
                words.take_out_of(error)
            message = error.message + self._lesson(part.model, key, error)
            failed = Answer(error=message, error_kind=error.kind, raw_body=error.raw_body)
            worst_usd = self._reserved.get(key, 0.0)
            self._put(part, key, failed, Bill(None, worst_usd) if error.charged else Bill(0.0))
            return
        mask(answer, self._secrets)
        if words is not None:
            words.take_out(answer)
        answer.remarks += remarks(self._meant(key), self._as_sent(part.model, key))
        answer.started_at = restored({"started_at": batch.get("created_at")}).started_at
        answer.started_at = answer.started_at or time.time()
        booked = bill(channel.price, answer, self._reserved.get(key, 0.0), HALF)
        answer.cost_usd = booked.usd
        if booked.usd is not None and booked.remark == BEYOND:
            request, worst_usd = self._groups[key][0], self._reserved.get(key, 0.0)
            self._beyond = self._beyond or beyond(request, answer, booked.usd, worst_usd)
        self._put(part, key, answer, booked)

    def _as_sent(self, model: str, key: str) -> dict[str, Any]:
        """A request as it went up; for a batch of an earlier start, about as it did."""
        if key not in self._sent:
            meant = self._meant(key)
            self._sent[key] = self._channels[model].refusals.sent(meant)
        return self._sent[key]

    def _meant(self, key: str) -> dict[str, Any]:
        request = self._groups[key][0]
        return with_marks(request, request.body)

    def _lesson(self, model: str, key: str, error: CallError) -> str:
        """What a refusal means for the next batch; nothing is sent again in this one."""
        if error.kind != "refused_parameter":
            return ""
        meant, refusals = self._meant(key), self._channels[model].refusals
        lesson = refusals.learn(meant, self._as_sent(model, key), error)
        if refusals.news:
            refusals.remember()
        why = "run it again: it will be sent without it" if lesson.again else lesson.why
        return f"; {why}" if why else ""

    def _put(self, part: Part, key: str, answer: Answer, booked: Bill) -> None:
        group = self._groups[key]
        self._budget.settle(self._reserved.get(key, 0.0), booked.charged_usd)
        charged = answer.error is None or booked.at_most_usd is not None
        # Named after the batch, so a batch that is merged twice is in the ledger once.
        entry = Entry(
            group[0], answer, charged, booked.at_most_usd, group,
            remark=booked.remark, id=f"{part.id}-{key[:32]}",
        )  # fmt: skip
        self._unwritten += 1
        self._writer.put(entry)

    def _release(self, entries: list[Entry]) -> None:
        self._unwritten -= len(entries)
        self._context.tell_ended(entries)

    def _break(self, failure: JournalError) -> None:
        failure.exit_code = 5  # calls have been made
        self._failure = failure
        self._stopped.set()

    def _worst_usd(self, request: Request) -> float:
        words = self._words[request.key]
        call = Call([request], self._channels[request.model], request.body, words=words)
        worst = call.worst_usd(len(call.payload())) * HALF
        self._reserved[request.key] = worst
        return worst


def check_single(requests: Iterable[Request]) -> None:
    """Raise a `PexError` for a conversation or a path of tools, which cannot be sent together."""
    for request in requests:
        if request.loop is not None:
            raise PexError(
                f"case '{request.case_id}' runs tools between requests; provider batches only "
                "support single requests",
                hint="run it without provider_batch",
            )
        if request.user is not None:
            raise PexError(
                "the experiment has a simulated user; provider batches only support single "
                "requests",
                hint="run it without provider_batch",
            )
        if request.turns:
            raise PexError(
                f"case '{request.case_id}' is a conversation; provider batches only support "
                "single requests",
                hint="run it without provider_batch",
            )
