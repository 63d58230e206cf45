"""Prompts that include others."""

import pickle
from pathlib import Path

import pytest

import pex
from pex.core.includes import included

TONE = "---\nname: tone\n---\nBe kind to {{ who }}.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pex.toml").write_text("")
    made = tmp_path / "experiments" / "a" / "prompts"
    made.mkdir(parents=True)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "tone.prompty").write_text(TONE)
    return made


def write(folder: Path, name: str, body: str) -> Path:
    path = folder / f"{name}.prompty"
    path.write_text(f"---\nname: {name}\n---\n{body}")
    return path


def test_a_text_is_inserted_with_its_variables_and_what_it_includes(folder: Path) -> None:
    write(folder, "rules", '{{ include("tone") }} Never lie.')
    path = write(folder, "reply", 'system:\n{{ include("rules") }}\n\nuser:\n{{ mail }}\n')
    prompt = pex.Prompt.load(path)
    assert prompt.variables == ("mail", "who")
    assert prompt.render({"mail": "Hi", "who": "all"}) == [
        {"role": "system", "content": "Be kind to all. Never lie."},
        {"role": "user", "content": "Hi"},
    ]
    assert list(prompt.parts) == ["rules", "tone"]
    assert pickle.loads(pickle.dumps(prompt)) == prompt


def test_the_file_beside_comes_before_the_one_that_is_shared(folder: Path) -> None:
    path = write(folder, "reply", '{{ include("tone") }}')
    assert pex.Prompt.load(path).text == "Be kind to {{ who }}."
    write(folder, "tone", "Be brief.")
    assert pex.Prompt.load(path).text == "Be brief."


def test_the_hash_changes_with_what_is_included(folder: Path) -> None:
    from pex.library.content import encode

    path = write(folder, "reply", '{{ include("tone") }}')
    before = pex.Prompt.load(path)
    (folder.parents[2] / "prompts" / "tone.prompty").write_text("Be brief.")
    after = pex.Prompt.load(path)
    assert before.source == after.source
    assert before.digest != after.digest
    assert encode(before).sha256 != encode(after).sha256


def test_white_space_is_trimmed_where_the_template_says_so(folder: Path) -> None:
    path = write(folder, "reply", "One\n\n{{- include('tone') -}}\n\n!")
    assert pex.Prompt.load(path).render({"who": "all"})[0]["content"] == "OneBe kind to all.!"


def test_a_file_keeps_the_include_and_what_stands_alone_has_the_text(folder: Path) -> None:
    path = write(folder, "reply", '{{ include("tone") }} {{ mail }}\n')
    prompt = pex.Prompt.load(path)
    copy = folder / "copy.prompty"
    prompt.save(copy)
    assert copy.read_bytes() == path.read_bytes()
    assert "Be kind to {{ who }}. {{ mail }}" in prompt.to_prompty()
    renamed = prompt.changed(name="other", params={"temperature": 0})
    assert '{{ include("tone") }}' in renamed.as_file()
    assert renamed.digest != prompt.digest
    edited = prompt.changed(messages=[{"role": "user", "content": "Hi"}])
    assert edited.as_file().endswith("Hi\n")
    assert edited.parts == {}


def test_comments_and_raw_blocks_are_left_alone(folder: Path) -> None:
    body = '{# {{ include("gone") }} #}{% raw %}{{ include("gone") }}{% endraw %} {{ include }}'
    prompt = pex.Prompt.load(write(folder, "docs", body))
    assert prompt.parts == {}
    assert prompt.render({"include": "x"})[0]["content"] == '{{ include("gone") }} x'
    assert included(body) == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": '{{ include("ton") }}'}, "a.prompty: it includes 'ton', and there is no ton.prompty "
         "beside it or in prompts/\n  did you mean 'tone'?"),
        ({"a": '{{ include("b") }}', "b": '{{ include("c") }}', "c": '{{ include("b") }}'},
         "a.prompty: 'b' includes itself: b → c → b\n  take one of these includes out"),
        ({"a": '{{ include("b") }}', "b": "system:\nBe kind."},
         "b.prompty: a prompt with role lines (system:, user:) cannot be included\n  an included "
         "file is a text that stands within a message"),
        ({"a": "Hi\n{% include 'tone' %}"},
         "a.prompty: prompt 'a', message 1 (user): an include that cannot be read: "
         "{% include 'tone' %}\n  write {{ include(\"name\") }}, in a .prompty file, with the name "
         "of another file"),
    ],
)  # fmt: skip
def test_a_wrong_include_is_an_error_that_names_it(
    folder: Path, files: dict[str, str], message: str
) -> None:
    for name, body in files.items():
        write(folder, name, body)
    with pytest.raises(pex.PexError) as error:
        pex.Prompt.load(folder / "a.prompty")
    assert str(error.value) == message


def test_a_link_does_not_include_what_is_outside_the_project(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.prompty"
    outside.write_text("secret")
    (folder / "link.prompty").symlink_to(outside)
    with pytest.raises(pex.PexError, match="outside the project"):
        pex.Prompt.load(write(folder, "reply", '{{ include("link") }}'))


def test_what_grows_without_end_is_refused(folder: Path) -> None:
    write(folder, "p0", "x" * 1000)
    for at in range(1, 12):
        write(folder, f"p{at}", f'{{{{ include("p{at - 1}") }}}}' * 10)
    with pytest.raises(pex.PexError, match="more than 2,000,000 characters"):
        pex.Prompt.load(folder / "p11.prompty")


def test_a_prompt_made_in_python_includes_nothing() -> None:
    with pytest.raises(pex.PexError, match="an include that cannot be read"):
        pex.Prompt('{{ include("tone") }}', name="x")
