"""A notebook before it runs: read, and refused if it could not run at all."""

from __future__ import annotations

import sys
import warnings
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.batch.kernels.lazy_rfc3986 import put_off
from pex.core import jsontext
from pex.core.errors import PexError, nearest

if TYPE_CHECKING:
    from jupyter_client.kernelspec import KernelSpecManager

KERNEL = "python3"
"""The kernel of a notebook that names none."""
LARGEST_MB = 500
"""Maximum size of a notebook with its images."""
_NOT_RUN = {"skip-execution", "raises-exception"}
"""Tags of cells that can contain anything."""


def read_notebook(path: Path, where: str) -> Any:
    """Read a notebook in nbformat 4, checked as far as possible without running it.

    Args:
        path: the `.ipynb` file.
        where: the name of the step in an error.

    Raises:
        PexError: it is missing or not a notebook, its kernel is not installed, or one of its cells
            is not valid Python.
    """
    put_off()  # or nbformat builds the grammar, through jsonschema
    import nbformat

    text = _text(path, where)
    try:
        # Old formats are upgraded; a warning about missing cell ids is of no use.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
            nbformat.validate(content)
    # nbformat 4 itself parses the file without checks.
    except Exception as error:  # noqa: BLE001
        raise PexError(f"{where}: {path} is not a notebook: {_short(error)}") from None
    kernel, language = kernel_of(content.metadata)
    if kernel != KERNEL:
        _installed(kernel, path, where)
    elif language.lower() in ("python", "ipython"):
        _check_cells(content, path, where)
    return content


def kernel_of(metadata: Any) -> tuple[str, str]:
    """The kernel and the language that a notebook's metadata name.

    Example:
        >>> kernel_of({})
        ('python3', 'python')
    """
    spec, about = (metadata.get(key) or {} for key in ("kernelspec", "language_info"))
    language = about.get("name") or spec.get("language") or "python"
    return str(spec.get("name") or KERNEL), str(language)


def own_kernels() -> KernelSpecManager:
    """The kernels of this environment first, even if the user has one of the same name."""
    from jupyter_client.kernelspec import KernelSpecManager

    found = KernelSpecManager()
    own = str(Path(sys.prefix) / "share" / "jupyter" / "kernels")
    found.kernel_dirs = [own, *(folder for folder in found.kernel_dirs if folder != own)]
    return found


def python_of(source: str) -> str:
    r"""A cell's source, with magics and shell commands replaced by the calls that IPython makes.

    Raises:
        SyntaxError: it is not Python with magics.

    Example:
        >>> python_of("x = 1")
        'x = 1'
        >>> python_of("%matplotlib inline")
        "get_ipython().run_line_magic('matplotlib', 'inline')\n"
    """
    try:
        _compile(source)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        manager = TransformerManager()  # type: ignore[no-untyped-call]
        source = manager.transform_cell(source)
        _compile(source)
    return source


def _compile(source: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile(source, "cell", "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def _text(path: Path, where: str) -> str:
    """The file's text, checked to be JSON."""
    if path.is_dir():
        raise PexError(f"{where}: {path} is a folder, expected a notebook")
    if not path.is_file():
        folder = path.parent
        if not folder.is_dir():
            raise PexError(f"{where}: no notebook {path}: there is no folder {folder}")
        names = [file.name for file in folder.glob("*.ipynb")]
        raise PexError(f"{where}: no notebook {path}", hint=nearest(path.name, names))
    size_mb = path.stat().st_size / 1e6
    if size_mb > LARGEST_MB:
        raise PexError(f"{where}: {path} has {size_mb:,.0f} MB, at most {LARGEST_MB} MB are read")
    try:
        text = path.read_text(encoding="utf-8")
        found = jsontext.loads(text)
    except OSError as error:
        raise PexError(f"{where}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise PexError(
            f"{where}: {path} is not a notebook: not UTF-8 (byte {error.start})",
            hint="save the file as UTF-8",
        ) from None
    except (ValueError, RecursionError) as error:
        why = "it is empty" if not path.stat().st_size else f"not valid JSON: {_short(error)}"
        raise PexError(f"{where}: {path} is not a notebook: {why}") from None
    if not isinstance(found, dict) or not isinstance(found.get("nbformat"), int):
        raise PexError(f"{where}: {path} is not a notebook: it does not say its 'nbformat'")
    return text


def _installed(kernel: str, path: Path, where: str) -> None:
    known = own_kernels().find_kernel_specs()
    if kernel.lower() not in known and kernel not in known:
        raise PexError(
            f"{where}: {path.name} needs the kernel '{kernel}', which is not installed",
            hint=nearest(kernel, sorted(known)),
        )


def _check_cells(content: Any, path: Path, where: str) -> None:
    number = 0
    for cell in content.cells:
        number += cell.cell_type == "code"
        if cell.cell_type != "code" or _NOT_RUN & set(cell.metadata.get("tags", [])):
            continue
        try:
            python_of(cell.source)
        except SyntaxError as error:
            line = f", line {error.lineno}" if error.lineno else ""
            raise PexError(f"{where}: {path.name}, code cell {number}{line}: {error.msg}") from None
        except ValueError as error:  # null bytes, half characters
            raise PexError(f"{where}: {path.name}, code cell {number}: {_short(error)}") from None
        except (RecursionError, MemoryError):  # too deep for this check: the kernel will report it
            continue


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
