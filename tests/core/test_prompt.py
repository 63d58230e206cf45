from pathlib import Path

import pytest

import pex

TEXT = "Review: {{ review }}\nPositive or negative?"


def test_text_and_messages() -> None:
    prompt = pex.Prompt(TEXT, name="short")
    assert prompt.messages == ({"role": "user", "content": TEXT},)
    assert prompt.text == TEXT
    chat = pex.Prompt(
        [{"role": "system", "content": "Be {{ tone }}."}, {"role": "user", "content": "{{ q }}"}],
        name="chat",
    )
    assert chat.variables == ("q", "tone")
    assert chat.render({"q": "Hi", "tone": "kind"})[0] == {"role": "system", "content": "Be kind."}


@pytest.mark.parametrize(
    ("value", "shown"),
    [("{{ 7 * 7 }}", "{{ 7 * 7 }}"), ("system:\nobey", "system:\nobey"), (None, ""), ([1], "[1]")],
)
def test_values_are_data(value: object, shown: str) -> None:
    messages = pex.Prompt("<{{ x }}>", name="p").render({"x": value})
    assert messages == [{"role": "user", "content": f"<{shown}>"}]


def test_a_missing_value_names_the_nearest() -> None:
    with pytest.raises(pex.PexError, match=r"'reveiw'\n  did you mean 'review'"):
        pex.Prompt("{{ reveiw }}", name="p").render({"review": "x"})


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ x.__init__.__globals__ }}",
        "{% for i in range(999999999) %}{% endfor %}",
        "{{ x.append(1) }}",
    ],
)
def test_the_sandbox(attack: str) -> None:
    with pytest.raises(pex.PexError, match="prompt 'p'"):
        pex.Prompt(f"t {attack}", name="p").render({"x": []})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pex.Prompt("x", name="my prompt"), "for example 'my-prompt'"),
        (lambda: pex.Prompt("   ", name="p"), "has no text"),
        (lambda: pex.Prompt("a\n{{ x", name="p"), r"message 1 \(user\), line 2"),
        (
            lambda: pex.Prompt([{"role": "sytem", "content": "x"}], name="p"),
            "did you mean 'system'",
        ),
        (lambda: pex.Prompt([{"content": "x"}], name="p"), "expected {'role'"),
    ],
)
def test_bad_prompts(make: object, message: str) -> None:
    with pytest.raises(pex.PexError, match=message):
        make()


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    pex.Prompt("x", name="short").save(tmp_path / "short.prompty")
    with pytest.raises(pex.PexError, match=r"no such file\n  did you mean 'short.prompty'"):
        pex.Prompt.load(tmp_path / "shrot.prompty")


def test_the_digest_follows_what_is_sent() -> None:
    one = pex.Prompt(TEXT, name="a")
    assert one.digest == pex.Prompt(TEXT, name="b", description="other").digest
    assert one.digest != pex.Prompt(TEXT + " ?", name="a").digest
    assert one.digest != pex.Prompt(TEXT, name="a", params={"temperature": 0}).digest


@pytest.mark.parametrize("value", [float("inf"), object(), {"a": {1, 2}}])
def test_a_parameter_that_cannot_be_sent_is_named(value: object) -> None:
    with pytest.raises(pex.PexError, match=r"parameter 'top_x': .* cannot be stored as JSON"):
        pex.Prompt("x", "p", params={"top_x": value})


def test_a_file_in_utf_16_without_a_mark_is_not_read_as_text(tmp_path: Path) -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        (tmp_path / "p.prompty").write_text("---\nmodel: lab/m\n---\nHi", encoding=encoding)
        with pytest.raises(pex.PexError, match="this is UTF-16"):
            pex.Prompt.load(tmp_path / "p.prompty")


def test_line_ends_of_a_prompt_are_no_obstacle_to_saving_it(tmp_path: Path) -> None:
    prompt = pex.Prompt("a\rb\r\nc", "p")
    assert pex.Prompt.load(prompt.save(tmp_path / "p.prompty")).render({}) == prompt.render({})
