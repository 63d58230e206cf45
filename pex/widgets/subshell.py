"""Messages of a widget's views are answered while a cell keeps the kernel busy.

JupyterLab 4 and Notebook 7 send the messages of a widget's view to a subshell of the kernel, a
thread beside the cells. ipykernel 7.4 hands such a message back to the shell from which the
widget spoke last, which is the one that the cell keeps busy, so that it waits for the cell's end.
Elsewhere (ipykernel 6, VS Code) there are no subshells and nothing changes.
"""

from __future__ import annotations

import threading
from typing import Any

import ipywidgets


def answer_at_once(widget: ipywidgets.Widget) -> None:
    """Answer the messages that a widget's views `send` in the subshell they were sent to.

    They can arrive on a thread of their own, while a cell runs. Synced traits go the usual way.

    Args:
        widget: open, with its comm.
    """
    comm = widget.comm
    elsewhere = getattr(comm, "_reply_subshell_for", None)

    def route(data: Any, sent_to: str | None) -> str | None:
        if isinstance(data, dict) and data.get("method") == "custom":
            return sent_to
        return elsewhere(data, sent_to) if elsewhere is not None else sent_to

    handle = getattr(comm, "handle_msg", None)

    def hear(message: dict[str, Any]) -> None:
        # In a subshell no cell starts or ends: IPython's hooks for that would, for example, draw
        # the figures of the cell that is still running, where nobody sees them.
        if threading.current_thread() is threading.main_thread():
            assert handle is not None  # checked below
            handle(message)
        else:
            widget._handle_msg(message)

    if elsewhere is not None and handle is not None:
        comm._reply_subshell_for = route
        comm.handle_msg = hear
