"""What a residual covariance says about rows: random effects, drawn residuals, covariances."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mlpool.engine.residual.correlations import pair_numbers
from mlpool.engine.residual.criterion import ResidualCriterion, covariances_of, structure_on
from mlpool.engine.residual.patterns import LARGEST_BATCH, blocks_of, by_size
from mlpool.engine.residual.types import ResidualData, ResidualFit
from mlpool.engine.theta import Template
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
    if not data.terms:
        return RandomEffects(b=(), cond_cov=())
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


def draw_residuals(data: ResidualData, fit: ResidualFit, rng: np.random.Generator) -> FloatArray:
    """Return residuals (n,) drawn from their estimated covariance."""
    out = rng.standard_normal(data.n)
    for rows, R in residual_correlations(data, fit):
        out[rows] = (np.linalg.cholesky(R) @ out[rows][:, :, None])[:, :, 0]
    return np.asarray(out * fit.scale)


def residual_correlations(
    data: ResidualData, fit: ResidualFit
) -> Iterator[tuple[IntArray, FloatArray]]:
    """Give rows (J, m) and correlations (J, m, m) of the levels of the correlation, by size.

    Nothing without a correlation.
    """
    correlated = data.correlated
    if correlated is None:
        return
    structure = structure_on(correlated)
    start = Template(tuple(term.z.shape[1] for term in data.terms)).k
    table = structure.table(fit.parameters[start : start + structure.n_parameters])
    levels = blocks_of([correlated.codes], data.n)
    for rows in by_size(levels, np.argsort(levels, kind="stable")):
        many = max(1, LARGEST_BATCH // rows.shape[1] ** 2)
        for first in range(0, len(rows), many):
            part = rows[first : first + many]
            same = np.ones((len(part), part.shape[1], part.shape[1]), dtype=bool)
            yield part, table[pair_numbers(structure, correlated.points[part], same)]


def independent_rows(data: ResidualData) -> Iterator[IntArray]:
    """Give the rows (J, m) of independent blocks, some of one size at a time."""
    factors = [term.codes for term in data.terms]
    factors += [] if data.correlated is None else [data.correlated.codes]
    blocks = blocks_of(list({id(f): f for f in factors}.values()), data.n)
    for rows in by_size(blocks, np.argsort(blocks, kind="stable")):
        many = max(1, LARGEST_BATCH // rows.shape[1] ** 2)
        for first in range(0, len(rows), many):
            yield rows[first : first + many]


def covariance_at(data: ResidualData, fit: ResidualFit) -> Callable[[IntArray], FloatArray]:
    """Return a function from rows (J, m) to the covariances V (J, m, m) of their responses."""
    template = Template(tuple(term.z.shape[1] for term in data.terms))
    roots = [fit.sigma * lam for lam in template.matrices(fit.theta)]
    z = [term.z.rows(0, data.n) for term in data.terms]
    correlated, structure, table = data.correlated, None, np.ones(1)
    if correlated is not None:
        structure = structure_on(correlated)
        table = structure.table(fit.parameters[template.k :][: structure.n_parameters])

    def covariance(rows: IntArray) -> FloatArray:
        d = fit.scale[rows]
        V = np.broadcast_to(np.eye(rows.shape[1]), (*rows.shape, rows.shape[1]))
        if correlated is not None and structure is not None:
            level = correlated.codes[rows]
            same = level[:, :, None] == level[:, None, :]
            pairs = pair_numbers(structure, correlated.points[rows], same)
            V = np.append(table, 0.0)[pairs]
        V = V * d[:, :, None] * d[:, None, :]
        for own, root, term in zip(z, roots, data.terms, strict=True):
            half, level = own[rows] @ root, term.codes[rows]
            V += (half @ half.swapaxes(1, 2)) * (level[:, :, None] == level[:, None, :])
        return V

    return covariance
