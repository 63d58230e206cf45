"""A conversation with a variant as plain data: who said what, and what tools replied.

The model's answers are not in it: they are known by the ids of its steps, as answers on cases are
by their cells. So undo brings back what was said, and its answers with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

KEY = "chat|"
"""What the key of an answer in a conversation begins with; the id of its step follows."""
HAND, ERROR, RUN = "hand", "error", "run"
"""How a tool was answered: by hand, by hand with an error, or by its implementation."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What a tool replied; `world` is the case's made world after it, if it changed one."""

    text: str
    how: str = HAND
    world: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One request to the model; `replies` are those to the calls of its answer, by their place."""

    id: str
    replies: Mapping[int, Reply] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Turn:
    """What the user said, and the requests until the model's last answer to it.

    `text` is None for the first turn of a prompt whose own messages end with the user's.
    """

    id: str
    text: str | None
    steps: tuple[Step, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Chat:
    """The conversation with a variant on a case; `entry` is the case's, "" for none."""

    id: str
    column: str
    entry: str = ""
    turns: tuple[Turn, ...] = ()

    @property
    def steps(self) -> Iterator[Step]:
        """All requests in their order."""
        return (step for turn in self.turns for step in turn.steps)

    @property
    def last(self) -> Step | None:
        """The last request, None before the first."""
        return self.turns[-1].steps[-1] if self.turns else None

    def with_last(self, *steps: Step) -> Chat:
        """The conversation with these steps in place of the last one.

        Example:
            >>> chat = Chat("c", "p", "", (Turn("t", "Hi", (Step("1"), Step("2"))),))
            >>> [step.id for step in chat.with_last(Step("3"), Step("4")).steps]
            ['1', '3', '4']
        """
        turn = self.turns[-1]
        turn = dataclasses.replace(turn, steps=(*turn.steps[:-1], *steps))
        return dataclasses.replace(self, turns=(*self.turns[:-1], turn))

    def to_json(self) -> dict[str, Any]:
        """It as plain data.

        Example:
            >>> chat = Chat("c", "p", "e", (Turn("t", "Hi", (Step("1", {0: Reply("5")}),)),))
            >>> Chat.from_json(chat.to_json()) == chat
            True
        """
        turns = [
            {
                "id": turn.id,
                "text": turn.text,
                "steps": [
                    {
                        "id": step.id,
                        "replies": {
                            str(at): dataclasses.asdict(reply) for at, reply in step.replies.items()
                        },
                    }
                    for step in turn.steps
                ],
            }
            for turn in self.turns
        ]
        return {"id": self.id, "column": self.column, "entry": self.entry, "turns": turns}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Chat:
        """It from plain data.

        Raises:
            KeyError, TypeError, ValueError: it is not a conversation.
        """
        turns = []
        for item in data["turns"]:
            steps = [
                Step(
                    str(step["id"]),
                    {int(at): _reply(reply) for at, reply in step["replies"].items()},
                )
                for step in item["steps"]
            ]
            if not steps:
                raise ValueError("a turn has no request")
            text = None if item["text"] is None else str(item["text"])
            turns.append(Turn(str(item["id"]), text, tuple(steps)))
        return cls(str(data["id"]), str(data["column"]), str(data["entry"]), tuple(turns))


def _reply(data: Mapping[str, Any]) -> Reply:
    return Reply(str(data["text"]), str(data["how"]), data["world"])
