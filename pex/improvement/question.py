"""What an improvement is about: the prompt, the model that it is for, and the score that counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.compare.metric import MEASURED
from pex.core.canonical_json import canonical_json, digest
from pex.core.case import Case
from pex.core.checks import check_positive
from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.core.prompt import Prompt
from pex.core.variant import ClientModel, Variant
from pex.experiment.experiment import Experiment
from pex.library.reference import is_reference
from pex.library.resolve import resolve_beside
from pex.project.listing import find_experiment


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """What is improved, on what, by which score.

    `start` is the prompt with the model and the parameters that every proposal is run with;
    `writer` is the model that writes proposals; `reference` is the start on the model that it is
    adapted from, if there is one. `confidence` is that of the verdict;
    `must_decide` says whether "undecided" counts as a failure; `key` tells this improvement from
    others of the experiment in the ledger.
    """

    experiment: Experiment
    start: Variant
    writer: str | ClientModel
    metric: str
    margin: float | None
    confidence: float
    must_decide: bool = False
    reference: Variant | None = None
    key: str = ""

    @property
    def cases(self) -> list[Case]:
        """The cases that count: without generated ones that nobody has accepted."""
        return [case for case in self.experiment.cases if case.accepted]

    @property
    def name(self) -> str:
        """The name under which its calls are in the ledger."""
        name = f"{self.experiment.name}.improve"
        return f"{name}.{self.key}" if self.key else name

    @property
    def higher_is_better(self) -> bool:
        """Whether more of the score is better: not of cost and time."""
        return self.metric not in MEASURED

    def identity(self) -> list[Any]:
        """What makes two improvements the same one, as plain data."""
        exp = self.experiment
        writer = self.writer if isinstance(self.writer, str) else self.writer.ref
        cases = digest(
            [
                [case.id, canonical_json(case.inputs).decode(), case.expected, case.group]
                for case in self.cases
            ]
        )
        scored = [dict(exp.scorer_digests), exp.splits, exp.max_error_share]
        params = dict(self.start.params)
        target = [self.start.prompt.digest, self.start.model, params, exp.repeats]
        old = self.reference
        adapted = [] if old is None else [old.model, dict(old.params)]
        return [
            exp.name, *target, writer, self.metric, self.margin, self.confidence, cases, *scored,
            *adapted,
        ]  # fmt: skip


def question_of(
    prompt: Prompt | str | None,
    experiment: Experiment | str | Path,
    *,
    model: str | ClientModel | None = None,
    writer: str | ClientModel | None = None,
    metric: str | None = None,
    margin: float | None = None,
    reference: str | ClientModel | None = None,
) -> Question:
    """Look up what `pex.improve` was given.

    Raises:
        PexError: the experiment, the prompt, the model or the score does not exist or is not the
            only one that fits.
    """
    exp = experiment
    if not isinstance(exp, Experiment):
        exp = Experiment.load(find_experiment(str(exp), find_project()))
    start = _start(exp, prompt, model)
    rule = exp.gate or {}
    chosen = _metric(exp, metric)
    if margin is None and chosen == rule.get("metric"):
        margin = rule.get("margin")
    check_positive("margin", margin, zero=True)
    return Question(
        exp,
        start,
        writer or start.via or start.model,
        chosen,
        margin,
        float(rule.get("confidence") or 0.95),
        rule.get("on_undecided") == "fail",
        _reference(exp, start, reference),
    )


def _reference(exp: Experiment, start: Variant, model: str | ClientModel | None) -> Variant | None:
    """The start on the old model, with the parameters that it had there."""
    if model is None:
        return None
    ref = _ref(model)
    own = [v for v in exp.variants if v.model == ref and v.prompt.digest == start.prompt.digest]
    params = _same_params(own) if own else dict(start.params)
    if ref == start.model and params == dict(start.params):
        raise PexError(
            f"the reference '{ref}' is the model that '{start.prompt.name}' is adapted to",
            hint="name the new model with model=…, and the old one as the reference",
        )
    via = own[0].via or ref if own else model
    return Variant(start.prompt, via, params, name=f"{start.prompt.digest}.reference")


def _start(
    exp: Experiment, prompt: Prompt | str | None, model: str | ClientModel | None
) -> Variant:
    """The prompt with its model and parameters, as the experiment runs it."""
    chosen, own = _prompt(exp, prompt)
    if model is not None:
        same = [variant for variant in own if variant.model == _ref(model)]
        params = _same_params(same or own)
        return Variant(chosen, model, params, name=chosen.name)
    models = list(dict.fromkeys(variant.model for variant in own))
    if len(models) > 1:
        raise PexError(
            f"prompt '{chosen.name}' runs on {len(models)} models in experiment '{exp.name}'",
            hint=f"name one: model='{models[0]}'; there is: {', '.join(models)}",
        )
    found = own[0]
    return Variant(chosen, found.via or found.model, _same_params(own), name=chosen.name)


def _prompt(exp: Experiment, prompt: Prompt | str | None) -> tuple[Prompt, list[Variant]]:
    """The prompt, and the variants of the experiment whose model and parameters it takes."""
    if isinstance(prompt, Prompt):
        own = [v for v in exp.variants if v.prompt.digest == prompt.digest]
        own = own or [v for v in exp.variants if v.prompt.name == prompt.name]
        if prompt.model and not own:
            own = [Variant(prompt, params=_same_params(exp.variants))]
        return prompt, own or list(exp.variants)
    names = list(dict.fromkeys(variant.prompt.name for variant in exp.variants))
    if prompt is None:
        baseline = (exp.gate or {}).get("baseline")
        if baseline in names:
            prompt = str(baseline)
        elif len(names) == 1:
            prompt = names[0]
        else:
            raise PexError(
                f"experiment '{exp.name}' has {len(names)} prompts: which one is improved?",
                hint=nearest("", names),
            )
    if is_reference(prompt):
        found = resolve_beside(exp.path.parent if exp.path else exp.folder, prompt)
        return _prompt(exp, found)
    own = [v for v in exp.variants if v.prompt.name == prompt]
    own = own or [v for v in exp.variants if v.name == prompt]
    if not own:
        known = list(dict.fromkeys([*names, *(v.name for v in exp.variants)]))
        raise PexError(
            f"experiment '{exp.name}' has no prompt '{prompt}'", hint=nearest(prompt, known)
        )
    return own[0].prompt, own


def _same_params(variants: Sequence[Variant]) -> Mapping[str, Any]:
    """The parameters of the variants, which must be the same in all of them."""
    if len({canonical_json(variant.params) for variant in variants}) > 1:
        names = [variant.name for variant in variants]
        raise PexError(
            f"prompt '{variants[0].prompt.name}' runs with different parameters: "
            f"{', '.join(names)}",
            hint=f"name one of these variants: prompt='{names[0]}'",
        )
    return dict(variants[0].params)


def _ref(model: str | ClientModel) -> str:
    return model if isinstance(model, str) else model.ref


def _metric(exp: Experiment, metric: str | None) -> str:
    rule = exp.gate or {}
    chosen = metric or rule.get("metric") or (exp.score_names or [""])[0]
    known = [*exp.score_names, *MEASURED]
    if not chosen:
        raise PexError(
            f"experiment '{exp.name}' has no scorer: nothing says which prompt is better",
            hint="give it one, for example scorers=['label']",
        )
    if not any(chosen == name or chosen.startswith(f"{name}.") for name in known):
        raise PexError(
            f"experiment '{exp.name}' has no score '{chosen}'", hint=nearest(chosen, known)
        )
    return str(chosen)
