"""The keys of providers, found by the name of their variable.

A key comes from the first of: what was entered in this kernel, the environment, the project's
`.pex/keys.env`, the system's keyring. Only the variables that a provider names are looked up, so
a file of keys can set nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import tempfile
import time
from pathlib import Path

from pex.core import private
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.guard.redact import redact, register
from pex.project.env_file import exposed, read_env

FILE = "keys.env"
SERVICE = "pexlab"
"""The keyring's service; its user name is the variable: `keyring set pexlab OPENAI_API_KEY`."""
ENTERED = "entered in this kernel"
ENVIRONMENT = "the environment"
KEYRING = "the system keyring"
_KEYRING_S = 30.0
"""Seconds for which the keyring's answer is kept: asking it takes a call to another process."""


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """A key, the variable that it stands for, and the place where it was found."""

    variable: str
    value: str = dataclasses.field(repr=False)
    source: str


_entered: dict[str, str] = {}
_refused: set[str] = set()
_files: dict[Path, tuple[tuple[int, ...], dict[str, str]]] = {}
_keyring: dict[str, tuple[float, str]] = {}


def place(project: Path | None = None) -> Path:
    """The project's file of keys.

    Args:
        project: its folder; None: the current one.
    """
    return private.state(project or find_project()) / FILE


def find(variable: str | None, project: Path | None = None) -> Key | None:
    """The key that a variable stands for, None if it is nowhere.

    Args:
        variable: the variable's name; None has no key.
        project: the project's folder; None: the current one.

    Raises:
        PexError: the file of keys is needed, and cannot be read or is open to others.

    Example:
        >>> os.environ["PEX_DOC_KEY"] = "open-4711-sesame"
        >>> find("PEX_DOC_KEY")
        Key(variable='PEX_DOC_KEY', source='the environment')
        >>> del os.environ["PEX_DOC_KEY"]
    """
    if not variable:
        return None
    if variable in _entered:
        return Key(variable, _entered[variable], ENTERED)
    if value := os.environ.get(variable, "").strip():
        register(value)
        return Key(variable, value, ENVIRONMENT)
    file = place(project)
    if value := _in_file(file).get(variable, "").strip():
        return Key(variable, value, f"{private.STATE}/{FILE}")
    if value := _in_keyring(variable):
        return Key(variable, value, KEYRING)
    return None


def has(variable: str | None, project: Path | None = None) -> bool:
    """Whether there is a key, for lists and completions: a file that cannot be read has none."""
    try:
        return find(variable, project) is not None
    except PexError:
        return False


def names_in_file(project: Path | None = None) -> frozenset[str]:
    """The variables whose keys are in the project's file, which every night and batch reads.

    Raises:
        PexError: the file cannot be read or is open to others.
    """
    return frozenset(name for name, value in _in_file(place(project)).items() if value.strip())


def enter(variable: str, text: str, project: Path | None = None, *, keep: bool = False) -> str:
    """Use a key that somebody has typed, from now on and without a restart.

    Args:
        variable: the variable that it stands for.
        text: the key.
        project: the project's folder; None: the current one.
        keep: store it in `.pex/keys.env`, where batches and later kernels find it; otherwise it
            is used in this kernel only.

    Returns:
        What somebody should know about where the key is, as a sentence.

    Raises:
        PexError: the text cannot be a key, or the file cannot be written.
    """
    value = _checked(variable, text)
    register(value)
    if not keep:
        _entered[variable] = value
        return f"{variable} is used until this kernel is restarted."
    file = place(project)
    _write(file, variable, value)
    _entered.pop(variable, None)
    if not os.environ.get(variable, "").strip():
        return f"{variable} is saved in {private.STATE}/{FILE}, which only you can read."
    _entered[variable] = value
    return (
        f"{variable} is saved in {private.STATE}/{FILE}, but the environment has another "
        f"{variable}, which comes first after a restart: remove it where it is set."
    )


def note_file(project: Path) -> None:
    """Have the keys in a project's file removed from everything that is shown and stored."""
    # A file that cannot be read is an error where a key of it is needed.
    with contextlib.suppress(PexError):
        _in_file(place(project))


def told(key: Key) -> str:
    """Where a key came from, after its name.

    Example:
        >>> told(Key("LAB_KEY", "…", ENVIRONMENT)), told(Key("LAB_KEY", "…", ENTERED))
        ('comes from the environment', 'was entered in this kernel')
    """
    return f"was {key.source}" if key.source == ENTERED else f"comes from {key.source}"


def set_refused(key: Key | None, refused: bool) -> None:
    """Remember whether a provider takes a key, for this process."""
    if key is not None:
        (_refused.add if refused else _refused.discard)(key.value)


def is_refused(key: Key | None) -> bool:
    """Whether a provider refused this key, and has not taken it since."""
    return key is not None and key.value in _refused


def keyring_problem() -> str | None:
    """Why the system's keyring cannot be read; None if it can, or if its extra is not installed."""
    try:
        _ask_keyring("PEX_NO_KEY")
    except ImportError:
        return None
    except Exception as error:  # noqa: BLE001 - backends raise whatever they like
        return redact(str(error).partition("\n")[0]) or type(error).__name__
    return None


def _in_file(file: Path) -> dict[str, str]:
    """The keys in a file; read again when it has changed."""
    try:
        about = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise PexError(f"{file}: it cannot be read: {error.strerror}") from None
    stamp = (about.st_mtime_ns, about.st_size, about.st_ino, about.st_mode)
    kept = _files.get(file)
    if kept is None or kept[0] != stamp:
        if os.name == "posix" and (warning := exposed(file)):
            message, _, hint = warning.partition("; ")
            raise PexError(message, hint=hint)
        kept = (stamp, read_env(file))
        _files[file] = kept
    for value in kept[1].values():
        register(value.strip())
    return kept[1]


def _in_keyring(variable: str) -> str:
    asked_at, value = _keyring.get(variable, (0.0, ""))
    if not asked_at or time.monotonic() - asked_at > _KEYRING_S:
        try:
            value = (_ask_keyring(variable) or "").strip()
        except Exception:  # noqa: BLE001 - one that is locked has no key; `doctor` says why
            value = ""
        _keyring[variable] = (time.monotonic(), value)
        register(value)
    return value


def _ask_keyring(variable: str) -> str | None:
    import keyring

    found: str | None = keyring.get_password(SERVICE, variable)
    return found


def _checked(variable: str, text: str) -> str:
    """The key in what somebody pasted; a line of a shell script has its name before it."""
    value = re.sub(rf"^(?:export\s+)?{re.escape(variable)}\s*=\s*", "", text.strip())
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1].strip()
    if not value:
        raise PexError("the key is empty")
    # The text is not shown: it may be a key all the same.
    if re.search(r"\s", value):
        raise PexError("a key has no space or line break in it", hint="paste the key alone")
    if not (value.isascii() and value.isprintable()):
        raise PexError("the key has a character that no key has", hint="paste the key alone")
    return value


def _write(file: Path, variable: str, value: str) -> None:
    """Set one variable; every other line stays as it is."""
    from filelock import FileLock

    try:
        folder = private.folder(file.parent)
        with FileLock(f"{file}.lock", timeout=60, mode=0o600):
            text = file.read_bytes().decode("utf-8", "surrogateescape") if file.exists() else ""
            _replace(file, _with_line(text, variable, value))
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise PexError(f"{file}: the key cannot be saved: {error.strerror or error}") from None


def _with_line(text: str, variable: str, value: str) -> str:
    r"""A file's text with one variable set.

    Example:
        >>> _with_line("# mine\nA=1\nB=2", "A", "3"), _with_line("A=1", "B", "2")
        ('# mine\nA=3\nB=2', 'A=1\nB=2\n')
    """
    line = f"{variable}={value}"
    mine = rf"(?m)^[ \t]*(?:export[ \t]+)?{re.escape(variable)}[ \t]*=[^\r\n]*"
    if re.search(mine, text):
        return re.sub(mine, lambda _: line, text)
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n"


def _replace(file: Path, text: str) -> None:
    """Replace the file in one step; only its owner can read it, from its first byte."""
    number, name = tempfile.mkstemp(dir=file.parent, prefix=f".{FILE}.")
    try:
        with os.fdopen(number, "wb") as stream:
            stream.write(text.encode("utf-8", "surrogateescape"))
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
