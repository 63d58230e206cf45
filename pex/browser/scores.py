"""The scores of a prompt's versions in recorded runs: lines of a table, and small pictures."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pex.browser.versions import local_time
from pex.core.safe_text import clean
from pex.report.tables import format_interval, format_score

_WIDTH, _HEIGHT = 460, 150
_LEFT, _TOP, _BOTTOM = 64, 26, 26
MAX_VERSIONS = 12
"""Versions in one picture, the newest; more would be unreadable."""


@dataclass(frozen=True, slots=True)
class VersionScore:
    """One score of one version in one recorded run."""

    version: int
    experiment: str
    variant: str
    model: str
    score: str
    value: float
    lo: float
    hi: float
    n: int
    yes_no: bool
    when: datetime.datetime
    verdict: str
    baseline: str
    run_id: str
    url: str


def score_for_view(item: VersionScore) -> dict[str, Any]:
    """A line of the table of scores."""
    value = format_score(item.value, item.yes_no)
    interval = format_interval(item.lo, item.hi, item.yes_no)
    against = f" than {item.baseline}" if item.verdict in ("better", "worse", "no worse") else ""
    if item.verdict == "undecided":
        against = f" compared with {item.baseline}"
    if item.verdict == "unchanged":
        against = f" from {item.baseline}"
    return {
        "version": item.version,
        "experiment": clean(item.experiment),
        "variant": clean(item.variant),
        "score": clean(item.score),
        "value": value,
        "interval": interval,
        "n": f"{item.n:,}",
        "when": local_time(item.when),
        "verdict": item.verdict,
        "said": clean(f"{item.verdict}{against}"),
        "run": item.run_id[:8],
        "url": item.url if item.url.startswith(("http://", "https://")) else "",
    }


def trends(scored: Iterable[VersionScore]) -> list[dict[str, Any]]:
    """A picture for each experiment, model and score of two or more versions.

    If a version has several runs, the newest counts.

    Returns:
        `title`, `experiment`, `label` (the picture in words), `width`, `height`, and `marks`:
        lines, dots, texts.
    """
    groups: dict[tuple[str, str, str], dict[int, VersionScore]] = {}
    for item in sorted(scored, key=lambda item: item.when):
        groups.setdefault((item.experiment, item.model, item.score), {})[item.version] = item
    return [
        _picture(f"{score}, {model}", experiment, [points[v] for v in sorted(points)])
        for (experiment, model, score), points in groups.items()
        if len(points) > 1
    ]


def _picture(title: str, experiment: str, points: Sequence[VersionScore]) -> dict[str, Any]:
    points = points[-MAX_VERSIONS:]
    binary = all(point.yes_no for point in points)
    low, high = (0.0, 1.0) if binary else _span(points)
    tall = _HEIGHT - _TOP - _BOTTOM

    def y(value: float) -> float:
        return round(_TOP + (high - value) / (high - low) * tall, 1)

    step = (_WIDTH - _LEFT - 30) / (len(points) - 1)
    xs = [round(_LEFT + 15 + step * place, 1) for place in range(len(points))]
    marks: list[dict[str, Any]] = []
    for value in (low, (low + high) / 2, high):
        marks.append(_line(_LEFT, y(value), _WIDTH, y(value), "grid"))
        marks.append(_text(_LEFT - 8, y(value) + 4, format_score(value, binary), "end"))
    for place in range(len(points) - 1):
        ends = [(xs[n], y(points[n].value)) for n in (place, place + 1)]
        marks.append(_line(*ends[0], *ends[1], "trend"))
    for x, point in zip(xs, points, strict=True):
        if math.isfinite(point.lo) and math.isfinite(point.hi):
            marks.append(_line(x, y(point.lo), x, y(point.hi), "interval"))
        marks.append({"kind": "dot", "x": x, "y": y(point.value), "title": _said(point, binary)})
        marks.append(_text(x, _HEIGHT - 6, f"v{point.version}", "middle"))
    label = f"{title}, in {experiment}: " + "; ".join(_said(point, binary) for point in points)
    return {
        "title": clean(title), "experiment": clean(experiment), "label": clean(label),
        "width": _WIDTH, "height": _HEIGHT, "marks": marks,
    }  # fmt: skip


def _span(points: Sequence[VersionScore]) -> tuple[float, float]:
    ends = [value for p in points for value in (p.value, p.lo, p.hi) if math.isfinite(value)]
    low, high = min(ends), max(ends)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _said(point: VersionScore, binary: bool) -> str:
    value = format_score(point.value, binary)
    interval = format_interval(point.lo, point.hi, binary)
    return f"version {point.version} {value} {interval}".strip()


def _line(x0: float, y0: float, x1: float, y1: float, kind: str) -> dict[str, Any]:
    return {"kind": kind, "x0": x0, "y0": y0, "x1": x1, "y1": y1}


def _text(x: float, y: float, text: str, anchor: str) -> dict[str, Any]:
    return {"kind": "text", "x": x, "y": y, "text": text, "anchor": anchor}
