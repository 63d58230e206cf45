"""What a team asks of its prompts, in one table: whose, how good, on what, which side is ahead."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.attempt import attempt
from pex.core.errors import PexError, nearest
from pex.evidence.measured import LastMeasured, last_measured
from pex.evidence.models_in_use import models_in_use
from pex.evidence.retiring_models import RetiringModel, retiring_models
from pex.evidence.using_experiments import experiment_specs, using_experiments
from pex.library.file_index import indexed_files
from pex.library.index import LibraryIndex
from pex.library.sync import Standing, compare
from pex.library.synced import read_synced
from pex.project.settings import Settings
from pex.tracking.store import exists, registry_uri, tracking_uri

if TYPE_CHECKING:
    import datetime


@dataclasses.dataclass(frozen=True, slots=True)
class PromptOverview:
    """One prompt: how it stands, when it was last measured, which experiments use it.

    `measured_version` is the version that was measured: the newest of those that ever were.
    """

    standing: Standing
    words: Mapping[str, str]
    experiments: tuple[str, ...]
    measured: LastMeasured | None = None
    measured_version: int | None = None

    @property
    def name(self) -> str:
        """The prompt's name."""
        return self.standing.name

    @property
    def description(self) -> str:
        """What the prompt is for."""
        file, prompt = self.standing.file, self.standing.prompt
        return (file.description if file else "") or (prompt.description if prompt else "")

    @property
    def category(self) -> str:
        """Task and domain, and the risk if it is given, in a few words."""
        known = [self.words.get(key, "") for key in ("task", "domain")]
        risk = self.words.get("risk", "")
        return ", ".join([item for item in known if item] + ([f"{risk} risk"] if risk else []))

    @property
    def owner(self) -> str:
        """Whose prompt it is, empty if nobody's."""
        return self.words.get("owner", "")

    @property
    def aliases(self) -> Mapping[str, int]:
        """The version of each alias."""
        return self.standing.prompt.aliases if self.standing.prompt else {}

    def to_json(self, retiring: Sequence[RetiringModel] = ()) -> dict[str, Any]:
        """Plain data, as in `pexlab library list --json`.

        Args:
            retiring: models that stop soon; those that the prompt runs on are named.
        """
        prompt, last = self.standing.prompt, self.measured
        return {
            "name": self.name,
            "description": self.description,
            "owner": self.owner,
            "tags": dict(self.words),
            "file": self.standing.file.path if self.standing.file else None,
            "version": prompt.newest.version if prompt else None,
            "versions": len(prompt.versions) if prompt else 0,
            "aliases": dict(self.aliases),
            "state": self.standing.state,
            "experiments": list(self.experiments),
            "retiring_models": [
                {
                    "model": item.ref,
                    "stops": str(item.retirement.day or "") or None,
                    "days_left": item.days_left,
                    "source": item.retirement.source,
                }
                for item in retiring
                if self.name in item.use.prompts
            ],
            "last_measured": last
            and {
                "version": self.measured_version,
                "model": last.model,
                "at": last.at.isoformat(timespec="seconds"),
                "age_days": last.age_days,
                "metric": last.metric,
                "value": last.value,
                "lo": _number(last.lo),
                "hi": _number(last.hi),
                "n": last.n,
                "run_id": last.run_id,
            },
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Library:
    """The prompts of a project, and what could not be found out.

    `as_of` is when the registry last answered, if it does not now; `remarks` say what is missing.
    `retiring` are the models that its prompts run on and that stop soon.
    """

    prompts: tuple[PromptOverview, ...]
    uri: str
    as_of: datetime.datetime | None = None
    remarks: tuple[str, ...] = ()
    retiring: tuple[RetiringModel, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Search:
    """What to look for: every part must fit.

    `below` and `above` are limits for the score that was last measured, by its name.
    """

    text: str = ""
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)
    owner: str = ""
    below: Mapping[str, float] = dataclasses.field(default_factory=dict)
    above: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def fits(self, item: PromptOverview) -> bool:
        """Whether a prompt is one that is looked for."""
        words = item.words
        return (
            all(word in _haystack(item) for word in self.text.casefold().split())
            and all(
                key in words and (not value or words[key].casefold() == value.casefold())
                for key, value in self.tags.items()
            )
            and (not self.owner or item.owner.casefold() == self.owner.casefold())
            and self._scores_fit(item.measured)
        )

    def _scores_fit(self, last: LastMeasured | None) -> bool:
        if not self.below and not self.above:
            return True
        if last is None:
            return False
        return all(
            name == last.metric and last.value < limit for name, limit in self.below.items()
        ) and all(name == last.metric and last.value >= limit for name, limit in self.above.items())


def library(
    project: Path, settings: Settings, given: str | None = None, *, refresh: bool = False
) -> Library:
    """Everything known of a project's prompts.

    A registry that does not answer leaves what it said last; nothing is written but the indexes in
    `.pex/`.

    Args:
        project: the project's folder.
        settings: its settings.
        given: a registry other than the project's.
        refresh: read everything again, also what seems unchanged.

    Raises:
        PexError: `library/synced.json` is damaged, or the project does not have the user's trust.
    """
    uri = registry_uri(project, settings, given)
    index = LibraryIndex(project, uri)
    remarks: list[str] = []
    as_of = None
    problem = attempt(lambda: index.refresh(again=refresh))
    if isinstance(problem, PexError):
        as_of = index.refreshed
        remarks.append(problem.message)
    files = indexed_files(project)
    specs, indexed = experiment_specs(project), index.prompts()
    found = compare(files, indexed, read_synced(project))
    used = using_experiments(project, files, specs)
    uses = models_in_use(project, settings, files=files, prompts=indexed, specs=specs)
    retiring = tuple(retiring_models(project, settings, uses=uses))
    last = _measured(project, settings, given, remarks, refresh=refresh)
    return Library(
        tuple(_overview(item, used.get(item.name, []), last) for item in found),
        uri, as_of, tuple(remarks), retiring,
    )  # fmt: skip


def _measured(
    project: Path, settings: Settings, given: str | None, remarks: list[str], *, refresh: bool
) -> Mapping[str, LastMeasured]:
    store = tracking_uri(project, settings, given)
    if not exists(store):
        return {}
    found = attempt(lambda: last_measured(project, store, refresh=refresh))
    if isinstance(found, PexError):
        remarks.append(found.message)
        return {}
    return found


def _overview(
    item: Standing, used: Sequence[Path], last: Mapping[str, LastMeasured]
) -> PromptOverview:
    file, prompt = item.file, item.prompt
    words = file.words if file and not file.problem else prompt.words if prompt else {}
    experiments = tuple(dict.fromkeys(path.parent.name for path in used))
    for version in prompt.versions if prompt else ():
        if version.digest is not None and version.digest in last:
            return PromptOverview(item, words, experiments, last[version.digest], version.version)
    measured = last.get(file.digest) if file and prompt is None else None
    return PromptOverview(item, words, experiments, measured)


def check_words(search: Search, prompts: Iterable[PromptOverview]) -> None:
    """Refuse a search for a tag, an owner or a score that no prompt has: it is a mistake.

    Raises:
        PexError: with the nearest right name.
    """
    prompts = list(prompts)
    keys = {key for item in prompts for key in item.words}
    for key, value in search.tags.items():
        if key not in keys:
            hint = nearest(key, keys) if keys else "tags are in the files: metadata: {tags: […]}"
            raise PexError(f"no prompt has the tag '{key}'", hint=hint)
        values = {item.words[key] for item in prompts if item.words.get(key)}
        if value and value.casefold() not in {known.casefold() for known in values}:
            raise PexError(f"no prompt has the tag '{key}={value}'", hint=nearest(value, values))
    scores = {item.measured.metric for item in prompts if item.measured}
    for name in (*search.below, *search.above):
        if name not in scores:
            hint = nearest(name, scores) if scores else "nothing has been measured yet"
            raise PexError(f"no prompt was last measured by '{name}'", hint=hint)
    owners = {item.owner for item in prompts if item.owner}
    if search.owner and search.owner.casefold() not in {owner.casefold() for owner in owners}:
        raise PexError(f"no prompt is owned by '{search.owner}'",
                       hint=nearest(search.owner, owners))  # fmt: skip


def _haystack(item: PromptOverview) -> str:
    file, prompt = item.standing.file, item.standing.prompt
    parts = [item.name, item.description, *item.words, *item.words.values()]
    parts += [file.text] if file else [prompt.text] if prompt else []
    return "\n".join(parts).casefold()


def _number(value: float) -> float | None:
    return None if value != value else value  # NaN is not JSON
