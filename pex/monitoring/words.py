"""How metrics of deployed traces are named and written for people."""

from __future__ import annotations

import math

from pex.report.tables import format_score, format_seconds, format_usd, minus

_TITLES = {
    "traces": "Traces",
    "error_share": "Errors",
    "unfinished_share": "Without an end",
    "refusal_share": "Refusals",
    "cut_off_share": "Cut off by the token limit",
    "latency_s": "Latency, median",
    "latency_s.p90": "Latency, 90th percentile",
    "cost_usd": "Cost of a trace",
    "prompt_tokens": "Prompt tokens of a trace",
    "completion_tokens": "Generated tokens of a trace",
    "cached_tokens": "Tokens from the cache",
    "cache_write_tokens": "Tokens written to the cache",
    "input_chars": "Characters of the input, median",
    "output_chars": "Characters of the answer, median",
}
_PREFIXES = {
    "error_share.": "Errors: ",
    "finish_reason.": "Ended by: ",
    "language.": "Language: ",
    "score.": "Score: ",
    "feedback.": "Feedback: ",
}


def title_of(metric: str) -> str:
    """A metric in words.

    Example:
        >>> title_of("latency_s.p90"), title_of("score.polite")
        ('Latency, 90th percentile', 'Score: polite')
    """
    for prefix, words in _PREFIXES.items():
        if metric.startswith(prefix):
            return words + metric.removeprefix(prefix)
    return _TITLES.get(metric, metric)


def value_text(metric: str, kind: str, value: float) -> str:
    """A figure with its unit, rounded to what it means.

    Example:
        >>> value_text("error_share", "share", 0.0213), value_text("latency_s", "median", 0.4567)
        ('2.1 %', '457 ms')
        >>> value_text("cost_usd", "mean", 0.000321), value_text("traces", "count", 1234.0)
        ('$0.000321', '1,234')
    """
    if value is None or math.isnan(value):
        return "–"
    if kind == "share":
        return minus(f"{100 * value:.1f} %") if abs(value) < 0.1 else format_score(value, True)
    if metric.startswith("latency_s"):
        return format_seconds(value) if value >= 0 else minus(f"-{format_seconds(-value)}")
    if metric == "cost_usd":
        return minus(f"{'-' if value < 0 else ''}{_usd(abs(value))}")
    if kind == "count" or metric.endswith(("_tokens", "_chars")):
        return minus(f"{value:,.0f}" if abs(value) >= 10 or kind == "count" else f"{value:.2g}")
    return minus(f"{value:.3g}")


def difference_text(metric: str, kind: str, value: float) -> str:
    """A difference of two figures; of shares in percentage points, without the unit.

    Example:
        >>> difference_text("error_share", "share", -0.663), difference_text("traces", "count", 9)
        ('−66', '+9')
    """
    if math.isnan(value):
        return "–"
    if kind == "share":
        points = 100 * value
        return minus(f"{points:+.0f}" if abs(points) >= 10 else f"{points:+.1f}")
    return ("+" if value > 0 else "") + value_text(metric, kind, value)


def interval_text(metric: str, kind: str, lo: float, hi: float) -> str:
    """An interval in words.

    Example:
        >>> interval_text("error_share", "share", 0.01, 0.034)
        '1.0 % to 3.4 %'
    """
    if math.isnan(lo) and math.isnan(hi):
        return ""
    return f"{value_text(metric, kind, lo)} to {value_text(metric, kind, hi)}"


def _usd(value: float) -> str:
    """An amount of any size without powers of ten; 0 can be a difference."""
    if value == 0:
        return "$0"
    if value >= 0.1:
        return format_usd(value)
    return f"${value:.{2 - math.floor(math.log10(value))}f}"
