"""The page of a night: large, hostile, without links to elsewhere."""

import dataclasses
import datetime
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from pex.batch.night.document import document, what_happened
from pex.batch.night.headline import headline
from pex.batch.night.junit import junit
from pex.batch.night.nights import Night
from pex.batch.night.write_page import page
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.night_pages import AT, judged_night


class Outside(HTMLParser):
    """Collects what a page would fetch or lead to, its scripts and its tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "srcset", "data")]


def test_two_thousand_cases_of_four_variants_in_two_megabytes(
    project: Path, lab: FaultyEndpoint
) -> None:
    text = page(judged_night(project, 2000, 4))
    assert len(text.encode()) < 2_000_000
    assert "more cases are not on this page" in text
    assert text.count('<details class="work" open>') == 1


def test_nothing_of_a_hostile_answer_becomes_part_of_the_page(
    project: Path, lab: FaultyEndpoint
) -> None:
    night = judged_night(project, 40, 2, hostile=True)
    text = page(night)
    text.encode()
    found = Outside(text)
    assert found.links == []
    assert found.tags.count("script") == 1  # the page's own
    assert "img" not in found.tags
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", text)
    assert "The night is incomplete" in text
    document = Xml.fromstring(junit(night))
    error = document.find(".//error")
    assert error is not None
    assert "hacked" in error.attrib["message"]


ODD = [
    "]]>", "<x/>&lt;&", "\"'", "a\nb\tc", "\x00\x1b[31m\x08\x9b", "\ud800", "\ufffe\uffff", "-rf",
    "${{ x }} {{ y }} %h", "über 漢字 🙂", "\u202eevil", "a" * 300, "",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_junit_keeps_its_form_with_any_name(project: Path, lab: FaultyEndpoint, name: str) -> None:
    night = judged_night(project, 2, 2)
    night.batch.plan = dataclasses.replace(night.batch.plan, name=name)
    (result,) = night.batch.results
    failed = dataclasses.replace(
        result, status="failed", error=name, job=dataclasses.replace(result.job, id=name)
    )
    night.batch.results[:] = [failed]
    for judged in night.judged:
        judged.candidate = judged.metric = judged.reason = name
        judged.run = {**judged.run, "experiment": name, "job_id": name}
    document = Xml.fromstring(junit(night))
    first, second = document.findall("testsuite")
    assert [case.tag for case in [*first, *second]] == ["testcase"] * 2
    shown = re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", name)
    assert first[0].attrib["name"] == shown
    assert first.attrib["name"] == f"{shown}: notebooks"


@pytest.mark.parametrize("cases", [1, 2])
def test_a_night_of_next_to_nothing_has_a_page(
    cases: int, project: Path, lab: FaultyEndpoint
) -> None:
    text = page(judged_night(project, cases, 2))
    assert "not decided" in text
    assert "too few cases to tell" in text


def test_a_night_that_is_read_again_says_nothing_of_the_nights_after_it(
    project: Path, lab: FaultyEndpoint
) -> None:
    night = judged_night(project, 3, 2)
    night.nights = [
        Night(f"night-{day}", AT + datetime.timedelta(days=day), status, "pass")
        for day, status in [(-5, "done"), (-4, "done"), (-3, "failed"), (-1, "done"), (1, "done")]
    ]
    found = document(night)
    assert found["last_good"].batch_id == "night--1"
    assert [text for _, text in found["gaps"]] == [
        "nothing ran, going by the usual time between nights",
        "night--3, a notebook failed",
    ]


@pytest.mark.parametrize(
    ("status", "error", "cell", "words"),
    [
        ("failed", "ZeroDivisionError: \x1b[31mno\x00", 3, "ended with an error in cell 3: "),
        ("timeout", "took longer than 60 s", None, "took too long and was ended: took longer"),
        ("skipped", "needs compare", None, "was not run: needs compare"),
        ("interrupted", None, None, "was interrupted"),
    ],
)
def test_how_a_notebook_ended_is_said_in_words(
    status: str, error: str | None, cell: int | None, words: str, project: Path, lab: FaultyEndpoint
) -> None:
    night = judged_night(project, 1, 2)
    (job,) = night.batch.results
    job.status, job.error, job.cell = status, error, cell
    said = what_happened(job)
    assert said.startswith(words)
    assert "\x1b" not in said
    text = page(night)
    assert "The night is incomplete: its notebook did not finish." in text
    assert words in text


def test_the_error_that_ended_every_notebook_is_in_the_headline(
    project: Path, lab: FaultyEndpoint
) -> None:
    night = judged_night(project, 1, 2)
    (job,) = night.batch.results
    error = "PexError: the provider 'lab' cannot be reached"
    job.status, job.error = "failed", error
    other = dataclasses.replace(job, error="ValueError: another one")
    skipped = dataclasses.replace(job, status="skipped", error="needs compare")
    night.batch.results[:] = [job, dataclasses.replace(job), skipped]
    assert "Both failed with: the provider 'lab' cannot be reached." in headline(night)
    night.batch.results[:] = [job, other, skipped]
    assert "failed with" not in headline(night)


def test_what_got_worse_is_open_and_comes_first(project: Path, lab: FaultyEndpoint) -> None:
    night = judged_night(project, 60, 6)
    night.judged[-1].outcome = "fail"
    found = [line for line in page(night).splitlines() if "<summary><h4>" in line]
    assert len(found) == 6
    assert "<strong>variant-5</strong>: " in found[0]
    assert "<strong>variant-0 (the baseline)</strong>" in found[-1]
    assert ["open" in line.partition(">")[0] for line in found] == [True] + [False] * 5


def test_cost_latency_and_errors_stand_beside_those_of_last_night(
    project: Path, lab: FaultyEndpoint
) -> None:
    night = judged_night(project, 10, 2)
    last = night.subjects[0].last
    assert last is not None
    last.frame = last.frame[last.frame["variant"] == "variant-1"].assign(
        cost_usd=0.5, latency_s=9.0
    )
    row = re.search(r">variant-1</th>((<td class=.pex-number.>[^<]*</td>){8})", page(night))
    assert row is not None
    cells = re.findall(r">([^<]*)</td>", row[1])
    assert cells[2:4] == ["$0.012", "$5.00"]
    assert cells[5:] == ["9.0 s", "0", "0"]
    row = re.search(r">variant-0</th>((<td [^>]*>[^<]*</td>){8})", page(night))
    assert row is not None
    assert re.findall(r">([^<]*)</td>", row[1])[1::2] == ["–"] * 4
