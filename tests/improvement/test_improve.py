"""A better prompt is found, chosen and confirmed on cases that it was not made from."""

from pathlib import Path

import mlflow
import pytest

import pex
from pex.improvement.result import Improvement
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.improving import BAD, GOOD, START, Listed, experiment, follow

TEXTS = [f"{START} {BAD}", f" {START}\n", f"{START} {GOOD}", f"{START} Please.", "Even or odd?"]


def run(texts: list[str], **options: object) -> Improvement:
    given = {"budget_usd": 1, "ways": [Listed(texts, 5)], "show": False, **options}
    exp = given.pop("experiment", None) or experiment()
    return pex.improve("short", exp, **given)


def numbers(endpoint: FaultyEndpoint) -> set[str]:
    return {body["messages"][-1]["content"].split()[1] for body in endpoint.bodies}


def test_a_better_prompt_is_found_confirmed_and_recorded(
    project: Path, lab: FaultyEndpoint
) -> None:
    follow(lab)
    result = run(TEXTS)
    assert result.prompt.text == f"{START} {GOOD}"
    assert result.verdict == "better"
    assert result.improved
    assert result.status == "finished"
    assert result.sentence == (
        "0.97 while selecting, 1.00 when confirmed, +40 points [+24, +55] against the start: "
        "better."
    )
    assert "confirm set used for the first time" in result.notes
    assert any("3 proposals were tried" in note for note in result.notes)
    table = result.frame.set_index("name")
    assert list(table["state"]) == [
        "start", "behind on train", "refused", "chosen", "not chosen", "refused",
    ]  # fmt: skip
    assert table.loc["listed-2", "reason"] == "the same prompt as before"
    assert table.loc["listed-5", "reason"] == "it drops the variable 'number'"
    assert table.loc["listed-3", "parent"] == "start"
    assert set(table["confirm"].dropna().index) == {"start", "listed-3"}
    sets = result.splits
    assert [len(sets.train), len(sets.select), len(sets.confirm)] == [80, 40, 40]
    # What is behind on train is not measured on select, and only the winner on confirm.
    pirate = [b for b in lab.bodies if BAD in b["messages"][-1]["content"]]
    assert {b["messages"][-1]["content"].split()[1] for b in pirate} <= {
        str(case.inputs["number"]) for case in sets.train
    }
    assert len(pirate) == 24  # clearly behind on a sample: the rest is saved
    _check_record(result)
    _check_files(result, project)


def _check_record(result: Improvement) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{Path.cwd() / 'mlruns' / 'mlflow.db'}")
    assert result.run_id is not None
    recorded = client.get_run(result.run_id)
    assert recorded.info.status == "FINISHED"
    assert recorded.data.tags["pex.verdict"] == "better"
    assert recorded.data.metrics["confirm"] == 1.0
    assert recorded.data.metrics["difference.lo"] == pytest.approx(0.24, abs=0.01)
    place = client.get_experiment(recorded.info.experiment_id)
    assert place.name == "parity (improvement)"
    children = client.search_runs(
        [recorded.info.experiment_id], f"tags.`mlflow.parentRunId` = '{result.run_id}'"
    )
    by_name = {child.info.run_name.split(" ")[0]: child.data for child in children}
    assert {child.info.run_name.split(" ")[1] for child in children} == {
        child.data.params["digest"][:6] for child in children
    }
    assert set(by_name) == {"start", *(f"listed-{n}" for n in range(1, 6))}
    assert by_name["listed-3"].params["way"] == "listed"
    assert by_name["listed-3"].params["parent"] == "start"
    assert set(by_name["listed-3"].metrics) == {"train", "select", "confirm"}
    assert set(by_name["listed-4"].metrics) == {"train", "select"}
    assert by_name["listed-5"].tags["pex.state"] == "refused"
    names = {item.path for item in client.list_artifacts(result.run_id)}
    assert names == {
        "confirm.json", "improvement.html", "proposals.json", "splits.json", "winner.prompty",
    }  # fmt: skip


def _check_files(result: Improvement, project: Path) -> None:
    path = result.save("prompts/better.prompty")
    assert pex.Prompt.load(path).text == result.prompt.text
    result.save(path)  # the same again loses nothing
    path.write_text("mine")
    with pytest.raises(pex.PexError, match="different content"):
        result.save(path)
    assert path.read_text() == "mine"
    page = result.report("improvement.html").read_text()
    assert result.sentence.replace("+", "&#43;") in page or result.sentence in page
    assert "<ins>" in page
    assert page.count("<svg") == 1
    assert ">confirm</text>" in page
    assert 'class="pex-number">confirm' in page
    assert "listed-3" in repr(result)
    figure = result.plot()
    assert len(figure.data) == 4  # what was refused has nothing to draw
    assert "Its lead" in figure.layout.title.text


def test_the_confirm_set_is_counted_and_what_was_seen_stays_seen(lab: FaultyEndpoint) -> None:
    follow(lab)
    first = run([f"{START} {GOOD}"])
    calls = lab.calls
    again = run([f"{START} {GOOD}"])
    assert lab.calls == calls  # everything from the journal
    assert again.sentence == first.sentence
    assert "confirm set used for the first time" in again.notes  # the same comparison
    more = experiment(200)
    other = run([f"{START} {GOOD} Please."], experiment=more)
    assert other.verdict == "better"
    assert "confirm set used the 2nd time: no longer fresh" in other.notes
    was, now = first.splits.membership(), other.splits.membership()
    assert {case: now[case] for case in was} == was
    assert len(now) == 200
    # Not recorded: told, and not counted.
    third = run([f"{START} Now. {GOOD}"], experiment=more, record=False)
    assert third.run_id is None
    assert "confirm set used the 3rd time: no longer fresh" in third.notes
    assert any("will not be counted" in note for note in third.notes)


def test_the_start_is_kept_without_touching_the_confirm_set(lab: FaultyEndpoint) -> None:
    follow(lab)
    result = run([f"{START} {BAD}", f"{START} Please."])
    assert result.prompt is result.start
    assert result.verdict == "kept the start"
    assert not result.improved
    assert result.sentence == (
        "The start is kept: of 2 proposals, none did better than its 0.72 while selecting. "
        "The confirm set was not touched."
    )
    assert 'class="pex-number">confirm' not in result._repr_html_()
    assert ">confirm</text>" not in result._repr_html_()
    assert len(result.plot().layout.xaxis.ticktext) == 2
    assert not {str(case.inputs["number"]) for case in result.splits.confirm} & numbers(lab)
    result = run([f"{START} {GOOD}"], record=False)
    assert "confirm set used for the first time" in result.notes
