"""`pexlab gc`: what may go, and the deletion of what has to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pex.cli import console
from pex.core.errors import PexError
from pex.core.names import check_positive
from pex.core.settings import find_project, load_settings
from pex.run.database import Database, database_of
from pex.run.house import Which, answers, delete


def gc(
    older_than: Annotated[
        float, typer.Option(metavar="DAYS", help="Answers in the journal older than this may go.")
    ] = 90.0,
    case: Annotated[
        str | None, typer.Option(metavar="ID", help="The data of this case, of whatever age.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(metavar="NAME", help="The data of all cases of this group.")
    ] = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete it; without this nothing is touched.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Say what may go from .pex/ and mlruns/, with its size; --delete deletes it.

    Without --case or --group: answers that are older than --older-than days (they would be paid
    again), and runs that were deleted in MLflow but are still on disk. With them: every answer in
    the journal and every row and input in the recorded runs that belongs to the case or group.
    Metrics, the ledger, output notebooks, exported files and the experiment's own cases stay.
    """
    from pex.record.store import tracking_uri

    check_positive("--older-than", older_than, zero=True)
    project = find_project()
    settings = load_settings(project)
    database = database_of(project / settings.journal.path, settings)
    uri = tracking_uri(project, settings)
    if case is None and group is None:
        items = _old(database, uri, Which(older_than), delete)
    else:
        items = _of(database, uri, case, group, delete)
    if as_json:
        console.document({"deleted": delete, "items": items})
        return
    width = max(len(item["what"]) for item in items)
    for item in items:
        size = f"{item['bytes'] / 1e6:8.1f} MB" if item["bytes"] is not None else ""
        console.out(f"{item['what']:<{width}}  {item['count']:>9,}  {size}".rstrip())
    if delete:
        console.err("deleted")
    elif any(item["count"] for item in items):
        console.err("nothing was deleted; --delete does it")


def _old(database: Database, uri: str, which: Which, go: bool) -> list[dict[str, Any]]:
    from pex.record import forget

    count, size = answers(database, which)
    runs, files = forget.deleted(uri)
    if go:
        delete(database, which)
        if runs:
            forget.delete_deleted(uri)
    days = f"{which.older_than_days:g}"
    return [
        {"what": f"answers older than {days} days", "count": count, "bytes": size},
        {"what": "runs deleted in MLflow", "count": runs, "bytes": files},
    ]


def _of(
    database: Database, uri: str, case: str | None, group: str | None, go: bool
) -> list[dict[str, Any]]:
    from pex.record import forget
    from pex.results import Results

    which = Which(case_id=case, group=group)
    count, size = answers(database, which)
    recorded = forget.find(uri, case, group)
    if not count and not recorded:
        named = " and ".join(
            f"{what} '{name}'" for what, name in (("case", case), ("group", group)) if name
        )
        raise PexError(f"there is nothing of {named} in the journal or in MLflow")
    if go:
        delete(database, which)
        for run in recorded:
            forget.forget(uri, run.run_id, case, group, lambda *left: Results(*left).page())
    return [
        {"what": "answers in the journal", "count": count, "bytes": size},
        *(
            {"what": f"rows in run {run.run_id} ({run.experiment})", "count": run.rows,
             "bytes": None}
            for run in recorded
        ),
    ]  # fmt: skip
