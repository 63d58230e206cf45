"""The registry read over HTTP and from databases, compared with MLflow's own client."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import pex
from pex.core.errors import PexError
from pex.library.registry_answer import NotThereError
from pex.library.registry_over_http import HttpReader
from pex.library.registry_reader import reader_of
from pex.tracking.store import connect
from tests.helpers.mlflow_server import MlflowServer
from tests.helpers.postgres import postgres
from tests.helpers.served import forget, until

HI = pex.Prompt("Say {{ word }}.", "hi", model="openai/gpt-5-mini", params={"temperature": 0})
HO = pex.Prompt("Sing {{ word }} – 日本語 🙂.", "hi")
BOX = "🙂 " * 9000 + "{{ word }}"


@pytest.fixture(autouse=True)
def new_process() -> Iterator[None]:
    forget()
    yield
    forget()


def check(uri: str) -> None:
    """The reader and MLflow say the same of a registry."""
    client, reader = connect(uri), reader_of(uri)
    for prompt in (HI, HO):
        pex.library.save(prompt, alias="champion", tracking_uri=uri)
    pex.library.save(pex.Prompt(BOX, "box"), tracking_uri=uri)
    client.create_registered_model("a-model")
    client.delete_prompt_version("hi", "1")
    found, card = reader.prompt("hi", 60), client.get_prompt("hi")
    assert found.aliases == {"champion": 2}
    assert found.newest == 2
    assert card is not None
    assert {key: found.tags[key] for key in card.tags} == card.tags
    theirs = client.get_prompt_version("hi", "2")
    mine = reader.version("hi", 2, 60)
    assert {key: mine.tags[key] for key in theirs.tags} == theirs.tags
    assert mine.template == theirs.template
    assert mine.model_config == theirs.model_config
    assert set(reader.names(60)) == {"hi", "box"}
    for missing in ("ho", "a-model"):
        with pytest.raises(NotThereError):
            reader.prompt(missing, 60)
    for number in (1, 9):
        with pytest.raises(NotThereError):
            reader.version("hi", number, 60)
    forget()
    served = pex.library.load("hi@champion", tracking_uri=uri, timeout_s=60, ttl_s=0)
    assert (served, served.origin) == (HO, "hi/2")
    assert pex.library.load("box", tracking_uri=uri, timeout_s=60).text == BOX
    with pytest.raises(PexError, match=r"no prompt 'hu' in the library.*\n.*'hi'"):
        pex.library.load("hu", tracking_uri=uri, timeout_s=60)


def test_a_sqlite_file(uri: str) -> None:
    check(uri)


@pytest.mark.slow
def test_a_server_that_goes_down_and_comes_back(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    server = MlflowServer(folder)
    server.start()
    try:
        check(server.uri)
        server.kill()
        forget()
        prompt = pex.library.load("hi@champion", tracking_uri=server.uri, ttl_s=0)
        assert (prompt.source, prompt.origin) == ("cache", "hi/2")
        server.start()
        connect(server.uri).set_prompt_alias("box", "champion", 1)
        until(lambda: pex.library.load(
            "box@champion", fallback="x", tracking_uri=server.uri, ttl_s=0.5).origin)  # fmt: skip
    finally:
        server.kill()


@pytest.mark.postgres
def test_postgresql(project: Path) -> None:
    with postgres() as address:
        check(address.replace("postgresql://", "postgresql+pg8000://"))


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with what the test wants, and keeps what it was asked."""

    body, status, headers_seen = b"{}", 200, []  # type: ignore[var-annotated]

    def do_GET(self) -> None:
        type(self).headers_seen.append(dict(self.headers))
        self.send_response(self.status)
        if self.status == 302:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def odd_server() -> Iterator[tuple[str, type[Answers]]]:
    handler = type("Handler", (Answers,), {"headers_seen": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<html>a login page</html>", "not JSON"),
        (200, b"[1]", "not JSON"),
        (200, b"{}", "without 'registered_model'"),
        (200, b'{"registered_model": {"name": "hi"}}', "a model there, not a prompt"),
        (401, b"", "refused: 401"),
        (503, b"{", "refused: 503"),
        (302, b"", "refused: 302"),
        (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"}', "gone"),
    ],
)
def test_odd_answers_are_errors_that_say_so(
    odd_server: tuple[str, type[Answers]], status: int, body: bytes, said: str
) -> None:
    address, handler = odd_server
    handler.status, handler.body = status, body
    with pytest.raises(PexError, match=said):
        HttpReader(address).prompt("hi", 60)


def test_a_user_without_a_home_folder_has_no_saved_login(
    odd_server: tuple[str, type[Answers]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(user: int) -> object:
        raise KeyError(user)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", nobody)
    address, handler = odd_server
    handler.status = 503
    with pytest.raises(PexError, match="refused: 503"):
        HttpReader(address).prompt("hi", 60)


def test_the_login_is_the_one_that_mlflow_uses(
    odd_server: tuple[str, type[Answers]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address, handler = odd_server
    monkeypatch.setenv("HOME", str(tmp_path))
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    handler.body = json.dumps({"registered_model": {"name": "hi", "tags": tags}}).encode()

    def sent(uri: str = address) -> object:
        assert HttpReader(uri).prompt("hi", 60).newest == 0
        return handler.headers_seen[-1].get("Authorization")

    assert sent() is None
    assert sent(address.replace("//", "//u:p%40@")) == "Basic dTpwQA=="
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    assert sent() == "Bearer t0ken"
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    assert sent() == "Basic YWRhOnNlY3JldA=="
    for name in ("TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}")
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow" / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = ada\nmlflow_tracking_password = secret\n"
    )
    assert sent() == "Basic YWRhOnNlY3JldA=="
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert sent() == "Basic YWRhOnNlY3JldA=="
