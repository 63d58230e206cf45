"""The HTML report: complete, closed, hostile to nobody, and saying what it has not got."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest

from pex.results.results import Results
from tests.helpers.made_results import results
from tests.helpers.markup import check_balanced, plain_text

COUNTS = {"requests": 6, "answered": 6, "errors": 0, "not_asked": 0}


def heads(html: str) -> list[str]:
    return re.findall(r"<h2[^>]*>(.*?)</h2>", html)


def page(made: Results) -> str:
    html = made.page()
    tags = check_balanced(html)
    assert tags.count("script") == 1  # the page's own
    assert not {"img", "iframe", "link", "object", "form"} & set(tags)
    assert {target[0] for target in re.findall('href="(.*?)"', html)} == {"#"}
    for target in re.findall('href="#(.*?)"', html):
        assert f'id="{target}"' in html
    return html


def test_the_answer_prompts_and_cases_come_first_the_statistics_last_and_folded() -> None:
    html = page(results(30))
    assert heads(html) == [
        "Prompt", "Telling cases", "Scores", "What was run", "All cases", "For specialists",
    ]  # fmt: skip
    assert html.index('class="answer"') < html.index("<h2")
    assert '<details class="specialists"' in html
    assert re.findall("<h3>(.*?)</h3>", html.split('<details class="specialists"')[1]) == [
        "Verdicts", "Quality against cost and time", "Results by group", "How this was calculated",
    ]  # fmt: skip
    assert html.count("<svg") == 2 + 2 + 2 + 2  # scores, differences, wins; cost and time


def test_one_variant_has_no_verdict_and_nothing_to_choose() -> None:
    html = page(results(8, ("alone",)))
    assert heads(html) == ["Prompt", "Scores", "What was run", "All cases"]
    assert "(baseline)" not in html


def test_one_case_is_a_page_that_calls_nothing_better() -> None:
    text = plain_text(page(results(1)))
    assert "▲ better" not in text
    assert "no case has a value for both" in text


def test_without_a_scorer_there_are_answers_and_no_verdict() -> None:
    made = results(4)
    bare = made.frame.drop(columns=[c for c in made.frame if re.match("(score|reason)", c)])
    html = page(Results(bare, made.about))
    assert "For specialists" not in heads(html)
    assert "All cases" in heads(html)
    assert "Nothing was scored." in plain_text(html)


def test_without_a_price_there_is_only_time_to_choose_by() -> None:
    made = results(8)
    made.frame["cost_usd"] = 0.0
    html = page(made)
    assert html.count("against median seconds per answer") == 1
    assert "US dollars" not in html


def test_every_hostile_text_is_shown_as_text() -> None:
    html = page(results(3))
    text = plain_text(html)
    assert text.count('<img src=x onerror="window.hacked=1">') > 5
    assert "{{ 7*7 }}" in text


def test_a_name_of_the_run_cannot_end_the_title() -> None:
    html = page(results(2, name="</title><script>x</script>"))
    assert "<title>&lt;/title&gt;" in html


@pytest.mark.parametrize(
    ("counts", "said", "not_said"),
    [
        ({}, "6 of 6 requests answered; 3 cases", ["reused", "failed", "not run"]),
        ({"errors": 2, "answered": 4}, "4 of 6 requests answered, 2 failed;", ["reused"]),
        ({"replayed": 5}, "answered (5 reused, at no cost);", ["failed"]),
        ({"not_asked": 1, "answered": 5}, "answered, 1 not run;", ["failed"]),
    ],
)
def test_the_counts_are_in_the_first_line(
    counts: dict[str, int], said: str, not_said: list[str]
) -> None:
    text = (
        plain_text(page(results(3, counts=COUNTS | counts))).split("Contents")[0].split("Scores")[0]
    )
    assert said in text
    assert not [word for word in not_said if word in text]


@pytest.mark.parametrize("status", ["interrupted", "budget", "failed"])
def test_a_run_that_did_not_finish_says_so_before_its_verdict(status: str) -> None:
    text = plain_text(page(results(8, status=status)))
    assert text.index(f"This run did not finish: {status}.") < text.index("Scores")
    assert "did not finish" not in plain_text(page(results(8)))


def judge(**more: Any) -> dict[str, Any]:
    usual = {"name": "polite", "calibrated": False, "why": "12 ratings are too few"}
    return usual | more


def test_a_judge_nobody_checked_is_a_warning_with_the_reason_one_that_was_is_none() -> None:
    text = plain_text(page(results(8, judges=[judge(), judge(name="kind", calibrated=True)])))
    assert "The judge 'polite' is not calibrated against people (12 ratings are too few)" in text
    assert "'kind'" not in text
    assert "not calibrated" not in plain_text(page(results(8, judges=[])))


def test_what_a_judge_remarked_and_why_a_run_was_not_recorded_is_said() -> None:
    told = {"judges": [judge(calibrated=True, remarks=["polite said <i>maybe</i>"])]}
    html = page(results(8, record_error="no room <left>", **told))
    assert html.count('class="warn"') == 2
    text = plain_text(html)
    assert "polite said <i>maybe</i>." in text
    assert "no room <left>" in text


def test_how_to_run_it_again_and_the_run_in_mlflow_are_told_where_known() -> None:
    html = page(results(3, run_id="abc123", note="a note", budget_usd=2.0, spent_usd=0.1234567))
    text = plain_text(html)
    assert "pexlab run e.yaml" in text
    assert 'pex.load_run("abc123")' in text
    assert "$0.1235 of a budget of $2" in text
    assert "a note" in text
    bare = plain_text(page(results(3, how_to=[])))
    assert "run it again" not in bare
    assert "load_run" not in bare
    assert "budget" not in bare


def test_small_slices_are_named_and_not_compared() -> None:
    made = results(40)
    cases = list(dict.fromkeys(made.frame["case_id"]))
    group = {case: "large" if n < 34 else "small" for n, case in enumerate(cases)}
    made.frame["group"] = made.frame["case_id"].map(group)
    html = page(made)
    part = html.split("Results by group")[1].split("<h3")[0]
    assert '<th scope="row">large</th>' in part
    assert '<th scope="row">small</th>' not in part
    assert "Too few cases (fewer than 10): small." in plain_text(part)


def test_the_baselines_words_are_the_ones_the_others_are_marked_against() -> None:
    made = results(12)
    made.frame["output"] = made.frame["variant"].map(
        {"a": "the red fox ran", "b": "the red fox sat"}
    )
    html = page(made)
    assert "a (baseline)" in html
    assert set(re.findall("<ins>(.*?)</ins>", html)) == {"sat"}


def test_a_page_without_answers_is_still_a_page() -> None:
    made = results(3)
    frame = made.frame.assign(error="gone", error_kind="server")
    frame[["score.ok", "score.size", "latency_s", "cost_usd"]] = float("nan")
    text = plain_text(page(Results(frame, made.about)))
    assert "nan" not in text.lower().replace("finance", "")
    assert text.count("! error: server") == 2 * 6  # among the telling cases, and among all


def test_pictures_have_a_name_for_readers_who_do_not_see_them() -> None:
    html = page(results(12))
    pictures = re.findall(r"<svg [^>]*>", html)
    assert pictures
    assert all(
        'role="img"' in found and re.search('aria-label="[^"]{20,}"', found) for found in pictures
    )


def test_light_and_dark_have_the_same_colours_to_name() -> None:
    from pex.report.theme import page_style, style

    sizes = {"--pex-size", "--pex-space", "--pex-radius"}
    light = set(re.findall(r"(--pex-[a-z]+):", style().split("}")[0])) - sizes
    dark = re.search(r"dark\) \{(.*?)\}", page_style(), re.DOTALL)
    assert dark
    assert set(re.findall(r"(--pex-[a-z]+):", dark[1])) == light
    assert "prefers-color-scheme" not in style()  # in JupyterLab the theme decides
    assert pd.Series(re.findall(r"--pex-good: (#\w+)", style())).nunique() == 2


def words(a: list[int], b: list[int], **told: Any) -> str:
    """The answer of a report on two variants, right on some cases."""
    made = results(len(a))
    for name, values in (("a", a), ("b", b)):
        rows = made.frame["variant"] == name
        made.frame.loc[rows, ["error", "error_kind"]] = None
        made.frame.loc[rows, "score.ok"] = [float(value) for value in values]
    frame = made.frame.drop(columns=["score.size"]).rename(
        columns=lambda name: re.sub("[.]ok$", ".label", name)
    )
    frame["group"] = None
    html = page(Results(frame, {**made.about, "scorers": ["label"], **told}))
    found = re.search(r'<p class="answer">(.*?)</p>', html)
    assert found
    return plain_text(found[1])


def test_an_open_comparison_is_said_in_plain_words_with_what_would_decide() -> None:
    said = words([1] * 19 + [0] * 11, [1] * 14 + [0] * 14 + [1] * 2)
    assert re.fullmatch(
        r"No clear winner yet\. a got 19 of 30 right, b 16\. So small a difference can be chance; "
        r"about \d{2,3} more cases would tell\.",
        said,
    ), said


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (
            [0] * 30,
            [1] * 25 + [0] * 5,
            "b is better than a. b got 25 of 30 right, a 0. Chance is an",
        ),
        ([1] * 30, [0] * 30, "b is worse than a. a got 30 of 30 right, b 0. Chance is an unlikely"),
        ([1] * 4, [1] * 4, "No clear winner yet. a got 4 of 4 right, b 4. There is no difference"),
    ],
)
def test_a_winner_a_loser_and_no_difference(a: list[int], b: list[int], said: str) -> None:
    assert words(a, b).startswith(said)


def test_repeats_are_shares_and_the_measure_is_in_words() -> None:
    from pex.core.about import About
    from pex.report.plain_answer import measure_name

    items = [{"kind": "fields", "name": "facts"}, "label"]
    about = About.from_json({**results(2).about, "scorer_items": items})
    assert measure_name("label", about) == "Right answers (label)"
    assert measure_name("facts.order", about) == "Right fields: order (facts.order)"
    assert measure_name("polite", about) == "polite"


def test_what_was_run_has_parameters_and_the_file_of_cases_and_long_prompts_open() -> None:
    variants = [
        {"name": n, "params": {"temperature": 0, "seed": s}} for n, s in (("a", 1), ("b", 2))
    ]
    prompts = [{"name": "a", "text": "one\ntwo\nthree\nfour\nfive"}, {"name": "b", "text": "short"}]
    made = results(3, prompts=prompts, cases_file={"path": "my/cases.csv"})
    html = page(Results(made.frame, {**made.about, "variants": variants}))
    text = plain_text(html)
    assert "temperature0" in text
    assert "seed1 (a), 2 (b)" in text
    assert "3 from my/cases.csv" in text
    assert html.count("The whole prompt") == 1
    assert "<pre>one\ntwo\nthree\nfour …</pre>" in html
