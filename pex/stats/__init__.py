"""Pure functions on arrays: intervals, paired tests, power, repeats, sequential tests, judges.

They do not depend on prompts or runs, and can be used alone. None of them returns NaN: a value
that cannot be computed is None or a ValueError with the reason. NumPy and SciPy load on first use.
"""

from __future__ import annotations

from pex.stats.agreement import DetectorRates, Kappa, kappa, krippendorff, sensitivity_specificity
from pex.stats.change_points import ChangePoint, change_points
from pex.stats.difference import Difference
from pex.stats.intervals import (
    BCA_LIMIT,
    bca,
    clopper_pearson,
    mean,
    newcombe,
    wilson,
    zero_failures_bound,
)
from pex.stats.judged import Estimate, JudgedMean, ppi_mean, rogan_gladen, rogan_gladen_interval
from pex.stats.multiple import benjamini_hochberg, bonferroni, holm
from pex.stats.paired import (
    EXACT_LIMIT,
    SAMPLED_LIMIT,
    McNemar,
    clustered,
    mcnemar,
    newcombe_paired,
    paired_t,
    phi,
    sign_flip,
    tango,
    tango_p,
    welch_t,
)
from pex.stats.power import (
    McNemarPower,
    cases_for_difference,
    cases_for_mcnemar,
    cases_for_noninferiority,
    mcnemar_power,
    minimal_difference,
)
from pex.stats.preference import (
    BradleyTerry,
    PositionBias,
    StrengthIntervals,
    Wins,
    bradley_terry,
    position_bias,
    strength_intervals,
)
from pex.stats.repeats import (
    VarianceComponents,
    mean_pass_at_k,
    mean_pass_hat_k,
    pass_at_k,
    pass_hat_k,
    variance_components,
)
from pex.stats.sequential import EProcess, e_month, e_process, e_value
from pex.stats.since_baseline import (
    Change,
    category_change,
    change_threshold,
    findable_change,
    mean_change,
    rate_change,
)

__all__ = [
    "BCA_LIMIT",
    "EXACT_LIMIT",
    "SAMPLED_LIMIT",
    "BradleyTerry",
    "Change",
    "ChangePoint",
    "DetectorRates",
    "Difference",
    "EProcess",
    "Estimate",
    "JudgedMean",
    "Kappa",
    "McNemar",
    "McNemarPower",
    "PositionBias",
    "StrengthIntervals",
    "VarianceComponents",
    "Wins",
    "bca",
    "benjamini_hochberg",
    "bonferroni",
    "bradley_terry",
    "cases_for_difference",
    "cases_for_mcnemar",
    "cases_for_noninferiority",
    "category_change",
    "change_points",
    "change_threshold",
    "clopper_pearson",
    "clustered",
    "e_month",
    "e_process",
    "e_value",
    "findable_change",
    "holm",
    "kappa",
    "krippendorff",
    "mcnemar",
    "mcnemar_power",
    "mean",
    "mean_change",
    "mean_pass_at_k",
    "mean_pass_hat_k",
    "minimal_difference",
    "newcombe",
    "newcombe_paired",
    "paired_t",
    "pass_at_k",
    "pass_hat_k",
    "phi",
    "position_bias",
    "ppi_mean",
    "rate_change",
    "rogan_gladen",
    "rogan_gladen_interval",
    "sensitivity_specificity",
    "sign_flip",
    "strength_intervals",
    "tango",
    "tango_p",
    "variance_components",
    "welch_t",
    "wilson",
    "zero_failures_bound",
]
