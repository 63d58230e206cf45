"""What one call that goes first saves, at an endpoint that bills like a provider.

Its cache holds the beginning of a prompt from 1,024 tokens on, in blocks of 128, from when the
first answer to it is complete; writes cost 1.25 times a fresh token, reads a tenth or half. Each
line is one run of fresh answers: what it cost, how many calls were charged as if they were the
first of their prefix, and how long it took.

Run: PYTHONPATH=. python benchmarks/warm_up.py [--cases 100 --in-flight 32] [--latency 0.5]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from figures import figure

from tests.helpers.caching_endpoint import CachingEndpoint, settings

WORDS = {600: 15, 1500: 40, 6000: 160}
"""Tokens of a system prompt, and how often its sentence of about 37 tokens is in it."""

RULE = (
    "Answer with one word, positive or negative, by what the customer says of the product itself; "
    "leave out what is said of delivery, price or packaging. "
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--latency", type=float, default=0.5)
    asked = parser.parse_args()
    print(f"{asked.cases} cases, {asked.in_flight} at once, {asked.latency:g} s for an answer")
    print("prefix  reads  warm-up  USD per 1,000  charged as first  from cache  seconds")
    with tempfile.TemporaryDirectory() as made:
        os.chdir(made)
        for reads in (0.1, 0.5):
            for tokens, times in WORDS.items():
                cold, warm = (line(asked, reads, tokens, times, warm) for warm in (False, True))
                if tokens > 1024:  # a shorter one is never in the cache
                    figure(
                        f"with a warm-up, prefix of {tokens:,} tokens, reads at {reads:.0%}", warm,
                        "USD per 1,000 answers", floor=cold, floor_name="without",
                    )  # fmt: skip


def line(asked: argparse.Namespace, reads: float, tokens: int, times: int, warm: bool) -> float:
    """One run with a cache of its own; US dollars for a thousand answers."""
    import pex

    endpoint = CachingEndpoint()
    endpoint.latency_s = asked.latency
    with endpoint.running():
        prices = (
            '[prices."lab/m1"]\ninput_usd_per_million = 2.0\noutput_usd_per_million = 8.0\n'
            f"cached_input_usd_per_million = {2 * reads}\ncache_write_usd_per_million = 2.5\n"
        )
        Path("pex.toml").write_text(settings(endpoint, prices))
        messages = [{"role": "system", "content": RULE * times},
                    {"role": "user", "content": "{{ review }}"}]  # fmt: skip
        prompt = pex.Prompt(messages, name="strict", params={"max_tokens": 8})
        rows = [
            {"case_id": f"c{n}", "review": f"Review {n}: it broke."} for n in range(asked.cases)
        ]
        exp = pex.Experiment("warm-up", pex.grid(prompt, "lab/m1"), rows, budget_usd=50)
        results = exp.run(
            record=False, show=False, journal="fresh", max_in_flight=asked.in_flight, warm_up=warm
        )
    frame = results.frame
    usd = 1000 * frame["cost_usd"].sum() / len(frame)
    first = int((frame["cached_tokens"] == 0).sum())
    share = frame["cached_tokens"].sum() / frame["prompt_tokens"].sum()
    print(
        f"{tokens:6,}  {reads:4.0%}  {'yes' if warm else 'no':>7}  {usd:13.3f}  {first:16}  "
        f"{share:10.0%}  {results.about.elapsed_s:7.2f}",
        flush=True,
    )
    return float(usd)


if __name__ == "__main__":
    main()
