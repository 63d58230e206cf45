import json

import pytest

import pex
from pex.core.cases import load_cases
from pex.improvement.cases.generate import generate_cases, proposals_of
from tests.helpers.endpoint import completion
from tests.helpers.model import share

REVIEWS = "id,review,expected\n" + "".join(
    f"{n},{text},{label}\n"
    for n, (text, label) in enumerate(
        [
            ("The lamp broke after a day.", "negative"),
            ("I love this kettle and use it daily.", "positive"),
            ("Arrived late and scratched.", "negative"),
            ("Great value for what it costs.", "positive"),
            ("Would buy again any time.", "positive"),
            ("The colour was not as pictured.", "negative"),
        ]
    )
)
PROMPT = pex.Prompt("Review: {{ review }}\npositive or negative?", name="short")


@pytest.fixture
def exp(project, lab):
    folder = project / "experiments" / "reviews"
    folder.mkdir(parents=True)
    (folder / "cases.csv").write_text(REVIEWS)
    variants = pex.grid([PROMPT], "lab/m1", params=[{"max_tokens": 4}])
    columns = {"id": "id"}
    return pex.Experiment(
        "reviews", variants, folder / "cases.csv", ["label"], columns=columns, budget_usd=1
    )


def written(*rows):
    return completion("\n".join(json.dumps(row) for row in rows))


def test_what_is_kept_and_why_the_rest_is_not(exp, lab):
    lab.reply = lambda body, number: written(
        {"review": "The handle came off in the wash.", "expected": "Negative"},
        {"review": "the lamp broke  after a day!", "expected": "negative"},
        {"review": "Middling.", "expected": "meh"},
        {"text": "no such column", "expected": "positive"},
        {"review": "Positive", "expected": "positive"},
    )
    found = generate_cases(exp, 5, model="lab/m1", ways=["variations"])
    assert [case.expected for case in found.cases] == ["negative"]
    assert found.summary == (
        "asked 5, kept 1: 1 near-duplicate, 3 failed the check (1 'expected' is not a known label, "
        "1 no 'review', 1 'review' is only a label)"
    )
    origin = found.cases[0].provenance
    assert (origin.model, origin.way, origin.accepted_by) == ("lab/m1", "variations", "")
    assert origin.seed in {case.id for case in exp.cases}
    calls = lab.calls
    again = generate_cases(exp, 5, model="lab/m1", ways=["variations"])
    assert lab.calls == calls  # from the journal
    assert len(again) == 0
    assert again.near_duplicates == 2  # like what is proposed already


def test_a_near_duplicate_that_comes_again_is_left_out_again(exp, lab):
    row = {"review": "the lamp broke  after a day!", "expected": "negative"}
    lab.reply = lambda body, number: written(row, row, row)
    found = generate_cases(exp, 3, model="lab/m1", ways=["edge"])
    assert found.summary == "asked 3, kept 0: 3 near-duplicates"


def test_a_copy_with_another_group_and_set_is_a_near_duplicate(project, lab):
    """Only what the prompts read makes another case."""
    rows = [
        {"review": "Sat well.", "product": "chair", "split": "train", "expected": "positive"},
        {"review": "Too hot.", "product": "kettle", "split": "test", "expected": "negative"},
    ]
    variants = pex.grid([PROMPT], "lab/m1", params=[{"max_tokens": 4}])
    exp = pex.Experiment("copied", variants, rows, ["label"], columns={"group": "product"})
    copy = rows[0] | {"product": "a garden bench", "split": "test"}
    lab.reply = lambda body, number: written(copy, copy | {"review": "It wobbles at night."})
    found = generate_cases(exp, 2, model="lab/m1", ways=["edge"])
    assert found.summary == "asked 2, kept 1: 1 near-duplicate"
    assert found.cases[0].inputs["review"] == "It wobbles at night."


def test_each_way_asks_in_its_own_words_and_gaps_name_the_rare_label(exp, lab):
    lab.reply = lambda body, number: completion("I would rather not.")
    cases = [
        *exp.cases,
        *load_cases([{"review": f"Fine {n}", "expected": "positive"} for n in range(9)]),
    ]
    found = generate_cases(cases, 25, model="lab/m1")
    texts = [body["messages"][-1]["content"] for body in lab.bodies]
    assert len(set(texts)) == 6  # one for each way, and one for the personas
    assert sum('whose expected is "negative"' in text for text in texts) == 1
    assert found.summary == (
        "asked 25, kept 0: 25 not delivered by the model; the model named no personas, so 5 cases "
        "were asked for without one"
    )


def test_a_case_of_the_wrong_label_fills_no_gap(exp, lab):
    lab.reply = lambda body, number: written({"review": "Lovely stuff.", "expected": "positive"})
    cases = [
        *exp.cases,
        *load_cases([{"review": f"Fine {n}", "expected": "positive"} for n in range(9)]),
    ]
    found = generate_cases(cases, 1, model="lab/m1", ways=["gaps"])
    assert found.failed == {"not the label that was asked for": 1}


def test_a_check_of_ones_own(exp, lab):
    lab.reply = lambda body, number: written({"review": "Handle fell off.", "expected": "negative"})
    found = generate_cases(exp, 1, model="lab/m1", check=lambda case: "too rude")
    assert found.failed == {"too rude": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "at least 1"),
        ({"ways": ["edges"]}, "did you mean 'edge'"),
        ({"ways": []}, "none is given"),
        ({"seeds": ["99"]}, "no case has the id '99'"),
        ({"like": 3}, r"between 0\.5 and 1"),
    ],
)
def test_bad_options_are_refused_before_a_call(exp, lab, options, message):
    with pytest.raises(pex.PexError, match=message):
        generate_cases(exp, **{"n": 5, "model": "lab/m1", **options})
    assert lab.calls == 0


def test_the_budget_ends_in_the_middle(exp, lab, project):
    toml = project / "pex.toml"
    toml.write_text(
        toml.read_text().replace("free = true", "")
        + '[prices."lab/m1"]\ninput_usd_per_million = 1000.0\noutput_usd_per_million = 1000.0\n'
    )
    usage = {"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 200}
    row = {"review": "Number {} is good.", "expected": "positive"}
    lab.reply = lambda body, number: written(row) | {"usage": usage}
    found = generate_cases(exp, 500, model="lab/m1", ways=["edge"], budget_usd=3.2)
    assert 0 < lab.calls < 100
    assert found.not_called == 100 - lab.calls
    assert "the budget ended" in found.summary


def test_accepted_cases_join_the_file_and_others_are_in_no_verdict(exp, lab, project):
    lab.reply = lambda body, number: written(
        {"review": "Stopped working.", "expected": "negative"},
        {"review": "A joy, every morning.", "expected": "positive"},
        {"review": "Meh but it works.", "expected": "positive"},
    )
    found = generate_cases(exp, 3, model="lab/m1", ways=["edge"])
    proposals = proposals_of(exp)
    one, two, _ = (item.case.id for item in proposals.open())
    proposals.accept(one, {"expected": "negative"})
    proposals.reject(two)
    assert [item.state for item in proposals.all()] == ["accepted", "rejected", "proposed"]
    path = exp.cases_path
    assert path.read_text().startswith(
        "id,review,expected,origin,origin_model,origin_way,origin_seed,accepted_by,accepted_on\n"
        "0,The lamp broke after a day.,negative,,,,,,\n"
    )
    cases = load_cases(path, {"id": "id"})
    assert len(cases) == 7
    assert cases[-1].accepted
    assert list(cases[-1].inputs) == ["review"]
    cases.append(found.cases[2])
    lab.reply = lambda body, number: completion("negative")
    other = pex.Prompt("{{ review }}?", name="other")
    variants = pex.grid([PROMPT, other], "lab/m1", params=[{"max_tokens": 4}])
    results = pex.Experiment("reviews", variants, cases, ["label"]).run(record=False)
    table = results.compare("short").frame
    assert table["n_cases"].tolist() == [7]
    notes = [
        "1 generated case nobody has accepted is left out",
        "14 % of the cases are generated",
    ]
    assert set(notes) <= set(table["warnings"].iloc[0])
    assert set(notes) <= set(results.remarks())
    page = results.page()
    assert all(note in page for note in notes)


def test_the_group_of_a_new_case_is_that_of_its_column(project, lab):
    path = project / "cases.csv"
    path.write_text("review,label,product\nSat well.,positive,chair\nToo hot.,negative,kettle\n")
    columns = {"expected": "label", "group": "product"}
    variants = pex.grid([PROMPT], "lab/m1", params=[{"max_tokens": 4}])
    exp = pex.Experiment("grouped", variants, path, ["label"], columns=columns)
    row = {"review": "It wobbles.", "product": "table", "expected": "negative"}
    lab.reply = lambda body, number: written(row)
    (case,) = generate_cases(exp, 1, model="lab/m1", ways=["edge"]).cases
    assert case.group == "table"
    proposals_of(exp).accept(case.id)
    added = load_cases(path, columns)[-1]
    assert (added.group, added.expected, added.accepted) == ("table", "negative", True)


def test_a_comparison_of_only_unaccepted_cases_says_what_to_do(exp, lab):
    lab.reply = lambda body, number: written({"review": "Stopped working.", "expected": "negative"})
    found = generate_cases(exp, 1, model="lab/m1")
    lab.reply = lambda body, number: completion("negative")
    variants = pex.grid([PROMPT], "lab/m1", params=[{"max_tokens": 4}, {"max_tokens": 5}])
    results = pex.Experiment("reviews", variants, found.cases, ["label"]).run(record=False)
    with pytest.raises(pex.PexError, match="nobody has accepted"):
        results.compare()


def test_the_endpoint_is_given_the_form_of_the_cases(exp, lab):
    cases = {
        "case_1": {"review": "The handle came off.", "expected": "negative"},
        "case_2": {"review": "A joy, every morning.", "expected": "positive"},
    }
    lab.reply = lambda body, number: completion(json.dumps(cases))
    found = generate_cases(exp, 2, model="lab/m1", ways=["edge"])
    assert [case.expected for case in found.cases] == ["negative", "positive"]
    schema = lab.bodies[0]["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["case_1", "case_2"]
    assert schema["properties"]["case_2"]["properties"] == {
        "review": {"type": "string"},
        "expected": {"type": "string", "enum": ["negative", "positive"]},
    }
    # What a list or an object consists of cannot be told from examples.
    turns = [{"turns": [{"role": "user", "content": text}]} for text in ("Hi", "Bye")]
    generate_cases(turns, 2, model="lab/m1", ways=["edge"])
    assert "response_format" not in lab.bodies[1]


def test_personas_are_named_first_and_then_write(exp, lab):
    people = {"person_1": "A tired nurse.", "person_2": "A student in a hurry."}
    row = {"review": "Stopped working.", "expected": "negative"}
    lab.reply = lambda body, number: written(people if "person_1" in str(body) else row)
    found = generate_cases(exp, 2, model="lab/m1", ways=["personas"], budget_usd=1)
    assert len(found) == 1
    first, second = (body["messages"][-1]["content"] for body in lab.bodies)
    assert "Name 2 different people" in first
    assert "case_1: A tired nurse.\ncase_2: A student in a hurry." in second
    assert "personas" not in found.summary
    lab.reply = lambda body, number: written("" if "person_1" in str(body) else row)
    found = generate_cases(exp, 1, model="lab/m1", ways=["personas"], seed=1)
    assert "named no personas, so 1 case was asked for without one" in found.summary


def test_without_a_budget_both_questions_share_what_the_project_allows(project, monkeypatch):
    toml = project / "pex.toml"
    toml.write_text(toml.read_text() + "\n[budget]\nusd_per_run = 0.25\n")
    budgets = []

    def asked(prompt, rows, model, *, budget_usd, **options):
        budgets.append(budget_usd)
        return [[] for _ in rows]

    monkeypatch.setattr("pex.improvement.cases.generate.ask_model", asked)
    generate_cases([{"q": "Hi", "expected": "a"}], 2, model="lab/m1", ways=["personas"])
    assert len(budgets) == 2
    assert budgets[0] is budgets[1]
    assert budgets[0].cap_usd == 0.25


@pytest.mark.parametrize("column", ["origin", "accepted_on"])
def test_an_input_named_like_a_column_of_accepted_cases_is_refused_first(project, lab, column):
    with pytest.raises(pex.PexError, match=f"an input '{column}'"):
        generate_cases([{"q": "Hi", column: "Rome", "expected": "a"}], 2, model="lab/m1")
    assert lab.calls == 0


@pytest.mark.model
def test_the_built_in_model_delivers_cases(project):
    share(project)
    rows = [
        {"review": text, "expected": label}
        for text, label in [
            ("The lamp broke.", "negative"), ("Love this kettle.", "positive"),
            ("Arrived scratched.", "negative"), ("Great value.", "positive"),
        ]
    ]  # fmt: skip
    found = generate_cases(rows, 3, model="local/smollm2", ways=["edge"])
    assert found.errors == 0
    assert "not delivered" not in found.summary
    assert {case.expected for case in found.cases} <= {"negative", "positive"}
    assert len(found) + found.near_duplicates + sum(found.failed.values()) == 3
