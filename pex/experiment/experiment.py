"""An experiment: variants x cases x scorers, run by hand or every night."""

from __future__ import annotations

import copy
import functools
import itertools
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from pex.cases.edits import changes
from pex.cases.file import stamp
from pex.core.about import RequirementInfo
from pex.core.case_table import CaseTable
from pex.core.cases import Case, Source, file_of, read_cases
from pex.core.errors import PexError, nearest
from pex.core.names import check_name
from pex.core.prompt import Prompt
from pex.core.reading import Reading
from pex.core.safe_text import clean
from pex.core.splits import SetName, check_shares
from pex.core.values import to_json_value
from pex.core.variant import ClientModel, Variant, check_distinct, ref_of, with_clients
from pex.experiment.criteria import Criteria, criteria_of, requirements_of
from pex.experiment.execution import Execution
from pex.experiment.gate_rule import gate_rule
from pex.experiment.job import Job
from pex.experiment.options import PreviewOptions, RunOptions, StartOptions, complete, shows
from pex.experiment.prepare import ExperimentState, check_judges, prepare, preview, request_keys
from pex.experiment.save import dumped, kept_files, portable, save, unconfigured
from pex.experiment.views import tell
from pex.library.resolve import resolve_beside
from pex.project.files import validate
from pex.project.folder import declared_beside, load_variants, with_variants
from pex.project.redteam_spec import RedteamSpec
from pex.project.spec import CasesSpec, ExperimentSpec, load_spec
from pex.results.results import Results
from pex.run.estimate import Preview
from pex.run.request import check_variables
from pex.run.simulated_user import SimulatedUser
from pex.score.base import Scorer
from pex.score.build import build, parted
from pex.score.judge.judge import Judge
from pex.score.model_rules import with_rules
from pex.score.tool_names import check_tool_names
from pex.score.turns import check_turns
from pex.tools.spec import named_tools, written
from pex.tools.toolbox import MAX_STEPS, Toolbox

if TYPE_CHECKING:
    import pandas as pd

    from pex.compare.cases_needed import CasesNeeded


_COMPARED = {"prompts", "models", "params", "variants", "scorers"}
"""Keys of the file that define the comparison."""

_uses = itertools.count(1)


class Experiment:
    """Variants on the same cases, scored.

    Args:
        name: letters, digits, `_`, `.`, `-`; also used for MLflow's experiment.
        variants: the variants to compare, usually from `pex.grid`.
        cases: a CSV, TSV, JSONL, Parquet or Excel file, a DataFrame, or a list of dicts. A dict
            says how a file is read: `{"file": "a.csv", "delimiter": ";", "encoding": "cp1252"}`;
            what it leaves out is found out, and `exp.data` tells.
        scorers: names, dicts with `kind`, functions `(output, expected=…, **case)`, MLflow scorers,
            judges.
        repeats: how often each case is run.
        budget_usd: the most that a run may spend.
        purpose: its purpose, in a sentence; shown in MLflow and the report.
        columns: which column of the cases is `id`, `expected`, `group`, `tags`; by default as in an
            `experiment.yaml` beside the file of cases. Other keys rename: `{"text": "Text body"}`.
        max_error_share: with a larger share of errors, `pexlab run` exits with code 5.
        max_in_flight: concurrent calls to each provider.
        timeout_s: the time limit of one call.
        gate: a rule on the comparison: `baseline`, `metric`, `margin`, optionally `confidence` and
            `on_undecided`; `results.gate()` applies it.
        requirements: what must hold, as dicts with `id`, `text`, optionally `source` (who asked),
            `priority` and `at_least`; a scorer names those that it checks: `checks=["R3"]`. Those
            of the prompts' metadata are added.
        tools: what runs when a model calls a tool, by the tool's name: a function,
            `"module:function"`, or a dict with `kind` (`function`, `recorded`, `made`, `mcp`); or a
            list of functions. Without any, the calls of tools are the answer.
        max_steps: the requests that one answer may take if tools run.
        user: a simulated user who writes the turns after the first: a `pex.SimulatedUser`, or just
            its model.
        splits: the shares of the cases that `pex.improve` learns from, chooses by and confirms
            with: `{"train": 0.5, "select": 0.25, "confirm": 0.25}` unless given.

    Raises:
        PexError: something does not fit; raised before any model is called.

    Example:
        >>> import pex
        >>> prompt = pex.Prompt("Is this positive or negative? {{ review }}", name="short")
        >>> exp = pex.Experiment(
        ...     "reviews",
        ...     variants=pex.grid([prompt], "local/smollm2"),
        ...     cases=[{"review": "Nice.", "expected": "positive"}],
        ...     scorers=["label"],
        ... )
        >>> [case.id for case in exp.cases]
        ['73e47d9ff020']
    """

    def __init__(
        self,
        name: str,
        variants: Sequence[Variant],
        cases: str
        | Path
        | Mapping[str, Any]
        | Sequence[Mapping[str, Any]]
        | Sequence[Case]
        | CaseTable
        | pd.DataFrame,
        scorers: Iterable[Any] | str | Mapping[str, Any] | Judge = (),
        *,
        repeats: int = 1,
        budget_usd: float | None = None,
        purpose: str = "",
        columns: Mapping[str, str] | None = None,
        max_error_share: float = 0.05,
        max_in_flight: int | None = None,
        timeout_s: float | None = None,
        gate: Mapping[str, Any] | None = None,
        requirements: Iterable[Mapping[str, Any]] = (),
        splits: Mapping[str, float] | None = None,
        tools: Mapping[str, Any] | Sequence[Callable[..., Any]] | None = None,
        max_steps: int = MAX_STEPS,
        user: SimulatedUser | Mapping[str, Any] | str | None = None,
    ) -> None:
        table, path, columns = self._table_of(cases, columns)
        self._spec = validate(
            ExperimentSpec,
            {
                "name": check_name(name, "experiment name"),
                "cases": CasesSpec.of(str(path or "cases.jsonl"), table.reading),
                "columns": columns,
                "repeats": repeats,
                "budget_usd": budget_usd,
                "purpose": purpose,
                "max_error_share": max_error_share,
                "max_in_flight": max_in_flight,
                "timeout_s": timeout_s,
                "gate": dict(gate) if gate else None,
                "requirements": list(requirements),
                "splits": dict(splits) if splits else None,
                "max_steps": max_steps,
            },
            f"experiment '{name}'",
        )
        self._cases_path = path.resolve() if path is not None else None
        self._tools = named_tools(tools)
        self._user = SimulatedUser.of(user)
        items = [scorers] if isinstance(scorers, str | Mapping | Judge) else list(scorers)
        self._setup(list(variants), table, items, None)
        if table.columns:  # not for cases that were read before
            tell([*table.unusual, *self._rules_taken])

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        prompts: Sequence[str] | None = None,
        models: Sequence[str | ClientModel] | None = None,
        set_params: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Experiment:
        """Read `experiment.yaml`, with some of its keys replaced.

        Args:
            path: the file; paths in it are relative to its folder.
            prompts: instead of the file's prompts.
            models: instead of the file's models; also `pex.Model` with your own clients. If the
                file lists its variants one by one: each of their prompts and parameters on each
                model.
            set_params: parameters for every variant, overriding its own.
            changes: any other key of the file, for example `repeats=3`.

        Raises:
            PexError: a missing file, an unknown key, a value that does not fit.
        """
        path = Path(path).resolve()
        spec = load_spec(path)
        asked = None if models is None else list(map(ref_of, models))
        given = {"prompts": prompts, "models": asked, **changes}
        given_user = None
        if isinstance(given.get("user"), SimulatedUser | ClientModel):
            given_user = given.pop("user")
        replaced = {key: value for key, value in given.items() if value is not None}
        if replaced:
            if spec.variants and "variants" not in replaced:
                replaced = with_variants(spec.variants, replaced, path)
            data = spec.model_dump(exclude_unset=True) | to_json_value(replaced)
            if replaced.keys() & _COMPARED and "gate" not in replaced:
                data.pop("gate", None)  # a rule on the file's own variants and scores
            spec = validate(ExperimentSpec, data, str(path))
        self = cls.__new__(cls)
        self._spec = spec
        self._cases_path = (path.parent / spec.cases.file).resolve()
        folder = path.parent

        def from_library(ref: str) -> Prompt:
            return resolve_beside(folder, ref)

        variants = load_variants(spec, folder, set_params or {}, from_library)
        variants = with_clients(variants, models or ())
        table = read_cases(spec.cases.model_dump(), spec.columns, path.parent)
        chosen = CasesSpec.of(spec.cases.file, table.reading)
        self._spec = spec.model_copy(update={"cases": chosen})
        strict = not replaced.keys() & {"prompts", "variants"}
        self._place = path.name
        self._tools = dict(spec.tools)
        self._user = SimulatedUser.of(given_user or spec.user, folder, from_library)
        self._setup(variants, table, list(spec.scorers), path.parent, strict=strict)
        tell([*table.unusual, *self._rules_taken])
        self.path = path
        return self

    _place = "this experiment"
    """Where its own requirements are written, for errors."""
    _drafted_in: Path | None = None
    """If a Playground has changed it: the folder that its image paths are relative to."""

    @staticmethod
    def _table_of(
        cases: Source, columns: Mapping[str, str] | None
    ) -> tuple[CaseTable, Path | None, dict[str, str]]:
        """The cases, the file that they are from, and the columns; as an experiment beside says."""
        file = file_of(cases)
        if file is None:
            return read_cases(cases, columns), None, dict(columns or {})
        path, reading = file
        declared, beside = declared_beside(path)
        reading = beside if reading == Reading() else reading
        columns = dict(declared if columns is None else columns)
        return read_cases({"file": path, **reading.given()}, columns), path, columns

    def _setup(
        self,
        variants: list[Variant],
        table: CaseTable,
        scorers: list[Any],
        base: Path | None,
        *,
        strict: bool = True,
    ) -> None:
        cases = table.cases
        if not variants:
            raise PexError(f"experiment '{self.name}': no variants are given")
        for variant in variants:
            if not isinstance(variant, Variant):
                raise PexError(
                    f"experiment '{self.name}': a variant is a pex.Variant, got "
                    f"{type(variant).__name__}",
                    hint="make them with pex.grid(prompts=[…], models=[…])",
                )
        check_distinct(variants)
        check_variables(variants, cases)
        self._base = base
        self._toolbox(False).check(variants)
        self.variants = variants
        self.cases = cases
        self.data = table
        """How the cases were read, and what each column is."""
        self._read, self._stamp = cases.copy(), self._stamp_now()
        self.path: Path | None = None
        self.results: Results | None = None
        self.used = next(_uses)
        """Grows with each use of any experiment: the one used last has the largest value."""
        models = [v.prompt.response_model for v in variants if v.prompt.response_model is not None]
        self._scorers, self._rules_taken = with_rules(scorers, models, cases)
        self._built = build(self._scorers, cases, base)
        self._criteria(strict=strict)
        check_tool_names(self._built, [variant.prompt for variant in variants])
        if self._user is not None:
            self._user.check(variants, cases)
        else:
            check_turns(self._built, variants, cases)
        check_judges(parted(self._built)[1], variants, 1, self.folder)
        self._gate = self._resolved_gate()

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self._spec.name

    @property
    def purpose(self) -> str:
        """Its purpose."""
        return self._spec.purpose

    @property
    def budget_usd(self) -> float | None:
        """What a run may spend, None if the project's setting applies."""
        return self._spec.budget_usd

    @property
    def repeats(self) -> int:
        """How often each case is run, if a run is not told otherwise."""
        return self._spec.repeats

    @property
    def splits(self) -> dict[SetName, float] | None:
        """The shares of the sets that `pex.improve` divides its cases into; None: the usual."""
        return None if self._spec.splits is None else check_shares(self._spec.splits)

    @property
    def max_error_share(self) -> float:
        """The share of errors above which a run counts as failed."""
        return self._spec.max_error_share

    def __repr__(self) -> str:
        names = ", ".join(variant.name for variant in self.variants)
        variants = "1 variant" if len(self.variants) == 1 else f"{len(self.variants)} variants"
        cases = "1 case" if len(self.cases) == 1 else f"{len(self.cases)} cases"
        taken = "".join(f"\n  {line}" for line in self._rules_taken)
        return clean(
            f"Experiment '{self.name}': {variants} ({names}) x {cases}, scorers: "
            f"{', '.join(scorer.name for scorer in self._built) or 'none'}{taken}"
        )

    @shows(PreviewOptions)
    def preview(self, **options: Unpack[PreviewOptions]) -> Preview:
        """What a run would do: the first request as sent, calls, estimated tokens, cost, time.

        No model is called. Earlier calls in the journal give the best estimate of tokens and time;
        without them, the built-in model's tokenizer if its server is running, else the byte count.
        Calls to judges are included; their cost is estimated if the answers do not exist yet.
        """
        chosen = complete(options, PreviewOptions)
        self._read_again()
        return preview(self._state(), chosen)

    @shows(RunOptions)
    def run(self, **options: Unpack[RunOptions]) -> Results:
        """Run every variant on every case; score, show and record the answers.

        Args:
            limit: only the first cases.
            cases: only the cases with these ids.
            tags: only cases with one of these tags.
            only: "failed" or "errors": only what failed, or had no answer, in the last run.
            repeats: how often each case is run.
            budget_usd: the most that this run may spend; a `SharedBudget` caps several.
            max_in_flight: concurrent calls to each provider, at most.
            timeout_s: the time limit of one call.
            journal: "reuse" reuses every answer already paid for; "fresh" gets new ones, but
                continues this batch or an unfinished run; "off" stores nothing.
                By default "fresh" within a batch, else "reuse".
            stream: stream the answers, so they are shown as they grow and `ttft_s` is
                known.
            allow_effects: which tools marked `effects: true` may run: True for all, or their names.
                Otherwise the model is told that they did not run.
            provider_batch: send all requests as one file through the provider's Batch API, at half
                the price, and wait (up to a day); the same call continues an interrupted wait.
            warm_up: one call of each variant is answered before its others go out, so they find the
                prompt in the provider's cache. None: where cache reads are cheaper and the shared
                prefix is long enough for the provider.
            record: write the run to MLflow.
            traces: how many rows get a trace there, written in the background: a number (the same
                cases for every variant, failures and disagreements first), "all" or "none". None:
                the setting in `pex.toml`, else 500.
            show: a live view in a notebook, a progress bar in a terminal; None shows it if the
                session is interactive.
            note: the reason for this run; stored in its record.
            mlflow_tags: additional tags for the run in MLflow.

        Returns:
            The results; they are also available as `.results`.

        Raises:
            PexError: something does not fit; no model was called.
            ProviderError: there was no answer at all, and retrying would not help.
            BudgetError: an endpoint reported a higher cost than a call could have; `.results` has
                the rest.
            Interrupted: interrupted from the keyboard; it holds the results so far.
        """
        from pex.experiment.views import watch

        execution, job = self._prepare(complete(options, RunOptions))
        with watch(execution, job, options.get("show"), blocks=True):
            try:
                execution.start()
                return execution.wait()
            finally:
                self.results = execution.results or self.results

    @shows(RunOptions)
    async def arun(self, **options: Unpack[RunOptions]) -> Results:
        """Like `run`, for asynchronous code: `await exp.arun()` keeps the kernel free."""
        from pex.experiment.views import watch

        execution, job = self._prepare(complete(options, RunOptions))
        with watch(execution, job, options.get("show"), blocks=False):
            try:
                execution.start()
                return await execution.wait_async()
            finally:
                self.results = execution.results or self.results

    @shows(StartOptions)
    def start(self, **options: Unpack[StartOptions]) -> Execution:
        """Start a run with the options of `run` (without `show`) and return its handle at once.

        As the last expression in a cell, the handle shows the live grid.
        """
        from pex.experiment.views import in_background

        execution, job = self._prepare(complete(options, StartOptions))
        return execution.viewed_by(functools.partial(in_background, execution, job)).start()

    def cases_needed(
        self,
        difference: float = 0.05,
        *,
        power: float = 0.8,
        metric: str | None = None,
        baseline: str | None = None,
    ) -> CasesNeeded:
        """How many cases find a difference, from the last results or the last recorded run.

        Without either, it is an assumption, which the answer states. No model is called.

        Args:
            difference: the difference to be found, in the unit of the metric: 0.05 is five points
                of a yes/no score.
            power: how often it should be found.
            metric: a score; None: the first.
            baseline: as in a comparison; None: the gate's, else the first variant.

        Raises:
            PexError: a value does not fit, or the metric or baseline does not exist.
        """
        from pex.compare.cases_needed import check, from_pilot, without_pilot
        from pex.results.load import last_run

        check(difference, power)
        names = self.score_names
        if metric is not None and names and metric not in names:
            raise PexError(f"there is no score '{metric}'", hint=nearest(metric, names))
        cases = [case for case in self.cases if case.accepted]
        results = self.results or last_run(self.name)
        if results is not None and results.scores and results.frame["variant"].nunique() > 1:
            first = baseline or (self._gate or {}).get("baseline")
            known = results.about.variants
            return from_pilot(results.frame, len(cases), difference, power, metric, first, known)
        groups = len({case.group or (case.id,) for case in cases})
        name = metric or next(iter(names), "score")
        return without_pilot(
            len(cases), groups, difference, power, name, max(1, len(self.variants) - 1)
        )

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write `experiment.yaml`, and beside it prompts and cases that exist only in memory.

        Args:
            path: the YAML file.
            overwrite: replace files with different content.

        A `pex.Model` is written as `provider/model`, never with its key; if its provider is not in
        `pex.toml`, a warning shows the lines to add.

        Raises:
            PexError: a scorer that cannot be named in a file, or a file that would be overwritten.
        """
        self.path = save(
            Path(path).resolve(),
            self._spec.model_copy(
                update={"tools": {name: written(name, tool) for name, tool in self._tools.items()}}
            ),
            self.variants,
            self._cases_path or self.cases,
            self._scorers,
            self._scorers_folder,
            overwrite=overwrite,
            user=self._user,
        )
        asked = [*self.variants, *(judge.variant for judge in parted(self._built)[1])]
        asked += [self._user.variant] if self._user is not None else []
        said = unconfigured([one.via for one in asked if one.via is not None], self.path)
        if said:
            warnings.warn(clean(said), stacklevel=2)
        return self.path

    @property
    def score_names(self) -> list[str]:
        """The names of its scores, in the order of the scorers."""
        return [scorer.name for scorer in self._built]

    @property
    def gate(self) -> dict[str, Any] | None:
        """Its rule on the comparison, with the baseline's name in it; None if it has none."""
        return None if self._gate is None else dict(self._gate)

    @property
    def requirements(self) -> list[RequirementInfo]:
        """What must hold: its own requirements, then those of its prompts' metadata."""
        return requirements_of(self._spec, self.variants, self._place)

    def _criteria(self, *, strict: bool = False) -> Criteria:
        given = (self._scorers, self._built, self._scorers_folder, self._place)
        return criteria_of(self._spec, self.variants, *given, strict=strict)

    @property
    def scorer_digests(self) -> Mapping[str, str]:
        """What changes with each scorer's definition, by its score: not with a function's code."""
        return dict(self._criteria().parts["scorers"])

    @property
    def scorers(self) -> list[Scorer]:
        """Its scorers without the judges, as they were built for its cases."""
        return parted(self._built)[0]

    @property
    def redteam(self) -> RedteamSpec:
        """How its prompts are attacked: the section of its file, else the defaults."""
        return self._spec.redteam or RedteamSpec()

    @property
    def tools(self) -> dict[str, Any]:
        """What runs when a model calls a tool, by the tool's name."""
        return dict(self._tools)

    @property
    def user(self) -> SimulatedUser | None:
        """Who writes the turns after the first; None if nobody is simulated."""
        return self._user

    def _toolbox(self, allow_effects: bool | Sequence[str]) -> Toolbox:
        return Toolbox(self._tools, self._spec.max_steps, self._base, allow_effects)

    @property
    def judges(self) -> list[Judge]:
        """The judges among its scorers."""
        return parted(self._built)[1]

    def drafted(
        self,
        variants: Sequence[Variant],
        cases: Sequence[Case],
        checks: Sequence[Any] = (),
        *,
        whole: bool = False,
        name: str | None = None,
        own_scorers: bool = True,
        answers_only: bool = False,
        tools: Mapping[str, Any] | None = None,
    ) -> Experiment:
        """The same experiment with other variants and cases: for a Playground, a cell, a study.

        Its scorers remain those that know all of the experiment's cases. It counts as a use of this
        experiment.

        Args:
            variants: the variants to compare.
            cases: the cases to run.
            checks: scorers besides its own: judges, others as a file would have them.
            whole: keep the gate; otherwise, judges without an opponent are left out.
            name: a name of its own, under which its calls are in the ledger.
            own_scorers: False leaves its own scorers out: only `checks` score.
            answers_only: one request for each answer: no tool runs, and no user is simulated.
            tools: what runs when a model calls a tool, if the experiment itself says nothing.

        Raises:
            PexError: something does not fit; with `whole`, also the gate or a judge.
        """
        self.used = next(_uses)
        new = copy.copy(self)
        variants = with_clients(variants, [v.via for v in self.variants])
        check_distinct(variants)
        check_variables(variants, cases)
        new.variants, new.cases, new.results = list(variants), list(cases), None
        if name is not None:
            new._spec = self._spec.model_copy(update={"name": check_name(name, "experiment name")})
        new._drafted_in, new._cases_path = self.folder, None
        if answers_only:
            new._tools, new._user = {}, None
        elif tools and not new._tools:
            new._tools = named_tools(tools)
        kept_scorers = self._scorers if own_scorers else []
        kept_built = self._built if own_scorers else []
        new._scorers = [*kept_scorers, *checks]
        new._built = [*kept_built, *build(checks, list(cases), self._base)]
        if whole:
            check_judges(parted(self._built)[1], variants, 1, new.folder)
            new._gate = new._resolved_gate()
            return new
        kept = [
            number
            for number, scorer in enumerate(new._built)
            if not isinstance(scorer, Judge) or _seats(scorer, variants, new.folder)
        ]
        new._built = [new._built[number] for number in kept]
        new._scorers = [new._scorers[number] for number in kept]
        dropped: dict[str, Any] = {"gate": None} | ({} if own_scorers else {"requirements": []})
        new._spec, new._gate = new._spec.model_copy(update=dropped), None
        return new

    def gated(self, variants: Sequence[Variant], baseline: str) -> Experiment:
        """The same experiment with other variants, and its gate with another baseline.

        Its runs are runs of this experiment, on its own cases: evidence on what it does not list,
        such as a prompt on a model that is to be adopted.

        Args:
            variants: the variants to compare.
            baseline: the baseline of the gate: a variant, a prompt or a model among them.

        Raises:
            PexError: it has no gate, or something does not fit.
        """
        if self._spec.gate is None:
            raise PexError(f"experiment '{self.name}' has no gate: nothing says what is enough")
        self.used = next(_uses)
        new = copy.copy(self)
        check_distinct(variants)
        check_variables(variants, self.cases)
        new.variants, new.results = list(variants), None
        gate = self._spec.gate.model_copy(update={"baseline": baseline})
        new._spec = self._spec.model_copy(update={"gate": gate})
        new._gate = new._resolved_gate()
        check_judges(parted(self._built)[1], variants, 1, new.folder)
        return new

    def dumped_scorers(self, folder: Path) -> tuple[list[Any], list[str]]:
        """The scorers as written to a file in `folder`, and the names of those that cannot be.

        Args:
            folder: the folder that paths in them are relative to.
        """
        return dumped(self._scorers, self._built, self._scorers_folder, folder)

    @property
    def cases_path(self) -> Path | None:
        """The file of cases; None if they exist only in memory."""
        return self._cases_path

    @property
    def columns(self) -> dict[str, str]:
        """Which columns of the cases have a role or a name of their own."""
        return dict(self._spec.columns)

    @property
    def folder(self) -> Path:
        """The folder that image paths are relative to."""
        if self._drafted_in is not None:
            return self._drafted_in
        return self._cases_path.parent if self._cases_path else Path.cwd()

    @property
    def _scorers_folder(self) -> Path:
        """The folder that paths in scorers and in the gate are relative to."""
        return self._base or Path.cwd()

    def _resolved_gate(self) -> dict[str, Any] | None:
        if self._spec.gate is None:
            return None
        names = self.score_names
        return gate_rule(self._spec.gate, self.variants, names, self._scorers_folder)

    def _state(self) -> ExperimentState:
        return ExperimentState(
            spec=self._spec,
            variants=self.variants,
            cases=self.cases,
            scorers=self._built,
            gate=self._gate,
            path=self.path,
            folder=self.folder,
            files=functools.partial(
                kept_files,
                self._spec,
                self.variants,
                scorers=self._scorers,
                built=self._built,
                base=self._scorers_folder,
                tools=self._tools,
                user=self._user,
            ),
            last=self.results.frame if self.results is not None else None,
            cases_path=self._cases_path,
            reading=self.data.reading,
            scorer_items=portable(self._scorers),
            drafted=self._drafted_in is not None,
            criteria=self._criteria(),
            toolbox=self._toolbox,
            user=self._user,
        )

    def _stamp_now(self) -> tuple[int, int, int] | None:
        path = self._cases_path
        return stamp(path.stat()) if path is not None and path.is_file() else None

    def _read_again(self) -> None:
        """Reload the cases from their file, for example after one was corrected in a grid.

        Changes made in `exp.cases` itself are kept; either way a message says so.
        """
        now = self._stamp_now()
        if self._cases_path is None or now in (None, self._stamp):
            return
        source = {"file": self._cases_path, **self.data.reading.given()}
        table = read_cases(source, self._spec.columns)
        cases = table.cases
        changed, own = changes(self._read, cases), self.cases != self._read
        if changed and not own:
            check_variables(self.variants, cases)
            self._built = build(self._scorers, cases, self._base)
            self.cases, self.data = cases, table
        self._read, self._stamp = cases.copy(), now
        if changed:
            what = "exp.cases was changed too and is used" if own else "the new version is used"
            warnings.warn(
                clean(f"{self._cases_path.name} has changed since it was read ({changed}); {what}"),
                stacklevel=4,
            )

    def request_keys(self) -> list[str]:
        """The keys by which the journal knows the requests of a run."""
        return request_keys(self._state(), complete({}, RunOptions))

    def prepare(self, **options: Unpack[StartOptions]) -> tuple[Execution, Job]:
        """A run with the options of `start`, ready for listeners and for its start."""
        return self._prepare(complete(options, StartOptions))

    def _prepare(self, chosen: RunOptions) -> tuple[Execution, Job]:
        self.used = next(_uses)
        self._read_again()
        return prepare(self._state(), chosen)


def _seats(judge: Judge, variants: Sequence[Variant], folder: Path) -> bool:
    try:
        check_judges([judge], variants, 1, folder)
    except PexError:
        return False
    return True
