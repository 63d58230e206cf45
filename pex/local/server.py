"""One server for the built-in model per project, shared by all its kernels and processes.

`.pex/model.json` has its address and key (readable by the user alone); `.pex/model.lock` lets one
process at a time start it. The server is a separate process (`pex.local.child`) that exits after
ten idle minutes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import secrets
import signal
import subprocess
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import psutil
from filelock import FileLock

from pex.core import jsontext, private, python
from pex.core.errors import PexError
from pex.local import info as about
from pex.local.info import ServerInfo
from pex.local.package import missing

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
_MOST_BYTES = 16 * 1024 * 1024
KEY_VARIABLE = "PEX_MODEL_SERVER_KEY"


def ensure(state: Path) -> ServerInfo:
    """The project's server, started if none is running.

    Args:
        state: the project's `.pex/` folder.

    Raises:
        PexError: the model is not installed, or its server does not start.
    """
    found = status(state)
    if found is not None:
        return found
    absent = missing()
    if absent is not None:
        raise PexError(absent)
    private.folder(state)
    with FileLock(state / "model.lock", timeout=START_TIMEOUT_S + 30):
        return status(state) or _start(state)


def status(state: Path) -> ServerInfo | None:
    """The project's server if it runs and answers, else None."""
    return _answering(about.read(state))


def stop(state: Path) -> bool:
    """End the project's server; False if none was running, or none that is known to be its own."""
    info = about.read(state)
    if info is None or not about.serves(info, state):
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(info.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except psutil.TimeoutExpired:
            process.kill()
    forget(state, info.pid)
    return True


def serve(host: str, port: int, api_key: str, say: Callable[[str], None]) -> None:
    """Serve in the foreground until interrupted, for any other client.

    Args:
        host: the address to listen on.
        port: the port, 0 for a free one.
        api_key: what clients must send.
        say: called with the address once the server listens.

    Raises:
        PexError: the model is not installed, or the port is taken.
    """
    absent = missing()
    if absent is not None:
        raise PexError(absent)
    from pex.local.engine import open_server

    try:
        server = open_server(host, port, api_key)
    except RuntimeError as error:
        raise PexError(f"cannot serve on {host}:{port}: {error}") from None
    say(f"{server.listening_address}/v1")
    while True:
        time.sleep(3600)


def write(state: Path, info: ServerInfo) -> None:
    """Publish the server's address to other processes; used by the server's own process."""
    temporary = state / f"model.json.{os.getpid()}"
    with _new(temporary) as file:
        file.write(json.dumps(dataclasses.asdict(info)).encode())
    temporary.replace(about.file_of(state))


def forget(state: Path, pid: int) -> None:
    """Remove the file if it still belongs to this process."""
    if about.pid_in(about.file_of(state)) == pid:
        about.file_of(state).unlink(missing_ok=True)


def _start(state: Path) -> ServerInfo:
    # The key is passed in the environment: every user of the machine can read arguments.
    environment = python.environment(**{KEY_VARIABLE: secrets.token_urlsafe(24)})
    with _new(state / "model.log") as log:
        process = subprocess.Popen(
            python.command(about.CHILD, str(state)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=state,
            start_new_session=True,  # an interrupt in the notebook or terminal must not reach it
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        found = about.read(state, strict=False)
        if found is not None and found.pid == process.pid and _answers(found):
            return found
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    tail = "\n  ".join(_tail(state / "model.log"))
    raise PexError(f"the built-in model's server did not start; {state / 'model.log'}:\n  {tail}")


def _new(path: Path) -> BinaryIO:
    """An empty file owned by the user, in place of an existing file or link."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _tail(path: Path, lines: int = 5) -> list[str]:
    return path.read_text(errors="replace").splitlines()[-lines:]


def _answering(info: ServerInfo | None) -> ServerInfo | None:
    return info if info is not None and _answers(info) else None


def _answers(info: ServerInfo) -> bool:
    return get(info, "/v1/models") is not None


def count_tokens(state: Path, text: str) -> int | None:
    """The built-in model's token count for a text; None if its server is not running."""
    info = status(state)
    found = _ask(info, "POST", "/tokenize", {"content": text}) if info is not None else None
    return len(found["tokens"]) if found is not None else None


def get(info: ServerInfo, path: str) -> Any:
    """The JSON of a server page; None if the server does not answer or refuses the key."""
    return _ask(info, "GET", path)


def _ask(info: ServerInfo, method: str, path: str, body: Any = None) -> Any:
    where = urllib.parse.urlsplit(info.base_url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=5)
    try:
        connection.request(
            method,
            path,
            json.dumps(body) if body is not None else None,
            {"Authorization": f"Bearer {info.api_key}", "Content-Type": "application/json"},
        )
        reply = connection.getresponse()
        return jsontext.loads(reply.read(_MOST_BYTES)) if reply.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return None
    finally:
        connection.close()
