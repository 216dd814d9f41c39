"""Draw responses from a fitted model: ``y = f(X beta + Z b)`` plus noise, on arrays.

``b = Lambda u`` with ``u ~ N(0, sigma^2 I)`` (Bates et al. 2015, JSS 67(1), eq. 4) is drawn anew
for every response unless it is part of the linear predictor already; the response then follows the
family with ``Var(y_i) = dispersion V(mu_i) / w_i``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mlpool.engine.types import ArrayRows, ReTerm
from mlpool.errors import DataError, NotSupportedError, brief
from mlpool.families import COUNTS, Family
from mlpool.typing import FloatArray, IntArray, RowSource

BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseModel:
    """What is needed to draw responses.

    Attributes
    ----------
    eta : ndarray of shape (n,)
        Linear predictor, offset included.
    terms : tuple of ReTerm
        Terms whose effects are drawn anew; empty when they are part of `eta`.
    factors : tuple of ndarray of shape (k, k)
        Of each term, the lower factor of the covariance of its effects (not relative to sigma).
    family : Family or None
        None: normal with identity link.
    dispersion : float
        Residual variance of normal models.
    weights : ndarray of shape (n,) or None
        Prior weights; binomial: denominators.
    noise : callable, optional
        Draws the residuals (n,) of a normal model that are correlated or unequal.
    """

    eta: FloatArray
    terms: tuple[ReTerm, ...] = ()
    factors: tuple[FloatArray, ...] = ()
    family: Family | None = None
    dispersion: float = 1.0
    weights: FloatArray | None = None
    noise: Callable[[np.random.Generator], FloatArray] | None = None

    def __post_init__(self) -> None:
        """Refuse what has no distribution.

        Raises
        ------
        NotSupportedError
            For quasi families, and weights that do not belong to a binomial or Poisson
            distribution.
        """
        if self.family is not None and self.family.is_quasi:
            raise NotSupportedError(
                f"The family {self.family.name} is a mean and a variance without a distribution: "
                f"there is nothing to draw from; fit {brief(self.family.kin)} to simulate."
            )
        if self.family is None or self.weights is None:
            return
        if self.family.name == "binomial" and np.any(self.weights % 1.0):
            raise NotSupportedError(
                "A binomial response cannot be drawn with weights that are not whole numbers of "
                "trials."
            )
        if self.family.name in COUNTS and np.any(self.weights != 1.0):
            raise NotSupportedError(
                "A Poisson or negative binomial response has no distribution with prior weights; "
                "fit without weights to simulate."
            )

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """Return one response (n,); binomial responses are proportions.

        Raises
        ------
        DataError
            If drawn random effects take means out of the family's range.
        """
        eta = self.eta
        if self.terms:
            eta = eta.copy()
            for term, factor in zip(self.terms, self.factors, strict=True):
                _add_effects(eta, term, draw_effects(factor, term.n_levels, rng))
        return self._noise(eta, rng)

    def _noise(self, eta: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return responses around their means."""
        if self.noise is not None:
            return np.asarray(eta + self.noise(rng))
        w = 1.0 if self.weights is None else self.weights
        if self.family is None:
            return np.asarray(
                eta + np.sqrt(self.dispersion / w) * rng.standard_normal(eta.shape[0])
            )
        mu = self.family.inverse(eta)
        _check_means(self.family, mu)
        match self.family.name:
            case "binomial":
                trials = np.broadcast_to(np.asarray(w, dtype=np.float64), mu.shape)
                drawn = rng.binomial(trials.astype(np.int64), mu)
                return np.asarray(drawn / np.where(trials > 0, trials, 1.0))
            case "poisson":
                return rng.poisson(mu).astype(np.float64)
            case "nbinom2":
                t = self.family.theta
                return rng.negative_binomial(t, t / (t + mu)).astype(np.float64)
            case "nbinom1":
                a = self.family.theta
                return rng.negative_binomial(mu / a, 1.0 / (1.0 + a)).astype(np.float64)
            case "Gamma":
                shape = w / self.dispersion
                return np.asarray(rng.gamma(shape, mu / shape))
            case "inverse.gaussian":
                return np.asarray(rng.wald(mu, w / self.dispersion))
        return np.asarray(mu + np.sqrt(self.dispersion / w) * rng.standard_normal(mu.shape[0]))


def rows_of(source: ResponseModel, rows: IntArray) -> ResponseModel:
    """Return what the responses of some rows are drawn from."""
    terms = tuple(
        replace(term, z=ArrayRows(_picked(term.z, rows)), codes=term.codes[rows])
        for term in source.terms
    )
    weights = None if source.weights is None else source.weights[rows]
    noise = None if source.noise is None else partial(_noise_of, source.noise, rows)
    return replace(source, eta=source.eta[rows], terms=terms, weights=weights, noise=noise)


def _noise_of(
    noise: Callable[[np.random.Generator], FloatArray], rows: IntArray, rng: np.random.Generator
) -> FloatArray:
    """Return the residuals of some rows, drawn with those that they are correlated with."""
    return noise(rng)[rows]


def _picked(z: RowSource, rows: IntArray) -> FloatArray:
    """Return increasing rows of a matrix that is read block by block."""
    cuts = np.searchsorted(rows, np.arange(BATCH_ROWS, z.shape[0], BATCH_ROWS))
    parts = []
    for i, part in enumerate(np.split(rows, cuts)):
        if part.size:
            start = i * BATCH_ROWS
            block = z.rows(start, min(start + BATCH_ROWS, z.shape[0]))
            parts.append(block[part - start])
    return np.concatenate(parts)


def _check_means(family: Family, mu: FloatArray) -> None:
    if family.name == "gaussian":
        return
    # A mean may round to zero; of counts that is a distribution, too.
    lowest_is_fine = bool(np.all(mu >= 0.0 if family.name in COUNTS else mu > 0.0))
    if lowest_is_fine and np.all(np.isfinite(mu)):
        return
    raise DataError(
        f"Drawn random effects give means outside the range of the family {family.name}: the link "
        f"{family.link} does not keep them inside; a model with a log link can be simulated."
    )


def draw_effects(factor: FloatArray, n_levels: int, rng: np.random.Generator) -> FloatArray:
    """Return effects (n_levels, k) with covariance ``factor factor'``."""
    return np.asarray(rng.standard_normal((n_levels, factor.shape[0])) @ factor.T)


def _add_effects(eta: FloatArray, term: ReTerm, effects: FloatArray) -> None:
    """Add Z b of one term to `eta`, a block of rows at a time."""
    for start in range(0, eta.shape[0], BATCH_ROWS):
        stop = min(start + BATCH_ROWS, eta.shape[0])
        z = term.z.rows(start, stop)
        eta[start:stop] += np.einsum("ik,ik->i", z, effects[term.codes[start:stop]])
