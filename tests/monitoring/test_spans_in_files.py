"""Traces whose spans are a file: a broken one is a trace without spans, an outage is an error."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pex.core.errors import PexError
from pex.monitoring.api_traces import ApiTraces
from pex.monitoring.reading import fetch_texts, read_traces
from pex.monitoring.spec import Source
from pex.monitoring.sql_traces import SqlTraces
from tests.helpers.deployed import bulk_traces

SHOP = Source(experiment="shop")
FILES = ("whole", "broken", "missing", "failing")


class Shelf(http.server.ThreadingHTTPServer):
    """A server of traces' files, some of which it cannot give."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = {"missing": 404, "failing": 500}
        self.content = {"broken": b'{"spans": [{"na'}


class Handler(http.server.BaseHTTPRequestHandler):
    server: Shelf

    def do_GET(self) -> None:
        name = self.path.split("/")[1]
        self.send_response(self.server.status.get(name, 200))
        body = self.server.content.get(name, b"")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not a word."""


@pytest.fixture
def shelf(uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """A store with one trace of each file."""
    server = Shelf()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    at = f"http://127.0.0.1:{server.server_address[1]}"
    bulk_traces(uri, "shop", [
        {"trace_id": f"tr-{name}", "tags": {
            "mlflow.artifactLocation": f"{at}/{name}",
            "mlflow.trace.spansLocation": "ARTIFACT_REPO",
        }}
        for name in FILES
    ])  # fmt: skip
    with SqlTraces(uri) as store:  # MLflow's older files have the same JSON of spans
        spans = [json.loads(content) for _, content, _ in store.span_contents(["tr-whole"])]
    server.content["whole"] = json.dumps({"spans": spans}).encode()
    monkeypatch.setattr(SqlTraces, "is_current", lambda _: False)  # so MLflow's client is asked
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    yield server
    server.shutdown()
    server.server_close()


def test_a_file_that_cannot_be_read_is_one_trace_without_spans(
    uri: str, tmp_path: Path, shelf: Shelf
) -> None:
    found = read_traces(uri, SHOP, tmp_path)
    models = found.frame.set_index("trace_id")["model"]
    assert models["tr-whole"] == "gpt-4.1-mini"
    assert models.isna().sum() == 3
    assert "3 traces without spans: only what MLflow's summary says is known of them" in (
        found.remarks
    )
    texts = fetch_texts(uri, ["tr-broken", "tr-gone", "tr-whole"])
    assert [(key, one.request) for key, one in texts.items()] == [
        ("tr-broken", None), ("tr-whole", "How long does the delivery to Bern take, please?"),
    ]  # fmt: skip


@pytest.mark.parametrize("away", ["too busy", "gone"])
def test_a_server_of_files_that_is_away_ends_the_reading_and_nothing_wrong_is_kept(
    uri: str, tmp_path: Path, shelf: Shelf, away: str
) -> None:
    if away == "too busy":
        shelf.status["whole"] = 503
    else:
        shelf.shutdown()
        shelf.server_close()
    for act in (
        lambda: read_traces(uri, SHOP, tmp_path),
        lambda: fetch_texts(uri, ["tr-whole"]),
        lambda: ApiTraces(uri).of_file("tr-whole"),
    ):
        with pytest.raises(PexError, match="cannot be read: where it keeps the spans of trace"):
            act()
    if away == "too busy":
        del shelf.status["whole"]
        found = read_traces(uri, SHOP, tmp_path)
        assert found.new == 4
        assert found.frame["model"].notna().sum() == 1
    assert ApiTraces(uri).of_file("tr-gone") is None
