import math

import pandas as pd
import pytest

import pex
from pex.compare.cases_needed import from_pilot, without_pilot
from pex.compare.label_next import label_next
from pex.core.errors import PexError
from pex.stats import power
from tests.helpers.endpoint import completion


def pilot(discordant, n=100, groups=None):
    rows = []
    for case in range(n):
        group = None if groups is None else f"g{case * groups // n}"
        low, high = (case < discordant / 2, discordant / 2 <= case < discordant)
        rows.append(("a", str(case), group, 0.0 if low else 1.0))
        rows.append(("b", str(case), group, 0.0 if high else 1.0))
    return pd.DataFrame(rows, columns=["variant", "case_id", "group", "score.ok"])


def test_the_number_follows_the_pilots_discordance_as_mcnemar_does():
    few = from_pilot(pilot(10), 100, 0.05, 0.8)
    many = from_pilot(pilot(40), 100, 0.05, 0.8)
    assert few.cases == pytest.approx(power.cases_for_mcnemar(0.075, 0.025), rel=0.1)
    assert many.cases == pytest.approx(power.cases_for_mcnemar(0.225, 0.175), rel=0.1)
    assert "differed on 10 of 100 cases" in few.assumption
    assert f"there are 100: {few.cases - 100:,} more" in few.sentence


def test_groups_that_go_together_need_more_cases():
    apart = from_pilot(pilot(40), 100, 0.1, 0.8)
    together = from_pilot(pilot(40, groups=10), 100, 0.1, 0.8)
    assert together.cases > 3 * apart.cases
    assert "10 groups" in together.assumption


def test_a_pilot_without_a_difference_assumes_what_would_be_no_surprise():
    found = from_pilot(pilot(0), 100, 0.05, 0.8)
    assert found.cases == power.cases_for_difference(0.05, math.sqrt(0.05))
    assert "up to 3 % would be no surprise" in found.assumption


@pytest.mark.parametrize(
    ("difference", "often"),
    [(0, 0.8), (-0.1, 0.8), (math.nan, 0.8), (True, 0.8), (0.1, 1), (2, 0.8)],
)
def test_what_cannot_be_found_is_refused(difference, often):
    with pytest.raises(PexError):
        without_pilot(10, 10, difference, often, "label")
    with pytest.raises(PexError):
        from_pilot(pilot(10), 10, difference, often)


def test_an_experiment_assumes_first_and_uses_its_results_then(lab):
    cases = [{"q": f"number {n}", "expected": "yes" if n % 2 else "no"} for n in range(30)]
    prompts = [pex.Prompt("{{ q }}", name="one"), pex.Prompt("{{ q }}?", name="two")]
    variants = pex.grid(prompts, "lab/m1", params=[{"max_tokens": 4}])
    exp = pex.Experiment("needed", variants, cases, ["label"])
    before = exp.cases_needed(0.1)
    assert (before.cases, before.have) == (159, 30)
    assert before.assumption.startswith("No pilot: 'label' is assumed")
    lab.reply = lambda body, number: completion(
        "no" if body["messages"][-1]["content"].endswith("?") else "yes"
    )
    exp.run(record=False)
    after = exp.cases_needed(0.1)
    assert "differed on 30 of 30 cases" in after.assumption
    assert after.cases > before.cases
    with pytest.raises(PexError, match="did you mean 'label'"):
        exp.cases_needed(0.1, metric="lable")


def test_cases_to_label_are_those_that_variants_disagree_on_and_unlike_each_other():
    texts = {
        "labelled": "the parcel is late", "like": "the parcel is late!", "agreed": "where are you",
        "open": "do you sell lamps", "open2": "do you sell lamps?", "other": "cancel my contract",
    }  # fmt: skip
    rows = []
    for case_id, text in texts.items():
        for number, variant in enumerate("abc"):
            output = "yes" if case_id == "agreed" else ["yes", "never", "42"][number]
            label = "x" if case_id == "labelled" else None
            rows.append((variant, case_id, label, output, text))
    columns = ["variant", "case_id", "expected", "output", "case.q"]
    found = label_next(pd.DataFrame(rows, columns=columns), 3)
    assert found.unlabelled == 5
    assert {*found.frame["case_id"][:2]} in ({"open", "other"}, {"open2", "other"})
    assert found.frame["reason"][0].startswith("3 different answers of 3")
    assert "agreed" not in found.frame["case_id"][:2].tolist()
    with pytest.raises(PexError, match="at least 1"):
        label_next(pd.DataFrame(rows, columns=columns), 0)
