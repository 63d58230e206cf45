"""What is derived of a trace: the kind of its error, refusals, the language, and its cost."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from pex.project.settings import Settings
from pex.run.failures import named_in
from pex.run.finish_reasons import finish_meaning
from pex.run.prices import Price, price_of

_DIGEST = re.compile(r"u-[0-9a-f]{16}")
_LEAST_LETTERS = 20
_ENOUGH_CHARS = 160
"""Characters whose language is that of the whole text, almost always."""
_LEAST_SURE = 0.9
_KINDS = (
    ("timeout", re.compile(r"time.?out|timed out|deadline", re.IGNORECASE)),
    ("rate_limit", re.compile(r"rate.?limit|too many requests|\b429\b", re.IGNORECASE)),
    ("auth", re.compile(r"authenticat|unauthori|permission|forbidden|\b40[13]\b", re.IGNORECASE)),
    ("content_filter", re.compile(r"content.?(?:filter|policy)|moderation", re.IGNORECASE)),
    ("connection", re.compile(r"connect|network|unreachable|reset by peer", re.IGNORECASE)),
    ("server", re.compile(r"internal.?server|overloaded|unavailable|\b50\d\b", re.IGNORECASE)),
)
_CANNOT = r"(?:can['’]?t|cannot|am (?:not able|unable)(?: to)?)"
_REFUSED = re.compile(
    r"\W*(?:"
    rf"(?:i['’]?m|i am) (?:very |really |so )?sorry,? (?:but )?(?:i|we) {_CANNOT}"
    rf"|(?:sorry|unfortunately),? (?:but )?i {_CANNOT}"
    rf"|i (?:{_CANNOT}|won['’]?t) (?:help|assist|provide|comply|answer|do that|support|discuss)"
    r"|es tut mir leid,? (?:aber )?(?:ich kann|dabei kann ich)"
    r"|(?:leider|das|dabei) kann ich (?:dir |ihnen )?(?:dabei |hier )?(?:leider )?nicht"
    r"|(?:je suis )?désolée?,? (?:mais )?je ne peux pas"
    r"|lo siento,? (?:pero )?no puedo"
    r"|mi dispiace,? (?:ma )?non posso)",
    re.IGNORECASE,
)
"""The openings of refusals, in five languages: a count to watch, not a judgement of one reply."""


def user_digest(user_id: str) -> str:
    """What stands for a user whose id is not kept: the same on every machine.

    It is the BLAKE2b hash of the id, 64 bits. It keeps the id out of files and pages; it does not
    hide from somebody who has a list of ids and tries them. A digest stays as it is.

    Example:
        >>> user_digest("anna@example.org")
        'u-bde4bd9ee98ad7c0'
        >>> user_digest(user_digest("anna@example.org")) == user_digest("anna@example.org")
        True
    """
    if _DIGEST.fullmatch(user_id):
        return user_id
    hashed = hashlib.blake2b(user_id.encode(), digest_size=8, person=b"pex user")
    return f"u-{hashed.hexdigest()}"


@functools.lru_cache(maxsize=2048)
def error_kind(exception: str, message: str) -> str:
    """A word for an error of an application: a kind of pex's calls, else the exception's name.

    Example:
        >>> error_kind("openai.RateLimitError", "429"), error_kind("app.OutOfStock", "no shoes")
        ('rate_limit', 'OutOfStock')
    """
    short = exception.rpartition(".")[2]
    named = named_in({"error": {"message": message, "type": short}}) if message else None
    if named is not None:
        return named.kind
    return next((k for k, words in _KINDS if words.search(f"{short} {message}")), short or "error")


def is_refusal(reply: str | None, finish: str | None, field: bool) -> bool | None:
    """Whether a model refused: by the provider's field or reason, else by how the reply begins.

    Example:
        >>> is_refusal("I'm sorry, but I can't help with that.", "stop", False)
        True
        >>> is_refusal("It takes two days.", "stop", False), is_refusal(None, None, False)
        (False, None)
    """
    if field or finish_meaning(finish) == "filtered":
        return True
    return None if reply is None else _REFUSED.match(reply[:200]) is not None


@functools.lru_cache(maxsize=4096)
def language_of(text: str | None) -> str | None:
    """The code of a text's language; None where it is too short, or not plain enough, to tell.

    Example:
        >>> language_of("How long does the delivery to Bern take?"), language_of("ok")
        ('en', None)
    """
    if text is None:
        return None
    text = text[:_ENOUGH_CHARS]
    if sum(map(str.isalpha, text)) < _LEAST_LETTERS:
        return None
    identifier = _identifier()
    if identifier is None:
        return None
    code, sure = identifier.classify(text)
    return str(code) if sure >= _LEAST_SURE else None


def tells_language() -> bool:
    """Whether the package that tells languages is installed."""
    return _identifier() is not None


@functools.cache
def _identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ModuleNotFoundError:
        return None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def price_lookup(settings: Settings) -> Callable[[str], Price | None]:
    """Looks up prices in a project's settings and the table, each model once."""
    return functools.lru_cache(maxsize=512)(lambda ref: price_of(ref, settings))


def cost_usd(
    model: str | None,
    provider: str | None,
    tokens: Mapping[str, int | None],
    price: Callable[[str], Price | None],
) -> float | None:
    """The cost by the price table, with the writes of caches; None where anything is unknown.

    Some providers count the tokens of their cache among the prompt's and some beside it: where
    there are more of them than of the prompt's, they were beside it.
    """
    prompt, completion = tokens["prompt_tokens"], tokens["completion_tokens"]
    if model is None or prompt is None or completion is None:
        return None
    found = price(model if provider is None else f"{provider}/{model}")
    if found is None:
        return None
    cached, written = tokens["cached_tokens"] or 0, tokens["cache_write_tokens"] or 0
    if cached + written > prompt:
        prompt += cached + written
    return found.usd(prompt, cached, completion, written)
