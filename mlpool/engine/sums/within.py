"""A second pass over the rows where clusters lie so far apart that sums have lost the residuals.

Sums of squares of y = b_j + e with a ratio SD(b)/SD(e) of r are r^2 times those of e, and what is
left of them has as many digits less: none at r = 1e8. So where the first pass finds that little is
left within clusters, the rows are read again and the sums made about every cluster's own
regression on Z, and about the regression on X within clusters, which takes a trend off that least
squares on all rows hardly sees.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlpool.engine.factorization.cluster_roots import Regressions, backward, without_rounding
from mlpool.engine.sums.cluster_sums import CrossProducts, distinct_rows, recentre
from mlpool.engine.sums.columns import Layout, Rows
from mlpool.engine.sums.trend import solve_scaled
from mlpool.typing import FloatArray, IntArray

LITTLE = 1e-5
"""Share of the response's squares left within clusters from which rows are read again: a ratio of
about 300, which costs five of sixteen digits."""
ROUNDING = 64 * float(np.finfo(float).eps)
"""Share of a column's length that is rounding of its numbers and of the clusters' means."""


def with_residuals(
    rows: Rows, sums: CrossProducts, kept: IntArray, batch_rows: int
) -> tuple[CrossProducts, Regressions | None]:
    """Return the sums with ``within`` made from rows where differences would lose the digits.

    Parameters
    ----------
    rows : Rows
    sums : CrossProducts
        Of these rows.
    kept : ndarray of int
        Columns of X that are estimated.
    batch_rows : int

    Returns
    -------
    sums : CrossProducts
    own : Regressions or None
        Of these sums, where they were made to look at.
    """
    own, y = Regressions.of(sums), sums.layout.y
    x = sums.layout.x[kept]
    if left_within(own.within[np.ix_([*x, y], [*x, y])]) > LITTLE * sums.total[y, y]:
        return sums, own
    sums = recentre(sums, _without_slopes(sums.layout, own.within, x))
    own = Regressions.of(sums)
    # Coefficients of the outer columns, (outer, J, k): rows gather those of their cluster.
    P = np.tensordot(own.columns.P, backward(own.F, own.H), axes=(1, 0)).swapaxes(1, 2)
    P = np.ascontiguousarray(P)
    within = np.zeros_like(sums.total)
    for U, codes in distinct_rows(rows, sums.layout, batch_rows):
        rest = U.copy()
        for a, coefficients in zip(sums.outer, P, strict=True):
            rest -= U[:, a, None] * coefficients[codes]
        within += rest.T @ rest
    return replace(sums, within=without_rounding(within, sums.total, ROUNDING**2)), None


def left_within(within: FloatArray) -> float:
    """Return what least squares leaves of y in sums (p + 1, p + 1) of [X y] within clusters."""
    slopes = solve_scaled(within[:-1, :-1], within[:-1, -1])
    return float(within[-1, -1] - slopes @ within[:-1, -1])


def _without_slopes(layout: Layout, within: FloatArray, x: IntArray) -> Layout:
    """Return the layout in which the regression within clusters is taken off the response, too."""
    x = x[np.diag(within)[x] > 0]
    trend = np.array(layout.trend) if layout.trend else np.zeros(layout.k)
    trend[x] += solve_scaled(within[np.ix_(x, x)], within[x, layout.y])
    return replace(layout, trend=tuple(trend.tolist()))
