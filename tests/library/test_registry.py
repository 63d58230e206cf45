"""Versions and aliases in a real registry."""

import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

import pex
from pex.library.registry import link, saved_versions

HI = pex.Prompt("Hi {{ name }}", name="hi")
HO = pex.Prompt("Ho {{ name }}", name="hi")


def count(uri: str, name: str) -> int:
    return len(mlflow.MlflowClient(uri).search_prompt_versions(name))


def test_the_same_text_is_one_version_and_another_text_is_the_next(uri: str) -> None:
    first = pex.library.save(HI, note="first", alias="champion")
    assert (first.reference, first.new, first.aliases) == ("hi/1", True, ("champion",))
    assert first.digest == HI.digest
    assert pex.library.save(HO).reference == "hi/2"
    again = pex.library.save(HI, tags={"seen": "twice"})
    assert (again.reference, again.new, again.note) == ("hi/1", False, "first")
    assert count(uri, "hi") == 2
    found = mlflow.MlflowClient(uri).get_prompt_version("hi", 1)
    assert found.tags["seen"] == "twice"


def test_a_note_is_kept_for_a_prompt_that_was_saved_before(uri: str) -> None:
    pex.library.save(HI)
    for _ in range(2):
        version = pex.library.save(HI, note="written by hand", alias="champion")
        assert (version.reference, version.new, version.note) == ("hi/1", False, "written by hand")
    assert mlflow.MlflowClient(uri).get_prompt_version("hi", 1).description == "written by hand"
    assert pex.library.save(HI, note="and why").note == "written by hand\nand why"
    with pytest.raises(pex.PexError, match="at most 5,000"):
        pex.library.save(HI, note="x" * 4990)
    assert pex.library.versions("hi")["note"].tolist() == ["written by hand\nand why"]


def test_a_description_or_a_default_alone_makes_a_version(uri: str) -> None:
    pex.library.save(HI)
    text = pex.Prompt("Hi {{ name }}", name="hi", description="Greets.")
    default = pex.Prompt("Hi {{ name }}", name="hi", defaults={"name": "you"})
    assert [pex.library.save(item).version for item in (text, default)] == [2, 3]
    assert pex.library.load("hi/3").defaults == {"name": "you"}


def test_load_finds_by_version_alias_and_latest(uri: str) -> None:
    pex.library.save(HI, alias="champion")
    pex.library.save(HO)
    assert pex.library.load("hi") == HO
    assert pex.library.load("hi/1") == pex.library.load("library:hi@champion") == HI
    assert pex.library.load("hi@champion").origin == "hi/1"
    moved = pex.library.set_alias("hi", "champion", 2)
    assert moved.aliases == ("champion",)
    assert pex.library.load("hi@champion") == HO


def test_saved_under_another_name_it_is_loaded_under_that_name(uri: str) -> None:
    pex.library.save(HI, name="greeting")
    found = pex.library.load("greeting")
    assert (found.name, found.messages) == ("greeting", HI.messages)
    assert not pex.library.save(found).new


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("hii", r"there is no prompt 'hii' in the library, sqlite.*\n  did you mean 'hi'\?"),
        ("hi@champoin", r"no alias 'champoin'\n  did you mean 'champion'"),
        ("hi/7", r"prompt 'hi' has no version 7\n  the latest is 'hi/2'"),
        ("other@x", r"prompt 'other' has no alias 'x'\n  it has no alias yet"),
        ("model", "there is no prompt 'model'"),
        ("bare", "prompt 'bare' has no version yet"),
    ],
)
def test_what_is_not_there_is_an_error_with_the_nearest_right_name(
    reference: str, message: str, uri: str
) -> None:
    pex.library.save(HI, alias="champion")
    pex.library.save(HO)
    pex.library.save(HI, name="other")
    client = mlflow.MlflowClient(uri)
    client.create_registered_model("model")
    client.create_prompt("bare")
    with pytest.raises(pex.PexError, match=message):
        pex.library.load(reference)


def test_an_empty_library_says_so(uri: str) -> None:
    assert pex.library.list().empty
    with pytest.raises(pex.PexError, match="nothing has been saved there yet"):
        pex.library.load("hi")
    with pytest.raises(pex.PexError, match="there is no prompt 'hi'"):
        pex.library.versions("hi")
    with pytest.raises(pex.PexError, match="there is no prompt 'hi'"):
        pex.library.set_alias("hi", "champion", 1)


def test_a_wrong_call_writes_nothing(uri: str) -> None:
    wrong = [
        ({"alias": "v2"}, "MLflow reserves this name"),
        ({"name": "a/b"}, "for example 'a-b'"),
        ({"note": "x" * 5001}, "at most 5,000"),
        ({"tags": {"pex.digest": "x"}}, "starts like the tags"),
        ({"tags": {"n": 3}}, "expected a string"),
    ]
    for options, message in wrong:
        with pytest.raises(pex.PexError, match=message):
            pex.library.save(HI, **options)  # type: ignore[arg-type]
    with pytest.raises(pex.PexError, match=r"expected a pex.Prompt, got str"):
        pex.library.save("Hi")  # type: ignore[arg-type]
    assert pex.library.list().empty


def test_the_name_of_a_registered_model_is_taken(uri: str) -> None:
    mlflow.MlflowClient(uri).create_registered_model("hi")
    with pytest.raises(pex.PexError, match="MLflow has a registered model of this name"):
        pex.library.save(HI)
    assert saved_versions(uri, [HI]) == {}


def test_the_tables_say_what_there_is(uri: str) -> None:
    prompt = pex.Prompt("{{ b }} {{ a }}", name="z", model="lab/m1", description="For z.")
    pex.library.save(prompt, alias="champion", note="one")
    pex.library.save(HI)
    pex.library.save(HO, note="two", alias="next")
    rows = pex.library.list().drop(columns="created").to_dict("records")
    assert rows == [
        {
            "name": "hi", "version": 2, "aliases": {"next": 2}, "description": "",
            "note": "two", "model": "", "variables": "name",
        },
        {
            "name": "z", "version": 1, "aliases": {"champion": 1}, "description": "For z.",
            "note": "one", "model": "lab/m1", "variables": "a, b",
        },
    ]  # fmt: skip
    found = pex.library.versions("hi")
    assert list(found["version"]) == [2, 1]
    assert list(found["aliases"]) == ["next", ""]
    assert list(found["digest"]) == [HO.digest, HI.digest]
    assert list(pex.library.versions("z")["note"]) == ["one"]


def test_all_pages_of_a_long_list_are_read(uri: str) -> None:
    client = mlflow.MlflowClient(uri)
    client.create_prompt("p")
    for number in range(101):
        client.create_prompt_version("p", f"Hi {number}")
        client.create_prompt(f"q{number:03}")
    assert list(pex.library.versions("p")["version"]) == list(range(101, 0, -1))
    with pytest.raises(pex.PexError, match="did you mean 'q100'"):
        pex.library.load("q1000")


def test_keys_are_taken_out_of_notes_and_tags_but_not_of_the_prompt(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "sesame-sesame")
    prompt = pex.Prompt("Say sesame-sesame.", name="p")
    version = pex.library.save(prompt, note="with sesame-sesame", tags={"k": "sesame-sesame"})
    assert version.note == "with [redacted]"
    assert mlflow.MlflowClient(uri).get_prompt_version("p", 1).tags["k"] == "[redacted]"
    assert pex.library.load("p") == prompt


def test_a_registry_that_is_not_there_is_an_error(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for call in (
        lambda: pex.library.save(HI, tracking_uri="http://127.0.0.1:9"),
        lambda: pex.library.load("hi", tracking_uri="http://127.0.0.1:9"),
        lambda: saved_versions("http://127.0.0.1:9", [HI]),
    ):
        with pytest.raises(pex.PexError, match=r"127\.0\.0\.1:9 does not answer"):
            call()


def test_a_run_finds_what_was_saved_and_saves_nothing(uri: str) -> None:
    long = pex.Prompt("x" * 100_001, name="too-long")
    assert saved_versions(uri, [HI, long]) == {}
    assert not mlflow.MlflowClient(uri).search_registered_models()
    pex.library.save(HO)
    pex.library.save(HI, name="greeting")
    assert saved_versions(uri, [HI, long]) == {"hi": ("greeting", 1)}
    pex.library.save(HI)
    assert saved_versions(uri, [HI]) == {"hi": ("hi", 2)}
    described = pex.Prompt("Hi {{ name }}", name="hi", description="Greets.")
    assert saved_versions(uri, [described]) == {"hi": ("hi", 2)}
    pex.library.save(described)
    assert saved_versions(uri, [described]) == {"hi": ("hi", 3)}


def test_a_prompt_of_the_library_stays_the_version_it_is(uri: str) -> None:
    pex.library.save(HI, name="greeting")
    pex.library.save(HO, name="greeting")
    mlflow.MlflowClient(uri).register_prompt("plain", "Hey")
    prompts = [
        pex.library.load("greeting/1").called("greeting.1", "greeting/1"),
        pex.library.load("plain"),
    ]
    assert saved_versions(uri, prompts) == {"greeting.1": ("greeting", 1), "plain": ("plain", 1)}
    assert not pex.library.save(prompts[1]).new
    assert (count(uri, "greeting"), count(uri, "plain")) == (2, 1)


def test_a_version_of_another_library_is_not_one_of_this(uri: str, tmp_path: Path) -> None:
    elsewhere = f"sqlite:///{tmp_path}/other.db"
    pex.library.save(HO, tracking_uri=elsewhere)
    pex.library.save(HI, tracking_uri=elsewhere)
    pex.library.save(HO)
    prompt = pex.library.load("hi/2", tracking_uri=elsewhere)
    assert saved_versions(uri, [prompt]) == {}
    assert pex.library.load("hi") == HO


def test_a_run_is_linked_to_its_prompts_in_its_own_store(uri: str) -> None:
    client = mlflow.MlflowClient(uri)
    one, two = (client.create_experiment(name) for name in "ab")
    yo = pex.Prompt("Yo", name="yo")
    pex.library.save(HI)
    pex.library.save(yo)
    versions = saved_versions(uri, [HI, yo])
    for experiment in (one, two):
        run = client.create_run(experiment)
        for _ in range(2):
            link(client, run.info.run_id, versions.values())
        assert client.get_run(run.info.run_id).data.tags["mlflow.linkedPrompts"] == (
            '[{"name": "hi", "version": "1"}, {"name": "yo", "version": "1"}]'
        )
        shown = client.search_prompts(f"experiment_id = '{experiment}'")
        assert [prompt.name for prompt in shown] == ["hi", "yo"]
    assert client.get_prompt("hi").tags["_mlflow_experiment_ids"] == f",{one},{two},"
    with pytest.raises(pex.PexError, match=r"refused: .*nothing"):
        link(client, "nothing", versions.values())


def test_a_list_of_linked_prompts_that_would_be_cut_stays_whole(uri: str) -> None:
    client = mlflow.MlflowClient(uri)
    run = client.create_run("0")
    link(client, run.info.run_id, [(f"prompt-{number}", 1) for number in range(300)])
    tag = client.get_run(run.info.run_id).data.tags["mlflow.linkedPrompts"]
    assert 7900 < len(tag) <= 8000
    assert tag.endswith("}]")


def test_four_processes_that_save_the_same_prompts_make_one_version(uri: str) -> None:
    program = (
        "import sys, pex\n"
        "prompts = [pex.Prompt(f'Hi {i}', name=f'p{i}') for i in range(5)]\n"
        "import mlflow; print('ready', flush=True); sys.stdin.readline()\n"
        f"print([pex.library.save(p, tracking_uri={uri!r}).reference for p in prompts])"
    )
    several = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in several:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in several:  # all at once, when each has imported what it needs
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    expected = [f"p{number}/1" for number in range(5)]
    for process in several:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert out.strip() == str(expected)
    assert [count(uri, f"p{number}") for number in range(5)] == [1] * 5


def test_a_version_holds_the_text_that_it_includes(uri: str, project: Path) -> None:

    (project / "prompts").mkdir()
    tone = project / "prompts" / "tone.prompty"
    tone.write_text("Be kind.")
    path = project / "prompts" / "reply.prompty"
    path.write_text('---\nname: reply\n---\n{{ include("tone") }} {{ mail }}')
    first = pex.library.save(pex.Prompt.load(path), tracking_uri=uri)
    tone.write_text("Be brief.")
    second = pex.library.save(pex.Prompt.load(path), tracking_uri=uri)
    assert (first.version, second.version, second.new) == (1, 2, True)
    tone.unlink()
    loaded = pex.library.load("reply/1", tracking_uri=uri)
    assert loaded.text == "Be kind. {{ mail }}"
    assert loaded.as_file() == path.read_text()
    mlflow.set_tracking_uri(uri)
    try:
        assert mlflow.genai.load_prompt("prompts:/reply/2").template == "Be brief. {{ mail }}"
    finally:
        mlflow.set_tracking_uri(None)
    assert pex.library.save(loaded, tracking_uri=uri).new is False
