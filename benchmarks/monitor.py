"""How long a look at deployed traces takes, compared with bare paging in the same run.

    PYTHONPATH=. python benchmarks/monitor.py [TRACES]

It fills an MLflow store with traces (bulk insert), pages through them with `search_traces` (500 at
a time, without spans), then reads them with `read_traces`: the first time, again, and after 500 new
ones.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from figures import figure

from pex.monitoring.reading import read_traces
from pex.monitoring.spec import Source
from pex.tracking.store import connect
from tests.helpers.deployed import bulk_traces

_QUESTIONS = (
    "How long does the delivery of order {0} to Bern take, please?",
    "Wie lange dauert die Lieferung der Bestellung {0} nach Bern?",
    "Où est ma commande numéro {0}, et quand est-ce qu'elle arrive?",
    "ok {0}",
)


def row(number: int) -> dict[str, object]:
    """One of the made traces."""
    return {
        "request": _QUESTIONS[number % 4].format(number),
        "user": f"user-{number % 900}",
        "session": f"session-{number // 4}",
        "service": "shop",
        "prompt": f"shop-answer/{1 + number % 3}",
        "state": "error" if number % 50 == 0 else "ok",
        "feedback": [{"value": number % 3 > 0}] if number % 10 == 0 else [],
    }


def megabytes() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        uri, state = f"sqlite:///{folder}/mlflow.db", Path(folder) / "state"
        client = connect(uri)
        begun = time.perf_counter()
        bulk_traces(uri, "shop", (row(number) for number in range(count)))
        print(f"{count:,} traces inserted: {time.perf_counter() - begun:.1f} s")
        experiment = client.get_experiment_by_name("shop")
        assert experiment is not None
        begun, token, seen = time.perf_counter(), None, 0
        while True:
            page = client.search_traces(
                locations=[experiment.experiment_id], max_results=500, page_token=token,
                include_spans=False,
            )  # fmt: skip
            seen, token = seen + len(page), page.token
            if not token:
                break
        bare = time.perf_counter() - begun
        print(f"bare paging, {seen:,} traces: {bare:.1f} s, {megabytes():.0f} MB at most")
        source = Source(experiment="shop")
        pages: list[float] = []
        begun = time.perf_counter()
        read_traces(uri, source, state, on_page=lambda _: pages.append(time.perf_counter()))
        whole = time.perf_counter() - begun
        peer = "bare paging with search_traces"
        figure(f"read {count:,} traces", whole, "s", floor=bare, floor_name=peer)
        print(f"the first page after {pages[0] - begun:.2f} s; {megabytes():.0f} MB at most")
        begun, busy = time.perf_counter(), time.process_time()
        found = read_traces(uri, source, state)
        taken, busy = time.perf_counter() - begun, time.process_time() - busy
        figure("read them again", taken, "s", floor=bare, floor_name=peer)
        print(f"{busy:.2f} s of processor time, {found.new} new")
        bulk_traces(uri, "shop", (row(number) for number in range(500)))
        begun = time.perf_counter()
        found = read_traces(uri, source, state)
        figure(f"read again with {found.new} new", time.perf_counter() - begun, "s")
        kept = sum(path.stat().st_size for path in state.iterdir()) / 1e6
        print(f"kept: {kept:.1f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
