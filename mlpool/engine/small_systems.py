"""Solutions of small systems by LAPACK itself.

SciPy's functions check, copy and convert what they are given; for the few rows of a model's fixed
effects and random-effects columns that costs many times the solution, dozens of times a fit.
Callers hand over finite arrays of doubles.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from mlpool.engine.factorization.small_matrices import triangle
from mlpool.typing import FloatArray

EPS = float(np.finfo(float).eps)
"""Share of the largest pivot below which a pivot is rounding of zero."""


def cholesky(S: FloatArray) -> FloatArray:
    """Return the lower triangular L with L L' = S (p, p).

    Raises
    ------
    numpy.linalg.LinAlgError
        If S is not positive definite.
    """
    L, info = lapack.dpotrf(S, lower=1, clean=1)
    if info != 0:
        raise np.linalg.LinAlgError("the matrix is not positive definite")
    return np.asarray(L)


def solve_lower(L: FloatArray, b: FloatArray) -> FloatArray:
    """Return L^-1 b for a lower triangular L.

    Parameters
    ----------
    L : ndarray (p, p)
    b : ndarray (p,) or (p, k)

    Raises
    ------
    numpy.linalg.LinAlgError
        If a diagonal entry is zero.
    """
    if not len(L):
        return np.zeros_like(b)
    x, info = lapack.dtrtrs(L, b, lower=1)
    if info != 0:
        raise np.linalg.LinAlgError(f"entry {info} of the diagonal is zero")
    return np.asarray(x)


def least_squares(A: FloatArray, b: FloatArray) -> FloatArray:
    """Return the shortest x that minimises |A x - b|, by QR with pivoting (LAPACK's ``gelsy``).

    Parameters
    ----------
    A : ndarray (n, p), n >= p
        Columns of about one length: what rounding leaves of one, as a share of it, counts as none.
    b : ndarray (n,)

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    n, p = A.shape
    if p == 0:
        return np.zeros(0)
    if not (np.isfinite(A).all() and np.isfinite(b).all()):
        raise ValueError("least squares needs finite numbers")
    order = np.zeros((p, 1), dtype=np.int32)
    work, _ = lapack.dgelsy_lwork(n, p, 1, EPS)
    _, x, _, _, _ = lapack.dgelsy(A, b, order, EPS, int(work))
    return np.asarray(x).reshape(n)[:p]


def triangle_of(factor: FloatArray) -> FloatArray:
    """Return the lower triangular L with L L' = factor factor', signs as they come.

    Parameters
    ----------
    factor : ndarray (k, k)
    """
    # LAPACK's R of factor' is L'.
    turned, _, _, _ = lapack.dgeqrf(factor.T)
    L = np.zeros_like(factor)
    column, row = triangle(len(factor))
    L[row, column] = turned[column, row]
    return L
