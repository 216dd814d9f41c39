"""A residual covariance written out in full: slow and obvious."""

from __future__ import annotations

import numpy as np


def correlation(kind, natural, times):
    """R of one cluster from the parameters that users know."""
    t = np.asarray(times, dtype=float)
    d = np.abs(t[:, None] - t[None, :])
    same = np.eye(len(t), dtype=bool)
    a = natural[0]
    if kind in ("ar1", "car1"):
        return a**d
    if kind == "cs":
        return np.where(same, 1.0, a)
    if kind == "exp":
        return np.exp(-d / a)
    if kind == "exp_nugget":
        return np.where(same, 1.0, (1 - natural[1]) * np.exp(-d / a))
    if kind == "toep":
        return np.append(1.0, natural)[d.astype(int)]
    if kind == "ad":
        products = [[np.prod(natural[min(i, j) : max(i, j)]) for j in t.astype(int)]
                    for i in t.astype(int)]  # fmt: skip
        return np.array(products)
    if kind == "symm":
        K = int((1 + np.sqrt(1 + 8 * len(natural))) / 2)
        full = np.eye(K)
        full[np.triu_indices(K, 1)] = natural
        full = np.triu(full) + np.triu(full, 1).T
        return full[np.ix_(t.astype(int), t.astype(int))]
    if kind == "arma11":
        p, q = natural
        first = (1 + p * q) * (p + q) / (1 + 2 * p * q + q * q)
        return np.where(d == 0, 1.0, first * p ** np.maximum(d - 1, 0))
    assert kind == "ar"
    return np.array([[_acf(natural, int(v)) for v in row] for row in d])


def _acf(coefficients, lag):
    """Autocorrelation of an AR(2) by its recursion."""
    first, second = coefficients
    values = [1.0, first / (1 - second)]
    while len(values) <= lag:
        values.append(first * values[-1] + second * values[-2])
    return values[lag]


def deviance(y, X, V, *, reml):
    """-2 log-likelihood of y ~ N(X beta, s V), beta and s profiled out."""
    n, p = X.shape
    L = np.linalg.cholesky(V)
    Xw, yw = np.linalg.solve(L, X), np.linalg.solve(L, y)
    beta, *_ = np.linalg.lstsq(Xw, yw, rcond=None)
    rss = float(np.sum((yw - Xw @ beta) ** 2))
    m = n - p if reml else n
    value = 2 * np.log(np.diag(L)).sum() + m * (1 + np.log(2 * np.pi * rss / m))
    return value + (np.linalg.slogdet(Xw.T @ Xw)[1] if reml else 0.0)
