"""An experiment's folder: converts between its files and variants, prompts and cases."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.canonical_json import canonical_json, json_text
from pex.core.cases import Case, known_variables
from pex.core.errors import PexError
from pex.core.params import json_params
from pex.core.project import is_inside, projects_of
from pex.core.prompt import Prompt
from pex.core.reading import Reading
from pex.core.variant import Variant, grid, named
from pex.project.schemas import with_schema
from pex.project.spec import LIBRARY, CasesSpec, ExperimentSpec, VariantSpec, dump_spec, load_spec


def load_variants(
    spec: ExperimentSpec,
    base: Path,
    extra_params: Mapping[str, Any],
    load: Callable[[str], Prompt] | None = None,
) -> list[Variant]:
    """The variants described by a spec.

    Args:
        spec: the contents of `experiment.yaml`.
        base: the folder that its paths start from.
        extra_params: parameters that override those of every variant.
        load: finds the prompt for a reference that starts with `library:`.

    Raises:
        PexError: a prompt file is missing or not valid, or a model has no provider.
    """
    extra = json_params(extra_params)
    if not spec.variants:
        found = _prompts(spec.prompts, base, load)
        params = [{**item, **extra} for item in (spec.params or [{}])]
        return grid([found[ref] for ref in spec.prompts], spec.models, params)
    found = _prompts([item.prompt for item in spec.variants], base, load)
    variants = [
        Variant(found[item.prompt], item.model or "", {**item.params, **extra})
        for item in spec.variants
    ]
    return [
        dataclasses.replace(variant, name=item.name or variant.name)
        for variant, item in zip(named(variants), spec.variants, strict=True)
    ]


def with_variants(
    variants: Sequence[VariantSpec], replaced: Mapping[str, Any], path: Path
) -> dict[str, Any]:
    """The keys to replace in a file that lists its variants one by one.

    Other models become other variants: each prompt with each of its parameters, on each model. The
    names are left out, as they may name the former models. The file's own models change nothing.

    Raises:
        PexError: prompts or parameters are replaced, which such a file does not have.
    """
    for key in ("prompts", "params"):
        if key in replaced:
            raise PexError(
                f"{path.name}: '{key}' cannot be replaced, as the file lists its variants one by "
                "one",
                hint="replace 'variants'"
                + (", or one parameter: params.temperature=0" if key == "params" else ""),
            )
    found = dict(replaced)
    models = found.pop("models", None)
    if models is None or set(models) == {item.model for item in variants}:
        return found
    made: list[dict[str, Any]] = []
    for item in variants:
        for model in models:
            variant = {"prompt": item.prompt, "model": model, "params": dict(item.params)}
            if variant not in made:
                made.append(variant)
    return found | {"variants": made}


def _prompts(
    refs: Iterable[str], base: Path, load: Callable[[str], Prompt] | None
) -> dict[str, Prompt]:
    """The prompts that an experiment refers to.

    Versions of one library prompt are named after their references: `short.champion` and
    `short.4` for `library:short@champion` and `library:short/4`.
    """
    found = {ref: _prompt(ref, base, load) for ref in dict.fromkeys(refs)}
    names = [prompt.name for prompt in found.values()]
    for ref, prompt in found.items():
        asked = re.split("[@/]", ref, maxsplit=1)[1:]
        if ref.startswith(LIBRARY) and asked and names.count(prompt.name) > 1:
            found[ref] = prompt.called(f"{prompt.name}.{asked[0]}", prompt.origin)
    return found


def _prompt(ref: str, base: Path, load: Callable[[str], Prompt] | None) -> Prompt:
    if not ref.startswith(LIBRARY):
        return Prompt.load(base / ref)
    if load is None:
        raise PexError(f"'{ref}': the library cannot be reached from here")
    return load(ref)


def declared_beside(cases: Path) -> tuple[dict[str, str], Reading]:
    """What the `experiment.yaml` next to a case file says of it: its columns, how it is read.

    A notebook that uses the same cases then need not say it again.
    """
    path = cases.parent / "experiment.yaml"
    if not path.is_file():
        return {}, Reading()
    spec = load_spec(path)
    same = (path.parent / spec.cases.file).resolve() == cases.resolve()
    return (spec.columns, spec.cases.reading) if same else ({}, Reading())


def variants_spec(variants: Sequence[Variant], refs: Mapping[str, str]) -> dict[str, Any]:
    """The keys of a spec that describe `variants`: a grid if they form one, else a list.

    Args:
        variants: the variants to compare.
        refs: for each prompt's name, the reference to it in the file.
    """
    prompts = list({v.prompt.name: v.prompt for v in variants}.values())
    models = list(dict.fromkeys(v.model for v in variants))
    params = list({canonical_json(v.params): dict(v.params) for v in variants}.values())
    if list(variants) == grid(prompts, models, params):
        return {
            "prompts": [refs[prompt.name] for prompt in prompts],
            "models": models,
            "params": [] if params == [{}] else params,
            "variants": [],
        }
    listed = [
        VariantSpec(name=v.name, prompt=refs[v.prompt.name], model=v.model, params=dict(v.params))
        for v in variants
    ]
    return {"prompts": [], "models": [], "params": [], "variants": listed}


def memory_spec(cases: Sequence[Case]) -> dict[str, Any]:
    """The keys of a spec for cases that are written as `cases.jsonl`."""
    cases = _with_one_name(cases)
    renamed = {name: column for case in cases for name, column in case.renamed.items()}
    reading = Reading(decimal=next((case.decimal for case in cases if case.decimal), None))
    return {"cases": CasesSpec.of("cases.jsonl", reading), "columns": renamed}


def _with_one_name(cases: Sequence[Case]) -> Sequence[Case]:
    """Cases of which some call a column as prompts do and others as a file does: all as prompts do.

    Typed and pasted cases beside those of a file are like this; one file cannot hold both names.
    """
    inputs = {name for case in cases for name in case.inputs}
    known = known_variables(cases).items()
    names = {column: name for name, column in known if name != column and name in inputs}
    if not names:
        return cases
    return [
        dataclasses.replace(
            case,
            inputs={names.get(column, column): value for column, value in case.inputs.items()},
            renamed={n: column for n, column in case.renamed.items() if column not in names},
        )
        for case in cases
    ]


def cases_text(cases: Sequence[Case]) -> str:
    """The cases in the format of a `.jsonl` file with the default column names."""
    lines = []
    for case in _with_one_name(cases):
        row: dict[str, Any] = {"case_id": case.id, **case.inputs}
        if case.expected is not None:
            row["expected"] = case.expected
        if case.group is not None:
            row["group"] = case.group
        if case.tags:
            row["tags"] = list(case.tags)
        if case.provenance is not None:
            row |= case.provenance.row()
        lines.append(json_text(row) + "\n")
    return "".join(lines)


def write(
    path: Path,
    spec: ExperimentSpec,
    variants: Sequence[Variant],
    cases: Path | Sequence[Case],
    overwrite: bool,
) -> Path:
    """Write an experiment's file and, next to it, the prompts and cases that have no file yet.

    Args:
        path: the YAML file, absolute.
        spec: everything but variants and cases.
        variants: the variants to compare; a prompt loaded from the project is referred to by its
            path, a library prompt by its version.
        cases: their file, or the cases themselves.
        overwrite: replace files that have different content.

    Raises:
        PexError: a file would be overwritten; nothing has been written.
    """
    folder = path.parent
    files: dict[Path, str] = {}
    refs: dict[str, str] = {}
    for prompt in {variant.prompt.name: variant.prompt for variant in variants}.values():
        if prompt.origin is not None:
            refs[prompt.name] = f"{LIBRARY}{prompt.origin}"
        elif (
            prompt.path is not None
            and prompt.path.is_file()
            and any(is_inside(prompt.path, project) for project in projects_of(folder))
        ):
            refs[prompt.name] = _relative(prompt.path, folder)
        else:
            refs[prompt.name] = f"prompts/{prompt.name}.prompty"
            files[folder / refs[prompt.name]] = prompt.to_prompty()
    changes = variants_spec(variants, refs)
    if isinstance(cases, Path):
        changes["cases"] = spec.cases.model_copy(update={"file": _relative(cases, folder)})
    else:
        changes |= memory_spec(cases)
        files[folder / "cases.jsonl"] = cases_text(cases)
    files[path] = with_schema(dump_spec(spec.model_copy(update=changes)), path, "experiment")
    for file, text in files.items():
        if not overwrite and file.is_file() and file.read_bytes() != text.encode():
            raise PexError(
                f"{file}: a file with different content already exists",
                hint="save under another name, or pass overwrite=True",
            )
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    return path


def _relative(file: Path, folder: Path) -> str:
    return Path(os.path.relpath(file, folder)).as_posix()
