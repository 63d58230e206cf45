"""A team's own lessons: `lessons.md` of the project, each with the run that shows it."""

from __future__ import annotations

import datetime
from pathlib import Path

from pex.core.errors import PexError
from pex.core.project import led_outside
from pex.core.safe_text import clean, in_markdown
from pex.core.textfile import read_text
from pex.core.user_name import user_name
from pex.results.results import Results

FILE = "lessons.md"
HEAD = """\
# Lessons
What we have learned about our prompts, the newest last. `pexlab lesson add RUN "…"` adds one, with
what the run showed.

- Write what to do next time, not only what happened.
- A lesson is about the cases and the model of its run. Try it again before you rely on it.
- Strike out what later runs contradict, and add why; do not delete it.
"""
_LONGEST = 300


def add_lesson(results: Results, text: str, project: Path) -> Path:
    """Append a lesson to the project's `lessons.md`, dated, with the verdict and the run's page.

    The file is made with the first lesson. What people write into it stays.

    Args:
        results: of a recorded run.
        text: the lesson, in a sentence or two on one line.
        project: the project's folder.

    Returns:
        The file.

    Raises:
        PexError: the text is empty, has several lines or is too long, the run is not recorded, the
            file has the same lesson of the same run, or it cannot be written.
    """
    said = text.strip()
    if not said or "\n" in said or len(said) > _LONGEST:
        raise PexError(
            f"a lesson is one line of at most {_LONGEST} characters, got {said[:40]!r}",
            hint="write what to do next time; details go below it in the file",
        )
    if results.run_id is None:
        raise PexError("the run is not recorded: a lesson needs a run that shows it")
    path = project / FILE
    if led_outside(path, project):
        raise PexError(f"{path}: is a link that leads out of the project")
    before = read_text(path, "lessons") if path.exists() else HEAD
    title = in_markdown(clean(said))
    if any(
        block.startswith(f"{title}\n", len("2026-01-31: ")) and results.run_id in block
        for block in before.split("\n## ")[1:]
    ):
        raise PexError(f"{path}: has this lesson of this run already")
    entry = f"{'' if before.endswith(chr(10)) else chr(10)}\n{_entry(results, title)}"
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(entry if path.stat().st_size else before + entry)
    except OSError as error:
        raise PexError(f"{path} cannot be written: {error.strerror or error}") from None
    return path


def _entry(results: Results, title: str) -> str:
    from pex.report.comparison import sentences

    table = results.verdicts()
    found = ["The run has no verdict: one variant only, or no score."]
    if table is not None and len(table):
        found = sentences(table[table["metric"] == table["metric"].iloc[0]])
    recorded = results.recorded
    name = in_markdown(clean(recorded.name if recorded else str(results.run_id)))
    shown = f"[{name}]({recorded.url})" if recorded and recorded.url else name
    day = datetime.datetime.now().astimezone().date().isoformat()
    lines = [
        f"## {day}: {title}",
        *(f"- {in_markdown(clean(sentence))}" for sentence in found),
        f"- Run: {shown}, of {in_markdown(results.about.name)}; `pexlab report {results.run_id}`",
        f"- Added by {in_markdown(clean(user_name()))}",
    ]
    return "\n".join(lines) + "\n"
