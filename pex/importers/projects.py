"""From a file or folder of another tool to an experiment: which reader reads it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.core.textfile import LARGEST_MB, read_bytes
from pex.importers.datasets import is_langfuse, is_phoenix, read_langfuse, read_phoenix
from pex.importers.evals_registry import is_evals_registry, read_evals_registry
from pex.importers.imported import Imported, new_name, unreadable
from pex.importers.inspect_log import zip_names
from pex.importers.inspect_project import is_inspect_task, read_inspect_task
from pex.importers.openai_evals import is_openai_eval, read_openai_eval
from pex.importers.prompt_folder import is_prompt_folder, read_prompt_folder
from pex.importers.promptfoo_config.read import is_promptfoo_config, read_promptfoo_config
from pex.importers.python_code.read import is_python_code, read_python_code
from pex.importers.recorded import TOOLS
from pex.importers.table_file import is_table, read_table
from pex.importers.write_project import write_project

Looks = Callable[[Path, str], bool]
"""Whether a path is a tool's; the text is empty for a folder and for what is not
UTF-8; of a zip file, it has the names of the entries."""

READERS: dict[str, tuple[Looks, Callable[[Path], Imported]]] = {
    "promptfoo": (is_promptfoo_config, read_promptfoo_config),
    "inspect-task": (is_inspect_task, read_inspect_task),
    "openai-evals": (is_openai_eval, read_openai_eval),
    "evals-registry": (is_evals_registry, read_evals_registry),
    "langfuse": (is_langfuse, read_langfuse),
    "phoenix": (is_phoenix, read_phoenix),
    "python": (is_python_code, read_python_code),
    "table": (is_table, read_table),
    "text": (is_prompt_folder, read_prompt_folder),
}
"""By the tool's name: whether a file or folder looks like its project, and its reader. The first
that fits is used, so what fits nearly everything comes last."""


@dataclasses.dataclass(frozen=True, slots=True)
class ImportedProject:
    """An imported project: its experiment's file, and what became of each part."""

    path: Path
    imported: Imported


def is_project(path: Path, tool: str | None = None) -> bool:
    """Whether a path is a project of another tool; False for results, which `TOOLS` reads.

    Raises:
        PexError: the path does not exist or cannot be read, no reader has this name, or it is
            neither a project nor results that pex knows.
    """
    if tool is not None and tool not in {*READERS, *TOOLS}:
        names = sorted({*READERS, *TOOLS})
        raise PexError(f"there is no importer '{tool}'", hint=nearest(tool, names))
    text = _text(path)
    results = {name: looks for name, (looks, _) in TOOLS.items() if tool in (None, name)}
    if text and any(looks(text) for looks in results.values()):
        return False
    if tool is not None:
        return tool in READERS
    _reader(path, text)
    return True


def import_project(
    path: str | Path,
    to: str | Path | None = None,
    name: str | None = None,
    tool: str | None = None,
) -> ImportedProject:
    """Write a project of another tool as an experiment that runs, with a report beside it.

    Nothing in it is executed, no model is called, no key is copied and no file is overwritten.

    Args:
        path: the tool's file or folder.
        to: the new experiment's folder; default: `experiments/NAME` of the project here.
        name: the experiment's name; default: as the file says.
        tool: one of `READERS`; default: by the contents.

    Raises:
        PexError: it is no project of a tool that pex knows, is damaged, or the folder exists.
    """
    path = Path(path)
    if tool is not None and tool not in READERS:
        raise PexError(f"there is no reader of '{tool}' projects", hint=nearest(tool, READERS))
    chosen = tool or _reader(path, _text(path))
    try:
        imported = READERS[chosen][1](path)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
        # A value of another kind than the tool reads, wherever it is.
        why = f"a value is not of the kind that it reads ({type(error).__name__}: {error})"
        raise unreadable(path, why, chosen) from None
    folder = None if to is None else Path(to)
    wanted = name or (None if folder is None else folder.absolute().name) or imported.name
    imported = dataclasses.replace(imported, name=new_name(wanted, otherwise="imported"))
    folder = folder or find_project() / "experiments" / imported.name
    file, imported = write_project(imported, folder, path.name)
    return ImportedProject(file, imported)


def _reader(path: Path, text: str) -> str:
    found = next((name for name, (looks, _) in READERS.items() if looks(path, text)), None)
    if found is None:
        known = ", ".join(sorted({*READERS, *TOOLS}))
        raise PexError(
            f"{path}: neither a project nor results of a tool that pex knows",
            hint=f"known are {known}; --from NAME reads it as one of them",
        )
    return found


def _text(path: Path) -> str:
    if path.is_dir():
        return ""
    packed = zip_names(path)
    if packed is not None:
        return packed
    try:
        return read_bytes(path, "file", LARGEST_MB).decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""
