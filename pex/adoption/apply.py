"""Model-specific versions of prompts that may move, and their promotion by evidence."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from pex.adoption.journalled import missing_answers
from pex.adoption.measure import project_state
from pex.adoption.outcome import Outcome
from pex.adoption.plan import Task
from pex.core.errors import PexError, nearest
from pex.core.prompt import Prompt
from pex.core.safe_text import clean
from pex.core.variant import Variant, named
from pex.evidence.promotion.promotion import promote
from pex.evidence.promotion.result import MOVED, THERE, WOULD_MOVE, Promotion
from pex.library.reference import Reference
from pex.library.registry import fetch, save_at
from pex.tracking.store import registry_uri


@dataclasses.dataclass(frozen=True)
class Applied:
    """What became of one prompt: its promotion, or why none was asked for.

    `version` is the version for the new model, `run_id` the recorded run that is the evidence.
    `failed` says that an error ended it, which `why` has.
    """

    prompt: str
    why: str = ""
    version: int | None = None
    run_id: str = ""
    promotion: Promotion | None = None
    failed: bool = False

    @property
    def moved(self) -> bool:
        """Whether the model's alias points to the version now."""
        return self.promotion is not None and self.promotion.outcome in (MOVED, THERE)

    def __str__(self) -> str:
        if self.promotion is None:
            return clean(f"{self.prompt}: {self.why}")
        return str(self.promotion)

    __repr__ = __str__

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "prompt": self.prompt,
            "why": self.why,
            "version": self.version,
            "run_id": self.run_id,
            "promotion": self.promotion and self.promotion.to_json(),
            "failed": self.failed,
        }


def chosen(verdicts: Mapping[str, str], prompts: Sequence[str] | None) -> list[str]:
    """The prompts to move, each once; without a choice all that were compared.

    Raises:
        PexError: a prompt that was not compared.
    """
    for name in prompts or ():
        if name not in verdicts:
            raise PexError(f"the prompt '{name}' was not compared", hint=nearest(name, verdicts))
    return list(dict.fromkeys(verdicts if prompts is None else prompts))


def apply(name: str, outcomes: Sequence[Outcome], *, dry_run: bool = False) -> Applied:
    """Save a prompt's version, record the evidence, ask for the promotion; see `Adoption.apply`.

    What goes wrong is said in the result: the other prompts go on.
    """
    own = [item for item in outcomes if item.task.prompt == name]
    gated = [item for item in own if item.task.experiment.gate]
    if not gated:
        return Applied(
            name, f"'{own[0].task.experiment.name}' has no gate, so nothing says what is good "
            "enough: add gate: to its experiment.yaml",
        )  # fmt: skip
    task = gated[0].task
    if task.version is None:
        return Applied(
            name, "the registry has no version with what was compared: "
            f"pexlab library push {name}, then repeat the adoption",
        )  # fmt: skip
    version = task.version
    try:
        if why := _incomplete(task):
            return Applied(name, why, version)
        if dry_run:
            alias = f"would ask to move champion--{task.new.model.partition('/')[2]}"
            return Applied(name, f"{alias}, with '{task.experiment.name}' as the evidence",
                           version)  # fmt: skip
        uri = registry_uri(*project_state()[:2])
        base = fetch(uri, Reference(name, version=version))
        special = special_prompt(base, task)
        if special is not base:
            note = f"for {task.new.model}: adopted in place of {task.old.model}"
            version = save_at(uri, special, name, note=note).version
        run_id = _evidence(task, fetch(uri, Reference(name, version=version)), base)
        made = promote(
            name, version=version, model=task.new.model, run=run_id, instead_of=task.old.model
        )
    except PexError as error:
        return Applied(name, error.message, version, failed=True)
    return Applied(name, "", version, run_id, made)


def _incomplete(task: Task) -> str:
    """Why there can be no evidence: nothing is asked for it, so every answer has to be kept."""
    _, settings, state = project_state()
    missing, unreadable = missing_answers([task], settings, state)
    if unreadable:
        return unreadable[0].why
    lack = missing[task.key]
    sides = ((task.new.model, len(lack.new)), (task.old.model, len(lack.old)))
    said = [f"{number:,} of {model}" for model, number in sides if number]
    if not said:
        return ""
    return (
        f"evidence needs an answer to each of the {len(task.cases):,} cases, and these are "
        f"missing or ended in an error: {', '.join(said)}"
    )


def special_prompt(base: Prompt, task: Task) -> Prompt:
    """The prompt for the new model; the same object if nothing in it would differ.

    It names the new model if the prompt names one, and has the parameters that were adopted with
    the model.
    """
    own = {
        key: value
        for key, value in task.new.all_params.items()
        if task.old.all_params.get(key) != value and base.params.get(key) != value
    }
    model = task.new.model if base.model else None
    if not own and base.model == model:
        return base
    return base.changed(model=model, params={**base.params, **own})


def _evidence(task: Task, special: Prompt, base: Prompt) -> str:
    """Record a run of the experiment with its gate: the version on the new model, the old one.

    Every answer is in the journal: the requests are those of the adoption.
    """
    pair = named([
        Variant(special, task.new.via or task.new.model, task.new.params),
        Variant(base, task.old.via or task.old.model, task.old.params),
    ])  # fmt: skip
    results = task.experiment.gated(pair, pair[1].name).run(
        journal="reuse", budget_usd=0.0, show=False, traces="none",
        note=f"evidence for adopting {task.new.model} in place of {task.old.model}",
    )  # fmt: skip
    return str(results.run_id)


def refused(applied: Sequence[Applied]) -> list[Applied]:
    """Those that did not move."""
    return [item for item in applied if not item.moved and not _would(item)]


def _would(item: Applied) -> bool:
    return item.promotion is not None and item.promotion.outcome == WOULD_MOVE
