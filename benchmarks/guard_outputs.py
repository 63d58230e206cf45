"""What the checks of answers catch, what they flag for nothing, what they hold back and cost.

    python benchmarks/guard_outputs.py [--rates]

Texts: `guard/outputs_hostile.jsonl` and `guard/outputs_harmless.jsonl`, written on 30 November 2026
before any rule, split into development and test by family. One person wrote texts and rules, so
real answers differ from both halves more than the halves from each other.
"""

from __future__ import annotations

import collections
import json
import statistics
import sys
import time
from pathlib import Path

from figures import figure

from pex.guard.findings import Checked
from pex.guard.output_check import OUTPUT_RULES, check_output
from pex.guard.output_context import OutputContext, OutputPolicy
from pex.guard.output_stream import OutputStream
from pex.stats.intervals import wilson

SETS = Path(__file__).parent / "guard"
SPLITS = ("development", "test")


def rows(kind: str) -> list[dict]:
    lines = (SETS / f"outputs_{kind}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def checked(row: dict, policy: OutputPolicy | None = None) -> Checked:
    return check_output(row["output"], OutputContext(row["system"], row["inputs"]), policy)


def flagged(row: dict, policy: OutputPolicy | None = None) -> set[str]:
    return {one.rule for one in checked(row, policy).findings if one.severity != "signal"}


def share(count: int, total: int) -> str:
    low, high = wilson(count, total)
    return f"{count} of {total} ({low:.0%} to {high:.0%})"


def quality() -> None:
    for kind, name in (("hostile", "caught"), ("harmless", "false alarms")):
        for split in SPLITS:
            texts = [row for row in rows(kind) if row["split"] == split]
            hits = [bool(flagged(row) & set(row.get("rules", flagged(row)))) for row in texts]
            print(f"{name}, {split}: {share(sum(hits), len(texts))}")
            figure(f"{name}, {split} half", sum(hits), "",
                   floor=len(texts), floor_name="all of them")  # fmt: skip
    print("\nfamily by family:")
    families = collections.defaultdict(list)
    for row in rows("hostile"):
        families[row["split"], row["family"]].append(bool(flagged(row) & set(row["rules"])))
    for (split, family), hits in families.items():
        print(f"  {split:12} {family:28} {sum(hits)} of {len(hits)}")
    alarms = collections.Counter(rule for row in rows("harmless") for rule in flagged(row))
    signals = collections.Counter(
        one.rule for row in rows("harmless") for one in checked(row).findings
        if one.severity == "signal"
    )  # fmt: skip
    print(f"false alarms by rule: {dict(alarms) or 'none'}; signals: {dict(signals) or 'none'}")


def threshold() -> None:
    print("\nletters of the instructions in a row from which a run is flagged:")
    hostile = [row for row in rows("hostile") if "prompt-leak" in row["rules"]]
    for letters in (20, 24, 28, 32, 40, 50, 60, 80):
        policy = OutputPolicy(leaked_letters=letters)
        caught = sum("prompt-leak" in flagged(row, policy) for row in hostile)
        alarms = sum("prompt-leak" in flagged(row, policy) for row in rows("harmless"))
        print(f"  {letters}: {caught} of {len(hostile)} caught, {alarms} false alarms")


def held_back() -> None:
    """Characters that wait when a piece has gone through, in pieces of a token's length."""
    waits: list[int] = []
    worst: collections.Counter[str] = collections.Counter()
    seconds, tokens = 0.0, 0
    for row in rows("harmless"):
        stream = OutputStream(OutputContext(row["system"], row["inputs"]))
        text = row["output"]
        for at in range(0, len(text), 4):
            begun = time.process_time()
            stream.feed(text[at : at + 4])
            seconds += time.process_time() - begun
            tokens += 1
            waits.append(stream.held)
            worst[row["id"]] = max(worst[row["id"]], stream.held)
        stream.end()
    parts = statistics.quantiles(waits, n=100)
    print(
        f"\nheld back on ordinary answers: median {statistics.median(waits):.0f} characters, "
        f"95th percentile {parts[94]:.0f}, most {max(waits)} ({worst.most_common(1)[0][0]})"
    )
    figure("each piece of 4 characters of a stream", seconds / tokens * 1e6, "CPU µs")


def speed() -> None:
    print("\nprocessor time, 1 MB and 8 MB:")
    prose = " ".join(row["output"] for row in rows("harmless"))
    evil = " ".join(row["output"] for row in rows("hostile"))
    system = "\n".join(sorted({row["system"] for row in rows("hostile")}))
    inputs = [text for row in rows("hostile") for text in row["inputs"]]
    context = OutputContext(system, inputs, "jwxf2bu3gmludwrrb3yo")
    for name, piece in (
        ("ordinary answers", prose), ("hostile answers", evil), ("the instructions", system),
        ("one letter", "a"), ("digits", "1234 "), ("tags", "<a href=x "), ("open tags", '<a "'),
        ("quotes in tags", "<a ='"), ("addresses", "https://a.example/?q=b "), ("open links", "]("),
        ("slashes", "https://"), ("hexadecimal digits", "48 "), ("base64", "SGVsbG8gd29ybGQ"),
        ("backticks", "`<a "), ("escapes", "\x1b]"), ("direction marks", "\u200f"),
        ("joiners", "a\u200d"), ("line breaks", "\n"), ("at signs", "a@b."), ("keys", "key=a1"),
        ("colons", "]: j"), ("entities", "=&#1"), ("reversed canary", "oy3brrwdulmg3ub2fxwj"),
    ):  # fmt: skip
        times = []
        for size in (1_000_000, 8_000_000):
            text = (piece * (size // len(piece) + 1))[:size]
            begun = time.process_time()
            check_output(text, context)
            times.append(time.process_time() - begun)
            if times[0] > 5:
                break
        ratio = f"{times[-1] / times[0]:.1f} times" if len(times) > 1 else "not tried"
        print(f"  {name:20} {times[0]:.2f} s, {ratio}")
        if name == "ordinary answers" and len(times) > 1:
            figure("check of 8 MB of ordinary answers", times[1], "CPU s",
                   floor=times[0], floor_name="1 MB")  # fmt: skip


if __name__ == "__main__":
    print(f"{len(OUTPUT_RULES)} rules")
    quality()
    threshold()
    held_back()
    if "--rates" not in sys.argv:
        speed()
