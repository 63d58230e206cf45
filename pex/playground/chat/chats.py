"""The conversations of a Playground: what somebody does in them, and the requests of that."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pex.core.errors import PexError, nearest
from pex.core.events import RowKey
from pex.core.text import replace_surrogates
from pex.experiment.experiment import Experiment
from pex.playground import drafting
from pex.playground.chat import requests
from pex.playground.chat.answer import ChatAnswer
from pex.playground.chat.conversation import ERROR, HAND, KEY, Chat, Reply, Step, Turn
from pex.playground.chat.save_case import with_case
from pex.playground.chat.shown import Shown, answer_shown, chats_shown
from pex.playground.chat.tools import run_tool
from pex.playground.draft import Column, Draft
from pex.playground.history import MOST_CHARS, new_id
from pex.playground.runs import Runs, Wanted, in_background
from pex.results.results import Results
from pex.tools.implementation import error_reply

MOST_TURNS = 200
KEPT_CHARS = 400_000
"""Characters of answers that a draft's file holds."""
DROPPED = "What followed was removed; Undo brings it back."

Act = Mapping[str, Any]


class Chats:
    """The conversations of one Playground.

    Args:
        runs: which make the requests.
        draft: gives the draft, as it is now.
        base: gives the experiment that it starts from, as it is now.
        step: takes a step in the draft: it is given what makes the next draft of the one that is
            there then.
        replace: does the same without a step that can be undone.
        fresh: whether runs ask for new answers.
        say: tells what was done.
        fail: tells why something could not be done.
    """

    def __init__(
        self,
        runs: Runs,
        *,
        draft: Callable[[], Draft],
        base: Callable[[], Experiment | None],
        step: Callable[[Callable[[Draft], Draft]], None],
        replace: Callable[[Callable[[Draft], Draft]], None],
        fresh: Callable[[], bool],
        say: Callable[[str], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self.alone = ""
        """The id of the variant whose conversation is shown without the rest of the Playground."""
        self._runs = runs
        self._draft = draft
        self._base = base
        self._step = step
        self._replace = replace
        self._fresh = fresh
        self._say = say
        self._fail = fail
        self._lock = threading.RLock()
        self._answers: dict[str, ChatAnswer] = {}
        self._usd: dict[str, float] = {}
        self._stale: dict[str, bool] = {}
        self._tools: set[tuple[str, int]] = set()
        """The calls whose tools are running: a step's id and the call's place."""

    def restore(self, answers: Mapping[str, ChatAnswer], usd: Mapping[str, float]) -> None:
        """Take what the file of a draft has."""
        self._answers, self._usd = dict(answers), dict(usd)

    def to_keep(self, draft: Draft) -> tuple[dict[str, ChatAnswer], dict[str, float]]:
        """Answers and costs as the file of a draft has them: the last ones, as there is room."""
        found, room = dict[str, ChatAnswer](), KEPT_CHARS
        there = {step.id for chat in draft.chats for step in chat.steps}
        with self._lock:
            for step_id in reversed(list(dict.fromkeys([*self._answers, *sorted(there)]))):
                answer = self.find(step_id)
                if answer is None:
                    continue
                room -= len(answer.text) + sum(len(str(call)) for call in answer.calls)
                if room >= 0 or step_id in there:  # without it, the conversation cannot go on
                    found[step_id] = answer
            ids = {chat.id for chat in draft.chats}
            usd = {key: spent for key, spent in self._usd.items() if key in ids}
        return dict(reversed(found.items())), usd

    def find(self, step_id: str) -> ChatAnswer | None:
        """The answer to a step."""
        slot = self._runs.slots.get(KEY + step_id)
        if slot is not None:
            return ChatAnswer.of(slot.cell, slot.fingerprint)
        return self._answers.get(step_id)

    def act(self, act: Act) -> None:
        """Do what somebody does in a conversation: `do` says what, `variant` in which.

        Raises:
            PexError: there is no such act, or it cannot be done now; nothing has changed.
        """
        do = str(act.get("do"))
        if do not in self._acts:
            raise PexError(f"there is no act '{do}' in a conversation",
                           hint=nearest(do, self._acts))  # fmt: skip
        self._acts[do](self, act)

    def shown(self, draft: Draft) -> list[Shown]:
        """The conversations as the view gets them."""
        return chats_shown(draft)

    def cells(self, draft: Draft, keys: Iterable[str] | None = None) -> dict[str, Shown]:
        """Answers as the view gets them: of these keys, or of all."""
        wanted = None if keys is None else set(keys)
        found = {}
        for chat in draft.chats:
            column = _column_of(draft, chat.column)
            if column is None:
                continue
            now = requests.fingerprint_of(draft, column, chat)
            for step in chat.steps:
                key = KEY + step.id
                answer = self.find(step.id)
                if answer is None or (wanted is not None and key not in wanted):
                    continue
                running = {at for step_id, at in self._tools if step_id == step.id}
                found[key] = answer_shown(answer, column, self._base(), now, running)
        return found

    def turned(self, draft: Draft) -> list[str]:
        """The answers that are shown again, or went out of date, since the last call."""
        now = {key: bool(cell["stale"]) for key, cell in self.cells(draft).items()}
        before, self._stale = self._stale, now
        return [key for key, stale in now.items() if before.get(key) != stale]

    def status(self, draft: Draft) -> dict[str, Any]:
        """What the conversations have cost, and what they may, by the ids of their variants."""
        cap = self._cap_usd()
        return {chat.column: [self._usd.get(chat.id, 0.0), cap] for chat in draft.chats}

    # -- what somebody does

    def _open(self, act: Act) -> None:
        draft = self._draft()
        column = _column(draft, act)
        entry = str(act.get("case") or "")
        if entry and entry not in {item.id for item in draft.entries}:
            raise PexError("this case is no longer there")
        there = _chat_of(draft, column.id)
        if there is None:
            first = entry or (draft.entries[0].id if draft.entries else "")
            new = Chat(new_id(), column.id, first)
            self._replace(lambda draft: _with_chat(draft, new))
        elif entry and entry != there.entry:
            self._put(dataclasses.replace(there, entry=entry))

    def _send(self, act: Act) -> None:
        chat, column = self._free(act)
        if len(chat.turns) >= MOST_TURNS:
            raise PexError(f"a conversation has at most {MOST_TURNS} turns here")
        last = chat.last
        answer = None if last is None else self.find(last.id)
        if last is not None and (answer is None or answer.state != "answered"):
            raise PexError("the last turn has no answer", hint="retry it, or edit it, first")
        if answer is not None and answer.calls:
            raise PexError("the model waits for the replies of its tools")
        text: str | None = _text(act.get("text"))
        if requests.asks_itself(column) and not chat.turns:
            text = None
        elif not (text or "").strip():
            raise PexError("there is nothing to send")
        turn = Turn(new_id(), text, (Step(new_id()),))
        self._go_on(dataclasses.replace(chat, turns=(*chat.turns, turn)))

    def _retry(self, act: Act) -> None:
        chat, _ = self._free(act)
        last = chat.last
        if last is None:
            raise PexError("there is nothing to retry")
        answer = self.find(last.id)
        if answer is None or answer.state != "answered":  # only what has failed
            self._go_on(chat.with_last(Step(new_id())))
            return
        turn = dataclasses.replace(chat.turns[-1], steps=(Step(new_id()),))
        self._go_on(dataclasses.replace(chat, turns=(*chat.turns[:-1], turn)), fresh=True)

    def _edit(self, act: Act) -> None:
        chat, _ = self._free(act)
        text = _text(act.get("text"))
        places = [
            number
            for number, turn in enumerate(chat.turns)
            if turn.id == act.get("turn") and turn.text is not None
        ]
        if not places:
            raise PexError("this turn is no longer there")
        number = places[0]
        if not text.strip():
            raise PexError("there is nothing to send")
        new = Turn(new_id(), text, (Step(new_id()),))
        followed = number + 1 < len(chat.turns)
        self._go_on(dataclasses.replace(chat, turns=(*chat.turns[:number], new)))
        if followed:
            self._say(DROPPED)

    def _clear(self, act: Act) -> None:
        chat, _ = self._free(act)
        self._put(Chat(new_id(), chat.column, chat.entry))

    def _stop(self, act: Act) -> None:
        chat = _chat(self._draft(), act)
        self._runs.stop([KEY + step.id for step in chat.steps])

    def _reply(self, act: Act) -> None:
        chat, _ = self._free(act)
        at = self._waiting_call(chat, act)
        text = _text(act.get("text"))
        how = ERROR if act.get("error") else HAND
        self._take_reply(chat, at, Reply(error_reply(text) if how == ERROR else text, how))

    def _run_tool(self, act: Act) -> None:
        chat, _ = self._free(act)
        at = self._waiting_call(chat, act)
        last = chat.last
        assert last is not None  # it has the call
        with self._lock:
            if (last.id, at) in self._tools:
                return
            self._tools.add((last.id, at))
        in_background(self._run_call, chat, last.id, at, bool(act.get("effects")))
        self._runs.tell([KEY + last.id])

    def _run_call(self, chat: Chat, step_id: str, at: int, effects: bool) -> None:
        try:
            reply = run_tool(self._draft(), self._base(), chat, at, self.find, effects=effects)
            now = _chat_of(self._draft(), chat.column)
            last = now.last if now is not None else None
            if now is not None and last is not None and last.id == step_id:
                self._take_reply(now, at, reply)
        except Exception as error:  # noqa: BLE001 - a traceback would be in some cell's output
            self._fail(error)
        finally:
            with self._lock:
                self._tools.discard((step_id, at))
            self._runs.tell([KEY + step_id])

    def _save(self, act: Act) -> None:
        chat, column = self._free(act)
        expected = _text(act.get("expected") or "")
        self._step(lambda draft: with_case(draft, column, chat, self.find, expected))
        self._say("Saved as the last case; Undo removes it.")

    _acts: Mapping[str, Callable[[Chats, Act], None]] = {
        "open": _open,
        "send": _send,
        "retry": _retry,
        "edit": _edit,
        "clear": _clear,
        "stop": _stop,
        "reply": _reply,
        "run_tool": _run_tool,
        "save": _save,
    }

    # -- what follows from it

    def _free(self, act: Act) -> tuple[Chat, Column]:
        """The conversation of an act, and its variant, if nothing is in progress in it."""
        draft = self._draft()
        chat = _chat(draft, act)
        column = _column_of(draft, chat.column)
        assert column is not None  # _chat has looked
        last = chat.last
        answer = None if last is None else self.find(last.id)
        if answer is not None and not answer.ended:
            raise PexError("the model is answering; wait for it, or stop it")
        return chat, column

    def _waiting_call(self, chat: Chat, act: Act) -> int:
        """The place of a call that has no reply yet."""
        last = chat.last
        answer = None if last is None else self.find(last.id)
        at = act.get("call")
        if (
            last is None
            or answer is None
            or last.id != act.get("step")
            or isinstance(at, bool)
            or not isinstance(at, int)
            or not 0 <= at < len(answer.calls)
        ):
            raise PexError("this call is no longer there")
        if at in last.replies:
            raise PexError("this call has a reply already")
        return at

    def _take_reply(self, chat: Chat, at: int, reply: Reply) -> None:
        """Keep a reply; when all calls have one, the conversation goes on."""
        last = chat.last
        assert last is not None  # it has the call
        answer = self.find(last.id)
        assert answer is not None  # it has the call
        done = Step(last.id, {**last.replies, at: reply})
        if len(done.replies) < len(answer.calls):
            self._put(chat.with_last(done))
        else:
            self._go_on(chat.with_last(done, Step(new_id())))

    def _put(self, chat: Chat) -> None:
        self._step(lambda draft: _with_chat(draft, chat))

    def _go_on(self, chat: Chat, *, fresh: bool = False) -> None:
        """Take the step to a conversation, and send its last request."""
        draft, base = _with_chat(self._draft(), chat), self._base()
        experiment = requests.experiment_of(draft, base, chat, self.find)
        column = _column_of(draft, chat.column)
        last = chat.last
        assert column is not None  # experiment_of has found it
        assert last is not None  # there is something to send
        variant, case = experiment.variants[0], experiment.cases[0]
        key = KEY + last.id
        rows: dict[RowKey, str] = {(variant.name, case.id, 1): key}
        left = max(0.0, self._cap_usd() - self._usd.get(chat.id, 0.0))

        def ended(results: Results | None) -> None:
            self._ended(chat.id, last.id, results)

        wanted = Wanted(
            experiment,
            rows,
            {key: requests.fingerprint_of(draft, column, chat)},
            fresh or self._fresh(),
            record=False,
            budget_usd=left,
            aside=ended,
        )
        self._put(chat)
        self._runs.begin(wanted, now=False)

    def _ended(self, chat_id: str, step_id: str, results: Results | None) -> None:
        with self._lock:
            answer = self.find(step_id)
            if answer is not None:
                self._answers[step_id] = answer
            if results is not None:
                spent = float(results.about.spent_usd or 0.0)
                self._usd[chat_id] = self._usd.get(chat_id, 0.0) + spent
        if results is not None and results.status == "budget":
            spent = self._usd.get(chat_id, 0.0)
            self._fail(
                PexError(
                    f"the budget of a run, ${self._cap_usd():.2f}, is used up in this conversation "
                    f"(${spent:.2f}), or not enough for another answer",
                    hint="clear the conversation, or raise budget.usd_per_run in pex.toml",
                )
            )

    def _cap_usd(self) -> float:
        base = self._base()
        if base is not None and base.budget_usd is not None:
            return base.budget_usd
        return drafting.settings_of(base)[1].budget.usd_per_run


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise PexError(f"expected a string, got {type(value).__name__}")
    if len(value) > MOST_CHARS:
        raise PexError(f"{len(value):,} characters are too many, at most {MOST_CHARS:,}")
    return replace_surrogates(value)


def _column_of(draft: Draft, column_id: str) -> Column | None:
    return next((column for column in draft.columns if column.id == column_id), None)


def _column(draft: Draft, act: Act) -> Column:
    column = _column_of(draft, str(act.get("variant")))
    if column is None:
        raise PexError("this variant is no longer there")
    return column


def _chat_of(draft: Draft, column_id: str) -> Chat | None:
    return next((chat for chat in draft.chats if chat.column == column_id), None)


def _chat(draft: Draft, act: Act) -> Chat:
    chat = _chat_of(draft, _column(draft, act).id)
    if chat is None:
        raise PexError("this conversation is no longer open")
    return chat


def _with_chat(draft: Draft, chat: Chat) -> Draft:
    """The draft with a conversation in the place of the one with the same variant."""
    others = tuple(item for item in draft.chats if item.column != chat.column)
    return dataclasses.replace(draft, chats=(*others, chat))
