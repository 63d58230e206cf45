"""The page of a look at deployed traces: what, since when, how sure, and which traces."""

from __future__ import annotations

import datetime
import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from pex.core.safe_text import clean
from pex.monitoring.alarm import Alarm, RuleState, figure_text
from pex.monitoring.baseline import Baseline
from pex.monitoring.level_changes import level_changes
from pex.monitoring.over_time import NOT_RANDOMISED
from pex.monitoring.picture import Release, over_time_svg
from pex.monitoring.spec import MonitorSpec
from pex.monitoring.traces import Traces
from pex.monitoring.words import difference_text, interval_text, title_of, value_text
from pex.record.search import trace_page
from pex.report.night import night_style
from pex.report.tables import NO_MATH, format_usd
from pex.report.theme import page_style

if TYPE_CHECKING:
    import pandas as pd

FIRST = ("traces", "error_share", "latency_s", "cost_usd", "refusal_share", "cut_off_share")
"""Metrics whose plots are seen at once, with scores and feedback."""
MOST_LEVELS, MOST_RELEASES, MOST_MOVES = 6, 12, 10
_SIGNS = {"alarm": "▼", "quiet": "✓", "cannot tell": "?"}
_KINDS = {"alarm": "bad", "quiet": "good", "cannot tell": "soft"}


class Shown(Protocol):
    """What the page shows of a look; `pex.monitoring.results.MonitorResults` has it."""

    @property
    def spec(self) -> MonitorSpec: ...  # noqa: D102
    @property
    def traces(self) -> Traces: ...  # noqa: D102
    @property
    def frame(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def alarms(self) -> list[Alarm]: ...  # noqa: D102
    @property
    def rules(self) -> Sequence[RuleState]: ...  # noqa: D102
    @property
    def baseline(self) -> Baseline: ...  # noqa: D102
    @property
    def uri(self) -> str: ...  # noqa: D102
    @property
    def experiment_ids(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def now(self) -> datetime.datetime: ...  # noqa: D102
    @property
    def by_column(self) -> str | None: ...  # noqa: D102
    @property
    def code(self) -> int: ...  # noqa: D102
    @property
    def headline(self) -> str: ...  # noqa: D102
    @property
    def notes(self) -> list[str]: ...  # noqa: D102

    def over_time(self, *, metrics: Sequence[str] | None = None) -> pd.DataFrame:
        """Every metric of every day or hour with its interval."""
        ...

    def by(self, column: str) -> pd.DataFrame:
        """The metrics of prompt versions, models or others beside each other."""
        ...


@functools.cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        # Names of prompts, tags and services come from applications.
        finalize=lambda value: clean(value) if type(value) is str else value,
    )


def page(results: Shown) -> str:
    """One HTML file that loads nothing from elsewhere; it links only to MLflow.

    Args:
        results: the look.
    """
    template = _templates().get_template("monitor_page.html.jinja")
    return template.render(**_data(results), style=Markup(night_style() + page_style()))


def part(results: Shown) -> str:
    """The same as part of a notebook.

    Args:
        results: the look.
    """
    body = _templates().get_template("monitor_body.html.jinja").render(**_data(results))
    return f'<div class="pex pex-night {NO_MATH}"><style>{night_style()}</style>{body}</div>'


def plots(results: Shown, metrics: Sequence[str] | None = None) -> dict[str, Markup]:
    """The plot of each metric over time, by its name; those without two points are left out.

    Args:
        results: the look.
        metrics: only these.
    """
    return _drawn(results, results.over_time(metrics=metrics))


def _drawn(results: Shown, table: pd.DataFrame) -> dict[str, Markup]:
    releases = [(at, str(number)) for number, (at, _) in enumerate(_releases(results.frame), 1)]
    begun: dict[str, list[datetime.datetime]] = {}
    for alarm in results.alarms:
        at = datetime.datetime.combine(alarm.since, datetime.time(), datetime.UTC)
        begun.setdefault(alarm.metric, []).append(at)
    found = {}
    for metric, rows in table.groupby("metric", sort=False):
        name, kind = str(metric), str(rows["kind"].iloc[0])
        since = begun.get(name, []) or begun.get(name.removeprefix("score."), [])
        write = functools.partial(value_text, name, kind)
        svg = over_time_svg(rows, title_of(name), write, share=kind == "share",
                            releases=releases, since=since)  # fmt: skip
        if svg:
            found[name] = Markup(svg)
    return found


def _data(results: Shown) -> dict[str, Any]:
    table = results.over_time()
    drawn = _drawn(results, table)
    first = [
        name for name in drawn if name in FIRST or name.startswith(("score.", "feedback."))
    ]  # fmt: skip
    level = f"{100 * results.spec.confidence:g} %"
    return {
        "name": results.spec.name,
        "headline": results.headline,
        "kind": {0: "good", 1: "bad"}.get(results.code, "soft"),
        "facts": _facts(results),
        "alarms": [_alarm(alarm, results) for alarm in results.alarms],
        "notes": results.notes,
        "rules": [_rule(state) for state in results.rules],
        "baseline": str(results.baseline),
        "plots": [drawn[name] for name in first],
        "more_plots": [svg for name, svg in drawn.items() if name not in first],
        "releases": [
            (number, text) for number, (_, text) in enumerate(_releases(results.frame), 1)
        ],
        "moves": _moves(table, results),
        "step": results.spec.step,
        "level": level,
        "tables": [_table(results, by) for by in _divisions(results)],
        "not_randomised": NOT_RANDOMISED,
    }


def _moves(table: pd.DataFrame, results: Shown) -> list[dict[str, str]]:
    step = (
        datetime.timedelta(hours=1) if results.spec.step == "hour" else datetime.timedelta(days=1)
    )
    releases = _releases(results.frame)
    shown = []
    for row in level_changes(table).head(MOST_MOVES).to_dict("records"):
        write = functools.partial(value_text, row["metric"], row["kind"])
        near = [text for at, text in releases if row["first"] - step <= at < row["last"] + 2 * step]
        pattern = "%Y-%m-%d" if results.spec.step == "day" else "%Y-%m-%d %H:%M"
        begun, first, last = (f"{row[name]:{pattern}}" for name in ("since", "first", "last"))
        shown.append({
            "title": title_of(row["metric"]),
            "before": write(row["before"]),
            "after": write(row["after"]),
            "since": begun if first == last else f"{begun} ({first} to {last})",
            "near": "; ".join(near) or "–",
        })  # fmt: skip
    return shown


def _facts(results: Shown) -> list[tuple[str, str]]:
    frame = results.frame
    facts = [("traces", f"{len(frame):,}"), ("read now", f"{results.traces.new:,}")]
    if len(frame):
        first, last = frame["started_at"].min(), frame["started_at"].max()
        facts.append(("from", f"{first:%Y-%m-%d}"))
        facts.append(("to", f"{last:%Y-%m-%d}"))
        errors = int(frame["state"].eq("error").sum())
        facts.append(("errors", f"{errors:,}"))
        if frame["cost_usd"].notna().any():
            facts.append(("cost", format_usd(float(frame["cost_usd"].sum()))))
    facts.append(("opinions of people", f"{len(results.traces.opinions):,}"))
    facts.append(("looked at", f"{results.now.astimezone():%Y-%m-%d %H:%M %Z}"))
    return facts


def _alarm(alarm: Alarm, results: Shown) -> dict[str, Any]:
    ids = results.experiment_ids
    frame = results.frame
    mine = frame[frame["trace_id"].isin(list(alarm.trace_ids))]
    places = dict(zip(mine["trace_id"], mine["experiment"], strict=True))
    traces = [
        (name, trace_page(results.uri, ids[places[name]], name) if places.get(name) in ids else "")
        for name in alarm.trace_ids
    ]
    return {
        "rule": alarm.rule,
        "sentence": str(alarm),
        "sure": alarm.sure_text,
        "releases": [f"{item.kind} {item.name} ({item.at:%Y-%m-%d %H:%M} UTC)"
                     for item in alarm.near_releases],
        "seen": f"{alarm.seen_at:%Y-%m-%d}" if alarm.seen_at else "",
        "traces": traces,
        "how": "" if any(url for _, url in traces) else _how_to_open(alarm, results),
    }  # fmt: skip


def _how_to_open(alarm: Alarm, results: Shown) -> str:
    """How to find a trace where the store has no address of its own."""
    names = ", ".join(f"'{name}'" for name in results.experiment_ids)
    return (
        f"To open one: run pexlab ui, choose the experiment {names}, then Traces, and search for "
        f"its id, such as {alarm.trace_ids[0]}."
        if alarm.trace_ids
        else ""
    )


def _rule(state: RuleState) -> dict[str, Any]:
    yes_no = state.alarm.yes_no if state.alarm else state.metric.endswith("_share")
    return {
        "name": state.rule,
        "status": state.status,
        "sign": _SIGNS[state.status],
        "kind": _KINDS[state.status],
        "before": figure_text(state.before, yes_no) if state.before else "–",
        "now": figure_text(state.now, yes_no) if state.now else "–",
        "reason": state.reason,
        "findable": state.findable,
    }


def _releases(frame: pd.DataFrame) -> list[Release]:
    """When each prompt version and model was first seen; not those there from the beginning."""
    found: list[Release] = []
    for columns in (["prompt", "prompt_version"], ["model"]):
        firsts = frame.dropna(subset=columns).groupby(columns)["started_at"].min()
        oldest = firsts.min() if len(firsts) else None
        for name, at in firsts.items():
            if at != oldest:
                text = "/".join(map(str, name)) if isinstance(name, tuple) else str(name)
                found.append((at.to_pydatetime(), f"{text} ({at:%Y-%m-%d %H:%M})"))
    return sorted(found)[-MOST_RELEASES:]


def _divisions(results: Shown) -> list[str]:
    """What the page divides the traces by: what was asked for, else versions and models."""
    if not len(results.frame):
        return []
    if results.by_column is not None:
        return [results.by_column]
    frame = results.frame
    several = [frame["model"].dropna().nunique() > 1]
    versions = frame[["prompt", "prompt_version"]].dropna().drop_duplicates()
    found = ["prompt_version"] if len(versions) > 1 else []
    return [*found, *(["model"] if several[0] else [])]


def _table(results: Shown, by: str) -> dict[str, Any]:
    table = results.by(by)
    volume = table[table["metric"] == "traces"].set_index(by)
    names = volume["n"].sort_values(ascending=False, kind="stable").index[:MOST_LEVELS].tolist()
    names.sort(key=lambda name: volume.loc[name, "first"])
    rows = []
    for metric, mine in table.groupby("metric", sort=False):
        kind = str(mine["kind"].iloc[0])
        by_name = mine.set_index(by)
        cells = [_cell(str(metric), kind, by_name.loc[name].to_dict()) for name in names]
        rows.append({"title": title_of(str(metric)), "cells": cells})
    levels = [
        {"name": name, "when": f"{volume.loc[name, 'first']:%Y-%m-%d} to "
                               f"{volume.loc[name, 'last']:%Y-%m-%d}"}
        for name in names
    ]  # fmt: skip
    return {
        "by": by.removeprefix("tag.").replace("_", " "),
        "reference": table.attrs["reference"],
        "levels": levels,
        "rows": rows,
        "left": len(volume) - len(names),
    }


def _cell(metric: str, kind: str, row: dict[str, Any]) -> dict[str, str]:
    interval = interval_text(metric, kind, row["lo"], row["hi"])
    diff = ""
    if not math.isnan(row["diff"]):
        by, lo, hi = (
            difference_text(metric, kind, row[name]) for name in ("diff", "diff_lo", "diff_hi")
        )
        points = " points" if kind == "share" else ""
        ends = "" if math.isnan(row["diff_lo"]) else f" ({lo} to {hi})"
        diff = f"difference {by}{points}{ends}"
    return {
        "value": value_text(metric, kind, row["value"]),
        "interval": f"({interval})" if interval and kind != "count" else "",
        "n": f"{row['n']:,}",
        "diff": diff,
    }
