"""Frames and sheets for the parts of the result grid."""

import pandas as pd

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.prompt import Prompt
from pex.core.score import Score
from pex.core.variant import Variant
from pex.run.request import requests
from pex.score.frame import build_frame, yes_no
from pex.widgets.sheet import Sheet, sheet_of
from tests.helpers.made import HALF


def frame_of(outputs: dict[str, list[str | None]], repeats: int = 1) -> pd.DataFrame:
    """A frame as a run makes it; None is an error, and an answer is right if it says "good"."""
    prompt = Prompt("{{ text }}", "p")
    variants = [Variant(prompt, "lab/m1", name=name) for name in outputs]
    n = len(next(iter(outputs.values())))
    cases = [
        Case(
            f"c{i}",
            {"text": f"question {i}"},
            "good",
            "ab"[i % 2],
            ("even", "odd")[i % 2 : i % 2 + 1],
        )
        for i in range(n)
    ]
    made = []
    for request in requests(variants, cases, repeats):
        output = outputs[request.variant][int(request.case_id[1:])]
        if output is None:
            made.append((request, Answer(error="no", error_kind="server"), {}))
        else:
            answer = Answer(
                output=output.replace("\ud800", HALF), latency_s=len(output) / 10, cost_usd=0.01
            )
            made.append((request, answer, {"ok": Score("good" in output, reason="why")}))
    frame = build_frame(made, variants, cases, ["ok"])
    texts = [
        text.replace(HALF, "\ud800") if isinstance(text, str) else None for text in frame["output"]
    ]
    return frame.assign(output=pd.Series(texts, index=frame.index, dtype=object))


def filled(frame: pd.DataFrame, baseline: str | None = None) -> Sheet:
    sheet = sheet_of(frame, baseline)
    sheet.fill(frame, yes_no(frame))
    return sheet
