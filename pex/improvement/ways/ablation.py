"""Ablation: which sentence of a prompt carries its score."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pex.compare.compare import compare
from pex.compare.metric import metric_of
from pex.compare.verdict import BETTER, NO_WORSE, WORSE, Options
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.project import project_of
from pex.core.prompt import Prompt
from pex.experiment.asking import Reply
from pex.experiment.experiment import Experiment
from pex.improvement.lab import Lab
from pex.improvement.proposal import Measured, Proposal, Workbench
from pex.improvement.question import question_of
from pex.improvement.sets import sets_of
from pex.improvement.ways.ablation_result import Ablated, AblationResult, Verdict
from pex.improvement.ways.sentences import Sentence, sentences_of, without
from pex.project.settings import load_settings
from pex.run.database import database_of
from pex.run.shared_budget import SharedBudget

WHOLE = "whole"
MARGIN = 0.05
MOST = 40
"""More sentences than this are put together, two by two."""

_WORDS: dict[str, Verdict] = {
    WORSE: "carries the score",
    BETTER: "better without",
    NO_WORSE: "can go",
}


def ablate(
    prompt: Prompt,
    bench: Workbench | Experiment,
    cases: Sequence[Case] | None = None,
    *,
    metric: str | None = None,
    budget_usd: float | None = None,
    margin: float | None = None,
    most: int = MOST,
) -> AblationResult:
    """Take each sentence out of a prompt and compare, case by case, with the whole prompt.

    All are run together, so it is as fast as the endpoint is. A sentence can look useless because
    another one says the same: what is said twice carries nothing alone.

    Args:
        prompt: the prompt; its sentences with variables are not taken out.
        bench: measures prompts; or an experiment with cases and scorers.
        cases: the cases; default: the training cases, or all cases of an experiment without sets.
        metric: the score, for an experiment; default: the gate's, else the first.
        budget_usd: the most that may be spent, for an experiment.
        margin: how much worse the prompt may get for a sentence that "can go"; default: 5 % of
            the scale.
        most: from how many sentences on neighbours are put together.

    Raises:
        PexError: the prompt has no sentence that can be taken out, no case has a score, or there is
            no budget for an experiment.
        BudgetSpent: the budget ends before all are answered.
    """
    if isinstance(bench, Experiment):
        bench = _bench_of(prompt, bench, metric, budget_usd)
    cases = bench.train if cases is None else cases
    shorter = {
        sentence: made
        for number, sentence in enumerate(sentences_of(prompt, most), 1)
        if (made := without(prompt, [sentence], f"{prompt.name[:80]}-{number}")) is not None
    }
    if not shorter:
        raise PexError(f"prompt '{prompt.name}': it has no sentence that can be taken out")
    whole, *others = bench.measure([prompt, *shorter.values()], cases)
    return _result(prompt, bench, list(shorter), whole, others, margin)


def _bench_of(
    prompt: Prompt, experiment: Experiment, metric: str | None, budget_usd: float | None
) -> Workbench:
    """A workbench for one look at an experiment's prompt; cases to confirm with stay unseen."""
    if budget_usd is None:
        raise PexError("an ablation of an experiment needs budget_usd, the most it may spend")
    question = question_of(prompt, experiment, metric=metric)
    project = project_of(experiment.path.parent if experiment.path else None)
    settings = load_settings(project)
    database = database_of(project / settings.journal.path, settings)
    lab = Lab(question, SharedBudget(budget_usd, [question.name], time.time()), database, [])
    has_sets = experiment.splits is not None
    train = sets_of(question, {}).split.train if has_sets else experiment.cases
    return _Bench(lab, train, question.metric, question.higher_is_better)


@dataclasses.dataclass(slots=True)
class _Bench:
    """A workbench without a search."""

    lab: Lab
    train: Sequence[Case]
    metric: str
    higher_is_better: bool
    seed: int = 0

    def measure(self, prompts: Sequence[Prompt], cases: Sequence[Case]) -> list[Measured]:
        return self.lab.measure(prompts, cases)

    def ask(
        self, prompt: Prompt, rows: Sequence[Mapping[str, Any]], times: int = 1
    ) -> list[list[Reply]]:
        return self.lab.ask(prompt, rows, times)

    def reference(self) -> Measured | None:
        return None


def _result(
    prompt: Prompt,
    bench: Workbench,
    sentences: Sequence[Sentence],
    whole: Measured,
    others: Sequence[Measured],
    margin: float | None,
) -> AblationResult:
    import pandas as pd

    if not whole.scores:
        raise PexError(f"prompt '{prompt.name}': no case has the score '{bench.metric}'")
    frames = [whole.frame.assign(variant=WHOLE, prompt=WHOLE)]
    frames += [
        other.frame.assign(variant=str(at), prompt=str(at)) for at, other in enumerate(others)
    ]
    frame = pd.concat(frames, ignore_index=True)
    metric = metric_of(frame, bench.metric)
    if margin is None:
        values = frame[metric.column]
        margin = MARGIN if metric.yes_no else MARGIN * float(values.max() - values.min()) or None
    options = Options(margin=margin, lower_is_better=not bench.higher_is_better)
    table = compare(frame, WHOLE, bench.metric, options)
    rows = {row["candidate"]: row for row in table.astype(object).to_dict("records")}
    turned = 1 if bench.higher_is_better else -1
    found = []
    for at, (sentence, other) in enumerate(zip(sentences, others, strict=True)):
        row = rows[str(at)]
        # The table has "without minus with"; a reader asks what the sentence adds.
        ends = [None if _missing(row[key]) else -turned * float(row[key]) for key in ("lo", "hi")]
        low, high = ends if turned < 0 else ends[::-1]
        found.append(
            Ablated(
                sentence,
                turned * other.mean,
                0.0 if _missing(row["diff"]) else -turned * float(row["diff"]),
                low,
                high,
                None if _missing(row["p_adjusted"]) else float(row["p_adjusted"]),
                _WORDS.get(row["verdict"], "undecided"),
            )
        )
    score, number = turned * whole.mean, len(whole.scores)
    return AblationResult(prompt, bench.metric, score, number, tuple(found), metric.yes_no)


def _missing(value: object) -> bool:
    import pandas as pd

    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


class Ablation:
    """Taking out what does not carry the score.

    Proposes the prompt without every sentence whose absence made no training score worse, and
    without the one whose absence helped most. A later comparison decides; what two sentences say
    together is lost if both go.

    Args:
        most: more sentences than this are put together, two by two.
    """

    name = "ablation"

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self.results: list[AblationResult] = []
        """What was found, the latest last."""

    def propose(self, parent: Measured, bench: Workbench) -> Iterator[Proposal]:
        """Measure the prompt without each sentence, and propose shorter ones."""
        prompt = parent.prompt
        if len(sentences_of(prompt, self._most)) < 2:
            return
        found = ablate(prompt, bench, most=self._most)
        self.results.append(found)
        ranked = sorted(found.sentences, key=lambda item: item.difference)
        idle = [item for item in ranked if item.difference <= 0]
        choices = [idle, ranked[:1] if ranked[0].difference < 0 else []]
        if len(idle) == len(found.sentences):
            choices[0] = idle[:-1]
        seen: set[str] = set()
        for removed in choices:
            if not removed:
                continue
            shorter = without(prompt, [item.sentence for item in removed], prompt.name)
            if shorter is None or shorter.digest in seen:
                continue
            seen.add(shorter.digest)
            yield Proposal(
                shorter, self.name, prompt.digest, _why(removed, found), shorter.examples
            )


def _why(removed: Sequence[Ablated], found: AblationResult) -> str:
    if len(removed) == 1:
        text = " ".join(removed[0].sentence.text.split())
        text = text if len(text) <= 80 else f"{text[:79]}…"
        return f"without “{text}”, which adds nothing on {found.cases} training cases"
    return (
        f"without {len(removed)} of {len(found.sentences)} sentences, each of which adds nothing "
        f"on {found.cases} training cases"
    )
