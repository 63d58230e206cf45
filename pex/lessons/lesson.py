"""What all lessons share: tries, the table of what happened, the number at the end."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.safe_text import clean
from pex.core.variant import grid
from pex.experiment.experiment import Experiment
from pex.guard.findings import Finding, visible
from pex.lessons.field import Field
from pex.report.tables import reachable
from pex.stats import wilson
from pex.widgets.static_output import StaticOutput, static_html

MODEL = "local/smollm2"
_SHOWN = 400
_CELL = 'style="text-align: left; vertical-align: top"'


@dataclasses.dataclass(frozen=True, slots=True)
class Try:
    """One try of an attack.

    Args:
        sent: what the model was given, in words or with hidden characters shown.
        answer: what it answered.
        worked: whether the attack worked; None: it cannot be told, so the try is not counted.
        happened: that in a sentence.
        seen: what the guard says, each in a sentence.
        flagged: whether the guard would have stopped it.
        twin: whether a harmless text in its place has the same effect; None: there is none.
        twin_flagged: whether the guard would have stopped the harmless text.
        own: whether the learner made it; the others are the examples.
    """

    sent: str
    answer: str
    worked: bool | None
    happened: str
    seen: tuple[str, ...] = ()
    flagged: bool = False
    twin: bool | None = None
    twin_flagged: bool | None = None
    own: bool = True


class Lesson(abc.ABC):
    """An attack that is tried by hand; each lesson says what is sent and what counts."""

    fields: tuple[Field, ...] = ()
    """Of its form."""
    given: tuple[Mapping[str, str], ...] = ()
    """Values of the examples."""
    goal = "The attack worked"
    """What the number counts, as the beginning of a sentence."""

    def __init__(self) -> None:
        self.tries: list[Try] = []
        self._output: StaticOutput | None = None

    @abc.abstractmethod
    def play(self, values: Mapping[str, str]) -> Try:
        """Try the attack once.

        Args:
            values: what the form has, by the names of its fields.
        """

    def attack(self, **values: str) -> Try:
        """Try the attack, and add it to the table.

        Args:
            values: fields of the form; the others have what is there at first.

        Raises:
            PexError: the built-in model is not installed, or a field is not one.
        """
        usual = {field.name: field.value for field in self.fields}
        unknown = [name for name in values if name not in usual]
        if unknown:
            raise PexError(
                f"there is no field '{unknown[0]}'", hint=f"there is: {', '.join(usual)}"
            )
        made = self.play({**usual, **values})
        self.tries.append(made)
        self._show()
        return made

    def examples(self) -> None:
        """Try the examples, and show the table."""
        self.tries = [item for item in self.tries if item.own]
        for values in self.given:
            usual = {field.name: field.value for field in self.fields}
            self.tries.append(dataclasses.replace(self.play({**usual, **values}), own=False))
        StaticOutput(static_html(self.table(own=False)))

    def form(self) -> None:
        """Show the form, with the table of the learner's tries below it."""
        from pex.lessons.form import show

        show(self.fields, self._tried)
        self._output = StaticOutput(static_html(self.table()))

    def _tried(self, values: Mapping[str, str]) -> str:
        """Try it with what the form has; what to say below the button."""
        made = self.attack(**values)
        return f"Try {sum(item.own for item in self.tries)}: {made.happened}"

    def _show(self) -> None:
        if self._output is not None:
            self._output.replace(static_html(self.table()))

    def table(self, own: bool = True) -> str:
        """The tries as a table, escaped.

        Args:
            own: those of the learner; else the examples.
        """
        tries = [item for item in self.tries if item.own is own]
        if not tries:
            return "<p>Your tries will be here.</p>"
        head = ("", "the model was given", "it answered", "what happened", "what the guard saw")
        rows = "".join(_row(number, item) for number, item in enumerate(tries, 1))
        titles = "".join(f"<th {_CELL}>{escape(title)}</th>" for title in head)
        return reachable(
            f"<table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table>", "Tries"
        )

    def number(self) -> Number:
        """What came out, as one number with how sure it is."""
        return Number(self.goal, tuple(self.tries))


@dataclasses.dataclass(frozen=True, slots=True)
class Number:
    """What a learner has found out."""

    goal: str
    tries: tuple[Try, ...]

    @property
    def counted(self) -> list[Try]:
        """The tries where it can be told whether the attack worked."""
        return [item for item in self.tries if item.worked is not None]

    @property
    def sentences(self) -> list[str]:
        """The number first, then what belongs to it."""
        tries = self.counted
        if not tries:
            return ["No number yet: try the attack first."]
        worked = sum(item.worked is True for item in tries)
        flagged = sum(item.flagged for item in tries)
        missed = sum(item.worked is True and not item.flagged for item in tries)
        found = [
            f"{self.goal} in {_of(worked, len(tries))}.",
            f"The guard would have stopped {flagged} of {len(tries)}; "
            f"{missed} of those that worked went past it.",
        ]
        twins = [item for item in tries if item.twin is not None]
        if twins:
            same = sum(item.twin is True for item in twins)
            found.append(
                f"A harmless text in the same place had the same effect in {same} of {len(twins)}: "
                "there the model is confused, not obedient."
            )
            alarms = [item for item in twins if item.twin_flagged is not None]
            if alarms:
                false = sum(item.twin_flagged is True for item in alarms)
                found.append(f"The guard alarmed at {false} of {len(alarms)} harmless texts.")
        own = sum(item.own for item in tries)
        found.append(
            f"{own} of these tries {'is' if own == 1 else 'are'} your own."
            if own
            else "All of these are the examples: your own tries are still missing."
        )
        left_out = len(self.tries) - len(tries)
        if left_out:
            found.append(f"{left_out} could not be counted; the table says why.")
        return found

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        first, *rest = self.sentences
        lines = "".join(f"<p>{escape(clean(line))}</p>" for line in rest)
        return static_html(
            f'<p style="font-size: 20px; font-weight: 600">{escape(clean(first))}</p>{lines}'
        )


def _of(count: int, total: int) -> str:
    low, high = wilson(count, total)
    tries = "try" if total == 1 else "tries"
    return (
        f"{count} of {total} {tries} (with so few, the true share is anywhere from {low * 100:.0f} "
        f"to {high * 100:.0f} %)"
    )


def _row(number: int, item: Try) -> str:
    sign = {True: "▼ ", False: "✓ ", None: "? "}[item.worked]
    seen = "".join(f"<li>{_text(line)}</li>" for line in item.seen)
    guard = f"<ul style='margin: 0; padding-left: 16px'>{seen}</ul>" if seen else "saw nothing"
    verdict = f"<strong>{'stopped' if item.flagged else 'let through'}</strong>: "
    cells = (str(number), _text(item.sent), _text(item.answer),
             f"{sign}{_text(item.happened)}", f"{verdict}{guard}")  # fmt: skip
    return f"<tr>{''.join(f'<td {_CELL}>{cell}</td>' for cell in cells)}</tr>"


def _text(text: str) -> str:
    shown = clean(text)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]} …"
    return escape(shown).replace("\n", "<br>")


def ask(prompt: Prompt, values: Sequence[Mapping[str, Any]], max_tokens: int = 12) -> list[str]:
    """The answers of the built-in model, in the order of the values; equal values share one.

    Raises:
        PexError: it is not installed, or a call failed.
    """
    unique = list({repr(sorted(item.items())): item for item in values}.values())
    cases = [Case(f"c{number}", dict(item)) for number, item in enumerate(unique)]
    exp = Experiment(
        "lesson", grid([prompt], MODEL, {"temperature": 0, "max_tokens": max_tokens}), cases
    )
    frame = exp.run(show=False, record=False).frame.set_index("case_id")
    errors = frame["error"].dropna()
    if len(errors):
        raise PexError(f"the model did not answer: {errors.iloc[0]}")
    answers = {repr(sorted(case.inputs.items())): str(frame.loc[case.id, "output"])
               for case in cases}  # fmt: skip
    return [answers[repr(sorted(item.items()))] for item in values]


def seen(findings: Sequence[Finding], most: int = 4) -> tuple[str, ...]:
    """Findings for people, the strongest first, each kind once."""
    order = {"block": 0, "flag": 1, "signal": 2}
    said: dict[str, str] = {}
    for item in sorted(findings, key=lambda one: order[one.severity]):
        weak = " (a signal: alone it stops nothing)" if item.severity == "signal" else ""
        shown = f": “{visible(item.shown, 80)}”" if item.shown else ""
        said.setdefault(item.rule, f"{item.message}{shown}{weak}")
    return tuple(list(said.values())[:most])
