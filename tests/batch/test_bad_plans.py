"""What is wrong with a plan is said before anything runs, in words that name the place."""

import json
from pathlib import Path

import nbformat
import pytest

import pex
from pex.batch.notebook import kernel_of, python_of
from pex.batch.parameters import Parameter, check_parameters
from pex.batch.plan import load_plan
from tests.helpers.notebooks import notebook, plan

PARAMETERS = "x: int = 0\nlimit: int | None = None\nanything = None\napi_key = None\n%load_ext pex"
A = "id: a, notebook: n.ipynb"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    notebook(tmp_path / "n.ipynb", PARAMETERS, "print(x)")
    return tmp_path


def refused(folder: Path, text: str) -> str:
    with pytest.raises(pex.PexError) as caught:
        load_plan(plan(folder, text))
    return str(caught.value)


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("{x: []}", "steps.0.sweep: there is nothing to sweep: 'x' has no values"),
        ("{}", "there is nothing to sweep; without the key the step is one job"),
        ("[]", "there is nothing to sweep"),
        ("null", "there is nothing to sweep"),
        ("{x: 3}", "steps.0.sweep.x: input should be a valid list, got 3"),
    ],
)
def test_a_sweep_of_nothing_is_refused(sweep: str, message: str, folder: Path) -> None:
    assert message in refused(folder, f"steps: [{{{A}, sweep: {sweep}}}]\n")


def test_a_sweep_that_is_too_large_is_counted_before_it_is_built(folder: Path) -> None:
    values = ", ".join(map(str, range(100)))
    names = [f"p{n}" for n in range(5)]
    notebook(folder / "wide.ipynb", "\n".join(f"{name} = 0" for name in names))
    sweep = ", ".join(f"{name}: [{values}]" for name in names)
    said = refused(folder, f"steps: [{{id: a, notebook: wide.ipynb, sweep: {{{sweep}}}}}]\n")
    assert "10,000,000,000 jobs, at most 100,000" in said


def test_a_circle_is_shown_without_those_that_only_wait_for_it(folder: Path) -> None:
    needs = {"a": "c", "b": "a", "c": "b", "waits": "a"}
    steps = "".join(
        f"- {{id: {step}, notebook: n.ipynb, needs: [{need}]}}\n" for step, need in needs.items()
    )
    assert refused(folder, f"steps:\n{steps}").endswith("each other: 'a' → 'c' → 'b' → 'a'")
    assert refused(folder, f"steps: [{{{A}, needs: [a]}}]\n").endswith("'a' → 'a'")


def test_values_with_one_name_are_told_apart(folder: Path) -> None:
    sweep = "sweep: {anything: [one/x, other/x, q, Q, 1, '1', '']}"
    jobs = load_plan(plan(folder, f"steps: [{{{A}, {sweep}}}]\n")).jobs
    files = {job.id.lower() for job in jobs}
    assert len(files) == 7
    assert all(len(job.id) < 200 for job in jobs)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("{limit: .nan}", "is int | None, got nan"),
        ("{anything: .nan}", "'anything' has a value that a notebook cannot hold: nan"),
        ("{anything: [1, {a: .inf}]}", "cannot hold: inf"),
        ("{anything: !!binary aGk=}", "of the type bytes"),
        ("{limti: 3}", "has no parameter 'limti'\n  did you mean 'limit'?"),
        ("{3: 4}", "steps.0.parameters.3: input should be a valid string"),
        ("{x: null}", "is int, got None"),
        ("{api_key: sk-a1b2c3d4e5f6}", "'api_key' looks like a key or a password"),
        ("{anything: ['pg://me:hunter2x@h/d']}", "'anything' looks like a key or a password"),
        ("{x: sk-12345678}", "'x' is the value of LAB_KEY"),
    ],
)
def test_parameters_that_cannot_be_given(
    parameters: str, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "sk-12345678")
    said = refused(folder, f"steps: [{{{A}, parameters: {parameters}}}]\n")
    assert message in said
    assert not any(secret in said for secret in ("sk-1", "sk-a", "hunter2"))


def test_a_setting_that_is_called_like_a_key_can_be_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPM_AUTH", "required")
    given = {"dsn": "sqlite:///data2.db", "auth": "oauth2-device-flow", "mode": "is required"}
    known = {name: Parameter(name, None) for name in given}
    check_parameters(given, known, tmp_path / "n.ipynb", "here")


def test_dates_and_numbers_reach_the_notebook_as_they_are_meant(folder: Path) -> None:
    text = f"steps: [{{{A}, parameters: {{anything: [2026-03-01, 1.10, 0x1F, 01067]}}}}]\n"
    (job,) = load_plan(plan(folder, text)).jobs
    assert job.parameters["anything"] == ["2026-03-01", 1.1, 31, "01067"]
    assert [type(value) for value in job.parameters["anything"]] == [str, float, int, str]


def test_names_of_columns_and_variables_are_no_keys(folder: Path) -> None:
    for value in ("created_at", "TEAM_2_API_KEY"):
        load_plan(plan(folder, f"steps: [{{{A}, parameters: {{api_key: {value}}}}}]\n"))


def test_a_parameter_without_a_value_is_required(folder: Path) -> None:
    notebook(folder / "n.ipynb", "x: int\ny: str")
    said = refused(folder, f"steps: [{{{A}, parameters: {{x: 1}}}}]\n")
    assert "the notebook n.ipynb needs the parameter 'y'" in said
    load_plan(plan(folder, f"steps: [{{{A}, parameters: {{x: 1}}, sweep: {{y: [a, b]}}}}]\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timeout_s: 0", "timeout_s: input should be greater than 0, got 0"),
        ("timeout_s: .nan", "timeout_s: input should be a finite number, got nan"),
        ("timeout_s: 1e300", "timeout_s: input should be less than or equal to 31536000"),
        ("workers: 0", "workers: input should be greater than or equal to 1, got 0"),
        ("workers: 100000", "workers: input should be less than or equal to 1000"),
        ("budget_usd: .nan", "budget_usd: input should be a finite number"),
        ("keep: 0", "keep: input should be greater than or equal to 1"),
        ("workers: 1\nworkers: 2", 'line 3: not valid YAML: found duplicate key "workers"'),
        ("gate:\n\tmargin: 1", "line 3: not valid YAML: found character '\\t'"),
        ("gate: {on_undecided: ask}", "on_undecided: input should be 'warn', 'fail' or 'extend'"),
        ("canary: {cases: no.csv}", "canary: there is no file"),
    ],
)
def test_keys_of_a_plan_that_do_not_fit(text: str, message: str, folder: Path) -> None:
    assert message in refused(folder, f"{text}\nsteps: [{{{A}}}]\n")


@pytest.mark.parametrize("name", ["..", ".", ".hidden", "a/b", "a b", "é", "x" * 101, '""'])
def test_names_that_could_leave_their_folder(name: str, folder: Path) -> None:
    step = refused(folder, f"steps: [{{id: {name}, notebook: n.ipynb}}]\n")
    assert "step id" in step
    (folder / "plan.yaml").write_text(f"name: {name}\nsteps: [{{{A}}}]\n")
    with pytest.raises(pex.PexError, match="plan name"):
        load_plan(folder / "plan.yaml")


def test_step_ids_that_are_one_file_or_the_canarys(folder: Path) -> None:
    assert "two steps are called 'A'" in refused(
        folder, f"steps: [{{{A}}}, {{id: A, notebook: n.ipynb}}]\n"
    )
    assert "no step can be called 'canary'" in refused(
        folder, "steps: [{id: canary, notebook: n.ipynb}]\n"
    )


def test_files_that_are_no_plan(folder: Path) -> None:
    whole = f"name: nightly\nsteps: [{{{A}}}]\n".encode()
    path = folder / "plan.yaml"
    for data in (whole.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + whole):
        path.write_bytes(data)
        assert len(load_plan(path).jobs) == 1
    for data, message in [
        ("name: nächtlich".encode("latin-1"), "not UTF-8"),
        (b"name: a\0b", "not valid YAML"),
        (b"", "expected keys with values"),
        (b"steps: !!python/object/apply:os.system [ls]", "not valid YAML"),
    ]:
        path.write_bytes(data)
        with pytest.raises(pex.PexError, match=message):
            load_plan(path)
    with pytest.raises(pex.PexError, match="this is a folder"):
        load_plan(folder)
    with pytest.raises(pex.PexError, match=r"no such file\n  did you mean 'plan\.yaml'"):
        load_plan(folder / "plan.yml")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a notebook: it is empty"),
        (b"{]", "is not a notebook: not valid JSON: "),
        (b"[]", "it does not say its 'nbformat'"),
        (b'{"nbformat": 9, "nbformat_minor": 0, "cells": []}', "Unsupported nbformat version 9"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "cells": 3}', "is not a notebook"),
        (b'{"cells": "\xfc"}', "not UTF-8 (byte 11)\n  save the file as UTF-8"),
        (b"\xef\xbb\xbf{}", "Unexpected UTF-8 BOM"),
        (b"[" * 100_000, "is not a notebook"),
    ],
)
def test_files_that_are_no_notebook(data: bytes, message: str, folder: Path) -> None:
    (folder / "n.ipynb").write_bytes(data)
    assert message in refused(folder, f"steps: [{{{A}}}]\n")


def test_a_folder_or_a_file_that_is_not_there_as_a_notebook(folder: Path) -> None:
    assert "is a folder, expected a notebook" in refused(folder, "steps: [{id: a, notebook: .}]\n")
    assert "there is no folder" in refused(folder, "steps: [{id: a, notebook: no/n.ipynb}]\n")


def test_a_cell_that_is_no_python_is_named_and_magics_are_python(folder: Path) -> None:
    notebook(
        folder / "n.ipynb",
        None,
        "%matplotlib inline\n!ls -l | wc\nfiles = !ls\nfiles?",
        "%%bash\nfor i in (",
        "%%time\nawait something()\nasync with x: pass",
    )
    load_plan(plan(folder, f"steps: [{{{A}}}]\n"))
    path = notebook(folder / "n.ipynb", None, "1", "%time 1\nx = (\n")
    said = refused(folder, f"steps: [{{{A}}}]\n")
    assert "step 'a': n.ipynb, code cell 2, line 2: '(' was never closed" in said
    for text, message in [
        ("return 3", "code cell 2, line 1: 'return' outside function"),
        ("x = 'a\0'", "code cell 2: source code string cannot contain null bytes"),
    ]:
        notebook(path, None, "1", text)
        assert message in refused(folder, f"steps: [{{{A}}}]\n")
    content = nbformat.read(path, as_version=4)
    content.cells[1].metadata["tags"] = ["raises-exception"]
    nbformat.write(content, path)
    load_plan(plan(folder, f"steps: [{{{A}}}]\n"))
    notebook(path, None, f"{'(' * 3000}1{')' * 3000}")
    with pytest.raises(pex.PexError, match="code cell 1"):
        load_plan(plan(folder, f"steps: [{{{A}}}]\n"))


def test_a_kernel_that_is_not_installed_is_named(folder: Path) -> None:
    content = nbformat.read(folder / "n.ipynb", as_version=4)
    content.metadata.kernelspec = {"name": "pyhton3", "display_name": "R", "language": "R"}
    nbformat.write(content, folder / "n.ipynb")
    said = refused(folder, f"steps: [{{{A}}}]\n")
    assert "n.ipynb needs the kernel 'pyhton3', which is not installed" in said
    assert "did you mean 'python3'?" in said


def test_what_a_notebook_does_not_say_of_its_kernel_is_python() -> None:
    assert kernel_of({"kernelspec": None}) == ("python3", "python")
    assert kernel_of({"kernelspec": {"name": "ir", "language": "R"}}) == ("ir", "R")
    assert json.loads(json.dumps(python_of("!ls"))).startswith("get_ipython().system")
