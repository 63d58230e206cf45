"""The page of a night from plain data: the verdict, the cases, what failed and what is missing."""

from __future__ import annotations

import datetime
import math
import re
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pex.report import night
from tests.helpers.markup import check_balanced, plain_text
from tests.helpers.summaries import HOSTILE, summary

AT = datetime.datetime(2026, 5, 2, 2, 0, tzinfo=datetime.UTC)


def case(number: int, **more: Any) -> SimpleNamespace:
    usual = {
        "case_id": f"c{number}", "inputs": f"question {number}", "expected": "yes",
        "before": "yes", "now": [("gone", "yes"), ("new", "no")], "scores": (1.0, 0.0),
        "new": False, "reason": "",
    }  # fmt: skip
    return SimpleNamespace(**(usual | more))


def work(variant: str = "short", lost: int = 0, **more: Any) -> SimpleNamespace:
    usual = {
        "variant": variant, "baseline": "short", "lost": [case(n) for n in range(lost)],
        "lost_count": lost, "lost_new": 0, "failing": [], "failing_count": 0, "fixed": [],
        "fixed_count": 0, "flaky": [], "flaky_count": 0,
    }  # fmt: skip
    return SimpleNamespace(**(usual | more))


def judged(candidate: str = "short", outcome: str = "fail", **more: Any) -> SimpleNamespace:
    usual = {
        "candidate": candidate, "outcome": outcome, "baseline": "short",
        "reason": "it got worse", "cause": "",
    }  # fmt: skip
    return SimpleNamespace(**(usual | more))


def subject(**more: Any) -> dict[str, Any]:
    usual = {
        "title": "reviews", "purpose": "", "run_id": "abc123", "url": None, "status": "finished",
        "metric": "label", "accepted": None, "is_accepted": False, "last_is_accepted": False,
        "judged": [judged()], "unchanged": [], "files": {}, "level": "95 %",
        "since_last": [], "since_accepted": [],
        "last_night": "n1", "summary": summary({}), "last_summary": None, "yes_no": {"label"},
        "trend": None, "cases": [],
    }  # fmt: skip
    return usual | more


def told(*subjects: dict[str, Any], **more: Any) -> dict[str, Any]:
    usual = {
        "plan": "nightly", "batch_id": "n2", "started_at": AT, "headline": "Something got worse",
        "outcome": "fail", "code": 1, "problems": [], "jobs": [], "cost_usd": 0.5,
        "last_cost_usd": None, "calls": 80, "errors": 0, "gaps": [], "last_good": None,
        "seconds": None, "usual_seconds": None, "next_due": None, "log": None, "links": {},
        "steps": [],
        "subjects": list(subjects),
    }  # fmt: skip
    return usual | more


def page(*subjects: dict[str, Any], **more: Any) -> str:
    html = night.page(told(*subjects, **more))
    assert check_balanced(html).count("script") == 1
    return html


def text(*subjects: dict[str, Any], **more: Any) -> str:
    return plain_text(page(*subjects, **more))


@pytest.mark.parametrize(
    ("outcome", "code", "kind"),
    [("pass", 0, "good"), ("fail", 1, "bad"), ("undecided", 0, "soft"), ("pass", 5, "bad"),
     ("pass", 4, "bad"), (None, 0, "soft")],
)  # fmt: skip
def test_the_colour_of_the_verdict_is_that_of_the_night(
    outcome: str | None, code: int, kind: str
) -> None:
    html = page(outcome=outcome, code=code)
    assert f'<p class="verdict {kind}">Something got worse</p>' in html


def test_a_night_without_a_run_is_a_page_that_offers_nothing_to_accept() -> None:
    shown = text(calls=0, cost_usd=0.0)
    assert "no calls" in shown
    assert "What you can do" not in shown
    assert "none yet" in shown


@pytest.mark.parametrize("status", ["failed", "timeout", "skipped", "interrupted"])
def test_a_notebook_that_did_not_finish_is_named_with_its_error(status: str) -> None:
    jobs = [
        {"id": "a", "status": "done", "what": "", "traceback": "", "output": "a.ipynb"},
        {"id": "b <i>", "status": status, "what": f"ended <{status}>", "traceback": "Error: <x>",
         "output": "b.ipynb"},
    ]  # fmt: skip
    html = page(jobs=jobs)
    shown = plain_text(html)
    assert "1 of 2 done" in shown
    part = shown[shown.index("Notebooks that did not finish") :]
    assert f"b <i>ended <{status}>" in part.replace("> ended", ">ended")
    assert "Error: <x>" in part
    assert "n2/a.ipynb, n2/b.ipynb." in shown


def test_where_all_notebooks_ran_no_failure_is_spoken_of() -> None:
    jobs = [{"id": "a", "status": "done", "what": "", "traceback": "", "output": "a.ipynb"}]
    assert "did not finish" not in text(jobs=jobs)


def test_many_notebooks_are_listed_in_part_and_counted() -> None:
    jobs = [
        {"id": f"j{n}", "status": "done", "what": "", "traceback": "", "output": f"j{n}.ipynb"}
        for n in range(25)
    ]
    shown = text(jobs=jobs)
    assert "j19.ipynb and 5 more." in shown
    assert "j20.ipynb" not in shown


def test_nights_that_are_missing_are_listed_the_newest_five_open() -> None:
    gaps = [(AT - datetime.timedelta(days=n), f"nothing ran {n}") for n in range(1, 9)]
    html = page(gaps=gaps)
    assert "3 more" in html
    assert html.index("nothing ran 5") < html.index("3 more") < html.index("nothing ran 6")
    assert "did not run" not in text()


def test_problems_and_the_cost_of_last_night_are_shown_where_there_are_any() -> None:
    shown = text(problems=["the <canary> failed"], last_cost_usd=1.5)
    assert "the <canary> failed" in shown
    assert "$1.50" in shown
    assert "cost last night" not in text()
    assert "cost last night" not in text(last_cost_usd=0.0, cost_usd=0.0)


def test_each_verdict_has_a_sign_a_word_and_its_reason() -> None:
    made = [judged("a", "fail", cause="The prompt <changed>"), judged("b", "pass"),
            judged("c", "undecided"), judged("", "pass", reason="all is well")]  # fmt: skip
    html = page(subject(judged=made))
    shown = plain_text(html)
    assert "▼ worse" in shown
    assert "✓ passed" in shown
    assert "? not decided" in shown
    assert "The prompt <changed>" in shown
    assert '<th scope="row">all</th>' in html
    assert "All is well" in shown
    assert "the 95 % interval of the difference. One point is one case in a hundred." in shown


def test_a_point_is_explained_only_for_yes_no_scores() -> None:
    assert "One point" not in text(subject(yes_no=set()))
    assert "interval of the difference" not in text(subject(level=None))


@pytest.mark.parametrize(
    ("status", "said"),
    [("budget", "The budget stopped this run"), ("interrupted", "This run was interrupted"),
     ("odd", "This run did not finish: odd.")],
)  # fmt: skip
def test_a_run_that_is_a_part_says_so(status: str, said: str) -> None:
    assert said in text(subject(status=status))
    assert "partial" not in text(subject())


def test_what_changed_since_last_night_and_since_the_accepted_one() -> None:
    change = SimpleNamespace(
        kind="prompt", of="short", text="The prompt 'short' changed", pieces=[("new", "<b>now</b>")]
    )
    accepted = {"batch": "n0", "who": "ada", "when": "2026-04-01T00:00", "why": "good <enough>"}
    shown = text(subject(since_last=[change], accepted=accepted, since_accepted=[]))
    assert "Since last night (n1): The prompt 'short' changed<b>now</b>" in shown
    assert "Since the accepted baseline (n0): no visible change." in shown
    assert "accepted by ada on 2026-04-01: good <enough>." in shown
    same = text(subject(since_last=[change], accepted=accepted, since_accepted=[change]))
    assert "Since the accepted baseline (n0): the same changes." in same
    other = text(subject(accepted=accepted, since_accepted=[change]))
    assert "Since last night (n1): no visible change." in other
    assert other.count("The prompt 'short' changed") == 1


def test_a_first_night_has_nothing_to_be_compared_with() -> None:
    shown = text(subject(last_night=None))
    assert "This is its first night" in shown
    assert "Case by case" not in shown


def test_cases_that_got_worse_come_first_and_ten_are_seen_at_once() -> None:
    lists = [work("fine", fixed=[("c1", "question <1>")], fixed_count=1), work("short", lost=14)]
    html = page(subject(cases=lists, judged=[judged("fine", "pass"), judged("short")]))
    assert html.index("<strong>short") < html.index("<strong>fine")
    assert html.count('<details class="work" open>') == 2
    assert "14 cases are worse than the baseline" in plain_text(html)
    assert html.index("c9</div>") < html.index("4 more cases") < html.index("c10</div>")
    assert "question <1>" in plain_text(html)


def test_a_variant_without_a_change_is_left_out_and_none_at_all_is_said() -> None:
    assert "No case is worse, better or flaky." in text(subject(cases=[work("calm")]))


def test_new_losses_are_told_from_old_ones() -> None:
    some = work("short", lost=3, lost_new=1)
    some.lost[0].new = True
    html = page(subject(cases=[some]))
    assert html.count("new since last night</strong>") == 1
    assert "1 of them new since last night" in plain_text(html)
    every = work("short", lost=3, lost_new=3)
    for item in every.lost:
        item.new = True
    html = page(subject(cases=[every]))
    assert "new since last night</strong>" not in html  # said once, for all
    assert "all of them new since last night" in plain_text(html)


def test_counts_beyond_what_is_shown_are_said() -> None:
    few = work("short", lost=2)
    few.lost_count = 40
    assert "38 more cases are not on this page; MLflow has all of them." in text(
        subject(cases=[few])
    )
    one = work("short", lost=2, flaky=[("c1", "q")], flaky_count=1)
    one.lost_count = 3
    shown = text(subject(cases=[one]))
    assert "1 more case is not on this page" in shown
    assert "1 flaky" in shown


@pytest.mark.parametrize(
    ("scores", "yes_no", "said"),
    [((1.0, 0.0), True, ["✓ right", "✗ wrong"]), ((1.0, 0.5), True, ["right in 50 % of its"]),
     ((0.3333, 0.25), False, ["score 0.333", "score 0.25"]), ((None, None), True, [])],
)  # fmt: skip
def test_scores_of_a_case_are_words(
    scores: tuple[float | None, float | None], yes_no: bool, said: list[str]
) -> None:
    made = work("short", lost=1)
    made.lost[0].scores = scores
    shown = text(subject(cases=[made], yes_no={"label"} if yes_no else set()))
    for words in said:
        assert words in shown
    assert ("right in" in shown) == ("right in 50 % of its" in said)


def test_the_same_answer_with_another_score_is_marked_as_such() -> None:
    made = work("short", lost=1)
    made.lost = [case(1, now=[("same", "yes")], reason="the <scorer> changed")]
    shown = text(subject(cases=[made]))
    assert "the <scorer> changed · the same answer" in shown
    assert "the same answer" not in text(subject(cases=[work("short", lost=1)]))


def test_the_size_of_the_cases_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(night, "MAX_BYTES", 6000)
    shown = page(
        subject(cases=[work("a", lost=8), work("b", lost=8)]), subject(cases=[work("c", lost=8)])
    )
    assert 4 < shown.count('<td class="pex-case">') < 12
    assert len(re.findall("not on this page", shown)) == 2 + (shown.count('pex-case">') < 8)


def test_tonight_and_last_night_stand_beside_each_other() -> None:
    last = summary({"score.label": 0.9, "cost_usd": math.nan, "errors": 3})
    both = summary({}, {"variant": "new"})
    html = page(subject(summary=both, last_summary=last))
    rows = re.findall(
        r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", html.split("tonight and last")[1]
    )
    cells = {name: re.findall(r"<td[^>]*>(.*?)</td>", found) for name, found in rows}
    assert cells["short"] == ["80 %", "90 %", "$0.50", "unknown", "300 ms", "300 ms", "0", "3"]
    assert cells["new"] == ["80 %", "–", "$0.50", "–", "300 ms", "–", "0", "–"]


def test_a_score_that_last_night_did_not_have_is_not_set_beside() -> None:
    last = summary({}).rename(columns=lambda name: name.replace("label", "other"))
    html = page(subject(last_summary=last))
    head = html.split("tonight and last night")[1].split("</tr>")[0]
    assert re.findall(r">(\w+)</th>", head) == ["cost", "latency", "errors"]
    assert "cost last night</th>" in head
    assert "tonight and last night" not in page(subject())


def test_a_timeline_is_drawn_from_two_nights_on() -> None:
    start = pd.Timestamp("2026-05-01")
    rows = [
        {"run_id": f"r{n}", "started_at": start + pd.Timedelta(days=n), "variant": "short",
         "value": 0.5, "lo": 0.4, "hi": 0.6}
        for n in range(2)
    ]  # fmt: skip
    assert page(subject(trend=pd.DataFrame(rows))).count("<svg") == 1
    assert "<svg" not in page(subject(trend=pd.DataFrame(rows[:1])))


def test_several_experiments_can_be_accepted_one_by_one() -> None:
    steps = [("Accept it:", "pexlab batch accept n2")]
    shown = text(subject(), subject(title="other", run_id="def456"), steps=steps)
    assert "Accept it: pexlab batch accept n2" in shown
    assert "other def456" in shown
    assert "To accept one experiment alone" in shown
    assert "To accept one experiment alone" not in text(subject(), steps=steps)


def test_what_can_be_done_comes_first_on_a_bad_night_and_last_on_a_good_one() -> None:
    steps = [("Run it again:", "pexlab batch <plan>")]
    bad = text(subject(), steps=steps)
    assert bad.index("Run it again: pexlab batch <plan>") < bad.index("What changed")
    good = text(subject(), steps=steps, outcome="pass", code=0)
    assert good.index("What changed") < good.index("Run it again:")


def test_unchanged_variants_share_one_line() -> None:
    html = page(subject(unchanged=["strict", "long"]))
    assert html.count("= unchanged") == 1
    assert "strict, long= unchangedPrompt, model and every answer" in plain_text(html)


def test_who_changed_the_prompt_stands_beside_the_change() -> None:
    change = SimpleNamespace(kind="prompt", of="short", text="The prompt changed.", pieces=[])
    file = SimpleNamespace(path="prompts/short.prompty", changed="Ann <a@b>, commit 1a2b3c: short")
    shown = text(subject(since_last=[change], files={"short": file}))
    assert "The prompt changed. prompts/short.prompty: Ann <a@b>, commit 1a2b3c: short" in shown


def test_the_time_it_took_is_beside_the_usual_one_and_the_next_night_is_named() -> None:
    shown = text(seconds=61.0, usual_seconds=20.0, next_due=AT)
    assert "took61 s (usually 20 s)" in shown
    assert "next night" in shown
    assert "next night" not in text()


def test_beside_its_notebooks_the_page_links_to_them_elsewhere_it_names_them() -> None:
    jobs = [
        {"id": n, "status": "done", "what": "", "traceback": "", "output": f"{n}.ipynb",
         "written": n == "a b"}
        for n in ("a b", "gone")
    ]  # fmt: skip
    links = {"last_night": "../n1/night.html", "log": "../../x.log"}
    night_ = told(subject(), jobs=jobs, links=links, log=".pex/logs/x.log")
    there = night.page(night_, "")
    assert re.findall('href="(.*?)"', there) == [
        "../n1/night.html", "a%20b.ipynb", "../../x.log",
    ]  # fmt: skip
    assert 'href="out/n2/../n1/night.html"' in night.page(night_, "out/n2/")
    assert "href" not in night.page(night_)
    assert ".pex/logs/x.log" in plain_text(night.page(night_))


def test_a_link_to_mlflow_is_the_only_link() -> None:
    html = page(subject(url="http://127.0.0.1:5000/#/runs/abc"))
    assert re.findall('href="(.*?)"', html) == ["http://127.0.0.1:5000/#/runs/abc"]
    assert "href" not in page(subject())


def test_hostile_texts_are_text_wherever_they_stand() -> None:
    bad = work(HOSTILE, baseline=HOSTILE, lost=1, fixed=[(HOSTILE, HOSTILE)], fixed_count=1)
    bad.lost = [case(1, case_id=HOSTILE, inputs=HOSTILE, expected=HOSTILE, before=HOSTILE,
                     now=[("new", HOSTILE)], reason=HOSTILE)]  # fmt: skip
    html = page(
        subject(title=HOSTILE, purpose=HOSTILE, cases=[bad], last_night=HOSTILE, metric=HOSTILE,
                judged=[judged(HOSTILE, reason=HOSTILE, cause=HOSTILE)]),
        plan=HOSTILE, batch_id=HOSTILE, headline=HOSTILE, problems=[HOSTILE],
        gaps=[(AT, HOSTILE)],
    )  # fmt: skip
    assert "<a " not in html
    assert "<b>" not in html
    assert plain_text(html).count(HOSTILE) > 15


def test_a_part_for_a_notebook_says_the_same_in_its_own_box() -> None:
    made = told(subject(cases=[work("short", lost=2)]))
    part = night.part(made)
    check_balanced(part)
    assert part.startswith('<div class="pex pex-night mathjax_ignore')
    assert "prefers-color-scheme" not in part
    assert "<script" not in part
    whole = plain_text(night.page(made))
    assert whole.endswith(plain_text(part))


@given(st.lists(st.tuples(st.sampled_from(["same", "new", "gone"]), st.text(max_size=12))))
def test_pieces_are_text_with_marks_around_what_is_more_than_space(
    pieces: list[tuple[str, str]],
) -> None:
    from pex.core.safe_text import clean

    html = str(night.pieces_html(pieces))
    check_balanced(html)
    bare = re.sub("</?(ins|del)>", "", html)
    expected = "".join(clean(part) for _, part in pieces)
    assert bare.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == expected
    assert html.count("<ins>") == sum(kind == "new" and bool(t.strip()) for kind, t in pieces)
