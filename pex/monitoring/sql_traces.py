"""Reads traces from MLflow's own tables: all of a page in a few queries, spans included.

`MlflowClient.search_traces` needs many more queries for the same, and pages by a growing offset.
Nothing is written, and no query names more than 500 ids.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pex.core.errors import PexError
from pex.guard.redact import redact
from pex.monitoring.trace_row import RawTrace, opinion_row

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

IDS = 500
"""Ids that one query names at most."""
_BLOCK = 10_000
"""Traces that are compared with what is known by one query."""
_TABLES = {
    "experiments": ("experiment_id", "name", "lifecycle_stage"),
    "trace_info": (
        "request_id", "experiment_id", "timestamp_ms", "execution_time_ms", "status",
        "db_payload_generation", "trace_name", "session_id", "input_tokens", "output_tokens",
        "cache_read_input_tokens", "cache_creation_input_tokens", "total_cost",
    ),
    "trace_tags": ("request_id", "key", "value"),
    "trace_request_metadata": ("request_id", "key", "value"),
    "spans": ("trace_id", "span_id", "type", "content", "start_time_unix_nano"),
    "assessments": (
        "assessment_id", "trace_id", "name", "assessment_type", "value", "error", "source_type",
        "source_id", "created_timestamp", "last_updated_timestamp", "valid", "rationale",
    ),
    "entity_associations": ("source_type", "source_id", "destination_type", "destination_id"),
}  # fmt: skip
_METADATA = ("mlflow.trace.user", "mlflow.trace.session", "user.id", "session.id", "service.name")
_TOKENS = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "cached_tokens": "cache_read_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
}


def is_sql(uri: str) -> bool:
    """Whether a store is a database.

    Example:
        >>> is_sql("sqlite:///mlruns/mlflow.db"), is_sql("https://mlflow.example.org")
        (True, False)
    """
    return uri.partition(":")[0].partition("+")[0] in ("sqlite", "postgresql", "mysql", "mssql")


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """All traces of an experiment that started after one moment and up to another one.

    Args:
        after: a moment in milliseconds; None: there is none before.
        until: a moment; None: there is none later.
        rows: id, start, status, duration and number of writes of each trace, oldest first.
        opinions: id, count, last change and count of the valid ones, of traces with assessments.
    """

    after: int | None
    until: int | None
    rows: list[tuple[Any, ...]]
    opinions: list[tuple[Any, ...]]

    def marks(self) -> dict[str, tuple[int, str]]:
        """The start and the mark of each trace.

        A mark changes when the trace ends, gets spans, or when its assessments change.
        """
        said = {row[0]: f"{row[1]} {row[2]} {row[3]}" for row in self.opinions}
        return {
            row[0]: (row[1], f"{row[2]} {row[3]} {row[4]} {said.get(row[0], '')}")
            for row in self.rows
        }

    def digest(self) -> str:
        """A short text that changes when any of the marks does."""
        whole = orjson.dumps([self.rows, self.opinions], default=str)
        return hashlib.blake2b(whole, digest_size=16).hexdigest()


class SqlTraces:
    """A store's tables, as long as the block of `with` lasts."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._tables: dict[str, Table] = {}
        self._stack = contextlib.ExitStack()
        self._connection: Connection

    def __enter__(self) -> SqlTraces:
        import sqlalchemy as sql

        path = self._uri.removeprefix("sqlite:///").partition("?")[0]
        if self._uri.startswith("sqlite") and not Path(path).exists():
            raise PexError(f"there is no MLflow store at {redact(self._uri)}")
        with self._errors():
            engine = sql.create_engine(self._uri, poolclass=sql.NullPool)
            self._connection = self._stack.enter_context(
                engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            )
        metadata = sql.MetaData()
        self._tables = {
            name: sql.Table(name, metadata, *map(sql.Column, columns))
            for name, columns in _TABLES.items()
        }
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (SQLAlchemyError, OSError, ImportError) as error:
            first = (redact(str(error)).strip().splitlines() or [type(error).__name__])[0]
            raise PexError(f"MLflow's store {redact(self._uri)} cannot be read: {first}") from None

    def _rows(self, query: Any) -> list[Any]:
        with self._errors():
            return list(self._connection.execute(query).all())

    def _tuples(self, query: Any) -> list[tuple[Any, ...]]:
        """The rows as the driver gives them: for many rows, in a quarter of the time."""
        with self._errors(), contextlib.closing(self._connection.execute(query)) as result:
            return list(result.cursor.fetchall())

    def is_current(self) -> bool:
        """Whether the tables are those of this version of MLflow."""
        import sqlalchemy as sql

        with self._errors():
            inspector = sql.inspect(self._connection)
            there = set(inspector.get_table_names())
            return all(
                name in there
                and {column["name"] for column in inspector.get_columns(name)} >= set(columns)
                for name, columns in _TABLES.items()
            )

    def experiments(self) -> dict[str, str]:
        """The ids of the experiments by name, without those that were deleted."""
        import sqlalchemy as sql

        table = self._tables["experiments"].c
        query = sql.select(table.name, table.experiment_id).where(table.lifecycle_stage == "active")
        return {str(name): str(number) for name, number in self._rows(query)}

    def blocks(self, experiment: str, ends: Sequence[int] = ()) -> Iterator[Block]:
        """The traces of an experiment in blocks by time, at most some 10,000 in each.

        Args:
            experiment: its number.
            ends: where earlier blocks ended, ascending: these end there too, so that what was
                kept of a block is comparable with it also if others have fewer traces now.
        """
        after: int | None = None
        for end in (*ends, None):
            while end is None or after is None or after < end:
                block = self._block(int(experiment), after, end)
                yield block
                after = block.until
                if after is None:
                    return

    def _block(self, number: int, after: int | None, end: int | None) -> Block:
        import sqlalchemy as sql

        table = self._tables["trace_info"].c
        chosen = sql.select(
            table.request_id, table.timestamp_ms, table.status, table.execution_time_ms,
            table.db_payload_generation,
        ).where(table.experiment_id == number)  # fmt: skip
        query = chosen if after is None else chosen.where(table.timestamp_ms > after)
        query = query if end is None else query.where(table.timestamp_ms <= end)
        rows = self._tuples(query.order_by(table.timestamp_ms).limit(_BLOCK))
        until = end
        if len(rows) == _BLOCK:  # the last moment may go on after the block
            last = rows[-1][1]
            earlier = [row for row in rows if row[1] < last]
            rows = earlier or self._tuples(chosen.where(table.timestamp_ms == last))
            until = rows[-1][1]
        return Block(after, until, rows, self._opinion_marks(number, rows) if rows else [])

    def pairs(self, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Trace id and value of the tags and metadata with these keys, of all experiments."""
        import sqlalchemy as sql

        for name in ("trace_tags", "trace_request_metadata"):
            table = self._tables[name].c
            for row in self._rows(
                sql.select(table.request_id, table.value).where(table.key.in_(keys))
            ):
                yield row[0], str(row[1])

    def spans_with(self, text: str) -> list[Any]:
        """Trace id and JSON of the spans that contain a text, of all experiments."""
        import sqlalchemy as sql

        spans = self._tables["spans"].c
        return self._rows(
            sql.select(spans.trace_id, spans.content).where(
                spans.content.contains(text, autoescape=True)
            )
        )

    def without_spans(self) -> list[str]:
        """The traces whose spans are a file, as earlier versions of MLflow wrote them."""
        import sqlalchemy as sql

        info, tags = self._tables["trace_info"].c, self._tables["trace_tags"].c
        here = sql.select(tags.request_id).where(
            tags.key == "mlflow.trace.spansLocation", tags.value == "TRACKING_STORE"
        )
        return [
            row[0]
            for row in self._rows(sql.select(info.request_id).where(~info.request_id.in_(here)))
        ]

    def experiment_of(self, trace_ids: Sequence[str]) -> dict[str, str]:
        """The numbers of the experiments of at most 500 traces, without those that are gone."""
        import sqlalchemy as sql

        info = self._tables["trace_info"].c
        query = sql.select(info.request_id, info.experiment_id)
        return {r[0]: str(r[1]) for r in self._rows(query.where(info.request_id.in_(trace_ids)))}

    def _opinion_marks(self, number: int, rows: Sequence[Any]) -> list[tuple[Any, ...]]:
        import sqlalchemy as sql

        given, info = self._tables["assessments"].c, self._tables["trace_info"].c
        updated = sql.func.max(given.last_updated_timestamp)
        valid = sql.func.sum(sql.case((given.valid, 1), else_=0))
        query = (
            sql.select(given.trace_id, sql.func.count(), updated, valid)
            .where(given.trace_id == info.request_id, info.experiment_id == number)
            .where(info.timestamp_ms.between(rows[0][1], rows[-1][1]))
            .group_by(given.trace_id)
        )
        return self._tuples(query)

    def details(self, experiment: str, trace_ids: Sequence[str]) -> list[RawTrace]:
        """All about at most 500 traces; those that are gone are left out."""
        import sqlalchemy as sql

        assert len(trace_ids) <= IDS
        info = self._tables["trace_info"]
        found: dict[str, RawTrace] = {}
        for row in self._rows(sql.select(info).where(info.c.request_id.in_(trace_ids))):
            found[row.request_id] = RawTrace(
                trace_id=row.request_id,
                experiment=experiment,
                started_ms=row.timestamp_ms,
                latency_ms=row.execution_time_ms,
                status=row.status,
                name=row.trace_name,
                session=row.session_id,
                cost_usd=row.total_cost,
                tokens={name: getattr(row, column) for name, column in _TOKENS.items()},
            )
        for trace_id, content, kind in self.span_contents(trace_ids):
            if trace_id in found:
                found[trace_id].contents.append((content, kind))
        self._add_pairs(found, trace_ids)
        self._add_opinions(found, trace_ids)
        return list(found.values())

    def span_contents(self, trace_ids: Sequence[str]) -> list[Any]:
        """Trace id, JSON and type of each span, in the order in which they began."""
        import sqlalchemy as sql

        spans = self._tables["spans"].c
        query = sql.select(spans.trace_id, spans.content, spans.type)
        query = query.where(spans.trace_id.in_(trace_ids))
        return self._rows(query.order_by(spans.trace_id, spans.start_time_unix_nano))

    def _add_pairs(self, found: dict[str, RawTrace], trace_ids: Sequence[str]) -> None:
        import sqlalchemy as sql

        tags, pairs = self._tables["trace_tags"].c, self._tables["trace_request_metadata"].c
        links = self._tables["entity_associations"].c
        for row in self._rows(
            sql.select(tags.request_id, tags.key, tags.value).where(tags.request_id.in_(trace_ids))
        ):
            if row[0] in found:
                found[row[0]].tags[row[1]] = row[2]
        query = sql.select(pairs.request_id, pairs.key, pairs.value)
        for row in self._rows(
            query.where(pairs.request_id.in_(trace_ids), pairs.key.in_(_METADATA))
        ):
            if row[0] in found:
                found[row[0]].metadata[row[1]] = row[2]
        query = sql.select(links.source_id, links.destination_id).where(
            links.source_type == "trace",
            links.destination_type == "prompt_version",
            links.source_id.in_(trace_ids),
        )
        for row in self._rows(query):
            if row[0] in found:
                found[row[0]].links.append(row[1])

    def _add_opinions(self, found: dict[str, RawTrace], trace_ids: Sequence[str]) -> None:
        for row in self.assessments(trace_ids):
            if row.trace_id not in found or row.error is not None:
                continue
            if row.assessment_type == "expectation":
                found[row.trace_id].expectations.append(row.name)
                continue
            try:
                value = orjson.loads(row.value)
            except orjson.JSONDecodeError:
                continue
            found[row.trace_id].opinions.append(
                opinion_row(
                    row.trace_id, row.name, value, row.source_type, row.source_id,
                    row.last_updated_timestamp,
                )
            )  # fmt: skip

    def assessments(self, trace_ids: Sequence[str]) -> list[Any]:
        """The valid feedback and expectations of traces, as rows of the table."""
        import sqlalchemy as sql

        table = self._tables["assessments"]
        query = sql.select(table).where(
            table.c.trace_id.in_(trace_ids),
            table.c.valid.is_(sql.true()),
            table.c.assessment_type.in_(("feedback", "expectation")),
        )
        return self._rows(query.order_by(table.c.created_timestamp))
