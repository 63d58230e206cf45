"""Blind rating in a notebook: two answers side by side, without names.

Order, sides and what was said live in `Sitting`s here; the browser is given one pair after the
other and sends what is chosen, which is on disk before anything else happens to it.
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
from pex.core.shown import clean
from pex.core.values import missing
from pex.rating.order import Pair
from pex.rating.session import Sitting, rater_name
from pex.rating.store import Rated
from pex.report.tables import cut, value_text
from pex.widgets import shared
from pex.widgets.static_output import StaticOutput, static_html, static_text
from pex.widgets.subshell import answer_at_once

if TYPE_CHECKING:
    import pandas as pd

MAX_CHARS = 50_000
"""Characters of one text that a rater is shown."""


@dataclasses.dataclass(frozen=True, slots=True)
class Desk:
    """What a rating stands on, from the door.

    `begin` has the texts and reasons that the view shows, `sit` seats a rater, `line` says how
    far it is without a word of who is ahead, `result` is the finding as HTML, `finish` brings the
    ratings to MLflow.
    """

    frame: pd.DataFrame
    begin: Mapping[str, Any]
    sit: Callable[[str], Sitting]
    line: Callable[[], str]
    result: Callable[[], str]
    finish: Callable[[], None]


class RatingWidget(anywidget.AnyWidget):
    """Pair after pair for one rater at a time.

    Args:
        desk: what it stands on.
        rater: who rates; None asks for the name.
    """

    _esm = shared.script("rating/kernel")
    _css = shared.styles("rating/rating")

    _begin = traitlets.Dict().tag(sync=True)
    _state = traitlets.Dict().tag(sync=True)

    def __init__(self, desk: Desk, rater: str | None) -> None:
        self._desk = desk
        self._sitting: Sitting | None = None if rater is None else desk.sit(rater)
        self._result = ""
        self._static: StaticOutput | None = None
        self._finishing = threading.Lock()
        super().__init__(_begin=dict(desk.begin), _state={})
        self._state = self._now()
        self.on_msg(self._on_message)
        answer_at_once(self)

    def __repr__(self) -> str:
        state = self._state
        if not state["rater"]:
            return f"Blind rating of {self._begin['count']} pairs"
        return clean(f"Blind rating: {state['done']} of {state['total']} rated by {state['rater']}")

    def _ipython_display_(self) -> None:
        bundle = super()._repr_mimebundle_()
        assert bundle is not None  # an open widget always has one
        display(bundle[0], raw=True)
        self._static = StaticOutput(self.html)

    @property
    def html(self) -> str:
        """What a reader without a kernel sees: names only where they were revealed."""
        if self._result:
            return static_html(self._result)
        return static_text(f"{self!r}. {self._desk.line()}.")

    def refresh(self) -> None:
        """Show what has come from elsewhere, such as a file of ratings."""
        if self._sitting is not None:
            self._sitting = self._desk.sit(self._sitting.rater)
        if self._result:
            self._result = self._desk.result()
        self._state = self._now()

    def _now(self) -> dict[str, Any]:
        sitting = self._sitting
        return {
            "rater": sitting.rater if sitting else "",
            "total": len(sitting) if sitting else 0,
            "done": sitting.done if sitting else 0,
            "position": sitting.position if sitting else 0,
            "line": self._desk.line() + ".",
            "result": self._result,
        }

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        what = content.get("kind") if isinstance(content, Mapping) else None
        if what == "start":
            self._start(str(content.get("rater")))
        elif what == "need":
            self._send_turn(int(content["turn"]))
        elif what == "rate":
            self._rate(content)
        elif what == "reveal":
            self._reveal()

    def _start(self, name: str) -> None:
        try:
            self._sitting = self._desk.sit(rater_name(name))
        except PexError as error:
            self.send({"kind": "refused", "text": str(error)})
            return
        self._result = ""
        if len(self._sitting) and self._sitting.done == len(self._sitting):
            self._result = self._desk.result()
        self._state = self._now()

    def _send_turn(self, number: int) -> None:
        sitting = self._sitting
        if sitting is None or not 0 <= number < len(sitting):
            return
        turn = sitting.turns[number]
        pair = shown(self._desk.frame, turn.pair)
        left, right = ("second", "first") if turn.swapped else ("first", "second")
        parts = {"inputs": pair["inputs"], "expected": pair["expected"]}
        sides = {"left": pair[left], "right": pair[right], "said": said(sitting.said(number))}
        self.send({"kind": "turn", "turn": number, "shown": {**parts, **sides}})

    def _rate(self, content: Mapping[str, Any]) -> None:
        sitting, number = self._sitting, int(content["turn"])
        if sitting is None:
            return
        known = self._begin["reasons"]
        reasons = [reason for reason in known if reason in (content.get("reasons") or [])]
        try:
            sitting.rate(number, content["choice"], reasons, clean(str(content["note"])))
        except PexError as error:
            self.send({"kind": "failed", "turn": number, "text": str(error)})
            return
        self.send({"kind": "saved", "turn": number})
        if sitting.done == len(sitting):
            self._reveal()
        else:
            if self._result:
                self._result = self._desk.result()
            self._state = self._now()

    def _reveal(self) -> None:
        self._result = self._desk.result()
        self._state = self._now()
        if self._static is not None:
            self._static.replace(self.html)
        threading.Thread(target=self._finish, name="pex-ratings", daemon=False).start()

    def _finish(self) -> None:
        """Bring the ratings to MLflow; nobody waits for it, and two at once would write twice."""
        with self._finishing:
            self._desk.finish()
        self._result = self._desk.result()
        self._state = self._now()


def shown(frame: pd.DataFrame, pair: Pair) -> dict[str, Any]:
    """A pair as a rater sees it: no name of a variant, nothing that cannot be seen.

    Args:
        frame: the long frame.
        pair: one of its pairs.

    Returns:
        inputs, expected, and the answers as first and second.
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
        "first": _text(pair.first),
        "second": _text(pair.second),
    }


def said(rated: Rated | None) -> dict[str, Any] | None:
    """A rating as the view takes it."""
    if rated is None:
        return None
    return {"choice": rated.choice, "reasons": list(rated.reasons), "note": rated.note}


def _text(value: Any) -> str:
    return clean(cut(value_text(value), MAX_CHARS))


def begin(
    title: str, pairs: Sequence[Pair], reasons: Sequence[str], name: str, kept: str
) -> dict[str, Any]:
    """The texts of the first screen.

    Args:
        title: what is rated.
        pairs: the pairs to rate.
        reasons: the tags.
        name: what stands in the field for the name.
        kept: a sentence on where the ratings are kept.
    """
    count = "1 pair" if len(pairs) == 1 else f"{len(pairs):,} pairs"
    intro = (
        f"{count} of answers to the same case, without names. Which of the two, A or B, is better?"
        if pairs
        else "There is nothing to rate: no case has two answers that differ."
    )
    return {
        "title": clean(title),
        "count": len(pairs),
        "intro": intro,
        "kept": kept,
        "name": clean(name),
        "reasons": [clean(reason) for reason in reasons],
    }
