"""`pexlab doctor`: what is installed, reachable and set, and what to do about the rest."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
import shutil
from pathlib import Path
from typing import Annotated

import typer

from pex import local
from pex.cli import console
from pex.core import private
from pex.core.errors import PexError
from pex.core.extras import PACKAGES, install_line, missing
from pex.core.project import FILE, find_project
from pex.core.version import __version__
from pex.guard.redact import redact
from pex.project import keys
from pex.project.settings import ProviderSettings, Settings, load_settings
from pex.project.trust import TrustError, command
from pex.report.terminal import text_table
from pex.run.client import list_models
from pex.run.database import database_of
from pex.run.endpoint import address, connect, key_variable, some_model
from pex.run.errors import KeyRefusedError
from pex.run.kept_lists import keep_list
from pex.run.provider_trust import waits_for_trust
from pex.run.providers import BUILT_IN, LOCAL
from pex.run.retention import AnswerFilter, answers
from pex.run.threads import run_in_thread

_DISTRIBUTIONS = {"presidio_analyzer": "presidio-analyzer"}
_SHOWN = ("mlflow", "jupyterlab", "papermill", "plotly", "pandas")
"""Packages of the extra `lab` whose versions people are asked for."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's output: the subject, its state, and the finding."""

    what: str
    state: str
    found: str


_NOT_ASKED = "not checked: "


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Show what is installed, set and reachable, and what to do about the rest."""
    project = find_project()
    settings = load_settings(project)
    findings = [
        *_installed(),
        *_project(project, settings),
        _built_in(project / settings.journal.path),
        *_keys(project),
        *_providers(project, settings),
        *_retiring(project, settings),
    ]
    if as_json:
        console.document({"findings": [dataclasses.asdict(item) for item in findings]})
        return
    marks = {"ok": "ok", "missing": "--", "problem": "!!"}
    console.out(text_table([(marks[item.state], item.what, item.found) for item in findings]))


def _installed() -> list[Finding]:
    findings = [Finding("pexlab", "ok", f"{__version__}, Python {platform.python_version()}")]
    for extra, packages in PACKAGES.items():
        for name in _SHOWN if extra == "lab" else packages[:1]:
            try:
                version = importlib.metadata.version(_DISTRIBUTIONS.get(name, name))
                findings.append(Finding(name, "ok", version))
            except importlib.metadata.PackageNotFoundError:
                how = f"not installed: {install_line(extra)}"
                findings.append(Finding(name, "missing", how))
    findings += _clash()
    return findings


def _clash() -> list[Finding]:
    """The packaging tool `pex` has a package of the same name: only one of the two works."""
    try:
        version = importlib.metadata.version("pex")
    except importlib.metadata.PackageNotFoundError:
        return []
    return [
        Finding(
            "pex (packaging)",
            "problem",
            f"the packaging tool pex {version} is in this environment and overwrites "
            "'import pex': pip uninstall pex, then reinstall pexlab",
        )
    ]


def _project(project: Path, settings: Settings) -> list[Finding]:
    from pex.record import unrecorded
    from pex.tracking import store

    has = (project / FILE).is_file()
    findings = [
        Finding("project", "ok", f"{project}" if has else f"{project} (no {FILE}: defaults)")
    ]
    try:
        uri = store.tracking_uri(project, settings)
        there = store.exists(uri) and not missing("lab")
        if there:  # connecting would create it, and a diagnosis leaves nothing behind
            store.connect(uri)
        when = "" if there else " (created by the first run)"
        findings.append(Finding("record", "ok", f"{redact(uri)}{when}"))
    except TrustError as error:
        findings.append(Finding("record", "problem", f"{_NOT_ASKED}{command(error.project)}"))
    except PexError as error:
        findings.append(Finding("record", "problem", error.message))
    if waiting := len(unrecorded.waiting(project / settings.journal.path)):
        how = f"{waiting} {'run waits' if waiting == 1 else 'runs wait'}: pexlab record"
        findings.append(Finding("unrecorded", "problem", how))
    own = project / settings.journal.path
    if own == private.state(project) != project / private.STATE:
        closed = f"{project / private.STATE} is closed to you: what you keep is in {own}"
        findings.append(Finding("state", "ok", closed))
    for name in (settings.journal.path, "mlruns"):
        size = sum(file.stat().st_size for file in (project / name).rglob("*") if file.is_file())
        findings.append(Finding(f"size of {name}/", "ok", f"{size / 1e6:.1f} MB"))
    database = database_of(project / settings.journal.path, settings)
    try:
        count, size = answers(database, AnswerFilter())
        findings.append(
            Finding("journal", "ok", f"{count:,} answers, {size / 1e6:.1f} MB: {database.place}")
        )
    except PexError as error:
        findings.append(Finding("journal", "problem", error.message))
    free = shutil.disk_usage(project).free / 1e9
    findings.append(Finding("disk", "ok" if free > 1 else "problem", f"{free:.0f} GB free"))
    return findings


def _built_in(state: Path) -> Finding:
    what = f"{LOCAL}/{local.MODEL}"
    absent = local.missing()
    if absent is not None:
        return Finding(what, "missing", absent)
    server = local.status(state)
    if server is None:
        return Finding(what, "ok", "installed; its server starts on first use")
    return Finding(what, "ok", f"server runs at {server.base_url} (process {server.pid})")


def _keys(project: Path) -> list[Finding]:
    """The places that keys come from besides the environment; no key is shown."""
    findings = []
    file = keys.place(project)
    try:
        names = sorted(keys.names_in_file(project))
        if file.exists():
            findings.append(Finding("keys", "ok", f"{file}: {', '.join(names) or 'no keys'}"))
    except PexError as error:
        findings.append(Finding("keys", "problem", f"{error.message}; {error.hint or ''}"))
    if problem := keys.keyring_problem():
        findings.append(Finding("keys", "problem", f"{keys.KEYRING} cannot be read: {problem}"))
    return findings


def _providers(project: Path, settings: Settings) -> list[Finding]:
    findings = []
    for name in [*settings.providers, *(n for n in BUILT_IN if n not in settings.providers)]:
        if name == LOCAL:
            continue
        provider = BUILT_IN.get(name)
        variable, _ = key_variable(name, settings)
        named = name in settings.providers or keys.has(variable, project)
        if provider is not None and provider.free and not named:
            found = _reach(name, project, settings)
            absent = Finding(name, "missing", f"not running at {provider.base_url}")
            findings.append(found if found.state == "ok" else absent)
        elif not named:
            findings.append(Finding(name, "missing", f"{variable} is not set"))
        else:
            findings.append(_reach(name, project, settings))
    return findings


def _retiring(project: Path, settings: Settings) -> list[Finding]:
    """The models in use that stop soon, as far as that is known without a call."""
    from pex.evidence.retiring_models import retiring_models

    return [
        Finding(item.ref, "problem", f"{item.sentence} {item.advice}")
        for item in retiring_models(project, settings)
    ]


def _reach(name: str, project: Path, settings: Settings) -> Finding:
    """Whether a provider answers; if it needs trust that the project lacks, it is not called."""
    own = settings.providers.get(name, ProviderSettings())
    if settings.project is not None and waits_for_trust(name, settings):
        return Finding(name, "problem", f"{_NOT_ASKED}{command(settings.project)}")
    if own.token_command is not None:  # a check runs no command
        where = own.base_url or "the provider"
        return Finding(name, "ok", f"{redact(where)}: {_NOT_ASKED}token_command runs with a run")
    said = ""
    try:
        key = keys.find(key_variable(name, settings)[0], project)
        said = f"; {key.variable} {keys.told(key)}" if key is not None else ""
        state = project / settings.journal.path
        endpoint = connect(some_model(name, settings), settings, state)
        models = run_in_thread(list_models(endpoint))
        if models and state.is_dir():  # else nothing is left behind
            keep_list(state, name, redact(address(name, settings) or ""), models)
    except KeyRefusedError as error:
        return Finding(name, "problem", f"{error.message}{said}")
    except PexError as error:
        return Finding(name, "problem", error.message)
    listed = f"{len(models)} models" if models is not None else "does not list its models"
    return Finding(name, "ok", f"{endpoint.base}{endpoint.through}: {listed}{said}")
