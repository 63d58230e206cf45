"""Rules that neither the prompt nor the cases state are found from failing cases."""

from __future__ import annotations

from pathlib import Path

import pex
from pex.improvement.copied_text import copied_passage
from tests.helpers import hidden_rules
from tests.helpers.endpoint import FaultyEndpoint


def test_four_of_five_rules_are_found_confirmed_and_no_case_is_copied(
    project: Path, lab: FaultyEndpoint
) -> None:
    lab.reply = hidden_rules.Writer().answer
    lab.models = ["m1", "m2"]
    experiment = pex.Experiment(
        "routing",
        pex.grid([hidden_rules.START], "lab/m1"),
        hidden_rules.cases(100),
        [hidden_rules.routing],
    )
    assert hidden_rules.stated(hidden_rules.START.text) == set()
    assert not any(hidden_rules.stated(str(case.inputs)) for case in experiment.cases)
    result = pex.improve(
        hidden_rules.START, experiment, budget_usd=1, writer="lab/m2", rounds=4, record=False,
        show=False,
    )  # fmt: skip
    assert len(hidden_rules.stated(result.prompt.text)) >= 4, result.prompt.text
    assert result.verdict == "better"
    assert copied_passage(
        result.prompt.templates, hidden_rules.START.templates, experiment.cases,
        [case for case in experiment.cases if case.id in result.prompt.examples],
    ) is None  # fmt: skip
    # Poor replies were seen, and refused with the reason.
    reasons = " ".join(result.frame["reason"])
    assert "copies the training case" in reasons
    assert "drops the variable 'ticket'" in reasons
    # Nothing but training cases was ever shown to the writer.
    trained = {case.inputs["ticket"] for case in result.splits.train}
    asked = [str(body["messages"]) for body in lab.bodies if body["model"] == "m2"]
    tickets = [case.inputs["ticket"] for case in experiment.cases]
    seen = {ticket for ticket in tickets if any(ticket in text for text in asked)}
    assert seen
    assert seen <= trained
