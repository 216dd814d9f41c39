"""Standard errors of group coefficients, fixed plus random: R's ``coef(m)`` has none.

With B = D Z'V^-1 X (D the random effects' covariance), the total ``l'beta + m'b`` is predicted with

    Var(l'(beta^ - beta) + m'(b^ - b)) = m'C m + (l - B'm)' Var(beta^) (l - B'm)

where C is the conditional covariance of b given the data at known beta.

References
----------
Henderson (1975), Biometrics 31, 423-447; Searle, Casella & McCulloch (1992), Variance Components,
section 7.4. The variance parameters count as known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlpool.inference.mixed_sandwich import score_rows
from mlpool.inference.sums import relative_factors
from mlpool.models.covariance import model_vcov
from mlpool.models.data import as_lmm_data
from mlpool.typing import FloatArray


def total_standard_errors(
    m: Any, directions: Mapping[tuple[str, str], FloatArray] | None = None
) -> dict[str, pd.DataFrame]:
    """Return the standard errors of fixed plus random effects of every level.

    Parameters
    ----------
    m : LinearMixedModel
    directions : mapping from (group, column) to ndarray of shape (J, p), optional
        What of beta a level's total holds; by default the fixed effect of the same name.

    Returns
    -------
    dict of DataFrame
        Per grouping factor: levels x columns with random effects. A column that is no fixed
        effect has the standard error of its random effect's prediction.

    Raises
    ------
    NotSupportedError
        If several grouping factors have more than 20,000 random effects together.
    """
    data, fit = as_lmm_data(m.design), m.fit
    inverse_rows, _ = score_rows(data, fit)
    covariances = fit.cond_cov() if callable(fit.cond_cov) else fit.cond_cov
    of_beta, names, given = model_vcov(m), m.names, directions or {}
    root = None if data.weights is None else np.sqrt(data.weights)
    out: dict[str, pd.DataFrame] = {}
    factors = relative_factors(data, fit)
    for random, lam, conditional in zip(m.design.random, factors, covariances, strict=True):
        z = random.z.rows(0, data.n)
        z = z if root is None else root[:, None] * z
        levels, k = len(random.levels), z.shape[1]
        products = _products(random.codes, levels, z, inverse_rows)
        # cond_cov and vcov are in the response's units, V^-1 X in their inverse
        shrunk = fit.sigma**2 * np.einsum("ab,jbp->jap", lam @ lam.T, products)
        se = np.empty((levels, k))
        for c, name in enumerate(random.z.names):
            direction = -shrunk[:, c]
            if (random.group, name) in given:
                direction = direction + given[random.group, name]
            elif name in names:
                direction[:, names.index(name)] += 1.0
            fixed = np.einsum("ja,ab,jb->j", direction, of_beta, direction)
            se[:, c] = np.sqrt(np.maximum(conditional[:, c, c] + fixed, 0.0))
        frame = pd.DataFrame(se, index=pd.Index(random.levels), columns=list(random.z.names))
        known = out.get(random.group)
        out[random.group] = frame if known is None else pd.concat([known, frame], axis=1)
    return out


def _products(codes: Any, levels: int, z: FloatArray, rows: FloatArray) -> FloatArray:
    """Return ``Z_j' rows_j`` of every level (J, k, p)."""
    out = np.empty((levels, z.shape[1], rows.shape[1]))
    for a in range(z.shape[1]):
        for b in range(rows.shape[1]):
            out[:, a, b] = np.bincount(codes, z[:, a] * rows[:, b], levels)
    return out
