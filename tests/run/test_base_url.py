"""Base URLs in any form that people paste: they work, or the message names what was asked."""

import json
from pathlib import Path

import pytest
from aiohttp import web
from typer.testing import CliRunner

import pex
from pex.cli.commands import app
from pex.project.settings import ProviderSettings, Settings
from pex.run.base_url import base_url
from pex.run.endpoint import connect
from tests.helpers.endpoint import FaultyEndpoint

V1 = "/v1/chat/completions"
FORMS = [
    # as pasted, the page that is asked
    ("https://api.openai.com/v1", f"https://api.openai.com{V1}"),
    ("https://api.openai.com/v1/", f"https://api.openai.com{V1}"),
    ("https://api.openai.com/v1//", f"https://api.openai.com{V1}"),
    ("https://api.openai.com//v1/", f"https://api.openai.com{V1}"),
    ("https://api.openai.com", f"https://api.openai.com{V1}"),
    ("https://api.openai.com/", f"https://api.openai.com{V1}"),
    ("api.openai.com/v1", f"https://api.openai.com{V1}"),
    ("HTTPS://API.OpenAI.com/v1", f"https://api.openai.com{V1}"),
    ("https:/api.openai.com/v1", f"https://api.openai.com{V1}"),
    ("//api.openai.com/v1", f"https://api.openai.com{V1}"),
    (" 'https://api.openai.com/v1' ", f"https://api.openai.com{V1}"),
    ("<https://api.openai.com/v1>,", f"https://api.openai.com{V1}"),
    ("https://api.openai.com/v1/chat/completions", f"https://api.openai.com{V1}"),
    ("https://api.openai.com/v1/chat/completions/", f"https://api.openai.com{V1}"),
    ("https://api.openai.com/v1/chat", f"https://api.openai.com{V1}"),
    ("https://api.openai.com/v1/completions", f"https://api.openai.com{V1}"),
    ("https://api.openai.com/v1/responses", f"https://api.openai.com{V1}"),
    ("https://api.openai.com/v1/models", f"https://api.openai.com{V1}"),
    ("https://api.openai.com/v1/embeddings#usage", f"https://api.openai.com{V1}"),
    ("https//api.openai.com/v1", f"https://api.openai.com{V1}"),
    ("https;//api.openai.com/v1", f"https://api.openai.com{V1}"),
    ("https:///api.openai.com/v1", f"https://api.openai.com{V1}"),
    ("https://api.openai.com/v1/models/gpt-4.1", f"https://api.openai.com{V1}"),
    ("https://api.openai.com/v1/images/generations", f"https://api.openai.com{V1}"),
    ("https://api.openai.com/v1/moderations", f"https://api.openai.com{V1}"),
    ("http://localhost:11434/api/generate", f"http://localhost:11434{V1}"),
    ("http://localhost:11434/api/tags", f"http://localhost:11434{V1}"),
    ("http://localhost:8080/completion", f"http://localhost:8080{V1}"),
    ("http://localhost:8000/openapi.json", f"http://localhost:8000{V1}"),
    ("http://localhost:8000/redoc", f"http://localhost:8000{V1}"),
    (
        "https://bedrock-runtime.us-east-1.amazonaws.com",
        "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1/chat/completions",
    ),
    ("https://gw.test/v1?tenant=7", f"https://gw.test{V1}?tenant=7"),
    ("https://gw.test/v1/?a=1&b=", f"https://gw.test{V1}?a=1&b="),
    ("https://gw.test/v1/models?a=1#x", f"https://gw.test{V1}?a=1"),
    ("https://gw.test/llm/chat/completions", "https://gw.test/llm/chat/completions"),
    ("https://gw.test/chat/completions", "https://gw.test/chat/completions"),
    ("https://gw.test/a/b/v2", "https://gw.test/a/b/v2/chat/completions"),
    ("https://gw.test:8443", f"https://gw.test:8443{V1}"),
    ("https://user:pass@gw.test/v1", f"https://gw.test{V1}"),
    ("localhost:8000", f"http://localhost:8000{V1}"),
    ("localhost:11434/api/chat", "http://localhost:11434" + V1),
    ("127.0.0.1:1234/v1", f"http://127.0.0.1:1234{V1}"),
    ("[::1]:8000/v1", f"http://[::1]:8000{V1}"),
    ("10.0.0.7:8000", f"http://10.0.0.7:8000{V1}"),
    ("gpu-box:8000/v1", f"http://gpu-box:8000{V1}"),
    ("https://api.groq.com", "https://api.groq.com/openai/v1/chat/completions"),
    ("https://api.groq.com/openai", "https://api.groq.com/openai/v1/chat/completions"),
    ("https://openrouter.ai", "https://openrouter.ai/api/v1/chat/completions"),
    ("https://openrouter.ai/api", "https://openrouter.ai/api/v1/chat/completions"),
    ("https://api.anthropic.com/v1/messages", f"https://api.anthropic.com{V1}"),
    ("https://api.perplexity.ai", "https://api.perplexity.ai/chat/completions"),
    ("https://api.deepseek.com", f"https://api.deepseek.com{V1}"),
    ("https://api.deepseek.com/beta", "https://api.deepseek.com/beta/chat/completions"),
    (
        "https://generativelanguage.googleapis.com",
        "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
    ),
    (
        "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
        "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
    ),
    (
        "https://hub.test/models/org/m/v1/chat/completions",
        "https://hub.test/models/org/m/v1/chat/completions",
    ),
]

CLASSIC = "https://x.openai.azure.com/openai/deployments/m/chat/completions?api-version="
AZURE = [
    ("https://x.openai.azure.com", CLASSIC + "2024-10-21"),
    ("x.openai.azure.com/", CLASSIC + "2024-10-21"),
    ("https://x.openai.azure.com/openai", CLASSIC + "2024-10-21"),
    ("https://x.openai.azure.com/openai/deployments", CLASSIC + "2024-10-21"),
    ("https://x.openai.azure.com/openai/deployments/m", CLASSIC + "2024-10-21"),
    ("https://x.openai.azure.com/?api-version=2025-01-01-preview", CLASSIC + "2025-01-01-preview"),
    (CLASSIC + "2025-01-01-preview", CLASSIC + "2025-01-01-preview"),
    ("https://x.openai.azure.com/openai/v1", "https://x.openai.azure.com/openai" + V1),
    ("https://x.openai.azure.com/openai/v1/models", "https://x.openai.azure.com/openai" + V1),
    (
        "https://x.openai.azure.com/openai/v1/chat/completions?api-version=preview",
        f"https://x.openai.azure.com/openai{V1}?api-version=preview",
    ),
    (
        "https://x.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
        "https://x.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
    ),
]


def endpoint_of(name: str, **own: str) -> tuple[str, dict[str, str]]:
    settings = Settings(providers={name: ProviderSettings(**own)})
    found = connect(f"{name}/m", settings, Path())
    return found.url, found.headers


@pytest.mark.parametrize(("given", "asked"), FORMS)
def test_whatever_was_pasted(given: str, asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert endpoint_of("lab", base_url=given)[0] == asked
    monkeypatch.setenv("OPENAI_BASE_URL", given)
    monkeypatch.setenv("OPENAI_API_KEY", "" if "@" in given else "key-of-openai")
    if "@" not in given:
        assert endpoint_of("openai")[0] == asked


@pytest.mark.parametrize(("given", "asked"), AZURE)
@pytest.mark.parametrize("name", ["azure", "lab"])
def test_azure_in_all_its_forms(
    given: str, asked: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "0123456789abcdef")
    url, headers = endpoint_of(name, base_url=given, api_key_env="AZURE_OPENAI_API_KEY")
    assert url == asked
    assert headers == {"api-key": "0123456789abcdef"}


def test_azures_version_is_the_settings_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "0123456789abcdef")
    given = CLASSIC + "2025-01-01-preview"
    assert endpoint_of("azure", base_url=given, api_version="v9")[0] == CLASSIC + "v9"


def test_another_deployment_than_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "0123456789abcdef")
    given = CLASSIC.replace("/m/", "/other/") + "1"
    with pytest.raises(pex.PexError, match=r"names the deployment 'other'\n.*…/other"):
        endpoint_of("azure", base_url=given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("ftp://gw.test/v1", "must start with http"),
        ("ws://gw.test", "must start with http"),
        ("LAB_URL", "must start with http"),
        ("https://", "must be an address"),
        ("https://gw.test/v1 or so", "must be one address, without spaces"),
        ("https://gw.test:port/v1", "must be an address"),
        ("https://[::1/v1", "must be an address"),
    ],
)
def test_what_is_no_address_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, given: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        base_url(given, "m")
    (project / "pex.toml").write_text(f'[providers.lab]\nbase_url = "{given}"\n')
    exp = pex.Experiment("e", pex.grid(pex.Prompt("x", name="p"), "lab/m"), [{"a": 1}])
    with pytest.raises(pex.PexError, match=rf"pex.toml.*base_url.*{message}"):
        exp.run(record=False)
    (project / "pex.toml").write_text("")
    monkeypatch.setenv("OPENAI_BASE_URL", given)
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-openai")
    exp = pex.Experiment("e", pex.grid(pex.Prompt("x", name="p"), "openai/m"), [{"a": 1}])
    if given.strip():
        with pytest.raises(pex.PexError, match=f"variable OPENAI_BASE_URL: {message}"):
            exp.run(record=False)


def test_the_doctor_takes_an_address_with_a_deployment(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "0123456789abcdef")
    (project / "pex.toml").write_text(f'[providers.azure]\nbase_url = "{CLASSIC}1"\n')
    found = CliRunner().invoke(app, ["doctor", "--json"])
    by_name = {item["what"]: item for item in json.loads(found.stdout)["findings"]}
    assert by_name["azure"]["state"] == "ok"
    assert "https://x.openai.azure.com/openai/deployments/m" in by_name["azure"]["found"]


def test_a_login_in_the_address_is_sent_and_never_shown(lab: FaultyEndpoint, project: Path) -> None:
    login = lab.url.replace("://", "://me:pass%20word%21@")
    (project / "pex.toml").write_text(f'[providers.lab]\nbase_url = "{login}"\nfree = true\n')
    lab.reply = lambda body, number: web.json_response({"error": "pass word! no"}, status=404)
    exp = pex.Experiment("e", pex.grid(pex.Prompt("x", name="p"), "lab/m1"), [{"a": 1}])
    with pytest.raises(pex.PexError) as found:
        exp.run(record=False, show=False)
    assert lab.headers[0]["Authorization"] == "Basic bWU6cGFzcyB3b3JkIQ=="
    assert "pass" not in str(found.value)


def test_a_login_and_a_key_are_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_KEY", "key-of-the-lab")
    with pytest.raises(pex.PexError, match="login, and there is also a key"):
        endpoint_of("lab", base_url="https://me:pw@gw.test/v1", api_key_env="LAB_KEY")


@pytest.mark.parametrize("status", [404, 405])
def test_a_page_that_is_not_there_is_named(lab: FaultyEndpoint, project: Path, status: int) -> None:
    base = lab.url.removesuffix("/v1") + "/llm?tenant=7&api_key=abc"
    (project / "pex.toml").write_text(f'[providers.lab]\nbase_url = "{base}"\nfree = true\n')
    if status == 405:
        (project / "pex.toml").write_text(f'[providers.lab]\nbase_url = "{lab.url}"\nfree = true\n')
        lab.reply = lambda body, number: web.json_response({}, status=405)
    exp = pex.Experiment("e", pex.grid(pex.Prompt("x", name="p"), "lab/m1"), [{"a": 1}])
    with pytest.raises(pex.PexError) as found:
        exp.run(record=False, show=False)
    asked = lab.url.removesuffix("/v1")
    asked += "/llm/chat/completions?tenant=7&api_key=[redacted]" if status == 404 else V1
    assert f"address: {asked}" in str(found.value)


def test_azures_whole_deployment_url_is_asked(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    class Deployment(FaultyEndpoint):
        def add_routes(self, app: web.Application) -> None:
            async def chat(request: web.Request) -> web.StreamResponse:
                seen.append(f"{request.path_qs} {request.headers.get('api-key')}")
                return await self._chat(request)

            app.router.add_post("/openai/deployments/gpt/chat/completions", chat)

    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "0123456789abcdef")
    server = Deployment()
    with server.running():
        root = server.url.removesuffix("/v1")
        url = f"{root}/openai/deployments/gpt/chat/completions?api-version=2025-01-01-preview"
        (project / "pex.toml").write_text(f'[providers.azure]\nbase_url = "{url}"\nfree = true\n')
        exp = pex.Experiment("e", pex.grid(pex.Prompt("x", name="p"), "azure/gpt"), [{"a": 1}])
        assert exp.run(record=False, show=False).frame["output"].tolist() == ["x"]
    page = "/openai/deployments/gpt/chat/completions?api-version=2025-01-01-preview"
    assert seen == [f"{page} 0123456789abcdef"]
