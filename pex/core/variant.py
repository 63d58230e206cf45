"""A variant: prompt x model x parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pex.core.canonical_json import canonical_json, canonical_text
from pex.core.errors import PexError
from pex.core.params import check_params, check_tool_choice, json_params, params_grid
from pex.core.prompt import Prompt


@runtime_checkable
class ClientModel(Protocol):
    """A model called through the user's own client: `pex.Model`."""

    @property
    def ref(self) -> str:
        """`provider/model`."""

    client: Any


@dataclasses.dataclass(frozen=True)
class Variant:
    """One combination of a prompt, a model and parameters.

    Args:
        prompt: the prompt.
        model: `provider/model`, or a `pex.Model` with your own client; default: the prompt's model.
        params: parameters such as `temperature`; they override those of the prompt.
        name: its name in tables; default: the prompt's name.

    Example:
        >>> v = Variant(Prompt("Say {{ word }}.", name="say"), "local/smollm2", {"temperature": 0})
        >>> v.name, v.all_params
        ('say', {'temperature': 0})
    """

    prompt: Prompt
    model: str = ""
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    name: str = ""
    via: ClientModel | None = dataclasses.field(default=None, compare=False, repr=False)
    """The `pex.Model` that it is called through, if there is one."""

    if TYPE_CHECKING:

        def __init__(
            self,
            prompt: Prompt,
            model: str | ClientModel = "",
            params: Mapping[str, Any] = ...,
            name: str = "",
            via: ClientModel | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, Prompt):
            raise PexError(
                f"a variant needs a pex.Prompt, got {type(self.prompt).__name__}",
                hint='make one with pex.Prompt("…", name="…") or pex.Prompt.load(path)',
            )
        given: Any = self.model
        via = given if isinstance(given, ClientModel) else self.via
        model = given.ref if isinstance(given, ClientModel) else given
        object.__setattr__(self, "model", check_model(model or self.prompt.model, self.prompt))
        object.__setattr__(self, "via", via if via is not None and via.ref == self.model else None)
        object.__setattr__(self, "params", json_params(self.params))
        object.__setattr__(self, "name", self.name or self.prompt.name)
        where = f"variant '{self.name}'"
        check_params(self.params, where)
        tools = self.all_params.get("tools") or self.prompt.tools or []
        names = [tool["function"]["name"] for tool in tools]
        check_tool_choice(self.all_params.get("tool_choice"), names, where)

    def __hash__(self) -> int:
        return hash((self.name, self.prompt, self.model, canonical_json(self.params)))

    @property
    def all_params(self) -> dict[str, Any]:
        """The prompt's parameters, overridden by the variant's own."""
        return {**self.prompt.params, **self.params}


def check_model(model: str | None, prompt: Prompt) -> str:
    """Return `model` if it has the form `provider/model`."""
    if not model:
        raise PexError(
            f"prompt '{prompt.name}': no model is given",
            hint="name one as provider/model, for example 'local/smollm2'",
        )
    if not isinstance(model, str):
        raise PexError(
            f"prompt '{prompt.name}': expected a model's name, got {type(model).__name__}",
            hint="wrap your own client: pex.Model(client, 'gpt-4.1-mini')",
        )
    provider, _, name = model.partition("/")
    if not provider or not name:
        raise PexError(
            f"model '{model}': expected provider/model",
            hint=f"for example 'local/smollm2' or 'openai/{model.strip('/') or 'gpt-4.1-mini'}'",
        )
    return model


def grid(
    prompts: Sequence[Prompt] | Prompt,
    models: Sequence[str | ClientModel] | str | ClientModel = (),
    params: Sequence[Mapping[str, Any]] | Mapping[str, Any] = (),
) -> list[Variant]:
    """Every combination of prompts, models and parameters.

    A model is `provider/model`, or a `pex.Model` with your own client. A variant is named after its
    prompt, plus model and parameters only if there is more than one: `short`,
    `short|gpt-4.1-mini`, `short|gpt-4.1-mini|temperature=0`.

    Args:
        prompts: one or several.
        models: one or several; default: the prompts' own.
        params: a list of combinations, or one mapping in which lists are the values of a parameter:
            `{"reasoning_effort": ["low", "high"], "verbosity": ["low", "medium"]}` is four
            combinations. Parameters that are lists themselves, such as `stop`, vary if they are
            lists of lists.

    Raises:
        PexError: no prompt, no model, or the same combination twice.

    Example:
        >>> p = Prompt("Say {{ word }}.", name="say")
        >>> [v.name for v in grid([p], ["local/smollm2"], [{"seed": 1}, {"seed": 2}])]
        ['say|seed=1', 'say|seed=2']
        >>> [v.name for v in grid(p, "openai/gpt-5.1", {"reasoning_effort": ["low", "high"]})]
        ['say|reasoning_effort=low', 'say|reasoning_effort=high']
    """
    prompt_list = [prompts] if isinstance(prompts, Prompt) else list(prompts)
    model_list = [models] if isinstance(models, str | ClientModel) else list(models)
    param_list = params_grid(params) if isinstance(params, Mapping) else list(params)
    if not prompt_list:
        raise PexError("no prompts are given")
    variants = [
        Variant(prompt, model, param)
        for prompt in prompt_list
        for model in (model_list or [""])
        for param in (param_list or [{}])
    ]
    return named(variants)


def named(variants: Sequence[Variant]) -> list[Variant]:
    """Give every variant the shortest name that distinguishes it by the factors that vary."""
    models = list(dict.fromkeys(variant.model for variant in variants))
    short = [model.partition("/")[2] for model in models]
    clash = len(set(short)) < len(short)
    labels = dict(zip(models, models if clash else short, strict=True))
    varying = _varying_params([variant.params for variant in variants])
    result = []
    for variant in variants:
        parts = [variant.prompt.name]
        if len(models) > 1:
            parts.append(labels[variant.model])
        shown = [f"{key}={_short(variant.params[key])}" for key in varying if key in variant.params]
        if shown:
            parts.append(",".join(shown))
        result.append(dataclasses.replace(variant, name="|".join(parts)))
    check_distinct(result)
    return result


def ref_of(model: str | ClientModel) -> str:
    """`provider/model` of a model given by name or with its own client."""
    return model.ref if isinstance(model, ClientModel) else model


def with_clients(
    variants: Sequence[Variant], models: Sequence[str | ClientModel | None]
) -> list[Variant]:
    """The variants, with the clients of those models that have their own."""
    via = {model.ref: model for model in models if isinstance(model, ClientModel)}
    return [
        dataclasses.replace(variant, via=variant.via or via.get(variant.model))
        if variant.model in via
        else variant
        for variant in variants
    ]


def check_distinct(variants: Sequence[Variant]) -> None:
    """Raise a `PexError` if two variants have the same name."""
    seen: set[str] = set()
    for variant in variants:
        if variant.name in seen:
            raise PexError(
                f"two variants are called '{variant.name}'",
                hint="give the prompts different names, or give each variant its own name=",
            )
        seen.add(variant.name)


def _varying_params(params: Sequence[Mapping[str, Any]]) -> list[str]:
    keys = list(dict.fromkeys(key for item in params for key in item))
    return [
        key
        for key in keys
        if len({canonical_json(item[key]) if key in item else b"" for item in params}) > 1
    ]


def _short(value: Any) -> str:
    text = canonical_text(value)
    return text if len(text) <= 24 else f"{text[:23]}…"
