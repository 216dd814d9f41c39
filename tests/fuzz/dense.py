"""Linear mixed models the slow way in long double: one n x n covariance, textbook formulas.

Columns enter about their weighted regression on one another (X orthonormal, Z in units of its
size), in 19 digits, so that what differs from these numbers is the package's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.designs.engine_data import as_lmm_data
from mlpool.engine.types import LmmData

LONG = np.longdouble


def cholesky(A: np.ndarray) -> np.ndarray:
    """Return the lower Cholesky factor in the precision of `A`."""
    L = np.array(A)
    n = len(L)
    for j in range(n):
        if not L[j, j] > 0:
            raise np.linalg.LinAlgError("not positive definite")
        L[j:, j] /= np.sqrt(L[j, j])
        L[j + 1 :, j + 1 :] -= np.outer(L[j + 1 :, j], L[j + 1 :, j])
    return np.tril(L)


def solve_lower(L: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return L^-1 B by forward substitution."""
    X = np.array(B, dtype=L.dtype)
    for j in range(len(L)):
        X[j] /= L[j, j]
        X[j + 1 :] -= np.multiply.outer(L[j + 1 :, j], X[j])
    return X


def orthonormal(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Q and R of X = Q R by Gram-Schmidt, twice."""
    Q, R = np.array(X, dtype=LONG), np.eye(X.shape[1], dtype=LONG)
    for _ in range(2):
        for j in range(Q.shape[1]):
            for i in range(j):
                share = Q[:, i] @ Q[:, j]
                Q[:, j] -= share * Q[:, i]
                R[i] += share * R[j]
            length = np.sqrt(Q[:, j] @ Q[:, j])
            if length > 1e-16 * np.abs(X[:, j]).max(initial=0.0):
                Q[:, j] /= length
                R[j] *= length
            else:
                Q[:, j] = 0.0  # it follows from the others
    return Q, _r_of(Q, X)


def _r_of(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
    return np.triu(Q.T @ np.asarray(X, dtype=LONG))


@dataclass(frozen=True)
class Rows:
    """Rows scaled by the square roots of their weights; X orthonormal, beta = R^-1 gamma."""

    y: np.ndarray
    Q: np.ndarray
    R: np.ndarray
    Z: tuple[np.ndarray, ...]
    units: tuple[np.ndarray, ...]
    same: tuple[np.ndarray, ...]
    log_weights: float


def rows_of(data: LmmData, kept: np.ndarray) -> Rows:
    n = data.n
    w = np.ones(n, dtype=LONG) if data.weights is None else np.asarray(data.weights, dtype=LONG)
    root = np.sqrt(w)
    y = np.asarray(data.y, dtype=LONG)
    y = root * (y if data.offset is None else y - data.offset)
    Q, R = orthonormal(root[:, None] * data.X.rows(0, n)[:, kept].astype(LONG))
    Z = [root[:, None] * t.z.rows(0, n).astype(LONG) for t in data.terms]
    units = tuple(np.sqrt((z**2).mean(axis=0)) for z in Z)
    units = tuple(np.where(u > 0, u, LONG(1)) for u in units)
    return Rows(
        y=y, Q=Q, R=R, Z=tuple(z / u for z, u in zip(Z, units, strict=True)), units=units,
        same=tuple(t.codes[:, None] == t.codes[None, :] for t in data.terms),
        log_weights=float(np.log(w).sum()),
    )  # fmt: skip


def factors(rows: Rows, theta: np.ndarray) -> list[np.ndarray]:
    """Return every term's relative factor for its columns in units of their size."""
    found, at = [], 0
    for u in rows.units:
        k = len(u)
        lam = np.zeros((k, k), dtype=LONG)
        for col in range(k):
            for row in range(col, k):
                lam[row, col] = theta[at]
                at += 1
        found.append(u[:, None] * lam)
    return found


@dataclass(frozen=True)
class Dense:
    """All that the model says at one theta, in long double."""

    value: float
    beta: np.ndarray
    sigma: float
    vcov: np.ndarray
    L: np.ndarray
    Vi: np.ndarray
    P: np.ndarray
    Py: np.ndarray
    C: np.ndarray
    log_det: float
    pwrss: float


def dense_at(rows: Rows, theta: np.ndarray, *, reml: bool) -> Dense:
    """Evaluate the criterion and the estimates at theta (in the model's own units)."""
    n, p = rows.Q.shape
    V = np.eye(n, dtype=LONG)
    for z, alike, lam in zip(rows.Z, rows.same, factors(rows, theta), strict=True):
        half = z @ lam
        V = V + (half @ half.T) * alike
    L = cholesky(V)
    A = solve_lower(L, np.column_stack([rows.Q, rows.y]))
    LX = cholesky(A[:, :p].T @ A[:, :p]) if p else np.zeros((0, 0), dtype=LONG)
    inverse = solve_lower(LX, np.eye(p, dtype=LONG))
    C = inverse.T @ inverse
    gamma = C @ (A[:, :p].T @ A[:, p])
    e = A[:, p] - A[:, :p] @ gamma
    pwrss = e @ e
    m = n - p if reml else n
    log_det = 2 * np.log(np.diag(L)).sum() - rows.log_weights
    value = log_det + m * (1 + np.log(2 * np.pi * pwrss / m))
    if reml:
        value += 2 * np.log(np.diag(LX)).sum() + 2 * np.log(np.diag(rows.R)).sum()
    Ri = solve_lower(rows.R.T.copy(), np.eye(p, dtype=LONG)).T
    Li = solve_lower(L, np.eye(n, dtype=LONG))
    Vi = Li.T @ Li
    VX = Vi @ rows.Q
    s2 = pwrss / m
    return Dense(
        value=float(value), beta=Ri @ gamma, sigma=float(np.sqrt(s2)), vcov=s2 * Ri @ C @ Ri.T,
        L=L, Vi=Vi, P=Vi - VX @ C @ VX.T, Py=Li.T @ e, C=C, log_det=float(log_det),
        pwrss=float(pwrss),
    )  # fmt: skip


def modes_at(rows: Rows, found: Dense, data: LmmData, theta: np.ndarray):
    """Return conditional modes and SDs of every term, (n_levels, k) each.

    Var(b | y) = sigma^2 Lambda (Lambda'Z'Z Lambda + I)^-1 Lambda', which has no cancellation.
    """
    lams = factors(rows, theta)
    halves = []
    for term, z, lam in zip(data.terms, rows.Z, lams, strict=True):
        wide = np.zeros((data.n, term.n_levels, len(lam)), dtype=LONG)
        wide[np.arange(data.n), term.codes] = z @ lam
        halves.append(wide.reshape(data.n, -1))
    ZL = np.hstack(halves)
    M = cholesky(ZL.T @ ZL + np.eye(ZL.shape[1], dtype=LONG))
    Mi = solve_lower(M, np.eye(len(M), dtype=LONG))
    inverse = Mi.T @ Mi
    u = ZL.T @ found.Py
    out, at = [], 0
    for t, (term, lam) in enumerate(zip(data.terms, lams, strict=True)):
        k, J = len(lam), term.n_levels
        own = np.arange(at, at + J * k).reshape(J, k)
        modes = np.array([lam @ u[i] for i in own]) / rows.units[t]
        spread = [np.diag(lam @ inverse[np.ix_(i, i)] @ lam.T) for i in own]
        sds = found.sigma * np.sqrt(np.array(spread)) / rows.units[t]
        out.append((modes.astype(float), sds.astype(float)))
        at += J * k
    return out


# --- degrees of freedom -------------------------------------------------------------------------


def _standard(rows: Rows, d: Dense) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return Z of every term in columns of which a level knows equally much, and the way there.

    ``sum_j Z_j'V^-1 Z_j`` over a term's levels is the identity for them.
    """
    out = []
    for z, alike in zip(rows.Z, rows.same, strict=True):
        block = z.T @ (d.Vi * alike) @ z
        size = np.sqrt(np.diag(block))
        size = np.where(size > 0, size, LONG(1))
        # what follows from other columns keeps a length that only its rounding knows
        lower = size[:, None] * cholesky(
            block / np.outer(size, size) + LONG(1e-17) * np.eye(len(size), dtype=LONG)
        )
        out.append((solve_lower(lower, z.T.copy()).T, lower.T))
    return out


def _theta_derivatives(rows: Rows, d: Dense, theta: np.ndarray):
    """Return dV/dtheta_i and a function giving d2V/dtheta_i dtheta_j (V without sigma^2).

    Directions of theta are orthonormal among columns that are: elsewhere a column far from zero
    makes them nearly one.
    """
    standard = _standard(rows, d)
    lams = [T @ lam for (_, T), lam in zip(standard, factors(rows, theta), strict=True)]
    places = []
    for t, (_, T) in enumerate(standard):
        for col in range(len(T)):
            for direction in orthonormal(T[:, col:])[0].T:
                E = np.zeros(T.shape, dtype=LONG)
                E[:, col] = direction
                places.append((t, E))

    def moved(t: int, S: np.ndarray) -> np.ndarray:
        Z = standard[t][0]
        return (Z @ S @ Z.T) * rows.same[t]

    first = [moved(t, E @ lams[t].T + lams[t] @ E.T) for t, E in places]

    def second(i: int, j: int):
        (t, E), (u, F) = places[i], places[j]
        if t != u:
            return None
        S = E @ F.T + F @ E.T
        return moved(t, S) if S.any() else None

    return first, second


NOTHING, SOMETHING = 1e-8, 1e-5
"""Shares of the information with known fixed effects that are none, and that are some."""


def _identified(info: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the inverse over what is identified, and the smallest share, 0 if that is a matter
    of digits."""
    length = np.sqrt(np.diag(known))
    inverse = np.where(length > 0, 1 / np.where(length > 0, length, 1), 0)
    values, vectors = np.linalg.eigh((known * np.outer(inverse, inverse)).astype(float))
    seen = values > 1e-10
    U = inverse[:, None] * vectors[:, seen] / np.sqrt(values[seen])
    share, turns = np.linalg.eigh((U.T @ info @ U).astype(float))
    kept = share > SOMETHING
    clear = not ((np.abs(share) > NOTHING) & ~kept).any()
    D = U @ turns[:, kept]
    return (D / share[kept]) @ D.T, float(share[kept].min(initial=1.0)) if clear else 0.0


def satterthwaite(rows: Rows, theta: np.ndarray, *, reml: bool, contrasts: np.ndarray):
    """Return df of contrasts (r, p) of beta, from the Hessian in (theta, log sigma^2).

    The second value is the smallest share of the information with known fixed effects.
    """
    d = dense_at(rows, theta, reml=reml)
    s2 = LONG(d.sigma) ** 2
    first, second = _theta_derivatives(rows, d, theta)
    trace_of = d.P if reml else d.Vi
    k = len(first) + 1
    # with V the covariance without sigma^2: D = log|s V| (+ log|X'V^-1X / s|) + y'Py / s
    yPy = rows.y @ d.Py
    PV = [trace_of @ A for A in first]
    APy = [A @ d.Py for A in first]
    H = np.zeros((k, k), dtype=LONG)
    for i in range(k - 1):
        for j in range(i + 1):
            value = -np.sum(PV[i] * PV[j].T) + 2 * APy[i] @ (d.P @ APy[j]) / s2
            B = second(i, j)
            if B is not None:
                value += np.sum(trace_of * B) - d.Py @ (B @ d.Py) / s2
            H[i, j] = H[j, i] = value
        H[i, -1] = H[-1, i] = d.Py @ APy[i] / s2
    H[-1, -1] = yPy / s2
    known = _known([*(d.Vi @ A for A in first), np.eye(len(d.Vi), dtype=LONG)])
    C, regular = _identified(H, known)
    VX = d.Vi @ rows.Q
    dC = [d.C @ (VX.T @ A @ VX) @ d.C for A in first] + [d.C]
    out = []
    for row in np.asarray(contrasts, dtype=LONG) @ _inverse_r(rows):
        variance = row @ d.C @ row
        g = np.array([float((row @ D @ row) / variance) for D in dC])
        out.append(1.0 / (g @ C @ g))
    return np.array(out, dtype=float), regular


def _known(moved: list[np.ndarray]) -> np.ndarray:
    """Return tr(V^-1 V_i V^-1 V_j) of the matrices V^-1 V_i."""
    return np.array([[np.sum(A * B.T) for B in moved] for A in moved])


def _inverse_r(rows: Rows) -> np.ndarray:
    p = len(rows.R)
    return solve_lower(rows.R.T.copy(), np.eye(p, dtype=LONG)).T


def kenward_roger(rows: Rows, theta: np.ndarray):
    """Return the adjusted covariance of beta and the df of every coefficient, and conditioning."""
    d = dense_at(rows, theta, reml=True)
    s2 = LONG(d.sigma) ** 2
    parts = []
    for (z, _), alike in zip(_standard(rows, d), rows.same, strict=True):
        k = z.shape[1]
        for a in range(k):
            for b in range(a + 1):
                S = np.outer(z[:, a], z[:, b])
                parts.append(s2 * alike * (S if a == b else S + S.T))
    p = rows.Q.shape[1]
    Vi, P, C = d.Vi / s2, d.P / s2, d.C * s2
    parts.append(_v_of(d) * s2)
    VX = Vi @ rows.Q
    PV = [P @ A for A in parts]
    k = len(parts)
    info = np.array([[np.sum(PV[i] * PV[j].T) / 2 for j in range(k)] for i in range(k)])
    W, regular = _identified(info, _known([Vi @ A for A in parts]) / 2)
    Pi = [-(VX.T @ A @ VX) for A in parts]
    total = np.zeros((p, p), dtype=LONG)
    AVX = [A @ VX for A in parts]
    for i in range(k):
        for j in range(k):
            total += W[i, j] * (AVX[i].T @ Vi @ AVX[j] - Pi[i] @ C @ Pi[j])
    Ri = _inverse_r(rows)
    adjusted = Ri @ (C + 2 * C @ total @ C) @ Ri.T
    df = []
    for row in Ri:
        variance = row @ C @ row
        t = np.array([row @ C @ A @ C @ row / variance for A in Pi])
        df.append(float(2 / (t @ W @ t)))
    return adjusted, np.array(df), regular


def _v_of(d: Dense) -> np.ndarray:
    return d.L @ d.L.T


def data_of(model) -> LmmData:
    return as_lmm_data(model.design)
