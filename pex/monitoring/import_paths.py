"""Traces by their ids as cases with their recorded paths, without the queue of the triage."""

from __future__ import annotations

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
from pex.monitoring.spans import INPUTS, root_of
from pex.monitoring.trace_path import path_of_spans
from pex.monitoring.triage.files import Files
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
    files, project = Files(Path(to)), find_project()
    settings = load_settings(project)
    uri = uri_of(project, settings, tracking_uri)
    rules = personal_rules(settings)
    found = fetch_texts(uri, trace_ids)
    missing = [trace_id for trace_id in trace_ids if trace_id not in found]
    if missing:
        raise PexError(f"there is no trace '{missing[0]}' in {uri}", hint="pexlab ui shows them")
    cases = []
    for trace_id, texts in found.items():
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
        cases.append(case)
    return cases


def _named(texts: TraceTexts, files: Files) -> Mapping[str, Any] | None:
    """The inputs that the trace itself names as the file does, else its prompt's variables."""
    root = root_of(texts.spans)
    given = root.attributes.get(INPUTS) if root is not None else None
    named = {n: given[n] for n in files.inputs if n in given} if isinstance(given, dict) else {}
    return {**(texts.variables or {}), **named} or None
