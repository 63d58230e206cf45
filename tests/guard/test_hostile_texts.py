"""Long texts made of one mark: whatever reads foreign text takes a time in proportion to it."""

from __future__ import annotations

import subprocess
import sys

LENGTH = 100_000
SECONDS = 240
"""Of processor time for all of them: one pattern that grows with the square takes more alone."""

MARKS = (
    *("<", "[", "{", " ", "\n", "a@", "-", '"', "`", "1", ".", "\\", "\r", "{{", "![", "![]("),
    *("<think>", "</think>", "`</think>`", "<think></think>", "<|channel|>a", "data: {\n"),
    *("key=", "://a@", "eyJ", '{"a":', "{##}", "{#", "{{ ", "{% ", "“", "# x"),
)


def read_all() -> None:
    """In a process of its own: every reader, with every text."""
    import contextlib
    import datetime
    from pathlib import Path

    from pex.core import template
    from pex.core.errors import PexError
    from pex.core.front_matter import split as split_front
    from pex.core.prompt import Prompt
    from pex.guard.key_shapes import redact_shapes
    from pex.incidents.record import parse as parse_record
    from pex.incidents.template import parse_template
    from pex.lint import ignores
    from pex.lint.rules import check as lint
    from pex.lint.subject import Subject, Surroundings
    from pex.project.settings import Settings
    from pex.redteam.goals import leaks, says_word
    from pex.redteam.suite import placeholders
    from pex.run import reading
    from pex.run.error_body import message_of
    from pex.run.errors import CallError
    from pex.run.failures import refusal
    from pex.run.reasoning import AnswerText, split, tags_of
    from pex.run.stream import Stream
    from pex.score.reading import read_json

    usual = tags_of(None)

    def streamed(text: str) -> None:
        stream = Stream()
        for at in range(0, len(text), 100):
            stream.feed(text[at : at + 100].encode())
        stream.answer()

    def shown(text: str) -> None:
        answer = AnswerText(lambda piece: None, usual)
        for at in range(0, len(text), 20):
            answer.feed(text[at : at + 20])

    around = Surroundings(Settings(), Path(), {}, datetime.date(2026, 11, 30), lambda model: None)

    def linted(text: str) -> None:
        list(lint(Subject(Prompt.parse(text, "f", "f"), text, [], around)))

    readers = {
        "suite": lambda text: placeholders("{{ " + text + "x"),
        "record": lambda text: parse_record(
            Path("a.md"), f"---\nseverity: 1\n---\n# x{text}y\n{text}"
        ).timeline(),
        "template of records": lambda text: parse_template(
            f"---\nseverities: {{1: a}}\nseverity: 1\n---\n{text}", "f"
        ),
        "word": lambda text: says_word(f"x{text}y", "zebra", ""),
        "leak": lambda text: leaks(text, [f"{text} {{% raw %}}{text}{{% endraw %}}"], ""),
        "lint": linted,
        "ignore": lambda text: ignores.apply([], text),
        "redact": redact_shapes,
        "message": lambda text: message_of(text.encode()),
        "refusal": lambda text: refusal(400, text.encode(), {"Retry-After": text}),
        "answer": lambda text: reading.read_answer(text.encode()),
        "stream": streamed,
        "reasoning": lambda text: split(text, usual),
        "reasoning after tags": lambda text: split(f"<think>{text}</think>{text}x", usual),
        "shown": shown,
        "shown while it thinks": lambda text: shown(f"<think>{text}"),
        "front": lambda text: split_front(f"name: x\n{text}", "f", ["name", "model"]),
        "prompt": lambda text: Prompt.parse(f"---\nname: x\n---\n{text}", "f", "f"),
        "images": template.has_images,
        "comments": template.comments,
        "json": read_json,
    }
    for name, read in readers.items():
        for mark in MARKS:
            with contextlib.suppress(PexError, CallError):
                read(mark * (LENGTH // len(mark)))
        print(name, flush=True)


def test_every_reader_takes_a_time_in_proportion() -> None:
    run = (
        "import resource; from tests.guard import test_hostile_texts as ours; "
        f"resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS}, {SECONDS})); ours.read_all()"
    )
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr[-2000:]) == (0, ""), done.stdout
