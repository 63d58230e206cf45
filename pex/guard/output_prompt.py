"""Whether an answer repeats the instructions: as they are, spaced out, backwards or encoded."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterator

from pex.guard.canary import CANARY, SHORTEST, SHORTEST_PIECE, find_canary
from pex.guard.findings import Finding, Severity
from pex.guard.output_context import OutputContext, OutputPolicy
from pex.guard.output_letters import Source, decoded, folded
from pex.guard.output_window import Window

LEAK_CUT = "[instructions removed]"
_LEAST_ENCODED = 16
"""Letters of the instructions in what was decoded: nobody encodes by chance."""
_QUOTED = re.compile(
    '"[^"\n]{1,400}"|“[^”\n]{1,400}”|„[^“”\n]{1,400}[“”]|«[^»\n]{1,400}»|‘[^’\n]{1,400}’'
    "|(?<!\\w)'[^'\n]{1,400}'(?!\\w)|「[^」\n]{1,400}」"
)
_HEX_TAIL = re.compile(
    r"(?<![0-9A-Za-z])(?:(?:0x|\\x|%)?[0-9A-Fa-f]{2}[\s,:-]{0,2})+(?:0x?|\\x?|%)?[0-9A-Fa-f]?\Z"
)
_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}|\\[xu]|&#|0x")
_CODED_TAIL = re.compile(r"[A-Za-z0-9+/=_%\\-]*")


@functools.lru_cache(maxsize=64)
def instructions(system: str) -> Source:
    """What of the instructions must stay unsaid: all but what is in quotation marks."""
    return Source(_QUOTED.split(system))


@functools.lru_cache(maxsize=64)
def _said(inputs: tuple[str, ...]) -> str:
    return "\n".join(map(folded, inputs))


def find_prompt_leak(
    window: Window, context: OutputContext, policy: OutputPolicy
) -> Iterator[Finding]:
    """Runs of letters of the instructions: plain, spaced out, backwards, in rot13, base64, hex."""
    source = instructions(context.system)
    if not source.size:
        return
    letters = window.letters
    inputs = _said(tuple(context.inputs))
    for first, last in source.runs(letters.text, policy.leaked_letters // 2):
        run = letters.text[first:last]
        if run in inputs:
            continue
        count = len(run) * source.wide
        severity: Severity = "flag" if count >= policy.leaked_letters else "signal"
        form = source.form(run)
        message = f"{count:,} letters of the instructions ({_share(run, source)})"
        yield Finding(
            "prompt-leak", letters.place(first), letters.place(last - 1) + 1, severity,
            message if form == "plain" else f"{message}, {form}",
            replacement=LEAK_CUT if severity == "flag" else None,
        )  # fmt: skip
    done = -1
    for start, end, kind, text in sorted(decoded(window.text, window.start)):
        if start < done:
            continue
        hidden = folded(text)
        runs = [hidden[a:b] for a, b in source.runs(hidden, _LEAST_ENCODED)]
        if runs:
            done = end
            count, share = sum(map(len, runs)) * source.wide, _share("".join(runs), source)
            message = f"{kind} of {count:,} letters of the instructions ({share})"
            yield Finding("prompt-leak", start, end, "flag", message, text[:60], "", LEAK_CUT)


def _share(run: str, source: Source) -> str:
    return f"{min(1.0, len(run) / source.size):.0%}"


def hold_prompt_leak(window: Window, context: OutputContext, policy: OutputPolicy) -> int:
    """From where on a run, or hexadecimal digits in pairs, may go on."""
    end = len(window.text)
    source = instructions(context.system)
    if not source.size:
        return end
    letters = window.letters
    at = source.open_from(letters.text)
    held = letters.place(at) if at < len(letters.text) else end
    first = max(window.start, end - 4000)
    pairs = _HEX_TAIL.search(window.text, first)
    return min(held, pairs.start() if pairs else end)


def find_canary_leak(
    window: Window, context: OutputContext, policy: OutputPolicy
) -> Iterator[Finding]:
    """The canary: plain, in pieces, spaced out, backwards or encoded."""
    if len(context.canary) < SHORTEST or not _may_have(window, context.canary):
        return
    done = window.start
    for leak in find_canary(window.text, context.canary):
        if leak.start >= done:
            done = leak.end
            message = f"the canary of the instructions ({leak.form})"
            yield Finding("canary", leak.start, leak.end, "flag", message, CANARY, "", CANARY)


def _may_have(window: Window, canary: str) -> bool:
    """Whether a thorough look is worth its time: most answers have nothing of the canary."""
    if next(_canary(canary).runs(window.letters.text, SHORTEST_PIECE), None):
        return True
    if _ESCAPE.search(window.text):
        return True
    lines = "".join(window.text.split())
    return any(needle in lines for needle in _coded(canary))


@functools.lru_cache(maxsize=64)
def _coded(canary: str) -> tuple[str, ...]:
    """What is in every text that has the canary in base64, also backwards."""
    low = canary.lower()
    found = []
    for word in (canary, low, low.upper(), low[::-1]):
        for before in range(3):
            coded = base64.b64encode(bytes(before) + word.encode()).decode()[4:20]
            found += [coded, coded[::-1]]
    return tuple(dict.fromkeys(found))


def hold_canary(window: Window, context: OutputContext, policy: OutputPolicy) -> int:
    """From where on a form of the canary may go on."""
    end = len(window.text)
    if len(context.canary) < SHORTEST:
        return end
    letters = window.letters
    at = _canary(context.canary).open_from(letters.text)
    # Lines of base64 are one text, wherever they are broken.
    lines = window.text[window.start :].rstrip()
    coded = _CODED_TAIL.match(lines[::-1])
    long = window.start + len(lines) - (coded.end() if coded else 0)
    wrapped = long if coded is not None and coded.end() >= _LEAST_ENCODED else end
    return min(wrapped, letters.place(at) if at < len(letters.text) else end)


@functools.lru_cache(maxsize=64)
def _canary(canary: str) -> Source:
    low = canary.lower()
    coded = [word.encode().hex() for word in (canary, low, low.upper(), low[::-1])]
    return Source([canary, *coded])


def pieces_finding(
    letters: int, first: int, last: int, context: OutputContext, policy: OutputPolicy
) -> Finding | None:
    """A finding for instructions that were repeated in pieces, each too short to be flagged.

    Args:
        letters: how many of the instructions were repeated.
        first: where the first piece begins.
        last: where the last piece ends.
        context: of the answer.
        policy: of the application.
    """
    size = instructions(context.system).size
    if letters < policy.leaked_letters or letters / size < policy.leaked_share:
        return None
    message = f"in pieces, {min(1.0, letters / size):.0%} of the instructions"
    return Finding("prompt-leak", first, last, "flag", message)
