"""The heads of the columns: scores with their intervals as bars, time, cost, errors, cuts."""

import pandas as pd

from pex.score.frame import summarise
from pex.widgets.heads import empty_head, finished_heads, running_head
from tests.helpers.grids import filled, frame_of


def test_they_are_in_the_order_of_the_columns_with_scores_costs_and_errors() -> None:
    frame = frame_of({"a": ["good", "bad", "good"], "b": [None, None, "good"]})
    first, second = finished_heads(filled(frame, "b"), summarise(frame))
    (score,) = first["scores"]
    assert (score["name"], score["text"], score["part"]) == ("ok", "67 %", False)
    assert score["note"].startswith("ok 67 %, 95 % interval [")
    assert score["note"].endswith("(of 3)")
    share, low, high = score["meter"]
    assert low < share == 0.6667 < high
    assert first["facts"].endswith("· $0.03")
    assert (first["errors"], second["errors"]) == (0, 2)
    only = finished_heads(filled(frame), pd.DataFrame(summarise(frame)[:1]))
    assert only[1] == empty_head()


def test_cut_answers_are_counted() -> None:
    frame = frame_of({"a": ["good", "bad", "good"], "b": ["good"] * 3})
    frame["finish_reason"] = ["length", "stop", "length", "stop", "length", "stop"]
    counts = {name: int(n) for name, n in frame[frame["finish_reason"] == "length"]
              .groupby("variant").size().items()}  # fmt: skip
    heads = finished_heads(filled(frame), summarise(frame))
    assert [head["cut_off"] for head in heads] == [counts["a"], counts["b"]]


def test_a_number_has_a_bar_only_if_all_its_values_lie_between_0_and_1() -> None:
    frame = frame_of({"a": ["good", "bad"]})
    for values, bar in (([0.25, 0.5], True), ([0.25, 1.5], False)):
        scored = frame.assign(**{
            "score.part": values, "reason.part": None, "score_error.part": None,
        })  # fmt: skip
        (head,) = finished_heads(filled(scored), summarise(scored))
        found = {score["name"]: score["meter"] for score in head["scores"]}
        assert (found["part"] is not None) is bar
        for end in found["part"] or ():
            assert 0 <= end <= 1


def test_a_share_of_yes_and_no_is_in_percent_as_in_every_other_table() -> None:
    frame = frame_of({"a": ["good", "bad"]})
    parts = {"fields": [0.5, 1.0], "fields.x": [1.0, 1.0], "fields.y": [0.0, 1.0]}
    frame = frame.assign(**{f"score.{name}": values for name, values in parts.items()})
    frame = frame.assign(
        **{f"{kind}.{name}": None for name in parts for kind in ("reason", "score_error")}
    )
    (head,) = finished_heads(filled(frame), summarise(frame))
    texts = {score["name"]: score["text"] for score in head["scores"]}
    assert (texts["fields"], texts["fields.x"]) == ("75 %", "100 %")
    number = frame.drop(columns=["score.fields.x", "score.fields.y"])
    (head,) = finished_heads(filled(number), summarise(number))
    assert {score["name"]: score["text"] for score in head["scores"]}["fields"] == "0.75"


def test_a_part_is_told_from_the_score_that_it_is_a_part_of() -> None:
    sums = {"fields": [0.5], "fields.name": [1.0], "other.name": [0.0]}
    parts = {score["name"]: score["part"] for score in running_head(sums)["scores"]}
    assert parts == {"fields": False, "fields.name": True, "other.name": False}


def test_pass_k_stands_below_its_score_where_repeats_differ() -> None:
    frame = frame_of({"a": ["good", "good", "bad"], "b": ["good", "good", "bad"]}, repeats=2)
    once = (frame["variant"] == "a") & (frame["case_id"] == "c0") & (frame["repeat"] == 2)
    frame.loc[once, "score.ok"] = 0.0
    first, second = finished_heads(filled(frame), summarise(frame))
    ok, every = first["scores"]
    assert (ok["name"], ok["text"]) == ("ok", "50 %")
    assert (every["label"], every["of"], every["text"], every["part"]) == (
        "pass^2", "ok", "33 %", False
    )  # fmt: skip
    assert every["note"].startswith("ok pass^2 33 %, 95 % interval [")
    assert every["note"].endswith("(the chance that all 2 repeats of a case pass; of 3 cases)")
    assert second["scores"][1]["text"] == "67 %"
    agreeing = frame_of({"a": ["good", "bad"]}, repeats=2)
    assert len(finished_heads(filled(agreeing), summarise(agreeing))[0]["scores"]) == 1
