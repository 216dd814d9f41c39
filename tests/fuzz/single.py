"""Facts of single-level models, and of sandwiches of every linear model, by their definitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import gammaln

import mlpool
from tests.fuzz import dense
from tests.fuzz.designs import Study, warned
from tests.fuzz.lmm import far


def lm_facts(study: Study) -> Iterator[str]:
    """Yield what does not hold of a linear model: normal equations, tests, HC and CR."""
    try:
        m, _ = warned(study.fit)
    except mlpool.MlpoolError as error:
        yield f"refused: {error}"
        return
    n, kept = m.nobs, np.asarray(m.fit.kept)
    w = np.ones(n) if m.design.weights is None else np.asarray(m.design.weights)
    X, R, y = _orthonormal(m, w, kept)
    p = X.shape[1]
    gamma = X.T @ y
    e = (y - X @ gamma).astype(float)
    Ri = np.asarray(dense.solve_lower(R.T.copy(), np.eye(p)).T)
    s2 = e @ e / (n - p)
    X, gamma, Ri = X.astype(float), gamma, Ri.astype(dense.LONG)
    size = np.sqrt((np.asarray(Ri, dtype=float) ** 2).sum(axis=1))
    se = np.sqrt(s2) * size
    if far(m.fixef().to_numpy(), (Ri @ gamma).astype(float), 1e-9, 1e-6 * se):
        yield f"beta {m.fixef().to_numpy()} for {(Ri @ gamma).astype(float)}"
    if far(m.se.to_numpy(), se, 1e-7):
        yield f"se {m.se.to_numpy()} for {se}"
    Ri = Ri.astype(float)
    loglik = -n / 2 * (np.log(2 * np.pi * (e @ e) / n) + 1) + np.log(w).sum() / 2
    if far(m.loglik, loglik, 1e-9, 1e-8):
        yield f"loglik {m.loglik} for {loglik}"
    h = np.einsum("ia,ia->i", X, X)
    if h.max() < 1 - 1e-6:
        yield from _hc(m, X, e, h, Ri)
    yield from _cr(m, study, X, e, Ri)


def _orthonormal(m: Any, w: np.ndarray, kept: np.ndarray) -> tuple[Any, Any, Any]:
    n, root = m.nobs, np.sqrt(w).astype(dense.LONG)
    offset = 0.0 if m.design.offset is None else np.asarray(m.design.offset)
    X = root[:, None] * m.design.X.rows(0, n)[:, kept].astype(dense.LONG)
    Q, R = dense.orthonormal(X)
    return Q, R, root * (np.asarray(m.design.y).astype(dense.LONG) - offset)


def _hc(m: Any, X: np.ndarray, e: np.ndarray, h: np.ndarray, Ri: np.ndarray) -> Iterator[str]:
    n, p = X.shape
    delta = np.minimum(4, n * h / p)
    omega = {
        "HC0": e**2, "HC1": e**2 * n / (n - p), "HC2": e**2 / (1 - h), "HC3": e**2 / (1 - h) ** 2,
        "HC4": e**2 / (1 - h) ** delta,
    }  # fmt: skip
    for name, o in omega.items():
        want = Ri @ (X.T @ (o[:, None] * X)) @ Ri.T
        got = m.vcov(name).to_numpy()
        unit = np.sqrt(np.diag(want))
        if far(got, want, 0, 1e-6 * np.outer(unit, unit)):
            yield f"{name}: {np.sqrt(np.diag(got))} for {unit}"


def _cr(m: Any, study: Study, X: np.ndarray, e: np.ndarray, Ri: np.ndarray) -> Iterator[str]:
    """clubSandwich of a (weighted) least-squares fit, identity as working covariance of lm."""
    if m.design.weights is not None:
        return  # clubSandwich's working covariance differs then
    codes = pd.factorize(study.data["g"])[0]
    J = codes.max() + 1
    H = X @ X.T
    score, regular = {name: np.zeros((J, X.shape[1])) for name in ("CR0", "CR2", "CR3")}, True
    for j in range(J):
        own = codes == j
        B = np.eye(own.sum()) - H[np.ix_(own, own)]
        values, vectors = np.linalg.eigh(B)
        regular &= bool(values.min() > 1e-6)
        root = vectors / np.sqrt(np.maximum(values, 1e-12)) @ vectors.T
        score["CR0"][j] = X[own].T @ e[own]
        score["CR2"][j] = X[own].T @ root @ e[own]
        score["CR3"][j] = X[own].T @ np.linalg.solve(B, e[own]) if regular else 0.0
    for name, s in score.items():
        if name != "CR0" and not regular:
            continue
        want = Ri @ s.T @ s @ Ri.T
        got = m.vcov(name, "g").to_numpy()
        unit = np.sqrt(np.diag(want)) + 1e-9 * np.abs(Ri).max() * np.abs(e).max()
        if far(got, want, 0, 1e-6 * np.outer(unit, unit)):
            yield f"{name}: {np.sqrt(np.diag(got))} for {unit}"


# --- generalised --------------------------------------------------------------------------------


def _loglik(family: str, y: np.ndarray, mu: np.ndarray) -> float:
    """Log-likelihood without dispersion (binomial, Poisson), or minus half the deviance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if family == "binomial":
            return float(np.where(y > 0, np.log(mu), np.log1p(-mu)).sum())
        if family == "poisson":
            return float((np.where(y > 0, y * np.log(mu), 0.0) - mu - gammaln(y + 1)).sum())
        if family == "Gamma":
            return float((np.log(y / mu) - (y - mu) / mu).sum())
        if family == "inverse.gaussian":
            return float(-((y - mu) ** 2 / (y * mu**2)).sum() / 2)
    return float(-((y - mu) ** 2).sum() / 2)


def glm_facts(study: Study) -> Iterator[str]:
    """Yield what does not hold of a GLM: no better point by plain ascent, SEs from the score."""
    try:
        m, caught = warned(study.fit)
    except mlpool.MlpoolError as error:
        yield f"refused: {error}"
        return
    if "ConvergenceWarning" in caught or m.prior_weights.max() != 1.0:
        return
    n, kept = m.nobs, np.asarray(m.fit.kept)
    X, R, _ = _orthonormal(m, np.ones(n), kept)
    X, f, y = X.astype(float), m.family, np.asarray(m.design.y)
    offset = 0.0 if m.design.offset is None else np.asarray(m.design.offset)
    beta = m.fixef().to_numpy()
    eta = (m.design.X.rows(0, n)[:, kept] @ beta) + offset
    mu = f.inverse(eta)
    if far(m.fitted.to_numpy(), mu, 1e-7, 1e-9):
        yield "fitted values are not those of the coefficients"
    here = _loglik(f.name, y, mu)
    slope = f.derivative(eta)
    score = X.T @ ((y - mu) * slope / f.variance(mu))
    info = X.T @ ((slope**2 / f.variance(mu))[:, None] * X)
    step = np.linalg.solve(info, score)
    if float(score @ step) > 4e-6 * max(abs(here), 1.0):
        yield f"the score is not zero: a step would gain {score @ step / 2:.3g}"
    Ri = dense.solve_lower(R.T.copy(), np.eye(len(beta))).T.astype(float)
    dispersion = 1.0
    if f.name not in ("binomial", "poisson"):
        dispersion = float(((y - mu) ** 2 / f.variance(mu)).sum() / (n - len(beta)))
    want = np.sqrt(dispersion * np.diag(Ri @ np.linalg.inv(info) @ Ri.T))
    if far(m.se.to_numpy(), want, 2e-3):
        yield f"se {m.se.to_numpy()} for {want}"
    start = X.T @ (eta - offset)
    rng = np.random.default_rng(study.seed)
    for scale in (1.0, 0.3):
        other = start + scale * rng.normal(size=len(beta)) * np.sqrt(np.diag(np.linalg.inv(info)))
        with np.errstate(all="ignore"):
            value = _loglik(f.name, y, f.inverse(X @ other + offset))
        if value > here + 1e-6 * max(abs(here), 1.0):
            yield f"better coefficients exist: {value} for {here}"
