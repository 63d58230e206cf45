"""One process that kernels are forked from, for all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pex.batch.kernels.zygotes import ZYGOTES, prepare


@pytest.fixture(autouse=True)
def one_zygote(request: pytest.FixtureRequest) -> Iterator[None]:
    """The process is there before a batch asks for it, and stays; another environment's ends.

    Importing what notebooks import takes it four seconds of the processor.
    """
    if request.node.get_closest_marker("night") is None:
        yield
        return
    prepare()
    common = next(reversed(ZYGOTES._known.values()), None)
    yield
    for key, zygote in list(ZYGOTES._known.items()):
        if zygote is not common:
            del ZYGOTES._known[key]
            zygote.close()
