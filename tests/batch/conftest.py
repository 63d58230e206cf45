"""One process that kernels are forked from, for all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pex.batch.kernels import zygotes


@pytest.fixture(autouse=True)
def one_zygote(clean_environment: None) -> Iterator[None]:
    """The process is there before a batch asks for it, and stays; another environment's ends.

    Importing what notebooks import takes it four seconds of the processor.
    """
    zygotes.prepare()
    common = next(reversed(zygotes.ZYGOTES._known.values()), None)
    yield
    for key, zygote in list(zygotes.ZYGOTES._known.items()):
        if zygote is not common:
            del zygotes.ZYGOTES._known[key]
            zygote.close()
