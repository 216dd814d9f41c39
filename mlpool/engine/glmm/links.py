"""Inverse links and variance functions with the derivatives that Laplace's gradient needs."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from mlpool.families import inverse_logit
from mlpool.typing import FloatArray

Four = tuple[FloatArray, FloatArray, FloatArray, FloatArray]

_EPS = float(np.finfo(np.float64).eps)
"""R keeps binomial means, which are probabilities, this far from 0 and 1."""


def mean_and_derivatives(link: str, eta: FloatArray) -> Four:
    """Return mu and its first three derivatives with respect to eta, each of shape (n,).

    Parameters
    ----------
    link : str
        R's name of the link.
    eta : ndarray of shape (n,)
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore", under="ignore"):
        return _DERIVATIVES[link](eta)


def _logit(eta: FloatArray) -> Four:
    mu = inverse_logit(eta)
    m1 = mu * inverse_logit(-eta)
    return mu, m1, m1 * (1.0 - 2.0 * mu), m1 * (1.0 - 6.0 * m1)


def _probit(eta: FloatArray) -> Four:
    m1 = np.exp(-0.5 * eta**2) / np.sqrt(2.0 * np.pi)
    return np.clip(ndtr(eta), _EPS, 1.0 - _EPS), m1, -eta * m1, (eta**2 - 1.0) * m1


def _cloglog(eta: FloatArray) -> Four:
    e = np.exp(np.minimum(eta, 700.0))
    m1 = np.maximum(e * np.exp(-e), _EPS)
    mu = np.clip(-np.expm1(-e), _EPS, 1.0 - _EPS)
    return mu, m1, m1 * (1.0 - e), m1 * (1.0 - 3.0 * e + e**2)


def _cauchit(eta: FloatArray) -> Four:
    tail = np.clip(np.arctan2(1.0, np.abs(eta)) / np.pi, _EPS, None)
    e = 1.0 / (1.0 + eta**2)
    m1 = np.maximum(e / np.pi, _EPS)
    return (
        np.where(eta > 0, 1.0 - tail, tail),
        m1,
        -2.0 * eta * e * m1,
        m1 * e**2 * (6.0 * eta**2 - 2.0),
    )


def _log(eta: FloatArray) -> Four:
    mu = np.exp(eta)
    return mu, mu, mu, mu


def _identity(eta: FloatArray) -> Four:
    zero = np.zeros_like(eta)
    return eta, np.ones_like(eta), zero, zero


def _inverse(eta: FloatArray) -> Four:
    mu = 1.0 / eta
    return mu, -(mu**2), 2.0 * mu**3, -6.0 * mu**4


def _sqrt(eta: FloatArray) -> Four:
    return eta**2, 2.0 * eta, np.full_like(eta, 2.0), np.zeros_like(eta)


def _inverse_square(eta: FloatArray) -> Four:
    mu = 1.0 / np.sqrt(eta)
    return mu, -0.5 * mu**3, 0.75 * mu**5, -1.875 * mu**7


_DERIVATIVES = {
    "logit": _logit, "probit": _probit, "cloglog": _cloglog, "cauchit": _cauchit, "log": _log,
    "identity": _identity, "inverse": _inverse, "sqrt": _sqrt, "1/mu^2": _inverse_square,
}  # fmt: skip


def precision_and_derivatives(
    family: str, mu: FloatArray, shape: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return 1 / V(mu) and its first two derivatives with respect to mu.

    Parameters
    ----------
    family : str
        R's name of the family.
    mu : ndarray of shape (n,)
    shape : float
        theta of ``nbinom2``, ``V = mu + mu^2 / theta``; not used by others.
    """
    one = np.ones_like(mu)
    match family:
        case "binomial":
            V, V1, V2 = mu * (1.0 - mu), 1.0 - 2.0 * mu, -2.0 * one
        case "poisson":
            V, V1, V2 = mu, one, 0.0 * one
        case "Gamma":
            V, V1, V2 = mu**2, 2.0 * mu, 2.0 * one
        case "inverse.gaussian":
            V, V1, V2 = mu**3, 3.0 * mu**2, 6.0 * mu
        case "nbinom2":
            V, V1, V2 = mu + mu**2 / shape, 1.0 + 2.0 * mu / shape, 2.0 / shape * one
        case _:
            return one, 0.0 * one, 0.0 * one
    g = 1.0 / V
    return g, -V1 * g**2, 2.0 * V1**2 * g**3 - V2 * g**2
