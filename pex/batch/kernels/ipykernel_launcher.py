"""A kernel that imports nothing from its folder at start; run like `ipykernel_launcher`.

Python runs it with `-P`. The folder is added to the module search path once everything is
imported, at IPython's usual position: after Python's own modules, before installed packages.
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
"""Modules that a kernel would import only after its folder is on the search path: on inspection, on
completion, or at exit. Those not installed are skipped."""


class KernelApp(IPKernelApp):
    """ipykernel's application; with -P, IPython itself leaves the folder off the search path."""

    def init_path(self) -> None:
        """Add the kernel's folder to the module search path, unless the user excludes it."""
        if "" in sys.path or self.ignore_cwd or os.environ.get("PYTHONSAFEPATH"):
            return
        installed = ("site-packages", "dist-packages")
        places = (n for n, place in enumerate(sys.path) if Path(place).name in installed)
        sys.path.insert(next(places, 0), "")


def import_later() -> None:
    """Import now what would later be looked for in the kernel's folder."""
    for name in _LATER:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


if __name__ == "__main__":
    import_later()
    KernelApp.launch_instance()
