"""`pexlab lesson add`: a lesson in the project's file, with what the run showed."""

import re
from pathlib import Path

import pytest

import pex
from pex.cli.lesson import add
from pex.evidence.team_lessons import FILE, HEAD, add_lesson
from pex.results.results import Results
from tests.helpers.endpoint import FaultyEndpoint


@pytest.fixture
def run(lab: FaultyEndpoint) -> Results:
    """A recorded run; the endpoint says what it was sent, so `loud` is wrong in every case."""
    prompts = [pex.Prompt("{{ q }}", name="quiet"), pex.Prompt("{{ q }}!", name="loud")]
    cases = [{"q": f"say {n}", "expected": f"say {n}"} for n in range(12)]
    experiment = pex.Experiment("echo", pex.grid(prompts, "lab/m1"), cases, ["exact"])
    return experiment.run(show=False, traces="none")


def test_a_lesson_has_its_day_the_verdict_and_the_run(
    run: Results, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add("echo", "Ask for one number")
    assert capsys.readouterr().out == f"added to  {project / FILE}\n"
    first = (project / FILE).read_text("utf-8")
    assert first.startswith(HEAD)
    heading, verdict = first.removeprefix(HEAD).splitlines()[1:3]
    assert re.fullmatch(r"## \d{4}-\d\d-\d\d: Ask for one number", heading)
    assert verdict.startswith("- 'loud' is worse than 'quiet' on exact: 0 % instead of 100 %")
    assert f"of echo; `pexlab report {run.run_id}`" in first
    (project / FILE).write_text(f"{first}\nOur own words, without a line end", encoding="utf-8")
    add("latest", "Write ![x](http://a/b.png) <img>")
    both = (project / FILE).read_text("utf-8")
    assert both.startswith(f"{first}\nOur own words, without a line end\n\n## ")
    assert "Write !\\[x\\](http&#58;//a/b.png) &lt;img>" in both


def test_what_is_no_lesson_is_refused_and_nothing_is_written(run: Results, project: Path) -> None:
    for text in ("", "  ", "two\nlines", "long " * 100):
        with pytest.raises(pex.PexError, match="one line of at most 300 characters"):
            add_lesson(run, text, project)
    assert not (project / FILE).exists()
    add_lesson(run, "Ask for one number", project)
    once = (project / FILE).read_bytes()
    with pytest.raises(pex.PexError, match="this lesson of this run already"):
        add_lesson(run, "Ask for one number", project)
    assert (project / FILE).read_bytes() == once
    with pytest.raises(pex.PexError, match="there is no run 'ehco'"):
        add("ehco", "Ask for one number")


def test_a_link_out_of_the_project_is_not_followed(run: Results, project: Path) -> None:
    outside = project.parent / "outside.md"
    outside.write_text("private")
    (project / FILE).symlink_to(outside)
    with pytest.raises(pex.PexError, match="out of the project"):
        add_lesson(run, "Ask for one number", project)
    assert outside.read_text() == "private"
