"""The case of an incident: it failed on what users got, passes now, and runs every night."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case, read_cases
from pex.core.errors import PexError
from pex.core.provenance import Provenance
from pex.core.sanitized_json import sanitized_json
from pex.core.user_name import user_name
from pex.core.variant import Variant
from pex.experiment.experiment import Experiment
from pex.incidents.moments import now
from pex.incidents.opening import masked
from pex.incidents.record import Incident, entry, locked, read, update
from pex.library.reference import Reference, parse_reference
from pex.library.registry import fetch
from pex.monitoring.one_trace import OneTrace, one_trace
from pex.monitoring.triage.files import Files
from pex.project.settings import load_settings
from pex.project.spec import load_spec
from pex.record.search import SOURCE
from pex.score.base import Scorer
from pex.score.build import build, imported, parted
from pex.stats import clopper_pearson
from pex.tracking.store import registry_uri, tracking_uri

INCIDENT = "pex.incident"
"""The tag of a run with the incident that it is about."""


@dataclasses.dataclass(frozen=True, slots=True)
class Proof:
    """What the scorers say of answers to the case.

    Args:
        passed: how many answers passed.
        of: how many there are.
        failing: the yes/no scores that were no, in any answer.
        errors: what kept answers from being scored, in sentences.
        subject: whose answers: "what users got", "version 3".
        run_id: the run of the answers, if they are of one.
    """

    passed: int
    of: int
    failing: tuple[str, ...]
    errors: tuple[str, ...] = ()
    subject: str = ""
    run_id: str = ""

    @property
    def all_pass(self) -> bool:
        """Whether there are answers, and each passed."""
        return self.of > 0 and self.passed == self.of

    @property
    def sentence(self) -> str:
        """How many of how many passed, and what that shows."""
        if not self.of:
            return f"{self.subject}: no answer ({'; '.join(self.errors) or 'none was made'})"
        text = f"{self.subject}: {self.passed} of {self.of} passed"
        if self.all_pass and self.of > 1:
            worst = 1 - clopper_pearson(self.of, self.of, 0.9)[0]
            text += f" (that alone leaves a failure rate of up to {worst * 100:.0f} % possible)"
        if self.failing:
            text += f"; no: {', '.join(self.failing)}"
        return text + (f"; {'; '.join(self.errors)}" if self.errors else "")


@dataclasses.dataclass(frozen=True, slots=True)
class AddedCase:
    """The case of an incident, as it is in the file of cases now.

    Args:
        case_id: its id.
        file: the file.
        new: whether it has just been written.
        before: what the scorers say of what users got; None where no answer is known.
        remarks: for the reader.
    """

    case_id: str
    file: Path
    new: bool
    before: Proof | None
    remarks: tuple[str, ...] = ()


def experiment_file(project: Path, incident: Incident) -> Path:
    """The file of the experiment whose cases test the incident's prompt.

    Raises:
        PexError: the record names none, or it is gone.
    """
    named = incident.word("experiment")
    if not named:
        raise PexError(
            f"{incident.id} names no experiment: which one tests this prompt?",
            hint="pexlab incident update --experiment NAME",
        )
    path = project / named
    if not path.is_file():
        raise PexError(
            f"{incident.id}: there is no {named}",
            hint="pexlab incident update --experiment NAME names another one",
        )
    return path


def find_case(project: Path, incident: Incident) -> Case | None:
    """The case with the incident's tag; None if there is none.

    Raises:
        PexError: the experiment or its cases cannot be read.
    """
    path = experiment_file(project, incident)
    spec = load_spec(path)
    cases = read_cases(spec.cases.model_dump(), spec.columns, path.parent).cases
    return next((case for case in cases if incident.tag in case.tags), None)


def add_case(
    project: Path,
    incident: Incident,
    expected: Any = None,
    inputs: Mapping[str, Any] | None = None,
) -> AddedCase:
    """Write the case of an incident into the experiment's file of cases, with its tag.

    Args:
        project: the project.
        incident: the incident.
        expected: the right answer; None for the one that somebody gave the trace.
        inputs: inputs that the trace does not have, or should have otherwise.

    Raises:
        PexError: the inputs do not fit the file, or it has another case with them.
    """
    path = experiment_file(project, incident)
    with locked(project):
        incident = read(incident.path)
        files, settings = Files(path), load_settings(project)
        trace = trace_of(project, incident)
        texts = trace.texts if trace else None
        given = files.inputs_of(
            texts.variables if texts else None, texts.request if texts else None, inputs
        )
        if expected is None and texts is not None:
            expected = texts.expected
        if expected is None and files.expects:
            raise PexError(
                f"the cases of {path.parent.name} have expected answers: which one is right here?",
                hint=f'pexlab incident case {incident.id} --expected "the right answer"',
            )
        (given, expected), hidden = masked([given, expected], settings)
        versions = ", ".join(f"{incident.prompt}/{number}" for number in incident.affected)
        origin = None
        if trace is not None:
            origin = Provenance(
                accepted_by=user_name(),
                accepted_on=now().date().isoformat(),
                trace=trace.trace_id,
                prompt=versions,
                reason=f"incident {incident.id}: {incident.title}",
                user=trace.user,
            )
        case, change = files.add_case(given, expected, origin, [incident.tag])
        if change is not None or incident.word("case") != case.id:
            said = f"case {case.id} in {files.cases_path.name}, tag {incident.tag}"
            incident = update(incident.path, {"case": case.id}, [entry(said)])
    remarks = []
    if hidden:
        remarks.append(f"masked in the case: {', '.join(hidden)}; the model is asked without them")
    before = None if trace is None else scored_trace(project, incident, case, trace)
    return AddedCase(case.id, files.cases_path, change is not None, before, tuple(remarks))


def trace_of(project: Path, incident: Incident) -> OneTrace | None:
    """The trace of an incident; None if its record names none.

    Raises:
        PexError: it was deleted, or the store does not answer.
    """
    name = incident.word("trace")
    return one_trace(tracking_uri(project, load_settings(project)), name) if name else None


def scored_trace(project: Path, incident: Incident, case: Case, trace: OneTrace) -> Proof:
    """What the experiment's scorers say of the answer that the user got.

    Judges are left out: the answer is there, but calling a model about it costs money.
    """
    path = experiment_file(project, incident)
    spec = load_spec(path)
    cases = read_cases(spec.cases.model_dump(), spec.columns, path.parent).cases
    scorers, _ = parted(build(spec.scorers, cases, path.parent))
    text = trace.texts.response
    if text is None:
        return Proof(0, 0, (), ("the trace has no answer",), "what users got")
    answer = Answer(output=sanitized_json(text))
    return _proof([_scores(imported(scorers), answer, case)], "what users got")


def _scores(scorers: Sequence[Scorer], answer: Answer, case: Case) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for scorer in scorers:
        for name, score in scorer(answer, case).items():
            found[name] = score.error or score.value
    return found


def _proof(
    answers: Sequence[Mapping[str, Any]], subject: str, needed: Sequence[str] = (), run_id: str = ""
) -> Proof:
    """Count the answers whose every yes/no score is yes, and that have those that are needed.

    Args:
        answers: the scores of each answer: True, False, a number, None, or an error's text.
        subject: whose they are.
        needed: scores without which an answer does not pass.
        run_id: their run.
    """
    failing: dict[str, None] = {}
    errors: dict[str, None] = {}
    passed = 0
    for scores in answers:
        no = [name for name, value in scores.items() if value is False]
        odd = [f"{name}: {value}" for name, value in scores.items() if isinstance(value, str)]
        lacks = [name for name in needed if scores.get(name) is not True and name not in no]
        errors |= dict.fromkeys([*odd, *(f"{name} gave no yes or no" for name in lacks)])
        failing |= dict.fromkeys(no)
        yes = any(value is True for value in scores.values())
        passed += yes and not no and not odd and not lacks
    if answers and not failing and not passed and not errors:
        errors["no scorer of the experiment says yes or no"] = None
    return Proof(passed, len(answers), tuple(failing), tuple(errors), subject, run_id)


def run_versions(
    project: Path,
    incident: Incident,
    case: Case,
    versions: Sequence[int],
    repeats: int,
    needed: Sequence[str] = (),
    say: Callable[[str], None] = lambda line: None,
) -> dict[int, Proof]:
    """Run versions of the prompt on the case, by the ordinary runner, and score the answers.

    New answers are asked for, whatever the journal has. The run is recorded in MLflow.

    Args:
        project: the project.
        incident: the incident.
        case: its case.
        versions: versions of the prompt in the library.
        repeats: how often each is run.
        needed: the scores that were no before, which must be yes now.
        say: told what runs.

    Raises:
        PexError: a version is gone, or the run could not be made.
    """
    exp = Experiment.load(experiment_file(project, incident))
    uri = registry_uri(project, load_settings(project))
    own = [item for item in exp.variants if _is_of(item, incident.prompt)] or exp.variants
    model = incident.word("model").rpartition("/")[2]
    own = [item for item in own if item.model.rpartition("/")[2] == model] or own
    variants: dict[str, int] = {}
    made: list[Variant] = []
    for number in versions:
        prompt = fetch(uri, Reference(incident.prompt, version=number))
        for place, item in enumerate(own):
            name = f"{incident.prompt}.{number}" + (f".{place + 1}" if len(own) > 1 else "")
            known = prompt.called(name, prompt.origin)
            if any((v.prompt.digest, v.model, v.params) == (known.digest, item.model, item.params)
                   for v in made):  # fmt: skip
                continue
            made.append(Variant(known, item.model, item.params, name, item.via))
            variants[name] = number
    say(f"running {', '.join(variants)} on case {case.id}, {repeats} times each")
    results = exp.drafted(made, [case]).run(
        repeats=repeats,
        journal="fresh",
        show=False,
        traces="all",
        note=f"incident {incident.id}: its case",
        mlflow_tags={SOURCE: "incident", INCIDENT: incident.id},
    )
    scorers = _scorers(exp)
    return {
        number: _of_frame(
            results,
            [name for name, of in variants.items() if of == number],
            scorers,
            case,
            f"version {number}",
            needed,
        )
        for number in versions
    }


def _scorers(exp: Experiment) -> list[Scorer]:
    path = exp.path
    assert path is not None  # it was loaded
    spec = load_spec(path)
    return imported(parted(build(spec.scorers, exp.cases, path.parent))[0])


def _of_frame(
    results: Any,
    names: Sequence[str],
    scorers: Sequence[Scorer],
    case: Case,
    subject: str,
    needed: Sequence[str],
) -> Proof:
    """The proof in a run: a frame has numbers only, so the scorers say which are a yes or a no."""
    frame = results.frame
    answers: list[dict[str, Any]] = []
    for row in frame[frame["variant"].isin(names)].to_dict("records"):
        if isinstance(row["error"], str):
            answers.append({"the call": row["error"]})
            continue
        plain = _scores(scorers, Answer(output=row["output"]), case)
        scores = {}
        for name in results.scores:
            value, error = row[f"score.{name}"], row.get(f"score_error.{name}")
            kind = type(plain.get(name, True))  # a judge's yes or no is 1 or 0
            yes_no = kind is bool and value in (0.0, 1.0)
            scores[name] = error if isinstance(error, str) else bool(value) if yes_no else None
        answers.append(scores)
    return _proof(answers, subject, needed, results.run_id or "")


def _is_of(variant: Variant, name: str) -> bool:
    origin = variant.prompt.origin
    if origin is not None:
        return parse_reference(origin).name == name
    return variant.prompt.name == name
