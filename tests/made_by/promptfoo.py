"""Makes the results in tests/importers/files/promptfoo with promptfoo itself.

    npm install promptfoo@0.120 --prefix FOLDER      (Node 20)
    python tests/made_by/promptfoo.py FOLDER

Format 2 (`scenario/results-0.91.json`) is that of promptfoo@0.91, run in the same way:

    python tests/made_by/promptfoo.py FOLDER results-0.91.json --no-write

It runs each configuration against an endpoint that answers by the rules below, without a network,
and keeps what promptfoo wrote beside the configuration, with its version in `results.json`.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

FILES = Path(__file__).parent.parent / "importers" / "files" / "promptfoo"
PORT = 9399
RULES = (
    ("open?", "We are open from 9 am to 5 pm"),
    ("Sunday", "No, we are closed."),
    ("Monday", "Yes, as always."),
    ("as JSON", '{"price": 3}'),
    ("nothing", "We have a cup and a pot."),
    ("best", "The big pot, not the small cup."),
    ("magasin", "Le magasin est 3 rue Haute."),
    ("again", "Yes"),
    ("one word", "yes"),
)


def answer(text: str) -> str:
    """What the endpoint says to the last message: by the first rule whose words are in it."""
    return next((said for words, said in RULES if words in text), "As an AI I cannot say.")


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Chat completions, by the rules."""

    def do_POST(self) -> None:
        """Answer."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = answer(body["messages"][-1]["content"])
        choice = {"index": 0, "finish_reason": "stop",
                  "message": {"role": "assistant", "content": text}}  # fmt: skip
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        data = json.dumps({"id": "1", "object": "chat.completion", "model": body["model"],
                           "choices": [choice], "usage": usage}).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *given: object) -> None:
        """Say nothing."""


def main(folder: Path, name: str = "results.json", *more: str) -> None:
    """Run promptfoo on every configuration and keep its results under a name."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    program = folder / "node_modules" / ".bin" / "promptfoo"
    for config in sorted(FILES.glob("*/promptfooconfig.yaml")):
        results = config.parent / name
        with tempfile.TemporaryDirectory() as own:
            subprocess.run(
                [program, "eval", "-c", config.name, "-o", results, "--no-cache", "--no-table",
                 "--no-progress-bar", *more],
                cwd=config.parent,
                env={**os.environ, "PROMPTFOO_CONFIG_DIR": own, "PROMPTFOO_DISABLE_TELEMETRY": "1",
                     "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1"},
                check=False,  # 100 if a test fails, and some must
            )  # fmt: skip
        results.write_text(_small(results.read_text("utf-8"), config.parent), encoding="utf-8")


def _small(text: str, folder: Path) -> str:
    """The results without the machine's paths, and without what repeats the configuration."""
    data = json.loads(text.replace(str(folder), "."))
    data["config"] = {}
    for row in data["results"]["results"]:
        parts = [_of_assertion(part) for part in
                 (row.get("gradingResult") or {}).get("componentResults") or ()]  # fmt: skip
        for key in ("testCase", "gradingResult"):
            inner = row.get(key) or {}
            row[key] = {name: inner[name] for name in ("description", "metadata", "pass", "score")
                        if name in inner}  # fmt: skip
        if parts:
            row["gradingResult"]["componentResults"] = parts
    for key in ("prompts", "table"):
        data["results"].pop(key, None)
    whole = json.dumps(data, ensure_ascii=False, indent=1)
    return re.sub(r"sk-[A-Za-z0-9-]+", "KEY", whole) + "\n"


def _of_assertion(part: dict[str, Any]) -> dict[str, Any]:
    """The result of one assertion, without the text of what it compares with."""
    kept = {name: part[name] for name in ("pass", "score", "reason", "metadata") if name in part}
    own = part.get("assertion")
    if own:
        kept["assertion"] = {name: own[name] for name in ("type", "metric") if name in own}
    return kept


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
