"""Randomised quantile residuals: where each response stands in its own distribution.

    r = Phi^-1(u)        u = F(y; mu)                           continuous responses
                         u ~ U(F(y-; mu), F(y; mu))             counts and successes

so that r is standard normal when the model is true, whatever the family (Dunn & Smyth 1996, J.
Comput. Graph. Stat. 5, 236-244). Both tails are computed: u near 1 has lost its digits where 1 - u
has not.
"""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from mlpool.families import Family
from mlpool.typing import FloatArray

Tails = tuple[FloatArray, FloatArray]
"""P(Y <= y) and P(Y > y), each of shape (n,)."""


def quantile_residuals(
    family: Family | None,
    y: FloatArray,
    mu: FloatArray,
    dispersion: float,
    weights: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Return quantile residuals of shape (n,).

    Parameters
    ----------
    family : Family or None
        None: normal.
    y, mu : ndarray of shape (n,)
        Responses (binomial: proportions) and means.
    dispersion : float
        phi; the residual variance of normal models.
    weights : ndarray of shape (n,)
        Prior weights; binomial: numbers of trials.
    rng : Generator
        Places responses of discrete families inside their step of F.
    """
    if family is None or family.name == "gaussian":
        return np.asarray((y - mu) * np.sqrt(weights / dispersion))
    if family.name in ("Gamma", "inverse.gaussian"):
        return _normal_score(*_continuous_tails(family.name, y, mu, weights / dispersion))
    hits = np.rint(y * weights) if family.name == "binomial" else y
    low, above_low = _discrete_tails(family, hits - 1.0, mu, weights)
    high, above = _discrete_tails(family, hits, mu, weights)
    share = rng.random(len(y))
    return _normal_score(low + share * (high - low), above_low - share * (above_low - above))


def _normal_score(below: FloatArray, above: FloatArray) -> FloatArray:
    """Return Phi^-1 from whichever tail is the smaller; finite beyond the reach of doubles."""
    # a probability of zero has no quantile: the smallest number stands in
    tiny = np.finfo(np.float64).tiny
    left = special.ndtri(np.maximum(below, tiny))
    right = -special.ndtri(np.maximum(above, tiny))
    return np.where(below < above, left, right)


def _continuous_tails(name: str, y: FloatArray, mu: FloatArray, precision: FloatArray) -> Tails:
    if name == "Gamma":
        x = precision * y / mu
        return special.gammainc(precision, x), special.gammaincc(precision, x)
    # SciPy's inverse Gaussian has mean mu * scale and shape scale.
    frozen = stats.invgauss(mu / precision, scale=precision)
    return np.asarray(frozen.cdf(y)), np.asarray(frozen.sf(y))


def _discrete_tails(family: Family, k: FloatArray, mu: FloatArray, trials: FloatArray) -> Tails:
    """Tails at k >= -1; nothing lies below -1."""
    some = k >= 0.0
    at = np.where(some, k, 0.0)
    match family.name:
        case "binomial":
            rest = np.maximum(trials - at, 0.0)
            above = np.where(rest > 0, special.betainc(at + 1.0, np.maximum(rest, 1.0), mu), 0.0)
            below = np.where(
                rest > 0, special.betainc(np.maximum(rest, 1.0), at + 1.0, 1.0 - mu), 1.0
            )
        case "poisson":
            below, above = special.gammaincc(at + 1.0, mu), special.gammainc(at + 1.0, mu)
        case _:
            size, p = _negative_binomial(family, mu)
            below = special.betainc(size, at + 1.0, p)
            above = special.betainc(at + 1.0, size, 1.0 - p)
    return np.where(some, below, 0.0), np.where(some, above, 1.0)


def _negative_binomial(family: Family, mu: FloatArray) -> Tails:
    """Size and probability of success of each row."""
    theta = family.theta
    if family.name == "nbinom2":
        return np.full_like(mu, theta), theta / (theta + mu)
    return mu / theta, np.full_like(mu, 1.0 / (1.0 + theta))
