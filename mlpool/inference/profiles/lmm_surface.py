"""The ML deviance of a linear mixed model over SDs, correlations and sigma, and ways along it.

SDs move on the log scale and correlations on Fisher's z scale, where the inner minimisation is
Fisher scoring:

    D(psi) = log|L|^2 + n log(2 pi sigma^2) + r^2(theta) / sigma^2
    dD/dpsi = J' dD/dphi,   E d2D/dpsi2 = J' (2 I_phi) J,   J = dphi/dpsi
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlpool.engine.lmm.fit import FitsAt
from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.types import LmmData, LmmFit
from mlpool.errors import FitError
from mlpool.inference.small_sample.information import standard_information, vech_positions
from mlpool.typing import FloatArray

#: An SD of zero, columns of z in units of their size, starts from this share of sigma; a
#: correlation of one from this far below it.
_SMALLEST_SD, _NEAR_ONE = 1e-5, 1e-8
#: Logs of SD / sigma and Fisher z (of columns that correlate: see :meth:`Surface.beyond`) beyond
#: which the search starts from `_INSIDE_SD` and 0.
_AT_ZERO, _AT_ONE, _INSIDE_SD = -6.0, 4.0, 0.3
#: Fisher z of the starts near a correlation of +-1, and beyond which one is near it; share of sigma
#: below which a SD, columns of z in units of their size, is near zero.
_NEAR_EDGE, _TINY_SD = 2.5, 0.05
#: Deviance below the fit's, which has no unit, from which the fit had not converged.
_BETTER_FIT = 1e-3
#: A covariance whose smallest eigenvalue is below this share of the largest is none.
_NEGATIVE = -1e-9
_BLOCK = 1 << 16


class Surface:
    """The ML deviance, beta profiled out, as a function of psi = (log sd, atanh r, log sigma)."""

    def __init__(self, data: LmmData, ml: LmmFit) -> None:
        self._data, self._fits = data, FitsAt(data, reml=False)
        self._sizes = [term.z.shape[1] for term in data.terms]
        self.places = (
            *((t, r, c) for t, size in enumerate(self._sizes) for r, c in vech_positions(size)),
            (-1, 0, 0),
        )
        self.is_correlation = np.array([r != c for _, r, c in self.places])
        moments = _moments_of(data)
        self._log_size = np.array(
            [0.5 * np.log(M[r, r]) if r == c else 0.0 for M in moments for r, c in
             vech_positions(len(M))] + [0.0]
        )  # fmt: skip
        self._alone = np.array(
            [1.0 - M[r, c] ** 2 / (M[r, r] * M[c, c]) if r != c else 1.0 for M in moments for r, c
             in vech_positions(len(M))] + [1.0]
        )  # fmt: skip
        self._constant = -_sum_log_weights(data)

    def start(self, ml: LmmFit) -> FloatArray:
        """Return psi of the fit, moved off the boundary by a hair."""
        psi: list[float] = []
        theta_start = 0
        for size in self._sizes:
            order = vech_positions(size)
            lam = np.zeros((size, size))
            for i, place in enumerate(order):
                lam[place] = ml.theta[theta_start + i]
            theta_start += len(order)
            S = ml.sigma**2 * lam @ lam.T
            unit = np.exp(
                [-self._log_size[len(psi) + i] for i, (r, c) in enumerate(order) if r == c]
            )
            sd = np.maximum(np.sqrt(np.diag(S)), _SMALLEST_SD * ml.sigma * unit)
            R = np.clip(S / np.outer(sd, sd), _NEAR_ONE - 1.0, 1.0 - _NEAR_ONE)
            psi += [np.log(sd[r]) if r == c else np.arctanh(R[r, c]) for r, c in order]
        return np.array([*psi, np.log(ml.sigma)])

    def estimate(self, psi: FloatArray, i: int) -> float:
        """Return the SD or correlation that :meth:`start` came from."""
        value = float(self.natural(psi)[i])
        if self.is_correlation[i]:
            return float(np.sign(value)) if abs(value) > 1.0 - 2.0 * _NEAR_ONE else value
        smallest = 1.01 * _SMALLEST_SD * float(np.exp(psi[-1] - self._log_size[i]))
        return value if value > smallest else 0.0

    def natural(self, psi: FloatArray) -> FloatArray:
        """Return SDs, correlations and sigma."""
        is_cor = self.is_correlation
        return np.where(is_cor, np.tanh(psi), np.exp(np.where(is_cor, 0.0, psi)))

    def way_inside(self, psi: FloatArray, i: int, sign: float) -> float:
        """Distance from the boundary to the middle of the range; 0 if psi_i is not at one.

        On the scales of psi the likelihood is flat near a zero SD and a correlation of +-1, so a
        search that starts there has to leap.
        """
        _, row, col = self.places[i]
        if row == col:
            middle = float(psi[-1] - self._log_size[i]) + np.log(_INSIDE_SD)
            return middle - float(psi[i]) if sign > 0 and self._is_zero(psi, i) else 0.0
        is_inwards = np.sign(psi[i]) != sign and abs(psi[i]) > self.beyond(_AT_ONE)[i]
        return float(abs(psi[i]) - self.beyond(0.0)[i]) if is_inwards else 0.0

    def beyond(self, z: float) -> FloatArray:
        """Return the Fisher z (k,) whose distance from one is to that of `z` as columns allow.

        Columns far from zero (calendar years) correlate by almost one, and so do their effects,
        without being near the edge: 1 - r^2 counts as a share of 1 less the columns' own.
        """
        return np.asarray(np.arccosh(np.cosh(z) / np.sqrt(self._alone)))

    def _is_zero(self, psi: FloatArray, i: int) -> bool:
        return bool(psi[i] < psi[-1] - self._log_size[i] + _AT_ZERO)

    def is_near_edge(self, psi: FloatArray, i: int) -> bool:
        """Tell whether another parameter than i is a tiny SD or a correlation near +-1."""
        smallest = psi[-1] - self._log_size + np.log(_TINY_SD)
        near = np.where(self.is_correlation, np.abs(psi) > self.beyond(_NEAR_EDGE), psi < smallest)
        near[[i, -1]] = False
        return bool(near.any())

    def far_starts(self, psi: FloatArray, i: int) -> list[FloatArray]:
        """Return starts near other ends of the range: tiny SDs, correlations near +-1.

        On the scales of psi the deviance is flat where a SD is zero or a correlation +-1, so that
        a search stops there although a point inside is better: the starts stand inside.
        """
        inside = psi.copy()
        for j, (_, row, col) in enumerate(self.places[:-1]):
            if j != i and row == col and self._is_zero(psi, j):
                inside[j] = psi[-1] - self._log_size[j] + np.log(_INSIDE_SD)
        out = []
        for j, (_, row, col) in enumerate(self.places[:-1]):
            edge = float(self.beyond(_NEAR_EDGE)[j])
            ends = [-edge, edge]
            if row == col:
                ends = [float(psi[-1] - self._log_size[j]) + _AT_ZERO]
            for value in ends if j != i else []:
                start = inside.copy()
                start[j] = value
                out.append(start)
        return out

    def fit(self, psi: FloatArray) -> LmmFit | None:
        """Return the fit at psi; None where the correlations belong to no covariance."""
        values = self.natural(psi)
        sigma = float(values[-1])
        theta, at = [], 0
        for size in self._sizes:
            order = vech_positions(size)
            part = values[at : at + len(order)]
            at += len(order)
            S = np.eye(size)
            for value, (r, c) in zip(part, order, strict=True):
                if r != c:
                    S[r, c] = S[c, r] = value
            sd = np.array([v for v, (r, c) in zip(part, order, strict=True) if r == c])
            lam = _lower_root(S, sd / sigma)
            if lam is None:
                return None
            theta += [lam[place] for place in order]
        return replace(self._fits(np.array(theta)), sigma=sigma)

    def deviance(self, fit: LmmFit) -> float:
        """Return -2 log-likelihood at the fit's theta and sigma."""
        s2 = fit.sigma**2
        return float(
            fit.logdet_L2 + fit.n * np.log(2 * np.pi * s2) + fit.pwrss / s2 + self._constant
        )

    def deviance_at(self, psi: FloatArray) -> float:
        """Return -2 log-likelihood at psi; infinite where there is no covariance."""
        fit = self.fit(psi)
        return np.inf if fit is None else self.deviance(fit)

    def derivatives(self, psi: FloatArray, fit: LmmFit) -> tuple[FloatArray, FloatArray]:
        """Return gradient and expected Hessian of the deviance by psi.

        Both by way of coordinates without units: SDs and correlations of uncentred slopes (calendar
        years) cancel to what the data say, and the model's own sums lose the digits of the rest.
        """
        info = standard_information(self._data, fit)
        J = info.phi_map() @ self._jacobian(self.natural(psi))
        return J.T @ info.gradient, J.T @ (2.0 * info.expected_ml) @ J

    def _jacobian(self, values: FloatArray) -> FloatArray:
        """dphi/dpsi: ``S_aa = sd_a^2``, ``S_ab = r sd_a sd_b``, ``sigma^2``."""
        index = {place: i for i, place in enumerate(self.places)}
        J = np.zeros((len(values), len(values)))
        for (t, r, c), i in index.items():
            if r == c:
                J[i, i] = 2.0 * values[i] ** 2
            else:
                a, b = index[t, r, r], index[t, c, c]
                J[i, i] = (1.0 - values[i] ** 2) * values[a] * values[b]
                J[i, a] = J[i, b] = values[i] * values[a] * values[b]
        return J


def _moments_of(data: LmmData) -> list[FloatArray]:
    """Return the mean products of the columns of each term's z (k, k); one for empty columns."""
    out = []
    totals = _totals_of_rows(data) if _sums_of(data) == () else _totals_of_sums(data)
    for total in totals:
        empty = np.flatnonzero(np.diag(total) == 0.0)
        total[empty, empty] = data.n
        out.append(total / data.n)
    return out


def _totals_of_rows(data: LmmData) -> list[FloatArray]:
    found = []
    for term in data.terms:
        total = np.zeros((term.z.shape[1],) * 2)
        for start in range(0, data.n, _BLOCK):
            rows = term.z.rows(start, min(start + _BLOCK, data.n))
            total += rows.T @ rows
        found.append(total)
    return found


def _totals_of_sums(data: LmmData) -> list[FloatArray]:
    """Return the same where there are sums and no rows; of weighted rows those of a mean weight."""
    factors, sums = list(dict.fromkeys(t.factor for t in data.terms)), _sums_of(data)
    used = dict.fromkeys(factors, 0)
    found = []
    for term in data.terms:
        own, first = sums[factors.index(term.factor)], used[term.factor]
        used[term.factor] += term.z.shape[1]
        raw = own.uncentre(own.layout.z[first : used[term.factor]])
        found.append(raw.T @ own.total @ raw * (data.n / own.total[0, 0]))
    return found


def _sum_log_weights(data: LmmData) -> float:
    if data.weights is None:
        return 0.0
    sums = _sums_of(data)
    return sums[0].sum_log_weights if sums else float(np.log(data.weights).sum())


def _sums_of(data: LmmData) -> tuple[CrossProducts, ...]:
    """Return the sums of each grouping factor that came with the data; none with rows."""
    if data.factor_sums is not None:
        return data.factor_sums.factors
    return () if data.sums is None else (data.sums,)


def _lower_root(R: FloatArray, sd: FloatArray) -> FloatArray | None:
    """Lower-triangular root of ``diag(sd) R diag(sd)``; None if R is no correlation matrix."""
    values, vectors = np.linalg.eigh(R)
    if values[0] < _NEGATIVE * values[-1]:
        return None
    half = (sd[:, None] * vectors) * np.sqrt(np.maximum(values, 0.0))
    upper = np.linalg.qr(half.T)[1]
    return np.asarray((upper * np.where(np.diag(upper) < 0, -1.0, 1.0)[:, None]).T)


def root_of(gain: float) -> float:
    """Return sqrt(gain) of a rise of the deviance.

    Raises
    ------
    FitError
        If the deviance fell.
    """
    if gain < -_BETTER_FIT:
        raise FitError(
            "profiling found a better solution than the estimate, so the fit had not converged; "
            "refit with a tighter tolerance before asking for profile intervals."
        )
    return float(np.sqrt(max(gain, 0.0)))
