"""An experiment: variants x cases x scorers, to be run by hand and every night."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex import local
from pex.core.call import Answer, Request
from pex.core.cases import Case, load_cases, select
from pex.core.errors import PexError, nearest
from pex.core.files import validate
from pex.core.folder import cases_text, columns_beside, load_variants, variants_spec, write
from pex.core.names import check_count, check_name, check_positive, plain
from pex.core.settings import FILE, Settings, find_project, load_settings
from pex.core.spec import ExperimentSpec, dump_spec, load_spec
from pex.core.variant import Variant, check_distinct
from pex.execution import Execution, Job
from pex.results import Results, failed_rows
from pex.run.budget import shared_cap
from pex.run.channel import open_channels
from pex.run.database import database_of
from pex.run.estimate import Preview, estimate
from pex.run.journal import Journal, Run, check_mode
from pex.run.ledger import past
from pex.run.prices import check_priced, price_of
from pex.run.provider_batch import HALF, check_none_away, check_single
from pex.run.request import check_variables, requests
from pex.score.build import build, dump

if TYPE_CHECKING:
    import pandas as pd


class Experiment:
    """Variants on the same cases, scored.

    Args:
        name: letters, digits, `_`, `.`, `-`; MLflow's experiment gets it too.
        variants: what is compared, usually from `pex.grid`.
        cases: a CSV, JSONL or Parquet file, a DataFrame, or a list of dicts.
        scorers: names, dicts with `kind`, functions `(output, expected=…, **case)`, MLflow scorers.
        repeats: how often each case is asked.
        budget_usd: what a run may spend at most.
        purpose: what it is for, in a sentence; shown in MLflow and the report.
        columns: which column of the cases is `id`, `expected`, `group`, `tags`; left out, what an
            `experiment.yaml` beside the file of cases says.
        max_error_share: more errors than this share make `pexlab run` end with 5.
        max_in_flight: calls at once to each provider.
        timeout_s: how long one call may take.
        gate: a rule on a comparison, kept for `pexlab batch`.

    Raises:
        PexError: whatever does not fit, before any model is asked.

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
        scorers: Iterable[Any] | str | Mapping[str, Any] = (),
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
        items = [scorers] if isinstance(scorers, str | Mapping) else list(scorers)
        self._setup(list(variants), load_cases(cases, columns), items, None)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        prompts: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        set_params: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Experiment:
        """Read `experiment.yaml`, with some of its keys replaced.

        Args:
            path: the file; its paths start from its folder.
            prompts: in place of the file's prompts.
            models: in place of the file's models.
            set_params: parameters that every variant gets over its own.
            changes: any other key of the file, for example `repeats=3`.

        Raises:
            PexError: a missing file, an unknown key, a value that does not fit.
        """
        path = Path(path).resolve()
        spec = load_spec(path)
        given = {"prompts": prompts, "models": models, **changes}
        replaced = {key: value for key, value in given.items() if value is not None}
        if replaced:
            data = spec.model_dump(exclude_unset=True) | plain(replaced)
            spec = validate(ExperimentSpec, data, str(path))
        self = cls.__new__(cls)
        self._spec = spec
        self._cases_path = (path.parent / spec.cases).resolve()
        variants = load_variants(spec, path.parent, set_params or {})
        cases = load_cases(spec.cases, spec.columns, path.parent)
        self._setup(variants, cases, list(spec.scorers), path.parent)
        self.path = path
        return self

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
        self.path: Path | None = None
        self.results: Results | None = None
        self._scorers = scorers
        self._base = base
        self._built = build(scorers, cases, base)

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self._spec.name

    @property
    def purpose(self) -> str:
        """What it is for."""
        return self._spec.purpose

    @property
    def max_error_share(self) -> float:
        """The share of errors from which on a run counts as failed."""
        return self._spec.max_error_share

    def __repr__(self) -> str:
        names = ", ".join(variant.name for variant in self.variants)
        return (
            f"Experiment '{self.name}': {len(self.variants)} variants ({names}) x "
            f"{len(self.cases)} cases, scorers: "
            f"{', '.join(scorer.name for scorer in self._built) or 'none'}"
        )

    def preview(
        self,
        *,
        limit: int | None = None,
        cases: Sequence[str] | None = None,
        tags: Sequence[str] | str | None = None,
        repeats: int | None = None,
        journal: str | None = None,
        provider_batch: bool = False,
    ) -> Preview:
        """What a run would do: the first request as sent, calls, estimated tokens, cost, time.

        No model is asked. Earlier calls in the journal say most about tokens and time; without
        them the built-in model's tokenizer where its server runs, else the bytes.
        """
        chosen = select(self.cases, limit=limit, ids=cases, tags=tags)
        project = self._project()
        settings = load_settings(project)
        longest = settings.budget.max_tokens
        times = self._repeats(repeats)
        todo = list(requests(self.variants, chosen, times, longest, self._folder()))
        state = project / settings.journal.path
        database = database_of(state, settings)
        found: Mapping[str, Answer] = {}
        if check_mode(journal) == "reuse" and database.exists():
            with contextlib.closing(Journal(database)) as book:
                found = book.find([request.key for request in todo], Run("", "reuse", ""))
        return estimate(
            todo,
            {ref: price_of(ref, settings) for ref in {v.model for v in self.variants}},
            past(database, self.name),
            found,
            {f"local/{local.MODEL}": functools.partial(local.count_tokens, state)},
            HALF if provider_batch else 1.0,
        )

    def run(
        self,
        *,
        limit: int | None = None,
        cases: Sequence[str] | None = None,
        tags: Sequence[str] | str | None = None,
        only: str | None = None,
        repeats: int | None = None,
        budget_usd: float | None = None,
        max_in_flight: int | None = None,
        timeout_s: float | None = None,
        journal: str | None = None,
        stream: bool = False,
        provider_batch: bool = False,
        record: bool = True,
        show: bool | None = None,
        note: str = "",
        mlflow_tags: Mapping[str, str] | None = None,
    ) -> Results:
        """Ask every variant for every case, score, show and record; returns when it is done.

        Args:
            limit: only the first cases.
            cases: only the cases with these ids.
            tags: only cases with one of these tags.
            only: "failed" or "errors": only what failed, or had no answer, in the last run.
            repeats: how often each case is asked.
            budget_usd: what this run may spend at most.
            max_in_flight: calls at once to each provider, at most.
            timeout_s: how long one call may take.
            journal: "reuse" takes every answer that was ever paid for; "fresh" asks anew, but
                goes on where this batch or an unfinished run has stopped; "off" keeps nothing.
                Left out, "fresh" within a batch, else "reuse".
            stream: have answers streamed, so that they are seen as they grow and `ttft_s` is
                known.
            provider_batch: send all requests as one file through the provider's Batch API, at half
                the price, and wait (up to a day); an interrupted wait goes on with the same call.
            record: write the run to MLflow.
            show: a live view in a notebook, a progress bar in a terminal; None shows it where
                there is somebody to see it.
            note: why this run; kept with its record.
            mlflow_tags: further tags for the run in MLflow.

        Returns:
            The results; they are also kept as `.results`.

        Raises:
            PexError: something does not fit; nothing was asked.
            ProviderError: no answer came at all, and asking again would not help.
            Interrupted: interrupted from the keyboard; it holds the results so far.
        """
        from pex.views import watch

        execution, job = self._prepare(
            limit=limit,
            cases=cases,
            tags=tags,
            only=only,
            repeats=repeats,
            budget_usd=budget_usd,
            max_in_flight=max_in_flight,
            timeout_s=timeout_s,
            journal=journal,
            stream=stream,
            provider_batch=provider_batch,
            record=record,
            note=note,
            mlflow_tags=mlflow_tags,
        )
        with watch(execution, job, show):
            try:
                execution.start()
                return execution.wait()
            finally:
                self.results = execution.results or self.results

    async def arun(self, *, show: bool | None = None, **options: Any) -> Results:
        """The same as `run`, for asynchronous code: `await exp.arun()` keeps the kernel free."""
        from pex.views import watch

        execution, job = self._prepare(**options)
        with watch(execution, job, show, stop=execution.cancel):
            try:
                execution.start()
                return await execution.wait_async()
            finally:
                self.results = execution.results or self.results

    def start(self, **options: Any) -> Execution:
        """Begin a run with the options of `run` (without `show`) and return its handle at once."""
        execution, _ = self._prepare(**options)
        return execution.start()

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write `experiment.yaml`, with prompts and cases that exist only in memory beside it.

        Args:
            path: the YAML file.
            overwrite: replace files that have another content.

        Raises:
            PexError: a scorer that cannot be named in a file, or a file that would be lost.
        """
        path = Path(path).resolve()
        scorers = dump(self._scorers)
        for item in scorers:
            if isinstance(item, dict) and isinstance(item.get("schema"), str):
                schema = (self._base or Path.cwd()) / item["schema"]
                item["schema"] = Path(os.path.relpath(schema, path.parent)).as_posix()
        self.path = write(
            path,
            self._spec.model_copy(update={"scorers": scorers}),
            self.variants,
            self._cases_path or self.cases,
            overwrite,
        )
        return self.path

    def _folder(self) -> Path:
        """Where the paths of images start."""
        return self._cases_path.parent if self._cases_path else Path.cwd()

    def _project(self) -> Path:
        """The project of the experiment's file, wherever the job runs; else of this folder."""
        project = find_project(self.path.parent) if self.path else None
        return project if project and (project / FILE).is_file() else find_project()

    def _repeats(self, repeats: int | None) -> int:
        value = self._spec.repeats if repeats is None else repeats
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise PexError(f"repeats: expected a whole number from 1, got {value!r}")
        return value

    def _prepare(
        self,
        *,
        limit: int | None = None,
        cases: Sequence[str] | None = None,
        tags: Sequence[str] | str | None = None,
        only: str | None = None,
        repeats: int | None = None,
        budget_usd: float | None = None,
        max_in_flight: int | None = None,
        timeout_s: float | None = None,
        journal: str | None = None,
        stream: bool = False,
        provider_batch: bool = False,
        record: bool = True,
        note: str = "",
        mlflow_tags: Mapping[str, str] | None = None,
    ) -> tuple[Execution, Job]:
        from pex.record import runs, store

        project = self._project()
        settings = load_settings(project)
        mode = check_mode(journal)
        if provider_batch and stream:
            raise PexError("a provider batch cannot be streamed: give stream or provider_batch")
        check_count("max_in_flight", max_in_flight)
        check_positive("timeout_s", timeout_s)
        chosen = select(self.cases, limit=limit, ids=cases, tags=tags)
        times = self._repeats(repeats)
        cap = self._cap(budget_usd, settings)
        uri = store.tracking_uri(project, settings)
        longest = settings.budget.max_tokens
        todo = list(requests(self.variants, chosen, times, longest, self._folder()))
        if only is not None:
            wanted = self._places(only, uri)
            todo = [request for request in todo if request.place in wanted]
            if not todo:
                raise PexError(f"only='{only}': there is nothing of that kind in the last run")
        if provider_batch:
            check_single(todo)
        state = project / settings.journal.path
        book = Journal(database_of(state, settings))
        run = book.begin(self.name, self._identity(todo), mode, uri if record else None)
        try:
            found = book.find([request.key for request in todo], run)
            check_none_away(
                book.database,
                run,
                {request.key for request in todo if request.key not in found},
                provider_batch,
            )
            channels = open_channels(
                sorted({request.model for request in todo if request.key not in found}),
                settings,
                state,
                max_in_flight or self._spec.max_in_flight,
                timeout_s or self._spec.timeout_s,
            )
            check_priced({ref: channel.price for ref, channel in channels.items()})
            recorder = None
            if record:
                tags_of_run = {**({"pex.note": note} if note else {}), **(mlflow_tags or {})}
                recorder = runs.Recorder(uri, self.name, tags_of_run, run.mlflow_run_id)
                book.recorded_as(run, recorder.run_id)
        except BaseException:
            book.end(run, "failed")
            book.close()
            raise
        job = Job(
            name=self.name,
            purpose=self.purpose,
            variants=self.variants,
            cases=chosen,
            scorers=self._built,
            repeats=times,
            requests=todo,
            channels=channels,
            journal=book,
            run=run,
            found=found,
            budget_usd=cap,
            batch_budget_usd=shared_cap(),
            stream=stream,
            provider_batch=provider_batch,
            note=note,
            files=self._files(chosen),
            how_to=self._how_to(project),
        )
        return Execution(job, recorder), job

    def _identity(self, todo: Sequence[Request]) -> Iterator[str]:
        """What makes two runs the same one, begun again: the table they fill."""
        yield self.purpose
        yield from (scorer.name for scorer in self._built)
        for request in todo:
            yield f"{request.variant}\0{request.case_id}\0{request.repeat}\0{request.key}"

    def _cap(self, budget_usd: float | None, settings: Settings) -> float:
        """What the run may spend: asked for, else the experiment's, else the project's."""
        check_positive("budget_usd", budget_usd, zero=True)
        for value in (budget_usd, self._spec.budget_usd):
            if value is not None:
                return float(value)
        return settings.budget.usd_per_run

    def _places(self, only: str, uri: str) -> set[tuple[str, str, int]]:
        """The places of the last run that failed, or that had an error."""
        from pex.record import runs

        kinds = ("failed", "errors")
        if only not in kinds:
            raise PexError(
                f"only='{only}': expected 'failed' or 'errors'", hint=nearest(only, kinds)
            )
        frame = self.results.frame if self.results is not None else None
        if frame is None:
            last = runs.latest(uri, experiment=self.name)
            if not last:
                raise PexError(f"only='{only}': '{self.name}' has not been run before")
            frame, _ = runs.load(uri, last[0]["run_id"])
        bad = frame[frame["error"].notna() if only == "errors" else failed_rows(frame)]
        return set(zip(bad["variant"], bad["case_id"], bad["repeat"], strict=True))

    def _files(self, cases: Sequence[Case]) -> dict[str, str]:
        """The experiment as files, to be kept with the record; a part that cannot be is left."""
        files = {"cases.jsonl": cases_text(cases)}
        prompts = {variant.prompt.name: variant.prompt for variant in self.variants}
        for name, prompt in prompts.items():
            try:
                files[f"prompts/{name}.prompty"] = prompt.to_prompty()
            except PexError:  # a message with images has no such file; about.json has its text
                continue
        refs = {name: f"prompts/{name}.prompty" for name in prompts}
        data: dict[str, Any] = {"cases": "cases.jsonl", "columns": {}, "scorers": []}
        with contextlib.suppress(PexError):  # a notebook's function; about.json has its name
            data["scorers"] = dump(self._scorers)
        spec = self._spec.model_copy(update=data | variants_spec(self.variants, refs))
        files["experiment.yaml"] = dump_spec(spec)
        return files

    def _how_to(self, project: Path) -> list[str]:
        if self.path is None:
            return []
        here = self.path
        if here.is_relative_to(project):
            here = here.relative_to(project)
        return [f"pexlab run {here.as_posix()}", "pexlab ui"]
