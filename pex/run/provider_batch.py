"""Provider batches: OpenAI's Batch API, at half the price, within a day.

Requests go up as one JSONL file for each model, and come back by their custom id, which is the
journal's key. What was uploaded is in the journal's database before it is waited for, so that a
process that was ended finds its batch again instead of paying for another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal

import aiohttp
import orjson

from pex.core.call import Answer, Request, read_count, restored
from pex.core.errors import BudgetError, JournalError, PexError, ProviderError
from pex.core.events import Answered, Away, Failed, Listener, Spent, Started
from pex.core.responses import responses_body
from pex.guard.redact import known
from pex.run.provider_batch_lines import (
    answer_in,
    as_object,
    as_objects,
    find_line,
    reply_of,
    why_unanswered,
)
from pex.run.bodies import MOST_ERROR_BYTES, each_line, redirect, whole
from pex.run.budget import BEYOND, Bill, Budget, beyond, bill
from pex.run.channel import Call, Channel
from pex.run.client import Pool, session
from pex.run.database import Database
from pex.run.echo import mask
from pex.run.errors import CallError
from pex.run.failures import refusal
from pex.run.journal import Entry, Run, Writer
from pex.run.reasoning import without_reasoning
from pex.run.refusals import remarks
from pex.run.shared import Shared
from pex.run.user_client import ClientSession, File, Reply
from pex.run.waits import bounded

HALF = 0.5
"""The price of a provider batch, as a part of the ordinary one."""

MOST_REQUESTS = 50_000
MOST_BYTES = 150_000_000
"""What one file may hold; the provider's own limits are 50,000 requests and 200 MB."""

FIRST_POLL_S = 2.0
LONGEST_POLL_S = 30.0
ATTEMPTS = 5
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
_ENDED = ("completed", "failed", "expired", "cancelled")


@dataclasses.dataclass(slots=True)
class _Part:
    """One batch at the provider; `batch_id` is None until the provider has named it."""

    id: str
    model: str
    batch_id: str | None
    keys: list[str]
    status: str = "new"
    completed: int = 0


class ProviderBatchRunner:
    """Asks `requests` through the provider's Batch API; used like a `Runner`.

    Args:
        requests: what to ask; none of them a conversation.
        channels: for each model, how to reach it.
        budget: the cap on spending; requests that do not fit are left out.
        listen: called for each event, on the event loop's thread.
        open_writer: makes the journal's writer.
        database: where the batches are remembered.
        run: the run they belong to.
        shared: the budget of a batch of notebooks, held together with other processes.
    """

    def __init__(
        self,
        requests: Iterable[Request],
        channels: Mapping[str, Channel],
        budget: Budget,
        listen: Listener,
        open_writer: Callable[
            [Callable[[list[Entry]], None], Callable[[JournalError], None]], Writer
        ],
        database: Database,
        run: Run,
        shared: Shared,
    ) -> None:
        self._shared = shared
        self._channels = channels
        self._budget = budget
        self._listen = listen
        self._open_writer = open_writer
        self._database = database
        self._run = run
        self._status = "finished"
        self._failure: JournalError | None = None
        self._beyond: BudgetError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self._unwritten = 0
        self._secrets = known()
        self._sent: dict[str, dict[str, Any]] = {}
        self._reserved: dict[str, float] = {}
        self._groups: dict[str, list[Request]] = {}
        for request in requests:
            self._groups.setdefault(request.key, []).append(request)

    @property
    def has_work(self) -> bool:
        """Whether there is anything to ask."""
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
        self._writer = self._open_writer(self._release, self._break)
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
                await asyncio.to_thread(self._shared.leases.release)
        if self._failure is not None:
            raise self._failure
        if self._beyond is not None:
            raise self._beyond
        return self._status

    async def _allow(self, more_usd: float) -> None:
        """Take what is needed of the budget of a batch of notebooks, as far as it goes."""
        shared = self._shared
        if shared.batch_id is not None and shared.batch_cap_usd is not None:
            self._budget.allowed_usd, _ = await asyncio.to_thread(
                shared.leases.allow,
                shared.batch_id,
                shared.batch_cap_usd,
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

    async def _adopt(self, part: _Part) -> bool:
        """Whether a batch of an earlier start is there; one that was never created is forgotten."""
        if part.batch_id is None:
            # The process ended between the provider's yes and our note of it, or before.
            listed = await self._call(part.model, "GET", "batches?limit=100")
            for batch in as_objects(listed.get("data")):
                if as_object(batch.get("metadata")).get("pex_part") == part.id and batch.get("id"):
                    part.batch_id = str(batch["id"])
                    await asyncio.to_thread(self._note, part)
                    break
        if part.batch_id is None:
            await asyncio.to_thread(self._forget, part)
            return False
        for key in part.keys:
            if key in self._groups:
                # Whatever the cap says now: the provider has it already.
                self._budget.reserved_usd += self._worst_usd(self._groups[key][0])
        return True

    async def _upload(self, there: set[str]) -> list[_Part]:
        parts: list[_Part] = []
        for model in self._channels:
            page = _page_of(self._channels[model])
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
                if lines and (len(lines) >= MOST_REQUESTS or size + len(line) > MOST_BYTES):
                    parts.append(await self._create(model, keys, lines))
                    lines, keys, size = [], [], 0
                lines.append(line)
                keys.append(key)
                size += len(line) + 1
            if lines:
                parts.append(await self._create(model, keys, lines))
        return parts

    async def _create(self, model: str, keys: list[str], lines: list[bytes]) -> _Part:
        part = _Part(uuid.uuid4().hex, model, None, keys)
        await asyncio.to_thread(self._remember, part)
        content = ("pex.jsonl", b"\n".join(lines) + b"\n", "application/jsonl")
        # Where one of these fails, the note stays: the next start looks whether there is a batch.
        file = await self._call(model, "POST", "files", file=content, names=True)
        batch = await self._call(
            model,
            "POST",
            "batches",
            body={
                "input_file_id": file["id"],
                "endpoint": _page_of(self._channels[model]),
                "completion_window": "24h",
                "metadata": {"pex_part": part.id},
            },
            names=True,
        )
        part.batch_id = str(batch["id"])
        await asyncio.to_thread(self._note, part)
        for key in keys:
            for request in self._groups[key]:
                self._listen(Started(request.place))
        return part

    # -- coming back

    async def _fetch(self, part: _Part) -> None:
        wait_s = FIRST_POLL_S
        while not self._stopped.is_set():
            batch = await self._call(part.model, "GET", f"batches/{part.batch_id}")
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

    async def _merge(self, part: _Part, batch: Mapping[str, Any]) -> None:
        left = {key for key in part.keys if key in self._groups}
        for name in ("output_file_id", "error_file_id"):
            if not isinstance(batch.get(name), str) or not batch[name]:
                continue
            # A connection that breaks is made again: a line that was taken is not taken twice.
            path = f"files/{batch[name]}/content"
            await self._call(
                part.model, "GET", path, take=lambda line: self._take(part, batch, line, left)
            )
        why = why_unanswered(batch)
        for key in left:
            self._put(part, key, Answer(error=why, error_kind="server"), Bill(0.0))
        # Only now: whoever starts again before this finds the batch and merges the rest of it.
        while self._unwritten:
            await asyncio.sleep(0.01)
        if self._failure is None:
            await asyncio.to_thread(self._forget, part)

    def _take(self, part: _Part, batch: Mapping[str, Any], line: bytes, left: set[str]) -> None:
        """Make one line of the provider's file an answer or an error."""
        key, item = find_line(line, left)
        if key is None:
            return  # whose line it is cannot be known; the request counts as not answered
        left.discard(key)
        channel = self._channels[part.model]
        try:
            answer = answer_in(item, line)
        except CallError as error:
            message = error.message + self._lesson(part.model, key, error)
            failed = Answer(error=message, error_kind=error.kind, raw_body=error.raw_body)
            worst_usd = self._reserved.get(key, 0.0)
            self._put(part, key, failed, Bill(None, worst_usd) if error.charged else Bill(0.0))
            return
        mask(answer, self._secrets)
        answer.remarks += remarks(self._groups[key][0].body, self._as_sent(part.model, key))
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
            meant = self._groups[key][0].body
            self._sent[key] = self._channels[model].refusals.sent(meant)
        return self._sent[key]

    def _lesson(self, model: str, key: str, error: CallError) -> str:
        """What a refusal means for the next batch; nothing is asked again in this one."""
        if error.kind != "refused_parameter":
            return ""
        meant, refusals = self._groups[key][0].body, self._channels[model].refusals
        lesson = refusals.learn(meant, self._as_sent(model, key), error)
        if refusals.news:
            refusals.remember()
        why = "run it again: it is sent without that now" if lesson.again else lesson.why
        return f"; {why}" if why else ""

    def _put(self, part: _Part, key: str, answer: Answer, booked: Bill) -> None:
        group = self._groups[key]
        self._budget.settle(self._reserved.get(key, 0.0), booked.charged_usd)
        charged = answer.error is None or booked.at_most_usd is not None
        # Named after the batch, so that a batch that is merged twice is in the ledger once.
        entry = Entry(
            group[0], answer, charged, booked.at_most_usd, group,
            remark=booked.remark, id=f"{part.id}-{key[:32]}",
        )  # fmt: skip
        self._unwritten += 1
        self._writer.put(entry)

    def _release(self, entries: list[Entry]) -> None:
        self._unwritten -= len(entries)
        for entry in entries:
            kind = Answered if entry.answer.error is None else Failed
            tags = self._channels[entry.request.model].tags
            answer = without_reasoning(entry.answer, tags)
            for request in entry.tell:
                self._listen(kind(request.place, answer))
        self._listen(Spent(self._budget.spent_usd, self._budget.cap_usd))

    def _break(self, failure: JournalError) -> None:
        failure.exit_code = 5  # calls have been made
        self._failure = failure
        self._stopped.set()

    def _worst_usd(self, request: Request) -> float:
        call = Call([request], self._channels[request.model], request.body)
        worst = call.worst_usd(len(call.payload())) * HALF
        self._reserved[request.key] = worst
        return worst

    async def _call(
        self,
        model: str,
        method: Literal["GET", "POST"],
        path: str,
        body: Any = None,
        file: File | None = None,
        take: Callable[[bytes], None] | None = None,
        names: bool = False,
    ) -> Any:
        """One call to a page other than the chat's, tried again where that may help.

        The reply is an object, with `names` one that names what was made (`id`); with `take`, a
        file that may be long, of which it gets every line.
        """
        channel = self._channels[model]
        assert channel.http is not None  # run() has opened it
        page = _page_of(channel)
        url, _, query = channel.endpoint.url.partition(page.removeprefix("/v1"))
        url = f"{re.sub('/deployments/[^/]+$', '', url)}/{path}"  # Azure's are of all deployments
        if query:
            url += f"&{query[1:]}" if "?" in url else query
        data = orjson.dumps(body) if body is not None else None
        # An upload or a creation that was perhaps received is not repeated: it would be paid twice.
        attempts = ATTEMPTS if method == "GET" else 1
        for attempt in range(1, attempts + 1):
            try:
                sent = _sent(channel.http, method, url, data, file, streamed=take is not None)
                async with sent as response:
                    if 300 <= response.status < 400:
                        raise redirect(response.status, response.headers, url)
                    good = response.status < 300
                    if good and take is not None:
                        await each_line(response, take)
                        return None
                    if good:
                        return reply_of(await whole(response), names=names)
                    content = await whole(response, MOST_ERROR_BYTES, cut=True)
                    error = refusal(response.status, content, response.headers)
            except CallError as failed:
                error = failed
            except (aiohttp.ClientError, OSError, TimeoutError) as failed:
                error = CallError("connection", f"{type(failed).__name__}: {failed}")
            if attempt == attempts or error.kind in ("auth", "unknown_model", "quota", "redirect"):
                break
            await asyncio.sleep(bounded(error.retry_after_s) or 0.5 * 2.0**attempt)
        known = "; has it a Batch API?" if error.kind == "unknown_model" else ""  # 404
        raise ProviderError(f"provider batch, {model}, {path}: {error.message}{known}")

    # -- what is remembered

    def _remember(self, part: _Part) -> None:
        columns = ("id", "run_id", "model", "batch_id", "keys", "created_at")
        keys = orjson.dumps(part.keys).decode()
        with self._database.opened() as connection:
            row = (part.id, self._run.id, part.model, part.batch_id, keys, time.time())
            connection.insert("provider_batches", columns, [row])

    def _note(self, part: _Part) -> None:
        with self._database.opened() as connection:
            connection.rows(
                "UPDATE provider_batches SET batch_id = ? WHERE id = ?", [part.batch_id, part.id]
            )

    def _forget(self, part: _Part) -> None:
        with self._database.opened() as connection:
            connection.rows("DELETE FROM provider_batches WHERE id = ?", [part.id])


def _page_of(channel: Channel) -> str:
    """The page that a batch of this model's requests is for."""
    return RESPONSES if channel.endpoint.api == "responses" else CHAT


def _sent(
    http: Pool,
    method: str,
    url: str,
    data: bytes | None,
    file: File | None,
    *,
    streamed: bool,
) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse | Reply]:
    """A page of the provider: JSON, or a file that goes up."""
    if isinstance(http, ClientSession):
        return http.request(method, url, data=data, file=file, streamed=streamed)
    if file is None:
        return http.request(method, url, data=data, allow_redirects=False)
    form = aiohttp.FormData()
    form.add_field("purpose", "batch")
    name, content, kind = file
    form.add_field("file", content, filename=name, content_type=kind)
    filled = form()
    kept = {"Content-Type": filled.headers["Content-Type"]}
    return http.request(method, url, data=filled, headers=kept, allow_redirects=False)


def open_parts(database: Database, run_id: str, of_others: bool = False) -> list[_Part]:
    """The batches of a run, or of all others, that have not been merged yet."""
    with database.opened() as connection:
        rows = connection.rows(
            "SELECT id, model, batch_id, keys FROM provider_batches WHERE run_id "
            f"{'<>' if of_others else '='} ?",
            [run_id],
        )
    return [_Part(str(a), str(b), c, orjson.loads(keys)) for a, b, c, keys in rows]


def check_single(requests: Iterable[Request]) -> None:
    """Raise a `PexError` for a conversation, whose turns cannot be sent together."""
    for request in requests:
        if request.turns:
            raise PexError(
                f"case '{request.case_id}' is a conversation; a provider batch answers single "
                "requests only",
                hint="run it without provider_batch",
            )


def check_none_away(database: Database, run: Run, keys: Collection[str], fetches: bool) -> None:
    """Raise a `PexError` where answers are on their way in a batch that this run does not fetch.

    Args:
        database: the project's.
        run: the run that is about to ask.
        keys: what it would ask.
        fetches: it waits for its own provider batches.
    """
    away = [] if fetches else open_parts(database, run.id)
    if run.mode == "reuse":
        away += open_parts(database, run.id, of_others=True)
    for part in away:
        if not set(keys).isdisjoint(part.keys):
            raise PexError(
                f"answers to these requests are on their way in the provider batch {part.batch_id}",
                hint="fetch it with the call that made it (provider_batch=True or "
                "--provider-batch, and its other options), or pay twice with journal='fresh'",
            )
