"""Deployed traces decided in Python, with a real store and real files."""

import contextlib
import datetime
import json
import os
import shutil
import signal
import sqlite3

import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracing.client import TracingClient

import pex
from pex.cli.importing import import_file
from pex.core.cases import load_cases
from pex.core.errors import PexError
from pex.monitoring.sql_traces import SqlTraces
from pex.monitoring.triage.files import Files
from pex.monitoring.triage.marks import CLAIM, Marks, TakenError
from pex.tracking.store import connect
from tests.helpers.deployed import bulk_traces

SPEC = """name: shop
prompts: ["Answer: {{ question }}"]
models: [lab/m1]
cases: {file: cases.csv}
scorers: [exact]
requirements:
  - {id: R1, text: Be kind.}
"""
NO = {"name": "helpful", "value": False, "by": "customer-1", "comment": "Call me: bob@firm.org"}


def rows():
    return [
        {"trace_id": "tr-fine", "request": "Is it blue?"},
        {"trace_id": "tr-cut", "request": "Tell me all.", "finish_reason": "length"},
        {"trace_id": "tr-no", "request": "Where is my parcel, ada@firm.org?", "feedback": [NO],
         "prompt": "short/3", "user": "u-1", "response": "No idea."},
        {"trace_id": "tr-err", "request": "Where is my order 7?", "state": "error"},
        {"trace_id": "tr-err2", "request": "where is my order 8?", "state": "error"},
    ]  # fmt: skip


@pytest.fixture
def shop(project, uri):
    folder = project / "experiments" / "shop"
    folder.mkdir(parents=True)
    (folder / "experiment.yaml").write_text(SPEC)
    (folder / "cases.csv").write_text("question,expected\nIs it red?,no\n")
    bulk_traces(uri, "app", rows())
    return folder


def queue_of(shop, **more):
    return pex.triage("app", to=shop / "experiment.yaml", **{"who": "Ada", **more})


def said(uri, trace_id):
    info = Marks(uri, "reader").info(trace_id)
    return [
        (item.value, item.source.source_id, item.rationale)
        for item in info.assessments
        if item.name == "pex.triage"
    ]


def test_worst_first_with_reasons_and_clusters_and_nothing_without_a_reason(shop):
    queue = queue_of(shop)
    items = queue.items
    assert {items[0].trace_id, items[1].trace_id} == {"tr-err", "tr-err2"}
    assert [item.trace_id for item in items[2:]] == ["tr-no", "tr-cut"]
    assert items[0].why.startswith("error: ")
    assert [item.why for item in items[2:]] == ["negative feedback: helpful", "cut off"]
    assert items[0].size == 2
    assert "order" in items[0].cluster
    shown = dict(queue.details("tr-no"))
    assert shown["answer"] == "No idea."
    assert shown["comment on helpful"] == "Call me: bob@firm.org"


def test_an_expectation_is_the_proposed_answer_and_no_feedback(shop, uri):
    given = {"name": "expected_response", "type": "expectation", "value": "In Bern.", "by": "Eve"}
    facts = {"name": "facts", "type": "expectation", "value": ["Bern"], "by": "Eve"}
    row = {"trace_id": "tr-known", "state": "error", "feedback": [given, facts]}
    bulk_traces(uri, "app", [row])
    queue = queue_of(shop)
    shown = dict(queue.details("tr-known"))
    assert shown["expectation expected_response"] == "In Bern."
    assert "Bern" in shown["expectation facts"]
    assert not [name for name in shown if name.startswith("feedback")]
    assert queue.answer("tr-known") == "In Bern."
    assert queue.answer("tr-no") == "No idea."


def test_a_case_keeps_its_origin_hides_personal_data_and_can_be_undone(shop, uri):
    path = shop / "cases.csv"
    before = path.read_bytes()
    queue = queue_of(shop)
    decision = queue.case(
        "tr-no", expected="It is in Bern, ada@firm.org.", reason="wrong to ada@firm.org"
    )
    assert decision.replaced == ("[EMAIL_1]", "[EMAIL_2]")
    assert "ada@firm.org" not in path.read_text()
    assert "bob@firm.org" not in path.read_text()
    case = load_cases(path)[-1]
    assert case.inputs == {"question": "Where is my parcel, [EMAIL_1]?"}
    assert case.expected == "It is in Bern, [EMAIL_1]."
    origin = case.provenance
    assert (origin.trace, origin.prompt, origin.accepted_by) == ("tr-no", "short/3", "Ada")
    assert origin.reason.startswith("wrong to [EMAIL_1] · feedback: helpful: ")
    assert origin.reason.endswith("(Call me: [EMAIL_2])")
    assert origin.user not in ("", "u-1")
    assert case.accepted
    assert not origin.generated
    assert said(uri, "tr-no") == [("case", "Ada", "wrong to [EMAIL_1]")]
    assert "tr-no" not in [item.trace_id for item in queue_of(shop).items]
    queue.undo()
    assert path.read_bytes() == before
    assert said(uri, "tr-no") == []
    assert "tr-no" in [item.trace_id for item in queue.items]
    with pytest.raises(PexError, match="nothing to undo"):
        queue.undo()


def test_undo_removes_its_own_row_only_and_not_one_that_was_changed(shop, uri):
    path = shop / "cases.csv"
    queue = queue_of(shop)
    queue.case("tr-no", expected="In Bern.")
    path.write_bytes(path.read_bytes() + b"Is it new?,yes,,,,,,,\n")
    queue.undo()
    assert "tr-no" not in path.read_text()
    assert "Is it new?" in path.read_text()
    queue.case("tr-no", expected="In Bern.")
    path.write_text(path.read_text().replace("In Bern.", "In Basel."))
    with pytest.raises(PexError, match="changed since"):
        queue.undo()
    assert said(uri, "tr-no")[0][0] == "case"


def test_a_requirement_and_what_is_known(shop, uri):
    queue = queue_of(shop)
    queue.requirement("tr-no", "Say where the parcel is; ask ada@firm.org.", reason="asked often")
    text = (shop / "experiment.yaml").read_text()
    assert "trace tr-no" in text
    assert "id: R2" in text
    assert "ada@firm.org" not in text
    done = queue.known("tr-err", "R1", alike=True)
    assert sorted(done.trace_ids) == ["tr-err", "tr-err2"]
    assert done.about == "requirement R1"
    with pytest.raises(PexError, match="no requirement or case"):
        queue.known("tr-cut", "R11")
    queue.incident("tr-cut", reason="leaks")
    assert len(queue) == 0
    assert queue.next() is None
    assert said(uri, "tr-cut") == [("incident", "Ada", "leaks")]
    for _ in range(3):
        queue.undo()
    assert (shop / "experiment.yaml").read_text() == SPEC
    assert len(queue) == 4


def test_two_share_a_queue_a_claim_expires_and_the_second_is_told(shop, uri):
    ada, bob = queue_of(shop), queue_of(shop, who="Bob")
    one, two = ada.next(), bob.next()
    assert one.trace_id != two.trace_id
    with pytest.raises(TakenError, match="Ada is looking at"):
        bob.not_ours(one)
    ada.not_ours(one, "spam")
    with pytest.raises(TakenError, match="decided: 'not ours' by Ada"):
        bob.not_ours(one)
    client = connect(uri)
    now = datetime.datetime.now(datetime.UTC)
    for minutes, free in ((-1, False), (-3, True), (60 * 24, False)):  # within the skew, past it
        until = (now + datetime.timedelta(minutes=minutes)).isoformat()
        claim = json.dumps({"who": "Cy", "until": until, "by": f"t{minutes}"})
        client.set_trace_tag("tr-no", CLAIM, claim)
        marks = Marks(uri, "Bob")
        if free:
            marks.claim("tr-no", now)
            continue
        with pytest.raises(TakenError, match="Cy"):
            marks.claim("tr-no", now)
    # A claim from a clock a day ahead ends half an hour after it was first seen.
    marks.claim("tr-no", now + datetime.timedelta(minutes=33))


def test_agreement_of_a_second_opinion(shop, uri):
    ada = queue_of(shop)
    assert ada.agreement is None
    for trace_id, act in (("tr-err", ada.not_ours), ("tr-err2", ada.incident)):
        act(trace_id)
    bob = queue_of(shop, who="Bob", second=True)
    assert {item.trace_id for item in bob.items} == {"tr-err", "tr-err2"}
    bob.not_ours("tr-err")
    bob.not_ours("tr-err2")
    found = ada.agreement
    assert list(found.pairs) == [("Ada", "Bob")]
    assert found.pairs["Ada", "Bob"].n == 2
    assert found.pairs["Ada", "Bob"].observed == 0.5
    cy = queue_of(shop, who="Cy", second=True)
    cy.not_ours("tr-err")
    cy.incident("tr-err2")
    found = ada.agreement
    values = {pair: one.kappa for pair, one in found.pairs.items()}
    assert values == {("Ada", "Bob"): 0, ("Ada", "Cy"): 1, ("Bob", "Cy"): 0}
    assert found.mean == pytest.approx(1 / 3)
    assert "Ada and Cy: the same on 100% of 2 traces, kappa 1.00" in str(found)
    assert str(found).endswith("mean kappa of 3 pairs: 0.33")


def test_a_deleted_trace_is_said_and_writes_nothing(shop, uri):
    queue = queue_of(shop)
    client = connect(uri)
    number = client.get_experiment_by_name("app").experiment_id
    client.delete_traces(number, trace_ids=["tr-cut"])
    with pytest.raises(PexError, match="was deleted"):
        queue.not_ours("tr-cut")
    assert queue.decisions == []


FULL = "CREATE TRIGGER full BEFORE INSERT ON assessments BEGIN SELECT RAISE(ABORT, 'full'); END"
REPAIRED = "DROP TRIGGER full"


def sql(uri, *statements):
    with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as store:
        for statement in statements:
            store.execute(statement)
        store.commit()


@pytest.mark.parametrize("kind", ["case", "requirement"])
def test_a_store_that_fails_after_the_file_was_written_leaves_nothing_decided(shop, uri, kind):
    queue = queue_of(shop)
    path = shop / {"case": "cases.csv", "requirement": "experiment.yaml"}[kind]
    before = path.read_bytes()

    def decide():
        return getattr(queue, kind)("tr-no", "Say in Bern.")

    sql(uri, FULL)
    with pytest.raises(PexError, match=rf"nothing was decided, and {path.name} is as it was") as at:
        decide()
    assert "repeat it" in at.value.hint
    assert path.read_bytes() == before
    assert (queue.decisions, len(queue)) == ([], 4)
    assert said(uri, "tr-no") == []
    sql(uri, REPAIRED)
    decide()
    assert path.read_bytes() != before
    queue.undo()
    assert path.read_bytes() == before
    assert said(uri, "tr-no") == []


def test_after_a_failure_only_the_own_row_is_taken_back_and_a_changed_one_is_said(
    shop, uri, monkeypatch
):
    queue, path = queue_of(shop), shop / "cases.csv"
    real, edit = Files.add_case, ["add"]

    def edited(self, *given):
        made = real(self, *given)
        if edit[0] == "add":
            path.write_bytes(path.read_bytes() + b"Is it new?,yes,,,,,,,\n")
        else:
            path.write_text(path.read_text().replace("In Bern.", "In Basel."))
        return made

    monkeypatch.setattr(Files, "add_case", edited)
    sql(uri, FULL)
    with pytest.raises(PexError, match="is as it was"):
        queue.case("tr-no", "In Bern.")
    assert "tr-no" not in path.read_text()
    assert "Is it new?" in path.read_text()
    edit[0] = "change"
    with pytest.raises(PexError, match=r"nothing was decided, but cases\.csv keeps"):
        queue.case("tr-no", "In Bern.")
    assert "In Basel." in path.read_text()
    assert queue.decisions == []


def test_a_lost_answer_does_not_stand_in_the_way_of_a_repetition(shop, uri, monkeypatch):
    queue, path, real, back = queue_of(shop), shop / "cases.csv", Marks.decide, Marks.take_back

    def lost(self, *args, **more):
        if more:  # not of take_back
            real(self, *args, **more)
        raise PexError("the store does not answer")

    monkeypatch.setattr(Marks, "decide", lost)
    with pytest.raises(PexError, match="nothing was decided"):
        queue.case("tr-no", "In Bern.")
    assert said(uri, "tr-no") == []
    monkeypatch.setattr(Marks, "take_back", lost)
    with pytest.raises(PexError, match="nothing was decided"):
        queue.case("tr-no", "In Bern.")
    assert len(said(uri, "tr-no")) == 1
    monkeypatch.setattr(Marks, "take_back", back)
    monkeypatch.setattr(Marks, "decide", real)
    queue.case("tr-no", "In Bern.")
    assert path.read_text().count("In Bern.") == 1
    assert len(said(uri, "tr-no")) == 1


@pytest.mark.parametrize("head", ["question,expected", "case_id,question,expected"])
def test_a_kill_between_the_row_and_its_mark_leaves_one_row_when_it_is_decided_again(
    shop, uri, head
):
    path = shop / "cases.csv"
    path.write_text(f"{head}\n{'c1,' if 'id' in head else ''}Is it red?,no\n")

    def kill(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    queue, child = queue_of(shop), os.fork()
    if not child:
        TracingClient.log_assessment = kill
        try:
            queue.case("tr-no", "In Bern.", "lost")
        finally:
            os._exit(0)  # it does not come so far
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    killed = path.read_bytes()
    assert b"tr-no" in killed
    assert said(uri, "tr-no") == []
    assert Marks(uri, "reader").decided(["app"]) == {}  # the tag alone is no decision

    queue = queue_of(shop)
    with pytest.raises(PexError, match="already has a case of this trace, with other inputs"):
        queue.case("tr-no", "In Bern.", inputs={"question": "Where?"})
    assert queue.case("tr-no", "In Bern.").about == load_cases(path)[-1].id
    assert path.read_bytes() == killed
    assert said(uri, "tr-no") == [("case", "Ada", None)]
    queue.undo()
    # With another answer, it is the one of now that counts.
    queue_of(shop, who="Bob").case("tr-no", "In Basel.")
    red, case = load_cases(path)
    assert (red.expected, case.expected, case.provenance.accepted_by) == ("no", "In Basel.", "Bob")
    assert path.read_text().count("tr-no") == 1


def test_a_failure_between_traces_that_are_alike_keeps_those_that_are_decided(shop, uri):
    queue = queue_of(shop)
    sql(uri, FULL.replace("assessments BEGIN", "assessments WHEN NEW.trace_id = 'tr-err2' BEGIN"))
    with pytest.raises(PexError, match="1 of 2 traces are decided"):
        queue.incident("tr-err", "down", alike=True)
    assert [done.trace_ids for done in queue.decisions] == [("tr-err",)]
    sql(uri, REPAIRED)
    queue.incident("tr-err2", "down")
    assert said(uri, "tr-err2") == [("incident", "Ada", "down")]


def test_columns_that_do_not_fit_are_named_and_nothing_is_written(shop):
    path = shop / "cases.csv"
    path.write_text("product,lang,expected\nlamp,en,no\n")
    before = path.read_bytes()
    queue = queue_of(shop)
    with pytest.raises(PexError, match=r"cases\.csv needs product, lang") as caught:
        queue.case("tr-no", expected="x")
    assert "inputs=" in caught.value.hint
    assert path.read_bytes() == before
    queue.case("tr-no", expected="x", inputs={"product": "sofa", "lang": "de"})
    assert load_cases(path)[-1].inputs == {"product": "sofa", "lang": "de"}


def test_a_case_is_held_out_until_somebody_says_that_it_may_be_trained_on(shop):
    path = shop / "cases.csv"
    path.write_text("question,split,expected\nIs it red?,confirm,no\n")
    queue = queue_of(shop)
    queue.case("tr-no", expected="x")
    queue.case("tr-err", expected="x", inputs={"split": "train"})
    assert [case.inputs["split"] for case in load_cases(path)] == ["confirm", "confirm", "train"]
    with pytest.raises(PexError, match="no input 'splt'") as caught:
        queue.case("tr-cut", expected="x", inputs={"splt": "train"})
    assert "split" in caught.value.hint
    again = {"question": "Where is my order 7?", "split": "confirm"}
    with pytest.raises(PexError, match="already has a case with these inputs"):
        queue.case("tr-err2", expected="x", inputs=again)


def test_without_an_experiment_a_case_has_no_place(shop):
    shutil.rmtree(shop)
    with pytest.raises(PexError, match="needs an experiment"):
        pex.triage("app").case("tr-no", expected="x")


def test_opening_does_not_ask_mlflow_for_what_was_decided(shop, uri, monkeypatch):
    more = [{"trace_id": f"tr-{n}", "state": "error", "feedback": [
        {"name": "pex.triage", "value": "known", "by": "Ada"}]} for n in range(1200)]  # fmt: skip
    bulk_traces(uri, "app", more)
    queue_of(shop)

    def none(*_, **__):
        raise AssertionError("the traces were asked for again")

    for name in ("search_traces", "get_trace_info", "batch_get_traces"):
        monkeypatch.setattr(SqlAlchemyStore, name, none)
    counted = []
    for name in ("_rows", "_tuples"):
        real = getattr(SqlTraces, name)
        monkeypatch.setattr(
            SqlTraces, name, lambda self, q, real=real: counted.append(q) or real(self, q)
        )
    queue = queue_of(shop)
    assert len(queue) == 4
    assert len(counted) < 10  # it does not grow with the traces


def test_the_settings_say_what_is_no_personal_data_and_which_names_are(shop, project):
    settings = (project / "pex.toml").read_text()
    (project / "names.txt").write_text("# people\nGrace Hopper\n")
    extra = '[personal]\nkeep = ["@firm.org"]\nnames_file = "names.txt"\nregions = ["DE"]\n'
    (project / "pex.toml").write_text(f"{settings}\n{extra}")
    done = queue_of(shop).case("tr-no", expected="Ask Grace Hopper, ada@firm.org.")
    assert done.replaced == ("[NAME_1]",)
    assert load_cases(shop / "cases.csv")[-1].expected == "Ask [NAME_1], ada@firm.org."
    for wrong, said_of_it in (
        (('["DE"]', '["ZZ"]'), r"\[personal\] in pex.toml: there is no region 'ZZ'"),
        (('["@firm.org"]', '["re:("]'), "not a valid regular expression"),
        (("names.txt", "nobody.txt"), "'nobody.txt' cannot be read: No such file"),
    ):
        (project / "pex.toml").write_text(f"{settings}\n{extra.replace(*wrong)}")
        with pytest.raises(PexError, match=said_of_it):
            queue_of(shop)


def test_a_path_becomes_a_case_with_expected_calls_and_recorded_replies(shop, uri):
    call = {"id": "1", "function": {"name": "look_up", "arguments": '{"mail": "ada@firm.org"}'}}
    path = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "sent to ada@firm.org"},
    ]
    row = {"trace_id": "tr-path", "request": "Where is it?", "state": "error", "path": path}
    bulk_traces(uri, "app", [row])
    with pytest.raises(PexError, match=r"cases\.csv has no column expected_calls .* no ids"):
        queue_of(shop).case("tr-path", path=True)
    (shop / "cases.csv").write_text("case_id,question,expected\nred,Is it red?,no\n")
    queue = queue_of(shop)
    with pytest.raises(PexError, match="the trace has no tool calls"):
        queue.case("tr-err", path=True)
    decision = queue.case("tr-path", expected="In Bern.", path=True)
    red, case = load_cases(shop / "cases.csv")
    assert (red.id, red.inputs["question"]) == ("red", "Is it red?")
    wanted = {"name": "look_up", "arguments": {"mail": "[EMAIL_1]"}}
    assert json.loads(case.inputs["expected_calls"]) == [wanted]
    assert json.loads(case.inputs["tool_replies"]) == [{**wanted, "reply": "sent to [EMAIL_1]"}]
    assert decision.replaced == ("[EMAIL_1]",)
    queue.case("tr-err", expected="Soon.")  # beside cases with a path, one without
    queue.undo()
    queue.undo()
    assert (shop / "cases.csv").read_text().startswith("case_id,question,expected\n")


def test_traces_are_imported_as_cases_from_the_command_line(shop, uri):
    call = {"id": "1", "function": {"name": "look_up", "arguments": '{"order": "A7"}'}}
    path = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "open"},
    ]
    bulk_traces(uri, "app", [{"trace_id": "tr-path", "request": "Where is it?", "path": path}])
    (shop / "cases.csv").unlink()
    (shop / "cases.jsonl").write_text('{"case_id": "red", "question": "Is it red?"}\n')
    spec = shop / "experiment.yaml"
    spec.write_text(spec.read_text().replace("cases.csv", "cases.jsonl"))
    for _ in range(2):  # the second time it is there already
        import_file(trace=["tr-path"], to=spec)
    _, case = load_cases(shop / "cases.jsonl")
    wanted = {"name": "look_up", "arguments": {"order": "A7"}}
    assert case.inputs["expected_calls"] == [wanted]
    assert case.inputs["tool_replies"] == [{**wanted, "reply": "open"}]
    with pytest.raises(PexError, match="trace 'tr-err': the trace has no tool calls"):
        import_file(trace=["tr-err"], to=spec)
    with pytest.raises(PexError, match="there is no trace 'tr-gone'"):
        import_file(trace=["tr-gone"], to=spec)
