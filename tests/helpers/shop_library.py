"""A project with a library: prompts with metadata, versions, aliases, and a recorded run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pex
from pex.core.prompt import Prompt
from pex.library.registry import save, set_alias
from tests.helpers.endpoint import FaultyEndpoint, completion

SENTIMENT = """---
name: review-sentiment
description: Tells happy from unhappy reviews, so support sees the unhappy ones first.
metadata:
  owner: ada
  tags: [support, reviews]
  category: {{task: classification, domain: shop, language: English, risk: low}}
  intended_use: |
    Reviews of up to **500 words** in English.

    Not for legal complaints.
  known_failures: Irony is often read as praise.
  requirements:
    - {{id: R1, text: Unhappy reviews are recognised., source: Support, priority: must, at_least: 0.5}}
    - {{id: R2, text: It answers in one word., source: Data team, priority: should}}
model: {{id: m1, provider: lab}}
inputs:
  - {{name: review, kind: string}}
---
Review: {{{{ review }}}}
{line}
"""  # noqa: E501
LINES = (
    "Is it positive or negative?",
    "Is this review positive or negative? One word.",
    "Is this review positive or negative? Answer with one word.",
)
REFUND = """---
name: refund-reply
description: Answers a customer who wants their money back.
metadata: {{owner: grace, category: {{task: reply, domain: shop, risk: high}}}}
---
system:
You are polite, and never promise a refund.
user:
{line} {{{{ mail }}}}
"""


def fill(project: Path, lab: FaultyEndpoint) -> pex.Results:
    """Save the prompts, write an experiment, and run it once.

    The endpoint calls the reviews with "love" or "great" positive; of the private case only its
    number may be shown.
    """
    folder = project / "experiments" / "reviews"
    (folder / "prompts").mkdir(parents=True)
    for number, line in enumerate(LINES, 1):
        prompt = Prompt.parse(SENTIMENT.format(line=line), "made", "review-sentiment")
        save(prompt, note="" if number == 1 else f"attempt {number}")
    (folder / "prompts" / "review-sentiment.prompty").write_text(SENTIMENT.format(line=LINES[-1]))
    save(Prompt.parse(REFUND.format(line="The mail:"), "made", "refund-reply"))
    save(Prompt("Translate to French: {{ text }}", name="translate"))
    set_alias("review-sentiment", "champion", 2)
    set_alias("review-sentiment", "champion", 3)
    rows = [
        ("c1", "I love it", "positive", ""),
        ("c2", "Great value | really <b>great</b>", "positive", ""),
        ("c3", "It broke after a day", "negative", ""),
        ("c4", "Oh great, it broke", "negative", "irony"),
        ("c5", "Anna Secretperson lost her parcel, how lovely: love it", "negative", "private"),
        ("c6", "Wrong colour", "negative", ""),
    ]
    lines = [f'{a},"{b}",{c},{d}' for a, b, c, d in rows]
    (folder / "cases.csv").write_text("case_id,review,expected,tags\n" + "\n".join(lines) + "\n")
    (folder / "experiment.yaml").write_text(
        "name: reviews\ncases: cases.csv\nprompts: [prompts/review-sentiment.prompty]\n"
        "models: [lab/m1]\nscorers:\n  - {kind: label, name: label, checks: [R1]}\n"
        "  - {kind: length, name: safety_short, max_words: 3}\n"
    )

    def reply(body: dict[str, Any], number: int) -> dict[str, Any]:
        text = body["messages"][-1]["content"].lower()
        return completion("positive" if "love" in text or "great" in text else "negative")

    lab.reply = reply
    return pex.Experiment.load(folder / "experiment.yaml").run(show=False)
