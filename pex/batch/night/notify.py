"""Morning notices: a webhook or a mail; they never make a night fail."""

from __future__ import annotations

from collections.abc import Callable

from pex.batch.night.document import cost, histories, retiring, what_happened
from pex.batch.night.headline import headline, reasons
from pex.batch.night.night import PAGE, JudgedNight
from pex.batch.notices import Message, send_notices
from pex.core.safe_text import clean
from pex.guard.redact import redact
from pex.report.tables import cut, format_usd

PATIENCE_S = 12.0
"""Seconds for all notices together; then those still unsent are abandoned."""
MOST = 5
"""Items of one kind that a notice names; the page has all of them."""


def notify(night: JudgedNight, page: str, say: Callable[[str], None]) -> None:
    """Send the plan's notices; those that cannot be sent are only reported.

    Args:
        night: the judged night.
        page: the page, which is attached to a mail.
        say: gets a line for each notice.
    """
    quiet = night.exit_code == 0 and night.outcome != "undecided"
    wanted = [item for item in night.batch.plan.notify if not (quiet and item.when == "problems")]
    if wanted:
        name = f"{night.batch.plan.name}-{night.batch.batch_id}.html"
        send_notices(wanted, Message(summary(night), page, name), say, PATIENCE_S)


def summary(night: JudgedNight) -> str:
    """The night in a few lines of plain text, for readers who read nothing else."""
    batch = night.batch
    lines = [f"{batch.plan.name}, {batch.batch_id}: {headline(night)}"]
    failed = [f"{item.job.id} {what_happened(item)}" for item in batch.failed]
    lines += [cut(text, 300) for text in failed[:MOST]]
    # Losses come first, then open verdicts; what passed is on the page.
    order = {"fail": 0, "undecided": 1}
    judged = sorted(reasons(night), key=lambda item: order.get(item[0], 2))
    lines += [f"{where}: {reason}" for _, where, reason in judged][:MOST]
    seen = dict.fromkeys(change.text for s in night.subjects for change in s.since_last)
    lines += [f"Changed since last night: {text}" for text in list(seen)[:MOST]]
    lines += [model.sentence for model in retiring(night)][:MOST]
    lines += _authors(night)
    left = max(len(failed) - MOST, 0) + max(len(judged) - MOST, 0) + max(len(seen) - MOST, 0)
    if left:
        lines.append(f"{left} more on the page.")
    done = len(batch.results) - len(batch.failed) - len(batch.not_due)
    of = "1 notebook" if len(batch.results) == 1 else f"{len(batch.results)} notebooks"
    paid = f"cost {format_usd(cost(night))}" if night.subjects else "no answer was recorded"
    lines.append(f"{done} of {of} done, {paid}.")
    lines += [f"The page: {batch.folder / PAGE}", *_in_mlflow(night)]
    return redact("\n".join(clean(" ".join(line.split())) for line in lines))


def _authors(night: JudgedNight) -> list[str]:
    """Who changed the prompts that changed since the baseline."""
    files = [item for subject in night.subjects for item in histories(subject, night)]
    return list(dict.fromkeys(f"{item.path}: {item.changed}" for item in files if item.changed))[
        :MOST
    ]


def _in_mlflow(night: JudgedNight) -> list[str]:
    """Where the page is for readers on other machines, if the store is a server."""
    from pex.record.search import page as run_page

    for subject in night.subjects:
        run = subject.now.run
        url = run_page(night.uri, run["experiment_id"], run["run_id"])
        if url:
            return [f"In MLflow: {url}/artifacts/{PAGE}"]
    return []
