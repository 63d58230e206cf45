"""The canary: the same few questions to every model every night.

Its prompt and cases never change, so that other answers mean another model behind the name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pex.batch.night.changed import ANSWERS, Change, Recorded, resolved_now, same_asked
from pex.batch.plan import CANARY, Plan
from pex.core.cases import load_cases
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.variant import Variant

if TYPE_CHECKING:
    from pex.results import Results

JOB = CANARY
SHARE = 0.2
"""Models flicker a little even at temperature 0; above this share of other answers it is said."""


def ask(plan: Plan, batch_id: str, models: Sequence[str]) -> Results | None:
    """Ask the canary's questions of these models; None where the plan has none.

    Args:
        plan: whose canary.
        batch_id: of the night.
        models: the models that tonight's runs asked.

    Raises:
        PexError: cases that do not fit the prompt, a provider that refuses.
    """
    from pex.experiment import Experiment

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
    tags = {
        "pex.plan": plan.name,
        "pex.plan_folder": plan.environment()["PEX_PLAN_FOLDER"],
        "pex.batch_id": batch_id,
        "pex.job_id": JOB,
    }
    experiment = Experiment(f"{plan.name}-canary", variants, path)
    return experiment.run(journal="fresh", show=False, mlflow_tags=tags, note="canary")


def changes(now: Recorded, before: Recorded) -> list[Change]:
    """What the canary says of the models: another name that answers, other answers."""
    found = resolved_now(now.frame, before.frame)
    for model in dict.fromkeys(now.frame["model"]):
        asked, other = same_asked(
            *(part[part["model"] == model] for part in (now.frame, before.frame))
        )
        if asked and other / asked > SHARE:
            text = (
                f"{model} is not what it was: {other} of {asked} canary questions, the same to the "
                "letter, got another answer."
            )
            found.append(Change(ANSWERS, text, of=model))
    return found
