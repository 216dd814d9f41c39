"""Generalised mixed models the slow way: dense Z, densities of scipy.stats, numerical derivatives.

Nothing here knows of blocks, links' derivatives or working weights: modes come from a general
minimiser polished by Newton steps with numerical second derivatives, integrals from adaptive
numerical integration.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import integrate, optimize, stats

from mlpool.engine.theta import Template
from mlpool.engine.types import ReTerm


def mean(link, eta):
    match link:
        case "logit":
            return 1 / (1 + np.exp(-eta))
        case "probit":
            return stats.norm.cdf(eta)
        case "cauchit":
            return 0.5 + np.arctan(eta) / np.pi
        case "cloglog":
            return 1 - np.exp(-np.exp(eta))
        case "log":
            return np.exp(eta)
        case "inverse":
            return 1 / eta
        case "sqrt":
            return eta**2
        case "1/mu^2":
            return eta**-0.5
    return eta


def log_density(family, link, y, eta, shape, trials):
    """Log-density of every row with scipy's own distributions."""
    mu = mean(link, eta)
    match family:
        case "binomial":
            return stats.binom.logpmf(np.rint(y * trials), trials, mu)
        case "poisson":
            return stats.poisson.logpmf(y, mu)
        case "nbinom2":
            return stats.nbinom.logpmf(y, shape, shape / (shape + mu))
        case "nbinom1":
            return stats.nbinom.logpmf(y, mu / shape, 1 / (1 + shape))
        case "Gamma":
            return stats.gamma.logpdf(y, 1 / shape, scale=mu * shape)
        case "inverse.gaussian":
            return stats.invgauss.logpdf(y, mu * shape, scale=1 / shape)
    return stats.norm.logpdf(y, mu, np.sqrt(shape))


def variance(family, mu, shape):
    return mu * (1 - mu) if family == "binomial" else mu


def dense_z(terms: Sequence[ReTerm], theta):
    """Z Lambda of all terms, (n, q)."""
    template = Template(tuple(t.z.shape[1] for t in terms))
    blocks = []
    for term, lam in zip(terms, template.matrices(np.asarray(theta)), strict=True):
        n, k = term.z.shape
        Z = np.zeros((n, term.n_levels, k))
        Z[np.arange(n), term.codes] = term.z.rows(0, n)
        blocks.append((Z @ lam).reshape(n, -1))
    return np.hstack(blocks)


def second_difference(f, eta, step=1e-3):
    """Second derivative of every row's function of its own eta, to fourth order."""
    far, near = f(eta + 2 * step) + f(eta - 2 * step), f(eta + step) + f(eta - step)
    return (-far + 16 * near - 30 * f(eta)) / (12 * step**2)


def first_difference(f, eta, step=1e-4):
    near, far = f(eta + step) - f(eta - step), f(eta + 2 * step) - f(eta - 2 * step)
    return (8 * near - far) / (12 * step)


def laplace_deviance(data, theta, beta, shape=1.0):
    """-2 log-likelihood by Laplace's approximation at the given parameters."""
    n = data.n
    family, link = data.family.name, data.family.link
    trials = np.ones(n) if data.trials is None else data.trials
    Z = dense_z(data.terms, theta)
    fixed = data.X.rows(0, n) @ beta + (0 if data.offset is None else data.offset)

    def rows(eta):
        return log_density(family, link, data.y, eta, shape, trials)

    u = np.zeros(Z.shape[1])
    for _ in range(60):
        eta = fixed + Z @ u
        w = np.maximum(-second_difference(rows, eta), 1e-3)
        gradient = Z.T @ first_difference(rows, eta) - u
        curvature = Z.T @ (w[:, None] * Z) + np.eye(len(u))
        try:
            step = np.linalg.solve(curvature, gradient)
        except np.linalg.LinAlgError:  # weights that differ by more than all digits
            step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
        here = rows(eta).sum() - u @ u / 2
        share = 1.0
        while share > 1e-8:
            trial = u + share * step
            value = rows(fixed + Z @ trial).sum() - trial @ trial / 2
            if value >= here - 1e-9:
                break
            share /= 2
        u = u + share * step
        if np.abs(step).max() < 1e-10:
            break
    eta = fixed + Z @ u
    if family in ("binomial", "poisson"):
        slope = first_difference(lambda e: mean(link, e), eta)
        mu = mean(link, eta)
        w = trials * slope**2 / variance(family, mu, shape)
    else:
        w = -second_difference(rows, eta)
    _, logdet = np.linalg.slogdet(Z.T @ (w[:, None] * Z) + np.eye(len(u)))
    return -2 * rows(eta).sum() + u @ u + logdet


def integrated_deviance(data, theta, beta, shape=1.0):
    """-2 log-likelihood of a scalar random effect by adaptive integration over each group."""
    (term,) = data.terms
    n = data.n
    trials = np.ones(n) if data.trials is None else data.trials
    fixed = data.X.rows(0, n) @ beta + (0 if data.offset is None else data.offset)
    z = term.z.rows(0, n)[:, 0] * theta[0]
    total = 0.0
    for level in range(term.n_levels):
        own = term.codes == level

        def log_joint(u, own=own):
            rows = log_density(
                data.family.name, data.family.link, data.y[own], fixed[own] + z[own] * u, shape,
                trials[own],
            )  # fmt: skip
            return rows.sum() + stats.norm.logpdf(u)

        best = optimize.minimize_scalar(lambda u: -log_joint(u), bracket=(-1, 1))
        top = -best.fun
        area, _ = integrate.quad(
            lambda u, top=top: np.exp(log_joint(u) - top), best.x - 12, best.x + 12,
            points=[best.x], epsabs=1e-13, epsrel=1e-12, limit=400,
        )  # fmt: skip
        total += top + np.log(area)
    return -2 * total
