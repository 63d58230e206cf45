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
        ("MONKEY", False),
        ("KEY_COUNT", False),
    ],
)
def test_names_of_keys(name: str, is_key: bool) -> None:
    assert redact.is_key_name(name) is is_key
