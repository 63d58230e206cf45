"""Plots for people who would rather look than read; each with a table of what it draws."""

from pex.report.plots.forest import differences, differences_table, slices, slices_table
from pex.report.plots.pairs import cases, cases_table
from pex.report.plots.pareto import frontier, frontier_table
from pex.report.plots.points import scores, scores_table
from pex.report.plots.tally import repeats, repeats_table, wins, wins_table
from pex.report.plots.trend import trend, trend_table

__all__ = [
    "cases",
    "cases_table",
    "differences",
    "differences_table",
    "frontier",
    "frontier_table",
    "repeats",
    "repeats_table",
    "scores",
    "scores_table",
    "slices",
    "slices_table",
    "trend",
    "trend_table",
    "wins",
    "wins_table",
]
