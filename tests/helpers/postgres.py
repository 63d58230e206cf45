"""A real PostgreSQL server for a test: its own cluster, on 127.0.0.1 and a free port."""

from __future__ import annotations

import os
import pwd
import shutil
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
    """Serve until the block ends; gives the address of an empty database, password included."""
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
    try:
        _wait(port, server)
        yield f"postgresql://pex:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found:
        return found
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    assert installed, f"PostgreSQL's {name} is not installed: sh .ci/programs"
    return str(installed[-1])


def _has(user: str) -> bool:
    return any(entry.pw_name == user for entry in pwd.getpwall())


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    import pg8000.dbapi
    from pg8000.exceptions import Error

    for _ in range(200):
        assert server.poll() is None, "PostgreSQL ended at once"
        try:
            pg8000.dbapi.connect(
                user="pex", password=PASSWORD, host="127.0.0.1", port=port, database="postgres"
            ).close()
        except Error:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("PostgreSQL does not answer")
