"""GEPA on the built-in model, which is weak: what counts is that everything goes its way."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

import pex
from pex.improvement.check_proposal import check_proposal
from pex.improvement.lab import Lab
from pex.improvement.question import question_of
from pex.improvement.selection import TrainBench
from pex.improvement.ways.gepa import Gepa
from pex.project.settings import load_settings
from pex.run.database import database_of
from pex.run.shared_budget import SharedBudget
from tests.helpers.model import share

CASES = Path(__file__).parents[3] / "experiments" / "review-sentiment" / "cases.csv"
START = pex.Prompt(
    "Review: {{ review }}\nWhat does the customer feel? One word.",
    name="feel",
    params={"temperature": 0, "max_tokens": 6},
)


@pytest.mark.model
@pytest.mark.notebooks
def test_gepa_runs_on_the_built_in_model_in_few_calls(project: Path) -> None:
    share(project)
    experiment = pex.Experiment(
        "feelings",
        pex.grid([START], "local/smollm2"),
        CASES,
        ["label"],
        columns={"id": "review_id", "expected": "label", "group": "product", "tags": "kind"},
    )
    question = question_of("feel", experiment)
    train = list(experiment.cases)[:8]
    database = database_of(project / ".pex", load_settings(project))
    lab = Lab(question, SharedBudget(1.0, [question.name], time.time()), database, [])
    bench = TrainBench(lab, train, "label", True, 3)
    (parent,) = bench.measure([START], train)
    way = Gepa(max_metric_calls=10, minibatch=2, reply_tokens=60)
    proposals = list(way.propose(parent, bench))
    assert way.metric_calls >= 10
    for proposal in proposals:
        assert proposal.prompt.variables == ("review",)
        assert check_proposal(proposal, START, train) is None
    with sqlite3.connect(database.path) as connection:
        counts = dict(
            connection.execute(
                "SELECT r.experiment, count(*) FROM ledger l JOIN runs r ON r.id = l.run_id "
                "GROUP BY r.experiment"
            )
        )
    assert set(counts) == {question.name}  # GEPA's own questions are in the ledger too
    assert 8 < counts[question.name] <= 40
