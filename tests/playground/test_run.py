"""A Playground's runs without a browser: the real model, an endpoint with faults, MLflow."""

import contextlib
from pathlib import Path

import mlflow
import pytest
from aiohttp import web

import pex
from pex.core.errors import PexError
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.mlflow_server import MlflowServer
from tests.helpers.playing import CASES, View, column, entry, experiment, restarted, typed, until

pytestmark = [pytest.mark.traces, pytest.mark.usefixtures("new_kernel")]


@pytest.mark.model
def test_the_real_model_answers_piece_by_piece_and_the_run_is_recorded(
    lab: FaultyEndpoint, project: Path
) -> None:
    prompt = pex.Prompt(
        "Review: {{ review }}\nIs this review positive or negative? Answer with one word.", "short"
    )
    exp = pex.Experiment(
        "real",
        pex.grid([prompt], "local/smollm2", {"temperature": 0, "max_tokens": 8}),
        CASES,
        ["label"],
    )
    play = pex.Playground(exp, name="real")
    view = View(play._session)
    view.press()
    status = view.wait()
    assert status["error"] == ""
    assert play.results is not None
    assert status["recorded"] == [play.results.about.run_name, "", play.results.run_id]
    cells = play._session.cells()
    assert len(cells) == 3
    for cell in cells.values():
        assert cell["state"] == "answered"
        assert "to first token" in cell["facts"]
        assert "free" in cell["facts"]
        assert [mark[1][2:] for mark in cell["marks"]] == ["label"]
        assert not cell["stale"]
    growing = [cell["text"] for seen in view.seen for cell in seen.values()
               if cell["state"] == "running" and cell["text"]]  # fmt: skip
    assert growing, "no answer was seen while it grew"
    assert play.results is not None
    run = mlflow.MlflowClient(play.results.about["tracking_uri"]).get_run(play.results.run_id)
    assert run.data.tags["pex.source"] == "playground"
    experiment_id = run.info.experiment_id
    client = mlflow.MlflowClient(play.results.about["tracking_uri"])
    assert client.get_experiment(experiment_id).name.endswith(" (scratch)")  # not with measurements
    assert run.info.status == "FINISHED"
    view.press()
    view.wait()
    assert all("reused" in cell["facts"] for cell in play._session.cells().values())


def test_the_playground_begins_with_a_few_of_the_experiment_and_says_so(
    lab: FaultyEndpoint,
) -> None:
    play = pex.Playground(experiment(*(f"{n} {{{{ review }}}}" for n in range(6))), record=False)
    doc = play._session.document()
    assert (len(doc["variants"]), len(doc["cases"])) == (4, 3)
    assert "first 4 of 6 variants" in doc["notice"]
    assert "first 3 of 4 cases" in doc["notice"]
    assert doc["pool"] == {"count": 4, "ids": ["c1", "c2", "c3", "c4"]}
    assert repr(play) == "Playground: 4 variants (p0, p1, p2, p3) x 3 cases"


def test_an_experiment_is_found_by_its_folder_and_a_wrong_name_is_mended(
    lab: FaultyEndpoint,
) -> None:
    experiment().save("experiments/reviews/experiment.yaml")
    assert pex.Playground("reviews", record=False).experiment.name == "reviews"
    with pytest.raises(PexError, match="did you mean 'reviews'"):
        pex.Playground("reveiws")


def test_only_what_is_asked_for_runs_and_only_what_is_right(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("a {{ review }}", "b {{ review }}", "c {{ review }}"),
                          record=False)  # fmt: skip
    view = View(play._session)
    view.press([column(play, 1)], [entry(play, 2)])
    view.wait()
    assert [body["messages"][0]["content"] for body in lab.bodies] == ["b It broke at once."]
    typed(play, "broken {{ review }", 0)
    view.press()
    view.wait()
    assert {body["messages"][0]["content"][0] for body in lab.bodies} == {"b", "c"}
    assert len(lab.bodies) == 6  # of b one was in the journal
    view.press([column(play, 0)])
    assert "variant 'p0', line 1" in play._session.status()["error"]
    typed(play, "a {{ review }}", 0)
    assert play._session.status()["error"] == ""


def test_a_template_that_fails_on_a_case_keeps_only_its_own_variant_from_running(
    lab: FaultyEndpoint,
) -> None:
    play = pex.Playground(experiment("{{ review.x.y }}", "{{ review }}"), record=False)
    view = View(play._session)
    view.press()
    view.wait()
    assert {key.split("|")[0] for key in play._session.cells()} == {column(play, 1)}
    (problem,) = play._session.document()["variants"][0]["problems"]
    assert problem["where"] == "message:0"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("lob/m1", "did you mean 'lab'?"),
        ("local/smollm3", "the built-in model is 'local/smollm2'"),
        ("openai/gpt-4.1-mini", "OPENAI_API_KEY is not set"),
        ("dear/m1", "no price is known"),
    ],
)
def test_a_model_that_cannot_be_asked_says_why_and_nothing_is_asked(
    lab: FaultyEndpoint, project: Path, model: str, said: str
) -> None:
    toml = project / "pex.toml"
    toml.write_text(toml.read_text() + f'[providers.dear]\nbase_url = "{lab.url}"\n')
    play = pex.Playground(experiment("{{ review }}", "other {{ review }}"), record=False)
    view = View(play._session)
    view.do("edit", variant=column(play), field="model", value=model)
    view.press([column(play)])
    error = play._session.status()["error"]
    assert said in error
    assert "Traceback" not in error
    assert lab.calls == 0
    view.press()
    view.wait()
    assert lab.calls == 3, "the other variant runs all the same"
    (problem,) = play._session.document()["variants"][0]["problems"]
    assert problem["where"] == "model"


def test_an_answer_is_old_when_its_prompt_or_case_changes_and_new_again_when_it_changes_back(
    lab: FaultyEndpoint,
) -> None:
    play = pex.Playground(experiment("a {{ review }}", "b {{ review }}"), record=False)
    view = View(play._session)
    view.press()
    view.wait()

    def stale() -> set[str]:
        return {key for key, cell in play._session.cells().items() if cell["stale"]}

    assert stale() == set()
    typed(play, "new {{ review }}", 0)
    assert stale() == {f"{column(play)}|{entry(play, n)}" for n in range(3)}
    assert any(cell["stale"] for seen in view.seen for cell in seen.values())
    view.do("undo")
    assert stale() == set()
    view.do("edit_case", case=entry(play), field="review", value="Other.")
    assert stale() == {f"{column(play, n)}|{entry(play)}" for n in range(2)}
    view.do("undo")
    typed(play, "b {{ review }} {{ tone }}", 1)  # a new input of all cases, but not of p0
    assert not [key for key in stale() if key.startswith(column(play))]


def test_a_second_column_runs_beside_the_first_and_nothing_is_asked_twice(
    lab: FaultyEndpoint, project: Path
) -> None:
    lab.latency_s = 0.5
    play = pex.Playground(experiment("a {{ review }}", "b {{ review }}"))
    view = View(play._session)
    view.press([column(play, 0)])
    until(lambda: lab.calls > 0)
    view.press([column(play, 1)])
    view.press()  # both are being asked: this is no third run
    view.wait()
    assert play._session.status()["error"] == ""
    assert lab.calls == 6
    cells = play._session.cells()
    assert len(cells) == 6
    assert {cell["state"] for cell in cells.values()} == {"answered"}
    assert {cell["run"] for cell in cells.values()} == {1, 2}


def test_stop_keeps_what_is_there_and_marks_the_rest(lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: None if number == 1 else "hang"
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    view.press()
    until(lambda: any(c["state"] == "answered" for c in play._session.cells().values()))
    view.message({"kind": "stop", "view": "v"})
    assert "stopped" in {cell["state"] for cell in play._session.cells().values()}, "at once"
    assert not {cell["state"] for cell in play._session.cells().values()} & {"queued", "running"}
    view.wait()
    states = sorted(cell["state"] for cell in play._session.cells().values())
    assert states == ["answered", "stopped", "stopped"]


def test_the_toggle_asks_again_what_the_journal_has(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    for fresh, calls in ((False, 3), (False, 3), (True, 6), (False, 6)):
        view.do("fresh", value=fresh)
        view.press()
        view.wait()
        assert lab.calls == calls


def test_errors_of_the_provider_are_in_the_cells_without_the_key(
    lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    secret = "sk-verysecret1234567890"
    monkeypatch.setenv("LAB_KEY", secret)
    toml = project / "pex.toml"
    toml.write_text(toml.read_text() + 'api_key_env = "LAB_KEY"\n')
    lab.reply = lambda body, number: web.json_response(
        {"error": {"message": f"bad key {secret}"}}, status=400
    )
    play = pex.Playground(experiment("a {{ review }}"), name="k", record=False)
    view = View(play._session)
    view.press()
    status = view.wait()
    restarted()
    everything = f"{status} {view.seen} {(project / '.pex/drafts/k.json').read_text()}"
    assert "bad key" in everything
    assert secret not in everything
    assert {cell["state"] for cell in view.session.cells().values()} == {"error"}


def test_a_budget_that_is_used_up_stops_the_rest(lab: FaultyEndpoint, project: Path) -> None:
    toml = project / "pex.toml"
    toml.write_text(
        toml.read_text().replace("free = true", "free = false")
        + '[prices."lab/m1"]\ninput_usd_per_million = 1e6\noutput_usd_per_million = 1.0\n'
        "[budget]\nusd_per_run = 0.5\n"
    )
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    play._session.check()
    assert "at most $" in play._session.document()["estimate"]
    view = View(play._session)
    view.press()
    view.wait()
    assert lab.calls == 0
    assert {cell["state"] for cell in play._session.cells().values()} == {"stopped"}
    assert "budget" in play._session.status()["line"]


def test_the_estimate_says_what_is_asked_and_what_is_there_already(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    play._session.check()
    assert play._session.document()["estimate"] == "3 answers, free"
    view.press([column(play)], [entry(play)])
    view.wait()
    play._session.check()
    assert play._session.document()["estimate"] == "2 answers, free, 1 more reused"
    assert lab.calls == 1
    typed(play, "{{ broken", 0)
    play._session.check()
    assert play._session.document()["estimate"] == ""


def test_the_estimate_starts_no_server(project: Path) -> None:
    play = pex.Playground(experiment("{{ review }}", model="local/smollm2"), record=False)
    play._session.check()
    assert play._session.document()["estimate"].startswith("3 answers")
    assert not (project / ".pex" / "model.json").exists()


def test_what_was_tried_is_no_run_of_the_experiment(lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: None if number > 1 else web.json_response({}, status=400)
    exp = experiment("{{ review }}", scorers=())
    exp.run()
    play = pex.Playground(exp)
    play.run().wait()
    again = experiment("{{ review }}", scorers=())
    assert len(again.run(only="errors", record=False).frame) == 1


def test_python_runs_what_the_buttons_run(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("a {{ review }}", "b {{ review }}"), record=False)
    assert play.results is None
    execution = play.run("p0", ["c1", "c2"])
    assert len(execution.wait().frame) == 2
    until(lambda: play.results is not None)
    with pytest.raises(PexError, match="there is no variant 'p9'"):
        play.run(["p9"])
    typed(play, "", 0)
    with pytest.raises(PexError, match="no text yet"):
        _ = play.experiment
    with contextlib.suppress(PexError):
        play.run("p0")
    assert lab.calls == 2


def test_scorers_know_the_labels_of_cases_that_are_not_shown(lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: {
        **__import__("tests.helpers.endpoint", fromlist=["completion"]).completion(
            "positive, not negative"
        )
    }
    exp = pex.Experiment("l", pex.grid(pex.Prompt("{{ review }}", "p"), "lab/m1"), CASES, ["label"])
    play = pex.Playground(exp, record=False)
    view = View(play._session)
    for _ in range(2):
        view.do("remove_case", case=entry(play, 1))
    view.press()
    view.wait()
    (cell,) = play._session.cells().values()
    assert cell["marks"][0][0] == "bad", "two labels are named; one case alone knows only one"


def test_without_scorers_what_is_expected_is_looked_for(lab: FaultyEndpoint) -> None:
    play = pex.Playground(record=False)
    view = View(play._session)
    view.do("edit", variant=column(play), field="model", value="lab/m1")
    view.do("edit_case", case=entry(play), field="text", value="It is Positive.")
    view.do("edit_case", case=entry(play), field="expected", value="positive")
    view.press()
    view.wait()
    (cell,) = play._session.cells().values()
    assert cell["marks"][0][:2] == ["good", "✓ contains"]


@pytest.mark.soak
def test_a_run_in_a_servers_store_has_a_link_to_its_page(
    lab: FaultyEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = MlflowServer(tmp_path)
    server.start()
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        play = pex.Playground(experiment("a {{ review }}"))
        view = View(play._session)
        view.press()
        status = view.wait()
        assert play.results is not None
        _, url, run_id = status["recorded"]
        assert url.startswith(f"{server.uri}/#/experiments/")
        assert url.endswith(f"/runs/{run_id}")
        assert run_id == play.results.run_id
        assert play.results.traces is not None
        play.results.traces.wait()
        server.kill()
        view.do("fresh", value=True)
        view.press()
        status = view.wait()
        assert server.uri in status["error"]
        assert lab.calls == 3, "nothing is asked that cannot be recorded"
        assert {cell["state"] for cell in play._session.cells().values()} == {"stopped"}
    finally:
        server.kill()


def test_it_begins_from_prompts_too(lab: FaultyEndpoint) -> None:
    one = pex.Prompt("Say {{ word }}", "one", model="lab/m1")
    two = pex.Prompt("{{ greeting }}, {{ word }}", "two", model="lab/m2")
    play = pex.Playground([one, two], record=False)
    assert repr(play) == "Playground: 2 variants (one, two) x 1 case"
    exp = play.experiment
    assert [variant.model for variant in exp.variants] == ["lab/m1", "lab/m2"]
    assert [sorted(case.inputs) for case in exp.cases] == [["greeting", "word"]]
    alone = pex.Playground(pex.Prompt("Hi", "bare", model="lab/m1"), record=False)
    assert alone.run().wait().frame["output"].tolist() == ["Hi"]
