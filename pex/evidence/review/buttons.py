"""The buttons under a review in a notebook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pex.core.errors import PexError
from pex.report.safe_html import escaped

Decide = Callable[[str], str]
"""Decides, with the reason given, and returns what happened in a sentence."""


def buttons(accept: Decide, refuse: Decide) -> Any:
    """A field for a reason and the buttons Accept and Refuse.

    Args:
        accept: what *Accept* does.
        refuse: what *Refuse* does.
    """
    import ipywidgets

    because = ipywidgets.Text(placeholder="why (needed for a refusal)", description="Because")
    yes = ipywidgets.Button(description="Accept", button_style="success")
    no = ipywidgets.Button(description="Refuse")
    said = ipywidgets.HTML()

    def decide(button: Any) -> None:
        try:
            text = (accept if button is yes else refuse)(because.value)
        except PexError as error:
            said.value = f"<p>{escaped(str(error))}</p>"
            return
        said.value = f"<p><strong>{escaped(text)}</strong></p>"
        yes.disabled = no.disabled = because.disabled = True

    yes.on_click(decide)
    no.on_click(decide)
    return ipywidgets.VBox([because, ipywidgets.HBox([yes, no]), said])
