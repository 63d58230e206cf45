"""`pexlab export promptfoo|inspect|every-eval-ever|csv`: a folder with files and a report."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pex.core.attempt import attempt
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.core.safe_text import clean
from pex.exporters.every_eval_ever import every_eval_ever
from pex.exporters.exported import Exported
from pex.exporters.inspect_logs import inspect_logs
from pex.exporters.long_csv import long_csv
from pex.exporters.promptfoo_config import promptfoo_config
from pex.guard.redact import known
from pex.guard.scan import scan
from pex.importers.report import KINDS, places_by_reason, sentence
from pex.project.listing import experiment_files, find_experiment

if TYPE_CHECKING:
    from pex.experiment.experiment import Experiment
    from pex.results.results import Results

REPORT = "EXPORT.md"
OF_RUNS: dict[str, Callable[[Results], Exported]] = {
    "inspect": inspect_logs,
    "every-eval-ever": every_eval_ever,
    "csv": long_csv,
}
"""The writers of a run's answers and scores."""
OF_EXPERIMENTS: dict[str, Callable[[Experiment], Exported]] = {"promptfoo": promptfoo_config}
"""The writers of an experiment's prompts, models, cases and scorers."""
FORMATS = (*OF_EXPERIMENTS, *OF_RUNS)


def export_to(
    format: str,  # noqa: A002 - what it is called everywhere
    what: str | Path,
    out: str | Path,
    *,
    force: bool = False,
    dry_run: bool = False,
) -> Exported:
    """Write an experiment or a run for another tool, with `EXPORT.md` beside it.

    No model is called. A secret in what would be written stops the export.

    Args:
        format: one of `FORMATS`.
        what: a run (its id, `latest`, an experiment's name or file for its newest run); for
            promptfoo an experiment, or a run of one that is in the project.
        out: the folder to make.
        force: replace an earlier export in this folder.
        dry_run: write nothing.

    Raises:
        PexError: there is no such run or experiment, the folder exists, or a secret was found.
    """
    folder = Path(out)
    _check_folder(folder, force)
    if format in OF_EXPERIMENTS:
        exported = OF_EXPERIMENTS[format](_experiment(str(what)))
    else:
        exported = OF_RUNS[format](_results(str(what)))
    files = {**exported.files, REPORT: report_markdown(exported)}
    for name, text in files.items():
        found = scan(text, known())
        if found:
            raise PexError(
                f"{name} would have a secret ({found[0].rule}) in {found[0].place}: "
                f"{found[0].excerpt}",
                hint="nothing was exported; take it out of the cases, prompts or answers first",
            )
    if not dry_run:
        _write(folder, files)
    return exported


def report_text(exported: Exported) -> str:
    """The report for the command line: what was taken over is only counted."""
    lines = [f"{exported.tool}: {sentence(exported.notes)}"]
    for kind in KINDS[1:]:
        groups = places_by_reason(exported.notes, kind)
        lines += [f"{kind}:"] if groups else []
        lines += [f"  {', '.join(places[:5])}: {how}" for how, places in groups.items()]
    return clean("\n".join(lines))


def report_markdown(exported: Exported) -> str:
    """The report as a file beside what was written."""
    lines = [f"# {exported.name}, for {exported.tool}", "", exported.usage, ""]
    lines.append(f"From pexlab: {sentence(exported.notes)}.")
    for kind in KINDS:
        groups = places_by_reason(exported.notes, kind)
        lines += ["", f"## {kind.capitalize()}", ""] if groups else []
        lines += [
            f"- {', '.join(places)}" + (f": {how}" if how else "") for how, places in groups.items()
        ]
    return clean("\n".join(lines)) + "\n"


def _experiment(what: str) -> Experiment:
    from pex.experiment.experiment import Experiment

    project = find_project()
    file = attempt(lambda: find_experiment(what, project))
    if isinstance(file, Path):
        return Experiment.load(file)
    run = attempt(lambda: _results(what))
    if isinstance(run, PexError):
        raise file
    own = experiment_files(project).get(run.about.name)
    if own is None:
        raise PexError(
            f"run {run.run_id} is of '{run.about.name}', an experiment that is not in the project",
            hint="promptfoo's config is made from experiment.yaml; its results: export csv",
        )
    return Experiment.load(own)


def _results(what: str) -> Results:
    from pex.project.spec import load_spec
    from pex.results.load import load_run

    path = Path(what)
    if path.suffix in (".yaml", ".yml") or path.is_dir():
        what = load_spec(find_experiment(what, find_project())).name
    return load_run(what)


def _check_folder(folder: Path, force: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / REPORT).is_file()):
        raise PexError(f"{folder} is there and is not an export", hint="give another folder")
    if any(folder.iterdir()) and not force:
        raise PexError(f"{folder} is already there", hint="--force replaces it")


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write a folder beside the place first, so that a half of it is never there."""
    part = folder.absolute().with_name(f".{folder.name}.part-{os.getpid()}")
    old = folder.absolute().with_name(f".{folder.name}.old-{os.getpid()}")
    try:
        for name, text in files.items():
            path = part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    except OSError as error:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise PexError(f"{folder}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
