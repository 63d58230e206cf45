"""The result grid without a browser: rows, what is looked for, opened cells, what is sent."""

import csv
import io
import json
import time
from typing import Any

import pandas as pd
import pytest

from pex.core.call import Answer
from pex.core.errors import PexError
from pex.core.events import Answered, Delta, Done, Failed, Queued, Scored, Started
from pex.core.score import Score
from pex.core.spreadsheet import table_text
from pex.score.frame import summarise, yes_no
from pex.widgets import rows
from pex.widgets.cell import Line, brief
from pex.widgets.cell_details import cell_details
from pex.widgets.grid import ResultGrid
from pex.widgets.query import Query, changed, find_rows, tags_and_groups
from pex.widgets.sheet import Sheet, sheet_of
from pex.widgets.static_output import static_table
from tests.helpers.grids import filled, frame_of
from tests.helpers.made import HOSTILE

pytestmark = pytest.mark.traces

BEGUN = Queued(("a", "b"), ("c1", "c2"), 1, 4)
PLACE = ("a", "c1", 1)


def grid_of(frame: pd.DataFrame) -> ResultGrid:
    grid = ResultGrid(sheet_of(frame))
    grid.finish(frame, summarise(frame), yes_no(frame))
    return grid


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict, list[bytes]]]:
    messages: list[tuple[dict, list[bytes]]] = []
    monkeypatch.setattr(
        ResultGrid,
        "send",
        lambda self, content, buffers=None: messages.append((content, buffers or [])),
    )
    return messages


def read(chunk: bytes) -> list[Any]:
    """The rows of a chunk, as the browser opens it."""
    count, *ends = rows.unpack_numbers(chunk[: 4 * (1 + rows.unpack_numbers(chunk[:4])[0])])
    body = chunk[4 * (count + 1) :]
    return [json.loads(body[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


FRAME = frame_of(
    {
        "a": ["good", "good", None, "bad"],
        "b": ["good", "bad one", "good", "bad"],
    }
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(), [0, 1, 2, 3]),
        (Query(down=True), [3, 2, 1, 0]),
        (Query(kind="failures"), [1, 3]),
        (Query(kind="errors"), [2]),
        (Query(kind="disagreements"), [1]),
        (Query(kind="changed"), [1, 2]),
        (Query(part="tag:odd"), [1, 3]),
        (Query(part="group:a"), [0, 2]),
        (Query(search="bad one"), [1]),
        (Query(search="question 3"), [3]),
        (Query(sort="latency", column=1), [3, 0, 2, 1]),
        (Query(sort="latency", column=0), [3, 0, 1, 2]),
        (Query(sort="score:ok", column=1, down=True), [0, 2, 1, 3]),
    ],
)
def test_what_is_looked_for(query: Query, found: list[int]) -> None:
    assert find_rows(filled(FRAME), query) == found


def test_without_yes_no_scores_variants_disagree_where_their_answers_do() -> None:
    frame = FRAME.drop(columns=["score.ok", "reason.ok", "score_error.ok"])
    assert find_rows(filled(frame), Query(kind="disagreements")) == [1]


def test_a_filter_that_does_not_exist_is_a_mistake() -> None:
    with pytest.raises(PexError, match="no filter 'failure'"):
        Query.from_message({"kind_of_rows": "failure"})


def test_slices_are_tags_and_groups_that_more_than_one_case_has() -> None:
    assert tags_and_groups(filled(FRAME).lines) == ["tag:even", "tag:odd", "group:a", "group:b"]
    alone = [Line("c1", "x", group="g1"), Line("c2", "y", group="g2")]
    assert tags_and_groups(alone) == []


def test_a_sheet_has_a_row_for_each_repeat_and_finds_its_cells_in_the_frame() -> None:
    frame = frame_of({"a": ["good", "bad"], "b": ["x", "y"]}, repeats=3)
    sheet = filled(frame.sample(frac=1, random_state=1))
    assert len(sheet) == 6
    assert sheet.place(4, 1) == ("b", "c1", 2)
    cell = sheet.cell(("b", "c1", 2))
    assert cell is not None
    assert (cell.text, cell.facts["repeat"], cell.marks[0].label) == ("y", 2, "✗ ok")
    assert sheet.cell(("b", "c1", 4)) is None


def test_chunks_come_back_as_rows_whatever_is_in_them() -> None:
    frame = frame_of({"a": ["fine"] * len(HOSTILE), "b": HOSTILE[:]})
    texts = [row[3][1][1] for row in read(rows.chunk(filled(frame), 0))]
    assert texts[:2] == HOSTILE[:2]
    assert texts[3:6] == ["␛[31mred␛[0m", "null␀byte", "half � surrogate"]
    assert texts[11] == "⟨U+202E⟩turned round"
    assert max(map(len, texts)) <= 401


def test_a_row_says_of_its_cells_what_the_cells_say_themselves() -> None:
    answers = ["good", " good\n", "bad", "bad one", None, ""]
    frame = frame_of({"a": answers, "b": answers[::-1], "c": ["good"] * 6}, repeats=2)
    frame["score.length"] = [None if n % 5 == 0 else n / 7 for n in range(len(frame))]
    frame["reason.length"] = None
    frame["score_error.length"] = ["E" if n % 4 == 0 else None for n in range(len(frame))]
    frame["finish_reason"] = ["length" if n % 3 == 0 else "stop" for n in range(len(frame))]
    frame["remarks"] = [["filtered"] if n % 6 == 1 else [] for n in range(len(frame))]
    frame = frame.drop(index=frame.index[7])
    for baseline in ("a", "b"):
        sheet = filled(frame, baseline)
        whole = [cell for row in range(len(sheet)) for cell in sheet.row(row)]
        assert None in whole
        shown = sheet.briefs(range(len(sheet)))
        assert shown == [cell and brief(cell) for cell in whole]
        said = {tuple(mark[1] for mark in cell[2][:1]) for cell in shown if cell is not None}
        assert said >= {("cut off",), ("filtered",)}
        for number, row in enumerate(read(rows.chunk(sheet, 0))):
            cells, first = sheet.row(number), sheet.row(number)[sheet.baseline]
            assert [cell and bool(cell[5]) for cell in row[3]] == [
                cell and first is not None and changed(cell, first) for cell in cells
            ]


def test_no_cases_and_forty_variants() -> None:
    assert read(rows.chunk(Sheet([], [], 1), 0)) == []
    empty = ResultGrid(Sheet(["a"], [], 1))
    assert empty._begin["rows"] == 0
    assert read(empty._first) == []
    wide = grid_of(frame_of({f"v{i}": [None, None] for i in range(40)}))
    assert len(read(wide._first)[0][3]) == 40
    assert wide._head["columns"][39]["errors"] == 2


def test_an_opened_cell_has_the_conversation_the_scores_and_the_difference() -> None:
    shown = cell_details(filled(FRAME), 1, 1, lambda place: [{"role": "user", "content": place[1]}])
    assert shown["inputs"] == [["text", "question 1"]]
    assert [m["role"] for m in shown["messages"]] == ["user", "assistant"]
    assert shown["messages"][0]["text"] == "c1"
    assert shown["marks"] == [["bad", "✗ ok", "why"]]
    assert shown["difference"] == [("gone", "good"), ("new", "bad one")]
    assert ["cost", "$0.01"] in shown["facts"]
    assert cell_details(filled(FRAME), 2, 0, None)["answer"]["text"] == "server: no"


def test_an_opened_cell_has_the_reasoning_and_the_remarks() -> None:
    count = len(FRAME)
    frame = FRAME.assign(
        reasoning=["let me \x1b[31msee"] * count,
        remarks=[["cut_off", "parameter_dropped"]] * count,
        cache_write_tokens=[7] * count,
    )
    shown = cell_details(filled(frame), 1, 1, None)
    assert [m["role"] for m in shown["messages"]] == ["reasoning", "assistant"]
    assert shown["messages"][0]["text"].startswith("let me ")
    assert "\x1b" not in shown["messages"][0]["text"]
    assert ["remarks", "cut off (max_tokens)"] in shown["facts"]
    assert ["tokens written to the cache", "7"] in shown["facts"]
    plain = cell_details(filled(FRAME.assign(remarks=[[]] * count)), 1, 1, None)
    assert [m["role"] for m in plain["messages"]] == ["assistant"]
    assert "remarks" not in [fact[0] for fact in plain["facts"]]


def test_a_trace_is_a_link_where_mlflow_is_a_server() -> None:
    sheet = filled(FRAME.assign(trace_id="tr-1"))
    for url, fact in (
        ("https://host/#/tr-1", ["trace", "tr-1", "", "https://host/#/tr-1"]),
        (None, ["trace", "tr-1", "pexlab ui opens it"]),
    ):
        facts = cell_details(sheet, 0, 0, None, trace_url=lambda trace_id, url=url: url)["facts"]
        assert fact in facts


def test_an_opened_cell_is_bounded_and_its_markdown_harmless() -> None:
    sheet = filled(frame_of({"a": ["x"] * len(HOSTILE), "b": HOSTILE[:]}))
    for row in range(len(HOSTILE)):
        for mode in ("text", "markdown", "json", "code"):
            shown = cell_details(sheet, row, 1, None, mode)
            assert len(json.dumps(shown).encode()) < 2_000_000
            html = shown["answer"].get("html", "")
            assert "<img" not in html
            assert "<script" not in html
            assert 'href="javascript' not in html
    assert cell_details(sheet, 9, 1, None)["answer"]["empty"] == "(only whitespace)"
    assert "more characters" in cell_details(sheet, 7, 1, None)["answer"]["text"]


def test_json_is_found_in_a_fence_too() -> None:
    sheet = filled(frame_of({"a": ['```json\n{"a": 1}\n```'], "b": ["no"]}))
    assert cell_details(sheet, 0, 0, None, "json")["answer"]["json"] == '{"a": 1}'
    assert cell_details(sheet, 0, 1, None, "json")["answer"]["json"] is None


def test_csv_has_no_formula() -> None:
    frame = pd.DataFrame({"output": ["=1+1", " @x", "-2", "fine", None], "n": [-1.5, 0, 1, 2, 3]})
    table = list(csv.reader(io.StringIO(table_text(frame))))
    assert [row[0] for row in table[1:]] == ["'=1+1", "' @x", "-2", "fine", ""]
    assert table[1][1] == "-1.5"


def test_the_static_table_is_escaped_bounded_and_says_what_was_cut() -> None:
    frame = frame_of({"a": ["fine"] * len(HOSTILE), "b": HOSTILE[:]})
    html = static_table(filled(frame), frame, summarise(frame))
    assert "<img" not in html
    assert "<script" not in html
    assert "\x00" not in html
    html.encode()
    big = frame_of({f"v{i}": ["word " * 40] * 1000 for i in range(8)})
    html = static_table(filled(big), big, summarise(big))
    assert len(html.encode()) < 1_000_000
    assert "100 of 1,000 cases" in html


def test_a_run_is_sent_in_batches_and_whole_at_the_end(sent: list[tuple[dict, list]]) -> None:
    grid = ResultGrid(Sheet(["a", "b"], [Line("c1", "<b>one</b>", "x"), Line("c2", "two")], 1))
    assert read(grid._first)[0] == ["c1", "<b>one</b>", "expected: x", [None, None]]
    grid.on_event(BEGUN)
    grid.on_event(Started(PLACE))
    for _ in range(200):
        grid.on_event(Delta(PLACE, "word "))
    time.sleep(0.2)
    assert len(sent) < 10
    grid.on_event(Answered(PLACE, Answer(output="", latency_s=0.1)))
    grid.on_event(Scored(PLACE, {"ok": Score(False, "why"), "bad": Score(None, error="E")}))
    grid.on_event(Failed(("b", "c2", 1), Answer(error="no", error_kind="server")))
    grid.on_event(Done("finished", 1.0))
    grid.close_run()
    assert (grid._head["status"], grid._head["done"]) == ("finished", 2)
    (score,) = grid._head["columns"][0]["scores"]
    assert (score["text"], score["note"]) == ("0 %", "ok 0 %, 95 % interval [0, 79] (of 1)")
    content, (chunk,) = sent[-1]
    assert content == {"kind": "rows", "chunks": [0]}
    (_, _, _, (first, _)), (_, _, _, (_, last)) = read(chunk)
    assert first[2] == [["bad", "ok"], ["failed", "bad"]]
    assert last[:2] == ["error", "server: no"]


def test_the_last_words_of_a_run_are_sent_at_once(
    sent: list[tuple[dict, list[bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pex.widgets.grid.BATCH_S", 3600)
    grid = ResultGrid(Sheet(["a", "b"], [Line("c1", "x"), Line("c2", "y")], 1))
    grid.on_event(BEGUN)
    grid.on_event(Delta(PLACE, "first"))
    time.sleep(0.2)  # the sender waits for its next turn
    grid.on_event(Delta(PLACE, " last"))
    grid.close_run()
    cells = [cell for content, _ in sent for cell in content.get("cells", [])]
    assert cells[-1][2][1] == "first last"


def test_a_view_that_comes_late_gets_all_and_stop_reaches_the_run(
    sent: list[tuple[dict, list]],
) -> None:
    stopped: list[bool] = []
    sheet = Sheet(["a", "b"], [Line(f"c{i}", "x") for i in range(1200)], 1)
    grid = ResultGrid(sheet, lambda: stopped.append(True))
    grid._on_message(grid, {"kind": "ready"}, [])
    deadline = time.monotonic() + 300
    while sum(len(buffers) for _, buffers in sent) < 24:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [n for content, _ in sent for n in content["chunks"]] == list(range(24))
    grid._on_message(grid, {"kind": "stop"}, [])
    assert stopped == [True]
    assert grid._begin["can_stop"] is True
    for nonsense in ("stop", None, {"kind": "open", "row": 10**9, "column": 0, "view": "v"}):
        grid._on_message(grid, nonsense, [])


def test_what_a_view_asks_is_answered_to_it(sent: list[tuple[dict, list]]) -> None:
    grid = grid_of(FRAME)
    sent.clear()
    grid._on_message(grid, {"kind": "query", "view": "v1", "kind_of_rows": "failures"}, [])
    content, (found,) = sent[-1]
    assert content == {"kind": "order", "view": "v1"}
    assert rows.unpack_numbers(found) == [1, 3]
    grid._on_message(grid, {"kind": "open", "view": "v1", "row": 3, "column": 1}, [])
    assert sent[-1][0]["cell"]["case"] == "c3"
    grid._on_message(grid, {"kind": "export", "view": "v1", "form": "csv"}, [])
    assert sent[-1][0]["count"] == 4
    for number in range(40):
        grid._on_message(grid, {"kind": "query", "view": f"w{number}"}, [])
    assert len(grid._queries) <= 16


def test_the_selection_is_rows_of_the_frame(sent: list[tuple[dict, list]]) -> None:
    grid = grid_of(FRAME)
    assert len(grid.selection) == 0
    grid._on_message(grid, {"kind": "select"}, [memoryview(rows.pack_numbers([3, 0]))])
    assert grid.selection[["case_id", "variant"]].to_numpy().tolist() == [["c1", "b"], ["c0", "a"]]
    assert list(grid.selection.columns) == list(FRAME.columns)
