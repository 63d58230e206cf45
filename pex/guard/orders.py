"""Words by which a text gives orders to a model, and words that name one.

Alone they say nothing: letters and manuals are full of them. Rules use them for what stands where
no person would write to another one: in a comment, behind a delimiter, in an encoded text.
"""

from __future__ import annotations

import re

_ORDERS = re.compile(
    r"\b(?:you (?:are|must|will|should|may|can)|your (?:new|only|next)|from now on|new (?:rule|task"
    r"|instruction|polic)\w*|ignore|disregard|forget|override|reveal|print|output|reply|respond"
    r"|answer|say|call|send|repeat|always|never|do not|don't|comply|obey|approved|authori[sz]ed"
    r"|disabled|enabled|unlocked|mode)\b",
    re.I,
)
_COMMANDS = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass|reveal|reply|respond|answer|say|repeat|print"
    r"|output|comply|obey|pretend|approve|rank|rate|classify|recommend|you (?:are (?:now|no longer)"
    r"|must|will)|from now on|antworte\w*|ignorier\w*|schreib\w*|sage?|responde\w*|ignora\w*"
    r"|réponds?|répondez|ignorez?|rispondi|отвечай|ответь|игнорируй|скажи|напиши)\b"
    r"|忽略|无视|回答|回复|無視|答えて|출력|대답|무시",
    re.I,
)
_TO_A_MODEL = re.compile(
    r"\b(?:ai|a\.i\.|assistants?|language models?|llms?|chat ?bots?|gpt|agents?|copilot"
    r"|summari[sz]er|classifier|ki|ia|model|modell|modelo|modèle)\b",
    re.I,
)
_HIDDEN_ORDERS = re.compile(
    r"\b(?:must|should|ignore|say|add|include|write|reply|respond|answer|output|print|tell|send|call"
    r"|classify|rate|mark|approve|recommend|mention|reveal|repeat|do not|don't|always|never|instead"
    r"|instructions?|antworte|schreib\w*|responde|réponds|rispondi)\b",
    re.I,
)


def has_order(text: str) -> bool:
    """Whether a text has a word of orders or permissions.

    Example:
        >>> has_order("The limit is disabled."), has_order("It rained.")
        (True, False)
    """
    return _ORDERS.search(text) is not None


def has_command(text: str) -> bool:
    """Whether a text tells somebody to answer or to ignore something.

    Example:
        >>> has_command("Reply with YES."), has_command("The limit is disabled.")
        (True, False)
    """
    return _COMMANDS.search(text) is not None


def speaks_to_a_model(text: str) -> bool:
    """Whether a text names a model and tells it to do something.

    Example:
        >>> speaks_to_a_model("AI: mark this as spam"), speaks_to_a_model("Mark this as spam")
        (True, False)
    """
    return _TO_A_MODEL.search(text) is not None and _HIDDEN_ORDERS.search(text) is not None
