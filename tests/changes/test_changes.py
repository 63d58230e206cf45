"""A branch that changes prompts, in a real repository: what the comment says and cannot say."""

import json
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from pex.changes.comment import MARK, code
from pex.changes.workflow import workflow
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.service import EXPERIMENT, service

PROMPTS = Path(EXPERIMENT).parent / "prompts"


def git(folder: Path, *arguments: str) -> None:
    own = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *own, "-C", str(folder), *arguments], check=True, capture_output=True)


@pytest.fixture
def branch(project: Path, lab: FaultyEndpoint) -> Path:
    """The service in a repository, on a branch off `main` that has no change yet."""
    service(project, lab)
    (project / ".gitignore").write_text(".pex/\nmlruns/\n")
    git(project, "init")
    git(project, "add", ".")
    git(project, "commit", "-m", "all")
    git(project, "checkout", "-b", "change")
    return project


def change(project: Path, name: str, text: str) -> None:
    (project / PROMPTS / f"{name}.prompty").write_text(f"---\nname: {name}\n---\nuser:\n{text}\n")


def test_a_worse_prompt_is_told_with_five_cases_and_its_cost(
    branch: Path, lab: FaultyEndpoint
) -> None:
    change(branch, "good", "poor: {{ word }}")
    git(branch, "commit", "-am", "shorter")
    git(branch, "checkout", "-q", "main")
    change(branch, "odd", "good: {{ word }}")  # on the base branch since: no change of this branch
    git(branch, "commit", "-am", "later")
    git(branch, "checkout", "-q", "change")
    done = pexlab("changes", "--base", "main", "--out", "comment.md", folder=branch)
    assert done.returncode == 1, done.stderr
    text = (branch / "comment.md").read_text()
    assert text.startswith(MARK)
    assert text.count("good&#46;prompty") == 2  # in the table, and its own heading
    assert "odd" not in text
    assert "**worse** | <code>label</code>: 100 % → 50 % | −50 points [−65, −33] | $20" in text
    assert "40 cases: 0 better, 20 the same score, 20 worse; 20 with the same answer." in text
    assert "The 5 cases that changed most:" in text
    assert len(re.findall(r"^\| <code>c\d\d</code> .* \| 1 → 0 \|$", text, re.M)) == 5
    assert "```diff\n@@ -3,3 +3,3 @@\n ---\n user:\n-good: {{ word }}\n+poor:" in text
    assert "this comparison cost $1.60" in text
    paid = lab.calls
    again = pexlab("changes", "--base", "main", "--json", folder=branch)
    document = json.loads(again.stdout)
    assert document["outcome"] == "fail"
    assert document["spent_usd"] == 0
    assert document["prompts"][0]["comparison"]["verdict"] == "worse"
    assert lab.calls == paid


def test_undecided_new_included_and_unused_prompts(branch: Path, lab: FaultyEndpoint) -> None:
    change(branch, "odd", "odder: {{ word }}")
    (branch / "prompts").mkdir()
    (branch / "prompts" / "other.prompty").write_text("user:\nhi\n")
    experiment = branch / EXPERIMENT
    experiment.write_text(
        experiment.read_text().replace("prompts: [", "prompts: [prompts/n.prompty, ")
    )
    change(branch, "n", "good: {{ word }}")
    done = pexlab("changes", "--base", "main", folder=branch)
    assert done.returncode == 0, done.stderr
    assert "| **undecided** |" in done.stdout
    assert "more cases would decide" in done.stdout.replace("&#46;", ".")
    assert "new: nothing to compare with" in done.stdout
    assert "no experiment uses them: <code>prompts&#47;other&#46;prompty</code>" in done.stdout
    failed = pexlab("changes", "--base", "main", "--fail-undecided", folder=branch)
    assert failed.returncode == 3
    assert lab.calls == 80


def test_a_part_that_a_prompt_includes_counts(branch: Path, lab: FaultyEndpoint) -> None:
    part = branch / PROMPTS / "part.prompty"
    part.write_text("good")
    change(branch, "good", '{{ include("part") }}: {{ word }}')
    git(branch, "add", ".")
    git(branch, "commit", "-m", "a part")
    part.write_text("poor")
    done = pexlab("changes", "--base", "HEAD", folder=branch)
    assert "**worse**" in done.stdout, done.stderr
    assert "no experiment uses" not in done.stdout


def test_nothing_changed_and_mistakes(branch: Path, lab: FaultyEndpoint) -> None:
    done = pexlab("changes", "--base", "main", folder=branch)
    assert (done.returncode, lab.calls) == (0, 0)
    assert "No experiment's prompt differs from <code>main</code>." in done.stdout
    wrong = pexlab("changes", "--base", "mian", folder=branch)
    assert wrong.returncode == 2
    assert "--base mian: there is no such branch or commit" in wrong.stderr
    change(branch, "good", "poor: {{ word }}")
    dear = pexlab("changes", "--base", "main", "--budget", "0.1", folder=branch)
    assert dear.returncode == 4
    assert "the budget of $0.1 ended the run of 'words'" in dear.stderr


HOSTILE = (
    "![x](http://evil.example/p.png) <img src=http://evil.example/q> @maintainer #1 | a | b\n"
    "</code></td> ``` **pass** [ok](javascript:1) \u202e"
)


def test_answers_and_prompts_cannot_change_the_comment(branch: Path, lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: completion(
        "yes" if body["messages"][-1]["content"].startswith("good") else HOSTILE
    )
    change(branch, "good", "bad: {{ word }}\n````\n</details> @all <script>")
    done = pexlab("changes", "--base", "main", folder=branch)
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(done.stdout)
    assert "javascript&amp;" not in html
    for tag in ("<img", "<a ", "<strong>pass", "<script"):
        assert tag not in html
    outside = re.sub(r"<code.*?</code>", "", html, flags=re.S)
    for text in ("@", "evil", "#1", "pass"):
        assert text not in outside.replace("no_pass", "")
    rows = [line for line in done.stdout.splitlines() if line.startswith("| <code>c")]
    assert len(rows) == 5
    assert {line.count(" | ") for line in rows} == {5}
    assert code("a\nb`|") == "<code>a b&#96;&#124;</code>"


FAKE_GH = """#!/bin/sh
echo "$@" >> calls.txt
case "$*" in *--paginate*) echo "$EARLIER";; esac
"""


@pytest.mark.parametrize(
    ("earlier", "wrote"),
    [
        ("", "--method POST repos/o/r/issues/7/comments -F body=@comment.md"),
        ("31", "--method PATCH repos/o/r/issues/comments/31 -F body=@comment.md"),
    ],
)
def test_the_workflow_writes_one_comment_and_updates_it(
    tmp_path: Path, earlier: str, wrote: str
) -> None:
    gh = tmp_path / "gh"
    gh.write_text(FAKE_GH)
    gh.chmod(gh.stat().st_mode | stat.S_IEXEC)
    step = yaml.safe_load(workflow())["jobs"]["comment"]["steps"][-1]
    environment = {"GITHUB_REPOSITORY": "o/r", "NUMBER": "7", "EARLIER": earlier}
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=tmp_path, env=environment | path, check=True,
    )  # fmt: skip
    calls = (tmp_path / "calls.txt").read_text()
    assert wrote in calls
    assert calls.count("--method") == 1
    assert MARK in calls


def test_what_runs_the_branch_cannot_write_and_what_writes_runs_nothing_of_it() -> None:
    jobs = yaml.safe_load(workflow())["jobs"]
    assert yaml.safe_load(workflow())["permissions"] == {}
    assert jobs["compare"]["permissions"] == {"contents": "read"}
    assert jobs["comment"]["permissions"] == {"pull-requests": "write"}
    assert "head.repo.full_name == github.repository" in jobs["comment"]["if"]
    assert not any("checkout" in step.get("uses", "") for step in jobs["comment"]["steps"])
    # What comes from the pull request is in variables, never in the text of a script.
    assert not any("${{" in step.get("run", "") for job in jobs.values() for step in job["steps"])
    command = next(
        s["run"] for s in jobs["compare"]["steps"] if "pexlab changes" in s.get("run", "")
    )
    from pex.cli.commands import command as find

    known = {option for param in find("changes").params for option in param.opts}
    assert set(re.findall(r"--[a-z-]+", command)) <= known


def test_init_brings_it(tmp_path: Path) -> None:
    assert pexlab("init", ".", folder=tmp_path).returncode == 0
    assert (tmp_path / ".github/workflows/changed-prompts.yml").read_text() == workflow()
