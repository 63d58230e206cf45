"""The tests of a configuration, one by one: from YAML, JSON, JSONL, CSV and spreadsheets."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core import jsontext
from pex.core.case_files import read_rows
from pex.core.errors import PexError
from pex.core.reading import Reading
from pex.core.textfile import read_bytes, read_text
from pex.importers.promptfoo_config.assertion_text import assertion_from_text
from pex.importers.promptfoo_config.sources import CODE, SCHEME, LeftOutError, Sources

_MOST_CASES = 100_000
_TABLES = (".csv", ".tsv", ".xlsx")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """A test with its default values filled in and its lists multiplied out.

    `id` is its number in promptfoo, with a second number for the combinations of its lists. The
    first `usual` assertions are those of `defaultTest`.
    """

    id: str
    where: str
    values: Mapping[str, Any]
    asserts: Sequence[Mapping[str, Any]]
    options: Mapping[str, Any]
    test: Mapping[str, Any]
    usual: int = 0


def read_rows_of(config: Mapping[str, Any], sources: Sources) -> list[Row]:
    """Every test with every combination of its values, as promptfoo runs them."""
    default = _default(config, sources)
    tests = _tests(config.get("tests"), "tests", sources, 0)
    tests += _scenarios(config.get("scenarios"), default, sources)
    if not tests and not config.get("scenarios"):
        tests = [("tests", {})]
    rows: list[Row] = []
    for number, (where, test) in enumerate(tests, 1):
        rows += _rows(number, where, test, default, sources)
        if len(rows) > _MOST_CASES:
            raise PexError(
                f"tests: more than {_MOST_CASES:,} cases, with all combinations of lists"
            )
    return rows


def _default(config: Mapping[str, Any], sources: Sources) -> Mapping[str, Any]:
    given = config.get("defaultTest")
    if isinstance(given, str):
        try:
            given = sources.data(sources.path(given))
        except LeftOutError as error:
            sources.note("defaultTest", "left out", str(error))
    return given if isinstance(given, Mapping) else {}


def _tests(
    value: Any, where: str, sources: Sources, depth: int
) -> list[tuple[str, Mapping[str, Any]]]:
    """The tests that a key names, each with its place."""
    if isinstance(value, Mapping) and "path" in value:
        value = value["path"]
    if isinstance(value, str):
        return _files(value, where, sources, depth)
    if isinstance(value, Mapping):
        value = [value]
    found: list[tuple[str, Mapping[str, Any]]] = []
    for number, item in enumerate(value if isinstance(value, list) else [], 1):
        place = f"{where}[{number}]"
        if isinstance(item, str) or (
            isinstance(item, Mapping) and isinstance(item.get("path"), str)
        ):
            found += _tests(item, place, sources, depth)
        elif isinstance(item, Mapping):
            found.append((place, item))
        else:
            sources.note(place, "left out", f"expected a test, got {type(item).__name__}")
    return found


def _files(
    reference: str, where: str, sources: Sources, depth: int
) -> list[tuple[str, Mapping[str, Any]]]:
    found: list[tuple[str, Mapping[str, Any]]] = []
    name, _, sheet = reference.partition("#")
    try:
        if depth > 3:
            raise LeftOutError("files of tests that name each other in a circle")
        if re.match(r"(https?|huggingface|s3|az|gs)://", name):
            raise LeftOutError("nothing is fetched from other machines: save it as a file")
        for file in sources.paths(name):
            if file.suffix.lower() in CODE:
                raise LeftOutError(f"{file.name} is code, which is never run")
            place = f"{where} {sources.shown(file)}"
            found += _file(file, sheet, place, sources, depth)
    except LeftOutError as error:
        sources.note(where, "left out", str(error))
    return found


def _file(
    file: Path, sheet: str, where: str, sources: Sources, depth: int
) -> list[tuple[str, Mapping[str, Any]]]:
    kind = file.suffix.lower()
    try:
        if kind in _TABLES:
            reading = Reading(sheet=sheet or None) if kind == ".xlsx" else Reading()
            rows = list(read_rows(read_bytes(file, "tests"), file, reading).rows)
            return [(f"{where}, {at}", row_as_test(row, where, sources)) for at, row in rows]
        if kind == ".jsonl":
            lines = read_text(file, "tests").removeprefix("\ufeff").split("\n")
            data: Any = [jsontext.loads(line) for line in lines if line.strip()]
        else:
            data = sources.data(file)
    except PexError as error:
        raise LeftOutError(error.message) from None
    except ValueError as error:
        raise LeftOutError(f"not valid JSON: {error}") from None
    return _tests(data, where, sources, depth + 1)


def row_as_test(row: Mapping[str, Any], where: str, sources: Sources) -> dict[str, Any]:
    """A row of a table as a test: columns that begin with `__` say what is expected, and more."""
    test: dict[str, Any] = {"vars": {}, "assert": [], "options": {}, "metadata": {}}
    metric: str | None = None
    for name, value in row.items():
        key, text = str(name).strip(), "" if value is None else str(value)
        if key.startswith("__expected"):
            if text.strip():
                test["assert"].append(assertion_from_text(text.strip()))
        elif key in ("__prefix", "__suffix"):
            test["options"][key.removeprefix("__")] = text
        elif key == "__description":
            test["description"] = text
        elif key == "__metric":
            metric = text or None
        elif key == "__threshold":
            if text.strip():
                test["threshold"] = text
        elif key.startswith("__metadata:"):
            inner = key.removeprefix("__metadata:")
            if text.strip():
                items = [part.strip() for part in re.split(r"(?<!\\),", text)]
                is_list = inner.endswith("[]")
                test["metadata"][inner.removesuffix("[]")] = items if is_list else text
        elif key.startswith("__config:"):
            _configure(key, text, test)
        elif key.startswith("__"):
            sources.note(f"{where}, column {key}", "left out", "not a column that pex knows")
        else:
            test["vars"][key] = text
    if metric:
        test["assert"] = [{**item, "metric": metric} for item in test["assert"]]
    return test


def _configure(key: str, text: str, test: dict[str, Any]) -> None:
    """`__config:__expected2:threshold` is the threshold of the second expected value."""
    found = re.fullmatch(r"__config:__expected(\d*):threshold", key)
    at = int(found[1] or 1) - 1 if found else -1
    if found and text.strip() and at < len(test["assert"]):
        test["assert"][at] = {**test["assert"][at], "threshold": text}


def _scenarios(
    value: Any, default: Mapping[str, Any], sources: Sources
) -> list[tuple[str, Mapping[str, Any]]]:
    """Every configuration of a scenario with every test of it."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    if isinstance(value, str):
        try:
            value = sources.data(sources.path(value))
        except LeftOutError as error:
            sources.note("scenarios", "left out", str(error))
    for number, scenario in enumerate(value if isinstance(value, list) else []):
        where = f"scenarios[{number}]"
        if isinstance(scenario, str):
            try:
                scenario = sources.data(sources.path(scenario))
            except LeftOutError as error:
                sources.note(where, "left out", str(error))
                continue
        if not isinstance(scenario, Mapping):
            sources.note(where, "left out", "expected config and tests")
            continue
        data = _tests(scenario.get("config"), f"{where}.config", sources, 0)
        tests = _tests(scenario.get("tests"), f"{where}.tests", sources, 0) or [(where, {})]
        for (place, one), (_, test) in itertools.product(data, tests):
            merged = {**one, **test}
            merged["vars"] = {**_mapping(one.get("vars")), **_mapping(test.get("vars"))}
            merged["assert"] = [*_list(one.get("assert")), *_list(test.get("assert"))]
            merged["options"] = {
                **_mapping(default.get("options")),
                **_mapping(test.get("options")),
            }
            found.append((f"{place} with its tests", merged))
    return found


def _rows(
    number: int,
    where: str,
    test: Mapping[str, Any],
    default: Mapping[str, Any],
    sources: Sources,
) -> list[Row]:
    values = test.get("vars")
    if isinstance(values, str | list):
        values = _file_values(values, where, sources)
    values = {**_mapping(default.get("vars")), **_mapping(values)}
    options = {**_mapping(default.get("options")), **_mapping(test.get("options"))}
    asserts = [*_list(default.get("assert")), *_list(test.get("assert"))]
    metadata = {**_mapping(default.get("metadata")), **_mapping(test.get("metadata"))}
    whole = {**{k: v for k, v in default.items() if k in ("threshold", "providers", "prompts")},
             **test, "metadata": metadata}  # fmt: skip
    combined = [values] if options.get("disableVarExpansion") else list(_combinations(values))
    rows = []
    for part, chosen in enumerate(combined, 1):
        case_id = f"{number}.{part}" if len(combined) > 1 else str(number)
        loaded = {key: _loaded(value, key, where, sources) for key, value in chosen.items()}
        usual = len(_list(default.get("assert")))
        rows.append(Row(case_id, where, loaded, asserts, options, whole, usual))
    return rows


def _combinations(values: Mapping[str, Any]) -> Any:
    """Every combination of the lists of strings among the values."""
    lists = [
        value if isinstance(value, list) and value and isinstance(value[0], str) else [value]
        for value in values.values()
    ]
    total = 1
    for choices in lists:
        total *= len(choices)
    if total > _MOST_CASES:
        raise PexError(f"a test has {total:,} combinations, at most {_MOST_CASES:,} are made")
    return (dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*lists))


def _file_values(value: str | list[Any], where: str, sources: Sources) -> dict[str, Any]:
    """Values that are in a file of their own."""
    found: dict[str, Any] = {}
    for item in [value] if isinstance(value, str) else value:
        try:
            for file in sources.paths(str(item)):
                found |= _mapping(sources.data(file))
        except LeftOutError as error:
            sources.note(f"{where}.vars", "left out", str(error))
    return found


def _loaded(value: Any, key: str, where: str, sources: Sources) -> Any:
    """A value, or the text of the file that it names."""
    if not (isinstance(value, str) and value.startswith(SCHEME)):
        return value.removesuffix("\n") if isinstance(value, str) else value
    try:
        file = sources.path(value)
        if file.suffix.lower() in (".yaml", ".yml"):
            return json.dumps(sources.data(file), ensure_ascii=False)
        return read_text(file, "value").strip()
    except (LeftOutError, PexError) as error:
        message = error.message if isinstance(error, PexError) else str(error)
        sources.note(f"{where}.vars.{key}", "left out", message)
        return ""


def _mapping(value: Any) -> dict[str, Any]:
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
