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
from mlpool.engine.types import LmmData, LmmFit
from mlpool.errors import FitError
from mlpool.inference.profiles.likelihood_roots import solve_distance
from mlpool.inference.profiles.profile_side import ZETA_TOL, Side
from mlpool.inference.small_sample.information import variance_information, vech_positions
from mlpool.typing import FloatArray

#: An SD of zero, columns of z in units of their size, starts from this share of sigma; a
#: correlation of one from this far below it.
_SMALLEST_SD, _NEAR_ONE = 1e-5, 1e-8
#: Logs of SD / sigma and Fisher z beyond which the search starts from `_INSIDE_SD` and 0.
_AT_ZERO, _AT_ONE, _INSIDE_SD = -6.0, 4.0, 0.3
#: Fisher z of the starts near a correlation of +-1, and beyond which one is near it; share of sigma
#: below which a SD, columns of z in units of their size, is near zero.
_NEAR_EDGE, _TINY_SD = 2.5, 0.05
#: A zeta this much lower from another start belongs to another minimum.
_OTHER_MINIMUM = 1e-4
_MAX_SCORING = 60
_MAX_HALVINGS = 25
#: Expected fall of the deviance, which has no unit, that no test could show.
_DEVIANCE_TOL = 1e-9
#: A promised fall of the deviance beyond this means that the minimum was not reached.
_STUCK = 1e-4
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
        self._log_size = np.array(
            [np.log(sizes[r]) if r == c else 0.0 for sizes in _sizes_of(data) for r, c in
             vech_positions(len(sizes))] + [0.0]
        )  # fmt: skip
        weights = data.weights
        self._constant = 0.0 if weights is None else -float(np.log(weights).sum())

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
        is_inwards = np.sign(psi[i]) != sign and abs(psi[i]) > _AT_ONE
        return float(abs(psi[i])) if is_inwards else 0.0

    def _is_zero(self, psi: FloatArray, i: int) -> bool:
        return bool(psi[i] < psi[-1] - self._log_size[i] + _AT_ZERO)

    def is_near_edge(self, psi: FloatArray, i: int) -> bool:
        """Tell whether another parameter than i is a tiny SD or a correlation near +-1."""
        smallest = psi[-1] - self._log_size + np.log(_TINY_SD)
        near = np.where(self.is_correlation, np.abs(psi) > _NEAR_EDGE, psi < smallest)
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
            ends = [-_NEAR_EDGE, _NEAR_EDGE]
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

    def derivatives(self, psi: FloatArray, fit: LmmFit) -> tuple[FloatArray, FloatArray]:
        """Return gradient and expected Hessian of the deviance by psi."""
        info = variance_information(self._data, fit)
        J = self._jacobian(self.natural(psi))
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


class RandomSide(Side):
    """One side of a SD's, correlation's or sigma's profile; remembers where the others were.

    Parameters
    ----------
    surface : Surface
    psi : ndarray of shape (k,)
        At the estimate.
    i : int
        Which of them.
    sign : float
    lowest : float
        Deviance at the estimate.
    spread : float
        Standard error of psi_i, roughly.
    """

    def __init__(
        self, surface: Surface, psi: FloatArray, i: int, sign: float, lowest: float, spread: float
    ) -> None:
        self._surface, self._i, self._lowest, self._psi = surface, i, lowest, psi
        self._spread = spread
        self._is_cor = surface.is_correlation[i]
        self._last = psi.copy()
        self._highest = 0.0
        self._left_the_cone = self._is_stuck = self._is_thorough = False
        super().__init__(surface.estimate(psi, i), sign)

    def value(self, t: float) -> float:
        """Return the SD or correlation at distance t."""
        at = float(self._psi[self._i]) + self.sign * t
        return float(np.tanh(at) if self._is_cor else np.exp(at))

    def distance(self, value: float) -> float:
        """Return the distance of a value on the scale of psi."""
        with np.errstate(divide="ignore", invalid="ignore"):
            at = np.arctanh(value) if self._is_cor else np.log(value)
        return float(self.sign * (at - self._psi[self._i]))

    def guess(self, target: float) -> float:
        """Return a Wald distance of at most one, or a leap away from the boundary."""
        # SDs of a log SD or a Fisher z, which have no unit
        wald = target * min(max(self._spread, 1e-3), 1.0)
        return max(wald, self._surface.way_inside(self._psi, self._i, self.sign))

    def solve(self, target: float) -> float:
        """Find the bound, also where the deviance has other minima."""
        distance = solve_distance(self.watched, target, self.guess(target), ZETA_TOL)
        if np.isfinite(distance) and self.finds_lower(distance, target):
            self.seen.clear()
            distance = solve_distance(self.watched, target, distance, ZETA_TOL)
        return float("nan") if self.is_blocked(target) else self.value(distance)

    def is_blocked(self, target: float) -> bool:
        """Tell whether one parameter could not move, or the others could not follow it.

        With three or more columns, a singular fit lies on the edge of the correlation matrices.
        """
        is_short = self._left_the_cone and self._highest < target - 1e3 * ZETA_TOL
        return is_short or self._is_stuck

    def finds_lower(self, t: float, target: float) -> bool:
        """Look for another minimum of the deviance from several starts, and go on so if there is.

        Where a SD is small, the deviance has minima at both ends of its correlations. Where the
        others are inside their range, at the estimate and here, they are not searched for.
        """
        visited = (self._psi, self._last)
        if not any(self._surface.is_near_edge(psi, self._i) for psi in visited):
            return False
        self._is_thorough = True
        self._is_thorough = self.zeta(t)[0] < target - _OTHER_MINIMUM
        return self._is_thorough

    def _starts(self, t: float) -> list[FloatArray]:
        psi = self._last.copy()
        psi[self._i] = self._psi[self._i] + self.sign * t
        if not self._is_thorough:
            return [psi]
        first = self._psi.copy()
        first[self._i] = psi[self._i]
        far = self._surface.far_starts(psi, self._i)
        return [psi, first, *far, *self._surface.far_starts(first, self._i)]

    def zeta(self, t: float) -> tuple[float, float]:
        """Return |zeta| and its derivative at distance t."""
        ends = [_minimise_others(self._surface, psi, self._i) for psi in self._starts(t)]
        psi, deviance, gradient, left = min(ends, key=lambda end: end[1])
        if not np.isfinite(deviance):
            self._left_the_cone = True
            return np.inf, np.nan
        self._last, self._is_stuck = psi, left > _STUCK
        root = root_of(deviance - self._lowest)
        self._highest = max(self._highest, root)
        slope = self.sign * float(gradient[self._i])
        return root, slope / (2.0 * root) if root > 0.0 else np.nan


def _minimise_others(
    surface: Surface, psi: FloatArray, i: int
) -> tuple[FloatArray, float, FloatArray, float]:
    """Fisher scoring over all parameters but the i-th, steps halved while the deviance grows.

    Returns psi, the deviance, its gradient and the fall that another step would promise.
    """
    free = np.arange(len(psi)) != i
    fit = surface.fit(psi)
    if fit is None:
        return psi, np.inf, np.full(len(psi), np.nan), np.nan
    deviance = surface.deviance(fit)
    for _ in range(_MAX_SCORING):
        gradient, hessian = surface.derivatives(psi, fit)
        # log SDs and Fisher z have no unit: a share of the largest curvature
        inverse = np.linalg.pinv(hessian[np.ix_(free, free)], rcond=1e-12, hermitian=True)
        step = np.zeros(len(psi))
        step[free] = -inverse @ gradient[free]
        # at most one unit of log sd or Fisher z at a time keeps far-off starts on the path
        step /= max(1.0, float(np.abs(step).max()))
        expected = -float(gradient @ step)
        if expected < _DEVIANCE_TOL:
            break
        moved = _halve(surface, psi, step, deviance)
        if moved is None:
            break
        psi, fit, deviance = moved
    return psi, deviance, gradient, expected


def _halve(
    surface: Surface, psi: FloatArray, step: FloatArray, deviance: float
) -> tuple[FloatArray, LmmFit, float] | None:
    for _ in range(_MAX_HALVINGS):
        fit = surface.fit(psi + step)
        if fit is not None:
            value = surface.deviance(fit)
            if value < deviance:
                return psi + step, fit, value
        step = 0.5 * step
    return None


def _sizes_of(data: LmmData) -> list[FloatArray]:
    """Return the root mean square of the columns of each term's z (k,); one for empty columns."""
    out = []
    for term in data.terms:
        total = np.zeros(term.z.shape[1])
        for start in range(0, data.n, _BLOCK):
            total += (term.z.rows(start, min(start + _BLOCK, data.n)) ** 2).sum(axis=0)
        out.append(np.sqrt(np.where(total > 0.0, total / data.n, 1.0)))
    return out


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
