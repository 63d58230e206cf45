import pytest

from pex.guard import redact


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


@pytest.mark.parametrize(
    ("name", "is_key"),
    [
        ("OPENAI_API_KEY", True),
        ("GITHUB_TOKEN", True),
        ("DB_PASSWORD", True),
        ("APIKEY", True),
        ("TOKEN", True),
        ("OPENAI_API_KEY_2", True),
        ("PGPASSWORD", True),
        ("AWS_ACCESS_KEY_ID", True),
        ("MONKEY", False),
        ("KEY_COUNT", False),
    ],
)
def test_names_of_keys(name: str, is_key: bool) -> None:
    assert redact.is_key_name(name) is is_key


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
