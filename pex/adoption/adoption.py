"""The result of `pex.adopt`: what to do with every prompt on a new model."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.adoption.apply import Applied, apply, chosen
from pex.adoption.decide import KEEP, VERDICTS, has_too_many_errors
from pex.adoption.outcome import Outcome, of_prompt
from pex.adoption.page import page
from pex.adoption.plan import LeftOut, Plan, Side
from pex.adoption.shown import headline, next_steps, overview_html, overview_text
from pex.core.safe_text import clean
from pex.report.safe_html import escaped
from pex.report.tables import format_usd, fragment

if TYPE_CHECKING:
    import pandas as pd


class Adoption:
    """What became of every prompt on a new model.

    Made by `pex.adopt`. In a notebook and a terminal it is shown as a table: per prompt *keep as it
    is*, *needs a rewrite*, *do not move yet* or *undecided, N more cases*. `frame` has all numbers,
    one row per prompt and experiment; `outcomes` the answers of both models as well.
    """

    def __init__(
        self,
        plan: Plan,
        outcomes: Sequence[Outcome],
        *,
        confidence: float,
        left_out: Sequence[LeftOut] = (),
        stopped: str = "",
        gone: Mapping[str, str] | None = None,
        ends: Sequence[str] = (),
        spent_usd: float = 0.0,
        budget_usd: float = 0.0,
    ) -> None:
        self.plan = plan
        self.outcomes = list(outcomes)
        self.confidence = confidence
        self.left_out = list(left_out)
        self.stopped = stopped
        """Why it did not finish: "budget", "interrupted", "failed"; empty if it did."""
        self.gone = dict(gone or {})
        """Why an old model was not asked, by its name: only its answers in the journal count."""
        self.ends = tuple(ends)
        """When the models stop, in words; empty if nothing is known of an end."""
        self.day = datetime.date.today()
        """The day of the comparison."""
        self.spent_usd = spent_usd
        self.budget_usd = budget_usd
        self.run_id: str | None = None
        """The MLflow run that it is recorded in; None if it is not."""
        self.applied: list[Applied] = []
        """What `apply` did."""
        self._frame: pd.DataFrame | None = None

    @property
    def new(self) -> Side:
        """The new model with its parameters."""
        return self.plan.new

    @property
    def old(self) -> str:
        """The old model in words."""
        return self.plan.old_name

    @property
    def frame(self) -> pd.DataFrame:
        """One row per prompt and experiment: verdict, scores, interval, p, costs, times."""
        import pandas as pd

        if self._frame is None:
            self._frame = pd.DataFrame([item.record() for item in self.outcomes])
        return self._frame

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict of each prompt; of several experiments the weakest."""
        return of_prompt(self.outcomes)

    @property
    def title(self) -> str:
        """Which model in place of which."""
        return f"Adopting {self.new} in place of {self.old}"

    @property
    def headline(self) -> str:
        """The result in a sentence."""
        return headline(self.outcomes, str(self.new))

    @property
    def calls(self) -> int:
        """How many answers were paid for now; the others came from the journal."""
        return sum(
            item.results.about.counts.answered - item.results.about.counts.replayed
            for item in self.outcomes
            if item.results is not None
        )

    @property
    def facts(self) -> str:
        """What was asked and spent, in a sentence."""
        counts = [item.results.about.counts for item in self.outcomes if item.results is not None]
        answered, reused = sum(c.answered for c in counts), sum(c.replayed for c in counts)
        errors = sum(c.errors for c in counts)
        prompts = len({item.task.prompt for item in self.outcomes})
        said = [
            f"{prompts:,} {'prompt' if prompts == 1 else 'prompts'}",
            f"{answered:,} answers, {reused:,} of them from the journal",
        ]
        if errors:
            said.append(f"{errors:,} {'error' if errors == 1 else 'errors'}")
        cost = "nothing spent" if not self.spent_usd else f"{format_usd(self.spent_usd)} spent"
        said.append(f"{cost} of {format_usd(self.budget_usd)}" if self.spent_usd else cost)
        return "; ".join(said) + "."

    @property
    def stopped_text(self) -> str:
        """Why it did not finish, and how it continues; empty if it did."""
        done = sum(item.measured.finished for item in self.outcomes)
        where = f"{done:,} of {len(self.outcomes):,} comparisons are complete"
        if self.stopped == "budget":
            return (
                f"the budget of {format_usd(self.budget_usd)} is used up; {where}. All answers are "
                "kept: the same command with a larger --budget continues (it counts what was spent)"
            )
        if self.stopped == "interrupted":
            return f"interrupted; {where}. All answers are kept: the same command continues"
        if self.stopped == "failed":
            return f"an error ended it; {where}. All answers are kept: the same command continues"
        return ""

    @property
    def remarks(self) -> list[str]:
        """What else has to be known of the whole."""
        said = list(self.plan.remarks)
        said += [
            f"{model} could not be asked ({why}): only its answers in the journal count"
            for model, why in self.gone.items()
        ]
        return said

    @property
    def left_out_lines(self) -> list[str]:
        """The prompts that were not compared, each with the reason."""
        return [
            ": ".join(part for part in (item.prompt, item.experiment and f"experiment "
                      f"'{item.experiment}'", item.why) if part)
            for item in self.left_out
        ]  # fmt: skip

    @property
    def failed(self) -> bool:
        """Whether calls failed beyond what an experiment allows, or something could not be run."""
        if self.stopped == "failed" or any(item.measured.failed for item in self.outcomes):
            return True
        return any(
            item.results is not None
            and has_too_many_errors(
                item.measured.frame, item.sides.new, item.task.experiment.max_error_share
            )
            for item in self.outcomes
        )

    @property
    def exit_code(self) -> int:
        """Of the command: 130 interrupted, 4 budget, 5 errors, else 0."""
        if self.stopped in ("interrupted", "budget"):
            return {"interrupted": 130, "budget": 4}[self.stopped]
        return 5 if self.failed else 0

    def __repr__(self) -> str:
        lines = [self.title, self.headline, *(f"! {text}" for text in self.ends), self.facts]
        if self.stopped:
            lines.append(f"! {self.stopped_text}")
        lines += [f"! {text}" for text in self.remarks]
        lines.append("")
        lines.append(overview_text(self.outcomes))
        if self.left_out:
            lines += ["", "Not compared:", *(f"  {text}" for text in self.left_out_lines)]
        steps = next_steps(self.outcomes, str(self.new), self.old)
        if steps:
            lines += ["", "To rewrite:", *(f"  {command}" for _, command in steps)]
        return clean("\n".join(lines))

    __str__ = __repr__

    def _repr_html_(self) -> str:
        parts = [
            f'<p class="pex-soft">{escaped(self.title)}</p>',
            f"<p><strong>{escaped(self.headline)}</strong> {escaped(self.facts)}</p>",
            *(f"<p>! {escaped(text)}</p>" for text in self.ends),
        ]
        if self.stopped:
            parts.append(f'<p class="pex-bad">! {escaped(self.stopped_text)}</p>')
        parts += [f"<p>! {escaped(text)}</p>" for text in self.remarks]
        parts.append(overview_html(self.outcomes) if self.outcomes else "")
        reasons = [item for item in self.outcomes if item.decision.verdict != KEEP]
        notes = [f"{item.task.key}: {item.decision.why}" for item in reasons]
        notes += [f"not compared: {text}" for text in self.left_out_lines]
        notes += [command for _, command in next_steps(self.outcomes, str(self.new), self.old)]
        if notes:
            items = "".join(f"<li>{escaped(text)}</li>" for text in notes)
            parts.append(f'<ul class="pex-notes">{items}</ul>')
        return fragment("".join(parts))

    def page(self) -> str:
        """The page as HTML."""
        return page(self)

    def report(self, path: str | Path) -> Path:
        """Write the page; it opens from the file, without a network.

        Args:
            path: the HTML file.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.page(), encoding="utf-8")
        return path

    def to_json(self) -> dict[str, Any]:
        """Plain data, as in `pexlab adopt --json`."""
        counts = Counter(item.decision.verdict for item in self.outcomes)
        return {
            "new": {"model": self.new.model, "params": dict(self.new.params)},
            "old": self.old,
            "headline": self.headline,
            "ends": list(self.ends),
            "counts": {name: counts[name] for name in VERDICTS},
            "verdicts": self.verdicts,
            "comparisons": [item.record() for item in self.outcomes],
            "not_compared": self.left_out_lines,
            "remarks": self.remarks,
            "stopped": self.stopped,
            "calls": self.calls,
            "spent_usd": self.spent_usd,
            "budget_usd": self.budget_usd,
            "confidence": self.confidence,
            "run_id": self.run_id,
            "applied": [item.to_json() for item in self.applied],
        }

    def apply(
        self, prompts: Sequence[str] | None = None, *, dry_run: bool = False
    ) -> list[Applied]:
        """Write the model-specific versions of prompts that may move, and ask for their promotion.

        A prompt may move if all its comparisons say *keep as it is*. Its version for the new model
        gets the alias `champion--<model>` if `pex.promote` accepts the evidence: a recorded run of
        the experiment with its gate, made from the journal: no model is asked, so a prompt of
        which an answer is missing stays as it is, as does what promotion refuses. An error with
        one prompt is said in its result, and the others go on.

        Args:
            prompts: only these; None: all that may move.
            dry_run: only say what would happen.

        Raises:
            PexError: a prompt that was not compared.
        """
        verdicts = self.verdicts
        names = chosen(verdicts, prompts)
        self.applied = []
        for name in names:
            if verdicts[name] == KEEP:
                self.applied.append(apply(name, self.outcomes, dry_run=dry_run))
            elif prompts is not None:
                self.applied.append(Applied(name, f"nothing moves: {verdicts[name]}"))
        return self.applied
