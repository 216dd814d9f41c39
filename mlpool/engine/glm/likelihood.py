"""Which responses a generalised linear model's family can have, and their log-likelihood."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, xlogy

from mlpool.errors import FitError
from mlpool.families import Family
from mlpool.typing import FloatArray


def check_response(y: FloatArray, family: Family) -> None:
    """Refuse responses that the family cannot have.

    Raises
    ------
    FitError
    """
    if family.kin == "binomial" and ((y < 0) | (y > 1)).any():
        raise FitError(
            f"A {family.name} response lies between 0 and 1; for counts write cbind(successes, "
            "failures)."
        )
    if family.kin == "poisson" and (y < 0).any():
        raise FitError(f"A {family.name} response is a count, but some values are negative.")
    if family.kin in ("Gamma", "inverse.gaussian") and (y <= 0).any():
        raise FitError(f"A {family.name} response is positive, but some values are not.")


def log_likelihood(
    family: Family, y: FloatArray, mu: FloatArray, prior: FloatArray, deviance: float
) -> float:
    """Return R's ``logLik(glm)``: a dispersion is the deviance by the sum of weights.

    Quasi families have none: NaN.

    Parameters
    ----------
    family : Family
    y, mu, prior : ndarray of shape (n,)
    deviance : float
    """
    if family.is_quasi:
        return float("nan")
    used = prior > 0
    y, mu, m = y[used], mu[used], prior[used]
    total, n = float(m.sum()), len(y)
    match family.name:
        case "binomial":
            return float(np.sum(binomial_log_likelihoods(y, mu, m)))
        case "poisson":
            return float(np.sum(m * (xlogy(y, mu) - mu - gammaln(y + 1.0))))
        case "Gamma":
            nu = total / deviance
            each = nu * np.log(nu * y / mu) - nu * y / mu - np.log(y) - gammaln(nu)
            return float(np.sum(m * each))
        case "inverse.gaussian":
            each = 3.0 * np.sum(m * np.log(y)) + total * (np.log(2 * np.pi * deviance / total) + 1)
            return float(-0.5 * each)
    log_w = float(np.sum(np.log(m)))
    return float(0.5 * (log_w - n * (np.log(2.0 * np.pi * deviance / n) + 1.0)))


def binomial_log_likelihoods(y: FloatArray, mu: FloatArray, prior: FloatArray) -> FloatArray:
    """Return the log-likelihood (n,) of every row, whose weight is its number of trials."""
    size, hits = np.rint(prior), np.rint(prior * y)
    constant = gammaln(size + 1.0) - gammaln(hits + 1.0) - gammaln(size - hits + 1.0)
    return np.asarray(constant + hits * np.log(mu) + (size - hits) * np.log1p(-mu))


def prior_weights(n: int, trials: FloatArray | None, weights: FloatArray | None) -> FloatArray:
    """Return R's prior weights (n,): binomial denominators times the user's weights."""
    prior = np.ones(n) if trials is None else np.asarray(trials, dtype=np.float64)
    return prior if weights is None else prior * weights
