"""llama.cpp with the weights of the built-in model, as an OpenAI-compatible server."""

from __future__ import annotations

import os
from typing import Any

import psutil

from pex.local.package import MODEL, weights

SLOTS = 4
CONTEXT = 2048
"""Tokens of prompt and answer together, for each of the slots."""


CACHE_MIB = 256
"""Prompts that were read are kept up to this size; llama.cpp's own default is 8 GiB."""


def open_server(host: str, port: int, api_key: str) -> Any:
    """Load the model and listen; returns xllamacpp's server, which serves until it is dropped.

    Raises:
        RuntimeError: it cannot listen there.
    """
    # Threads that wait for each other by spinning for long stand still as soon as something else
    # wants a core: two servers at once then take ten times as long, with this twice.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {MODEL}
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT
    # Hyper-threads share the units that matter here.
    params.cpuparams.n_threads = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    params.hostnames = [host]
    params.port = port
    params.api_keys = [api_key]
    params.ui = False
    params.cache_ram_mib = CACHE_MIB
    return xllamacpp.Server(params)
