"""Runs code in a Python process of its own, as an application does."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any


def fresh_python(code: str, folder: Path, **environment: str) -> Any:
    """What the code prints last, read as JSON.

    Args:
        code: a program.
        folder: the current folder.
        environment: more variables, or other values.
    """
    import os

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])
