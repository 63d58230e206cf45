"""Red team: attacks on an experiment's own prompts, each beside a harmless twin.

`attack` makes an ordinary experiment of it, `rates` reads the pair of rates from its results. A
fixed set of attacks says nothing about an attacker who adapts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pex.redteam.building import Attacked, attack
    from pex.redteam.gate import RedteamVerdict, verdict
    from pex.redteam.measure import Measured, rates

_HOMES = {
    "Attacked": "building",
    "Measured": "measure",
    "RedteamVerdict": "gate",
    "attack": "building",
    "rates": "measure",
    "verdict": "gate",
}

__all__ = ["Attacked", "Measured", "RedteamVerdict", "attack", "rates", "verdict"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pex.redteam' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"pex.redteam.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
