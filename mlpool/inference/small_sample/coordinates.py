"""Coordinates without units, in which small-sample inference is computed.

With rows scaled by the square root of the prior weights, ``X = Q R_X`` and, for each term,
``Z_t = Q_t R_t``; then with N = sqrt(n)

    X beta = (N Q)(R_X beta / N)        z b = (N Q_t)(R_t b / N)

so that columns are orthonormal on average over rows, whatever unit they came in and wherever their
zero lies, and the response is in units of sigma. The model is the same; its covariances are well
conditioned, and what counts as zero is a share of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg

from mlpool.engine.types import LmmData, LmmFit, ReTerm
from mlpool.inference.small_sample.weighted_rows import residuals
from mlpool.typing import FloatArray, IntArray, RowSource

_BATCH_ROWS = 16_384
"""Rows in one step of the triangular factors."""
_NO_LENGTH = 1e-13
"""Share of its length left of a column beside earlier ones that is rounding: there the column
keeps its length (terms may have columns that determine each other; X, aliased ones left out,
has none below the engine's rank tolerance of 1e-7)."""


@dataclass(frozen=True, slots=True)
class MappedRows:
    """Columns of a row source, recombined block by block: ``rows[:, columns] @ map``.

    Attributes
    ----------
    source : RowSource of shape (n, k)
    columns : ndarray of int
    map : ndarray of shape (len(columns), m)
    """

    source: RowSource
    columns: IntArray
    map: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.source.shape[0], self.map.shape[1]

    def rows(self, start: int, stop: int) -> FloatArray:
        """Rows ``start:stop``."""
        return np.asarray(self.source.rows(start, stop)[:, self.columns] @ self.map)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinates:
    """How the coordinates without units are made from the model's own.

    Attributes
    ----------
    basis : ndarray of shape (p, p)
        beta = basis @ (beta here).
    slopes : tuple of ndarray of shape (k_t, k_t), upper triangular
        (b_t here) = slopes[t] @ b_t / sigma.
    turns : tuple of ndarray of shape (k_t, k_t), optional
        What of `slopes` was put before the triangular factor of the columns.
    """

    basis: FloatArray
    slopes: tuple[FloatArray, ...]
    turns: tuple[FloatArray, ...] | None = None


def coordinates(data: LmmData, fit: LmmFit) -> Coordinates:
    """Return the coordinates of a fit, from one pass over the rows."""
    return made_coordinates(_triangular_factors(data, np.asarray(fit.kept)), data.n, fit.sigma)


def made_coordinates(factors: Sequence[FloatArray], n: int, sigma: float) -> Coordinates:
    """Return the coordinates that triangular factors of X and of each term's columns make."""
    R, *roots = (_regular(factor) for factor in factors)
    N = np.sqrt(n)
    basis = scipy.linalg.solve_triangular(R, np.eye(len(R))) * (N * sigma)
    return Coordinates(basis=basis, slopes=tuple(T / N for T in roots))


def in_coordinates(data: LmmData, fit: LmmFit, chosen: Coordinates) -> tuple[LmmData, LmmFit]:
    """Return the model as data and fit in `chosen`: the residuals as response, sigma 1.

    The response is ``(y - X beta) / sigma`` and beta zero; theta stays in the units of the model,
    where :func:`mlpool.inference.small_sample.variance_sums.relative_factors` finds it.
    """
    kept = np.asarray(fit.kept)
    p = len(kept)
    return (
        replace(
            data,
            y=residuals(data, fit) / fit.sigma,
            X=MappedRows(data.X, kept, chosen.basis / fit.sigma),
            terms=tuple(
                _mapped_term(term, T) for term, T in zip(data.terms, chosen.slopes, strict=True)
            ),
            offset=None,
        ),
        replace(fit, beta=np.zeros(p), kept=np.arange(p), sigma=1.0),
    )


def _mapped_term(term: ReTerm, T: FloatArray) -> ReTerm:
    k = T.shape[0]
    inverse = scipy.linalg.solve_triangular(T, np.eye(k))
    return replace(term, z=MappedRows(term.z, np.arange(k), inverse))


def _triangular_factors(data: LmmData, kept: IntArray) -> list[FloatArray]:
    """Return R of the kept columns of X and of each term's columns, rows weighted."""
    sources: Sequence[tuple[RowSource, IntArray]] = [
        (data.X, kept),
        *((term.z, np.arange(term.z.shape[1])) for term in data.terms),
    ]
    factors = [np.empty((0, len(columns))) for _, columns in sources]
    for start in range(0, data.n, _BATCH_ROWS):
        stop = min(start + _BATCH_ROWS, data.n)
        root = None if data.weights is None else np.sqrt(data.weights[start:stop])[:, None]
        for i, (source, columns) in enumerate(sources):
            block = source.rows(start, stop)[:, columns]
            block = block if root is None else root * block
            factors[i] = np.asarray(np.linalg.qr(np.vstack([factors[i], block]), mode="r"))
    return factors


def _regular(R: FloatArray) -> FloatArray:
    """Return R (k, k) with positive pivots, that of a determined column as long as the column."""
    k = R.shape[1]
    full = np.zeros((k, k))
    full[: R.shape[0]] = R
    lengths = np.linalg.norm(full, axis=0)
    pivots = np.diag(full)
    none = np.abs(pivots) <= _NO_LENGTH * lengths
    signs = np.where(none | (pivots > 0), 1.0, -1.0)
    full *= signs[:, None]
    full[none, none] = np.where(lengths[none] > 0, lengths[none], 1.0)
    return full


def covariance_root(V: FloatArray) -> FloatArray:
    """Return F with F F' = V, from its eigenvalues in a unit diagonal."""
    scale = np.sqrt(np.diag(V))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(V / np.outer(scale, scale))
    return np.asarray(scale[:, None] * vectors * np.sqrt(np.maximum(values, 0.0)))
