"""The version of pex."""

__version__ = "0.1.0"
