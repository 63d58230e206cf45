"""A second person decides: review requests in `library/reviews/`, accepted or refused.

`request.json` and `request.html` are written once and never changed; the decision is a file of its
own beside them, so that two branches do not collide.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core import jsontext, private
from pex.core.attempt import attempt
from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.core.prompt import Prompt
from pex.core.safe_text import clean
from pex.core.user_name import user_name
from pex.evidence.promotion.alias_state import AliasState
from pex.evidence.promotion.gate_evidence import Evidence, find_evidence
from pex.evidence.promotion.result import MOVED, Promotion
from pex.guard.redact import redact
from pex.library import content
from pex.library.moves import read_history
from pex.report.theme import style

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "library/reviews"
FORMAT = "pex review 1"
_PATIENCE_S = 120
"""A decision may wait for the move of another one, which may wait for a lock of the registry."""
OPEN, ACCEPTED, REFUSED = "open", "accepted", "refused"

_ID = re.compile(r"[A-Za-z0-9_.-]+")
_KEYS = (
    "id",
    "prompt",
    "alias",
    "general",
    "from",
    "to",
    "sha256",
    "by",
    "at",
    "run_id",
    "sentence",
    "missing",
    "enough",
    "because",
)


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Review:
    """A review request and what became of it.

    `request` is its file as plain data, `decision` the decision's file; None while it is open.
    """

    project: Path
    request: Mapping[str, Any]
    digest: str
    decision: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        """Its id, the name of its folder."""
        return str(self.request["id"])

    @property
    def state(self) -> str:
        """Open, accepted or refused."""
        return str(self.decision["decision"]) if self.decision else OPEN

    @property
    def page(self) -> Path:
        """The page to send to a reviewer."""
        return self.project / FOLDER / self.id / "request.html"

    @property
    def sentence(self) -> str:
        """What is asked, and what was decided, in a sentence."""
        request = self.request
        change = f"from version {request['from']} to {request['to']}"
        if request["from"] is None:
            change = f"to version {request['to']}"
        text = f"{request['by']} asks to move {request['alias']} of {request['prompt']} {change}"
        if self.decision is None:
            return f"{text}: open."
        why = f": {self.decision['because']}" if self.decision["because"] else ""
        return f"{text}: {self.state} by {self.decision['by']}{why}."

    def accept(self, because: str = "", file: Path | None = None) -> Promotion:
        """Accept it, and move the alias; see `accept`."""
        return accept(self.id, because=because, file=file)

    def refuse(self, because: str) -> Review:
        """Refuse it: nothing is moved; see `refuse`."""
        return refuse(self.id, because=because)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.request, "state": self.state, "decision": self.decision}

    def __str__(self) -> str:
        request = self.request
        lines = [f"{self.id}: {self.sentence}"]
        lines += [f"  {text}" for text in (request["sentence"], *request["missing"]) if text]
        if request["because"]:
            lines.append(f"  because: {request['because']}")
        lines.append(f"  {self.page.relative_to(self.project).as_posix()}")
        return clean("\n".join(lines))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        first, *rest = str(self).split("\n")
        return f"<p><strong>{escape(first)}</strong></p><p>{'<br>'.join(map(escape, rest))}</p>"

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        display(HTML(self._repr_html_() + self._shown()))
        if self.decision is None:
            display(self.buttons())

    def buttons(self) -> Any:
        """The buttons that decide it, for a notebook."""
        from pex.evidence.review.buttons import buttons

        return buttons(
            lambda because: self.accept(because).sentence,
            lambda because: self.refuse(because).sentence,
        )

    def _shown(self) -> str:
        """The contents of its page, made anew: a file of the project is not trusted as HTML."""
        from pex.evidence.review.page import STYLE, review_body

        try:
            body = review_body(self.request, *_material(self))
        except PexError as error:
            return f"<p>What changes cannot be shown: {escape(clean(error.message))}</p>"
        return f'<style>{style()}{STYLE}</style><div class="pex pex-review">{body}</div>'


def review(id: str) -> Review:  # noqa: A002 - the word that everybody uses
    """A review request of this project; in a notebook it is shown with buttons.

    Args:
        id: its id, as `pexlab library review list` shows it.

    Raises:
        PexError: there is no such request, or its file is damaged.
    """
    project = find_project()
    folder = project / FOLDER
    known = [path.parent.name for path in sorted(folder.glob("*/request.json"))]
    if not _ID.fullmatch(id) or id not in known:
        hint = nearest(id, known) if known else "pexlab library promote NAME --review asks for one"
        raise PexError(f"there is no review '{id}' in {FOLDER}", hint=hint)
    where = f"{FOLDER}/{id}"
    data = (folder / id / "request.json").read_bytes()
    request = _read(data, f"{where}/request.json")
    lacking = [key for key in _KEYS if key not in request]
    if lacking or request.get("format") != FORMAT or request["id"] != id:
        what = f"'{lacking[0]}' is missing" if lacking else "it is not a review of this pexlab"
        raise PexError(f"{where}/request.json: {what}", hint="git has the file as it was written")
    path = folder / id / "decision.json"
    decision = _read(path.read_bytes(), f"{where}/decision.json") if path.exists() else None
    if decision is None:
        moved = [m for m in read_history(project).moves(request["prompt"]) if m.review == id]
        if moved:  # whoever accepted it was stopped before the decision was written
            at = moved[-1].at.isoformat(timespec="seconds")
            decision = {"decision": ACCEPTED, "by": moved[-1].by, "at": at, "because": ""}
    elif decision.get("decision") not in (ACCEPTED, REFUSED) or "by" not in decision:
        raise PexError(f"{where}/decision.json: it is not a decision")
    else:
        decision = {"because": "", **decision}
    return Review(project, request, hashlib.sha256(data).hexdigest(), decision)


def reviews() -> tuple[list[Review], list[PexError]]:
    """The review requests of this project, the open ones first, then the newest; and the damaged.

    Returns:
        The requests, and for each that cannot be read its error.
    """
    folder = find_project() / FOLDER
    found: list[Review] = []
    damaged: list[PexError] = []
    for path in sorted(folder.glob("*/request.json")):
        one = attempt(functools.partial(review, path.parent.name))
        if isinstance(one, PexError):
            damaged.append(one)
        else:
            found.append(one)
    found.sort(key=lambda item: str(item.request["at"]), reverse=True)
    return sorted(found, key=lambda item: item.state != OPEN), damaged


def request(state: AliasState, made: Promotion, because: str) -> str:
    """Write a review request with its page, and return its id; nothing is moved.

    Args:
        state: the alias as it is now.
        made: what the promotion would do, with its evidence.
        because: the reason that the requester gave.
    """
    from pex.evidence.review.page import review_page

    evidence = made.evidence or Evidence("missing", [])
    found = state.version(made.to)
    new = content.decode(found)
    old = state.prompt_at(made.before)
    now = datetime.datetime.now(datetime.UTC)
    folder = _new_folder(state.project, f"{now:%Y-%m-%d}-{made.prompt}-{made.to}")
    data: dict[str, Any] = {
        "format": FORMAT,
        "id": folder.name,
        "prompt": made.prompt,
        "alias": made.alias,
        "general": state.general,
        "model": state.model,
        "from": made.before,
        "to": made.to,
        "sha256": content.encode(new).sha256,
        "by": user_name(),
        "at": now.isoformat(timespec="seconds"),
        "run_id": evidence.run_id,
        "verdict": evidence.verdict or evidence.outcome,
        "sentence": redact(evidence.sentence),
        "missing": [redact(check.text) for check in evidence.missing],
        "enough": evidence.enough,
        "because": redact(because),
    }
    text = json.dumps(data, ensure_ascii=False, indent=2).encode() + b"\n"
    digest = hashlib.sha256(text).hexdigest()
    page = review_page(data, digest, new, old, evidence, _frame(state, evidence))
    (folder / "request.html").write_bytes(page.encode())
    # Last: a folder without it is no request.
    (folder / "request.json").write_bytes(text)
    return folder.name


def _material(
    found: Review,
) -> tuple[Prompt, Prompt | None, Evidence, pd.DataFrame | None]:
    """What a reviewer looks at: both prompts, the evidence as it is now, the answers of its run.

    Raises:
        PexError: a version or the run is gone.
    """
    asked = found.request
    state = _opened(found, None)
    version = state.version(int(asked["to"]))
    old = state.prompt_at(asked["from"])
    evidence = find_evidence(
        state.project, state.runs, state.subject(version), asked["run_id"] or None
    )
    return content.decode(version), old, evidence, _frame(state, evidence)


def accept(
    id: str,  # noqa: A002 - the word that everybody uses
    *,
    because: str = "",
    file: Path | None = None,
    tracking_uri: str | None = None,
) -> Promotion:
    """Accept a review request and move the alias, if nothing has changed since it was made.

    Args:
        id: the request.
        because: a comment.
        file: the file that the page's form made, with the decision of somebody without pex.
        tracking_uri: a store other than the project's.

    Raises:
        PexError: the requester cannot accept their own request; it is decided already; or the
            version, the alias or the evidence is no longer as it was.
    """
    # Nobody decides otherwise between the move and the file that says so.
    with _locked():
        return _accept(review(id), because, file, tracking_uri)


def _accept(found: Review, because: str, file: Path | None, tracking_uri: str | None) -> Promotion:
    id, asked = found.id, found.request  # noqa: A001 - the word that everybody uses
    decision = _decision(found, ACCEPTED, because, file)
    state = _opened(found, tracking_uri)
    if state.before != asked["from"]:
        there = f"version {state.before}" if state.before else "no version"
        raise PexError(
            f"review {id}: {asked['alias']} of {asked['prompt']} has moved since: it points to "
            f"{there}",
            hint="ask for a new review",
        )
    version = state.version(int(asked["to"]))
    if content.encode(content.decode(version)).sha256 != asked["sha256"]:
        raise PexError(f"review {id}: version {asked['to']} is not the one that was shown")
    run_id = asked["run_id"] or None
    evidence = find_evidence(state.project, state.runs, state.subject(version), run_id)
    reason = "" if evidence.enough else str(asked["because"]).strip()
    if not evidence.enough and (asked["enough"] or not reason):
        lacks = "; ".join(check.text for check in evidence.missing) or evidence.sentence
        what = "no longer enough" if asked["enough"] else "not enough, and no reason was given"
        raise PexError(f"review {id}: the evidence is {what}: {lacks}",
                       hint="ask for a new review")  # fmt: skip
    made = Promotion(
        asked["prompt"], asked["alias"], state.before, int(asked["to"]), MOVED, evidence, reason,
        id, remarks=state.remarks(),
    )  # fmt: skip
    said = f": {decision['because']}" if decision["because"] else ""
    note = f"asked by {asked['by']}, accepted by {decision['by']}{said}"
    move = state.move(version, made, "promote", note=note, review=id)
    _write(found, decision)
    return dataclasses.replace(made, move=move)


def refuse(
    id: str,  # noqa: A002 - the word that everybody uses
    *,
    because: str = "",
    file: Path | None = None,
) -> Review:
    """Refuse a review request, or withdraw one's own: nothing is moved.

    Args:
        id: the request.
        because: the reason.
        file: the file that the page's form made.

    Raises:
        PexError: there is no reason, or it is decided already.
    """
    with _locked():
        found = review(id)
        decision = _decision(found, REFUSED, because, file)
        if not decision["because"]:
            raise PexError("a refusal needs a reason", hint='--because "…", in Python because="…"')
        _write(found, decision)
        return review(id)


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """One process of this project decides at a time."""
    from filelock import FileLock, Timeout

    state = private.folder(private.state(find_project()))
    try:
        with FileLock(state / "reviews.lock", timeout=_PATIENCE_S):
            yield
    except Timeout:
        raise PexError(f"{FOLDER}: another process is deciding", hint="try again") from None


def _opened(found: Review, tracking_uri: str | None) -> AliasState:
    """The alias that a request is about.

    Raises:
        PexError: its file names two of them: the page shows one, and the other one would move.
    """
    asked = found.request
    state = AliasState.open(asked["prompt"], asked["general"], asked.get("model"), tracking_uri)
    if state.alias != asked["alias"]:
        raise PexError(
            f"{FOLDER}/{found.id}/request.json: it names two aliases, '{asked['alias']}' and "
            f"'{state.alias}'",
            hint="git has the file as it was written",
        )
    return state


def _decision(found: Review, wanted: str, because: str, file: Path | None) -> dict[str, Any]:
    if found.decision is not None:
        raise PexError(f"review {found.id} is decided already: {found.sentence}")
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    decision = {
        "decision": wanted,
        "by": user_name(),
        "at": now,
        "because": redact(because.strip()),
    }
    if file is not None:
        given = _answer(found, wanted, file)
        comment = redact(str(given.get("because") or "").strip())
        decision |= {
            "by": clean(str(given["by"]).strip())[:200],
            "because": decision["because"] or comment,
            "entered_by": user_name(),
        }
    if wanted == ACCEPTED and decision["by"] == found.request["by"]:
        raise PexError(
            f"review {found.id}: {decision['by']} asked for it and cannot accept it",
            hint="somebody else accepts it, or withdraw it: pexlab library review refuse",
        )
    return decision


def _answer(found: Review, wanted: str, file: Path) -> dict[str, Any]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise PexError(f"{file}: cannot be read: {error.strerror or error}") from None
    given = _read(data, str(file))
    if given.get("format") != FORMAT:
        raise PexError(f"{file}: this is not the file of a review's form")
    if given.get("review") != found.id:
        raise PexError(f"{file}: it is about review '{given.get('review')}', not '{found.id}'")
    if given.get("request") != found.digest:
        raise PexError(f"{file}: its page showed another state of review '{found.id}'")
    words = {"accept": ACCEPTED, "refuse": REFUSED}
    if words.get(str(given.get("decision"))) != wanted:
        raise PexError(
            f"{file}: the decision in it is '{given.get('decision')}'",
            hint=f"pexlab library review {given.get('decision')} {found.id} --file {file}",
        )
    if not str(given.get("by") or "").strip():
        raise PexError(f"{file}: the name is missing")
    return given


def _write(found: Review, decision: Mapping[str, Any]) -> None:
    path = found.project / FOLDER / found.id / "decision.json"
    text = json.dumps(decision, ensure_ascii=False, indent=2) + "\n"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise PexError(f"review {found.id} has just been decided by somebody else") from None


def _read(data: bytes, where: str) -> dict[str, Any]:
    try:
        found = jsontext.loads(data)
    except ValueError as error:
        raise PexError(f"{where}: not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise PexError(f"{where}: expected an object")
    return found


def _new_folder(project: Path, name: str) -> Path:
    number = 1
    while True:
        path = project / FOLDER / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
            continue
        return path


def _frame(state: AliasState, evidence: Evidence) -> pd.DataFrame | None:
    from pex.record.runs import load

    if not evidence.run_id or not evidence.pairs:
        return None
    return load(state.runs, evidence.run_id)[0]
