"""An experiment: variants x cases x scorers, to be run by hand and every night."""

from __future__ import annotations

import copy
import functools
import itertools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from pex.cases.edits import changes
from pex.cases.file import stamp
from pex.core.cases import Case, load_cases
from pex.core.errors import PexError
from pex.core.names import check_name
from pex.core.safe_text import clean
from pex.core.values import to_json_value
from pex.core.variant import ClientModel, Variant, check_distinct, ref_of, with_clients
from pex.experiment.execution import Execution
from pex.experiment.gate_rule import gate_rule
from pex.experiment.job import Job
from pex.experiment.options import PreviewOptions, RunOptions, StartOptions, complete, shows
from pex.experiment.prepare import ExperimentState, check_judges, prepare, preview
from pex.experiment.save import dumped, kept_files, portable, save, unconfigured
from pex.library.resolve import resolve_beside
from pex.project.files import validate
from pex.project.folder import columns_beside, load_variants
from pex.project.spec import ExperimentSpec, load_spec
from pex.results.results import Results
from pex.run.estimate import Preview
from pex.run.request import check_variables
from pex.score.build import build, parted
from pex.score.judge.judge import Judge

if TYPE_CHECKING:
    import pandas as pd


_COMPARED = {"prompts", "models", "params", "variants", "scorers"}
"""Keys of the file that say what is compared with what."""

_uses = itertools.count(1)


class Experiment:
    """Variants on the same cases, scored.

    Args:
        name: letters, digits, `_`, `.`, `-`; MLflow's experiment gets it too.
        variants: what is compared, usually from `pex.grid`.
        cases: a CSV, JSONL or Parquet file, a DataFrame, or a list of dicts.
        scorers: names, dicts with `kind`, functions `(output, expected=…, **case)`, MLflow scorers,
            judges.
        repeats: how often each case is run.
        budget_usd: the most that a run may spend.
        purpose: what it is for, in a sentence; shown in MLflow and the report.
        columns: which column of the cases is `id`, `expected`, `group`, `tags`; left out, what an
            `experiment.yaml` beside the file of cases says.
        max_error_share: more errors than this share make `pexlab run` end with 5.
        max_in_flight: concurrent calls to each provider.
        timeout_s: how long one call may take.
        gate: a rule on the comparison: `baseline`, `metric`, `margin`, perhaps `confidence` and
            `on_undecided`; `results.gate()` judges by it.

    Raises:
        PexError: whatever does not fit, before any model is called.

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
        cases: str | Path | Sequence[Mapping[str, Any]] | Sequence[Case] | pd.DataFrame,
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
    ) -> None:
        if columns is None and isinstance(cases, str | Path):
            columns = columns_beside(Path(cases))
        self._spec = validate(
            ExperimentSpec,
            {
                "name": check_name(name, "experiment name"),
                "cases": str(cases) if isinstance(cases, str | Path) else "cases.jsonl",
                "columns": dict(columns or {}),
                "repeats": repeats,
                "budget_usd": budget_usd,
                "purpose": purpose,
                "max_error_share": max_error_share,
                "max_in_flight": max_in_flight,
                "timeout_s": timeout_s,
                "gate": dict(gate) if gate else None,
            },
            f"experiment '{name}'",
        )
        self._cases_path: Path | None = None
        if isinstance(cases, str | Path):
            self._cases_path = Path(cases).resolve()
        items = [scorers] if isinstance(scorers, str | Mapping | Judge) else list(scorers)
        self._setup(list(variants), load_cases(cases, columns), items, None)

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
            path: the file; its paths start from its folder.
            prompts: in place of the file's prompts.
            models: in place of the file's models; `pex.Model` of your own clients too.
            set_params: parameters that every variant gets over its own.
            changes: any other key of the file, for example `repeats=3`.

        Raises:
            PexError: a missing file, an unknown key, a value that does not fit.
        """
        path = Path(path).resolve()
        spec = load_spec(path)
        asked = None if models is None else list(map(ref_of, models))
        given = {"prompts": prompts, "models": asked, **changes}
        replaced = {key: value for key, value in given.items() if value is not None}
        if replaced:
            data = spec.model_dump(exclude_unset=True) | to_json_value(replaced)
            if replaced.keys() & _COMPARED and "gate" not in replaced:
                data.pop("gate", None)  # it is a rule on the file's own variants and scores
            spec = validate(ExperimentSpec, data, str(path))
        self = cls.__new__(cls)
        self._spec = spec
        self._cases_path = (path.parent / spec.cases).resolve()
        folder = path.parent
        variants = load_variants(
            spec, folder, set_params or {}, lambda ref: resolve_beside(folder, ref)
        )
        variants = with_clients(variants, models or ())
        cases = load_cases(spec.cases, spec.columns, path.parent)
        self._setup(variants, cases, list(spec.scorers), path.parent)
        self.path = path
        return self

    _drafted_in: Path | None = None
    """Of one that a Playground has changed: where the paths of its images start."""

    def _setup(
        self, variants: list[Variant], cases: list[Case], scorers: list[Any], base: Path | None
    ) -> None:
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
        self.variants = variants
        self.cases = cases
        self._read, self._stamp = cases.copy(), self._stamp_now()
        self.path: Path | None = None
        self.results: Results | None = None
        self.used = next(_uses)
        """Grows with each use of any experiment: the greatest is the one used last."""
        self._scorers = scorers
        self._base = base
        self._built = build(scorers, cases, base)
        check_judges(parted(self._built)[1], variants, 1, self.folder)
        self._gate: dict[str, Any] | None = None
        if self._spec.gate is not None:
            names = [scorer.name for scorer in self._built]
            self._gate = gate_rule(self._spec.gate, variants, names, base or Path.cwd())

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self._spec.name

    @property
    def purpose(self) -> str:
        """What it is for."""
        return self._spec.purpose

    @property
    def budget_usd(self) -> float | None:
        """What a run may spend, None where the project says it."""
        return self._spec.budget_usd

    @property
    def max_error_share(self) -> float:
        """The share of errors from which on a run counts as failed."""
        return self._spec.max_error_share

    def __repr__(self) -> str:
        names = ", ".join(variant.name for variant in self.variants)
        return clean(
            f"Experiment '{self.name}': {len(self.variants)} variants ({names}) x "
            f"{len(self.cases)} cases, scorers: "
            f"{', '.join(scorer.name for scorer in self._built) or 'none'}"
        )

    @shows(PreviewOptions)
    def preview(self, **options: Unpack[PreviewOptions]) -> Preview:
        """What a run would do: the first request as sent, calls, estimated tokens, cost, time.

        No model is called. Earlier calls in the journal say most about tokens and time; without
        them the built-in model's tokenizer where its server runs, else the bytes. Calls to judges
        are in it; what they cost is estimated where the answers that they judge are not there yet.
        """
        chosen = complete(options, PreviewOptions)
        self._read_again()
        return preview(self._state(), chosen)

    @shows(RunOptions)
    def run(self, **options: Unpack[RunOptions]) -> Results:
        """Run every variant on every case, score, show and record; returns when it is done.

        Args:
            limit: only the first cases.
            cases: only the cases with these ids.
            tags: only cases with one of these tags.
            only: "failed" or "errors": only what failed, or had no answer, in the last run.
            repeats: how often each case is run.
            budget_usd: the most that this run may spend.
            max_in_flight: concurrent calls to each provider, at most.
            timeout_s: how long one call may take.
            journal: "reuse" reuses every answer that was ever paid for; "fresh" gets new ones, but
                continues this batch or an unfinished run; "off" keeps nothing.
                Left out, "fresh" within a batch, else "reuse".
            stream: stream the answers, so they are shown as they grow and `ttft_s` is
                known.
            provider_batch: send all requests as one file through the provider's Batch API, at half
                the price, and wait (up to a day); the same call continues an interrupted wait.
            record: write the run to MLflow.
            traces: how many rows get a trace there, written in the background: a number (the same
                cases for every variant, failures and disagreements first), "all" or "none". None:
                what `pex.toml` says, else 500.
            show: a live view in a notebook, a progress bar in a terminal; None shows it where
                there is somebody to see it.
            note: why this run; kept with its record.
            mlflow_tags: further tags for the run in MLflow.

        Returns:
            The results; they are also kept as `.results`.

        Raises:
            PexError: something does not fit; no model was called.
            ProviderError: no answer came at all, and retrying would not help.
            BudgetError: an endpoint reported more than a call could cost; `.results` has the rest.
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
        """The same as `run`, for asynchronous code: `await exp.arun()` keeps the kernel free."""
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

        The handle as the last thing in a cell shows the live grid.
        """
        from pex.experiment.views import in_background

        execution, job = self.prepare(**options)
        return execution.viewed_by(functools.partial(in_background, execution, job)).start()

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write `experiment.yaml`, and beside it prompts and cases that exist only in memory.

        Args:
            path: the YAML file.
            overwrite: replace files with different content.

        A `pex.Model` is written as `provider/model`; where its provider is not in `pex.toml`, a
        warning says which lines to add. Never with the key.

        Raises:
            PexError: a scorer that cannot be named in a file, or a file that would be lost.
        """
        self.path = save(
            Path(path).resolve(),
            self._spec,
            self.variants,
            self._cases_path or self.cases,
            self._scorers,
            self._base or Path.cwd(),
            overwrite=overwrite,
        )
        asked = [*self.variants, *(judge.variant for judge in parted(self._built)[1])]
        said = unconfigured([one.via for one in asked if one.via is not None], self.path)
        if said:
            warnings.warn(clean(said), stacklevel=2)
        return self.path

    def drafted(
        self, variants: Sequence[Variant], cases: Sequence[Case], *, whole: bool = False
    ) -> Experiment:
        """The same experiment with other variants and cases, as a Playground or a cell has them.

        Its scorers stay those that know all of the experiment's cases. It counts as a use of this
        experiment.

        Args:
            variants: what is compared.
            cases: what is asked.
            whole: keep the gate; without it, judges that have nobody to compare with are left out.

        Raises:
            PexError: something does not fit, with `whole` the gate or a judge too.
        """
        self.used = next(_uses)
        new = copy.copy(self)
        variants = with_clients(variants, [v.via for v in self.variants])
        check_distinct(variants)
        check_variables(variants, cases)
        new.variants, new.cases, new.results = list(variants), list(cases), None
        new._drafted_in, new._cases_path = self.folder, None
        if whole:
            check_judges(parted(self._built)[1], variants, 1, new.folder)
            if self._spec.gate is not None:
                names = [scorer.name for scorer in self._built]
                base = self._base or Path.cwd()
                new._gate = gate_rule(self._spec.gate, variants, names, base)
            return new
        kept = [
            number
            for number, scorer in enumerate(self._built)
            if not isinstance(scorer, Judge) or _seats(scorer, variants, new.folder)
        ]
        new._built = [self._built[number] for number in kept]
        new._scorers = [self._scorers[number] for number in kept]
        new._spec, new._gate = self._spec.model_copy(update={"gate": None}), None
        return new

    def dumped_scorers(self, folder: Path) -> tuple[list[Any], list[str]]:
        """The scorers as a file in `folder` would have them, and the names of those that cannot.

        Args:
            folder: where paths in them start.
        """
        return dumped(self._scorers, self._built, self._base or Path.cwd(), folder)

    @property
    def folder(self) -> Path:
        """Where the paths of images start."""
        if self._drafted_in is not None:
            return self._drafted_in
        return self._cases_path.parent if self._cases_path else Path.cwd()

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
                base=self.folder,
            ),
            last=self.results.frame if self.results is not None else None,
            cases_path=self._cases_path,
            scorer_items=portable(self._scorers),
            drafted=self._drafted_in is not None,
        )

    def _stamp_now(self) -> tuple[int, int, int] | None:
        path = self._cases_path
        return stamp(path.stat()) if path is not None and path.is_file() else None

    def _read_again(self) -> None:
        """Take the cases as their file has them now: one was corrected in a grid, say.

        What was changed in `exp.cases` itself stays; either way it is said.
        """
        now = self._stamp_now()
        if self._cases_path is None or now in (None, self._stamp):
            return
        cases = load_cases(self._cases_path, self._spec.columns)
        changed, own = changes(self._read, cases), self.cases != self._read
        if changed and not own:
            check_variables(self.variants, cases)
            self._built = build(self._scorers, cases, self._base)
            self.cases = cases
        self._read, self._stamp = cases.copy(), now
        if changed:
            what = "exp.cases was changed too and is used" if own else "the new version is used"
            warnings.warn(
                clean(f"{self._cases_path.name} has changed since it was read ({changed}); {what}"),
                stacklevel=4,
            )

    def prepare(self, **options: Unpack[StartOptions]) -> tuple[Execution, Job]:
        """A run with the options of `start`, ready to be listened to and started."""
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
