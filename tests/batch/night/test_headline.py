"""The sentences that a night begins with, and who changed a prompt."""

from __future__ import annotations

import dataclasses
import datetime
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pex.batch.night import nights
from pex.batch.night.document import document, steps
from pex.batch.night.headline import headline, reasons
from pex.batch.night.night import JudgedNight
from pex.batch.night.night_gate import CandidateVerdict
from pex.batch.night.nights import Night, usual_seconds, worse_since
from pex.batch.night.prompt_history import prompt_history
from pex.batch.night.run_changes import DATA, MODEL, PROMPT, Change
from pex.core.about import VariantInfo
from pex.core.prompt import Prompt
from pex.report.night import page
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.markup import plain_text
from tests.helpers.night_pages import AT, judged_night

DAY = datetime.timedelta(days=1)
ACCEPTED = {"batch": "n0", "who": "ada", "when": AT.isoformat(), "why": "", "run_id": "before"}


def candidate(night: JudgedNight, name: str, outcome: str, verdict: str, **row: Any) -> Any:
    usual = {
        "verdict": verdict, "losses": 0, "wins": 0, "n_cases": 8, "yes_no": True,
        "candidate_score": 0.12, "baseline_score": 0.5, "confidence": 0.95,
    }  # fmt: skip
    run = night.subjects[0].now.run
    reason = f"'{name}' is {verdict}."
    return CandidateVerdict(
        run, name, name, "label", outcome, reason, usual | row, accepted=ACCEPTED
    )


@pytest.fixture
def night(project: Path, lab: FaultyEndpoint) -> JudgedNight:
    """A night of four variants, judged against an accepted one; nothing changed so far."""
    found = judged_night(project, 4, 4)
    (subject,) = found.subjects
    subject.accepted = subject.last
    subject.since_last = []
    return found


def judged(night: JudgedNight, *items: Any, changes: Sequence[Change] = ()) -> JudgedNight:
    (subject,) = night.subjects
    subject.judged[:] = items
    subject.since_last[:] = changes
    return night


def changed(name: str = "p0") -> Change:
    return Change(PROMPT, f"The prompt '{name}' was changed.", of=name)


def test_an_undecided_night_names_the_change_and_what_broke(night: JudgedNight) -> None:
    prompt = night.subjects[0].now.variants["variant-1"].prompt
    judged(
        night,
        candidate(night, "variant-1", "undecided", "undecided", losses=4),
        candidate(night, "variant-2", "pass", "unchanged"),
        candidate(night, "variant-3", "pass", "unchanged"),
        changes=[changed(prompt)],
    )
    assert headline(night) == (
        f"A prompt changed ('{prompt}'): 4 of 8 cases broke, too few to be sure. "
        "Nothing else changed."
    )
    assert reasons(night)[1:] == [
        ("pass", "made", "'variant-2' and 'variant-3' are unchanged: prompt, model and every "
         "answer are the same as those of the baseline.")
    ]  # fmt: skip
    text = plain_text(page(document(night)))
    assert text.count("= unchanged") == 1
    assert "variant-2, variant-3" in text


def test_two_changes_are_both_named_and_the_sweep_of_a_job_is_said(night: JudgedNight) -> None:
    prompt = night.subjects[0].now.variants["variant-1"].prompt
    item = candidate(night, "variant-1", "undecided", "undecided", losses=2, wins=1)
    judged(night, item, changes=[changed(prompt), Change(DATA, "Cases: 1 added.")])
    night.subjects[0].sweep = "temperature=0"
    assert headline(night) == (
        f"A prompt ('{prompt}') and the data changed: 2 of 8 cases broke and 1 got better "
        "(temperature=0), too few to be sure."
    )
    item.outcome, item.row["verdict"] = "fail", "worse"
    assert "'variant-1' (label 12 % instead of 50 %) in made (temperature=0)" in headline(night)


def test_where_nothing_changed_that_is_said_first(night: JudgedNight) -> None:
    judged(night, candidate(night, "variant-1", "undecided", "undecided"))
    assert headline(night).startswith("Nothing was changed. Not decided: there are too few cases")
    judged(night, candidate(night, "variant-1", "pass", "unchanged"))
    assert headline(night) == (
        "Nothing changed: prompts, models and all answers are those of the baseline."
    )
    judged(night, candidate(night, "variant-1", "pass", "no worse"), changes=[changed()])
    assert headline(night).endswith("can be shipped. A prompt changed ('p0').")


def test_a_change_of_another_model_is_no_reason_for_this_variant(night: JudgedNight) -> None:
    item = candidate(night, "variant-1", "undecided", "undecided", losses=3)
    judged(night, item, changes=[Change(MODEL, "…", of="lab/other")])
    assert headline(night).startswith("The model changed ('lab/other'). Not decided:")


def test_since_when_it_is_worse(night: JudgedNight) -> None:
    judged(night, candidate(night, "variant-1", "fail", "worse"))
    past = [
        Night(f"n{day}", AT - DAY * (5 - day), "done", word)
        for day, word in enumerate(["fail", "pass", "fail", "undecided"], 1)
    ]
    night.nights = past
    accepted = dict(ACCEPTED, when=(AT - DAY * 9).isoformat())
    night.judged[0].accepted = accepted
    assert headline(night).endswith("Worse since n3: 3 nights in a row.")
    night.judged[0].accepted = dict(ACCEPTED, when=(AT - DAY * 1.5).isoformat())
    assert "Worse since" not in headline(night)  # a baseline was accepted after it
    assert worse_since(past[:2], None) == []


def test_the_usual_time_is_the_median_of_nights_that_ran_to_their_end() -> None:
    ran = [Night(str(n), AT, "done", "pass", (), seconds) for n, seconds in enumerate((9, 20, 30))]
    assert usual_seconds([*ran, Night("x", AT, "failed", None, (), 900.0)]) == 20
    assert usual_seconds(ran[:1]) is None


def test_a_scheduled_night_says_its_log_and_the_next_one(
    night: JudgedNight, monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    log = project / ".pex" / "logs" / "nightly.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    monkeypatch.setenv(nights.LOG, str(log))
    monkeypatch.setenv(nights.NEXT, "2026-03-11T02:00:00+00:00")
    found = document(night)
    assert found["log"] == ".pex/logs/nightly.log"
    assert found["next_due"] == datetime.datetime(2026, 3, 11, 2, tzinfo=datetime.UTC)
    night.nights = [Night("later", AT + DAY, "done")]
    assert document(night)["log"] is None  # the variables are of the later night


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Ann & Bo", "-c", "user.email=ann@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def with_prompt(night: JudgedNight, prompt: Prompt) -> Any:
    (subject,) = night.subjects
    info = VariantInfo("v", prompt.name, prompt.digest, "lab/m1")
    return dataclasses.replace(
        subject.now, about=dataclasses.replace(subject.now.about, variants=[info])
    )


def test_git_says_who_changed_a_prompt_and_how_to_get_it_back(
    night: JudgedNight, project: Path
) -> None:
    file = project / "experiments" / "made" / "prompts" / "short.prompty"
    file.parent.mkdir(parents=True)
    file.write_text("Good or bad? {{ x }}\n")
    before = with_prompt(night, Prompt.load(file))
    path = "experiments/made/prompts/short.prompty"

    def history() -> Any:
        now = with_prompt(night, Prompt.load(file))
        return prompt_history("short", now, before, project, project / "experiments/made")

    found = history()
    assert (found.path, found.changed, found.restore) == (path, "", "")  # no repository

    git(project, "init", "-q")
    git(project, "add", path)
    git(project, "commit", "-qm", "A prompt")
    file.write_text("Guess. {{ x }}\n")
    found = history()
    assert found.changed == "not committed yet"
    assert found.restore.startswith("git restore --source=")

    git(project, "commit", "-qam", "Shorter <b>prompt</b>")
    found = history()
    assert found.changed.startswith("Ann & Bo, commit ")
    assert found.changed.endswith(": Shorter <b>prompt</b>")
    subprocess.run(found.restore.split(), cwd=project, check=True, capture_output=True)
    assert file.read_text() == "Good or bad? {{ x }}\n"
    assert prompt_history("other", before, before, project, project) is None


def test_the_page_says_how_to_run_the_night_again(night: JudgedNight, project: Path) -> None:
    night.batch.plan = dataclasses.replace(night.batch.plan, file=project / "my plans" / "p.yaml")
    commands = [command for _, command in steps(night)]
    assert commands == [
        "pexlab batch 'my plans/p.yaml'",
        'pexlab batch accept tonight --why "…"',
    ]
