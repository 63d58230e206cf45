"""Reads `promptfooconfig.yaml` (or JSON) into a project of pex."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.case import Case
from pex.core.cases import ROLES
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.provenance import columns_in
from pex.core.textfile import read_text
from pex.core.variant import Variant
from pex.importers.imported import Imported, new_name, unreadable
from pex.importers.own_cases import as_it_was
from pex.importers.promptfoo_config.nunjucks import TAG, resolved
from pex.importers.promptfoo_config.prompts import Given, given_prompts, make_prompts
from pex.importers.promptfoo_config.providers import Target, targets
from pex.importers.promptfoo_config.rows import Row, read_rows_of
from pex.importers.promptfoo_config.scorers import EXPECTED, scoring_of
from pex.importers.promptfoo_config.sources import Sources, load

TOOL = "promptfoo"
_TOP = re.compile(r'^\s*"?(prompts|providers|targets|tests|scenarios)"?\s*:', re.MULTILINE)
_READ = ("prompts", "providers", "targets", "tests", "scenarios", "defaultTest", "description")
_NOT_READ = {
    "env": "variables, which may be keys: set them in the environment",
    "extensions": "code, which is never run",
    "nunjucksFilters": "code, which is never run",
    "derivedMetrics": "pex has no formulas over scores",
    "redteam": "attacks are made by pexlab redteam",
    "outputPath": "results go to MLflow; pexlab report writes a file",
    "sharing": "nothing is sent anywhere",
    "commandLineOptions": "pexlab run has its own",
    "tags": "an experiment has no tags",
    "tracing": "answers are traced in MLflow by themselves",
    "assertionTemplates": "are filled in where they are used",
}
_EVALUATE = {
    "cache": "pexlab run --journal says what is reused",
    "delay": "requests_per_minute of a provider in pex.toml",
    "maxConcurrency": "max_in_flight of a provider in pex.toml",
    "timeoutMs": "timeout_s in experiment.yaml",
}
_OPTIONS = {
    "transform": "code, which is never run: the scorers see the whole answer",
    "postprocess": "code, which is never run: the scorers see the whole answer",
    "transformVars": "code, which is never run",
    "rubricPrompt": "judges ask with pex's own prompt, in judges/",
    "runSerially": "calls are made side by side",
    "storeOutputAs": "an answer cannot be a variable of another case",
}


def is_promptfoo_config(path: Path, text: str) -> bool:
    """Whether a file is a configuration of promptfoo, or a folder has one."""
    if path.is_dir():
        return _in_folder(path) is not None
    if path.suffix.lower() not in (".yaml", ".yml", ".json"):
        return False
    keys = set(_TOP.findall(text))
    return path.stem == "promptfooconfig" or (
        "prompts" in keys and bool(keys & {"providers", "targets", "tests", "scenarios"})
    )


def read_promptfoo_config(path: Path) -> Imported:
    """Read a configuration.

    Raises:
        PexError: it is not valid YAML or JSON, or has neither a prompt nor a test that pex can say.
    """
    if path.is_dir():
        path = _in_folder(path) or path / "promptfooconfig.yaml"
    config = load(read_text(path, "configuration"), path)
    if not isinstance(config, Mapping):
        raise unreadable(path, "expected keys with values, such as 'prompts:'", TOOL)
    sources = Sources.of(path)
    _note_other_keys(config, sources)
    rows = read_rows_of(config, sources)
    given = given_prompts(config.get("prompts"), sources)
    models = targets(config.get("providers", config.get("targets")), sources)
    names = _other_names(rows)
    for before, after in names.items():
        sources.note(
            f"variable {before}", "changed", f"is called {after}: pex has its own {before}"
        )
    around = _around(rows)
    prompts = make_prompts(given, sources, names, around)
    cases, scorers = _cases(rows, prompts, names, around, sources)
    prompts = [item for item in prompts if _renders(*item, cases, sources)]
    if not prompts:
        why = "; ".join(note.how for note in sources.notes if note.where.startswith("prompts"))
        raise unreadable(path, f"no prompt can be taken over: {why or 'it has none'}", TOOL)
    _note_filters(rows, given, models, sources)
    description = config.get("description")
    return Imported(
        tool=TOOL,
        name=_name(path, description),
        prompts=[prompt for _, prompt in prompts],
        variants=_variants(prompts, models),
        cases=cases,
        scorers=scorers,
        purpose=description if isinstance(description, str) else "",
        repeats=_repeats(config, sources),
        providers=dict(target.provider for target in models if target.provider is not None),
        notes=sources.notes,
    )


def _in_folder(folder: Path) -> Path | None:
    names = [f"promptfooconfig.{ending}" for ending in ("yaml", "yml", "json")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _name(path: Path, description: Any) -> str:
    if path.stem != "promptfooconfig":
        return path.stem
    if isinstance(description, str) and description.strip() and len(description) <= 60:
        return description
    return path.absolute().parent.name


def _note_other_keys(config: Mapping[str, Any], sources: Sources) -> None:
    for key in config:
        if key in _READ or str(key).startswith("$") or key == "evaluateOptions":
            continue
        sources.note(str(key), "left out", _NOT_READ.get(key, "not a key that pex knows"))
    options = config.get("evaluateOptions")
    for key in options if isinstance(options, Mapping) else ():
        if key != "repeat":
            how = _EVALUATE.get(key, "pex has nothing like it")
            sources.note(f"evaluateOptions.{key}", "left out", how)


def _repeats(config: Mapping[str, Any], sources: Sources) -> int:
    options = config.get("evaluateOptions")
    found = options.get("repeat") if isinstance(options, Mapping) else None
    if isinstance(found, int) and not isinstance(found, bool) and found > 0:
        sources.note("evaluateOptions.repeat", "taken over", "as repeats")
        return found
    return 1


def _other_names(rows: Sequence[Row]) -> dict[str, str]:
    """New names of variables that mean something else to pex, or are not names at all."""
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    reserved = {*ROLES.values(), *columns_in(names), "output", "first", "second", "tool_path"}
    taken, found = [name for name in names if name not in reserved], {}
    for name in names:
        if name in reserved or not name.isidentifier():
            wanted = re.sub(r"\W+", "_", name).strip("_") or "value"
            wanted = f"_{wanted}" if wanted[0].isdigit() else wanted
            wanted = f"{wanted}_value" if wanted in reserved else wanted
            found[name] = new_name(wanted, taken).replace("-", "_").replace(".", "_")
            taken.append(found[name])
    return found


def _around(rows: Sequence[Row]) -> tuple[str, str]:
    """What goes before and after every prompt: a text, or a variable if it differs by test."""
    made = []
    for key in ("prefix", "suffix"):
        given = [str(row.options.get(key) or "") for row in rows]
        same = len(set(given)) == 1
        made.append(given[0] if same else f"{{{{ prompt_{key} }}}}")
    return made[0], made[1]


def _cases(
    rows: Sequence[Row],
    prompts: Sequence[tuple[Given, Prompt]],
    names: Mapping[str, str],
    around: tuple[str, str],
    sources: Sources,
) -> tuple[list[Case], Sequence[Any]]:
    needed = sorted({name for _, prompt in prompts for name in prompt.variables})
    in_blocks = {word for given, _ in prompts for tag in TAG.findall(given.raw)
                 if tag.startswith("{%") or "|" in tag or "." in tag
                 for word in re.findall(r"\w+", tag)}  # fmt: skip
    columns = list(dict.fromkeys(names.get(key, key) for row in rows for key in row.values))
    scoring = scoring_of(rows, sources, [*columns, *needed, *ROLES.values()])
    extra = [name for name in needed if name not in columns and not name.startswith("prompt_")]
    for name in extra:
        how = "no test has a value for it: it is empty, as in promptfoo"
        sources.note(f"variable {name}", "changed", how)
    cases = []
    for row in rows:
        values = {
            names.get(key, key): _written(value, key in in_blocks)
            for key, value in resolved(row.values).items()
        }
        inputs: dict[str, Any] = {name: values.get(name, "") for name in [*columns, *extra]}
        for key, text in zip(("prefix", "suffix"), around, strict=True):
            if text == f"{{{{ prompt_{key} }}}}":
                inputs[f"prompt_{key}"] = str(row.options.get(key) or "")
        own = dict(scoring.columns[row.id])
        expected = own.pop(EXPECTED, None)
        description = row.test.get("description")
        if isinstance(description, str) and "description" not in inputs:
            inputs["description"] = description
        inputs = {**inputs, **own} or {"description": ""}
        made = Case(row.id, inputs, expected, tags=_tags(row))
        cases.append(as_it_was(made, row.test.get("metadata"), row.values))
    sources.note("tests", "taken over", "as cases, with every combination of lists", len(cases))
    _note_options(rows, sources)
    return cases, scoring.scorers


def _written(value: Any, in_a_block: bool) -> Any:
    """A value as a prompt prints it; one that a template computes with stays as it is."""
    if in_a_block:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        return ",".join("" if item is None else str(item) for item in value)
    return value


def _renders(given: Given, prompt: Prompt, cases: Sequence[Case], sources: Sources) -> bool:
    """Whether a prompt can be filled in for every case; what stops it is noted.

    Nunjucks writes nothing where a value has no such part, and pex refuses to send that.
    """
    for case in cases:
        try:
            prompt.render(case.values)
        except PexError as error:
            how = f"test {case.id} cannot be filled in: {error.message}"
            sources.note(given.where, "left out", how)
            return False
    return True


def _tags(row: Row) -> tuple[str, ...]:
    """A test's metadata as tags, so that its slices can be run and compared."""
    found = (
        f"{key}={item}"
        for key, value in (row.test.get("metadata") or {}).items()
        for item in (value if isinstance(value, list) else [value])
        if isinstance(item, str | int | float)
    )
    return tuple(dict.fromkeys(found))


def _note_options(rows: Sequence[Row], sources: Sources) -> None:
    usual: dict[str, None] = {}
    for row in rows:
        own = row.test.get("options")
        for key in row.options:
            if key not in _OPTIONS:
                continue
            if isinstance(own, Mapping) and key in own:
                sources.note(f"test {row.id}, options.{key}", "left out", _OPTIONS[key])
            else:
                usual[key] = None
    for key in usual:
        sources.note(f"defaultTest.options.{key}", "left out", _OPTIONS[key])
    for row in rows:
        for key in ("provider", "providerOutput", "assertScoringFunction"):
            if row.test.get(key):
                sources.note(f"test {row.id}, {key}", "left out", "every case runs on all models")


def _note_filters(
    rows: Sequence[Row], given: Sequence[Given], models: Sequence[Target], sources: Sources
) -> None:
    """Tests that are for some prompts or models only: in pex every case runs on all variants."""
    for row in rows:
        for key, known in (("prompts", given), ("providers", models)):
            asked = row.test.get(key)
            names = [str(item) for item in asked] if isinstance(asked, list) else []
            if names and not all(item.is_called(names) for item in known):
                how = f"a test of some {key} only: here every case runs on all variants"
                sources.note(f"test {row.id}, {key}", "left out", how)


def _variants(prompts: Sequence[tuple[Given, Prompt]], models: Sequence[Target]) -> list[Variant]:
    """Each prompt on each model that it is for; without a model, none: then one stands in."""
    found: dict[tuple[str, str, str], Variant] = {}
    for target in models:
        for given, prompt in prompts:
            if target.prompts and not given.is_called(target.prompts):
                continue
            key = (prompt.name, target.model, repr(sorted(target.params.items())))
            found.setdefault(key, Variant(prompt, target.model, target.params))
    return list(found.values())


def read_promptfoo_tests(path: Path) -> Imported:
    """Read a table of promptfoo's tests, with columns such as `__expected`, without its prompts.

    Args:
        path: a CSV or a spreadsheet.
    """
    sources = Sources.of(path)
    rows = read_rows_of({"tests": path.name}, sources)
    cases, scorers = _cases(rows, [], _other_names(rows), _around(rows), sources)
    return Imported(tool=TOOL, name=path.stem, cases=cases, scorers=scorers, notes=sources.notes)
