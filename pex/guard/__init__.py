"""Text functions that check what goes in and out of a prompt, and keep keys out of what is shown.

`check(text)` finds known patterns in a text of a user, a document or a tool; `check_output(text,
context)` finds in an answer what was leaked or does harm where it is shown, and `OutputStream` does
so while the answer streams; `new_canary()` and `find_canary(text, canary)` tell whether an answer
repeats what it was told.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pex.guard.canary import find_canary, new_canary
    from pex.guard.findings import BlockedError, Checked, Finding
    from pex.guard.input_check import Policy, check
    from pex.guard.output_check import check_output
    from pex.guard.output_context import OutputContext, OutputPolicy
    from pex.guard.output_stream import OutputStream, guarded, guarded_async

__all__ = [
    "BlockedError",
    "Checked",
    "Finding",
    "OutputContext",
    "OutputPolicy",
    "OutputStream",
    "Policy",
    "check",
    "check_output",
    "find_canary",
    "guarded",
    "guarded_async",
    "new_canary",
]

_HOMES = {
    "BlockedError": "findings",
    "Checked": "findings",
    "Finding": "findings",
    "OutputContext": "output_context",
    "OutputPolicy": "output_context",
    "OutputStream": "output_stream",
    "Policy": "input_check",
    "check": "input_check",
    "check_output": "output_check",
    "find_canary": "canary",
    "guarded": "output_stream",
    "guarded_async": "output_stream",
    "new_canary": "canary",
}


def __getattr__(name: str) -> Any:
    # Most of pex needs only the functions that mask keys.
    if name not in _HOMES:
        raise AttributeError(f"module 'pex.guard' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(f"pex.guard.{_HOMES[name]}"), name)
