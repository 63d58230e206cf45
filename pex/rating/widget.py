"""Blind rating in a notebook: two answers side by side, without names of variants.

Order, sides and ratings are kept in a `RatingSession` here; the browser gets one pair after the
other and sends the choice, which is on disk before anything else happens to it.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets
from IPython.display import display

from pex.core.errors import PexError
from pex.core.safe_text import clean
from pex.core.text import value_text
from pex.core.values import missing
from pex.rating.form import PAIRS, Form
from pex.rating.order import Answer, Pair, presentation_order
from pex.rating.session import RatingSession, rater_name
from pex.rating.store import AnswerRating, PairRating
from pex.report.tables import cut
from pex.widgets import shared
from pex.widgets.static_output import StaticOutput, static_html, static_text
from pex.widgets.subshell import answer_at_once

if TYPE_CHECKING:
    import pandas as pd

MAX_CHARS = 50_000
"""Characters of one text that a rater is shown."""
MAX_TASK = 4_000
"""Characters of the task."""


@dataclasses.dataclass(frozen=True, slots=True)
class RatingBackend:
    """The interface between a rating and its view.

    `start_texts` has the texts and reasons of the first screen, `open_session` starts or resumes a
    rater's session, `progress` is a line that does not show who is ahead, `result` is the result as
    HTML, `record` writes the ratings to MLflow.
    """

    frame: pd.DataFrame
    start_texts: Mapping[str, Any]
    open_session: Callable[[str], RatingSession[Any]]
    progress: Callable[[], str]
    result: Callable[[], str]
    record: Callable[[], None]


class RatingWidget(anywidget.AnyWidget):
    """Pair after pair for one rater at a time.

    Args:
        backend: the rating that it shows.
        rater: the rater's name; None asks for it.
    """

    _esm = shared.script("rating/kernel")
    _css = shared.styles("rating/rating")

    _begin = traitlets.Dict().tag(sync=True)
    _state = traitlets.Dict().tag(sync=True)

    def __init__(self, backend: RatingBackend, rater: str | None) -> None:
        self._backend = backend
        self._session: RatingSession[Any] | None = (
            None if rater is None else backend.open_session(rater)
        )
        self._result = ""
        self._static: StaticOutput | None = None
        self._finishing = threading.Lock()
        super().__init__(_begin=dict(backend.start_texts), _state={})
        self._state = self._current_state()
        self.on_msg(self._on_message)
        answer_at_once(self)

    def __repr__(self) -> str:
        state = self._state
        if not state["rater"]:
            return f"Blind rating of {self._begin['count']} {self._begin['noun']}s"
        return clean(f"Blind rating: {state['done']} of {state['total']} rated by {state['rater']}")

    def _ipython_display_(self) -> None:
        bundle = super()._repr_mimebundle_()
        assert bundle is not None  # an open widget always has one
        display(bundle[0], raw=True)
        self._static = StaticOutput(self.html)

    @property
    def html(self) -> str:
        """The view for a reader without a kernel; with names only after they were revealed."""
        if self._result:
            return static_html(self._result)
        return static_text(f"{self!r}. {self._backend.progress()}.")

    def refresh(self) -> None:
        """Show ratings that came from elsewhere, such as from a file."""
        if self._session is not None:
            self._session = self._backend.open_session(self._session.rater)
        if self._result:
            self._result = self._backend.result()
        self._state = self._current_state()

    def _current_state(self) -> dict[str, Any]:
        session = self._session
        return {
            "rater": session.rater if session else "",
            "total": len(session) if session else 0,
            "done": session.done if session else 0,
            "position": session.position if session else 0,
            "line": self._backend.progress() + ".",
            "result": self._result,
        }

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        kind = content.get("kind") if isinstance(content, Mapping) else None
        if kind == "start":
            self._start(str(content.get("rater")))
        elif kind == "need":
            self._send_pair(int(content["turn"]))
        elif kind == "rate":
            self._rate(content)
        elif kind == "reveal":
            self._reveal()

    def _start(self, name: str) -> None:
        try:
            self._session = self._backend.open_session(rater_name(name))
        except PexError as error:
            self.send({"kind": "refused", "text": str(error)})
            return
        self._result = ""
        if len(self._session) and self._session.done == len(self._session):
            self._result = self._backend.result()
        self._state = self._current_state()

    def _send_pair(self, number: int) -> None:
        session = self._session
        if session is None or not 0 <= number < len(session):
            return
        pair = pair_for_view(self._backend.frame, session.order[number].pair)
        swapped = session.order[number].swapped
        left, right = ("second", "first") if swapped else ("first", "second")
        shown = {
            "inputs": pair["inputs"], "expected": pair["expected"], "left": pair[left],
            "right": pair[right], "said": rating_for_view(session.rating(number)),
        }  # fmt: skip
        self.send({"kind": "turn", "turn": number, "shown": shown})

    def _rate(self, content: Mapping[str, Any]) -> None:
        session, number = self._session, int(content["turn"])
        if session is None:
            return
        known = self._begin["reasons"]
        reasons = [reason for reason in known if reason in (content.get("reasons") or [])]
        try:
            session.rate(number, content["choice"], reasons, clean(str(content["note"])))
        except PexError as error:
            self.send({"kind": "failed", "turn": number, "text": str(error)})
            return
        self.send({"kind": "saved", "turn": number})
        if session.done == len(session):
            self._reveal()
        else:
            if self._result:
                self._result = self._backend.result()
            self._state = self._current_state()

    def _reveal(self) -> None:
        self._result = self._backend.result()
        self._state = self._current_state()
        if self._static is not None:
            self._static.replace(self.html)
        threading.Thread(target=self._finish, name="pex-ratings", daemon=False).start()

    def _finish(self) -> None:
        """Write the ratings to MLflow; nobody waits for it, and two at once would write twice."""
        with self._finishing:
            self._backend.record()
        self._result = self._backend.result()
        self._state = self._current_state()


def pair_for_view(frame: pd.DataFrame, pair: Pair | Answer) -> dict[str, Any]:
    """A pair or an answer as a rater sees it: no names of variants, no invisible characters.

    Args:
        frame: the long frame.
        pair: one of its pairs or answers.

    Returns:
        inputs, expected, and the answers as first and second (None for an answer alone).
    """
    row = frame.iloc[pair.row]
    inputs = [
        [clean(str(name)[5:]), _text(row[name])]
        for name in frame.columns
        if str(name).startswith("case.") and not missing(row[name])
    ]
    expected = row.get("expected")
    return {
        "inputs": inputs or [["", clean(pair.case_id)]],
        "expected": "" if missing(expected) else _text(expected),
        "first": _text(pair.first if isinstance(pair, Pair) else pair.text),
        "second": _text(pair.second) if isinstance(pair, Pair) else None,
    }


def rating_for_view(rating: PairRating | AnswerRating | None) -> dict[str, Any] | None:
    """A rating as the view reads it."""
    if rating is None:
        return None
    return {"choice": rating.choice, "reasons": list(rating.reasons), "note": rating.note}


def start_texts(
    title: str,
    instructions: str,
    pairs: Sequence[Pair | Answer],
    reasons: Sequence[str],
    name: str,
    kept: str,
    form: Form = PAIRS,
) -> dict[str, Any]:
    """The texts of the first screen.

    Args:
        title: the name of the experiment.
        instructions: the task, and what makes an answer better.
        pairs: the pairs to rate.
        reasons: the tags.
        name: the default in the field for the name.
        kept: a sentence about where the ratings are stored.
        form: what a rater is asked, and the choices.
    """
    # With those that are shown a second time: their number would tell the rater that there are any.
    number = len(presentation_order(pairs, "", 0))
    intro = form.intro(number) if pairs else form.nothing
    return {
        "title": clean(title),
        "task": clean(cut(instructions.strip(), MAX_TASK)),
        "count": number,
        "intro": intro,
        "kept": kept,
        "name": clean(name),
        "reasons": [clean(reason) for reason in reasons],
        "noun": form.noun,
        "question": form.question,
        "choices": [[value, clean(text), key] for value, text, key in form.choices],
    }


def _text(value: Any) -> str:
    return clean(cut(value_text(value), MAX_CHARS))
