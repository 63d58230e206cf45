"""Text functions that find keys and keep them out of everything shown or stored."""

from pex.guard.canary import find_canary, new_canary

__all__ = ["find_canary", "new_canary"]
