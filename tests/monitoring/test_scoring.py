from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from pex import Judge, Prompt
from pex.core.errors import PexError
from pex.monitoring.sampling import choose, sample_place
from pex.monitoring.scores_file import FILE
from pex.monitoring.scoring import Scored, TraceCase, score_sample
from pex.monitoring.spec import MonitorSpec, Sample, Source
from pex.monitoring.trace_case import trace_case
from pex.monitoring.traces import Traces
from tests.helpers.deployed import bulk_traces
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.made_traces import START, made_traces, opinions

NOW = START + datetime.timedelta(days=10)


class Shop:
    """A store with deployed traces, and a monitor's state."""

    def __init__(self, project: Path, uri: str, count: int) -> None:
        self.project, self.uri, self.state = project, uri, project / ".pex" / "monitor" / "shop"
        made = made_traces(1, count, state=["ok"] * count, error_kind=[None] * count)
        ids = made.frame["trace_id"].tolist()
        bulk_traces(uri, "shop", [{"trace_id": name, "started_at": START} for name in ids])
        self.traces: Traces = made
        self.texts = {name: f"word {place}" for place, name in enumerate(ids)}
        self.fetched: list[str] = []

    def fetch(self, ids: Sequence[str]) -> dict[str, TraceCase]:
        self.fetched += ids
        return {name: trace_case(name, '"a question"', self.texts[name]) for name in ids}

    def score(self, scorers: list[Any], **sample: Any) -> tuple[Traces, Scored]:
        spec = MonitorSpec(
            name="shop", source=Source(experiment="shop"), sample=Sample(**sample), scorers=[]
        ).model_copy(update={"scorers": scorers})
        return score_sample(
            spec, self.traces, self.uri, self.state, self.project, self.project, self.fetch,
            now=NOW,
        )  # fmt: skip


@pytest.fixture
def shop(project: Path, uri: str) -> Shop:
    return Shop(project, uri, 12)


def length(most: int) -> dict[str, Any]:
    return {"kind": "length", "max_words": most}


def test_traces_are_scored_once_and_the_scores_are_in_mlflow(shop: Shop) -> None:
    traces, scored = shop.score([length(3)])
    assert (scored.now, len(shop.fetched)) == (12, 12)
    assert traces.frame["score.length"].eq(1).all()
    client = MlflowClient(shop.uri)
    first = client.get_trace("tr-000000").info.assessments
    assert [(item.name, item.value, item.source.source_type) for item in first] == [
        ("length", True, "CODE")
    ]
    assert first[0].source.source_id.startswith("pex:length@")

    traces, scored = shop.score([length(3)])
    assert (scored.now, scored.chosen.known, len(shop.fetched)) == (0, 12, 12)
    assert traces.frame["score.length"].eq(1).all()
    assert len(client.get_trace("tr-000000").info.assessments) == 1
    assert "12 of 12 answered traces are scored by length." in (scored.sentences())


def test_a_changed_scorer_is_a_new_score(shop: Shop) -> None:
    shop.score([length(3)])
    traces, scored = shop.score([length(1)])
    assert scored.now == 12
    assert traces.frame["score.length"].eq(0).all()
    assert "word" not in (shop.state / FILE).read_text()  # texts stay in MLflow


def test_scores_of_another_machine_are_found_on_the_traces(shop: Shop) -> None:
    shop.score([length(3)])
    (shop.state / FILE).unlink()
    client = MlflowClient(shop.uri)
    said = [
        {"trace_id": name, "name": item.name, "value": item.value, "source": "code",
         "by": item.source.source_id}
        for name in shop.traces.frame["trace_id"][:8]
        for item in client.get_trace(name).info.assessments
    ]  # fmt: skip
    shop.traces = dataclasses.replace(shop.traces, feedback=opinions(said))
    _, scored = shop.score([length(3)])
    assert (scored.chosen.known, scored.now) == (8, 4)


def test_an_interrupted_look_keeps_what_was_scored(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pex.monitoring.scoring.PART", 5)
    seen = []

    def impatient(output: str) -> bool:
        seen.append(output)
        if len(seen) == 7:
            raise KeyboardInterrupt
        return True

    with pytest.raises(KeyboardInterrupt):
        shop.score([impatient])
    with (shop.state / FILE).open("a") as file:
        file.write('{"scorer": "impatient", "tra')  # killed while it wrote
    _, scored = shop.score([impatient])
    assert (scored.chosen.known, scored.now) == (5, 7)


def test_errors_are_counted_not_zero_and_tried_again(shop: Shop) -> None:
    broken = [True]

    def odd(output: str) -> bool:
        if broken[0] and output.endswith(("1", "2")):
            raise ValueError("no")
        return True

    traces, scored = shop.score([odd])
    assert scored.errors == {"odd": 3}  # word 1, word 2, word 11
    assert traces.frame["score.odd"].count() == 9
    assert any("3 scores failed" in line for line in scored.sentences())
    broken.clear()
    broken.append(False)
    traces, scored = shop.score([odd])
    assert (scored.now, scored.errors, traces.frame["score.odd"].count()) == (3, {}, 12)


def test_a_scorer_that_needs_expected_answers_is_refused_before_anything_is_scored(
    shop: Shop,
) -> None:
    with pytest.raises(PexError, match="none of 12 traces has one") as caught:
        shop.score([length(3), "exact"])
    assert "seldom have an expected answer" in str(caught.value.hint)
    assert not (shop.state / FILE).exists()


def test_only_traces_with_an_expected_answer_are_compared_with_it(shop: Shop) -> None:
    fetch = shop.fetch
    whole = shop.traces
    right, wrong = whole.frame["trace_id"][2], whole.frame["trace_id"][5]
    wanted = {right: "word 2", wrong: "another"}
    given = whole.frame.assign(has_expected=whole.frame["trace_id"].isin(list(wanted)))
    shop.traces = dataclasses.replace(whole, frame=given[:6])

    def with_expected(ids: Sequence[str]) -> dict[str, TraceCase]:
        return {
            name: dataclasses.replace(
                item, case=dataclasses.replace(item.case, expected=wanted.get(name))
            )
            for name, item in fetch(ids).items()
        }

    shop.fetch = with_expected  # type: ignore[method-assign]
    traces, scored = shop.score([length(3), "exact"])
    exact = traces.frame.set_index("trace_id")["score.exact"].dropna()
    assert exact.to_dict() == {right: 1, wrong: 0}
    assert traces.frame["score.length"].count() == 6
    assert scored.without == {"exact": 4}
    assert "exact: 4 traces of the sample have no expected answer" in scored.sentences()[1]
    assert shop.score([length(3), "exact"])[1].now == 0
    # A sample for this scorer alone is one of those with an expected answer.
    _, alone = shop.score(["exact"])
    assert (alone.chosen.answered, alone.chosen.known, alone.without) == (2, 2, {})
    # A later look without such a trace is no reason to refuse it.
    shop.traces = dataclasses.replace(whole, frame=given)
    _, later = shop.score([length(3), "exact"])
    assert (later.now, later.without) == (6, {"exact": 10})


def test_a_trace_without_a_text_is_no_answer(shop: Shop) -> None:
    frame = shop.traces.frame.copy()
    frame.loc[:3, "output_chars"] = None
    shop.traces = dataclasses.replace(shop.traces, frame=frame)
    _, scored = shop.score([length(3)], per_day=4)
    assert (scored.now, scored.chosen.answered, len(shop.fetched)) == (4, 8, 4)
    assert scored.chosen.weight == 2


def test_a_deleted_trace_is_said(shop: Shop) -> None:
    client = MlflowClient(shop.uri)
    experiment = client.get_experiment_by_name("shop")
    assert experiment is not None
    client.delete_traces(experiment.experiment_id, trace_ids=["tr-000003"])
    _, scored = shop.score([length(3)])
    assert scored.not_written == 1
    assert any("deleted in the meantime" in line for line in scored.sentences())


PROJECT = """
[providers.lab]
base_url = "{url}"
[prices."lab/m1"]
input_usd_per_million = 1000.0
output_usd_per_million = 1000.0
"""


def judge() -> Judge:
    text = "user:\nIs this polite? Answer yes or no.\n{{ output }}"
    return Judge(Prompt(text, "polite", params={"max_tokens": 4}), "lab/m1")


def test_judges_go_through_the_journal_and_stop_at_the_budget(
    shop: Shop, endpoint: FaultyEndpoint
) -> None:
    (shop.project / "pex.toml").write_text(PROJECT.format(url=endpoint.url))
    endpoint.reply = lambda body, number: completion('{"verdict": "yes"}')
    # A call costs 0.012; the worst case before it is known is a little more.
    traces, scored = shop.score([judge()], budget_usd=0.5)
    assert scored.status == "budget"
    first = endpoint.calls
    assert 0 < first < 12
    assert traces.frame["score.polite"].count() == first
    assert not scored.errors
    assert any("budget ended" in line for line in scored.sentences())
    traces, scored = shop.score([judge()], budget_usd=9.0)
    assert endpoint.calls == 12
    assert traces.frame["score.polite"].eq(1).all()
    found = MlflowClient(shop.uri).get_trace("tr-000000").info.assessments
    assert [(item.name, item.source.source_type) for item in found] == [("polite", "LLM_JUDGE")]


def test_the_sample_follows_from_the_ids_and_grows_with_its_rate() -> None:
    traces = made_traces(4, 500)
    small = set(choose(traces.frame, Sample(rate=0.05, per_day=None), (), NOW).new)
    large = set(choose(traces.frame, Sample(rate=0.2, per_day=None), (), NOW).new)
    assert small < large
    assert 0.17 < len(large) / len(traces.frame) < 0.21  # failed traces have no answer
    assert all(sample_place(name) < 0.05 for name in small)
    again = set(choose(traces.frame, Sample(rate=0.2, per_day=None), small, NOW).new)
    assert again == large - small


def test_a_day_has_room_for_so_many_and_today_for_its_part() -> None:
    traces = made_traces(2, 400)
    noon = START + datetime.timedelta(days=1, hours=12)
    chosen = choose(traces.frame, Sample(per_day=50), (), noon)
    rows = traces.frame[traces.frame["trace_id"].isin(chosen.new)]
    assert rows["started_at"].dt.day.value_counts().to_dict() == {1: 50, 2: 25}
    assert chosen.weight == pytest.approx(chosen.answered / 75)
    later = choose(traces.frame, Sample(per_day=50), chosen.new, NOW)
    assert len(later.new) == 25


def test_only_traces_that_match_the_filter_are_counted() -> None:
    traces = made_traces(1, 40, state=["ok"] * 40)
    chosen = choose(traces.frame, Sample(), (), NOW, ["tr-000001", "tr-000002", "tr-x"])
    assert (sorted(chosen.new), chosen.answered) == (["tr-000001", "tr-000002"], 2)


def test_half_a_character_is_replaced_and_a_cut_off_answer_is_known() -> None:
    found = trace_case("tr-1", "half \ud83d", "ok", finish_reason="max_tokens")
    assert found.case.inputs["input"] == "half \ufffd"
    assert found.answer.remarks == ["cut_off"]
