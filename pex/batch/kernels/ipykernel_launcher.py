"""A kernel whose start imports nothing from its folder; started as `ipykernel_launcher` is.

Python runs it with `-P`, and the folder comes among the places of modules when everything is
imported, where IPython has it: after Python's own modules, before those that are installed.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from pathlib import Path

from ipykernel.kernelapp import IPKernelApp

_LATER = (
    "psutil", "ipykernel.debugger", "faulthandler", "pdb", "appnope", "jedi",
    "matplotlib_inline", "stack_data", "IPython.core.completer", "IPython.core.completerlib",
    "IPython.core.debugger", "IPython.core.oinspect", "IPython.extensions.storemagic",
)  # fmt: skip
"""What a kernel imports by itself only when its folder is among the places of modules: as it is
looked at, asked to complete a word, or ended. What is not installed is left out."""


class KernelApp(IPKernelApp):
    """ipykernel's application; IPython itself leaves the folder out where Python runs with -P."""

    def init_path(self) -> None:
        """Put the kernel's folder among the places of modules, unless the user wants it out."""
        if "" in sys.path or self.ignore_cwd or os.environ.get("PYTHONSAFEPATH"):
            return
        installed = ("site-packages", "dist-packages")
        places = (n for n, place in enumerate(sys.path) if Path(place).name in installed)
        sys.path.insert(next(places, 0), "")


def import_later() -> None:
    """Import now what would be looked for in the kernel's folder later."""
    for name in _LATER:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


if __name__ == "__main__":
    import_later()
    KernelApp.launch_instance()
