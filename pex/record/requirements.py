"""The state of a run's requirements in MLflow: a table among its files, and short tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pex.compare.requirements import counted, states

if TYPE_CHECKING:
    import pandas as pd

    from pex.core.about import About

FILE = "requirements.json"
TAG = "pex.requirements"
"""The tag of a run and of its variants: "3 met, 1 not met, 1 untested"."""
_LONGEST = 500


def table_of(frame: pd.DataFrame, about: About) -> pd.DataFrame | None:
    """The state of each requirement for each variant; None if the run has no requirements."""
    if not about.requirements or not len(frame):
        return None
    return states(frame, about.requirements, about.checks)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table arranged for MLflow's page: what was asked for, who meets it, and why."""
    first = ["requirement", "text", "variant", "state", "sentence", "priority", "source"]
    rest = [name for name in table.columns if name not in first]
    table = table[[*first, *rest]].copy()
    table["failing"] = table["failing"].map(", ".join)
    return table.round(6)


def tags_of(table: pd.DataFrame) -> tuple[str, dict[str, str]]:
    """The tag of the run, and that of each of its variants.

    Example:
        >>> import pandas as pd
        >>> rows = [("a", "met"), ("a", "untested"), ("b", "not met"), ("b", "untested")]
        >>> tags_of(pd.DataFrame(rows, columns=["variant", "state"]))[0]
        'a: 1 met, 1 untested; b: 1 not met, 1 untested'
    """
    each = {
        str(variant): counted(rows)
        for variant, rows in table.groupby("variant", sort=False, observed=True)
    }
    if len(each) == 1:
        return next(iter(each.values())), each
    return "; ".join(f"{name}: {said}" for name, said in each.items())[:_LONGEST], each
