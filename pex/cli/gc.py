"""`pexlab gc`: what can be deleted, and its deletion."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pex.cases import edits
from pex.cli import console, gc_user
from pex.core import kept_documents
from pex.core.checks import check_positive
from pex.core.errors import PexError
from pex.core.project import find_project, led_outside
from pex.project.settings import load_settings
from pex.rating import store as ratings
from pex.report.terminal import text_table
from pex.run.database import FILE, Database, database_of
from pex.run.retention import AnswerFilter, answers, delete


def gc(
    older_than: Annotated[
        float, typer.Option(metavar="DAYS", help="Delete answers in the journal older than this.")
    ] = 90.0,
    case: Annotated[
        str | None, typer.Option(metavar="ID", help="All data of this case, whatever its age.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(metavar="NAME", help="All data of the cases of this group.")
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="All data of this user of a deployed application: traces, and what was made of "
            "them.",
        ),
    ] = None,
    scratch_prompts: Annotated[
        bool,
        typer.Option(
            "--scratch-prompts",
            help="The prompts in MLflow's registry that only runs of earlier versions registered.",
        ),
    ] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete it; without this, nothing is changed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """List what can be deleted from .pex/ and mlruns/, with its size; --delete deletes it.

    Without --case or --group: answers older than --older-than days (they would have to be paid for
    again), pages and texts of documents that were not used for so long (they are made again), and
    runs that were deleted in MLflow but are still on disk. With them, all data of the case or
    group: its answers in the journal, its cases in drafts of a Playground that is not open, its
    rows, inputs and traces in all runs, recorded or waiting to be recorded, the ratings that people
    gave it, and the MLflow datasets of the cases; reports are rewritten. What is kept of documents
    does not say whose it is, so all of it goes.
    With --user: the user's traces in all experiments (by mlflow.trace.user, user.id, enduser.id, or
    a tag user or user_id), and what was made from them: rows of files of cases, all data of these
    cases, records of datasets, rows of training exports, a monitor's figures. What cannot be
    reached is listed.
    With --scratch-prompts: prompts that nobody saved. Earlier versions of pex registered the
    prompts of all runs in the library; the runs have them as files too, and lose only the link.
    What is kept: metrics and verdicts, the ledger, prompts, the experiment's own cases, notebooks
    and their outputs (also those that a batch keeps with its jobs in MLflow), reports, tables,
    sites and forms that were saved elsewhere, the requests in library/reviews/, what others logged
    into a run, backups, and what a provider keeps.
    Only a database in a file gives its space back here; a database server frees it by its own
    rules.
    """
    from pex.tracking.store import tracking_uri

    check_positive("--older-than", older_than, zero=True)
    project = find_project()
    settings = load_settings(project)
    state = project / settings.journal.path
    database = database_of(state, settings)
    uri = tracking_uri(project, settings)
    if delete:
        _check_place(state, project, uri)
    if user is not None:
        if case is not None or group is not None or scratch_prompts:
            raise PexError(
                "--user is about a user, --case and --group are about cases, --scratch-prompts "
                "about the library",
                hint="give one of them",
            )
        going = _of_user(gc_user.Place(project, state, database, uri), user)
    elif scratch_prompts:
        if case is not None or group is not None:
            raise PexError(
                "--scratch-prompts is about the library, --case and --group are about cases",
                hint="give one of them",
            )
        going = _scratch(uri)
    elif case is None and group is None:
        going = _outdated(database, project, uri, AnswerFilter(older_than))
    else:
        going = _of_case(database, project, state, uri, AnswerFilter(case_id=case, group=group))
    if not as_json:
        console.out(text_table([_cells(item) for item in going.items], right=(1, 2)))
        for path in going.paths:
            console.out(f"  {path}")
    if delete:
        going.delete()
    still = going.still_there() if delete else []
    if as_json:
        paths = [str(path) for path in going.paths]
        document = {"deleted": delete, "items": going.items, "paths": paths}
        if user is not None:
            document |= {"not_reached": list(going.remains), "still_there": still}
        console.document(document)
        return
    if going.remains:
        console.out("not reached from here:")
        console.out("\n".join(f"  {line}" for line in going.remains))
    if still:
        console.out("the id itself is still in:")
        console.out("\n".join(f"  {line}" for line in still))
    if delete:
        console.err("deleted")
    elif any(item["count"] for item in going.items):
        console.err("nothing was deleted; --delete deletes it")


@dataclasses.dataclass(frozen=True, slots=True)
class _Going:
    """What can be deleted: how much of what, from which files and folders, and its deletion."""

    items: list[dict[str, Any]]
    paths: list[str]
    delete: Callable[[], None]
    remains: Sequence[str] = ()
    still_there: Callable[[], list[str]] = list


def _cells(item: dict[str, Any]) -> tuple[str, str, str]:
    size = f"{item['bytes'] / 1e6:.1f} MB" if item["bytes"] is not None else ""
    return item["what"], f"{item['count']:,}", size


def _check_place(state: Path, project: Path, uri: str) -> None:
    """Refuse to delete if a link or a path with `..` leads out of the project.

    Somebody else's project can contain them. An absolute path names a place on this machine.
    """
    from pex.tracking.store import local_folder

    for path in (state, state / FILE, local_folder(uri), Path(uri.removeprefix("sqlite:///"))):
        if (
            path is not None
            and local_folder(uri) is not None
            and (outside := led_outside(path, project))
        ):
            raise PexError(
                f"nothing was deleted: {path} leads to {outside}, outside the project {project}",
                hint="gc deletes only below the project's own folders: run it in the project that "
                "these files belong to, or give their whole path in pex.toml",
            )


def _of_user(place: gc_user.Place, user: str) -> _Going:
    if not user.strip():
        raise PexError("--user: the id is empty")
    found = gc_user.find(place, user)
    items = [item for item in found.items() if item["count"]]
    if not items:
        items = [{"what": "data of this user", "count": 0, "bytes": None}]
    return _Going(items, found.paths(), found.delete, found.remains(), found.still_there)


def _scratch(uri: str) -> _Going:
    from pex.library import scratch

    prompts = scratch.scratch_prompts(uri)
    count = sum(len(prompt.versions) for prompt in prompts)
    items = [
        {"what": "prompts that only runs registered", "count": len(prompts), "bytes": None},
        {"what": "their versions", "count": count, "bytes": None},
    ]
    return _Going(
        items,
        [f"{item.name}: {_versions(len(item.versions))}" for item in prompts],
        lambda: scratch.delete_prompts(uri, prompts),
    )


def _versions(count: int) -> str:
    return "1 version" if count == 1 else f"{count:,} versions"


def _outdated(database: Database, project: Path, uri: str, which: AnswerFilter) -> _Going:
    from pex.record import deleted_runs

    count, size = answers(database, which)
    runs = deleted_runs.deleted(uri, project)
    pages = kept_documents.kept(project, (which.older_than_days or 0) * 86400, time.time())

    def go() -> None:
        deleted_runs.check(uri, runs)
        delete(database, which)
        kept_documents.forget(pages)
        if runs:
            deleted_runs.delete(uri, runs)

    days = f"{which.older_than_days:g}"
    return _Going(
        [
            {"what": f"answers older than {days} days", "count": count, "bytes": size},
            *_of_documents(pages),
            {
                "what": "runs deleted in MLflow",
                "count": len(runs),
                "bytes": sum(run.size for run in runs),
            },
        ],
        [run.place for run in runs],
        go,
    )


def _of_documents(pages: Sequence[tuple[Path, int]]) -> list[dict[str, Any]]:
    """The line about what is kept of documents; none if nothing is."""
    size = sum(size for _, size in pages)
    what = "pages and texts of documents"
    return [{"what": what, "count": len(pages), "bytes": size}] if pages else []


def _of_case(
    database: Database, project: Path, state: Path, uri: str, which: AnswerFilter
) -> _Going:
    from pex.evidence.card.run_facts import kept_facts
    from pex.playground import draft_files
    from pex.record import forget_cases, unrecorded
    from pex.results.outcome import outcome_of

    case, group = which.case_id, which.group
    count, size = answers(database, which)
    recorded = forget_cases.find(uri, case, group)
    waiting = forget_cases.find_waiting(state, case, group)
    edited = edits.journalled(state, case, group)
    if torn := edits.unreadable(state):
        said = "1 line" if torn == 1 else f"{torn:,} lines"
        console.err(f"{state / edits.JOURNAL}: {said} cut off, which could not be read")
    rated = ratings.forget(state, case, group, go=False)
    drafted = draft_files.forget(state / draft_files.FOLDER, case, group, delete=False)
    pages = kept_documents.kept(project)  # their names do not say whose they are
    facts = kept_facts(project)  # they are made again from the runs when a card needs them
    if not any((count, recorded, waiting, edited, rated, drafted)):
        named = " and ".join(
            f"{what} '{name}'" for what, name in (("case", case), ("group", group)) if name
        )
        raise PexError(f"there is no data of {named} in the journal or in MLflow")

    def go() -> None:
        draft_files.forget(state / draft_files.FOLDER, case, group, delete=True)
        for run in waiting:
            forget_cases.forget_waiting(state, run.run_id, case, group)
        for run in recorded:
            forget_cases.forget(uri, run.run_id, case, group, lambda *left: outcome_of(*left).page)
        edits.forget(state, case, group)
        forget_cases.shrink(uri)
        ratings.forget(state, case, group, go=True)
        for path in kept_facts(project):
            path.unlink(missing_ok=True)
        kept_documents.forget(pages)
        # Last: if another step fails, the same command still finds the case.
        delete(database, which)

    shown = [(run, "rows in run") for run in recorded]
    shown += [(run, "rows in the unrecorded run") for run in waiting]
    items: list[dict[str, Any]] = [
        {"what": "answers in the journal", "count": count, "bytes": size},
        *(
            {"what": what, "count": found, "bytes": None}
            for what, found in (
                ("edits of cases", edited),
                ("ratings by hand", rated),
                ("cases in drafts of the Playground", drafted),
                ("what cards keep of runs", len(facts)),
            )
            if found
        ),
        *_of_documents(pages),
        *(
            {"what": f"{where} {run.run_id} ({run.experiment})", "count": run.rows, "bytes": None}
            for run, where in shown
        ),
    ]
    paths = [
        *([str(state / edits.JOURNAL)] if edited else []),
        *([str(state / ratings.FOLDER)] if rated else []),
        *([str(state / draft_files.FOLDER)] if drafted else []),
        *map(str, facts),
        *(str(unrecorded.folder_of(state, run.run_id)) for run in waiting),
    ]
    return _Going(items, paths, go)
