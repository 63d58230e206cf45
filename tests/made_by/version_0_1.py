"""Makes the project that `tests/test_earlier_versions.py` opens: run once, by pexlab 0.1.0.

    python -m tests.made_by.version_0_1 /tmp/project tests/made_by/version_0_1.zip

It was run in a checkout of that version. Later versions must open what it wrote: journal, MLflow
store, ratings, drafts, corrections of cases and nights. `expected.json` in the archive says what
was in them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
HAPPY = ["happy", "great", "fine", "lovely", "quick", "kind"]
UNHAPPY = ["awful", "broken", "late", "rude", "dirty", "cold"]
WORDS = [word for pair in zip(HAPPY, UNHAPPY, strict=True) for word in pair]
TURNS = [
    {"case_id": "long", "turns": ["one", "two", "three"], "expected": "three"},
    {"case_id": "short", "turns": ["one"], "expected": "one"},
]
PLAN = """\
name: nightly
steps:
  - {id: compare, notebook: compare.ipynb, parameters: {experiment: experiment.yaml}}
gate: {baseline: pinned, metric: label, margin: 0.1}
canary: {cases: canary.csv}
"""
EXPERIMENT = """\
name: words
purpose: Tell happy words from unhappy ones.
cases: cases.csv
prompts: [prompts/short.prompty, prompts/long.prompty, prompts/record.prompty]
models: [lab/m1]
params: [{temperature: 0, max_tokens: 8}]
scorers:
  - label
  - {name: polite, kind: judge, prompt: judges/polite.prompty, model: lab/m2}
  - {name: brief, kind: length, max_words: 3}
repeats: 2
budget_usd: 1.5
gate: {baseline: short, metric: label, margin: 0.1}
"""
RECORD = """\
---
name: record
description: Answers as a record.
inputs:
  - {name: word, kind: string, description: One word., default: happy}
outputs:
  - {name: mood, kind: string, required: true, enumValues: [positive, negative]}
---
system:
You answer with JSON.
user:
The mood of: {{ word }}
"""
POLITE = """\
---
name: polite
---
user:
Is this answer polite? {{ output }}
"""


def lay_out(project: Path, url: str) -> Path:
    """The files of the project; returns the experiment's folder."""
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{url}"\n'
        '[prices."lab/m1"]\ninput_usd_per_million = 1.0\noutput_usd_per_million = 2.0\n'
        "cached_input_usd_per_million = 0.25\n"
        '[prices."lab/m2"]\ninput_usd_per_million = 0.5\noutput_usd_per_million = 1.0\n'
    )
    folder = project / "experiments" / "words"
    (folder / "prompts").mkdir(parents=True)
    (folder / "judges").mkdir()
    (folder / "prompts/short.prompty").write_text("Positive or negative? {{ word }}")
    (folder / "prompts/long.prompty").write_text(
        "Read the word with care. Is it positive or negative? {{ word }}"
    )
    (folder / "prompts/record.prompty").write_text(RECORD)
    (folder / "judges/polite.prompty").write_text(POLITE)
    rows = [
        f"{word},{'positive' if word in HAPPY else 'negative'},g{n % 4},{'a;b' if n % 2 else 'a'}"
        for n, word in enumerate(WORDS)
    ]
    (folder / "cases.csv").write_text("word,expected,group,tags\n" + "\n".join(rows) + "\n")
    (folder / "canary.csv").write_text("question\nWho are you?\nCount to three.\n")
    (folder / "experiment.yaml").write_text(EXPERIMENT)
    (folder / "plan.yaml").write_text(PLAN)
    shutil.copy(NOTEBOOKS / "compare.ipynb", folder)
    return folder


def reply(body: dict[str, Any], number: int) -> dict[str, Any]:
    """What the models answer: words by their mood, judges "yes", else the last message."""
    from tests.endpoint import completion

    text = body["messages"][-1]["content"]
    usage = {
        "prompt_tokens": len(text), "completion_tokens": 3, "total_tokens": len(text) + 3,
        "prompt_tokens_details": {"cached_tokens": len(text) // 2},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }  # fmt: skip
    if body["model"] == "m2":
        answer = '{"reason": "it is", "verdict": "yes"}'
        if "response_format" in body:
            required = body["response_format"]["json_schema"]["schema"].get("required", [])
            answer = json.dumps({name: "it is" if name == "reason" else "yes" for name in required})
    else:
        word = next((word for word in WORDS if word in text), None)
        answer = text if word is None else "positive" if word in HAPPY else "negative"
        if word == "quick" and "care" in text:
            answer = "negative"
        if "response_format" in body:
            answer = json.dumps({"mood": answer})
    return {**completion(answer), "usage": usage, "model": body["model"] + "-2026-01"}


def scrub(database: Path) -> None:
    """Take the names of the machine and its folders out of a database, and make it one file."""
    checkout, host = str(NOTEBOOKS.parent), socket.gethostname()
    with sqlite3.connect(database) as connection:
        tables = [row[0] for row in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'")]  # fmt: skip
        for table in tables:
            for _, column, kind, *_ in connection.execute(
                f'PRAGMA table_info("{table}")'
            ).fetchall():
                if kind.upper().startswith(("TEXT", "VARCHAR", "CHAR")):
                    connection.execute(
                        f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) '
                        f'WHERE instr("{column}", ?)', [checkout, "/checkout", checkout]
                    )  # fmt: skip
        if "leases" in tables:
            connection.execute("UPDATE runs SET owner = replace(owner, ?, 'lab ')", [f"{host} "])
    connection.close()
    with sqlite3.connect(database, isolation_level=None) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def main(project: Path, archive: Path) -> None:
    """Make the project and pack it."""
    import pex
    from tests.endpoint import FaultyEndpoint

    shutil.rmtree(project, ignore_errors=True)
    project.mkdir(parents=True)
    os.chdir(project)
    endpoint = FaultyEndpoint()
    endpoint.reply = reply
    with endpoint.running():
        folder = lay_out(project, endpoint.url)
        exp = pex.Experiment.load(folder / "experiment.yaml")
        results = exp.run(show=False, traces="all")
        results.traces.wait()
        chat = pex.Experiment(
            "chat", pex.grid([pex.Prompt("{{ turns }}", name="chat")], "lab/m1"), TURNS, ["exact"],
            budget_usd=1.0,
        )  # fmt: skip
        chatted = chat.run(show=False)
        rating = results.rate(["short", "long"])
        given = [
            {"pair": pair.id, "swapped": bool(n % 2), "second_look": False,
             "choice": ("left", "right", "tie")[n % 3], "reasons": ["clear"], "note": "so",
             "at": f"2026-01-01T10:0{n}:00Z"}
            for n, pair in enumerate(rating._pairs.different)
        ]  # fmt: skip
        rated = {"format": "pex ratings 1", "experiment": "words", "run_id": None, "rater": "bo"}
        (project / "bo.json").write_text(json.dumps({**rated, "ratings": given}))
        rating.add(project / "bo.json")
        play = pex.Playground("words", name="mine")
        column = play._desk.draft.columns[0]
        play._desk.on_message(
            {"kind": "act", "view": "v", "act": "edit", "variant": column.id, "field": "message",
             "index": 0, "value": "What mood has {{ word }}?"}
        )  # fmt: skip
        play.run().wait()
        while play._desk.trials.running:
            time.sleep(0.05)
        play._desk.flush()
        draft = play._desk.document()
        for name in ("n1", "n2"):
            command = [sys.executable, "-m", "pex.cli", "batch", "plan.yaml", "--batch-id", name]
            done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
            print(done.stdout, done.stderr)
            pin = re.search(r"pexlab batch accept (\w+)", done.stdout)
            if pin is not None:
                command = [sys.executable, "-m", "pex.cli", "batch", "accept", pin[1]]
                subprocess.run([*command, "--why", "it is good"], cwd=folder, check=True)
        pex.library.save(exp.variants[0].prompt, name="words", alias="champion")
        from pex.cases.edits import Edits
        from pex.core.cases import load_cases

        edits = Edits(folder / "cases.csv", {}, project / ".pex")
        # The cases of the experiment stay as they are: the correction is taken back.
        cases = load_cases(folder / "cases.csv")
        edits.correct(cases[0], "negative")
        edits.correct(load_cases(folder / "cases.csv")[0], "positive")
        calls = endpoint.calls
        again = pex.Experiment.load(folder / "experiment.yaml").run(show=False, record=False)
        assert endpoint.calls == calls
        assert again.frame["from_journal"].all()
    scores = ["score.label", "score.polite", "score.brief"]
    columns = [
        "variant",
        "case_id",
        "repeat",
        "output",
        "request_key",
        "cost_usd",
        "prompt_tokens",
        "completion_tokens",
        "cached_tokens",
        "reasoning_tokens",
    ]
    with sqlite3.connect(project / ".pex/journal.db") as journal:
        ledger = journal.execute(
            "SELECT r.experiment, l.model, count(*), sum(l.prompt_tokens), sum(l.cached_tokens), "
            "sum(l.completion_tokens), sum(l.usd), sum(l.at_most_usd) FROM ledger l "
            "JOIN runs r ON r.id = l.run_id GROUP BY 1, 2 ORDER BY 1, 2"
        ).fetchall()
    (project / "expected.json").write_text(
        json.dumps(
            {
                "run_id": results.about["run_id"],
                "chat_run_id": chatted.about["run_id"],
                "frame": json.loads(results.frame[columns + scores].to_json(orient="split")),
                "chat": chatted.frame["conversation"].tolist(),
                "verdicts": json.loads(results.compare("short").frame.to_json(orient="records")),
                "ledger": ledger,
                "ratings": json.loads(rating.frame.to_json(orient="records")),
                "draft": {
                    "texts": [[m["text"] for m in v["messages"]] for v in draft["variants"]],
                    "cells": play._desk.cells(),
                },
                "nights": ["n1", "n2"],
            },
            indent=1,
        )
    )  # fmt: skip
    for name in (".pex/journal.db", "mlruns/mlflow.db"):
        scrub(project / name)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in sorted(project.rglob("*")):
            if (
                path.is_file()
                and path.suffix not in (".lock", ".pyc", ".db-wal", ".db-shm")
                and "model" not in path.name
            ):
                packed.write(path, path.relative_to(project))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).resolve())
