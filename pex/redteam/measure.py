"""The meter: attack success and false refusals of a red-team run, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pex.compare.attacks import Rates, attack_rates, is_redteam, table_of
from pex.core.attack_columns import BANNER
from pex.core.errors import PexError
from pex.core.safe_text import clean
from pex.report.attacks import rates_html, rates_text

if TYPE_CHECKING:
    import pandas as pd

    from pex.results.results import Results


class Measured:
    """The pair of rates of each variant and category; shown as a table with its caveat.

    `rows` has them all; `frame` the same as a DataFrame.
    """

    def __init__(self, rows: Sequence[Rates]) -> None:
        self.rows = list(rows)

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each variant and category, shares between 0 and 1."""
        import pandas as pd

        return pd.DataFrame(table_of(self.rows))

    def of(self, variant: str, category: str = "all") -> Rates:
        """The rates of one variant in one category.

        Raises:
            PexError: there are none.
        """
        for row in self.rows:
            if (row.variant, row.category) == (variant, category):
                return row
        raise PexError(f"there are no rates of variant '{variant}' in category '{category}'")

    def __repr__(self) -> str:
        return clean(f"{rates_text(self.rows)}\n! {BANNER}")

    def _repr_html_(self) -> str:
        return rates_html(self.rows, whole=True)


def rates(results: Results | Any) -> Measured:
    """The pair of rates of each variant, for each category and for all.

    Args:
        results: of a red-team run: `attack(…).experiment.run()`, or `pex.load_run(…)`.

    Raises:
        PexError: it is not the result of a red-team run.
    """
    if not is_redteam(results.frame):
        raise PexError(
            f"'{results.about.name}' is not a red-team run",
            hint="pexlab redteam EXPERIMENT.yaml, or pex.redteam.attack(…).experiment.run()",
        )
    return Measured(attack_rates(results.frame, results.about))
