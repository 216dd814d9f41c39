"""`check_heteroscedasticity`: whether the residual variance changes with the fitted values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from mlpool.checks.result import (
    ALPHA,
    NO_RESIDUALS,
    Check,
    cannot_tell,
    check_is_linear,
    p_text,
    pearson_over_sigma,
)
from mlpool.floating_point import usual_floats

if TYPE_CHECKING:
    from mlpool.models import FittedModel


@usual_floats
def check_heteroscedasticity(m: FittedModel) -> Check:
    """Test whether the residual variance changes with the fitted values (Breusch & Pagan).

    With ``u_i = e_i^2 / (RSS / n)``, half the regression sum of squares of u on the fitted values
    is chi-squared with one df. e are Pearson residuals; RSS / n is ``sigma^2 df.residual / n``.

    Parameters
    ----------
    m : FittedModel
        Linear or linear mixed.

    Returns
    -------
    Check
        True if heteroscedastic; `statistic` is the chi-squared.

    Raises
    ------
    NotSupportedError
        For generalised models.

    References
    ----------
    Breusch & Pagan (1979), Econometrica 47, 1287-1294; Cook & Weisberg (1983), Biometrika 70, 1-10.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    >>> check_heteroscedasticity(m)
    Warning: Heteroscedasticity (non-constant error variance) detected (p < .001).
    """
    check_is_linear(m, "check_heteroscedasticity()")
    what = "Homoscedasticity"
    e = pearson_over_sigma(m)
    if e is None:
        return _untold(m, what, NO_RESIDUALS, "homogeneity", "Chisq")
    fitted = np.asarray(m.fitted, dtype=np.float64)
    centred = fitted - fitted.mean()
    spread = float(centred @ centred)
    # fitted values that differ by 1e-10 of their own size differ by rounding only
    if spread <= 1e-20 * float(fitted @ fitted):
        return _untold(m, what, "all fitted values are the same", "homogeneity", "Chisq")
    u = e**2 * (m.nobs / m.df_residual)
    statistic = 0.5 * float(centred @ u) ** 2 / spread
    p = float(stats.chi2.sf(statistic, 1))
    found = p < ALPHA
    text = f"OK: Error variance appears to be homoscedastic ({p_text(p)})."
    if found:
        text = f"Warning: Heteroscedasticity (non-constant error variance) detected ({p_text(p)})."
    return Check(
        sentence=text, holds=found, statistic=statistic, p_value=p, statistic_name="Chisq",
        panel="homogeneity", model=m,
    )  # fmt: skip


def _untold(m: FittedModel, what: str, why: str, panel: str, name: str) -> Check:
    return Check(
        sentence=cannot_tell(what, why), holds=None, statistic_name=name, panel=panel, model=m
    )
