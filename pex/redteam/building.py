"""From an experiment and suites to an ordinary experiment: its variants x attacks and twins."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.attack_columns import ATTACK, GOAL, KIND, PLAIN, TWIN
from pex.core.case import Case
from pex.core.errors import PexError, nearest
from pex.core.project import check_inside
from pex.core.variant import Variant
from pex.experiment.experiment import Experiment
from pex.project.redteam_spec import RedteamSpec
from pex.redteam.converters import TRANSLATIONS
from pex.redteam.families import chosen
from pex.redteam.made_cases import Planned, cases_of
from pex.redteam.scorers import Resisted, TaskDone
from pex.redteam.suite import Attack, Suite, check_converter, load_suites
from pex.score.base import Scorer
from pex.score.judge.judge import Judge

NAME = "redteam"
"""The end of the name of an experiment's red-team runs: `review-sentiment-redteam`."""


@dataclasses.dataclass(frozen=True, slots=True)
class LeftOut:
    """Attacks that do not fit the experiment, with the reason."""

    reason: str
    attacks: Sequence[str]

    def __str__(self) -> str:
        shown = ", ".join(self.attacks[:3]) + (" …" if len(self.attacks) > 3 else "")
        count = "1 attack" if len(self.attacks) == 1 else f"{len(self.attacks)} attacks"
        return f"{count} left out: {self.reason} ({shown})"


@dataclasses.dataclass(frozen=True, slots=True)
class Attacked:
    """An experiment that attacks another one's prompts, and what did not fit into it."""

    experiment: Experiment
    left_out: Sequence[LeftOut]
    variables: Mapping[str, str]

    def __repr__(self) -> str:
        kinds = [case.inputs[KIND] for case in self.experiment.cases]
        attacks, twins, plain = (kinds.count(kind) for kind in (ATTACK, TWIN, PLAIN))
        said = (
            f"{self.experiment.name}: {len(self.experiment.variants)} variants x {attacks} attacks "
            f"and {twins} harmless twins, beside {plain} cases as they are; in "
            f"{' and '.join(f'{{{{ {name} }}}}' for name in self.variables)}"
        )
        return "\n".join([said, *map(str, self.left_out)])


class AttackJudge(Judge):
    """A judge that is asked only about attacks which nothing else can decide."""

    def applies(self, case: Case) -> bool:
        """Whether it is asked about a case."""
        return case.inputs.get(GOAL) == "judge" and super().applies(case)


def attack(
    experiment: str | Path | Experiment,
    *,
    suites: Sequence[str] | None = None,
    converters: Sequence[str] | None = None,
    categories: Sequence[str] | None = None,
    variables: Mapping[str, str] | None = None,
    per_category: int | None = None,
    families: str = "all",
    judge: Judge | None = None,
    **changes: Any,
) -> Attacked:
    """Make an ordinary experiment that attacks the prompts of another one.

    Its cases are the attacks of the suites, their harmless twins, and the cases that carry them, as
    they are. Its scores are `resisted` and `task_done`; it is run, resumed, paid for, compared and
    recorded like any other. No model is called here.

    Args:
        experiment: the experiment or its file; its section `redteam:` has the defaults.
        suites: `built-in`, names of built-in suites, and files beside the experiment.
        converters: the forms in which attacks are sent; by default, those of each suite.
        categories: only these.
        variables: which variable holds what others write: `{"review": "value"}`; or `document`,
            `tool_result`, `message`.
        per_category: at most so many attacks of a category, spread over their forms.
        families: `all`; `held_out`: only those that no training data may have; or `train`.
        judge: decides attacks that nothing else can; it counts once it is calibrated.
        changes: keys of the experiment's file, such as `repeats=3` or `models=[…]`.

    Raises:
        PexError: something does not fit.
    """
    base = experiment if isinstance(experiment, Experiment) else Experiment.load(
        experiment, **changes
    )  # fmt: skip
    spec = base.redteam
    folder = base.path.parent if base.path else Path.cwd()
    if not suites:
        for name in spec.suites:
            check_named(base, name, "suites")
    known = load_suites(list(suites or spec.suites), folder)
    chosen_forms = list(converters or spec.converters)
    for name in chosen_forms:
        try:
            check_converter(name)
        except ValueError as error:
            raise PexError(f"converters: {error}") from None
    targets = targets_of(base, dict(variables or spec.variables))
    tool, why_no_tool = _tool(base.variants, spec)
    carriers = carriers_of(base, spec.carriers)
    left: dict[str, list[str]] = {}
    planned: list[Planned] = []
    for suite in known:
        for item in suite.attacks:
            if categories and item.category not in categories:
                continue
            if not chosen(item.family, families):
                continue
            variable = _variable(item, targets)
            if variable is None:
                what = item.place.replace("_", " ")
                reason = f"no variable is said to hold a {what} (redteam: variables: …)"
                left.setdefault(reason, []).append(item.id)
            elif item.goal == "tool" and tool is None:
                left.setdefault(why_no_tool, []).append(item.id)
            else:
                planned += _forms(item, suite, chosen_forms, variable)
    if categories:
        there = {item.category for suite in known for item in suite.attacks}
        for name in categories:
            if name not in there:
                raise PexError(f"there is no category '{name}'", hint=nearest(name, sorted(there)))
    planned = _spread(planned, per_category or spec.per_category)
    if not planned:
        raise PexError(
            f"no attack fits experiment '{base.name}'",
            hint="; ".join(left) or "choose other suites",
        )
    cases = cases_of(planned, carriers, [v.prompt.text for v in base.variants], tool or "")
    scorers: list[Any] = [
        Resisted([v.prompt.text for v in base.variants]),
        TaskDone(_task_scorer(base), spec.at_least),
    ]
    if judge is None and spec.judge is not None:
        check_named(base, str(spec.judge.get("prompt", "")), "judge")
        judge = _judge(spec.judge, folder)
    if judge is not None:
        scorers.append(judge)
    made = base.drafted(
        base.variants, cases, scorers, name=f"{base.name}-{NAME}", own_scorers=False
    )
    return Attacked(made, [LeftOut(*item) for item in left.items()], targets)


def check_named(base: Experiment, name: str, key: str) -> None:
    """Refuse a file that the section `redteam:` names, if it is outside the project."""
    if base.path is not None:
        check_inside(name, base.path.parent, f"{base.path}: redteam: {key}")


def targets_of(base: Experiment, given: Mapping[str, str]) -> dict[str, str]:
    """The variables that hold what others write, with what each of them is.

    Raises:
        PexError: a name that no prompt has, or several variables and nothing says which.
    """
    everywhere = [set(variant.prompt.variables) for variant in base.variants]
    known = set.union(*everywhere)
    for name in given:
        if name not in known:
            raise PexError(
                f"redteam: no prompt of '{base.name}' has the variable '{name}'",
                hint=nearest(name, sorted(known)),
            )
    if given:
        return dict(given)
    columns = {name for case in base.cases for name in case.values}
    marked = {name for v in base.variants for name in _marked(v)} & columns
    shared = marked or set.intersection(*everywhere) & columns
    if len(shared) != 1:
        shown = ", ".join(sorted(shared)) or "none that all prompts have"
        raise PexError(
            f"redteam: which variable of '{base.name}' holds what others write? There is: {shown}",
            hint="--variable NAME, or in experiment.yaml: redteam: {variables: {NAME: value}}",
        )
    return dict.fromkeys(shared, "")


def carriers_of(base: Experiment, most: int) -> list[Case]:
    """The cases that attacks are added to: accepted ones with an expected answer, spread evenly."""
    shown = {case_id for variant in base.variants for case_id in variant.prompt.examples}
    cases = [case for case in base.cases if case.accepted and case.id not in shown]
    labelled = [case for case in cases if case.expected is not None] or cases
    if not labelled:
        raise PexError(f"experiment '{base.name}' has no cases")
    step = max(1.0, len(labelled) / most)
    return [labelled[int(at * step)] for at in range(min(most, len(labelled)))]


def _marked(variant: Variant) -> list[str]:
    """The variables that a prompt marks as untrusted: `{{ review | untrusted }}`."""
    found = re.findall(r"\{\{-?\s*([A-Za-z_]\w*)\s*\|[^{}]*\buntrusted\b", variant.prompt.text)
    return list(dict.fromkeys(found))


def _variable(item: Attack, targets: Mapping[str, str]) -> str | None:
    """The variable that an attack goes into; one without a kind holds everything but messages."""
    for name, what in targets.items():
        if what == item.place or (not what and item.place != "message"):
            return name
    return None


def _forms(item: Attack, suite: Suite, chosen: Sequence[str], variable: str) -> list[Planned]:
    forms = list(dict.fromkeys(chosen or suite.converters))
    return [
        (item, form, variable)
        for form in forms
        if form != TRANSLATIONS or (item.translated and item.twin.translated)
    ]


def _spread(planned: Sequence[Planned], most: int | None) -> list[Planned]:
    """At most so many of each category: every attack once before any has a second form."""
    if most is None:
        return list(planned)
    kept = []
    by_category: dict[str, list[Planned]] = {}
    for entry in planned:
        by_category.setdefault(entry[0].category, []).append(entry)
    for entries in by_category.values():
        by_attack: dict[str, list[Planned]] = {}
        for entry in entries:
            by_attack.setdefault(entry[0].id, []).append(entry)
        turned = [
            # Each attack begins with another form.
            own[number % len(own) :] + own[: number % len(own)]
            for number, own in enumerate(by_attack.values())
        ]
        rounds = itertools.zip_longest(*turned)
        kept += [entry for entry in itertools.chain.from_iterable(rounds) if entry][:most]
    return kept


def _tool(variants: Sequence[Variant], spec: RedteamSpec) -> tuple[str | None, str]:
    """The tool that attacks want called, or None with the reason."""
    names = [
        str(tool["function"]["name"])
        for variant in variants
        for tool in (variant.all_params.get("tools") or variant.prompt.tools or [])
    ]
    if spec.tool is not None:
        if spec.tool not in names:
            raise PexError(
                f"redteam: no prompt has the tool '{spec.tool}'", hint=nearest(spec.tool, names)
            )
        return spec.tool, ""
    return (names[0], "") if names else (None, "the prompts have no tools")


def _task_scorer(base: Experiment) -> Scorer | None:
    """The scorer that says whether the task was done: the gate's, else the first."""
    metric = str((base.gate or {}).get("metric", ""))
    scorers = base.scorers
    named = [item for item in scorers if metric == item.name or metric.startswith(f"{item.name}.")]
    return next(iter([*named, *scorers]), None)


def _judge(options: Mapping[str, Any], folder: Path) -> Judge:
    known = ("prompt", "model", "name", "params")
    for key in options:
        if key not in known:
            raise PexError(f"redteam: judge: unknown key '{key}'", hint=nearest(key, known))
    if "prompt" not in options:
        raise PexError("redteam: judge: the key 'prompt' is missing")
    return AttackJudge(
        folder / str(options["prompt"]),
        options.get("model"),
        options.get("name"),
        options.get("params"),
    )
