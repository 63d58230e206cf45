"""MLflow's pages as `pexlab ui` serves them: for whom, and what they load from elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
import uvicorn

from pex.record import traces
from pex.record.choose_traces import choose
from pex.record.pages import Guarded
from tests.helpers import browser
from tests.helpers.processes import wait_for
from tests.helpers.sample_run import make_cases, make_frame, record

pytestmark = pytest.mark.traces

TOKEN = "t0ken"
COOKIE = ("cookie", f"other=1; pex-ui-5000={TOKEN}")
BEARER = ("authorization", f"Bearer {TOKEN}")
LINK = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"))


async def _mlflow(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"x-frame-options", b"X"), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"the record"})


def ask(
    *headers: tuple[str, str],
    path: str = "/",
    query: str = "",
    method: str = "GET",
    host: str = "127.0.0.1:5000",
    kind: str = "http",
) -> tuple[int, dict[str, str], str]:
    """What comes back: status, headers and text."""
    scope = {
        "type": kind, "method": method, "path": path, "query_string": query.encode("latin-1"),
        "server": ("127.0.0.1", 5000),
        "headers": [(k.encode(), v.encode("latin-1")) for k, v in (("host", host), *headers)],
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(Guarded(_mlflow, TOKEN)(scope, None, send))  # type: ignore[arg-type]
    if kind == "websocket":
        return sent[0].get("code", 0), {}, ""
    found = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    if sent[0]["status"] == 303:
        assert scope["query_string"] == b""  # the server logs it after this
    return sent[0]["status"], found, b"".join(m["body"] for m in sent[1:]).decode()


EVERY_PATH = (
    "/", "/static-files/main.js", "/version", "/get-artifact", "/ajax-api/2.0/mlflow/runs/search",
    "/api/2.0/mlflow/experiments/create", "/api/2.0/mlflow-artifacts/artifacts/x", "/graphql",
    "/v1/traces", "/gateway/x/mlflow/invocations", "/metrics", "//", "/health/", "/healthx",
)  # fmt: skip


@pytest.mark.parametrize("path", EVERY_PATH)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE"])
def test_nothing_is_said_without_the_token(path: str, method: str) -> None:
    status, _, text = ask(path=path, method=method)
    assert status == 403
    assert "the record" not in text
    assert "pexlab ui printed" in text


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ([("cookie", "pex-ui-5000=")], ""),
        ([("cookie", "pex-ui-5000=t0ke")], ""),
        ([("cookie", f"pex-ui-5001={TOKEN}")], ""),
        ([("cookie", f"pex-ui-5000={TOKEN}x; ;=;é")], ""),
        ([("authorization", "Bearer ")], ""),
        ([("authorization", "Bearer t0ké")], ""),
        ([("authorization", f"Basic {TOKEN}")], ""),
        ([("authorization", TOKEN)], ""),
        ([], "token="),
        ([], "token=wrong"),
        ([], "token=%ff%00"),
        ([], f"tokens={TOKEN}"),
        ([], f"token=wrong&token={TOKEN}"),
    ],
)
def test_something_like_the_token_is_not_enough(headers: list[tuple[str, str]], query: str) -> None:
    assert ask(*headers, query=query)[0] == 403


@pytest.mark.parametrize("headers", [[COOKIE], [BEARER], [("authorization", f"bearer  {TOKEN}")]])
def test_the_token_opens(headers: list[tuple[str, str]]) -> None:
    assert ask(*headers)[2] == "the record"
    assert ask(*headers, method="POST", path="/api/2.0/mlflow/runs/create")[0] == 200


@pytest.mark.parametrize(
    ("path", "query", "location"),
    [
        ("/", f"token={TOKEN}", "/"),
        ("/a b", f"x=1&token={TOKEN}&y=%26", "/a%20b?x=1&y=%26"),
        ("//evil.example/x", f"token={TOKEN}", "/evil.example/x"),
        ("/\\evil.example", f"token={TOKEN}", "/evil.example"),
        ("/\r\nset-cookie: a=b", f"token={TOKEN}", "/%0D%0Aset-cookie%3A%20a%3Db"),
    ],
)
def test_the_link_leaves_a_cookie_and_goes_on_without_the_token(
    path: str, query: str, location: str
) -> None:
    status, headers, text = ask(path=path, query=query)
    assert (status, headers["location"], text) == (303, location, "")
    assert headers["set-cookie"] == f"pex-ui-5000={TOKEN}; Path=/; HttpOnly; SameSite=Strict"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:5000", 200), ("localhost:5000", 200), ("[::1]:5000", 200), ("10.1.2.3", 200),
        ("evil.example:5000", 403), ("10.evil.example", 403), ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:5000", 403), ("", 403), ("[", 403), ("lab.internal:80", 403),
    ],
)  # fmt: skip
def test_a_name_that_dns_can_point_here_is_refused(host: str, status: int) -> None:
    assert ask(BEARER, host=host)[0] == status


def test_a_name_that_was_allowed_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "lab.internal, *.lab.internal:80")
    assert [ask(BEARER, host=h)[0] for h in ("lab.internal:7", "a.lab.internal:80")] == [200, 200]
    assert ask(BEARER, host="b.internal")[0] == 403


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("origin", "http://127.0.0.1:5000"), ("sec-fetch-site", "same-origin")], 200),
        ([("origin", "http://127.0.0.1:8888"), ("sec-fetch-site", "same-site")], 403),
        ([("origin", "http://localhost:5000")], 403),
        ([("origin", "https://evil.example")], 403),
        ([("origin", "null")], 403),
        ([("origin", "http://[")], 403),
        ([("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], 403),
        ([("sec-fetch-site", "same-site"), ("sec-fetch-dest", "iframe")], 403),
        ([("sec-fetch-site", "none"), *LINK], 200),
    ],
)
def test_pages_of_others_ask_in_vain(
    headers: list[tuple[str, str]], status: int, method: str
) -> None:
    assert ask(COOKIE, *headers, method=method)[0] == status


def test_a_link_from_elsewhere_is_followed_from_our_own_page() -> None:
    # The browser keeps the strict cookie back at first, and sends it from a page of this server.
    status, _, text = ask(("sec-fetch-site", "cross-site"), *LINK)
    assert (status, "<script>location.reload()</script>" in text) == (403, True)
    status, _, text = ask(("sec-fetch-site", "same-origin"), *LINK)
    assert (status, "<script" in text) == (403, False)
    assert ask(COOKIE, ("sec-fetch-site", "cross-site"), *LINK)[0] == 200
    assert ask(COOKIE, ("sec-fetch-site", "cross-site"), *LINK, method="POST")[0] == 403


@pytest.mark.parametrize("path", [*EVERY_PATH, "/health"])
def test_every_answer_has_the_policy(path: str) -> None:
    for headers in ([], [COOKIE]):
        _, found, _ = ask(*headers, path=path)
        policy = found["content-security-policy"]
        assert "default-src 'none'" in policy
        assert not re.search(r"https?:|\*|unsafe-eval", policy)
        assert found["x-content-type-options"] == "nosniff"
        assert found["referrer-policy"] == "no-referrer"
        assert found["x-frame-options"] == "SAMEORIGIN"
    mlflows = path in ("/", "/static-files/main.js")
    assert policy.startswith("sandbox allow-scripts;") is not mlflows
    assert "allow-same-origin" not in policy


def test_a_websocket_needs_the_token_too() -> None:
    assert ask(kind="websocket")[0] == 1008
    assert ask(("origin", "http://evil.example"), COOKIE, kind="websocket")[0] == 1008


# The same in a real Chromium, on answers that try to load something.


class _Elsewhere:
    """Another host, which writes down what is asked of it."""

    def __init__(self) -> None:
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(204)
                self.end_headers()

            do_POST = do_HEAD = do_GET  # noqa: N815 - the names that the server looks for

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[_Elsewhere]:
    there = _Elsewhere()
    thread = threading.Thread(target=there.server.serve_forever, daemon=True)
    thread.start()
    yield there
    there.server.shutdown()
    there.server.server_close()


def hostile(url: str) -> str:
    svg = f"<svg xmlns='http://www.w3.org/2000/svg'><image href='{url}/svg.png'/></svg>"
    parts = [
        f"![i]({url}/md.png)",
        f"<img src='{url}/html.png' srcset='{url}/set.png 2x' onerror=\"fetch('{url}/on')\">",
        f"[click](javascript:fetch('{url}/link'))",
        f"<style>@import '{url}/i.css'; body {{ background: url({url}/css.png) }}</style>",
        f"<div style=\"background: url('{url}/style.png')\">d</div>",
        svg,
        f"![d](data:image/svg+xml;utf8,{svg})".replace(" ", "%20"),
        f"<iframe src='{url}/frame'></iframe><link rel=stylesheet href='{url}/l.css'>",
        f"<script src='{url}/s.js'></script><video poster='{url}/v.png' src='{url}/v'></video>",
    ]
    return "\n\n".join(parts)


@contextlib.contextmanager
def started(folder: Path) -> Iterator[str]:
    """`pexlab ui` in a process of its own; its link."""
    port = browser.free_port()
    # As the command that is installed starts: without the modules of the current folder.
    command = [sys.executable, "-P", "-m", "pex.cli", "ui", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--", "--workers", "1"], cwd=folder, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    said: list[str] = []
    up = threading.Event()

    def read() -> None:
        for line in process.stderr or ():
            said.append(line)
            if "Uvicorn running" in line:
                up.set()
        up.set()

    threading.Thread(target=read, daemon=True).start()
    try:
        assert up.wait(600), "".join(said)
        link = re.search(rf"http://127\.0\.0\.1:{port}/\?token=[0-9a-f]{{48}}", "".join(said))
        assert link, "".join(said)
        yield link[0]
    finally:
        browser.end_family(process)


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory, elsewhere: _Elsewhere) -> Iterator[str]:
    """The link to a record whose answers, notes and files are hostile; its ids in `ids.json`."""
    folder = tmp_path_factory.mktemp("ui")
    (folder / "pex.toml").touch()
    for name in ("mlflow", "uvicorn", "fastapi", "starlette", "pex"):
        (folder / f"{name}.py").write_text("raise SystemExit('a module of the folder was run')")
    uri = f"sqlite:///{folder}/mlruns/mlflow.db"
    (folder / "mlruns").mkdir()
    text = hostile(elsewhere.url)
    frame = make_frame(make_cases(3), odd=False)
    frame["output"] = frame["reason.label"] = text
    target = record(uri, "hostile", frame, make_cases(3))
    traces.write(target, frame, choose(frame, "all"))
    client = mlflow.MlflowClient(uri)
    client.set_tag(target.run_id, "mlflow.note.content", text)
    client.log_text(target.run_id, text, "evil.md")
    client.log_text(target.run_id, PAGE.replace("HOST", elsewhere.url), "evil.html")
    ids = {"run": target.run_id, "experiment": target.experiment_id, "children": target.children}
    ids["trace"] = traces.trace_id_of(target.children["a"], "c2", 1)
    (folder / "ids.json").write_text(json.dumps(ids))
    with started(folder) as found:
        IDS.update(ids)
        yield found


IDS: dict[str, Any] = {}
PAGE = """<h1>a file</h1><img src="HOST/file.png"><p id="p"></p><script>
const say = (text) => { document.getElementById("p").textContent += text + ";"; };
say("ran in " + origin);
fetch("HOST/fetch").catch(() => 0); new Image().src = "HOST/image"; open("HOST/open");
try { say(parent.document.title) } catch (e) { say("no parent") }
fetch("/ajax-api/2.0/mlflow/experiments/search?max_results=1")
  .then((r) => r.text()).then((t) => say("read " + t)).catch(() => say("no record"));
setTimeout(() => { location = "HOST/location"; }, 500);
</script>"""


@pytest.mark.soak
@pytest.mark.browser
def test_no_page_of_mlflow_asks_another_host(link: str, elsewhere: _Elsewhere) -> None:
    base, _, token = link.partition("/?token=")
    experiment, run, a = IDS["experiment"], IDS["run"], IDS["children"]["a"]
    pair = f"selectedRunUuid={a}&compareToRunUuid={IDS['children']['b']}&workflowType=genai"
    # What each shows when it is there: of the first two, what follows on a hostile image.
    pages = {
        f"experiments/{experiment}/traces?selectedEvaluationId={IDS['trace']}": "click",
        f"experiments/{experiment}/runs/{run}": "click",
        f"experiments/{experiment}/evaluation-runs?{pair}": "What is 1 + 1?",
        f"experiments/{experiment}/runs/{a}/model-metrics": "cost_usd",
        f"experiments/{experiment}/runs/{run}/artifacts": "evil.html",
        "prompts": "Prompts",
    }
    with browser.page(1600, 1200) as page:
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        opened = page.goto(base)
        assert opened is not None
        assert opened.status == 403
        page.goto(link)
        assert page.url == f"{base}/"
        assert token not in page.evaluate("document.cookie")

        def refuses(what: str) -> None:
            """Wait until the browser has said that it does not load something."""
            wait_for(lambda: page.wait_for_timeout(50) or any(what in text for text in said))

        for path, text in pages.items():
            page.goto(f"{base}/#/{path}")
            page.get_by_text(text).first.wait_for()
        refuses("/md.png")
        page.goto(f"{base}/#/experiments/{experiment}/runs/{run}/artifacts")
        page.get_by_text("evil.md").first.click()
        page.get_by_text("click").first.wait_for()
        page.get_by_text("evil.html").first.click()
        # A report's own script runs, in no origin: it reads nothing and tells nobody.
        inside = page.frame_locator("iframe").locator("#p")
        inside.get_by_text("no record").wait_for()
        assert inside.inner_text() == "ran in null;no parent;no record;"
        refuses("frame-src")
        assert elsewhere.asked == []
        # Of what the policy refused nothing was MLflow's own.
        refused = [text for text in said if "Content Security Policy" in text]
        assert refused
        own = (elsewhere.url, f"{base}/ajax-api/2.0/mlflow/experiments/search?max_results=1")
        assert [text for text in refused if not any(url in text for url in own)] == []


@contextlib.contextmanager
def served() -> Iterator[str]:
    """A small application behind the token, without the minute that MLflow takes to start."""
    port = browser.free_port()
    config = uvicorn.Config(Guarded(_mlflow, TOKEN), host="127.0.0.1", port=port, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.mark.browser
def test_a_link_on_a_page_of_another_address_opens() -> None:
    other = "http://localhost:1"  # as JupyterLab's terminal is often opened
    with served() as base, browser.page() as page:
        page.route(f"{other}/*", lambda route: route.fulfill(
            body=f"<a href='{base}/?token={TOKEN}'>with</a> <a href='{base}/#/x'>without</a>",
            content_type="text/html",
        ))  # fmt: skip
        for link, text in (("without", "need a token"), ("with", "the record"),
                           ("without", "the record")):  # fmt: skip
            page.goto(f"{other}/page")
            page.get_by_text(link, exact=True).click()
            page.get_by_text(text).wait_for()
        assert page.url == f"{base}/#/x"


@pytest.mark.slow
def test_who_does_not_know_the_token_gets_nothing_and_it_is_in_no_argument(link: str) -> None:
    import psutil

    base, _, token = link.partition("/?token=")
    search = f"{base}/ajax-api/2.0/mlflow/experiments/search?max_results=5"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(search)
    request = urllib.request.Request(search, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as reply:
        assert "hostile" in reply.read().decode()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            assert token not in " ".join(process.cmdline())
