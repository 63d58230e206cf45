"""Prompts in Python files, read from the syntax tree."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.experiment.experiment import Experiment
from pex.importers.projects import import_project
from pex.importers.python_code.read import read_python_code
from pex.importers.python_code.texts import BuiltByCodeError, Scope, template_of
from tests.helpers.command import pexlab

APP = Path(__file__).parent / "files" / "python" / "app.py"


def line_of(text: str) -> int:
    lines = APP.read_text("utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_prompts_of_calls_constants_and_chains_become_files_with_their_place(
    tmp_path: Path,
) -> None:
    (tmp_path / "pex.toml").write_text("", encoding="utf-8")
    done = pexlab("import", "--code", str(APP), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "experiments" / "app-prompts"
    prompts = {file.stem: Prompt.load(file) for file in (folder / "prompts").glob("*.prompty")}
    assert set(prompts) == {
        "answer", "reply", "respond", "chain", "unused_template", "admin_instructions",
    }  # fmt: skip
    answer = prompts["answer"]
    assert answer.model == "openai/gpt-4.1-mini"
    assert answer.params == {"temperature": 0.2, "max_tokens": 300}
    values = {"question": "When?", "order_id": "7", "order_total": "9.50"}
    assert answer.render(values) == [
        {"role": "system", "content": "You are a helpful shop assistant.\n"
         'Write JSON such as {"a": {{}}}.'},
        {"role": "user", "content": "Question: When?\nOrder 7: 9.50 EUR"},
    ]  # fmt: skip
    place = f"app.py:{line_of('return client.chat.completions.create(')}"
    assert f'source: "{place}"' in (folder / "prompts" / "answer.prompty").read_text("utf-8")
    reply = prompts["reply"]
    assert reply.model == "anthropic/claude-sonnet-4"
    assert [message["content"] for message in reply.messages] == [
        "Be {{ tone }} and {{ how }}, 100%.",
        "Reply to {{ name }} about {{ topic_title }}, in {braces}.",
    ]
    assert [message["content"] for message in prompts["respond"].messages] == [
        "Be kind.",
        "Q: {{ question }}",
    ]
    chain = prompts["chain"].render({"source": "a", "target": "b", "text": "c"})
    assert [message["content"] for message in chain] == [
        "You translate a to b. {literal}",
        "Be {exact}.",
        "c",
    ]
    assert prompts["unused_template"].variables == ("review",)
    assert "{{ os_environ_EXTRA }}" in prompts["admin_instructions"].text
    report = (folder / "IMPORT.md").read_text("utf-8")
    assert "PATTERN_PROMPT looks like a prompt and is built by code" in report
    assert "messages that code adds: `*history`" in report
    assert "the format of `order.total` is left to the case's value" in report
    assert "the argument timeout" in report
    assert "a prompt that is built by code" in report
    assert f"app.py:{line_of('messages=make_messages')}" in report
    exp = Experiment.load(folder / "experiment.yaml")
    assert len(exp.variants) == 6


@pytest.mark.parametrize(
    ("code", "template"),
    [
        ('"a" "b"', "ab"),
        ('f"{x}{{y}}"', "{{ x }}{y}"),
        ("f'{a[0]} {b!r} {c:>3}'", "{{ a_0 }} {{ b }} {{ c }}"),
        ('"Say " + word + "!"', "Say {{ word }}!"),
        ('"\\n".join(["a", f"{b}", c])', "a\n{{ b }}\n{{ c }}"),
        ('"{0} {1}".format(a, "x")', "{{ a }} x"),
        ('"%s %d%%" % (a, b)', "{{ a }} {{ b }}%"),
        ('"%s" % a', "{{ a }}"),
        ('" x ".strip()', "x"),
        ('"{{ x }} {% y"', "{{ '{{' }} x }} {{ '{%' }} y"),
    ],
)
def test_expressions_of_python_as_templates(code: str, template: str) -> None:
    made = template_of(ast.parse(code, mode="eval").body, Scope({}))
    assert made == template
    Prompt(made, "p")


def test_texts_of_texts_without_end_are_left_out(tmp_path: Path) -> None:
    lines = ["p0 = 'Say something nice to me'"]
    lines += [f"p{n} = p{n - 1} + p{n - 1}" for n in range(1, 50)]
    lines += ["BIG_PROMPT = p49", "LOOP_PROMPT = LOOP_PROMPT + 'x'"]
    lines += ["GOOD_PROMPT = 'Say something nice to {name}.'"]
    (tmp_path / "a.py").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "broken.py").write_text("def (:\n", encoding="utf-8")
    (tmp_path / "latin.py").write_bytes(b"PROMPT = '\xe9'\n")
    (tmp_path / "deep.py").write_text(f"PROMPT = {'(' * 3000}1{')' * 3000}\n", encoding="utf-8")
    made = read_python_code(tmp_path)
    assert [prompt.text for prompt in made.prompts] == ["Say something nice to {{ name }}."]
    left = {note.where: note.how for note in made.notes if note.what == "left out"}
    assert "not valid Python" in left["broken.py"]
    assert "not UTF-8" in left["latin.py"]
    assert "deep.py" in left
    scope = Scope({"x": ast.parse("x + x", mode="eval").body})
    with pytest.raises(BuiltByCodeError):
        template_of(ast.Name("x"), scope)


def test_code_without_prompts_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    with pytest.raises(PexError, match="no prompt was found"):
        import_project(tmp_path / "a.py", tmp_path / "e")
    done = pexlab("import", "--code", "nothing", folder=tmp_path)
    assert done.returncode == 2
    assert "no such file or folder" in done.stderr
