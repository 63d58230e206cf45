"""The reference is up to date and complete, and the schemas accept what pex accepts."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import pex
from docs.make_reference import made
from docs.reference_commands import commands, parameters
from docs.reference_environment import listed
from docs.reference_files import page_of, sections
from docs.reference_models import FILES, File
from docs.reference_python import ROOMS
from docs.reference_schemas import SCHEMAS
from pex.batch.plan import load_plan
from pex.cli.commands import COMMANDS
from pex.cli.starter import SETTINGS
from pex.core.errors import PexError
from pex.monitoring.spec import load_monitor
from pex.project.settings import load_settings
from pex.project.spec import load_spec
from pex.score.build import build
from pex.score.field_rules import RULES
from pex.score.kinds import KINDS
from tests.helpers import ROOT

REFERENCE = ROOT / "docs" / "reference"
BY_NAME = {file.name: file for file in FILES}


def page(name: str) -> str:
    return (REFERENCE / name).read_text("utf-8")


def problems(file: File, text: str) -> list[str]:
    """What the stored schema says against a text; dates are strings to an editor."""
    (name,) = (name for name, one in SCHEMAS.items() if one is file)
    schema = json.loads((ROOT / "schemas" / name).read_text("utf-8"))
    data = json.loads(json.dumps(file.read(text), default=str))
    found = jsonschema.Draft202012Validator(schema).iter_errors(data)
    return [".".join(map(str, error.absolute_path)) for error in found]


def test_it_is_up_to_date() -> None:
    old = [
        str(path.relative_to(ROOT))
        for path, text in made().items()
        if not path.is_file() or path.read_text("utf-8") != text
    ]
    assert old == [], "run python -m docs.make_reference"


FOUND = [
    path
    for file in FILES
    for path in [*ROOT.glob(file.name), *ROOT.glob(f"experiments/*/{file.name}")]
]


@pytest.mark.parametrize("path", FOUND, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_of_the_repository_fits_its_schema_and_names_it(path: Path) -> None:
    text = path.read_text("utf-8")
    assert problems(BY_NAME[path.name], text) == []
    (schema,) = re.findall(r"^#.*?(?:\$schema=|:schema )(\S+)\n", text)
    assert (path.parent / schema).resolve().parent == ROOT / "schemas"


def test_the_settings_that_a_project_starts_from_fit_too() -> None:
    uncommented = re.sub(r"^# (?=\[|\w+ = )", "", SETTINGS, flags=re.MULTILINE)
    assert "base_url" in uncommented
    assert problems(BY_NAME["pex.toml"], uncommented) == []


EXPERIMENT = "name: x\ncases: cases.csv\nprompts: [a.prompty]\n"
WRONG = [
    ("experiment.yaml", EXPERIMENT + "repeat: 3\n", ""),
    ("experiment.yaml", EXPERIMENT + "repeats: 0\n", "repeats"),
    ("experiment.yaml", EXPERIMENT + "gate: {baseline: a, metric: label}\n", "gate"),
    ("experiment.yaml", EXPERIMENT + "cases: {files: a.csv}\n", "cases"),
    ("experiment.yaml", EXPERIMENT + "scorers: [lable]\n", "scorers.0"),
    ("experiment.yaml", EXPERIMENT + "scorers: [{kind: length, max_word: 3}]\n", "scorers.0"),
    ("experiment.yaml", EXPERIMENT + "scorers: [{kind: fields, fields: {a: dat}}]\n", "scorers.0"),
    ("experiment.yaml", EXPERIMENT + "redteam: {carriers: 0}\n", "redteam"),
    ("experiment.yaml", EXPERIMENT + "user: {max_turns: many}\n", "user"),
    ("plan.yaml", "name: x\nsteps: []\n", "steps"),
    ("plan.yaml", "name: x\nsteps: [{id: a, notebok: b.ipynb}]\n", "steps.0"),
    ("plan.yaml", "name: x\nsteps: [{id: a, notebook: b.ipynb, when: new-modle}]\n", "steps.0"),
    ("plan.yaml", "name: x\nsteps: [{id: a, notebook: b.ipynb}]\njournal: always\n", "journal"),
    ("pex.toml", "[budgets]\nusd_per_run = 5.0\n", ""),
    ("pex.toml", "[budget]\nusd_per_run = -1\n", "budget"),
    ("pex.toml", "[providers.lab]\nheaders = {X = {variable = 'Y'}}\n", "providers"),
    ("pex.toml", "[prices.m1]\ninput_usd_per_million = 1\noutput_usd_per_million = 1\n", "prices"),
    ("monitor.yaml", "name: x\nsource: {experiment: e}\nstep: week\n", "step"),
    ("monitor.yaml", "name: x\nsource: {experiment: e}\nalarms: [{metrics: label}]\n", "alarms.0"),
]


def load(path: Path) -> None:
    if path.name == "experiment.yaml":
        build(load_spec(path).scorers, [], path.parent)
    elif path.name == "plan.yaml":
        load_plan(path)
    elif path.name == "monitor.yaml":
        load_monitor(path)
    else:
        load_settings(path.parent)


@pytest.mark.parametrize(("name", "text", "place"), WRONG, ids=lambda value: str(value)[-30:])
def test_the_schema_refuses_what_pex_refuses(
    name: str, text: str, place: str, tmp_path: Path
) -> None:
    lines = {line.partition(":")[0]: line for line in text.splitlines()}  # a key twice: the last
    text = text if name == "pex.toml" else "\n".join(lines.values()) + "\n"
    found = problems(BY_NAME[name], text)
    assert found
    assert all(where.startswith(place) for where in found), found
    (tmp_path / "pex.toml").touch()
    (tmp_path / name).write_text(text)
    with pytest.raises(PexError):
        load(tmp_path / name)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_example_is_one(name: str) -> None:
    schema = json.loads((ROOT / "schemas" / name).read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)

    def keys(node: Any) -> Iterator[dict]:
        if isinstance(node, dict):
            if isinstance(node.get("examples"), list):
                yield node
            for value in node.values():
                yield from keys(value)
        elif isinstance(node, list):
            for value in node:
                yield from keys(value)

    found = list(keys(schema))
    assert len(found) > 20
    for key in found:
        here = {**key, "$defs": schema["$defs"]}
        jsonschema.Draft202012Validator(here).validate(key["examples"][0])


def below(text: str, heading: str) -> str:
    """The section of a heading, up to the next one."""
    _, found, rest = text.partition(f"# {heading}\n")
    assert found, heading
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def test_each_command_and_option_has_its_place() -> None:
    text, words = page("commands.md"), set()
    for name, command in commands():
        words.add(name.split()[1])
        section = below(text, f"`{name}`")
        for parameter in parameters(command):
            options = parameter.opts if parameter.param_type_name == "option" else []
            assert [one for one in options if f"`{one}`" not in section] == [], name
    assert words == {name for name, listed in COMMANDS.items() if listed}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_key_has_its_place(file: File) -> None:
    text = page(page_of(file))
    for heading, model in [
        ("Keys", file.model),
        *((f"`{path}`", model) for path, model, _ in sections(file.model)),
    ]:
        section = below(text, heading)
        names = [field.alias or name for name, field in model.model_fields.items()]
        assert [name for name in names if f"| `{name}` |" not in section] == []


def test_each_scorer_and_rule_has_its_place() -> None:
    text = page("scorers.md")
    for name, model in [*KINDS.items(), *RULES.items()]:
        assert f"# `{name}`\n" in text
        for key, field in model.model_fields.items():
            assert f"| `{field.alias or key}` |" in text


def test_each_public_name_has_its_place() -> None:
    text = page("python.md")
    names = set(pex.__all__) - set(ROOMS) - {"__version__"}
    assert [name for name in names if f"\n### `pex.{name}`\n::: pex." not in text] == []
    for room in ROOMS:
        own = page(f"python-{room}.md")
        public = getattr(pex, room).__all__
        assert [name for name in public if f"`pex.{room}.{name}`\n::: pex." not in own] == []


NOT_THE_USERS = {"PEX_NO_KEY"}  # asked of the keyring to see whether it answers
OTHERS = r"(?:NO_PROXY|TZ|JUPYTERHUB_USER|XDG_\w+|REQUESTS_CA_BUNDLE|\w+_API_KEY|\w+_BASE_URL)"


def test_each_environment_variable_that_the_code_names_is_on_its_page() -> None:
    named = {
        node.value
        for path in (ROOT / "pex").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.fullmatch(rf"(?:PEX|MLFLOW)_[A-Z0-9_]+|{OTHERS}", node.value)
    }
    assert {"PEX_TRUST", "MLFLOW_TRACKING_URI", "OPENAI_API_KEY"} <= named
    assert named - listed() == NOT_THE_USERS
    gone = {name for name in listed() if name.startswith(("PEX_", "MLFLOW_"))} - named
    assert gone == set(), "no code names them any more"
