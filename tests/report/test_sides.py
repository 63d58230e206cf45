"""The cases side by side: what a reader sees first, what is cut, and what each cell says."""

from __future__ import annotations

import math
import re
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pex.report import sides
from tests.helpers.grids import frame_of
from tests.helpers.markup import check_balanced, plain_text
from tests.helpers.summaries import HOSTILE


def row(case: str, variant: str, ok: float | None, **more: Any) -> dict[str, Any]:
    usual = {
        "variant": variant, "case_id": case, "repeat": 1, "group": None, "expected": None,
        "output": f"{variant} says {case}", "error": None, "error_kind": None,
        "case.q": f"q {case}",
        "score.ok": math.nan if ok is None else ok, "reason.ok": None,
    }  # fmt: skip
    return usual | more


def table(*rows: dict[str, Any], **options: Any) -> str:
    usual = {"max_rows": 100, "max_chars": 600}
    html = sides.side_by_side_table(pd.DataFrame(rows), {"ok"}, **(usual | options))
    check_balanced(html)
    return html


def ids(html: str) -> list[str]:
    return re.findall(r'<div class="pex-id">(.*?)</div>', html)


FIVE = [
    row("right", "a", 1.0), row("right", "b", 1.0),
    row("wrong", "a", 0.0), row("wrong", "b", 0.0),
    row("split", "a", 0.0), row("split", "b", 1.0),
    row("error", "a", 1.0), row("error", "b", None, error="no", error_kind="server"),
    row("lost", "a", 1.0), row("lost", "b", 0.0),
]  # fmt: skip


def test_without_a_limit_the_cases_keep_their_order() -> None:
    assert ids(table(*FIVE)) == ["right", "wrong", "split", "error", "lost"]


def test_what_needs_a_look_comes_first_where_not_all_fit() -> None:
    html = table(*FIVE, baseline="a", max_rows=4)
    assert ids(html) == ["lost", "error", "split", "wrong"]
    assert "4 of 5 cases shown" in html
    assert "Those that differ or went wrong come first" in html


def test_without_a_baseline_nothing_is_lost() -> None:
    html = table(*FIVE)
    assert "lost" not in re.findall(r'data-state="(.*?)"', html)[4].split()
    assert "(baseline)" not in html


def test_the_size_of_the_file_is_bounded_and_the_rest_is_said() -> None:
    rows = [row(f"c{n}", "a", 1.0, output="word " * 50) for n in range(40)]
    html = table(*rows, max_bytes=4000)
    assert len(html.encode()) < 5000
    assert 0 < len(ids(html)) < 40
    assert f"{len(ids(html))} of 40 cases shown" in html


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from([0.0, 0.5, 1.0, math.nan])), max_size=6
    ),
    st.sampled_from(["a", "b", None]),
)
def test_the_states_of_a_case_follow_from_its_scores(
    scored: list[tuple[str, float]], baseline: str | None
) -> None:
    rows = [row("c", variant, value) for variant, value in scored]
    states = sides.case_states(rows, {"ok"}, baseline)
    means = {
        variant: [v for name, v in scored if name == variant and not math.isnan(v)]
        for variant in {name for name, _ in scored}
    }
    known = {name: sum(values) / len(values) for name, values in means.items() if values}
    assert ("split" in states) == (len(set(known.values())) > 1)
    assert ("wrong" in states) == any(value < 1 for value in known.values())
    assert ("lost" in states) == (
        baseline in known and any(value < known[baseline] for value in known.values())
    )
    assert (states == ["right"]) == (not {"split", "wrong", "lost", "error"} & set(states))


def test_an_error_is_a_state_of_its_own_beside_the_others() -> None:
    rows = [row("c", "a", 1.0), row("c", "b", None, error="no", error_kind="server")]
    assert sides.case_states(rows, {"ok"}) == ["error"]
    rows[0]["score.ok"] = 0.0
    assert sides.case_states(rows, {"ok"}) == ["error", "wrong"]


ROW = ("output", "error", "error_kind", "case.q", "expected", "group", "case_id", "variant")


@pytest.mark.parametrize("field", [*ROW, "reason.ok", "score_error.ok"])
def test_hostile_texts_are_text_in_every_field(field: str) -> None:
    made = row("c", "a", 0.0)
    if field in ("error", "error_kind"):
        made |= {"error": "no", "error_kind": "server"}
    html = table(made | {field: f'" onclick="x" {HOSTILE}'})
    assert "<a " not in html
    assert "<b>" not in html
    assert 'onclick="x"' not in html
    assert "&lt;a" in html


def test_a_case_shows_its_group_once_its_expected_answer_and_its_long_texts_cut() -> None:
    made = row("c1", "a", 1.0, group="ann", expected={"label": "ä"}, **{"case.who": "ann"})
    made["case.q"] = "x" * 900
    html = table(made, max_chars=100)
    assert "expected: {&quot;label&quot;: &quot;ä&quot;}" in html
    assert ids(html) == ["c1 · ann"]
    assert html.count("ann") == 1
    assert "x" * 101 not in html
    assert "(800 more characters)" in html


def test_a_variant_without_the_case_and_an_empty_answer_are_said() -> None:
    html = table(row("c", "a", 1.0), row("d", "a", 0.0), row("c", "b", 0.0, output=" \n"))
    assert html.count("not run") == 1
    assert html.count("(empty answer)") == 1


def test_repeats_stand_below_each_other_in_one_cell() -> None:
    rows = [row("c", "a", 1.0, repeat=n, output=f"answer {n}") for n in (1, 2, 3)]
    html = table(*rows)
    assert html.count("<td data-side=") == 1
    assert plain_text(html).index("answer 1") < plain_text(html).index("answer 3")


def test_a_score_is_a_sign_with_its_reason_a_number_three_digits_and_a_failure_is_said() -> None:
    frame = row(
        "c", "a", 1.0, **{"reason.ok": "it fits", "score.size": 2.34567, "reason.size": None}
    )
    html = table(frame)
    assert '<span class="pex-chip pex-chip-good" title="it fits">ok ✓</span>' in html
    assert "size 2.35" in html
    html = table(row("c", "a", 0.0))
    assert '<span class="pex-chip pex-chip-bad">ok ✗</span>' in html
    html = table(row("c", "a", None, **{"score_error.ok": "boom"}))
    assert '<span class="pex-chip pex-chip-bad" title="boom">! ok failed</span>' in html
    assert "✗" not in html


def test_words_are_marked_against_the_same_repeat_of_the_baseline_only() -> None:
    rows = [
        row("c", "base", 1.0, output="the red fox ran"),
        row("c", "base", 1.0, output="the old fox ran", repeat=2),
        row("c", "other", 1.0, output="the red fox sat"),
        row("c", "other", 1.0, output="the old fox ran", repeat=2),
    ]
    html = table(*rows, baseline="base")
    assert re.findall("<ins>(.*?)</ins>", html) == ["sat"]
    assert "base (baseline)" in html
    assert "Underlined: not in the answer of &#x27;base&#x27;." in html


@given(st.text(max_size=60), st.text(max_size=60))
def test_marking_changes_nothing_but_the_marks(text: str, against: str) -> None:
    from pex.report.safe_html import escaped

    html = sides.marked(text, against)
    assert html.replace("<ins>", "").replace("</ins>", "") == escaped(text)


def test_many_variants_have_a_column_each_in_the_order_of_the_frame() -> None:
    names = [f"v{n}" for n in range(30, 0, -1)]
    html = table(*(row("c", name, 1.0) for name in names))
    assert re.findall(r'<th scope="col">(.*?)</th>', html) == ["case", *names]
    # Each column can be read, and the case's is not wider than the others.
    assert 'style="min-width:403em"' in html
    assert "width:30%" not in html
    assert html.count("<td data-side=") == 30
    assert "the variants disagree on 0." in html


def test_columns_that_no_prompt_shows_are_folded_by_their_names() -> None:
    frame = frame_of({"a": ["good"]}).assign(**{"case.world": ['{"orders": {"A7": "<b>"}}']})
    html = sides.side_by_side_table(frame, {"ok"}, 10, 100, used={"text"})
    head, _, folded = html.partition("<details")
    assert "question 0" in head
    assert "orders" not in head
    assert "<summary>1 more column</summary><dl><dt>world</dt>" in folded
    assert "&lt;b&gt;" in folded
    for used in (None, set()):
        assert "<details" not in sides.side_by_side_table(frame, {"ok"}, 10, 100, used=used)
