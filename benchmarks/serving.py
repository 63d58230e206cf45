"""How long an application waits for its prompt: from memory, from the file cache, at its start.

Run: python benchmarks/serving.py [--moves 20]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from figures import figure

import pex
from pex.library import prompt_refresh, serving

THREADS = 50
REFERENCE = "reviews@champion"
TEXT = "Review: {{ review }}\nIs it positive or negative? Version %d. " + "Some rules. " * 100
START = f"""
import pex
prompt = pex.library.load({REFERENCE!r})
assert prompt.source == "cache", prompt.source
prompt.messages(review="Nice.")
"""


def forget() -> None:
    serving._slots.clear()
    serving._served.clear()
    prompt_refresh._background.served.clear()


def from_memory() -> float:
    pex.library.load(REFERENCE)
    times = []
    for _ in range(31):
        begun = time.perf_counter()
        for _ in range(1000):
            pex.library.load(REFERENCE)
        times.append((time.perf_counter() - begun) / 1000)
    return statistics.median(times)


def from_cache() -> float:
    times = []
    for _ in range(301):
        forget()
        begun = time.perf_counter()
        prompt = pex.library.load(REFERENCE)
        times.append(time.perf_counter() - begun)
        assert prompt.source == "cache"
    return statistics.median(times)


def at_start() -> list[tuple[float, float]]:
    """Seconds, and those of the processor, of a bare Python and of one that loads a prompt.

    In turns, so that both have the same share of a busy machine.
    """
    found: dict[str, list[tuple[float, float]]] = {"pass": [], START: []}
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    for number in range(22):
        for code, times in found.items():
            begun, used = time.perf_counter(), of_children()
            subprocess.run([sys.executable, "-c", code], check=True, env=environment)
            if number:  # the first one may compile
                times.append((time.perf_counter() - begun, of_children() - used))
    return [
        (statistics.median(t for t, _ in times), statistics.median(t for _, t in times))
        for times in found.values()
    ]


def of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def while_it_moves(moves: int) -> tuple[int, float, int, int]:
    """Loads by fifty threads while an alias moves: how many, seconds, errors, mixtures."""
    texts = {f"reviews/{n}": TEXT.strip() % n for n in (1, 2)}
    stop = threading.Event()
    counts, errors, mixtures = [], [], []

    def serve() -> None:
        count = 0
        while not stop.is_set():
            try:
                prompt = pex.library.load(REFERENCE)
                if prompt.text.strip() != texts[prompt.origin or ""]:
                    mixtures.append(prompt.origin)
                count += 1
                time.sleep(0.001)  # a request does more than this
            except Exception as error:  # noqa: BLE001 - that is what is counted
                errors.append(error)
        counts.append(count)

    threads = [threading.Thread(target=serve) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    begun = time.perf_counter()
    for number in range(1, moves + 1):
        pex.library.set_alias("reviews", "champion", 1 + number % 2)
    seconds = time.perf_counter() - begun
    stop.set()
    for thread in threads:
        thread.join()
    return sum(counts), seconds, len(errors), len(mixtures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=20, help="how often the alias moves")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("pex.toml").touch()
        for number in (1, 2):
            pex.library.save(pex.Prompt(TEXT % number, "reviews"), alias="champion")
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, medians")
        memory, cache = from_memory(), from_cache()
        figure("load from memory", memory * 1e6, "µs")
        figure("load from the file cache", cache * 1e3, "ms",
               floor=memory * 1e3, floor_name="from memory")  # fmt: skip
        (bare, bare_cpu), (whole, whole_cpu) = at_start()
        figure("new process: import pex, load, messages", whole, "s",
               floor=bare, floor_name="python -c pass")  # fmt: skip
        print(f"above a bare Python              {whole - bare:+8.3f} s    "
              f"{whole_cpu - bare_cpu:+.3f} s of processor")  # fmt: skip
        loads, seconds, errors, mixtures = while_it_moves(given.moves)
        print(f"{THREADS} threads, {seconds:.1f} s: {loads:,} loads while the alias moved "
              f"{given.moves} times: {errors} errors, {mixtures} mixtures")  # fmt: skip
        figure("loads in error or of two versions, while an alias moves", errors + mixtures, "")
        forget()
        os.chdir("/")


if __name__ == "__main__":
    main()
