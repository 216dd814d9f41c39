"""Profile-likelihood intervals of a linear mixed model (lme4's ``confint(method = "profile")``).

For a parameter psi_i (a SD, a correlation, sigma or a fixed effect),
``zeta(x) = sign(x - psi_i) sqrt(D_i(x) - D)`` with D the minimal ML deviance and D_i(x) the
deviance minimised over all other parameters while psi_i = x; the interval is where
``|zeta| <= z_{(1 + level) / 2}``. SDs move on the log scale and correlations on Fisher's z scale,
where the inner minimisation is Fisher scoring:

    D(psi) = log|L|^2 + n log(2 pi sigma^2) + r^2(theta) / sigma^2
    dD/dpsi = J' dD/dphi,   E d2D/dpsi2 = J' (2 I_phi) J,   J = dphi/dpsi

References
----------
Bates, Maechler, Bolker & Walker (2015), J. Stat. Softw. 67(1), section 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from mlpool.engine.lmm import fit_at, fit_lmm
from mlpool.engine.types import ArrayRows, LmmData, LmmFit
from mlpool.errors import FitError, OptionError
from mlpool.inference.information import variance_information, vech_positions
from mlpool.inference.roots import solve_distance
from mlpool.typing import FloatArray

#: An SD of zero starts from this share of sigma; a correlation of one from this far below it.
_SMALLEST_SD, _NEAR_ONE = 1e-5, 1e-8
#: Logs of SD / sigma and Fisher z beyond which the search starts from `_INSIDE_SD` and 0.
_AT_ZERO, _AT_ONE, _INSIDE_SD = -6.0, 4.0, 0.3
#: Fisher z of the starts near a correlation of +-1.
_NEAR_EDGE = 2.5
#: A zeta this much lower from another start belongs to another minimum.
_OTHER_MINIMUM = 1e-4
_MAX_SCORING = 60
_MAX_HALVINGS = 25
_DEVIANCE_TOL = 1e-9
#: A promised fall of the deviance beyond this means that the minimum was not reached.
_STUCK = 1e-4
#: Bounds are found to this difference in zeta.
_ZETA_TOL = 1e-6
_BETTER_FIT = 1e-3
#: A covariance whose smallest eigenvalue is below this share of the largest is none.
_NEGATIVE = -1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileIntervals:
    """Profile-likelihood intervals.

    Attributes
    ----------
    places : tuple of (int, int, int)
        Term, row and column of each random parameter (row equals column: a SD, else a
        correlation); sigma is (-1, 0, 0).
    random : ndarray of shape (k, 2)
        Bounds of SDs, correlations and sigma, in the order of `places`.
    fixed : ndarray of shape (p, 2)
    """

    places: tuple[tuple[int, int, int], ...]
    random: FloatArray
    fixed: FloatArray


def profile_confint(data: LmmData, fit: LmmFit, level: float = 0.95) -> ProfileIntervals:
    """Profile-likelihood intervals of every parameter; a REML fit is refitted by ML, as in lme4.

    Parameters
    ----------
    data : LmmData
    fit : LmmFit
    level : float

    Returns
    -------
    ProfileIntervals
        A SD's lower bound is 0 and a correlation's bound -1 or 1 where the likelihood never falls
        far enough. NaN where three or more columns of a singular fit cannot move independently.

    Raises
    ------
    OptionError
        If `level` is not between 0 and 1.
    FitError
        If a better fit turns up on the way.
    """
    if not 0.0 < level < 1.0:
        raise OptionError(f"the confidence level must lie between 0 and 1; got {level!r}.")
    target = float(ndtri(0.5 * (1.0 + level)))
    ml = fit_lmm(data, reml=False) if fit.reml else fit
    surface = _Surface(data, ml)
    return ProfileIntervals(
        places=surface.places,
        random=_random_bounds(surface, ml, target),
        fixed=_fixed_bounds(data, ml, target),
    )


# --- fixed effects ------------------------------------------------------------------------------


def _fixed_bounds(data: LmmData, ml: LmmFit, target: float) -> FloatArray:
    """Refit with one column held: its part moves into the offset."""
    X = data.X.rows(0, data.n)[:, ml.kept]
    base = np.zeros(data.n) if data.offset is None else data.offset
    se = ml.sigma * np.sqrt(np.diag(ml.vcov_unscaled))
    out = np.empty((X.shape[1], 2))
    for i in range(X.shape[1]):
        others = ArrayRows(np.delete(X, i, axis=1))
        for side, sign in enumerate((-1.0, 1.0)):

            def zeta(
                t: float, i: int = i, sign: float = sign, others: ArrayRows = others
            ) -> tuple[float, float]:
                moved = base + (ml.beta[i] + sign * t) * X[:, i]
                held = fit_lmm(replace(data, X=others, offset=moved), reml=False)
                return _root(held.criterion - ml.criterion), np.nan

            distance = solve_distance(zeta, target, target * float(se[i]), _ZETA_TOL)
            out[i, side] = ml.beta[i] + sign * distance
    return out


# --- SDs, correlations and sigma ----------------------------------------------------------------


class _Surface:
    """The ML deviance, beta profiled out, as a function of psi = (log sd, atanh r, log sigma)."""

    def __init__(self, data: LmmData, ml: LmmFit) -> None:
        self._data = data
        self._sizes = [term.z.shape[1] for term in data.terms]
        self.places = (
            *((t, r, c) for t, size in enumerate(self._sizes) for r, c in vech_positions(size)),
            (-1, 0, 0),
        )
        weights = data.weights
        self._constant = 0.0 if weights is None else -float(np.log(weights).sum())

    def start(self, ml: LmmFit) -> FloatArray:
        """Return psi of the fit, moved off the boundary by a hair."""
        psi, theta_start = [], 0
        for size in self._sizes:
            order = vech_positions(size)
            lam = np.zeros((size, size))
            for i, place in enumerate(order):
                lam[place] = ml.theta[theta_start + i]
            theta_start += len(order)
            S = ml.sigma**2 * lam @ lam.T
            sd = np.maximum(np.sqrt(np.diag(S)), _SMALLEST_SD * ml.sigma)
            R = np.clip(S / np.outer(sd, sd), _NEAR_ONE - 1.0, 1.0 - _NEAR_ONE)
            psi += [np.log(sd[r]) if r == c else np.arctanh(R[r, c]) for r, c in order]
        return np.array([*psi, np.log(ml.sigma)])

    def natural(self, psi: FloatArray) -> FloatArray:
        """Return SDs, correlations and sigma."""
        is_cor = np.array([r != c for _, r, c in self.places])
        return np.where(is_cor, np.tanh(psi), np.exp(np.where(is_cor, 0.0, psi)))

    def way_inside(self, psi: FloatArray, i: int, sign: float) -> float:
        """Distance from the boundary to the middle of the range; 0 if psi_i is not at one.

        On the scales of psi the likelihood is flat near a zero SD and a correlation of +-1, so a
        search that starts there has to leap.
        """
        _, row, col = self.places[i]
        if row == col:
            middle = float(psi[-1]) + np.log(_INSIDE_SD)
            return middle - float(psi[i]) if sign > 0 and psi[i] < psi[-1] + _AT_ZERO else 0.0
        is_inwards = np.sign(psi[i]) != sign and abs(psi[i]) > _AT_ONE
        return float(abs(psi[i])) if is_inwards else 0.0

    def far_values(self, psi: FloatArray) -> list[tuple[int, float]]:
        """Return (index, value) of starts near the boundary: tiny SDs, correlations near +-1."""
        out: list[tuple[int, float]] = []
        for j, (_, row, col) in enumerate(self.places[:-1]):
            if row == col:
                out.append((j, float(psi[-1]) + _AT_ZERO))
            else:
                out += [(j, -_NEAR_EDGE), (j, _NEAR_EDGE)]
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
        return replace(fit_at(self._data, np.array(theta), reml=False), sigma=sigma)

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


def _random_bounds(surface: _Surface, ml: LmmFit, target: float) -> FloatArray:
    psi = surface.start(ml)
    fit = surface.fit(psi)
    if fit is None:
        raise FitError("the variance parameters of the fit are no covariance matrix.")
    lowest = surface.deviance(fit)
    _, hessian = surface.derivatives(psi, fit)
    spread = np.sqrt(2.0 * np.abs(np.diag(np.linalg.pinv(hessian, rcond=1e-10, hermitian=True))))
    out = np.empty((len(psi), 2))
    for i in range(len(psi)):
        for side, sign in enumerate((-1.0, 1.0)):
            path = _Path(surface, psi, i, sign, lowest)
            guess = target * min(max(float(spread[i]), 1e-3), 1.0)
            guess = max(guess, surface.way_inside(psi, i, sign))
            distance = solve_distance(path.zeta, target, guess, _ZETA_TOL)
            if np.isfinite(distance) and path.finds_lower(distance, target):
                distance = solve_distance(path.zeta, target, distance, _ZETA_TOL)
            moved = psi.copy()
            moved[i] += sign * distance
            out[i, side] = np.nan if path.is_blocked(target) else surface.natural(moved)[i]
    return out


class _Path:
    """One side of one parameter's profile; remembers where the others were."""

    def __init__(
        self, surface: _Surface, psi: FloatArray, i: int, sign: float, lowest: float
    ) -> None:
        self._surface, self._i, self._sign, self._lowest = surface, i, sign, lowest
        self._estimate = float(psi[i])
        self._last = psi.copy()
        self._highest = 0.0
        self._left_the_cone = self._is_stuck = self._is_thorough = False

    def is_blocked(self, target: float) -> bool:
        """Tell whether one parameter could not move, or the others could not follow it.

        With three or more columns, a singular fit lies on the edge of the correlation matrices.
        """
        is_short = self._left_the_cone and self._highest < target - 1e3 * _ZETA_TOL
        return is_short or self._is_stuck

    def finds_lower(self, t: float, target: float) -> bool:
        """Look for another minimum of the deviance from several starts, and go on so if there is.

        Where a SD is small, the deviance has minima at both ends of its correlations.
        """
        self._is_thorough = True
        self._is_thorough = self.zeta(t)[0] < target - _OTHER_MINIMUM
        return self._is_thorough

    def _starts(self, t: float) -> list[FloatArray]:
        psi = self._last.copy()
        psi[self._i] = self._estimate + self._sign * t
        if not self._is_thorough:
            return [psi]
        starts = [psi]
        for j, value in self._surface.far_values(psi):
            if j != self._i:
                start = psi.copy()
                start[j] = value
                starts.append(start)
        return starts

    def zeta(self, t: float) -> tuple[float, float]:
        """Return |zeta| and its derivative at distance t."""
        ends = [_minimise_others(self._surface, psi, self._i) for psi in self._starts(t)]
        psi, deviance, gradient, left = min(ends, key=lambda end: end[1])
        if not np.isfinite(deviance):
            self._left_the_cone = True
            return np.inf, np.nan
        self._last, self._is_stuck = psi, left > _STUCK
        root = _root(deviance - self._lowest)
        self._highest = max(self._highest, root)
        slope = self._sign * float(gradient[self._i])
        return root, slope / (2.0 * root) if root > 0.0 else np.nan


def _minimise_others(
    surface: _Surface, psi: FloatArray, i: int
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
    surface: _Surface, psi: FloatArray, step: FloatArray, deviance: float
) -> tuple[FloatArray, LmmFit, float] | None:
    for _ in range(_MAX_HALVINGS):
        fit = surface.fit(psi + step)
        if fit is not None:
            value = surface.deviance(fit)
            if value < deviance:
                return psi + step, fit, value
        step = 0.5 * step
    return None


def _lower_root(R: FloatArray, sd: FloatArray) -> FloatArray | None:
    """Lower-triangular root of ``diag(sd) R diag(sd)``; None if R is no correlation matrix."""
    values, vectors = np.linalg.eigh(R)
    if values[0] < _NEGATIVE * values[-1]:
        return None
    half = (sd[:, None] * vectors) * np.sqrt(np.maximum(values, 0.0))
    upper = np.linalg.qr(half.T)[1]
    return np.asarray((upper * np.where(np.diag(upper) < 0, -1.0, 1.0)[:, None]).T)


def _root(gain: float) -> float:
    if gain < -_BETTER_FIT:
        raise FitError(
            "profiling found a better solution than the estimate, so the fit had not converged; "
            "refit with a tighter tolerance before asking for profile intervals."
        )
    return float(np.sqrt(max(gain, 0.0)))
