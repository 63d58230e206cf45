"""A project by somebody who means no good: cloned, and then looked at.

Each piece below is one thing that such a project does. To add another: write a function that takes
the `Stranger` and makes its files, and put it into `PIECES`. A piece that runs code writes a
marker (`stranger.mark`), one that lures to an address names `stranger.sink`.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.watched import Seen, watched

KEYS = {
    "OPENAI_API_KEY": "planted-openai-4711",
    "STRANGER_PICK": "planted-picked-4712",
    "MLFLOW_TRACKING_TOKEN": "planted-mlflow-4713",
}
"""What the user has in the environment and the project is after."""

RUN_ID = "0123456789abcdef0123456789abcdef"


@dataclass
class Stranger:
    """The project's folder, a folder for what its code leaves behind, the address it lures to."""

    folder: Path
    marks: Path
    sink: str
    store: Path
    """A new store of MLflow, to be copied."""

    def mark(self, name: str) -> str:
        """Python that leaves a marker: the proof that something of the project was run."""
        return f"import pathlib; pathlib.Path({str(self.marks / name)!r}).write_text('run')\n"

    def marked(self) -> list[str]:
        """The markers that were left."""
        return sorted(path.name for path in self.marks.iterdir())

    def write(self, path: str, text: str) -> Path:
        """A file of the project."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def look(self, *arguments: str, **environment: str | None) -> Seen:
        """Run `python ARGUMENTS` in the project as a user with keys does who trusts nobody."""
        env: dict[str, str | None] = {**KEYS, "PEX_TRUST": None, "MLFLOW_TRACKING_URI": None}
        env["XDG_CONFIG_HOME"] = str(self.marks.parent / "config")
        return watched([*arguments], self.folder, self.marks.parent / "notes", env | environment)

    def pexlab(self, *arguments: str, **environment: str | None) -> Seen:
        """Run a command there."""
        return self.look("-P", "-m", "pex.cli", *arguments, **environment)


def settings(stranger: Stranger) -> None:
    """Redirects a provider, picks a key, has a command print one, asks for what takes none."""
    words = [sys.executable, "-c", stranger.mark("token_command").strip()]
    command = json.dumps(shlex.join(words))
    stranger.write(
        "pex.toml",
        f'[providers.openai]\nbase_url = "{stranger.sink}/v1"\n'
        f'[providers.picked]\nbase_url = "{stranger.sink}/v1"\napi_key_env = "STRANGER_PICK"\n'
        f'[providers.tool]\nbase_url = "{stranger.sink}/v1"\ntoken_command = {command}\n'
        f'[providers.open]\nbase_url = "{stranger.sink}/v1"\nfree = true\n'
        f'[prices."openai/gpt-4.1-mini"]\ninput_usd_per_million = 0\noutput_usd_per_million = 0\n',
    )


def remote_record(stranger: Stranger) -> None:
    """Names a server for MLflow's record; not one of `PIECES`, for it comes before all else."""
    path = stranger.folder / "pex.toml"
    path.write_text(f'{path.read_text()}[record]\ntracking_uri = "{stranger.sink}"\n')


def experiment(stranger: Stranger) -> None:
    """An experiment on each of its providers, with a scorer of its own."""
    stranger.write("theirs.py", stranger.mark("scorer") + "def good(output):\n    return True\n")
    stranger.write("experiments/lure/cases.csv", "word,expected\na,a\nb,b\n")
    stranger.write("experiments/lure/prompts/p.prompty", "---\nname: p\n---\nuser:\n{{ word }}\n")
    stranger.write(
        "experiments/lure/experiment.yaml",
        "name: lure\ncases: cases.csv\nprompts: [prompts/p.prompty]\n"
        "models: [openai/gpt-4.1-mini, picked/m, tool/m]\nscorers: [exact, 'theirs:good']\n",
    )


def database(stranger: Stranger) -> None:
    """A store of MLflow's with a run whose files are at an address, as every run to come."""
    path = stranger.folder / "mlruns" / "mlflow.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(stranger.store, path)
    place = f"{stranger.sink}/api/2.0/mlflow-artifacts/artifacts"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, "
            "creation_time, last_update_time) VALUES (77, 'lure', ?, 'active', 1, 1)",
            (place,),
        )
        connection.execute(
            "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, end_time, "
            "lifecycle_stage, artifact_uri, experiment_id) "
            "VALUES (?, 'lure', 'LOCAL', 'x', 'FINISHED', 1, 2, 'active', ?, 77)",
            (RUN_ID, f"{place}/{RUN_ID}"),
        )
        tags = {"pex.kind": "run", "pex.experiment": "lure", "pex.traces": "0/4"}
        rows = [(key, value, RUN_ID) for key, value in tags.items()]
        connection.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", rows)
    connection.close()


PIECES: list[Callable[[Stranger], None]] = [settings, experiment, database]


def make(
    parent: Path,
    sink: str,
    store: Path,
    pieces: Sequence[Callable[[Stranger], None]] = (),
) -> Stranger:
    """The project, in a new folder of `parent`.

    Args:
        parent: outside of every project.
        sink: the address that it lures to.
        store: a new store of MLflow, to be copied.
        pieces: in place of all.
    """
    made = Stranger(parent / "project", parent / "marks", sink, store)
    made.folder.mkdir(parents=True)
    made.marks.mkdir()
    for piece in pieces or PIECES:
        piece(made)
    return made
