"""`pexlab model`: install, serve, stop and look at the built-in model."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from pex import local
from pex.cli import console
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.project.settings import load_settings

app = typer.Typer(
    help="The built-in model local/smollm2: a small real language model, without a key.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@app.command()
def install() -> None:
    """Install what the built-in model needs into this environment (about 120 MB)."""
    local.install(console.out)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port, 0 for a free one.")] = 8765,
    api_key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The variable with the key that clients must send."),
    ] = None,
) -> None:
    """Serve the built-in model to any OpenAI-compatible client, until Ctrl-C."""
    key = os.environ.get(api_key_env or "", "")
    if api_key_env and not key:
        raise PexError(f"the environment variable {api_key_env} is not set")
    if host not in _LOOPBACK and not key:
        raise PexError(
            f"--host {host} lets other machines in, so a key of your own is needed",
            hint="--api-key-env NAME",
        )
    key = key or secrets.token_urlsafe(16)
    shown = f"${api_key_env}" if api_key_env else key

    def say(url: str) -> None:
        console.out(
            f"base URL  {url}\nmodel     {local.MODEL}\nkey       {shown}\n\n"
            f"curl {url}/chat/completions -H 'Authorization: Bearer {shown}' "
            "-H 'Content-Type: application/json' \\\n"
            f"""  -d '{{"model": "{local.MODEL}", "messages": """
            """[{"role": "user", "content": "Say hello."}]}'\n\nCtrl-C ends it."""
        )

    try:
        local.serve(host, port, key, say)
    except KeyboardInterrupt:
        console.err("ended")


@app.command()
def stop() -> None:
    """Stop this project's server."""
    console.out("stopped" if local.stop(_state()) else "no server was running")


@app.command()
def status() -> None:
    """Show whether the model is installed and this project's server is running."""
    absent = local.missing()
    if absent is not None:
        raise PexError(absent)
    server = local.status(_state())
    if server is None:
        console.out("installed; the server starts on first use")
    else:
        console.out(f"running at {server.base_url} (process {server.pid})")


def _state() -> Path:
    project = find_project()
    return project / load_settings(project).journal.path
