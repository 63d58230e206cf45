"""The options of a run: their names and types, and the defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, get_type_hints

from pex.core.batch_context import BatchContext
from pex.core.checks import check_count, check_positive
from pex.core.errors import PexError, nearest
from pex.core.text import whole_text
from pex.project.settings import Settings
from pex.project.spec import ExperimentSpec
from pex.run.shared_budget import SharedBudget

F = TypeVar("F", bound=Callable[..., Any])


class PreviewOptions(TypedDict, total=False):
    """The options of `Experiment.preview`, as `Experiment.run` describes them."""

    limit: int | None
    cases: Sequence[str] | None
    tags: Sequence[str] | str | None
    repeats: int | None
    journal: str | None
    provider_batch: bool
    allow_effects: bool | Sequence[str]


class StartOptions(PreviewOptions, total=False):
    """The options of `Experiment.start`, as `Experiment.run` describes them."""

    only: str | None
    budget_usd: float | SharedBudget | None
    max_in_flight: int | None
    timeout_s: float | None
    stream: bool
    warm_up: bool | None
    record: bool
    traces: int | str | None
    note: str
    mlflow_tags: Mapping[str, str] | None


class RunOptions(StartOptions, total=False):
    """The options of `Experiment.run`, which describes them."""

    show: bool | None


DEFAULTS: RunOptions = {
    "limit": None,
    "cases": None,
    "tags": None,
    "only": None,
    "repeats": None,
    "budget_usd": None,
    "max_in_flight": None,
    "timeout_s": None,
    "journal": None,
    "stream": False,
    "provider_batch": False,
    "allow_effects": False,
    "warm_up": None,
    "record": True,
    "traces": None,
    "show": None,
    "note": "",
    "mlflow_tags": None,
}
"""Default values of all options, in the order in which they are shown. None: the experiment's
value, else the project's setting."""


def shows(record: type) -> Callable[[F], F]:
    """Make a function that takes `**options: Unpack[record]` show each of them.

    `help()` and a notebook's Tab use the signature; in the code itself the record defines them.

    Example:
        >>> @shows(PreviewOptions)
        ... def ask(**options): ...
        >>> list(inspect.signature(ask).parameters)[:4]
        ['limit', 'cases', 'tags', 'repeats']
    """
    types = get_type_hints(record)
    options = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=types[name]
        )
        for name, default in DEFAULTS.items()
        if name in types
    ]

    def shown(function: F) -> F:
        signature = inspect.signature(function)
        others = list(signature.parameters.values())[:-1]  # the last one is **options
        function.__signature__ = signature.replace(parameters=others + options)  # type: ignore[attr-defined]
        return function

    return shown


def complete(options: Mapping[str, Any], record: type) -> RunOptions:
    """The options, completed with defaults.

    Raises:
        PexError: `record` has no such option, or a value that a run's record cannot store.

    Example:
        >>> complete({"limit": 3}, RunOptions)["record"]
        True
        >>> complete({"limt": 3}, RunOptions)
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: unknown option 'limt'
          did you mean 'limit'?
    """
    known = get_type_hints(record)
    for name in options:
        if name not in known:
            raise PexError(f"unknown option '{name}'", hint=nearest(name, known))
    whole: RunOptions = {**DEFAULTS, **options}  # type: ignore[typeddict-item]
    whole["note"] = whole_text(whole["note"], "note")
    if whole["mlflow_tags"] is not None:
        whole["mlflow_tags"] = whole_text(dict(whole["mlflow_tags"]), "mlflow_tags")
    return whole


def check(options: RunOptions) -> None:
    """Check the values that are needed only when a run starts.

    Raises:
        PexError: a value does not fit.
    """
    check_count("max_in_flight", options["max_in_flight"])
    check_positive("timeout_s", options["timeout_s"])
    if options["provider_batch"] and options["stream"]:
        raise PexError("a provider batch cannot be streamed: give stream or provider_batch")
    if options["warm_up"] not in (True, False, None):
        raise PexError(f"warm_up={options['warm_up']!r}: expected True, False or None")
    if options["provider_batch"] and options["warm_up"]:
        raise PexError("a provider batch has no order: give warm_up or provider_batch")
    traces(options, Settings())


def repeats(options: RunOptions, spec: ExperimentSpec) -> int:
    """How often each case is run: the option, else the experiment's; a batch can multiply it."""
    value = spec.repeats if options["repeats"] is None else options["repeats"]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise PexError(f"repeats: expected a whole number of at least 1, got {value!r}")
    return value * BatchContext.from_environ().repeats_times


def budget_usd(options: RunOptions, spec: ExperimentSpec, settings: Settings) -> float:
    """What the run may spend: the option, else the experiment's value, else the project's."""
    given = options["budget_usd"]
    given = given.cap_usd if isinstance(given, SharedBudget) else given
    check_positive("budget_usd", given, zero=True)
    for value in (given, spec.budget_usd):
        if value is not None:
            return float(value)
    return settings.budget.usd_per_run


def traces(options: RunOptions, settings: Settings) -> int | str:
    """How many rows get a trace in MLflow: the option, else the project's setting."""
    from pex.record.choose_traces import check_traces

    value = options["traces"]
    return check_traces(settings.record.traces if value is None else value)
