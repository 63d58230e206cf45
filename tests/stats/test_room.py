"""What holds for the whole room: its names, its weight, and that it stays silent."""

import dataclasses
import inspect
import json
import math
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

import pex.stats
from pex import stats


def test_the_names_are_sorted_and_each_is_there_and_documented() -> None:
    assert [name.lower() for name in stats.__all__ if name[0].islower()] == sorted(
        name for name in stats.__all__ if name[0].islower()
    )
    assert len(set(stats.__all__)) == len(stats.__all__)
    for name in stats.__all__:
        found = getattr(stats, name)
        if inspect.isfunction(found):
            for part in ("Args:", "Returns:", "Source:", "Example:"):
                assert part in found.__doc__, f"{name} lacks {part}"


def test_every_public_function_of_its_modules_is_a_name_of_the_room() -> None:
    helpers = {"checks", "binomial", "difference"}
    folder = Path(pex.stats.__file__).parent
    for module in {file.stem for file in folder.glob("*.py")} - helpers - {"__init__"}:
        code = inspect.getmembers(sys.modules[f"pex.stats.{module}"], inspect.isfunction)
        public = {n for n, f in code if f.__module__ == f"pex.stats.{module}" and n[0] != "_"}
        assert public <= set(stats.__all__), module


def test_importing_the_room_brings_in_nothing_heavy_and_nothing_of_pex() -> None:
    program = "import json, sys; import pex.stats; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    found = set(json.loads(done.stdout))
    assert not found & {"numpy", "scipy", "choix", "statsmodels", "pandas"}
    assert {name for name in found if name.startswith("pex")} <= {
        "pex",
        "pex.core",
        "pex.core.version",
        "pex.stats",
        *(f"pex.stats.{file.stem}" for file in Path(pex.stats.__file__).parent.glob("*.py")),
    }


def numbers_in(found: Any) -> Iterator[float]:
    """Every number of a result, however it is packed."""
    if dataclasses.is_dataclass(found):
        found = dataclasses.astuple(found)
    if isinstance(found, float | int):
        yield found
    elif isinstance(found, dict):
        yield from (number for value in found.values() for number in numbers_in(value))
    elif found is not None and not isinstance(found, str):
        yield from (number for value in found for number in numbers_in(value))


AWKWARD = st.sampled_from([0.0, 1.0, -1.0, 0.1, 1e-300, 1e300, 1.0 + 2e-16, 1e-17])
COUNTS = st.lists(st.sampled_from([0, 0, 1, 2, 50, 100_000]), min_size=4, max_size=4)


def answers(values: list[float], counts: list[int]) -> Iterator[Any]:
    """What the room says of a list of numbers and of a table of counts."""
    half, groups = len(values) // 2, [i % 3 for i in range(len(values))]
    yield stats.paired_t(values)
    yield stats.clustered(values, groups)
    yield stats.welch_t(values[:half], values[half:])
    yield stats.sign_flip(values, resamples=99)
    yield stats.bca(values, resamples=99)
    yield stats.mcnemar(counts[1], counts[2])
    yield stats.e_process([(counts[0], counts[1]), (counts[2], counts[3])], one_sided=True)
    if sum(counts):
        yield stats.newcombe_paired(*counts)
        yield stats.tango(*counts)
        yield stats.phi(*counts)
        yield stats.kappa([counts[:2], counts[2:]])
        yield stats.sensitivity_specificity(*counts)
    if counts[1] + counts[2]:
        yield stats.bradley_terry({("a", "b"): counts[1], ("b", "a"): counts[2]})
    if len(set(groups)) > 1 and len(values) > 3:
        shares = [abs(value) % 1 for value in values]
        yield stats.variance_components([shares[0::3], shares[1::3], shares[2::3]])
        yield stats.ppi_mean(shares[:half], shares[half : 2 * half], shares)


@given(st.lists(AWKWARD, min_size=1, max_size=14), COUNTS)
@example([0.0] * 12, [0, 0, 0, 0])
@example([1e300, -1e300, 1e300, -1e300], [0, 100_000, 0, 0])
@example([0.1 + 0.2, 0.3] * 3, [1, 0, 0, 1])
def test_no_answer_is_nan_and_none_comes_with_a_warning(
    values: list[float], counts: list[int]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for found in answers(values, counts):
            assert all(math.isfinite(number) for number in numbers_in(found)), found
