"""What a fit works on: rows in a good order, well-placed columns, and theta's places."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular

from mlpool.engine.cholesky import Reduced
from mlpool.engine.crosssums import GroupingFactor
from mlpool.engine.glmm.compress import compress
from mlpool.engine.glmm.effects import Effects
from mlpool.engine.glmm.factors import chain_order
from mlpool.engine.glmm.rows import RowModel, constant_of, saturated
from mlpool.engine.glmm.types import GlmmData
from mlpool.engine.rank import independent_columns
from mlpool.engine.theta import Template
from mlpool.engine.types import ArrayRows, Control, ReTerm
from mlpool.errors import FitError
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
    scale : ndarray of shape (k,)
        The user's theta is `scale` times the search's: columns of Z have a mean square near one.
    z_scale : tuple of ndarray
        By which columns of every term's Z were divided.
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
    scale: FloatArray
    z_scale: tuple[FloatArray, ...]
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
        terms, z_scale = zip(*(_scaled(term) for term in found.terms), strict=True)
        order = chain_order(terms)
        effects = Effects(terms, order, control.max_dense_bytes)
        y, m, X, offset = found.y, found.m, found.X, found.offset
        if order is not None:
            y, m, X = y[order], m[order], X[order]
            offset = None if offset is None else offset[order]
        template = Template(tuple(t.z.shape[1] for t in data.terms))
        term_of, row_of, _ = template.index
        R = np.linalg.qr(X, mode="r") / np.sqrt(len(y)) if X.shape[1] else np.empty((0, 0))
        XT = np.ascontiguousarray(solve_triangular(R, X.T, trans="T")) if X.shape[1] else X.T
        return cls(
            rows=RowModel(family=data.family, y=y, m=m),
            effects=effects,
            XT=XT,
            R=R,
            offset=offset,
            template=template,
            scale=np.array([1.0 / z_scale[t][r] for t, r in zip(term_of, row_of, strict=True)]),
            z_scale=z_scale,
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
        return tuple(
            out[t] / (s if out[t].ndim == 2 else np.outer(s, s)) for t, s in enumerate(self.z_scale)
        )

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


def _scaled(term: ReTerm) -> tuple[ReTerm, FloatArray]:
    """Divide the columns of Z by powers of two, so that their mean squares are near one."""
    z = term.z.rows(0, term.z.shape[0])
    square = np.einsum("ij,ij->j", z, z) / len(z)
    scale = 2.0 ** np.round(0.5 * np.log2(np.where(square > 0, square, 1.0)))
    if np.all(scale == 1.0):
        return term, scale
    return replace(term, z=ArrayRows(z / scale)), scale


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
