"""Which jobs of a batch are due: decided once, at its start, and kept for a resume.

Conditions are about models: one in use stops soon, or a new one has appeared since the last batch
of the plan. Endpoints are asked for their lists; one that does not answer is no reason to run.
"""

from __future__ import annotations

import dataclasses
import datetime
import fnmatch
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pex.batch import snapshot
from pex.batch.job_log import batches_of
from pex.batch.parameters import declared
from pex.batch.plan import Job, Plan
from pex.batch.when import ANY, BASELINE, MODEL, MODEL_STOPS, NEW_MODEL
from pex.core import jsontext
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.evidence.models_in_use import models_in_use
from pex.evidence.retiring_models import RetiringModel, retiring_models
from pex.project.settings import Settings, load_settings
from pex.run.catalogue import ask_all
from pex.run.kept_lists import read_lists
from pex.run.model_list import EndpointModel
from pex.run.models import Models
from pex.run.providers import BUILT_IN, LOCAL

FILE = "conditions.json"
"""The decisions of a batch, in its folder."""
_SHOWN = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """Whether a step is due, why, and what its notebooks get where they declare it."""

    is_due: bool
    why: str
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict)


def decide(plan: Plan, folder: Path, say: Callable[[str], None]) -> Plan:
    """The plan as this batch runs it.

    Args:
        plan: the plan.
        folder: the batch's folder; a resumed batch keeps what was decided at its start.
        say: gets a line for each step with a condition that is due.

    Raises:
        PexError: the decisions cannot be written, or those of a resumed batch cannot be read.
    """
    found = _read(folder)
    if found is None:
        look = _Look(plan, folder)
        found = look.decisions()
        _write(folder, found, look.told)
    for step, decision in found.items():
        if decision.is_due:
            say(f"due      {step}: {decision.why}")
    jobs = [_decided(job, found[job.step]) if job.step in found else job for job in plan.jobs]
    return dataclasses.replace(plan, jobs=tuple(jobs))


def _decided(job: Job, decision: Decision) -> Job:
    if not decision.is_due:
        return dataclasses.replace(job, not_due=decision.why)
    known = declared(job.notebook, f"step '{job.step}'")
    given = {name: value for name, value in decision.parameters.items() if name in known}
    # What the plan itself gives comes first.
    return dataclasses.replace(job, parameters={**given, **job.parameters})


class _Look:
    """What is known of the project's models at the start of a batch."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._steps = {job.step: job.when for job in plan.jobs if job.when is not None}
        self._earlier = _earlier(plan, folder)
        self._project = find_project(plan.folder)
        self._settings: Settings = load_settings(self._project)
        self._state = self._project / self._settings.journal.path
        self._models = Models(self._settings, self._state)
        self._uses = models_in_use(self._project, self._settings)
        self._began = datetime.datetime.now(datetime.UTC)
        self.told: list[str] = []
        """The providers whose endpoints gave their list."""

    def decisions(self) -> dict[str, Decision]:
        """The decision for each step that has a condition."""
        wanted = {ref.partition("/")[0] for ref in self._uses}
        for when in self._steps.values():
            if NEW_MODEL in when:
                provider = _provider_part(when[NEW_MODEL])
                wanted |= set(fnmatch.filter(self._settings.providers, provider))
                wanted |= {provider} & BUILT_IN.keys()  # named without a wildcard
        self._providers = sorted(wanted - {LOCAL})
        ask_all(self._models, self._providers)
        self._offers = {offer.provider: offer for offer in self._models.offers()}
        self._lists = read_lists(self._state)
        self.told = [name for name in self._providers if self._has_told(name)]
        return {step: self._decide(when) for step, when in self._steps.items()}

    def _decide(self, when: Mapping[str, Any]) -> Decision:
        stopping = self._stopping(when[MODEL_STOPS]) if MODEL_STOPS in when else []
        new, unknown = self._new(when[NEW_MODEL]) if NEW_MODEL in when else ([], "")
        reasons = [
            f"{item.ref} {item.retirement.when(item.today)}, according to {item.retirement.source}"
            for item in stopping[:_SHOWN]
        ]
        reasons += [f"new: {', '.join(new[:_SHOWN])}{_more(len(new) - _SHOWN)}"] if new else []
        if reasons:
            return Decision(True, "; ".join(reasons), _parameters(stopping, new))
        said = []
        if MODEL_STOPS in when:
            said.append(f"no model in use is known to stop within {when[MODEL_STOPS]} days")
        if NEW_MODEL in when:
            said.append(unknown or "no model has appeared since the last batch")
        return Decision(False, "; ".join(said))

    def _stopping(self, days: int) -> list[RetiringModel]:
        """Models that prompts run on and that stop, or have stopped, the first to stop first."""
        found = retiring_models(self._project, self._settings, within=days, uses=self._uses)
        return [item for item in found if item.retirement.day is not None and item.use.prompts]

    def _new(self, pattern: str) -> tuple[list[str], str]:
        """The models that have appeared, the newest first, and else why that cannot be told."""
        providers = [name for name in self._providers if _may_have(name, pattern)]
        if not providers:
            return [], "cannot tell what is new: no model in use has an endpoint that lists models"
        if not self._earlier:
            return [], "nothing is new in the first batch of a plan"
        found = []
        for name in set(providers) & set(self.told):
            last = max((at for at, told in self._earlier if told is None or name in told),
                       default=self._began)  # fmt: skip
            kept, offer = self._lists[name], self._offers[name]
            chat = {model.name for model in offer.models}
            for model in kept.models:
                at = kept.appeared(model.name)
                fits = fnmatch.fnmatch(f"{name}/{model.name}", pattern) and model.name in chat
                if fits and at is not None and at > last:
                    found.append((name, model))
        silent = [f"{name}: {self._silence(name)}" for name in providers if name not in self.told]
        found.sort(key=_newest_first)
        refs = [f"{name}/{model.name}" for name, model in found]
        return refs, f"cannot tell what is new: {'; '.join(silent)}" if silent else ""

    def _has_told(self, name: str) -> bool:
        kept = self._lists.get(name)
        return kept is not None and kept.at >= self._began and name in self._offers

    def _silence(self, name: str) -> str:
        """Why a provider gave no list."""
        offer = self._offers.get(name)
        if offer is None:
            return "there is no such provider"
        if failure := self._models.last_failure(name):
            return failure
        unset = f"{offer.variable} is not set" if offer.state == "needs key" else ""
        return offer.note or unset or "it gave no list of its models"


def _may_have(provider: str, pattern: str) -> bool:
    return fnmatch.fnmatch(provider, _provider_part(pattern))


def _provider_part(pattern: str) -> str:
    """The pattern of the provider: any, if there is no slash, since * fits one too."""
    provider, slash, _ = pattern.partition("/")
    return (provider if slash else ANY) or ANY


def _newest_first(item: tuple[str, EndpointModel]) -> tuple[int, str]:
    name, model = item
    return (-model.created.toordinal() if model.created else 0, f"{name}/{model.name}")


def _parameters(stopping: list[RetiringModel], new: list[str]) -> dict[str, str]:
    """The new model, or the one that its provider names as the successor; the one that stops."""
    found = {}
    if new:
        found[MODEL] = new[0]
    elif stopping and (successor := stopping[0].retirement.successor):
        found[MODEL] = f"{stopping[0].ref.partition('/')[0]}/{successor}"
    if stopping:
        found[BASELINE] = stopping[0].ref
    return found


def _earlier(plan: Plan, folder: Path) -> list[tuple[datetime.datetime, list[str] | None]]:
    """When earlier batches of a plan looked, and the providers that gave their list then.

    None stands for all: a batch without conditions asked nobody, and what is new counts from it.
    """
    found: list[tuple[datetime.datetime, list[str] | None]] = []
    for other in batches_of(plan):
        if other.name == folder.name:
            continue
        try:
            entry = jsontext.loads((other / FILE).read_text(encoding="utf-8"))
            found.append((datetime.datetime.fromisoformat(entry["at"]), list(entry["told"])))
        except (OSError, ValueError, KeyError, TypeError):
            started = other / snapshot.FILE
            if started.is_file():
                time = started.stat().st_mtime
                found.append((datetime.datetime.fromtimestamp(time, datetime.UTC), None))
    return found


def _more(number: int) -> str:
    return f" and {number:,} more" if number > 0 else ""


def _read(folder: Path) -> dict[str, Decision] | None:
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        steps = jsontext.loads(path.read_text(encoding="utf-8"))["steps"]
        return {
            name: Decision(
                bool(item["due"]),
                str(item["why"]),
                {str(key): str(value) for key, value in item["parameters"].items()},
            )
            for name, item in steps.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise PexError(
            f"{path}: cannot be read, so it is not known which steps were due",
            hint="start a new batch",
        ) from None


def _write(folder: Path, decisions: Mapping[str, Decision], told: list[str]) -> None:
    entry = {
        "at": datetime.datetime.now(datetime.UTC).isoformat(),
        "told": told,
        "steps": {
            name: {"due": item.is_due, "why": item.why, "parameters": dict(item.parameters)}
            for name, item in decisions.items()
        },
    }
    part = folder / f"{FILE}.part"
    try:
        part.write_text(json.dumps(entry, indent=1), encoding="utf-8")
        part.replace(folder / FILE)
    except OSError as error:
        raise PexError(
            f"the batch cannot write its outputs to {folder}: {error.strerror or error}",
            hint="free some space, or let this user write there",
        ) from None
