"""What an export is made from: an experiment or a run, with its prompts and picks."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pex.core.attempt import attempt
from pex.core.case import Case
from pex.core.errors import PexError, nearest
from pex.core.project import find_project, project_of
from pex.core.prompt import Prompt
from pex.project.listing import experiment_files, find_experiment
from pex.project.settings import load_settings
from pex.tracking.store import tracking_uri
from pex.training.example import Pick
from pex.training.held_out import held_out_sets
from pex.training.sources import LeftOut, Options, RunAnswers, SourceName, expected_answers

if TYPE_CHECKING:
    from pex.results.results import Results


@dataclasses.dataclass(frozen=True, slots=True)
class Material:
    """An experiment or run to export from.

    `held_out` are cases that test and are in no file of the project, `read` the cases of the
    experiments' files that have been read, `models` what is compared in it.
    """

    name: str
    run_id: str
    project: Path
    uri: str
    folder: Path
    prompts: dict[str, Prompt]
    picks: Iterable[Pick]
    held_out: Sequence[tuple[str, Case, str]] = ()
    read: Mapping[Path, Sequence[Case]] = dataclasses.field(default_factory=dict)
    models: Sequence[str] = ()

    def prompt(self, name: str | None) -> Prompt:
        """The prompt whose messages are written.

        Args:
            name: its name; None for the only one.

        Raises:
            PexError: there is no such prompt, or there are several.
        """
        if name is None and len(self.prompts) == 1:
            return next(iter(self.prompts.values()))
        if name is None:
            raise PexError(
                f"'{self.name}' has several prompts: {', '.join(self.prompts)}",
                hint="--prompt NAME: whose messages are the model to be trained with?",
            )
        if name not in self.prompts:
            raise PexError(
                f"'{self.name}' has no prompt '{name}'", hint=nearest(name, self.prompts)
            )
        return self.prompts[name]


def material_of(
    what: str | Path, sources: Sequence[SourceName], options: Options, left_out: LeftOut
) -> Material:
    """Read an experiment or a run.

    Args:
        what: as in `pex.training.export.export`.
        sources: what is taken from it.
        options: which answers.
        left_out: counts what is left out.

    Raises:
        PexError: there is no such experiment or run.
    """
    project = find_project()
    if set(sources) <= {"expected", "attacks"}:
        file = attempt(lambda: find_experiment(str(what), project))
        if isinstance(file, Path):
            return _of_experiment(file, sources, left_out)
        if str(what).endswith((".yaml", ".yml")) or "attacks" in sources:
            raise file
        run = attempt(lambda: _of_run(str(what), sources, options, left_out))
        if isinstance(run, PexError) and (file.hint or "").startswith("did you mean"):
            raise file  # it is rather a mistyped experiment than a run
    return _of_run(str(what), sources, options, left_out)


def _of_experiment(file: Path, sources: Sequence[SourceName], left_out: LeftOut) -> Material:
    from pex.experiment.experiment import Experiment
    from pex.training.attacks import attack_picks

    experiment = Experiment.load(file)
    project = project_of(file.resolve().parent)
    prompts = {variant.prompt.name: variant.prompt for variant in experiment.variants}
    picks: list[Iterable[Pick]] = []
    if "expected" in sources:
        picks.append(expected_answers(experiment.cases, left_out))
    if "attacks" in sources:
        picks.append(attack_picks(experiment, left_out))
    return Material(
        experiment.name, "", project, tracking_uri(project, load_settings(project)),
        experiment.folder, prompts, itertools.chain.from_iterable(picks),
        read={file.resolve(): experiment.cases},
        models=tuple(dict.fromkeys(variant.model for variant in experiment.variants)),
    )  # fmt: skip


def _of_run(
    name: str, sources: Sequence[SourceName], options: Options, left_out: LeftOut
) -> Material:
    from pex.results.load import load_run

    results = load_run(_run_name(name))
    project = find_project()
    settings = load_settings(project)
    uri = tracking_uri(project, settings)
    answers = RunAnswers(results.frame, results.about, left_out)
    picks = []
    for source in sources:
        if source == "expected":
            picks.append(expected_answers(answers.cases(), left_out))
        elif source == "attacks":
            raise PexError(
                "attacks are exported from an experiment, not from a run",
                hint="name the experiment's file",
            )
        elif source == "passed":
            picks.append(answers.passed(options))
        elif source == "ratings":
            picks.append(answers.ratings(project / settings.journal.path, options))
        elif source == "judge":
            picks.append(answers.judged(options))
        else:
            from pex.record.assessments import read

            picks.append(answers.thumbs(read(uri, [str(results.run_id)]), options))
    prompts, folder = _prompts(results, project)
    return Material(
        results.about.name, str(results.run_id or ""), project, uri, folder, prompts,
        itertools.chain.from_iterable(picks), _unfiled(results, answers, project),
        models=tuple(dict.fromkeys(item.model for item in results.about.variants)),
    )  # fmt: skip


def _run_name(name: str) -> str:
    """An experiment's file or folder stands for the experiment's newest run."""
    from pex.project.spec import load_spec

    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_dir():
        return load_spec(find_experiment(name, find_project())).name
    return name


def _prompts(results: Results, project: Path) -> tuple[dict[str, Prompt], Path]:
    """The prompts of a run in the versions it had, and the folder of their images.

    The project's own files are used where they are still that version: they have the tools.
    """
    own: dict[str, Prompt] = {}
    folder = project
    path = experiment_files(project).get(results.about.name)
    if path is not None:
        from pex.experiment.experiment import Experiment

        read = attempt(lambda: Experiment.load(path))
        if isinstance(read, Experiment):
            folder = read.folder
            own = {variant.prompt.digest: variant.prompt for variant in read.variants}
    versions = {item.prompt: item.prompt_version for item in results.about.variants}
    found: dict[str, Prompt] = {}
    for item in results.about.prompts:
        same = own.get(versions.get(item.name, ""))
        found[item.name] = same or Prompt.parse(f"---\n---\n{item.text}", "prompt", item.name)
    return found, folder


def _unfiled(results: Results, answers: RunAnswers, project: Path) -> list[tuple[str, Case, str]]:
    """The held-out cases of a run whose experiment is in no file of the project."""
    about = results.about
    if about.name in experiment_files(project):
        return []
    cases = answers.cases()
    sets = held_out_sets(cases, gated=about.gate is not None, shares=None, variables=(), known={})
    return [(about.name, case, sets[case.id]) for case in cases if case.id in sets]
