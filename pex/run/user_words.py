"""What a simulated user wrote: its next message, or the end of the conversation."""

from __future__ import annotations

_AROUND = " \t\r\n*_\"'`#<>[](){}.,!:;-"
"""What models put around a word that stands alone."""
_ENDS = ".!?…。！？\n"
"""What a sentence or a line ends with."""


def message_of(text: str, stop: str) -> str | None:
    """The message for the model; None if the conversation ends.

    It ends with an empty message, with the end word alone in any case, and with the end word as the
    last sentence or line: nobody answers a goodbye. A sentence that has the word goes on.

    Example:
        >>> message_of("Where is it?", "STOP"), message_of("**Stop.**", "STOP")
        ('Where is it?', None)
        >>> message_of("Thank you! STOP", "STOP"), message_of("Tell them to STOP", "STOP")
        (None, 'Tell them to STOP')
    """
    word = stop.strip(_AROUND) or stop.strip()
    rest = text.rstrip(_AROUND)
    before, last = rest[: -len(word)], rest[-len(word) :]
    if not text.strip():
        return None
    if last.casefold() != word.casefold():
        return text
    if not before.strip(_AROUND):
        return None
    gap = before[len(before.rstrip(" \t\r\n*_\"'`#<[({")) :]
    own_sentence = "\n" in gap or (before[: len(before) - len(gap)][-1:] in _ENDS and gap)
    return None if last == word and own_sentence else text
