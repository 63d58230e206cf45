"""Which cases count, what is said of the others, and when the models stop."""

from __future__ import annotations

import datetime
from pathlib import Path

import mlflow
import pytest

import pex
from pex.adoption.decide import KEEP, UNDECIDED
from tests.helpers.adopting import NEW, OLD, experiment, models
from tests.helpers.endpoint import FaultyEndpoint, completion


@pytest.fixture
def pair(lab: FaultyEndpoint) -> FaultyEndpoint:
    models(lab)
    return lab


def adopt(**options: object) -> pex.Adoption:
    found = pex.adopt(NEW, OLD, show=False, **options)  # type: ignore[arg-type]
    assert isinstance(found, pex.Adoption)
    return found


def test_each_kind_of_case_that_does_not_count_is_left_out_and_said(
    pair: FaultyEndpoint, project: Path
) -> None:
    """Unaccepted generated cases, declared examples, errors on one side; repeats and groups."""
    path = experiment(project, "same", 40)
    prompt = path.parent / "prompts/same.prompty"
    prompt.write_text(prompt.read_text().replace("---\nuser", "examples: [c13, c14]\n---\nuser"))
    rows = ["case_id,q,expected,shop,origin,accepted_by"]
    for n in range(40):
        origin = "generated," if n < 3 else "generated,Ada" if n < 10 else "own,"
        rows.append(f"c{n},{n},yes,s{n // 2},{origin}")
    (path.parent / "cases.csv").write_text("\n".join(rows) + "\n")
    more = "columns: {group: shop}\nrepeats: 2\nmax_error_share: 0.1\n"
    path.write_text(path.read_text() + more)

    def failing(body: dict[str, object], number: int) -> object:
        from aiohttp import web

        case = int(str(body["messages"][-1]["content"]).split()[1])  # type: ignore[index]
        if case == (39 if body["model"] == "new" else 36):
            error = {"message": "this text is not allowed", "code": "content_filter"}
            return web.json_response({"error": error}, status=400)
        # On the generated cases that nobody has accepted the new model would lose.
        return completion("no" if case < 3 and body["model"] == "new" else "yes")

    pair.reply = failing
    found = adopt(record=False)
    [row] = found.to_json()["comparisons"]
    assert row["n_cases"] == 40 - 3 - 2 - 2
    assert (row["wins"], row["losses"], row["diff"]) == (0, 0, 0.0)
    assert (row["errors_new"], row["errors_old"], row["missing_old"]) == (2, 2, 1)
    [outcome] = found.outcomes
    assert outcome.finding is not None
    # Of twenty groups, the first has only generated cases, the others lose at most one of two.
    assert outcome.finding.row["n_groups"] == 19
    page = found.page()
    for said in (
        "3 generated cases nobody has accepted are left out",
        "19 % of the cases are generated",
        "1 case is missing: lab/old has no answer there",
        "<dt>errors</dt><dd>2 → 2</dd>",
        "the prompt shows the case as an example",
    ):
        assert said in page


def test_where_only_unaccepted_cases_are_there_nothing_is_decided_and_the_others_are(
    pair: FaultyEndpoint, project: Path
) -> None:
    experiment(project, "gain", 30)
    path = experiment(project, "same", 10)
    rows = "".join(f"c{n},{n},yes,generated,\n" for n in range(10))
    (path.parent / "cases.csv").write_text(f"case_id,q,expected,origin,accepted_by\n{rows}")
    found = adopt(record=False)
    assert found.verdicts == {"gain": KEEP, "same": UNDECIDED}
    [_, row] = found.to_json()["comparisons"]
    assert "nobody has accepted one" in row["why"]


def test_the_day_on_which_a_model_stops_is_in_the_heading(
    pair: FaultyEndpoint, project: Path
) -> None:
    day = datetime.date.today() + datetime.timedelta(days=45)
    with (project / "pex.toml").open("a") as file:
        file.write(f'[models."lab/old"]\nstops = {day}\n')
    experiment(project, "gain", 10)
    sized = pex.adopt(NEW, OLD, dry_run=True)
    found = adopt()
    assert found.run_id is not None
    client = mlflow.MlflowClient(f"sqlite:///{project / 'mlruns' / 'mlflow.db'}")
    note = client.get_run(found.run_id).data.tags["mlflow.note.content"]
    words = f"lab/old stops in 45 days ({day.day} {day:%B %Y})"
    for text in (str(sized), repr(found), found.page(), found._repr_html_(), note):
        assert words in text


def test_recording_that_the_budget_ends_counts_the_prompts_whose_turn_did_not_come(
    pair: FaultyEndpoint, project: Path
) -> None:
    from pex.adoption.recording import record_model

    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{pair.url}"\nmax_in_flight = 1\n'
        '[prices."lab/old"]\ninput_usd_per_million = 100\noutput_usd_per_million = 100\n'
    )
    for name in ("gain", "lose"):
        experiment(project, name, 10, params="params: [{max_tokens: 2}]\n")
    kept = record_model(OLD, budget_usd=0.01, show=False, record=False)
    assert kept.stopped == "budget"
    assert [row["prompt"] for row in kept.rows] == ["gain", "lose"]
    assert [(row["answers"], row["missing"]) for row in kept.rows][1] == (0, 10)
    assert kept.rows[0]["answers"] > 0
    assert "0 of 2 comparisons can be made without it" in kept.headline


def test_what_does_not_go_with_a_recording_is_refused_before_a_call(
    pair: FaultyEndpoint, project: Path
) -> None:
    from pex.cli.adopt import adopt as command

    experiment(project, "gain", 3)
    with pytest.raises(pex.PexError, match="--dry-run does not go with --record"):
        command(record_old=OLD, dry_run=True)
    assert pair.calls == 0
