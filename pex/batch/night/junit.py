"""A night as JUnit XML, which every CI system can show: notebooks and gates as test cases."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from pex.batch.night.night import JudgedNight
from pex.compare.gate import FAIL, PASS
from pex.guard.redact import redact

_INVALID = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot contain."""


def junit(night: JudgedNight) -> str:
    """The file's text: one suite for the notebooks, one for the gate's candidates."""
    batch = night.batch
    plan = _clean(batch.plan.name)
    root = Xml.Element("testsuites", name=f"{plan} {_clean(batch.batch_id)}")
    jobs = _suite(root, f"{plan}: notebooks", night)
    for item in batch.results:
        case = Xml.SubElement(
            jobs, "testcase", name=_clean(item.job.id), classname=f"{plan}.notebooks",
            time=f"{item.seconds:.3f}",
        )  # fmt: skip
        if item.status == "skipped":
            Xml.SubElement(case, "skipped", message=_clean(item.error or ""))
        elif item.status != "done":
            Xml.SubElement(case, "error", type=item.status, message=_clean(item.error or ""))
    gates = _suite(root, f"{plan}: gate", night)
    for judged in night.judged:
        where = f"{judged.run['experiment']}.{judged.run['job_id']}"
        case = Xml.SubElement(
            gates, "testcase", classname=_clean(where), time="0",
            name=_clean(f"{judged.candidate or 'baseline'} on {judged.metric}"),
        )  # fmt: skip
        if judged.outcome == FAIL or (judged.outcome != PASS and judged.on_undecided == "fail"):
            kind = "worse" if judged.outcome == FAIL else "undecided"
            failure = Xml.SubElement(case, "failure", type=kind, message=_clean(judged.reason))
            failure.text = _clean(judged.reason)
        elif judged.outcome != PASS:
            Xml.SubElement(case, "skipped", message=_clean(judged.reason))
        else:
            Xml.SubElement(case, "system-out").text = _clean(judged.reason)
    for suite in (jobs, gates):
        cases = list(suite)
        suite.set("tests", str(len(cases)))
        for tag, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: Xml.Element, name: str, night: JudgedNight) -> Xml.Element:
    at = night.started_at.replace(microsecond=0).isoformat()
    return Xml.SubElement(root, "testsuite", name=name, timestamp=at)


def _clean(text: str) -> str:
    return _INVALID.sub("\ufffd", redact(text))
