"""What a look at deployed traces found: figures, alarms, a page."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError
from pex.monitoring.alarm import Alarm, RuleState
from pex.monitoring.baseline import Baseline
from pex.monitoring.level_changes import level_changes
from pex.monitoring.look import Look, alarms_junit
from pex.monitoring.over_time import over_time, side_by_side
from pex.monitoring.scoring import Scored
from pex.monitoring.spec import MonitorSpec
from pex.monitoring.traces import Traces
from pex.monitoring.words import interval_text, title_of, value_text
from pex.report.terminal import text_table

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class MonitorResults:
    """One look at deployed traces; a notebook shows it as a page.

    Args:
        spec: what is watched.
        traces: what was read, with the scores.
        scored: what was scored; None without scorers.
        look: where each rule stands, and the baseline that it is compared with.
        uri: the store.
        experiment_ids: MLflow's ids of the experiments, by name.
        now: when the look was made.
        by_column: what the page divides the traces by; None: prompt versions and models.
        empty: why there are no traces; empty if there are some.
        run_id: the look's run in MLflow; None if it was not recorded.
    """

    spec: MonitorSpec
    traces: Traces
    scored: Scored | None
    look: Look
    uri: str
    experiment_ids: Mapping[str, str]
    now: datetime.datetime
    by_column: str | None = None
    empty: str = ""
    run_id: str | None = None

    @property
    def frame(self) -> pd.DataFrame:
        """One row per trace, oldest first: `pex.monitoring.traces.COLUMNS`, tags and scores."""
        return self.traces.frame

    @property
    def feedback(self) -> pd.DataFrame:
        """One row per assessment, oldest first."""
        return self.traces.feedback

    @property
    def alarms(self) -> list[Alarm]:
        """The open alarms, in the order of the rules."""
        return self.look.alarms

    @property
    def rules(self) -> Sequence[RuleState]:
        """Where each rule stands."""
        return self.look.states

    @property
    def baseline(self) -> Baseline:
        """The period that the rules compare with."""
        return self.look.baseline

    @property
    def code(self) -> int:
        """The exit code: 0 nothing, 1 an alarm, 3 cannot tell."""
        return 3 if self.empty and not self.alarms else self.look.exit_code

    @property
    def headline(self) -> str:
        """The look in a sentence."""
        if self.empty and not self.alarms:
            return self.empty
        many = f"{len(self.frame):,} trace{'' if len(self.frame) == 1 else 's'}"
        if self.alarms:
            others = f" (and {len(self.alarms) - 1} more)" if len(self.alarms) > 1 else ""
            return f"Alarm: {self.alarms[0]}{others}"
        unknown = [state.rule for state in self.rules if state.status == "cannot tell"]
        if unknown:
            return f"{many}. No alarm, but not every rule could be tested: {', '.join(unknown)}"
        if not self.rules:
            return f"{many}; no rules for alarms"
        return f"{many}, no alarm"

    @property
    def notes(self) -> list[str]:
        """What was scored, and what was odd about the traces."""
        return [*(self.scored.sentences() if self.scored else []), *self.traces.remarks]

    def over_time(
        self,
        *,
        by: str | None = None,
        step: str | None = None,
        metrics: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Every metric of every day or hour with its interval; see `pex.monitoring.over_time`.

        Args:
            by: divide the traces by a column or tag.
            step: `hour` or `day`; default: the monitor's.
            metrics: only these.

        Raises:
            PexError: there is no such column, metric or step.
        """
        width = step or self.spec.step
        if width not in ("hour", "day"):
            raise PexError(f"step={width!r}: expected 'hour' or 'day'")
        return over_time(
            self.traces,
            step="hour" if width == "hour" else "day",
            by=by,
            metrics=metrics,
            confidence=self.spec.confidence,
        )

    def level_changes(self) -> pd.DataFrame:
        """Where the level of a metric moved, the clearest first; a description, not a test.

        Returns:
            `metric, kind, since, first, last, before, after`; see
            `pex.monitoring.level_changes.level_changes`.
        """
        return level_changes(self.over_time())

    def by(self, column: str, *, reference: str | None = None) -> pd.DataFrame:
        """The metrics of prompt versions, models or others beside each other, with differences.

        Not randomised: other users, other days.

        Args:
            column: `prompt_version`, `model`, `tag.<name>` and so on.
            reference: what the others are compared with; default: that of most traces.

        Raises:
            PexError: there is no such column or reference.
        """
        return side_by_side(
            self.traces, column, reference=reference, confidence=self.spec.confidence
        )

    def plot(self, *metrics: str) -> Plots:
        """Metrics over time with their intervals; a notebook shows them.

        Args:
            metrics: names of metrics; default: all.

        Raises:
            PexError: the traces have no such metric.
        """
        from pex.monitoring.page import plots

        return Plots({name: str(svg) for name, svg in plots(self, metrics or None).items()})

    def page(self, path: str | Path) -> Path:
        """Write the page: one HTML file that works without a network.

        Args:
            path: the file; missing folders are made.

        Raises:
            PexError: the file cannot be written.
        """
        from pex.monitoring.page import page

        return _written(Path(path), page(self))

    def junit(self, path: str | Path) -> Path:
        """Write the rules as JUnit XML, which CI systems show.

        Args:
            path: the file; missing folders are made.

        Raises:
            PexError: the file cannot be written.
        """
        return _written(Path(path), alarms_junit(self.look))

    def check(self) -> None:
        """Raise a `PexError` if there is an alarm: so a step of a plan fails, and says why."""
        if self.code == 1:
            raise PexError(f"monitor '{self.spec.name}': {self.headline}")

    def summary(self) -> pd.DataFrame:
        """Every metric over the whole time: `metric, kind, n, value, lo, hi, n_eff, total`."""
        import pandas as pd

        frame = self.frame.assign(**{"tag.pex-all": "all"})
        traces = dataclasses.replace(self.traces, frame=frame)
        table = side_by_side(traces, "tag.pex-all", confidence=self.spec.confidence)
        columns = ["metric", "kind", "n", "value", "lo", "hi", "n_eff", "total"]
        return pd.DataFrame(table, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """The look as plain data, as `pexlab monitor --json` prints it."""
        rows = self.summary().astype(object)
        return {
            "name": self.spec.name,
            "headline": self.headline,
            "code": self.code,
            "traces": len(self.frame),
            "new": self.traces.new,
            "alarms": [alarm.to_json() for alarm in self.alarms],
            "rules": [
                {"rule": s.rule, "status": s.status, "reason": s.reason, "findable": s.findable}
                for s in self.rules
            ],
            "baseline": str(self.baseline),
            "notes": self.notes,
            "figures": rows.where(rows.notna(), None).to_dict("records"),
            "run_id": self.run_id,
        }

    def __repr__(self) -> str:
        lines = [self.headline]
        if len(self.frame):
            rows = [
                [title_of(r["metric"]), value_text(r["metric"], r["kind"], r["value"]),
                 interval_text(r["metric"], r["kind"], r["lo"], r["hi"]), f"{r['n']:,}"]
                for r in self.summary().to_dict("records")
            ]  # fmt: skip
            lines += ["", text_table(rows, ["metric", "value", "interval", "n"], right=[1, 3])]
        lines += ["", *(f"- {state.rule}: {state.status}: {state.reason}" for state in self.rules)]
        lines += [f"- {note}" for note in self.notes]
        return "\n".join(lines).rstrip()

    def _repr_html_(self) -> str:
        from pex.monitoring.page import part

        return part(self)


def _written(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PexError(f"{path} cannot be written: {error.strerror or error}") from None
    return path


class Plots:
    """Plots by metric; a notebook shows them.

    Args:
        pictures: `svg` elements by metric.
    """

    def __init__(self, pictures: Mapping[str, str]) -> None:
        self.pictures = pictures

    def __repr__(self) -> str:
        return f"plots of {', '.join(self.pictures) or 'nothing: fewer than two points'}"

    def _repr_html_(self) -> str:
        from pex.report.night import night_style
        from pex.report.tables import NO_MATH

        body = "".join(f'<div class="pex-scroll">{svg}</div>' for svg in self.pictures.values())
        body = body or "<p>Fewer than two points: nothing to draw.</p>"
        return f'<div class="pex pex-night {NO_MATH}"><style>{night_style()}</style>{body}</div>'
