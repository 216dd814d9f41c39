"""`check_heteroscedasticity` and `check_autocorrelation`."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from mlpool.checks.result import (
    ALPHA,
    NO_RESIDUALS,
    Check,
    cannot_tell,
    check_is_linear,
    check_is_model,
    leaves_residuals,
    p_text,
    pearson_over_sigma,
)
from mlpool.errors import OptionError
from mlpool.models.floats import usual_floats
from mlpool.models.influence import smoother_of, working_weights
from mlpool.typing import FloatArray

_CELLS_AT_ONCE = 4_000_000


@usual_floats
def check_heteroscedasticity(m: Any) -> Check:
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


@usual_floats
def check_autocorrelation(m: Any, *, nsim: int = 1000, seed: Any = 1) -> Check:
    """Test whether residuals of neighbouring rows are correlated (Durbin & Watson).

    The p-value is two-sided, from residuals drawn with replacement and passed through the model's
    own fit, ``(I - H) e*``. For generalised models these are Pearson residuals, while the statistic
    is of R's residuals (deviance residuals).

    Parameters
    ----------
    m : FittedModel
        Its rows in the order of time.
    nsim : int
        Number of draws.
    seed : int, SeedSequence or Generator, optional

    Returns
    -------
    Check
        True if autocorrelated; `statistic` is Durbin and Watson's.

    Raises
    ------
    OptionError
        For something that is no model, or an impossible number of draws.
    NotSupportedError
        For more than 10,000 random effects of several factors.

    References
    ----------
    Durbin & Watson (1950), Biometrika 37, 409-428; Fox (2016), Applied Regression Analysis, 16.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> round(check_autocorrelation(m).statistic, 3)
    1.858
    """
    check_is_model(m, "check_autocorrelation()")
    if isinstance(nsim, bool) or not isinstance(nsim, (int, np.integer)) or nsim < 2:
        raise OptionError(f"nsim must be a whole number, 2 or more; got {nsim!r}.")
    # R's residuals(m); nbinom1 has no deviance residuals.
    kind = "pearson" if m.family is not None and m.family.name == "nbinom1" else None
    residuals = np.asarray(m.residuals(kind), dtype=np.float64)
    if not leaves_residuals(m):
        return _untold(m, "Autocorrelation of residuals", NO_RESIDUALS, "", "DW")
    statistic = float(_durbin_watson(residuals[:, None])[0])
    draws = _drawn(m, int(nsim), np.random.default_rng(seed))
    above = float(np.mean(statistic < draws))
    p = 2.0 * min(above, 1.0 - above)
    found = p < ALPHA
    text = (
        f"OK: Residuals appear to be independent and not autocorrelated ({p_text(p)})."
        if not found
        else f"Warning: Autocorrelated residuals detected ({p_text(p)})."
    )
    return Check(
        sentence=text, holds=found, statistic=statistic, p_value=p, statistic_name="DW", model=m
    )


def _durbin_watson(columns: FloatArray) -> FloatArray:
    """Return sum of squared differences over sum of squares of every column (n, k)."""
    return np.asarray((np.diff(columns, axis=0) ** 2).sum(axis=0) / (columns**2).sum(axis=0))


def _drawn(m: Any, nsim: int, rng: np.random.Generator) -> FloatArray:
    """Return the statistic of `nsim` resampled residuals."""
    hat = smoother_of(m)
    e = np.asarray(m.residuals("pearson"), dtype=np.float64)
    # H acts on rows scaled by working weights, where Pearson residuals are the plain ones.
    unscale = np.ones(len(e)) if m.family is not None else 1.0 / np.sqrt(working_weights(m))
    at_once = max(1, _CELLS_AT_ONCE // len(e))
    out = []
    for start in range(0, nsim, at_once):
        drawn = rng.choice(e, size=(len(e), min(at_once, nsim - start)))
        out.append(_durbin_watson(unscale[:, None] * hat.residuals(drawn)))
    return np.concatenate(out)


def _untold(m: Any, what: str, why: str, panel: str, name: str) -> Check:
    return Check(
        sentence=cannot_tell(what, why), holds=None, statistic_name=name, panel=panel, model=m
    )
