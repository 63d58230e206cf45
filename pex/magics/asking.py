"""Running a prompt from a cell: its cases, its model, and the run itself."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pex.core import template
from pex.core.canonical_json import canonical_json, digest
from pex.core.case_files import FORMATS
from pex.core.cases import Case, known_variables, read_cases, select
from pex.core.errors import Interrupted, PexError, nearest
from pex.core.project import find_project
from pex.core.prompt import Prompt
from pex.core.variant import Variant, grid
from pex.experiment.experiment import Experiment
from pex.magics.cell import Ask, resolve_value
from pex.project.folder import declared_beside
from pex.project.listing import experiment_files
from pex.results.results import Results
from pex.score.frame import yes_no
from pex.widgets.answer import LiveAnswer, say

MODEL = "local/smollm2"
"""The default model: the built-in one, which is free."""
ONCE = "once"
"""The id of the only case of a prompt without variables."""
TAGS = {"pex.source": "magic"}


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedRun:
    """What a cell will run: an experiment of its own, and the ids of its cases to run.

    `source` is the experiment that the cases are from; None if they are the cell's own.
    """

    experiment: Experiment
    source: Experiment | None
    chosen: Sequence[str]
    title: str

    @property
    def single(self) -> bool:
        """Whether there will be only one answer."""
        return len(self.experiment.variants) == 1 and len(self.chosen) == 1


def plan_run(ask: Ask, prompt: Prompt, space: Mapping[str, Any]) -> PlannedRun:
    """What a cell's options mean, as a run; nothing runs yet.

    Args:
        ask: the options of the cell's line.
        prompt: the prompt to run.
        space: the variables of the notebook.

    Raises:
        PexError: no cases, a variable that they do not have, a model without a provider.
    """
    where = f"%%prompt {prompt.name}"
    source = _source(ask, prompt, space, where)
    cases = source.cases if isinstance(source, Experiment) else source
    origin = source if isinstance(source, Experiment) else None
    check_columns(prompt, cases, where, origin.name if origin is not None else None)
    models, params = _models_and_params(ask, prompt, origin)
    variants = grid([prompt], models, [params])
    experiment = (
        origin.drafted(variants, origin.cases)
        if origin is not None
        else Experiment(prompt.name, variants, cases)
    )
    chosen = [case.id for case in _choose_cases(cases, ask.cases, where)]
    return PlannedRun(experiment, origin, chosen, _title(prompt, cases, chosen, origin, variants))


def plan_chat(ask: Ask, prompt: Prompt, space: Mapping[str, Any]) -> PlannedRun:
    """What a cell's options mean for a conversation: what the user says first needs no value.

    Args:
        ask: the options of the cell's line.
        prompt: the prompt to talk to.
        space: the variables of the notebook.

    Raises:
        PexError: as in `plan_run`.
    """
    last = prompt.messages[-1]
    content = last["content"]
    asks = last["role"] == "user" and isinstance(content, str)
    first = template.only_variable(content) if asks else None
    if first is not None and ask.source is None and first not in ask.values:
        left = set(required_variables(prompt)) - set(ask.values) - {first}
        fitting = None if ask.values else last_experiment(space, _fits(prompt))
        if not left and fitting is None:
            ask = dataclasses.replace(ask, values={**ask.values, first: ""}, cases=[])
    return plan_run(ask, prompt, space)


def run(
    planned: PlannedRun, ask: Ask, live: bool, kept: str, bind: Callable[[Results], None]
) -> Results:
    """Run it, and show the answers as they come.

    Args:
        planned: what to run.
        ask: the options of the cell's line.
        live: show it in a notebook; else on a terminal.
        kept: the Python name of the results.
        bind: stores them; also those of an interrupted run.

    Raises:
        PexError: something does not fit; nothing was run.
        ProviderError: there is not a single answer.
        Interrupted: interrupted from the keyboard; the answers so far are kept.
    """
    options: dict[str, Any] = {
        "cases": planned.chosen,
        "repeats": 1,
        "stream": True,
        "journal": "fresh" if ask.fresh else None,
        "record": ask.record,
        "mlflow_tags": TAGS,
    }
    try:
        results = (_run_single if planned.single else _run_many)(planned, options, live, kept, bind)
    except Interrupted as stopped:
        results = cast(Results, stopped.results)  # a run's own interrupt always has them
        counts = results.about.counts
        raise Interrupted(
            f"stopped after {counts.answered} of {counts.requests} answers; they are in "
            f"{kept}. Rerun the cell to get only the rest",
            results,
        ) from None
    return results


def find_source(name: str, space: Mapping[str, Any], where: str) -> Experiment | list[Case]:
    """The cases of a name: a Python variable, an experiment of the project, a file.

    Raises:
        PexError: there is nothing of that name; the nearest name is given.
    """
    value = space.get(name)
    if isinstance(value, Experiment):
        return value
    if hasattr(value, "to_dict") or (isinstance(value, list) and value):
        return _load_cases(name, value)
    files = experiment_files(find_project())
    path = files.get(name) or next((p for p in _paths(name) if p.exists()), None)
    if path is not None and path.is_dir():
        path = path / "experiment.yaml"
    if path is not None and path.suffix in (".yaml", ".yml"):
        return Experiment.load(path)
    if path is not None or name.lower().endswith(FORMATS):
        return _load_cases(name, path or Path(name))
    known = [*files, *(key for key, item in space.items() if isinstance(item, Experiment))]
    raise PexError(
        f"{where}: there is no experiment or file '{name}'",
        hint=nearest(name, known) if known else "the project has no folder experiments/NAME yet",
    )


def last_experiment(
    space: Mapping[str, Any], fits: Callable[[Experiment], bool] = lambda exp: True
) -> Experiment | None:
    """The experiment among the notebook's variables that was used last, of those that fit."""
    experiments = {id(value): value for value in space.values() if isinstance(value, Experiment)}
    return max(filter(fits, experiments.values()), key=lambda exp: exp.used, default=None)


def columns_of(cases: Sequence[Case]) -> list[str]:
    """The names that a prompt's variables can have with these cases."""
    return list(known_variables(cases))


def required_variables(prompt: Prompt) -> list[str]:
    """The variables that have no default."""
    return [name for name in prompt.variables if name not in prompt.defaults]


def check_columns(prompt: Prompt, cases: Sequence[Case], where: str, origin: str | None) -> None:
    """Raise a `PexError` for a variable without a value; it names the columns there are."""
    columns = columns_of(cases)
    missing = [name for name in required_variables(prompt) if name not in columns]
    if not missing:
        return
    have = ", ".join(columns) or "nothing"
    whose = f"the cases of '{origin}' have" if origin else "there is"
    hint = nearest(missing[0], columns)
    raise PexError(
        f"{where}: no value for {_braces(missing)}; {whose} {have}",
        hint=hint if hint.startswith("did") else f"give it: --with {missing[0]}=…",
    )


def _source(
    ask: Ask, prompt: Prompt, space: Mapping[str, Any], where: str
) -> Experiment | list[Case]:
    if ask.source is not None:
        source = find_source(ask.source, space, f"{where}: --cases")
        if isinstance(source, Experiment):
            return source
        # The following cells have the same cases, but not this one's options.
        check_columns(prompt, source, where, ask.source)
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(ask.source).stem)
        return Experiment(name, grid([prompt], prompt.model or MODEL), source)
    if ask.values:
        return [_case_of_values(ask, prompt, space, where)]
    if not prompt.variables:
        return last_experiment(space) or [Case(ONCE, {})] if ask.cases else [Case(ONCE, {})]
    wanted = set(required_variables(prompt))
    fitting = last_experiment(space, _fits(prompt))
    if fitting is not None:
        return fitting
    if not wanted and not ask.cases:
        return [Case(ONCE, {})]
    last = last_experiment(space)
    if last is not None:
        return last  # check_columns reports the missing columns
    names = list(experiment_files(find_project()))
    cases = f"--cases {names[0]}" if names else "--cases FILE.csv"
    values = " ".join(f"{name}=…" for name in sorted(wanted or prompt.variables))
    raise PexError(f"{where}: no value for {_braces(sorted(wanted or prompt.variables))}",
                   hint=f"give it with --with {values}, or choose cases with {cases}")  # fmt: skip


def _fits(prompt: Prompt) -> Callable[[Experiment], bool]:
    """Whether the cases of an experiment have what a prompt needs."""
    wanted = set(required_variables(prompt))

    def fits(exp: Experiment) -> bool:
        columns = set(columns_of(exp.cases))
        return wanted <= columns and bool(set(prompt.variables) & columns)

    return fits


def _case_of_values(ask: Ask, prompt: Prompt, space: Mapping[str, Any], where: str) -> Case:
    for name in ask.values:
        if name not in prompt.variables:
            raise PexError(f"{where}: the prompt has no variable '{name}'",
                           hint=nearest(name, prompt.variables))  # fmt: skip
    values = {k: resolve_value(v, space, f"{where}: --with {k}") for k, v in ask.values.items()}
    return Case(digest(values), values)


def _load_cases(name: str, source: Any) -> Experiment | list[Case]:
    """The cases of a file or table, with the columns that an experiment beside the file names."""
    columns: dict[str, str] | None = None
    try:
        if isinstance(source, Path):
            columns, reading = declared_beside(source)
            source = {"file": source, **reading.given()}
        table = read_cases(source, columns)
    except PexError as error:
        raise PexError(f"--cases {name}: {error.message}", hint=error.hint) from None
    for sentence in table.unusual:
        say(sentence)
    return table.cases


def _braces(names: Sequence[str]) -> str:
    return ", ".join(f"{{{{ {name} }}}}" for name in names)


def _paths(name: str) -> list[Path]:
    return [Path(name), find_project() / name]


def _models_and_params(
    ask: Ask, prompt: Prompt, scored: Experiment | None
) -> tuple[list[str], dict[str, Any]]:
    """The models and parameters: of the line, else the prompt's, else the experiment's first."""
    first = scored.variants[0] if scored is not None else None
    models = ask.models or ([] if prompt.model else [first.model if first else MODEL])
    own = {k: v for k, v in first.params.items() if k not in prompt.params} if first else {}
    return models, {**own, **ask.params}


def _choose_cases(cases: Sequence[Case], asked: Sequence[str], where: str) -> list[Case]:
    """Cases by id, or by position from 1; an id that is a number takes precedence."""
    if not asked:
        return list(cases)
    known = {case.id for case in cases}
    ids = []
    for item in asked:
        if item not in known and item.isdecimal():
            number = int(item)
            if not 1 <= number <= len(cases):
                raise PexError(f"{where}: --case {item}: there are {len(cases)} cases, and none "
                               "has that id")  # fmt: skip
            item = cases[number - 1].id
        ids.append(item)
    try:
        return select(cases, ids=ids)
    except PexError as error:
        raise PexError(f"{where}: --case: {error.message}", hint=error.hint) from None


def _title(
    prompt: Prompt,
    cases: Sequence[Case],
    chosen: Sequence[str],
    scored: Experiment | None,
    variants: Sequence[Variant],
) -> str:
    """The prompt, its cases, the model and the parameters, in a line."""
    origin = f" of {scored.name}" if scored is not None else ""
    if not cases[0].inputs and len(cases) == 1:
        which = ""
    elif len(chosen) == 1:
        which = f" on case {chosen[0]}{origin}" if len(cases) > 1 else ""
    else:
        all_of = "all " if len(chosen) == len(cases) else ""
        which = f" on {all_of}{len(chosen)} cases{origin}"
    models = ", ".join(dict.fromkeys(variant.model for variant in variants))
    params = [f"{k} {canonical_json(v).decode()}" for k, v in variants[0].all_params.items()]
    model = "model" if len({variant.model for variant in variants}) == 1 else "models"
    return " · ".join([f"{prompt.name}{which}", f"{model}: {models}", *params])


def _run_single(
    planned: PlannedRun,
    options: dict[str, Any],
    live: bool,
    kept: str,
    bind: Callable[[Results], None],
) -> Results:
    view = LiveAnswer(planned.title, live)
    results: Results | None = None
    try:
        execution, _ = planned.experiment.prepare(**options)
        execution.listen(view.on_event)
        execution.start()
        try:
            return execution.wait()
        finally:
            results = execution.results
    finally:
        # However it ends, the view must not go on saying that it runs.
        if results is None:
            view.finish(None, (), "not run")
        else:
            bind(results)
            records = results.frame.to_dict("records")
            row = {str(k): v for k, v in records[0].items()} if records else None
            ended = "" if records else f"not run ({results.status}) · "
            view.finish(row, yes_no(results.frame), f"{ended}kept in {kept}")


def _run_many(
    planned: PlannedRun,
    options: dict[str, Any],
    live: bool,
    kept: str,
    bind: Callable[[Results], None],
) -> Results:
    say(planned.title)
    try:
        results = planned.experiment.run(**options)
    finally:
        if planned.experiment.results is not None:
            bind(planned.experiment.results)
    counts = results.about.counts
    errors = f", {counts.errors} without an answer" if counts.errors else ""
    say(f"{counts.answered} of {counts.requests} answers{errors} · kept in {kept}")
    return results
