"""What to do after a job: compare and adopt the tuned model, or what went wrong."""

from __future__ import annotations

import shlex

from pex.training.jobs.intent import Intent


def next_steps(intent: Intent, experiment: str = "EXPERIMENT") -> list[str]:
    """The lines to print after a job has ended.

    Args:
        intent: the job.
        experiment: the file of the experiment to compare in.

    Example:
        >>> job = Intent("lab/m1", "train.jsonl", "0", 9, "supervised", 1, tuned="ft:m1:me::1")
        >>> job.status = "succeeded"
        >>> for line in next_steps(job, "reviews.yaml"):
        ...     print(line)
        compare it:  pexlab run reviews.yaml --set 'models=["lab/m1", "lab/ft:m1:me::1"]'
        adopt it:    pexlab adopt lab/ft:m1:me::1 --baseline lab/m1
        its price, if pex.toml does not have it:  [prices."lab/ft:m1:me::1"]
    """
    if intent.status == "succeeded" and intent.tuned:
        models = shlex.quote(f'models=["{intent.ref}", "{intent.tuned_ref}"]')
        return [
            f"compare it:  pexlab run {shlex.quote(experiment)} --set {models}",
            f"adopt it:    pexlab adopt {shlex.quote(intent.tuned_ref)} "
            f"--baseline {shlex.quote(intent.ref)}",
            f'its price, if pex.toml does not have it:  [prices."{intent.tuned_ref}"]',
        ]
    if intent.status == "failed":
        return [
            f"check the data:  pexlab finetune check {shlex.quote(intent.file)}",
            "another job with the same data:  pexlab finetune start … --again",
        ]
    return []


def cost_text(intent: Intent) -> str:
    """What the job cost, in a sentence.

    Example:
        >>> job = Intent("lab/m1", "f", "0", 9, "supervised", 2, tokens=500, usd_per_million=4.0)
        >>> cost_text(job)
        'the endpoint reports no trained tokens; booked with at most the estimate, $0.004'
        >>> job.trained_tokens = 900
        >>> cost_text(job)
        '900 trained tokens, $0.0036 (estimated: 1,000 tokens, $0.004)'
    """
    if intent.trained_tokens is None:
        return (
            "the endpoint reports no trained tokens; booked with at most the estimate, "
            f"${intent.usd:.4g}"
        )
    usd = intent.trained_tokens * intent.usd_per_million / 1e6
    return (
        f"{intent.trained_tokens:,} trained tokens, ${usd:.4g} (estimated: "
        f"{intent.tokens * intent.epochs:,} tokens, ${intent.usd:.4g})"
    )
