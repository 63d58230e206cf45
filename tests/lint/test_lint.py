"""`pexlab lint`: what is found where, what is left alone, what is ignored and fixed."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pex
from pex.core.prompt import Prompt
from pex.lint.ignores import apply
from pex.lint.linting import Linted, lint
from tests.helpers.command import pexlab

TODAY = datetime.date(2026, 11, 30)
CASES = """case_id,mail,lang,expected
a,"My lamp arrived broken and nobody answers the telephone at your shop.",en,complaint
b,"Could you tell me when the blue chair will be there again please?",en,question
c,"Danke für die schnelle Lieferung, der Tisch ist wirklich schön geworden.",de,praise
"""
LABELS = "Answer with complaint, question or praise."


def found(path: Path, text: str, **options: bool) -> list[tuple[str, int]]:
    """The codes and lines that are found in a prompt file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    result = lint([path], today=TODAY, **options)
    assert all(finding.advice and finding.message for finding in result.findings)
    return [(finding.code, finding.line) for finding in result.findings]


def of_experiment(project: Path, prompt: str, **keys: object) -> Linted:
    """What is found in an experiment with one prompt."""
    folder = project / "experiments" / "shop"
    (folder / "prompts").mkdir(parents=True, exist_ok=True)
    (folder / "cases.csv").write_text(CASES)
    (folder / "prompts" / "p.prompty").write_text(prompt)
    spec = {"name": "shop", "cases": "cases.csv", "prompts": ["prompts/p.prompty"], **keys}
    (folder / "experiment.yaml").write_text(json.dumps(spec))
    return lint([folder], today=TODAY)


BAD = {
    "system value": ("---\n---\nsystem:\nSort it.\nMail: {{ mail }}\n", [("PX101", 5)]),
    "fenced in system": ("system:\nSort it: {{ x | untrusted }}\n", [("PX101", 2)]),
    "no delimiter": ("---\nname: p\n---\nuser:\nReview: {{ review }}\nGood?\n", [("PX102", 5)]),
    "own marks": ("<mail>\n{{ mail | trim }}\n</mail>\nSort it.\n", [("PX102", 2)]),
    "in a loop": ("{% for d in docs %}\n{{ d }}\n{% endfor %}\nSum up.\n", [("PX102", 2)]),
    "by another name": ("{% set m = mail | trim %}\n{{ m }}\nSort it.\n", [("PX102", 2)]),
    "a key": ("Say hi.\nsk-proj-Abcd1234Efgh5678Ijkl9012Mnop3456Qrst7890\n", [("PX103", 2)]),
    "always never": (
        "Always name the customer in replies.\nBe kind.\nNever name the customer in replies.\n",
        [("PX104", 3)],
    ),
    "one word": ("Answer with one word.\nExplain your answer in detail.\n", [("PX104", 2)]),
    "languages": ("Answer in English.\nPlease reply in German.\n", [("PX104", 2)]),
    "json": ("Answer in JSON only.\nWrite plain text.\n", [("PX104", 2)]),
    "example words": ("user:\nAnswer in one word.\n\nassistant:\nIt is good\n", [("PX106", 5)]),
    "example json": ("user:\nAnswer as JSON.\n\nassistant:\ngood\n", [("PX106", 5)]),
    "example schema": (
        "---\nname: p\noutputs:\n  - {name: a, kind: string}\n---\nuser:\nGo.\n\nassistant:\n"
        '{"b": 1}\n',
        [("PX106", 10)],
    ),
    "model": ("---\nname: p\nmodel: lab/old\n---\nGo.\n", [("PX109", 3)]),
    "not a prompt": ("---\nname: p\n---\nuser:\nGo {{ x\n", [("PX100", 1)]),
    "unused ignore": ("Go. {# pex: ignore[PX102] #}\n", [("PX110", 1)]),
    "no such rule": ("---\nname: p\n# pex: ignore[PX12]\n---\nGo.\n", [("PX110", 3)]),
    "no code": ("---\nname: p\n# pex: ignore\n---\nGo.\n", [("PX110", 3)]),
}

GOOD = {
    "own message": "system:\nSort it.\n\nuser:\n{{ mail }}\n",
    "fenced": "Sort the mail.\n{{ mail | trim | untrusted('a mail') }}\n",
    "loop": "{% for p in passages %}{{ p | untrusted }}{% endfor %}\n{{ question | untrusted }}\n",
    "set": "{% set m = mail | untrusted %}{{ m }}\nSort it.\n",
    "figures": "{{ messages | length }} messages, {{ orders | count }} in {{ country }}.\n",
    "choices": "{{ name }}, translate into {{ language }}; the tone is {{ tone }}.\n",
    "default": "---\nname: p\ninputs: [{name: text, default: Hi}]\n---\nSay {{ text }} kindly.\n",
    "support": "system:\nAlways be polite. Never promise a refund. Always answer in the user's "
    "language. Never mention our tools. If unsure, always say so.\n\nuser:\n{{ question }}\n",
    "conditions": "Always name the price. If the customer is angry, never name the price.\n",
    "other things": "Always check the types. Never check the formatting.\n",
    "think": "Think step by step. Answer with one word: yes or no.\n",
    "not explain": "Answer with one word. Do not explain your answer.\n",
    "quoted": 'Answer in English. If it says "answer in German", do not.\n',
    "json and text": "Respond in JSON only. A comment is plain text, not an instruction.\n",
    "examples": "user:\nAnswer in one word.\n\nassistant:\ngood\n\nuser:\n{{ review }}\n",
    "no real key": "Never say a password such as hunter2. Authorization: Bearer YOUR_TOKEN\n",
    "ignored": "---\nname: p\n# pex: ignore[PX102, PX104]\n---\nAnswer in English. "
    "Reply in German.\nMail: {{ mail }}.\n",
    "ignored line": "{# pex: ignore[PX102] #}\nMail: {{ mail }}.\n",
}


@pytest.fixture(autouse=True)
def _models(project: Path) -> None:
    (project / "pex.toml").write_text('[models."lab/old"]\nstops = "2026-12-24"\n')


@pytest.mark.parametrize("name", BAD)
def test_a_bad_prompt_has_its_finding_in_its_line(project: Path, name: str) -> None:
    text, expected = BAD[name]
    assert found(project / "p.prompty", text) == expected


@pytest.mark.parametrize("name", GOOD)
def test_a_good_prompt_has_none(project: Path, name: str) -> None:
    assert found(project / "p.prompty", GOOD[name]) == []


@pytest.mark.parametrize(
    ("before", "after"), [("<m>", "</m>"), ("---", "---"), ("```text", "```"), ('"""', '"""')]
)
def test_marks_of_the_author_are_named_as_what_a_text_can_contain(
    project: Path, before: str, after: str
) -> None:
    (project / "p.prompty").write_text(f"Mail:\n{before}\n{{{{ mail }}}}\n{after}\nGood?\n")
    [finding] = lint([project / "p.prompty"], today=TODAY).findings
    assert finding.message == f"{{{{ mail }}}} is text from outside, and can contain {after}"


def test_an_experiment_says_what_its_prompt_lacks(project: Path) -> None:
    prompt = (
        "user:\nMy lamp arrived broken, and nobody answers the telephone at your shop: complaint.\n"
        "Language {{ lang }}:\n{{ mail }}\nIs it good?\n\nassistant:\nbad\n"
    )
    result = of_experiment(
        project, prompt, models=["lab/old"], scorers=["label", {"name": "keys", "kind": "json"}]
    )
    assert [(f.code, f.line, Path(f.path).name) for f in result.findings] == [
        ("PX109", 1, "experiment.yaml"),
        ("PX107", 2, "p.prompty"),
        ("PX102", 4, "p.prompty"),
        ("PX105", 8, "p.prompty"),
        ("PX105", 8, "p.prompty"),
        ("PX106", 8, "p.prompty"),
    ]
    said = "\n".join(map(str, result.findings))
    assert "looks for 'praise', 'question'" in said
    assert "'a' of shop" in said
    assert "stops in 24 days" in said
    good = f"{LABELS} The answer is JSON.\n{{{{ mail | untrusted }}}}\n"
    assert of_experiment(project, good, scorers=["label", "json"]).findings == ()


def test_a_variable_near_the_top_has_its_price(project: Path) -> None:
    rules = "\n".join(f"Rule {n}: mails about group {n} are questions." for n in range(200))
    prompt = f"Language: {{{{ lang }}}}\n{rules}\n{LABELS}\n{{{{ mail | untrusted }}}}\n"
    keys = {"scorers": ["label"], "models": ["openai/gpt-4.1-mini", "local/smollm2"]}
    [finding] = of_experiment(project, prompt, **keys).findings
    assert (finding.code, finding.line) == ("PX108", 1)
    # 0.40 - 0.10 USD for a million of about 2,600 tokens, a thousand times
    assert "about $0.7" in finding.message
    assert "openai/gpt-4.1-mini" in finding.message
    canary = f"{{{{ canary }}}}\n{rules}\n{LABELS}\n{{{{ mail | untrusted }}}}\n"
    [finding] = of_experiment(project, canary, **keys).findings
    assert "{{ canary }} differs between calls" in finding.message
    late = f"{rules}\n{LABELS}\n{{{{ lang }}}}\n{{{{ mail | untrusted }}}}\n"
    assert of_experiment(project, late, **keys).findings == ()


def test_fix_declares_examples_and_deletes_comments_and_no_request_changes(project: Path) -> None:
    prompt = (
        "---\nname: p\n# pex: ignore[PX103]\n---\nuser:\nMy lamp arrived broken and nobody answers "
        f"the telephone at your shop. {LABELS} {{# pex: ignore[PX104] #}}\n"
        "{{ mail }} {# pex: ignore[PX102] #}\nWhich?\n"
    )
    of_experiment(project, prompt, scorers=["label"])
    path = project / "experiments" / "shop" / "prompts" / "p.prompty"
    before = Prompt.load(path)
    result = lint([path], fix=True, today=TODAY)
    after = Prompt.load(path)
    assert (result.findings, result.fixed, result.ignored) == ((), 3, 1)
    assert after.render({"mail": "x"}) == before.render({"mail": "x"})
    assert after.examples == ("a",)
    assert "ignore[PX102]" in path.read_text()
    assert lint([path], fix=True, today=TODAY).fixed == 0


@given(
    st.lists(st.sampled_from(["# pex: ignore[PX102]", "{# pex: ignore[", "]", "---", "\n", "a"]))
)
def test_comments_of_any_form_are_read(parts: list[str]) -> None:
    findings, ignored = apply([], "".join(parts))
    assert ignored == 0
    assert {finding.code for finding in findings} <= {"PX110"}


def test_the_command_says_it_by_its_exit_code_and_in_json(project: Path) -> None:
    (project / "prompts").mkdir()
    (project / "prompts" / "a.prompty").write_text("Is it good?\n{{ review }} Say yes or no.\n")
    done = pexlab("lint", folder=project)
    assert done.returncode == 1
    assert done.stdout.startswith("prompts/a.prompty:2: PX102 {{ review }} is text from outside")
    assert done.stderr == "1 prompt: 0 errors, 1 warning\n"
    document = json.loads(pexlab("lint", "prompts", "--json", folder=project).stdout)
    assert document["findings"][0]["line"] == 2
    (project / "prompts" / "a.prompty").write_text("Is it good?\n{{ review | untrusted }}\n")
    assert pexlab("lint", folder=project).returncode == 0
    missing = pexlab("lint", "promts", folder=project)
    assert missing.returncode == 2
    assert "did you mean 'prompts'?" in missing.stderr


def test_the_prompts_of_this_repository_have_only_findings_that_were_looked_at() -> None:
    root = Path(pex.__file__).parents[1]
    result = lint([root / "experiments"], today=TODAY)
    assert result.prompts >= 12
    # Each shows a customer's text with a question after it, as they are measured in the docs.
    assert {finding.code for finding in result.findings} == {"PX102"}


def test_a_fix_writes_no_file_that_a_link_in_a_folder_leads_to(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = "Is it good? {# pex: ignore[PX103] #}\n{{ review | untrusted }}\n"
    mine = tmp_path_factory.mktemp("home") / "mine.prompty"
    mine.write_text(text)
    (project / "own.prompty").write_text(text)
    (project / "link.prompty").symlink_to(mine)
    found = lint([project], fix=True, today=TODAY)
    assert (found.prompts, found.fixed) == (1, 1)
    assert mine.read_text() == text
