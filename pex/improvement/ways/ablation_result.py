"""What an ablation found, and its table as text and as HTML."""

from __future__ import annotations

import dataclasses
from html import escape
from typing import TYPE_CHECKING, Literal

from pex.core.prompt import Prompt
from pex.core.safe_text import clean
from pex.improvement.ways.sentences import Sentence
from pex.report.tables import format_score, minus

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["carries the score", "better without", "can go", "undecided"]

_NOTE = (
    "Each row is the prompt without that sentence, compared case by case with the whole prompt; "
    "p is corrected for the number of sentences (Holm). What two sentences say together shows in "
    "neither row."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Ablated:
    """A sentence and what the prompt's score is without it.

    `difference` is the score with the sentence minus that without it, from `low` to `high` (95 %
    by itself), turned so that above 0 the sentence helps; `p` is corrected by Holm for the number
    of sentences. `verdict` says what follows.
    """

    sentence: Sentence
    without: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    verdict: Verdict


@dataclasses.dataclass(frozen=True, slots=True)
class AblationResult:
    """The sentences of a prompt with what each does for its score; see `ablate`."""

    prompt: Prompt
    metric: str
    score: float
    cases: int
    sentences: tuple[Ablated, ...]
    percent: bool
    """Whether scores are read in percent."""

    def frame(self) -> pd.DataFrame:
        """One row per sentence: `sentence, without, difference, lo, hi, p_adjusted, verdict`."""
        import pandas as pd

        columns = ["sentence", "without", "difference", "lo", "hi", "p_adjusted", "verdict"]
        rows = [
            (item.sentence.text, item.without, item.difference, item.low, item.high, item.p,
             item.verdict)
            for item in self.sentences
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def __repr__(self) -> str:
        return _as_text(self)

    def _repr_html_(self) -> str:
        from pex.report.tables import fragment

        return fragment(self.table_html())

    def table_html(self) -> str:
        """The table for a page that has the style already; the sentences are escaped."""
        return _as_html(self)


def _as_text(result: AblationResult) -> str:
    """The table for a terminal."""
    lines = [_heading(result)]
    for item in result.sentences:
        text = " ".join(item.sentence.text.split())
        text = text if len(text) <= 60 else f"{text[:59]}…"
        ends = f"{_difference(item, result)} {_interval(item, result)}"
        lines.append(f"{ends:>22}  {item.verdict:<17}  {text}")
    return clean("\n".join(lines))


def _as_html(result: AblationResult) -> str:
    """The table for a notebook or a page; the sentences are escaped."""
    adds = "what it adds, in points" if result.percent else "what it adds"
    heads = ("sentence", "score without it", adds, "p, corrected", "verdict")
    rows = []
    for item in result.sentences:
        p = "–" if item.p is None else "< 0.001" if item.p < 0.001 else f"{item.p:.2g}"
        ends = f' <span class="pex-small">{escape(_interval(item, result))}</span>'
        rows.append(
            f"<tr><td>{escape(item.sentence.text)}</td>"
            f"<td>{format_score(item.without, result.percent)}</td>"
            f"<td>{escape(_difference(item, result))}{ends}</td>"
            f"<td>{p}</td><td>{escape(item.verdict)}</td></tr>"
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return (
        f"<p>{escape(_heading(result))}</p>"
        f'<div class="pex-scroll"><table class="pex-table"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        f'<p class="pex-small">{escape(_NOTE)}</p>'
    )


def _heading(result: AblationResult) -> str:
    score = format_score(result.score, result.percent)
    cases = "1 case" if result.cases == 1 else f"{result.cases:,} cases"
    return (
        f"What each sentence of '{result.prompt.name}' adds to {result.metric} ({score}, {cases})"
    )


def _difference(item: Ablated, result: AblationResult) -> str:
    scale, digits = (100, ".0f") if result.percent else (1, ".3g")
    value = item.difference * scale
    return minus(f"{0.0 if abs(value) < 1e-9 else value:+{digits}}")


def _interval(item: Ablated, result: AblationResult) -> str:
    if item.low is None or item.high is None:
        return ""
    scale, digits = (100, ".0f") if result.percent else (1, ".3g")
    return minus(f"[{item.low * scale:{digits}}, {item.high * scale:{digits}}]")
