"""The process that kernels are forked from, by itself."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import nbformat
import papermill
import psutil
import pytest

from pex.batch.kernels import engine, zygote
from pex.batch.kernels.forked import forkable
from pex.batch.kernels.zygotes import ZYGOTES, Forked, Refused, Zygote, Zygotes, private_folder
from pex.core.errors import ProviderError
from tests.helpers.notebooks import notebook

pytestmark = pytest.mark.night

CMD = [sys.executable, "-m", "ipykernel_launcher", "-f"]


@pytest.fixture(scope="module")
def parent() -> Iterator[Zygote]:
    started = Zygote(dict(os.environ))
    yield started
    started.close()
    assert not started.folder.exists()


def started(parent: Zygote, folder: Path, name: str) -> Forked:
    return parent.fork([*CMD, str(parent.folder / name)], str(folder), os.environ)


def test_one_thread_is_left_after_all_imports_and_variables_are_as_before() -> None:
    code = (
        "import os\nfrom pex.batch.kernels import zygote\nbefore = dict(os.environ)\n"
        "zygote.import_stack()\nimport sys\n"
        "print(zygote.threads(), {'mlflow', 'pandas', 'pex.experiment'} <= set(sys.modules),"
        " 'matplotlib' in sys.modules, [n for n in zygote.ONE_THREAD if os.environ.get(n) !="
        " before.get(n)])"
    )
    env = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1 True False []\n"


def test_kernels_are_killed_one_by_one_and_their_ends_told(parent: Zygote, tmp_path: Path) -> None:
    kernels = [started(parent, tmp_path, f"{n}.json") for n in range(3)]
    assert len({kernel.pid for kernel in kernels}) == 3
    assert all(psutil.Process(kernel.pid).ppid() == parent.pid for kernel in kernels)
    assert parent.busy
    assert kernels[1].poll() is None
    kernels[1].kill()
    assert kernels[1].wait() == -9
    assert [kernel.poll() for kernel in kernels] == [None, -9, None]
    kernels[0].terminate()
    assert kernels[0].wait() == -15
    gone = psutil.Process(kernels[2].pid)
    for end in (kernels[2]._reader, kernels[2]._line):
        end.close()
    psutil.wait_procs([gone], timeout=300)
    assert not gone.is_running()


def test_many_threads_ask_at_once(parent: Zygote, tmp_path: Path) -> None:
    kernels: list[Forked] = []
    askers = [
        threading.Thread(target=lambda n=n: kernels.append(started(parent, tmp_path, f"t{n}.json")))
        for n in range(12)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len({kernel.pid for kernel in kernels}) == 12
    for kernel in kernels:
        kernel.kill()
        kernel.wait()


def test_a_large_environment_arrives(parent: Zygote, tmp_path: Path) -> None:
    kernel = parent.fork(
        [*CMD, str(parent.folder / "large.json")], str(tmp_path), {"LARGE": "x" * 2_000_000}
    )
    assert kernel.poll() is None
    kernel.kill()
    kernel.wait()


@pytest.mark.parametrize("name", ["pandas.py", "mlflow"])
def test_a_folder_with_a_module_of_the_same_name_is_refused(
    name: str, parent: Zygote, tmp_path: Path
) -> None:
    if name.endswith(".py"):
        (tmp_path / name).touch()
    else:
        (tmp_path / name).mkdir()
        started(parent, tmp_path, "no-package.json").kill()  # a mere folder, as MLflow's own
        (tmp_path / name / "__init__.py").touch()
    with pytest.raises(Refused, match=f"{name} in .* hides the package"):
        started(parent, tmp_path, "f.json")


def test_a_folder_that_is_not_there_is_refused(parent: Zygote, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No such file"):
        started(parent, tmp_path / "nowhere", "f.json")


def test_the_packages_own_folder_is_no_stranger() -> None:
    assert zygote.shadowed(Path(zygote.__file__).parents[3]) is None


def test_more_threads_than_one_mean_ordinary_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that starts a thread as the interpreter starts, such as a profiler."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=[600], daemon=True).start()"
    )
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    engine.register()
    path = notebook(
        tmp_path / "n.ipynb",
        None,
        "import psutil; print('pex.batch.kernels.zygote' in psutil.Process().cmdline())",
    )
    try:
        papermill.execute_notebook(
            str(path), str(tmp_path / "o.ipynb"), engine_name="pex", progress_bar=False
        )
        assert "1 threads beside the first" in str(ZYGOTES.of(os.environ).refusal)
    finally:
        ZYGOTES.close()
    assert nbformat.read(tmp_path / "o.ipynb", 4).cells[0].outputs[0].text == "False\n"


def test_a_zygote_that_is_closed_while_it_imports_is_gone_at_once() -> None:
    early = Zygote(dict(os.environ))
    early.close()
    assert early._process.returncode == -signal.SIGKILL  # its imports were not waited for
    assert not psutil.pid_exists(early.pid)
    assert not early.folder.exists()


def test_sockets_have_a_short_private_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("t" * 100)))
    folder = private_folder()
    try:
        assert len(str(folder)) < 60
        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "cmd",
    [
        ["/usr/bin/python3", "-m", "ipykernel_launcher", "-f", "f"],
        [sys.executable, "-X", "dev", "-m", "ipykernel_launcher", "-f", "f"],
        [sys.executable, "-m", "bash_kernel", "-f", "f"],
        ["R", "--slave"],
    ],
)
def test_only_this_interpreters_own_kernel_is_forked(cmd: list[str]) -> None:
    assert not forkable(cmd)
    assert forkable([*CMD, "f"])


@pytest.fixture(scope="module")
def zygotes() -> Iterator[Zygotes]:
    several = Zygotes()
    several.of(os.environ).wait()
    yield several
    several.close()


def about(*given: object) -> tuple[int, bool, str, object]:
    return os.getpid(), "mlflow.genai" in sys.modules, str(Path.cwd()), given


def refused(message: str) -> None:
    raise ProviderError(message, hint="try again")


def counted(file: Path) -> None:
    file.write_text(file.read_text() + "x" if file.exists() else "x")
    raise ConnectionResetError("of the function itself")


def died() -> None:
    os._exit(3)


def test_a_function_is_called_where_the_packages_are(
    zygotes: Zygotes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pid, imported, folder, given = zygotes.call(about, "x" * 2_000_000, tmp_path)
    assert pid != os.getpid()
    assert (imported, folder, given) == (True, str(tmp_path), ("x" * 2_000_000, tmp_path))
    assert zygotes.call(about)[0] != pid


def test_what_a_function_raises_is_raised_here(zygotes: Zygotes, tmp_path: Path) -> None:
    with pytest.raises(ProviderError) as caught:
        zygotes.call(refused, "the night cannot be judged")
    assert (caught.value.message, caught.value.hint) == ("the night cannot be judged", "try again")
    assert "in refused" in caught.value.__notes__[0]
    with pytest.raises(ConnectionResetError, match="of the function itself"):
        zygotes.call(counted, tmp_path / "calls")
    assert (tmp_path / "calls").read_text() == "x"


def test_a_function_whose_process_dies_is_not_called_again(zygotes: Zygotes) -> None:
    with pytest.raises(RuntimeError, match="ended before"):
        zygotes.call(died)
    assert zygotes.alive


def test_a_function_is_called_here_where_nothing_forks(
    zygotes: Zygotes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Zygotes().call(about)[0] == os.getpid()
    (tmp_path / "pandas.py").touch()
    monkeypatch.chdir(tmp_path)
    assert zygotes.call(about)[0] == os.getpid()
