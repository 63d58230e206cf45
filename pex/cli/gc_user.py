"""`pexlab gc --user`: all data of one user of a deployed application."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.cases import edits, forget_rows
from pex.rating import store as ratings
from pex.run.database import Database
from pex.run.retention import AnswerFilter, answers, delete

if TYPE_CHECKING:
    from pex.cases.forget_rows import CaseRows
    from pex.monitoring.forget_user import UserData
    from pex.record.forget_cases import Recorded
    from pex.training.forget_rows import ExportedRows

_IDS = 500


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A project, its `.pex/`, its journal and its MLflow store."""

    project: Path
    state: Path
    database: Database
    uri: str

    @property
    def monitor(self) -> Path:
        """What monitors keep."""
        return self.state / "monitor"

    def files(self) -> Iterator[Path]:
        """The files of the project that are neither MLflow's nor in hidden folders."""
        from pex.tracking.store import local_folder

        store = local_folder(self.uri)
        return forget_rows.project_files(self.project, store / "artifacts" if store else None)


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What there is of a user, and what of it is out of reach."""

    place: Place
    user: str
    data: UserData
    rows: Sequence[CaseRows]
    runs: Sequence[tuple[Recorded, set[str], bool]]
    exports: Sequence[ExportedRows]

    @property
    def case_ids(self) -> list[str]:
        """The cases that were made from the user's traces."""
        ids = {case_id for _, ids, _ in self.runs for case_id in ids}
        return sorted(ids.union(*(rows.case_ids for rows in self.rows)))

    def items(self) -> list[dict[str, Any]]:
        """How much of what there is."""
        place, ids = self.place, self.case_ids
        counted = [answers(place.database, which) for which in _filters(ids)]
        edited = sum(edits.journalled(place.state, case_id, None) for case_id in ids)
        rated = sum(ratings.forget(place.state, case_id, None, go=False) for case_id in ids)
        counts = [
            ("traces in MLflow", len(self.data.traces)),
            ("records of MLflow datasets", sum(map(len, self.data.records.values()))),
            ("kept figures of monitors", sum(self.data.kept.values())),
            ("rows of files of cases", sum(len(r.case_ids) for r in self.rows if r.editable)),
            ("answers in the journal", sum(count for count, _ in counted)),
            ("edits of cases", edited),
            ("ratings by hand", rated),
            ("cases in drafts of the Playground", _drafted(place, ids, go=False)),
            ("rows of training exports", sum(export.rows for export in self.exports)),
        ]
        for run, _, waits in self.runs:
            where = "rows in the unrecorded run" if waits else "rows in run"
            counts.append((f"{where} {run.run_id} ({run.experiment})", run.rows))
        return [{"what": what, "count": count, "bytes": None} for what, count in counts]

    def paths(self) -> list[str]:
        """The files and folders that are rewritten."""
        return [
            *(f"{rows.path} ({_rows(len(rows.case_ids))})" for rows in self.rows if rows.editable),
            *(
                f"{item.folder} (a training export, {_rows(item.rows)}: it is written again)"
                for item in self.exports
            ),
            *map(str, self.data.kept),
        ]

    def remains(self) -> list[str]:
        """What cannot be reached from here, in sentences."""
        place = self.place
        said = [
            f"{rows.path}: {_rows(len(rows.case_ids))}, delete them there by hand"
            for rows in self.rows
            if not rows.editable
        ]
        changed = [rows.path for rows in self.rows] + [item.folder for item in self.exports]
        folders = (place.project, *place.project.parents)
        if changed and any((folder / ".git").exists() for folder in folders):
            names = ", ".join(str(path.relative_to(place.project)) for path in changed)
            said.append(f"git's history, as far as it has earlier contents of {names}")
        if self.exports:
            said.append("training files that were sent to a provider, and models trained on them")
        said += self._of_store()
        said += [
            "traces of others that mention this person, and traces without a user's id",
            "requirements, prompts and reasons in which somebody quoted this person",
            "outputs of notebooks, saved pages and reports, files outside the project",
            "other stores: the application's logs, incident reports, providers, backups",
        ]
        return said

    def _of_store(self) -> list[str]:
        """What a store that is not of the project keeps."""
        from pex.monitoring.trace_files import is_server, out_of_reach
        from pex.tracking.store import local_folder

        uri = self.place.uri
        if is_server(uri):
            away = out_of_reach(uri, [*self.data.traces])
            return [
                *(f"files of {_traces(count)} in {place}" for place, count in away.items()),
                "what the tracking server's database and its copies keep of deleted rows",
            ]
        if local_folder(uri) is None:
            return ["files of traces that are kept beside the database"]
        return []

    def delete(self) -> None:
        """Delete it; the traces, which the rest is found by, go nearly last."""
        from pex.evidence.card.run_facts import kept_facts
        from pex.monitoring.forget_user import forget_user
        from pex.record import forget_cases
        from pex.results.outcome import outcome_of
        from pex.training.forget_rows import forget_exported

        place, ids, goes = self.place, self.case_ids, self.data.goes
        for case_id in ids:
            edits.forget(place.state, case_id, None)
            ratings.forget(place.state, case_id, None, go=True)
        _drafted(place, ids, go=True)
        for which in _filters(ids):
            delete(place.database, which)
        for export in self.exports:
            forget_exported(export.folder, goes)
        for run, own, waits in self.runs:
            if waits:
                forget_cases.forget_waiting(place.state, run.run_id, own, None)
            else:
                forget_cases.forget(
                    place.uri, run.run_id, own, None, lambda *left: outcome_of(*left).page
                )
        if self.runs:
            for path in kept_facts(place.project):
                path.unlink(missing_ok=True)
        # The answers of a case are found by its row, the row by the trace.
        for rows in self.rows:
            if rows.editable:
                forget_rows.forget_rows(rows.path, goes)
        forget_user(place.uri, self.data, place.monitor)

    def still_there(self) -> list[str]:
        """The files of the project that still have the user's id in them."""
        name = self.user.encode()
        files = self.place.files()
        return [str(path) for path in files if name in path.read_bytes()]


def find(place: Place, user: str) -> Found:
    """Find what there is of a user, by the id or its digest.

    Raises:
        PexError: something cannot be read; nothing was deleted.
    """
    from pex.monitoring.forget_user import find_user
    from pex.record import forget_cases
    from pex.training.forget_rows import find_exports

    data = find_user(place.uri, user, place.monitor)
    return Found(
        place,
        user,
        data,
        forget_rows.find_rows(place.files(), data.goes),
        forget_cases.find_of_traces(place.uri, place.state, data.goes),
        find_exports(place.files(), data.goes),
    )


def _filters(case_ids: Sequence[str]) -> Iterator[AnswerFilter]:
    for start in range(0, len(case_ids), _IDS):
        yield AnswerFilter(case_ids=tuple(case_ids[start : start + _IDS]))


def _drafted(place: Place, case_ids: Sequence[str], *, go: bool) -> int:
    from pex.playground import draft_files

    folder = place.state / draft_files.FOLDER
    return sum(draft_files.forget(folder, case_id, None, delete=go) for case_id in case_ids)


def _traces(count: int) -> str:
    return "1 trace" if count == 1 else f"{count:,} traces"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
