"""What other tests have registered as secret is not looked for here."""

import pytest

from pex.guard import redact


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with no known value but those of the environment."""
    monkeypatch.setattr(redact, "_registered", set())
