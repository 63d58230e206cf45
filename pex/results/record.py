"""Recording a run in MLflow: scores and tables at once, prompts linked, traces in background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pex.core.batch_context import BatchContext
from pex.core.cases import Case
from pex.core.prompt import Prompt
from pex.guard.redact import known
from pex.results.outcome import Outcome, texts_of

if TYPE_CHECKING:
    from pex.record.runs import Recorder
    from pex.record.traces import TraceWriter


def record(
    recorder: Recorder,
    outcome: Outcome,
    texts: Mapping[str, str],
    prompts: Sequence[Prompt],
    cases: Sequence[Case],
    traces: int | str,
) -> TraceWriter:
    """Record a run; return when the tables are written, while the traces are being written.

    Args:
        recorder: the open run.
        outcome: the run's outcome; the column `trace_id` of its frame is filled here.
        texts: the files to rerun it.
        prompts: the run's prompts, linked to their versions in the library, if they are there.
        cases: the cases, for the dataset.
        traces: the number of rows that get a trace.

    Raises:
        PexError: MLflow does not answer.
    """
    from pex.library import registry
    from pex.record.choose_traces import choose
    from pex.record.traces import TraceWriter, target_of, trace_id_of
    from pex.tracking.store import connect

    # A server lost since the run started is noticed within seconds here; every call below would
    # retry for minutes.
    connect(recorder.uri)
    frame, about = outcome.frame, outcome.about
    variants = [str(name) for name in dict.fromkeys(frame["variant"])]
    recorder.begin_children(variants, about)
    chosen = choose(frame, traces)
    places = set(chosen)
    frame["trace_id"] = [
        trace_id_of(recorder.children[variant], case_id, repeat)
        if (case_id, repeat) in places
        else None
        for variant, case_id, repeat in zip(
            frame["variant"], frame["case_id"], frame["repeat"], strict=True
        )
    ]
    recorder.link_prompts(registry.versions_used(recorder.uri, prompts), about)
    recorder.tag_cases(cases)
    whole = {**texts, **texts_of(outcome)}
    recorder.finish(frame, outcome.summary, about, whole, outcome.verdicts, outcome.frontier)
    # The description of the run has the texts of the others without the keys in them.
    shown = [prompt for prompt in prompts if not known().within(prompt.text)]
    writer = TraceWriter(
        target_of(recorder.uri, recorder.run_id, about, shown), frame, chosen, cases
    )
    writer.start()
    if BatchContext.from_environ().batch_id:
        # A job's kernel is stopped as soon as its last cell ends; nobody waits for its threads.
        writer.wait()
    return writer


def record_again(uri: str, run_id: str, outcome: Outcome) -> TraceWriter:
    """Update a run's record with new scores: tables, metrics, note, and the existing traces.

    Args:
        uri: the store.
        run_id: the run.
        outcome: the run with its new scores.

    Raises:
        PexError: MLflow does not answer, or the run is deleted there.
    """
    from pex.record.runs import rescore
    from pex.record.traces import TraceWriter, target_of

    frame, about = outcome.frame, outcome.about
    rescore(
        uri,
        run_id,
        frame,
        outcome.summary,
        about,
        texts_of(outcome),
        outcome.verdicts,
        outcome.frontier,
    )
    traced = frame[frame["trace_id"].notna()]
    places = list(dict.fromkeys(zip(traced["case_id"], traced["repeat"], strict=True)))
    writer = TraceWriter(target_of(uri, run_id, about), frame, places)
    writer.start()
    return writer
