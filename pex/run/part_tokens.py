"""What images, pages, files and recordings cost in tokens, estimated from their sizes.

Where the figures come from:

- OpenAI, "Images and vision" (Calculating costs): 85 tokens and 170 for each tile of 512 pixels,
  after scaling to 2,048 pixels and then 768 for the shorter side (GPT-4o, GPT-4.1); GPT-4o mini
  counts 2,833 and 5,667. "PDF files": the text and an image of each page are sent.
  "Audio": a token for 100 ms of a user's sound.
- Anthropic, "Vision": width × height / 750, at most about 1,600 after scaling to 1,568 pixels.
  "PDF support": 1,500 to 3,000 tokens of text for each page, and its image.
- Google, "Understand and count tokens": 258 for an image of up to 384 pixels and for each tile of
  768; 258 for each page of a document; 32 for each second of sound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pex.core.attachments import Attachment, attached

TOKENS_AT_MOST = 50_000
"""No image has been seen to cost more tokens (gpt-4o-mini: 2,833 + 5,667 for each of 8 tiles)."""

TOKENS_ABOUT = 1_000
"""Of an image of unknown size, or of a provider whose rule is not known."""

_PAGE_TEXT = 1_000
"""Tokens of a page's own text, beside its image: 2,000 characters and more."""
_PAGE = (1240, 1754)
"""An A4 page at 150 dots per inch."""
_SECOND_AT_MOST = 250
"""Tokens of a second of sound: Google's 32, and up to 8 times the price of text."""


def tokens_about(part: Mapping[str, Any], model: str) -> int:
    """The likely number of prompt tokens of a part that is not text.

    Args:
        part: of a message; the length of a recording that pex did not read is not known.
        model: `provider/model`.

    Example:
        >>> tokens_about({"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}, "x/y")
        1000
    """
    attachment = attached(part)
    if attachment is None:
        return TOKENS_ABOUT
    if attachment.seconds:
        return round(attachment.seconds * _per_second(model)) or 1
    if attachment.pages:
        return attachment.pages * (0 if _google(model) else _PAGE_TEXT) + attachment.pages * (
            258 if _google(model) else image_tokens(_PAGE, model)
        )
    return image_tokens(attachment.pixels, model)


def image_tokens(pixels: tuple[int, int], model: str) -> int:
    """The likely number of prompt tokens of an image.

    Example:
        >>> [image_tokens((1108, 1568), f"{p}/m") for p in ("openai", "anthropic", "gemini", "x")]
        [1105, 2316, 1548, 1000]
    """
    width, height = pixels
    if "claude" in model or model.startswith("anthropic/"):
        scale = min(1.0, 1568 / max(width, height, 1))
        return max(1, round(width * scale * height * scale / 750))
    if _google(model):
        if max(width, height) <= 384:
            return 258
        return 258 * math.ceil(width / 768) * math.ceil(height / 768)
    if model.startswith(("openai/", "azure/")) or "gpt-" in model:
        base, tile = (2_833, 5_667) if "4o-mini" in model else (85, 170)
        scale = min(1.0, 2048 / max(width, height, 1))
        scale *= min(1.0, 768 / max(1, min(width, height) * scale))
        across, down = math.ceil(width * scale / 512), math.ceil(height * scale / 512)
        return base + tile * max(1, across) * max(1, down)
    return TOKENS_ABOUT


def tokens_at_most(part: Mapping[str, Any]) -> int:
    """The most prompt tokens that a part can cost, counted at the price of text."""
    attachment = attached(part)
    return TOKENS_AT_MOST if attachment is None else _at_most(attachment)


def _at_most(attachment: Attachment) -> int:
    if attachment.seconds:
        return math.ceil(attachment.seconds) * _SECOND_AT_MOST
    if attachment.pages:  # each page as text, of a byte for each token, and as an image
        return attachment.pages * TOKENS_AT_MOST + attachment.size
    return TOKENS_AT_MOST


def _per_second(model: str) -> float:
    return 10.0 if model.startswith(("openai/", "azure/")) else 32.0


def _google(model: str) -> bool:
    return model.startswith("gemini/") or "gemini" in model
