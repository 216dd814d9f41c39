"""Information of the variance parameters of a linear mixed model, observed and expected.

The parameters are ``phi = (vech Sigma_1, ..., vech Sigma_T, sigma^2)``, one vech per term (columns
of the lower triangle), in which ``V = Z Sigma Z' + sigma^2 I`` is linear: ``V_i = dV / dphi_i``.
Satterthwaite's and Kenward-Roger's methods and the Wald intervals of SDs start from here, in
coordinates without units (:mod:`mlpool.inference.small_sample.coordinates`).

References
----------
Kenward & Roger (1997), Biometrics 53, 983-997; Fai & Cornelius (1996), JSCS 54, 363-378.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlpool.engine.types import LmmData, LmmFit
from mlpool.inference.small_sample.combined_columns import several_factors_elsewhere
from mlpool.inference.small_sample.coordinates import (
    Coordinates,
    coordinates,
    covariance_root,
    in_coordinates,
)
from mlpool.inference.small_sample.kernels import inner, multiply, trace
from mlpool.inference.small_sample.types import VarianceSums
from mlpool.inference.small_sample.variance_sums import (
    has_one_factor,
    read_one_factor,
    relative_factors,
    variance_sums,
)
from mlpool.typing import FloatArray

_MOST_AMPLIFIED = 1e6
"""Growth of rounding (of 1e-16) up to which sums of the model's own columns serve."""
_UNEQUAL = 1e-4
"""Ratio of what is known of two random effects of a term, of which the square is lost in digits."""
_NONE = 1e-13
"""Share of the largest pivot that is rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceInformation:
    """Everything that small-sample inference needs about one fit; k parameters phi, p columns.

    Arrays are in the coordinates that `basis` and `slopes` say, and in units of the response over
    `unit`; :func:`variance_information` leaves the model's own (None).

    Attributes
    ----------
    beta : ndarray of shape (p,)
    Phi : ndarray of shape (p, p)
        Model-based covariance of beta, ``(X'V^-1 X)^-1``.
    P : ndarray of shape (k, p, p)
        ``P_i = -X'V^-1 V_i V^-1 X``.
    Q : ndarray of shape (k, k, p, p)
        ``Q_ij = X'V^-1 V_i V^-1 V_j V^-1 X``.
    expected_reml, expected_ml : ndarray of shape (k, k)
        ``1/2 tr(P V_i P V_j)`` and ``1/2 tr(V^-1 V_i V^-1 V_j)``.
    observed : ndarray of shape (k, k)
        Second derivatives of the negative (REML or ML, as fitted) log-likelihood.
    gradient : ndarray of shape (k,)
        First derivatives of minus twice the log-likelihood; not zero on the boundary.
    lams : tuple of ndarray
        Relative factor of each term, in the model's own coordinates.
    sigma : float
        Of the model, in the unit of the response.
    reml : bool
    basis : ndarray of shape (p, p) or None
        The model's coefficients are ``basis @ beta``.
    slopes : tuple of ndarray of shape (k_t, k_t), or None
        ``Sigma_t`` here is ``slopes[t] @ S_t @ slopes[t].T / sigma^2`` of the model's S_t, and
        sigma^2 here is 1.
    turns : tuple of ndarray of shape (k_t, k_t), or None
        ``slopes[t] = turns[t] @ columns[t]``; the identity where None.
    """

    beta: FloatArray
    Phi: FloatArray
    P: FloatArray
    Q: FloatArray
    expected_reml: FloatArray
    expected_ml: FloatArray
    observed: FloatArray
    gradient: FloatArray
    lams: tuple[FloatArray, ...]
    sigma: float
    reml: bool
    basis: FloatArray | None = None
    slopes: tuple[FloatArray, ...] | None = None
    turns: tuple[FloatArray, ...] | None = None

    @property
    def n_parameters(self) -> int:
        """Number of variance parameters k."""
        return int(self.P.shape[0])

    @property
    def roots(self) -> tuple[FloatArray, ...]:
        """Square root of each term's relative covariance, here."""
        if self.slopes is None:
            return self.lams
        return tuple(T @ lam for T, lam in zip(self.slopes, self.lams, strict=True))

    @property
    def columns(self) -> tuple[FloatArray, ...] | None:
        """Triangular factor (k_t, k_t) of every term's columns, on average over rows."""
        if self.slopes is None or self.turns is None:
            return self.slopes
        pairs = zip(self.turns, self.slopes, strict=True)
        return tuple(np.asarray(np.linalg.solve(turn, T)) for turn, T in pairs)

    @property
    def sigma2(self) -> float:
        """Residual variance, here."""
        return self.sigma**2 if self.slopes is None else 1.0

    @property
    def vcov(self) -> FloatArray:
        """Model-based covariance of the model's own coefficients (p, p)."""
        return self.Phi if self.basis is None else self.basis @ self.Phi @ self.basis.T

    @property
    def coefficients(self) -> FloatArray:
        """The model's own coefficients (p,)."""
        return self.beta if self.basis is None else self.basis @ self.beta

    def contrasts(self, L: FloatArray) -> FloatArray:
        """Return contrasts of the model's coefficients (r, p) as contrasts of those here."""
        return L if self.basis is None else np.asarray(L @ self.basis)

    def phi_map(self) -> FloatArray:
        """Return A (k, k) of ``phi here = A @ phi of the model``."""
        k = self.n_parameters
        if self.slopes is None:
            return np.eye(k)
        A, start = np.zeros((k, k)), 0
        for T in self.slopes:
            places = vech_positions(T.shape[0])
            rows, cols = np.array(places).T
            for i, (r, c) in enumerate(places):
                image = np.outer(T[:, r], T[:, c])
                image = image if r == c else image + image.T
                A[start : start + len(places), start + i] = image[rows, cols]
            start += len(places)
        A[-1, -1] = 1.0
        return A / self.sigma**2


def vech_positions(size: int) -> list[tuple[int, int]]:
    """(row, column) of the lower triangle of a (size, size) matrix, column by column."""
    cols, rows = np.triu_indices(size)
    return list(zip(rows.tolist(), cols.tolist(), strict=True))


def standard_information(data: LmmData, fit: LmmFit) -> VarianceInformation:
    """Return :func:`variance_information` in coordinates without units.

    Raises
    ------
    NotSupportedError
        If several grouping factors have too many levels for a dense matrix.
    """
    lams = relative_factors(data, fit)
    sums, chosen = _sums_without_units(data, fit, lams)
    beta = np.asarray(np.linalg.solve(chosen.basis, fit.beta), dtype=np.float64)
    found = _information(sums, lams, fit, beta, _inverse(sums.S1[:-1, :-1]))
    return replace(found, basis=chosen.basis, slopes=chosen.slopes, turns=chosen.turns)


def variance_information(data: LmmData, fit: LmmFit) -> VarianceInformation:
    """Observed and expected information of phi at the estimate, and the pieces P_i and Q_ij.

    With ``K = Z'V^-1 Z``, ``H = Z'V^-1 [X, e]`` and E_i the pattern of phi_i in Sigma:

        expected   1/2 [tr(K E_i K E_j) - 2 tr(Phi Q_ij) + tr(Phi P_i Phi P_j)]
        observed   -1/2 tr(P V_i P V_j) + y'P V_i P V_j P y

    Parameters
    ----------
    data : LmmData
    fit : LmmFit

    Returns
    -------
    VarianceInformation

    Raises
    ------
    NotSupportedError
        If several grouping factors have too many levels for a dense matrix.
    """
    lams = relative_factors(data, fit)
    Phi = fit.sigma**2 * fit.vcov_unscaled
    return _information(variance_sums(data, fit, lams), lams, fit, fit.beta, Phi)


def _sums_without_units(
    data: LmmData, fit: LmmFit, lams: tuple[FloatArray, ...]
) -> tuple[VarianceSums, Coordinates]:
    """Return the sums in coordinates without units, and these.

    Where some random effects lie far above the residuals, and others of their term do not, what is
    known of their variances differs by as many digits: there the coordinates are turned, too.
    """
    sums, chosen = _first_sums(data, fit, lams)
    turns = tuple(_turn(block) for block in _blocks(sums, [lam.shape[0] for lam in lams]))
    if all(turn is None for turn in turns):
        return sums, chosen
    known = tuple(
        np.eye(len(T)) if turn is None else turn
        for turn, T in zip(turns, chosen.slopes, strict=True)
    )
    slopes = tuple(turn @ T for turn, T in zip(known, chosen.slopes, strict=True))
    turned = replace(chosen, slopes=slopes, turns=known)
    return _sums_in(turned, data, fit, lams), turned


def _blocks(sums: VarianceSums, sizes: list[int]) -> list[FloatArray]:
    """Return the mean of a level's Z'V^-1 Z (k, k) of every term, but for its size."""
    ends = np.cumsum(sizes)
    return [
        np.array([[trace(sums.K[a][b]) for b in range(end - k, end)] for a in range(end - k, end)])
        for end, k in zip(ends, sizes, strict=True)
    ]


def _turn(block: FloatArray) -> FloatArray | None:
    """Return the upper triangular matrix that makes a term's columns equally known, if needed."""
    values = np.linalg.eigvalsh(block)
    if len(block) == 1 or values[0] > _UNEQUAL * values[-1]:
        return None
    half = np.asarray(np.linalg.qr(covariance_root(block).T, mode="r"))
    pivots, largest = np.abs(np.diag(half)), float(np.abs(half).max())
    if pivots.min() <= _NONE * largest:
        return None
    return half * np.sign(np.diag(half))[:, None] / largest


def _first_sums(
    data: LmmData, fit: LmmFit, lams: tuple[FloatArray, ...]
) -> tuple[VarianceSums, Coordinates]:
    """Return the sums in columns that are orthonormal on average over rows, and these."""
    sizes = [lam.shape[0] for lam in lams]
    if has_one_factor(data):
        read = read_one_factor(data, fit)
        chosen = read.coordinates(fit.sigma, sizes)
    elif data.factor_sums is not None:
        chosen = several_factors_elsewhere(data, fit).coordinates(fit.sigma, sizes)
    else:
        chosen = coordinates(data, fit)
    return _sums_in(chosen, data, fit, lams), chosen


def _sums_in(
    chosen: Coordinates, data: LmmData, fit: LmmFit, lams: tuple[FloatArray, ...]
) -> VarianceSums:
    """Return the sums in chosen coordinates.

    Sums of one grouping factor are mapped after they are made, unless their columns determine each
    other so nearly that rounding would show; then, and with several factors, the rows are mapped.
    """
    if has_one_factor(data):
        mapped = read_one_factor(data, fit).mapped(chosen, fit.sigma)
        if data.sums is not None or mapped.amplification <= _MOST_AMPLIFIED:
            return mapped.variance_sums(_mapped(chosen, lams), 1.0)
    if data.factor_sums is not None:
        elsewhere = several_factors_elsewhere(data, fit)
        return elsewhere.mapped(chosen, fit.sigma).variance_sums(_mapped(chosen, lams), 1.0)
    return variance_sums(*in_coordinates(data, fit, chosen), _mapped(chosen, lams))


def _mapped(chosen: Coordinates, lams: tuple[FloatArray, ...]) -> tuple[FloatArray, ...]:
    return tuple(T @ lam for T, lam in zip(chosen.slopes, lams, strict=True))


def _information(
    sums: VarianceSums,
    lams: tuple[FloatArray, ...],
    fit: LmmFit,
    beta: FloatArray,
    Phi: FloatArray,
) -> VarianceInformation:
    """Return the information made of the sums and of Phi, all in the same coordinates."""
    patterns = _patterns([lam.shape[0] for lam in lams])
    P_all = _first_order(sums, patterns)
    Q_all, tr_VV = _second_order(sums, patterns)
    p = Phi.shape[0]
    P, Q = P_all[:, :p, :p], Q_all[:, :, :p, :p]
    PhiP = Phi @ P
    tr_PP = tr_VV - 2.0 * np.einsum("ab,ijba->ij", Phi, Q) + np.einsum("iab,jba->ij", PhiP, PhiP)
    # e'V^-1 V_i V^-1 V_j V^-1 e less what the estimated beta takes up: y'P V_i P V_j P y
    cross = P_all[:, :p, p]
    quadratic = Q_all[:, :, p, p] - cross @ Phi @ cross.T
    tr_V = _traces(sums, patterns)
    trace = tr_V + np.einsum("iaa->i", PhiP) if fit.reml else tr_V
    return VarianceInformation(
        beta=beta,
        Phi=Phi,
        P=P,
        Q=Q,
        expected_reml=_symmetric(0.5 * tr_PP),
        expected_ml=0.5 * tr_VV,
        observed=_symmetric(quadratic - 0.5 * (tr_PP if fit.reml else tr_VV)),
        gradient=trace + P_all[:, p, p],
        lams=lams,
        sigma=fit.sigma,
        reml=fit.reml,
    )


#: The pattern E of one phi: the ordered slot pairs (a, b) with E_ab = 1; empty for sigma^2.
_Pattern = list[tuple[int, int]]


def _patterns(sizes: list[int]) -> list[_Pattern]:
    """Slot pairs of each phi; slots run through the terms' columns."""
    out: list[_Pattern] = []
    start = 0
    for size in sizes:
        for row, col in vech_positions(size):
            a, b = start + row, start + col
            out.append([(a, a)] if a == b else [(a, b), (b, a)])
        start += size
    out.append([])
    return out


def _first_order(sums: VarianceSums, patterns: list[_Pattern]) -> FloatArray:
    """``-[X, e]'V^-1 V_i V^-1 [X, e] = -H'E_i H``, and -W'V^-2 W for sigma^2."""
    H = sums.H
    parts = [-sum(H[a].T @ H[b] for a, b in pattern) for pattern in patterns[:-1]]
    return np.stack([*parts, -sums.S2])


def _second_order(sums: VarianceSums, patterns: list[_Pattern]) -> tuple[FloatArray, FloatArray]:
    """``[X, e]'V^-1 V_i V^-1 V_j V^-1 [X, e]`` and ``tr(V^-1 V_i V^-1 V_j)``.

    ``H'E_i K E_j H`` and ``tr(K E_i K E_j)``; for sigma^2, E Z' is replaced by the identity:
    ``H'E_i H2``, ``tr(E_i K2)``, ``W'V^-3 W`` and ``tr V^-2``.
    """
    K, H, H2 = sums.K, sums.H, sums.H2
    k, m = len(patterns), sums.S2.shape[0]
    Q, tr = np.empty((k, k, m, m)), np.empty((k, k))
    for i, first in enumerate(patterns[:-1]):
        for j, second in enumerate(patterns[: i + 1]):
            pairs = [(a, b, c, d) for a, b in first for c, d in second]
            Q[i, j] = sum(H[a].T @ multiply(K[b][c], H[d]) for a, b, c, d in pairs)
            tr[i, j] = sum(inner(K[d][a], K[c][b]) for a, b, c, d in pairs)
            Q[j, i], tr[j, i] = Q[i, j].T, tr[i, j]
        Q[i, -1] = sum(H[a].T @ H2[b] for a, b in first)
        tr[i, -1] = tr[-1, i] = sum(float(sums.tr_K2[a, b]) for a, b in first)
        Q[-1, i] = Q[i, -1].T
    Q[-1, -1], tr[-1, -1] = sums.S3, sums.tr_V2
    return Q, tr


def _traces(sums: VarianceSums, patterns: list[_Pattern]) -> FloatArray:
    """``tr(V^-1 V_i)``."""
    parts = [sum(trace(sums.K[a][b]) for a, b in pattern) for pattern in patterns[:-1]]
    return np.array([*parts, sums.tr_V1])


def _inverse(M: FloatArray) -> FloatArray:
    """Return the inverse of a positive definite matrix, scaled to a unit diagonal meanwhile."""
    scale = 1.0 / np.sqrt(np.diag(M))
    return _symmetric(np.linalg.inv(M * np.outer(scale, scale)) * np.outer(scale, scale))


def _symmetric(M: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (M + M.T))
