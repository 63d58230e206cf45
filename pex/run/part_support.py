"""Which providers take images, files and recordings, said before a run.

From the providers' own pages on OpenAI-compatible chat completions (2026-11):

- OpenAI: images and PDFs as files; sound only in its audio models, and not in the Responses API.
- Anthropic ("OpenAI SDK compatibility"): images; `file` and `input_audio` are ignored, so the model
  answers without them.
- Google ("OpenAI compatibility"): images and `input_audio`.
- Mistral has parts of its own (`document_url`, another `input_audio`); DeepSeek takes text only.
- Groq, Ollama, LM Studio: images. vLLM and llama.cpp: images and sound, if the model has them.
- OpenRouter: all three; it turns a PDF into text for a model that does not read one.
- The built-in model reads text only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Literal

from pex.core.documents import KIND, way_of, way_of_part
from pex.core.errors import PexError
from pex.core.template import documents, has_images, split_images
from pex.core.variant import Variant

Taken = Literal["yes", "no", "dropped"]

_TABLE: dict[str, dict[str, Taken]] = {
    "local": {"image": "no", "file": "no", "audio": "no"},
    "openai": {"image": "yes", "file": "yes"},
    "azure": {"image": "yes"},
    "anthropic": {"image": "yes", "file": "dropped", "audio": "dropped"},
    "gemini": {"image": "yes", "audio": "yes"},
    "mistral": {"image": "yes", "file": "no", "audio": "no"},
    "deepseek": {"image": "no", "file": "no", "audio": "no"},
    "groq": {"image": "yes", "file": "no", "audio": "no"},
    "together": {"image": "yes"},
    "openrouter": {"image": "yes", "file": "yes", "audio": "yes"},
    "ollama": {"image": "yes", "file": "no", "audio": "no"},
    "lmstudio": {"image": "yes", "file": "no", "audio": "no"},
    "vllm": {"image": "yes", "file": "no"},
    "llamacpp": {"image": "yes", "file": "no"},
}
"""What is not in it is not known, or depends on the model."""

_HEARS = re.compile(r"audio|realtime|omni", re.IGNORECASE)
_NAMES = {"image": "images", "file": "files", "audio": "recordings"}
_INSTEAD = {
    "image": "![pdf as text](…) sends a PDF's text",
    "file": "![pdf as text](…) or ![pdf as pages](…) sends the PDF in another way",
    "audio": "send a transcript instead",
}


def kinds_in(variant: Variant) -> list[str]:
    """The kinds of parts besides text that a variant's prompt has: image, file, audio."""
    found: dict[str, None] = {}
    for message in variant.prompt.messages:
        content = message["content"]
        if isinstance(content, str):
            if message["role"] == "user" and has_images(content):
                ways = [way_of(alt).kind for alt, _ in documents(content)]
                images = ["image"] if len(split_images(content)) > 1 else []
                found |= dict.fromkeys([*images, *map(_kind, ways)])
            continue
        for part in content:
            kind = part.get("type")
            if kind == KIND:
                found[_kind(way_of_part(part, KIND).kind)] = None
            elif kind in ("image_url", "file", "input_audio"):
                name = {"image_url": "image", "file": "file", "input_audio": "audio"}[str(kind)]
                found[name] = None
    found.pop("text", None)
    return list(found)


def _kind(way: str) -> str:
    return "image" if way == "pages" else way


def takes(model: str, kind: str, api: str = "chat") -> Taken | None:
    """Whether a model is known to take a kind of part; "dropped" is: without an error.

    Example:
        >>> takes("openai/gpt-4.1", "file"), takes("anthropic/claude-x", "file"), takes("lab/m", "file")
        ('yes', 'dropped', None)
        >>> takes("openai/gpt-4.1", "audio"), takes("openai/gpt-audio", "audio")
        ('no', 'yes')
    """  # noqa: E501 - an example
    provider, _, name = model.partition("/")
    if provider == "openai" and kind == "audio":
        return "yes" if _HEARS.search(name) and api == "chat" else "no"
    return _TABLE.get(provider, {}).get(kind)


def check_parts(
    variants: Iterable[Variant], api_of: Callable[[str], str] = lambda ref: "chat"
) -> list[str]:
    """Check that models take what their prompts send; returns remarks on what is not known.

    A model that is called through a client of the user's is not checked.

    Raises:
        PexError: a model is known not to take a part, or to answer without it.
    """
    unknown: dict[tuple[str, str], None] = {}
    for variant in variants:
        for kind in kinds_in(variant):
            if variant.via is not None:
                continue
            taken = takes(variant.model, kind, api_of(variant.model))
            if taken in ("no", "dropped"):
                raise _refused(variant, kind, taken)
            if taken is None and kind != "image":  # most models see, and the others say so
                unknown[variant.model, kind] = None
    return [
        f"whether {model} takes {_NAMES[kind]} is not known: look at the first answers"
        for model, kind in unknown
    ]


def _refused(variant: Variant, kind: str, taken: Taken) -> PexError:
    does = "takes none" if taken == "no" else "ignores them and answers all the same"
    return PexError(
        f"prompt '{variant.prompt.name}' sends {_NAMES[kind]}, and {variant.model} {does}",
        hint=_INSTEAD[kind],
    )
