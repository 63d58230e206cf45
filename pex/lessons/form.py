"""The form of a lesson: fields in plain words and one button."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets
from IPython.display import display

from pex.core.errors import PexError
from pex.core.safe_text import clean
from pex.lessons.field import Field

_WIDE = {"width": "min(640px, 98%)"}


def show(fields: Sequence[Field], attempt: Callable[[Mapping[str, str]], str]) -> None:
    """Show a form.

    Args:
        fields: what is asked for.
        attempt: called with the values at each press of the button; what it returns is shown.
    """
    inputs = {field.name: _input(field) for field in fields}
    button = ipywidgets.Button(description="Try it", button_style="primary")
    status = ipywidgets.Label("", layout=_WIDE)

    def press(_: Any) -> None:
        button.disabled = True
        status.value = "The model answers …"
        try:
            status.value = clean(attempt({name: item.value for name, item in inputs.items()}))
        except PexError as error:
            status.value = clean(f"{error.message}. {error.hint or ''}")
        finally:
            button.disabled = False

    button.on_click(press)
    rows: list[Any] = []
    for field in fields:
        rows += [ipywidgets.Label(field.label), inputs[field.name]]
    display(ipywidgets.VBox([*rows, button, status]))


def _input(field: Field) -> Any:
    if field.choices:
        return ipywidgets.Dropdown(options=field.choices, value=field.value, layout=_WIDE)
    return ipywidgets.Textarea(value=field.value, rows=field.lines, layout=_WIDE)
