"""How an export is made: its options, checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pex.core.errors import PexError, nearest
from pex.training.clean_rows import PERSONAL, Personal
from pex.training.formats import Format, check_format
from pex.training.sources import SOURCES, Options, SourceName

KIT = "lora-kit"
_PREFERENCES = ("openai-dpo", "trl-preference", "trl-preference-implicit")


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """How an export is made; see `export`."""

    format: Format
    sources: tuple[SourceName, ...]
    prompt: str | None
    options: Options
    validation: float
    personal: Personal
    licence: str
    price: float | None
    keep: tuple[str, ...] = ()
    kit: bool = False


def choice_of(
    name: str,
    sources: Sequence[str],
    prompt: str | None,
    options: Options,
    validation: float,
    personal: str,
    licence: str,
    price: float | None,
    keep: tuple[str, ...],
) -> Choice:
    """The options, checked together; see `pex.training.export.export`.

    Raises:
        PexError: an unknown name, a source that does not fit the format, a share out of range.
    """
    kit = name == KIT
    format_name = check_format("trl-messages" if kit else name)
    for source in sources:
        if source not in SOURCES:
            raise PexError(f"there is no source '{source}'", hint=nearest(source, SOURCES))
    fitting = _fitting(format_name)
    chosen = tuple(source for source in SOURCES if source in sources) or fitting[:1]
    for source in chosen:
        if source not in fitting:
            raise PexError(
                f"'{source}' does not fit {format_name}", hint=f"it takes {', '.join(fitting)}"
            )
    if not 0 <= validation < 1:
        raise PexError(f"validation: expected a share from 0 to below 1, got {validation!r}")
    for mode in PERSONAL:
        if mode == personal:
            return Choice(
                format_name,
                chosen,
                prompt,
                options,
                validation,
                mode,
                licence,
                price,
                keep,
                kit,
            )
    raise PexError(f"personal: unknown '{personal}'", hint=nearest(personal, PERSONAL))


def _fitting(name: Format) -> tuple[SourceName, ...]:
    if name in _PREFERENCES:
        return ("ratings", "judge")
    return ("thumbs", "passed") if name == "trl-unpaired" else ("expected", "passed", "attacks")
