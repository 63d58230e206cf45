from __future__ import annotations

import base64
import html
import itertools
import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from pex.guard import key_names, redact
from pex.project.settings import load_settings


def test_values_of_key_variables_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_API_KEY", "sk-12345678")
    monkeypatch.setenv("HOME_TOWN", "Springfield")
    assert redact.redact("sk-12345678 in Springfield") == "[redacted] in Springfield"


def test_the_longest_value_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "abcdefgh")
    monkeypatch.setenv("B_KEY", "abcdefgh-and-more")
    assert redact.redact("x abcdefgh-and-more y") == "x [redacted] y"


def test_short_values_are_words_not_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_KEY", "local")
    assert redact.redact("the local model") == "the local model"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("http://user:pass@host/v1", "http://[redacted]@host/v1"),
        ("Authorization: Bearer abc.def-ghi_123", "Authorization: Bearer [redacted]"),
        ("a bearer of news", "a bearer of news"),
    ],
)
def test_logins_and_headers(text: str, clean: str) -> None:
    assert redact.redact(text) == clean


KEY_NAMES = """
OPENAI_API_KEY OPENAI_API_KEY_2 OPENAI_KEY2 API_KEY_B LAB_KEY_PROD lab_api_key APIKEY OPENAIAPIKEY
GITHUB_TOKEN TOKEN TOKEN_3 AWS_SESSION_TOKEN SAS_TOKEN AWS_SECRET_ACCESS_KEY AWS_ACCESS_KEY_ID
DB_PASSWORD PGPASSWORD MYSQL_PWD SMTP_PASS SSHPASS GPG_PASSPHRASE PASSWD RSYNC_PASSWORD
REDISCLI_AUTH GITHUB_PAT AZURE_PAT SENTRY_DSN DB_DSN AZURE_STORAGE_CONNECTION_STRING
STORAGE_CONN_STR NPM_AUTH
npm_config__auth API_BEARER TLS_PRIVATE_KEY JWT_SIGNING_KEY STORAGE_ACCESS_KEY SLACK_WEBHOOK
SLACK_WEBHOOK_URL TEAMS_WEBHOOK_URL_2 GOOGLE_CREDENTIALS GOOGLE_CREDENTIALS_JSON SESSION_COOKIE
API_KEYS LAB_JWT DJANGO_SECRET_KEY KEY_BASE64 DEPLOY_KEY_V2 CI_JOB_TOKEN MLFLOW_TRACKING_PASSWORD
"""
OTHER_NAMES = """
MONKEY KEYBOARD KEY_COUNT TLS_KEY_FILE PRIVATE_KEY_PATH TOKENIZERS_PARALLELISM KMS_KEY_ID SSH_KEY_ID
PATH PWD OLDPWD PASSWORD_STORE_DIR SSH_AUTH_SOCK SSH_CONNECTION SSH_ASKPASS XAUTHORITY XDG_DATA_HOME
TOKEN_URL AUTH_URL GIT_AUTHOR_NAME SECRET_NAME PASSWORD_MIN_LENGTH MAX_TOKENS EOS_TOKEN PAD_TOKEN
COMPASS TURKEY HOSTKEYALIAS DATABASE_URL WEBHOOK_PORT COOKIE_DOMAIN PATH_2 SPATIAL DSN_TIMEOUT _
PYTHONHASHSEED KEYMAP KEYTIMEOUT BYPASS MLFLOW_TRACKING_URI AUTHOR AUTH_TYPE CONNECTION_STRING_NAME
"""


@pytest.mark.parametrize("name", KEY_NAMES.split())
def test_names_of_keys(name: str) -> None:
    assert key_names.is_key_name(name)


@pytest.mark.parametrize("name", OTHER_NAMES.split())
def test_names_of_other_things(name: str) -> None:
    assert not key_names.is_key_name(name)


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("DATABASE_URL", "postgresql://lab:open-sesame@db.example/lab", "open-sesame"),
        ("DATABASE_URL", "postgresql://lab:open%2Fsesame@db.example/lab", "open/sesame"),
        ("MLFLOW_TRACKING_URI", "https://lab:open-sesame@mlflow.example", "bGFiOm9wZW4tc2VzYW1l"),
        ("HTTPS_PROXY", "http://lab:open-sesame@proxy.example:3128", "open-sesame"),
        ("https_proxy", "lab:open-sesame@proxy.example:3128", "open-sesame"),
        ("ALL_PROXY", "http://lab:open/sesame@proxy.example:3128", "open/sesame"),
        ("DATABASE_URL", "postgresql://lab:open#se?same/1@db.example/lab", "open#se?same/1"),
        ("REDIS", "rediss://:open-sesame@cache.example/0", "open-sesame"),
        ("PIP_INDEX_URL", "https://a1b2c3d4e5f6a7b8@pypi.example/simple", "a1b2c3d4e5f6a7b8"),
        ("INDEX", "https://open-sesame:x-oauth-basic@git.example", "open-sesame"),
        ("BLOB", "https://store.example/c?sv=2024-01-01&sig=a1%2Bb2c3d4e5f6", "a1+b2c3d4e5f6"),
        ("SERVICE", "https://h.example/v1?api_key=open-sesame#top", "open-sesame"),
        ("MIRRORS", "https://h.example https://me:open-sesame@i.example", "open-sesame"),
        ("DB_CONNECTION_STRING", "Server=db;User Id=lab;Password=open-sesame;", "open-sesame"),
        ("DB_DSN", "host=db user=lab password=open-sesame", "open-sesame"),
        ("STORE_CONNECTION_STRING", "AccountName=a;AccountKey=open+sesame==", "open+sesame=="),
        ("NPM_AUTH", "lab:open-sesame", "open-sesame"),
        ("DATABASE_URL", "postgresql://lab:sesame@db.example/lab", "lab:sesame"),
        ("SLACK_WEBHOOK", "https://h.example/services/T0/open", "/services/T0/open"),
        ("SMTP_DSN", "smtp://lab:open-sesame@mail.example:587", "open-sesame"),
        ("LAB_AUTH", "Bearer open-sesame", "open-sesame"),
        ("API_KEYS", "open-sesame-1,open-sesame-2", "open-sesame-2"),
        ("GOOGLE_CREDENTIALS", '{"type": "x", "a": {"private_key": "open-sesame"}}', "open-sesame"),
    ],
    ids=itertools.count(),  # pytest puts a test's name into a variable, with the address in it
)
def test_the_keys_within_a_value(
    name: str, value: str, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"it said {secret} twice"
    assert redact.redact_values(text) == text
    monkeypatch.setenv(name, value)
    assert redact.redact_values(text) == "it said [redacted] twice"
    assert secret not in redact.redact_values(f"{name}={value}")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("DATABASE_URL", "postgresql://laboratory@db.example/lab", "the laboratory at db.example"),
        ("GIT_REMOTE", "ssh://git@git.example/repository", "git at git.example, repository"),
        ("HOMEPAGE", "https://researcher@example.org", "researcher of example.org"),
        ("DATABASE_URL", "postgresql://postgres:postgres@localhost/lab", "postgresql, postgres"),
        ("NPM_AUTH", "required", "it is required"),
        ("OPENAI_API_KEY", "changeme", "an unchangemeant"),
        (
            "LAB_DSN",
            "postgresql://localhost:5432/laboratory",
            "postgresql://localhost:5432/laboratory",
        ),
        ("DOCS", "https://docs.example:8080/users/@research/notes", "8080/users/ of @research"),
        ("DOCS", "https://docs.example/v1?version=2024-10-21&lang=de", "2024-10-21 in de"),
        ("OPENAI_API_KEY", "EMPTY", "EMPTY is a word"),
        ("OPENAI_API_KEY", "none", "none of it"),
        ("OPENAI_API_KEY", "4711", "4711 of 4711"),
    ],
)
def test_what_stays_readable(
    name: str, value: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert redact.redact(text) == text


def test_the_path_of_a_key_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "credentials.json"
    path.write_text("{}")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    assert redact.redact(f"cannot read {path}") == f"cannot read {path}"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("sk-1 was refused", "[redacted] was refused"),
        ('{"key":"sk-1"}', '{"key":"[redacted]"}'),
        ("a%20sk-1%0a", "a%20[redacted]%0a"),
        ("a\\u003dsk-1\\u0026", "a\\u003d[redacted]\\u0026"),
        ("a\\nsk-1\\n", "a\\n[redacted]\\n"),
        ("sk-10 and task-1 and sk-1a", "sk-10 and task-1 and sk-1a"),
    ],
)
def test_a_short_key_goes_where_it_stands_alone(
    text: str, clean: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "sk-1")
    assert redact.redact_values(text) == clean


KEY = "Ab1+/=\"'&<> \\é\nZz9"
WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "json": json.dumps,
    "json in json": lambda key: json.dumps(json.dumps({"k": key})),
    "json in json in html": lambda key: html.escape(json.dumps(json.dumps(key))),
    "json with letters": lambda key: json.dumps(key, ensure_ascii=False),
    "json as PHP writes it": lambda key: json.dumps(key).replace("/", "\\/"),
    "json as Go writes it": lambda key: json.dumps(key).replace("<", "\\u003c"),
    "json as .NET writes it": lambda key: json.dumps(key).replace("+", "\\u002B"),
    "repr": repr,
    "repr of bytes": lambda key: repr(key.encode("latin-1")),
    "repr in repr": lambda key: repr([repr({"k": key})]),
    "html": html.escape,
    "html with other quotes": lambda key: html.escape(key).replace("&#x27;", "&apos;"),
    "html with numbers": lambda key: html.escape(key, quote=False).replace("+", "&#43;"),
    "html of html": lambda key: html.escape(html.escape(key)),
    "address": lambda key: urllib.parse.quote(key, safe=""),
    "address with slashes": urllib.parse.quote,
    "form": urllib.parse.quote_plus,
    "address in small letters": lambda key: urllib.parse.quote(key).replace("%2B", "%2b"),
    "address in an address": lambda key: urllib.parse.quote(urllib.parse.quote(key)),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of a login": lambda key: base64.b64encode(f"a:{key}".encode()).decode(),
    "base64 of a longer login": lambda key: base64.b64encode(f"lab:{key}".encode()).decode(),
    "base64 for an address": lambda key: base64.urlsafe_b64encode(f"ab:{key}".encode()).decode(),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("key", [KEY, "open+sesame/4711==", "sk-abcdefghijkl"])
def test_a_key_is_found_however_it_is_written(
    way: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", key)
    clean = redact.redact_values(f"before {WAYS[way](key)} after")
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert "[redacted]" in clean
    # What is left of base64 is at most what depends on what stands beside the key.
    assert len(clean) < len("before [redacted] after") + 30
    assert not [run for run in ("Ab1", "Zz9", "sesame", "fghij") if run in clean]


def test_a_variable_that_is_set_later_counts(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pex.toml").write_text(
        '[providers.lab]\nbase_url = "http://x.test"\napi_key_env = "MY_LAB_ACCESS"\n'
    )
    load_settings(project)
    monkeypatch.setenv("MY_LAB_ACCESS", "open-sesame")
    assert redact.redact_values("open-sesame") == "[redacted]"


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ('[providers.lab]\napi_key_env = "UNUSUAL"', None),
        ('[providers.lab.headers]\nX-Door = {env = "UNUSUAL"}', None),
        ('[journal]\nurl_env = "UNUSUAL"', "postgresql://me:open-4711-sesame@db.test/lab"),
        ('[providers.lab.headers]\nX-Door = "open-4711-sesame"', ""),
        ('[providers.lab]\nbase_url = "https://me:open-4711-sesame@gw.test/v1"', ""),
        ('[providers.lab]\nbase_url = "https://gw.test/v1?api_key=open-4711-sesame"', ""),
        ('[providers.lab]\nproxy = "http://me:open-4711-sesame@proxy.test:3128"', ""),
        ('[record]\ntracking_uri = "https://me:open-4711-sesame@mlflow.test"', ""),
    ],
)
def test_what_settings_say_is_secret_is_known_once_they_are_read(
    settings: str, value: str | None, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNUSUAL", "open-4711-sesame" if value is None else value)
    (project / "pex.toml").write_text(settings)
    load_settings(project)
    assert redact.redact_values("it said open-4711-sesame") == "it said [redacted]"


@pytest.mark.parametrize(
    ("name", "value", "goes"),
    [
        ("X-Api-Key", "plainwords", True),
        ("Authorization", "Bearer plain-words-only", True),
        ("X-Gate", "open-4711-sesame", True),
        ("Cookie", "session=abcdefgh", True),
        ("Cf-Access-Client-Id", "0123abcd.access", True),
        ("X-Team", "research", False),
        ("HTTP-Referer", "https://example.com/lab7", False),
        ("User-Agent", "lab/1.2 (linux)", False),
        ("anthropic-version", "2023-06-01", False),
        ("Content-Type", "application/json", False),
        ("X-Api-Key", "short", False),
    ],
)
def test_values_of_headers(name: str, value: str, goes: bool) -> None:
    redact.register_headers({name: value})
    assert (value not in redact.redact(f"the endpoint said {value} twice")) is goes


def test_a_key_behind_its_scheme_is_known_alone() -> None:
    redact.register_headers({"Authorization": "Bearer plain-words-only"})
    assert redact.redact("you sent plain-words-only") == "you sent [redacted]"


def test_known_values_as_they_look_in_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_KEY", "open/sesame+now")
    assert redact.redact("https://h/a-open%2Fsesame%2Bnow") == "https://h/a-[redacted]"


def test_an_answer_loses_known_values_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_KEY", "sesame-sesame")
    text = "sesame-sesame, and for example sk-0123456789abcdef01234567"
    assert redact.redact_values(text) == text.replace("sesame-sesame", "[redacted]")
