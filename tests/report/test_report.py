"""What people see: escaped, complete, and saying what was left out."""

import math
from pathlib import Path

import pandas as pd
import pytest

from pex.report import plots, sides
from pex.score.frame import summarise, yes_no
from tests.helpers.made_results import results


def test_nothing_hostile_is_html() -> None:
    made = results()
    for html in (made._repr_html_(), made.show().html):
        assert "<img" not in html
        assert "<script" not in html
        assert "&lt;img" in html or "onerror" not in html


def test_what_turns_or_hides_a_text_is_shown() -> None:
    made = results()
    made.frame["output"] = "to \u202egnp.exe\x1b[2J"
    html = made.show().html
    assert "to ⟨U+202E⟩gnp.exe␛[2J" in html
    assert "\u202e" not in html


def test_the_summary() -> None:
    made = results(40)
    row = made.summary().set_index("variant").loc["b"]
    assert (row["answers"], row["errors"], row["score.ok.n"]) == (39, 1, 39)
    assert row["score.ok"] == 0.0
    assert row["score.ok.hi"] == pytest.approx(0.0897, abs=1e-3)
    assert row["score.size.lo"] == row["score.size.hi"] == 2.5
    assert row["cost_usd"] == pytest.approx(0.39)
    assert "a        100 % [91, 100]  2.5 [2.5, 2.5]       0  $0.40   250 ms" in repr(made)


def test_an_unknown_cost_is_unknown_and_no_score_is_a_dash() -> None:
    made = results(1)
    made.frame.loc[0, "cost_usd"] = math.nan
    text = repr(made)
    assert "unknown" in text
    assert "–" in text


def test_a_score_is_yes_no_only_if_all_of_it_is() -> None:
    frame = results().frame
    assert yes_no(frame) == {"ok"}
    frame.loc[0, "score.ok"] = 0.5
    assert yes_no(frame) == set()


def test_what_is_cut_is_said() -> None:
    made = results(12, output="word " * 400)
    html = sides.side_by_side_table(made.frame, {"ok"}, max_rows=5, max_chars=100)
    assert "5 of 12 cases shown; the variants disagree on 11" in html
    assert "(1,900 more characters)" in html
    assert html.count("<tr data-state") == 5


def test_repeats_are_averaged_within_their_case() -> None:
    frame = pd.concat([results(10).frame, results(10).frame.assign(repeat=2)])
    assert summarise(frame)["score.ok.n"].tolist() == [10, 9]


def test_plot() -> None:
    figure = plots.scores(results(5).summary(), {"ok"})
    assert list(figure.data[0].x) == [1.0, 0.0]
    assert figure.layout.xaxis.range == (-0.02, 1.02)
    assert figure.layout.annotations[0].text == "ok"


@pytest.mark.browser
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    from tests.helpers.browser import page

    path = results(6).report(tmp_path / "r.html")
    assert "http" not in path.read_text().replace("http://www.w3.org", "")
    with page(width=375) as browser_page:
        requests: list[str] = []
        browser_page.on("request", lambda request: requests.append(request.url))
        browser_page.goto(path.as_uri())
        assert browser_page.evaluate("window.hacked") is None
        assert browser_page.evaluate("document.documentElement.scrollWidth") <= 375
        visible = "[...document.querySelectorAll('#all tbody tr')].filter(r => !r.hidden).length"
        assert browser_page.evaluate(visible) == 6
        browser_page.get_by_label("errors").check()
        assert browser_page.evaluate(visible) == 1
        browser_page.get_by_label("all", exact=True).check()
        browser_page.get_by_label("Search").fill("> 3")
        assert browser_page.evaluate(visible) == 1
        assert requests == [path.as_uri()]


def test_words_are_marked_only_where_two_answers_are_alike() -> None:
    assert sides.marked("the red fox ran", "the blue fox ran") == "the <ins>red</ins> fox ran"
    # Nothing in common but the spaces between the words: marking all of them would say nothing.
    assert sides.marked("El servicio sin nada", "This review is negative") == "El servicio sin nada"
