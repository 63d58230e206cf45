"""Nights that the budget ends, and a store that is a server: real MLflow, real exit codes."""

import json
import re
from pathlib import Path

import pytest

from pex.tracking.store import connect
from tests.helpers.browser import page
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.lab_nights import Model, lay_out, night
from tests.helpers.mlflow_server import MlflowServer

pytestmark = pytest.mark.night

PRICES = '[prices."lab/m1"]\ninput_usd_per_million = 100.0\noutput_usd_per_million = 200.0\n'


def priced(project: Path) -> None:
    text = (project / "pex.toml").read_text().replace("free = true\n", "")
    (project / "pex.toml").write_text(text + PRICES)


def test_a_night_that_the_budget_ends_exits_with_4_and_says_so(
    project: Path, lab: FaultyEndpoint
) -> None:
    Model(lab)
    priced(project)
    plan = lay_out(project, "gate: {baseline: short, metric: label, margin: 0.1}\n")
    plan.write_text(plan.read_text() + "budget_usd: 0.03\n")
    code, found = night(plan, "night-1")
    assert code == 4, found
    assert found["exit_code"] == 4
    assert "The budget ended it before all calls were made." in found["headline"]
    text = Path(found["page"]).read_text()
    assert (
        "The budget stopped this run before all calls were made. The results below are partial."
        in text
    )
    assert 'class="verdict bad"' in text
    # What was asked before it is there, and no more was spent.
    asked = sum("positive or negative" in body["messages"][-1]["content"] for body in lab.bodies)
    assert 0 < asked < 40


@pytest.mark.soak
@pytest.mark.browser
def test_with_a_server_as_the_store_the_page_links_into_it_and_is_kept_there(
    project: Path, lab: FaultyEndpoint
) -> None:
    Model(lab)
    plan = lay_out(project, "gate: {baseline: short, metric: label, margin: 0.1}\n")
    served = project / "served"
    served.mkdir()
    server = MlflowServer(served)
    server.start()
    try:
        uri = server.uri.replace("http://", "http://ann:secret-word@")
        code, found = night(plan, "night-1", MLFLOW_TRACKING_URI=uri)
        assert code == 0, found
        (run,) = {item["run_id"] for item in found["gate"]}
        path = Path(found["page"])
        text = path.read_text()
        assert "secret-word" not in text + json.dumps(found)
        client = connect(server.uri)
        number = client.get_run(run).info.experiment_id
        link = f"{server.uri}/#/experiments/{number}/runs/{run}"
        assert f'<a href="{link}">This run in MLflow</a>' in text
        kept = client.download_artifacts(run, "night.html", str(project))
        # What leads to a file of this machine is only named there.
        local = re.compile(r'<a href="(?!http)[^"]*">([^<]*)</a>')
        assert local.search(text)
        assert Path(kept).read_text() == local.sub(r"\1", text)
        with page(width=1400) as tab:
            tab.goto(path.as_uri())
            tab.get_by_role("link", name="This run in MLflow").click()
            tab.get_by_text("job_id", exact=False).or_(tab.get_by_text(run)).first.wait_for()
            tab.goto(f"{link}/artifacts/night.html")
            shown = tab.frame_locator("iframe").get_by_text(found["headline"])
            shown.first.wait_for()
    finally:
        server.kill()
