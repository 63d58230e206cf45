"""MLflow's runs in a bundle: rows of its tables as lines of JSON, and where their files are.

Ids stay the same, which MLflow's own interface cannot do. Only the tables of runs, traces, data
sets and prompts are packed: not those of secrets, endpoints, webhooks or users.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pex.bundle.manifest import MLFLOW
from pex.core.errors import PexError
from pex.record.sessions import WHOLE

PLACE = "bundle:"
"""Begins an address of files in a bundle; the rest is relative to the folder of the store."""
_ARTIFACTS = "mlflow.artifactLocation"
_CHUNK = 500

TABLES = {
    "experiments": "experiment", "experiment_tags": "experiment", "datasets": "experiment",
    "runs": "run", "tags": "run", "params": "run", "metrics": "run", "latest_metrics": "run",
    "inputs": "input", "input_tags": "input_tag",
    "trace_info": "trace", "trace_tags": "trace", "trace_request_metadata": "trace",
    "trace_metrics": "trace", "spans": "span", "span_metrics": "span", "assessments": "span",
    "evaluation_datasets": "dataset", "evaluation_dataset_records": "dataset",
    "evaluation_dataset_tags": "dataset", "entity_associations": "association",
    "registered_models": "prompt", "registered_model_tags": "prompt",
    "registered_model_aliases": "prompt", "model_versions": "prompt",
    "model_version_tags": "prompt",
}  # fmt: skip
"""The tables that are packed, each with what its rows belong to."""
_COLUMNS = {
    "experiment": "experiment_id", "run": "run_uuid", "input": "destination_id",
    "input_tag": "input_uuid", "trace": "request_id", "span": "trace_id", "dataset": "dataset_id",
    "association": "source_id", "prompt": "name",
}  # fmt: skip
_LOCATIONS = {"experiments": "artifact_location", "runs": "artifact_uri"}


class Store:
    """A local MLflow store, read for a bundle.

    Args:
        database: its SQLite file.
        experiments: names of the chosen experiments; none: all.
        runs: ids of the chosen runs; none: all of the experiments.
        prompts: names of the prompts to take along; None: all.
    """

    def __init__(
        self,
        database: Path,
        experiments: Collection[str],
        runs: Collection[str],
        prompts: Collection[str] | None,
    ) -> None:
        self.folder = database.parent
        uri = f"file:{quote(str(database))}?mode=ro"
        self._sql = sqlite3.connect(uri, uri=True, timeout=60)
        self._sql.row_factory = sqlite3.Row
        self._sql.execute("BEGIN")  # everything is read as it is at one moment
        self.ids = self._chosen(experiments, runs, prompts)

    def close(self) -> None:
        """Close the database."""
        self._sql.close()

    def _chosen(
        self, experiments: Collection[str], runs: Collection[str], prompts: Collection[str] | None
    ) -> dict[str, set[str]]:
        """The ids of what is packed, by kind."""
        alive = self._all(
            "SELECT r.run_uuid, r.experiment_id, e.value AS name, p.value AS parent FROM runs r "
            "LEFT JOIN tags e ON e.run_uuid = r.run_uuid AND e.key = 'pex.experiment' "
            "LEFT JOIN tags p ON p.run_uuid = r.run_uuid AND p.key = 'mlflow.parentRunId' "
            "WHERE r.lifecycle_stage = 'active'"
        )
        parents = {row["run_uuid"]: row["parent"] for row in alive}
        name_of = {row["run_uuid"]: row["name"] for row in alive}
        chosen = set()
        for row in alive:
            own = {row["run_uuid"], *_ancestors(row["run_uuid"], parents)}
            names = {name_of.get(run) for run in own}
            if (not experiments or names & set(experiments)) and (not runs or own & set(runs)):
                chosen.add(row["run_uuid"])
        of_runs = {str(row["experiment_id"]) for row in alive if row["run_uuid"] in chosen}
        # The turns of a conversation belong to no run, but to the trace of the whole.
        turns = {
            row["request_id"]: row["value"]
            for row in self._all(
                "SELECT request_id, value FROM trace_request_metadata WHERE key = ?", [WHOLE]
            )
        }
        traces = {
            row["request_id"]
            for row in self._all(
                "SELECT t.request_id, m.value AS run, t.experiment_id FROM trace_info t LEFT JOIN "
                "trace_request_metadata m ON m.request_id = t.request_id "
                "AND m.key = 'mlflow.sourceRun'"
            )
            if row["run"] in chosen
            or (
                row["run"] is None
                and row["request_id"] not in turns
                and not experiments
                and not runs
            )
        }
        traces |= {turn for turn, whole in turns.items() if whole in traces}
        if not experiments and not runs:
            alive = self._all("SELECT * FROM experiments WHERE lifecycle_stage = 'active'")
            of_runs |= {str(row["experiment_id"]) for row in alive}
        inputs = self._ids("inputs", "input_uuid", "destination_id", chosen)
        datasets = {
            row["source_id"]
            for row in self._all("SELECT * FROM entity_associations WHERE source_type = "
                                 "'evaluation_dataset' AND destination_type = 'experiment'")
            if str(row["destination_id"]) in of_runs
        }  # fmt: skip
        tagged = "SELECT name FROM registered_model_tags WHERE key = 'mlflow.prompt.is_prompt'"
        known = {row["name"] for row in self._all(tagged)}
        return {
            "experiment": of_runs, "run": chosen, "input": chosen, "input_tag": inputs,
            "trace": traces, "span": traces, "dataset": datasets, "association": datasets,
            "prompt": known if prompts is None else known & set(prompts),
        }  # fmt: skip

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        return self._sql.execute(sql, values).fetchall()

    def _ids(self, table: str, wanted: str, column: str, values: Collection[str]) -> set[str]:
        return {row[wanted] for row in self._of(table, column, values)}

    def _of(self, table: str, column: str, values: Collection[str]) -> Iterator[sqlite3.Row]:
        ordered = sorted(values)
        for start in range(0, len(ordered), _CHUNK):
            part = ordered[start : start + _CHUNK]
            marks = ", ".join("?" * len(part))
            yield from self._sql.execute(f"SELECT * FROM {table} WHERE {column} IN ({marks})", part)

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The rows by the name of their file in the bundle, their files' places made relative."""
        there = {row[0] for row in self._all("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table, kind in TABLES.items():
            if table not in there:
                continue
            # Without generated columns, which no row can be given.
            columns = {row["name"] for row in self._all(f"PRAGMA table_info({table})")}
            for row in self._of(table, _COLUMNS[kind], self.ids[kind]):
                data = {name: row[name] for name in row.keys() if name in columns}  # noqa: SIM118
                column = _location(table, data)
                if column is not None:
                    inside = self.relative(data[column])
                    data[column] = f"{PLACE}{inside if inside is not None else 'elsewhere'}"
                yield f"{MLFLOW}{table}.jsonl", data

    def run_files(self) -> Iterator[tuple[str | None, str]]:
        """The folders of files of runs and traces, relative to the store; None: not in it."""
        for row in self._of("runs", "run_uuid", self.ids["run"]):
            yield self.relative(row["artifact_uri"]), f"files of run {row['run_uuid']}"
        for row in self._of("trace_tags", "request_id", self.ids["trace"]):
            if row["key"] == _ARTIFACTS:
                yield self.relative(row["value"]), f"files of trace {row['request_id']}"

    def relative(self, address: str | None) -> str | None:
        """A place on this machine relative to the store's folder, or None if it is elsewhere."""
        parts = urlsplit(address or "")
        if parts.scheme not in ("", "file") or parts.netloc:
            return None
        path = Path(unquote(parts.path) if parts.scheme else parts.path)
        with contextlib.suppress(ValueError):
            return path.resolve().relative_to(self.folder.resolve()).as_posix()
        return None


def _ancestors(run: str, parents: dict[str, str | None]) -> list[str]:
    found: list[str] = []
    parent = parents.get(run)
    while parent is not None and parent not in found:
        found.append(parent)
        parent = parents.get(parent)
    return found


def _location(table: str, row: dict[str, Any]) -> str | None:
    """The column of a row that says where files are."""
    if table == "trace_tags":
        return "value" if row.get("key") == _ARTIFACTS else None
    return _LOCATIONS.get(table)


class StoreWriter:
    """Writes the rows of a bundle into a new MLflow store.

    Args:
        database: the new store's SQLite file, which MLflow has made.
        final: the folder that the store will be in.
    """

    def __init__(self, database: Path, final: Path) -> None:
        self._sql = sqlite3.connect(database)
        self._final = final
        names = [row[0] for row in self._sql.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'")]  # fmt: skip
        self._columns = {
            name: {row[1] for row in self._sql.execute(f"PRAGMA table_info({name})")}
            for name in names
            if name in TABLES
        }

    def add(self, table: str, rows: Sequence[dict[str, Any]], where: str) -> None:
        """Add rows to a table.

        Raises:
            PexError: a table or a column that this MLflow does not have, or an unsafe place.
        """
        known = self._columns.get(table)
        for row in rows:
            if known is None or not set(row) <= known or not row:
                raise PexError(
                    f"{where}: MLflow here has no such table or column",
                    hint="the bundle comes from another version of MLflow: install the version "
                    "that its manifest names",
                )
            column = _location(table, row)
            if column is not None:
                row[column] = self._place(str(row.get(column)), where)
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" * len(row))
            with self._errors(where):
                self._sql.execute(
                    f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})", list(row.values())
                )

    def _place(self, given: str, where: str) -> str:
        inside = given.removeprefix(PLACE)
        path = PurePosixPath(inside)
        if not given.startswith(PLACE) or path.is_absolute() or ".." in path.parts or ":" in inside:
            raise PexError(f"{where}: files of a run at {given[:80]!r}: not a place in the bundle")
        return (self._final / path).as_uri()

    @contextlib.contextmanager
    def _errors(self, where: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError) as error:
            raise PexError(f"{where}: MLflow's tables do not take it: {error}") from None

    def close(self) -> None:
        """Write everything, and close the store.

        Raises:
            PexError: rows refer to others that are not there.
        """
        with self._errors(MLFLOW):
            broken = self._sql.execute("PRAGMA foreign_key_check").fetchall()
            if broken:
                raise PexError(f"{MLFLOW}{broken[0][0]}.jsonl: a row refers to one that is missing")
            self._sql.commit()
        self._sql.close()

    def abandon(self) -> None:
        """Close the store without what was added."""
        self._sql.close()
