"""The pages about the keys of a project's files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.reference_models import FILES, File, described, models_in
from docs.reference_schemas import SCHEMAS, TOOLS, schema_of
from pex.score.field_rules import RULES
from pex.score.kinds import KINDS, Kind, OfTurns
from pex.score.value_rules import FieldRule

_MORE = {
    "experiment.yaml": "[prompts](../prompts.md), [cases](../case-files.md), "
    "[scorers](../scorers.md), [gates](../better.md#gates)",
    "plan.yaml": "[batches](../batches.md)",
    "pex.toml": "[your own endpoint](../own-endpoint.md), [environment variables](environment.md)",
    "monitor.yaml": "[deployed traces](../monitor.md)",
}
_ELSEWHERE = {
    ("experiment.yaml", "scorers"): " See [scorers](scorers.md).",
    ("monitor.yaml", "scorers"): " See [scorers](scorers.md).",
    ("experiment.yaml", "tools"): " See [tools](scorers.md#tools).",
}
_LIMITS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
}
_TABLE = "| key | value | default | |\n|---|---|---|---|\n"


def pages() -> dict[str, str]:
    """Each page by its name."""
    return {
        **{page_of(file): _page(file) for file in FILES},
        "scorers.md": _scorers(),
    }


def page_of(file: File) -> str:
    """`experiment-yaml.md`."""
    return file.name.replace(".", "-") + ".md"


def sections(
    model: type[BaseModel], prefix: str = ""
) -> Iterator[tuple[str, type[BaseModel], FieldInfo]]:
    """The models below a model: the path of keys, the model, the field that has it."""
    for name, field in model.model_fields.items():
        for inner in models_in(field.annotation):
            shape = str(field.annotation)
            each = ".NAME" if "dict[" in shape else "[]" if "list[" in shape else ""
            path = f"{prefix}{field.alias or name}{each}"
            yield path, inner, field
            yield from sections(inner, f"{path}.")


def _page(file: File) -> str:
    schema = schema_of(file)
    name = next(name for name, one in SCHEMAS.items() if one is file)
    parts = [
        f"# `{file.name}`\n{file.about} More: {_MORE[file.name]}. "
        f"Its [schema](schemas.md) is `schemas/{name}`.\n",
        "## Keys\n" + _table(file, file.model, schema["properties"], schema),
    ]
    for path, model, _ in sections(file.model):
        own = schema["$defs"].get(model.__name__) or schema
        about = " ".join((model.__doc__ or "").partition("\n\n")[0].split())
        parts.append(
            f"## `{path}`\n{about}\n\n" + _table(file, model, own.get("properties", {}), schema)
        )
    return "\n".join(parts)


def _table(file: File, model: type[BaseModel], keys: dict[str, Any], schema: dict[str, Any]) -> str:
    rows = [
        _row(file, model, name, field, keys.get(field.alias or name, {}), schema)
        for name, field in model.model_fields.items()
    ]
    return _TABLE + "\n".join(rows) + "\n"


def _row(
    file: File,
    model: type[BaseModel],
    name: str,
    field: FieldInfo,
    key: dict[str, Any],
    schema: dict[str, Any],
) -> str:
    text, example = described(model, name)
    shown = f" Example: `{_cell(example)}`" if example is not None else ""
    more = _ELSEWHERE.get((file.name, name), "") if model is file.model else ""
    kind, default = _cell(_kind(key, schema)), _cell(_default(field, file))
    return f"| `{field.alias or name}` | {kind} | {default} | {_cell(text)}{shown}{more} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _default(field: FieldInfo, file: File) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)  # type: ignore[call-arg]
    if value is None or value in ({}, [], "") or isinstance(value, BaseModel):
        return ""
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _kind(key: dict[str, Any], schema: dict[str, Any]) -> str:
    """A type in words."""
    if "$ref" in key:
        found = schema["$defs"][key["$ref"].rpartition("/")[2]]
        return _kind(found, schema) if "anyOf" in found or "enum" in found else "mapping"
    if "enum" in key:
        return ", ".join(f"`{value}`" for value in key["enum"])
    if "const" in key:
        return f"`{key['const']}`"
    if options := key.get("anyOf"):
        kinds = [_kind(one, schema) for one in options if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    limits = [text.format(f"{key[name]:g}") for name, text in _LIMITS.items() if name in key]
    words = {"integer": "whole number", "number": "number", "object": "mapping",
             "boolean": "true or false", "array": "list", "string": "string"}  # fmt: skip
    if key.get("type") == "array" and key.get("items"):
        return f"list of {_plural(_kind(key['items'], schema))}"
    if key.get("format") == "date":
        return "date"
    given = key.get("type")
    return " ".join([words[given] if isinstance(given, str) else "any value", *limits])


def _plural(kind: str) -> str:
    return "values" if " or " in kind or kind.startswith("`") else f"{kind}s"


def _own_keys(model: type[BaseModel], common: type[BaseModel]) -> list[str]:
    return [name for name in model.model_fields if name not in common.model_fields]


def _scorers() -> str:
    file = FILES[0]
    definitions = schema_of(file)["$defs"]
    parts = [
        "# Scorers, rules and tools\nThe options of everything that has a `kind` or a `rule` in "
        "`experiment.yaml` and `monitor.yaml`. What each one is for: "
        "[scorers](../scorers.md), [structured answers](../structured.md), "
        "[output checks](../output-checks.md), [paths](../paths.md), "
        "[tools that run](../tools.md).\n",
        "## Every scorer\n" + _table(file, Kind, Kind.model_json_schema()["properties"], {}),
        "Those that look at answers also take:\n",
        _table(file, OfTurns, definitions["scorer_exact"]["properties"], {"$defs": definitions}),
    ]
    parts[-1] = _only(parts[-1], ["turns"])
    for title, models, common, prefix in (
        ("", KINDS, OfTurns, "scorer"),
        ("Rules for fields", RULES, FieldRule, "rule"),
        ("Tools", TOOLS, next(iter(TOOLS.values())).__mro__[1], "tool"),
    ):
        if title:
            own = definitions[f"{prefix}_{next(iter(models))}"]["properties"]
            own = {name: {"type": "string"} if "const" in key else key for name, key in own.items()}
            parts.append(f"## {title}\n" + _table(file, common, own, {"$defs": definitions}))
        for name, model in models.items():
            keys = _own_keys(model, common)
            heading = f"{'###' if title else '##'} `{name}`\n"
            own = definitions[f"{prefix}_{name}"]["properties"]
            table = _only(_table(file, model, own, {"$defs": definitions}), keys)
            parts.append(heading + (table if keys else "No options of its own.\n"))
            if prefix == "tool" and name == "made":
                inner = definitions["MadeReply"]["properties"]
                replies = models_in(model.model_fields["replies"].annotation)[0]
                table = _table(file, replies, inner, {"$defs": definitions})
                parts.append(f"Each of `replies` has:\n\n{table}")
    return "\n".join(parts)


def _only(table: str, names: list[str]) -> str:
    """The rows of these keys."""
    head, rows = table[: len(_TABLE)], table[len(_TABLE) :].splitlines()
    starts = tuple(f"| `{'schema' if name == 'schema_' else name}` |" for name in names)
    return head + "\n".join(row for row in rows if row.startswith(starts)) + "\n"
