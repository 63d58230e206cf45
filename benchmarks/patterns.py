"""The figures of docs/patterns.md: one change of a prompt at a time, on the built-in model.

`python benchmarks/patterns.py [CASES]` compares each variant with `short` on the same reviews
(default: 100) and prints a row for each. Nothing is recorded; the answers are kept in `.pex/` of
the current project, so a second time is quick.
"""

from __future__ import annotations

import sys
from pathlib import Path

from figures import figure

import pex

FOLDER = Path(__file__).parent.parent / "experiments" / "review-sentiment"
ASK = "Is this review positive or negative? Answer with one word."
REVIEW = "Review: {{ review }}\n"
THINK = "First explain the mood of the review. Then answer: positive or negative?"
EXPERT = "You are an expert in reviews."
ONE_WORD = {"temperature": 0, "max_tokens": 16}


def messages(*texts: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in texts]


def examples(*labelled: tuple[str, str]) -> str:
    shown = [f"Review: {text}\nAnswer: {label}\n" for text, label in labelled]
    return "\n".join([*shown, "Review: {{ review }}\nAnswer:"])


GOOD = [("Works perfectly and looks great.", "positive"), ("I would buy it again.", "positive")]
BAD = [("It broke on the first day.", "negative"), ("Ugly, late and too expensive.", "negative")]

PROMPTS = {
    "short": (REVIEW + ASK, ONE_WORD),
    "reworded": (REVIEW + "Is the review positive or is it negative? Reply in one word.", ONE_WORD),
    "question first": (ASK + "\n" + REVIEW, ONE_WORD),
    "task in system": (messages(("system", ASK), ("user", "{{ review }}")), ONE_WORD),
    "role": (messages(("system", EXPERT), ("user", REVIEW + ASK)), ONE_WORD),
    "polite": ("Please read this carefully.\n" + REVIEW + "Please: " + ASK, ONE_WORD),
    "no explanation": (REVIEW + ASK + " Do not explain. Do not write a sentence.", ONE_WORD),
    "long rules": (
        "Read the review. Decide whether the customer is happy.\nIf the customer is happy, the "
        "answer is positive. If the customer is not happy, the answer is negative. Irony counts "
        "as what it means. Mixed reviews count as their overall opinion.\n" + REVIEW + ASK,
        ONE_WORD,
    ),
    "examples, bad last": (examples(*GOOD, *BAD), ONE_WORD),
    "examples, good last": (examples(*BAD, *GOOD), ONE_WORD),
    "think first": (REVIEW + THINK,
                    {"temperature": 0, "max_tokens": 96}),
    "think first, short limit": (
        REVIEW + THINK, ONE_WORD
    ),
    "temperature 1": (REVIEW + ASK, {"temperature": 1, "max_tokens": 16}),
}  # fmt: skip


def main(cases: int) -> None:
    variants = [
        pex.Variant(pex.Prompt(text, name=name.replace(" ", "-").replace(",", "")),
                    "local/smollm2", params, name=name.replace(" ", "-").replace(",", ""))
        for name, (text, params) in PROMPTS.items()
    ]  # fmt: skip
    schema = pex.Prompt.load(FOLDER / "prompts" / "schema.prompty")
    variants.append(
        pex.Variant(schema, "local/smollm2", ONE_WORD | {"max_tokens": 32}, name="schema")
    )
    exp = pex.Experiment("patterns", variants, FOLDER / "cases.csv", ["label"])
    results = exp.run(limit=cases, show=False, record=False)
    print(results)
    comparison = results.compare("short")
    print(comparison)
    frame = results.frame
    right = frame.groupby("variant")["score.label"].mean()
    best = right.drop("short").idxmax()
    figure(f"right answers, best variant ({best})", 100 * right[best], "%",
           floor=100 * right["short"], floor_name="short")  # fmt: skip
    for name, rows in frame.groupby("variant"):
        said = rows["output"].str.strip().str.lower()
        print(f"{name}: 'positive' in {said.str.contains('positive').mean():.0%} of the answers, "
              f"'negative' in {said.str.contains('negative').mean():.0%}")  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
