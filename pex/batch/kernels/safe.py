"""The command of a kernel that imports nothing from its folder at start.

`python -m ipykernel_launcher` searches the notebook's folder before removing it from the search
path: a file `pathlib.py` beside a notebook would run as soon as the notebook is opened.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

USUAL = ("-m", "ipykernel_launcher")
_OWN = ("-P", "-m", "pex.batch.kernels.ipykernel_launcher")


def safe(cmd: Sequence[str]) -> list[str]:
    """The kernel's command with pex's launcher if it runs this Python; otherwise unchanged.

    Example:
        >>> safe([sys.executable, "-X", "dev", "-m", "ipykernel_launcher", "-f", "a.json"])[1:]
        ['-X', 'dev', '-P', '-m', 'pex.batch.kernels.ipykernel_launcher', '-f', 'a.json']
        >>> safe(["/other/python", "-m", "ipykernel_launcher", "-f", "a.json"])[1:3]
        ['-m', 'ipykernel_launcher']
    """
    words = list(cmd)
    if words and words[0] == sys.executable and "-m" in words:
        at = words.index("-m")
        if tuple(words[at : at + 2]) == USUAL:
            words[at : at + 2] = _OWN
    return words
