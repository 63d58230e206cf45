"""GEPA, a reflective evolutionary optimiser, called directly (the extra `improve`).

It gets training cases only: one part to learn from, another to rank its candidates by. The sets
that choose and confirm afterwards are never shown to it. Its calls go through the workbench, so
they are in the journal, the ledger and the budget.

Source: L. A. Agrawal and others, GEPA: Reflective Prompt Evolution Can Outperform Reinforcement
Learning, arXiv 2507.19457 (2025); the package gepa, MIT.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core import template
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.extras import require
from pex.core.prompt import Prompt
from pex.improvement.check_proposal import check_proposal
from pex.improvement.proposal import BudgetSpent, Measured, Proposal, Workbench
from pex.improvement.ways.failures import shortened
from pex.improvement.ways.kept_variables import kept_variables

if TYPE_CHECKING:
    from gepa.core.adapter import EvaluationBatch

RANKED = 0.4
"""The share of the training cases that candidates are ranked by; the rest is learned from."""
MOST_RANKED = 40

_REFLECTION = """\
A language model gets the following text, once for each input, with values in place of the \
variables in double braces:
```
<curr_param>
```

These are examples of inputs, with the model's answer to each and feedback on it:
```
<side_info>
```

Write a better text. Read the answers and the feedback, and find what the text leaves unsaid: \
facts about the task, the form of the answer, what to do in which situation, a strategy that \
works. State it in general, so that it helps with inputs that are not shown here.
{keep}
Do not repeat wording of the inputs or the expected answers: a text that has five or more words in \
a row of one of them is thrown away.

Provide the whole new text within ``` blocks."""


class Gepa:
    """The optimiser GEPA.

    Args:
        max_metric_calls: about how many answers of the prompt's model it may use; the answers of
            the writing model come on top, at most one for every `minibatch` of them.
        minibatch: how many cases the writing model is shown at a time.
        proposals: how many of the candidates that beat the prompt are proposed, the best first.
        reply_tokens: the most tokens of a reply of the writing model; default: the project's limit.

    Raises:
        PexError: the package gepa is not installed.
    """

    name = "gepa"

    def __init__(
        self,
        max_metric_calls: int = 200,
        minibatch: int = 3,
        proposals: int = 3,
        reply_tokens: int | None = None,
    ) -> None:
        require("improve", "the way 'gepa'")
        self._max_metric_calls = max_metric_calls
        self._minibatch = minibatch
        self._proposals = proposals
        self._reply_tokens = reply_tokens
        params = {} if reply_tokens is None else {"max_tokens": reply_tokens}
        self._question = Prompt("{{ question }}", "gepa-reflection", params=params)
        self.left_out: list[str] = []
        """Why candidates were never run."""
        self.metric_calls = 0
        """How many answers it counted in its last run."""

    def propose(self, parent: Measured, bench: Workbench) -> Iterator[Proposal]:
        """Run GEPA, and propose what beat the prompt on the cases it ranks by.

        If the budget ends, it still proposes what it has found so far, and then raises.

        Raises:
            BudgetSpent: the budget has ended.
        """
        prompt = parent.prompt
        seed = _texts(prompt)
        learned, ranked = _parts(bench.train, prompt.examples, bench.seed)
        if not seed or not learned or not ranked:
            return
        adapter = _Adapter(parent, bench, self._question, self.left_out)
        ended: BaseException | None = None
        try:
            self._optimise(adapter, seed, learned, ranked, bench)
        except _Ended as stop:
            ended = stop.error
        if ended is None or isinstance(ended, BudgetSpent):
            yield from self._found(adapter, parent, len(ranked))
        if ended is not None:
            raise ended

    def _optimise(
        self,
        adapter: _Adapter,
        seed: dict[str, str],
        learned: Sequence[Case],
        ranked: Sequence[Case],
        bench: Workbench,
    ) -> None:
        from gepa.api import optimize

        bounded = adapter.perfect is not None
        gepas: Any = adapter  # it has the parts of GEPA's protocols that are used here
        result: Any = optimize(
            seed_candidate=seed,
            trainset=list(learned),
            valset=list(ranked),
            adapter=gepas,
            reflection_lm=gepas.reflect,
            reflection_prompt_template=_REFLECTION.replace("{keep}", _keep(adapter.prompt)),
            reflection_minibatch_size=min(self._minibatch, len(learned)),
            skip_perfect_score=bounded,
            perfect_score=adapter.perfect if adapter.perfect is not None else 1.0,
            max_metric_calls=self._max_metric_calls,
            cache_evaluation=True,
            logger=_Silence(),
            callbacks=[gepas],
            use_wandb=False,
            use_mlflow=False,
            display_progress_bar=False,
            track_best_outputs=False,
            seed=bench.seed,
            raise_on_exception=True,
        )
        self.metric_calls = result.total_metric_calls or 0

    def _found(self, adapter: _Adapter, parent: Measured, cases: int) -> Iterator[Proposal]:
        """The candidates that beat the first one, the best first."""
        if not adapter.ranking:
            return
        (first, _), *others = adapter.ranking
        better = [(score, prompt) for score, prompt in others if score > first]
        better.sort(key=lambda item: -item[0])  # stable: of equals, the first found
        for score, prompt in better[: self._proposals]:
            turned = 1 if adapter.bench.higher_is_better else -1
            why = (
                f"found by GEPA: {turned * score:.3g} instead of {turned * first:.3g} on "
                f"{cases} training cases"
            )
            yield Proposal(prompt, self.name, parent.prompt.digest, why, prompt.examples)


class _Ended(BaseException):
    """An error of the workbench on its way through GEPA, which keeps on after exceptions."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _Silence:
    """GEPA's log is not shown: what it did is in its proposals."""

    def log(self, message: str) -> None:
        """Drop a line."""


class _Adapter:
    """GEPA's connection to the workbench: a candidate is the texts of a prompt's messages."""

    propose_new_texts = None
    """GEPA's own reflection is used."""

    def __init__(
        self, parent: Measured, bench: Workbench, question: Prompt, left_out: list[str]
    ) -> None:
        self._question = question
        self.prompt = parent.prompt
        self.bench = bench
        self.ranking: list[tuple[float, Prompt]] = []
        """The candidates that were ranked, with their means; the first is the prompt itself."""
        self._left_out = left_out
        scores = list(parent.scores.values())
        share = bool(scores) and bench.higher_is_better and 0 <= min(scores) <= max(scores) <= 1
        self.perfect = 1.0 if share else None
        self._worst = min([0.0, *scores])

    def evaluate(
        self, batch: list[Case], candidate: dict[str, str], capture_traces: bool = False
    ) -> EvaluationBatch[dict[str, Any], str]:
        """Measure a candidate; one that could not be used is not run and has the worst score."""
        from gepa.core.adapter import EvaluationBatch

        made = self._prompt_of(candidate)
        if isinstance(made, str):
            reason = f"not usable: {made}"
            if reason not in self._left_out:
                self._left_out.append(reason)
            traces = [_record(case, self.prompt.variables, "", made) for case in batch]
            scores = [self._worst - 1] * len(batch)
            none = [""] * len(batch)
            return EvaluationBatch(none, scores, traces, num_metric_calls=0)
        try:
            (measured,) = self.bench.measure([made], batch)
        except Exception as error:
            raise _Ended(error) from error
        rows = {str(row["case_id"]): row for row in measured.frame.to_dict("records")}
        outputs, scores, traces = [], [], []
        for case in batch:
            row = rows.get(case.id, {})
            score = measured.scores.get(case.id, self._worst)
            output = row.get("output") if isinstance(row.get("output"), str) else ""
            outputs.append(str(output))
            scores.append(score)
            feedback = self._feedback(case, row, score)
            traces.append(_record(case, made.variables, str(output), feedback))
        return EvaluationBatch(outputs, scores, traces if capture_traces else None)

    def make_reflective_dataset(
        self,
        candidate: dict[str, str],
        eval_batch: EvaluationBatch[dict[str, Any], str],
        components_to_update: list[str],
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """What the writing model is shown: the same cases for every message."""
        return dict.fromkeys(components_to_update, eval_batch.trajectories or [])

    def reflect(self, question: str | list[dict[str, Any]]) -> str:
        """Ask the writing model; a failed call is an empty reply, which changes nothing."""
        try:
            ((reply,),) = self.bench.ask(self._question, [{"question": str(question)}])
        except Exception as error:
            raise _Ended(error) from error
        if reply.error is not None:
            self._left_out.append(f"with a failed call: {reply.error}")
        return reply.text

    def on_valset_evaluated(self, event: Mapping[str, Any]) -> None:
        """GEPA's call back: a candidate was accepted and ranked."""
        made = self._prompt_of(event["candidate"])
        if isinstance(made, Prompt):
            self.ranking.append((float(event["average_score"]), made))

    def _prompt_of(self, candidate: Mapping[str, str]) -> Prompt | str:
        """The prompt of a candidate, or why it cannot be used."""
        messages = [
            {
                **message,
                "content": candidate.get(_component(at, message["role"]), message["content"]),
            }
            for at, message in enumerate(self.prompt.messages)
        ]
        try:
            made = self.prompt.changed(messages=messages)
        except PexError as error:
            return f"its template is broken: {error.message}"
        if made.messages == self.prompt.messages:
            return made
        proposal = Proposal(made, Gepa.name, self.prompt.digest, "", made.examples)
        return check_proposal(proposal, self.prompt, self.bench.train) or made

    def _feedback(self, case: Case, row: Mapping[Any, Any], score: float) -> str:
        if isinstance(row.get("error"), str):
            return f"The call failed: {row['error']}"
        said = [f"Score: {score if self.bench.higher_is_better else -score:.3g}."]
        reason = row.get(f"reason.{self.bench.metric}")
        if isinstance(reason, str) and reason:
            said.append(reason)
        if case.expected is not None:
            said.append(f"Expected: {shortened(str(case.expected))}")
        return " ".join(said)


def _record(case: Case, names: Sequence[str], output: str, feedback: str) -> dict[str, Any]:
    values = case.values
    return {
        "Inputs": {name: shortened(str(values[name])) for name in names if name in values},
        "Generated Outputs": shortened(output),
        "Feedback": feedback,
    }


def _component(at: int, role: str) -> str:
    return f"{role} message {at + 1}"


def _texts(prompt: Prompt) -> dict[str, str]:
    """The texts that GEPA may change: messages that are more than a variable."""
    return {
        _component(at, message["role"]): message["content"]
        for at, message in enumerate(prompt.messages)
        if isinstance(message["content"], str)
        and message["content"]
        and template.only_variable(message["content"]) is None
    }


def _keep(prompt: Prompt) -> str:
    names = ", ".join(kept_variables(prompt))
    if not names:
        return ""
    return (
        "Keep these variables where the text has them, written exactly so, and add no others: "
        f"{names}."
    )


def _parts(
    train: Sequence[Case], examples: Sequence[str], seed: int
) -> tuple[list[Case], list[Case]]:
    """The cases to learn from and those to rank by; groups stay together."""
    cases = [case for case in train if case.id not in examples]
    units: dict[str, list[Case]] = {}
    for case in cases:
        units.setdefault(
            f"case {case.id}" if case.group is None else f"group {case.group}", []
        ).append(case)
    names = sorted(units)
    random.Random(seed).shuffle(names)
    wanted = min(MOST_RANKED, math.ceil(RANKED * len(cases)))
    ranked: list[Case] = []
    learned: list[Case] = []
    for name in names:
        (ranked if len(ranked) < wanted else learned).extend(units[name])
    return learned, ranked
