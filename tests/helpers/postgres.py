"""A real PostgreSQL server for the tests: its own cluster, on 127.0.0.1 and a free port."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PASSWORD = "pg-secret-4711"


@contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty database, password included; one server has those of a process."""
    yield f"{_server()}/{_new_database()}"


@functools.cache
def _server() -> str:
    """The server's address, without a database."""
    folder = Path(tempfile.mkdtemp(prefix="pex-pg-"))
    who: dict[str, Any] = {}
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        user = pwd.getpwnam("postgres" if _has("postgres") else "nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    data, port = folder / "data", _free_port()
    subprocess.run(
        [_program("initdb"), "-D", data, "-U", "pex", "-A", "scram-sha-256", "-E", "UTF8",
         "--no-locale", f"--pwfile={secret}"],
        check=True, capture_output=True, cwd=folder, **who,
    )  # fmt: skip
    server = subprocess.Popen(
        [_program("postgres"), "-D", data, "-p", str(port), "-k", folder,
         "-c", "listen_addresses=127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **who,
    )  # fmt: skip

    def end() -> None:
        server.send_signal(signal.SIGINT)  # what is still connected does not hold it up
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    _wait(port, server)
    return f"postgresql://pex:{PASSWORD}@127.0.0.1:{port}"


def _new_database() -> str:
    name = f"test_{secrets.token_hex(4)}"
    port = int(_server().rpartition(":")[2])
    with contextlib.closing(_connected(port)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
    return name


def _connected(port: int) -> Any:
    import pg8000.dbapi

    return pg8000.dbapi.connect(
        user="pex", password=PASSWORD, host="127.0.0.1", port=port, database="postgres"
    )


def installed() -> bool:
    """Whether PostgreSQL's programs are there."""
    return _found("initdb") is not None


def _program(name: str) -> str:
    found = _found(name)
    assert found, f"PostgreSQL's {name} is not installed: sh .ci/programs"
    return found


def _found(name: str) -> str | None:
    usual = sorted(str(path) for path in Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (usual[-1] if usual else None)


def _has(user: str) -> bool:
    return any(entry.pw_name == user for entry in pwd.getpwall())


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    from pg8000.exceptions import Error

    deadline = time.monotonic() + 250
    while True:
        assert server.poll() is None, "PostgreSQL ended at once"
        try:
            return _connected(port).close()
        except Error:
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.1)
