"""The running pytest, for functions that a test calls without a handle on it.

A module of its own, so that the plugin imports nothing more until it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

make: Callable[[], Any] | None = None
"""Returns the `pex.testing.session.Session` of the running pytest; None outside pytest."""
