"""A sample of deployed traces, scored by the project's scorers and judges: once each."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.about import VariantInfo
from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.events import RowKey
from pex.core.score import Score
from pex.monitoring.sampling import Chosen, choose
from pex.monitoring.scorers import identities_of, needs_expected, with_expected
from pex.monitoring.scores_file import ScoresFile
from pex.monitoring.spec import MonitorSpec
from pex.monitoring.traces import Traces
from pex.record.spans import SCORED_BY
from pex.score.base import Scorer, is_example, scored
from pex.score.build import build, imported, parted
from pex.score.judge import asking
from pex.score.judge.judge import Judge
from pex.tracking.store import connect, errors_of

if TYPE_CHECKING:
    from mlflow.entities import Feedback

PART = 50
"""Traces that are scored, written and synced together."""
_UNHEARD = "not judged: "
"""How the error of a verdict begins whose turn did not come."""
Scores = dict[str, Score]


@dataclasses.dataclass(frozen=True, slots=True)
class TraceCase:
    """A trace as scorers see it: the texts that were fetched for it, and the messages sent."""

    case: Case
    answer: Answer
    model: str
    messages: Sequence[Mapping[str, Any]] | None = None


@dataclasses.dataclass(slots=True)
class Scored:
    """What a look scored.

    Args:
        names: the scorers.
        chosen: the sample.
        now: how many traces were scored now.
        errors: scores that failed, by scorer; they are tried again in the next look.
        without: traces of the sample without the expected answer that a scorer needs, by scorer.
        not_written: scores that could not be written on their trace.
        spent_usd: what judges cost.
        status: finished, interrupted, budget or failed, of the judges.
    """

    names: list[str]
    chosen: Chosen
    now: int = 0
    errors: dict[str, int] = dataclasses.field(default_factory=dict)
    without: dict[str, int] = dataclasses.field(default_factory=dict)
    not_written: int = 0
    spent_usd: float = 0.0
    status: str = "finished"

    def sentences(self) -> list[str]:
        """What was scored, of how many, at what cost, and what failed."""
        chosen = self.chosen
        total = chosen.known + self.now
        said = [
            f"{total:,} of {chosen.answered:,} answered traces are scored by "
            f"{', '.join(self.names)}"
            + (
                f": each stands for about {chosen.answered / total:.3g}."
                if total < chosen.answered
                else "."
            )
            if total
            else f"None of {chosen.answered:,} answered traces is scored."
        ]
        if self.now and self.spent_usd:
            said.append(f"{self.now:,} of them in this look, for ${self.spent_usd:.3g}.")
        for name, count in self.without.items():
            said.append(
                f"{name}: {count:,} traces of the sample have no expected answer; it scores the "
                "others only."
            )
        for name, count in self.errors.items():
            said.append(
                f"{name}: {count:,} scores failed; they are not counted, and tried again next time."
            )
        if self.status == "budget":
            said.append("The judges' budget ended before all of the sample was judged.")
        elif self.status != "finished":
            said.append(f"Judging ended early: {self.status}. The next look continues.")
        if self.not_written:
            said.append(
                f"{self.not_written:,} traces could not be given their scores in MLflow: they were "
                "deleted in the meantime."
            )
        return said


Fetch = Callable[[Sequence[str]], Mapping[str, TraceCase]]


def score_sample(
    spec: MonitorSpec,
    traces: Traces,
    uri: str,
    state: Path,
    project: Path,
    folder: Path,
    fetch: Fetch,
    *,
    matching: Callable[[], Sequence[str]] | None = None,
    now: datetime.datetime | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Traces, Scored]:
    """Score the traces of the sample that were not scored before, and add all scores to the frame.

    Each score is also an assessment of its trace in MLflow, with the scorer's identity: a changed
    scorer gives new scores. What was scored stays scored if this is interrupted.

    Args:
        spec: the monitor; its `scorers` are as in an experiment.
        traces: what was read.
        uri: the store.
        state: the folder with the monitor's state.
        project: the project, whose journal, budget and ledger judges use.
        folder: the folder that paths in the scorers start from.
        fetch: returns the texts of traces as cases and answers, by trace id.
        matching: returns the ids of the traces that match the sample's filter.
        now: when the look is made.
        say: told about the progress.

    Returns:
        The traces with `score.<name>` columns, and what was done.

    Raises:
        PexError: a scorer does not fit, or needs expected answers that no trace has; nothing was
            scored, no judge was called.
    """
    moment = now or datetime.datetime.now(datetime.UTC)
    identities = identities_of(spec, folder)
    file = ScoresFile(state)
    known = file.read(identities)
    _from_assessments(known, identities, traces)
    ids = None if matching is None else list(matching())
    needing = [name for name, item in zip(identities, spec.scorers, strict=True)
               if needs_expected(item, folder)]  # fmt: skip
    expected = with_expected(traces, needing)
    if needing and len(needing) == len(identities):
        # Only these can be scored, so the sample is one of them.
        ids = list(expected if ids is None else expected.intersection(ids))
    every = set(traces.frame["trace_id"].astype(str))
    whole = _complete(known, dict.fromkeys(needing, every - expected))
    chosen = choose(traces.frame, spec.sample, whole, moment, ids)
    found = Scored(list(identities), chosen)
    if chosen.new:
        say(f"fetching the texts of {len(chosen.new):,} traces")
        # Scored by some of the scorers only: the others are still to come.
        todo = fetch(chosen.new)
        _score(spec, folder, project, uri, file, identities, known, todo, found, say)
    sample = (whole & every if ids is None else whole.intersection(every, ids)) | set(chosen.new)
    found.without = {name: count for name in needing if (count := len(sample - expected))}
    for name, by_trace in known.items():
        failed = sum(any(one.error for one in scores.values()) for scores in by_trace.values())
        if failed:
            found.errors[name] = failed
    return _with_columns(traces, known), found


def _source_id(scorer: str, identity: str) -> str:
    return f"pex:{scorer}@{identity}"


def _from_assessments(
    known: dict[str, dict[str, Scores]], identities: Mapping[str, str], traces: Traces
) -> None:
    """Scores that other machines wrote on the traces, or whose file was deleted."""
    import pandas as pd

    by = {_source_id(name, identity): name for name, identity in identities.items()}
    said = traces.feedback
    said = said[said["by"].isin(list(by)).fillna(False).to_numpy(dtype=bool)]
    for row in said.to_dict("records"):
        number = row["number"]
        if pd.isna(number):
            continue
        there = known[by[str(row["by"])]].setdefault(str(row["trace_id"]), {})
        there.setdefault(str(row["name"]), Score(float(number)))


def _complete(
    known: Mapping[str, Mapping[str, Scores]], not_for: Mapping[str, set[str]]
) -> set[str]:
    """The traces that every scorer has scored without an error, apart from those `not_for` it."""
    done = [
        {trace for trace, scores in by_trace.items() if not any(s.error for s in scores.values())}
        | not_for.get(name, set())
        for name, by_trace in known.items()
    ]
    return set.intersection(*done) if done else set()


def _score(
    spec: MonitorSpec,
    folder: Path,
    project: Path,
    uri: str,
    file: ScoresFile,
    identities: Mapping[str, str],
    known: dict[str, dict[str, Scores]],
    todo: Mapping[str, TraceCase],
    found: Scored,
    say: Callable[[str], None],
) -> None:
    if not todo:
        return
    cases = [item.case for item in todo.values()]
    some = any(case.expected is not None for case in cases)
    needing = [needs_expected(item, folder) for item in spec.scorers]
    items = [item for item, needs in zip(spec.scorers, needing, strict=True) if some or not needs]
    scorers, judges = parted(build(items, cases, folder))
    scorers = imported(scorers)
    wants = {name for name, needs in zip(identities, needing, strict=True) if needs}
    kinds = {scorer.name: "CODE" for scorer in scorers} | {j.name: "LLM_JUDGE" for j in judges}
    ids = list(todo)

    def left_for(name: str, trace_id: str) -> bool:
        if name in wants and todo[trace_id].case.expected is None:
            return False
        return not _settled(known[name].get(trace_id))

    def keep(given: Mapping[str, Mapping[str, Scores]]) -> None:
        """Write scores, by scorer and trace, first in MLflow, then in the file."""
        rows = []
        for name, by_trace in given.items():
            for trace_id, scores in by_trace.items():
                found.not_written += not _write(uri, trace_id, name, identities[name],
                                                kinds[name], scores)  # fmt: skip
                rows.append((name, identities[name], trace_id, scores))
                known[name][trace_id] = scores
        file.add(rows)

    judged = _judge(judges, spec, todo, project, folder, found, say) if judges else {}
    for start in range(0, len(ids), PART):
        part = ids[start : start + PART]
        given: dict[str, dict[str, Scores]] = {
            name: {i: by[i] for i in part if i in by and left_for(name, i)}
            for name, by in judged.items()
        }
        for scorer in scorers:
            left = [i for i in part if left_for(scorer.name, i)]
            given[scorer.name] = {i: _scored(scorer, todo[i]) for i in left}
        keep(given)
        found.now += len(part)
        say(f"scored {min(start + PART, len(ids)):,} of {len(ids):,} traces")


def _settled(scores: Scores | None) -> bool:
    return scores is not None and not any(one.error for one in scores.values())


def _scored(scorer: Scorer, item: TraceCase) -> Scores:
    if is_example(item.answer):
        return {}
    return scored(scorer, item.answer, item.case, item.messages)


def _judge(
    judges: Sequence[Judge],
    spec: MonitorSpec,
    todo: Mapping[str, TraceCase],
    project: Path,
    folder: Path,
    found: Scored,
    say: Callable[[str], None],
) -> dict[str, dict[str, Scores]]:
    """The judges' scores by judge and trace; those whose turn did not come are left out."""
    answers: dict[RowKey, Answer] = {(t.model, i, 1): t.answer for i, t in todo.items()}
    say(f"asking {len(judges)} judge{'s' if len(judges) > 1 else ''} about {len(todo):,} answers")
    models = dict.fromkeys(item.model for item in todo.values())
    variants = [VariantInfo(model, model=model) for model in models]
    judged = asking.judge(
        judges,
        answers,
        [item.case for item in todo.values()],
        variants,
        project,
        f"{spec.name}.monitor",
        spec.sample.budget_usd,
        journal="reuse",
        folder=folder,
    )
    found.spent_usd, found.status = judged.spent_usd, judged.status
    given: dict[str, dict[str, Scores]] = {judge.name: {} for judge in judges}
    for (_, trace_id, _), scores in judged.scores.items():
        for name, of in given.items():
            mine = {key: one for key, one in scores.items()
                    if key == name or key.startswith(f"{name}.")}  # fmt: skip
            if mine and not any((one.error or "").startswith(_UNHEARD) for one in mine.values()):
                of[trace_id] = mine
    return given


def _write(
    uri: str, trace_id: str, scorer: str, identity: str, kind: str, scores: Mapping[str, Score]
) -> bool:
    """Write scores as assessments of the trace; False if there is no such trace any more."""
    from mlflow.exceptions import MlflowException
    from mlflow.tracing.client import TracingClient

    assessments = [
        _feedback(name, score, kind, _source_id(scorer, identity))
        for name, score in scores.items()
        if score.value is not None
    ]
    if not assessments:
        return True
    connected = TracingClient(uri)
    with errors_of(uri):
        try:
            for item in assessments:
                item.trace_id = trace_id
                connected.log_assessment(trace_id, item)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
    return True


def _feedback(name: str, score: Score, kind: str, source: str) -> Feedback:
    from mlflow.entities import AssessmentSource
    from mlflow.entities import Feedback as MlflowFeedback

    return MlflowFeedback(
        name=name,
        value=score.value,
        rationale=score.reason,
        source=AssessmentSource(kind, source),
        metadata={SCORED_BY: "true"},
    )


def _with_columns(traces: Traces, known: Mapping[str, Mapping[str, Scores]]) -> Traces:
    """The frame with a column for each score; missing where a trace was not scored."""
    import pandas as pd

    columns: dict[str, dict[str, float]] = {}
    for by_trace in known.values():
        for trace_id, scores in by_trace.items():
            for name, score in scores.items():
                if score.value is not None and score.error is None:
                    columns.setdefault(f"score.{name}", {})[trace_id] = float(score.value)
    if not columns:
        return traces
    ids = traces.frame["trace_id"].astype(str)
    new = {name: ids.map(values).astype("Float64") for name, values in columns.items()}
    return dataclasses.replace(traces, frame=traces.frame.assign(**pd.DataFrame(new)))


def matching_filter(uri: str, experiments: Sequence[str], query: str) -> list[str]:
    """The ids of the traces that match a filter in MLflow's syntax, read in pages.

    Args:
        uri: the store.
        experiments: names of MLflow experiments.
        query: the filter.

    Raises:
        PexError: the store refuses the filter, or does not answer.
    """
    from mlflow.tracing.client import TracingClient

    client = connect(uri)
    found: list[str] = []
    with errors_of(uri, f"refused the sample's filter {query!r}"):
        places = [item.experiment_id for item in client.search_experiments()
                  if item.name in experiments]  # fmt: skip
        token = None
        while places:
            page = TracingClient(uri).search_traces(
                locations=places, filter_string=query, max_results=500,
                page_token=token, include_spans=False,
            )  # fmt: skip
            found += [item.info.trace_id for item in page]
            token = page.token
            if not token:
                break
    return found
