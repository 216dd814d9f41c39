"""Likelihood profiles of a generalised linear mixed model (lme4's ``profile`` of a ``glmer`` fit).

Every point minimises the deviance over the other parameters: see :mod:`glmm_paths`. SDs move on the
log scale below the estimate, correlations on Fisher's z scale.

References
----------
Bates, Maechler, Bolker & Walker (2015), J. Stat. Softw. 67(1), section 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.glmm.types import GlmmData, GlmmFit
from mlpool.engine.types import Control
from mlpool.errors import FitError, NotSupportedError
from mlpool.inference.profiles.glmm_paths import (
    CorrelationPath,
    FixedPath,
    Minimum,
    Model,
    Path,
    SdPath,
    SigmaPath,
)
from mlpool.inference.profiles.likelihood_roots import solve_distance
from mlpool.inference.profiles.lmm_surface import root_of
from mlpool.inference.profiles.profile_side import ZETA_TOL, Curve, Side
from mlpool.inference.small_sample.information import vech_positions
from mlpool.typing import FloatArray

#: SDs below this share of their standard error are zero; a correlation of one starts this far
#: below it.
_ZERO_SD, _NEAR_ONE = 1e-6, 1e-6
#: Fisher z: a Wald distance is rarely known, and beyond `_AT_ONE` the search leaps to the middle.
_FIRST_Z, _AT_ONE = 0.5, 4.0
#: Differences along a path, whose values follow the distance smoothly: relative to the distance.
_SHARE = 1e-5
#: A zeta this far below the target is no bound: the path ended.
_SHORT = 1e-3


@dataclass(frozen=True, slots=True)
class GlmmCurves:
    """The profiles of every parameter: SDs and correlations, sigma if there is one, coefficients.

    Attributes
    ----------
    places : tuple of (int, int, int)
        Term, row and column of each of `random`; sigma is (-1, 0, 0).
    random, fixed : tuple of Curve
    """

    places: tuple[tuple[int, int, int], ...]
    random: tuple[Curve, ...]
    fixed: tuple[Curve, ...]


def glmm_curves(data: GlmmData, fit: GlmmFit, control: Control) -> GlmmCurves:
    """Return the profiles of every parameter.

    Parameters
    ----------
    data : GlmmData
    fit : GlmmFit
    control : Control

    Raises
    ------
    NotSupportedError
        For ``nAGQ = 0``, whose coefficients do not minimise the deviance.
    """
    if fit.n_quadrature == 0:
        raise NotSupportedError(
            "profiles need a maximum of the likelihood, which nAGQ=0 does not reach; fit with "
            "nAGQ=1."
        )
    sizes = tuple(term.z.shape[1] for term in data.terms)
    plain = Model(data, fit, control, {})

    def reordered(t: int, first: list[int]) -> Model:
        order = first + [c for c in range(sizes[t]) if c not in first]
        is_same = order == list(range(sizes[t]))
        return plain if is_same else Model(data, fit, control, {t: order})

    sds = {
        (t, row): _sd_curve(reordered(t, [row]), t)
        for t, size in enumerate(sizes)
        for row in range(size)
    }
    places: list[tuple[int, int, int]] = []
    random: list[Curve] = []
    for t, size in enumerate(sizes):
        for row, column in vech_positions(size):
            places.append((t, row, column))
            if row == column:
                random.append(sds[t, row])
            else:
                both = sds[t, row].low, sds[t, column].low
                random.append(_cor_curve(reordered(t, [column, row]), t, both))
    if data.family.has_dispersion:
        places.append((-1, 0, 0))
        random.append(_sigma_curve(plain))
    fixed = tuple(_fixed_curve(plain, i) for i in range(len(fit.beta)))
    return GlmmCurves(tuple(places), tuple(random), fixed)


# --- sides --------------------------------------------------------------------------------------


class GlmmSide(Side):
    """One side of a profile; remembers where the others were.

    Parameters
    ----------
    model : Model
    path : callable
    estimate, sign : float
    """

    def __init__(self, model: Model, path: Path, estimate: float, sign: float) -> None:
        super().__init__(estimate, sign)
        self._model, self._path = model, path
        self._last: FloatArray | None = None
        self._highest, self._ended = 0.0, False

    def zeta(self, t: float) -> tuple[float, float]:
        """Return |zeta| at distance t."""
        _, x, _, lowest, _ = self._model.made
        value = self.value(t)
        start = self._last
        if start is None:
            x0, N = self._path(self.inside)
            size = np.linalg.norm(N, axis=0)
            # columns of length one: the cut-off is a share without units
            start = np.asarray(np.linalg.lstsq(N / size, x - x0, rcond=None)[0] / size)
        try:
            found = self._model.minimum(self._path, value, start)
        except (FitError, np.linalg.LinAlgError):
            self._ended = True
            return np.inf, np.nan
        if not self._path.holds(value, found.z):
            self._ended = True
            return np.inf, np.nan
        self._ended = self._ended or not found.converged
        self._last = found.z
        root = root_of(found.deviance - lowest)
        self._highest = max(self._highest, root)
        return root, self._slope(t, found) / (2.0 * root) if root > 0.0 else np.nan

    @property
    def inside(self) -> float:
        """The estimate, moved off the end of its range by a hair."""
        return self.estimate

    def _slope(self, t: float, found: Minimum) -> float:
        """Return dD/dt: how x moves while z stays."""
        h = _SHARE * t
        ends = [self._path(self.value(s)) for s in (t - h, t + h)]
        (x1, N1), (x2, N2) = ends
        moved = (x2 - x1) + (N2 - N1) @ found.z
        return float(found.gradient @ moved) / (2.0 * h)

    def solve(self, target: float) -> float:
        """Find the bound; NaN where the likelihood cannot be followed so far.

        A coefficient that runs to infinity has none on that side: a step changes nothing there.
        """
        first = self.guess(target)
        if self._path.is_flat and not self.zeta(first)[0] > _SHORT:
            return self.value(np.inf)
        distance = solve_distance(self.watched, target, self.guess(target), ZETA_TOL)
        is_short = self._ended and self._highest < target - _SHORT
        return float("nan") if is_short else self.value(distance)


class GlmmLine(GlmmSide):
    """A coefficient, or a SD above its estimate."""

    def value(self, t: float) -> float:
        """Return the parameter at distance t."""
        return float(self.estimate + self.sign * t)

    def distance(self, value: float) -> float:
        """Return how far a value is."""
        return float(self.sign * (value - self.estimate))

    def guess(self, target: float) -> float:
        """Return the Wald interval's distance; of a coefficient near infinity that to zero."""
        se = self._path.se()
        distance = target * (se if np.isfinite(se) and se > 0.0 else 1.0)
        is_inwards = self._path.is_flat and self.sign * self.estimate < 0.0
        return max(distance, abs(self.estimate)) if is_inwards else distance


class SdBelow(GlmmLine):
    """A SD below its estimate, on the log scale: zero is infinitely far."""

    def value(self, t: float) -> float:
        """Return the SD at distance t."""
        return float(self.estimate * np.exp(-t))

    def distance(self, value: float) -> float:
        """Return the distance of a SD."""
        return float(np.log(self.estimate / value)) if value > 0.0 else np.inf

    def guess(self, target: float) -> float:
        """Return the Wald distance, at most one."""
        return min(super().guess(target) / self.estimate, 1.0)

    def solve(self, target: float) -> float:
        """Find the bound: zero for a SD of zero."""
        is_zero = not self.estimate > _ZERO_SD * self._path.se()
        return 0.0 if is_zero else super().solve(target)


class Correlation(GlmmSide):
    """A correlation, on Fisher's z scale.

    Where one of its SDs may be zero, so may every correlation be: the likelihood of a SD of zero
    is the least that any correlation has.

    Parameters
    ----------
    model, path, estimate, sign
        As :class:`GlmmSide`.
    sds : pair of Side
        The SDs' sides towards zero.
    """

    def __init__(
        self, model: Model, path: Path, estimate: float, sign: float, sds: tuple[Side, Side]
    ) -> None:
        super().__init__(model, path, estimate, sign)
        self._sds = sds

    @property
    def inside(self) -> float:
        """The correlation, off +-1."""
        return float(np.clip(self.estimate, _NEAR_ONE - 1.0, 1.0 - _NEAR_ONE))

    def value(self, t: float) -> float:
        """Return the correlation at distance t."""
        return float(np.tanh(np.arctanh(self.inside) + self.sign * t))

    def distance(self, value: float) -> float:
        """Return the distance of a correlation."""
        with np.errstate(divide="ignore"):
            return float(self.sign * (np.arctanh(value) - np.arctanh(self.inside)))

    def guess(self, target: float) -> float:
        """Return a first step, or a leap away from +-1."""
        at = float(np.arctanh(self.inside))
        is_inwards = np.sign(at) != self.sign and abs(at) > _AT_ONE
        return abs(at) if is_inwards else target * _FIRST_Z

    def solve(self, target: float) -> float:
        """Find the bound: the end of the range where a SD may be zero."""
        if any(side.bound(target) == 0.0 for side in self._sds):
            return self.sign
        return super().solve(target)


# --- curves -------------------------------------------------------------------------------------


def _sd_curve(model: Model, term: int) -> Curve:
    path, sd = SdPath(model, term), abs(float(model.factors[term][0, 0]))
    return Curve(SdBelow(model, path, sd, -1.0), GlmmLine(model, path, sd, 1.0))


def _cor_curve(model: Model, term: int, sds: tuple[Side, Side]) -> Curve:
    path, lam = CorrelationPath(model, term), model.factors[term]
    sd = float(np.hypot(lam[1, 0], lam[1, 1]))
    r = float("nan")
    if min(sd, abs(lam[0, 0])) > 0.0:
        r = float(np.sign(lam[0, 0]) * lam[1, 0] / sd)
    low, high = (Correlation(model, path, r, sign, sds) for sign in (-1.0, 1.0))
    return Curve(low, high)


def _sigma_curve(model: Model) -> Curve:
    path, sigma = SigmaPath(model), float(np.sqrt(model.dispersion))
    return Curve(SdBelow(model, path, sigma, -1.0), GlmmLine(model, path, sigma, 1.0))


def _fixed_curve(model: Model, i: int) -> Curve:
    path, beta = FixedPath(model, i), float(model.beta[i])
    return Curve(GlmmLine(model, path, beta, -1.0), GlmmLine(model, path, beta, 1.0))
