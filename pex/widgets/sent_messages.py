"""The messages sent for the answers of a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.about import About
from pex.core.cases import Case, known_variables
from pex.core.errors import PexError
from pex.core.events import RowKey
from pex.core.prompt import Prompt
from pex.core.sent_messages import SentMessages
from pex.core.values import to_json_value
from pex.widgets.cell_details import Messages, RequestBody

if TYPE_CHECKING:
    import pandas as pd


def sent_messages(frame: pd.DataFrame, about: About) -> Messages:
    """A function that gives the messages of a cell, rendered from the recorded prompts.

    Args:
        frame: the long frame.
        about: what was run.
    """
    sent = SentMessages(about)
    columns = [str(name) for name in frame.columns if str(name).startswith("case.")]

    def messages(place: RowKey) -> Sequence[Mapping[str, Any]]:
        rows = frame[frame["case_id"] == place[1]]
        if not len(rows):
            return []
        return sent(place[0], {name[5:]: to_json_value(rows[name].iloc[0]) for name in columns})

    return messages


def sent_request(about: About, messages: Messages) -> RequestBody:
    """A function that gives the body of a cell's request from what was recorded.

    Args:
        about: what was run.
        messages: gives the messages of a cell.
    """
    variants = {item.name: item for item in about.variants}

    def request(place: RowKey) -> Mapping[str, Any]:
        variant = variants.get(place[0])
        if variant is None:
            return {}
        sent = [dict(message) for message in messages(place)]
        return {"model": variant.model.partition("/")[2], "messages": sent, **variant.params}

    return request


def inputs_used(about: About, inputs: Sequence[str]) -> set[str] | None:
    """The inputs that the recorded prompts use; None if one cannot be read.

    Args:
        about: what was run.
        inputs: the names of all inputs.
    """
    try:
        prompts = [_prompt(item.text) for item in about.prompts]
    except PexError:
        return None
    asked = {name for prompt in prompts for name in prompt.variables}
    known = known_variables([Case("", dict.fromkeys(inputs), renamed=about.renamed)])
    return {column for name, column in known.items() if name in asked}


def _prompt(text: str) -> Prompt:
    return Prompt.parse(f"---\n---\n{text}", "prompt", "prompt")
