"""The canary: the same few questions for every model every night.

Its prompt and cases never change, so different answers mean a different model behind the name. Each
question is run several times, so a model that never quite repeats itself is not mistaken for a
different one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.batch.night.answer_drift import measure_drift, repeats_for
from pex.batch.night.run_changes import ANSWERS, Change, Loader, Recorded, resolved_now
from pex.batch.plan import CANARY, Plan
from pex.batch.run import secret_names
from pex.core.cases import load_cases
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.variant import Variant

if TYPE_CHECKING:
    from pex.results.results import Results

JOB = CANARY


def ask(plan: Plan, batch_id: str, models: Sequence[str]) -> Results | None:
    """Run the canary's questions on these models; None if the plan has no canary.

    They are paid from the plan's budget, like the night's other runs.

    Args:
        plan: the plan with the canary.
        batch_id: the night.
        models: the models that tonight's runs called.

    Raises:
        PexError: cases that do not fit the prompt, or a provider that refuses.
    """
    from pex.experiment.experiment import Experiment

    canary = plan.canary
    if canary is None or not models:
        return None
    path = plan.folder / canary.cases
    if canary.prompt is not None:
        prompt = Prompt.load(plan.folder / canary.prompt)
    else:
        names = list(load_cases(path)[0].inputs)
        if len(names) != 1:
            raise PexError(
                f"{path}: a canary without a prompt has one input, this has {', '.join(names)}",
                hint="canary: {cases: …, prompt: canary.prompty}",
            )
        prompt = Prompt(f"{{{{ {names[0]} }}}}", name=JOB)
    params = {"temperature": 0, "max_tokens": canary.max_tokens}
    variants = [Variant(prompt, model, params, name=model) for model in models]
    experiment = Experiment(f"{plan.name}-canary", variants, path)
    repeats = repeats_for(len(experiment.cases))
    with _as_a_job(plan, batch_id):
        return experiment.run(repeats=repeats, journal="fresh", show=False, note="canary")


@contextlib.contextmanager
def _as_a_job(plan: Plan, batch_id: str) -> Iterator[None]:
    """Run the block as if a job of the batch did: with its tags and its budget."""
    context = dataclasses.replace(plan.context(batch_id), job_id=JOB)
    own = context.to_environ() | secret_names(plan)
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclasses.dataclass(frozen=True, slots=True)
class CanaryHistory:
    """The canary's results tonight, None if it was not run, and its runs of earlier nights.

    `earlier` are rows of the store, newest first; `read` reads one back.
    """

    now: Recorded | None
    earlier: Sequence[Mapping[str, Any]]
    read: Loader

    def since(self, then: Recorded | None) -> list[Change]:
        """The canary's findings about the models since the night that `then` belongs to."""
        if self.now is None or then is None or "batch_id" not in then.run:
            return []
        for row in self.earlier:
            own = row["batch_id"] == then.run["batch_id"]
            if own or row["started_at"] < then.run["started_at"]:
                with contextlib.suppress(PexError):  # it was cut off; try the one before
                    return changes(self.now, self.read(row["run_id"]))
        return []


def changes(now: Recorded, before: Recorded) -> list[Change]:
    """The canary's findings about the models: a different resolved name, different answers."""
    found = resolved_now(now.frame, before.frame)
    for model in dict.fromkeys(now.frame["model"]):
        seen = measure_drift(*(part[part["model"] == model] for part in (now.frame, before.frame)))
        if seen.confident:
            text = (
                f"{model} has changed: {seen.other} of {seen.asked} identical canary questions got "
                "a different answer."
            )
            found.append(Change(ANSWERS, text, of=model))
    return found
