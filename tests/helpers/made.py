"""Results that no model was asked for: many rows, and texts that mean harm.

Imported by the notebooks of browser tests and by `benchmarks/widgets.py`.
"""

from __future__ import annotations

import random

import pandas as pd

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.prompt import Prompt
from pex.core.score import Score
from pex.core.variant import Variant
from pex.results.results import Results
from pex.run.request import requests
from pex.score.frame import build_frame

TEXT = "the parcel came late and the box was broken but support answered within the hour and more"
WORDS = TEXT.split()
HALF = "(half)"
"""Stands for half a surrogate where pandas makes a column of texts, which cannot have one."""
HOSTILE = [
    "<img src=x onerror='window.hacked=1'><b>bold</b>",
    "<script>window.hacked=1</script>",
    "![picture](http://example.invalid/p.png) **bold** [link](javascript:window.hacked=1)",
    "\x1b[31mred\x1b[0m",
    "null\x00byte",
    "half \ud800 surrogate",
    "$$\\frac{a}{b}$$ and \\(x\\)",
    "long" * 250_000,
    "line\n" * 10_000,
    " \n\t ",
    "",
    "\u202eturned round",
    '{"category": "billing", "items": [1, {"deep": null}]}',
    "عاجل: أعد المبلغ من فضلك",
    "請退款給我，謝謝。商品壞了。🎉",
]


def made(cases: int, variants: int, *, hostile: bool = False, errors: bool = False) -> Results:
    """Results of so many cases and variants, about 200 characters an answer.

    Args:
        cases: how many cases.
        variants: how many variants.
        hostile: the second variant's first answers are `HOSTILE`.
        errors: every cell is an error.
    """
    dice = random.Random(1)
    prompt = Prompt("Review: {{ review }}", "p")
    columns = [Variant(prompt, "lab/m1", name=f"variant-{n}") for n in range(variants)]
    made_cases = [
        Case(f"c{n}", {"review": f"{n}: {TEXT}"}, "billing", None, (("a", "b")[n % 2],))
        for n in range(cases)
    ]
    rows = []
    for number, request in enumerate(requests(columns, made_cases, 1)):
        row, column = divmod(number, variants)
        text = " ".join(dice.choices(WORDS, k=40))
        if hostile and column == 1 and row < len(HOSTILE):
            text = HOSTILE[row].replace("\ud800", HALF)
        if errors:
            rows.append((request, Answer(error=text, error_kind="server"), {}))
            continue
        answer = Answer(output=text, latency_s=dice.random() * 3, cost_usd=0.0012)
        score = Score(dice.random() < 0.7, reason=HOSTILE[0] if hostile else "by chance")
        rows.append((request, answer, {"label": score}))
    frame = build_frame(rows, columns, made_cases, ["label"])
    if hostile:
        outputs = [
            text.replace(HALF, "\ud800") if isinstance(text, str) else None
            for text in frame["output"]
        ]
        frame["output"] = pd.Series(outputs, index=frame.index, dtype=object)
    about = {
        "name": "made", "purpose": "", "note": "", "status": "finished", "run_id": None,
        "tracking_uri": None, "started_at": "2026-01-01T00:00:00+00:00", "elapsed_s": 1.0,
        "cases": cases, "repeats": 1, "models": ["lab/m1"], "scorers": ["label"],
        "variants": [
            {"name": v.name, "prompt": "p", "prompt_version": "1", "model": v.model, "params": {}}
            for v in columns
        ],
        "prompts": [{"name": "p", "text": prompt.text, "description": ""}],
        "budget_usd": None, "spent_usd": 0.0, "versions": {}, "how_to": [],
        "counts": {"requests": len(rows), "answered": len(rows), "errors": 0, "not_asked": 0},
    }  # fmt: skip
    return Results(frame, about)
