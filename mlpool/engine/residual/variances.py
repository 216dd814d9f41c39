"""Standard deviations of residuals as functions of delta, on rows and on classes of equal rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.residual.correlations import STEP
from mlpool.engine.residual.types import UnequalRows
from mlpool.typing import AnyArray, FloatArray, IntArray

_NOTHING = 10.0
"""Logarithm of a ratio of 5e-5, which is seen in no deviance."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variances:
    """``log d`` of the distinct kinds of rows.

    Loadings are centred and scaled, which takes the covariates' units out of the search; sigma then
    belongs to a row with average loadings.

    Attributes
    ----------
    loadings : ndarray (C, r)
        Centred and in units of their SDs.
    powers : ndarray (C,) or None
    centre, units : ndarray (r,)
    classes : ndarray of int (n,)
    """

    loadings: FloatArray
    powers: FloatArray | None
    centre: FloatArray
    units: FloatArray
    classes: IntArray

    @property
    def n_parameters(self) -> int:
        """Length of delta."""
        return int(self.loadings.shape[1]) + (0 if self.powers is None else 2)

    def log_sd(self, delta: AnyArray) -> AnyArray:
        """Return log d (C,) of every class; delta may be complex."""
        r = self.loadings.shape[1]
        out = self.loadings @ delta[:r]
        if self.powers is not None:
            out = out + np.log(np.exp(delta[r]) + np.exp(delta[r + 1] * np.log(self.powers)))
        return out

    def derivatives(self, delta: FloatArray) -> FloatArray:
        """Return d log d / d delta (n_parameters, C)."""
        rows = [self.log_sd(delta + 1j * STEP * unit).imag / STEP for unit in np.eye(len(delta))]
        return np.array(rows).reshape(len(delta), -1)

    def natural(self, delta: AnyArray) -> AnyArray:
        """Return delta of the loadings as they were given; constants stay logarithms."""
        r = self.loadings.shape[1]
        return np.append(delta[:r] / self.units, delta[r:])

    def log_centre(self, delta: AnyArray) -> AnyArray:
        """Return log d of a row whose loadings as given are zero."""
        return -(self.centre / self.units) @ delta[: len(self.units)]

    def lost_constant(self, delta: FloatArray) -> bool:
        """Tell whether const of ``const + |x|^power`` is nothing beside the powers, or all."""
        if self.powers is None:
            return False
        r = self.loadings.shape[1]
        share = delta[r] - delta[r + 1] * np.log(self.powers)
        return bool(share.max() < -_NOTHING or share.min() > _NOTHING)

    def start(self) -> FloatArray:
        """Return delta of equal standard deviations (a constant beside |x|^0.5)."""
        own = np.zeros(self.loadings.shape[1])
        return own if self.powers is None else np.append(own, [0.0, 0.5])


def variances_of(rows: UnequalRows | None, n: int) -> Variances:
    """Return what tells the classes of rows apart, in units of its spread over the rows."""
    if rows is None or not rows.n_parameters:
        return Variances(
            loadings=np.zeros((1, 0)), powers=None, centre=np.zeros(0), units=np.zeros(0),
            classes=np.zeros(n, dtype=np.int64),
        )  # fmt: skip
    counts = np.bincount(rows.classes, minlength=len(rows.loadings)) / n
    centre = counts @ rows.loadings
    spread = np.sqrt(counts @ (rows.loadings - centre) ** 2)
    units = np.where(spread > 0, spread, 1.0)
    return Variances(
        loadings=(rows.loadings - centre) / units,
        powers=None if rows.powers is None else np.abs(rows.powers),
        centre=centre,
        units=units,
        classes=rows.classes,
    )
