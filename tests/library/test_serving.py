"""`pex.library.load` as an application uses it: where the answer is from, whatever is broken."""

import asyncio
import contextlib
import functools
import json
import multiprocessing
import os
import pickle
import sqlite3
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

import pex
from pex.core import project as project_folder
from pex.core.errors import PexError
from pex.library import registry_reader, served_prompt, serving
from pex.tracking.store import connect
from tests.helpers.fresh_python import fresh_python
from tests.helpers.served import forget, until
from tests.helpers.silent_server import silent_server

ONE = pex.Prompt("Say {{ word }}, version one.", "hi")
TWO = pex.Prompt("Say {{ word }}, version two.", "hi")
THREE = pex.Prompt("Say {{ word }}, version three.", "hi")


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if the process had just started."""
    forget()
    yield
    forget()


@pytest.fixture
def saved(uri: str) -> str:
    """A store with three versions of a prompt, of which the first two have been champion."""
    for prompt in (ONE, TWO):
        pex.library.save(prompt, alias="champion")
    pex.library.save(THREE)
    forget()
    return uri


load = functools.partial(pex.library.load, timeout_s=60.0)
"""However slow the machine is: these tests are not about who waits how long."""


def source_of(reference: str = "hi@champion", **options: object) -> str:
    return load(reference, **options).source  # type: ignore[arg-type]


def move_elsewhere(uri: str, version: int, alias: str = "champion") -> None:
    """Move the alias as MLflow's UI does."""
    connect(uri).set_prompt_alias("hi", alias, version)


def test_registry_then_memory_then_cache(saved: str) -> None:
    first = load("hi@champion")
    assert (first.source, first.origin) == ("registry", "hi/2")
    assert first == TWO
    assert source_of() == "memory"
    forget()
    again = load("hi@champion")
    assert (again.source, again.origin, again) == ("cache", "hi/2", TWO)
    assert again.to_prompty() == first.to_prompty()
    assert again.messages(word="x") == TWO.messages(word="x")
    assert source_of() == "memory"
    assert pickle.loads(pickle.dumps(again)).source == "cache"


def test_what_is_not_there_is_said_with_the_nearest_name(saved: str) -> None:
    with pytest.raises(PexError, match=r"no prompt 'hu' in the library.*\n.*'hi'"):
        load("hu@champion")
    with pytest.raises(PexError, match=r"no alias 'champoin'\n.*'champion'"):
        load("hi@champoin")
    with pytest.raises(PexError, match=r"no version 9\n.*'hi/3'"):
        load("hi/9")
    assert load("hi@champoin", fallback=ONE).source == "fallback"
    assert load("no name!", fallback="Say {{ word }}.").messages(word="a") == [
        {"role": "user", "content": "Say a."}
    ]
    broken = load("hi@nobody", fallback="{{ broken")
    assert broken.messages() == [{"role": "user", "content": "{{ broken"}]


def test_with_a_fallback_what_is_not_there_is_asked_for_once(
    saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    plain = served_prompt.ServedPrompt.ask

    def count(served: served_prompt.ServedPrompt, timeout_s: float) -> None:
        asked.append(served.name)
        plain(served, timeout_s)

    monkeypatch.setattr(served_prompt.ServedPrompt, "ask", count)
    for reference in ("hi@new", "hi/9"):
        asked.clear()
        for _ in range(50):
            assert load(reference, fallback=ONE, ttl_s=600).source == "fallback"
        assert asked == ["hi"]
        forget()
    assert load("hi@new", fallback=ONE, ttl_s=0.5).source == "fallback"
    move_elsewhere(saved, 3, "new")
    until(lambda: load("hi@new", fallback=ONE, ttl_s=0.5).origin == "hi/3")


def test_a_fallback_from_the_library_has_no_version(saved: str) -> None:
    kept = load("hi/1")
    assert (kept.origin, load("hi@nobody", fallback=kept).origin) == ("hi/1", None)


def test_a_current_folder_that_was_deleted(
    saved: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = project / "release-1"
    gone.mkdir()
    monkeypatch.chdir(gone)
    assert load("hi@champion").source == "registry"
    gone.rmdir()
    assert source_of() == "memory"
    assert load("hi/1").origin == "hi/1"
    assert load("hi@nobody", fallback="x").source == "fallback"
    monkeypatch.setattr(project_folder, "_last_folder", None)
    assert source_of(fallback="x") == "fallback"


def test_a_team_gets_the_prompt_of_its_own_workspace(
    saved: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(sqlite3.connect(saved.removeprefix("sqlite:///"))) as store:
        for table in ("registered_models", "registered_model_tags", "registered_model_aliases",
                      "model_versions", "model_version_tags"):  # fmt: skip
            columns = [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
            values = ["'b'" if column == "workspace" else column for column in columns]
            copied = f"SELECT {', '.join(values)} FROM {table}"
            store.execute(f"INSERT INTO {table} ({', '.join(columns)}) {copied}")
        store.execute("UPDATE registered_model_aliases SET version = 1 WHERE workspace = 'b'")
        store.commit()
    for source in ("registry", "memory", "cache"):
        if source == "cache":
            forget()
        told = load("hi@champion", ttl_s=600)
        monkeypatch.setenv("MLFLOW_WORKSPACE", "b")
        theirs = load("hi@champion", ttl_s=600)
        monkeypatch.delenv("MLFLOW_WORKSPACE")
        assert (told.origin, told.source) == ("hi/2", source)
        assert (theirs.origin, theirs.source) == ("hi/1", source)
    for served in list(serving._served.values()):
        served.ask(60.0)  # as the background does, whatever the environment says now
        assert served.known.aliases == {"champion": 1 if served.workspace else 2}


def test_an_alias_moved_elsewhere_is_seen_in_the_background(saved: str) -> None:
    assert load("hi@champion", ttl_s=0.5).origin == "hi/2"
    move_elsewhere(saved, 3)
    until(lambda: load("hi@champion", ttl_s=0.5).origin == "hi/3")
    assert source_of(ttl_s=0.5) == "memory"


def test_with_no_age_allowed_the_registry_is_asked_now(saved: str) -> None:
    assert load("hi@champion").origin == "hi/2"
    move_elsewhere(saved, 1)
    assert load("hi@champion").origin == "hi/2"
    now = load("hi@champion", ttl_s=0)
    assert (now.origin, now.source) == ("hi/1", "registry")
    assert load("hi@champion").origin == "hi/1"


def test_a_clock_that_was_set_back_does_not_stop_the_news(
    saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    with monkeypatch.context() as clock:
        clock.setattr(time, "time", lambda: now + 7200)
        assert load("hi@champion").origin == "hi/2"
    move_elsewhere(saved, 3)
    assert load("hi@champion", ttl_s=0).origin == "hi/3"


def test_a_move_by_pex_is_seen_at_once_in_this_and_another_process(
    saved: str, project: Path
) -> None:
    assert load("hi@champion").origin == "hi/2"
    pex.library.set_alias("hi", "champion", 1)
    assert load("hi@champion").origin == "hi/1"
    fresh_python("import pex; pex.library.set_alias('hi', 'champion', 3); print(0)", project)
    moved = load("hi@champion")
    assert (moved.origin, moved.source) == ("hi/3", "cache")
    assert source_of() == "memory"


def test_the_light_way_imports_nothing_heavy(saved: str, project: Path) -> None:
    load("hi@champion")
    found = fresh_python(
        """
        import json, sys
        import pex
        prompt = pex.library.load("hi@champion")
        sent = prompt.messages(word="x")
        arguments = prompt.openai(word="x")
        heavy = {"mlflow", "pandas", "pydantic", "ruamel", "IPython", "openai", "sqlalchemy",
                 "numpy", "requests", "aiohttp", "typer", "rich", "ipywidgets"}
        print(json.dumps([prompt.source, prompt.origin, sent, arguments["messages"] == sent,
                          sorted(heavy & set(sys.modules))]))
        """,
        project,
    )
    sent = [{"role": "user", "content": "Say x, version two."}]
    assert found == ["cache", "hi/2", sent, True, []]


def test_asking_the_registry_does_not_import_mlflow(saved: str, project: Path) -> None:
    found = fresh_python(
        """
        import json, sys
        import pex
        prompt = pex.library.load("hi@champion", ttl_s=0, timeout_s=60)
        print(json.dumps([prompt.source, "mlflow" in sys.modules, "pandas" in sys.modules]))
        """,
        project,
    )
    assert found == ["registry", False, False]


def test_plain_mlflow_reads_the_same_prompt(saved: str) -> None:
    mlflow.set_tracking_uri(saved)
    mine = load("hi@champion")
    theirs = mlflow.genai.load_prompt("prompts:/hi@champion")
    assert f"{theirs.name}/{theirs.version}" == mine.origin
    assert theirs.format(word="x") == mine.messages(word="x")[0]["content"]


def test_what_plain_mlflow_saved_is_served(uri: str) -> None:
    mlflow.set_tracking_uri(uri)
    mlflow.genai.register_prompt("plain", "Hello {{ name }}", model_config={"temperature": 0.5})
    made = mlflow.genai.register_prompt("plain", [{"role": "system", "content": "Hi {{ name }}"}])
    assert load("plain/1").openai(name="Ada") == {
        "messages": [{"role": "user", "content": "Hello Ada"}], "temperature": 0.5,
    }  # fmt: skip
    assert load("plain").messages(name="Ada") == made.format(name="Ada")


class TestRegistryDown:
    def test_what_is_known_goes_on_and_the_failure_is_kept(self, saved: str) -> None:
        load("hi@champion")
        path = Path(saved.removeprefix("sqlite:///"))
        path.rename(path.with_suffix(".away"))
        path.write_text("not a database, only a text that is long enough " * 10)
        now = load("hi@champion", ttl_s=0)
        assert (now.origin, now.source) == ("hi/2", "memory")
        (line,) = pex.library.status()
        assert line.version == "hi/2"
        assert "cannot be read" in str(line.problem)
        forget()
        assert source_of() == "cache"
        assert load("hi@champion", ttl_s=0).origin == "hi/2"

    def test_a_server_that_hangs_costs_one_wait(self, project: Path) -> None:
        with silent_server() as address:
            begun = time.monotonic()
            prompt = load("hi@champion", fallback=ONE, timeout_s=0.3, tracking_uri=address)
            assert time.monotonic() - begun >= 0.3
            assert (prompt.source, prompt) == ("fallback", ONE)
            (served,) = serving._served.values()
            assert served.problem is not None
            asked: list[object] = []
            served.ask = asked.append  # type: ignore[method-assign]
            for _ in range(20):
                assert load(
                    "hi@champion", fallback="x", timeout_s=0.3, tracking_uri=address
                ).source == "fallback"  # fmt: skip
            assert asked == []

    def test_without_a_fallback_it_says_that_nothing_came(self, project: Path) -> None:
        with silent_server() as address, pytest.raises(PexError, match=r"did not answer|timed out"):
            load("hi@champion", timeout_s=0.2, tracking_uri=address)

    def test_it_is_asked_again_later_each_time(
        self, saved: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        load("hi@champion")
        (served,) = serving._served.values()
        monkeypatch.setattr(served, "_asked", lambda end: 1 / 0)
        waits = []
        with monkeypatch.context() as clock:
            clock.setattr(served_prompt, "time", types.SimpleNamespace(monotonic=lambda: 1000.0))
            for _ in range(6):
                served.ask(0.1)
                waits.append(served.due - 1000.0)
        assert waits == [5, 10, 20, 40, 60, 60]
        assert served.failures == 6


class TestCacheFile:
    def path(self, project: Path) -> Path:
        (path,) = (project / ".pex" / "prompts").glob("hi-*.json")
        return path

    def test_it_is_private(self, saved: str, project: Path) -> None:
        load("hi@champion")
        path = self.path(project)
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)

    @pytest.mark.parametrize("damage", [b"", b"{", b"\x00" * 500, None])
    def test_a_damaged_one_is_ignored_and_replaced(
        self, saved: str, project: Path, damage: bytes | None
    ) -> None:
        load("hi@champion")
        path = self.path(project)
        whole = path.read_bytes()
        changed = whole.replace(b"version two", b"version six")
        assert changed != whole
        path.write_bytes(changed if damage is None else damage)
        forget()
        prompt = load("hi@champion")
        assert (prompt.source, prompt) == ("registry", TWO)
        forget()
        assert source_of() == "cache"

    def test_a_folder_that_cannot_be_written_to(
        self, saved: str, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (project / ".pex").mkdir(exist_ok=True)
        (project / ".pex" / "prompts").write_text("a file where the folder should be")
        monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
        assert source_of() == "registry"
        assert source_of() == "memory"

    def test_without_a_project_it_is_in_the_users_folder(
        self, saved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        elsewhere = tmp_path / "no project"
        elsewhere.mkdir()
        (tmp_path / "pex.toml").unlink()
        monkeypatch.chdir(elsewhere)
        cache = tmp_path / "cache"
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        assert source_of(tracking_uri=saved) == "registry"
        assert len(list(cache.rglob("hi-*.json"))) == 1
        assert list(elsewhere.iterdir()) == []
        forget()
        assert source_of(tracking_uri=saved) == "cache"

    def test_a_full_disk(self, saved: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*args: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fdopen", full)
        assert source_of() == "registry"
        assert source_of() == "memory"

    def test_an_answer_that_is_nonsense(self, saved: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(registry_reader, "reader_of", lambda uri: object())
        assert source_of(fallback=ONE) == "fallback"
        with pytest.raises(PexError):
            source_of()

    def test_numbers_are_sent_as_they_were_written(self, uri: str) -> None:
        text = "---\ninputs:\n- {name: code, kind: string, default: 01067}\n---\n{{ code }}"
        prompt = pex.Prompt.parse(text, "code.prompty", "code")
        pex.library.save(prompt)
        forget()
        told = [load("code") for _ in range(2)]
        forget()
        told.append(load("code"))
        assert [item.source for item in told] == ["registry", "memory", "cache"]
        assert {str(item.messages()) for item in told} == {str(prompt.messages())}
        assert told[2].front == prompt.front


class TestPromptFiles:
    def file(self, project: Path) -> Path:
        path = project / "prompts" / "hi.prompty"
        TWO.save(path)
        return path

    def saved(self, project: Path) -> None:
        pex.library.save(pex.Prompt.load(self.file(project)), alias="champion")
        for path in (project / ".pex" / "prompts").glob("*"):
            path.unlink()
        forget()

    def test_the_file_is_served_if_it_is_the_version_of_the_alias(
        self, uri: str, project: Path
    ) -> None:
        self.saved(project)
        prompt = load("hi@champion")
        assert (prompt.source, prompt.origin, prompt.text) == ("file", "hi/1", TWO.text)
        until(lambda: source_of() == "memory")

    def test_a_file_that_was_changed_since_is_not(self, uri: str, project: Path) -> None:
        self.saved(project)
        THREE.save(project / "prompts" / "hi.prompty")
        prompt = load("hi@champion")
        assert (prompt.source, prompt.text) == ("registry", TWO.text)

    def test_nor_without_a_line_of_the_move(self, uri: str, project: Path) -> None:
        self.saved(project)
        (project / "library" / "moves.jsonl").write_text("")
        assert source_of() == "registry"

    def test_it_does_without_a_registry(self, uri: str, project: Path) -> None:
        self.saved(project)
        Path(uri.removeprefix("sqlite:///")).unlink()
        assert source_of() == "file"
        (served,) = serving._served.values()
        until(lambda: served.problem is not None)
        assert source_of() == "file"


class TestModels:
    def test_a_models_own_version_is_served_to_it_alone(self, saved: str) -> None:
        move_elsewhere(saved, 3, "champion--gpt-5-mini")
        client = connect(saved)
        assert load("hi@champion", model="openai/gpt-5-mini", ttl_s=0).origin == "hi/2"
        client.set_prompt_tag("hi", "pex.model_alias.champion--gpt-5-mini", "openai/gpt-5-mini")
        assert load("hi@champion", model="openai/gpt-5-mini", ttl_s=0).origin == "hi/3"
        assert load("hi@champion", model="azure/gpt-5-mini").origin == "hi/2"
        assert load("hi@champion").origin == "hi/2"
        assert load("hi/1", model="openai/gpt-5-mini").origin == "hi/1"


def test_fifty_threads_load_while_the_alias_moves(saved: str) -> None:
    texts = {"hi/1": ONE.text, "hi/2": TWO.text, "hi/3": THREE.text}
    stop = threading.Event()
    problems: list[object] = []
    seen: set[object] = set()
    counts: list[int] = []

    def serve() -> None:
        count = 0
        while not stop.is_set():
            try:
                prompt = load("hi@champion", ttl_s=0.5)
                assert prompt.origin is not None
                sent = prompt.messages(word="x")[0]["content"]
                if sent != texts[prompt.origin].replace("{{ word }}", "x"):
                    problems.append((prompt.origin, sent))
                seen.add(prompt.origin)
                count += 1
                time.sleep(0.001)
            except Exception as error:  # noqa: BLE001
                problems.append(error)
                return
        counts.append(count)

    threads = [threading.Thread(target=serve) for _ in range(50)]
    for thread in threads:
        thread.start()
    for version in (1, 3, 2, 1):
        seen.clear()
        pex.library.set_alias("hi", "champion", version)
        until(lambda wanted=f"hi/{version}": wanted in seen)
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(counts) == 50
    assert load("hi@champion").origin == "hi/1"


def test_many_that_wait_for_one_prompt_ask_once(
    saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    plain = served_prompt.ServedPrompt.ask

    def slow(served: served_prompt.ServedPrompt, timeout_s: float) -> None:
        asked.append(served.name)
        time.sleep(0.3)
        plain(served, timeout_s)

    monkeypatch.setattr(served_prompt.ServedPrompt, "ask", slow)
    sources: list[str] = []
    threads = [
        threading.Thread(target=lambda: sources.append(source_of(timeout_s=60.0)))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sources) == 20
    assert asked == ["hi"]


def test_in_an_event_loop_a_hanging_registry_is_not_waited_for_when_warm(saved: str) -> None:
    async def requests() -> list[str | None]:
        async def one() -> str | None:
            await asyncio.sleep(0)
            return load("hi@champion", ttl_s=0.5).origin

        return list(await asyncio.gather(*(one() for _ in range(200))))

    load("hi@champion", ttl_s=0.5)
    (served,) = serving._served.values()
    hangs, begun = threading.Event(), threading.Event()

    def hang(timeout_s: float) -> None:
        begun.set()
        hangs.wait(60)
        served.due = time.monotonic() + 60

    served.ask = hang  # type: ignore[method-assign]
    assert begun.wait(60)
    try:
        assert set(asyncio.run(requests())) == {"hi/2"}
    finally:
        hangs.set()


def _child(results: "multiprocessing.Queue[object]", uri: str) -> None:
    first = load("hi@champion", ttl_s=0.5)
    move_elsewhere(uri, 3)
    until(lambda: load("hi@champion", ttl_s=0.5).origin == "hi/3")
    results.put((first.origin, first.source))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_has_the_prompts_and_a_thread_of_its_own(saved: str) -> None:
    assert load("hi@champion", ttl_s=0.5).origin == "hi/2"
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_child, args=(results, saved))
    child.start()
    assert results.get(timeout=120) == ("hi/2", "memory")
    child.join()
    assert child.exitcode == 0


def _locks(results: "multiprocessing.Queue[object]") -> None:
    results.put([served.lock.acquire(timeout=5) for served in serving._served.values()])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_lock_held_at_the_fork_does_not_stop_the_child(saved: str) -> None:
    with pytest.raises(PexError, match="no alias"):
        load("hi@nobody")  # the background does not keep it
    (served,) = serving._served.values()
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    held, forked = threading.Event(), threading.Event()

    def hold() -> None:
        with served.lock:
            held.set()
            forked.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    child = context.Process(target=_locks, args=(results,))
    child.start()
    forked.set()
    assert results.get(timeout=120) == [True]
    child.join()
    thread.join()


def test_a_project_that_names_a_server_is_not_believed_without_trust(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PEX_TRUST")
    with silent_server() as address:
        (project / "pex.toml").write_text(f'[record]\ntracking_uri = "{address}"\n')
        with pytest.raises(PexError, match="trust"):
            load("hi@champion", timeout_s=1)
        assert source_of(fallback="x", timeout_s=1) == "fallback"


def test_status_is_plain_data(saved: str) -> None:
    load("hi@champion")
    load("hi", model="lab/m")
    lines = pex.library.status()
    assert [(line.reference, line.model, line.version) for line in lines] == [
        ("hi", "lab/m", "hi/3"), ("hi@champion", None, "hi/2"),
    ]  # fmt: skip
    assert all(line.problem is None and line.asked_at is not None for line in lines)
    assert json.dumps([line.version for line in lines])
