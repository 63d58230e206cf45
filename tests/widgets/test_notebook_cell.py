"""A cell that is executed again does not keep what it showed before."""

import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances

from pex.widgets import notebook_cell
from pex.widgets.notebook_cell import close_earlier


class Notebook:
    """Says which cell is executed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = ("", "")
        monkeypatch.setattr(notebook_cell, "_shown", {})
        monkeypatch.setattr(notebook_cell, "current_cell", lambda: self.now)

    def show(self, execution: str, cell: str, *views: ipywidgets.Widget) -> None:
        self.now = (execution, cell)
        for view in views:
            close_earlier(view)


def is_open(view: ipywidgets.Widget) -> bool:
    return view in _instances.values()


def test_another_execution_of_the_cell_closes_what_it_showed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notebook = Notebook(monkeypatch)
    first, second, third, fourth = (ipywidgets.IntSlider() for _ in range(4))
    notebook.show("e1", "cell", first, second)
    notebook.show("e2", "another", third)
    assert all(map(is_open, (first, second, third)))
    notebook.show("e3", "cell", fourth)
    assert [is_open(view) for view in (first, second, third, fourth)] == [False, False, True, True]


def test_a_view_that_another_cell_shows_too_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook(monkeypatch)
    view = ipywidgets.IntSlider()
    notebook.show("e1", "cell", view)
    notebook.show("e2", "another", view)
    notebook.show("e3", "cell", ipywidgets.IntSlider())
    assert is_open(view)
    notebook.show("e4", "another", ipywidgets.IntSlider())
    assert not is_open(view)


def test_the_same_view_again_and_outside_of_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook(monkeypatch)
    view = ipywidgets.IntSlider()
    notebook.show("e1", "cell", view)
    notebook.show("e2", "cell", view)
    notebook.show("", "", ipywidgets.IntSlider())
    assert is_open(view)
