"""Between an experiment and a draft of it: which cases it has, and what it becomes."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex import local
from pex.core.cases import Case, select
from pex.core.errors import PexError, nearest
from pex.core.project import project_of
from pex.core.prompt import Prompt
from pex.core.variant import Variant
from pex.experiment.experiment import Experiment
from pex.playground.checks import EXPECTED, scorers_of
from pex.playground.draft import Column, Draft, Entry, Problem
from pex.playground.recorded_paths import path_checks, recorded_tools
from pex.playground.starting import BUILT_IN_MODEL, NAME
from pex.project import keys
from pex.project.settings import Settings, load_settings
from pex.run.endpoint import check, key_variable
from pex.run.estimate import Preview
from pex.run.prices import check_priced, listed, price_of
from pex.run.providers import BUILT_IN
from pex.run.request import requests
from pex.score.frame import failed_rows


def warm(base: Experiment | None) -> None:
    """Load what a recorded run needs, so the first one starts at once; creates nothing."""
    from pex.tracking import store

    with contextlib.suppress(PexError):  # a run will say so
        project, settings = settings_of(base)
        store.warm(store.tracking_uri(project, settings))


def pick(experiment: Experiment | None, draft: Draft, how: str, value: Any) -> list[Case]:
    """Cases of an experiment that the draft does not have yet.

    Args:
        experiment: where they come from.
        draft: what there is already.
        how: "id", "first", "random" or "failures" (of its last run).
        value: the id, or how many.

    Raises:
        PexError: there is no experiment, no such case, or none left.
    """
    if experiment is None:
        raise PexError(
            "there is no experiment to choose cases from",
            hint="pex.Playground(experiment) has the cases of an experiment",
        )
    if how == "id":
        return select(experiment.cases, ids=[str(value)])
    count = _count(value)
    there = {entry.base.id for entry in draft.entries if entry.base is not None}
    left = [case for case in experiment.cases if case.id not in there]
    if how == "failures":
        failed = _failed(experiment)
        left = [case for case in left if case.id in failed]
    elif how == "random":
        left = random.sample(left, min(count, len(left)))
    elif how != "first":
        raise PexError(f"cases cannot be chosen by '{how}'")
    if not left:
        what = "failed cases of the last run" if how == "failures" else "cases of the experiment"
        raise PexError(f"all {what} are here already")
    return left[:count]


def experiment_of(
    draft: Draft,
    base: Experiment | None,
    columns: Sequence[str] | None = None,
    entries: Sequence[str] | None = None,
    *,
    whole: bool = False,
) -> Experiment:
    """The experiment of a part of a draft.

    Args:
        draft: where it is taken from.
        base: the experiment that the draft started from: name, scorers, budget.
        columns: ids of those wanted; None: all.
        entries: ids of those wanted; None: all.
        whole: with the gate of `base`; judges that do not fit are an error then.

    Raises:
        PexError: the part has a problem; all problems are in it.
    """
    wanted = [c for c in draft.columns if columns is None or c.id in columns]
    rows = [e for e in draft.entries if entries is None or e.id in entries]
    check_sound(draft, [c.id for c in wanted], [e.id for e in rows])
    variants = draft.variants([column.id for column in wanted])
    cases = [draft.cases[entry.id] for entry in rows]
    checks = scorers_of(draft.checks, draft.variables)
    tools = recorded_tools(variants, cases)
    paths = path_checks(cases, base.score_names if base is not None else [])
    if base is not None:
        return base.drafted(variants, cases, [*checks, *paths], whole=whole, tools=tools)
    expected = any(case.expected is not None for case in cases)
    scorers = [EXPECTED] if expected and not checks else []
    return Experiment(NAME, variants, cases, [*scorers, *checks, *paths], tools=tools or None)


def sound_part(
    draft: Draft, columns: Sequence[str] | None, entries: Sequence[str] | None
) -> tuple[list[Column], list[Entry]]:
    """What of a part of a draft can be run: what has a problem is left out.

    Args:
        draft: where it is taken from.
        columns: ids of those wanted; None: all.
        entries: ids of those wanted; None: all.

    Raises:
        PexError: nothing is left; all problems are in it.
    """
    wanted = [c for c in draft.columns if columns is None or c.id in columns]
    rows = [e for e in draft.entries if entries is None or e.id in entries]
    rows = [e for e in rows if not draft.entry_problems[e.id]] or rows
    sound = [c for c in wanted if not draft.column_problems[c.id]] or wanted
    check_sound(draft, [c.id for c in sound], [e.id for e in rows])
    return sound, rows


def check_sound(draft: Draft, columns: Sequence[str], entries: Sequence[str]) -> None:
    """Raise a `PexError` with all problems of a part of a draft."""
    found = problems(draft, columns, entries)
    if not columns or not entries:
        found.append("there are no variants" if not columns else "there are no cases")
    if found:
        first, *more = found
        raise PexError(first, hint="\n  ".join(more) or None)


def problems(draft: Draft, columns: Sequence[str], entries: Sequence[str]) -> list[str]:
    """The problems of a part of a draft, a sentence each."""
    of_columns = [
        _sentence(column, item)
        for column in draft.columns
        if column.id in columns
        for item in draft.column_problems[column.id]
    ]
    of_entries = [
        f"case {number}: {item.text}"
        for number, entry in enumerate(draft.entries, 1)
        if entry.id in entries
        for item in draft.entry_problems[entry.id]
    ]
    return of_columns + of_entries


def late_problems(
    draft: Draft, base: Experiment | None, columns: Sequence[str], entries: Sequence[str]
) -> dict[str, list[Problem]]:
    """Problems of valid columns with models and cases, by the column's id.

    Args:
        draft: where they are.
        base: the experiment that it started from.
        columns: ids of columns without a problem.
        entries: ids of entries without a problem.
    """
    _, settings = settings_of(base)
    known = known_models(base, draft, settings)
    own = {v.model for v in base.variants if v.via is not None} if base is not None else set()
    cases = [draft.cases[entry] for entry in entries]
    folder = base.folder if base is not None else Path.cwd()
    models: dict[str, PexError | None] = {}
    found: dict[str, list[Problem]] = {}
    for column in draft.columns:
        if column.id not in columns:
            continue
        if column.model not in models:
            models[column.model] = model_error(column.model, settings, known, own)
        error, where = models[column.model], "model"
        if error is None:
            error, where = _unfit(column.variant(column.prompt), cases, folder), "message:0"
        found[column.id] = (
            [Problem(where, error.message, None, error.hint or "")] if error is not None else []
        )
    return found


def check_none(columns: Sequence[tuple[Column, Sequence[Problem]]]) -> None:
    """Raise a `PexError` with these problems."""
    said = [_sentence(column, item) for column, items in columns for item in items]
    if said:
        raise PexError(said[0], hint="\n  ".join(said[1:]) or None)


def look(
    draft: Draft, base: Experiment | None, fresh: bool
) -> tuple[str, dict[str, list[Problem]]]:
    """What a run of everything would take, and problems with models.

    No model is called, and no server started.
    """
    columns = [c.id for c in draft.columns if not draft.column_problems[c.id]]
    entries = [e.id for e in draft.entries if not draft.entry_problems[e.id]]
    late: dict[str, list[Problem]] = {}
    said = ""
    try:
        late = late_problems(draft, base, columns, entries)
        ready = [column for column in columns if not late[column]]
        if ready and entries:
            experiment = experiment_of(draft, base, ready, entries)
            _check_judges(experiment, base, draft)
            preview = experiment.preview(repeats=1, journal="fresh" if fresh else None)
            said = size(preview, judged=bool(experiment.judges))
    except PexError as error:
        said = error.message
    return said, late


def _check_judges(experiment: Experiment, base: Experiment | None, draft: Draft) -> None:
    """Raise a `PexError` for a judge whose model cannot be called, as far as that is known."""
    _, settings = settings_of(base)
    known = known_models(base, draft, settings)
    for judge in experiment.judges:
        own = [judge.model] if judge.variant.via is not None else []
        error = model_error(judge.model, settings, known, own)
        if error is not None:
            raise PexError(f"judge '{judge.name}': {error.message}", hint=error.hint)


def settings_of(experiment: Experiment | None) -> tuple[Path, Settings]:
    """The project that a draft's runs belong to, and its settings."""
    start = experiment.path.parent if experiment is not None and experiment.path else None
    project = project_of(start)
    return project, load_settings(project)


def model_error(
    ref: str, settings: Settings, known: Sequence[str], own: Collection[str] = ()
) -> PexError | None:
    """Why a model cannot be called, as far as that is known without a call.

    Args:
        ref: `provider/model`.
        settings: the project's.
        known: models that may be meant.
        own: models that are called through a client of the user's.
    """
    try:
        if ref not in own:
            check(ref, settings)
        price = price_of(ref, settings)
        if price is None and ref not in known:
            near = nearest(ref, [name for name in known if name.split("/")[0] in ref])
            if near.startswith("did you mean"):
                return PexError(f"model '{ref}': no price is known for it", hint=near)
        check_priced({ref: price})
    except PexError as error:
        return error
    return None


def used_models(experiment: Experiment | None, draft: Draft) -> list[str]:
    """The models of a draft, and of the experiment that it started from."""
    found = [column.model for column in draft.columns if column.model]
    found += [variant.model for variant in experiment.variants] if experiment is not None else []
    return list(dict.fromkeys(found))


def known_models(experiment: Experiment | None, draft: Draft, settings: Settings) -> list[str]:
    """Models that may be meant: used here, in `pex.toml`, built in, of providers with a key."""
    found = [*used_models(experiment, draft), *settings.prices]
    if local.missing() is None:
        found.append(BUILT_IN_MODEL)
    with_key = [
        (name, provider.prices)
        for name, provider in BUILT_IN.items()
        if provider.prices and keys.has(key_variable(name, settings)[0], settings.project)
    ]
    if with_key:
        found += _listed(dict(with_key))
    return list(dict.fromkeys(found))


def size(preview: Preview, *, judged: bool = False) -> str:
    """What a run would take, in a few words.

    Args:
        preview: of the run.
        judged: whether judges' verdicts are among its calls.
    """
    what = "answers and judgements" if judged else "answers"
    if not preview.calls:
        return f"{_count_of(preview.replayed, what)}, all reused: free"
    parts = [_count_of(preview.calls, what)]
    if preview.unpriced:
        parts.append(f"no price is known for {', '.join(preview.unpriced)}")
    elif preview.at_most_usd == 0:
        parts.append("free")
    elif preview.at_most_usd is not None:
        parts.append(f"at most ${preview.at_most_usd:.2g}")
    if preview.replayed:
        parts.append(f"{preview.replayed} more reused")
    return ", ".join(parts)


def _sentence(column: Column, item: Problem) -> str:
    line = f", line {item.line}" if item.line else ""
    hint = f" ({item.hint})" if item.hint else ""
    return f"variant '{column.name}'{line}: {item.text}{hint}"


def _unfit(variant: Variant, cases: Sequence[Case], folder: Path) -> PexError | None:
    """What fails when the cases are filled in: a template that divides by zero, a missing image."""
    try:
        for _ in requests([variant], cases, 1, None, folder):
            continue
    except PexError as error:
        return error
    return None


def _count_of(count: int, what: str) -> str:
    return f"{count} {'answer' if count == 1 and what == 'answers' else what}"


def _listed(providers: Mapping[str, str]) -> list[str]:
    """The models of the price table."""
    return [
        f"{name}/{model.name}" for name, prices in providers.items() for model in listed(prices)
    ]


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise PexError(f"how many cases: expected a whole number of at least 1, got {value!r}")
    return value


def _failed(experiment: Experiment) -> set[str]:
    frame = experiment.results.frame if experiment.results is not None else None
    if frame is None:
        from pex.record import runs, search
        from pex.tracking import store

        project, settings = settings_of(experiment)
        uri = store.tracking_uri(project, settings)
        last = search.latest(uri, experiment=experiment.name)
        if not last:
            raise PexError(f"'{experiment.name}' has not been run yet, so no case has failed")
        frame, _ = runs.load(uri, last[0]["run_id"])
    return set(frame[failed_rows(frame)]["case_id"])


def prompt_of(draft: Draft, column_id: Any) -> Prompt:
    """The prompt of one column, named after it.

    Raises:
        PexError: the column was removed, or has a problem.
    """
    for column in draft.columns:
        if column.id == column_id:
            found = problems(draft, [column.id], [])
            if found:
                raise PexError(found[0], hint="\n  ".join(found[1:]) or None)
            return column.prompt
    raise PexError("this variant is no longer there")
