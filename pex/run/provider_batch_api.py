"""Calls to the pages of a provider's Batch API: files and batches."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Any, Literal

import aiohttp
import orjson

from pex.core.errors import ProviderError
from pex.run.bodies import MOST_ERROR_BYTES, each_line, redirect, whole
from pex.run.channel import Channel
from pex.run.client import Pool
from pex.run.errors import CallError
from pex.run.failures import refusal
from pex.run.provider_batch_lines import reply_of
from pex.run.retry_after import bounded
from pex.run.user_client import ClientSession, File, Reply

ATTEMPTS = 5
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"


def page_of(channel: Channel) -> str:
    """The page that a batch of this model's requests is for."""
    return RESPONSES if channel.endpoint.api == "responses" else CHAT


async def call(
    channel: Channel,
    method: Literal["GET", "POST"],
    path: str,
    body: Any = None,
    file: File | None = None,
    take: Callable[[bytes], None] | None = None,
    names: bool = False,
) -> Any:
    """One call to a page other than chat, retried if that may help.

    The reply is an object, with `names` one that names what was created (`id`); with `take`, a
    file of any length, whose lines are passed to `take`.
    """
    assert channel.http is not None  # run() has opened it
    page = page_of(channel)
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
    known = "; does it have a Batch API?" if error.kind == "unknown_model" else ""  # 404
    raise ProviderError(f"provider batch, {channel.refusals.model}, {path}: {error.message}{known}")


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
