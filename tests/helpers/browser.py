"""JupyterLab, MLflow and pages in a real headless Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Page, Request, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """The path of the installed Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    raise RuntimeError("Chromium is not installed; `make test` says how to get it")


@contextmanager
def page(width: int = 1300, height: int = 900, dark: bool = False) -> Iterator[Page]:
    """A new page; scripts that fail in it fail the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        try:
            yield browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
            )
        finally:
            browser.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: list[str], folder: Path, health: str, **environment: str) -> Iterator[None]:
    """Run a server until the block ends; it is up when `health` answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120  # MLflow takes long to start on a busy machine
        while True:
            try:
                urllib.request.urlopen(health, timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                assert time.monotonic() < deadline, f"{command[0]} did not start"
                assert process.poll() is None, f"{command[0]} ended"
                time.sleep(0.2)
        yield
    finally:
        family = [*psutil.Process(process.pid).children(recursive=True), process]
        for member in family:
            member.terminate()
        _, alive = psutil.wait_procs(
            [psutil.Process(m.pid) for m in family if psutil.pid_exists(m.pid)], timeout=5
        )
        for member in alive:
            member.kill()
        process.wait()


class Lab:
    """A JupyterLab on a folder, opened in a page."""

    def __init__(self, url: str, browser_page: Page) -> None:
        self.url = url
        self.page = browser_page

    def address(self, notebook: str) -> str:
        return f"{self.url}/lab/tree/{notebook}?token=t&reset"

    def open(self, notebook: str) -> None:
        """Open a notebook and wait until its kernel is there."""
        self.page.goto(self.address(notebook))
        self.ready()

    def ready(self) -> None:
        """Wait until the notebook is shown and its kernel is idle."""
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
            "?.status === 'idle'",
            timeout=60_000,
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

    def run_all(self, timeout_s: float = 300) -> None:
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
        return f"{self.url}/notebooks/{notebook}?token=t"


@contextmanager
def jupyterlab(folder: Path, base: str = "", **options: object) -> Iterator[Lab]:
    """JupyterLab on `folder`, in a page of its own; `base` is the server's base URL."""
    command = ["jupyterlab", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url="]
    with _jupyter(Lab, command, folder, base, **options) as lab:
        yield lab


@contextmanager
def notebook7(folder: Path, base: str = "", **options: object) -> Iterator[Lab]:
    """Notebook 7 on `folder`, in a page of its own; `base` is the server's base URL."""
    command = ["notebook", "--JupyterNotebookApp.expose_app_in_browser=True"]
    with _jupyter(Notebook7, command, folder, base, **options) as lab:
        yield lab


@contextmanager
def _jupyter(
    kind: type[Lab], program: list[str], folder: Path, base: str, **options: object
) -> Iterator[Lab]:
    port = free_port()
    command = [
        *program,
        "--no-browser",
        f"--port={port}",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.base_url={base or '/'}",
        "--IdentityProvider.token=t",
        "--allow-root",
    ]
    url = f"http://127.0.0.1:{port}{base}"
    # Without this JupyterLab asks on its first start whether it may fetch news.
    news = folder / ".jupyter/settings/@jupyterlab/apputils-extension"
    news.mkdir(parents=True, exist_ok=True)
    (news / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    private = {
        "JUPYTER_CONFIG_DIR": str(folder / ".jupyter"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / ".jupyter" / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / ".jupyter" / "workspaces"),
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    with serving(command, folder, f"{url}/api", **private), page(**options) as browser_page:
        yield kind(url, browser_page)
