"""The page of a night: its text, and its copies: beside the notebooks, in MLflow, in mails."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pex.batch.night.document import document
from pex.batch.night.junit import junit as junit_text
from pex.batch.night.night import PAGE, JudgedNight
from pex.batch.night.notify import notify
from pex.record.nights import attach
from pex.report import night as night_page


def page(night: JudgedNight) -> str:
    """The page of a night: one HTML file that links only to the store, to be sent elsewhere."""
    return night_page.page(document(night))


def part(night: JudgedNight) -> str:
    """The page of a night as part of another, such as a notebook's output."""
    return night_page.part(document(night))


def write_page(
    night: JudgedNight,
    say: Callable[[str], None],
    report: Path | None = None,
    junit: Path | None = None,
) -> Path:
    """Write the requested files, store the page with the night's runs, send the plan's notices.

    Args:
        night: the judged night.
        say: gets a line for each notice.
        report: an additional path for the page.
        junit: the path for the JUnit XML.
    """
    path = night.batch.folder / PAGE
    found = document(night)
    content = night_page.page(found)
    for subject in night.subjects[:20]:
        attach(night.uri, subject.now.run["run_id"], PAGE, content)
    path.write_text(night_page.page(found, ""), encoding="utf-8")
    for wanted in (report, junit):
        if wanted is not None:
            wanted.parent.mkdir(parents=True, exist_ok=True)
    if report is not None:
        way = Path(os.path.relpath(path.parent, report.parent)).as_posix() + "/"
        report.write_text(night_page.page(found, way), encoding="utf-8")
    if junit is not None:
        junit.write_text(junit_text(night), encoding="utf-8")
    notify(night, content, say)
    return path
