"""When OpenAI's own endpoint stops taking new fine-tuning jobs."""

from __future__ import annotations

import datetime
import urllib.parse

from pex.core.errors import PexError

CLOSES = datetime.date(2027, 1, 6)
_HOST = "api.openai.com"
_OTHERS = (
    "an Azure deployment or another endpoint with /v1/fine_tuning/jobs (add it to pex.toml), or "
    "an open model, with pexlab export lora-kit"
)


def check_open(url: str, today: datetime.date | None = None) -> str:
    """Check that an endpoint takes new jobs; what is known to end there comes back as a sentence.

    Args:
        url: the base URL of the endpoint.
        today: the date; None: today's.

    Raises:
        PexError: it no longer takes new jobs.

    Example:
        >>> check_open("https://api.openai.com/v1", datetime.date(2026, 12, 1))
        "OpenAI's own endpoint takes no new fine-tuning jobs from 6 January 2027"
        >>> check_open("https://api.example.com/v1")
        ''
    """
    if urllib.parse.urlsplit(url).hostname != _HOST:
        return ""
    when = f"{CLOSES.day} {CLOSES:%B %Y}"
    if (today or datetime.datetime.now(datetime.UTC).date()) >= CLOSES:
        raise PexError(
            f"OpenAI's own endpoint has taken no new fine-tuning jobs since {when}",
            hint=f"instead: {_OTHERS}",
        )
    return f"OpenAI's own endpoint takes no new fine-tuning jobs from {when}"
