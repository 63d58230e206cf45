"""The traces of a run, as MLflow gives them back."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Trace
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

import pex
from pex.record import traces
from pex.record.case_versions import CHANGED
from pex.record.choose_traces import check_traces, choose
from pex.record.search import CASES_SHA256, trace_page
from pex.record.spans import preview
from tests.helpers import browser
from tests.helpers.processes import wait_for
from tests.helpers.sample_run import BEGUN, make_cases, make_frame, record

pytestmark = pytest.mark.traces


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store for all: to make one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


def written(target: traces.Target) -> dict[str, list[Trace]]:
    """The traces of each variant."""
    client = mlflow.MlflowClient(target.uri)
    return {
        variant: list(
            client.search_traces(
                locations=[target.experiment_id],
                filter_string=f"metadata.`mlflow.sourceRun` = '{run_id}'",
                max_results=500,
            )
        )
        for variant, run_id in target.children.items()
    }


def tag(target: traces.Target) -> str:
    client = mlflow.MlflowClient(target.uri)
    return str(client.get_run(target.run_id).data.tags[traces.WRITTEN])


def test_what_somebody_will_want_to_open_is_chosen_first() -> None:
    frame = make_frame(make_cases(6), repeats=2)
    order = choose(frame, "all")
    ids = list(dict.fromkeys(case_id for case_id, _ in order))
    assert ids == ["c1", "c2", "c3", "c0", "c4", "c5"]
    assert len(order) == 12
    # Five traces are two places of two variants, and more adds to fewer.
    assert choose(frame, 5) == [("c1", 1), ("c1", 2)]
    assert choose(frame, 9) == order[:4]
    assert choose(frame, 1) == choose(frame, 0) == choose(frame, "none") == []
    assert choose(frame[:0], "all") == []


@pytest.mark.parametrize("value", [-1, 1.5, True, None, "al", "ALL"])
def test_anything_else_than_a_number_all_or_none_is_refused(value: object) -> None:
    with pytest.raises(pex.PexError, match="traces: expected a whole number from 0"):
        check_traces(value)


def test_the_preview_names_its_case_also_where_it_is_cut() -> None:
    long = "x" * 300
    one, other = (
        preview(f"{long}1", 1, {"q": "w " * 900}),
        preview(f"{long}2", 1, {"q": "w " * 900}),
    )
    assert one != other
    assert len(one) == len(other) == 900


def test_both_variants_have_the_same_rows_and_each_tells_its_own(uri: str) -> None:
    frame = make_frame(make_cases(4), repeats=2)
    target = record(uri, "pairs", frame, make_cases(4))
    ids = traces.write(target, frame, choose(frame, "all"))
    found = written(target)
    previews = {v: sorted(t.info.request_preview for t in found[v]) for v in found}
    assert previews["a"] == previews["b"]
    assert len(set(previews["a"])) == 8
    assert "c2 r1 | What is 2 + 2? One number." in previews["a"]
    assert ids == {
        (v, c, r): traces.trace_id_of(target.children[v], c, r)
        for v in ("a", "b") for c in ("c0", "c1", "c2", "c3") for r in (1, 2)
    }  # fmt: skip
    assert {t.info.trace_id for v in found for t in found[v]} == set(ids.values())
    assert tag(target) == "16/16"


def test_a_trace_has_the_call_its_scores_and_where_it_belongs(uri: str) -> None:
    frame = make_frame(make_cases(4))
    target = record(uri, "whole", frame, make_cases(4))
    target = dataclasses.replace(target, prompts={"a": ("sums", 3)})
    ids = traces.write(target, frame, choose(frame, "all"))
    client = mlflow.MlflowClient(uri)
    trace = client.get_trace(ids["a", "c2", 1])
    info, (case, span) = trace.info, trace.data.spans
    assert info.state == "OK"
    assert (info.request_time, info.execution_duration) == ((BEGUN + 2) * 1000, 500)
    assert (case.name, case.span_type, case.parent_id) == ("c2", "CHAIN", None)
    assert info.response_preview == case.outputs == "4"
    assert case.inputs == {"q": "What is 2 + 2?\nOne number."}
    assert (span.name, span.span_type, span.parent_id) == ("lab/m1", "CHAT_MODEL", case.span_id)
    assert span.inputs["messages"] == [{"role": "user", "content": "What is 2 + 2?\nOne number."}]
    assert (span.inputs["model"], span.inputs["temperature"]) == ("m1", 0)
    assert span.outputs["choices"][0]["message"] == {"role": "assistant", "content": "4"}
    assert span.attributes["params"] == {"temperature": 0}
    assert span.attributes["mlflow.llm.provider"] == "lab"
    assert info.token_usage == {"input_tokens": 20, "output_tokens": 2, "total_tokens": 22}
    assert json.loads(info.trace_metadata["mlflow.trace.cost"]) == {"total_cost": 0.001}
    assert info.trace_metadata["pex.request_key"] == "a-c2-1"
    assert (info.tags["pex.group"], info.tags["pex.tags"]) == ("g", "sum")
    said = {item.name: item for item in info.assessments}
    assert set(said) == {"label", "tone", "expected"}
    assert said["label"].value is True
    assert (said["label"].source.source_type, said["label"].rationale) == ("CODE", "as expected")
    assert (said["tone"].value, said["tone"].source.source_type) == (0.75, "LLM_JUDGE")
    assert said["tone"].source.source_id == "lab/judge"
    assert said["expected"].value == "4"
    assert {item.run_id for item in info.assessments} == {target.children["a"]}
    linked = client.search_traces(
        locations=[target.experiment_id], filter_string="prompt = 'sums/3'"
    )
    assert {t.info.trace_id for t in linked} == {i for place, i in ids.items() if place[0] == "a"}


def test_an_error_and_a_scorer_that_failed_are_shown_as_such(uri: str) -> None:
    frame = make_frame(make_cases(2))
    target = record(uri, "errors", frame, make_cases(2))
    frame.loc[frame["error"].notna(), "started_at"] = pd.Timestamp(0, tz="UTC")  # never sent
    ids = traces.write(target, frame, choose(frame, "all"))
    client = mlflow.MlflowClient(uri)
    failed = client.get_trace(ids["b", "c1", 1])
    assert (failed.info.state, failed.info.response_preview) == ("ERROR", "503: no room")
    assert failed.data.spans[0].events[0].attributes["exception.message"] == "503: no room"
    assert abs(failed.info.request_time / 1000 - time.time()) < 86_400  # not in another unit
    assert [item.name for item in failed.info.assessments] == ["expected"]
    tone = next(i for i in client.get_trace(ids["a", "c0", 1]).info.assessments if i.name == "tone")
    assert (tone.value, tone.error.error_message) == (None, "the judge said nothing")


def test_writing_goes_on_where_it_was_killed_and_doubles_nothing(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = make_frame(make_cases(3))
    target = record(uri, "killed", frame, make_cases(3))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SqlAlchemyStore, "log_spans", killed)
        with pytest.raises(KeyboardInterrupt):
            traces.write(target, frame, choose(frame, 4))
    assert tag(target) == "0/4"  # they are there, without their spans
    assert traces.complete(uri, target.run_id, "all") == (6, 6)
    assert traces.complete(uri, target.run_id, "all") == (0, 6)
    assert traces.complete(uri, target.run_id, 2) == (0, 2)
    assert tag(target) == "6/6"
    for found in written(target).values():
        assert len(found) == 3
        assert all(len(trace.data.spans) == 2 for trace in found)
        assert all(len(t.info.assessments) <= 3 for t in found)


def test_a_stop_leaves_pairs(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "_BATCH", 2)
    frame = make_frame(make_cases(4))
    target = record(uri, "stopped", frame, make_cases(4))
    seen: list[tuple[int, int]] = []
    ids = traces.write(
        target,
        frame,
        choose(frame, "all"),
        lambda *news: seen.append(news),
        lambda: len(seen) > 2,
    )
    assert seen == [(0, 8), (2, 8), (4, 8)]
    assert [place[:2] for place in ids] == [("a", "c1"), ("b", "c1"), ("a", "c2"), ("b", "c2")]
    assert tag(target) == "4/8"


def test_new_scores_replace_old_ones_but_not_what_a_person_changed(uri: str) -> None:
    frame = make_frame(make_cases(2), odd=False)
    target = record(uri, "rescored", frame, make_cases(2))
    places = choose(frame, "all")
    ids = traces.write(target, frame, places)
    client = mlflow.MlflowClient(uri)
    mine = ids["a", "c0", 1]
    label = next(i for i in client.get_trace(mine).info.assessments if i.name == "label")
    time.sleep(0.01)
    client._tracing_client.update_assessment(
        trace_id=mine,
        assessment_id=label.assessment_id,
        assessment=mlflow.entities.Feedback("label", "by hand"),
    )
    frame["score.label"] = 0.0
    assert traces.write(target, frame, places) == ids
    values = {
        (trace.info.trace_metadata["pex.variant"], trace.info.trace_metadata["pex.case_id"]): [
            item.value for item in trace.info.assessments if item.name == "label"
        ]
        for found in written(target).values()
        for trace in found
    }
    assert values.pop(("a", "c0")) == ["by hand"]
    assert list(values.values()) == [[False]] * 3


def test_an_answer_that_came_later_takes_the_place_of_its_error(uri: str) -> None:
    cases = make_cases(2)
    before, after = make_frame(cases), make_frame(cases, odd=False)
    target = record(uri, "later", before, cases)
    ids = traces.write(target, before, choose(before, "all"))
    client = mlflow.MlflowClient(uri)
    assert client.get_trace(ids["b", "c1", 1]).info.state == "ERROR"
    assert traces.write(target, after, choose(after, "all")) == ids
    trace = client.get_trace(ids["b", "c1", 1])
    assert (trace.info.state, trace.info.response_preview) == ("OK", "2")
    case, call = trace.data.spans
    assert (case.outputs, call.outputs["choices"][0]["message"]["content"]) == ("2", "2")
    assert [len(found) for found in written(target).values()] == [2, 2]


def test_the_users_own_run_store_and_tracing_are_left_alone(uri: str, tmp_path: Path) -> None:
    frame = make_frame(make_cases(2))
    target = record(uri, "quiet", frame, make_cases(2))
    shutil.copy(uri.removeprefix("sqlite:///"), tmp_path / "own.db")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/own.db")
    try:
        mlflow.set_experiment("mine")
        with mlflow.start_run() as run, mlflow.start_span("mine") as span:
            writer = traces.TraceWriter(target, frame, choose(frame, "all"), make_cases(2))
            writer.start()
            assert writer.wait(60)
            assert mlflow.active_run().info.run_id == run.info.run_id
            assert mlflow.get_current_active_span().trace_id == span.trace_id
        mlflow.flush_trace_async_logging()
        own = mlflow.search_traces(locations=[run.info.experiment_id], return_type="list")
        assert [trace.info.trace_id for trace in own] == [span.trace_id]
        assert mlflow.MlflowClient().get_run(run.info.run_id).inputs.dataset_inputs == []
    finally:
        mlflow.set_tracking_uri(None)
    assert {v: len(found) for v, found in written(target).items()} == {"a": 2, "b": 2}


@pytest.mark.filterwarnings("always")
def test_what_goes_wrong_in_the_background_is_said_once_and_kept(uri: str) -> None:
    frame = make_frame(make_cases(2))
    target = record(uri, "lost", frame, make_cases(2))
    target = dataclasses.replace(target, experiment_id="9999")
    writer = traces.TraceWriter(target, frame, choose(frame, 4))
    writer.start()
    with pytest.warns(UserWarning, match=f"pexlab record {target.run_id}") as caught:
        assert not writer.wait(60)
    assert len(caught) == 1
    assert "9999" in str(writer.error)
    assert writer.progress == (0, 4)


def test_a_server_that_takes_no_spans_gets_them_as_files(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = make_frame(make_cases(1))
    target = record(uri, "files", frame, make_cases(1))

    def old(*_: object, **__: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(SqlAlchemyStore, "log_spans", old)
    ids = traces.write(target, frame, choose(frame, "all"))
    case, _ = mlflow.MlflowClient(uri).get_trace(ids["a", "c0", 1]).data.spans
    assert case.outputs == "0"
    assert traces.complete(uri, target.run_id, "all") == (0, 2)


def test_a_case_that_is_to_be_forgotten_leaves_no_trace(uri: str) -> None:
    cases = make_cases(3)
    frame = make_frame(cases, repeats=2)
    target, other = record(uri, "forgot", frame, cases), record(uri, "other", frame, cases)
    for run in (target, other):
        traces.complete(uri, run.run_id, "all")
    assert traces.forget(uri, target.run_id, ["c1"]) == 4
    assert traces.forget(uri, target.run_id, ["c1"]) == 0
    for found in written(target).values():
        assert {t.info.trace_metadata["pex.case_id"] for t in found} == {"c0", "c2"}
    assert [len(found) for found in written(other).values()] == [6, 6]
    (left,) = mlflow.MlflowClient(uri).search_datasets([target.experiment_id, other.experiment_id])
    assert left.name.startswith("other-")


EXITING = """
import sys
from pathlib import Path
from pex.core.cases import load_cases
from pex.record.runs import load
from pex.record.choose_traces import choose
from pex.record.traces import TraceWriter, target_of
uri, run_id = sys.argv[1:3]
frame, about = load(uri, run_id)
cases = load_cases(Path(sys.argv[3])) if sys.argv[3:] else ()
TraceWriter(target_of(uri, run_id, about), frame, choose(frame, "all"), cases).start()
"""


def exiting(target: traces.Target, *cases: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", EXITING, target.uri, target.run_id, *cases],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


@pytest.mark.soak
def test_a_process_that_ends_waits_for_its_traces_and_says_so(uri: str) -> None:
    frame = make_frame(make_cases(100))
    target = record(uri, "exit", frame, make_cases(100))
    process = exiting(target)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0
    assert re.search(r"writing traces to MLflow, \d+ of 200 left; Ctrl-C to stop", said)
    assert tag(target) == "200/200"


def starts_threads_while_it_ends() -> bool:
    """Whether this Python does; 3.12.1 does not, and MLflow reads files with threads."""
    program = (
        "import threading\n"
        "work = threading.Thread(target=print, args=['started'])\n"
        "threading._register_atexit(work.start)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "started" in done.stdout


def test_what_is_written_last_still_reads_files_of_earlier_runs(uri: str, tmp_path: Path) -> None:
    if not starts_threads_while_it_ends():
        pytest.skip("this version of Python starts no thread while it ends")
    cases = make_cases(20)
    first = record(uri, "exit", make_frame(cases), cases)
    target = record(uri, "exit", make_frame(cases[:15]), cases[:15])
    file = tmp_path / "cases.jsonl"
    client = mlflow.MlflowClient(uri)
    client.set_tag(first.run_id, CASES_SHA256, "of 20")
    client.set_tag(target.run_id, CASES_SHA256, "of 15")
    client.download_artifacts(target.run_id, "cases.jsonl", str(tmp_path))
    process = exiting(target, str(file))
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "could not be written" not in said
    assert tag(target) == "30/30"
    assert CHANGED in client.get_run(target.run_id).data.tags


def test_ctrl_c_ends_the_waiting_and_the_rest_comes_later(uri: str) -> None:
    frame = make_frame(make_cases(250))
    target = record(uri, "ctrl-c", frame, make_cases(250))
    process = exiting(target)
    assert process.stderr is not None
    said = process.stderr.readline()
    assert "Ctrl-C to stop" in said
    client = mlflow.MlflowClient(uri)
    wait_for(lambda: traces.WRITTEN in client.get_run(target.run_id).data.tags)
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=300)
    assert rest == f"stopped; `pexlab record {target.run_id}` continues later\n"
    done = int(tag(target).partition("/")[0])
    assert done < 500
    assert traces.complete(uri, target.run_id, "all") == (500 - done, 500)


@pytest.fixture(scope="module")
def server(uri: str) -> Iterator[str]:
    """The same store behind MLflow's server."""
    port = browser.free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["mlflow", "server", "--backend-store-uri", uri, "--port", str(port), "--workers=1"]
    with browser.serving(command, Path(uri.removeprefix("sqlite:///")).parent, f"{url}/health"):
        yield url


@pytest.mark.browser
def test_mlflows_own_comparison_pairs_every_case_and_repeat(uri: str, server: str) -> None:
    frame = make_frame(make_cases(4), repeats=2)
    target = record(uri, "seen", frame, make_cases(4))
    traces.write(target, frame, choose(frame, "all"))
    link = (
        f"{server}/#/experiments/{target.experiment_id}/evaluation-runs?workflowType=genai"
        f"&selectedRunUuid={target.children['b']}&compareToRunUuid={target.children['a']}"
    )
    with browser.page(2000, 1300) as page:
        page.goto(link)
        row = page.get_by_text("c2 r2 | What is 2 + 2? One number.")
        row.wait_for()
        assert row.count() == 1
        assert page.get_by_text("8 of 8").count() == 1  # without partners there would be 16
        # What an opened cell of the grid links to.
        trace_id = traces.trace_id_of(target.children["b"], "c3", 1)
        url = trace_page(server, target.experiment_id, trace_id)
        assert url is not None
        page.goto(url)
        page.get_by_text("What is 3 + 3? One number.").first.wait_for()


@pytest.mark.soak
def test_a_server_gets_the_same_traces(uri: str, server: str) -> None:
    frame = make_frame(make_cases(2))
    target = record(uri, "remote", frame, make_cases(2))
    remote = dataclasses.replace(target, uri=server, prompts={"a": ("sums", 7)})
    ids = traces.write(remote, frame, choose(frame, "all"))
    assert traces.write(remote, frame, choose(frame, "all")) == ids
    assert tag(target) == "4/4"
    assert traces.complete(uri, target.run_id, "all") == (0, 4)
    trace = mlflow.MlflowClient(uri).get_trace(ids["b", "c1", 1])
    assert (trace.info.state, trace.data.spans[0].status.description) == ("ERROR", "503: no room")
    found = mlflow.MlflowClient(uri).search_traces(
        locations=[target.experiment_id], filter_string="prompt = 'sums/7'"
    )
    assert len(found) == 2
