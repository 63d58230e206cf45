"""A notebook cannot tell the engine of pex from Papermill's own, but by the time it takes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
import pytest
from papermill.exceptions import PapermillExecutionError

from pex.batch.kernels import engine
from pex.batch.kernels.engine import KernelDied
from pex.batch.kernels.zygotes import ZYGOTES
from tests.helpers.notebooks import notebook
from tests.helpers.processes import sockets

pytestmark = pytest.mark.night

engine.register()
ENGINES = (None, "pex")
REPOSITORY = Path(engine.__file__).parents[3]


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """The same for all notebooks of this file, so that one process forks their kernels."""
    yield {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    ZYGOTES.close()


Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)

    def execute(source: Path, name: str | None = "pex", **options: Any) -> Any:
        return papermill.execute_notebook(
            str(source),
            str(tmp_path / f"{source.stem}-{name}.ipynb"),
            engine_name=name,
            progress_bar=False,
            **({"cwd": str(tmp_path)} | options),
        )

    return execute


CELLS = (
    "import sys, warnings, logging\nprint(x); print('to stderr', file=sys.stderr)",
    "from IPython.display import HTML, display, update_display\n"
    "display(HTML('<b>bold</b>'), display_id='d')\ndisplay({'text/plain': 'raw'}, raw=True)\n"
    "update_display(HTML('<i>changed</i>'), display_id='d')\nx + 1",
    "import pandas\npandas.DataFrame({'a': [1, 2]})",
    "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3]);",
    "import plotly.express as px\nfig = px.bar(x=['a'], y=[1]); fig.show(); fig",
    "import ipywidgets\nipywidgets.IntSlider(value=3)",
    "from tqdm.auto import tqdm\nprint(tqdm.__module__)",
    "import subprocess\nsubprocess.run(['echo', 'from a child'])\n!echo from the shell",
    "warnings.warn('look')\nlogging.warning('logged')\n"
    "import mlflow\nlogging.getLogger('mlflow').warning('of mlflow')",
    "for i in range(3):\n    print(i, end='\\r')\n%time pass",
    "import os, sys; sys.exit(0)",
)


@pytest.fixture
def kinds(tmp_path: Path) -> Path:
    """A notebook with every kind of cell that Papermill knows."""
    path = notebook(tmp_path / "kinds.ipynb", "x: int = 1", *CELLS)
    content = nbformat.read(path, as_version=4)
    content.cells.insert(2, nbformat.v4.new_markdown_cell("# Title"))
    content.cells.insert(3, nbformat.v4.new_raw_cell("raw"))
    skipped = nbformat.v4.new_code_cell("1 / 0")
    skipped.metadata["tags"] = ["skip-execution"]
    content.cells.insert(4, skipped)
    nbformat.write(content, path)
    return path


def plain(content: Any) -> Any:
    """A notebook without what differs between any two executions: times, ids, addresses."""
    text = nbformat.writes(content)
    text = re.sub(r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?", "TIME", text)
    text = re.sub(r'"duration": [\d.]+', '"duration": 0', text)
    text = re.sub(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "ID", text)
    text = re.sub(r"ipykernel_\d+/|(CPU times|Wall time)[^\\]*|kinds-\w+\.ipynb", "", text)
    found = json.loads(text)
    for cell in found["cells"]:
        cell.pop("id", None)
        if "outputs" in cell:
            cell["outputs"] = joined(cell["outputs"])
    return found


def joined(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outputs in which a stream is one: where it was cut depends on the time of its pieces."""
    found: list[dict[str, Any]] = []
    for output in outputs:
        last = found[-1] if found else {}
        if output["output_type"] == "stream":
            output["text"] = "".join(output["text"])
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            last["text"] += output["text"]
        else:
            found.append(output)
    return found


def test_outputs_are_those_of_papermills_own_engine(kinds: Path, run: Run) -> None:
    ordinary, ours = (plain(run(kinds, name, parameters={"x": 7})) for name in ENGINES)
    for left, right in zip(ordinary["cells"], ours["cells"], strict=True):
        assert right == left
    ordinary.pop("cells")
    ours.pop("cells")
    ordinary["metadata"].pop("widgets")
    assert "application/vnd.jupyter.widget-state+json" in ours["metadata"].pop("widgets")
    assert ours == ordinary


FACTS = """
import gc, json, logging, os, signal, sys, threading, warnings
import __main__
facts = {
    'env': {k: v for k, v in os.environ.items() if not k.startswith(('JPY_', 'PEX_'))},
    'cwd': os.getcwd(), 'argv': [*sys.argv[:2], *sys.argv[3:]], 'path': sys.path,
    'executable': sys.executable, 'flags': str(sys.flags), 'main': __name__,
    'parent': os.environ['JPY_PARENT_PID'] == str(os.getppid()),
    'signals': {s.name: str(signal.getsignal(s)) for s in signal.Signals
                if s not in (signal.SIGKILL, signal.SIGSTOP)},
    'handlers': {n: [type(h).__name__ for h in logging.getLogger(n).handlers]
                 for n in ('', 'py', 'traitlets')},
    'user warnings': [str(f) for f in warnings.filters if f[2] in (Warning, UserWarning,
                      DeprecationWarning, FutureWarning) and f[1] is None],
    'session': os.getsid(0) == os.getpid(), 'umask': os.umask(0o022),
    'stdin': os.read(0, 1) == b'',
    'collects': gc.isenabled(), 'history': get_ipython().history_manager.hist_file,
    'daemon threads': sorted(t.name.partition(' (')[0] for t in threading.enumerate()),
    'hashseed': os.environ.get('PYTHONHASHSEED'), 'gui': get_ipython().active_eventloop,
}
import numpy, pyarrow, pandas, mlflow, matplotlib, plotly.io, threadpoolctl, scipy.linalg
facts['threads'] = sorted((i['internal_api'], i['num_threads'])
                          for i in threadpoolctl.threadpool_info())
facts['arrow'] = pyarrow.cpu_count()
facts['backend'] = matplotlib.get_backend()
facts['renderer'] = plotly.io.renderers.default
facts['mlflow'] = [str(type(h)) for h in logging.getLogger('mlflow').handlers]
print(json.dumps(facts))
"""


def test_the_kernel_is_in_the_same_state_as_an_ordinary_one(tmp_path: Path, run: Run) -> None:
    path = notebook(tmp_path / "facts.ipynb", None, FACTS)
    texts = [run(path, name).cells[0].outputs[0].text for name in ENGINES]
    ordinary, ours = (json.loads(text.splitlines()[-1]) for text in texts)
    for name, value in ordinary.items():
        assert ours[name] == value, name


def test_no_kernel_is_used_twice_and_random_numbers_differ(tmp_path: Path, run: Run) -> None:
    path = notebook(
        tmp_path / "plant.ipynb",
        None,
        "import builtins, os, random, sys, uuid, numpy, mlflow, pandas\n"
        "from mlflow.tracing.provider import provider\n"
        "from opentelemetry.sdk.trace import RandomIdGenerator\n"
        "import mlflow.tracing.provider as traces\n"
        "made = [v for v in vars(type(traces)).values()]\n"
        "print(hasattr(builtins, 'planted'), 'planted' in os.environ, hasattr(pandas, 'planted'))\n"
        "print(random.random(), numpy.random.random(), uuid.uuid4(), uuid.uuid1(),\n"
        "      numpy.random.default_rng().random(), RandomIdGenerator().generate_trace_id(),\n"
        "      traces._MlflowTraceIdGenerator().generate_trace_id()\n"
        "      if hasattr(traces, '_MlflowTraceIdGenerator') else random.random())\n"
        "builtins.planted = pandas.planted = os.environ['planted'] = 'x'; x = 1",
        "print(len([name for name in globals() if name == 'y']))\ny = 1",
    )
    outputs = [run(path).cells for _ in range(3)]
    seen = [cells[0].outputs[0].text.splitlines() for cells in outputs]
    assert {lines[0] for lines in seen} == {"False False False"}
    assert {cells[1].outputs[0].text for cells in outputs} == {"0\n"}
    numbers = [number for lines in seen for number in lines[1].split()]
    assert len(set(numbers)) == 3 * 7


@pytest.mark.parametrize(
    ("cell", "error", "tag"),
    [
        ("print('before'); 1 / 0", "ZeroDivisionError", "raises-exception"),
        ("import sys; sys.exit(3)", "SystemExit", None),
        ("input('name?')", "StdinNotImplementedError", None),
        ("import pandas\npandas.read_csv('nowhere.csv')", "FileNotFoundError", None),
        ("def broken(:", "SyntaxError", "raises-exception"),
    ],
)
def test_a_failure_names_its_cell_and_is_kept_in_the_output(
    cell: str, error: str, tag: str | None, tmp_path: Path, run: Run
) -> None:
    path = notebook(tmp_path / "bad.ipynb", None, "1", cell, "2")
    content = nbformat.read(path, as_version=4)
    content.cells[1].metadata["tags"] = [tag] if tag else []
    nbformat.write(content, path)
    kept, counts = [], []
    for name in ENGINES:
        with pytest.raises(PapermillExecutionError) as caught:
            run(path, name)
        assert caught.value.ename == error
        counts.append(caught.value.exec_count)
        kept.append(plain(nbformat.read(tmp_path / f"bad-{name}.ipynb", as_version=4)))
        kept[-1]["metadata"]["papermill"].pop("output_path")
    assert kept[0] == kept[1]
    assert counts == [2, 2]


@pytest.mark.parametrize(
    ("cell", "manner"),
    [
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            "killed, perhaps out of memory",
        ),
        ("import os; os._exit(7)", "exit code 7"),
        ("import ctypes; ctypes.string_at(0)", "Segmentation fault"),
    ],
)
def test_a_dead_kernel_is_named_with_its_cell(
    cell: str, manner: str, tmp_path: Path, run: Run
) -> None:
    path = notebook(tmp_path / "dies.ipynb", None, "1", "print('before', flush=True)", cell, "2")
    with pytest.raises(KernelDied) as caught:
        run(path)
    assert str(caught.value) == f"its kernel died in cell 3 ({manner})"
    kept = nbformat.read(tmp_path / "dies-pex.ipynb", as_version=4)
    assert kept.cells[1].outputs[0].text == "before\n"


def test_keys_are_taken_out_while_it_runs(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", 'sk-"12345678')
    path = notebook(
        tmp_path / "keys.ipynb",
        None,
        "import os; key = os.environ['LAB_KEY']; print(key)",
        "print(open('keys-pex.ipynb').read().count(key[-8:]))",
        "{'a': key}",
        "raise ValueError(key)",
    )
    with pytest.raises(PapermillExecutionError) as caught:
        run(path)
    text = (tmp_path / "keys-pex.ipynb").read_text()
    assert "12345678" not in text + str(caught.value)
    assert "[redacted]" in text
    assert nbformat.reads(text, 4).cells[2].outputs[0].text == "0\n"


@pytest.mark.soak
def test_exit_hooks_run_and_processes_of_the_notebook_are_its_own(tmp_path: Path, run: Run) -> None:
    hook = "import atexit, pathlib\natexit.register(pathlib.Path('left').write_text, 'by the hook')"
    run(notebook(tmp_path / "hook.ipynb", None, hook))
    assert (tmp_path / "left").read_text() == "by the hook"


def test_a_cell_that_takes_too_long_is_interrupted_as_papermill_does(
    tmp_path: Path, run: Run
) -> None:
    path = notebook(tmp_path / "slow.ipynb", None, "import time; time.sleep(3600)")
    with pytest.raises(Exception, match="timed out") as caught:
        run(path, execution_timeout=2)
    assert type(caught.value).__name__ == "CellTimeoutError"


@pytest.mark.soak
def test_a_module_in_the_notebooks_folder_goes_first_as_always(tmp_path: Path, run: Run) -> None:
    (tmp_path / "plotly.py").write_text("mine = True")
    path = notebook(tmp_path / "own.ipynb", None, "import plotly; print(plotly.mine)")
    assert run(path).cells[0].outputs[0].text == "True\n"


@pytest.mark.soak
def test_a_kernel_of_another_command_is_an_ordinary_one(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data" / "kernels" / "other"
    folder.mkdir(parents=True)
    spec = {
        "argv": [
            sys.executable,
            "-X",
            "dev",
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
        ],
        "display_name": "Other",
        "language": "python",
        "env": {"OF_THE_SPEC": "1"},
    }
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))
    path = notebook(
        tmp_path / "other.ipynb",
        None,
        "import os, sys; print(sys.flags.dev_mode, os.environ['OF_THE_SPEC'])",
    )
    assert run(path, kernel_name="other").cells[0].outputs[0].text == "True 1\n"


DRIVER = """
import papermill, sys
from pex.batch.kernels import engine
engine.register()
papermill.execute_notebook(sys.argv[1], sys.argv[2], engine_name="pex", progress_bar=False)
"""


def family(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_nothing_is_left_of_a_driver_that_was_killed(tmp_path: Path) -> None:
    cell = (
        "import subprocess, time\nsubprocess.Popen(['sleep', '600'])\n"
        "open('up', 'w')\ntime.sleep(600)"
    )
    path = notebook(tmp_path / "slow.ipynb", None, cell)
    long = tmp_path / ("t" * 100)
    long.mkdir()
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(path), str(tmp_path / "out.ipynb")],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(long)},
    )
    deadline = time.monotonic() + 300
    while not (tmp_path / "up").exists():
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    others = family(driver.pid)
    assert {"sleep"} < {process.name() for process in others}
    folder = sockets(others)
    assert list(folder.glob("*-ipc-*"))
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    _, alive = psutil.wait_procs(others, timeout=300)
    assert not alive
    assert not folder.exists()


def test_a_zygote_that_died_is_replaced(tmp_path: Path, run: Run) -> None:
    path = notebook(tmp_path / "n.ipynb", None, "import os; print(os.getppid())")
    first = run(path).cells[0].outputs[0].text
    os.kill(int(first), signal.SIGKILL)
    psutil.wait_procs([psutil.Process(int(first))] if psutil.pid_exists(int(first)) else [], 10)
    second = run(path).cells[0].outputs[0].text
    assert second != first


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The entry points of pyproject.toml as an installed pex has them."""
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["entry-points"]
    about = tmp_path / "site" / "pexlab-0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pexlab\nVersion: 0\n")
    lines = []
    for group, names in declared.items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in names.items())]
    (about / "entry_points.txt").write_text("\n".join(lines))
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(about.parent), str(REPOSITORY)])}


PARENT = "import psutil; print('pex.batch.kernels.zygote' in psutil.Process().parent().cmdline())"


def test_papermills_command_line_knows_the_engine(
    tmp_path: Path, installed: dict[str, str]
) -> None:
    path = notebook(tmp_path / "n.ipynb", None, PARENT)
    done = subprocess.run(
        [sys.executable, "-m", "papermill", "--engine", "pex", str(path), "out.ipynb"],
        cwd=tmp_path,
        env=installed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert cells[0].outputs[0].text == "True\n"


@pytest.mark.soak
def test_other_programs_can_take_forked_kernels(tmp_path: Path, installed: dict[str, str]) -> None:
    path = notebook(tmp_path / "n.ipynb", None, PARENT)
    done = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", str(path)],
        cwd=tmp_path,
        env={**installed, "JUPYTER_DEFAULT_PROVISIONER_NAME": "pex-fork"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cells = nbformat.read(tmp_path / "n.nbconvert.ipynb", as_version=4).cells
    assert cells[0].outputs[0].text == "True\n"


@pytest.mark.soak
def test_a_cell_that_shows_a_table_and_a_chart_imports_nothing_more(
    tmp_path: Path, run: Run
) -> None:
    path = notebook(
        tmp_path / "shows.ipynb",
        None,
        "import sys\nbefore = set(sys.modules)",
        "import pandas, plotly.express, mlflow, pex",
        "pandas.DataFrame({'a': [1]})",
        "plotly.express.bar(x=['a'], y=[1])",
        "print(sorted(set(sys.modules) - before), 'rfc3987_syntax' in sys.modules)",
    )
    cells = run(path).cells
    assert cells[-1].outputs[0].text == "[] False\n"
    assert "application/vnd.plotly.v1+json" in cells[-2].outputs[0].data


def test_headers_of_the_settings_are_taken_out_of_notebooks(tmp_path: Path, run: Run) -> None:
    (tmp_path / "pex.toml").write_text(
        '[providers.lab]\nbase_url = "http://me:pass-word@gw.test/v1"\n'
        'headers = {"X-Gate" = "open-4711-sesame"}\n'
    )
    path = notebook(tmp_path / "keys.ipynb", None, "print('open-4711' + '-sesame', 'pass-' 'word')")
    run(path)
    text = (tmp_path / "keys-pex.ipynb").read_text()
    assert "[redacted] [redacted]" in text


def test_a_key_in_pieces_is_never_saved_nor_logged(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNUSUAL", "open-4711-sesame")
    (tmp_path / "pex.toml").write_text(
        '[providers.lab]\nbase_url = "http://x.test"\napi_key_env = "UNUSUAL"\n'
    )
    path = notebook(
        tmp_path / "keys.ipynb",
        None,
        "import os, sys, time; key = os.environ['UNUSUAL']\n"
        "for piece in (key[:9], key[9:], '\\n', key[:9]): print(piece, end='', flush=True)\n"
        "print('x', file=sys.stderr, flush=True)\n"
        "print(key[9:], flush=True)",
        "saved = open('keys-pex.ipynb').read()\n"
        "print('in pieces' if key[9:] in saved or key[:9] in saved else 'clean')",
        "print(key[:9], end='', flush=True); time.sleep(0.5); print(key[9:], flush=True)\n"
        "raise ValueError(key)",
    )
    with (tmp_path / "log").open("w") as log, pytest.raises(PapermillExecutionError):
        run(path, stdout_file=log)
    content = nbformat.read(tmp_path / "keys-pex.ipynb", as_version=4)
    assert "".join(item.get("text", "") for item in content.cells[2].outputs) == "clean\n"
    for text in ((tmp_path / "keys-pex.ipynb").read_text(), (tmp_path / "log").read_text()):
        assert "4711" not in text
        assert "sesame" not in text
        assert "[redacted]" in text


def test_a_key_among_parameters_reaches_the_kernel_and_no_file(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "open-4711-sesame")
    path = notebook(
        tmp_path / "keys.ipynb",
        "key = ''",
        "import os; assert key == os.environ['LAB_KEY']",
        "print('in clear' if key[5:] in open('keys-pex.ipynb').read() else 'clean')",
    )
    content = run(path, parameters={"key": "open-4711-sesame"})
    assert content.cells[-1].outputs[0].text == "clean\n"
    assert "4711-sesame" not in (tmp_path / "keys-pex.ipynb").read_text()
