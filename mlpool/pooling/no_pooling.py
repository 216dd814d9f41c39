"""No pooling: every group's own intercept (and slopes); the rest comes from within groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.engine.factorization.sweep import sweep
from mlpool.engine.pooling.absorbed_factor import WITHIN_DOUBTFUL, AbsorbedFit, fit_ols_absorbed
from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.columns import Rows
from mlpool.engine.types import ArrayRows
from mlpool.typing import BoolArray, FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel


@dataclass(frozen=True, kw_only=True)
class NoPooling:
    """Least squares with a coefficient of its own for every group.

    Attributes
    ----------
    fit : AbsorbedFit
    common : tuple of str
        Coefficients that all groups share.
    varying : tuple of str
        Coefficients of which every group has its own.
    left_out : tuple of str
        Coefficients that the groups determine: predictors constant within groups.
    levels : tuple of str
    loadings : ndarray of shape (J, q, number left out)
        What each column left out adds to a group's own coefficients, times its coefficient:
        ``x_d = Z_j loadings_j``.
    """

    fit: AbsorbedFit
    common: tuple[str, ...]
    varying: tuple[str, ...]
    left_out: tuple[str, ...]
    levels: tuple[str, ...]
    loadings: FloatArray

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return self.fit.sigma

    def shared(self) -> pd.DataFrame:
        """Return estimates and standard errors of the shared coefficients."""
        at = self.fit.cell_means().take(np.arange(len(self.common)))
        return pd.DataFrame(
            {"Estimate": self.fit.beta, "SE": self.fit.standard_errors(at)},
            index=list(self.common),
        )

    def own(self) -> tuple[FloatArray, FloatArray]:
        """Return each group's estimates and standard errors (J, q); NaN where it has none."""
        p, (J, q) = len(self.common), self.fit.effects.shape
        at = self.fit.cell_means()
        se = self.fit.standard_errors(at.take(np.arange(p, p + J * q)))
        return self.fit.effects, se.reshape(q, J).T


def fit_no_pooling(model: FittedModel) -> NoPooling:
    """Fit a mixed model's question without pooling.

    Parameters
    ----------
    model : LinearMixedModel
        With one grouping factor and a random intercept first.

    Raises
    ------
    FitError
        If no residual degrees of freedom are left.
    """
    design = model.design
    columns = np.hstack([r.z.rows(0, design.n) for r in design.random])
    varying = tuple(name for r in design.random for name in r.z.names)
    names = [design.X.names[i] for i in model.fit.kept]
    shared = [name for name in names if name not in varying]
    X = design.X.dense()[:, [design.X.names.index(name) for name in shared]]
    random = design.random[0]
    determined = _determined(X, columns, random, design.weights)
    common = tuple(n for n, out in zip(shared, determined, strict=True) if not out)
    fit = fit_ols_absorbed(
        design.y, ArrayRows(X[:, ~determined]), random.codes, len(random.levels),
        Z=ArrayRows(columns[:, 1:]) if columns.shape[1] > 1 else None,
        weights=design.weights, offset=design.offset,
    )  # fmt: skip
    left_out = tuple(n for n, out in zip(shared, determined, strict=True) if out)
    return NoPooling(
        fit=fit, common=common, varying=varying, left_out=left_out, levels=tuple(random.levels),
        loadings=_loadings(columns, X[:, determined], random),
    )  # fmt: skip


def _loadings(Z: FloatArray, X: FloatArray, random: Any) -> FloatArray:
    """Regress the columns that groups determine on the groups' own: exact by construction."""
    J, q, d = len(random.levels), Z.shape[1], X.shape[1]
    A, D = np.empty((J, q, q)), np.empty((J, q, d))
    for a in range(q):
        for b in range(q):
            A[:, a, b] = np.bincount(random.codes, Z[:, a] * Z[:, b], J)
        for b in range(d):
            D[:, a, b] = np.bincount(random.codes, Z[:, a] * X[:, b], J)
    size = np.sqrt(np.einsum("jaa->ja", A))
    size[size == 0.0] = 1.0
    unit = A / (size[:, :, None] * size[:, None, :])
    # a share of the largest eigenvalue of what has a unit diagonal
    inverse = np.linalg.pinv(unit, rcond=1e-12, hermitian=True) / size[:, None, :]
    return np.asarray((inverse @ D) / size[:, :, None])


def _determined(X: FloatArray, Z: FloatArray, random: Any, weights: Any) -> BoolArray:
    """Tell which columns of X the groups' own columns Z explain wholly."""
    if X.shape[1] == 0:
        return np.zeros(0, dtype=bool)
    rows = Rows(
        y=X[:, 0], X=ArrayRows(X), Z=(ArrayRows(Z),), codes=random.codes,
        n_levels=len(random.levels), weights=weights,
    )  # fmt: skip
    sums = CrossProducts.from_rows(rows)
    x = sums.layout.x
    solved = sweep(sums.block(sums.layout.z, sums.layout.z), sums.block(sums.layout.z, x))
    total = np.diag(sums.total)[x]
    left = total - np.diag(solved.explained)
    # the smallest number keeps a column of zeros below its own share: zero only
    return np.asarray(left <= WITHIN_DOUBTFUL * np.maximum(total, np.finfo(float).tiny))
