"""Profile likelihoods of models with a residual covariance, on the scales of nlme's intervals.

With ``D(z)`` the ML deviance as a function of z = (psi, log sigma^2), beta profiled out, and
``g_i(z)`` parameter i on nlme's scale, the profile is

    D_i(c) = min D(z) subject to g_i(z) = c,

and a bound is where ``sign(c - g_i) sqrt(D_i(c) - D)`` is a normal quantile. Constrained minima are
found by Newton steps on the Lagrangian (Nocedal & Wright 2006, Numerical Optimization, section
18.1), each from the last one. Coefficients: column j leaves X, ``c x_j`` is taken off y, and D is
minimised over what is left.

References
----------
Venzon & Moolgavkar (1988), Applied Statistics 37, 87-94; Bates et al. (2015), JSS 67(1), section
5.1 (signed roots of ML deviances).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from mlpool.engine.residual.fit import criterion_of
from mlpool.engine.residual.search import minimise
from mlpool.engine.residual.types import ResidualData, ResidualFit
from mlpool.engine.types import ArrayRows, Control
from mlpool.errors import FitError
from mlpool.inference.residual.information import wald_scale_of
from mlpool.typing import FloatArray

_STEP = 1e-5
"""Step of central differences in z, which has no unit: half the digits of exact gradients."""
_WIDE = 1e-2
"""Step of second differences of closed formulas, which steer steps and move no minimum."""
_SETTLED = 1e-7
"""Newton step in z, which has no unit: its square is what a deviance per row is off."""
_CLOSE = 1e-7
"""Error of a bound as a share of the standard error, about."""
_GROWTH = 1.6
_MOST = 20
"""Steps of a search: Newton's need a handful, growing ones pass 1e7 standard errors."""


class CovarianceProfiles:
    """Profiles of the parameters of a covariance.

    Parameters
    ----------
    data : ResidualData
    fit : ResidualFit
        Where the search by ML starts.
    control : Control
    """

    def __init__(self, data: ResidualData, fit: ResidualFit, control: Control) -> None:
        self._criterion = criterion_of(data, reml=False)
        psi = minimise(self._criterion, [fit.parameters], control).end
        at = self._criterion.evaluate(psi)
        log_variance = np.log(self._criterion.columns.unit**2 * at.pwrss / self._criterion.m)
        self._best, self._deviance = np.append(psi, log_variance), float(at.value)

    @property
    def estimates(self) -> FloatArray:
        """ML estimates on nlme's scales (r,), in the order of ``WaldScale``."""
        return self._scales(self._best)

    def bounds(self, i: int, quantile: float, se: float) -> tuple[float, float]:
        """Return where the signed root of parameter i is -+ `quantile`; infinite if nowhere."""
        start = float(self.estimates[i])
        step = quantile * (se if np.isfinite(se) and se > 0.0 else 1.0)
        low, high = (self._bound(i, start, quantile, sign * step) for sign in (-1.0, 1.0))
        return low, high

    def _bound(self, i: int, start: float, quantile: float, step: float) -> float:
        seen = {start: self._best}
        bend = _differences(
            lambda at: _differences(lambda to: self._scales(to)[i : i + 1], at, _STEP)[:, 0],
            self._best, _WIDE,
        )  # fmt: skip

        def root(c: float) -> float:
            near = seen[min(seen, key=lambda known: abs(known - c))]
            seen[c], deviance = self._held(i, c, near, bend)
            return float(np.sqrt(max(deviance - self._deviance, 0.0)))

        return crossing(root, start, quantile, step)

    def _scales(self, z: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return wald_scale_of(self._criterion, z[:-1], float(z[-1]))

    def _held(self, i: int, c: float, z: FloatArray, bend: FloatArray) -> tuple[FloatArray, float]:
        """Return where the deviance is smallest with parameter i at c, and how small it is.

        `bend` are second derivatives of the parameter near by: they and the Hessian, which is
        made anew every third step, decide how fast steps get there, not where.
        """
        multiplier, H = 0.0, np.empty((0, 0))
        for count in range(_MOST):
            gradient, _ = self._first(z)
            slope = _differences(lambda at: self._scales(at)[i : i + 1], z, _STEP)[:, 0]
            if count % 3 == 0:
                H = _differences(lambda at: self._first(at)[0], z, _STEP)
            along = _solve(H - multiplier * bend, np.column_stack([gradient, slope]))
            off = c - float(self._scales(z)[i])
            multiplier = float((off + slope @ along[:, 0]) / (slope @ along[:, 1]))
            move = multiplier * along[:, 1] - along[:, 0]
            size = float(np.abs(move).max())
            z = z + move * min(1.0, 1.0 / size if size > 0.0 else 1.0)
            if size < _SETTLED:
                break
        return z, self._first(z)[1]

    def _first(self, z: FloatArray) -> tuple[FloatArray, float]:
        """Return the gradient and the value of D(psi, log sigma^2)."""
        criterion, s = self._criterion, float(z[-1])
        at = criterion.evaluate(z[:-1], s)
        squares = criterion.columns.unit**2 * np.exp(-s) * at.pwrss
        return np.append(at.gradient, criterion.m - squares), float(at.value)


def coefficient_bounds(
    data: ResidualData, fit: ResidualFit, control: Control, quantile: float
) -> FloatArray:
    """Return the profile bounds (p, 2) of the coefficients."""
    X = data.X.rows(0, data.n)[:, fit.kept]
    whole = criterion_of(data, reml=False)
    best = minimise(whole, [fit.parameters], control)
    beta = whole.beta(whole.evaluate(best.end).S)[0]
    out = np.empty((len(beta), 2))
    for j, start in enumerate(beta):
        held = _Held(data, X, j, control, best.end, best.criterion)
        step = quantile * fit.sigma * float(np.sqrt(fit.vcov_unscaled[j, j]))
        out[j] = [crossing(held, float(start), quantile, sign * step) for sign in (-1.0, 1.0)]
    return out


@dataclass(slots=True)
class _Held:
    """The root of what the deviance rises by if coefficient j is held."""

    data: ResidualData
    X: FloatArray
    j: int
    control: Control
    psi: FloatArray
    deviance: float

    def __call__(self, c: float) -> float:
        """Return the root at c."""
        others = ArrayRows(np.delete(self.X, self.j, axis=1))
        data = replace(self.data, y=self.data.y - c * self.X[:, self.j], X=others)
        found = minimise(criterion_of(data, reml=False), [self.psi], self.control)
        self.psi = found.end
        return float(np.sqrt(max(found.criterion - self.deviance, 0.0)))


def crossing(root: Callable[[float], float], start: float, quantile: float, step: float) -> float:
    """Return where a profile's root, zero at `start`, is `quantile` on the side of `step`.

    Infinite where it stays below it, or the criterion ends first.
    """
    inside, outside = start, start + step
    known = {start: 0.0}

    def height(c: float) -> float:
        if c not in known:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                known[c] = root(c)
            if not np.isfinite(known[c]):
                raise FloatingPointError
        return known[c]

    try:
        for _ in range(_MOST):
            if height(outside) >= quantile:
                break
            inside, outside = outside, outside + _GROWTH * (outside - start)
            if not np.isfinite(outside):
                return float(np.copysign(np.inf, step))
        else:
            return float(np.copysign(np.inf, step))
        width = abs(outside - inside)
        # relative to the width of the bracket: a share without units
        return float(brentq(lambda c: height(c) - quantile, inside, outside, xtol=_CLOSE * width))
    except (np.linalg.LinAlgError, FitError, FloatingPointError):
        return float(np.copysign(np.inf, step))


def _differences(
    function: Callable[[FloatArray], FloatArray], at: FloatArray, step: float
) -> FloatArray:
    """Return central differences (k, r) of a function of k numbers."""
    rows = [
        (function(at + step * u) - function(at - step * u)) / (2 * step) for u in np.eye(len(at))
    ]
    return np.array(rows)


def _solve(H: FloatArray, right: FloatArray) -> FloatArray:
    """Solve with the nearest matrix whose curvature is positive: downhill in every direction."""
    values, vectors = np.linalg.eigh(0.5 * (H + H.T))
    # relative to the largest curvature: a share without units
    least = np.finfo(np.float64).eps * float(np.abs(values).max())
    return np.asarray(vectors @ ((vectors.T @ right) / np.maximum(np.abs(values), least)[:, None]))
