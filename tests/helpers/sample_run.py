"""A small run with everything that a trace can show, as a frame and in a store."""

from __future__ import annotations

import json
import time

import pandas as pd

import pex
from pex.core.about import About
from pex.core.call import Answer, Request
from pex.core.cases import Case
from pex.core.score import Score
from pex.record.runs import Recorder
from pex.record.traces import Target, target_of
from pex.score.frame import build_frame, summarise

VARIANTS = [
    pex.Variant(pex.Prompt("{{ q }}", name="a"), "lab/m1", {"temperature": 0}),
    pex.Variant(pex.Prompt("{{ q }}?", name="b"), "lab/m1", {"temperature": 1}),
]
BEGUN = int(time.time()) - 3600


def make_cases(count: int) -> list[Case]:
    return [
        Case(f"c{i}", {"q": f"What is {i} + {i}?\nOne number."}, str(2 * i), "g", ("sum",))
        for i in range(count)
    ]


def make_frame(cases: list[Case], repeats: int = 1, odd: bool = True) -> pd.DataFrame:
    """The long frame; with `odd`, c1 has an error, b fails c2, both fail c3, c0 has no `tone`."""
    rows = []
    for variant in VARIANTS:
        for case in cases:
            for repeat in range(1, repeats + 1):
                key = f"{variant.name}-{case.id}-{repeat}"
                request = Request(variant.name, case.id, repeat, variant.model, {}, key)
                answer, scores = _answer(variant.name, case, odd)
                answer.started_at = BEGUN + len(rows)
                rows.append((request, answer, scores))
    return build_frame(rows, VARIANTS, cases, ["label", "tone"])


def _answer(variant: str, case: Case, odd: bool) -> tuple[Answer, dict[str, Score]]:
    if odd and case.id == "c1" and variant == "b":
        return Answer(error="503: no room", error_kind="server", latency_s=0.25), {}
    right = not odd or not (case.id == "c3" or (case.id == "c2" and variant == "b"))
    answer = Answer(
        output=case.expected if right else "0",
        finish_reason="stop",
        latency_s=0.5,
        prompt_tokens=20,
        completion_tokens=2,
        cost_usd=0.001,
    )
    tone = Score(0.75, reason="calm")
    if odd and case.id == "c0":
        tone = Score(None, error="the judge said nothing")
    return answer, {"label": Score(right, reason="as expected" if right else "not"), "tone": tone}


def about(name: str, frame: pd.DataFrame, cases: list[Case]) -> About:
    failed = int(frame["error"].notna().sum())
    data = {
        "name": name, "purpose": "Sums.", "note": "", "status": "finished", "elapsed_s": 1.0,
        "started_at": "2026-01-01T00:00:00+00:00",
        "variants": [
            {"name": v.name, "prompt": v.prompt.name, "prompt_version": v.prompt.digest,
             "model": v.model, "params": v.all_params}
            for v in VARIANTS
        ],
        "prompts": [{"name": v.prompt.name, "text": v.prompt.text} for v in VARIANTS],
        "models": ["lab/m1"], "scorers": ["label", "tone"],
        "judges": [{"name": "tone", "model": "lab/judge"}],
        "cases": len(cases), "repeats": int(frame["repeat"].max()),
        "counts": {"requests": len(frame), "answered": len(frame) - failed, "errors": failed},
    }  # fmt: skip
    return About.from_json(data)


def record(uri: str, name: str, frame: pd.DataFrame, cases: list[Case]) -> Target:
    """A recorded run without its traces."""
    recorder = Recorder(uri, name, {})
    described = about(name, frame, cases)
    lines = [
        {"case_id": c.id, "expected": c.expected, "group": c.group, "tags": [*c.tags], **c.inputs}
        for c in cases
    ]
    texts = {"cases.jsonl": "".join(json.dumps(line) + "\n" for line in lines)}
    recorder.finish(frame, summarise(frame), described, texts)
    return target_of(uri, recorder.run_id, described)
