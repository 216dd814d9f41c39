"""What a fit works on: rows in a good order, well-placed columns, and theta's places."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular

from mlpool.engine.factorization.block_cholesky import Reduced
from mlpool.engine.glmm.factors import chain_order
from mlpool.engine.glmm.identical_rows import compress
from mlpool.engine.glmm.likelihood import RowModel, constant_of, saturated
from mlpool.engine.glmm.random_effects import Effects
from mlpool.engine.glmm.types import GlmmData
from mlpool.engine.rank import independent_columns
from mlpool.engine.sums.cross_sums import GroupingFactor
from mlpool.engine.theta import Template
from mlpool.engine.types import ArrayRows, Control, ReTerm
from mlpool.errors import FitError
from mlpool.families import Family
from mlpool.typing import FloatArray, IntArray

Places = tuple[IntArray, IntArray, IntArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A model on its rows.

    Attributes
    ----------
    rows : RowModel
    effects : Effects
    XT : ndarray of shape (p, n)
        Orthogonal columns of mean square one: ``X[:, kept] = XT.T @ R``.
    R : ndarray of shape (p, p)
        Upper triangular; ``gamma = R beta``.
    offset : ndarray of shape (n,) or None
    template : Template
        Of all terms in lme4's order.
    unit : float
        Typical size of a difference on the link scale; 1 for links without a unit.
    maps : tuple of ndarray (k_t, k_t)
        Lower triangles T of every term: the user's columns are those of the search times T. Columns
        of the search have a mean square near one, and are orthogonal where the user's nearly
        depend on each other (a year beside the intercept).
    kept : ndarray of int
        Columns of X that are estimated.
    constant : float
        What the log-likelihood has beside `rows`.
    saturated : float
        Log-likelihood of the response as it came with every mean at its response; 0 for families
        with a parameter of their own.
    n : int
        Rows before identical ones were added up.
    places : tuple of (ndarray, ndarray, ndarray)
        Of every factor: where its entries stand in theta, and their rows and columns in its Lambda.
    """

    rows: RowModel
    effects: Effects
    XT: FloatArray
    R: FloatArray
    offset: FloatArray | None
    template: Template
    unit: float
    maps: tuple[FloatArray, ...]
    kept: IntArray
    constant: float
    saturated: float
    n: int
    places: tuple[Places, ...]

    @classmethod
    def of(cls, data: GlmmData, control: Control, kept: IntArray | None = None) -> Problem:
        """Compress and sort the rows, drop aliased columns, and make the rest orthogonal."""
        constant = constant_of(data.family, data.y, data.trials, data.weights)
        m = np.ones(data.n) if data.trials is None else np.array(data.trials, dtype=np.float64)
        if data.weights is not None:
            m = m * data.weights
        saturated_likelihood = saturated(data.family, data.y, m)
        X = data.X.rows(0, data.n)
        if kept is None:
            kept = independent_columns(X)
        X = X[:, kept] if len(kept) < X.shape[1] else X
        found = compress(data, X, m)
        terms, maps = zip(*(_well_placed(term) for term in found.terms), strict=True)
        order = chain_order(terms)
        effects = Effects(terms, order, control.max_dense_bytes)
        y, m, X, offset = found.y, found.m, found.X, found.offset
        if order is not None:
            y, m, X = y[order], m[order], X[order]
            offset = None if offset is None else offset[order]
        template = Template(tuple(t.z.shape[1] for t in data.terms))
        R = np.linalg.qr(X, mode="r") / np.sqrt(len(y)) if X.shape[1] else np.empty((0, 0))
        XT = np.ascontiguousarray(solve_triangular(R, X.T, trans="T")) if X.shape[1] else X.T
        return cls(
            rows=RowModel(family=data.family, y=y, m=m),
            effects=effects,
            XT=XT,
            R=R,
            offset=offset,
            template=template,
            unit=_unit_of(data.family, y),
            maps=maps,
            kept=kept,
            constant=constant,
            saturated=saturated_likelihood,
            n=data.n,
            places=tuple(_places(template, factor) for factor in effects.factors),
        )

    @property
    def p(self) -> int:
        """Fixed effects."""
        return int(self.XT.shape[0])

    @property
    def k(self) -> int:
        """Length of theta."""
        return self.template.k

    @property
    def has_shape(self) -> bool:
        """Whether the family has a parameter of its own."""
        return self.rows.has_shape

    def predictor(self, gamma: FloatArray) -> FloatArray:
        """X beta + offset (n,)."""
        eta = gamma @ self.XT
        return eta if self.offset is None else eta + self.offset

    def zero_effects(self) -> Reduced:
        """Random effects of zero."""
        chain = self.effects.parts[: self.effects.n_chain]
        core = np.zeros((self.effects.n2, 1)) if self.effects.places else None
        return Reduced(levels=[np.zeros((f.q, f.n_levels, 1)) for f in chain], core=core)

    # --- theta ------------------------------------------------------------------------------

    def entries(self, f: int) -> Places:
        """Where a factor's entries stand in theta, and their rows and columns in its Lambda."""
        return self.places[f]

    def of_user(self, theta: FloatArray) -> FloatArray:
        """Return the search's theta from the user's: T Lambda of every term."""
        return self.template.pack(
            [T @ lam for T, lam in zip(self.maps, self.template.matrices(theta), strict=True)]
        )

    def to_user(self, theta: FloatArray) -> FloatArray:
        """Return the user's theta from the search's."""
        return self.template.pack(
            [
                solve_triangular(T, lam, lower=True)
                for T, lam in zip(self.maps, self.template.matrices(theta), strict=True)
            ]
        )

    @property
    def theta_map(self) -> FloatArray:
        """The matrix (k, k) of :meth:`of_user`."""
        term, row, col = self.template.index
        out = np.zeros((self.k, self.k))
        for t, T in enumerate(self.maps):
            own = np.flatnonzero(term == t)
            is_one_column = col[own][:, None] == col[own]
            out[np.ix_(own, own)] = np.where(is_one_column, T[np.ix_(row[own], row[own])], 0.0)
        return out

    def factors(self, theta: FloatArray) -> tuple[FloatArray, ...]:
        """Lambda (q, q) of every factor in the order of elimination."""
        out = []
        for f in self.effects.order:
            where, row, col = self.entries(f)
            q = sum(self.effects.factors[f].sizes)
            Lam = np.zeros((q, q))
            Lam[row, col] = theta[where]
            out.append(Lam)
        return tuple(out)

    def times_sigma(self, e: Reduced, factors: tuple[FloatArray, ...]) -> Reduced:
        """Return Sigma e."""
        sigmas = [lam @ lam.T for lam in factors]
        levels = [np.tensordot(S, x, axes=1) for S, x in zip(sigmas, e.levels, strict=False)]
        core = e.core
        if core is not None:
            core = np.empty_like(core)
            assert e.core is not None
            for place, S in zip(self.effects.places, sigmas[len(levels) :], strict=True):
                part = e.core[place.span].reshape(place.n_levels, place.q)
                core[place.span, 0] = (part @ S).ravel()
        return Reduced(levels=levels, core=core)

    def by_term(self, effects: list[FloatArray]) -> tuple[FloatArray, ...]:
        """Each term's rows of effects (J, q) or covariances (J, q, q), for the user's columns."""
        out: dict[int, FloatArray] = {}
        for f, b in zip(self.effects.order, effects, strict=True):
            first = 0
            factor = self.effects.factors[f]
            for term, size in zip(factor.terms, factor.sizes, strict=True):
                own = b[:, first : first + size]
                if own.ndim == 3:
                    own = own[:, :, first : first + size]
                out[term] = np.ascontiguousarray(own)
                first += size
        return tuple(_of_user_columns(out[t], T) for t, T in enumerate(self.maps))

    # --- words ------------------------------------------------------------------------------

    def nowhere(self, gamma: FloatArray) -> str:
        """Say that the likelihood cannot be computed at some linear predictor."""
        eta = self.predictor(gamma)
        low, high = float(np.min(eta)), float(np.max(eta))
        return (
            f"The log-likelihood of the family {self.rows.family} cannot be computed where the "
            f"linear predictor runs from {low:.4g} to {high:.4g}: a predictor or the offset may be "
            "on a huge scale, or the link may not keep means inside the family's range."
        )

    def offset_note(self) -> str:
        """Say how far the offset reaches, which may be why a search fails; "" without one."""
        if self.offset is None:
            return ""
        low, high = float(self.offset.min()), float(self.offset.max())
        return f" The offset, from {low:.4g} to {high:.4g} on the link scale, may be in the way."


def _places(template: Template, factor: GroupingFactor) -> Places:
    term, row, col = template.index
    where, rows, cols, first = [], [], [], 0
    for own, size in zip(factor.terms, factor.sizes, strict=True):
        at = np.flatnonzero(term == own)
        where.append(at)
        rows.append(row[at] + first)
        cols.append(col[at] + first)
        first += size
    return np.concatenate(where), np.concatenate(rows), np.concatenate(cols)


_DEPENDENT = 0.1
"""Smallest singular value of unit columns below which a term's columns are made orthogonal: the
tangent of the angle between an intercept and a column whose mean is ten of its SDs."""
_DEGENERATE = 1e-9
"""The same of columns that depend on each other but for rounding: they stay as they are."""
_LINKS_WITH_UNITS = ("identity", "inverse", "sqrt", "1/mu^2")


def _well_placed(term: ReTerm) -> tuple[ReTerm, FloatArray]:
    """Divide the columns of Z by powers of two, so that their mean squares are near one.

    Columns that nearly depend on each other are made orthogonal, the last first, so that the map of
    the factors stays lower triangular.
    """
    z = term.z.rows(0, term.z.shape[0])
    square = np.einsum("ij,ij->j", z, z) / len(z)
    scale = 2.0 ** np.round(0.5 * np.log2(np.where(square > 0, square, 1.0)))
    if z.shape[1] > 1:
        R = np.linalg.qr(z[:, ::-1] / scale[::-1], mode="r") / np.sqrt(len(z))
        if R.shape[0] == R.shape[1]:
            norms = np.sqrt(np.sum(R**2, axis=0))
            least = float(np.linalg.svd(R / np.where(norms > 0, norms, 1.0), compute_uv=False)[-1])
            if _DEGENERATE < least < _DEPENDENT:
                T = R[::-1, ::-1]
                T = np.where(np.diag(T) < 0, -1.0, 1.0)[:, None] * T
                placed = solve_triangular(T, (z / scale).T, lower=True, trans="T").T
                return replace(term, z=ArrayRows(np.ascontiguousarray(placed))), T * scale
    if np.all(scale == 1.0):
        return term, np.eye(len(scale))
    return replace(term, z=ArrayRows(z / scale)), np.diag(scale)


def _of_user_columns(values: FloatArray, T: FloatArray) -> FloatArray:
    """Return effects (J, k) or their covariances (J, k, k) for the user's columns."""
    inverse = solve_triangular(T, np.eye(len(T)), lower=True)
    if values.ndim == 2:
        return np.asarray(values @ inverse.T)
    return np.asarray(inverse @ values @ inverse.T)


def _unit_of(family: Family, y: FloatArray) -> float:
    """Return what an SD of the response is on the link scale, at its mean."""
    if family.link not in _LINKS_WITH_UNITS:
        return 1.0
    mean = float(np.mean(y))
    slope = abs(float(family.derivative(family.link_of(np.array([mean])))[0])) if mean > 0 else 1.0
    unit = float(np.std(y)) / slope
    return unit if np.isfinite(unit) and unit > 0 else 1.0


def check_finite(data: GlmmData) -> None:
    """Refuse data that are not finite.

    Raises
    ------
    FitError
    """
    X = data.X.rows(0, data.n)
    parts = {"the response": data.y, "the fixed effects": X, "the offset": data.offset}
    for what, values in parts.items():
        if values is not None and not np.all(np.isfinite(values)):
            raise FitError(f"Not all values of {what} are finite; leave those rows out.")
