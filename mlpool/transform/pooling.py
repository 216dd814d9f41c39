"""The arithmetic of partial pooling, as pure functions of a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlpool.argument_values import number, numbers, plain_number
from mlpool.errors import DataError, OptionError, brief
from mlpool.typing import FloatArray

_Z95 = 1.959963984540054
"""Normal quantile at 0.975."""


def shrinkage(n: object, tau2: float, sigma2: float) -> Any:
    """Return the shrinkage factor ``lambda = tau^2 / (tau^2 + sigma^2 / n)``.

    1 keeps a group's own mean (no pooling), 0 replaces it (complete pooling).

    Parameters
    ----------
    n : float or array of shape (J,)
        Group sizes.
    tau2, sigma2 : float
        Variance between groups and within them.

    Returns
    -------
    float or ndarray of shape (J,)

    Raises
    ------
    OptionError
        For negative variances, both zero, or sizes below zero.

    References
    ----------
    Raudenbush & Bryk (2002), Hierarchical Linear Models, eq. 3.42.

    Examples
    --------
    >>> round(shrinkage(12, 10.642, 66.551), 3)
    0.657
    """
    t, s = _variance(tau2, "tau2"), _variance(sigma2, "sigma2")
    sizes = numbers(n, "n")
    if np.any(sizes < 0):
        raise OptionError("n must be zero or more.")
    if t == 0 and s == 0:
        raise OptionError("tau2 and sigma2 are both zero: there is nothing to weigh.")
    result = sizes * t / (sizes * t + s) if s > 0 else np.ones_like(sizes)
    return float(result) if np.ndim(result) == 0 else result


def pooling_estimate(
    means: object,
    n: object,
    tau2: float,
    sigma2: float,
    grand: float | None = None,
    beta: float = 0.0,
    xbar: object = 0.0,
) -> pd.DataFrame:
    """Return the partially pooled (empirical Bayes) mean of every group.

    ``V = sigma^2 / n``, ``Delta = tau^2 + V``, weights ``1 / Delta``; grand mean
    ``gamma = sum(mean / Delta) / sum(1 / Delta)``; ``EB = lambda mean + (1 - lambda) gamma`` with
    ``lambda = tau^2 / Delta`` and ``Var(EB) = (1 / V + 1 / tau^2)^-1 + (1 - lambda)^2 Var(gamma)``,
    ``Var(gamma) = (sum 1 / Delta)^-1`` (0 if `grand` is given).

    Parameters
    ----------
    means, n : array of shape (J,)
        Group means and sizes.
    tau2, sigma2 : float
        Variance between groups and within them.
    grand : float, optional
        The mean to shrink to; the precision-weighted one by default.
    beta : float
        Slope of a group-level predictor: means are taken minus ``beta xbar``, so that intercepts
        result.
    xbar : float or array of shape (J,)

    Returns
    -------
    DataFrame
        n, mean, V, SE, Delta, weight_pct, lambda, EB, EB_var, EB_low, EB_high (95 %).

    Raises
    ------
    OptionError, DataError
        Negative variances; arrays of different lengths; sizes of zero.

    References
    ----------
    Raudenbush & Bryk (2002), ch. 3; Gelman & Hill (2007), eq. 12.1.

    Examples
    --------
    >>> table = pooling_estimate([90.0, 72.0], [3, 100], tau2=25.0, sigma2=100.0, grand=70.0)
    >>> table["EB"].round(2).tolist()
    [78.57, 71.92]
    """
    t, s = _variance(tau2, "tau2"), _variance(sigma2, "sigma2")
    y, sizes, x = _columns(means, n, xbar)
    y = y - number(beta, "beta") * x
    v = s / sizes
    delta = t + v
    if np.any(delta <= 0):
        raise OptionError("tau2 and sigma2 are both zero: there is nothing to weigh.")
    precision = float(np.sum(1 / delta))
    centre = float(np.sum(y / delta) / precision) if grand is None else number(grand, "grand")
    lam = t / delta
    eb = lam * y + (1 - lam) * centre
    var_grand = 1 / precision if grand is None else 0.0
    eb_var = lam * v + (1 - lam) ** 2 * var_grand  # lam v = (1/V + 1/tau^2)^-1, also for tau = 0
    half = _Z95 * np.sqrt(eb_var)
    return pd.DataFrame(
        {"n": n, "mean": y, "V": v, "SE": np.sqrt(v), "Delta": delta,
         "weight_pct": 100 / delta / precision, "lambda": lam, "EB": eb, "EB_var": eb_var,
         "EB_low": eb - half, "EB_high": eb + half}
    )  # fmt: skip


def precision_weighted_mean(means: object, Delta: object) -> tuple[float, float]:  # noqa: N803
    """Return ``sum(mean / Delta) / sum(1 / Delta)`` and its standard error.

    Parameters
    ----------
    means, Delta : array of shape (J,)
        Group means and their total variances, tau^2 + sigma^2 / n.

    Raises
    ------
    DataError
        For arrays of different lengths or variances that are not positive.

    Examples
    --------
    >>> precision_weighted_mean([1.0, 3.0], [1.0, 1.0])
    (2.0, 0.7071067811865476)
    """
    y, delta = numbers(means, "means"), numbers(Delta, "Delta")
    if y.shape != delta.shape or y.ndim != 1:
        raise DataError(f"means and Delta need one length; got {y.shape} and {delta.shape}.")
    if np.any(~(delta > 0)):
        raise DataError("Delta must be positive.")
    precision = float(np.sum(1 / delta))
    return float(np.sum(y / delta) / precision), precision**-0.5


def design_effect(icc: float, n: object) -> Any:
    """Return Kish's design effect ``1 + (n - 1) icc`` for clusters of n rows.

    Examples
    --------
    >>> round(design_effect(0.06371681, 100), 4)
    7.308
    """
    rho = _share(icc)
    result = 1.0 + (_sizes(n) - 1.0) * rho
    return float(result) if np.ndim(result) == 0 else result


def deft(icc: float, n: object) -> Any:
    """Return the square root of the design effect: the factor by which naive SEs are too small.

    Examples
    --------
    >>> round(deft(0.06371681, 100), 4)
    2.7033
    """
    effect = design_effect(icc, n)
    if np.any(np.asarray(effect) < 0):
        raise OptionError("A design effect below zero has no root: icc is at least -1 / (n - 1).")
    result = np.sqrt(effect)
    return float(result) if np.ndim(result) == 0 else result


def effective_n(N: float, icc: float, n: object) -> Any:  # noqa: N803
    """Return the size of a simple random sample that would be as informative, ``N / DEFF``.

    Parameters
    ----------
    N : float
        All rows.
    icc : float
    n : float
        Rows per cluster.

    Examples
    --------
    >>> round(effective_n(3000, 0.06371681, 100), 2)
    410.51
    """
    return number(N, "N", least=0.0) / design_effect(icc, n)


def variance_ratio(tau2: float, sigma2: float) -> float:
    """Return ``tau^2 / sigma^2``: the between-group variance in units of the within-group one.

    Examples
    --------
    >>> round(variance_ratio(0.33**2, 0.76**2), 2)
    0.19
    """
    t, s = _variance(tau2, "tau2"), _variance(sigma2, "sigma2")
    if s == 0:
        raise OptionError("sigma2 must be positive.")
    return t / s


def equivalent_n(tau2: float, sigma2: float) -> float:
    """Return ``sigma^2 / tau^2``: the group size at which own and overall mean weigh the same.

    Examples
    --------
    >>> round(equivalent_n(0.33**2, 0.76**2), 2)
    5.3
    """
    ratio = variance_ratio(tau2, sigma2)
    return float("inf") if ratio == 0 else 1.0 / ratio


def se_pooling(psi: float, theta: float, J: float, n: float) -> dict[str, float]:  # noqa: N803
    """Return the standard errors of an overall mean under the poolings, for J groups of n rows.

    Parameters
    ----------
    psi, theta : float
        Variance between groups and within them.
    J, n : float
        Number of groups, rows per group.

    Returns
    -------
    dict
        ``ols``: ``sqrt((psi + theta) / (J n))``, complete pooling, which takes the rows for
        independent; ``mixed``: ``sqrt((psi + theta / n) / J)``; ``nopool``: ``sqrt(theta / (J n))``
        of the mean of these very groups; ``nopool_group``: ``sqrt(theta / n)`` of one group's mean.

    Examples
    --------
    >>> {k: round(v, 3) for k, v in se_pooling(366.2307, 785.8655, 20, 10).items()}
    {'ols': 2.4, 'mixed': 4.716, 'nopool': 1.982, 'nopool_group': 8.865}
    """
    between, inside = _variance(psi, "psi"), _variance(theta, "theta")
    J, n = number(J, "J"), number(n, "n")  # noqa: N806
    if not (J > 0 and n > 0):
        raise OptionError(f"J and n must be positive; got {J:g} and {n:g}.")
    return {
        "ols": float(np.sqrt((between + inside) / (J * n))),
        "mixed": float(np.sqrt((between + inside / n) / J)),
        "nopool": float(np.sqrt(inside / (J * n))),
        "nopool_group": float(np.sqrt(inside / n)),
    }


def _variance(value: float, name: str) -> float:
    found = plain_number(value)
    if found is None or not 0 <= found < float("inf"):
        raise OptionError(f"{name} must be a variance, zero or more; got {brief(value)}.")
    return found


def _share(icc: float) -> float:
    found = plain_number(icc)
    if found is None or not -1.0 <= found <= 1.0:
        raise OptionError(f"icc must lie between 0 and 1; got {brief(icc)}.")
    return found


def _sizes(n: object) -> FloatArray:
    sizes = numbers(n, "n")
    if np.any(sizes <= 0):
        raise OptionError("n, the rows per cluster, must be positive.")
    return sizes


def _columns(means: object, n: object, xbar: object) -> tuple[FloatArray, FloatArray, FloatArray]:
    y, sizes = numbers(means, "means"), numbers(n, "n")
    if y.ndim != 1 or y.shape != sizes.shape:
        raise DataError(f"means and n need one length; got {y.shape} and {sizes.shape}.")
    if np.any(~(sizes > 0)):
        raise DataError("every group needs at least one row (n > 0).")
    x = numbers(xbar, "xbar")
    if x.shape not in ((), y.shape):
        raise DataError(f"xbar needs one number, or one per group; got {x.size} for {y.size}.")
    x = np.broadcast_to(x, y.shape)
    return y, sizes, x
