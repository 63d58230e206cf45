"""How this process serves its prompts: for a page of its health."""

from __future__ import annotations

import dataclasses
import datetime

from pex.library.serving import all_served


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """How a reference is served by this process now.

    `version` is such as "short/3", None if there is none; `asked_at` is the time of the last
    answer of the registry that is known. `problem` says why the registry could not be asked, or
    what is wrong with the reference; None if all is well.
    """

    reference: str
    model: str | None
    version: str | None
    asked_at: datetime.datetime | None
    problem: str | None


def status() -> list[Status]:
    """How this process serves each prompt that it has loaded, for a page of its health.

    Example:
        >>> [line for line in status() if line.problem]
        []
    """
    found = []
    for served in all_served():
        with served.lock:
            asked = served.known.asked_at
            at = datetime.datetime.fromtimestamp(asked, datetime.UTC) if asked else None
            for slot in served.slots.values():
                problem = slot.problem or served.problem
                version = slot.prompt.origin if slot.prompt else None
                text = problem.message if problem else None
                found.append(Status(str(slot.reference), slot.model, version, at, text))
    return sorted(found, key=lambda line: (line.reference, line.model or ""))
