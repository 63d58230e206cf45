"""A folder of prompts as text files: `.txt` and `.md`, with a file of cases if there is one."""

from __future__ import annotations

from pathlib import Path

from pex.core.cases import Case, read_cases
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.prompty import split_roles
from pex.core.textfile import read_text
from pex.importers.imported import Imported, Note, new_name, unreadable
from pex.importers.variables import as_template

TOOL = "text files"
_PROMPTS = (".txt", ".md", ".prompty", ".j2", ".jinja", ".jinja2")
_CASES = (".csv", ".tsv", ".jsonl", ".xlsx", ".parquet")
_NO_PROMPTS = ("readme", "license", "licence", "changelog", "contributing", "import")
_MOST_FILES = 2000


def is_prompt_folder(path: Path, text: str) -> bool:
    """Whether a path is a folder with prompts as text, or such a file."""
    if path.is_dir():
        return any(_is_prompt(item) for item in path.rglob("*"))
    return path.suffix.lower() in _PROMPTS and bool(text.strip())


def read_prompt_folder(path: Path) -> Imported:
    """Read prompts from text files; the first file of cases in the folder has the cases.

    Raises:
        PexError: there is no prompt, or a file cannot be read.
    """
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    if len(files) > _MOST_FILES:
        raise unreadable(path, f"{len(files):,} files, at most {_MOST_FILES:,} are read", TOOL)
    folder = path.parent if path.is_file() else path
    prompts: list[Prompt] = []
    notes: list[Note] = []
    for file in files:
        where = file.relative_to(folder).as_posix()
        if not _is_prompt(file):
            if file.suffix.lower() not in _CASES:
                notes.append(Note(where, "left out", _why_not(file)))
            continue
        read_one(file, where, prompts, notes)
    if not prompts:
        raise unreadable(path, f"no file ends in {', '.join(_PROMPTS)}", TOOL)
    cases = _cases([file for file in files if file.suffix.lower() in _CASES], folder, notes)
    return Imported(
        tool=TOOL,
        name=path.stem if path.is_file() else path.absolute().name,
        prompts=prompts,
        cases=cases,
        notes=notes,
    )


def read_one(file: Path, where: str, prompts: list[Prompt], notes: list[Note]) -> None:
    """Add the prompt in a file, and what is to be said of it; an empty file is left out."""
    if file.suffix.lower() == ".prompty":
        prompt = Prompt.load(file)
        name = new_name(prompt.name, [item.name for item in prompts])
        prompts.append(Prompt.parse(prompt.to_prompty(), where, name).called(name, None))
        notes.append(Note(where, "taken over", "as a prompt"))
        return
    text = read_text(file, "prompt").removeprefix("\ufeff")
    if not text.strip():
        notes.append(Note(where, "left out", "it is empty"))
        return
    made = as_template(text)
    name = new_name(file.stem, [item.name for item in prompts])
    try:
        prompts.append(Prompt(split_roles(made.text), name))
    except PexError as error:
        notes.append(Note(where, "left out", error.message))
        return
    if made.style not in ("", "{{x}}"):
        names = ", ".join(made.names)
        how = f"variables written {made.style} are now {{{{ x }}}}: {names}"
        notes.append(Note(where, "changed", how))
    else:
        notes.append(Note(where, "taken over", "as a prompt"))
    if name != file.stem:
        notes.append(Note(where, "changed", f"the prompt is called {name}"))


def _is_prompt(file: Path) -> bool:
    named = file.stem.casefold() in _NO_PROMPTS
    return file.suffix.lower() in _PROMPTS and not named and not file.name.startswith(".")


def _why_not(file: Path) -> str:
    if file.suffix.lower() in (".py", ".ipynb"):
        return "Python: its prompts are read by pexlab import --code"
    return "not a prompt as text"


def _cases(files: list[Path], folder: Path, notes: list[Note]) -> list[Case]:
    cases: list[Case] = []
    for file in files:
        where = file.relative_to(folder).as_posix()
        if cases:
            notes.append(Note(where, "left out", "an experiment has one file of cases"))
            continue
        cases = read_cases(file).cases
        columns = ", ".join(dict.fromkeys(name for case in cases for name in case.inputs))
        notes.append(Note(where, "taken over", f"as cases, columns {columns}", len(cases)))
    return cases
