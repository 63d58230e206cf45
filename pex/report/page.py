"""One HTML file about a run, without links to anything outside of it."""

from __future__ import annotations

import contextlib
import datetime
import functools
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, Template
from markupsafe import Markup

from pex.compare.attacks import attack_rates, is_redteam
from pex.compare.requirements import states
from pex.core import template
from pex.core.about import About, PromptInfo
from pex.core.columns import variables
from pex.core.remarks import of_run
from pex.core.safe_text import clean
from pex.core.text import value_text
from pex.report.attacks import rates_html, rates_svg
from pex.report.comparison import explain, sentences, table_html
from pex.report.comparison_matrix import overview_html
from pex.report.documents import Show
from pex.report.fields import fields_html
from pex.report.frontier import choice as marked_choice
from pex.report.frontier import frontier_html
from pex.report.plain_answer import measure_name, plain_answer
from pex.report.requirements import requirement_notes, requirements_table
from pex.report.sides import side_by_side_table, telling_cases
from pex.report.svg import forest_svg, frontier_svg, plot_svg, wins_svg
from pex.report.tables import format_seconds, reachable, summary_scores, summary_table
from pex.report.theme import page_style, style
from pex.score.field_outcomes import field_scorers

if TYPE_CHECKING:
    import pandas as pd

    from pex.compare.field_table import FieldTable
    from pex.compare.frontier import Against, Frontier

FIRST_LINES, FIRST_CHARS = 4, 320
"""Of a prompt, seen without opening it."""
MAX_CASES = 2000
MAX_CHARS = 2000
MAX_BYTES = 1_500_000
"""Of the cases side by side, so the file can be mailed and opens at once."""


@functools.cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["reachable"] = reachable
    return environment.get_template("page.html.jinja")


def page(
    frame: pd.DataFrame,
    summary: pd.DataFrame,
    yes_no: Collection[str],
    about: About,
    comparison: pd.DataFrame | None = None,
    slices: pd.DataFrame | None = None,
    choice: Frontier | None = None,
    fields: FieldTable | None = None,
    previews: Show | None = None,
) -> str:
    """The text of the page: the answer first, then prompts and cases, the statistics last.

    Args:
        frame: the long frame.
        summary: one row per variant.
        yes_no: the scores that are yes/no.
        about: what was run.
        comparison: the verdicts, if there is more than one variant.
        slices: the same within slices, where the cases have tags or groups.
        choice: the frontier of the first score, with the variant to use.
        fields: which fields of structured answers fail.
        previews: gives pictures of the documents that cases name.
    """
    begun = datetime.datetime.fromisoformat(about.started_at).astimezone()
    names = summary_scores(summary)
    titles = {name: measure_name(name, about) for name in names}
    answer, because = plain_answer(summary, comparison, yes_no, about)
    attacks = _attacks(frame, about)
    if attacks and comparison is not None:
        because = f"{because} That is one of two rates: the other one, of harmless texts, is below."
    baseline = _baseline(comparison)
    telling = telling_cases(frame, yes_no, baseline)
    scorers = {} if fields is None else field_scorers(about.all_field_scorers)
    show = functools.partial(
        side_by_side_table,
        frame,
        yes_no,
        max_chars=MAX_CHARS,
        field_scorers=scorers,
        previews=previews,
        used=_used(frame, about),
    )
    # The fragments are escaped where they are made; everything else is escaped by the template.
    text = _template().render(
        about=about,
        remarks=of_run(frame, about),
        style=Markup(style() + page_style()),
        started=begun.strftime("%Y-%m-%d %H:%M %Z"),
        took=format_seconds(about.elapsed_s),
        answer=answer,
        because=because,
        prompts=[_prompt(item) for item in about.prompts],
        settings=_settings(about),
        titles=titles,
        table=Markup(summary_table(summary, yes_no, titles)),
        plot=Markup(
            "".join(plot_svg(summary, name, name in yes_no, titles[name]) for name in names)
        ),
        fields=Markup(fields_html(fields)) if fields is not None and len(fields.table) else "",
        frontiers=Markup(_frontiers(summary, yes_no, choice)),
        choice=Markup(frontier_html(choice)) if choice is not None else "",
        telling=telling,
        telling_cases=Markup(
            show(max_rows=len(telling), baseline=baseline, only=telling) if telling else ""
        ),
        sides=Markup(show(max_rows=MAX_CASES, baseline=baseline, max_bytes=MAX_BYTES)),
        **_requirements(frame, about),
        **attacks,
        **_verdict(comparison, slices),
    )
    return clean(text)  # names and notes too turn no text round


def _requirements(frame: pd.DataFrame, about: About) -> dict[str, Any]:
    if not about.requirements or not len(frame):
        return {}
    table = requirements_table(states(frame, about.requirements, about.checks))
    return {"requirements": Markup(table), "requirement_notes": requirement_notes(about)}


def _attacks(frame: pd.DataFrame, about: About) -> dict[str, Any]:
    """The section of a red-team run: both rates of each category."""
    if not len(frame) or not is_redteam(frame):
        return {}
    rates = attack_rates(frame, about)
    return {"attacks": Markup(rates_html(rates)), "attacks_plot": Markup(rates_svg(rates))}


def _prompt(prompt: PromptInfo) -> dict[str, Any]:
    """A prompt with its first lines; `more` is whether there are others."""
    lines = prompt.text.strip().split("\n")
    first = "\n".join(lines[:FIRST_LINES])[:FIRST_CHARS]
    more = len(first) < len(prompt.text.strip())
    return {"name": prompt.name, "description": prompt.description, "text": prompt.text,
            "first": first + (" …" if more else ""), "more": more}  # fmt: skip


def _settings(about: About) -> list[tuple[str, str]]:
    """The parameters that were sent: those of all variants, then those that differ."""
    known = {item.name: dict(item.params) for item in about.variants}
    keys = dict.fromkeys(key for params in known.values() for key in params)
    found = []
    for key in keys:
        by_value: dict[str, list[str]] = {}
        for name, params in known.items():
            text = value_text(params[key]) if key in params else "not set"
            by_value.setdefault(text, []).append(name)
        if len(by_value) == 1:
            found.append((key, next(iter(by_value))))
        else:
            parts = (f"{value} ({', '.join(names)})" for value, names in by_value.items())
            found.append((key, ", ".join(parts)))
    return found


def _baseline(comparison: pd.DataFrame | None) -> str | None:
    baselines = [] if comparison is None else list(dict.fromkeys(comparison["baseline"]))
    return str(baselines[0]) if len(baselines) == 1 else None


def _verdict(comparison: pd.DataFrame | None, slices: pd.DataFrame | None) -> dict[str, Any]:
    if comparison is None:
        return {"findings": []}
    binary = set(comparison.loc[comparison["yes_no"], "metric"])
    return {
        "findings": sentences(comparison),
        "verdicts": Markup(overview_html(comparison)),
        "forest": Markup(forest_svg(comparison, binary)),
        "wins": Markup(wins_svg(comparison)),
        **_large(slices),
        "how": explain(comparison).split("\n\n")[1:],
    }


def _large(slices: pd.DataFrame | None) -> dict[str, Any]:
    """The slices that have enough cases to look at, and the names of those that have not."""
    if slices is None:
        return {}
    kept = slices[~slices["small"]]
    left = [name for name in dict.fromkeys(slices["slice"]) if name not in set(kept["slice"])]
    return {"slices": Markup(table_html(kept, slices=True) if len(kept) else ""), "small": left}


def _frontiers(summary: pd.DataFrame, yes_no: Collection[str], found: Frontier | None) -> str:
    """Quality against cost and latency, if there is a choice to make; it is marked in one."""
    if found is None or len(summary) < 2:
        return ""
    against: list[Against] = ["latency_s"]
    if (summary["cost_usd"] > 0).any():
        against.insert(0, "cost_usd")
    marked = {found.against: marked_choice(found)}
    return "".join(
        frontier_svg(summary, found.metric, item, yes_no, marked.get(item)) for item in against
    )


def _used(frame: pd.DataFrame, about: About) -> set[str]:
    """The columns of the cases that a prompt shows."""
    names: set[str] = set()
    for prompt in about.prompts:
        with contextlib.suppress(Exception):  # half a template; said where it is rendered
            names.update(template.variables(prompt.text))
    inputs = [str(name)[5:] for name in frame.columns if str(name).startswith("case.")]
    return {column for name, column in variables(inputs, about.renamed).items() if name in names}
