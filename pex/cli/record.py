"""`pexlab record`: missing parts of a run in MLflow."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.cli.runs import RUN_HELP, run_id_of
from pex.core.about import About
from pex.core.cases import load_cases
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.core.prompt import Prompt
from pex.guard.redact import MASK
from pex.project.settings import load_settings
from pex.project.trust import TrustError, shown, trusts_place
from pex.results.load import load_run
from pex.results.results import Results
from pex.run.provider_trust import is_remote

_QUIET_S = 10.0
"""Seconds between two lines of progress if there is no terminal."""
_LOOK_S = 0.2


def record(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help=f"{RUN_HELP} Left out: all runs with missing parts.",
            show_default=False,
        ),
    ] = None,
    traces: Annotated[
        str | None,
        typer.Option(
            metavar="N|all|none",
            help="How many answers get a trace in total; default: pex.toml's setting, else 500.",
        ),
    ] = None,
) -> None:
    """Upload missing parts of a run to MLflow; no model is called.

    A run whose record failed waits in the project and is recorded now. For a run that has been
    recorded, the missing traces and the dataset of its cases are written.
    """
    from pex.record import unrecorded
    from pex.record.choose_traces import check_traces
    from pex.record.traces import complete
    from pex.tracking.store import errors_of, tracking_uri

    project = find_project()
    settings = load_settings(project)
    state, uri = project / settings.journal.path, tracking_uri(project, settings)
    wanted = check_traces(settings.record.traces if traces is None else _number(traces))
    if run is None:
        _list(state, uri)
        return
    run_id = run if run in unrecorded.waiting(state) else run_id_of(run)
    tell = _Progress()
    if run_id in unrecorded.waiting(state):
        results = _bring(state, run_id, uri, wanted)
        uri = str(results.about.tracking_uri)
        if results.run_id != run_id:
            console.err(f"MLflow does not have run {run_id}: it becomes a new run there")
        run_id = str(results.run_id)
        console.out(f"recorded {len(results):,} answers as run {run_id}")
        _follow(results, tell)
    with errors_of(uri, "could not take all traces"):
        new, there = complete(uri, run_id, wanted, tell)
    console.out(f"{there:,} traces, {new:,} of them new")
    console.err(f"see: {_where(uri, run_id)}")


def _number(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdecimal() else text


def _list(state: Path, uri: str) -> None:
    """Print what waits in the project, and which recorded runs lack traces."""
    from pex.record import unrecorded

    lines = []
    for run_id in unrecorded.waiting(state):
        frame, about, _ = unrecorded.take(state, run_id)
        lines.append(f"{run_id}  {about.name}: {len(frame):,} answers wait to be recorded")
    lines += [
        f"{item['run_id']}  {item['experiment']}: {item['traces']} traces"
        for item in unrecorded.unfinished(uri)
    ]
    console.out("\n".join(lines) or "Nothing is missing in MLflow.")
    if lines:
        console.err("`pexlab record RUN` uploads what is missing")


def _bring(state: Path, run_id: str, uri: str, traces: int | str) -> Results:
    """Record a run that waits in the project; if that fails, it keeps waiting.

    A store that does not have the run gets it as a new one.
    """
    from pex.record import files, unrecorded
    from pex.record.runs import Recorder
    from pex.results.outcome import outcome_of
    from pex.results.record import record as write
    from pex.tracking.store import check_writable, connect, errors_of

    frame, about, texts = unrecorded.take(state, run_id)
    uri = _store_of(about, uri, state)
    check_writable(uri)
    connect(uri)
    later = _recorded_later(uri, run_id, Results(frame, about))
    if later is None:
        tags = {"pex.note": about.note} if about.note else {}
        cases = load_cases(unrecorded.folder_of(state, run_id) / files.CASES)
        with errors_of(uri, "could not take the run"):
            recorder = Recorder(uri, about.name, tags, run_id, about.purpose)
            about = dataclasses.replace(about, run_id=recorder.run_id, tracking_uri=uri)
            outcome = outcome_of(frame, about)
            later = Results.of(outcome)
            prompts = _prompts(about, texts)
            later.traces = write(recorder, outcome, texts, prompts, cases, traces)
    unrecorded.drop(state, run_id)
    return later


def _store_of(about: About, uri: str, state: Path) -> str:
    """The store for a waiting run: the one it was started for, if that is known.

    Raises:
        TrustError: only this file names the server, and the user has not allowed it.
    """
    from pex.tracking.artifacts import root_of
    from pex.tracking.store import local_folder

    own = about.tracking_uri
    # MLFLOW_TRACKING_URI is meant for this command. A file may have moved with the project, and
    # an address with a login was stored without it.
    if own is None or os.environ.get("MLFLOW_TRACKING_URI"):
        return uri
    if local_folder(own) is not None or MASK in own or own == uri:
        return uri
    if is_remote(own) and not trusts_place(state, root_of(own)):
        what = f"the run was started for {shown(own)}, and MLflow's login would be sent there"
        also = ", or set MLFLOW_TRACKING_URI to the store for the run"
        raise TrustError(find_project(), [f"{state}: {what}"], also)
    return str(own)


def _recorded_later(uri: str, run_id: str, waiting: Results) -> Results | None:
    """The run as a later start recorded it, with all that waits and more; None if none did."""
    try:
        there = load_run(run_id, uri)
    except PexError:  # it is not there, or has no results yet
        return None
    ages = [(item.about.started_at, len(item)) for item in (waiting, there)]
    return there if ages[0] < ages[1] else None


def _prompts(about: About, texts: Mapping[str, str]) -> list[Prompt]:
    """The prompts of a run from its files; one with images has none."""
    found = []
    for item in about.prompts:
        path = f"prompts/{item.name}.prompty"
        if path in texts:
            prompt = Prompt.parse(texts[path], path, item.name)
            found.append(prompt.called(item.name, item.origin))
    return found


def _follow(results: Results, tell: _Progress) -> None:
    """Wait for the traces that are being written in the background."""
    writer = results.traces
    while writer is not None and writer.is_alive():
        writer.wait(_LOOK_S)
        tell(*writer.progress)


def _where(uri: str, run_id: str) -> str:
    from pex.record import search
    from pex.tracking import store

    experiment_id = store.connect(uri).get_run(run_id).info.experiment_id
    return search.page(uri, experiment_id, run_id) or f"pexlab ui, run {run_id}; or pexlab report"


class _Progress:
    """The progress of the traces on stderr: one line that changes, or a line every few seconds."""

    def __init__(self) -> None:
        self._said_at = time.monotonic()
        self._said = ""

    def __call__(self, done: int, total: int) -> None:
        text = f"traces: {done:,} of {total:,}"
        if text == self._said:
            return
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{text}" + ("\n" if done == total else ""))
            sys.stderr.flush()
        elif time.monotonic() - self._said_at > _QUIET_S:
            console.err(text)
            self._said_at = time.monotonic()
        self._said = text
