"""Gathers what cards say, for one prompt or for all: each source is read once."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.attempt import attempt
from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.evidence.card.cases_now import CasesNow
from pex.evidence.card.data import (
    CardData,
    Failures,
    Input,
    RequirementState,
    ScoreLine,
    UsageLine,
    VersionLine,
)
from pex.evidence.card.requirement_states import NewestRun, checked_by, requirement_states
from pex.evidence.card.run_facts import RunFacts, short
from pex.evidence.card.text_change import text_change
from pex.evidence.measured import all_measured
from pex.evidence.retiring_models import retiring_models
from pex.evidence.using_experiments import using_experiments
from pex.library.content import decode_tags, kept_text
from pex.library.files import PromptFile, prompt_files
from pex.library.metadata import Metadata, metadata_of, near_misses
from pex.library.moves import Move, read_history, tagged_moves
from pex.library.registry_tables import PromptRow, VersionRow, tables_of
from pex.library.scratch import is_bare, saved_by_tags
from pex.project.settings import load_settings
from pex.record.measurements import Measurement
from pex.tracking.store import exists

_EXAMPLES = 3


def gather_cards(
    project: Path, uri: str, registry: str, names: Collection[str] | None = None
) -> list[CardData]:
    """The data of cards, in alphabetical order.

    Args:
        project: the project's folder.
        uri: the store with the runs.
        registry: the store with the prompts.
        names: only these prompts; None for all. A name that does not exist is left out.

    Raises:
        PexError: a store does not answer.
    """
    sources = _Sources(project, uri, registry, names)
    return [sources.card(name) for name in sources.names]


class _Sources:
    """Everything that cards are made from."""

    def __init__(
        self, project: Path, uri: str, registry: str, names: Collection[str] | None
    ) -> None:
        self.project = project
        self.files: dict[str, list[PromptFile]] = {}
        for file in prompt_files(project):
            self.files.setdefault(file.name, []).append(file)
        tables = tables_of(registry)
        rows = tables.prompts() if exists(registry) else []
        wanted = [row for row in rows if names is None or row.name in names]
        self.rows: dict[str, PromptRow] = {}
        self.versions: dict[str, list[VersionRow]] = {row.name: [] for row in wanted}
        for version in tables.versions([row.name for row in wanted]):
            self.versions[version.name].append(version)
        for row in wanted:
            if self.versions[row.name] and self._is_saved(row):
                self.rows[row.name] = row
        known = self.rows.keys() | self.files.keys()
        self.names = sorted(
            (name for name in known if names is None or name in names),
            key=lambda name: (name.casefold(), name),
        )
        measurements = all_measured(project, uri) if exists(uri) else []
        self.measured: dict[str, list[Measurement]] = {}
        for measurement in measurements:
            self.measured.setdefault(measurement.digest, []).append(measurement)
        self.facts = RunFacts(project, uri, measurements)
        self.moves: dict[str, list[Move]] = {}
        for move in read_history(project).moves():
            self.moves.setdefault(move.prompt, []).append(move)
        self.experiments = using_experiments(project)
        self.retiring = retiring_models(project, load_settings(project))
        self.cases = CasesNow(project)

    def _is_saved(self, row: PromptRow) -> bool:
        saved = saved_by_tags(row.tags, row.aliases)
        versions = self.versions[row.name]
        return not all(is_bare(v.tags, v.note) for v in versions) if saved is None else saved

    def card(self, name: str) -> CardData:
        """The data of one prompt."""
        row = self.rows.get(name)
        versions = self.versions.get(name, []) if row is not None else []
        aliases = dict(row.aliases) if row is not None else {}
        labels = {v.digest: f"v{v.version}" for v in reversed(versions) if v.digest}
        file = next(iter(self.files.get(name, [])), None)
        prompt, shown, problem = self._prompt(versions, aliases, file)
        if prompt is not None and not versions:
            labels[prompt.digest] = "file"
        metadata = self._metadata(file, versions, prompt)
        if isinstance(metadata, PexError):
            # What cannot be read may say that its case data is private.
            problem, metadata = problem or metadata.message, Metadata(private=True)
        paths = self.experiments.get(name, [])
        cases = [] if metadata.private else list(self.cases.shown(paths))
        scores = tuple(self._scores(labels))
        runs = self._runs(labels, prompt)
        text = _text_of(versions, shown, prompt)
        return CardData(
            name=name,
            description=(prompt.description if prompt else "") or (row.description if row else ""),
            shown=shown,
            text=text,
            model=(prompt.model if prompt else None) or "",
            path=file.path if file else "",
            owner=metadata.owner,
            tags=tuple(metadata.tags),
            category={key: str(value) for key, value in metadata.category if value},
            intended_use=metadata.intended_use,
            known_failures=metadata.known_failures,
            inputs=tuple(_inputs(prompt, cases)) if prompt else (),
            requirements=tuple(self._requirements(metadata, paths, runs, prompt)),
            scores=scores,
            usage=tuple(_usage(labels, runs)),
            failures=self._failures(runs, labels, paths, metadata.private),
            safety=tuple(line for line in scores if _is_safety(line.metric)),
            versions=tuple(_version_lines(versions, aliases, row)),
            moves=tuple(self._moves(name, row)),
            aliases=aliases,
            experiments=tuple(path.parent.name for path in paths),
            private=metadata.private,
            problem=problem,
            retiring=tuple(item.dated for item in self.retiring if name in item.use.prompts),
        )

    def _prompt(
        self, versions: Sequence[VersionRow], aliases: Mapping[str, int], file: PromptFile | None
    ) -> tuple[Prompt | None, str, str]:
        """The prompt that the card is about, what it is called, and why it cannot be read."""
        if versions:
            number = aliases.get("champion", versions[0].version)
            version = next((v for v in versions if v.version == number), versions[0])
            label = f"v{version.version}"
            found = attempt(functools.partial(_decode, version))
            if isinstance(found, PexError):
                return None, label, found.message
            return found, label, ""
        if file is not None and file.problem is not None:
            return None, "file", file.problem.message
        return (file.prompt if file else None), "file", ""

    def _metadata(
        self, file: PromptFile | None, versions: Sequence[VersionRow], prompt: Prompt | None
    ) -> Metadata | PexError:
        """The file's, which is the truth; without a file, the newest version's."""
        if file is not None and file.prompt is None:
            return file.problem or PexError(f"{file.path}: cannot be read")
        if file is not None and file.prompt is not None:
            return _read_metadata(file.prompt, file.path)
        shown = next((v for v in versions if prompt and prompt.origin == _origin(v)), None)
        if shown is not None and prompt is not None and _same_front(shown, versions[0]):
            return _read_metadata(prompt)  # YAML is slow to read a second time
        if versions:
            newest = attempt(functools.partial(_decode, versions[0]))
            if isinstance(newest, PexError):
                return newest
            return Metadata() if newest is None else _read_metadata(newest)
        return Metadata()

    def _scores(self, labels: Mapping[str, str]) -> Iterator[ScoreLine]:
        """The newest score of each version, model and metric."""
        lines = [
            ScoreLine(
                label, row.model, row.metric, row.value, row.lo, row.hi, row.n, row.yes_no,
                datetime.datetime.fromtimestamp(row.started_at, datetime.UTC), row.experiment,
                row.run_id,
            )
            for digest, label in labels.items()
            for row in self.measured.get(digest, [])
        ]  # fmt: skip
        lines.sort(key=lambda line: line.at, reverse=True)
        seen: set[tuple[str, str, str, str]] = set()
        for line in lines:
            key = (line.version, line.model, line.metric, line.experiment)
            if key not in seen:
                seen.add(key)
                yield line

    def _runs(self, labels: Mapping[str, str], prompt: Prompt | None) -> list[NewestRun]:
        """The newest runs with the version that is shown, else with any; the newest first.

        One for each model and experiment: one experiment may check what another does not.
        """
        digests = [prompt.digest] if prompt is not None and prompt.digest in self.measured else []
        digests = digests or [digest for digest in labels if digest in self.measured]
        newest: dict[tuple[str, str], Measurement] = {}
        for row in sorted(
            (row for digest in digests for row in self.measured[digest]),
            key=lambda row: -row.started_at,
        ):
            newest.setdefault((row.model, row.experiment), row)
        found = []
        for row in newest.values():
            own = [
                item
                for item in self.facts.of_run(row.run_id)
                if item.digest == row.digest and item.model == row.model
            ]
            found += [NewestRun(row, item, self.cases.differ(row)) for item in own[:1]]
        return found

    def _requirements(
        self,
        metadata: Metadata,
        paths: Iterable[Path],
        runs: Sequence[NewestRun],
        prompt: Prompt | None,
    ) -> Iterator[RequirementState]:
        specs = self.cases.specs(paths)
        asked = {item.id: item for item in metadata.requirements}
        for spec in specs:
            asked = {**{item.id: item for item in spec.requirements}, **asked}
        digest = prompt.digest if prompt is not None else ""
        return requirement_states(asked.values(), checked_by(specs), runs, digest)

    def _failures(
        self,
        runs: Sequence[NewestRun],
        labels: Mapping[str, str],
        paths: Iterable[Path],
        private: bool,
    ) -> Failures | None:
        if not runs:
            return None
        row, facts = runs[0].row, runs[0].facts
        now = self.cases.private_ids(paths, row)
        hidden = set(facts.failing) if private else set(facts.private)
        if not isinstance(now, PexError):
            hidden |= now & set(facts.failing)
        closed = isinstance(now, PexError)
        return Failures(
            version=labels.get(row.digest, "file"),
            at=datetime.datetime.fromtimestamp(row.started_at, datetime.UTC),
            run_id=row.run_id,
            cases=facts.cases,
            failing=len(facts.failing),
            shown=tuple(f for f in facts.failures if not closed and f.case_id not in hidden),
            private=len(hidden),
            other_cases=runs[0].other_cases,
            unreadable=now.message if isinstance(now, PexError) and not private else "",
        )

    def _moves(self, name: str, row: PromptRow | None) -> list[Move]:
        found = {move.key: move for move in self.moves.get(name, [])}
        if row is not None:
            for move in tagged_moves(name, row.tags, row.aliases).values():
                found.setdefault(move.key, move)
        return sorted(found.values(), key=lambda move: move.at, reverse=True)


def _decode(version: VersionRow) -> Prompt | None:
    prompt = decode_tags(version.name, version.version, version.tags)
    if prompt is not None:
        return prompt
    text = kept_text(version.tags)  # plain MLflow saved it
    if not text or version.tags.get("_mlflow_prompt_type") == "chat":
        return None
    return Prompt(text, version.name).called(version.name, _origin(version))


def _read_metadata(prompt: Prompt, where: str | None = None) -> Metadata | PexError:
    """A prompt's metadata; `privat: true` is an error: it was meant to hide something."""
    found = attempt(lambda: metadata_of(prompt, where))
    misses = [said for said in near_misses(prompt) if said.endswith("'private'?")]
    if misses and not isinstance(found, PexError):
        return PexError(f"{where or prompt.origin or prompt.name}: {misses[0]}")
    return found


def _same_front(one: VersionRow, other: VersionRow) -> bool:
    """Whether two versions have the same front matter."""
    fronts = [kept_text(item.tags).split("\n---", 1)[0] for item in (one, other)]
    return fronts[0] == fronts[1]


def _origin(version: VersionRow) -> str:
    return f"{version.name}/{version.version}"


def _text_of(versions: Sequence[VersionRow], shown: str, prompt: Prompt | None) -> str:
    for version in versions:
        if f"v{version.version}" == shown:
            return kept_text(version.tags)
    return (prompt.file_text or prompt.text) if prompt is not None else ""


def _inputs(prompt: Prompt, cases: Sequence[Case]) -> Iterator[Input]:
    declared = (prompt.front or {}).get("inputs")
    kinds: dict[str, str] = {}
    if isinstance(declared, list):
        kinds = {str(item.get("name")): str(item.get("kind", "")) for item in declared
                 if isinstance(item, dict)}  # fmt: skip
    elif isinstance(declared, dict):
        kinds = {str(key): str(item.get("type", "")) for key, item in declared.items()
                 if isinstance(item, dict)}  # fmt: skip
    for name in prompt.variables:
        values: dict[str, None] = {}
        kind = kinds.get(name, "")
        for case in cases:
            value = case.values.get(name)
            if value is None:
                continue
            kind = kind or _kind(value)
            values[short(value)] = None
            if len(values) == _EXAMPLES:
                break
        default = short(prompt.defaults[name]) if name in prompt.defaults else ""
        yield Input(name, kind, default, tuple(filter(None, values)))


def _kind(value: Any) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "string")


def _usage(labels: Mapping[str, str], runs: Sequence[NewestRun]) -> Iterator[UsageLine]:
    by_model: dict[str, NewestRun] = {}
    for run in runs:
        by_model.setdefault(run.row.model, run)
    for run in by_model.values():
        row, item = run.row, run.facts
        at = datetime.datetime.fromtimestamp(row.started_at, datetime.UTC)
        label = labels.get(row.digest, "file")
        yield UsageLine(label, row.model, item.cost_usd, item.latency_s, item.answers, at)


def _is_safety(metric: str) -> bool:
    """Whether a score is about safety: by its name: `safety`, `safety.leaks`, `safety_pii`."""
    return metric == "safety" or metric.startswith(("safety.", "safety_", "safety-"))


def _version_lines(
    versions: Sequence[VersionRow], aliases: Mapping[str, int], row: PromptRow | None
) -> Iterator[VersionLine]:
    disabled = _disabled(row)
    texts = [kept_text(version.tags) for version in versions]
    by_version: dict[int, list[str]] = {}
    for alias, number in sorted(aliases.items()):
        by_version.setdefault(number, []).append(alias)
    for at, version in enumerate(versions):
        older = texts[at + 1] if at + 1 < len(texts) else None
        yield VersionLine(
            number=version.version,
            aliases=tuple(by_version.get(version.version, ())),
            note=version.note,
            by=version.by,
            at=datetime.datetime.fromtimestamp(version.created_ms / 1000, datetime.UTC),
            model=version.model,
            disabled=version.version in disabled,
            text=texts[at],
            change=None if older is None else text_change(texts[at], older),
            same_text=older == texts[at],
        )


def _disabled(row: PromptRow | None) -> frozenset[int]:
    import json

    try:
        return frozenset(json.loads(row.tags.get("pex.disabled", "[]"))) if row else frozenset()
    except (ValueError, TypeError):
        return frozenset()
