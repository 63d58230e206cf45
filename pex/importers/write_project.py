"""Writes a project of another tool as a folder that `pexlab run` runs."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pex.core.case import Case
from pex.core.cases import known_variables
from pex.core.errors import PexError
from pex.core.names import check_file_name
from pex.core.project import FILE as SETTINGS
from pex.core.project import project_of
from pex.core.prompt import Prompt
from pex.core.text import replace_surrogates
from pex.core.variant import Variant, grid, named
from pex.experiment.experiment import Experiment
from pex.experiment.save import save
from pex.guard.redact import MASK, redact
from pex.importers.imported import Imported, Note, new_name
from pex.importers.report import FILE as REPORT
from pex.importers.report import report_markdown
from pex.project.settings import load_settings
from pex.project.spec import CasesSpec, ExperimentSpec
from pex.score.judge.judge import Judge

STAND_IN = "local/smollm2"
"""The model of a project that names none: it is free and needs no key."""
_OF_FILE = ("kind", "prompt")
"""What a judge's entry in a file has beside its options."""
T = TypeVar("T")


def write_project(imported: Imported, to: Path, source: str = "") -> tuple[Path, Imported]:
    """Write `experiment.yaml`, its prompts and cases, and the report; nothing is overwritten.

    The folder appears only when the experiment in it has been loaded and its first request has been
    prepared, as by `pexlab run --dry-run`.

    Args:
        imported: the project.
        to: the experiment's folder, which must not exist.
        source: the name of the file that was read, for the report.

    Returns:
        The path of `experiment.yaml`, and the project with all notes.

    Raises:
        PexError: the folder exists, or the project cannot be written as an experiment.
    """
    to = to.absolute()
    check_file_name(to.name, "the new folder's name")
    if to.exists() or to.is_symlink():
        raise PexError(
            f"{to}: it exists already, and an import overwrites nothing",
            hint="give another name: --name NAME, or another folder: --to DIR",
        )
    imported = complete(without_keys(imported))
    settings = project_of(to.parent) / SETTINGS
    before = settings.read_bytes() if settings.is_file() else None
    made = _first_made(to.parent)
    to.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".import-", dir=to.parent))
    try:
        imported = _with_providers(imported, settings)
        path = _write(imported, folder / "experiment.yaml")
        _check(path, to)
        (folder / REPORT).write_text(
            report_markdown(imported.tool, source, imported.notes), encoding="utf-8"
        )
        folder.chmod(0o755)  # mkdtemp's own is for one user
        folder.rename(to)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        _restore(settings, before)
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
        raise
    return to / "experiment.yaml", imported


def _check(path: Path, to: Path) -> None:
    """Load the experiment and prepare its first request; an error names the folder it goes to.

    Raises:
        PexError: it does not run.
    """
    try:
        Experiment.load(path).preview(limit=1)
    except PexError as error:
        message = error.message.replace(str(path.parent), str(to))
        raise PexError(f"what was read does not run: {message}", hint=error.hint) from None


def complete(imported: Imported) -> Imported:
    """The project with what an experiment needs: a prompt, a model, a case, valid names.

    Whatever is added is in its notes.

    Raises:
        PexError: there is neither a prompt nor a case.
    """
    if not imported.prompts and not imported.variants and not imported.cases:
        raise PexError(f"{imported.tool}: there is neither a prompt nor a case in it")
    notes = list(imported.notes)
    cases = list(imported.cases)
    prompts = list(imported.prompts)
    if not cases:
        variables = sorted({name for prompt in _prompts_of(imported) for name in prompt.variables})
        cases = [Case("1", dict.fromkeys(variables, "") or {"note": "no variables"})]
        how = "there were no cases: cases.jsonl has one, with empty values to fill in"
        notes.append(Note("cases", "changed", how))
    cases = _with_variables(cases, _prompts_of(imported), notes)
    if not prompts and not imported.variants:
        checked = _columns_of(imported.scorers)
        shown = [name for name in known_variables(cases) if name not in checked]
        prompts = [_showing(shown or list(known_variables(cases)))]
        how = "there was no prompt: prompts/all-columns.prompty shows the columns of a case"
        notes.append(Note("prompts", "changed", how))
    models = list(imported.models)
    if not models and not imported.variants and any(prompt.model is None for prompt in prompts):
        models = [STAND_IN]
        notes.append(Note("models", "changed", f"no model was named: {STAND_IN} stands in"))
    name = new_name(imported.name, otherwise="imported")
    return dataclasses.replace(
        imported, name=name, prompts=prompts, models=models, cases=cases, notes=notes
    )


def _with_variables(
    cases: Sequence[Case], prompts: Sequence[Prompt], notes: list[Note]
) -> list[Case]:
    """The cases with an empty value for each variable that none of them has."""
    known = known_variables(cases)
    needed = {name for prompt in prompts for name in prompt.variables
              if name not in known and name not in prompt.defaults}  # fmt: skip
    for name in sorted(needed):
        how = "no case has a value for it: it is empty, to fill in"
        notes.append(Note(f"variable {name}", "changed", how))
    empty = dict.fromkeys(sorted(needed), "")
    return [dataclasses.replace(case, inputs={**case.inputs, **empty}) for case in cases]


def without_keys(imported: Imported) -> Imported:
    """The project without what has the shape of a key; a note names each place."""
    notes = list(imported.notes)

    def plain(value: T, where: str) -> T:
        found: T = _redacted(value)
        if found != value:
            how = f"it has the shape of a key, which is never written down: now {MASK}"
            notes.append(Note(where, "changed", how))
        return found

    def prompt(given: Prompt) -> Prompt:
        where = f"prompt '{given.name}'"
        fields = {name: getattr(given, name) for name in ("params", "defaults", "description")}
        fields["messages"] = [dict(message) for message in given.messages]
        found = plain(fields, where)
        return given if found == fields else given.changed(**found)

    def judge(given: Judge) -> Judge:
        asked = prompt(given.prompt)
        if asked is given.prompt:
            return given
        options = {key: value for key, value in given.to_dict().items() if key not in _OF_FILE}
        return Judge(asked, **options)

    return dataclasses.replace(
        imported,
        prompts=[prompt(given) for given in imported.prompts],
        params=[plain(dict(given), "parameters") for given in imported.params],
        variants=[
            dataclasses.replace(
                given,
                prompt=prompt(given.prompt),
                params=plain(dict(given.params), f"variant '{given.name}'"),
            )
            for given in imported.variants
        ],
        cases=[
            dataclasses.replace(
                case,
                id=replace_surrogates(case.id),
                inputs=plain(case.inputs, f"case '{case.id}'"),
                expected=plain(case.expected, f"case '{case.id}', expected"),
                tags=tuple(plain(list(case.tags), f"case '{case.id}', tags")),
            )
            for case in imported.cases
        ],
        scorers=[
            judge(item) if isinstance(item, Judge) else plain(item, f"scorer {number}")
            for number, item in enumerate(imported.scorers, 1)
        ],
        purpose=_redacted(imported.purpose),
        notes=[dataclasses.replace(n, where=redact(n.where), how=redact(n.how)) for n in notes],
    )


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(replace_surrogates(value))
    if isinstance(value, Mapping):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    return value


def _prompts_of(imported: Imported) -> list[Prompt]:
    return [*imported.prompts, *(variant.prompt for variant in imported.variants)]


def _columns_of(scorers: Sequence[Any]) -> set[str]:
    """The columns that scorers read: what an answer has to be is no part of a prompt."""
    given = (item.column if isinstance(item, Judge) else item.get("column")
             for item in scorers if not isinstance(item, str))  # fmt: skip
    return {name for name in given if name}


def _showing(columns: Sequence[str]) -> Prompt:
    """A prompt with every column under its name."""
    names = [name for name in columns if name.isidentifier()]
    if len(names) == 1:
        return Prompt("{{ " + names[0] + " }}", name="all-columns")
    return Prompt("\n".join(f"{name}: {{{{ {name} }}}}" for name in names), name="all-columns")


def _write(imported: Imported, path: Path) -> Path:
    variants = list(imported.variants) or grid(
        list(imported.prompts), list(imported.models), [dict(p) for p in imported.params] or [{}]
    )
    spec = ExperimentSpec(
        name=imported.name,
        purpose=imported.purpose,
        cases=CasesSpec(file="cases.jsonl"),
        columns=dict(imported.columns),
        repeats=imported.repeats,
    )
    return save(
        path,
        spec,
        _named(variants),
        list(imported.cases),
        list(imported.scorers),
        path.parent,
        overwrite=False,
    )


def _named(variants: Sequence[Variant]) -> list[Variant]:
    names = [variant.name for variant in variants]
    return list(variants) if len(set(names)) == len(names) else list(named(list(variants)))


def _with_providers(imported: Imported, settings: Path) -> Imported:
    """Add the providers that `pex.toml` does not have at its end; the rest of it stays."""
    known = load_settings(settings.parent).providers
    notes = list(imported.notes)
    lines: list[str] = []
    for name, entry in imported.providers.items():
        if name in known:
            how = f"[providers.{name}] is in {SETTINGS} already, and is used as it is there"
            notes.append(Note(f"provider '{name}'", "changed", how))
            continue
        lines += ["", f"[providers.{json.dumps(name)}]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
        price = "" if entry.get("free") else ", and give its models a price: [prices.…]"
        how = f"added to {SETTINGS} as [providers.{name}]; check its address and key{price}"
        notes.append(Note(f"provider '{name}'", "changed", how))
    if lines:
        text = settings.read_text("utf-8") if settings.is_file() else ""
        ending = "" if not text or text.endswith("\n") else "\n"
        added = "\n".join(lines if text else lines[1:])
        settings.write_bytes(f"{text}{ending}{added}\n".encode())
        load_settings(settings.parent)
    return dataclasses.replace(imported, notes=notes)


def _restore(settings: Path, before: bytes | None) -> None:
    if before is None:
        settings.unlink(missing_ok=True)
    elif settings.read_bytes() != before:
        settings.write_bytes(before)


def _first_made(folder: Path) -> Path | None:
    """The uppermost folder that has to be made for `folder` to exist; None if it does."""
    made = None
    while not folder.exists():
        made, folder = folder, folder.parent
    return made
