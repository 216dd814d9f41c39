"""What a residual covariance says about rows: random effects and normalized residuals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.residual.correlations import pair_numbers
from mlpool.engine.residual.criterion import ResidualCriterion, covariances_of
from mlpool.engine.residual.patterns import blocks_of, by_size
from mlpool.typing import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RandomEffects:
    """Conditional modes and covariances given beta.

    Attributes
    ----------
    b : tuple of ndarray (n_levels, q_t)
    cond_cov : tuple of ndarray (n_levels, q_t, q_t)
        In units of the working sigma^2.
    """

    b: tuple[FloatArray, ...]
    cond_cov: tuple[FloatArray, ...]


def random_effects(
    criterion: ResidualCriterion, psi: FloatArray, residual: FloatArray
) -> RandomEffects:
    """Return ``b = lambda lambda' Z'H^-1 (y - X beta)`` of all terms and Var(b | y).

    Parameters
    ----------
    criterion : ResidualCriterion
    psi : ndarray (k,)
    residual : ndarray (n,)
        y - X beta.
    """
    data, columns = criterion.data, criterion.columns
    theta = criterion.split(psi)[0]
    sigmas = [lam @ lam.T for lam in criterion.template.matrices(theta)]
    sums = [np.zeros((t.n_levels, z.shape[1])) for t, z in zip(data.terms, columns.z, strict=True)]
    squares = [np.zeros((t.n_levels, *[z.shape[1]] * 2))
               for t, z in zip(data.terms, columns.z, strict=True)]  # fmt: skip
    for rows, H in covariances_of(criterion, psi):
        inverse = np.linalg.inv(H)
        w = np.einsum("jab,jb->ja", inverse, residual[rows])
        for t, (term, z) in enumerate(zip(data.terms, columns.z, strict=True)):
            level, own = term.codes[rows], z[rows]
            np.add.at(sums[t], level, own * w[:, :, None])
            alike = level[:, :, None] == level[:, None, :]
            part = np.einsum("jab,jbq->jaq", inverse * alike, own)
            np.add.at(squares[t], level, own[:, :, :, None] * part[:, :, None, :])
    modes, covariances = [], []
    for sigma, own, square, back in zip(sigmas, sums, squares, columns.back_z, strict=True):
        modes.append(own @ sigma @ back.T)
        shrunk = sigma - sigma @ square @ sigma
        covariances.append(back @ shrunk @ back.T)
    return RandomEffects(b=tuple(modes), cond_cov=tuple(covariances))


def normalized_residuals(
    criterion: ResidualCriterion, psi: FloatArray, residual: FloatArray
) -> FloatArray:
    """Return L^-1 (y - fitted) (n,) with the lower Cholesky factor of Var(e) / sigma^2.

    Within a level the rows are taken in the order of the data, whatever order the levels are in.
    """
    rows_of = criterion.data.correlated
    _, phi, delta = criterion.split(psi)
    sd = np.exp(criterion.variances.log_sd(delta))[criterion.variances.classes]
    out = residual / sd
    if rows_of is None or criterion.structure is None:
        return np.asarray(out)
    table = criterion.structure.table(phi)
    blocks = blocks_of([rows_of.codes], len(residual))
    for rows in by_size(blocks, np.argsort(blocks, kind="stable")):
        R = table[_all_pairs(criterion, rows)]
        out[rows] = np.linalg.solve(np.linalg.cholesky(R), out[rows][:, :, None])[:, :, 0]
    return np.asarray(out)


def _all_pairs(criterion: ResidualCriterion, rows: IntArray) -> IntArray:
    assert criterion.structure is not None and criterion.data.correlated is not None
    same = np.ones((len(rows), rows.shape[1], rows.shape[1]), dtype=bool)
    return pair_numbers(criterion.structure, criterion.data.correlated.points[rows], same)
