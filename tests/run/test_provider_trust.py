"""Which settings of a project direct a key or run a command, and that nothing else asks."""

from __future__ import annotations

from pathlib import Path

import pytest

import pex
from pex.project.settings import ProviderSettings, Settings, load_settings
from pex.project.trust import TrustError, fingerprint
from pex.run.endpoint import connect
from pex.run.provider_trust import asks_for_trust, check_models, directed, is_remote
from pex.tracking.store import tracking_uri
from tests.helpers.command import pexlab


@pytest.fixture(autouse=True)
def nobody_is_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PEX_TRUST")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("VLLM_API_KEY", "VLLM_BASE_URL", "OLLAMA_BASE_URL", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def of(project: Path, text: str) -> Settings:
    (project / "pex.toml").write_text(text)
    return load_settings(project)


DIRECTED = {
    "a redirect": ('[providers.openai]\nbase_url = "https://x.example"', "OPENAI_API_KEY would"),
    "to this machine": (
        '[providers.openai]\nbase_url = "http://127.0.0.1:9"',
        "OPENAI_API_KEY would be sent to http://127.0.0.1:9",
    ),
    "http for https": (
        '[providers.openai]\nbase_url = "http://api.openai.com/v1"',
        "to http://api.openai.com/v1",
    ),
    "another port": (
        '[providers.openai]\nbase_url = "https://api.openai.com:8443/v1"',
        "https://api.openai.com:8443/v1",
    ),
    "a name that looks alike": (
        '[providers.openai]\nbase_url = "https://api.openai.com.x.example"',
        "x.example",
    ),
    "somebody's Azure": (
        '[providers.azure]\nbase_url = "https://x.openai.azure.com"',
        "AZURE_OPENAI_API_KEY would be sent to https://x.openai.azure.com",
    ),
    "a new provider": (
        '[providers.lab]\nbase_url = "https://x.example"\napi_key_env = "AWS_SECRET_ACCESS_KEY"',
        "AWS_SECRET_ACCESS_KEY would",
    ),
    "another key": ('[providers.openai]\napi_key_env = "GITHUB_TOKEN"', "GITHUB_TOKEN would"),
    "a command": (
        '[providers.lab]\nbase_url = "https://x.example"\ntoken_command = "rm -rf /"',
        "the command 'rm -rf /' would be run",
    ),
    "a command beside a built-in address": (
        '[providers.openai]\ntoken_command = "./get"',
        "the command './get' would be run",
    ),
    "a proxy": (
        '[providers.openai]\nproxy = "http://x.example:3128"',
        "through the proxy http://x.example:3128",
    ),
    "certificates": ('[providers.openai]\nca_bundle = "ca.pem"', "certificates in ca.pem"),
    "another virtual host": ('[providers.openai.headers]\nhost = "x.example"', "OPENAI_API_KEY"),
    "a server": ('[record]\ntracking_uri = "http://127.0.0.1:5000"', "MLflow's login"),
    "Databricks": ('[record]\ntracking_uri = "databricks"', "MLflow's login"),
    "a database": ('[record]\ntracking_uri = "postgresql://x.example/db"', "MLflow's login"),
}


@pytest.mark.parametrize("name", DIRECTED)
def test_what_needs_trust(name: str, project: Path) -> None:
    text, said = DIRECTED[name]
    settings = of(project, text)
    [part] = asks_for_trust(settings)
    assert said in part.text
    kind, _, provider = part.section.partition(".")
    with pytest.raises(TrustError, match="pexlab trust"):
        _ = (
            tracking_uri(project, settings)
            if kind == "record"
            else (connect(f"{provider}/m", settings, project / ".pex"))
        )
    assert pexlab("trust", folder=project).returncode == 0
    assert asks_for_trust(settings) == []


FREE = {
    "limits": "[providers.openai]\nmax_in_flight = 4\nrequests_per_minute = 60\ntimeout_s = 9",
    "its own address": '[providers.openai]\nbase_url = "https://api.openai.com/v1/"',
    "its own key": '[providers.openai]\napi_key_env = "OPENAI_API_KEY"',
    "no proxy": '[providers.openai]\nproxy = ""',
    "open headers": '[providers.openrouter.headers]\nHTTP-Referer = "x"\nX-Title = "y"',
    "without a key": '[providers.lab]\nbase_url = "http://gpu.example:8000/v1"\nfree = true',
    "without a key, through a proxy": '[providers.lab]\nbase_url = "http://g"\nproxy = "http://p"',
    "vLLM elsewhere, no key set": '[providers.vllm]\nbase_url = "http://gpu.example:8000/v1"',
    "Ollama elsewhere": '[providers.ollama]\nbase_url = "http://gpu.example:11434"',
    "the built-in model": '[providers.local]\nmax_in_flight = 2\nbase_url = "http://x.example"',
    "prices, budget": '[prices."lab/m"]\ninput_usd_per_million = 1\noutput_usd_per_million = 1',
    "a local record": '[record]\ntracking_uri = "sqlite:////data/mlflow.db"\ntraces = "all"',
    "a journal of the user's": '[journal]\nurl_env = "MY_DATABASE"',
}


@pytest.mark.parametrize("name", FREE)
def test_what_never_asks(name: str, project: Path) -> None:
    settings = of(project, FREE[name])
    assert asks_for_trust(settings) == []
    check_models([f"{provider}/m" for provider in settings.providers], settings)
    tracking_uri(project, settings)


def test_a_key_that_is_there_is_one_that_is_sent(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = of(project, FREE["vLLM elsewhere, no key set"])
    monkeypatch.setenv("VLLM_API_KEY", "k")
    with pytest.raises(TrustError, match=r"VLLM_API_KEY would be sent to http://gpu\.example:8000"):
        check_models(["vllm/m"], settings)


def test_the_users_address_asks_nothing_unless_a_proxy_sees_its_login(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_BASE_URL", "https://me:pw@ollama.example")
    assert asks_for_trust(of(project, "")) == []
    [part] = asks_for_trust(of(project, '[providers.ollama]\nproxy = "http://x.example"'))
    assert "the login in OLLAMA_BASE_URL would be sent" in part.what


def test_settings_made_in_python_are_the_users_own(tmp_path: Path) -> None:
    own = ProviderSettings(base_url="http://127.0.0.1:9", api_key_env="HOME")
    settings = Settings(providers={"lab": own})
    assert connect("lab/m", settings, tmp_path).headers["Authorization"].startswith("Bearer ")


def test_another_model_of_the_project_asks_nothing(project: Path) -> None:
    settings = of(project, DIRECTED["a new provider"][0])
    check_models(["local/smollm2", "anthropic/m"], settings)


CHANGES = {
    "base_url": ('base_url = "https://b.example"', True),
    "api_key_env": ('base_url = "https://a.example"\napi_key_env = "OTHER"', True),
    "token_command": ('base_url = "https://a.example"\ntoken_command = "x"', True),
    "proxy": ('base_url = "https://a.example"\nproxy = "http://p.example"', True),
    "ca_bundle": ('base_url = "https://a.example"\nca_bundle = "ca.pem"', True),
    "host": ('base_url = "https://a.example"\nheaders = {Host = "x"}', True),
    "limits": ('base_url = "https://a.example"\nmax_in_flight = 4\nfree = true', False),
    "an open header": ('base_url = "https://a.example"\nheaders = {X-Title = "x"}', False),
    "another section": ('base_url = "https://a.example"\n[budget]\nusd_per_run = 1', False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_asks_again_where_it_directs(name: str, project: Path) -> None:
    text, asks = CHANGES[name]
    before = directed(of(project, '[providers.openai]\nbase_url = "https://a.example"'))
    assert pexlab("trust", folder=project).returncode == 0
    settings = of(project, f"[providers.openai]\n{text}")
    assert (fingerprint(directed(settings)) != fingerprint(before)) is asks
    assert bool(asks_for_trust(settings)) is asks


def test_what_is_at_hand_changes_no_fingerprint(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = of(project, FREE["vLLM elsewhere, no key set"])
    before = fingerprint(directed(settings))
    monkeypatch.setenv("VLLM_API_KEY", "k")
    assert fingerprint(directed(settings)) == before


def test_a_users_own_client_needs_none(project: Path) -> None:
    import openai

    of(project, DIRECTED["a redirect"][0])
    client = openai.OpenAI(api_key="k", base_url="http://127.0.0.1:9/v1", max_retries=0)
    exp = pex.Experiment(
        "own",
        [pex.Variant(pex.Prompt("x", "p"), pex.Model(client, "m", provider="openai"))],
        [{"word": "a"}],
    )
    (project / "pex.toml").write_text(
        DIRECTED["a redirect"][0] + '\n[prices."openai/m"]\ninput_usd_per_million = 0\n'
        "output_usd_per_million = 0\n"
    )
    with pytest.raises(pex.PexError, match="cannot be reached"):
        exp.run(record=False)


@pytest.mark.parametrize(
    ("address", "remote"),
    [
        ("sqlite:///mlruns/mlflow.db", False),
        ("sqlite:////data/mlflow.db?timeout=5", False),
        ("mlruns", False),
        ("./mlruns", False),
        ("/data/a:b", False),
        ("file:///data", False),
        ("file://localhost/data", False),
        (r"C:\data", False),
        ("", False),
        ("file://x.example/share", True),
        ("\\\\x.example\\share", True),
        ("sqlite://x.example/a", True),
        (" http://x.example", True),
        ("HTTPS://x.example", True),
        ("uc:profile", True),
        ("Databricks", True),
        ("mysql+pymysql://x.example/db", True),
        ("mlflow-artifacts:/0", True),
        ("dbfs:/x", True),
        ("hdfs://x/y", True),
    ],
)
def test_what_is_elsewhere(address: str, remote: bool) -> None:
    assert is_remote(address) is remote
