"""An experiment as files: in a user's folder, and in the record of a run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.cases import Case, load_cases
from pex.core.errors import PexError
from pex.core.project import FILE, is_inside, project_of, projects_of
from pex.core.prompt import Prompt
from pex.core.variant import ClientModel, Variant
from pex.project.folder import cases_text, memory_spec, variants_spec, write
from pex.project.settings import load_settings
from pex.project.spec import LIBRARY, ExperimentSpec, dump_spec
from pex.run.model import settings_lines
from pex.run.simulated_user import SimulatedUser
from pex.score.base import Scorer
from pex.score.build import dump
from pex.score.field_judge import judges_of
from pex.score.judge.judge import Judge
from pex.score.judge_rule import inline_rubrics, written_rubrics
from pex.score.value_rules import rubric_path
from pex.tools.spec import written


def save(
    path: Path,
    spec: ExperimentSpec,
    variants: Sequence[Variant],
    cases: Path | Sequence[Case],
    scorers: Sequence[Any],
    base: Path,
    *,
    overwrite: bool,
    user: SimulatedUser | None = None,
) -> Path:
    """Write `experiment.yaml`, and beside it prompts and cases that exist only in memory.

    Args:
        path: the YAML file.
        spec: the experiment as data.
        variants: its variants.
        cases: its cases, or their file.
        scorers: its scorers as the user gave them.
        base: the folder that paths in them are relative to.
        overwrite: replace files with different content.
        user: its simulated user.

    Raises:
        PexError: a scorer that cannot be named in a file, or a file that would be overwritten.
    """
    if isinstance(cases, Path) and not any(is_inside(cases, p) for p in projects_of(path.parent)):
        cases = load_cases({**spec.cases.model_dump(), "file": cases}, spec.columns)
    items = dump(scorers)
    inline: list[Judge] = []
    for given, item in zip(scorers, items, strict=True):
        if isinstance(given, Judge) and given.prompt.path is None:
            inline.append(given)
        else:
            _move([item], base, path.parent)
    prompts = {path.parent / "judges" / f"{judge.name}.prompty": judge.prompt for judge in inline}
    for given, item in zip(scorers, items, strict=True):
        for field, rubric in inline_rubrics(given).items():
            assert isinstance(item, dict)
            item["fields"][field]["prompt"] = name = rubric_path(rubric)
            prompts[path.parent / name] = rubric
    data: dict[str, Any] = {"scorers": items}
    if user is not None:
        ref, prompt = _user_prompt(user, path.parent)
        data["user"] = user.spec(ref)
        if prompt is not None:
            prompts[path.parent / str(ref)] = prompt
    for file, prompt in prompts.items():
        there = file.read_text("utf-8") if file.is_file() else None
        if not overwrite and there not in (None, prompt.to_prompty()):
            raise PexError(
                f"{file}: a file with different content already exists",
                hint="give its prompt another name, or pass overwrite=True",
            )
    saved = write(path, spec.model_copy(update=data), variants, cases, overwrite)
    for file, prompt in prompts.items():
        prompt.save(file)
    return saved


def _user_prompt(user: SimulatedUser, folder: Path) -> tuple[str | None, Prompt | None]:
    """The reference to a user's prompt in a file in `folder`, and the prompt if it has no file."""
    prompt = user.own_prompt
    if prompt is None:
        return None, None
    if prompt.origin is not None:
        return f"{LIBRARY}{prompt.origin}", None
    here = projects_of(folder)
    if prompt.path is not None and any(is_inside(prompt.path, project) for project in here):
        return Path(os.path.relpath(prompt.path, folder)).as_posix(), None
    return f"users/{prompt.name}.prompty", prompt


def dumped(
    scorers: Sequence[Any], built: Sequence[Scorer | Judge], base: Path, folder: Path
) -> tuple[list[Any], list[str]]:
    """The scorers as written to a file in `folder`, and the names of those that cannot be.

    Args:
        scorers: as the user gave them.
        built: the scorers built from them.
        base: the folder that paths in them are relative to.
        folder: the folder they should be relative to.
    """
    found: list[Any] = []
    left: list[str] = []
    for given, scorer in zip(scorers, built, strict=True):
        if (isinstance(given, Judge) and given.prompt.path is None) or inline_rubrics(given):
            left.append(scorer.name)
            continue
        try:
            found += _move(dump([given]), base, folder)
        except PexError:
            left.append(scorer.name)
    return found, left


def portable(scorers: Sequence[Any]) -> list[Any] | None:
    """The scorers in a form that can be written anywhere; None if they need more."""
    try:
        items = dump(scorers)
    except PexError:
        return None
    files = ("prompt", "schema")
    named = (isinstance(item, dict) and isinstance(item.get(key), str)
             for item in items for key in files)  # fmt: skip
    rubrics = any(True for item in items for _ in written_rubrics(item))
    return None if rubrics or any(named) else items


def unconfigured(models: Iterable[ClientModel], path: Path) -> str:
    """The lines that `pex.toml` needs so a saved experiment finds its models; empty if none.

    Args:
        models: the models called through the user's own clients.
        path: the saved file.
    """
    project = project_of(path.parent)
    settings = load_settings(project)
    found = {tuple(settings_lines(model, settings)): model.ref for model in models}
    parts = [
        f"{path.name} names the model '{ref}'; to use it without your client, add to "
        f"{project / FILE}:\n" + "\n".join(lines)
        for lines, ref in found.items()
        if lines
    ]
    return "\n".join(parts)


def kept_files(
    spec: ExperimentSpec,
    variants: Sequence[Variant],
    cases: Sequence[Case],
    *,
    scorers: Sequence[Any],
    built: Sequence[Scorer | Judge],
    base: Path,
    tools: Mapping[str, Any],
    user: SimulatedUser | None = None,
) -> dict[str, str]:
    """The experiment as files to store with the record; parts that cannot be stored are left out.

    `experiment.yaml` refers only to the other files.

    Args:
        spec: the experiment as data.
        variants: its variants.
        cases: its cases.
        scorers: its scorers as the user gave them.
        built: the scorers built from them.
        base: the folder that paths in them are relative to.
        tools: what runs for its tools, as the user gave it.
        user: its simulated user.
    """
    files = {"cases.jsonl": cases_text(cases)}
    prompts = {variant.prompt.name: variant.prompt for variant in variants}
    refs = {}
    for name, prompt in prompts.items():
        refs[name] = _unused("prompts", f"{name}.prompty", files)
        with contextlib.suppress(PexError):  # no such file with images; about.json says so
            files[refs[name]] = prompt.to_prompty()
    data: dict[str, Any] = {**memory_spec(cases), "scorers": []}
    for given, scorer in zip(scorers, built, strict=True):
        with contextlib.suppress(PexError, OSError):  # a notebook's function; about.json names it
            (item,) = dump([given])
            if isinstance(scorer, Judge) and isinstance(item, dict):
                item["prompt"] = _unused("judges", f"{scorer.name}.prompty", files)
                files[item["prompt"]] = scorer.prompt.to_prompty()
            elif isinstance(item, dict) and isinstance(item.get("schema"), str):
                text = (base / item["schema"]).read_bytes().decode()
                item["schema"] = _unused("schemas", Path(item["schema"]).name, files)
                files[item["schema"]] = text
            for judge in judges_of(scorer):
                assert isinstance(item, dict)
                rule = item["fields"][judge.path.text]
                rule["prompt"] = _unused("judges", f"{judge.prompt.name}.prompty", files)
                files[rule["prompt"]] = judge.prompt.to_prompty()
            data["scorers"].append(item)
    data["tools"] = {}
    with contextlib.suppress(PexError):  # a notebook's function: then the calls are the answer
        data["tools"] = {name: written(name, tool) for name, tool in tools.items()}
    if user is not None:
        ref = None
        if user.own_prompt is not None:
            ref = _unused("users", f"{user.prompt.name}.prompty", files)
            files[ref] = user.own_prompt.to_prompty()
        data["user"] = user.spec(ref)
    files["experiment.yaml"] = dump_spec(
        spec.model_copy(update=data | variants_spec(variants, refs))
    )
    return files


def _unused(folder: str, name: str, files: Mapping[str, str]) -> str:
    """A path for a file, with a number if the name is taken.

    Example:
        >>> _unused("schemas", "a.json", {"schemas/A.json": ""})
        'schemas/a-2.json'
    """
    taken = {path.casefold() for path in files}  # some file systems ignore case
    path, wanted, number = f"{folder}/{name}", Path(name), 1
    while path.casefold() in taken:
        number += 1
        path = f"{folder}/{wanted.stem}-{number}{wanted.suffix}"
    return path


def _move(items: list[Any], base: Path, folder: Path) -> list[Any]:
    """Make the paths in dumped scorers relative to another folder; changed in place."""
    for item in items:
        for key in ("schema", "prompt") if isinstance(item, dict) else ():
            if isinstance(item.get(key), str):
                item[key] = Path(os.path.relpath(base / item[key], folder)).as_posix()
        for rule in written_rubrics(item):
            rule["prompt"] = Path(os.path.relpath(base / rule["prompt"], folder)).as_posix()
    return items
