"""pex.testing in a service's own pytest: cases as tests, the three outcomes, what is paid for."""

import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

import pex
from pex.core.errors import PexError
from pex.testing import Undecided, session
from tests.helpers import model
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.service import EXPERIMENT, run_pytest, service

pytestmark = pytest.mark.slow


def write(project: Path, text: str) -> None:
    head = f'import pex\n\nEXPERIMENT = "{EXPERIMENT}"\n\n\n'
    (project / "test_prompts.py").write_text(head + text)


def cases_of(prompt: str, more: str = "") -> str:
    return (
        f'@pex.testing.cases(EXPERIMENT, prompt="{prompt}"{more})\n'
        f"def test_{prompt}(case):\n    assert case.scores['label'] == 1, case.output\n\n\n"
    )


def no_worse(one: str, other: str, name: str, more: str = "") -> str:
    return (
        f"def test_{name}():\n    pex.testing.assert_no_worse({one!r}, baseline={other!r}, "
        f"experiment=EXPERIMENT, metric='label', margin=0.05{more})\n\n\n"
    )


def test_each_case_is_a_test_with_its_answer_and_only_selected_ones_are_sent(
    project: Path, lab: FaultyEndpoint
) -> None:
    service(project, lab)
    write(project, cases_of("odd"))
    listed = run_pytest(project, "--collect-only", "-q")
    assert "test_prompts.py::test_odd[c39]" in listed.stdout
    assert lab.calls == 0
    tagged = run_pytest(project, "-m", "tag_hard_one and tag_skip", "--strict-markers")
    assert "1 failed, 39 deselected" in tagged.stdout
    assert "case c01 of odd" in tagged.stdout
    assert "word: w1\nexpected: yes\nanswer: no\nscores: {'label': 0.0}" in tagged.stdout
    assert lab.calls == 1
    done = run_pytest(project, "-q")
    assert "3 failed, 37 passed" in done.stdout
    assert lab.calls == 40
    assert done.returncode == 1


def test_undecided_is_an_outcome_of_its_own(project: Path, lab: FaultyEndpoint) -> None:
    service(project, lab)
    write(
        project,
        no_worse("good", "poor", "better")
        + no_worse("poor", "good", "worse")
        + no_worse("odd", "odder", "open")
        + no_worse("good", f"{Path(EXPERIMENT).parent}/prompts/good.prompty", "same"),
    )
    done = run_pytest(project, "--junitxml=junit.xml", "-v")
    assert "test_prompts.py::test_open UNDECIDED" in done.stdout
    assert "1 failed, 2 passed, 1 undecided" in done.stdout
    section = done.stdout.split(" undecided =")[1]
    assert "'odd' against 'odder' is undecided on label: 92 % instead of 90 %" in section
    assert "more cases would decide" in section
    assert "4 better, 33 the same, 3 worse; 95 % interval, margin 0.05" in section
    assert "'poor' is worse than 'good' on label: 50 % instead of 100 %" in done.stdout
    found = {case.get("name"): case for case in Xml.parse(project / "junit.xml").iter("testcase")}
    open_case = found["test_open"]
    skipped = open_case.find("skipped")
    assert skipped is not None
    assert skipped.get("message", "").startswith("undecided: 'odd' against 'odder'")
    properties = {one.get("name"): one.get("value") for one in open_case.iter("property")}
    assert properties["pex.outcome"] == properties["pex.verdict"] == "undecided"
    assert properties["pex.n_cases"] == "40"
    assert int(properties["pex.more_cases"] or 0) > 0
    assert found["test_better"].find("skipped") is None

    paid = lab.calls
    warned = run_pytest(project, "-k", "open")
    assert (warned.returncode, "1 undecided" in warned.stdout) == (0, True)
    failed = run_pytest(project, "-k", "open", "--pex-undecided=fail", "--junitxml=junit.xml")
    assert failed.returncode == 1
    assert "1 undecided" in failed.stdout
    assert "passed" not in failed.stdout
    assert Xml.parse(project / "junit.xml").find(".//failure") is not None
    assert lab.calls == paid  # from the journal


def test_with_xdist_no_answer_is_paid_for_twice_and_fresh_pays_once_more(
    project: Path, lab: FaultyEndpoint
) -> None:
    service(project, lab)
    write(project, cases_of("good") + no_worse("good", "poor", "better"))
    done = run_pytest(project, "-n", "2", "-q")
    assert "41 passed" in done.stdout
    assert lab.calls == 80
    assert "pex: the tests spent $1.6000" in done.stdout
    again = run_pytest(project, "-n", "2", "-q", "--pex-fresh")
    assert "41 passed" in again.stdout
    assert lab.calls == 160


def test_the_budget_is_that_of_all_tests_together(project: Path, lab: FaultyEndpoint) -> None:
    service(project, lab)
    write(project, cases_of("good", ", limit=4") + no_worse("good", "poor", "better"))
    done = run_pytest(project, "-q", "--pex-budget", "0.2")
    assert "4 passed" in done.stdout
    assert "BudgetError: the budget of $0.2 ended the run of 'words'" in done.stdout
    assert "raise it with --pex-budget USD" in done.stdout
    assert 4 < lab.calls <= 10
    wrong = run_pytest(project, "--pex-budget", "much")
    assert wrong.returncode == 4
    assert "--pex-budget much: expected an amount in USD" in wrong.stderr


def test_mistakes_are_told_in_the_words_of_pex(project: Path, lab: FaultyEndpoint) -> None:
    service(project, lab)
    write(
        project,
        no_worse("goood", "poor", "name")
        + no_worse("good", "poor", "metric").replace("'label'", "'lable'")
        + no_worse("good", "poor", "margin").replace("margin=0.05", "margin=-1")
        + "@pex.testing.cases(EXPERIMENT, prompt='good', limit=1)\n"
        "def test_score(case):\n    case.scores['lable']\n",
    )
    done = run_pytest(project, "-q")
    assert "PexError: 'goood': experiment 'words' has no such prompt" in done.stdout
    assert "no scorer produces the metric 'lable'" in done.stdout
    assert "margin: expected a number, 0 or more, got -1" in done.stdout
    # Under CI, pytest repeats each message whole in its summary.
    failures = done.stdout.split("short test summary")[0]
    assert failures.count("did you mean 'label'?") == 2
    assert "Traceback" not in done.stdout
    assert "raise PexError" not in done.stdout
    write(project, cases_of("good").replace("EXPERIMENT,", "'experiments/wrds/experiment.yaml',"))
    missing = run_pytest(project, "-q")
    assert "experiments/wrds/experiment.yaml" in missing.stdout
    assert "raise" not in missing.stdout
    write(project, cases_of("good").replace("(case)", "()"))
    assert "has an argument 'case'" in run_pytest(project, "-q").stdout


def test_an_answer_that_failed_fails_its_test_alone(project: Path, lab: FaultyEndpoint) -> None:
    from aiohttp import web

    service(project, lab)
    answer = lab.reply

    def failing(body: dict, number: int) -> object:
        if body["messages"][-1]["content"] == "good: w2":
            return web.json_response({"error": {"message": "not allowed"}}, status=400)
        return answer(body, number)

    lab.reply = failing
    write(project, cases_of("good", ", limit=4"))
    done = run_pytest(project, "-q")
    assert "1 failed, 3 passed" in done.stdout
    assert "ProviderError: case 'c02' of 'good': no answer: " in done.stdout
    assert "not allowed" in done.stdout


def test_a_test_without_pex_pays_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "import sys\n\n\ndef test_own():\n"
        "    ours = sorted(name for name in sys.modules if name.split('.')[0] == 'pex')\n"
        "    assert ours == ['pex', 'pex.core', 'pex.core.version', 'pex.testing', "
        "'pex.testing.active', 'pex.testing.plugin']\n"
    )
    done = run_pytest(tmp_path, "-q")
    assert "1 passed" in done.stdout, done.stdout
    assert "pex:" not in done.stdout


def test_the_plugin_is_found_where_pex_is_installed() -> None:
    root = Path(pex.__file__).parent.parent
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"pex": "pex.testing.plugin"}
    code = "import pex; pex.testing.cases; import sys; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_pytest_it_is_a_function(project: Path, lab: FaultyEndpoint) -> None:
    service(project, lab)
    session.active.make = None
    options = {"experiment": EXPERIMENT, "metric": "label", "margin": 0.05}
    verdict = pex.testing.assert_no_worse("good", baseline="poor", **options)
    assert verdict.outcome == "pass"
    assert verdict.rows[0]["verdict"] == "better"
    with pytest.raises(AssertionError, match="'poor' is worse than 'good'"):
        pex.testing.assert_no_worse("poor", baseline="good", **options)
    with pytest.raises(Undecided, match="'odd' against 'odder' is undecided"):
        pex.testing.assert_no_worse("odd", baseline="odder", **options)
    given = pex.Prompt("poor: {{ word }}", name="good")
    with pytest.raises(AssertionError, match=r"'good' is worse than 'good.baseline'"):
        pex.testing.assert_no_worse(given, baseline="good", **options)
    with pytest.raises(PexError, match="how much worse is still no worse"):
        pex.testing.assert_no_worse("good", baseline="poor", experiment=EXPERIMENT)


def test_a_version_of_the_library_is_the_baseline(project: Path, lab: FaultyEndpoint) -> None:
    service(project, lab)
    pex.library.save(pex.Prompt("good: {{ word }}", name="shop"), alias="champion")
    write(project, no_worse("poor", "library:shop@champion", "shipped"))
    done = run_pytest(project, "-q")
    assert "'poor' is worse than 'shop' on label: 50 % instead of 100 %" in done.stdout


@pytest.mark.model
def test_it_runs_offline_on_the_built_in_model(project: Path) -> None:
    (project / "words.jsonl").write_text('{"word": "Great, thanks!", "expected": "positive"}\n')
    (project / "p.prompty").write_text("user:\nIs this positive or negative? {{ word }}\n")
    (project / "experiment.yaml").write_text(
        "name: few\ncases: words.jsonl\nprompts: [p.prompty]\nmodels: [local/smollm2]\n"
        "params: [{temperature: 0, max_tokens: 8}]\nscorers: [label]\n"
    )
    model.share(project)
    (project / "test_few.py").write_text(
        "import pex\n\n\n@pex.testing.cases('experiment.yaml')\n"
        "def test_few(case):\n    assert 'positive' in case.output.lower()\n"
    )
    assert "1 passed" in run_pytest(project, "-q").stdout
