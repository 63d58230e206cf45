"""JupyterLab, MLflow and pages in a real headless Chromium."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    Request,
    expect,
    sync_playwright,
)

PATIENCE_MS = 240_000
"""How long a page may take where others use the machine too; nothing waits that long in vain."""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """The path of the installed Chromium."""
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    return next(filter(None, found), None)


class _Chromium:
    """One browser for all pages of this process, started with the first of them.

    Playwright's loop counts as running in the thread while it lives. It is set aside between the
    pages: what has nothing to do with browsers finds the thread without a loop, as anywhere else.
    """

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pages = 0

    @contextmanager
    def context(self, **options: Any) -> Iterator[BrowserContext]:
        """A context of its own: no cookie, setting or page of another one."""
        outside = asyncio._get_running_loop()
        if self._pages == 0:
            asyncio._set_running_loop(self._loop)
        self._pages += 1
        try:
            context = self._started().new_context(**options)
            context.set_default_timeout(PATIENCE_MS)
            try:
                yield context
            finally:
                context.close()
        finally:
            self._pages -= 1
            if self._pages == 0:
                asyncio._set_running_loop(outside)

    def _started(self) -> Browser:
        if self._playwright is None:
            self._playwright = sync_playwright().start()
            expect.set_options(timeout=PATIENCE_MS)
            self._loop = asyncio._get_running_loop()
            atexit.register(self._end)
        if self._browser is None or not self._browser.is_connected():
            path = chromium()
            assert path is not None, "Chromium is not installed: sh .ci/programs"
            self._browser = self._playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        return self._browser

    def _end(self) -> None:
        asyncio._set_running_loop(self._loop)
        if self._playwright is not None:
            self._playwright.stop()
        asyncio._set_running_loop(None)


_CHROMIUM = _Chromium()


@contextmanager
def page(width: int = 1300, height: int = 900, dark: bool = False) -> Iterator[Page]:
    """A new page in a context of its own."""
    with _CHROMIUM.context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
    ) as context:
        yield context.new_page()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end_family(process: subprocess.Popen[Any]) -> None:
    """End a process and what it has started."""
    if process.poll() is not None:
        return
    family = [*psutil.Process(process.pid).children(recursive=True), process]
    for member in family:
        member.terminate()
    _, alive = psutil.wait_procs(
        [psutil.Process(m.pid) for m in family if psutil.pid_exists(m.pid)], timeout=5
    )
    for member in alive:
        member.kill()
    process.wait()


class Server:
    """A server in a process of its own; it is up when `health` answers."""

    def __init__(self, command: list[str], folder: Path, health: str, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait_for(health, command[0])
        except BaseException:
            self.end()
            raise

    def _wait_for(self, health: str, name: str) -> None:
        deadline = time.monotonic() + 600  # MLflow takes long to start on a busy machine
        while True:
            try:
                urllib.request.urlopen(health, timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                assert time.monotonic() < deadline, f"{name} did not start"
                assert self.alive, f"{name} ended"
                time.sleep(0.2)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """End it and what it has started."""
        end_family(self._process)


@contextmanager
def serving(command: list[str], folder: Path, health: str, **environment: str) -> Iterator[None]:
    """Run a server until the block ends; it is up when `health` answers."""
    server = Server(command, folder, health, **environment)
    try:
        yield
    finally:
        server.end()


class Lab:
    """A JupyterLab on a folder, opened in a page."""

    def __init__(self, url: str, folder: Path, browser_page: Page) -> None:
        self.url = url
        self.page = browser_page
        self._folder = urllib.parse.quote(str(folder.resolve()).lstrip("/"))

    def address(self, notebook: str) -> str:
        return f"{self.url}/lab/tree/{self._folder}/{notebook}?token=t&reset"

    def open(self, notebook: str) -> None:
        """Open a notebook and wait until its kernel is there."""
        self.page.goto(self.address(notebook))
        self.ready()

    def ready(self) -> None:
        """Wait until the notebook is shown and its kernel is idle."""
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=PATIENCE_MS)
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
            "?.status === 'idle'",
            timeout=PATIENCE_MS,
        )

    def theme(self, dark: bool) -> None:
        name = "JupyterLab Dark" if dark else "JupyterLab Light"
        self.command("apputils:change-theme", f"{{theme: '{name}'}}")
        light = "false" if dark else "true"
        self.page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")

    def command(self, name: str, arguments: str = "{}") -> None:
        """Execute one of JupyterLab's commands and wait for it."""
        self.page.evaluate(
            f"async () => {{ await window.jupyterapp.commands.execute('{name}', {arguments}); }}"
        )

    def run_all(self, timeout_s: float = 1200) -> None:
        """Run all cells, and wait until the kernel is idle and each has its number."""
        self.begin_all()
        self.page.wait_for_function(
            """() => {
              const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells]
                .filter((cell) => cell.type === "code");
              const last = cells.at(-1);
              const failed = cells.some((cell) => cell.outputs.toJSON()
                .some((output) => output.output_type === "error"));
              return failed || last.executionCount !== null;
            }""",
            timeout=timeout_s * 1000,
        )
        self.page.wait_for_timeout(1500)

    def foreign(self) -> list[str]:
        """What the page asks other hosts for from now on; the list grows."""
        found: list[str] = []

        def on_request(request: Request) -> None:
            if request.url.startswith("http") and self.url not in request.url:
                found.append(request.url)

        self.page.on("request", on_request)
        return found

    def begin_all(self) -> None:
        """Run all cells; returns at once."""
        self.page.evaluate(
            "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
        )

    def printed(self) -> str:
        """All that the cells have printed so far."""
        return str(
            self.page.evaluate(
                """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
                  .filter((cell) => cell.type === "code")
                  .flatMap((cell) => cell.outputs.toJSON())
                  .filter((output) => output.output_type === "stream")
                  .map((output) => [output.text].flat().join("")).join("")"""
            )
        )

    def errors(self) -> list[str]:
        """The errors in the notebook's outputs."""
        return list(
            self.page.evaluate(
                """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
                  .filter((cell) => cell.type === "code")
                  .flatMap((cell) => cell.outputs.toJSON())
                  .filter((output) => output.output_type === "error")
                  .map((output) => output.ename + ": " + output.evalue)"""
            )
        )

    def save(self) -> None:
        self.command("docmanager:save")


def run_cell(lab: Lab, number: int) -> None:
    """Begin to run one cell; the number counts all cells."""
    lab.page.evaluate(
        "n => { const book = window.jupyterapp.shell.currentWidget.content;"
        " book.deselectAll(); book.activeCellIndex = n;"
        " window.jupyterapp.commands.execute('notebook:run-cell'); }",
        number,
    )


class Notebook7(Lab):
    """A Notebook 7 on a folder, opened in a page."""

    def address(self, notebook: str) -> str:
        return f"{self.url}/notebooks/{self._folder}/{notebook}?token=t"


class _Jupyter:
    """One server for all notebooks of this process, with JupyterLab and Notebook 7.

    It serves the whole file system, so that any folder can be opened; a kernel's folder is its
    notebook's.
    """

    def __init__(self, base: str) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="pex-jupyter-"))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}{base}"
        command = [
            "jupyterlab",
            "--no-browser",
            f"--port={port}",
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.root_dir=/",
            f"--ServerApp.base_url={base or '/'}",
            "--ContentsManager.allow_hidden=True",
            "--IdentityProvider.token=t",
            "--allow-root",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.news_url=",
            "--JupyterNotebookApp.expose_app_in_browser=True",
        ]
        private = {
            "JUPYTER_CONFIG_DIR": str(self._home / "config"),
            "JUPYTERLAB_SETTINGS_DIR": str(self._home / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(self._home / "workspaces"),
            "JUPYTER_PREFER_ENV_PATH": "1",
        }
        self._server = Server(command, self._home, f"{self.url}/api", **private)
        atexit.register(self.end)

    @property
    def alive(self) -> bool:
        return self._server.alive

    def forget(self) -> None:
        """As it is when new: no kernel, no chosen theme, no open file."""
        for kernel in self._asked("GET", "kernels"):
            self._asked("DELETE", f"kernels/{kernel['id']}")
        for name in ("settings", "workspaces"):
            shutil.rmtree(self._home / name, ignore_errors=True)
        # Without this JupyterLab asks on its first start whether it may fetch news.
        news = self._home / "settings/@jupyterlab/apputils-extension"
        news.mkdir(parents=True)
        (news / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')

    def _asked(self, method: str, path: str) -> Any:
        request = urllib.request.Request(
            f"{self.url}/api/{path}", method=method, headers={"Authorization": "token t"}
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read() or "null")

    def end(self) -> None:
        self._server.end()
        shutil.rmtree(self._home, ignore_errors=True)


_SERVERS: dict[str, _Jupyter] = {}


@contextmanager
def jupyterlab(folder: Path, base: str = "", **options: object) -> Iterator[Lab]:
    """JupyterLab on `folder`, in a page of its own; `base` is the server's base URL."""
    with _jupyter(Lab, folder, base, **options) as lab:
        yield lab


@contextmanager
def notebook7(folder: Path, base: str = "", **options: object) -> Iterator[Lab]:
    """Notebook 7 on `folder`, in a page of its own; `base` is the server's base URL."""
    with _jupyter(Notebook7, folder, base, **options) as lab:
        yield lab


@contextmanager
def _jupyter(kind: type[Lab], folder: Path, base: str, **options: object) -> Iterator[Lab]:
    server = _SERVERS.get(base)
    if server is None or not server.alive:
        server = _SERVERS[base] = _Jupyter(base)
    server.forget()
    with page(**options) as browser_page:
        try:
            yield kind(server.url, folder, browser_page)
        finally:
            browser_page.close()
            server.forget()
