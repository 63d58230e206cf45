"""Where ratings by hand are stored: one line of a file each, on disk before anything else."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pex.cases import file as case_file
from pex.core import jsonl, private
from pex.core.errors import PexError, nearest
from pex.core.text import replace_surrogates

Choice = Literal["left", "right", "tie", "both bad"]
CHOICES: tuple[Choice, ...] = ("left", "right", "tie", "both bad")

FOLDER = "ratings"
"""In the project's `.pex/` folder."""
LOCK = ".lock"
"""In that folder, for all of its files."""
PATIENCE_S = 10.0

MAX_NOTE = 4_000
MAX_NAME = 80
_MAX_CHARS = {
    "pair": 64, "case_id": 10_000, "group": 10_000, "rater": MAX_NAME, "left": 500, "right": 500,
    "note": MAX_NOTE, "at": 40,
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class PairRating:
    """One person's rating of one pair of answers.

    `pair` is a digest of the case and both answers, so a rating stays with its answers, whatever
    run they are in. `left` and `right` are the variants as they were shown. `second_look` marks
    pairs shown again with sides swapped. `at` is UTC. `group` is that of the case, so that the
    data of a group can be deleted.
    """

    pair: str
    case_id: str
    repeat: int
    rater: str
    left: str
    right: str
    choice: Choice
    reasons: tuple[str, ...] = ()
    note: str = ""
    at: str = ""
    second_look: bool = False
    group: str = ""

    @property
    def key(self) -> tuple[str, str, bool]:
        """Of several ratings with the same key the last one counts."""
        return self.rater, self.pair, self.second_look

    @property
    def winner(self) -> str | None:
        """The better variant; None if neither was."""
        return {"left": self.left, "right": self.right}.get(self.choice)


@dataclasses.dataclass(frozen=True, slots=True)
class AnswerRating:
    """One person's rating of one answer, on a scale or by a category.

    `pair` is a digest of the case and the answer, whichever variants gave it; `choice` is a number
    of the scale, as text, or a category. The rest is as in `PairRating`.
    """

    pair: str
    case_id: str
    repeat: int
    rater: str
    choice: str
    reasons: tuple[str, ...] = ()
    note: str = ""
    at: str = ""
    second_look: bool = False
    group: str = ""

    @property
    def key(self) -> tuple[str, str, bool]:
        """Of several ratings with the same key the last one counts."""
        return self.rater, self.pair, self.second_look

    @property
    def winner(self) -> str:
        """What two ratings of the same answer have in common if they agree."""
        return self.choice


Rated = TypeVar("Rated", bound=PairRating | AnswerRating)


class RatingFile(Generic[Rated]):
    """The ratings of pairs or answers, a line of JSON each; a changed one is a new line.

    Args:
        path: the file; the first rating creates it and its folder.
        parse: reads a rating.

    Raises:
        PexError: the file cannot be read.
    """

    def __init__(self, path: Path, parse: Callable[[Any, str], Rated]) -> None:
        self.path = path
        self.parse = parse
        self._last = b""
        """The line before the offset."""
        self._reset()
        self.refresh()

    @property
    def ratings(self) -> list[Rated]:
        """The ratings that count, oldest first."""
        return sorted(self._newest.values(), key=lambda rated: rated.at)

    def refresh(self) -> None:
        """Read what other processes have added."""
        if not self.path.is_file():
            return
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset - len(self._last))
                if file.read(len(self._last)) != self._last:
                    # Lines were removed and a new file was put in its place, which can even
                    # have the same inode; the line that was read last is further up in it.
                    self._reset()
                    file.seek(0)
                data = file.read()
        except OSError as error:
            raise PexError(
                f"{self.path}: the ratings could not be read ({error.strerror})"
            ) from None
        # A line without its end is being written, or its writer was killed.
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        if whole:
            self._last = whole[whole[:-1].rfind(b"\n") + 1 :]
        for line in jsonl.lines_in(whole):
            if not line.strip():
                continue
            try:
                rated = self.parse(jsonl.entry_in(line), str(self.path))
            except PexError:
                self.damaged += 1
                continue
            self._newest[rated.key] = rated

    def _reset(self) -> None:
        self.damaged = 0
        """Lines that cannot be read, left when a writer was killed."""
        self._newest: dict[tuple[str, str, bool], Rated] = {}
        self._offset = 0
        self._last = b""

    def add(self, ratings: Sequence[Rated]) -> None:
        """Store ratings; they are on disk when this returns, and count only then.

        Raises:
            PexError: the file could not be written.
        """
        try:
            private.folder(self.path.parent)
            private.touch(self.path)
            with locked(self.path.parent):
                jsonl.append(self.path, map(dataclasses.asdict, ratings))
        except OSError as error:
            raise PexError(
                f"{self.path}: the rating could not be stored ({error.strerror})",
                hint="free some space or fix the permissions, then rate that pair again",
            ) from None
        self.refresh()

    def merge(self, ratings: Iterable[Rated]) -> int:
        """Store the ratings that are new or newer than those here; returns how many.

        Raises:
            PexError: the file could not be written.
        """
        self.refresh()
        new = [
            rated
            for rated in ratings
            if rated.key not in self._newest or rated.at > self._newest[rated.key].at
        ]
        if new:
            self.add(new)
        return len(new)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other process from writing to the ratings of a project.

    Raises:
        PexError: another process holds the lock for too long.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / LOCK, timeout=PATIENCE_S):
            yield
    except Timeout:
        raise PexError(
            f"{folder}: the ratings are being written by another process", hint="try again"
        ) from None


def forget(state: Path, case_id: str | None, group: str | None, go: bool) -> int:
    """Delete the ratings of a case, or of a group of cases, from all files of a project.

    Args:
        state: the project's `.pex/` folder.
        case_id: the case; None for every case of the group.
        group: the group; None for the case, whatever its group is.
        go: delete them; False only counts them.

    Returns:
        How many lines there are.
    """
    found = 0
    paths = sorted((state / FOLDER).glob("*.jsonl"))
    for path in paths:
        with locked(path.parent) if go else contextlib.nullcontext():
            seen, lines = path.stat(), jsonl.lines_in(path.read_bytes())
            kept = [line for line in lines if not _belongs_to(line, case_id, group)]
            found += len(lines) - len(kept)
            if go and len(kept) < len(lines):
                case_file.write(path, b"".join(kept), seen)
    return found


def _belongs_to(line: bytes, case_id: str | None, group: str | None) -> bool:
    data = jsonl.entry_in(line)
    if data is None:  # half a line can belong to any case
        return any(name is not None and jsonl.mentions(line, name) for name in (case_id, group))
    of_case, of_group = data.get("case_id"), data.get("group")
    return (case_id is None or of_case == case_id) and (group is None or of_group == group)


def parse_rating(data: Any, where: str) -> PairRating:
    """A rating from JSON of unknown origin.

    Args:
        data: the parsed JSON.
        where: its place, for the message.

    Raises:
        PexError: a value is missing or wrong.

    Example:
        >>> parse_rating({"pair": "p", "rater": "ada", "choice": "better"}, "mine.json, rating 3")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: mine.json, rating 3: choice is 'better'
          expected one of left, right, tie, both bad
    """
    return PairRating(**_checked(data, where, PairRating, CHOICES))


def parse_answer_rating(data: Any, where: str, choices: Sequence[str]) -> AnswerRating:
    """The same for a rating of one answer; `choices` are what it can be."""
    return AnswerRating(**_checked(data, where, AnswerRating, choices))


def _checked(data: Any, where: str, kind: type[Any], choices: Sequence[str]) -> dict[str, Any]:
    """The fields of a rating, or a `PexError`."""
    if not isinstance(data, Mapping):
        raise PexError(f"{where}: expected a rating, got {type(data).__name__}")
    if data.get("choice") not in choices:
        raise PexError(
            f"{where}: choice is {data.get('choice')!r}",
            hint=f"expected one of {', '.join(choices)}",
        )
    names = {field.name for field in dataclasses.fields(kind)}
    unknown = sorted(str(name) for name in data if name not in names)
    if unknown:
        raise PexError(f"{where}: unknown key '{unknown[0]}'", hint=nearest(unknown[0], names))
    for name, most in _MAX_CHARS.items():
        if name not in names:
            continue
        text = data.get(name, "")
        least = 0 if name in ("note", "group") else 1
        if not isinstance(text, str) or not least <= len(text) <= most:
            raise PexError(f"{where}: {name}: expected a string of {least} to {most:,} characters")
    try:
        datetime.datetime.fromisoformat(data["at"])
    except ValueError:
        raise PexError(f"{where}: at is {data['at']!r}, expected a time") from None
    reasons = data.get("reasons", [])
    if not isinstance(reasons, list | tuple) or not all(
        isinstance(reason, str) and len(reason) <= MAX_NAME for reason in reasons
    ):
        raise PexError(f"{where}: reasons: expected a list of short strings")
    if not isinstance(data.get("repeat"), int) or not isinstance(data.get("second_look"), bool):
        raise PexError(f"{where}: expected 'repeat' as a number and 'second_look' as true or false")
    texts = {
        "note": replace_surrogates(data.get("note", "")),
        "rater": replace_surrogates(data["rater"]),
    }
    return {**data, **texts, "reasons": tuple(map(replace_surrogates, reasons))}
