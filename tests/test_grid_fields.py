"""The fields of a structured answer in an opened cell of the grid: only what differs, aligned."""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.helpers.browser import jupyterlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.lab import START, shown
from tests.helpers.notebooks import notebook

pytestmark = pytest.mark.browser

RESULTS = (
    START
    + """
import json
wanted = {"total": 1234.5, "city": "Bonn", "items": [{"name": "Pen", "price": 2}]}
given = {"total": "1,200.00 €", "items": [{"name": "<b>Pen</b>", "price": 2}, {"name": "Cup"}]}
rules = {"total": "number", "city": "text", "items[].name": "text", "items[].price": "number"}
exp = pex.Experiment(
    "made", pex.grid([pex.Prompt("{{ text }}", "p")], "lab/m1"),
    [{"case_id": "a", "text": json.dumps(given), "expected": wanted}],
    [{"kind": "fields", "fields": rules}])
results = exp.run(show=False, record=False)
results.show()"""
)


def test_an_opened_cell_shows_what_differs_field_by_field(
    tmp_path: Path, endpoint: FaultyEndpoint
) -> None:
    settings = f'[providers.lab]\nbase_url = "{endpoint.url}"\nfree = true\n'
    (tmp_path / "pex.toml").write_text(settings)  # it answers with the last message
    notebook(tmp_path / "fields.ipynb", None, RESULTS)
    with jupyterlab(tmp_path) as lab:
        shown(lab, "fields.ipynb")
        lab.page.get_by_role("gridcell").first.click()
        table = lab.page.locator(".pex-reader table.pex-fields")
        table.wait_for()
        said = table.inner_text()
        for part in ("✗ wrong", "1,200.00 €", "34.5 off", "− missing", "+ too much",
                     "items.name (record 1)", "<b>Pen</b>", "given record 2"):  # fmt: skip
            assert part in said, said
        assert table.locator("b").count() == 0
        for dark in (False, True):
            lab.theme(dark)
            found = Axe().run(lab.page, context=".pex-reader")
            assert found.violations_count == 0, found.generate_report()
            if shots := os.environ.get("PEX_SHOTS"):
                table.scroll_into_view_if_needed()
                lab.page.screenshot(path=Path(shots) / f"fields-{dark}.png")
