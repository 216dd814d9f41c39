"""Standard errors of group coefficients, fixed plus random: R's ``coef(m)`` has none.

With B = D Z'V^-1 X (D the random effects' covariance), the total ``l'beta + m'b`` is predicted with

    Var(l'(beta^ - beta) + m'(b^ - b)) = m'C m + (l - B'm)' Var(beta^) (l - B'm)

where C is the conditional covariance of b given the data at known beta.

References
----------
Henderson (1975), Biometrics 31, 423-447; Searle, Casella & McCulloch (1992), Variance Components,
section 7.4. The variance parameters count as known. Generalised models are taken at their modes, as
weighted linear models on the scale of the link.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve

from mlpool.designs.engine_data import as_lmm_data
from mlpool.engine.types import LmmData
from mlpool.inference.sandwich.mixed import score_rows
from mlpool.inference.small_sample.variance_sums import relative_factors
from mlpool.models import GeneralizedLinearMixedModel
from mlpool.models.prediction import linear_predictor
from mlpool.typing import FloatArray, IntArray
from mlpool.uncertainty.covariance import model_vcov
from mlpool.uncertainty.fit_records import mixed_fit
from mlpool.uncertainty.influence import working_data

if TYPE_CHECKING:
    from mlpool.models import FittedModel

MAX_JOINT = 4_000
"""Most random effects of several terms whose joint covariance is made in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """What the errors of predicted effects are made of.

    Attributes
    ----------
    of_beta : ndarray of shape (p, p)
        Covariance of the fixed effects.
    conditional : tuple of ndarray, one per term, shape (J, k, k)
        Covariance of the effects given the data at known beta.
    shrunk : tuple of ndarray, one per term, shape (J, k, p)
        B_j = D Z_j'V^-1 X.
    """

    of_beta: FloatArray
    conditional: tuple[FloatArray, ...]
    shrunk: tuple[FloatArray, ...]


def prediction_pieces(m: FittedModel) -> Pieces:
    """Return the pieces, made once per model.

    Raises
    ------
    NotSupportedError
        If several grouping factors have more than 20,000 random effects together.
    """
    if "prediction_pieces" in m._cache:
        known: Pieces = m._cache["prediction_pieces"]
        return known
    data, fit = _as_linear(m)
    inverse_rows, _ = score_rows(data, fit)
    held = mixed_fit(m).cond_cov
    covariances = held() if callable(held) else held
    root = None if data.weights is None else np.sqrt(data.weights)
    shrunk = []
    factors = relative_factors(data, fit)
    for random, term, lam in zip(m.design.random, data.terms, factors, strict=True):
        z = term.z.rows(0, data.n)
        z = z if root is None else root[:, None] * z
        products = _products(random.codes, len(random.levels), z, inverse_rows)
        # cond_cov and vcov are in the response's units, V^-1 X in their inverse
        shrunk.append(fit.sigma**2 * np.einsum("ab,jbp->jap", lam @ lam.T, products))
    pieces = Pieces(
        of_beta=np.asarray(model_vcov(m)),
        conditional=tuple(np.asarray(c) for c in covariances),
        shrunk=tuple(shrunk),
    )
    m._cache["prediction_pieces"] = pieces
    return pieces


def total_standard_errors(
    m: FittedModel, directions: Mapping[tuple[str, str], FloatArray] | None = None
) -> dict[str, pd.DataFrame]:
    """Return the standard errors of fixed plus random effects of every level.

    Parameters
    ----------
    m : LinearMixedModel or GeneralizedLinearMixedModel
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
    pieces = prediction_pieces(m)
    names, given = m.names, directions or {}
    out: dict[str, pd.DataFrame] = {}
    for random, conditional, shrunk in zip(
        m.design.random, pieces.conditional, pieces.shrunk, strict=True
    ):
        se = np.empty(shrunk.shape[:2])
        for c, name in enumerate(random.z.names):
            direction = -shrunk[:, c]
            if (random.group, name) in given:
                direction = direction + given[random.group, name]
            elif name in names:
                direction[:, names.index(name)] += 1.0
            fixed = np.einsum("ja,ab,jb->j", direction, pieces.of_beta, direction)
            se[:, c] = np.sqrt(np.maximum(conditional[:, c, c] + fixed, 0.0))
        frame = pd.DataFrame(se, index=pd.Index(random.levels), columns=list(random.z.names))
        known = out.get(random.group)
        out[random.group] = frame if known is None else pd.concat([known, frame], axis=1)
    return out


def prediction_variance(
    m: FittedModel, X: FloatArray, terms: Mapping[int, tuple[FloatArray, IntArray]]
) -> FloatArray:
    """Return ``Var(x'(beta^ - beta) + z'(b^ - b))`` of some rows.

    Parameters
    ----------
    m : LinearMixedModel or GeneralizedLinearMixedModel
    X : ndarray of shape (r, p)
    terms : mapping from the place of a term to (z (r, k), codes (r,))
        The terms whose effects are in the prediction; a code of -1 has none.

    Returns
    -------
    ndarray of shape (r,)
        NaN if several terms are asked for and have more than 4,000 effects together.
    """
    pieces = prediction_pieces(m)
    direction = X.copy()
    inside = np.zeros(len(X))
    for place, (z, codes) in terms.items():
        known = codes >= 0
        rows = pieces.shrunk[place][codes[known]]
        direction[known] -= np.einsum("ik,ikp->ip", z[known], rows)
        C = pieces.conditional[place][codes[known]]
        inside[known] += np.einsum("ia,iab,ib->i", z[known], C, z[known])
    if len(terms) > 1:
        inside = _joint(m, terms)
    return np.asarray(inside + np.einsum("ia,ab,ib->i", direction, pieces.of_beta, direction))


def _joint(m: FittedModel, terms: Mapping[int, tuple[FloatArray, IntArray]]) -> FloatArray:
    """Return ``z'C z`` over several terms from the full conditional covariance C of all effects."""
    data, fit = _as_linear(m)
    sizes = [t.n_levels * t.z.shape[1] for t in data.terms]
    rows = len(next(iter(terms.values()))[1])
    if sum(sizes) > MAX_JOINT:
        return np.full(rows, np.nan)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    roots = relative_factors(data, fit)
    half = np.zeros((data.n, sum(sizes)))
    asked = np.zeros((rows, sum(sizes)))
    root = np.ones(data.n) if data.weights is None else np.sqrt(data.weights)
    for place, (term, lam) in enumerate(zip(data.terms, roots, strict=True)):
        z = root[:, None] * (term.z.rows(0, data.n) @ lam)
        _scatter(half, starts[place], np.asarray(term.codes), z)
        if place in terms:
            own, codes = terms[place]
            _scatter(asked, starts[place], codes, own @ lam)
    M = half.T @ half
    M[np.diag_indices_from(M)] += 1.0
    solved = cho_solve(cho_factor(M), asked.T)
    return np.asarray(fit.sigma**2 * np.einsum("ij,ji->i", asked, solved))


def _scatter(out: FloatArray, start: int, codes: IntArray, z: FloatArray) -> None:
    known = np.flatnonzero(codes >= 0)
    k = z.shape[1]
    for c in range(k):
        out[known, start + codes[known] * k + c] = z[known, c]


def _as_linear(m: FittedModel) -> tuple[LmmData, Any]:
    """Return data and fit; of a generalised model, those of its working linear model.

    There the weights are ``w (d mu/d eta)^2 / (phi V(mu))`` at the modes, and sigma is one.
    """
    if m.kind == "gls":
        return working_data(m), m.fit
    data = as_lmm_data(m.design)
    if not isinstance(m, GeneralizedLinearMixedModel):
        return data, m.fit
    eta = linear_predictor(m, True)
    mu = m.family.inverse(eta)
    phi = m.fit.dispersion if m.family.has_dispersion else 1.0
    weights = m.prior_weights * m.family.derivative(eta) ** 2 / (phi * m.family.variance(mu))
    working = LmmData(y=np.zeros(data.n), X=data.X, terms=data.terms, weights=weights, offset=None)
    fit = SimpleNamespace(
        theta=m.fit.theta, sigma=1.0, kept=m.fit.kept, beta=np.zeros(len(m.fit.beta))
    )
    return working, fit


def _products(codes: Any, levels: int, z: FloatArray, rows: FloatArray) -> FloatArray:
    """Return ``Z_j' rows_j`` of every level (J, k, p)."""
    out = np.empty((levels, z.shape[1], rows.shape[1]))
    for a in range(z.shape[1]):
        for b in range(rows.shape[1]):
            out[:, a, b] = np.bincount(codes, z[:, a] * rows[:, b], levels)
    return out
