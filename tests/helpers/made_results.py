"""Results as a run leaves them, with hostile texts everywhere, made up."""

from __future__ import annotations

from typing import Any

import pex
from pex.core.call import Answer, Request
from pex.core.cases import load_cases
from pex.core.score import Score
from pex.results.results import Results
from pex.score.frame import build_frame

HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script> {{ 7*7 }} ]]>'


def results(
    n: int = 3, variants: tuple[str, ...] = ("a", "b"), output: str = HOSTILE, **told: Any
) -> Results:
    """The first variant is always right, the second wrong and once broken; `told` of the run."""
    made = [pex.Variant(pex.Prompt("{{ q }}", name=name), "lab/m1", name=name) for name in variants]
    cases = load_cases(
        [{"q": f"{HOSTILE} {i}", "expected": HOSTILE, "group": "<g>"} for i in range(n)]
    )
    rows = []
    for case in cases:
        for position, name in enumerate(variants):
            request = Request(name, case.id, 1, "lab/m1", {}, "key")
            answer = Answer(output=output, latency_s=0.25, cost_usd=0.01)
            scores = {"ok": Score(position == 0, reason=HOSTILE), "size": Score(2.5)}
            if case is cases[0] and position == 1:
                answer = Answer(error=HOSTILE, error_kind="server")
                scores = {}
            rows.append((request, answer, scores))
    frame = build_frame(rows, made, cases, ["ok", "size"])
    about: dict[str, Any] = {
        "name": "x", "purpose": HOSTILE, "note": "", "status": "finished", "run_id": None,
        "tracking_uri": None, "started_at": "2026-01-02T03:04:05+00:00", "elapsed_s": 3.0,
        "cases": n, "repeats": 1, "variants": [{"name": name} for name in variants],
        "prompts": [{"name": "a", "text": HOSTILE, "description": HOSTILE}], "models": ["lab/m1"],
        "scorers": ["ok", "size"], "budget_usd": None, "spent_usd": 0.0,
        "counts": {"requests": 2 * n, "answered": 2 * n - 1, "errors": 1, "not_asked": 0},
        "versions": {"python": "3"}, "how_to": ["pexlab run e.yaml"],
    }  # fmt: skip
    return Results(frame, about | told)
