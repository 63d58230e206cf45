"""Deprecated: `pex.read_night`. Notebooks that were copied from an earlier version import this."""

from pex.batch.night.read_back import read_night

__all__ = ["read_night"]
