"""The card of an export: what is in it, from where, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SOURCES = {
    "expected": "expected answers of cases (as written or corrected by people)",
    "passed": "answers of a model that passed a score",
    "ratings": "preferences of people who rated without seeing the variants' names",
    "judge": "preferences of a model as judge, the same in both orders: not of people",
    "thumbs": "thumbs of people on single answers",
}


def card_text(facts: Mapping[str, Any]) -> str:
    """The card as Markdown.

    Args:
        facts: as in `export.json`.
    """
    run = f", run {facts['run']}" if facts["run"] else ""
    lines = [
        f"# Training data: {facts['what']}",
        "",
        f"Format `{facts['format']}`, from {facts['what']}{run}. System and messages are those of "
        f"the prompt {facts['prompt']}, version {facts['prompt_version']}.",
        "",
        *_table(("file", "rows", "tokens (estimate)", "SHA-256"), [
            (name, f"{file['rows']:,}", f"{file['tokens']:,}", file["sha256"][:16])
            for name, file in facts["files"].items()
        ]),
        "",
        "Tokens are estimated from bytes; a tokenizer counts others. " + _cost(facts),
        "Cases of one group are in one file. `rows.jsonl` says where each row comes from, "
        "`export.json` has these figures.",
        "",
        "## Sources",
        "",
        *_counts(facts["sources"], _SOURCES),
        "",
        "Origin of the cases:",
        "",
        *_counts(facts["origins"]),
    ]  # fmt: skip
    if facts["raters"]:
        rated = [(f"{number} raters", count) for number, count in sorted(facts["raters"].items())]
        lines += ["", "Raters of each preference or thumb:", "", *_counts(dict(rated))]
    lines += ["", "## Licence and people", "", *_counts(facts["licences"]), "", _personal(facts)]
    if facts.get("deleted"):
        lines += [
            "",
            f"Deleted later, as the data of users: {facts['deleted']:,} rows.",
        ]
    lines += ["", "## Left out", "", *(_counts(facts["left_out"]) or ["Nothing."])]
    if facts["findings"]:
        lines += ["", "## What the check of the files found", ""]
        lines += [f"- {one['message']}: {one['fix']}" for one in facts["findings"]]
    return "\n".join(lines) + "\n"


def _cost(facts: Mapping[str, Any]) -> str:
    prices = facts["training_usd_per_million"]
    if not prices:
        return "No price for training tokens is known."
    train = facts["files"].get("train.jsonl", {"tokens": 0})["tokens"]
    said = [
        f"One epoch costs about ${train * price / 1e6:.2f} at ${price:g} a million tokens"
        + (f" (`{model}`)." if model else ".")
        for model, price in prices.items()
    ]
    return " ".join(said)


def _personal(facts: Mapping[str, Any]) -> str:
    found = facts["personal"]
    if not found["rows"]:
        return "Nothing that looks like an address or number of a person was found."
    places = ", ".join(f"{kind}: {count:,}" for kind, count in found["places"].items())
    done = {"hide": "replaced with placeholders", "keep": "**kept**"}.get(found["mode"], "refused")
    rows = "1 row" if found["rows"] == 1 else f"{found['rows']:,} rows"
    return f"In {rows}, what looks like personal data was {done} ({places})."


def _counts(counts: Mapping[str, int], words: Mapping[str, str] | None = None) -> list[str]:
    named = {" ".join((words or {}).get(name, name).split())[:200]: n for name, n in counts.items()}
    return [f"- {name}: {count:,}" for name, count in named.items()]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]
