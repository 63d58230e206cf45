"""What a rule of a monitor found: an alarm, quiet, or why it cannot tell."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any, Literal

Status = Literal["alarm", "quiet", "cannot tell"]


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """A mean or share with its 95 % interval; the ends are None where there are too few values."""

    value: float
    low: float | None
    high: float | None
    n: int


@dataclasses.dataclass(frozen=True, slots=True)
class NearRelease:
    """A release near the beginning of a change: near in time, which does not make it the cause.

    Args:
        kind: `prompt`, `model` or `alias`.
        name: such as `reviews/3`, `openai/gpt-4.1-mini`, or `champion of reviews: 2 → 3, by ada`.
        at: its first trace, or the move of the alias.
    """

    kind: str
    name: str
    at: datetime.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A change that a rule found.

    Args:
        rule: the rule in words, such as `polite: drop of 0.05`; it is the alarm's name.
        metric: the rule's metric, or what drifted.
        since: the day (UTC) on which the change most likely began.
        since_first: with `since_last` the days within which it began, with 95 % probability.
        since_last: see `since_first`.
        until: the last day of the change if it went away again, None while it is there.
        found_on: the first day whose traces were enough for the alarm.
        before: the figure in the baseline period; None for a fixed limit without a baseline.
        now: the figure from `since` on; for drift the distance (0 to 1) of the shares of categories
            from the baseline's.
        yes_no: whether the figures are shares of yes.
        how_sure: at most this share of all stretches of thirty quiet days has so much evidence in
            any rule of the monitor.
        trace_ids: traces to look at, the worst first.
        near_releases: what was released about when the change began.
        detail: what changed, for drift: the categories with their shares.
        seen_at: when a look first found it; None before it is remembered.
    """

    rule: str
    metric: str
    since: datetime.date
    since_first: datetime.date
    since_last: datetime.date
    until: datetime.date | None
    found_on: datetime.date
    before: Figure | None
    now: Figure
    yes_no: bool
    how_sure: float
    trace_ids: tuple[str, ...] = ()
    near_releases: tuple[NearRelease, ...] = ()
    detail: str = ""
    seen_at: datetime.datetime | None = None

    @property
    def near_release(self) -> NearRelease | None:
        """The release that is nearest to the beginning, None if none is near."""
        return next(iter(self.near_releases), None)

    @property
    def since_text(self) -> str:
        """Since when, with the days within which it began."""
        if self.since_first == self.since_last:
            return f"since {self.since}"
        return f"since {self.since} (between {self.since_first} and {self.since_last})"

    @property
    def sure_text(self) -> str:
        """How sure it is, in words."""
        if self.how_sure < 1e-6:
            return "so much by chance in fewer than 1 of 1,000,000 stretches of thirty quiet days"
        of = f"1 of {float(f'{1 / self.how_sure:.2g}'):,.0f}"
        return f"so much by chance in at most {of} stretches of thirty quiet days"

    def __str__(self) -> str:
        """The alarm in a sentence."""
        if self.detail:
            said = f"{self.metric} of the inputs changed: {self.detail}"
        else:
            was = f"{_figure(self.before, self.yes_no)} → " if self.before else ""
            said = f"{self.metric} {was}{_figure(self.now, self.yes_no)}"
        text = f"{said}, {self.since_text}"
        if self.until is not None:
            text += f", until {self.until}"
        if self.near_release is not None:
            text += f"; near in time: {self.near_release.name}"
        return text

    def to_json(self) -> dict[str, Any]:
        """The alarm as plain data.

        Example:
            >>> day = datetime.date(2026, 3, 2)
            >>> alarm = Alarm(rule="polite: drop of 0.05", metric="polite", since=day,
            ...     since_first=day, since_last=day, until=None, found_on=day,
            ...     before=Figure(0.9, 0.89, 0.91, 7000), now=Figure(0.8, 0.77, 0.83, 700),
            ...     yes_no=True, how_sure=0.001)
            >>> Alarm.from_json(alarm.to_json()) == alarm
            True
            >>> print(alarm)
            polite 90 % (89 to 91) → 80 % (77 to 83), since 2026-03-02
        """
        found: dict[str, Any] = _plain(dataclasses.asdict(self))
        return found

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Alarm:
        """The alarm from plain data.

        Raises:
            KeyError: a key is missing.
            TypeError: a value has an unexpected type.
            ValueError: a date that is none.
        """
        days = {
            key: datetime.date.fromisoformat(data[key])
            for key in ("since", "since_first", "since_last", "found_on")
        }
        until, seen = data["until"], data["seen_at"]
        return cls(**{
            **data,
            **days,
            "until": datetime.date.fromisoformat(until) if until else None,
            "seen_at": datetime.datetime.fromisoformat(seen) if seen else None,
            "before": Figure(**data["before"]) if data["before"] else None,
            "now": Figure(**data["now"]),
            "trace_ids": tuple(data["trace_ids"]),
            "near_releases": tuple(
                NearRelease(**{**item, "at": datetime.datetime.fromisoformat(item["at"])})
                for item in data["near_releases"]
            ),
        })  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RuleState:
    """Where a rule stands.

    Args:
        rule: the rule in words.
        metric: its metric, or what drifts.
        status: `alarm`, `quiet` or `cannot tell`.
        reason: why it is so, in a sentence.
        alarm: the alarm, if it is one.
        findable: which change can be found within how many days at the present volume.
        before: the figure in the baseline period.
        now: the figure since the baseline; with an alarm, since the change.
        evidence: the evidence after each day since the baseline; an alarm is at `threshold`.
        threshold: see `evidence`.
    """

    rule: str
    metric: str
    status: Status
    reason: str
    alarm: Alarm | None = None
    findable: str = ""
    before: Figure | None = None
    now: Figure | None = None
    evidence: tuple[float, ...] = ()
    threshold: float = 0.0


def figure_text(figure: Figure, yes_no: bool) -> str:
    """A figure with its interval, rounded to what it means.

    Example:
        >>> figure_text(Figure(0.9, 0.85, 0.934, 100), True)
        '90 % (85 to 93)'
        >>> figure_text(Figure(0.5, None, None, 1), False)
        '0.5'
    """
    return _figure(figure, yes_no)


def _figure(figure: Figure, yes_no: bool) -> str:
    ends = () if figure.low is None or figure.high is None else (figure.low, figure.high)
    if yes_no:
        width = 1.0 if not ends else ends[1] - ends[0]
        places = 0 if width > 0.02 else 1
        shown = [f"{100 * value:.{places}f}" for value in (figure.value, *ends)]
        return f"{shown[0]} % ({shown[1]} to {shown[2]})" if ends else f"{shown[0]} %"
    shown = [f"{value:.3g}" for value in (figure.value, *ends)]
    return f"{shown[0]} ({shown[1]} to {shown[2]})" if ends else shown[0]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value
