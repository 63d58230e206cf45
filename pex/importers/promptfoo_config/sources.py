"""The files that a configuration names, read only from its own folder or repository."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from pex.core import jsontext
from pex.core.errors import PexError
from pex.core.project import is_inside
from pex.core.textfile import read_text
from pex.core.values import WrittenFloat, WrittenInt
from pex.core.yamltext import load_yaml
from pex.importers.imported import Note, What

CODE = (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".py", ".rb", ".sh", ".go", ".bash", ".exe",
        ".bat", ".cmd", ".ps1", ".pl")  # fmt: skip
SCHEME = "file://"
_DEEPEST = 20
_MOST_FILES = 1000


class LeftOutError(Exception):
    """A part cannot be taken over; the message says why."""


@dataclasses.dataclass(slots=True)
class Sources:
    """Where a configuration is, what is said of its parts, and its files.

    A configuration may come from anywhere, and what it names goes to a model: so nothing outside
    `root` is read, links followed.
    """

    base: Path
    root: Path
    notes: list[Note] = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, path: Path) -> Sources:
        """Of a configuration: its folder is the base, its git repository (or the folder) the root.

        Args:
            path: the configuration.
        """
        base = path.absolute().parent
        root = next((p for p in (base, *base.parents) if (p / ".git").exists()), base)
        return cls(base, root)

    def note(self, where: str, what: What, how: str = "", count: int = 1) -> None:
        """Say what became of a part."""
        self.notes.append(Note(where, what, how, count))

    def path(self, reference: str) -> Path:
        """The file that a reference such as `file://tests/a.csv` names.

        Raises:
            LeftOutError: it is code, outside the root, or not there.
        """
        name = reference.removeprefix(SCHEME)
        file = self.base / name
        if file.suffix.lower() in CODE or Path(name.rpartition(":")[0]).suffix.lower() in CODE:
            raise LeftOutError(f"{name} is code, which is never run")
        try:
            inside, there = is_inside(file, self.root), file.is_file()
        except (OSError, ValueError):  # a name that no file can have
            raise LeftOutError(f"there is no file {name[:80]}") from None
        if not inside:
            raise LeftOutError(f"{name} is outside the configuration's folder and is not read")
        if not there:
            raise LeftOutError(f"there is no file {name}")
        return file

    def paths(self, reference: str) -> list[Path]:
        """The files that a reference names, which can be a pattern such as `prompts/*.txt`.

        Raises:
            LeftOutError: as in `path`, or no file fits.
        """
        name = reference.removeprefix(SCHEME)
        if "*" not in name and not self._is_folder(name):
            return [self.path(reference)]
        pattern = name if "*" in name else f"{name.rstrip('/')}/*"
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise LeftOutError(f"the pattern {name} leads out of the configuration's folder")
        found = [file for file in sorted(self.base.glob(pattern)) if file.is_file()]
        found = [file for file in found if is_inside(file, self.root)][:_MOST_FILES]
        if not found:
            raise LeftOutError(f"no file fits {name}")
        return found

    def _is_folder(self, name: str) -> bool:
        try:
            return (self.base / name).is_dir()
        except (OSError, ValueError):
            return False

    def shown(self, file: Path) -> str:
        """A file's name for notes, from the configuration's folder."""
        return (
            file.relative_to(self.base).as_posix() if file.is_relative_to(self.base) else file.name
        )

    def data(self, file: Path) -> Any:
        """The contents of a YAML or JSON file, with the references in it resolved.

        Raises:
            LeftOutError: it cannot be read.
        """
        try:
            return load(read_text(file, "file"), file)
        except PexError as error:
            raise LeftOutError(error.message) from None


def load(text: str, file: Path) -> Any:
    """YAML or JSON as plain data, with `$ref: '#/…'` resolved.

    Raises:
        PexError: it is not valid, or its references go round in circles.
    """
    text = text.removeprefix("\ufeff")
    if file.suffix.lower() == ".json":
        try:
            data = jsontext.loads(text)
        except ValueError as error:
            raise PexError(f"{file}: not valid JSON: {error}") from None
    else:
        data = load_yaml(text, str(file)).data
    return _plain(data, data, file, 0)


def _plain(value: Any, whole: Any, file: Path, depth: int) -> Any:
    """A value with its references resolved; whole numbers have no point, as in JavaScript."""
    if depth > _DEEPEST * 5:
        raise PexError(f"{file}: nested too deeply, or a '$ref' that refers to itself")
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/"):
            return _plain(_at(whole, reference, file), whole, file, depth + _DEEPEST // 2)
        return {str(key): _plain(item, whole, file, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, whole, file, depth + 1) for item in value]
    if isinstance(value, WrittenInt):
        return int(value)
    if isinstance(value, WrittenFloat | float) and float(value).is_integer():
        return int(value)
    return float(value) if isinstance(value, WrittenFloat) else value


def _at(whole: Any, reference: str, file: Path) -> Any:
    found = whole
    for part in reference.removeprefix("#/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            raise PexError(f"{file}: $ref '{reference}': there is no '{key}'")
    return found
