"""What a job would cost: estimated tokens, and a declared price for training."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from pathlib import Path

from pex.core.errors import PexError
from pex.project.settings import ModelSettings, Settings
from pex.run.request import BYTES_PER_TOKEN
from pex.training.finding import Finding
from pex.training.validate import check_file

FORMAT_OF = {"supervised": "openai-chat", "dpo": "openai-dpo"}
_CHUNK = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class CheckedFile:
    """A training file: what is wrong with it, and how big it is.

    `tokens` is an estimate for one epoch, from bytes.
    """

    path: Path
    findings: list[Finding]
    rows: int
    size: int
    sha256: str
    tokens: int

    @property
    def errors(self) -> list[Finding]:
        """The findings that an endpoint would refuse the file for."""
        return [finding for finding in self.findings if finding.level == "error"]

    def usd(self, epochs: int, usd_per_million: float) -> float:
        """The estimated cost of a job."""
        return self.tokens * epochs * usd_per_million / 1e6


def checked_file(
    path: Path, method: str = "supervised", *, validation: bool = False
) -> CheckedFile:
    """Check a file for a method and measure it, in one piece of memory at a time.

    Args:
        path: the file.
        method: `supervised` or `dpo`.
        validation: it is for validation, where a few rows are enough.

    Raises:
        PexError: it cannot be read, or there is no such method.
    """
    if method not in FORMAT_OF:
        raise PexError(f"--method {method}: expected supervised or dpo")
    findings = check_file(path, FORMAT_OF[method])
    if validation:
        findings = [finding for finding in findings if "at least" not in finding.message]
    total, size, rows = hashlib.sha256(), 0, 0
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            total.update(piece)
            size += len(piece)
            rows += piece.count(b"\n")
    return CheckedFile(
        path, findings, rows, size, total.hexdigest(), math.ceil(size / BYTES_PER_TOKEN)
    )


def training_price(ref: str | None, settings: Settings, given: float | None = None) -> float | None:
    """USD for a million training tokens: as given, or of `pex.toml`; None if neither says it.

    Args:
        ref: `provider/model`.
        settings: the project's.
        given: the price on the command line.

    Raises:
        PexError: it is not a price.

    Example:
        >>> training_price("lab/m1", Settings(), 3.0), training_price("lab/m1", Settings())
        (3.0, None)
    """
    if given is not None:
        if not math.isfinite(given) or given < 0:
            raise PexError(f"--price {given}: expected USD for a million tokens, 0 or more")
        return given
    return settings.models.get(ref or "", ModelSettings()).training_usd_per_million


def needed_price(ref: str, settings: Settings, given: float | None = None) -> float:
    """The same, where a job needs one.

    Raises:
        PexError: no price is known.
    """
    price = training_price(ref, settings, given)
    if price is None:
        raise PexError(
            f"{ref}: no price for training tokens is known, so no budget can be kept",
            hint=f'in pex.toml: [models."{ref}"] training_usd_per_million = …, or --price USD',
        )
    return price
