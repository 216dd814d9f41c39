"""log|T| by stochastic Lanczos quadrature, with the error of the estimate.

Ubaru, Chen & Saad (2017), SIAM J. Matrix Anal. Appl. 38, 1075-1099. T = I + T_o has exact diagonal
blocks, so the traces of I and T_o are known, and probes only see log T - T_o, which is of second
order. The few directions in which T_o is large (constant over all levels of a factor in a part of
the design) are taken out first: with orthonormal U, E = U'TU and P = I - UU',

    log|T| = log|E| + log|T_P|        T_P = P (T - T U E^-1 U'T) P       on the complement of U
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh_tridiagonal

from mlpool.engine.factorization.conjugate_gradients import column_products
from mlpool.engine.factorization.scaled_schur import PROBES, ScaledSchur, signs
from mlpool.typing import FloatArray

STEPS = 200
"""Longest Krylov space: its quadrature is exact for polynomials of twice that degree."""
LOOK = 4
"""Krylov vectors between two looks at the quadrature."""
PRECISION = 0.01
"""Change between two looks that ends a quadrature, as a share of the error that is wanted."""
ENOUGH = 1e-6
"""Coupling to the next Krylov vector that leaves nothing to see in the logarithm: T has unit
diagonal, and the error of the quadrature is of the square of this."""
TINY = float(np.finfo(float).tiny)
"""Smallest node whose logarithm is taken; nodes of weight zero may be anything."""
LEAST_PROBES = 24
"""Probes from which their own error is known well enough."""
MOST_PROBES = 800
"""Probes after which the error is told as it is."""


@dataclass(frozen=True, slots=True)
class LogDeterminant:
    """An estimate with its standard error.

    Attributes
    ----------
    value, error : float
    probes : int
    """

    value: float
    error: float
    probes: int


class _Deflated:
    """T on the complement of a few directions."""

    def __init__(self, schur: ScaledSchur) -> None:
        self.schur, U = schur, schur.constants
        self.TU = schur.times(U)
        self.E = U.T @ self.TU
        self.inverse = np.linalg.inv(self.E)
        # tr(T_P - I) is known: T has a unit diagonal.
        self.trace = -float(np.trace(self.inverse @ (self.TU.T @ self.TU)))
        self.trace += U.shape[1]

    def times(self, x: FloatArray) -> FloatArray:
        """Return T_P x of x in the complement."""
        return self.schur.project(self.schur.times(x) - self.TU @ (self.inverse @ (self.TU.T @ x)))


def log_determinant(schur: ScaledSchur, seed: int, wanted: float) -> LogDeterminant:
    """Return log|T|, with probes added until its standard error is below `wanted`.

    Parameters
    ----------
    schur : ScaledSchur
    seed : int
    wanted : float
    """
    deflated = _Deflated(schur)
    samples = np.empty(0)
    error = np.inf
    while samples.size < LEAST_PROBES or (error > wanted and samples.size < MOST_PROBES):
        z = signs((seed, 2, samples.size // PROBES), (schur.sparse.n2, PROBES))
        samples = np.append(samples, _quadratures(deflated, schur.project(z), PRECISION * wanted))
        error = float(samples.std(ddof=1)) / np.sqrt(samples.size)
    value = float(np.linalg.slogdet(deflated.E)[1]) + deflated.trace + float(samples.mean())
    return LogDeterminant(value, error, samples.size)


def _quadratures(deflated: _Deflated, z: FloatArray, precision: float) -> FloatArray:
    """Return z'(log T_P - T_P + I) z of every probe (k,), by Lanczos without orthogonalisation."""
    squares = column_products(z, z)
    # Where the constants span all of the core nothing is left of a probe.
    q = z / np.sqrt(np.where(squares > 0.0, squares, 1.0))
    before, beta = np.zeros_like(q), np.zeros(q.shape[1])
    alphas: list[FloatArray] = []
    betas: list[FloatArray] = []
    found = np.full(q.shape[1], np.inf)
    for step in range(1, STEPS + 1):
        w = deflated.times(q) - beta * before
        alpha = column_products(q, w)
        w -= alpha * q
        beta = np.sqrt(column_products(w, w))
        beta[beta < ENOUGH] = 0.0  # this probe has seen all it can: what follows weighs nothing
        alphas.append(alpha)
        if step % LOOK == 0 or not beta.any():
            last, found = found, squares * _gauss(np.array(alphas), np.array(betas))
            if not beta.any() or np.abs(found - last).max() <= precision:
                return found
        betas.append(beta)
        before, q = q, w / np.where(beta > 0.0, beta, 1.0)
    return found


def _gauss(diagonals: FloatArray, beside: FloatArray) -> FloatArray:
    """Return e_1'(log J - J + I) e_1 of the Jacobi matrices of all probes, (steps, k)."""
    out = np.empty(diagonals.shape[1])
    for i in range(len(out)):
        nodes, vectors = eigh_tridiagonal(diagonals[:, i], beside[:, i] if len(beside) else [])
        nodes = np.maximum(nodes, TINY)
        out[i] = vectors[0] ** 2 @ (np.log(nodes) - nodes + 1.0)
    return out
