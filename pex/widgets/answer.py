"""One answer shown while it streams in, with its facts at the end.

In a notebook it is plain HTML that is replaced while its cell runs, so it stays in the saved file
and needs neither a kernel nor a script. In a terminal it is printed as it streams in.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Collection, Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from pex.core.events import Delta, Event, Retried
from pex.core.safe_text import clean
from pex.report.tables import cut, format_score, format_seconds, format_usd, fragment

EVERY_S = 0.1
"""Between two updates of a streaming answer."""
TAIL = 4_000
"""Characters of an answer that are shown while it streams in."""
MAX_CHARS = 100_000
"""Characters that are kept in the notebook; the results have all of them."""


class Shown:
    """HTML, and the same as plain text for readers that show no HTML."""

    def __init__(self, html: str, text: str) -> None:
        self._html, self._text = html, text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


def say(text: str) -> None:
    """Show a line of text, in the notebook's own look or as plain text."""
    from IPython.display import display

    display(Shown(fragment(f'<div class="pex-soft">{escape(clean(text))}</div>'), clean(text)))


@cache
def _style() -> str:
    return Path(__file__).with_name("answer.css").read_text("utf-8")


class LiveAnswer:
    """Shows one answer while it streams in.

    Args:
        title: the prompt, its case and the model, in a line.
        live: show it in a notebook; else it is written to standard output.
    """

    def __init__(self, title: str, live: bool) -> None:
        self._title = title
        self._text = ""
        self._drawn_at = 0.0
        self._written = False
        self._output: Any = None
        if live:
            from IPython.display import display

            self._output = display(self._shown("", "running…"), display_id=True)
        else:
            sys.stdout.write(f"{clean(title)}\n")

    def on_event(self, event: Event) -> None:
        """Handle an event of the run."""
        if isinstance(event, Retried):
            self._text = ""
            self._draw(f"{event.error_kind}, retrying in {event.wait_s:.1f} s")
        elif isinstance(event, Delta):
            self._text += event.text
            if self._output is None:
                sys.stdout.write(clean(event.text))
                sys.stdout.flush()
                self._written = True
            elif time.monotonic() - self._drawn_at > EVERY_S:
                self._draw("answering…")

    def finish(self, row: Mapping[str, Any] | None, binary: Collection[str], note: str) -> None:
        """Show the whole answer and its facts.

        Args:
            row: the answer as a row of `results.frame`; None if the model was not run.
            binary: the scores that are yes or no.
            note: where the answer is kept.
        """
        text, kind = answer_text(row)
        notes = [*(answer_facts(row, binary) if row is not None else []), note]
        if self._output is not None:
            self._output.update(self._shown(cut(text, MAX_CHARS), " · ".join(notes), kind))
            return
        whole = "" if self._written and kind == "answer" else clean(text)
        sys.stdout.write(f"{whole}\n{' · '.join(notes)}\n")

    def _draw(self, state: str) -> None:
        self._drawn_at = time.monotonic()
        if self._output is not None:
            tail = self._text[-TAIL:]
            text = f"…{tail}" if len(self._text) > TAIL else tail
            self._output.update(self._shown(text, state))

    def _shown(self, text: str, state: str, kind: str = "answer") -> Shown:
        plain = "\n".join(part for part in (self._title, clean(text), state) if part)
        mark = '<span class="pex-bad">✗ no answer</span> ' if kind == "error" else ""
        body = (
            f'<div class="pex-prompt-answer-text" dir="auto" tabindex="0" role="region" '
            f'aria-label="Answer">{escape(clean(text))}</div>'
        )
        html = fragment(
            f'<style>{_style()}</style><div class="pex-prompt-answer">'
            f'<div class="pex-prompt-answer-title">{escape(clean(self._title))}</div>'
            f"{body if text else ''}"
            f'<div class="pex-prompt-answer-facts">{mark}{escape(clean(state))}</div></div>'
        )
        return Shown(html, plain)


def answer_text(row: Mapping[str, Any] | None) -> tuple[str, str]:
    """The text of an answer, and whether it is an "answer", an "error" or "nothing".

    Example:
        >>> answer_text({"output": "Yes.", "error": None})
        ('Yes.', 'answer')
    """
    if row is None:
        return "", "nothing"
    if isinstance(row.get("error"), str):
        return f"{row.get('error_kind') or 'error'}: {row['error']}", "error"
    calls = row.get("tool_calls")
    parts = [row["output"]] if isinstance(row.get("output"), str) and row["output"] else []
    ran = parts and isinstance(row.get("steps"), list)  # the text came after them
    if isinstance(calls, list) and calls and not ran:
        parts.append(json.dumps(calls, ensure_ascii=False, indent=2))
    return "\n".join(parts) or "(the answer is empty)", "answer"


def answer_facts(row: Mapping[str, Any], binary: Collection[str]) -> list[str]:
    """The facts of an answer: scores, times, tokens, cost, and whether it was reused.

    Example:
        >>> answer_facts({"error": None, "latency_s": 1.25, "ttft_s": 0.2, "prompt_tokens": 30.0,
        ...     "completion_tokens": 2.0, "cost_usd": 0.0, "from_journal": False}, ())
        ['first token after 200 ms', '1.2 s in total', '30 tokens in, 2 out', 'free']
    """
    said = []
    for name in (key[6:] for key in row if key.startswith("score.")):
        value = row[f"score.{name}"]
        if isinstance(value, int | float) and not math.isnan(value):
            shown = ("✓" if value else "✗") if name in binary else format_score(value, False)
            said.append(f"{name} {shown}")
    if said and _known(row.get("expected")):
        said.append(f"expected: {cut(str(row['expected']), 60)}")
    if _known(row.get("ttft_s")):
        said.append(f"first token after {format_seconds(row['ttft_s'])}")
    if _known(row.get("latency_s")):
        said.append(f"{format_seconds(row['latency_s'])} in total")
    if _known(row.get("prompt_tokens")) and _known(row.get("completion_tokens")):
        tokens_in, tokens_out = int(row["prompt_tokens"]), int(row["completion_tokens"])
        said.append(f"{tokens_in:,} tokens in, {tokens_out:,} out")
    if _known(row.get("cost_usd")):
        said.append(format_usd(float(row["cost_usd"])))
    if row.get("finish_reason") == "length":
        said.append("cut off at max_tokens")
    if row.get("from_journal"):
        said.append("reused (--fresh runs it again)")
    return said


def _known(value: Any) -> bool:
    return value is not None and value == value  # a missing number is not equal to itself
