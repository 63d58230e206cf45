"""What was tried in a notebook is what the night does: `exp.save()`, then `pexlab batch`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from pandas.testing import assert_frame_equal

import pex
from pex import local
from tests.helpers import ROOT
from tests.helpers.command import pexlab_process as pexlab
from tests.helpers.lab_nights import NOTEBOOKS

pytestmark = pytest.mark.night

MODULE = '''
"""Scorers of this project."""


def one_word(output, **case):
    return len(output.split()) == 1


def names_topic(output, expected, topic, **case):
    return {"topic": topic in output.lower(), "mood": "tive" in output.lower()}
'''
CELLS = [
    "import pex\nfrom scorers import names_topic, one_word",
    """\
short = pex.Prompt(
    "Review: {{ review }}\\nIs this review positive or negative? Answer with one word.",
    name="short",
)
kept = pex.Prompt("Say in a few words what this is about: {{ review }}", name="about")
pex.library.save(kept, name="about", alias="champion")""",
    """\
exp = pex.Experiment(
    "moods",
    purpose="Tell moods apart.",
    variants=pex.grid(
        prompts=[short, pex.library.load("about@champion")],
        models=["local/smollm2"],
        params=[
            {"temperature": 0, "max_tokens": 6},
            {"temperature": 0, "max_tokens": 10, "seed": 7},
        ],
    ),
    cases=[
        {"case_id": "a1", "review": "The tea was warm and lovely.", "topic": "tea",
         "expected": "positive", "group": "food", "tags": ["drink", "hot"]},
        {"case_id": "b1", "review": "The staff was rude to us, عاجل 請退款 🎉", "topic": "staff",
         "expected": "negative", "group": "people", "tags": []},
        {"case_id": "b2", "review": "Broken \\"on arrival\\", sent back; {{ no }} refund",
         "topic": "refund", "expected": "negative", "tags": ["post"]},
    ],
    scorers=["label", one_word, names_topic, {"name": "brief", "kind": "length", "max_words": 3}],
    repeats=2,
)""",
    "results = exp.run()",
    "results.frame.to_pickle('../notebook.pkl')",
    "exp.save('../experiments/moods/experiment.yaml')",
]
APART = {"started_at", "latency_s", "ttft_s", "trace_id", "from_journal", "cached_tokens"}
"""What is of the one run: times, ids, what the server had at hand. All else has to be the same."""


@pytest.fixture
def built_in(project: Path) -> Iterator[Path]:
    """A project that asks the built-in model one thing at a time: side by side it may round
    differently."""
    (project / "pex.toml").write_text("[providers.local]\nmax_in_flight = 1\n")
    (project / "notebooks").mkdir()
    (project / "notebooks" / "scorers.py").write_text(MODULE)
    yield project
    local.stop(project / ".pex")


def in_a_notebook(folder: Path, cells: list[str]) -> None:
    """Run cells as JupyterLab would, in a kernel of their own."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    client = NotebookClient(book, kernel_name="python3", resources={"metadata": {"path": folder}})
    client.execute(env={**os.environ, "PYTHONPATH": str(ROOT)})


def comparable(frame: pd.DataFrame) -> pd.DataFrame:
    kept = frame.drop(columns=[name for name in APART if name in frame])
    return kept.sort_values(["variant", "case_id", "repeat"]).reset_index(drop=True)


@pytest.mark.model
def test_a_saved_experiment_gives_a_batch_the_same_results_as_the_notebook(
    built_in: Path,
) -> None:
    in_a_notebook(built_in / "notebooks", CELLS)
    before = pd.read_pickle(built_in / "notebook.pkl")
    assert len(before) == 4 * 3 * 2
    assert before["error"].isna().all()
    for name in ("topic", "mood"):  # not the same whatever is answered
        assert before[f"score.names_topic.{name}"].nunique() == 2

    plan = built_in / "experiments" / "moods" / "plan.yaml"
    plan.write_text(
        f"name: nightly\nsteps:\n  - {{id: compare, notebook: {NOTEBOOKS / 'compare.ipynb'},"
        " parameters: {experiment: experiment.yaml}}\n"
    )
    done = pexlab(
        "batch", str(plan), "--batch-id", "night", "--json",
        folder=built_in, PYTHONPATH=str(ROOT),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run_id,) = {row["run_id"] for row in json.loads(done.stdout)["variants"]}
    after = pex.load_run(run_id)
    assert not after.frame["from_journal"].any()  # asked anew, not read from the notebook's journal
    assert_frame_equal(comparable(after.frame), comparable(before))
