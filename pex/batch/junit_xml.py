"""JUnit XML, which every CI system can show: suites, counts, and no invalid characters."""

from __future__ import annotations

import datetime
import re
from xml.etree import ElementTree as Xml

from pex.guard.redact import redact

_INVALID = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot contain."""


def add_suite(root: Xml.Element, name: str, at: datetime.datetime) -> Xml.Element:
    """A new suite in the root element; its test cases are added to it."""
    stamp = at.replace(microsecond=0).isoformat()
    return Xml.SubElement(root, "testsuite", name=name, timestamp=stamp)


def written(root: Xml.Element) -> str:
    """The file's text; each suite gets the counts of its cases."""
    for suite in root:
        cases = list(suite)
        suite.set("tests", str(len(cases)))
        for tag, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def clean_xml(text: str) -> str:
    """A text without secrets and without characters that XML cannot contain."""
    return _INVALID.sub("\ufffd", redact(text))
