"""Rows of a hypothesis taken apart into independent contrasts, whatever units they are in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.inference.small_sample.coordinates import covariance_root
from mlpool.inference.small_sample.covariance_information import CovarianceInformation
from mlpool.inference.small_sample.information import VarianceInformation
from mlpool.typing import FloatArray

RANK_TOL = 1e-7
"""Share of a row's length (with coefficients in units of their standard errors) outside the span of
the others below which it follows from them: R's tolerance for columns of a design."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndependentContrasts:
    """Contrasts whose estimates are independent under the model.

    Attributes
    ----------
    rows : ndarray of shape (rank, p)
        In the coordinates of the information.
    z : ndarray of shape (rank,)
        Estimates less hypothesised values in units of their standard errors.
    """

    rows: FloatArray
    z: FloatArray


def rank_of(L: FloatArray, vcov: FloatArray) -> int:
    """Return how many rows of `L` (r, p) are independent.

    Parameters
    ----------
    L : ndarray of shape (r, p)
    vcov : ndarray of shape (p, p)
        Covariance of the coefficients, which takes their units away.
    """
    scaled = L * np.sqrt(np.clip(np.diag(vcov), 0.0, None))
    lengths = np.linalg.norm(scaled, axis=1)
    scaled = scaled[lengths > 0] / lengths[lengths > 0, None]
    if not len(scaled):
        return 0
    values = np.linalg.svd(scaled, compute_uv=False)
    return int(np.sum(values > RANK_TOL * values[0]))


def independent_rows(
    L: FloatArray, rhs: FloatArray | None, vcov: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the rows of ``L beta = rhs`` that do not follow from earlier ones.

    Parameters
    ----------
    L : ndarray of shape (r, p)
    rhs : ndarray of shape (r,) or None
        Zeros.
    vcov : ndarray of shape (p, p)
        Covariance of the coefficients, which takes their units away.
    """
    values = np.zeros(len(L)) if rhs is None else np.asarray(rhs, dtype=np.float64)
    if rank_of(L, vcov) == len(L):
        return L, values
    kept: list[int] = []
    for i in range(len(L)):
        if rank_of(L[[*kept, i]], vcov) > len(kept):
            kept.append(i)
    return L[kept], values[kept]


def principal_axes(
    L: FloatArray, covariance: FloatArray, rank: int
) -> tuple[FloatArray, FloatArray]:
    """Return axes U (r, rank) of the covariance of ``L beta`` and the SDs along them.

    With ``covariance = F F'`` and ``L F = U S V'`` the contrasts ``U'L`` have SDs S: squares are
    never taken, which would lose half the digits.
    """
    U, S, _ = np.linalg.svd(L @ covariance_root(covariance), full_matrices=False)
    return U[:, :rank], S[:rank]


def independent_contrasts(
    info: VarianceInformation | CovarianceInformation, L: FloatArray, rhs: FloatArray | None = None
) -> IndependentContrasts:
    """Return the principal axes of the covariance of ``L beta``, less those of no variance.

    Parameters
    ----------
    info : VarianceInformation or CovarianceInformation
    L : ndarray of shape (r, p)
        Contrasts of the model's own coefficients.
    rhs : ndarray of shape (r,), optional
    """
    here = info.contrasts(L)
    distance = here @ info.beta - (0.0 if rhs is None else rhs)
    U, S = principal_axes(here, info.Phi, rank_of(L, info.vcov))
    return IndependentContrasts(rows=U.T @ here, z=(U.T @ distance) / S)
