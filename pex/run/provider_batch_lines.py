"""The files and replies of a provider's Batch API, read whatever form they have."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import orjson

from pex.core.call import Answer, read_count
from pex.run.error_body import message_of
from pex.run.errors import CallError
from pex.run.failures import failure_in, refusal
from pex.run.lenient import dumped, read_leniently
from pex.run.reading import answer_of, kept, read_answer

_KEY = re.compile(rb'"custom_id"\s*:\s*"([0-9a-f]{64})"')


def reply_of(content: bytes, *, names: bool) -> dict[str, Any]:
    """The object in a reply of the files and batches pages.

    Raises:
        CallError: it is something else.
    """
    try:
        reply = orjson.loads(content)
    except orjson.JSONDecodeError:
        reply = None
    if isinstance(reply, dict) and (not names or reply.get("id")):
        return reply
    raise failure_in(reply) or CallError("bad_body", f"unexpected reply: {message_of(content)}")


def find_line(line: bytes, left: Collection[str]) -> tuple[str | None, dict[str, Any]]:
    """Whose line it is, None if that cannot be known, and what it says.

    A line that is damaged still names its request, as long as its key can be found in it.
    """
    try:
        item = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            item = read_leniently(line)
        except ValueError:
            item = None
    key = item.get("custom_id") if isinstance(item, dict) else None
    if isinstance(key, str) and key in left:
        return key, item
    if key is not None:
        return None, {}
    found = _KEY.search(line)
    key = found.group(1).decode() if found is not None else None
    return (key if key in left else None), {}


def answer_in(item: Mapping[str, Any], line: bytes) -> Answer:
    """The answer in a line.

    Raises:
        CallError: it has none.
    """
    response = as_object(item.get("response"))
    error = failure_in({"error": item.get("error")})
    if error is not None:
        raise error
    if not response:
        raise CallError(
            "bad_body", "its line in the batch's file cannot be read", raw_body=kept(line)
        )
    status = read_count(response.get("status_code"))
    body = response.get("body")
    if status is not None and not 200 <= status < 300:
        raw = body.encode("utf-8", "replace") if isinstance(body, str) else dumped(body)
        raise refusal(status, raw, {})
    if isinstance(body, str):
        return read_answer(body.encode("utf-8", "replace"))
    leniently = False
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        leniently = True
    return answer_of(body, line, leniently=leniently)


def as_object(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list, none where the value is something else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def why_unanswered(batch: Mapping[str, Any]) -> str:
    """Why a request has no line in the files of a batch."""
    first = next(iter(as_objects(as_object(batch.get("errors")).get("data"))), {})
    found, status = first.get("message"), batch.get("status")
    if found:
        return f"the provider batch {batch.get('id')} {status}: {found}"
    return f"the provider batch {batch.get('id')} is {status}, and this request is not in its files"
