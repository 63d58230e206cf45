"""The case of a closed incident in a night: every repeat passes, or the gate fails."""

import dataclasses
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from pex.batch.night.as_json import as_json
from pex.batch.night.document import document
from pex.batch.night.headline import headline, reasons
from pex.batch.night.incident_cases import incident_cases
from pex.batch.night.junit import junit
from pex.batch.night.night import JudgedNight
from pex.batch.summary import collect
from pex.core.project import find_project
from pex.report.night import page
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.markup import plain_text
from tests.helpers.night_pages import judged_night

RECORD = "---\ntitle: Harm\nprompt: {}\nclosed_at: {}\n---\n# Harm\n"


@pytest.fixture
def night(project: Path, lab: FaultyEndpoint) -> JudgedNight:
    """A night of two variants whose gate passes; the first case is of an incident, and right."""
    found = judged_night(project, 4, 2)
    (subject,) = found.subjects
    subject.judged[0].outcome = "pass"
    frame = subject.now.frame
    first = frame["case_id"] == frame["case_id"].iloc[0]
    frame["tags"] = [["incident-2026-05-01-harm"] if of else [] for of in first]
    frame.loc[first, "score.label"] = 1.0
    (find_project(project) / "incidents").mkdir()
    return found


def looked_at(night: JudgedNight, prompt: str = "", closed: str = "2026-05-02 10:00 UTC") -> None:
    (subject,) = night.subjects
    project = find_project(night.batch.plan.folder)
    record = project / "incidents" / "2026-05-01-harm.md"
    record.write_text(RECORD.format(prompt, closed))
    subject.incidents = incident_cases(subject.now, project)


def shown(night: JudgedNight) -> tuple[str, Xml.Element, dict]:
    text = plain_text(page(document(night)))
    told = as_json(night.batch, collect(night.batch, night.uri), night, None)
    return text, Xml.fromstring(junit(night)), told


def test_a_failing_case_fails_the_night_that_the_gate_passes(night: JudgedNight) -> None:
    (subject,) = night.subjects
    frame = subject.now.frame
    frame.loc[frame.index[frame["tags"].map(bool)][-1], "score.label"] = 0.0
    looked_at(night)
    assert (night.outcome, night.exit_code) == ("fail", 1)
    said = "which was closed on 2026-05-02"
    assert headline(night).startswith("A case of a closed incident fails again: ")
    assert "shipped" not in headline(night)
    assert [outcome for outcome, *_ in reasons(night)] == ["fail", "fail", "pass"]
    assert said in reasons(night)[0][2]
    assert "no: label" in reasons(night)[0][2]
    text, suites, told = shown(night)
    assert said in text
    assert "Cases of incidents: 0 of 1 pass." in text
    (failure,) = suites.findall(".//failure[@type='incident']")
    assert said in failure.attrib["message"]
    assert {item["outcome"] for item in told["incidents"]} == {"fail", "pass"}
    assert told["exit_code"] == 1


def test_cases_that_pass_or_cannot_be_told_or_of_open_incidents_fail_nothing(
    night: JudgedNight,
) -> None:
    (subject,) = night.subjects
    frame = subject.now.frame
    looked_at(night)
    assert (night.outcome, reasons(night)[0][2]) == ("pass", "cases of incidents: 1 of 1 passes.")

    place = frame.index[frame["tags"].map(bool)][-1]
    frame.loc[place, ["error", "error_kind"]] = ["no answer", "timeout"]
    frame.loc[place, "score.label"] = float("nan")
    looked_at(night)
    assert (night.exit_code, reasons(night)[0][0]) == (0, "undecided")
    assert "the call ended in an error (timeout)" in reasons(night)[0][2]

    frame.loc[place, ["error", "error_kind", "score.label"]] = [None, None, 0.0]
    one = subject.now.variants["variant-0"]
    subject.now.about = dataclasses.replace(
        subject.now.about,
        variants=[dataclasses.replace(one, prompt="own"), subject.now.variants["variant-1"]],
    )
    looked_at(night, prompt="own")
    assert {item.variant for item in subject.incidents} == {"variant-0"}  # what did harm
    looked_at(night, closed="")
    assert subject.incidents == []
    text, suites, told = shown(night)
    assert "ncident" not in text + Xml.tostring(suites, encoding="unicode")
    assert "incidents" not in told
