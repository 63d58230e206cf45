"""Embeddings of texts by the built-in model, in a process of its own that ends with them.

The project's server keeps answering chats: a server that makes embeddings is slower at those.
"""

from __future__ import annotations

import http.client
import json
import secrets
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pex.core import jsontext, python
from pex.core.errors import PexError
from pex.local.package import missing

MOST_CHARS = 1500
"""A text is cut here: more does not fit into the model's window."""
_AT_ONCE = 32
_PATIENCE_S = 600.0


def embed(texts: Sequence[str]) -> list[list[float]]:
    """The embedding of each text, the mean over its tokens.

    Args:
        texts: of which the first 1,500 characters count.

    Raises:
        PexError: the model is not installed, or it failed.
    """
    absent = missing()
    if absent is not None:
        raise PexError(absent)
    if not texts:
        return []
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "texts.json", Path(folder) / "vectors.json"
        asked.write_text(json.dumps([text[:MOST_CHARS] or " " for text in texts]), "utf-8")
        with (Path(folder) / "log").open("wb") as log:
            try:
                done = subprocess.run(
                    python.command("pex.local.embedding", str(asked), str(answered)),
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                    env=python.environment(), timeout=_PATIENCE_S + len(texts), check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                raise PexError("the built-in model did not embed the texts in time") from None
        if done.returncode != 0 or not answered.is_file():
            said = (Path(folder) / "log").read_text("utf-8", errors="replace").splitlines()[-1:]
            raise PexError(f"the built-in model could not embed the texts: {' '.join(said)[:300]}")
        return list(jsontext.loads(answered.read_text("utf-8")))


def _main(asked: Path, answered: Path) -> None:
    from pex.local.engine import open_server

    key = secrets.token_urlsafe(24)
    server = open_server("127.0.0.1", 0, key, embeddings=True)
    address = str(urllib.parse.urlsplit(server.listening_address).netloc)
    texts = jsontext.loads(asked.read_text("utf-8"))
    found: list[list[float]] = []
    for start in range(0, len(texts), _AT_ONCE):
        found += _ask(address, key, texts[start : start + _AT_ONCE])
    answered.write_text(json.dumps(found), "utf-8")


def _ask(address: str, key: str, texts: list[str]) -> list[list[float]]:
    link = http.client.HTTPConnection(address, timeout=_PATIENCE_S)
    head = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    try:
        link.request("POST", "/v1/embeddings", json.dumps({"input": texts}), head)
        answer = link.getresponse()
        body: Any = answer.read()
    finally:
        link.close()
    if answer.status != 200:
        raise SystemExit(f"{answer.status}: {body[:200].decode('utf-8', 'replace')}")
    data = sorted(jsontext.loads(body)["data"], key=lambda item: item["index"])
    return [[round(float(value), 6) for value in item["embedding"]] for item in data]


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
