"""Where keys come from, how one is entered, and that none is shown."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

import pex
from pex.batch.plan import load_plan
from pex.batch.run import run_batch
from pex.guard.redact import redact
from pex.project import keys
from pex.project.settings import load_settings
from pex.run.endpoint import check, connect
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.notebooks import notebook, plan, printed

KEY = "open-4711-sesame-b52"
OTHER = "open-0815-sesame-c64"
NAME = "LAB_KEY"


@pytest.fixture
def locked(lab: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyEndpoint:
    """The lab, which needs a key that is nowhere."""
    monkeypatch.delenv(NAME, raising=False)
    with (project / "pex.toml").open("a") as file:
        file.write(f'api_key_env = "{NAME}"\n')
    return lab


def file_with(project: Path, text: str, mode: int = 0o600) -> Path:
    file = keys.place(project)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return file


def keyring_with(answer: Callable[[str, str], str | None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of the keyring's name with as much of it as is used."""
    package = types.ModuleType("keyring")
    monkeypatch.setattr(package, "get_password", answer, raising=False)
    monkeypatch.setitem(sys.modules, "keyring", package)
    monkeypatch.setattr(keys, "_keyring", {})


def source() -> str | None:
    found = keys.find(NAME)
    return found and f"{found.value} from {found.source}"


def test_the_first_place_that_has_a_key_counts(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(NAME, raising=False)
    assert source() is None
    ring = {("pexlab", NAME): "ring-1234567"}
    keyring_with(lambda service, name: ring.get((service, name)), monkeypatch)
    assert source() == "ring-1234567 from the system keyring"
    file_with(project, f"# mine\nexport {NAME} = '{KEY}'\n")
    assert source() == f"{KEY} from .pex/keys.env"
    monkeypatch.setenv(NAME, "env-1234567")
    assert source() == "env-1234567 from the environment"
    keys.enter(NAME, "typed-1234567")
    assert source() == "typed-1234567 from entered in this kernel"
    for text in ("ring-1234567", KEY, "env-1234567", "typed-1234567"):
        assert redact(f"got {text}.") == "got [redacted]."


def test_a_variable_that_is_set_to_nothing_has_no_key(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, " ")
    assert source() is None
    file_with(project, f"{NAME}={KEY}\n")
    assert source() == f"{KEY} from .pex/keys.env"


def test_the_file_is_read_again_when_it_changes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(NAME, raising=False)
    file_with(project, f"{NAME}={KEY}\n")
    assert source() == f"{KEY} from .pex/keys.env"
    file_with(project, f"A=1\n{NAME}={OTHER}\n")
    assert source() == f"{OTHER} from .pex/keys.env"
    keys.place(project).unlink()
    assert source() is None


def test_a_keyring_that_cannot_be_read_has_no_key_and_doctor_says_why(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(NAME, raising=False)

    def locked(service: str, name: str) -> str:
        raise RuntimeError("the collection is locked")

    keyring_with(locked, monkeypatch)
    assert source() is None
    said = json.loads(pexlab("doctor", "--json", folder=project).stdout)["findings"]
    found = [item["found"] for item in said if item["what"] == "keys"]
    assert found == ["the system keyring cannot be read: the collection is locked"]


@pytest.mark.parametrize("mode", [0o644, 0o620])
def test_a_file_that_others_can_use_is_refused(
    locked: FaultyEndpoint, project: Path, mode: int
) -> None:
    file = file_with(project, f"{NAME}={KEY}\n", mode)
    with pytest.raises(
        pex.PexError, match=f"others can read the keys in it .mode {mode:o}"
    ) as said:
        check("lab/m1", load_settings(project))
    assert f"(mode {mode:o})" in str(said.value)
    assert f"chmod 600 '{file}'" in str(said.value)
    assert KEY not in str(said.value)


def test_a_broken_file_is_named_by_its_line_and_harms_only_who_needs_it(
    locked: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file_with(project, f"A=1\n{KEY}\n")
    settings = load_settings(project)
    with pytest.raises(pex.PexError, match=r"keys\.env, line 2: expected NAME=value") as said:
        check("lab/m1", settings)
    assert KEY not in str(said.value)
    monkeypatch.setenv(NAME, KEY)
    check("lab/m1", settings)
    found = json.loads(pexlab("doctor", "--json", folder=project).stdout)["findings"]
    assert f"{file}, line 2" in next(item["found"] for item in found if item["what"] == "keys")


def test_a_key_that_is_kept_is_in_a_private_file_that_git_ignores(project: Path) -> None:
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    said = keys.enter(NAME, f"  {KEY}\n", keep=True)
    file = keys.place(project)
    assert said == "LAB_KEY is saved in .pex/keys.env, which only you can read."
    assert file.read_text() == f"{NAME}={KEY}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    status = subprocess.run(
        ["git", "-C", str(project), "status", "--porcelain", "-uall"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "keys.env" not in status.stdout
    assert source() == f"{KEY} from .pex/keys.env"


def test_only_its_own_line_changes_in_the_file(project: Path) -> None:
    file_with(project, f"# mine\r\nexport {NAME}=old\r\nA_{NAME}=1")
    keys.enter(NAME, KEY, keep=True)
    keys.enter("B", OTHER, keep=True)
    expected = f"# mine\r\n{NAME}={KEY}\r\nA_{NAME}=1\nB={OTHER}\n"
    assert keys.place(project).read_bytes().decode() == expected


def test_a_key_of_this_kernel_is_in_no_file(project: Path) -> None:
    assert keys.enter(NAME, KEY) == "LAB_KEY is used until this kernel is restarted."
    assert source() == f"{KEY} from entered in this kernel"
    files = [path for path in project.rglob("*") if path.is_file()]
    assert not [path for path in files if KEY in path.read_text("utf-8", "replace")]


def test_a_kept_key_that_the_environment_will_hide_is_used_and_said(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, OTHER)
    said = keys.enter(NAME, KEY, keep=True)
    assert "the environment has another LAB_KEY" in said
    assert source() == f"{KEY} from entered in this kernel"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  ", "the key is empty"),
        (f"{NAME}=", "the key is empty"),
        ("Bearer open-4711-sesame", "no space or line break"),
        ("open-4711\nsesame", "no space or line break"),
        ("sésame-ouvre-toi", "a character that no key has"),
    ],
)
def test_what_cannot_be_a_key_is_refused_and_not_shown(
    project: Path, text: str, message: str
) -> None:
    with pytest.raises(pex.PexError, match=message) as said:
        keys.enter(NAME, text, keep=True)
    assert "sesame" not in str(said.value)
    assert "sésame" not in str(said.value)
    assert not keys.place(project).exists()


@pytest.mark.parametrize("text", [f"{NAME}={KEY}", f'export {NAME}="{KEY}"', f"'{KEY}'"])
def test_a_line_of_a_shell_script_can_be_pasted(project: Path, text: str) -> None:
    keys.enter(NAME, text)
    assert source() == f"{KEY} from entered in this kernel"


def test_a_call_sends_the_key_of_the_file(locked: FaultyEndpoint, project: Path) -> None:
    settings = load_settings(project)
    with pytest.raises(pex.PexError, match="needs a key: LAB_KEY is not set") as said:
        check("lab/m1", settings)
    assert "write LAB_KEY=… into .pex/keys.env (chmod 600)" in str(said.value)
    file_with(project, f"{NAME}={KEY}\n")
    endpoint = connect("lab/m1", settings, project / ".pex")
    assert endpoint.headers["Authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(endpoint)
    experiment = pex.Experiment(
        "e", pex.grid([pex.Prompt("{{ a }}", "p")], "lab/m1"), [{"a": "1"}], []
    )
    experiment.run(record=False)
    assert [item["Authorization"] for item in locked.headers] == [f"Bearer {KEY}"]


def test_the_command_line_reads_the_file_and_doctor_says_where_a_key_is_from(
    locked: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lab() -> str:
        done = pexlab("doctor", "--json", folder=project)
        assert KEY not in done.stdout + done.stderr
        findings = json.loads(done.stdout)["findings"]
        return str(next(item["found"] for item in findings if item["what"] == "lab"))

    assert "needs a key: LAB_KEY is not set" in lab()
    file_with(project, f"{NAME}={KEY}\n")
    assert lab().endswith("2 models; LAB_KEY comes from .pex/keys.env")
    monkeypatch.setenv(NAME, KEY)
    assert lab().endswith("2 models; LAB_KEY comes from the environment")


@pytest.mark.night
def test_a_batch_reads_the_file_and_its_notebooks_keep_no_key(
    locked: FaultyEndpoint, project: Path
) -> None:
    locked.key = KEY
    file_with(project, f"{NAME}={KEY}\n")
    notebook(
        project / "n.ipynb",
        None,
        "import pex\n"
        'exp = pex.Experiment("e", pex.grid([pex.Prompt("{{ a }}", "p")], "lab/m1"), '
        '[{"a": "1"}], [])\nexp.run(record=False, show=False).frame["output"].tolist()',
        'print("the file has", open(".pex/keys.env").read())',
    )
    loaded = load_plan(plan(project, "steps:\n- {id: a, notebook: n.ipynb}\n"))
    result = run_batch(loaded, "night-1")
    [job] = result.results
    assert (job.status, job.error) == ("done", None)
    said = printed(job.output)
    assert "the file has LAB_KEY=[redacted]" in said
    assert KEY not in job.output.read_text("utf-8")
    assert [item["Authorization"] for item in locked.headers] == [f"Bearer {KEY}"]


def test_a_schedule_knows_that_nights_find_the_keys_of_the_file(
    locked: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook(project / "n.ipynb", None, "1")
    plan(project, "steps:\n- {id: a, notebook: n.ipynb}\n")
    monkeypatch.setenv(NAME, KEY)
    command = ("schedule", "plan.yaml", "--cron", "0 2 * * *", "--to", "crontab")
    said = pexlab(*command, folder=project).stderr
    assert "LAB_KEY: not in .pex/schedule.env nor in .pex/keys.env" in said
    file_with(project, f"{NAME}={KEY}\n")
    done = pexlab(*command, folder=project)
    assert "LAB_KEY" not in done.stderr
    assert KEY not in done.stdout + done.stderr


def test_a_file_of_keys_sets_nothing_else(
    locked: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_with(project, f"{NAME}={KEY}\nOPENAI_BASE_URL=https://x.example\nPEX_TRUST=1\n")
    monkeypatch.setenv("OPENAI_API_KEY", OTHER)
    monkeypatch.delenv("PEX_TRUST")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project / "config"))
    settings = load_settings(project)
    assert connect("openai/gpt-4.1", settings, project).url.startswith("https://api.openai.com/")
    with pytest.raises(pex.PexError, match="this project is not trusted"):
        check("lab/m1", settings)
