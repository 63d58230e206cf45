"""Widgets beside each other in one notebook: none changes how another one looks."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator

from tests.helpers.browser import jupyterlab, run_cell
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.lab import MADE
from tests.helpers.notebooks import notebook
from tests.helpers.processes import wait_for

pytestmark = pytest.mark.browser

WIDGETS = {
    ".pex-play": "pex.Playground(pex.Experiment('s', pex.grid(prompt, 'lab/m1'), cases))",
    ".pex-grid": "results.show()",
    ".pex-browser": "pex.browse()",
    ".pex-rating": "results.rate(rater='ada')",
    ".pex-prompt-answer": "%%prompt one --run --model lab/m1\nSay something.",
}
LOOK = """(root) => {
  const rules = ['color', 'backgroundColor', 'display', 'position', 'fontSize', 'fontWeight',
    'fontFamily', 'padding', 'margin', 'borderTop', 'borderLeft', 'borderRadius', 'minHeight',
    'minWidth', 'maxWidth', 'flex', 'gap', 'whiteSpace', 'overflowX', 'textOverflow', 'cursor',
    'textDecorationLine', 'opacity'];
  const looks = {}, seen = {};
  for (const node of [root, ...root.querySelectorAll('*')]) {
    const kind = `${node.tagName}.${node.getAttribute('class') ?? ''}`;
    seen[kind] = (seen[kind] ?? 0) + 1;
    const style = getComputedStyle(node);
    for (const rule of rules) looks[`${kind} ${seen[kind]} ${rule}`] = style[rule];
  }
  return looks;
}"""


def settled(widget: Locator) -> dict[str, str]:
    """The computed style of all that is in a widget, once nothing in it changes any more."""
    found: list[dict[str, str]] = []

    def same_twice() -> bool:
        found.append(widget.evaluate(LOOK))
        widget.page.wait_for_timeout(300)
        return len(found) > 2 and found[-1] == found[-2] == found[-3]

    wait_for(same_twice)
    return found[-1]


def test_no_widget_changes_the_look_of_another(project: Path, lab: FaultyEndpoint) -> None:
    start = (
        f"%load_ext pex\n{MADE}import pex\nresults = made(6, 2)\n"
        "prompt = pex.Prompt('{{ word }}', name='echo')\ncases = [{'word': 'a'}, {'word': 'b'}]"
    )
    notebook(project / "all.ipynb", None, start, *WIDGETS.values())
    with jupyterlab(project, height=2000) as page:
        page.open("all.ipynb")
        page.command("application:toggle-left-area")
        run_cell(page, 0)
        looks: dict[str, dict[str, str]] = {}
        for number, selector in enumerate(WIDGETS, start=1):
            run_cell(page, number)
            widget = page.page.locator(selector).first
            wait_for(lambda widget=widget: widget.count() or page.errors())
            assert page.errors() == []
            page.page.mouse.move(0, 0)
            mine = settled(widget)
            for name, before in looks.items():
                now = settled(page.page.locator(name).first)
                both = before.keys() & now.keys()
                assert len(both) > len(before) / 2
                changed = {key: (before[key], now[key]) for key in both if before[key] != now[key]}
                assert changed == {}, f"{selector} changes {name}"
            looks[selector] = mine
