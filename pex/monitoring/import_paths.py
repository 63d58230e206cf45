"""Traces as cases with their recorded paths: by their ids in MLflow, or from a file."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.core.provenance import Provenance
from pex.core.user_name import user_name
from pex.guard.placeholders import Placeholders, hide_in
from pex.monitoring.fetch_texts import TraceTexts, fetch_texts
from pex.monitoring.otlp_file import read_otlp, tools_in
from pex.monitoring.spans import INPUTS, root_of
from pex.monitoring.trace_path import path_of_spans
from pex.monitoring.triage.files import Files
from pex.monitoring.user_text import user_text
from pex.project.personal_rules import personal_rules
from pex.project.settings import load_settings
from pex.tracking.store import tracking_uri as uri_of


def import_paths(
    trace_ids: Sequence[str], to: str | Path, *, tracking_uri: str | None = None
) -> list[Case]:
    """Append traces to an experiment's file of cases: inputs, expected calls, recorded replies.

    The expected answer is MLflow's expectation of the trace, if somebody gave it one. Personal data
    is replaced by placeholders, as in the triage. A trace that is a case already stays as it is.

    Args:
        trace_ids: the traces.
        to: the experiment's `experiment.yaml`.
        tracking_uri: MLflow's store; by default the project's.

    Raises:
        PexError: a trace is missing or has no tool calls, or the file cannot hold it; the traces
            before it are written.
    """
    settings = load_settings(project := find_project())
    uri = uri_of(project, settings, tracking_uri)
    files, rules = Files(Path(to)), personal_rules(settings)
    found = fetch_texts(uri, trace_ids)
    missing = [trace_id for trace_id in trace_ids if trace_id not in found]
    if missing:
        raise PexError(f"there is no trace '{missing[0]}' in {uri}", hint="pexlab ui shows them")
    return [_add(files, rules, *item) for item in found.items()]


@dataclasses.dataclass(frozen=True, slots=True)
class ImportedFile:
    """What came of a file of traces.

    `cases` are those that its traces are now, `without_calls` the ids of traces that call no tool,
    and so have no path; `tools` are the definitions of the tools that models were offered, in
    OpenAI's form.
    """

    cases: list[Case]
    without_calls: list[str]
    tools: list[dict[str, Any]]


def import_otlp(file: str | Path, to: str | Path) -> ImportedFile:
    """The same for the traces in a file of OpenTelemetry (OTLP as JSON); no store is needed.

    Args:
        file: the file.
        to: the experiment's `experiment.yaml`.

    Raises:
        PexError: the file cannot be read, no trace in it has tool calls, or the file of cases
            cannot hold them; the traces before it are written.
    """
    traces = read_otlp(Path(file))
    paths = {trace_id: path_of_spans(spans) for trace_id, spans in traces.items()}
    if not any(paths.values()):
        raise PexError(
            f"{file}: {len(traces):,} {'trace' if len(traces) == 1 else 'traces'}, none with calls "
            "of tools",
            hint="instrumentations leave messages out unless told to record them, by "
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT for example",
        )
    files, rules = Files(Path(to)), personal_rules(load_settings(find_project()))
    cases = []
    tools: dict[str, dict[str, Any]] = {}
    for trace_id, spans in traces.items():
        for tool in tools_in(spans):
            tools.setdefault(tool["function"]["name"], tool)
        if paths[trace_id]:
            texts = TraceTexts(request=user_text(spans), spans=spans)
            cases.append(_add(files, rules, trace_id, texts))
    without = [trace_id for trace_id, calls in paths.items() if not calls]
    return ImportedFile(cases, without, list(tools.values()))


def _add(files: Files, rules: Mapping[str, Any], trace_id: str, texts: TraceTexts) -> Case:
    """Append a trace to the file of cases."""
    try:
        given = files.inputs_of(_named(texts, files), texts.request)
        given |= files.path_inputs(path_of_spans(texts.spans))
    except PexError as error:
        raise PexError(f"trace '{trace_id}': {error.message}", hint=error.hint) from None
    hidden = hide_in([given, texts.expected], known=Placeholders(), **rules)
    given, expected = hidden.value
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    origin = Provenance(accepted_by=user_name(), accepted_on=today, trace=trace_id)
    case, _ = files.add_case(given, expected, origin)
    return case


def _named(texts: TraceTexts, files: Files) -> Mapping[str, Any] | None:
    """The inputs that the trace itself names as the file does, else its prompt's variables."""
    root = root_of(texts.spans)
    given = root.attributes.get(INPUTS) if root is not None else None
    named = {n: given[n] for n in files.inputs if n in given} if isinstance(given, dict) else {}
    return {**(texts.variables or {}), **named} or None
