"""A project by somebody who means no good: cloned, and then looked at.

Each piece below is one thing that such a project does. To add another: write a function that takes
the `Stranger` and makes its files, and put it into `PIECES`. A piece that runs code writes a
marker (`stranger.mark`), one that lures to an address names `stranger.sink`.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import shlex
import shutil
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

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


def model_file(stranger: Stranger) -> None:
    """Says that the built-in model listens at its address, in the process that runs the tests."""
    about = {"base_url": f"{stranger.sink}/v1", "api_key": "k", "pid": os.getpid(),
             "model": "theirs", "started": psutil.Process().create_time()}  # fmt: skip
    stranger.write(".pex/model.json", json.dumps(about)).chmod(0o600)


def modules(stranger: Stranger) -> None:
    """Has a module in place of each of Python's and of every installed package's."""
    installed = {*sys.stdlib_module_names, *importlib.metadata.packages_distributions()}
    names = {*installed, "sitecustomize", "usercustomize", "theirs"}
    for place in ("", "experiments/lure/", ".pex/", "mlruns/"):
        for name in sorted(name for name in names if name.isidentifier()):
            stranger.write(f"{place}{name}.py", stranger.mark(f"import of {place}{name}"))


PIECES: list[Callable[[Stranger], None]] = [settings, experiment, database, model_file, modules]


def links(stranger: Stranger) -> None:
    """Has links to the user's files where cases, prompts, schemas and the project's state are."""
    home = stranger.marks.parent / "home"
    home.mkdir()
    (home / "cases.csv").write_text(f"word,expected\n{PRIVATE},a\n")
    (home / "p.prompty").write_text(f"---\nname: {PRIVATE}\n---\nuser:\n{{{{ word }}}}\n")
    (home / "s.json").write_text(json.dumps({"type": "object", "title": PRIVATE}))
    lure = "cases: {cases}\nprompts: [{prompt}]\nmodels: [open/m]\nscorers: [{scorer}]\n"
    for name, kinds in {
        "cases": {"cases": "link.csv"},
        "prompt": {"prompt": "link.prompty"},
        "schema": {"scorer": "{name: f, kind: json, schema: link.json}"},
        "above": {"cases": "../../../home/cases.csv"},
        "absolute": {"prompt": str(home / "p.prompty")},
        "folder": {"cases": "folder/cases.csv"},
    }.items():
        usual = {"cases": "cases.csv", "prompt": "p.prompty", "scorer": "exact"}
        path = f"experiments/{name}/"
        stranger.write(path + "cases.csv", "word,expected\na,a\n")
        stranger.write(path + "p.prompty", "---\nname: p\n---\nuser:\n{{ word }}\n")
        stranger.write(path + "experiment.yaml", f"name: {name}\n" + lure.format(**usual | kinds))
        folder = stranger.folder / path
        (folder / "link.csv").symlink_to(home / "cases.csv")
        (folder / "link.prompty").symlink_to(home / "p.prompty")
        (folder / "link.json").symlink_to(home / "s.json")
        (folder / "folder").symlink_to(home)


PRIVATE = "planted-private-4714"
"""What stands in the user's files outside the project."""


def bombs(stranger: Stranger) -> None:
    """Has files that become far more than they are, or never end."""
    lure = "cases: {cases}\nprompts: [{prompt}]\nmodels: [open/m]\nscorers: [{scorer}]\n"
    usual = {"cases": "cases.csv", "prompt": "p.prompty", "scorer": "exact"}
    aliases = "\n".join(
        ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    )
    packed = io.BytesIO()
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), ["a" * 10**6])
    pq.write_table(pa.table({"word": words}), packed, compression="zstd", store_schema=False)
    prompts = {
        "constant": "{{ 'a' * 10**10 }}",
        "power": "{{ 9 ** (9 ** 9) }}",
        "loops": "{% for a in range(10**9) %}{% for b in range(10**9) %}{% endfor %}{% endfor %}",
        "padding": "{{ '%9999999999d' % 1 }}",
        "doubling": "{% set ns = namespace(x='a') %}{% for i in range(99) %}"
        "{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
        "nested": "{% if 1 %}" * 3000 + "{% endif %}" * 3000,
    }
    made: dict[str, tuple[str, str | bytes]] = {
        "aliases": ("experiment.yaml", f"{aliases}\nname: aliases\n{lure.format(**usual)}"),
        "deep": ("experiment.yaml", "name: " + "[" * 100_000),
        "front": ("p.prompty", f"---\n{aliases}\n---\nuser:\n{{{{ word }}}}\n"),
        "parquet": ("cases.parquet", packed.getvalue()),
        "lines": ("cases.jsonl", '{"word": ' + "[" * 200_000),
        "number": ("cases.jsonl", '{"word": ' + "9" * 10**6 + "}"),
        "columns": ("cases.csv", "," * 5_000_000),
        **{
            name: ("p.prompty", f"---\nname: {name}\n---\nuser:\n{text}\n")
            for name, text in prompts.items()
        },
    }
    for name, (file, content) in made.items():
        path = f"experiments/{name}/"
        kinds = usual | ({"cases": file} if file.startswith("cases") else {})
        stranger.write(path + "cases.csv", "word,expected\na,a\n")
        stranger.write(path + "p.prompty", "---\nname: p\n---\nuser:\n{{ word }}\n")
        stranger.write(path + "experiment.yaml", f"name: {name}\n{lure.format(**kinds)}")
        data = content if isinstance(content, bytes) else content.encode()
        (stranger.folder / path / file).write_bytes(data)
    for name, file in {"zero": "cases.csv", "pipe": "p.prompty", "sparse": "cases.csv"}.items():
        path = f"experiments/{name}/"
        stranger.write(path + "cases.csv", "word,expected\na,a\n")
        stranger.write(path + "p.prompty", "---\nname: p\n---\nuser:\n{{ word }}\n")
        stranger.write(path + "experiment.yaml", f"name: {name}\n{lure.format(**usual)}")
        endless = stranger.folder / path / file
        endless.unlink()
        if name == "zero":
            endless.symlink_to("/dev/zero")
        elif name == "pipe":
            os.mkfifo(endless)
        else:
            with endless.open("wb") as written:
                written.truncate(10**13)


ODD_PIECES: list[Callable[[Stranger], None]] = [settings, links, bombs]
"""Of a project that is full of files that are no good."""


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
