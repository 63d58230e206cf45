"""Opens a bundle that may come from a stranger: checked as a whole, unpacked beside, then moved.

Nothing in it is run or imported, no database file of it is opened, and the folder is a project
that this machine does not trust (`pexlab trust`). What its files say is not checked: its
answers, scores and runs are what the sender claims.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pex.bundle import manifest as names
from pex.bundle.journal_rows import JournalWriter
from pex.bundle.manifest import Manifest, check_name
from pex.bundle.mlflow_rows import StoreWriter
from pex.core import private
from pex.core.errors import PexError
from pex.core.project import is_inside
from pex.project.settings import load_settings
from pex.run.database import FILE
from pex.tracking.store import local_folder, stored_in

LARGEST_MANIFEST = 64_000_000
LARGEST_ROW = 64_000_000
MOST_FILES = 200_000
MOST_TIMES = 200
"""How many times as large as the bundle its files may be, once they are over a gigabyte."""
_LARGE = 1_000_000_000
_PART = 1 << 20
_ROWS = 1_000


def read_manifest(bundle: Path) -> Manifest:
    """The manifest of a bundle, after everything that can be checked without unpacking.

    Raises:
        PexError: it is not a bundle, is of a newer format, or is unsafe.
    """
    with _opened(bundle) as file:
        return _checked(file, bundle)


def unpack(
    bundle: Path, to: Path | None = None, *, say: Callable[[str], None] = lambda line: None
) -> tuple[Path, Manifest]:
    """Unpack a bundle into a new folder.

    Args:
        bundle: the file.
        to: the folder, which must not exist or be empty; None: the bundle's name, here.
        say: told about the progress.

    Returns:
        The folder and the manifest.

    Raises:
        PexError: the bundle is damaged, unsafe or of a newer version; nothing was written.
    """
    folder = Path(bundle.stem) if to is None else to
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PexError(f"{folder}: this exists", hint="name a new folder: --to DIR")
    if not folder.resolve().parent.is_dir():
        raise PexError(f"{folder.resolve().parent}: there is no such folder")
    with _opened(bundle) as file:
        made = _checked(file, bundle)
        _check_disk(made, folder.resolve().parent, bundle)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.resolve().parent))
        try:
            project = part / "project"
            project.mkdir()
            _files(file, made, {names.FILES: project}, bundle, say)
            state, database = _places(project, bundle, say)
            own = {names.ARTIFACTS: database.parent, names.RATINGS: state / "ratings"}
            _files(file, made, own, bundle, say)
            say("writing the journal and MLflow's runs")
            _journal(file, made, state, bundle)
            store = folder.resolve() / database.parent.relative_to(project)
            _mlflow(file, made, database, store, bundle)
            if folder.exists():
                folder.rmdir()
            project.replace(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder, made


def _opened(bundle: Path) -> zipfile.ZipFile:
    if not bundle.is_file():
        raise PexError(f"{bundle}: there is no such file")
    try:
        return zipfile.ZipFile(bundle)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise PexError(f"{bundle}: not a bundle of pex: {error}") from None


def _checked(file: zipfile.ZipFile, bundle: Path) -> Manifest:
    entries = file.infolist()
    if len(entries) > MOST_FILES:
        raise PexError(f"{bundle}: {len(entries):,} files; at most {MOST_FILES:,} are unpacked")
    made = _manifest(file, bundle)
    seen: dict[str, str] = {}
    for entry in entries:
        if entry.filename == names.NAME:
            continue
        name = check_name(entry.filename, str(bundle))
        if other := seen.get(name.casefold()):
            raise PexError(f"{bundle}: {name!r} and {other!r}: the same file twice")
        seen[name.casefold()] = name
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or entry.is_dir():
            raise PexError(f"{bundle}: {name!r}: a link or a special file, expected a plain one")
        if entry.flag_bits & 0x1 or entry.compress_type not in (
            zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED,
        ):  # fmt: skip
            raise PexError(f"{bundle}: {name!r}: encrypted, or compressed in another way")
        member = made.files.get(name)
        if member is None:
            raise PexError(f"{bundle}: {name!r}: not in the manifest")
        if entry.file_size != member.size:
            raise PexError(f"{bundle}: {name!r}: {entry.file_size:,} bytes, the manifest says "
                           f"{member.size:,}")  # fmt: skip
    there = set(seen.values())
    missing = next((name for name in made.files if name not in there), None)
    if missing is not None:
        raise PexError(f"{bundle}: {missing!r}: in the manifest, but not in the bundle")
    packed = bundle.stat().st_size
    if made.size > _LARGE and made.size > MOST_TIMES * packed:
        raise PexError(f"{bundle}: {made.size:,} bytes packed in {packed:,}: more than "
                       f"{MOST_TIMES} times as large, which no project is")  # fmt: skip
    return made


def _manifest(file: zipfile.ZipFile, bundle: Path) -> Manifest:
    try:
        entry = file.getinfo(names.NAME)
    except KeyError:
        raise PexError(f"{bundle}: not a bundle of pex: it has no {names.NAME}") from None
    if entry.file_size > LARGEST_MANIFEST:
        raise PexError(f"{bundle}: {names.NAME}: over {LARGEST_MANIFEST // 1_000_000} MB")
    text = b"".join(_blocks(file, entry, bundle))
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise PexError(f"{bundle}: {names.NAME} is not valid JSON") from None
    version = data.get("format") if isinstance(data, dict) else None
    if isinstance(version, int) and version > names.FORMAT:
        raise PexError(
            f"{bundle}: format {version}; this pex reads up to {names.FORMAT}",
            hint="pip install --upgrade pexlab",
        )
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise PexError(f"{bundle}: {names.NAME}: {key}: {first['msg'].lower()}") from None


def _check_disk(made: Manifest, folder: Path, bundle: Path) -> None:
    free = shutil.disk_usage(folder).free
    if made.size * 2 > free:  # rows are written twice: as they come, and in a database
        raise PexError(f"{bundle}: {made.size / 1e6:,.0f} MB unpacked; {folder} has "
                       f"{free / 1e6:,.0f} MB free")  # fmt: skip


def _blocks(file: zipfile.ZipFile, entry: zipfile.ZipInfo, bundle: Path) -> Iterator[bytes]:
    """The bytes of an entry, never more than it says it has."""
    left = entry.file_size
    try:
        with file.open(entry) as source:
            while block := source.read(_PART):
                left -= len(block)
                if left < 0:
                    raise PexError(f"{bundle}: {entry.filename!r}: larger than it says")
                yield block
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, RuntimeError) as error:
        raise PexError(f"{bundle}: {entry.filename!r}: damaged: {error}") from None
    except Exception as error:  # zlib.error is no subclass of anything above
        if isinstance(error, PexError) or type(error).__module__ != "zlib":
            raise
        raise PexError(f"{bundle}: {entry.filename!r}: damaged: {error}") from None


def _verified(file: zipfile.ZipFile, made: Manifest, name: str, bundle: Path) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for block in _blocks(file, file.getinfo(name), bundle):
        digest.update(block)
        yield block
    if digest.hexdigest() != made.files[name].sha256:
        raise PexError(f"{bundle}: {name!r}: changed since it was packed (SHA-256 differs)")


def _places(project: Path, bundle: Path, say: Callable[[str], None]) -> tuple[Path, Path]:
    """The folder of the journal and MLflow's database, as the bundle's own pex.toml has them.

    Raises:
        PexError: they lead out of the project, or the bundle brings a database as a file.
    """
    settings = load_settings(project)
    if settings.journal.url_env:
        say("pex.toml has a journal in PostgreSQL: take out [journal] url_env to use the answers "
            "of the bundle")  # fmt: skip
    state = project / settings.journal.path
    folder = local_folder(stored_in(project, settings.record.tracking_uri))
    uri = stored_in(project, settings.record.tracking_uri if folder else None)
    database = Path(uri.removeprefix("sqlite:///"))
    for path in (state, database.parent):
        if not is_inside(path, project) or path.resolve() == project.resolve():
            raise PexError(f"{bundle}: pex.toml: {path.name}: not a place in the project")
    for path in (state / FILE, database, *database.parent.glob(f"{database.name}*")):
        if path.exists():
            raise PexError(f"{bundle}: {path.name}: a bundle may not bring a database")
    return state, database


def _files(
    file: zipfile.ZipFile,
    made: Manifest,
    places: Mapping[str, Path],
    bundle: Path,
    say: Callable[[str], None],
) -> None:
    """Write the files of some folders of the bundle."""
    done = 0
    for name, member in made.files.items():
        start = next((start for start in places if name.startswith(start)), None)
        if start is None:
            continue
        path = places[start] / name[len(start) :]
        if start == names.RATINGS:
            private.folder(path.parent)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as target:
                for block in _verified(file, made, name, bundle):
                    target.write(block)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            raise PexError(f"{bundle}: {name!r}: the same place twice") from None
        before, done = done, done + member.size
        if done // 100_000_000 > before // 100_000_000:
            say(f"unpacked {done / 1e6:,.0f} of {made.size / 1e6:,.0f} MB")


def _rows(
    file: zipfile.ZipFile, made: Manifest, name: str, bundle: Path
) -> Iterator[list[dict[str, Any]]]:
    """The rows of a table, some at a time."""
    rows: list[dict[str, Any]] = []
    rest, number = b"", 0
    for block in _verified(file, made, name, bundle):
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) > LARGEST_ROW:
            raise PexError(f"{bundle}: {name}, line {number + 1}: over {LARGEST_ROW:,} bytes")
        for line in lines:
            number += 1
            rows.append(_row(line, f"{bundle}: {name}, line {number}"))
        if len(rows) >= _ROWS:
            yield rows
            rows = []
    if rest:
        rows.append(_row(rest, f"{bundle}: {name}, line {number + 1}"))
    yield rows


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict) or not all(map(_is_plain, row.values())):
        raise PexError(f"{where}: expected an object of JSON with plain values")
    return row


def _is_plain(value: Any) -> bool:
    """Whether a database takes a value."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if isinstance(value, str):
        return not any("\ud800" <= char <= "\udfff" for char in value)
    return value is None or isinstance(value, float)


def _tables(made: Manifest, folder: str) -> Iterator[tuple[str, str]]:
    for name in made.files:
        if name.startswith(folder):
            yield name, name[len(folder) :].removesuffix(".jsonl")


def _journal(file: zipfile.ZipFile, made: Manifest, state: Path, bundle: Path) -> None:
    tables = list(_tables(made, names.JOURNAL))
    if not tables:
        return
    private.folder(state)
    writer = JournalWriter(state)
    try:
        for name, table in tables:
            for rows in _rows(file, made, name, bundle):
                writer.add(table, rows, f"{bundle}: {name}")
    finally:
        writer.close()


def _mlflow(
    file: zipfile.ZipFile, made: Manifest, database: Path, store: Path, bundle: Path
) -> None:
    from pex.tracking.store import connect

    tables = list(_tables(made, names.MLFLOW))
    if not tables:
        return
    connect(f"sqlite:///{database}")
    writer = StoreWriter(database, store)
    try:
        for name, table in tables:
            for rows in _rows(file, made, name, bundle):
                writer.add(table, rows, f"{bundle}: {name}")
        writer.close()
    finally:
        writer.abandon()
