"""A prompt in the registry as a run of an earlier version left it."""

import mlflow

import pex
from pex.library.content import encode
from pex.library.registry import link
from pex.library.registry_api import add


def registered_by_a_run(uri: str, prompt: pex.Prompt, note: str = "") -> None:
    """Register a version that nobody saved, and link it to a run."""
    client = mlflow.MlflowClient(uri)
    number, _ = add(client, uri, prompt.name, prompt, encode(prompt), note)
    link(client, client.create_run("0").info.run_id, [(prompt.name, number)])
