"""`.pex/model.json`: where a project's server listens, and whether the file can be trusted.

The file names an address that receives prompts, a key, and a process that pex can end. A project
from elsewhere can contain such a file, and process ids are reused. So the file counts only if this
user alone can write it and the process is a pex server of this user, with the start time and
address given in the file.
"""

from __future__ import annotations

import dataclasses
import os
import stat
import urllib.parse
import warnings
from pathlib import Path

import psutil

from pex.core import jsontext
from pex.local.package import MODEL

CHILD = "pex.local.child"
_LARGEST = 64_000
_LOOPBACK = ("127.0.0.1", "::1")
_SAME_S = 2.0
"""Seconds by which two readings of a process's start may differ: clocks are adjusted."""


@dataclasses.dataclass(frozen=True, slots=True)
class ServerInfo:
    """Where a running server is: base URL (with `/v1`), key, process and its start, model name."""

    base_url: str
    api_key: str = dataclasses.field(repr=False)
    pid: int
    model: str = MODEL
    started: float = 0.0


class _NotOurs(Exception):  # noqa: N818 - not an error: the file is ignored
    """Why the file is not trusted."""


def own(base_url: str, api_key: str) -> ServerInfo:
    """The information that the server's own process writes."""
    return ServerInfo(base_url, api_key, os.getpid(), started=psutil.Process().create_time())


def file_of(state: Path) -> Path:
    """The path of the file."""
    return state / "model.json"


def read(state: Path, strict: bool = True) -> ServerInfo | None:
    """The running server described in the file; None if there is none.

    A file that is not trusted causes a warning.

    Args:
        state: the project's `.pex/` folder.
        strict: whether the file must belong to this user alone; on a file system without owners,
            a server that this process has just started must still be found.
    """
    try:
        info = _parsed(_content(file_of(state), strict))
        _check(info)
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None
    except _NotOurs as reason:
        warnings.warn(
            f"{file_of(state)} is ignored: {reason}; pex rewrites it with the next server",
            stacklevel=2,
        )
        return None
    return info


def serves(info: ServerInfo, state: Path) -> bool:
    """Whether a running server belongs to this folder; a copied folder has a copied file."""
    try:
        folder = psutil.Process(info.pid).cmdline()[-1]
        return Path(folder).resolve() == state.resolve()
    except psutil.Error:
        return False


def pid_in(path: Path) -> int | None:
    """The process id in a file, trusted or not; None if it has none."""
    try:
        return _parsed(_content(path, strict=False)).pid
    except (FileNotFoundError, _NotOurs):
        return None


def _content(path: Path, strict: bool) -> bytes:
    # Neither through a link nor from a pipe, which would block until somebody writes.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        if path.is_symlink():
            raise _NotOurs("it is a link")
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _NotOurs(f"it cannot be read ({error.strerror})") from None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise _NotOurs("it is not a file")
        if strict and os.name == "posix":
            if about.st_uid != os.geteuid():
                raise _NotOurs("it belongs to another user")
            if about.st_mode & 0o077:
                mode = stat.S_IMODE(about.st_mode)
                raise _NotOurs(f"other users can read or change it (its mode is {mode:o})")
        return file.read(_LARGEST)


def _parsed(content: bytes) -> ServerInfo:
    try:
        info = ServerInfo(**jsontext.loads(content))
        port = urllib.parse.urlsplit(info.base_url).port
    except (ValueError, TypeError, AttributeError):
        raise _NotOurs("pex did not write it in this form") from None
    kinds = {"base_url": str, "api_key": str, "pid": int, "model": str, "started": int | float}
    if port is None or not all(isinstance(getattr(info, k), kind) for k, kind in kinds.items()):
        raise _NotOurs("pex did not write it in this form")
    return info


def _check(info: ServerInfo) -> None:
    """Raise unless the process named in the file is a pex server that listens there.

    Raises:
        _NotOurs: it is a different process.
        psutil.NoSuchProcess: it has ended.
    """
    where = urllib.parse.urlsplit(info.base_url)
    if where.scheme != "http" or where.hostname not in _LOOPBACK or where.username is not None:
        raise _NotOurs(f"its address is not on this machine: {info.base_url}")
    try:
        process = psutil.Process(info.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            raise psutil.NoSuchProcess(info.pid)
        line = process.cmdline()
        ours = os.name != "posix" or process.uids().effective == os.geteuid()
        same = abs(process.create_time() - info.started) < _SAME_S
        places = [item.laddr for item in process.net_connections("tcp") if not item.raddr]
    except (ValueError, OverflowError, psutil.AccessDenied):
        raise _NotOurs(f"process {info.pid} is not this user's") from None
    if line[-3:-1] != ["-m", CHILD] or not (ours and same):
        raise _NotOurs(f"process {info.pid} is not the built-in model's server")
    if (where.hostname, where.port) not in [(place.ip, place.port) for place in places]:
        raise _NotOurs(f"process {info.pid} does not listen at {info.base_url}")
