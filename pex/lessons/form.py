"""The form of a lesson: fields in plain words and one button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets
from IPython.display import display

from pex.core.errors import PexError
from pex.core.safe_text import clean

if TYPE_CHECKING:
    from pex.lessons.lesson import Field, Lesson

_WIDE = {"width": "min(640px, 98%)"}


def show(lesson: Lesson) -> None:
    """Show the form of a lesson; each press of its button is a try."""
    inputs = {field.name: _input(field) for field in lesson.fields}
    button = ipywidgets.Button(description="Try it", button_style="primary")
    status = ipywidgets.Label("", layout=_WIDE)

    def press(_: Any) -> None:
        button.disabled = True
        status.value = "The model answers …"
        try:
            made = lesson.attack(**{name: field.value for name, field in inputs.items()})
            count = sum(item.own for item in lesson.tries)
            status.value = clean(f"Try {count}: {made.happened}")
        except PexError as error:
            status.value = clean(f"{error.message}. {error.hint or ''}")
        finally:
            button.disabled = False

    button.on_click(press)
    rows: list[Any] = []
    for field in lesson.fields:
        rows += [ipywidgets.Label(field.label), inputs[field.name]]
    display(ipywidgets.VBox([*rows, button, status]))


def _input(field: Field) -> Any:
    if field.choices:
        return ipywidgets.Dropdown(options=field.choices, value=field.value, layout=_WIDE)
    return ipywidgets.Textarea(value=field.value, rows=field.lines, layout=_WIDE)
