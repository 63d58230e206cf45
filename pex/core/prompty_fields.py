"""The front matter of a `.prompty` file as the fields of a prompt, each key with its type.

Unknown keys are kept and not read, as the format requires; a remark names those that may have been
intended. `${env:…}` and `${file:…}` are never resolved: a prompt must not depend on the machine,
nor carry a secret.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from pex.core.errors import PexError, nearest
from pex.core.params import NUMBERS, TEXTS, WHOLE
from pex.core.prompty_schema import named, to_schema, tool_schema
from pex.core.values import as_text, as_written, to_json_value
from pex.core.yamltext import Document

KEYS = (
    "name", "displayName", "description", "metadata", "model", "inputs", "outputs", "tools",
    "template", "instructions", "examples",
    "version", "authors", "tags", "sample",  # version 1
)  # fmt: skip
_MODEL_KEYS = (
    "id", "provider", "apiType", "connection", "options",
    "api", "configuration", "parameters", "response",  # version 1
)  # fmt: skip
OPTIONS = {  # the format's name -> the name in pex
    "frequencyPenalty": "frequency_penalty",
    "maxOutputTokens": "max_tokens",
    "presencePenalty": "presence_penalty",
    "reasoningEffort": "reasoning_effort",
    "seed": "seed",
    "temperature": "temperature",
    "topK": "top_k",
    "topP": "top_p",
    "stopSequences": "stop",
    "allowMultipleToolCalls": "parallel_tool_calls",
}
FROM_PEX = {ours: theirs for theirs, ours in OPTIONS.items()}
_SWITCHES = ("parallel_tool_calls", "logprobs")
_SCHEMAS = ("response_format", "tools")
"""Parameters that contain JSON Schemas."""
_SCHEMA_TEXTS = ("description", "title", "pattern")
_SCHEMA_VALUES = ("enum", "const", "default", "examples")
_FLAGS = ("required", "nullable", "strict")
_STREAMING = ("stream", "stream_options")
_JINJA = ("jinja2", "jinja", "nunjucks")
_RICH = ("thread", "image", "file", "audio")
_REFERENCE = re.compile(r"\$\{\w+:[^}]*\}")

Path = tuple[Any, ...]


class FrontMatter:
    """Parsed front matter: `fields` for the prompt, and `remarks` on unused parts.

    Raises:
        PexError: a value has the wrong type or shape; the error names the line and key.

    Example:
        >>> from pex.core.yamltext import load_yaml
        >>> front = FrontMatter(load_yaml("model: {id: x, options: {seed: 7, topp: 1}}", "f"), "f")
        >>> front.fields["params"], front.remarks
        ({'seed': 7}, ["line 1: model.options: 'topp' is not an option: it is not sent; did you mean 'topP'?"])
    """  # noqa: E501 - the remark is one line

    def __init__(self, document: Document, where: str) -> None:
        self._document = document
        self._where = where
        self.fields: dict[str, Any] = {}
        self.remarks: list[str] = []
        data = document.data
        for key in ("name", "description", "instructions"):
            if (text := self._text(data.get(key), (key,))) is not None:
                self.fields[key] = text
        self._unknown(data, KEYS, ())
        self._model(data.get("model"))
        self._template(data.get("template"))
        self.fields["defaults"] = self._inputs(data.get("inputs"))
        self._outputs(data.get("outputs"))
        self._tools(data.get("tools"))
        self._examples(data.get("examples"))

    def _fail(self, path: Path, message: str, hint: str | None = None) -> PexError:
        line = self._document.line(path)
        place = f"{self._where}, line {line}" if line else self._where
        return PexError(f"{place}: {_name(path)}: {message}", hint=hint)

    def _remark(self, path: Path, message: str) -> None:
        line = self._document.line(path)
        self.remarks.append(f"line {line}: {message}" if line else message)

    def _text(self, value: Any, path: Path) -> str | None:
        if value is None:
            return None
        if isinstance(value, dict | list):
            raise self._fail(path, f"expected a string, got {_kind_of(value)}")
        self._no_reference(value, path)
        return self._document.written(path) or str(as_text(value))

    def _no_reference(self, value: Any, path: Path) -> None:
        """Raise a `PexError` for a value that refers to another place."""
        if isinstance(value, str) and _REFERENCE.fullmatch(value.strip()):
            raise self._fail(
                path,
                f"{value.strip()} is not looked up: a prompt has the same text on every machine",
                "write the value here, or leave the key out and give it in the experiment",
            )
        items = value.items() if isinstance(value, dict) else ()
        for key, item in items or (enumerate(value) if isinstance(value, list) else ()):
            self._no_reference(item, (*path, key))

    def _mapping(self, value: Any, path: Path) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._fail(path, f"expected keys with values, got {value!r}")
        return {as_text(key): item for key, item in value.items()}

    def _unknown(self, data: Mapping[Any, Any], known: tuple[str, ...], path: Path) -> None:
        for key in map(str, data):
            if key in known:
                continue
            if key in ("system", "developer", "user", "assistant"):
                raise self._fail(
                    (*path, key), "a role in the front matter",
                    "is the line '---' missing that ends it?",
                )  # fmt: skip
            place = f"{_name(path)}: " if path else ""
            near = nearest(key, known)
            if key in OPTIONS or key in FROM_PEX or (not path and key in _MODEL_KEYS[4:]):
                self._remark(
                    (*path, key), f"{place}'{key}' is ignored here; it belongs in model.options"
                )
            elif near.startswith("did you mean"):
                self._remark((*path, key), f"{place}unknown key '{key}' is not read; {near}")

    def _model(self, model: Any) -> None:
        path: Path = ("model",)
        if isinstance(model, str):
            self._identity(model, None, path)
            return
        data = self._mapping(model, path)
        self._unknown(data, _MODEL_KEYS, path)
        configuration = self._mapping(data.get("configuration"), (*path, "configuration"))
        names = ("azure_deployment", "name", "model")
        places = [(data, "id", path)]
        places += [(configuration, name, (*path, "configuration")) for name in names]
        for where, key, above in places:
            if where.get(key) not in (None, ""):
                self._identity(where[key], data.get("provider"), (*above, key))
                break
        kind = data.get("apiType") or data.get("api")
        if kind not in (None, "chat", "responses"):
            self._remark((*path, "apiType"), f"apiType '{kind}' is unknown: the chat API is used")
        params = self._parameters(data.get("parameters"), (*path, "parameters"))
        params |= self._options(data.get("options"))
        if "tools" in params:
            self.fields["tools"] = params.pop("tools")
        asked = params.get("response_format")
        if isinstance(asked, dict) and asked.get("type") == "json_schema":
            schema = asked.get("json_schema")
            if not isinstance(schema, dict) or not isinstance(schema.get("schema"), dict):
                raise self._fail(path, "response_format: expected a schema in json_schema.schema")
            self.fields["response_schema"] = params.pop("response_format")["json_schema"]["schema"]
        if params:
            self.fields["params"] = params

    def _identity(self, name: Any, provider: Any, path: Path) -> None:
        if isinstance(name, str) and _REFERENCE.search(name):
            self._remark(path, f"{_name(path)}: {name} is not looked up: name the model in models")
            return
        identity = self._text(name, path)
        given = self._text(provider, ("model", "provider"))
        self.fields["model"] = f"{given}/{identity}" if given else identity

    def _options(self, options: Any) -> dict[str, Any]:
        path: Path = ("model", "options")
        data = self._mapping(options, path)
        params = self._parameters(
            data.pop("additionalProperties", None), (*path, "additionalProperties")
        )
        for key, value in data.items():
            if key in OPTIONS or key in FROM_PEX:
                name = OPTIONS.get(key, key)
                params[name] = self._parameter(name, value, (*path, key))
                continue
            near = nearest(key, OPTIONS)
            near = near if near.startswith("did you mean") else "put it in additionalProperties"
            self._remark(
                (*path, key), f"model.options: '{key}' is not an option: it is not sent; {near}"
            )
        return params

    def _parameters(self, given: Any, path: Path) -> dict[str, Any]:
        params = {}
        for key, value in self._mapping(given, path).items():
            if key in _STREAMING or (key == "n" and value == 1):
                self._remark(
                    (*path, key), f"{_name(path)}: '{key}' is not sent: pex sets it by itself"
                )
            else:
                params[key] = self._parameter(key, value, (*path, key))
        return params

    def _parameter(self, name: str, value: Any, path: Path) -> Any:
        """The value of a parameter, converted to its type."""
        self._no_reference(value, path)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is None:
            return None
        if name in TEXTS:
            if isinstance(value, dict) or (isinstance(value, list) and name != "stop"):
                raise self._fail(path, f"expected a string, got {_kind_of(value)}")
            if isinstance(value, list):
                return [self._text(item, (*path, at)) for at, item in enumerate(value)]
            return self._text(value, path)
        if name in NUMBERS and not (number and math.isfinite(value)):
            raise self._fail(path, f"expected a number, got {_shown(value)}")
        if name in WHOLE:
            if not number or not math.isfinite(value) or value != int(value):
                raise self._fail(path, f"expected a whole number, got {_shown(value)}")
            return int(value)
        if name in _SWITCHES and not isinstance(value, bool):
            raise self._fail(path, f"expected true or false, got {_shown(value)}")
        if name in NUMBERS:
            return int(value) if isinstance(value, int) else float(value)
        try:
            return to_json_value(self._schema(value, path) if name in _SCHEMAS else value)
        except PexError as error:
            raise self._fail(path, error.message, error.hint) from None

    def _examples(self, examples: Any) -> None:
        """The ids of the cases in the text; another tool's key of this name is only kept."""
        path: Path = ("examples",)
        if examples is None:
            return
        items = examples if isinstance(examples, list) else [examples]
        if not isinstance(examples, list) or any(isinstance(item, dict | list) for item in items):
            self._remark(path, "examples: expected a list of case ids: it is not read")
            return
        found = [self._text(item, (*path, at)) for at, item in enumerate(items)]
        self.fields["examples"] = tuple(dict.fromkeys(text for text in found if text))

    def _template(self, template: Any) -> None:
        path: Path = ("template",)
        form = template
        if isinstance(template, dict):
            form, path = template.get("format"), ("template", "format")
        elif template is not None and not isinstance(template, str):
            raise self._fail(path, f"expected keys with values, got {template!r}")
        if isinstance(form, dict):
            form, path = form.get("kind"), (*path, "kind")
        if form is not None and form not in _JINJA:
            raise self._fail(path, f"expected jinja2, got {_shown(form)}", "pex fills in Jinja")

    def _inputs(self, inputs: Any) -> dict[str, Any]:
        path: Path = ("inputs",)
        if isinstance(inputs, str) and _REFERENCE.fullmatch(inputs):
            self._remark(
                path, f"inputs: {inputs} is not looked up: its default values are not used"
            )
            return {}
        defaults = {}
        for at, item in enumerate(self._named(inputs, path)):
            name, kind = item["name"], item.get("kind") or item.get("type")
            if isinstance(kind, str) and kind in _RICH:
                self._remark(path, f"inputs: '{name}' of kind '{kind}' is filled in as text")
            if item.get("default") is None:
                continue
            place = self._place(inputs, at, name, path)
            if self._document.written(place) is None:  # else there is only the default
                place = (*place, "default")
            self._no_reference(item["default"], place)
            defaults[name] = self._default(item["default"], kind, place)
        return defaults

    def _place(self, items: Any, at: int, name: str, path: Path) -> Path:
        """The path of a property, in either form of the list."""
        if isinstance(items, dict) and set(items) == {"properties"}:
            items, path = items["properties"], (*path, "properties")
        return (*path, at) if isinstance(items, list) else (*path, name)

    def _default(self, value: Any, kind: Any, path: Path) -> Any:
        wanted: dict[str, tuple[type, ...]] = {
            "integer": (int,), "float": (int, float), "number": (int, float), "boolean": (bool,),
            "array": (list,), "object": (dict,),
        }  # fmt: skip
        if kind == "string" and not isinstance(value, dict | list):
            return self._text(value, path)
        types = wanted.get(kind)
        if types is None:
            return to_json_value(as_written(value))
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise self._fail(path, f"expected {kind}, got {_shown(value)}")
        return to_json_value(as_written(value)) if kind in ("array", "object") else _number(value)

    def _outputs(self, outputs: Any) -> None:
        if outputs and "response_schema" not in self.fields:
            items = self._properties(outputs, ("outputs",))
            self.fields["response_schema"] = to_schema(items, f"{self._where}: outputs")

    def _properties(self, items: Any, path: Path) -> list[dict[str, Any]]:
        """Properties whose allowed values are strings, as written."""
        self._no_reference(items, path)
        found = self._named(items, path)
        for at, item in enumerate(found):
            place = self._place(items, at, item["name"], path)
            kind, values = item.get("kind") or item.get("type"), item.get("enumValues")
            self._check_flags(item, place)
            if isinstance(values, list):
                item["enumValues"] = [
                    None
                    if value is None
                    else self._default(value, kind or "string", (*place, "enumValues", number))
                    for number, value in enumerate(values)
                ]
            if kind == "object" and item.get("properties"):
                item["properties"] = self._properties(item["properties"], (*place, "properties"))
        return found

    def _schema(self, value: Any, path: Path, text: bool = False) -> Any:
        """A JSON Schema; with `text`, scalars become strings as written in the file."""
        if isinstance(value, list):
            return [self._schema(item, (*path, at), text) for at, item in enumerate(value)]
        if not isinstance(value, dict):
            return self._text(value, path) if text else value
        kinds = value.get("type")
        texts = "string" in kinds if isinstance(kinds, list) else kinds == "string"
        names = (*_SCHEMA_TEXTS, *_SCHEMA_VALUES) if texts else _SCHEMA_TEXTS
        return {key: self._schema(item, (*path, key), key in names) for key, item in value.items()}

    def _check_flags(self, data: Mapping[str, Any], path: Path) -> None:
        for key in _FLAGS:
            if not isinstance(data.get(key), bool | None):  # in YAML 1.2 `yes` is a string
                raise self._fail((*path, key), f"expected true or false, got {_shown(data[key])}")

    def _tools(self, tools: Any) -> None:
        path: Path = ("tools",)
        if not tools or "tools" in self.fields:
            return
        if isinstance(tools, dict):
            tools = [{"name": name, **self._mapping(tool, (*path, name))}
                     for name, tool in tools.items()]  # fmt: skip
        if not isinstance(tools, list):
            self._no_reference(tools, path)
            raise self._fail(path, f"expected a list, got {_shown(tools)}")
        made = [self._tool(tool, (*path, at)) for at, tool in enumerate(tools)]
        if found := [tool for tool in made if tool is not None]:
            self.fields["tools"] = found

    def _tool(self, tool: Any, path: Path) -> dict[str, Any] | None:
        data = self._mapping(tool, path)
        name = self._text(data.get("name"), (*path, "name"))
        kind = data.get("kind") or data.get("type") or "function"
        if kind != "function":
            self._remark(path, f"tools: '{name}' of kind '{kind}' is not sent, only functions are")
            return None
        self._check_flags(data, path)
        where = f"{self._where}: tools: '{name}'"
        strict = data.get("strict") is True
        bound = self._bound(data.get("bindings"), (*path, "bindings"))
        parameters = data.get("parameters")
        if isinstance(parameters, dict) and isinstance(parameters.get("type"), str):
            parameters = self._schema(parameters, (*path, "parameters"))
        else:
            parameters = self._properties(parameters, (*path, "parameters"))
        schema = tool_schema(parameters, where, strict=strict, bound=bound)
        function: dict[str, Any] = {"name": name, "parameters": schema}
        if data.get("description"):
            function["description"] = self._text(data["description"], (*path, "description"))
        if strict:
            function["strict"] = True
        return {"type": "function", "function": function}

    def _bound(self, bindings: Any, path: Path) -> tuple[str, ...]:
        if isinstance(bindings, list):
            return tuple(str(as_text(item["name"])) for item in named(bindings, _name(path)))
        return tuple(self._mapping(bindings, path))

    def _named(self, items: Any, path: Path) -> list[dict[str, Any]]:
        try:
            return named(items or [], _name(path))
        except PexError as error:
            raise self._fail(path, error.message.removeprefix(f"{_name(path)}: ")) from None


def _name(path: Path) -> str:
    return ".".join(str(key) for key in path)


def _kind_of(value: Any) -> str:
    return "a list" if isinstance(value, list) else "keys with values"


def _shown(value: Any) -> str:
    if isinstance(value, list | dict):
        return _kind_of(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(as_text(value)) if number else repr(value)


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    return int(value) if isinstance(value, int) else to_json_value(value)
