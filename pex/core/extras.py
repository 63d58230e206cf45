"""Which extra of pexlab brings a package that only some of its users need."""

from __future__ import annotations

import importlib.util

from pex.core.errors import PexError

PACKAGES = {
    "lab": (
        "IPython",
        "anywidget",
        "choix",
        "datasketch",
        "ipywidgets",
        "jupyter_core",
        "jupyterlab",
        "markdown_it",
        "mlflow",
        "nbformat",
        "nh3",
        "numpy",
        "openpyxl",
        "pandas",
        "papermill",
        "plotly",
        "py3langid",
        "pyarrow",
        "pygments",
        "rapidfuzz",
        "scipy",
    ),
    "change-points": ("ruptures",),
    "dask": ("distributed",),
    "documents": ("pypdfium2", "PIL"),
    "improve": ("gepa",),
    "inspect": ("inspect_ai",),
    "keyring": ("keyring",),
    "local": ("xllamacpp",),
    "mcp": ("mcp",),
    "pii": ("presidio_analyzer",),
    "postgres": ("pg8000",),
}
"""By extra, the packages that pex itself imports, as they are named in Python."""


def install_line(extra: str) -> str:
    """The command that installs an extra.

    Example:
        >>> install_line("lab")
        'pip install "pexlab[lab]"'
    """
    return f'pip install "pexlab[{extra}]"'


def missing(extra: str) -> tuple[str, ...]:
    """The packages of an extra that are not installed.

    Example:
        >>> missing("lab")
        ()
    """
    return tuple(name for name in PACKAGES[extra] if importlib.util.find_spec(name) is None)


def require(extra: str, what: str) -> None:
    """Check that an extra is installed, before anything is begun.

    Args:
        extra: one of `PACKAGES`.
        what: what needs it, for the error.

    Raises:
        PexError: a package of it is missing.
    """
    if absent := missing(extra):
        packages = ", ".join(absent[:3]) + (" and others" if len(absent) > 3 else "")
        raise PexError(f"{what} needs the extra '{extra}' ({packages})", hint=install_line(extra))


def explained(error: ModuleNotFoundError) -> PexError | None:
    """The same in words of pex if the package is one of an extra, else None.

    Example:
        >>> print(explained(ModuleNotFoundError("No module named 'gepa'", name="gepa")))
        the package gepa is not installed
          pip install "pexlab[improve]"
    """
    name = (error.name or "").partition(".")[0]
    for extra, packages in PACKAGES.items():
        if name in packages:
            return PexError(f"the package {name} is not installed", hint=install_line(extra))
    return None
