"""The service of docs/service, on the built-in model."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from starlette.testclient import TestClient

import pex
from pex import local
from tests.helpers import ROOT
from tests.helpers.model import VARIABLE
from tests.helpers.served import forget

pytestmark = pytest.mark.model
QUESTION = "Review: {{ review }}\nIs this review positive or negative? Answer with one word."


@pytest.fixture
def service(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The service as `uvicorn` loads it, with the built-in model behind it."""
    served = local.ensure(Path(os.environ[VARIABLE]))
    monkeypatch.setenv("OPENAI_BASE_URL", served.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", served.api_key)
    monkeypatch.setenv("MODEL", "smollm2")
    spec = importlib.util.spec_from_file_location("app", ROOT / "docs" / "service" / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    forget()
    yield module
    forget()


def test_it_labels_with_the_champion_and_says_which(service: Any, uri: str) -> None:
    mlflow.set_tracking_uri(uri)
    params = {"temperature": 0, "max_tokens": 8}
    for text in (QUESTION, f"{QUESTION} Say it now."):
        prompt = pex.Prompt(text, "review-sentiment", params=params)
        pex.library.save(prompt, alias="champion")
    forget()
    mlflow.openai.autolog()
    with TestClient(service.app) as client:
        first = client.post("/label", json={"text": "I love it. Works perfectly."}).json()
        assert first["label"]
        assert (first["prompt"], first["source"]) == ("review-sentiment/2", "memory")
        pex.library.disable("review-sentiment", 2, "it shouts")
        again = client.post("/label", json={"text": "I love it. Works perfectly."}).json()
        assert again["prompt"] == "review-sentiment/1"
        (line,) = client.get("/health").json()
        assert (line["version"], line["problem"]) == ("review-sentiment/1", None)
    mlflow.flush_trace_async_logging()
    mlflow.openai.autolog(disable=True)
    for version in (1, 2):
        query = f"prompt = 'review-sentiment/{version}'"
        assert len(mlflow.search_traces(filter_string=query, return_type="list")) == 1
    mlflow.tracing.reset()
    mlflow.tracing.configure(span_processors=[])


def test_it_goes_on_without_a_registry(service: Any, project: Path) -> None:
    with TestClient(service.app) as client:
        told = client.post("/label", json={"text": "It broke on the first day."}).json()
        assert told["label"]
        assert (told["prompt"], told["source"]) == (None, "fallback")
        (line,) = client.get("/health").json()
        assert "no prompt 'review-sentiment'" in line["problem"]
