"""A draft goes to the library, to files, or into a cell as code."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex import library
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.variant import Variant
from pex.experiment.experiment import Experiment
from pex.playground import drafting, images, starting
from pex.playground.as_code import code
from pex.playground.draft import Draft
from pex.playground.request_code import request_code

PLAN = "plan.yaml"


def save(
    draft: Draft, base: Experiment | None, content: Mapping[str, Any]
) -> tuple[str, Draft | None]:
    """Save to the place that the dialog names.

    Args:
        draft: what is saved.
        base: the experiment that it started from.
        content: `to` ("library", "prompty", "nightly" or "experiment"), `overwrite`, and the
            fields of the dialog: `variant`, `name`, `alias`, `message`, `path`.

    Returns:
        A message, and the draft if its prompt comes from there now.

    Raises:
        PexError: it cannot be saved, or there is no such place.
    """
    where, overwrite = content.get("to"), bool(content.get("overwrite"))
    column, name, alias, note, path = (
        str(content.get(field) or "") for field in ("variant", "name", "alias", "message", "path")
    )
    match where:
        case "library":
            return to_library(draft, base, column, name, alias, note)
        case "prompty":
            return to_prompty(draft, base, column, path, overwrite)
        case "nightly":
            return to_nightly(draft, base, path, overwrite), None
        case "experiment":
            return to_experiment(draft, base, path, overwrite)[1], None
    raise PexError(f"a Playground cannot be saved to '{where}'")


def to_library(
    draft: Draft, base: Experiment | None, column: str, name: str, alias: str, note: str
) -> tuple[str, Draft]:
    """Save a prompt as a version in the library.

    Returns:
        A message, and the draft, whose column comes from that version now.

    Raises:
        PexError: the column has a problem, or the library does not accept it.
    """
    project = drafting.settings_of(base)[0]
    prompt = images.moved(drafting.prompt_of(draft, column), project, project)
    version = library.save(prompt, name.strip() or None, alias.strip() or None, note)
    origin = f"{version.name}/{version.version}"
    said = f"saved as {origin}" if version.new else f"{origin} already has this text"
    if note.strip() and not version.new:
        said += "; your message was added to it"
    if alias.strip():
        said += f"; {version.name}@{alias.strip()} now points to this version"
    return said, _based(draft, column, prompt.called(prompt.name, origin))


def to_prompty(
    draft: Draft, base: Experiment | None, column: str, path: str, overwrite: bool
) -> tuple[str, Draft]:
    """Save a prompt as a `.prompty` file, with the model and the parameters of its column.

    Raises:
        PexError: the column has a problem, or a file would be lost.
    """
    prompt = drafting.prompt_of(draft, column)
    found = next(item for item in draft.columns if item.id == column)
    file = _file(path, f"prompts/{found.name}.prompty", ".prompty")
    prompt = images.moved(prompt, drafting.settings_of(base)[0], file.parent)
    prompt = _with_all(prompt, found.name, found.model, dict(found.params))
    text = prompt.as_file().encode()
    if not overwrite and file.is_file() and file.read_bytes() != text:
        raise PexError(
            f"{_shown(file)}: a file with different content already exists",
            hint="give another path, or tick overwrite",
        )
    prompt.save(file)
    return f"saved as {_shown(file)}", _based(draft, column, Prompt.load(file))


def to_experiment(
    draft: Draft, base: Experiment | None, path: str, overwrite: bool
) -> tuple[Path, str]:
    """Save variants and cases as an `experiment.yaml` with its files.

    Returns:
        The file, and a message.

    Raises:
        PexError: there is a problem, or a file would be lost.
    """
    said = ""
    try:
        experiment = drafting.experiment_of(draft, base, whole=True)
    except PexError as error:
        if not error.message.startswith("gate"):
            raise
        experiment = drafting.experiment_of(draft, base)
        said = f"; without its gate ({error.message})"
    file = _file(path, first_path(base), ".yaml")
    project = drafting.settings_of(base)[0]
    moved = [
        dataclasses.replace(v, prompt=images.moved(v.prompt, project, file.parent))
        for v in experiment.variants
    ]
    experiment.variants = _as_on_disk(moved)
    experiment.cases = [images.moved_case(case, project, file.parent) for case in experiment.cases]
    try:
        experiment.save(file, overwrite=overwrite)
    except PexError as error:
        hint = (error.hint or "").replace("pass overwrite=True", "tick overwrite")
        raise PexError(error.message, hint=hint or None) from None
    return file, f"saved as {_shown(file)}: pexlab run {_shown(file)}{said}"


def to_nightly(draft: Draft, base: Experiment | None, path: str, overwrite: bool) -> str:
    """Save as an experiment, with a plan that runs it every night.

    Returns:
        A message, with the commands that run and schedule it.

    Raises:
        PexError: there is a problem, or a file would be lost.
    """
    from pex.batch.new_plan import make_nightly

    file, said = to_experiment(draft, base, path, overwrite)
    plan = file.parent / PLAN
    try:
        make_nightly(file, plan, overwrite=overwrite)
    except PexError as error:
        if not plan.exists() or not error.message.endswith("exists already"):
            raise
        raise PexError(
            f"{_shown(file)} is saved, but {_shown(plan)} exists already, with different content",
            hint="tick overwrite to replace it",
        ) from None
    command = shlex.quote(_shown(plan))
    without = said.partition("; ")[2]
    return "\n".join([
        f"Saved as {_shown(file)}, with {PLAN}" + (f"; {without}" if without else ""),
        "Run it now:",
        f"$ pexlab batch {command} --batch-id first",
        "Make its answers the baseline of the nights to come:",
        "$ pexlab batch accept first",
        "Run it every night at 2:",
        f'$ pexlab schedule {command} --cron "0 2 * * *" --install',
    ])  # fmt: skip


def to_code(
    draft: Draft, base: Experiment | None, kind: str = "pex", column: str = "", entry: str = ""
) -> str:
    """The cell that makes and runs the same experiment, or one request for other programs.

    Args:
        draft: where they are.
        base: the experiment that it started from.
        kind: "pex", or a kind of `request_code`.
        column: the variant's id, for one request.
        entry: the case's id, for one request.

    Raises:
        PexError: there are problems; all of them are in it.
    """
    if kind == "pex":
        return _cell(draft, base)
    return request_code(kind, draft, base, column, entry)


def first_path(base: Experiment | None) -> str:
    """Where an experiment is saved by default."""
    if base is not None and base.path is not None:
        return _shown(base.path)
    name = base.name if base is not None else starting.NAME
    return f"experiments/{name}/experiment.yaml"


def _cell(draft: Draft, base: Experiment | None) -> str:
    experiment = drafting.experiment_of(draft, base)
    variants = _as_on_disk(experiment.variants)
    files = {v.prompt.name: _shown(v.prompt.path) for v in variants if v.prompt.path is not None}
    scorers, left = experiment.dumped_scorers(Path.cwd())
    typed = [judge for judge in experiment.judges if judge.prompt.path is None]
    scorers = [*scorers, *typed]
    left = [name for name in left if name not in [judge.name for judge in typed]]
    text = code(experiment.name, variants, experiment.cases, scorers, files, experiment.budget_usd)
    if left:
        text = f"# Not here, as it has no name that can be imported: {', '.join(left)}\n{text}"
    return text


def _as_on_disk(variants: Sequence[Variant]) -> list[Variant]:
    """The variants; a prompt that differs from its file no longer refers to it."""
    found = []
    for variant in variants:
        prompt = variant.prompt
        if prompt.path is not None and not _same(prompt):
            prompt = _loose(prompt)
        found.append(dataclasses.replace(variant, prompt=prompt))
    return found


def _same(prompt: Prompt) -> bool:
    assert prompt.path is not None  # asked before
    try:
        return Prompt.load(prompt.path) == prompt
    except PexError:
        return False


def _loose(prompt: Prompt) -> Prompt:
    return _with_all(prompt, prompt.name, prompt.model, prompt.params)


def _with_all(prompt: Prompt, name: str, model: str | None, params: dict[str, Any]) -> Prompt:
    if (prompt.name, prompt.model, prompt.params) == (name, model, params) and prompt.file_text:
        return prompt
    return prompt.changed(name=name, model=model, params=params)


def _based(draft: Draft, column: str, prompt: Prompt) -> Draft:
    columns = [
        dataclasses.replace(item, base=prompt) if item.id == column else item
        for item in draft.columns
    ]
    return dataclasses.replace(draft, columns=tuple(columns))


def _file(path: str, first: str, ending: str) -> Path:
    file = Path(path.strip() or first).expanduser()
    if file.suffix != ending and not (ending == ".yaml" and file.suffix == ".yml"):
        raise PexError(f"{file}: the name must end with {ending}")
    return file.resolve()


def _shown(file: Path) -> str:
    path = Path(os.path.relpath(file))
    return (file if path.parts[:3] == ("..", "..", "..") else path).as_posix()
