"""Since which version is a prompt worse: on a real store, with answers that a test plans."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import mlflow
import pytest

import pex
from pex.core.errors import Interrupted, PexError
from pex.library.registry import save
from tests.helpers.command import pexlab
from tests.helpers.endpoint import completion
from tests.helpers.model import share

CASES = 60
YAML = """name: {name}
cases: cases.csv
prompts: ["library:rule/1"]
models: [lab/m1]
scorers: [exact]
gate: {{baseline: pinned, metric: exact, margin: 0.2}}
"""


@pytest.fixture
def uri_of_project(project: Path, empty_store: Path) -> str:
    """The project's store, empty if nothing has been recorded yet."""
    path = project / "mlruns" / "mlflow.db"
    if not path.exists():
        path.parent.mkdir()
        shutil.copy(empty_store, path)
    return f"sqlite:///{path}"


def _text(number: int) -> str:
    return f"Rule {number}. Answer yes or no.\nQuestion {{{{ question }}}}"


def _versions(count: int = 9) -> None:
    for number in range(1, count + 1):
        save(pex.Prompt(_text(number), name="rule", model="lab/m1"), note=f"step {number}")


def _experiment(project, yaml: str = YAML, name: str = "rules") -> None:
    folder = project / "experiments" / name
    folder.mkdir(parents=True)
    rows = [f"q{number},yes" for number in range(CASES)]
    (folder / "cases.csv").write_text("question,expected\n" + "\n".join(rows) + "\n")
    (folder / "experiment.yaml").write_text(yaml.format(name=name))


def _asked(body) -> tuple[int, int]:
    found = re.search(r"Rule (\d+)[^Q]*Question q(\d+)", body["messages"][-1]["content"], re.DOTALL)
    return int(found[1]), int(found[2])


def _worse_from(first: int, share_right: float = 0.4):
    """Good versions answer 95 % right, those from `first` on only a share."""

    def reply(body, number):
        version, case = _asked(body)
        share = share_right if version >= first else 0.95
        return completion("yes" if (case * 7 + 3) % CASES < share * CASES else "no")

    return reply


@pytest.fixture
def rules(lab, project):
    _versions()
    _experiment(project)
    return lab


@pytest.mark.parametrize("first", [2, 5, 9])
def test_the_break_is_found_with_few_versions_run_and_its_difference(rules, first):
    rules.reply = _worse_from(first)
    said: list[str] = []
    found = pex.bisect("rule", "v1", "v9", say=said.append)
    assert (found.outcome, found.first_bad) == ("found", f"v{first}")
    assert (found.last_good, found.between) == (f"v{first - 1}", [])
    assert len(found.steps) <= 5  # the bad end, and three halvings of eight or four
    assert [piece for piece in found.difference if piece[0] != "same"] == [
        ("gone", f"{first - 1}."),
        ("new", f"{first}."),
    ]
    # Each neighbour against the good version, and both against each other.
    pairs = {(step.version, step.against): step for step in found.neighbours}
    last = pairs[(f"v{first}", f"v{first - 1}")]
    assert last.verdict == "worse"
    assert last.hi < 0
    assert last.n_cases == CASES
    assert f"rule is worse since v{first}" in repr(found)
    assert f"step {first}" in repr(found)
    assert any(line.startswith("v9: comparing with v1") for line in said)


def test_the_same_call_again_costs_nothing_and_finds_the_same(rules):
    rules.reply = _worse_from(4)
    first = pex.bisect("rule", "v1", "v9")
    calls = rules.calls
    again = pex.bisect("rule", "v1", "v9")
    assert rules.calls == calls
    assert again.first_bad == first.first_bad == "v4"


def test_without_a_break_it_says_so_after_the_ends(rules):
    rules.reply = _worse_from(100)
    found = pex.bisect("rule", "v1", "v9")
    assert (found.outcome, found.first_bad, len(found.steps)) == ("no break", None, 1)
    assert repr(found).startswith("There is no break: v9 is no worse than v1 on exact.")
    assert rules.calls == 2 * CASES


def test_noise_at_the_ends_raises_the_repeats_and_ends_undecided(rules):
    def noisy(body, number):
        _, case = _asked(body)
        return completion("yes" if (case * 31 + number * 17) % 7 < 4 else "no")

    rules.reply = noisy
    found = pex.bisect("rule", "v1", "v9", margin=0.001, repeats=8)
    assert found.outcome == "undecided"
    assert found.steps[0].repeats == 16
    assert repr(found).startswith("Undecided: v1 and v9 cannot be told apart. About")


def test_a_version_that_may_be_within_the_margin_is_not_blamed(rules, monkeypatch):
    monkeypatch.setattr("pex.evidence.bisection.bisection.MOST_REPEATS", 2)

    def reply(body, number):
        version, case = _asked(body)
        right = 0.95 if version < 5 else 0.75 if version < 7 else 0.3
        return completion("yes" if (case * 7 + 3) % CASES < right * CASES else "no")

    rules.reply = reply
    found = pex.bisect("rule", "v1", "v9", margin=0.15)
    # v5 and v6 lose 20 points: measurably worse, but perhaps by less than 15.
    judged = {step.version: (step.verdict, step.judged) for step in found.steps}
    assert judged["v5"] == ("worse", "undecided")
    assert (found.last_good, found.first_bad, found.between) == ("v4", "v7", ["v5", "v6"])
    assert "not corrected for repeated looks" in repr(found)


def test_a_bad_end_that_may_be_within_the_margin_is_undecided(rules, monkeypatch):
    monkeypatch.setattr("pex.evidence.bisection.bisection.MOST_REPEATS", 2)
    rules.reply = _worse_from(5, 0.75)
    found = pex.bisect("rule", "v1", "v9", margin=0.15)
    assert found.outcome == "undecided"
    assert "v9 is worse than v1, but not measurably by more than the margin of 0.15" in repr(found)


def test_a_margin_of_0_in_the_gate_stays_0(lab, project):
    _versions()
    _experiment(project, YAML.replace("margin: 0.2", "margin: 0"))
    lab.reply = _worse_from(5)
    found = pex.bisect("rule", "v1", "v9")
    assert (found.margin, found.first_bad, found.last_good) == (0, "v5", "v4")
    assert lab.calls == 5 * CASES  # what answers alike is not repeated
    assert not found.notes


def test_a_small_start_is_extended_by_cases_then_by_repeats(rules):
    rules.reply = _worse_from(3, 0.75)
    said: list[str] = []
    found = pex.bisect("rule", "v1", "v9", limit=5, margin=0.05, say=said.append)
    assert found.first_bad == "v3"
    assert [line for line in said if line.startswith("v9: comparing")][:2] == [
        "v9: comparing with v1, 5 cases",
        "v9: comparing with v1, 10 cases",
    ]


def test_versions_that_cannot_be_run_are_skipped_and_named(lab, project, uri_of_project):
    for number in range(1, 10):
        text = _text(number)
        if number == 5:
            text += "\n{{ nobody_has_this }}"
        save(pex.Prompt(text, name="rule", model="lab/m1"))
    mlflow.MlflowClient(uri_of_project).delete_prompt_version("rule", "4")
    _experiment(project)
    lab.reply = _worse_from(4)
    found = pex.bisect("rule", "v1", "v9")
    assert found.skipped.keys() == {"v4", "v5"}
    assert found.skipped["v4"] == "it was deleted"
    assert "nobody_has_this" in found.skipped["v5"]
    assert (found.last_good, found.first_bad, found.between) == ("v3", "v6", ["v4", "v5"])
    assert "v4, v5" in repr(found)


def test_identical_versions_run_once_and_a_history_that_goes_back_is_told(lab, project):
    # A version with another description has the same digest: it sends the same.
    for number, text in enumerate([1, 2, 2, 5, 1, 5], 1):
        prompt = pex.Prompt(_text(text), name="rule", model="lab/m1", description=f"d{number}")
        assert save(prompt).version == number
    _experiment(project)
    lab.reply = _worse_from(5)
    found = pex.bisect("rule", "v1", "v6")
    assert (found.last_good, found.first_bad) == ("v3", "v4")
    assert lab.calls == 3 * CASES
    assert any("goes back and forth: v5" in note for note in found.notes)


def test_its_runs_are_no_measurements_of_the_experiment(rules, uri_of_project):
    from pex.record.search import latest

    rules.reply = _worse_from(5)
    found = pex.bisect("rule", "v1", "v9")
    assert latest(uri_of_project, experiment="rules") == []
    run = mlflow.MlflowClient(uri_of_project).get_run(found.steps[0].run_id)
    assert run.data.tags["pex.source"] == "bisect"
    assert run.data.tags["pex.bisect"] == "rule v1 to v9"


def test_the_budget_ends_it_with_what_is_known(lab, project):
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{lab.url}"\n[prices."lab/m1"]\n'
        "input_usd_per_million = 1000\noutput_usd_per_million = 1000\n"
    )
    _versions()
    _experiment(project)
    lab.reply = _worse_from(5)
    yaml = project / "experiments" / "rules" / "experiment.yaml"
    yaml.write_text(yaml.read_text().replace("[lab/m1]", "[lab/m1]\nparams: [{max_tokens: 4}]"))
    found = pex.bisect("rule", "v1", "v9", budget_usd=2.2)
    assert found.outcome == "budget"
    assert found.spent_usd <= 2.2
    assert found.first_bad is not None
    more = pex.bisect("rule", "v1", "v9", budget_usd=9)
    assert (more.outcome, more.first_bad) == ("found", "v5")


def test_an_interrupt_keeps_the_answers_and_says_how_to_go_on(rules, monkeypatch):
    from pex.experiment.experiment import Experiment

    rules.reply = _worse_from(5)
    run = Experiment.run
    runs = []

    def interrupted(self, **options):
        runs.append(options)
        results = run(self, **options)
        if len(runs) == 2:
            raise Interrupted("stopped", results)
        return results

    monkeypatch.setattr(Experiment, "run", interrupted)
    with pytest.raises(Interrupted, match="the break is after v1 and not later than v9"):
        pex.bisect("rule", "v1", "v9")
    calls = rules.calls
    monkeypatch.setattr(Experiment, "run", run)
    assert pex.bisect("rule", "v1", "v9").first_bad == "v5"
    assert calls == 3 * CASES
    assert rules.calls == 5 * CASES


def _git(folder, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=Ada", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false",
         "-c", "core.hooksPath=/dev/null", *arguments],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_commits_of_a_file_also_when_it_was_renamed(lab, project):
    _experiment(project, YAML.replace('"library:rule/1"', "prompts/rule.prompty"), name="rules")
    prompts = project / "experiments" / "rules" / "prompts"
    prompts.mkdir()
    _git(project, "init", "-q")
    commits = []
    for number in range(1, 8):
        path = prompts / ("old.prompty" if number < 3 else "rule.prompty")
        if number == 3:
            _git(project, "mv", str(prompts / "old.prompty"), str(path))
        broken = "{% if %}" if number == 5 else ""
        path.write_text(f"---\nmodel: lab/m1\n---\n{_text(number)}\n{broken}\n")
        _git(project, "add", ".")
        _git(project, "commit", "-qm", f"rule {number}")
        commits.append(_git(project, "rev-parse", "HEAD"))
    (project / "other.txt").write_text("x")
    _git(project, "add", ".")
    _git(project, "commit", "-qm", "something else")
    lab.reply = _worse_from(4)
    found = pex.bisect("rule", commits[0], "HEAD")
    assert [item.label for item in found.versions] == [
        commits[0][:10], *(commit[:10] for commit in commits[1:])
    ]  # fmt: skip
    assert found.first_bad == commits[3][:10]
    assert "Ada" in repr(found)
    assert "rule 4" in repr(found)
    with pytest.raises(PexError, match="wrong way round"):
        pex.bisect("rule", "HEAD", commits[0])
    with pytest.raises(PexError, match="neither a version of the library nor a git revision"):
        pex.bisect("rule", "--upload-pack=x", "HEAD")


@pytest.fixture
def repository(lab, project):
    """A project in git whose prompt file is changed by `commit`; answers are worse from rule 4."""
    _experiment(project, YAML.replace('"library:rule/1"', "prompts/rule.prompty"))
    (project / "experiments" / "rules" / "prompts").mkdir()
    _git(project, "init", "-qb", "main")
    lab.reply = _worse_from(4)
    return project


def _commit(project: Path, number: int, name: str = "rule", end: str = "") -> str:
    path = project / "experiments" / "rules" / "prompts" / f"{name}.prompty"
    path.write_text(f"---\nmodel: lab/m1\n---\n{_text(number)}{end}\n")
    return _committed(project, f"rule {number}")


def _committed(project: Path, subject: str) -> str:
    _git(project, "add", ".")
    _git(project, "commit", "-qm", subject)
    return _git(project, "rev-parse", "HEAD")


def test_a_merge_counts_as_the_change_that_it_brought(repository):
    good = _commit(repository, 1)
    _git(repository, "checkout", "-qb", "side")
    _commit(repository, 3)
    _commit(repository, 4)
    _git(repository, "checkout", "-q", "main")
    (repository / "other.txt").write_text("x")
    _committed(repository, "something else")
    _git(repository, "merge", "-q", "--no-ff", "side", "-m", "merge side")
    merge = _git(repository, "rev-parse", "HEAD")
    after = _commit(repository, 5)
    found = pex.bisect("rule", good, "HEAD")
    assert [item.label for item in found.versions] == [good[:10], merge[:10], after[:10]]
    assert (found.first_bad, found.last_good) == (merge[:10], good[:10])
    # The bad end is what the merge has, not the last commit of the other branch.
    ended = pex.bisect("rule", good, merge)
    assert [item.label for item in ended.versions] == [good[:10], merge[:10]]


def test_a_rename_right_after_the_good_commit_and_one_after_the_bad_one(repository):
    prompts = repository / "experiments" / "rules" / "prompts"
    good = _commit(repository, 1, "first")
    _git(repository, "mv", str(prompts / "first.prompty"), str(prompts / "second.prompty"))
    renamed = _committed(repository, "a new name")
    bad = _commit(repository, 4, "second")
    _git(repository, "mv", str(prompts / "second.prompty"), str(prompts / "rule.prompty"))
    _committed(repository, "the name of now")
    found = pex.bisect("rule", good, bad)
    assert [item.label for item in found.versions] == [good[:10], renamed[:10], bad[:10]]
    assert (found.first_bad, found.skipped) == (bad[:10], {})


def test_a_change_of_an_included_part_is_a_version(repository):
    (repository / "prompts").mkdir()
    tone = repository / "prompts" / "tone.prompty"
    path = repository / "experiments" / "rules" / "prompts" / "rule.prompty"
    commits = []
    for number in (1, 2, 4, 5):
        tone.write_text(f"Rule {number}. Answer yes or no.\n")
        if number < 3:
            path.write_text('{{ include("tone") }}\nQuestion {{ question }}\n')
        commits.append(_committed(repository, f"tone {number}"))
    found = pex.bisect("rule", commits[0], "HEAD")
    assert [item.label for item in found.versions] == [commit[:10] for commit in commits]
    assert (found.first_bad, found.last_good) == (commits[2][:10], commits[1][:10])
    assert "tone 4" in repr(found)


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("v9", "v1", "the good version must be the older one"),
        ("v3", "v3", "one and the same version"),
        ("v1", "v12", "has no version 12"),
        ("@champion", "v3", "has no alias 'champion'"),
        ("v1", "HEAD", "one is a version of the library, the other is not"),
    ],
)
def test_wrong_ends_are_named_before_any_call(rules, good, bad, message):
    with pytest.raises(PexError, match=message):
        pex.bisect("rule", good, bad)
    assert rules.calls == 0


def test_a_wrong_experiment_score_or_model_is_named(rules, project):
    save(pex.Prompt("x {{ question }}", name="other"))
    save(pex.Prompt("y {{ question }}", name="other"))
    with pytest.raises(PexError, match="no experiment of this project uses the prompt 'other'"):
        pex.bisect("other", "v1", "v2")
    with pytest.raises(PexError, match="has no score 'exakt'"):
        pex.bisect("rule", "v1", "v9", metric="exakt")
    with pytest.raises(PexError, match="does not use the model 'lab/m2'"):
        pex.bisect("rule", "v1", "v9", model="lab/m2")
    _experiment(project, name="more")
    with pytest.raises(PexError, match="several experiments use the prompt 'rule': more, rules"):
        pex.bisect("rule", "v1", "v9")


def test_the_command_prints_the_break_and_one_document(rules, project):
    rules.reply = _worse_from(5)
    done = pexlab("library", "bisect", "rule", "--good", "v1", "--bad", "v9", folder=project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("rule is worse since v5; v4 is still good.")
    assert "[-4.-]{+5.+}" in done.stdout
    assert "v9: comparing with v1, 60 cases" in done.stderr
    again = pexlab(
        "library", "bisect", "rule", "--good", "v1", "--bad", "v9", "--json", folder=project
    )
    document = json.loads(again.stdout)
    assert (document["first_bad"], document["steps"][0]["version"]) == ("v5", "v9")


def test_the_command_says_when_the_ends_cannot_be_told_apart(rules, project):
    rules.reply = _worse_from(9, 0.9)
    done = pexlab(
        "library", "bisect", "rule", "--good", "v1", "--bad", "v9", "--margin", "0.001",
        folder=project,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("Undecided")


@pytest.mark.model
def test_on_the_built_in_model(project, uri_of_project):
    share(project)
    good = "Review: {{ review }}\nIs this review positive or negative? Answer with one word."
    bad = "Write one sentence about the weather. Never mention this: {{ review }}"
    for number, text in enumerate((good, good, bad, bad + " Please."), 1):
        prompt = pex.Prompt(text, name="mood", params={"temperature": 0}, description=f"{number}")
        assert save(prompt).version == number
    reviews = ["I love it", "I hate it", "wonderful", "terrible", "great value", "it broke",
               "so happy", "very bad", "excellent", "awful", "perfect", "poor quality"]  # fmt: skip
    exp = pex.Experiment(
        "moods",
        pex.grid([pex.Prompt(good, name="mood")], "local/smollm2", {"max_tokens": 6}),
        [
            {"review": f"{text}.", "expected": ("positive", "negative")[number % 2]}
            for number, text in enumerate(reviews)
        ],
        ["label"],
    )
    found = pex.bisect("mood", "v1", "v4", experiment=exp)
    assert (found.outcome, found.first_bad) == ("found", "v3")
