"""`pexlab library site`: the library as one folder of pages that opens without a server."""

from __future__ import annotations

import dataclasses
import datetime
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pex.core.errors import PexError
from pex.core.project import find_project
from pex.core.safe_text import clean
from pex.evidence.card import words as card_words
from pex.evidence.card.data import CardData
from pex.evidence.card.gather import gather_cards
from pex.evidence.card.html import card_style, templates
from pex.evidence.card.secrets_of_cards import SecretError, check_cards
from pex.guard.scan import scan
from pex.project.settings import load_settings
from pex.report.theme import page_style, style
from pex.tracking.store import registry_uri
from pex.tracking.store import tracking_uri as store_of

MARKER = "pexlab-site.json"
"""The file that marks a folder as a site that pex has written, with the names of its files."""
TITLE = "Prompt library"

_FOLDER = Path(__file__).parent
_FACETS = ("task", "domain", "language", "audience", "risk", "owner")
_SEARCHED = 4000
"""Characters of a prompt's text that are searched."""
_MOST_VALUES = 200
_UNSORTED = "Other"


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """What was written: the first page, and the number of prompts and versions."""

    index: Path
    prompts: int
    versions: int

    def __str__(self) -> str:
        prompts = "1 prompt" if self.prompts == 1 else f"{self.prompts:,} prompts"
        versions = "1 version" if self.versions == 1 else f"{self.versions:,} versions"
        return f"{self.index}: {prompts}, {versions}"


def write_site(folder: str | Path, *, title: str = TITLE, tracking_uri: str | None = None) -> Site:
    """Write the library as a folder of pages: search, categories, each prompt's card and versions.

    The pages open from a file and ask nothing of the network. All data is scanned for secrets
    before the first byte is written. A site that is already there is replaced as a whole once the
    new one is complete; files beside it in the folder stay.

    Args:
        folder: the folder, new, empty, or a site written before.
        title: the title of its first page.
        tracking_uri: a store other than the project's.

    Raises:
        SecretError: there is a secret in a prompt or a note; the message names the place.
        PexError: the folder has something else in it, or the store does not answer.
    """
    project = find_project()
    settings = load_settings(project)
    uri = store_of(project, settings, tracking_uri)
    registry = registry_uri(project, settings, tracking_uri)
    folder = Path(folder).absolute()
    foreign = _check_folder(folder)
    cards = gather_cards(project, uri, registry)
    check_cards(cards)
    for finding in scan(title):
        raise SecretError(f"the title has a secret in it: {finding}")
    pages = _pages(cards, clean(title))
    _replace(folder, pages, foreign)
    return Site(folder / "index.html", len(cards), sum(len(item.versions) for item in cards))


def _pages(cards: Sequence[CardData], title: str) -> Iterator[tuple[str, str]]:
    """The files of a site: path and text."""
    now = card_words.minute(datetime.datetime.now(datetime.UTC))
    paths = _paths(cards)
    rows = [_row(number, item, paths[number]) for number, item in enumerate(cards)]
    searched = [{"text": _searched(item), "facets": _facets_of(item)} for item in cards]
    yield "site.css", f"{style()}{page_style()}{card_style()}{_own('site.css')}"
    yield "site.js", _own("site.js")
    # A page opened from a file cannot fetch: the index is a script.
    yield "search.js", f"window.PEX_PROMPTS = {_script(searched)};\n"
    yield (
        "index.html",
        templates()
        .get_template("site.html.jinja")
        .render(
            title=title, rows=rows, groups=_groups(cards, rows), facets=_facets(cards), now=now
        ),
    )
    template = templates().get_template("site_prompt.html.jinja")
    for item, path in zip(cards, paths, strict=True):
        yield path, template.render(data=item, title=title)


def _own(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _script(value: Any) -> str:
    """JSON that is safe in a script."""
    text = clean(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    for char in "<\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _paths(cards: Sequence[CardData]) -> list[str]:
    """A file for each prompt; names that differ only by case get a number, as some disks need."""
    used: dict[str, int] = {}
    found = []
    for item in cards:
        number = used[item.name.casefold()] = used.get(item.name.casefold(), 0) + 1
        suffix = "" if number == 1 else f"~{number}"
        found.append(f"prompts/{item.name}{suffix}.html")
    return found


def _row(number: int, data: CardData, path: str) -> dict[str, Any]:
    newest = data.scores[0] if data.scores else None
    measured = "not measured"
    if newest is not None:
        measured = (
            f"{newest.metric} {card_words.score_text(newest)} ({newest.version} on {newest.model}, "
            f"{card_words.day(newest.at)})"
        )
    versions = f"{len(data.versions):,} versions" if len(data.versions) != 1 else "1 version"
    changed = f"changed {card_words.day(data.versions[0].at)}" if data.versions else "file only"
    facts = [data.owner or "no owner", versions if data.versions else "", changed, measured]
    risk = data.category.get("risk")
    return {
        "at": number,
        "name": data.name,
        "href": path,
        "aliases": [f"{alias} = v{version}" for alias, version in data.aliases.items()],
        "chips": [*([f"risk: {risk}"] if risk else []), *data.tags],
        "description": data.description or data.problem,
        "facts": " · ".join(fact for fact in facts if fact),
    }


def _searched(data: CardData) -> str:
    parts = [data.name, data.description, data.owner, *data.tags, *data.category.values(),
             *data.aliases, data.text[:_SEARCHED]]  # fmt: skip
    return "\n".join(part for part in parts if part)


def _facets_of(data: CardData) -> dict[str, str]:
    found = {key: value for key, value in data.category.items() if value}
    return found | ({"owner": data.owner} if data.owner else {})


def _facets(cards: Sequence[CardData]) -> list[dict[str, Any]]:
    """The choices above the list; one with a single value would choose nothing."""
    known = [_facets_of(item) for item in cards]
    found = []
    for key in _FACETS:
        values = sorted({facets[key] for facets in known if key in facets}, key=str.casefold)
        if 1 < len(values) <= _MOST_VALUES:
            found.append({"key": key, "label": key.capitalize(), "choices": values})
    return found


def _groups(cards: Sequence[CardData], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows by task; those without one come last."""
    by_task: dict[str, list[dict[str, Any]]] = {}
    for item, row in zip(cards, rows, strict=True):
        by_task.setdefault(item.category.get("task", ""), []).append(row)
    order = sorted(by_task, key=lambda task: (task == "", task.casefold()))
    alone = len(order) == 1
    return [
        {
            "id": f"task-{number}",
            "name": task or ("All prompts" if alone else _UNSORTED),
            "rows": by_task[task],
        }
        for number, task in enumerate(order, 1)
    ]


def _check_folder(folder: Path) -> list[str]:
    """Names beside the site that are not its own.

    Raises:
        PexError: the folder is a file, or holds something else than a site.
    """
    if folder.is_symlink() or folder.is_file():
        raise PexError(f"{folder}: expected a folder of its own, this is a link or a file")
    if not folder.exists():
        return []
    names = {path.name for path in folder.iterdir()}
    if not names:
        return []
    own = _own_files(folder)
    if own is None:
        raise PexError(
            f"{folder}: this folder has other files in it and is not a site of pexlab",
            hint="name a new folder; nothing was deleted",
        )
    tops = {Path(name).parts[0] for name in own} | {MARKER}
    inside = {
        path.relative_to(folder).as_posix()
        for top in tops & names
        for path in ((folder / top).rglob("*") if (folder / top).is_dir() else ())
        if not path.is_dir()
    }
    added = sorted(inside - own)
    if added:
        raise PexError(
            f"{folder}: {added[0]} was not written by pexlab and would be deleted",
            hint="move it out of the site's own folders",
        )
    return sorted(names - tops)


def _own_files(folder: Path) -> set[str] | None:
    try:
        found = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        return {str(name) for name in found["files"]}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _replace(folder: Path, pages: Iterable[tuple[str, str]], foreign: Sequence[str]) -> None:
    """Write a site beside the folder, then put it in its place."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise PexError(f"{folder}: cannot be written: {error.strerror or error}") from None
    try:
        new.chmod(0o755)
        names = []
        (new / "prompts").mkdir()
        for name, text in pages:
            (new / name).write_text(text, encoding="utf-8", newline="\n")
            names.append(name)
        marker = {"written_by": "pexlab", "format": 1, "files": names}
        (new / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent)) / "site"
            folder.rename(old)
            try:
                new.rename(folder)
            except OSError:
                old.rename(folder)
                raise
            for name in foreign:
                (old / name).rename(folder / name)
            shutil.rmtree(old.parent)
        else:
            new.rename(folder)
    except OSError as error:
        raise PexError(f"{folder}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)
