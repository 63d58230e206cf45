"""Runs of other tools as long frames: `mlflow.genai.evaluate`, `mlflow.log_table`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core import jsontext
from pex.core.canonical_json import digest
from pex.core.errors import PexError, nearest
from pex.core.parquet import read_table
from pex.core.score import WORDS
from pex.core.values import to_json_value
from pex.record.runs import load
from pex.record.search import run_of
from pex.tracking.store import connect

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run

IDS = ("case_id", "id", "case", "question_id", "example_id", "key")
"""Columns of a table that are used as the case's id if none is named."""


def load_any(uri: str, run_id: str, id_column: str | None = None) -> pd.DataFrame:
    """Return the long frame of any run with one answer per row.

    A run of pex gives all its variants, the run of one variant gives that one. For other runs,
    the traces with assessments are read, or the tables if there are none.

    Args:
        uri: the store.
        run_id: the run.
        id_column: the column of its table that has the case's id.

    Raises:
        PexError: the run does not exist, or nothing in it can be compared.
    """
    client = connect(uri)
    run = run_of(uri, run_id)
    kind = run.data.tags.get("pex.kind")
    if kind == "run":
        return load(uri, run_id)[0]
    if kind == "variant":
        whole, _ = load(uri, run.data.tags["mlflow.parentRunId"])
        name = run.data.params.get("variant", run.info.run_name)
        of_variant: pd.DataFrame = whole[whole["variant"] == name]
        return of_variant.reset_index(drop=True)
    found = _from_traces(client, run) if id_column is None else None
    frame = _from_tables(client, run, id_column) if found is None else found
    return frame.assign(variant=str(run.info.run_name or run_id[:8]))


def _from_traces(client: MlflowClient, run: Run) -> pd.DataFrame | None:
    """The output of `mlflow.genai.evaluate`: a trace with assessments for each row."""
    rows: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    for trace in _traces(client, run):
        inputs = trace.info.request_preview or ""
        if trace.data is not None and trace.data.request:
            inputs = trace.data.request
        case_id = trace.info.tags.get("pex.case_id") or digest(_parsed(inputs))
        seen[case_id] = seen.get(case_id, 0) + 1
        scores = {
            f"score.{item.name}": _number(item.feedback.value)
            for item in trace.info.assessments or []
            if getattr(item, "feedback", None) is not None
        }
        failed = str(trace.info.state).endswith("ERROR")
        rows.append(
            {
                "case_id": case_id,
                "repeat": seen[case_id],
                "case.inputs": inputs,
                "error": "the call failed" if failed else None,
                **{name: value for name, value in scores.items() if value is not None},
            }
        )
    import pandas as pd

    frame = pd.DataFrame(rows)
    return frame if any(name.startswith("score.") for name in frame.columns) else None


def _traces(client: MlflowClient, run: Run) -> Iterable[Any]:
    token = None
    while True:
        page = client.search_traces(
            locations=[run.info.experiment_id],
            run_id=run.info.run_id,
            max_results=500,
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _from_tables(client: MlflowClient, run: Run, id_column: str | None) -> pd.DataFrame:
    """The first table of a run with a case id and something to compare."""
    tables = jsontext.loads(run.data.tags.get("mlflow.loggedArtifacts", "[]"))
    names = [item["path"] for item in tables if item.get("type") == "table"]
    seen: list[str] = []
    for name in names:
        frame = _table(client, run.info.run_id, name)
        seen += [str(column) for column in frame.columns]
        found = next((c for c in ([id_column] if id_column else IDS) if c in frame.columns), None)
        if found is None:
            continue
        scores = [c for c in frame.columns if c != found and _is_score(frame[c])]
        if scores:
            return _long(frame, found, scores)
    where = f"run '{run.info.run_id}'"
    if not names:
        raise PexError(
            f"{where} has no traces with assessments and no table, so there is nothing to compare",
            hint="name a run of pex, of mlflow.genai.evaluate, or one with mlflow.log_table",
        )
    if id_column is not None and id_column not in seen:
        raise PexError(
            f"{where}: no table has a column '{id_column}'", hint=nearest(id_column, seen)
        )
    raise PexError(
        f"{where}: no table has a column of case ids and a column of numbers",
        hint=f"name the column with the ids; the columns are: {', '.join(dict.fromkeys(seen))}",
    )


def _table(client: MlflowClient, run_id: str, name: str) -> pd.DataFrame:
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder:
        path = Path(client.download_artifacts(run_id, name, folder))
        if path.suffix == ".parquet":
            frame: pd.DataFrame = read_table(path, name).to_pandas()
            return frame
        return pd.read_json(path, orient="split", dtype=False)


def _long(frame: pd.DataFrame, id_column: str, scores: list[str]) -> pd.DataFrame:
    """A table as a long frame: numbers become scores, texts belong to the case."""
    renamed = {
        name: f"score.{name.removeprefix('score.').removeprefix('score_')}" for name in scores
    }
    texts = {
        name: f"case.{name.removeprefix('case.')}"
        for name in frame.columns
        if name not in (id_column, *scores)
    }
    long = frame.rename(columns=renamed | texts).assign(
        case_id=[str(to_json_value(value)) for value in frame[id_column]]
    )
    return long.assign(repeat=long.groupby("case_id").cumcount() + 1)


def _is_score(values: pd.Series[Any]) -> bool:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return bool(is_numeric_dtype(values) or is_bool_dtype(values))


def _number(value: Any) -> float | None:
    if isinstance(value, bool | int | float):
        return float(value)
    word = WORDS.get(str(value).casefold())
    return None if word is None else float(word)


def _parsed(text: str) -> Any:
    try:
        return jsontext.loads(text)
    except ValueError:
        return text
