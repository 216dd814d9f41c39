"""Rows freed of their residual correlation and unequal variances: an ordinary model again.

With Var(e) = sigma^2 D R D and R = L L' within every group, the rows ``L^-1 D^-1 W`` have residuals
that are independent and of variance sigma^2 (Pinheiro & Bates 2000, section 5.1.2), so that hat
matrices, leverages and tests of ordinary models serve them.
"""

from __future__ import annotations

import numpy as np

from mlpool.engine.residual.rows import residual_correlations
from mlpool.engine.residual.types import ResidualData, ResidualFit
from mlpool.engine.types import ArrayRows, LmmData, ReTerm
from mlpool.errors import NotSupportedError
from mlpool.typing import FloatArray

_MOST_NUMBERS = 500_000_000
"""Of whitened columns, which exist as a whole: 4 GB."""


def whitened(data: ResidualData, fit: ResidualFit, columns: FloatArray) -> FloatArray:
    """Return ``L^-1 D^-1 columns`` (n, k), in units of each row's residual standard deviation."""
    out = np.asarray(columns / fit.scale[:, None])
    for rows, R in residual_correlations(data, fit):
        out[rows] = np.linalg.solve(np.linalg.cholesky(R), out[rows])
    return out


def normalized_residuals(data: ResidualData, fit: ResidualFit) -> FloatArray:
    """Return L^-1 D^-1 (y - fitted) (n,) with the lower Cholesky factor of the correlations.

    Within a level the rows are taken in the order of the data, whatever order the levels are in.
    """
    return whitened(data, fit, (data.y - fit.fitted)[:, None])[:, 0]


def whitened_data(data: ResidualData, fit: ResidualFit) -> LmmData:
    """Return the rows of an ordinary linear mixed model with the same sigma and theta.

    Raises
    ------
    NotSupportedError
        If correlated rows belong to several levels of a random effect, whose columns would mix; or
        if the whitened columns are too many to be made.
    """
    n, (_, p) = data.n, data.X.shape
    if n * p > _MOST_NUMBERS:
        raise NotSupportedError(
            f"{n} rows of {p} columns are too many to be freed of their residual correlation."
        )
    terms = []
    for term in data.terms:
        _check_nested(data, term)
        z = fit.sigma * whitened(data, fit, term.z.rows(0, n))
        terms.append(
            ReTerm(z=ArrayRows(z), codes=term.codes, n_levels=term.n_levels, factor=term.factor)
        )
    return LmmData(
        y=fit.sigma * whitened(data, fit, data.y[:, None])[:, 0],
        X=ArrayRows(fit.sigma * whitened(data, fit, data.X.rows(0, n))),
        terms=tuple(terms),
    )


def _check_nested(data: ResidualData, term: ReTerm) -> None:
    if data.correlated is None:
        return
    groups = data.correlated.codes
    first = np.zeros(int(groups.max()) + 1, dtype=np.int64)
    first[groups] = term.codes
    if np.any(first[groups] != term.codes):
        raise NotSupportedError(
            "Rows with correlated residuals belong to several levels of a random effect, so "
            "leverages and tests that need them are not there; correlate the residuals within the "
            "levels of every grouping factor."
        )
