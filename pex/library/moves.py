"""The history of aliases: who moved which alias of which prompt, when, from where, and why.

MLflow records only an alias's current version. pex keeps each move twice: all of them as lines of
`library/moves.jsonl`, in git, and the last one of each alias as a tag of the prompt in the
registry, `pex.move.<alias>`. The tag travels with the registry, the lines with the project.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core import jsonl, private
from pex.core.errors import PexError

BY = "pex.by"
"""The tag of a version with the name of the person who saved it."""
FILE = "library/moves.jsonl"
TAG = "pex.move."
"""The start of the tag of a prompt with the last move of an alias."""
SUMMARY = "pex.moved."
"""The start of the tag with the same in a few words, for MLflow's page."""
ANNOUNCED = "pex.moving."
"""The start of the tag of a prompt while an alias is being moved; see `move_alias`."""
KINDS = ("promote", "rollback", "set")

_EARLIER_TAG = "pex.alias."
"""The tag that pexlab 0.1 wrote: `by`, `at`, `before`, `to`."""
_TAG_LENGTH = 5000
_CONFLICT = (b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")
_ATTRIBUTES = (
    "# Lines are only ever added, so git keeps those of both branches.\n*.jsonl merge=union\n"
)
_PATIENCE_S = 60
_CLOCKS = datetime.timedelta(minutes=5)
"""How far the clocks of two machines may differ before it is said."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A move of an alias to version `to`; `before` is None if it pointed to none.

    `sha256` and `digest` are the new version's. A promotion names its evidence: the run, its
    experiment, the verdict in a word and in a sentence, and the hash of the cases. `because` is
    the reason that a person gave, `review` the id of the review that accepted it.

    Example:
        >>> at = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
        >>> move = Move(prompt="short", alias="champion", before=3, to=5, by="ada", at=at)
        >>> json.dumps(move.to_json())[:77]
        '{"prompt": "short", "alias": "champion", "from": 3, "to": 5, "by": "ada", "at'
        >>> Move.from_json(move.to_json()) == move
        True
    """

    prompt: str
    alias: str
    before: int | None
    to: int
    by: str
    at: datetime.datetime
    sha256: str = ""
    digest: str = ""
    kind: str = "set"
    run_id: str = ""
    experiment: str = ""
    verdict: str = ""
    sentence: str = ""
    cases_sha256: str = ""
    because: str = ""
    review: str = ""

    def to_json(self) -> dict[str, Any]:
        """The move as plain data: a line of the file."""
        found = {"from" if key == "before" else key: value for key, value in _fields(self)}
        return {**found, "at": self.at.astimezone(datetime.UTC).isoformat(timespec="milliseconds")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Move:
        """The move from plain data; unknown keys, of a newer pexlab, are left out.

        Raises:
            ValueError: a key is missing or has an unexpected value.
        """
        for key, kind in (("prompt", str), ("alias", str), ("to", int), ("by", str), ("at", str)):
            if not isinstance(data.get(key), kind) or isinstance(data[key], bool):
                raise ValueError(f"'{key}': expected {_KIND[kind]}, got {data.get(key)!r}")
        before = data.get("from")
        if before is not None and (not isinstance(before, int) or isinstance(before, bool)):
            raise ValueError(f"'from': expected a version number or null, got {before!r}")
        at = datetime.datetime.fromisoformat(data["at"])
        if at.tzinfo is None:
            raise ValueError(f"'at': expected a time with a zone, got {data['at']!r}")
        names = [field.name for field in dataclasses.fields(cls)][6:]
        others = {name: str(data[name]) for name in names if data.get(name) is not None}
        return cls(prompt=data["prompt"], alias=data["alias"], before=before, to=data["to"],
                   by=data["by"], at=at, **others)  # fmt: skip

    @property
    def key(self) -> tuple[Any, ...]:
        """The same for the same move, also if its tag was shortened."""
        return self.prompt, self.alias, self.before, self.to, self.by, self.to_json()["at"]


_KIND = {str: "a string", int: "a version number"}


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """A move as it stands in the file, with the line's number."""

    number: int
    move: Move


@dataclasses.dataclass(frozen=True, slots=True)
class History:
    """The moves of a project, oldest first, and remarks on lines that cannot be trusted."""

    lines: Sequence[Line] = ()
    remarks: Sequence[str] = ()

    def moves(self, prompt: str | None = None, alias: str | None = None) -> list[Move]:
        """The moves of a prompt, of one of its aliases, or all; oldest first."""
        return [
            line.move
            for line in self.lines
            if prompt in (None, line.move.prompt) and alias in (None, line.move.alias)
        ]


def read_history(project: Path) -> History:
    """Read the moves of a project.

    A line that git or a killed writer left damaged is named in `remarks` and never rewritten. Two
    branches' lines may be in any order: the moves are sorted by their time, a line that git kept
    twice counts once.

    Args:
        project: the project's folder.

    Raises:
        PexError: the file cannot be read.
    """
    path = project / FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return History()
    except OSError as error:
        raise PexError(f"{FILE}: cannot be read: {error.strerror or error}") from None
    lines, remarks = [], []
    known: set[tuple[Any, ...]] = set()
    for number, line in enumerate(jsonl.lines_in(data), 1):
        found = _line(line)
        if isinstance(found, str):
            remarks.append(f"{FILE}, line {number}: {found}")
        elif found is not None and found.key not in known:
            known.add(found.key)
            lines.append(Line(number, found))
    lines.sort(key=lambda item: item.move.at)
    now = datetime.datetime.now(datetime.UTC)
    return History(lines, [*remarks, *_disagreements(lines, now)])


def _line(line: bytes) -> Move | str | None:
    """The move of a line, what is wrong with it, or None if it is empty."""
    if not line.strip():
        return None
    if line.startswith(_CONFLICT):
        return (
            f"a conflict marker of git ({line.split()[0].decode()}): keep the lines of both sides"
        )
    entry = jsonl.entry_in(line)
    if entry is None:
        cut = not line.endswith(b"\n")
        return "it is cut off: its writer was stopped" if cut else "it is not a JSON object"
    try:
        return Move.from_json(entry)
    except ValueError as error:
        return str(error)


def _disagreements(lines: Sequence[Line], now: datetime.datetime) -> list[str]:
    """What clocks or moves by other tools have left inconsistent."""
    remarks = []
    last: dict[tuple[str, str], Line] = {}
    for line in lines:
        move = line.move
        if move.at > now + _CLOCKS:
            remarks.append(
                f"{FILE}, line {line.number}: {move.by}'s move of {move.alias} of {move.prompt} is "
                f"in the future ({_minute(move.at)}): the clock of one machine is wrong"
            )
        previous = last.get((move.prompt, move.alias))
        if previous is not None and previous.move.to != move.before:
            there = f"from version {move.before}" if move.before else "from no version"
            remarks.append(
                f"{FILE}, line {line.number}: {move.alias} of {move.prompt} was moved {there}, but "
                f"line {previous.number} had moved it to version {previous.move.to}: another tool "
                "moved it in between, or two clocks disagree"
            )
        last[move.prompt, move.alias] = line
    return remarks


def append_move(project: Path, move: Move) -> None:
    """Add a move to the project's file, unless it has it; it is on disk when this returns.

    Raises:
        PexError: the file cannot be written.
    """
    path = check_writable(project)
    with _locked(project):
        if move.key not in {line.move.key for line in read_history(project).lines}:
            try:
                jsonl.append(path, [move.to_json()])
            except OSError as error:
                raise _unwritable(error) from None


def check_writable(project: Path) -> Path:
    """The file of moves, created if there is none, so that a move can be written afterwards.

    Raises:
        PexError: it cannot be written.
    """
    path = project / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            attributes = path.parent / ".gitattributes"
            with contextlib.suppress(FileExistsError), attributes.open("x") as file:
                file.write(_ATTRIBUTES)
        path.open("ab").close()
    except OSError as error:
        raise _unwritable(error) from None
    return path


def _unwritable(error: OSError) -> PexError:
    return PexError(
        f"{FILE}: cannot be written: {error.strerror or error}",
        hint="each move of an alias is a line there",
    )


@contextlib.contextmanager
def _locked(project: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    state = private.folder(private.state(project))
    try:
        with FileLock(state / "moves.lock", timeout=_PATIENCE_S):
            yield
    except Timeout:
        raise PexError(f"{FILE}: another process is writing to it", hint="try again") from None


def tag_of(move: Move) -> str:
    """The value of a move's tag in the registry; texts that are too long are shortened.

    Example:
        >>> at = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
        >>> move = Move(prompt="a", alias="b", before=1, to=2, by="ada", at=at, because="x" * 9000)
        >>> len(tag_of(move)) <= 5000, Move.from_json(json.loads(tag_of(move))).key == move.key
        (True, True)
    """
    text = json.dumps(move.to_json(), ensure_ascii=False)
    room = max(len(move.sentence), len(move.because))
    while len(text) > _TAG_LENGTH and room > 1:
        room //= 2
        short = {
            name: value if len(value) <= room else f"{value[: room - 1]}…"
            for name, value in (("sentence", move.sentence), ("because", move.because))
        }
        text = json.dumps({**move.to_json(), **short}, ensure_ascii=False)
    return text


def summary_of(move: Move) -> str:
    """A move in a few words: MLflow's page shows the first thirty characters of a tag.

    Example:
        >>> at = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
        >>> move = Move(prompt="a", alias="b", before=1, to=2, by="ada", at=at, verdict="better")
        >>> summary_of(move)
        '1 → 2, 2026-01-02, ada: better'
    """
    change = f"{move.before} → {move.to}" if move.before else f"→ {move.to}"
    why = move.because or move.verdict
    text = f"{change}, {move.at.astimezone(datetime.UTC):%Y-%m-%d}, {move.by}"
    return f"{text}: {why}"[:500] if why else text


def tagged_moves(
    name: str, tags: Mapping[str, str], aliases: Mapping[str, int | str]
) -> dict[str, Move]:
    """The last move of each alias as the registry's tags have it; pexlab 0.1's are read too.

    A tag with anything else in it is left out. A move that was announced counts once its alias is
    where it was to go: its writer was stopped right afterwards.

    Args:
        name: the prompt.
        tags: the prompt's tags.
        aliases: the current version of each alias.

    Example:
        >>> tag = '{"by": "ada", "at": "2026-01-02T03:04:05+00:00", "before": 1, "to": 2}'
        >>> tagged_moves("short", {"pex.alias.champion": tag}, {"champion": 2})["champion"].by
        'ada'
    """
    found: dict[str, Move] = {}
    for start in (_EARLIER_TAG, TAG, ANNOUNCED):  # the later one wins
        for key, value in tags.items():
            if not key.startswith(start):
                continue
            alias = key.removeprefix(start)
            move = _of_tag(name, alias, value)
            if move is None or (start == ANNOUNCED and int(aliases.get(alias, 0)) != move.to):
                continue
            if alias not in found or move.at >= found[alias].at:
                found[alias] = move
    return found


def _of_tag(name: str, alias: str, value: str) -> Move | None:
    try:
        data = {"prompt": name, "alias": alias, **json.loads(value)}
        return Move.from_json({"from": data.get("before"), **data})
    except (ValueError, TypeError):
        return None


def last_moves(
    name: str, tags: Mapping[str, str], aliases: Mapping[str, int | str]
) -> dict[str, Move]:
    """The last move of each alias that still points where that move put it.

    An alias that another tool has moved since is left out: nobody knows who moved it.

    Args:
        name: the prompt.
        tags: the prompt's tags.
        aliases: the current version of each alias.

    Example:
        >>> tag = '{"by": "ada", "at": "2026-01-02T03:04:05+00:00", "from": 1, "to": 2}'
        >>> last_moves("short", {"pex.move.champion": tag}, {"champion": "3"})
        {}
    """
    return {
        alias: move
        for alias, move in tagged_moves(name, tags, aliases).items()
        if alias in aliases and int(aliases[alias]) == move.to
    }


@dataclasses.dataclass(frozen=True, slots=True)
class Noticed:
    """An alias that does not point where the last known move put it; `now` is None if removed."""

    prompt: str
    alias: str
    before: int
    now: int | None
    since: datetime.datetime

    def __str__(self) -> str:
        moved = "removed" if self.now is None else "moved elsewhere"
        change = f", from version {self.before} to {self.now}" if self.now is not None else ""
        return (
            f"{self.alias} of {self.prompt} was {moved} (MLflow's UI or another tool) since "
            f"{_minute(self.since)}{change}"
        )


def noticed(
    name: str,
    tags: Mapping[str, str],
    aliases: Mapping[str, int | str],
    history: Sequence[Move] = (),
) -> list[Noticed]:
    """The aliases of a prompt that another tool has moved or removed.

    The registry's tag is the last word on its own aliases; the project's file counts where there
    is no tag, as its newest line may be of a move that this registry has not seen.

    Args:
        name: the prompt.
        tags: the prompt's tags in the registry.
        aliases: the current version of each alias.
        history: the moves in the project's file, oldest first.

    Example:
        >>> at = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)
        >>> move = Move(prompt="short", alias="champion", before=1, to=3, by="ada", at=at)
        >>> print(noticed("short", {}, {"champion": 5}, [move])[0])  # doctest: +ELLIPSIS
        champion of short was moved elsewhere (...) since 2026-01-02 03:04 UTC, from version 3 to 5
        >>> noticed("short", {}, {"champion": 3}, [move])
        []
    """
    known = {move.alias: move for move in history if move.prompt == name}
    known |= tagged_moves(name, tags, aliases)
    current = {alias: int(version) for alias, version in aliases.items()}
    return [
        Noticed(name, alias, move.to, current.get(alias), move.at)
        for alias, move in sorted(known.items())
        if current.get(alias) != move.to
    ]


def _minute(at: datetime.datetime) -> str:
    return f"{at.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"


def _fields(move: Move) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(move):
        yield field.name, getattr(move, field.name)
