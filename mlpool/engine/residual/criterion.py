"""The profiled deviance of a model with a residual covariance, and its exact gradient.

For every pattern of blocks ``V_P = sigma^2 H_P`` with

    H = D R D + sum_t Z_t lambda_t lambda_t' Z_t',

    dev = sum_P c_P log|H_P| + m (1 + log(2 pi r^2 / m))  [+ log|X'H^-1 X|],     m = n or n - p,

where r^2 = min_beta sum (y - X beta)'H^-1 (y - X beta). With U = H^-1 W, v = [-beta; 1] and
``K = m / r^2 v v' (+ (X'H^-1 X)^-1)`` the derivative by any entry of H is that of

    sum_P <dH_P, G_P>,        G_P = c_P H_P^-1 - sum_(j in P) U_j K U_j',

so one G_P serves all parameters (Lindstrom & Bates 1988, JASA 83, 1014-1022, section 4; reverse
accumulation).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from mlpool.engine.residual.correlations import Structure, pair_numbers, structure_of
from mlpool.engine.residual.patterns import (
    LARGEST_BATCH,
    Batch,
    batches_of,
    blocks_of,
    by_size,
    distinct_rows,
)
from mlpool.engine.residual.types import CorrelatedRows, ResidualData
from mlpool.engine.residual.variances import variances_of
from mlpool.engine.theta import Template
from mlpool.errors import NotSupportedError
from mlpool.typing import AnyArray, BoolArray, FloatArray, IntArray

LARGEST_BLOCK = 4_000
"""Rows of a block whose covariance is still made in full (128 MB)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """Working columns: X orthonormal up to sqrt(n), y less its regression on X, terms alike.

    Attributes
    ----------
    W : ndarray (n, p + 1)
    kept : ndarray of int (p,)
    back : ndarray (p, p)
        Takes coefficients of working columns to those of X.
    shift : ndarray (p,)
        Least-squares coefficients.
    unit : float
        Of the response: standard deviation of what least squares leaves.
    z : tuple of ndarray (n, q_t)
        Working columns of the random terms, z = z_given back_z.
    back_z : tuple of ndarray (q_t, q_t)
    """

    W: FloatArray
    kept: IntArray
    back: FloatArray
    shift: FloatArray
    unit: float
    z: tuple[FloatArray, ...]
    back_z: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A batch with what its covariances are made of.

    Attributes
    ----------
    batch : Batch
    pairs : ndarray of int (P, m, m)
        Place of every correlation in the table; -1 for zero.
    classes : ndarray of int (P, m)
        Class of standard deviation of every row.
    z : tuple of ndarray (P, m, q_t)
    same : tuple of (ndarray of bool (P, m, m) or None)
        Whether two rows share a level of the term; None: all do.
    """

    batch: Batch
    pairs: IntArray
    classes: IntArray
    z: tuple[FloatArray, ...]
    same: tuple[BoolArray | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Point:
    """The criterion at one place.

    Attributes
    ----------
    value : float
    gradient : ndarray (k,)
    S : ndarray (p + 1, p + 1)
        [X y]'H^-1 [X y] in working columns.
    pwrss : float
        r^2, in working columns.
    """

    value: float
    gradient: FloatArray
    S: FloatArray
    pwrss: float


class ResidualCriterion:
    """The criterion as a function of psi = (lambda entries, phi, delta).

    Parameters
    ----------
    data : ResidualData
    columns : Columns
    reml : bool
    """

    def __init__(self, data: ResidualData, columns: Columns, *, reml: bool) -> None:
        self.data, self.columns, self.reml = data, columns, reml
        self.n, self.p = data.n, len(columns.kept)
        self.m = self.n - self.p if reml else self.n
        self.template = Template(tuple(z.shape[1] for z in columns.z))
        self.structure = None if data.correlated is None else structure_on(data.correlated)
        self.variances = variances_of(data.unequal, data.n)
        self.blocks, nested = _blocks(data)
        batches = batches_of(self.blocks, self._row_keys(), nested, columns.W)
        self._prepared = [self.ready(batch) for batch in batches]

    def _row_keys(self) -> list[IntArray]:
        """Return what must agree for two rows to be alike."""
        keys = [self.variances.classes, *[_row_classes(z) for z in self.columns.z]]
        rows = self.data.correlated
        if rows is not None and self.structure is not None and self.structure.kind != "cs":
            is_place = self.structure.distances is None
            keys.insert(
                0,
                rows.points.astype(np.int64) if is_place
                else np.unique(rows.points, return_inverse=True)[1].reshape(-1),
            )  # fmt: skip
        return keys

    def ready(self, batch: Batch) -> Prepared:
        """Return a batch with what its covariances are made of."""
        at, rows = batch.rows, self.data.correlated
        m = at.shape[1]
        if self.structure is None or rows is None:
            pairs = np.broadcast_to(np.where(np.eye(m, dtype=bool), 0, -1), (len(at), m, m))
        else:
            pairs = pair_numbers(self.structure, rows.points[at], _alike(rows.codes[at]))
        last = int(self.blocks.max())
        same = tuple(
            None if int(t.codes.max()) == last else _alike(t.codes[at]) for t in self.data.terms
        )
        return Prepared(
            batch=batch, pairs=pairs, classes=self.variances.classes[at],
            z=tuple(z[at] for z in self.columns.z), same=same,
        )  # fmt: skip

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers of parameters: lambda, phi, delta."""
        correlation = 0 if self.structure is None else self.structure.n_parameters
        return self.template.k, correlation, self.variances.n_parameters

    def split(self, psi: AnyArray) -> tuple[AnyArray, AnyArray, AnyArray]:
        """Return lambda's entries, phi and delta."""
        a, b, _ = self.sizes
        return psi[:a], psi[a : a + b], psi[a + b :]

    def evaluate(self, psi: FloatArray, log_variance: float | None = None) -> Point:
        """Return deviance and gradient, at the best working sigma^2 or at a given one.

        Raises
        ------
        numpy.linalg.LinAlgError
            Where a covariance is not positive definite.
        """
        theta, phi, delta = self.split(psi)
        lams = self.template.matrices(theta)
        table, sd = self.table(phi), np.exp(self.variances.log_sd(delta))
        S, logdet, roots = np.zeros((self.p + 1, self.p + 1)), 0.0, []
        for one in self._prepared:
            root = np.linalg.cholesky(_covariances(one, table, sd, lams))
            inverse: FloatArray = np.asarray(np.linalg.inv(root), dtype=np.float64)
            white = inverse[one.batch.pattern] @ one.batch.stack
            flat = white.reshape(-1, white.shape[2])
            S += flat.T @ flat
            diagonal = np.log(np.einsum("pii->pi", root)).sum(axis=1)
            logdet += 2.0 * float(one.batch.counts @ diagonal)
            roots.append((inverse, white))
        value, K, pwrss = self._profile(S, logdet, log_variance)
        gradient = self._gradient(roots, K, (table, sd, lams), (phi, delta))
        return Point(value=value, gradient=gradient, S=S, pwrss=pwrss)

    def covariances(self, psi: AnyArray) -> list[tuple[Batch, AnyArray]]:
        """Return the batches and their covariances H (P, m, m); psi may be complex."""
        theta, phi, delta = self.split(psi)
        lams = self.template.matrices(theta)
        table, sd = self.table(phi), np.exp(self.variances.log_sd(delta))
        return [(one.batch, _covariances(one, table, sd, lams)) for one in self._prepared]

    def table(self, phi: AnyArray) -> AnyArray:
        """Return correlations by number, with the zero of independent rows at the end."""
        own = np.ones(1) if self.structure is None else self.structure.table(phi)
        return np.append(own, 0.0)

    def _profile(
        self, S: FloatArray, logdet: float, log_variance: float | None
    ) -> tuple[float, FloatArray, float]:
        """Return the deviance, the root of K, and r^2."""
        p, m = self.p, self.m
        root = np.linalg.cholesky(S)
        pwrss = float(root[p, p] ** 2)
        inverse = solve_triangular(root[:p, :p], np.eye(p), lower=True) if p else np.empty((0, 0))
        v = np.append(-(inverse.T @ root[p, :p]), 1.0)
        K = np.zeros((p + 1, p + 1))
        unit2 = self.columns.unit**2
        s = float(np.log(unit2 * pwrss / m)) if log_variance is None else log_variance
        weight = m / pwrss if log_variance is None else unit2 * np.exp(-s)
        K[:, p] = np.sqrt(weight) * v
        value = logdet + m * (np.log(2.0 * np.pi) + s) + weight * pwrss
        if self.reml:
            K[:p, :p] = inverse.T
            in_columns = np.linalg.slogdet(self.columns.back)[1]
            value += 2.0 * float(np.log(np.diag(root)[:p]).sum()) - 2.0 * in_columns
        return float(value), K, pwrss

    def _gradient(
        self,
        roots: list[tuple[FloatArray, FloatArray]],
        K: FloatArray,
        made: tuple[FloatArray, FloatArray, tuple[FloatArray, ...]],
        at: tuple[FloatArray, FloatArray],
    ) -> FloatArray:
        table, sd, lams = made
        on_table, on_sd = np.zeros(len(table)), np.zeros(len(sd))
        on_terms = [np.zeros_like(lam) for lam in lams]
        for one, (inverse, white) in zip(self._prepared, roots, strict=True):
            G = _weights(one.batch, inverse, white, K)
            d = sd[one.classes]
            on_pairs = G * d[:, :, None] * d[:, None, :]
            on_table += np.bincount(
                one.pairs.ravel() % len(table), on_pairs.ravel(), minlength=len(table)
            )
            own = (on_pairs * table[one.pairs]).sum(axis=2)
            on_sd += 2.0 * np.bincount(one.classes.ravel(), own.ravel(), minlength=len(sd))
            for t, (z, same) in enumerate(zip(one.z, one.same, strict=True)):
                masked = G if same is None else G * same
                on_terms[t] += np.einsum("pai,paj->ij", z, masked @ z)
        phi, delta = at
        parts = [self.template.pack([2.0 * A @ lam for A, lam in zip(on_terms, lams, strict=True)])]
        if self.structure is not None:
            parts.append(self.structure.derivatives(phi) @ on_table[:-1])
        if len(delta):
            parts.append(self.variances.derivatives(delta) @ on_sd)
        return np.concatenate(parts)

    # --- from and to the user's units -------------------------------------------------------------

    def user_theta(self, psi: FloatArray) -> FloatArray:
        """Return theta of the random terms' own columns, relative to the user's sigma."""
        theta, _, delta = self.split(psi)
        ratio = np.exp(-float(self.variances.log_centre(delta)))
        found = [
            back @ lam * ratio
            for back, lam in zip(self.columns.back_z, self.template.matrices(theta), strict=True)
        ]
        return self.template.pack([_lower(lam) for lam in found])

    def user_sigma(self, psi: FloatArray, pwrss: float) -> float:
        """Return the residual standard deviation of a row whose loadings are zero."""
        _, _, delta = self.split(psi)
        ratio = np.exp(float(self.variances.log_centre(delta)))
        return float(self.columns.unit * np.sqrt(pwrss / self.m) * ratio)

    def beta(self, S: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return coefficients of X and their covariance divided by the working sigma^2."""
        p = self.p
        inverse = np.linalg.inv(S[:p, :p]) if p else np.empty((0, 0))
        own = inverse @ S[:p, p] * self.columns.unit
        back = self.columns.back
        return back @ own + self.columns.shift, back @ inverse @ back.T

    def fixed_part(self, y: FloatArray, S: FloatArray) -> FloatArray:
        """Return X beta (n,) from the working columns, without X."""
        p, W, unit = self.p, self.columns.W, self.columns.unit
        own = np.linalg.solve(S[:p, :p], S[:p, p]) if p else np.empty(0)
        return np.asarray(y - unit * (W[:, p] - W[:, :p] @ own))


def _lower(lam: FloatArray) -> FloatArray:
    """Return the lower triangular factor with a diagonal >= 0 of the same covariance."""
    q = np.asarray(np.linalg.qr(lam.T, mode="r")).T
    signs = np.where(np.diag(q) < 0, -1.0, 1.0)
    return np.asarray(q * signs)


def structure_on(rows: CorrelatedRows) -> Structure:
    """Return the structure, with the distances that occur between rows of one level."""
    order = np.argsort(rows.codes, kind="stable")
    distances = {0.0}
    if rows.kind not in ("symm", "toep", "ad", "cs"):
        for at in by_size(rows.codes, order):
            t = np.sort(rows.points[at], axis=1)
            t = np.unique(t, axis=0)
            gaps = np.abs(t[:, :, None] - t[:, None, :])
            distances |= set(np.unique(gaps).tolist())
    else:
        distances |= set(np.arange(1.0, rows.n_points).tolist())
    return structure_of(rows, np.array(sorted(distances)))


def _blocks(data: ResidualData) -> tuple[IntArray, list[IntArray]]:
    """Return the block of every row and the factors whose levels are smaller than blocks."""
    rows = data.correlated
    factors = [t.codes for t in data.terms] + ([] if rows is None else [rows.codes])
    unique = list({id(f): f for f in factors}.values())
    blocks = blocks_of(unique, data.n)
    largest = int(np.bincount(blocks).max())
    if largest > LARGEST_BLOCK:
        raise NotSupportedError(
            f"{largest} rows depend on each other; a residual covariance is fitted in blocks of at "
            f"most {LARGEST_BLOCK} rows, so grouping factors have to be nested, not crossed."
        )
    return blocks, [f for f in unique if int(f.max()) > int(blocks.max())]


def _row_classes(z: FloatArray) -> IntArray:
    return distinct_rows(z)[1]


def _alike(codes: IntArray) -> BoolArray:
    return np.asarray(codes[:, :, None] == codes[:, None, :])


def _covariances(
    one: Prepared, table: AnyArray, sd: AnyArray, lams: tuple[AnyArray, ...]
) -> AnyArray:
    """Return H (P, m, m)."""
    d = sd[one.classes]
    H = table[one.pairs] * d[:, :, None] * d[:, None, :]
    for z, same, lam in zip(one.z, one.same, lams, strict=True):
        root = z @ lam
        own = root @ root.swapaxes(1, 2)
        H += own if same is None else own * same
    return np.asarray(H)


def _weights(batch: Batch, inverse: FloatArray, white: FloatArray, K: FloatArray) -> FloatArray:
    """Return G (P, m, m) = c H^-1 - sum U K U'."""
    up = inverse.swapaxes(1, 2)
    U = up[batch.pattern] @ (white @ K)
    spread = U @ U.swapaxes(1, 2)
    total = spread if len(batch.starts) == len(spread) else np.add.reduceat(spread, batch.starts)
    return np.asarray(batch.counts[:, None, None] * (up @ inverse) - total)


def covariances_of(
    criterion: ResidualCriterion, psi: FloatArray
) -> Iterator[tuple[IntArray, FloatArray]]:
    """Give rows (J, m) and covariances H (J, m, m) of all blocks, some at a time."""
    theta, phi, delta = criterion.split(psi)
    table, sd = criterion.table(phi), np.exp(criterion.variances.log_sd(delta))
    lams = criterion.template.matrices(theta)
    for rows in by_size(criterion.blocks, np.argsort(criterion.blocks, kind="stable")):
        many = max(1, LARGEST_BATCH // rows.shape[1] ** 2)
        for start in range(0, len(rows), many):
            part = rows[start : start + many]
            made = criterion.ready(Batch.of_rows(part))
            yield part, _covariances(made, table, sd, lams)
