"""`%%prompt` and `%pex`: in a shell, a real kernel, Papermill, and a real JupyterLab."""

import datetime
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import papermill
import pytest
from axe_playwright_python.sync_playwright import Axe
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import pex
from pex import local
from pex.core.errors import PexError
from pex.core.events import Delta, Retried
from pex.magics import overview
from pex.magics.asking import plan_chat, plan_run
from pex.magics.cell import Ask, read_line, read_prompt
from pex.tracking.store import connect
from pex.widgets.answer import LiveAnswer
from tests.helpers import ROOT
from tests.helpers.browser import jupyterlab
from tests.helpers.effort import calls_of
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.kernel import Kernel
from tests.helpers.made import HOSTILE
from tests.helpers.model import share
from tests.helpers.notebooks import notebook

SHORT = "%%prompt short {}\nReview: {{{{ review }}}}\nPositive or negative? One word."


class Shell:
    """IPython's shell in this process, with the magics."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        config = Config({"HistoryManager": {"enabled": False}})
        self.shell = InteractiveShell.instance(config=config, colors="nocolor")
        self.space = self.shell.user_ns
        self._capture = capture
        assert self.run("%load_ext pex") == ""

    def run(self, code: str) -> str:
        """What a cell prints, its error too."""
        self._capture.readouterr()
        self.shell.run_cell(code)
        return self._capture.readouterr().out

    def complete(self, code: str) -> list[str]:
        """What Tab offers at `|`, or at the end."""
        text, _, rest = code.partition("|")
        from IPython.core.completer import provisionalcompleter

        with provisionalcompleter():
            found = self.shell.Completer.completions(text + rest, len(text))
            return [item.text for item in found]


@pytest.fixture
def shell(
    project: Path, lab: FaultyEndpoint, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    InteractiveShell.clear_instance()
    yield Shell(capsys)
    InteractiveShell.clear_instance()


@pytest.fixture
def reviews(shell: Shell, project: Path) -> Shell:
    """A project with an experiment of three cases, used in the shell."""
    folder = project / "experiments" / "reviews"
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "kept.prompty").write_text("Kept: {{ review }}")
    (folder / "cases.csv").write_text(
        "id,review,shop,label\na1,Nice.,north,w\na2,Bad.,south,w\n7,So so.,north,w\n"
    )
    (folder / "experiment.yaml").write_text(
        "name: reviews\ncases: cases.csv\ncolumns: {id: id, expected: label}\n"
        "prompts: [prompts/kept.prompty]\nmodels: [lab/m1]\nparams: [{temperature: 0}]\n"
        "scorers: [contains]\n"
    )
    shell.run("import pex; exp = pex.Experiment.load('experiments/reviews/experiment.yaml')")
    return shell


# The line and the text


def test_a_line_is_read_with_all_its_options() -> None:
    ask = read_line(
        "short --run -m lab/m1 lab/m2 --model=lab/m3 --case 3 a1 --cases 'my cases.csv' "
        "--param temperature=0 stop='[\"a\"]' --fresh --no-record"
    )
    assert ask == Ask(
        "short", True, ["lab/m1", "lab/m2", "lab/m3"], ["3", "a1"], "my cases.csv", {},
        {"temperature": 0, "stop": ["a"]}, True, False,
    )  # fmt: skip
    assert read_line("p --run --with review='Great: loved it' n=3").values == {
        "review": "Great: loved it",
        "n": "3",
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "the prompt's name comes first"),
        ("--run", "the prompt's name comes first"),
        ("short --rnu", "unknown option '--rnu'\n  did you mean '--run'?"),
        ("short other", "unexpected second name 'other'"),
        ("short --run yes", "--run takes no value, got 'yes'"),
        ("short --run -m", "--model needs a value"),
        ("short --run --cases a b", "--cases takes one value, got 2"),
        ("short --run --with review", "--with review: expected name=value"),
        ("short --run --param a=1 a=2", "--param: 'a' is given twice"),
        ("short --case 3", "--case needs --run\n  add --run"),
        ("short --run --chat", "give --run or --chat, not both"),
        ("short --chat -m lab/m1 lab/m2", "--chat is with one model, got 2\n  pex.Playground"),
        ("short --chat --no-record", "a conversation is not recorded"),
        ("short --run --cases a --with b=1", "give --cases or --with, not both"),
        ("short --run --case 1 --with b=1", "cannot be combined with --with"),
        ("short --run --with review='open", "unclosed quotation mark"),
    ],
)
def test_a_wrong_line_is_said_in_words(line: str, message: str) -> None:
    with pytest.raises(PexError, match=re.escape(message)):
        read_line(line)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" \n", "the cell has no text"),
        ("a\n{{ b c }}", "%%prompt p, line 3: expected token 'end of print statement', got 'c'"
                         "\n  3 | {{ b c }}"),
        ("system:\nx\n\nuser:\nfine\n{{ b c }}", "line 7: expected"),
        ("---\nmodel: {id: [}\n---\nhi", "line 3: not valid YAML"),
        ("---\ndescription: x\n\nmodel: [x]\n---\nhi", "line 5: model: expected keys with values"),
        ("---\nname: q\n---\nhi", "its front matter calls it 'q'"),
    ],
)  # fmt: skip
def test_a_wrong_text_is_said_with_its_line(text: str, message: str) -> None:
    with pytest.raises(PexError, match=re.escape(message)):
        read_prompt("p", text)


def test_what_a_cell_says_in_vain_is_remarked_upon() -> None:
    with pytest.warns(UserWarning, match=r"%%prompt p: line 4: unknown key 'modle'.*'model'"):
        read_prompt("p", "---\n\nmodle: x\n---\nhi")


def test_a_cell_becomes_a_prompt(shell: Shell) -> None:
    said = shell.run(SHORT.format(""))
    assert said == "short · one message · variable review\n"
    assert shell.space["short"] == pex.Prompt(
        "Review: {{ review }}\nPositive or negative? One word.", "short"
    )
    front = "---\nmodel: {options: {temperature: 0}}\ninputs: [{name: x, default: 3}]\n---\n"
    said = shell.run(f"%%prompt my-p.v2\n{front}system:\nBe kind.\n\nuser:\n{{{{ x }}}}")
    assert said == (
        "my-p.v2 · messages system, user · variable x (default 3) · "
        "temperature 0 · in Python: my_p_v2\n"
    )
    assert shell.space["my_p_v2"].name == "my-p.v2"
    shell.run("number = 3")
    assert "replaces number, of type int" in shell.run("%%prompt number\nHi.")


def test_a_mistake_has_no_traceback_and_binds_nothing(shell: Shell) -> None:
    said = shell.run("%%prompt broken\nReview: {{ a b }}")
    assert said.startswith("PexError: %%prompt broken, line 2: expected token")
    assert "Traceback" not in said
    assert "broken" not in shell.space


# Running


def test_one_answer_with_its_facts(shell: Shell, project: Path, lab: FaultyEndpoint) -> None:
    said = shell.run(SHORT.format('--run -m lab/m1 --with review="Nice {it} $is."'))
    title, *text, facts = said.strip().split("\n")
    assert title == "short · model: lab/m1"
    assert text == ["Review: Nice {it} $is.", "Positive or negative? One word."]
    assert re.fullmatch(
        r"(first token after .+ · )?\d+ ms in total · 10 tokens in, 2 out · free · "
        r"kept in short_results",
        facts,
    )
    results = shell.space["short_results"]
    run = connect(f"sqlite:///{project}/mlruns/mlflow.db").get_run(results.run_id)
    assert run.data.tags["pex.source"] == "magic"
    assert lab.calls == 1
    again = shell.run(SHORT.format('--run -m lab/m1 --no-record --with review="Nice {it} $is."'))
    assert "reused (--fresh runs it again)" in again
    assert lab.calls == 1
    assert shell.space["short_results"].run_id is None
    shell.run(SHORT.format('--run -m lab/m1 --no-record --fresh --with review="Nice {it} $is."'))
    assert lab.calls == 2


def test_a_value_is_typed_or_a_variables(shell: Shell, lab: FaultyEndpoint) -> None:
    shell.run("text = 'two words'")
    line = "%%prompt p --run -m lab/m1 --no-record --with n=3 t=$text l='[1,2]'\n"
    said = shell.run(line + "{{ n + 1 }} {{ t }} {{ l }}")
    assert "4 two words [1, 2]" in said
    assert "there is no Python variable 'txet'\n  did you mean 'text'?" in shell.run(
        "%%prompt p --run -m lab/m1 --with t=$txet\n{{ t }}"
    )
    assert "the prompt has no variable 'tt'\n  did you mean 't'?" in shell.run(
        "%%prompt p --run -m lab/m1 --with tt=1\n{{ t }}"
    )


def test_a_prompt_without_variables_is_asked_once(reviews: Shell, lab: FaultyEndpoint) -> None:
    assert "Say hi.\n" in reviews.run("%%prompt hi --run -m lab/m1\nSay hi.")
    assert lab.calls == 1
    assert reviews.space["hi_results"].run_id is not None


def test_the_last_experiment_that_fits_gives_the_cases(reviews: Shell, lab: FaultyEndpoint) -> None:
    said = reviews.run(SHORT.format("--run --no-record"))
    assert said.startswith("short on all 3 cases of reviews · model: lab/m1 · temperature 0\n")
    assert "3 of 3 answers · kept in short_results" in said
    assert [body["temperature"] for body in lab.bodies] == [0, 0, 0]
    assert list(reviews.space["short_results"].frame["score.contains"]) == [1.0, 1.0, 1.0]
    reviews.run(
        "rows = [{'question': 'q1'}, {'question': 'q2'}]\n"
        "variants = pex.grid(pex.Prompt('{{ question }}', 'q'), 'lab/m2')\n"
        "other = pex.Experiment('other', variants, rows)"
    )
    # The newest one has no reviews; the one before has.
    assert "3 cases of reviews" in reviews.run(SHORT.format("--run --no-record"))
    assert "2 cases of other · model: lab/m2" in reviews.run(
        "%%prompt ask --run --no-record\n{{ question }}"
    )
    assert "3 cases of reviews" in reviews.run(SHORT.format("--run --no-record --cases exp"))


def test_cases_are_chosen_by_place_or_id(reviews: Shell) -> None:
    assert "on case a2 of reviews" in reviews.run(SHORT.format("--run --no-record --case 2"))
    assert "on case 7 of reviews" in reviews.run(SHORT.format("--run --no-record --case 7"))
    assert "on 2 cases of reviews" in reviews.run(SHORT.format("--run --no-record --case a1 3"))
    assert list(reviews.space["short_results"].frame["case_id"]) == ["a1", "7"]
    assert "--case 9: there are 3 cases, and none has that id" in reviews.run(
        SHORT.format("--run --case 9")
    )
    assert "no case has the id 'b1'" in reviews.run(SHORT.format("--run --case b1"))


def test_cases_of_a_file_a_folder_a_table(reviews: Shell, project: Path) -> None:
    (project / "more.jsonl").write_text('{"review": "One."}\n{"review": "Two."}\n')
    one = SHORT.format("--run --no-record -m lab/m1 --param seed=1 --cases {}")
    assert "all 2 cases of more" in reviews.run(one.format("more.jsonl"))
    # The cells that follow have these cases, and not that cell's options.
    said = reviews.run(SHORT.format("--run --no-record -m lab/m1"))
    assert "all 2 cases of more" in said
    assert "seed" not in said
    assert "all 3 cases of reviews" in reviews.run(one.format("reviews"))
    assert "all 3 cases of reviews" in reviews.run(one.format("experiments/reviews"))
    reviews.run("import pandas as pd; table = pd.DataFrame({'review': ['x']})")
    assert "short · model: lab/m1" in reviews.run(one.format("table"))
    said = reviews.run(one.format("reveiws"))
    assert "--cases: there is no experiment or file 'reveiws'\n  did you mean 'reviews'?" in said


def test_a_missing_variable_says_what_there_is(reviews: Shell, lab: FaultyEndpoint) -> None:
    said = reviews.run("%%prompt p --run\n{{ reviw }}")
    assert "no value for {{ reviw }}; the cases of 'reviews' have review, shop" in said
    assert "did you mean 'review'?" in said
    reviews.run("del exp")
    said = reviews.run("%%prompt p --run -m lab/m1\n{{ review }}")
    assert "give it with --with review=…, or choose cases with --cases reviews" in said
    assert lab.calls == 0


def test_several_models_are_variants(reviews: Shell, lab: FaultyEndpoint) -> None:
    said = reviews.run(SHORT.format("--run --no-record --case 1 -m lab/m1 lab/m2"))
    assert "short on case a1 of reviews · models: lab/m1, lab/m2" in said
    assert "2 of 2 answers" in said
    assert list(reviews.space["short_results"].frame["variant"]) == ["short|m1", "short|m2"]


def test_an_error_is_shown_as_no_answer(reviews: Shell, lab: FaultyEndpoint) -> None:
    from aiohttp import web

    lab.reply = lambda body, number: web.json_response({"error": "too long"}, status=413)
    said = reviews.run(SHORT.format("--run --no-record --case 1"))
    assert "Traceback" not in said
    assert "too long" in said
    assert len(reviews.space["short_results"].failures()) == 1


def test_what_cannot_be_asked_does_not_go_on_asking(reviews: Shell, project: Path) -> None:
    toml = project / "pex.toml"
    toml.write_text(toml.read_text().replace("free = true", ""))
    said = reviews.run(SHORT.format("--run --case 1"))
    assert "not run\nPexError: model 'lab/m1': no price is known" in said
    assert "short_results" not in reviews.space


def test_a_prompt_that_is_there_is_shown_and_asked(reviews: Shell) -> None:
    assert "kept · one message · variable review\n" in (said := reviews.run("%prompt kept"))
    assert said.endswith("Kept: {{ review }}\n")
    assert "Kept: Nice." in reviews.run("%prompt kept --run --no-record --case 1")
    pex.library.save(pex.Prompt("Lib: {{ review }}", "stored"), alias="champion")
    said = reviews.run("%prompt library:stored@champion --run --no-record --case 1")
    assert "Lib: Nice." in said
    assert "there is no prompt 'kpet'\n  did you mean 'kept'?" in reviews.run("%prompt kpet")


@pytest.mark.model
def test_the_built_in_model_streams(shell: Shell, project: Path) -> None:
    share(project)
    said = shell.run(
        "%%prompt story --run --no-record --param max_tokens=12 temperature=0\nTell a story."
    )
    assert said.startswith("story · model: local/smollm2 · max_tokens 12 · temperature 0\n")
    assert re.search(r"first token after .+ · .+ in total · \d+ tokens in, 12 out · free", said)
    assert "cut off at max_tokens" in said
    (row,) = shell.space["story_results"].frame.to_dict("records")
    assert row["ttft_s"] < row["latency_s"]
    # What grew is what came, once.
    assert said.count(row["output"]) == 1


def test_hostile_answers_are_only_text(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []

    class Handle:
        def update(self, item: object) -> None:
            shown.append(item)

    monkeypatch.setattr("IPython.display.display", lambda item, display_id: Handle())
    for text in HOSTILE:
        view = LiveAnswer("<b>t</b>", live=True)
        view.on_event(Delta(("v", "c", 1), text))
        view.on_event(Retried(("v", "c", 1), 1, 0.5, "server"))
        view.finish({"output": text, "error": None, "score.x": 1.0, "expected": text}, {"x"}, "")
        html = shown[-1]._repr_html_()  # type: ignore[attr-defined]
        assert "<script" not in html
        assert "<img" not in html
        assert "<b>" not in html
        assert "\x00" not in html
        assert len(html.encode()) < 400_000
        assert "server, retrying in 0.5 s" in shown[-2]._repr_html_()  # type: ignore[attr-defined]


def test_an_empty_answer_and_a_tool_call_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    LiveAnswer("t", live=False).finish({"output": "", "error": None}, (), "kept in r")
    assert capsys.readouterr().out == "t\n(the answer is empty)\nkept in r\n"
    row = {"output": None, "error": None, "tool_calls": [{"name": "look"}]}
    LiveAnswer("t", live=False).finish(row, (), "kept in r")
    assert '"name": "look"' in capsys.readouterr().out
    LiveAnswer("t", live=False).finish(None, (), "kept in r")
    assert capsys.readouterr().out == "t\n\nkept in r\n"


def test_a_question_asks_nobody(reviews: Shell, lab: FaultyEndpoint) -> None:
    prompt = pex.Prompt("{{ review }}", "p")
    asked = plan_run(read_line("p --run"), prompt, reviews.space)
    assert (asked.single, list(asked.chosen)) == (False, ["a1", "a2", "7"])
    assert lab.calls == 0


# The project


def test_pex_shows_the_project(reviews: Shell, project: Path, lab: FaultyEndpoint) -> None:
    said = str(overview.project_overview())
    assert re.search(r"reviews +1 × 3 +never", said)
    assert "Spent today $0.00 (0 calls)" in said
    assert "Cap: $5.00 per run." in said
    reviews.run(
        "prompts = [pex.Prompt('{{ review }}', 'a'), pex.Prompt('w {{ review }}', 'b')]\n"
        "exp.drafted(pex.grid(prompts, 'lab/m1'), exp.cases).run()"
    )
    reviews.run(SHORT.format("--run --case 1"))
    broken = project / "experiments" / "broken"
    broken.mkdir()
    (broken / "experiment.yaml").write_text("nmae: x\ncases: c.csv\n")
    reviews.run("out = %pex")
    shown = reviews.space["out"]
    text = repr(shown)
    assert re.search(r"reviews +1 × 3 +today \d\d:\d\d +undecided: b \(compared with a\)", text)
    assert re.search(r"broken +– +– +✗ .*unknown key 'nmae'; did you mean 'name'", text)
    assert str(project) not in text
    assert "(7 calls)" in text
    assert "No runs in progress." in text
    html = shown._repr_html_()
    assert '<th scope="row">reviews</th><td>1 × 3</td>' in html
    assert "Project" in html


def test_an_experiment_that_was_only_tried_is_not_called_never_run(
    reviews: Shell, lab: FaultyEndpoint
) -> None:
    reviews.run(SHORT.format("--run --case 1"))
    said = str(overview.project_overview())
    assert re.search(r"reviews +1 × 3 +only tried, today \d\d:\d\d", said), said


def test_pex_says_what_runs(reviews: Shell, lab: FaultyEndpoint) -> None:
    lab.latency_s = 1.0
    execution = reviews.space["exp"].start(record=False)
    assert "Running: reviews since" in str(overview.project_overview())
    execution.wait()
    assert "No runs in progress." in str(overview.project_overview())


def test_pex_shows_and_runs_one(reviews: Shell, lab: FaultyEndpoint) -> None:
    said = reviews.run("%pex show reviews")
    assert "Experiment 'reviews': 1 variant (kept) x 3 cases" in said
    assert "First of 3 requests" in said
    assert lab.calls == 0
    assert "Kept: {{ review }}" in reviews.run("%pex show kept")
    assert "3 of 3 answers" in reviews.run("%pex run reviews")
    assert len(reviews.space["reviews_results"]) == 3
    assert "unknown command 'shwo'\n  did you mean 'show'?" in reviews.run("%pex shwo x")
    assert "no experiment or prompt 'reveiws'\n  did you mean 'reviews'?" in reviews.run(
        "%pex show reveiws"
    )
    assert "%pex run: which experiment?\n  there is: 'reviews'" in reviews.run("%pex run")


def test_days_are_said_as_people_do() -> None:
    now = datetime.datetime(2026, 3, 1, 8)
    yesterday = datetime.datetime(2026, 2, 28, 23, 59)
    assert overview.when(yesterday, now) == "yesterday 23:59"


def test_an_empty_project_says_how_to_begin(shell: Shell) -> None:
    assert "No experiments yet: `pexlab init` creates one" in str(overview.project_overview())


# Tab


def test_tab_knows_what_there_is(reviews: Shell, project: Path) -> None:
    pex.library.save(pex.Prompt("Lib: {{ review }}", "stored"), alias="champion")
    reviews.run("%%prompt short\n{{ review }}")
    assert reviews.complete("%%prompt sh") == ["short"]
    assert reviews.complete("%prompt ke") == ["kept"]
    assert reviews.complete("%prompt library:") == ["library:stored", "library:stored@champion"]
    assert reviews.complete("%%prompt short --ru") == ["--run"]
    assert "--model" in reviews.complete("%%prompt short --run ")
    assert reviews.complete("%%prompt short --run -m la") == ["lab/m1", "lab/"]
    assert reviews.complete("%%prompt short --run -m lo") == ["local/smollm2"]
    assert reviews.complete("%%prompt short --run --cases rev") == ["reviews"]
    assert "experiments/reviews/cases.csv" in reviews.complete("%%prompt s --run --cases ex")
    assert reviews.complete("%%prompt short --run --case a") == ["a1", "a2"]
    assert reviews.complete("%%prompt short --run --with r|\n{{ review }}") == ["review="]
    assert reviews.complete("%%prompt short --run --with review=$sho") == ["review=$short"]
    assert reviews.complete("%%prompt short --run --param temp") == ["temperature="]
    assert reviews.complete("%%prompt short --run\nReview: {{ re|") == ["review"]
    assert reviews.complete("%%prompt short --run\nReview: {{ | }} x") == ["review", "shop"]
    assert reviews.complete("%%prompt short --run\nsys") == ["system:"]
    assert reviews.complete("%pex sh") == ["show"]
    assert reviews.complete("%pex run ") == ["reviews"]
    # Elsewhere nothing has changed.
    assert "variants" in reviews.complete("exp.vari")
    reviews.run("%reload_ext pex")
    assert reviews.complete("%%prompt short --ru") == ["--run"]


def test_tab_sees_a_file_that_has_changed_and_survives_a_broken_one(
    reviews: Shell, project: Path
) -> None:
    reviews.run("del exp")
    cases = project / "experiments" / "reviews" / "cases.csv"
    assert reviews.complete("%%prompt p --run --cases reviews\n{{ s|") == ["shop"]
    cases.write_text("id,review,size,label\na1,Nice.,3,w\n")
    assert reviews.complete("%%prompt p --run --cases reviews\n{{ s|") == ["size"]
    # Without any that is in use, the columns of all experiments.
    assert reviews.complete("%%prompt p --run\n{{ s|") == ["size"]
    cases.write_text('id,review\n"')
    assert "a1" not in reviews.complete("%%prompt p --run --cases reviews --case a")
    (project / "pex.toml").write_text("nonsense")
    assert reviews.complete("%%prompt p --run -m lo") == ["local/smollm2"]


def test_tab_is_quick_and_asks_nobody(reviews: Shell, project: Path, lab: FaultyEndpoint) -> None:
    rows = "".join(f"c{n},text {n},north,w\n" for n in range(5_000))
    (project / "experiments/reviews/cases.csv").write_text(f"id,review,shop,label\n{rows}")
    for code in ("%%prompt p --run --cases reviews --case c1", "%%prompt p --run -m lo"):
        reviews.complete(code)
        effort = calls_of(lambda: reviews.complete(code))  # noqa: B023 - called at once
        assert effort < 20_000, effort
    assert lab.calls == 0
    assert local.status(project / ".pex") is None


# A kernel, Papermill, JupyterLab


@pytest.fixture
def kernel(project: Path, lab: FaultyEndpoint) -> Iterator[Kernel]:
    made = Kernel(project)
    made.run("%load_ext pex\nimport pex")
    yield made
    made.client.stop_channels()
    made.manager.shutdown_kernel(now=True)


def test_an_answer_grows_in_a_kernel_and_an_interrupt_keeps_what_came(
    kernel: Kernel, lab: FaultyEndpoint
) -> None:
    outputs = kernel.run('%%prompt p --run -m lab/m1 --with x="<b>1</b>"\nSay {{ x }}')
    kinds = [o["kind"] for o in outputs if "data" in o]
    assert kinds[0] == "display_data"
    assert set(kinds[1:]) == {"update_display_data"}
    html = outputs[-1]["data"]["text/html"]
    assert "Say &lt;b&gt;1&lt;/b&gt;" in html
    assert "kept in p_results" in html
    assert outputs[-1]["data"]["text/plain"].startswith("p · model: lab/m1\nSay <b>1</b>\n")

    kernel.run("rows = [{'x': n} for n in range(40)]")
    lab.latency_s, before = 0.3, lab.calls
    asked = kernel.start("%%prompt p --run -m lab/m1 --cases rows\nSay {{ x }}")
    while lab.calls < before + 4:
        time.sleep(0.05)
    kernel.manager.interrupt_kernel()
    (error,) = [o for o in kernel.finish(asked) if o["kind"] == "error"]
    assert error["ename"] == "Interrupted"
    assert "of 40 answers; they are in p_results" in error["traceback"][0]
    assert int(kernel.text("len(p_results)")) >= 4


def test_tab_works_through_a_kernel(kernel: Kernel) -> None:
    kernel.run("exp = pex.Experiment('e', pex.grid(pex.Prompt('{{ review }}', 'q'), 'lab/m1'), "
               "[{'review': 'Nice.', 'shop': 'north'}])")  # fmt: skip
    for code, expected in (
        ("%%prompt p --run\nReview: {{ re", ["review"]),
        ("%%prompt p --run -m lab", ["lab/m1", "lab/"]),
        ("%%prompt p --run --ca", ["--case", "--cases"]),
    ):
        reply = kernel.client.complete(code, reply=True, timeout=20)["content"]
        assert reply["matches"] == expected
        assert code[reply["cursor_start"] : reply["cursor_end"]] == code.split()[-1]


def test_papermill_runs_the_magics(project: Path, lab: FaultyEndpoint) -> None:
    path = notebook(
        project / "n.ipynb",
        'word = "none"',
        "%load_ext pex",
        "%%prompt p --run -m lab/m1 --with w=$word\nSay {{ w }}",
        "%pex",
        "assert p_results.frame['output'][0] == 'Say hello'",
    )
    papermill.execute_notebook(
        str(path), str(project / "out.ipynb"), {"word": "hello"}, cwd=str(project)
    )
    cells = nbformat.read(project / "out.ipynb", 4).cells
    (answer,) = cells[-3].outputs
    assert "Say hello" in answer["data"]["text/html"]
    assert "kept in p_results" in answer["data"]["text/plain"]


@pytest.mark.browser
@pytest.mark.model
def test_an_answer_grows_below_its_cell_in_jupyterlab(tmp_path: Path) -> None:
    project = tmp_path / "reviews"
    project.mkdir()
    (project / "pex.toml").touch()
    shutil.copytree(ROOT / "experiments", project / "experiments")
    story = "%%prompt story --run --no-record --param max_tokens=150\nTell a long story."
    notebook(
        project / "n.ipynb", None, "%load_ext pex",
        SHORT.format("--run --no-record --cases review-sentiment --case 1 2"), story, "x",
    )  # fmt: skip
    share(project)
    with jupyterlab(project) as lab:
        lab.open("n.ipynb")
        # What is seen of the text, whenever the page changes.
        lab.page.evaluate(
            """() => { window.sizes = new Set(); new MutationObserver(() => {
              const text = document.querySelector('.pex-prompt-answer-text');
              if (text) window.sizes.add(text.textContent.length);
            }).observe(document.body, {subtree: true, childList: true}); }"""
        )
        lab.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        lab.page.locator(".pex-prompt-answer-facts", has_text="150 out").wait_for()
        assert lab.page.evaluate("window.sizes.size") > 5
        assert lab.page.locator(".pex-prompt-answer").count() == 1
        line = lab.page.locator(".pex-grid-line").first
        assert str(line.text_content()).startswith("2/2")
        for dark in (True, False):
            lab.theme(dark)
            colours = lab.page.locator(".pex-prompt-answer-text").evaluate(
                "e => [getComputedStyle(e).color,"
                " getComputedStyle(document.querySelector('.jp-Notebook')).backgroundColor]"
            )
            assert colours[0] != colours[1]
            found = Axe().run(lab.page, context=".pex-prompt-answer")
            assert found.violations_count == 0, found.generate_report()
        lab.page.set_viewport_size({"width": 375, "height": 900})
        assert lab.page.locator(".pex-prompt-answer").evaluate(
            "e => e.scrollWidth <= e.clientWidth"
        )
        lab.page.set_viewport_size({"width": 1300, "height": 900})

        last = lab.page.locator(".jp-Notebook .jp-CodeCell").last.locator(".cm-content")
        last.click()
        lab.page.keyboard.press("Control+a")
        lab.page.keyboard.type("%%prompt short --run --cases review-sentiment")
        lab.page.keyboard.press("Enter")
        lab.page.keyboard.type("Review: {{ re")
        lab.page.keyboard.press("Tab")
        lab.page.wait_for_function(
            "() => [...document.querySelectorAll('.jp-Completer-match')]"
            ".some(e => e.textContent === 'review') || "
            "[...document.querySelectorAll('.cm-content')].at(-1)"
            ".innerText.includes('{{ review')"
        )
        lab.save()
    command = ["-m", "jupyter", "nbconvert", "--to", "html", str(project / "n.ipynb")]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    assert "pex-prompt-answer-text" in (project / "n.html").read_text()


def test_a_conversation_needs_no_value_for_what_the_user_says(reviews: Shell) -> None:
    desk = pex.Prompt(
        [{"role": "system", "content": "Of {{ shop }}."}, {"role": "user", "content": "{{ q }}"}],
        "desk",
    )
    ask = read_line("desk --chat -m lab/m1 --with shop=Ada")
    planned = plan_chat(ask, desk, {})
    assert [case.inputs for case in planned.experiment.cases] == [{"shop": "Ada", "q": ""}]
    with pytest.raises(PexError, match=r"no value for .* shop "):
        plan_chat(read_line("desk --chat"), desk, {})
    # Cases of the notebook that fit come before an empty one.
    said = pex.Prompt("{{ review }}", "said")
    assert len(plan_chat(read_line("said --chat"), said, reviews.space).chosen) == 3
    assert plan_chat(read_line("said --chat"), said, {}).experiment.cases[0].inputs == {
        "review": ""
    }
    assert "a conversation needs a notebook" in reviews.run(SHORT.format("--chat"))
