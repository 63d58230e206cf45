"""llama.cpp with the weights of the built-in model, as an OpenAI-compatible server."""

from __future__ import annotations

import os
from typing import Any

import psutil

from pex.local.package import MODEL, weights

SLOTS = 4
CONTEXT = 2048
"""Tokens of prompt and answer together, per slot."""


CACHE_MIB = 256
"""The size of the prompt cache; llama.cpp's own default is 8 GiB."""


def open_server(host: str, port: int, api_key: str, *, embeddings: bool = False) -> Any:
    """Load the model and listen; returns xllamacpp's server, which serves while it is referenced.

    With `embeddings` it serves `/v1/embeddings`: the mean over a text's tokens.

    Raises:
        RuntimeError: it cannot listen at this address.
    """
    # Threads that spin for long while waiting for each other stall when something else needs a
    # core: two servers at once then take ten times as long; with this setting, twice.
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
    if embeddings:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.cache_ram_mib = CACHE_MIB
    return xllamacpp.Server(params)
