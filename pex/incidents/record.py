"""One incident: a Markdown file in `incidents/` that people read, edit and keep in git.

pex writes its front matter and lines of its timeline. Everything else is the team's, and stays.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.cases.file import write
from pex.core import private
from pex.core.errors import PexError, nearest
from pex.core.project import led_outside
from pex.core.safe_text import clean, from_markdown, in_markdown
from pex.core.textfile import read_bytes
from pex.core.user_name import user_name
from pex.incidents.fields import read_fields, with_fields
from pex.incidents.moments import minute_of, moment_of, now

FOLDER = "incidents"
TEMPLATE = "template.md"
TAG = "incident-"
"""The start of the tag that an incident's case has in the experiment's cases."""
LARGEST_MB = 5
"""Of a record or the template: people write and read them."""
TIMES = ("began_at", "noticed_at", "contained_at", "fixed_at", "closed_at")
_HEADING = re.compile(r"#{1,6}[ \t](.*)")
_BLOCK = frozenset("#>-+*=~_|:")
"""Signs that begin a heading, a list and the like at the start of a line."""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


@dataclasses.dataclass(frozen=True, slots=True)
class Incident:
    """An incident as its record has it.

    Args:
        path: its file.
        text: the whole file.
        fields: its front matter.
        times: by the names of `TIMES`, those that are known.
    """

    path: Path
    text: str
    fields: Mapping[str, Any]
    times: Mapping[str, datetime.datetime]

    @property
    def id(self) -> str:
        """Its id: the name of its file."""
        return str(self.path.stem)

    @property
    def title(self) -> str:
        """What it is about, in a line."""
        return self.word("title") or self.id

    @property
    def prompt(self) -> str:
        """The prompt of the library; empty if none is known."""
        return _word(self.fields.get("prompt"))

    @property
    def severity(self) -> int:
        """1 is the worst."""
        return int(self.fields["severity"])

    @property
    def drill(self) -> bool:
        """Whether it was made to practise."""
        return self.fields.get("drill") is True

    @property
    def unattended(self) -> bool:
        """Whether nobody took part in a drill: its times are the machine's."""
        return self.fields.get("unattended") is True

    @property
    def affected(self) -> tuple[int, ...]:
        """The versions of the prompt that do harm."""
        return tuple(self.fields.get("affected") or ())

    @property
    def aliases(self) -> tuple[str, ...]:
        """The aliases whose applications were affected."""
        return tuple(str(name) for name in self.fields.get("aliases") or ())

    @property
    def containment(self) -> tuple[Mapping[str, Any], ...]:
        """What was done to contain it, to be undone in the reverse order."""
        return tuple(self.fields.get("containment") or ())

    def word(self, name: str) -> str:
        """A key of the front matter as a string; empty if it has no value."""
        return _word(self.fields.get(name))

    @property
    def state(self) -> str:
        """open, contained, fixed or closed: the last of these that has a time."""
        for name in reversed(TIMES[2:]):
            if name in self.times:
                return str(name.removesuffix("_at"))
        return "open"

    @property
    def tag(self) -> str:
        """The tag of its case."""
        return f"{TAG}{self.id}"

    def took(self, name: str) -> datetime.timedelta | None:
        """How long it took to notice it since it began, to contain or fix it since it was noticed.

        Args:
            name: noticed, contained, fixed or closed.

        Returns:
            None if a time is not known, or the later one is before the earlier one.
        """
        since = self.times.get("began_at" if name == "noticed" else "noticed_at")
        at = self.times.get(f"{name}_at")
        return None if since is None or at is None or at < since else at - since

    def timeline(self) -> list[str]:
        """The lines of its timeline as people read them, without the marks of a list."""
        lines = self.text.replace("\r\n", "\n").split("\n")
        place = _section(lines, "timeline")
        if place is None:
            return []
        found = (line.strip() for line in lines[slice(*place)])
        return [from_markdown(line[1:].strip()) for line in found if line[:2] in ("- ", "* ")]


def _word(value: Any) -> str:
    return "" if value is None else str(value)


def parse(path: Path, text: str) -> Incident:
    """A record from its text.

    Raises:
        PexError: a key of its front matter does not fit; the error names the file and the key.
    """
    where = f"{FOLDER}/{path.name}"
    fields = read_fields(text, where)
    severity, affected = fields.get("severity"), fields.get("affected")
    if not isinstance(severity, int) or isinstance(severity, bool) or severity < 1:
        raise PexError(f"{where}: 'severity': expected a whole number from 1, got {severity!r}")
    whole = isinstance(affected, list) and all(
        isinstance(number, int) and not isinstance(number, bool) for number in affected
    )
    if affected is not None and not whole:
        raise PexError(
            f"{where}: 'affected': expected versions of the prompt, such as [3, 4], got "
            f"{affected!r}"
        )
    for name, kind in (("aliases", str), ("containment", dict)):
        value = fields.get(name)
        if value is not None and not (
            isinstance(value, list) and all(isinstance(item, kind) for item in value)
        ):
            raise PexError(f"{where}: '{name}': expected a list in brackets, got {value!r}")
    times = {}
    for name in TIMES:
        value = fields.get(name)
        if value in (None, ""):
            continue
        try:
            times[name] = moment_of(str(value))
        except ValueError as error:
            raise PexError(f"{where}: '{name}': {error}, got {str(value)!r}") from None
    return Incident(path, text, fields, times)


def read(path: Path) -> Incident:
    """Read a record.

    Raises:
        PexError: it cannot be read.
    """
    where = f"{FOLDER}/{path.name}"
    return parse(path, text_of_file(path, where))


def text_of_file(path: Path, where: str) -> str:
    """The text of a record or of the template.

    Raises:
        PexError: it cannot be read, is too large, or is a pipe or a device.
    """
    try:
        return read_bytes(path, "incident", LARGEST_MB).decode("utf-8")
    except UnicodeDecodeError:
        raise PexError(f"{where}: it is not UTF-8", hint="save it as UTF-8") from None


def folder_of(project: Path) -> Path:
    """The folder of the project's records, made if it is missing.

    Raises:
        PexError: it cannot be made, or it is a link that leads out of the project.
    """
    folder = project / FOLDER
    if (target := led_outside(folder, project)) is not None:
        raise PexError(
            f"{FOLDER}/ leads out of the project, to {str(target)!r}",
            hint="records are written into the project only: put a folder in its place",
        )
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise PexError(f"{FOLDER}/: {error.strerror or error}") from None
    return folder


def incidents(project: Path) -> tuple[list[Incident], list[str]]:
    """The incidents of a project, the newest first, and what could not be read, in sentences."""
    found, problems = [], []
    for path in sorted((project / FOLDER).glob("*.md")):
        if path.name == TEMPLATE or path.name.startswith(".") or led_outside(path, project):
            continue
        try:
            found.append(read(path))
        except PexError as error:
            problems.append(error.message)
    found.sort(key=lambda item: (item.times.get("noticed_at", _LONG_AGO), item.id), reverse=True)
    return found, problems


_LONG_AGO = datetime.datetime.min.replace(tzinfo=datetime.UTC)


def find(project: Path, wanted: str | None) -> Incident:
    """An incident by its id or a part of it; without one, the only incident that is not closed.

    Raises:
        PexError: there is none, or several.
    """
    known, problems = incidents(project)
    if wanted is None:
        chosen = [item for item in known if item.state != "closed" and not item.drill]
        none = "no incident is open"
    else:
        name = Path(wanted).stem if wanted.endswith(".md") else wanted
        exact = [item for item in known if item.id == name]
        chosen = exact or [item for item in known if name in item.id]
        none = f"there is no incident '{wanted}'"
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        shown = "; ".join(f"{item.id} ({item.state})" for item in chosen)
        raise PexError(f"which incident? {shown}", hint="name one")
    hint = "`pexlab incident new TRACE` opens one; `pexlab incident list` shows all"
    if wanted is not None and known:
        hint = nearest(wanted, [item.id for item in known])
    raise PexError(none, hint=problems[0] if problems and not known else hint)


def entry(text: str, at: datetime.datetime | None = None, who: str | None = None) -> str:
    r"""A line of a timeline: when, who, what; texts of others add no line, link or picture to it.

    Example:
        >>> entry("a\n## b ![](//c)", moment_of("2026-11-30 02:00 UTC"), "Ada\n- Bob")
        '2026-11-30 02:00 UTC · Ada - Bob · a ## b !\\[\\](//c)'
    """
    return f"{minute_of(at or now())} · {plain(who or user_name())} · {plain(text)}"


def plain(text: str) -> str:
    r"""A text of others on one line of Markdown: no heading, list, link, picture or HTML.

    Example:
        >>> print(plain("# A\n- <b> [c](d)"))
        \# A - &lt;b> \[c\](d)
    """
    line = in_markdown(" ".join(clean(text).split()))
    return f"\\{line}" if line[:1] in _BLOCK else line


@contextlib.contextmanager
def locked(project: Path) -> Iterator[None]:
    """One process at a time changes records and switches aliases for them.

    Raises:
        PexError: another process has been at it for a minute.
    """
    from filelock import FileLock, Timeout

    state = private.folder(private.state(project))
    try:
        with FileLock(state / "incidents.lock", timeout=60):
            yield
    except Timeout:
        raise PexError(
            "another process is working on the incidents of this project", hint="try again"
        ) from None


def update(
    path: Path, fields: Mapping[str, Any] | None = None, entries: Sequence[str] = ()
) -> Incident:
    """Change keys of a record and add lines to its timeline; everything else stays as it is.

    Args:
        path: the record, read again: somebody may have edited it meanwhile.
        fields: keys with their new values.
        entries: lines from `entry`.

    Raises:
        PexError: it cannot be changed in place, or somebody has written to it at this moment.
    """
    seen = path.stat()
    incident = read(path)
    text = with_fields(incident.text, f"{FOLDER}/{path.name}", fields or {})
    text = with_entries(text, entries)
    changed = parse(path, text)
    if text != incident.text:
        write(path, text.encode("utf-8"), seen)
    return changed


def with_entries(text: str, entries: Sequence[str]) -> str:
    r"""The text with lines at the end of its section "Timeline", which is made if it is missing.

    Example:
        >>> with_entries("# A\n\n## Timeline\n- one\n\n## Rest\n", ["two"])
        '# A\n\n## Timeline\n- one\n- two\n\n## Rest\n'
        >>> with_entries("# A", ["one"])
        '# A\n\n## Timeline\n- one\n'
    """
    if not entries:
        return text
    line_end = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    place = _section([line.rstrip("\r\n") for line in lines], "timeline")
    added = [f"- {line}{line_end}" for line in entries]
    if lines and not lines[-1].endswith(("\n", "\r")):
        lines[-1] += line_end
    if place is None:
        return "".join([*lines, line_end, f"## Timeline{line_end}", *added])
    start, end = place
    while end > start and not lines[end - 1].strip():
        end -= 1
    return "".join([*lines[:end], *added, *lines[end:]])


def _section(lines: Sequence[str], title: str) -> tuple[int, int] | None:
    """The lines of the section with this heading, without the heading; code is no heading."""
    start, fence = None, ""
    for number, line in enumerate(lines):
        mark = _FENCE.match(line)
        if fence:
            closes = mark and mark[1].startswith(fence) and not line.strip(f" {fence[0]}")
            fence = "" if closes else fence
            continue
        if mark:
            fence = mark[1]
            continue
        heading = _HEADING.fullmatch(line)
        if heading is None:
            continue
        if start is not None:
            return start, number
        if heading[1].rstrip("#").strip(" \t").casefold() == title:
            start = number + 1
    return None if start is None else (start, len(lines))
