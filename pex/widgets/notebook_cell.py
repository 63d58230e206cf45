"""The cell that is being executed, and the views that its earlier executions left behind."""

from __future__ import annotations

import sys
import weakref
from typing import Any

from ipywidgets import Widget

_shown: dict[str, tuple[str, weakref.WeakSet[Widget]]] = {}
"""By cell: its last execution, and the views that it showed."""


def current_cell() -> tuple[str, str]:
    """The current execution and the id of its cell; "" if there is none.

    Example:
        >>> current_cell()
        ('', '')
    """
    if "IPython" not in sys.modules:
        return "", ""
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    parent: dict[str, Any] = kernel.get_parent("shell") if kernel is not None else {}
    found = (parent.get("metadata") or {}).get("cellId") if parent else None
    return (str(parent["header"]["msg_id"]), str(found)) if found else ("", "")


def close_earlier(view: Widget) -> None:
    """Note that the current cell shows a view, and close what its earlier execution showed.

    ipywidgets keeps every widget, with all of its data, until the kernel ends; the output of a
    cell that is executed again is gone. A view that another cell shows too stays.

    Args:
        view: the view that is about to be shown.
    """
    execution, cell = current_cell()
    if not cell:
        return
    before, earlier = _shown.get(cell, ("", weakref.WeakSet[Widget]()))
    if before == execution:
        earlier.add(view)
        return
    _shown[cell] = (execution, weakref.WeakSet([view]))
    elsewhere = {other for _, views in _shown.values() for other in views}
    for other in earlier:
        if other not in elsewhere:
            other.close()
