"""Packs a project: scanned first, then written; a secret anywhere ends it before that."""

from __future__ import annotations

import dataclasses
import datetime
import fnmatch
import hashlib
import importlib.metadata
import json
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pex.bundle import manifest as names
from pex.bundle.journal_rows import journal_rows
from pex.bundle.manifest import LeftOut, Manifest, Member, check_name
from pex.bundle.mlflow_rows import Store
from pex.bundle.project_files import project_files
from pex.core.errors import PexError
from pex.core.version import __version__
from pex.guard.known_keys import Known
from pex.guard.scan import scan_json
from pex.project.scan_files import Scanned, SecretInFile, add, is_no_text, known_values
from pex.project.settings import Settings, load_settings

if TYPE_CHECKING:
    from pex.experiment.experiment import Experiment

_SHOWN = 20
_PART = 1 << 20
_COUNTED = {
    f"{names.JOURNAL}answers.jsonl": "answers", f"{names.MLFLOW}runs.jsonl": "runs",
    f"{names.MLFLOW}trace_info.jsonl": "traces",
    f"{names.MLFLOW}registered_models.jsonl": "prompts",
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Chosen:
    """What of a project is packed; empty: all of it."""

    experiments: tuple[Experiment, ...] = ()
    runs: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of the experiments."""
        return sorted({experiment.name for experiment in self.experiments})


def choose(project: Path, given: Sequence[str]) -> Chosen:
    """The experiments and runs that somebody names.

    Args:
        project: the project's folder.
        given: experiments by file, folder or name; runs as in `pex.load_run`.

    Raises:
        PexError: it is neither an experiment nor a run.
    """
    from pex.experiment.experiment import Experiment
    from pex.project.listing import experiment_files, find_experiment
    from pex.record.run_names import find_run
    from pex.tracking.store import tracking_uri

    experiments: dict[str, Experiment] = {}
    runs = []
    every = dict.fromkeys(experiment_files(project).values())
    for name in given:
        try:
            experiment = Experiment.load(find_experiment(name, project))
        except PexError as error:
            by_name = [path for path in every if Experiment.load(path).name == name]
            if by_name:
                experiment = Experiment.load(by_name[0])
            else:
                experiment, run = _of_run(project, name, tracking_uri, find_run, error)
                runs.append(run)
        experiments[experiment.name] = experiment
    return Chosen(tuple(experiments.values()), tuple(runs))


def _of_run(
    project: Path, name: str, tracking_uri: Any, find_run: Any, error: PexError
) -> tuple[Experiment, str]:
    from pex.experiment.experiment import Experiment
    from pex.project.listing import experiment_files
    from pex.record.runs import load

    uri = tracking_uri(project, load_settings(project))
    try:
        run = find_run(uri, name)
    except PexError:
        raise PexError(f"'{name}': neither an experiment nor a run", hint=error.hint) from None
    wanted = load(uri, run)[1].name
    for path in experiment_files(project).values():
        experiment = Experiment.load(path)
        if experiment.name == wanted:
            return experiment, run
    raise PexError(f"run {run}: the project has no experiment '{wanted}' any more")


@dataclasses.dataclass(slots=True)
class _Parts:
    """The members of a bundle as files on this machine, and what is found on the way."""

    files: dict[str, Path]
    left: list[LeftOut]
    counts: Counter[str]
    scanned: Scanned = dataclasses.field(default_factory=Scanned)


def pack(
    project: Path,
    out: Path,
    chosen: Chosen | None = None,
    *,
    exclude: Sequence[str] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Manifest:
    """Write a bundle of a project.

    Args:
        project: the project's folder.
        out: the file to write; it must not exist.
        chosen: what of it; None: all.
        exclude: patterns of files to leave out, relative to the project.
        say: told about the progress.

    Returns:
        The bundle's manifest.

    Raises:
        PexError: the file exists, or a secret was found; nothing was written.
    """
    if out.exists():
        raise PexError(f"{out}: this file exists", hint="name another, or delete it")
    if out.suffix != ".zip":
        raise PexError(f"{out}: expected a name that ends in .zip")
    if not out.parent.is_dir():
        raise PexError(f"{out.parent}: there is no such folder")
    chosen = chosen or Chosen()
    settings = load_settings(project)
    with tempfile.TemporaryDirectory(prefix="pex-bundle-") as folder:
        folders = [one.path.parent for one in chosen.experiments if one.path]
        files, left = project_files(project, folders, exclude, out, _own_folders(project, settings))
        parts = _Parts(files, left, Counter(files=len(files)))
        values = known_values([project])
        _ratings(parts, project, settings, chosen)
        _journal(parts, project, settings, chosen, Path(folder), values)
        _mlflow(parts, project, settings, chosen, exclude, Path(folder), values)
        _scan(parts, values, say)
        if parts.scanned.secrets:
            raise _found(parts.scanned.secrets)
        made = _manifest(project, chosen, parts, say)
        _write(out, made, parts.files, say)
    return made


def _own_folders(project: Path, settings: Settings) -> list[Path]:
    """The folders of the journal and of MLflow's store: their files are not packed as files."""
    from pex.tracking.store import local_folder, stored_in

    store = local_folder(stored_in(project, settings.record.tracking_uri))
    folders = [project / settings.journal.path, *([store] if store else [])]
    return [folder.resolve() for folder in folders if folder.resolve() != project.resolve()]


def _ratings(parts: _Parts, project: Path, settings: Settings, chosen: Chosen) -> None:
    folder = project / settings.journal.path / "ratings"
    for path in sorted(folder.glob("*.jsonl")):
        own = any(path.name.startswith(f"{name}-") for name in chosen.names)
        if own or not chosen.experiments:
            parts.files[check_name(f"{names.RATINGS}{path.name}", path.name)] = path
            parts.counts["ratings"] += 1
        else:
            parts.left.append(LeftOut(what=f"ratings/{path.name}", why="another experiment"))


def _journal(
    parts: _Parts, project: Path, settings: Settings, chosen: Chosen, folder: Path, values: Known
) -> None:
    from pex.run.database import database_of

    keys = [key for experiment in chosen.experiments for key in experiment.request_keys()]
    rows = journal_rows(database_of(project / settings.journal.path, settings), chosen.names, keys)
    _rows(parts, rows, folder, values)


def _mlflow(
    parts: _Parts,
    project: Path,
    settings: Settings,
    chosen: Chosen,
    exclude: Sequence[str],
    folder: Path,
    values: Known,
) -> None:
    from pex.tracking.store import database_file, registry_uri, tracking_uri

    uri = tracking_uri(project, settings)
    database = database_file(uri)
    if database is None:
        if not uri.startswith("sqlite:"):
            parts.left.append(LeftOut(what="runs in MLflow", why="they are on a server"))
        return
    if registry_uri(project, settings) != uri:
        parts.left.append(LeftOut(what="prompts of the library", why="they are in another store"))
    prompts = None
    if chosen.experiments:
        prompts = {variant.prompt.name for one in chosen.experiments for variant in one.variants}
        prompts |= {
            (variant.prompt.origin or "").partition("/")[0]
            for one in chosen.experiments
            for variant in one.variants
        }
    store = Store(database, chosen.names, chosen.runs, prompts)
    try:
        _rows(parts, store.rows(), folder, values)
        for inside, what in store.run_files():
            if inside in (None, "", "."):
                parts.left.append(LeftOut(what=what, why="they are not in the project's store"))
                continue
            for path in sorted((store.folder / str(inside)).rglob("*")):
                name = path.relative_to(store.folder).as_posix()
                if path.is_dir() and not path.is_symlink():
                    continue
                why = _why_not(path, f"mlruns/{name}", exclude)
                if why is not None:
                    parts.left.append(LeftOut(what=f"mlruns/{name}", why=why))
                    continue
                parts.files[f"{names.ARTIFACTS}{name}"] = path
                parts.counts["run_files"] += 1
    finally:
        store.close()


def _why_not(path: Path, name: str, exclude: Sequence[str]) -> str | None:
    """Why a file of a run is not packed."""
    if any(fnmatch.fnmatch(name, pattern) for pattern in exclude):
        return "excluded"
    if path.is_symlink() or not path.is_file():
        return "a link or a special file"
    try:
        check_name(f"{names.ARTIFACTS}{name.removeprefix('mlruns/')}", name)
    except PexError as error:
        return error.message.rpartition(": ")[2]
    return None


def _rows(
    parts: _Parts, rows: Iterable[tuple[str, dict[str, Any]]], folder: Path, values: Known
) -> None:
    """Write rows to files, one line each, and scan them on the way."""
    opened: dict[str, IO[str]] = {}
    lines: Counter[str] = Counter()
    clean: set[str] = set()
    try:
        for name, row in rows:
            if name not in opened:
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                opened[name] = path.open("w", encoding="utf-8")
                parts.files[name] = path
            lines[name] += 1
            if any(isinstance(value, bytes) for value in row.values()):
                raise PexError(f"{name}, line {lines[name]}: bytes, where text is expected")
            opened[name].write(json.dumps(row, ensure_ascii=False) + "\n")
            for secret in scan_json(_unfolded(row), values, clean):
                place = dataclasses.replace(secret, path=f"row {lines[name]:,}, {secret.path}")
                parts.scanned.secrets.append(SecretInFile(name, place))
    finally:
        for file in opened.values():
            file.close()
    parts.counts.update({_COUNTED[name]: lines[name] for name in lines if name in _COUNTED})


def _unfolded(row: dict[str, Any]) -> dict[str, Any]:
    """A row with JSON in its texts as data: there, the name of a value tells of a secret too."""
    found = {}
    for name, value in row.items():
        found[name] = value
        if isinstance(value, str) and value[:1] in ("{", "["):
            try:
                found[name] = json.loads(value)
            except ValueError:
                continue
    return found


def _scan(parts: _Parts, values: Known, say: Callable[[str], None]) -> None:
    clean: set[str] = set()
    made = (names.JOURNAL, names.MLFLOW)
    files = {name: path for name, path in parts.files.items() if not name.startswith(made)}
    for number, (name, path) in enumerate(files.items(), 1):
        if number % 500 == 0:
            say(f"scanned {number:,} of {len(files):,} files")
        if is_no_text(path):
            parts.scanned.no_text += 1
        else:
            add(parts.scanned, name, path.read_bytes(), values, clean)


def _found(secrets: Sequence[SecretInFile]) -> PexError:
    shown = "\n  ".join(str(secret) for secret in secrets[:_SHOWN])
    more = f"\n  and {len(secrets) - _SHOWN:,} more" if len(secrets) > _SHOWN else ""
    what = "1 secret" if len(secrets) == 1 else f"{len(secrets):,} secrets"
    return PexError(
        f"{what} in what would be packed; nothing was written:\n  {shown}{more}",
        hint="change the key and take it out, or leave a file out: --exclude GLOB, for files of "
        "runs --exclude 'mlruns/*/NAME'",
    )


def _manifest(project: Path, chosen: Chosen, parts: _Parts, say: Callable[[str], None]) -> Manifest:
    seen: dict[str, str] = {}
    for name in parts.files:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise PexError(f"{name} and {other}: one name on systems that ignore case")
    versions = {"pexlab": __version__}
    for package in ("mlflow",):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    parts.left += [LeftOut(what=name, why=f"not scanned: {why}")
                   for name, why in parts.scanned.not_read.items()]  # fmt: skip
    for name in parts.scanned.not_read:
        parts.files.pop(name, None)
    files = {}
    for number, (name, path) in enumerate(sorted(parts.files.items()), 1):
        if number % 500 == 0:
            say(f"hashed {number:,} of {len(parts.files):,} files")
        files[name] = Member(size=path.stat().st_size, sha256=_sha256(path))
    return Manifest(
        format=names.FORMAT,
        project=project.resolve().name,
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        versions=versions,
        experiments=chosen.names,
        counts={name: parts.counts[name] for name in (
            "files", "answers", "runs", "traces", "prompts", "ratings", "run_files")},
        left_out=parts.left,
        files=files,
    )  # fmt: skip


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    for part in _read(path):
        digest.update(part)
    return digest.hexdigest()


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(_PART):
            yield part


def _write(out: Path, made: Manifest, files: dict[str, Path], say: Callable[[str], None]) -> None:
    """Write the file beside its place, and move it there when it is whole."""
    part = out.with_name(f".{out.name}.part")
    done = 0
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr(names.NAME, made.model_dump_json(indent=1))
            for name, member in made.files.items():
                digest = hashlib.sha256()
                info = zipfile.ZipInfo(name)
                info.compress_type = zipfile.ZIP_DEFLATED
                with bundle.open(info, "w", force_zip64=True) as target:
                    for block in _read(files[name]):
                        digest.update(block)
                        target.write(block)
                if digest.hexdigest() != member.sha256:
                    raise PexError(f"{files[name]}: it changed while it was packed; try again")
                before, done = done, done + member.size
                if done // 100_000_000 > before // 100_000_000:
                    say(f"packed {done / 1e6:,.0f} of {made.size / 1e6:,.0f} MB")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
