"""The queue of a person who triages: what is next, decisions, and how to take them back."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pex.core.errors import PexError, nearest
from pex.core.provenance import Provenance
from pex.guard.placeholders import Placeholders, hide_in
from pex.monitoring.fetch_texts import TraceTexts, fetch_texts
from pex.monitoring.reading import user_digest
from pex.monitoring.trace_path import path_of_spans
from pex.monitoring.triage.agreement import Agreement, agreement_of, all_decisions
from pex.monitoring.triage.decision import Decision, Item
from pex.monitoring.triage.details import details, feedback_line
from pex.monitoring.triage.files import Change, Files
from pex.monitoring.triage.marks import GoneError, Marks, TakenError
from pex.monitoring.triage.naming import clusters_of, names_of, same_as
from pex.monitoring.triage.ordering import Opinion, Worst


class Queue:
    """Deployed traces, worst first; each is shown to one person at a time.

    `pex.triage` makes one.

    Args:
        look: reads the traces: those that are known, and what is new.
        marks: where claims and decisions are written.
        experiments: the names of the MLflow experiments.
        files: the files for cases and requirements, if there are any.
        rules: which personal data is replaced, as arguments of `hide_in`.
        second: only what others have decided, for a second opinion.
        limit: how many traces are shown at once.
        view: makes the widget.
    """

    def __init__(
        self,
        look: Callable[[], Worst],
        marks: Marks,
        experiments: list[str],
        files: Files | None = None,
        *,
        rules: Mapping[str, Any] | None = None,
        second: bool = False,
        limit: int = 100,
        view: Callable[[Queue], Any] | None = None,
    ) -> None:
        self._look, self._view = look, view
        self._worst = look()
        self._marks, self._files, self._second = marks, files, second
        self._rules = dict(rules or {})
        self._experiments, self._limit = experiments, limit
        decided = all_decisions(self._worst.decided, marks, experiments)
        me = user_digest(marks.who)
        by_others = {key for key, said in decided.items() if me not in dict(said)}
        self._rows = {
            key: row
            for key, row in self._worst.rows.items()
            if (key in by_others if second else key not in decided)
        }
        self._waiting: dict[str, None] = dict.fromkeys(self._rows)
        self._page: list[Item] = []
        self._done: list[Decision] = []
        self._failed: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def __repr__(self) -> str:
        return f"Queue of {len(self):,} traces; {sum(len(d.trace_ids) for d in self._done)} decided"

    def _ipython_display_(self) -> None:
        if self._view is None:
            print(repr(self))  # noqa: T201 - in a cell, without a widget
        else:
            self._view(self)._ipython_display_()

    @property
    def items(self) -> list[Item]:
        """The worst traces that wait, at most `limit`, worst first."""
        self._page = [item for item in self._page if item.trace_id in self._waiting]
        want = min(self._limit, len(self._waiting))
        if len(self._page) < want and len(self._page) <= self._limit // 2:
            self._page = self._made(list(itertools.islice(self._waiting, want)))
        return list(self._page)

    @property
    def decisions(self) -> list[Decision]:
        """What was decided in this queue and not taken back, oldest first."""
        return list(self._done)

    @property
    def has_files(self) -> bool:
        """Whether cases and requirements have a place."""
        return self._files is not None

    def next(self) -> Item | None:
        """Claim the worst trace that nobody else has; None at the end.

        Raises:
            PexError: the store does not answer.
        """
        for item in self._all():
            try:
                self.claim(item)
                return item
            except GoneError:
                self._waiting.pop(item.trace_id, None)
            except TakenError as error:
                if "is decided" in error.message:
                    self._waiting.pop(item.trace_id, None)
        return None

    def claim(self, item: Item | str) -> None:
        """Claim a trace for 30 minutes.

        Raises:
            TakenError: somebody else has it, or has decided; the message says who.
            GoneError: it was deleted.
        """
        trace_id = self._id(item)
        self._marks.claim(trace_id, _now(), second=self._second)

    def waits(self, item: Item | str) -> bool:
        """Whether a trace waits for a decision in this queue."""
        return self._id(item) in self._waiting

    def release(self, item: Item | str) -> None:
        """Give a trace back to the others."""
        self._marks.release(self._id(item))

    def details(self, item: Item | str) -> list[tuple[str, str]]:
        """The whole trace: messages, tool calls, errors, feedback and scores, with headings."""
        trace_id = self._id(item)
        return details(self._said(trace_id), self._texts(trace_id))

    def answer(self, item: Item | str) -> str:
        """What somebody gave the trace as its expected answer, else the answer, to be corrected."""
        texts = self._texts(self._id(item))
        return texts.expected if isinstance(texts.expected, str) else texts.response or ""

    def case(
        self,
        item: Item | str,
        expected: Any = None,
        reason: str = "",
        *,
        inputs: Mapping[str, Any] | None = None,
        path: bool = False,
    ) -> Decision:
        """Append the trace to the experiment's file of cases.

        Args:
            item: the trace.
            expected: the corrected answer.
            reason: why.
            inputs: those that the trace does not have, or has otherwise, such as
                `{"split": "train"}`.
            path: with its tool calls, as expected ones and as recorded replies.

        Raises:
            PexError: no experiment is known, the file cannot hold the case, or there is no path.
        """
        files, trace_id = self._place("case"), self._id(item)
        self._check(trace_id)
        texts = self._texts(trace_id)
        given = files.inputs_of(texts.variables, texts.request, inputs)
        if path:
            given |= files.path_inputs(path_of_spans(texts.spans))
        feedback = feedback_line(self._said(trace_id), texts)
        hidden, found = self._hidden([given, expected, reason, feedback])
        given, expected, reason, feedback = hidden
        words = f"{reason} · feedback: {feedback}" if reason and feedback else reason or feedback
        row = self._rows[trace_id]
        origin = Provenance(
            accepted_by=self._marks.who,
            accepted_on=_now().date().isoformat(),
            trace=trace_id,
            prompt=row.prompt,
            reason=words,
            user=row.user_digest or "",
        )
        # A second opinion agrees or not; the case is there already.
        case_id, change = "", None
        if not self._second:
            case, change = files.add_case(given, expected, origin)
            case_id = case.id
        return self._decide([trace_id], "case", reason, case_id, found, change)

    def requirement(
        self,
        item: Item | str,
        text: str,
        reason: str = "",
        *,
        requirement_id: str | None = None,
        priority: str = "must",
    ) -> Decision:
        """Write a requirement into `experiment.yaml`, with the trace as its source.

        Args:
            item: the trace.
            text: what must hold, as a sentence.
            reason: why.
            requirement_id: its id; by default the first free R1, R2, ….
            priority: must, should or could.

        Raises:
            PexError: no experiment is known, or the file cannot be changed in place.
        """
        files, trace_id = self._place("requirement"), self._id(item)
        self._check(trace_id)
        (text, reason), found = self._hidden([text, reason])
        name, change = "", None
        if not self._second:
            written, change = files.add_requirement(
                text, f"trace {trace_id}", requirement_id, priority
            )
            name = written.id
        return self._decide([trace_id], "requirement", reason, name, found, change)

    def known(
        self, item: Item | str, to: str, reason: str = "", *, alike: bool = False
    ) -> Decision:
        """It is known: linked to a requirement, a case, or the text of an issue.

        Args:
            item: the trace.
            to: the id of a requirement or a case, or an issue's text or address.
            reason: why.
            alike: also the nearly identical traces that are shown.

        Raises:
            PexError: `to` is empty or nearly an id.
        """
        if not to.strip():
            raise PexError("known: to which requirement, case or issue?", hint="give its id")
        linked = self._files.known(to.strip()) if self._files else f"issue: {to.strip()}"
        return self._many(item, "known", reason, linked, alike)

    def not_ours(self, item: Item | str, reason: str = "", *, alike: bool = False) -> Decision:
        """It is not for this application to solve."""
        return self._many(item, "not ours", reason, "", alike)

    def incident(self, item: Item | str, reason: str = "", *, alike: bool = False) -> Decision:
        """Mark it as an incident."""
        return self._many(item, "incident", reason, "", alike)

    def alike(self, item: Item | str) -> list[str]:
        """The ids of the shown traces whose text is nearly identical, this one included."""
        trace_id = self._id(item)
        page = self.items
        text = self._texts(trace_id).request or ""
        found = [page[place].trace_id for place in same_as(text, [one.text for one in page])]
        return list(dict.fromkeys([trace_id, *found])) if text else [trace_id]

    def undo(self) -> Decision:
        """Take back the last decision: the file's row, the assessment and the tag.

        Raises:
            PexError: there is none, or its row was changed since; nothing is taken back then.
        """
        if not self._done:
            raise PexError("there is nothing to undo")
        last = self._done[-1]
        if last.change is not None:
            last.change.take_back()
            # If MLflow does not answer now, the next undo goes on with what is left.
            last = self._done[-1] = dataclasses.replace(last, change=None)
        for trace_id in last.trace_ids:
            try:
                self._marks.take_back(trace_id)
            except GoneError:
                continue
        self._done.pop()
        back = set(self._waiting) | set(last.trace_ids)
        self._waiting = dict.fromkeys(key for key in self._rows if key in back)
        self._page = []
        return last

    @property
    def agreement(self) -> Agreement | None:
        """How well people agree on the traces that two or more decided; None if there are none.

        Raises:
            PexError: the store does not answer.
        """
        decided = all_decisions(self._look().decided, self._marks, self._experiments)
        return agreement_of(decided, self._marks)

    def _many(
        self, item: Item | str, outcome: str, reason: str, about: str, alike: bool
    ) -> Decision:
        trace_id = self._id(item)
        self._check(trace_id)
        ids = [trace_id]
        for other in self.alike(trace_id)[1:] if alike else ():
            try:
                self._check(other)
                ids.append(other)
            except (TakenError, GoneError):
                continue  # somebody else has it
        (reason, about), found = self._hidden([reason, about])
        return self._decide(ids, outcome, reason, about, found)

    def _hidden(self, values: list[Any]) -> tuple[list[Any], tuple[str, ...]]:
        """Without personal data; a value that occurs twice has one placeholder."""
        hidden = hide_in(values, known=Placeholders(), **self._rules)
        return hidden.value, tuple(dict.fromkeys(hidden.found))

    def _decide(
        self,
        ids: list[str],
        outcome: str,
        reason: str,
        about: str,
        replaced: tuple[str, ...] = (),
        change: Change | None = None,
    ) -> Decision:
        """Write the marks; without them, what was written to a file is taken back."""
        written: list[str] = []
        try:
            for trace_id in ids:
                more = {"about": about, "prompt": self._rows[trace_id].prompt}
                more = {key: value for key, value in more.items() if value}
                self._failed.add(trace_id)
                self._marks.decide(trace_id, outcome, reason, more, first=not self._second)
                self._failed.discard(trace_id)
                written.append(trace_id)
        except BaseException as error:
            with contextlib.suppress(PexError):  # it may have arrived, without an answer
                self._marks.take_back(ids[len(written)])
            message = self._given_up(written, len(ids), change)
            if not isinstance(error, PexError):
                raise
            kind = GoneError if isinstance(error, GoneError) else PexError
            raise kind(f"{error.message}; {message}", hint=error.hint) from None
        finally:
            if written:
                self._done.append(Decision(tuple(written), outcome, about, replaced, change))
            for trace_id in written:
                self._waiting.pop(trace_id, None)
        return self._done[-1]

    def _given_up(self, written: list[str], of: int, change: Change | None) -> str:
        """What holds after a failure, in a sentence."""
        if written:
            return f"{len(written)} of {of} traces are decided, the others wait"
        if change is None:
            return "nothing was decided"
        try:
            change.take_back()
        except (PexError, OSError) as error:
            said = error.message if isinstance(error, PexError) else str(error)
            return f"nothing was decided, but {change.path.name} keeps what was written: {said}"
        return f"nothing was decided, and {change.path.name} is as it was"

    def _check(self, trace_id: str) -> None:
        if trace_id not in self._waiting:
            raise PexError(f"the trace '{trace_id}' is decided", hint="queue.undo() takes it back")
        again = trace_id in self._failed
        self._marks.claim(trace_id, _now(), second=self._second, again=again)

    def _place(self, what: str) -> Files:
        if self._files is None:
            raise PexError(
                f"a {what} needs an experiment to be written to",
                hint="pex.triage(…, to='experiments/NAME/experiment.yaml')",
            )
        return self._files

    def _id(self, item: Item | str) -> str:
        trace_id = item if isinstance(item, str) else item.trace_id
        if trace_id not in self._rows:
            hint = nearest(trace_id, list(self._waiting)[:1000]) if self._waiting else None
            raise PexError(f"no trace '{trace_id}' is in this queue", hint=hint)
        return trace_id

    def _texts(self, trace_id: str) -> TraceTexts:
        found = fetch_texts(self._marks.uri, [trace_id])
        if trace_id not in found:
            raise GoneError(f"the trace '{trace_id}' was deleted: nothing can be decided on it")
        return found[trace_id]

    def _said(self, trace_id: str) -> Sequence[Opinion]:
        return self._worst.opinions.get(trace_id, ())

    def _all(self) -> Iterator[Item]:
        ids, first = list(self._waiting), self.items
        yield from first
        shown = {item.trace_id for item in first}
        yield from (self._bare(key) for key in ids if key not in shown)

    def _bare(self, trace_id: str, name: str = "", size: int = 1, text: str = "") -> Item:
        row = self._rows[trace_id]
        why = self._worst.why(trace_id)
        return Item(trace_id, why, name, size, text, row.prompt, row.started_at)

    def _made(self, ids: list[str]) -> list[Item]:
        texts = fetch_texts(self._marks.uri, ids)
        asked = [(texts[key].request or "") if key in texts else "" for key in ids]
        numbers = clusters_of(asked)
        names, sizes = names_of(asked, numbers), collections.Counter(numbers)
        return [
            self._bare(trace_id, names[number], sizes[number], text)
            for trace_id, text, number in zip(ids, asked, numbers, strict=True)
        ]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
