"""Converting a prompt to its form in MLflow's registry, and back.

MLflow gets a form that its own `load_prompt` and `format` understand: a text or a list of chat
messages, the model's configuration, the response format. In addition, tags keep the exact text of
the `.prompty` file, so nothing is lost if MLflow has no field for it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pex.core import jsontext
from pex.core.canonical_json import canonical_json
from pex.core.errors import PexError
from pex.core.includes import among
from pex.core.prompt import Prompt

if TYPE_CHECKING:
    from mlflow.entities.model_registry import PromptVersion

    from pex.library.registry_answer import VersionAnswer

DIGEST = "pex.digest"
"""`Prompt.digest`, called `prompt_version` in the tables of runs."""

SHA256 = "pex.sha256"
"""The digest of the kept text: two versions with the same digest are the same prompt."""

MODEL = "pex.model"
_VARIABLES = "pex.variables"
_FORM = "pex.form"
_TEXT = "pex.text."
_PARTS = "pex.parts."
"""The texts that the file includes, as JSON, so the version stands alone."""

_TEMPLATE = "mlflow.prompt.text"

LONGEST = 100_000
"""Characters that MLflow accepts in one tag; it keeps a template in one tag."""

_WHO = ("provider", "model_name")
_PIECE = 16_000
# A tag's column in MySQL holds 65,535 bytes, and a character takes up to four.


class UnfitError(PexError):
    """A prompt that MLflow's registry cannot hold."""


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """The parts of a prompt that are written."""

    template: str
    tags: dict[str, str]
    model_config: dict[str, Any]
    response_format: dict[str, Any] | None
    sha256: str


def encode(prompt: Prompt) -> Content:
    """Convert a prompt to MLflow's form.

    Raises:
        UnfitError: its text is too long for MLflow, or has a part that MLflow cannot represent.

    Example:
        >>> content = encode(Prompt("Say {{ word }}.", name="say", model="openai/gpt-4.1-mini"))
        >>> content.template, content.tags["pex.variables"]
        ('Say {{ word }}.', 'word')
        >>> content.model_config
        {'provider': 'openai', 'model_name': 'gpt-4.1-mini'}
    """
    form, text = _whole(prompt)
    parts = canonical_json(prompt.parts).decode() if prompt.parts else ""
    sha256 = _sha256(text, parts)
    kind, template = _template(prompt)
    if len(template) > LONGEST:
        raise UnfitError(
            f"prompt '{prompt.name}': {len(template):,} characters; MLflow's registry holds "
            f"{LONGEST:,}",
            hint="move the long part, or the images, into a variable",
        )
    tags = {
        DIGEST: prompt.digest,
        SHA256: sha256,
        **({MODEL: prompt.model} if prompt.model else {}),
        **({_VARIABLES: ", ".join(prompt.variables)} if prompt.variables else {}),
        _FORM: form,
        **_cut(_TEXT, text),
        **_cut(_PARTS, parts),
        # The template's JSON is written here: MLflow's own would take six characters for each
        # non-ASCII letter, and so reach the limit much sooner.
        "_mlflow_prompt_type": kind,
    }
    return Content(template, tags, _model_config(prompt), prompt.response_schema, sha256)


def sha256_of(prompt: Prompt) -> str:
    """The tag `pex.sha256` that a prompt would be saved with.

    Example:
        >>> prompt = Prompt("Say {{ word }}.", name="say")
        >>> sha256_of(prompt) == encode(prompt).sha256
        True
    """
    parts = canonical_json(prompt.parts).decode() if prompt.parts else ""
    return _sha256(_whole(prompt)[1], parts)


def decode(found: PromptVersion | VersionAnswer) -> Prompt:
    """Return the prompt of a version, whether pex or plain MLflow saved it.

    Raises:
        PexError: MLflow's text is not a valid template, the kept text has been changed, or it is
            not the text that plain MLflow serves.
    """
    origin = f"{found.name}/{found.version}"
    kept = decode_tags(found.name, found.version, found.tags)
    if kept is None:
        return _of_mlflow(found, origin)
    if not _is_template(kept, found):
        raise PexError(
            f"{origin}: MLflow's own text is not the one that pex keeps in its tags {_TEXT}1 …",
            hint="one of them was changed in MLflow; save the prompt again",
        )
    return kept


def decode_tags(name: str, version: int, tags: Mapping[str, str]) -> Prompt | None:
    """The prompt that a version's tags hold; None if plain MLflow saved it.

    Raises:
        PexError: the kept text has been changed.
    """
    origin = f"{name}/{version}"
    if SHA256 not in tags:
        return None
    text, parts = _joined(_TEXT, tags), _joined(_PARTS, tags)
    if not _is_kept(text, parts, tags[SHA256]):
        raise PexError(
            f"{origin}: the text in its tags {_TEXT}1 … is not the one that was saved",
            hint="these tags were changed in MLflow; save the prompt again",
        )
    if tags[_FORM] == "prompty":
        find = among(jsontext.loads(parts), origin) if parts else None
        prompt = Prompt.parse(text, origin, name, find)
    else:
        fields = jsontext.loads(text)
        prompt = Prompt(fields.pop("messages"), name, **fields)
    return prompt.called(name, origin)


def kept_text(tags: Mapping[str, str]) -> str:
    """The text of a version without reading it as a prompt, for comparing many versions.

    Its file, if pex saved it, else MLflow's template.
    """
    return _joined(_TEXT, tags) if SHA256 in tags else tags.get(_TEMPLATE, "")


def model_of(found: PromptVersion | VersionAnswer) -> str | None:
    """The model that a version was written for."""
    if SHA256 in found.tags:
        return found.tags.get(MODEL)
    config = found.model_config or {}
    return "/".join(str(config[key]) for key in _WHO if config.get(key)) or None


def variables_of(found: PromptVersion) -> tuple[str, ...]:
    """The variables of a version; if plain MLflow saved it, those that MLflow finds."""
    if SHA256 in found.tags:
        names = found.tags.get(_VARIABLES)
        return tuple(names.split(", ")) if names else ()
    return tuple(sorted(found.variables))


def _sha256(text: str, parts: str) -> str:
    """The hash of a content; a checkout with other line endings has the same."""
    whole = f"{text}\0{parts}" if parts else text
    return hashlib.sha256(whole.replace("\r\n", "\n").encode()).hexdigest()


def _is_kept(text: str, parts: str, sha256: str) -> bool:
    """Whether a text is the one that was saved; pexlab 0.1 hashed line endings too."""
    whole = f"{text}\0{parts}" if parts else text
    return sha256 in (_sha256(text, parts), hashlib.sha256(whole.encode()).hexdigest())


def _cut(name: str, text: str) -> dict[str, str]:
    """A long text as numbered tags."""
    starts = range(0, len(text), _PIECE)
    return {f"{name}{at}": text[start : start + _PIECE] for at, start in enumerate(starts, 1)}


def _joined(name: str, tags: Mapping[str, str]) -> str:
    """The text of numbered tags."""
    pieces: list[str] = []
    while (key := f"{name}{len(pieces) + 1}") in tags:
        pieces.append(tags[key])
    return "".join(pieces)


def _whole(prompt: Prompt) -> tuple[str, str]:
    """The whole prompt as one text, and the text's format."""
    try:
        return "prompty", prompt.as_file()
    except PexError:  # a message with images, or a line with only a role: nothing is included
        names = ("messages", "description", "model", "params", "defaults", "response_schema")
        fields = {name: getattr(prompt, name) for name in (*names, "tools")}
        if prompt.examples:
            fields["examples"] = list(prompt.examples)
        return "json", canonical_json(fields).decode()


def _template(prompt: Prompt) -> tuple[str, str]:
    """MLflow's template type, and the template."""
    first = prompt.messages[0]
    if len(prompt.messages) == 1 and first["role"] == "user" and isinstance(first["content"], str):
        return "text", first["content"]
    from pydantic import ValidationError

    try:
        from mlflow.types.chat import ChatMessage
    except ModuleNotFoundError:  # nothing is saved to the registry then
        return "chat", json.dumps(prompt.messages, ensure_ascii=False)
    for number, message in enumerate(prompt.messages, 1):
        try:
            ChatMessage.model_validate(message)
        except ValidationError as error:
            raise UnfitError(
                f"prompt '{prompt.name}', message {number}: MLflow's registry cannot hold it: "
                f"{error.errors()[0]['msg']}",
                hint="it takes text, images (image_url) and sound (input_audio)",
            ) from None
    return "chat", json.dumps(prompt.messages, ensure_ascii=False)


def _is_template(prompt: Prompt, found: PromptVersion | VersionAnswer) -> bool:
    """Whether a version has the template of a prompt; a chat's JSON may be spelled otherwise."""
    try:
        template = found.template
    except ValueError:  # a chat that is not JSON
        return False
    if isinstance(template, str):
        messages = [(message["role"], message["content"]) for message in prompt.messages]
        return messages == [("user", template)]
    return bool(template == jsontext.loads(json.dumps(prompt.messages)))


def _model_config(prompt: Prompt) -> dict[str, Any]:
    """Model and parameters by MLflow's names; those it would refuse are only in the kept text."""
    provider, _, model = (prompt.model or "").partition("/")
    config: dict[str, Any] = {"provider": provider, "model_name": model} if model else {}
    if provider and not model:
        config["model_name"] = provider
    config |= {key: value for key, value in prompt.params.items() if value is not None}
    if "stop" in config:
        stop = config.pop("stop")
        config["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    from pydantic import ValidationError

    try:
        from mlflow.entities.model_registry import PromptModelConfig
    except ModuleNotFoundError:  # nothing is saved to the registry then
        return config
    try:
        PromptModelConfig.from_dict(config)
    except ValidationError as error:
        refused = {item["loc"][0] for item in error.errors()}
        return {key: value for key, value in config.items() if key not in refused}
    return config


def _of_mlflow(found: PromptVersion | VersionAnswer, origin: str) -> Prompt:
    config = {k: v for k, v in (found.model_config or {}).items() if k not in _WHO}
    if "stop_sequences" in config:
        config["stop"] = config.pop("stop_sequences")
    schema = found.response_format
    kind = schema.get("type") if schema else None
    if schema and kind == "json_schema" and "json_schema" in schema:
        schema = schema["json_schema"]["schema"]
    elif kind in ("json_object", "text"):
        config["response_format"], schema = schema, None
    try:
        prompt = Prompt(
            found.template,
            found.name,
            description=found.commit_message or "",
            model=model_of(found),
            params=config,
            response_schema=schema,
        )
    except PexError as error:
        raise PexError(f"{origin}: {error.message}", hint=error.hint) from None
    return prompt.called(found.name, origin)
