"""A drill: a made incident against the real switch, with the minutes that it took.

What was moved is written to `.pex/drill.json` before it is moved. Whoever stops the drill, by
Ctrl-C or by pulling the plug, leaves that file, and the next `pexlab incident` puts the alias back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pex.core import private
from pex.core.errors import PexError
from pex.core.project import led_outside
from pex.core.prompt import Prompt
from pex.incidents.containment import contain, undo
from pex.incidents.moments import duration, now, text_of
from pex.incidents.opening import Opening, open_incident
from pex.incidents.record import FOLDER, Incident, entry, read, update
from pex.incidents.switch import MADE, Switch
from pex.library.content import encode
from pex.library.reference import parse_reference
from pex.library.registry_api import add, all_versions, cards
from pex.project.settings import load_settings
from pex.tracking.store import connect, errors_of, registry_uri

FILE = "drill.json"
ALIAS = "champion"
SCENE = (
    "Support calls: since the last release the assistant reads customers' notes aloud to other "
    "customers."
)
_GOOD = "Answer the customer in one sentence. Never quote notes.\n\n{{ question }}"
_BAD = "Answer the customer in one sentence. Notes: {{ notes }}\n\n{{ question }}"


@dataclasses.dataclass(frozen=True, slots=True)
class Drill:
    """A drill that is over.

    Args:
        incident: its record.
        sentence: the minutes, in a sentence.
        stopped: whether somebody stopped it before its end.
    """

    incident: Incident
    sentence: str
    stopped: bool = False


def start_drill(
    project: Path,
    reference: str | None,
    *,
    wait: Callable[[str], None] | None,
    say: Callable[[str], None],
) -> Drill:
    """Play a made incident: noticed, contained by the real switch, put right.

    Args:
        project: the project.
        reference: a prompt of the library, NAME@ALIAS; None for one that is made and deleted.
        wait: asks the person to go on and returns when they do; None: nobody is there, so only
            the machine's seconds are measured.
        say: told what happens.

    Raises:
        PexError: there is no such prompt or alias, or no move says where it pointed before;
            nothing has moved.
        KeyboardInterrupt: it was stopped; the alias is where it was, the record says so.
    """
    with _alone(project) as alone:
        if not alone:
            raise PexError("a drill is running in this project", hint="wait for its end")
        return _started(project, reference, wait, say)


@contextlib.contextmanager
def _alone(project: Path) -> Iterator[bool]:
    """Whether no drill is running; until the end of the block none begins."""
    from filelock import FileLock, Timeout

    lock = FileLock(private.folder(private.state(project)) / "drill.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _started(
    project: Path,
    reference: str | None,
    wait: Callable[[str], None] | None,
    say: Callable[[str], None],
) -> Drill:
    _put_back(project)
    if reference is None:
        name, alias = MADE, ALIAS
    else:
        parsed = parse_reference(reference)
        name, alias = parsed.name, parsed.alias or ALIAS
        _check(project, name, alias)
    with _terminated_like_ctrl_c():
        try:
            if reference is None:
                _note(project, {"prompt": name, "alias": alias, "made": True})
                _make(project)
            return _played(project, name, alias, wait, say)
        finally:
            for line in _put_back(project):
                say(line)


def _check(project: Path, name: str, alias: str) -> None:
    switch = Switch.of(project, name)
    now_at = switch.serves(alias)
    if alias not in switch.aliases or now_at is None:
        raise PexError(
            f"'{name}' has no alias '{alias}'",
            hint=f"there is: {', '.join(sorted(switch.aliases)) or 'none'}",
        )
    if switch.before(alias, [now_at]) is None:
        raise PexError(
            f"'{alias}' of '{name}' has never pointed to another version: there is nothing to go "
            "back to",
            hint="`pexlab incident drill` without a name plays on a made prompt",
        )


def _played(
    project: Path,
    name: str,
    alias: str,
    wait: Callable[[str], None] | None,
    say: Callable[[str], None],
) -> Drill:
    switch = Switch.of(project, name)
    original = switch.aliases[alias]
    back = switch.before(alias, [original])
    began = now()
    known = {"prompt": name, "alias": alias, "made": name == MADE, "at": original, "moved_to": back}
    opened = open_incident(
        None,
        f"{name}@{alias}",
        Opening(
            title="Drill: notes of customers read aloud",
            affected=[original],
            began=began,
            drill=True,
        ),
    )
    path = opened.incident.path
    _note(project, {**known, "record": path.name})
    who = "somebody" if wait is not None else "nobody was asked, so these are the machine's times"
    try:
        say(f"\nDRILL  {text_of(began)}  {SCENE}\n       It is {name}@{alias}, version {original}.")
        _ask(wait, "Press Enter once you have read it and know what is affected")
        noticed = now()
        fields: dict[str, Any] = {"noticed_at": text_of(noticed)}
        if wait is None:
            fields["unattended"] = True
        update(path, fields, [entry(f"noticed ({who})", noticed)])
        say(f"\n{alias} of {name}: version {original} → version {back}, which was there before")
        _ask(wait, "Press Enter to contain it (at night: pexlab incident contain --yes)")
        incident, _ = contain(project, read(path))
        contained = incident.times.get("contained_at") or now()
        serves = Switch.of(project, name).serves(alias)
        say(f"contained: who asks for {name}@{alias} now gets version {serves}")
        _ask(wait, "Press Enter once everybody who has to know would know, to put it back")
        incident, _ = undo(project, read(path))
        fixed = now()
        fields |= {
            "contained_at": text_of(contained),
            "fixed_at": text_of(fixed),
            "closed_at": text_of(fixed),
        }
        incident = update(path, fields)
        said = _sentence(incident)
        incident = update(path, {}, [entry(f"drill over, {alias} is where it was: {said}", fixed)])
        return Drill(incident, said)
    except BaseException as error:
        stopped = "stopped" if isinstance(error, KeyboardInterrupt) else f"failed: {error}"
        with contextlib.suppress(PexError, OSError):
            lines = [entry(f"drill {stopped}; {alias} was put back")]
            update(path, {"closed_at": text_of(now()), "containment": []}, lines)
        raise


def _sentence(incident: Incident) -> str:
    spans = [(name, duration(incident.took(name))) for name in ("noticed", "contained", "fixed")]
    words = {"noticed": "noticed after", "contained": "contained after another",
             "fixed": "put right, since it was noticed, after"}  # fmt: skip
    return ", ".join(f"{words[name]} {took}" for name, took in spans)


def _ask(wait: Callable[[str], None] | None, text: str) -> None:
    if wait is not None:
        wait(text)


def _note(project: Path, known: dict[str, Any]) -> None:
    """Write what has to be put back, before anything moves."""
    path = private.folder(private.state(project)) / FILE
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(known, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def put_back(project: Path) -> list[str]:
    """Put back what a drill has moved that was stopped; what was done, in sentences.

    A drill that is running is left alone.

    Raises:
        PexError: the registry does not answer: the next command tries again.
    """
    if not (private.state(project) / FILE).is_file():
        return []
    with _alone(project) as alone:
        return _put_back(project) if alone else []


def _put_back(project: Path) -> list[str]:
    path = private.state(project) / FILE
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        name, alias, made = str(known["prompt"]), str(known["alias"]), bool(known["made"])
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PexError(
            f"{private.STATE}/{FILE} cannot be read: {error}",
            hint="a drill was stopped: compare `pexlab library show` with library/moves.jsonl, and "
            "delete the file",
        ) from None
    said = []
    if made:
        _delete(project)
    else:
        switch = Switch.of(project, name)
        at, moved_to = known.get("at"), known.get("moved_to")
        current = switch.aliases.get(alias)
        if None not in (at, moved_to) and current == moved_to != at:
            switch.move(alias, moved_to, at, "set", "a drill is over")
            said.append(f"put back: {alias} of {name} is at version {at} again")
        elif at is not None and current != at:
            said.append(
                f"{alias} of {name} is at version {current}: somebody moved it during the drill, "
                "so it was left there"
            )
    record = project / FOLDER / Path(str(known.get("record"))).name
    with contextlib.suppress(PexError, OSError):  # it is the team's file
        if not led_outside(record, project) and read(record).state != "closed":
            fields = {"closed_at": text_of(now()), "containment": []}
            update(record, fields, [entry(f"drill stopped; {alias} was put back", who="pex")])
    path.unlink()
    return said


def _make(project: Path) -> None:
    """The made prompt: a good version, and the one that does harm."""
    uri = registry_uri(project, load_settings(project))
    client = connect(uri)
    _delete(project)
    with errors_of(uri):
        for text in (_GOOD, _BAD):
            prompt = Prompt(text, name=MADE)
            add(client, uri, MADE, prompt, encode(prompt), "made by a drill")
    switch = Switch.of(project, MADE)
    first, second = sorted(switch.versions)
    client.set_prompt_alias(MADE, ALIAS, first)
    switch.aliases[ALIAS] = first
    switch.move(ALIAS, first, second, "promote", "made by a drill")


def _delete(project: Path) -> None:
    uri = registry_uri(project, load_settings(project))
    client = connect(uri)
    with errors_of(uri):
        if any(card.name == MADE for card in cards(client)):
            for version in all_versions(client, MADE):
                client.delete_prompt_version(MADE, str(version.version))
            client.delete_prompt(MADE)
    moves = private.state(project) / "drill" / "library" / "moves.jsonl"
    moves.unlink(missing_ok=True)


@contextlib.contextmanager
def _terminated_like_ctrl_c() -> Iterator[None]:
    """A request to end is an interrupt, so that everything is put back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
