"""Processes whose connections and started programs are written down, and a server to lure them to.

The record is made by Python's own audit events, in the process and in every Python that it starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_HOOK = """
import json, os, socket, sys

_FILE = os.environ.get("PEX_TEST_SEEN")
_MEMORY = os.environ.get("PEX_TEST_MEMORY")
_NAMES = {"socket.connect", "socket.sendto", "socket.getaddrinfo", "subprocess.Popen", "os.exec",
          "os.posix_spawn", "os.system", "os.startfile"}


def _see(event, args):
    if event not in _NAMES:
        return
    if event in ("socket.connect", "socket.sendto"):
        if args[0].family == socket.AF_UNIX:
            return
        told = [str(part) for part in args[-1]] if isinstance(args[-1], tuple) else [str(args[-1])]
    elif event == "socket.getaddrinfo":
        told = [str(args[0]), str(args[1])]
    elif event == "os.system":
        told = [str(args[0])]
    else:
        words = args[1] if isinstance(args[1], (list, tuple)) else [args[1]]
        told = [os.fsdecode(os.fspath(part)) for part in words]
    line = json.dumps({"event": event, "args": told}) + "\\n"
    number = os.open(_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(number, line.encode())
    os.close(number)


if _FILE:
    sys.addaudithook(_see)
if _MEMORY:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (int(_MEMORY), int(_MEMORY)))
"""


class Sink:
    """A server that writes down all that it is sent, and answers nothing."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        got = self.got

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.settimeout(2)
                data = b""
                with contextlib.suppress(OSError):
                    data = self.request.recv(65536)
                got.append(data)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Sink]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


@dataclass
class Seen:
    """A process that has ended, and what it and its children did."""

    code: int
    out: str
    err: str
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def hosts(self) -> set[tuple[str, ...]]:
        """Where was connected to or sent, host and port; unix sockets are not counted."""
        kinds = ("socket.connect", "socket.sendto")
        return {tuple(e["args"][:2]) for e in self.events if e["event"] in kinds}

    @property
    def names(self) -> set[str]:
        """The hosts that were looked up."""
        return {e["args"][0] for e in self.events if e["event"] == "socket.getaddrinfo"}

    @property
    def started(self) -> list[list[str]]:
        """The command lines that were started."""
        return [e["args"] for e in self.events if not e["event"].startswith("socket")]


def watched(
    arguments: list[str], folder: Path, notes: Path, environment: dict[str, str | None]
) -> Seen:
    """Run Python with `arguments` in `folder`, and see what it does.

    Args:
        arguments: after `python`.
        folder: where.
        notes: a folder outside of it, for the record.
        environment: over that of the tests; None takes a variable away.
    """
    notes.mkdir(parents=True, exist_ok=True)
    (notes / "hook").mkdir(exist_ok=True)
    (notes / "hook" / "sitecustomize.py").write_text(_HOOK)
    seen = notes / "seen.jsonl"
    seen.unlink(missing_ok=True)
    env = {**os.environ, "PYTHONPATH": str(notes / "hook"), "PEX_TEST_SEEN": str(seen)}
    for name, value in environment.items():
        env.pop(name, None)
        if value is not None:
            env[name] = value
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True,
        timeout=300, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    lines = seen.read_text().splitlines() if seen.exists() else []
    return Seen(done.returncode, done.stdout, done.stderr, [json.loads(line) for line in lines])
