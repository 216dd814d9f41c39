"""`icc`: how much of the variance lies between groups."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.argument_values import flag, number
from mlpool.errors import SingularFitWarning, user_level
from mlpool.floating_point import usual_floats
from mlpool.models.argument_checks import backend_of, check_level, check_mixed
from mlpool.performance.bootstrap import draw_parts, percentiles
from mlpool.performance.explained_variance import TOLERANCE, is_degenerate
from mlpool.performance.performance_table import DIGITS, Grid, GridColumn, IndexList, label_columns
from mlpool.performance.variance import has_slopes, intercept_variances
from mlpool.performance.variance_components import VarianceParts, variance_parts
from mlpool.results import ResultFrame

if TYPE_CHECKING:
    from mlpool.models import FittedModel, MixedModel
    from mlpool.typing import SeedLike

_ROWS = (("Adjusted ICC", "ICC_adjusted"), ("Unadjusted ICC", "ICC_unadjusted"))
_SLOPES_NOTE = "The model has random slopes; ICCs by group use the intercepts' variances alone."


@usual_floats
def icc(
    m: FittedModel,
    *,
    by_group: bool = False,
    ci: float | None = None,
    iterations: int = 100,
    seed: SeedLike | None = None,
    tolerance: float = TOLERANCE,
) -> ResultFrame:
    """Return the intraclass correlation of a mixed model (performance's ``icc``).

    Adjusted: ``random / (random + residual)``; unadjusted: with the variance of the fixed effects
    in the denominator, too. With random slopes, random is the mean variance over the rows.

    Parameters
    ----------
    m : FittedModel
        With random effects.
    by_group : bool
        One ICC per grouping factor, from its intercept's variance.
    ci : float, optional
        Confidence level of percentile intervals from a parametric bootstrap.
    iterations, seed
        Number of refits (R's default is 100, too) and seed of the bootstrap.
    tolerance : float
        A diagonal of theta below it makes the fit singular and the ICC missing; 0 computes it
        anyway.

    Returns
    -------
    ResultFrame
        ICC_adjusted, ICC_unadjusted (with ``_CI_low``, ``_CI_high``), or Group, ICC.

    Raises
    ------
    NotSupportedError
        For models without random effects.
    OptionError
        For a level, number or tolerance that is none.

    References
    ----------
    Nakagawa, Johnson & Schielzeth (2017), J. R. Soc. Interface 14, 20170213.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> print(icc(m))
    # Intraclass Correlation Coefficient
    <BLANKLINE>
        Adjusted ICC: 0.722
      Unadjusted ICC: 0.521
    """
    m = check_mixed(m, "icc()")
    level, limit = check_level(ci), number(tolerance, "tolerance", least=0.0)
    parts = None if warn_if_degenerate(m, limit, "the ICC") else variance_parts(m)
    if flag(by_group, "by_group"):
        return _by_group(m, parts)
    row = {"ICC_adjusted": np.nan, "ICC_unadjusted": np.nan}
    if parts is not None:
        row = {"ICC_adjusted": parts.icc, "ICC_unadjusted": parts.icc_unadjusted}
    if level is not None:
        row |= _interval(m, row, level, iterations, seed)
    return ResultFrame(
        data=pd.DataFrame([row]),
        layout=IndexList(heading="Intraclass Correlation Coefficient", rows=_ROWS),
        options=DIGITS,
        metadata={"kind": "icc", "ci": level, "tolerance": limit, "singular": parts is None},
        backend=backend_of(m),
    )


def warn_if_degenerate(m: MixedModel, tolerance: float, what: str) -> bool:
    """Warn of zero variances; return whether there are any."""
    found = is_degenerate(m, tolerance)
    if found:
        warnings.warn(
            "boundary (singular) fit: random-effect variances are zero or correlations are +-1, "
            f"so {what} cannot be told; a simpler random part may do, and tolerance=0 computes it "
            "anyway (check_singularity()).",
            SingularFitWarning,
            stacklevel=user_level(),
        )
    return found


def _interval(
    m: FittedModel, row: dict[str, float], level: float, iterations: int, seed: SeedLike | None
) -> dict[str, float]:
    """Return the level and bounds by column name; missing for a missing ICC."""
    bounds = np.full((2, 2), np.nan)
    if not np.isnan(row["ICC_adjusted"]):
        draws = [(p.icc, p.icc_unadjusted) for p in draw_parts(m, iterations, seed)]
        bounds = percentiles(np.array(draws), level)
    found = {"CI": level}
    for i, name in enumerate(("ICC_adjusted", "ICC_unadjusted")):
        found |= {f"{name}_CI_low": float(bounds[0, i]), f"{name}_CI_high": float(bounds[1, i])}
    return found


def _by_group(m: MixedModel, parts: VarianceParts | None) -> ResultFrame:
    variances = intercept_variances(m)
    total = np.nan if parts is None else parts.random + parts.residual
    data = pd.DataFrame({"Group": list(variances), "ICC": [v / total for v in variances.values()]})
    columns = (*label_columns(["Group"]), GridColumn(name="ICC", header="ICC", style="plain"))
    footers = (_SLOPES_NOTE,) if has_slopes(m) else ()
    return ResultFrame(
        data=data,
        layout=Grid(columns=columns, heading="ICC by Group", footers=footers),
        options=DIGITS,
        metadata={"kind": "icc_by_group"},
        backend=backend_of(m),
    )
