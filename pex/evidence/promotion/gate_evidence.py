"""Whether a recorded run shows that a version may take over: every condition, in words.

A run counts if it compared the version with the one that is used now, on the cases that the
experiment has now, and the experiment's gate passes it. What is missing is said, with the command
that would make it.
"""

from __future__ import annotations

import dataclasses
import datetime
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.compare.gate import FAIL, PASS, UNDECIDED
from pex.core.about import About, VariantInfo
from pex.core.attempt import attempt
from pex.core.case_hash import cases_sha256
from pex.core.cases import read_cases
from pex.core.errors import PexError
from pex.core.provenance import accepted_rows, counted_errors
from pex.core.yamltext import load_yaml
from pex.evidence.measured import measured
from pex.evidence.using_experiments import using_experiments
from pex.experiment.gate_rule import PINNED
from pex.project.files import kind_of
from pex.project.listing import experiment_files
from pex.project.spec import ExperimentSpec, GateSpec, load_spec
from pex.record.measurements import run_cases_sha256
from pex.record.search import SOURCE, UnknownRunError, run_of

if TYPE_CHECKING:
    import pandas as pd

    from pex.results.comparison import Comparison
    from pex.results.results import Results

MISSING = "missing"
"""The outcome if no run can say anything yet."""

_MOST_RUNS = 10
_CLOCKS = datetime.timedelta(minutes=5)
_RULE = ("metric", "margin", "confidence")
_DELETED = "deleted run"


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """The version that may take over, and the one that it would replace (None: there is none).

    `model` restricts the evidence to one model; the digests are `Prompt.digest`. If `model` takes
    the place of another one, `instead_of` is that: the version used now runs on it.
    """

    prompt: str
    version: int
    digest: str
    champion: int | None = None
    champion_digest: str | None = None
    model: str | None = None
    instead_of: str | None = None

    def __str__(self) -> str:
        return f"{self.prompt}/{self.version}"


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One condition: whether it is met, in words, and the command that would make it so."""

    name: str
    met: bool
    text: str
    command: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """What the runs say: `outcome` is pass, fail, undecided, or missing if none can say anything.

    `verdict` is the comparison's word, `sentence` says it in words, `run_id`, `experiment`, `at`
    and `cases_sha256` are the run's. `checks` are the other conditions; `candidate` and `baseline`
    are the names of the compared variants, by pairs.
    """

    outcome: str
    checks: Sequence[Check]
    verdict: str = ""
    sentence: str = ""
    run_id: str = ""
    experiment: str = ""
    at: datetime.datetime | None = None
    cases_sha256: str = ""
    pairs: Sequence[tuple[str, str]] = ()

    @property
    def missing(self) -> list[Check]:
        """The conditions that are not met."""
        return [check for check in self.checks if not check.met]

    @property
    def enough(self) -> bool:
        """Whether the gate passes it and nothing is missing."""
        return self.outcome == PASS and not self.missing

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        found = dataclasses.asdict(self)
        return {**found, "enough": self.enough, "at": self.at and self.at.isoformat()}


def find_evidence(project: Path, uri: str, subject: Subject, run: str | None = None) -> Evidence:
    """What recorded runs say of a version; nothing is written but the index.

    The newest run that compared the two on the current cases decides: an older one that was more
    favourable does not count beside it.

    Args:
        project: the project.
        uri: the store of the runs.
        subject: the version, and the one to compare it with.
        run: the id of the run to look at, instead of the newest ones.

    Raises:
        PexError: the store does not answer.
    """
    if subject.digest == subject.champion_digest and subject.instead_of is None:
        text = f"{subject} sends the same requests as version {subject.champion}, used now"
        return Evidence(PASS, [], "unchanged", text)
    rows = measured(project, uri, subject.digest)
    own = [row for row in rows if subject.model in (None, row.model)]
    newest = list(dict.fromkeys(row.run_id for row in own))[:_MOST_RUNS]
    if run is not None:
        given = _look(project, uri, subject, run)
        newer = _newer(project, uri, subject, newest, run)
        return _with_newer(given, newer)
    if not newest:
        return Evidence(
            MISSING, [Check("run", False, _no_run(subject, rows), _command(project, subject))]
        )
    return _newest_that_says(project, uri, subject, newest)


def _newest_that_says(project: Path, uri: str, subject: Subject, newest: Sequence[str]) -> Evidence:
    """The newest run that can say something, else the newest one; deleted runs are only named."""
    found: Evidence | None = None
    deleted: list[Check] = []
    for run_id in newest:
        evidence = _look(project, uri, subject, run_id)
        if evidence.checks[0].name == _DELETED:
            deleted.append(evidence.checks[0])
            continue
        if evidence.outcome != MISSING and not _other_cases(evidence):
            found = evidence
            break
        found = found or evidence
    if found is None:
        return Evidence(MISSING, deleted)
    named = [dataclasses.replace(check, met=True, command="") for check in deleted]
    return dataclasses.replace(found, checks=[*found.checks, *named])


def _newer(
    project: Path, uri: str, subject: Subject, newest: Sequence[str], run_id: str
) -> Evidence | None:
    """The newest run's evidence if it is another run than the one that was named."""
    for other in newest:
        if other == run_id:
            return None
        evidence = _look(project, uri, subject, other)
        if evidence.outcome != MISSING and not _other_cases(evidence):
            return evidence
    return None


def _with_newer(given: Evidence, newer: Evidence | None) -> Evidence:
    if newer is None or newer.at is None or given.at is None or newer.at < given.at:
        return given
    if newer.outcome == PASS:
        return given
    text = f"a newer run, {newer.run_id[:8]}, came out otherwise: {newer.sentence}"
    return dataclasses.replace(given, checks=[*given.checks, Check("newest run", False, text)])


def _other_cases(evidence: Evidence) -> bool:
    return any(check.name == "cases" for check in evidence.missing)


def _no_run(subject: Subject, rows: Sequence[Any]) -> str:
    where = f" on {subject.model}" if subject.model else ""
    others = sorted({row.model for row in rows})
    text = f"no finished run has measured {subject}{where}"
    return f"{text}, only on {', '.join(others)}" if others else text


def _command(project: Path, subject: Subject) -> str:
    """What to run for a comparison of the two."""
    if subject.instead_of is not None:
        words = ["pexlab", "adopt", str(subject.model), "--baseline", subject.instead_of]
        return shlex.join([*words, "--prompt", subject.prompt, "--apply"])
    using = using_experiments(project).get(subject.prompt, [])
    path = using[0].relative_to(project).as_posix() if using else "EXPERIMENT.yaml"
    both = [f'"library:{subject}"']
    if subject.champion is not None:
        both.append(f'"library:{subject.prompt}/{subject.champion}"')
    return f"with {' and '.join(both)} among its prompts: pexlab run {shlex.quote(path)}"


def _look(project: Path, uri: str, subject: Subject, run_id: str) -> Evidence:
    """What one run says."""
    from pex.record.runs import NoResultsError, load
    from pex.results.results import Results

    try:
        recorded = run_of(uri, run_id)
    except UnknownRunError:
        recorded = None
    if recorded is None or recorded.info.lifecycle_stage == "deleted":
        text = f"run {run_id[:8]} was deleted"
        check = Check(_DELETED, False, text, _command(project, subject))
        return Evidence(MISSING, [check], run_id=run_id)
    tags = recorded.data.tags
    try:
        results = Results(*load(uri, run_id))
    except NoResultsError as error:
        return Evidence(MISSING, [Check("run", False, error.message)], run_id=run_id)
    about = results.about
    again = _again(project, about.name)
    start = Evidence(
        MISSING,
        [],
        run_id=run_id,
        experiment=about.name,
        at=datetime.datetime.fromisoformat(about.started_at),
        cases_sha256=run_cases_sha256(uri, run_id) or "",
    )
    checks = [_is_measurement(tags, about, again)]
    rule, check = _rule(project, about, tags, again)
    checks.append(check)
    pairs, check = _pairs(project, subject, about, rule)
    checks.append(check)
    if rule is None or not pairs:
        return dataclasses.replace(start, checks=checks)
    outcome, verdict, sentence = _judged(results, rule, pairs)
    checks += [
        _cases(project, about, start.cases_sha256, again),
        *_judges(about, rule),
        _age(results.frame, pairs, rule, again),
        _errors(results, pairs, again),
    ]
    return dataclasses.replace(
        start, outcome=outcome, verdict=verdict, sentence=sentence, checks=checks, pairs=pairs
    )


def _again(project: Path, name: str) -> str:
    path = _file_of(project, name)
    where = shlex.quote(path.relative_to(project).as_posix()) if path else "EXPERIMENT.yaml"
    return f"pexlab run {where}"


def _file_of(project: Path, name: str) -> Path | None:
    """The project's experiment of a name: the folder's, or the one that its file says."""
    files = experiment_files(project)
    if name in files and _spec(files[name], name) is not None:
        return files[name]
    return next((path for path in files.values() if _spec(path, name) is not None), None)


def _spec(path: Path, name: str) -> ExperimentSpec | None:
    found = attempt(lambda: load_spec(path))
    return None if isinstance(found, PexError) or found.name != name else found


def _is_measurement(tags: Mapping[str, str], about: About, again: str) -> Check:
    if SOURCE in tags:
        return Check("run", False, f"the run was only tried ({tags[SOURCE]}), not measured", again)
    if about.status != "finished":
        return Check("run", False, f"the run did not finish ({about.status})", again)
    return Check("run", True, f"run {str(about.run_id)[:8]} of '{about.name}' finished")


def _rule(
    project: Path, about: About, tags: Mapping[str, str], again: str
) -> tuple[GateSpec | None, Check]:
    """The gate of the run, if the experiment still has the same one."""
    path = _file_of(project, about.name)
    spec = load_spec(path) if path else None
    plan = _plan_gate(project, tags)
    own = {**(about.gate or {}), **plan}
    lacking = [key for key in ("baseline", "metric", "margin") if own.get(key) is None]
    if lacking:
        text = f"the run of '{about.name}' had no gate: nothing says what is good enough"
        return None, Check("gate", False, text, f"with 'gate:' in experiment.yaml: {again}")
    rule = GateSpec(**{key: value for key, value in own.items() if key in GateSpec.model_fields})
    if spec is None or spec.gate is None:
        if spec is not None and about.gate:
            return rule, Check("gate", False, "the experiment's file no longer has a gate", again)
        return rule, Check("gate", True, _said(rule))
    now = spec.gate.model_dump() | plan
    rule = rule.model_copy(update={"evidence_days": now["evidence_days"]})
    changed = [key for key in _RULE if now[key] != getattr(rule, key)]
    if changed:
        differs = ", ".join(f"{key} {getattr(rule, key)} → {now[key]}" for key in changed)
        text = f"the experiment's gate has changed since the run: {differs}"
        return rule, Check("gate", False, text, again)
    return rule, Check("gate", True, _said(rule))


def _said(rule: GateSpec) -> str:
    return f"gate: {rule.metric}, margin {rule.margin:g}, confidence {rule.confidence:g}"


def _plan_gate(project: Path, tags: Mapping[str, str]) -> dict[str, Any]:
    """What the plan of a batch's run says of the gate; it overrides the experiment key by key."""
    if not tags.get("pex.plan") or not tags.get("pex.plan_folder"):
        return {}
    for path in sorted((project / tags["pex.plan_folder"]).glob("*.y*ml")):
        if kind_of(path) != "plan":
            continue
        data = load_yaml(path.read_text(encoding="utf-8"), str(path)).data
        if data.get("name") == tags["pex.plan"]:
            gate = data.get("gate") or {}
            return {key: gate[key] for key in GateSpec.model_fields if gate.get(key) is not None}
    return {}


def _pairs(
    project: Path, subject: Subject, about: About, rule: GateSpec | None
) -> tuple[list[tuple[str, str]], Check]:
    """The variants of the version, each with that of the version used now, equal otherwise."""
    own = [
        item
        for item in about.variants
        if item.prompt_version == subject.digest and subject.model in (None, item.model)
    ]
    command = _command(project, subject)
    if not own:
        where = f" on {subject.model}" if subject.model else ""
        text = f"the run has no variant of {subject}{where}"
        return [], Check("comparison", False, text, command)
    if subject.champion_digest is None:
        return _baseline_pairs(subject, about, rule, own, command)
    used = [item for item in about.variants if item.prompt_version == subject.champion_digest]
    other = subject.instead_of
    pairs = [
        (item.name, base.name)
        for item in own
        for base in used
        if (_equal(item, base) if other is None else base.model == other)
    ]
    where = "the same model and parameters" if other is None else other
    if not _all_paired(own, pairs):
        text = (
            f"the run does not compare {subject} with version {subject.champion}, which is used "
            f"now, on {where}"
        )
        return [], Check("comparison", False, text, command)
    on = "" if other is None else f" on {other}"
    text = f"compared with version {subject.champion}, used now{on}"
    return pairs, Check("comparison", True, text)


def _baseline_pairs(
    subject: Subject, about: About, rule: GateSpec | None, own: Sequence[VariantInfo], command: str
) -> tuple[list[tuple[str, str]], Check]:
    """The pairs with the gate's baseline, as there is no version that is used now."""
    name = rule.baseline if rule else ""
    bases = [item for item in about.variants if name in (item.name, item.prompt, item.model)]
    if not bases or name == PINNED:
        text = f"nothing is used now, and the gate's baseline '{name}' is not in the run"
        return [], Check("comparison", False, text, command)
    if any(base.name == item.name for base in bases for item in own):
        text = f"{subject} is the gate's baseline itself: there is nothing to compare it with"
        return [], Check("comparison", False, text)
    pairs = [
        (item.name, base.name)
        for item in own
        for base in bases
        if name == base.name or name == base.model or _equal(item, base)
    ]
    if not pairs:
        text = f"the run does not compare {subject} with the gate's baseline '{name}'"
        return [], Check("comparison", False, text, command)
    return pairs, Check("comparison", True, f"compared with the gate's baseline '{name}'")


def _all_paired(own: Sequence[VariantInfo], pairs: Sequence[tuple[str, str]]) -> bool:
    return {item.name for item in own} == {candidate for candidate, _ in pairs}


def _equal(one: VariantInfo, other: VariantInfo) -> bool:
    """Whether two variants differ in the prompt alone; a prompt's own parameters belong to it."""
    sides = [
        dict(item.params if item.own_params is None else item.own_params) for item in (one, other)
    ]
    return one.model == other.model and sides[0] == sides[1]


def _judged(
    results: Results, rule: GateSpec, pairs: Sequence[tuple[str, str]]
) -> tuple[str, str, str]:
    """The gate's outcome for all pairs together, the weakest verdict, and both in words."""
    found: list[tuple[str, str, str]] = []
    for base in dict.fromkeys(base for _, base in pairs):
        candidates = [candidate for candidate, other in pairs if other == base]
        try:
            compared = _compared(results, rule, base, candidates)
        except PexError as error:
            return MISSING, "", error.message
        gate, verdicts = compared.gate(), compared.verdicts
        found += [(gate.outcomes[name], verdicts[name], gate.reasons[name]) for name in candidates]
    order = [FAIL, UNDECIDED, PASS]
    found.sort(key=lambda item: order.index(item[0]))
    return found[0][0], found[0][1], " ".join(reason for _, _, reason in found)


def _compared(results: Results, rule: GateSpec, base: str, candidates: Sequence[str]) -> Comparison:
    """All variants compared as in the run's own gate, so that p is corrected for each of them."""
    variants = {item.name: item for item in results.about.variants}
    prompt = variants[base].prompt
    if all(variants[name].prompt == prompt for name in candidates):
        prompt = base  # one prompt on two models
    for baseline in dict.fromkeys((prompt or base, base)):
        found = results.compare(
            baseline, rule.metric, margin=rule.margin, confidence=rule.confidence
        )
        there = set(zip(found.frame["candidate"], found.frame["baseline"], strict=True))
        if all((name, base) in there for name in candidates):
            break
    return found


def _cases(project: Path, about: About, recorded: str, again: str) -> Check:
    path = _file_of(project, about.name)
    if path is None:
        text = f"this project has no experiment '{about.name}': its current cases are not known"
        return Check("cases", False, text)
    spec = load_spec(path)
    current = attempt(
        lambda: cases_sha256(read_cases(spec.cases.model_dump(), spec.columns, path.parent).cases)
    )
    where = f"{path.parent.relative_to(project).as_posix()}/{spec.cases.file}"
    if isinstance(current, PexError):
        return Check("cases", False, f"{where}: {current.message}")
    if current != recorded:
        text = f"the run used other cases than {where} has now"
        return Check("cases", False, text, again)
    return Check("cases", True, f"the cases are those of {where} ({current[:8]})")


def _judges(about: About, rule: GateSpec) -> list[Check]:
    """A judge that decides must have been compared with people."""
    checks = []
    for judge in about.judges:
        if rule.metric != judge.name and not rule.metric.startswith(f"{judge.name}."):
            continue
        if judge.calibrated:
            checks.append(Check("judge", True, f"judge '{judge.name}' is calibrated"))
        else:
            why = f": {judge.why}" if judge.why else ""
            text = f"judge '{judge.name}' is not calibrated against people{why}"
            command = f'in Python: results.calibrate("{judge.name}").save(…)'
            checks.append(Check("judge", False, text, command))
    return checks


def _age(
    frame: pd.DataFrame, pairs: Sequence[tuple[str, str]], rule: GateSpec, again: str
) -> Check:
    """How old the answers are: a run that only reuses them makes them no younger."""
    names = {name for pair in pairs for name in pair}
    times = frame.loc[frame["variant"].isin(names) & frame["error"].isna(), "started_at"]
    now = datetime.datetime.now(datetime.UTC)
    oldest, newest = (
        datetime.datetime.fromtimestamp(pick(times).timestamp(), datetime.UTC)
        if len(times)
        else now
        for pick in (min, max)
    )
    fresh = f"{again} --journal fresh"
    if newest > now + _CLOCKS:
        text = f"its answers are of the future ({newest:%Y-%m-%d %H:%M} UTC): a clock is wrong"
        return Check("age", False, text, fresh)
    days = (now - oldest).days
    age = "from today" if days == 0 else "1 day old" if days == 1 else f"{days:,} days old"
    if days > rule.evidence_days:
        limit = f"{rule.evidence_days} {'day' if rule.evidence_days == 1 else 'days'}"
        text = f"its oldest answers are {age}; evidence counts for {limit} (gate.evidence_days)"
        return Check("age", False, text, fresh)
    return Check("age", True, f"its answers are {age}")


def _errors(results: Results, pairs: Sequence[tuple[str, str]], again: str) -> Check:
    """Requests without an answer, of the whole run and of each variant that is compared.

    Generated cases that nobody has accepted do not count, as in the verdict.
    """
    about, frame = results.about, accepted_rows(results.frame)
    counts, limit = about.counts, about.max_error_share
    without = counts.errors + counts.not_asked
    failed, requests = counted_errors(results.frame, without, counts.requests)
    said = f"{failed:,} of {requests:,} requests without an answer"
    parts = [(failed, requests, said)]
    for name in dict.fromkeys(name for pair in pairs for name in pair):
        errors = frame.loc[frame["variant"] == name, "error"].notna()
        failed = int(errors.sum())
        text = f"{failed:,} of {len(errors):,} requests of '{name}' without an answer"
        parts.append((failed, len(errors), text))
    for failed, requests, text in parts:
        if failed > limit * requests or not requests:
            return Check("errors", False, f"{text}, more than max_error_share ({limit:.0%})", again)
    return Check("errors", True, said)
