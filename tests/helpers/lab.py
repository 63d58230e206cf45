"""What notebooks of browser tests begin with, and how they are opened."""

from tests.helpers import ROOT
from tests.helpers.browser import Lab

START = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nimport pex\n"
MADE = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom tests.helpers.made import made\n"

EXPERIMENT = START + (
    "prompt = pex.Prompt('{{ word }}', name='echo')\n"
    "cases = [{'case_id': f'c{n}', 'word': f'w{n}'} for n in range(400)]\n"
    "exp = pex.Experiment('s', pex.grid(prompt, 'lab/m1'), cases, ['length'])\n"
)


def shown(lab: Lab, name: str) -> list[str]:
    """Open a notebook and run it; returns what its pages ask other hosts for, as it goes on."""
    foreign = lab.foreign()
    lab.open(name)
    lab.command("application:toggle-left-area")
    lab.run_all()
    assert lab.errors() == []
    lab.page.locator(".pex-grid-body [role=row]").first.wait_for()
    lab.page.locator(".pex-grid").first.evaluate("e => e.scrollIntoView({block: 'center'})")
    return foreign
