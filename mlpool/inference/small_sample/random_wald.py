"""Wald standard errors and intervals of random-effect SDs and correlations.

From the expected information of ``phi = (vech Sigma, sigma^2)`` by the delta method,

    sd_a = sqrt(S_aa)            d sd_a / d S_aa = 1 / (2 sd_a)
    r_ab = S_ab / (sd_a sd_b)    d r / d S_ab = 1 / (sd_a sd_b),  d r / d S_aa = -r / (2 S_aa)

with intervals on the scales where normality is closest: ``exp(log sd -+ z se / sd)`` and
``tanh(atanh r -+ z se / (1 - r^2))``, the transformations of R's ``parameters``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from mlpool.engine.types import LmmData, LmmFit
from mlpool.errors import OptionError, brief
from mlpool.inference.small_sample.coordinates import covariance_root
from mlpool.inference.small_sample.information import (
    VarianceInformation,
    standard_information,
    vech_positions,
)
from mlpool.typing import BoolArray, FloatArray

_ZERO_SD = 1e-4
"""lme4's tolerance of a singular fit: what a typical row (root mean square of the column) moves by
one SD, as a share of sigma, below which the SD is zero."""
_ONE_CORRELATION = 1e-6
"""Distance from +-1 of a correlation that has no standard error: a share of what the columns' own
correlation leaves, so that slopes of uncentred years keep theirs."""
_NO_INFORMATION = 1e-12
"""Share of the largest singular value, parameters scaled by their information, that is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomWald:
    """Wald results of the SDs and correlations, sigma last; every array has shape (k,).

    Attributes
    ----------
    places : tuple of (int, int, int)
        Term, row and column of each: a SD where row equals column, else a correlation; each term's
        lower triangle column by column. Sigma is (-1, 0, 0).
    estimate, se, low, high : ndarray
        NaN for SE and interval where `on_boundary`.
    on_boundary : ndarray of bool
        SDs that are zero and correlations that are +-1 or belong to such a SD: they are left out
        of the information.
    """

    places: tuple[tuple[int, int, int], ...]
    estimate: FloatArray
    se: FloatArray
    low: FloatArray
    high: FloatArray
    on_boundary: BoolArray


def random_wald(data: LmmData, fit: LmmFit, level: float = 0.95) -> RandomWald:
    """Compute Wald SEs and intervals of SDs and correlations, from the data and the fit.

    Parameters
    ----------
    data : LmmData
    fit : LmmFit
        The REML information is used for a REML fit, the ML information for an ML fit.
    level : float

    Returns
    -------
    RandomWald

    Raises
    ------
    NotSupportedError
        If several grouping factors have too many levels for a dense matrix.
    OptionError
        If `level` is not between 0 and 1.
    """
    return random_wald_of(standard_information(data, fit), level)


def random_wald_of(info: VarianceInformation, level: float = 0.95) -> RandomWald:
    """Compute Wald SEs and intervals of SDs and correlations from the information."""
    if not 0.0 < level < 1.0:
        raise OptionError(f"the confidence level must lie between 0 and 1; got {brief(level)}.")
    z = float(ndtri(0.5 * (1.0 + level)))
    places, estimate, J, zero = _metric(info)
    is_cor = np.array([row != col for _, row, col in places])
    with np.errstate(invalid="ignore"):
        left = (1.0 - np.abs(estimate)) * (1.0 + np.abs(estimate))
        is_one = is_cor & (left < 2.0 * _ONE_CORRELATION * _columns_left(info))
    boundary = zero | is_one
    se = np.where(boundary, np.nan, phi_errors(info, J, ~zero))
    low, high = _interval(estimate, se, is_cor, z)
    return RandomWald(
        places=places, estimate=estimate, se=se, low=low, high=high, on_boundary=boundary
    )


def phi_errors(info: VarianceInformation, J: FloatArray, kept: BoolArray) -> FloatArray:
    """Return standard errors of ``J phi``, phi of the model, with only the `kept` phi free.

    With the expected information ``G G'`` in coordinates without units, A the map of phi into them
    and ``G'A = Q R``, the covariance of phi is ``R^-1 R^-T``: errors are the lengths of the rows of
    ``J R^-1``. Nothing is squared, so that slopes of uncentred predictors keep their digits.
    """
    return np.asarray(np.linalg.norm(_error_rows(info, J, kept), axis=1))


def random_correlations(info: VarianceInformation) -> FloatArray:
    """Return the correlations (k, k) of the estimates of SDs and correlations, sigma last.

    NaN for those on the boundary, as in :func:`random_wald_of`.
    """
    _, _, J, zero = _metric(info)
    rows = _error_rows(info, J, ~zero)
    size = np.linalg.norm(rows, axis=1)
    rows = rows / np.where(random_wald_of(info).on_boundary, np.nan, size)[:, None]
    return np.asarray(np.clip(rows @ rows.T, -1.0, 1.0))


def _error_rows(info: VarianceInformation, J: FloatArray, kept: BoolArray) -> FloatArray:
    """Return ``J R^-1``, whose rows' products are the covariance of ``J phi``."""
    expected = info.expected_reml if info.reml else info.expected_ml
    half = covariance_root(expected).T @ info.phi_map()[:, kept]
    size = np.linalg.norm(half, axis=0)
    # columns have length one: a share of the largest singular value
    inverse = np.linalg.pinv(half / size, rcond=_NO_INFORMATION)
    return np.asarray((J[:, kept] / size) @ inverse)


def _metric(
    info: VarianceInformation,
) -> tuple[tuple[tuple[int, int, int], ...], FloatArray, FloatArray, BoolArray]:
    """Places, SDs and correlations, their derivatives by phi, and which phi are zero."""
    k = info.n_parameters
    places: list[tuple[int, int, int]] = []
    estimate, J, zero = np.full(k, np.nan), np.zeros((k, k)), np.zeros(k, dtype=bool)
    for t, lam in enumerate(info.lams):
        S = info.sigma**2 * (lam @ lam.T)
        sd = np.sqrt(np.diag(S))
        is_zero = sd * _column_sizes(info, t) < _ZERO_SD * info.sigma
        order = vech_positions(lam.shape[0])
        index = {place: len(places) + i for i, place in enumerate(order)}
        places += [(t, row, col) for row, col in order]
        for (row, col), i in index.items():
            if row == col:
                estimate[i], zero[i] = sd[row], is_zero[row]
                J[i, i] = 0.0 if zero[i] else 0.5 / sd[row]
            elif is_zero[row] or is_zero[col]:
                zero[i] = True
            else:
                r = S[row, col] / (sd[row] * sd[col])
                estimate[i], J[i, i] = r, 1.0 / (sd[row] * sd[col])
                J[i, index[row, row]] = -0.5 * r / S[row, row]
                J[i, index[col, col]] = -0.5 * r / S[col, col]
    estimate[-1], J[-1, -1] = info.sigma, 0.5 / info.sigma
    return (*places, (-1, 0, 0)), estimate, J, zero


def _column_sizes(info: VarianceInformation, t: int) -> FloatArray:
    """Return the root mean squares (k_t,) of a term's columns; ones if they are not known."""
    columns = info.columns
    if columns is None:
        return np.ones(info.lams[t].shape[0])
    return np.asarray(np.linalg.norm(columns[t], axis=0))


def _columns_left(info: VarianceInformation) -> FloatArray:
    """Return, for every phi (k,), 1 less the squared correlation of its two columns (about 0)."""
    left: list[float] = []
    columns = info.columns
    for t, lam in enumerate(info.lams):
        T = np.eye(lam.shape[0]) if columns is None else columns[t]
        # the smallest number keeps a column of zeros from a division by zero only
        unit = T / np.maximum(np.linalg.norm(T, axis=0), np.finfo(float).tiny)
        for row, col in vech_positions(lam.shape[0]):
            across = unit[:, row] - unit[:, col] * (unit[:, row] @ unit[:, col])
            left.append(float(across @ across))
    return np.array([*left, 1.0])


def _interval(
    estimate: FloatArray, se: FloatArray, is_cor: BoolArray, z: float
) -> tuple[FloatArray, FloatArray]:
    """Intervals on the log (SD) or Fisher z (correlation) scale.

    What the data hardly inform about has an error of many times itself: its interval is (0, inf).
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        r = np.where(is_cor, estimate, 0.0)
        half_cor = z * se / (1.0 - r**2)
        factor = np.exp(z * np.where(is_cor, 0.0, se / estimate))
        fisher = np.arctanh(r)
        low = np.where(is_cor, np.tanh(fisher - half_cor), estimate / factor)
        high = np.where(is_cor, np.tanh(fisher + half_cor), estimate * factor)
    missing = np.isnan(se)
    return np.where(missing, np.nan, low), np.where(missing, np.nan, high)
