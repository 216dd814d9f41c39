"""One side of one parameter's likelihood profile: bounds at any level, and points of the curve.

With D the deviance at the estimate and D(x) the deviance minimised over all other parameters while
this one is x, ``zeta(x) = sign(x - estimate) sqrt(D(x) - D)``: a straight line where the likelihood
is that of a normal distribution (Bates et al. 2015, J. Stat. Softw. 67(1), section 5.1).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from mlpool.errors import OptionError, brief
from mlpool.inference.profiles.likelihood_roots import solve_distance
from mlpool.typing import FloatArray

#: Bounds are found to this difference in zeta, whose unit is a standard deviation.
ZETA_TOL = 1e-6
#: Of the way to the end of the range: the end itself may be out of reach (a SD of zero).
LAST_SHARE = 0.995


def target_of(level: float) -> float:
    """Return the zeta at which an interval ends: z_{(1 + level) / 2}.

    Raises
    ------
    OptionError
        If `level` is not between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise OptionError(f"the confidence level must lie between 0 and 1; got {brief(level)}.")
    return float(ndtri(0.5 * (1.0 + level)))


class Side(ABC):
    """Values of a parameter below (sign -1) or above (+1) its estimate.

    Parameters
    ----------
    estimate : float
    sign : float
    """

    def __init__(self, estimate: float, sign: float) -> None:
        self.estimate, self.sign = estimate, sign
        self.seen: dict[float, float] = {}
        self._found: dict[float, float] = {}

    @abstractmethod
    def zeta(self, t: float) -> tuple[float, float]:
        """Return |zeta| at distance t and its derivative by t (NaN: unknown)."""

    @abstractmethod
    def value(self, t: float) -> float:
        """Return the parameter at distance t; at infinity the end of its range."""

    @abstractmethod
    def distance(self, value: float) -> float:
        """Return the distance at which the parameter has a value inside its range."""

    @abstractmethod
    def guess(self, target: float) -> float:
        """Return a first distance to try for a bound."""

    def bound(self, target: float) -> float:
        """Return where |zeta| reaches `target`: the end of the range where it never does.

        NaN where the likelihood cannot be followed that far.
        """
        if target not in self._found:
            self._found[target] = self.solve(target)
        return self._found[target]

    def solve(self, target: float) -> float:
        """Find the bound; see :meth:`bound`, which remembers it."""
        return self.value(solve_distance(self.watched, target, self.guess(target), ZETA_TOL))

    def watched(self, t: float) -> tuple[float, float]:
        """Return :meth:`zeta`, and remember the point."""
        root, slope = self.zeta(t)
        if np.isfinite(root):
            self.seen[self.value(t)] = root
        return root, slope

    def fill(self, end: float, n: int) -> None:
        """Evaluate n points evenly between the estimate and `end`."""
        for share in (*(np.arange(1, n) / n), LAST_SHARE):
            t = self.distance(self.estimate + float(share) * (end - self.estimate))
            if np.isfinite(t) and t > 0.0:
                self.watched(t)

    def points(self) -> tuple[FloatArray, FloatArray]:
        """Return the values visited, increasing, and their signed zeta."""
        order = sorted(self.seen)
        return np.array(order), self.sign * np.array([self.seen[v] for v in order])


class Line(Side):
    """A side along the parameter's own scale, to infinity."""

    def __init__(self, estimate: float, sign: float, se: float) -> None:
        super().__init__(estimate, sign)
        self._se = se if np.isfinite(se) and se > 0.0 else 1.0

    def value(self, t: float) -> float:
        """Return the parameter at distance t."""
        return float(self.estimate + self.sign * t)

    def distance(self, value: float) -> float:
        """Return how far a value is."""
        return float(self.sign * (value - self.estimate))

    def guess(self, target: float) -> float:
        """Return the Wald interval's distance."""
        return target * self._se


@dataclass(frozen=True, slots=True)
class Curve:
    """Both sides of one parameter's profile."""

    low: Side
    high: Side

    @property
    def estimate(self) -> float:
        """The maximum-likelihood estimate."""
        return self.low.estimate

    def bounds(self, target: float) -> tuple[float, float]:
        """Return where zeta is -target and +target."""
        return self.low.bound(target), self.high.bound(target)

    def points(self, target: float, n: int) -> tuple[FloatArray, FloatArray]:
        """Return values and zeta, n or more on each side up to `target`."""
        values, zetas = [np.array([self.estimate])], [np.zeros(1)]
        for side in (self.low, self.high):
            end = side.bound(target)
            if not np.isfinite(end):
                own, _ = side.points()
                end = _furthest(own, side.estimate)
            if end != side.estimate:
                side.fill(end, n)
            own, zeta = side.points()
            is_near = np.abs(zeta) <= target + 10.0 * ZETA_TOL
            values.append(own[is_near])
            zetas.append(zeta[is_near])
        x, z = np.concatenate(values), np.concatenate(zetas)
        order = np.argsort(x, kind="stable")
        return x[order], z[order]


def _furthest(values: FloatArray, estimate: float) -> float:
    return float(values[np.argmax(np.abs(values - estimate))]) if len(values) else estimate
