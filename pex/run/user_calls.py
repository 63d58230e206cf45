"""The calls of simulated users: the same conversation is answered once for all that wait for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from pex.core.call import Answer
from pex.run.channel import Call, Channel

FAILED = "simulated user: "
"""What the error of a call begins with that failed because its user did."""


class UserCalls:
    """The calls of simulated users that are on their way, and what was written in this run.

    Used on the runner's event loop only.

    Args:
        channels: of the run, also those of the users' models.
        find: an answer of the journal by its key.
    """

    def __init__(
        self, channels: Mapping[str, Channel], find: Callable[[str], Answer | None]
    ) -> None:
        self._channels = channels
        self._find = find
        self._written: dict[str, Answer] = {}
        self._waiting: dict[str, list[Call]] = {}

    def find(self, key: str) -> Answer | None:
        """An answer of the journal, or what a user wrote in this run: it is paid only once."""
        written = self._written.get(key)
        return (
            self._find(key) if written is None else dataclasses.replace(written, from_journal=True)
        )

    def call_for(self, call: Call) -> Call | None:
        """The call of the user whose turn it is; None if it is on its way for another one."""
        assert call.path is not None  # only paths have users
        asked = call.path.user_step()
        waiting = self._waiting.setdefault(asked.key, [])
        waiting.append(call)
        if len(waiting) > 1:
            return None
        places = [
            dataclasses.replace(
                request, model=asked.model, body=asked.body, key=asked.key, api=asked.api,
                marked=None,
            )
            for request in call.group
        ]  # fmt: skip
        return Call(places, self._channels[asked.model], asked.body, path=call.path, stands_in=call)

    def answered(self, call: Call, answer: Answer) -> list[Call]:
        """The calls that go on with the answer to a user's call."""
        key = call.group[0].key
        self._written[key] = answer
        return self._waiting.pop(key, [])

    def failed(self, call: Call) -> list[Call]:
        """The calls that end because a user's call has failed."""
        return self._waiting.pop(call.group[0].key, [])
