"""The page of a night: its text, and where it goes: beside the notebooks, to MLflow, to people."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from pex.batch.night.document import document
from pex.batch.night.junit import junit as junit_text
from pex.batch.night.night import PAGE, Morning
from pex.batch.night.notify import notify
from pex.record.nights import attach
from pex.report import night


def page(morning: Morning) -> str:
    """The page of a night: one HTML file without links to anything but the store."""
    return night.page(document(morning))


def part(morning: Morning) -> str:
    """The page of a night as a piece of another one, such as a notebook's output."""
    return night.part(document(morning))


def write_page(
    morning: Morning,
    say: Callable[[str], None],
    report: Path | None = None,
    junit: Path | None = None,
) -> Path:
    """Write what is asked for, keep the page with the night's runs, tell whom the plan names.

    Args:
        morning: the night.
        say: gets a line for each notice.
        report: where else the page is written.
        junit: where JUnit XML is written.
    """
    path = morning.batch.folder / PAGE
    content = page(morning)
    path.write_text(content, encoding="utf-8")
    for subject in morning.subjects[:20]:
        attach(morning.uri, subject.now.run["run_id"], path)
    for wanted in (report, junit):
        if wanted is not None:
            wanted.parent.mkdir(parents=True, exist_ok=True)
    if report is not None:
        shutil.copyfile(path, report)
    if junit is not None:
        junit.write_text(junit_text(morning), encoding="utf-8")
    notify(morning, content, say)
    return path
