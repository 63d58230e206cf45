"""Proxies: the environment's never gets what is for this machine, `proxy = ""` means none."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import pex
from pex.core.network import is_loopback, keep_loopback_direct
from pex.project.settings import ProviderSettings
from pex.run.proxy import proxy_for
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.proxy import RecordingProxy


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for spelled in (name, name.upper()):
            monkeypatch.setenv(spelled, "")  # so that it is put back, whatever a test does
            monkeypatch.delenv(spelled)


@pytest.fixture
def proxy() -> Iterator[RecordingProxy]:
    server = RecordingProxy()
    with server.running():
        yield server


def experiment(model: str = "lab/m1") -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="echo")
    return pex.Experiment("proxy", pex.grid(prompt, model, {"max_tokens": 2}), [{"word": "w"}])


def run(exp: pex.Experiment) -> pex.Results:
    return exp.run(record=False, show=False)


def settings(project: Path, url: str, more: str = "") -> None:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{url}"\nfree = true\ntimeout_s = 5\n{more}'
    )


def port(endpoint: FaultyEndpoint) -> int:
    return int(endpoint.url.rsplit(":", 1)[1].partition("/")[0])


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "0.0.0.0", "m.localhost"])
def test_a_proxy_of_the_environment_never_gets_loopback_traffic(
    lab: FaultyEndpoint,
    project: Path,
    proxy: RecordingProxy,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    host: str,
) -> None:
    if host in ("127.0.0.2", "m.localhost"):  # not all machines have these: nobody may be asked
        settings(project, f"http://{host}:1/v1")
        monkeypatch.setenv(variable, proxy.url)
        with pytest.raises(pex.PexError):
            run(experiment())
    else:
        settings(project, f"http://{host}:{port(lab)}/v1")
        monkeypatch.setenv(variable, proxy.url)
        assert run(experiment()).frame["output"].tolist() == ["w"]
    assert proxy.asked == []


def test_other_hosts_are_asked_through_it(
    lab: FaultyEndpoint, project: Path, proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(project, "http://lab.test/v1")
    proxy.elsewhere["lab.test"] = ("127.0.0.1", port(lab))
    monkeypatch.setenv("HTTP_PROXY", proxy.url.removeprefix("http://"))  # people leave it out
    assert run(experiment()).frame["output"].tolist() == ["w"]
    assert proxy.asked == ["http://lab.test/v1/models", "http://lab.test/v1/chat/completions"]


def test_an_empty_proxy_means_none(
    lab: FaultyEndpoint, project: Path, proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    for empty in ('""', '"  "'):
        settings(project, "http://no-such-host.invalid/v1", f"proxy = {empty}\n")
        with pytest.raises(pex.PexError, match=r"no such host: no-such-host\.invalid"):
            run(experiment())
    assert proxy.asked == []


def test_the_setting_comes_before_the_environment(
    lab: FaultyEndpoint, project: Path, proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    settings(project, "http://lab.test/v1", f'proxy = "{proxy.url}"\n')
    proxy.elsewhere["lab.test"] = ("127.0.0.1", port(lab))
    assert run(experiment()).frame["output"].tolist() == ["w"]


def test_what_fails_names_the_proxy_without_its_login(
    project: Path, proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = proxy.url.replace("://", "://me:hidden-word@")
    monkeypatch.setenv("HTTPS_PROXY", address)
    settings(project, "https://lab.test/v1")
    shown = proxy.url.removeprefix("http://")
    for status in (407, 502):
        proxy.status = status
        with pytest.raises(pex.PexError, match=f"through the proxy .*{shown}: .*{status}") as found:
            run(experiment())
        assert "hidden-word" not in str(found.value)
    assert "Proxy-Authorization" in proxy.headers[0]
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hidden-word@127.0.0.1:1")
    with pytest.raises(pex.PexError, match=r"through the proxy http://\[redacted\]@127.0.0.1:1"):
        run(experiment())


def test_a_row_that_failed_behind_a_proxy_names_it(
    project: Path, proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)
    settings(project, "http://lab.test/v1")
    proxy.status = 407
    with pytest.raises(pex.PexError, match=f"through the proxy {proxy.url}"):
        run(experiment())


@pytest.mark.parametrize("text", ["socks5://127.0.0.1:1080", "socks5h://127.0.0.1:1080"])
def test_a_proxy_of_another_kind_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    settings(project, "http://lab.test/v1")
    monkeypatch.setenv("ALL_PROXY", text)
    with pytest.raises(pex.PexError, match=r"ALL_PROXY: must start with http"):
        run(experiment())


def test_exceptions_of_the_environment_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", "corp.test")
    assert proxy_for("https://a.corp.test/v1", None, "x") is None
    assert proxy_for("https://a.other.test/v1", None, "x") == "http://proxy.test:3128"
    assert proxy_for("http://a.other.test/v1", None, "x") is None


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True), ("127.255.255.254", True), ("localhost", True), ("LOCALHOST.", True),
        ("model.localhost", True), ("::1", True), ("[::1]", True), ("0.0.0.0", True), ("::", True),
        ("::ffff:127.0.0.1", True), ("128.0.0.1", False), ("10.0.0.1", False), ("127.1", True),
        ("2130706433", True), ("0x7f000001", True), ("localhost.localdomain", True),
        ("ip6-localhost", True), ("10.1", False), ("face.cafe", False), ("127.0.0.1.nip.io", False),
        ("localhost.example.com", False), ("notlocalhost", False), ("", False), (None, False),
    ],
)  # fmt: skip
def test_what_this_machine_is_called(host: str | None, here: bool) -> None:
    assert is_loopback(host) is here


def test_other_clients_of_the_process_are_told(
    proxy: RecordingProxy, endpoint: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = pytest.importorskip("requests")
    keep_loopback_direct()
    assert "NO_PROXY" not in os.environ  # nothing to keep from
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("NO_PROXY", "corp.test")
        keep_loopback_direct()
        assert os.environ["no_proxy"].startswith("corp.test,")
        for host in ("127.0.0.1", "localhost", "0.0.0.0"):
            assert requests.get(f"http://{host}:{port(endpoint)}/v1/models").status_code == 200
        monkeypatch.delenv(name)
    assert proxy.asked == []


def test_mlflow_on_this_machine_is_asked_directly(
    lab: FaultyEndpoint, project: Path, proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record on a server of this machine: nobody answers there, and the proxy is not asked."""
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(pex.PexError, match="does not answer"):
        experiment().run(show=False)
    assert proxy.asked == []


def test_an_empty_setting_is_kept() -> None:
    assert ProviderSettings(proxy="").proxy == ""
    assert ProviderSettings().proxy is None
