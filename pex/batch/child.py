"""One job in a process of its own: executes a notebook with Papermill, says how it went as JSON.

Started by `pex.batch.run` as `python -m pex.batch.child`, with the job on standard input.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pex.guard.redact import redact, secrets


def execute(job: dict[str, Any]) -> dict[str, Any]:
    """Execute the notebook; returns `status` and, where it failed, the error and its cell."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    output = Path(job["output"])
    try:
        papermill.execute_notebook(
            job["notebook"],
            str(output),
            parameters=job["parameters"],
            cwd=job["cwd"],
            progress_bar=False,
            log_output=False,
        )
    except PapermillExecutionError as error:
        return {
            "status": "failed",
            "error": f"{error.ename}: {_first_line(error.evalue)}",
            "cell": error.exec_count,
        }
    except Exception as error:  # noqa: BLE001 - every failure of a notebook is a row of the table
        return {"status": "failed", "error": f"{type(error).__name__}: {error}", "cell": None}
    finally:
        _clean(output)
    return {"status": "done", "error": None, "cell": None}


def _first_line(text: str) -> str:
    return redact((text.strip().splitlines() or [""])[0])


def _clean(output: Path) -> None:
    """Take the values of key variables out of the saved notebook."""
    if not output.is_file():
        return
    text = output.read_text(encoding="utf-8")
    # As JSON writes them: a key with a quote or backslash stands escaped in the file.
    found = [json.dumps(secret)[1:-1] for secret in secrets()]
    if any(secret in text for secret in found):
        for secret in found:
            text = text.replace(secret, "[redacted]")
        output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(execute(json.load(sys.stdin))))
