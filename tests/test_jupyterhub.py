"""Two people on a real JupyterHub: their notebooks behind `/user/NAME/`, and what each one has.

It runs where JupyterHub is installed next to pex, and its proxy (npm install -g
configurable-http-proxy) is on the PATH: `python -m pytest tests/test_jupyterhub.py -m soak`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from pex.core import private
from tests.helpers import browser
from tests.helpers.browser import Lab, free_port, serving
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.lab import START
from tests.helpers.notebooks import notebook

MISSING = [
    name
    for name, there in (
        ("jupyterhub", importlib.util.find_spec("jupyterhub")),
        ("configurable-http-proxy", shutil.which("configurable-http-proxy")),
    )
    if not there
]
pytestmark = [
    pytest.mark.soak,
    pytest.mark.browser,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
PASSWORD = "only-for-this-test"

CELLS = (
    START + "prompt = pex.Prompt('Say {{ word }}', name='say')\n"
    "cases = [{'case_id': f'c{n}', 'word': f'w{n}'} for n in range(3)]\n"
    "exp = pex.Experiment('hub', pex.grid(prompt, 'lab/m1'), cases, ['length'])\n"
    "results = exp.run()",
    "pex.Playground(exp)",
)


class HubLab(Lab):
    """The JupyterLab of one person, whose root is the person's folder."""

    def __init__(self, hub: str, name: str, page: Page) -> None:
        super().__init__(f"{hub}/user/{name}", Path("/"), page)
        self._hub, self._name = hub, name

    def log_in(self) -> None:
        self.page.goto(f"{self._hub}/hub/login?next=/hub/spawn/{self._name}")
        self.page.get_by_label("Username").fill(self._name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(f"{self.url}/lab**")

    def address(self, notebook: str) -> str:
        return f"{self.url}/lab/tree/{notebook}?reset"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    port, api, proxy = free_port(), free_port(), free_port()
    config = tmp_path / "jupyterhub_config.py"
    config.write_text(f"""
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy}"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = {PASSWORD!r}
c.Authenticator.allowed_users = {{"ana", "ben"}}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {str(tmp_path / "home")!r} + "/{{username}}"
c.Spawner.args = ["--allow-root", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url="]
c.Spawner.start_timeout = 600
c.Spawner.http_timeout = 600
c.JupyterHub.cleanup_servers = True
c.JupyterHub.log_level = "WARN"
""")
    command = ["jupyterhub", "-f", str(config)]
    with serving(command, tmp_path, f"http://127.0.0.1:{port}/hub/health"):
        yield f"http://127.0.0.1:{port}"


def test_two_people_work_behind_their_own_address(
    hub: str, tmp_path: Path, lab: FaultyEndpoint
) -> None:
    lab.reply = lambda body, number: None
    labs = {}
    for name in ("ana", "ben"):
        folder = tmp_path / "home" / name
        shutil.copytree(Path("mlruns"), folder / "mlruns")
        shutil.copy("pex.toml", folder)
        notebook(folder / "work.ipynb", None, *CELLS)
    with contextlib.ExitStack() as stack:
        for name in ("ana", "ben"):
            labs[name] = HubLab(hub, name, stack.enter_context(browser.page()))
            labs[name].log_in()
            failed: list[str] = []
            labs[name].page.on(
                "response",
                lambda answer, failed=failed: (
                    failed.append(answer.url) if answer.status >= 400 else None
                ),
            )
            foreign = labs[name].foreign()
            shows_everything(labs[name])
            assert foreign == [], "all that a page asks for is below the person's own address"
            assert [url for url in failed if "/api/" not in url] == []
            play = labs[name].page.locator(".pex-play").first
            play.get_by_role("textbox", name="Message 1").fill(f"of {name}: {{{{ word }}}}")
            kept = tmp_path / "home" / name / private.STATE / "drafts"
            while not any(f"of {name}" in path.read_text() for path in kept.glob("*.json")):
                labs[name].page.wait_for_timeout(200)
        # Nobody opens the other one's server.
        page = labs["ana"].page
        answer = page.request.get(f"{hub}/user/ben/api/contents/work.ipynb")
        assert answer.status in (403, 404)
    for name, other in (("ana", "ben"), ("ben", "ana")):
        state = tmp_path / "home" / name / private.STATE
        drafts = "".join(path.read_text() for path in (state / "drafts").glob("*.json"))
        assert f"of {name}" in drafts
        assert f"of {other}" not in drafts
    assert lab.calls == 6, "each one has a journal, and paid for its own answers"


def shows_everything(lab: Lab) -> None:
    """The grid and the Playground are drawn, and a link to a run says where it can be seen."""
    lab.open("work.ipynb")
    lab.run_all()
    assert lab.errors() == []
    lab.page.locator(".pex-grid-body [role=row]").first.wait_for()
    lab.page.locator(".pex-play").first.wait_for()
    lab.page.get_by_role("button", name="Open in MLflow").first.click()
    lab.page.get_by_text("where your browser cannot reach").first.wait_for()
    saved = json.dumps(lab.printed())
    assert "Traceback" not in saved
