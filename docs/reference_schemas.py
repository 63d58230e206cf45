"""JSON Schemas of a project's files, for editors: from the models, with what their checks add."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from docs.reference_models import FILES, File, described
from pex.batch.when import CONDITIONS
from pex.project.redteam_spec import RedteamSpec
from pex.project.settings import ProviderSettings
from pex.score.field_rules import RULES
from pex.score.kinds import KINDS, _OfFields
from pex.tools.spec import _SPECS as TOOLS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FUNCTION = {"type": "string", "pattern": r"^[\w.]+:[\w.]+$"}
_SCALAR = {"type": ["string", "number", "boolean", "null"]}


def schema_of(file: File) -> dict[str, Any]:
    """The schema of a file, in draft 2020-12."""
    schema = file.model.model_json_schema(by_alias=True)
    definitions = schema.setdefault("$defs", {})
    _describe(schema, file.model, file)
    for model in _models(file.model):
        if model.__name__ in definitions:
            _describe(definitions[model.__name__], model, file)
    _EXTRA[file.name](schema, file)
    head = {"$schema": DIALECT, "title": file.name, "description": file.about}
    return _plain({**head, **{key: schema[key] for key in schema if key not in head}})


def text_of(file: File) -> str:
    """The schema as it is stored."""
    return json.dumps(schema_of(file), ensure_ascii=False, indent=1) + "\n"


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    from docs.reference_models import models_in

    found = [
        inner for field in model.model_fields.values() for inner in models_in(field.annotation)
    ]
    return [*found, *(deeper for inner in found for deeper in _models(inner))]


def _describe(schema: dict[str, Any], model: type[BaseModel], file: File) -> None:
    """Put descriptions and examples beside the keys of an object."""
    for name, field in model.model_fields.items():
        key = schema["properties"][field.alias or name]
        key["description"], example = described(model, name)
        if example is not None:
            key["examples"] = [_data(file.value(example))]


def _data(value: Any) -> Any:
    """Dates as the text that a schema's example can hold."""
    if isinstance(value, dict):
        return {str(key): _data(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_data(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _plain(value: Any) -> Any:
    """Without the titles that repeat a key's own name."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _plain(item)
        for key, item in value.items()
        if key != "title" or "$schema" in value or not isinstance(item, str)
    }


def _by_kind(
    key: str, models: dict[str, Any], definitions: dict[str, Any], prefix: str, file: File
) -> dict[str, Any]:
    """An object whose other keys depend on one of them."""
    branches = []
    for name, model in models.items():
        own = model.model_json_schema(by_alias=True)
        definitions.update(own.pop("$defs", {}))
        _describe(own, model, file)
        own["properties"][key] = {"const": name}
        definitions[f"{prefix}_{name}"] = own
        branches.append(
            {
                "if": {"properties": {key: {"const": name}}, "required": [key]},
                "then": {"$ref": f"#/$defs/{prefix}_{name}"},
            }
        )
    text = {"description": f"One of {', '.join(models)}."}
    return {
        "type": "object",
        "required": [key],
        "properties": {key: {"enum": list(models), **text}},
        "allOf": branches,
    }


def _add_scorers(schema: dict[str, Any], file: File) -> None:
    definitions = schema["$defs"]
    definitions["field_rule"] = {
        "anyOf": [{"enum": list(RULES)}, _by_kind("rule", RULES, definitions, "rule", file)]
    }
    definitions["scorer"] = {
        "anyOf": [
            {"enum": list(KINDS)},
            _FUNCTION,
            _by_kind("kind", KINDS, definitions, "scorer", file),
        ]
    }
    for kind, model in KINDS.items():
        if issubclass(model, _OfFields):
            fields = definitions[f"scorer_{kind}"]["properties"]["fields"]
            fields["anyOf"] = [
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
                {"type": "object", "additionalProperties": {"$ref": "#/$defs/field_rule"}},
            ]
    schema["properties"]["scorers"]["items"] = {"$ref": "#/$defs/scorer"}


def _experiment(schema: dict[str, Any], file: File) -> None:
    properties, definitions = schema["properties"], schema["$defs"]
    properties["cases"] = {
        "anyOf": [{"type": "string"}, {"$ref": "#/$defs/CasesSpec"}],
        **{key: properties["cases"][key] for key in ("description", "examples")},
    }
    values = {"anyOf": [{"type": "array"}, _SCALAR, {"type": "object"}]}
    properties["params"] = {
        "anyOf": [
            {"type": "array", "items": {"type": "object"}},
            {"type": "object", "additionalProperties": values},
        ],
        **{key: properties["params"][key] for key in ("description", "examples")},
    }
    definitions["tool"] = _by_kind("kind", TOOLS, definitions, "tool", file)
    definitions["tool"].pop("required")  # `function: …` alone is one too
    properties["tools"]["additionalProperties"] = {"anyOf": [_FUNCTION, {"$ref": "#/$defs/tool"}]}
    _add_scorers(schema, file)
    judge = RedteamSpec.model_fields["judge"]
    assert judge.annotation is not None
    definitions["RedteamSpec"]["properties"]["judge"]["anyOf"] = [
        {"type": "object", "required": ["prompt"]},
        {"type": "null"},
    ]


def _plan(schema: dict[str, Any], file: File) -> None:
    when = schema["$defs"]["Step"]["properties"]["when"]
    when["anyOf"] = [
        {"enum": list(CONDITIONS)},
        {"type": "array", "items": {"enum": list(CONDITIONS)}},
        {"type": "object", "propertyNames": {"enum": list(CONDITIONS)}, "minProperties": 1},
        {"type": "null"},
    ]


def _settings(schema: dict[str, Any], file: File) -> None:
    provider = schema["$defs"][ProviderSettings.__name__]["properties"]
    provider["headers"]["additionalProperties"] = {
        "anyOf": [{"type": "string"}, {"$ref": "#/$defs/FromEnvironment"}]
    }
    schema["$defs"]["RecordSettings"]["properties"]["traces"]["anyOf"] = [
        {"type": "integer", "minimum": 0},
        {"enum": ["all", "none"]},
    ]
    name = {"pattern": "^[^/]+/.+"}
    schema["properties"]["prices"]["propertyNames"] = name
    schema["properties"]["models"]["propertyNames"] = name


def _monitor(schema: dict[str, Any], file: File) -> None:
    _add_scorers(schema, file)


_EXTRA = {
    "experiment.yaml": _experiment,
    "plan.yaml": _plan,
    "pex.toml": _settings,
    "monitor.yaml": _monitor,
}
SCHEMAS = {f"{file.stem}.schema.json": file for file in FILES}
"""The names of the stored schemas."""
