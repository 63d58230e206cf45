"""The files of a run in MLflow: the long table twice, its description, the texts to rerun it."""

from __future__ import annotations

import functools
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pex.core.about import About
from pex.core.canonical_json import json_text
from pex.core.parquet import read_table
from pex.core.values import to_json_value
from pex.guard.redact import redact
from pex.record.requirements import FILE as REQUIREMENTS
from pex.record.requirements import readable, table_of

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

TABLE = "results.json"
PARQUET = "results.parquet"
ABOUT = "about.json"
CASES = "cases.jsonl"
COMPARISON = "comparison.json"
FRONTIER = "frontier.json"
PACKAGES = "packages.txt"
JSON_COLUMNS = "pex.json_columns"
_LOGGED = "mlflow.loggedArtifacts"


def write(
    folder: Path,
    frame: pd.DataFrame,
    about: About,
    files: Mapping[str, str],
    comparison: pd.DataFrame | None,
) -> None:
    """Write all files of a run into a folder."""
    table, json_columns = storable(frame)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    stored = {**about.to_json(), JSON_COLUMNS: json_columns}
    if about.tracking_uri:  # a database's address contains a password
        stored["tracking_uri"] = redact(about.tracking_uri)
    (folder / ABOUT).write_bytes(orjson.dumps(to_json_value(stored), option=orjson.OPT_INDENT_2))
    table.to_parquet(folder / PARQUET, index=False)
    _readable(table).to_json(folder / TABLE, orient="split", index=False)
    if (requirements := table_of(frame, about)) is not None:
        readable(requirements).to_json(folder / REQUIREMENTS, orient="split", index=False)
    if comparison is not None:
        _readable_comparison(comparison).to_json(folder / COMPARISON, orient="split", index=False)


def upload(client: MlflowClient, run_id: str, folder: Path) -> None:
    """Upload a folder of files to a run and mark its tables."""
    client.log_artifacts(run_id, str(folder))
    # As log_table does; but that would append to the table of an earlier start of this run.
    names = (TABLE, COMPARISON, REQUIREMENTS, FRONTIER)
    tables = [{"path": n, "type": "table"} for n in names if (folder / n).is_file()]
    there = json.loads(client.get_run(run_id).data.tags.get(_LOGGED, "[]"))
    others = [item for item in there if item not in tables]
    client.set_tag(run_id, _LOGGED, json.dumps([*tables, *others]))


def replace(
    client: MlflowClient,
    run_id: str,
    frame: pd.DataFrame,
    about: About,
    files: Mapping[str, str],
    comparison: pd.DataFrame | None = None,
) -> None:
    """Replace a run's tables, description and further text files."""
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), frame, about, files, comparison)
        upload(client, run_id, Path(name))


def read(folder: Path, where: str) -> tuple[pd.DataFrame, About]:
    """Read the long frame and the description from a folder, as they were written.

    Args:
        folder: the folder of the files.
        where: their source, for messages.

    Raises:
        PexError: the description is incomplete, or from a newer version.
    """
    import pandas as pd

    data = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    json_columns = data.pop(JSON_COLUMNS)
    about = About.from_json(data, f"{where}, {ABOUT}")
    frame = read_table(folder / PARQUET, PARQUET).to_pandas()
    for column in json_columns:
        values = [json.loads(value) if isinstance(value, str) else None for value in frame[column]]
        # Unconverted: pandas would turn whole numbers beside a gap into floats.
        frame[column] = pd.Series(values, index=frame.index, dtype=object)
    return frame, about


@functools.cache
def packages() -> str:
    """Every installed package with its version, one per line, in pip's format.

    Taken from the installed folders' names: reading every package's metadata takes half a second.
    """
    found: dict[str, str] = {}
    for folder in map(Path, sys.path):
        if folder.is_dir():
            for item in folder.glob("*.dist-info"):
                name, _, version = item.stem.rpartition("-")
                found.setdefault(name.replace("_", "-").lower(), version)
    return "".join(f"{name}=={found[name]}\n" for name in sorted(found) if name)


def storable(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """A copy that Parquet can hold: columns of lists, dicts or mixed values become JSON strings."""
    changed: dict[str, Any] = {}
    for column in frame.columns:
        values = frame[column]
        if values.dtype != object:
            continue
        kinds = {type(value) for value in values if value is not None}
        if kinds - {str}:
            changed[column] = [
                None if value is None else json_text(value) for value in map(to_json_value, values)
            ]
    return frame.assign(**changed), list(changed)


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table arranged for MLflow's page: the main columns on the left, case by case."""
    inputs = [name for name in table.columns if name.startswith("case.")]
    scores = [name for name in table.columns if name.startswith("score.")]
    first = ["case_id", *inputs[:1], "expected", "variant", "output", *scores]
    rest = [name for name in table.columns if name not in first]
    table = table.assign(started_at=table["started_at"].astype(str))
    table = table[[*first, *rest]].sort_values("case_id", kind="stable")
    # A column with a dot in its name stays empty on that page.
    return table.rename(columns=lambda name: name.replace(".", "_"))


def _readable_comparison(comparison: pd.DataFrame) -> pd.DataFrame:
    """The verdicts arranged for MLflow's page."""
    first = [
        "metric",
        "candidate",
        "baseline",
        "verdict",
        "diff",
        "lo",
        "hi",
        "p_adjusted",
        "n_cases",
    ]
    rest = [name for name in comparison.columns if name not in first]
    table = comparison[[*first, *rest]].copy()
    table["warnings"] = table["warnings"].map("; ".join)
    return table.round(6)
