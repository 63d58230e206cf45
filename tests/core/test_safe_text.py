"""What is shown and written steers no terminal, opens no link and is no formula."""

import csv
import dataclasses
import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import openai
import orjson
import pandas as pd
import pytest
from aiohttp import web

import pex
from pex.cli import console, main
from pex.compare.gate import Gate
from pex.core.errors import Interrupted
from pex.core.safe_text import clean, clean_json, from_markdown, in_markdown
from pex.core.spreadsheet import inert, table_text
from pex.magics.overview import Overview, Row
from pex.run.model import Model
from pex.widgets.tally import Tally
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint

HARMFUL = {
    "colour": "\x1b[31mred",
    "clipboard": "\x1b]52;c;cm0gLXJm\x07",
    "link": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "title": "\x1b]0;title\x07",
    "one byte": "\x9b2J\x9d0;t\x9c",
    "over": "good\rEVIL",
    "back": "no\x08\x08yes",
    "bell and null": "\x07\x00\x0b\x0c\x7f",
    "turned": "\u202eevil\u2066x\u2069",
}
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> None:
    assert not STEERS.search(text), ascii(STEERS.findall(text))
    assert "before" in text
    assert "after" in text


@pytest.fixture(params=HARMFUL.values(), ids=HARMFUL)
def foreign(request: pytest.FixtureRequest) -> str:
    return f"before {request.param} after"


def _warned(text: str) -> str:
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", stream)
        main._say(UserWarning(text))
    return stream.getvalue()


SHOWN: dict[str, Callable[[str], str]] = {
    "text": clean,
    "error": lambda text: str(pex.PexError(text, hint=text)),
    "error in a notebook": lambda text: "".join(pex.PexError(text)._render_traceback_()),
    "interrupted": lambda text: str(Interrupted(text, None)),
    "warning": _warned,
    "model": lambda text: repr(Model(openai.OpenAI(api_key="k"), name=text, provider="lab")),
    "overview": lambda text: repr(Overview(text, [Row(text, text, text, text)], [text])),
    "page": lambda text: Overview(text, [], [text])._repr_html_().partition("</style>")[2],
    "gate": lambda text: str(Gate({"a": "fail"}, {"a": text})),
    "progress": lambda text: _tally(text).line(),
    "json": lambda text: clean_json(orjson.dumps({"a": text}).decode()),
    "markdown": in_markdown,
    "table": lambda text: table_text(pd.DataFrame({text: [text]})),
}  # fmt: skip


def _tally(kind: str) -> Tally:
    tally = Tally()
    tally.errors[kind] += 1
    return tally


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_nothing_steers_a_terminal(show: Callable[[str], str], foreign: str) -> None:
    harmless(show(foreign))


def test_the_command_line_writes_nothing_else(
    foreign: str, capsys: pytest.CaptureFixture[str]
) -> None:
    console.out(foreign)
    console.err(foreign)
    console.document({"answer": foreign})
    out, err = capsys.readouterr()
    harmless(out)
    harmless(err)
    # It is escaped, not changed: a program reads the same.
    assert orjson.loads(out.partition("\n")[2]) == {"answer": foreign}


def test_lines_and_tabs_stay() -> None:
    assert clean("a\tb\nc 漢字 ü 🙂") == "a\tb\nc 漢字 ü 🙂"


def test_an_experiment_and_its_results(lab: FaultyEndpoint, project: Path, foreign: str) -> None:
    lab.reply = lambda body, number: {
        "choices": [{"message": {"content": foreign}, "finish_reason": "stop"}]
    }
    prompt = pex.Prompt(f"{foreign} {{{{ q }}}}", name="p")
    cases = [{"q": foreign}, {"q": "2"}]
    exp = pex.Experiment("shown", pex.grid(prompt, "lab/m1"), cases, ["length"])
    harmless(str(exp.preview()))
    results = exp.run(show=False, record=False)
    results.about = dataclasses.replace(results.about, name=foreign)
    results.frame["variant"] = foreign
    harmless(repr(results))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exp.save("experiments/shown/experiment.yaml")
    for warning in caught:
        assert not STEERS.search(str(warning.message))
    done = pexlab("run", "experiments/shown/experiment.yaml", "--no-record", "--dry-run",
                  folder=project)  # fmt: skip
    harmless(done.stdout)
    assert not STEERS.search(done.stderr)


def test_an_error_that_an_endpoint_sends(lab: FaultyEndpoint, project: Path, foreign: str) -> None:
    lab.reply = lambda body, number: web.json_response({"error": {"message": foreign}}, status=401)
    (project / "p.prompty").write_text("{{ q }}")
    (project / "c.csv").write_text("q\n1\n")
    (project / "e.yaml").write_text(
        "name: e\ncases: c.csv\nprompts: [p.prompty]\nmodels: [lab/m1]\nscorers: [length]\n"
    )
    done = pexlab("run", "e.yaml", "--no-record", folder=project)
    assert done.returncode == 5
    assert not STEERS.search(done.stdout + done.stderr)


FORMULAS = [
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\u3000=1",
    "\ufeff=1", "\u200b=1", '"=1', "'=1", '" =1"', "\uff1d1+1", "\uff0b1+1", "\uff0d1+1", "\uff20A",
    "\u2212x", "-5 degrees", "--", "+", "=", "-1e", "+49 151 23456", "\t", "\rx",
    "=cmd|' /C calc'!A0",
]  # fmt: skip
PLAIN = ["", "a=b", "1-2", "5", "-5", "+3.2", "-.5", "1e-3", "-1E+5", "text", "#x", "a\n=b", "(−)"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_text_to_a_spreadsheet(text: str) -> None:
    assert inert(text).startswith("'")
    (name,), (cell,) = csv.reader(io.StringIO(table_text(pd.DataFrame({text: [text]}))))
    assert name.startswith("'")
    assert cell.startswith("'")


@pytest.mark.parametrize("text", PLAIN)
def test_numbers_and_other_texts_stay(text: str) -> None:
    assert inert(text) == text


@pytest.mark.parametrize("value", [-5, -5.5, None, True, float("inf")])
def test_what_is_no_text_stays(value: object) -> None:
    assert inert(value) is value


def test_every_kind_of_column_is_inert() -> None:
    bad = "=1+1"
    frame = pd.DataFrame(
        {
            "object": [bad, None],
            "string": pd.Series([bad, None], dtype="string"),
            "category": pd.Series([bad, "a"], dtype="category"),
            "list": [[bad], {"=a": bad}],
            "mixed": [bad, -1],
            "number": [-1.5, 2],
        }
    )
    frame = pd.concat([frame, frame[["object"]]], axis=1)  # two columns of one name
    rows = list(csv.reader(io.StringIO(table_text(frame))))
    assert rows[1] == ["'=1+1", "'=1+1", "'=1+1", '["=1+1"]', "'=1+1", "-1.5", "'=1+1"]
    assert rows[2][4:6] == ["-1", "2.0"]


def test_the_table_of_a_run_is_inert(lab: FaultyEndpoint, project: Path) -> None:
    lab.reply = lambda body, number: {
        "choices": [{"message": {"content": "=HYPERLINK(1)"}, "finish_reason": "stop"}]
    }
    (project / "p.prompty").write_text("{{ q }}")
    (project / "c.csv").write_text("case_id,q\n=1+1,@x\n")
    (project / "e.yaml").write_text(
        "name: e\ncases: c.csv\nprompts: [p.prompty]\nmodels: [lab/m1]\nscorers: [length]\n"
    )
    done = pexlab("run", "e.yaml", "--no-record", "--out", "x.csv", folder=project)
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(io.StringIO((project / "x.csv").read_text()))
    assert (row["case_id"], row["output"], row["case.q"]) == ("'=1+1", "'=HYPERLINK(1)", "'@x")


HOST = "http://evil.example"
MARKDOWN = [
    f"![i]({HOST}/i.png)", f"![i][r]\n\n[r]: {HOST}/i.png", "[l](javascript:x)",
    f"<img src={HOST}/i.png>", "<script>x</script>", HOST, f"<{HOST}>", f"\\![i]({HOST})",
    f"\\\\![i]({HOST})",
    "www.evil.example", "`<b>`", "[[w]]", "a_b*c*", "&lt;img&gt;", "a\\", "|x|",
    "R&D & more", "&amp;lt;", "\\&lt;", "&#60;img>",
]  # fmt: skip


@pytest.mark.parametrize("text", MARKDOWN)
def test_markdown_of_others_makes_no_image_link_or_html(text: str) -> None:
    from markdown_it import MarkdownIt

    written = in_markdown(text)
    made = MarkdownIt("commonmark", {"html": True, "linkify": False}).render(written)
    assert not re.search(r"<(?!/?(p|em|strong|code)>)", made), made
    assert not re.search(r"https?://|www\.", written)
    assert from_markdown(written) == text
