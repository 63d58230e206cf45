"""A night as JUnit XML, which every CI system can show: notebooks and gates as test cases."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from pex.batch.junit_xml import add_suite, clean_xml, written
from pex.batch.night.night import JudgedNight
from pex.compare.gate import FAIL, PASS


def junit(night: JudgedNight) -> str:
    """The file's text: suites for notebooks, the gate's candidates, cases of incidents."""
    batch = night.batch
    plan = clean_xml(batch.plan.name)
    root = Xml.Element("testsuites", name=f"{plan} {clean_xml(batch.batch_id)}")
    jobs = add_suite(root, f"{plan}: notebooks", night.started_at)
    for item in batch.results:
        case = Xml.SubElement(
            jobs, "testcase", name=clean_xml(item.job.id), classname=f"{plan}.notebooks",
            time=f"{item.seconds:.3f}",
        )  # fmt: skip
        if item.status == "skipped":
            Xml.SubElement(case, "skipped", message=clean_xml(item.error or ""))
        elif item.status != "done":
            Xml.SubElement(case, "error", type=item.status, message=clean_xml(item.error or ""))
    gates = add_suite(root, f"{plan}: gate", night.started_at)
    for judged in night.judged:
        where = f"{judged.run['experiment']}.{judged.run['job_id']}"
        case = Xml.SubElement(
            gates, "testcase", classname=clean_xml(where), time="0",
            name=clean_xml(f"{judged.candidate or 'baseline'} on {judged.metric}"),
        )  # fmt: skip
        if judged.outcome == FAIL or (judged.outcome != PASS and judged.on_undecided == "fail"):
            kind = "worse" if judged.outcome == FAIL else "undecided"
            failure = Xml.SubElement(case, "failure", type=kind, message=clean_xml(judged.reason))
            failure.text = clean_xml(judged.reason)
        elif judged.outcome != PASS:
            Xml.SubElement(case, "skipped", message=clean_xml(judged.reason))
        else:
            Xml.SubElement(case, "system-out").text = clean_xml(judged.reason)
    if night.incidents:
        _add_incidents(root, plan, night)
    return written(root)


def _add_incidents(root: Xml.Element, plan: str, night: JudgedNight) -> None:
    """A suite for the cases of closed incidents."""
    suite = add_suite(root, f"{plan}: cases of incidents", night.started_at)
    for subject in night.subjects:
        where = clean_xml(f"{subject.now.run['experiment']}.{subject.now.run['job_id']}")
        for item in subject.incidents:
            name = clean_xml(f"{item.incident}, case {item.case_id} on {item.variant}")
            case = Xml.SubElement(suite, "testcase", classname=where, time="0", name=name)
            said = clean_xml(item.sentence)
            if item.outcome == FAIL:
                Xml.SubElement(case, "failure", type="incident", message=said).text = said
            elif item.outcome != PASS:
                Xml.SubElement(case, "skipped", message=said)
