"""The class that Papermill's entry point names.

Papermill loads it during its own import, so nothing here may import Papermill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pex.batch.kernels.engine import PexEngine


class Engine:
    """The engine, imported when a notebook is executed with it."""

    @classmethod
    def execute_notebook(cls, *args: Any, **kwargs: Any) -> Any:
        """Execute a notebook; see `PexEngine`."""
        return _engine().execute_notebook(*args, **kwargs)

    @classmethod
    def nb_kernel_name(cls, *args: Any, **kwargs: Any) -> Any:
        """The name of a notebook's kernel; see `PexEngine`."""
        return _engine().nb_kernel_name(*args, **kwargs)

    @classmethod
    def nb_language(cls, *args: Any, **kwargs: Any) -> Any:
        """A notebook's language; see `PexEngine`."""
        return _engine().nb_language(*args, **kwargs)


def _engine() -> type[PexEngine]:
    from pex.batch.kernels.engine import PexEngine

    return PexEngine
