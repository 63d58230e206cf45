"""Summaries and comparisons as the reports get them, made up."""

import math
from typing import Any

import pandas as pd

HOSTILE = '<a href="https://evil.example">x</a><b>bold</b> $1$'
YES_NO = {"label"}


def comparison(*rows: dict[str, Any]) -> pd.DataFrame:
    usual = {
        "metric": "label", "candidate": "strict", "baseline": "short", "verdict": "better",
        "diff": 0.07, "lo": 0.02, "hi": 0.12, "bound": 0.03, "margin": math.nan, "p": 0.01,
        "p_adjusted": 0.02, "n_cases": 100, "wins": 12, "ties": 83, "losses": 5,
        "higher_is_better": True,
    }  # fmt: skip
    return pd.DataFrame([usual | row for row in rows], columns=list(usual | (rows or [{}])[0]))


def summary(*rows: dict[str, Any]) -> pd.DataFrame:
    usual = {
        "variant": "short", "answers": 100, "errors": 0, "score.label": 0.8, "score.label.lo": 0.7,
        "score.label.hi": 0.9, "score.label.n": 100, "score.label.errors": 0, "cost_usd": 0.5,
        "latency_s": 0.3,
    }  # fmt: skip
    return pd.DataFrame([usual | row for row in rows], columns=list(usual))
