"""Generalised linear models by Fisher scoring, inside the family's range.

Every step solves the weighted least squares of the working response in orthogonal columns

    gamma = (Q'WQ)^-1 Q'W z    z = eta - offset + (y - mu) / mu'    W = w mu'^2 / V(mu)

(McCullagh & Nelder 1989, section 2.5; R's ``glm.fit``), so that no unit or origin of a predictor
matters. A step is halved while it leaves the range of means or raises the deviance. Where the
maximum lies on the edge of the range (log-binomial models, identity links) the path to it leads
through the interior: a logarithmic barrier that is taken away bit by bit (Nocedal & Wright 2006,
section 19.6).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from mlpool.engine.glm.likelihood import check_response, log_likelihood, prior_weights
from mlpool.engine.glm.mean_range import is_on_the_edge, range_of, starting_predictor
from mlpool.engine.rank import independent_columns
from mlpool.engine.types import OlsFit
from mlpool.errors import FitError
from mlpool.families import Family
from mlpool.typing import BoolArray, FloatArray

TOLERANCE, MAX_STEPS, MAX_HALVINGS = 1e-8, 100, 40
"""R's relative change of the deviance (``glm.control``), and limits of ours."""
SLACK = 1e-12
"""Rise of the deviance, relative to its size, that is rounding."""
POLISH = 0.1
"""Steps after R's last are taken while each expects a tenth of the fall before: those of separated
data, which never end, are not."""
EDGE_DECREMENT = 1e-5
"""Expected fall of the deviance, relative to its size, that only the edge of the range prevents."""
BARRIERS = 10.0 ** -np.arange(1.0, 11.0)
_EPS = float(np.finfo(np.float64).eps)
"""Least slope of a probability by eta, as R's binomial links have it: both without units."""


def fit_glm(  # noqa: PLR0913 - one argument per symbol of the formula
    y: FloatArray,
    X: FloatArray,
    family: Family,
    *,
    trials: FloatArray | None = None,
    weights: FloatArray | None = None,
    offset: FloatArray | None = None,
) -> OlsFit:
    """Fit a generalised linear model by maximum likelihood.

    Parameters
    ----------
    y : ndarray (n,)
        Binomial: proportion of successes.
    X : ndarray (n, p)
        Aliased columns are left out as R does.
    family : Family
    trials : ndarray (n,) or None
        Binomial denominators; `weights` multiply them.
    weights, offset : ndarray (n,) or None

    Raises
    ------
    FitError
        If the response does not fit the family, or no coefficients give possible means.
    """
    check_response(y, family)
    kept = independent_columns(X)
    columns = X if len(kept) == X.shape[1] else X[:, kept]
    prior = prior_weights(len(y), trials, weights)
    with np.errstate(all="ignore"):
        R = np.linalg.qr(columns, mode="r") / np.sqrt(len(y)) if len(kept) else np.empty((0, 0))
        Q = solve_triangular(R, columns.T, trans="T").T if len(kept) else columns
        rows = GlmRows(y=y, Q=np.ascontiguousarray(Q), family=family, prior=prior, offset=offset)
        try:
            found = maximise(rows)
        except np.linalg.LinAlgError:
            raise FitError(_no_digits(family)) from None
        return _record(rows, found, kept, R, columns)


def _no_digits(family: Family) -> str:
    return (
        f"The equations of the {family} model became singular: its means may leave the family's "
        "range, or a predictor tells outcomes apart completely."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GlmRows:
    """The data of a generalised linear model in orthogonal columns Q (n, p) of mean square one."""

    y: FloatArray
    Q: FloatArray
    family: Family
    prior: FloatArray
    offset: FloatArray | None

    @property
    def base(self) -> FloatArray | float:
        """The offset, or zero."""
        return 0.0 if self.offset is None else self.offset

    def predictor(self, gamma: FloatArray) -> FloatArray:
        """Eta (n,)."""
        return np.asarray(self.Q @ gamma + self.base)

    def deviance(self, eta: FloatArray) -> float:
        """Deviance at a predictor; infinite outside the family's range."""
        low, high = range_of(self.family)
        if not (np.all(eta > low) and np.all(eta < high)):
            return np.inf
        units = self.family.unit_deviance(self.y, self.family.inverse(eta))
        total = float(np.sum(np.where(self.prior > 0, self.prior * units, 0.0)))
        return total if np.isfinite(total) else np.inf

    def working(self, eta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weights W and working residuals (y - mu) / mu' (n,), zero where there is no slope."""
        mu, slope = self.family.inverse(eta), self.slope(eta)
        w = self.prior * slope**2 / self.family.variance(mu)
        rest = (self.y - mu) / slope
        good = np.isfinite(w) & np.isfinite(rest) & (w > 0)
        return np.where(good, w, 0.0), np.where(good, rest, 0.0)

    def score(self, eta: FloatArray) -> FloatArray:
        """Return the derivative of the log-likelihood by eta (n,)."""
        w, rest = self.working(eta)
        return w * rest

    def observed(self, eta: FloatArray, limits: tuple[float, float]) -> FloatArray:
        """Curvature of minus the log-likelihood (n,), from below zero.

        Near an edge Fisher's weights grow without end where the log-likelihood is straight.
        """
        # a share of the way to the edge of the range; without an edge, eta is a log or log odds
        h = 1e-4 * np.minimum(np.minimum(eta - limits[0], limits[1] - eta), 1.0 + np.abs(eta))
        return np.maximum((self.score(eta - h) - self.score(eta + h)) / (2.0 * h), 0.0)

    def slope(self, eta: FloatArray) -> FloatArray:
        """D mu / d eta; of probabilities at least R's ``.Machine$double.eps``."""
        slope = self.family.derivative(eta)
        return np.maximum(slope, _EPS) if self.family.kin == "binomial" else slope

    def solve(self, w: FloatArray, right: FloatArray) -> FloatArray:
        """Return ``(Q'WQ)^-1 right``."""
        A = self.Q.T @ (w[:, None] * self.Q)
        try:
            found = np.asarray(cho_solve(cho_factor(A), right))
        except np.linalg.LinAlgError:
            # Q is orthonormal: the cut-off is a share of the largest weight, whatever the units
            found = np.asarray(np.linalg.lstsq(A, right, rcond=None)[0])
        return found


@dataclass(slots=True)
class Maximum:
    """Where Fisher scoring ended."""

    gamma: FloatArray
    eta: FloatArray
    deviance: float
    iterations: int = 0
    converged: bool = False


def maximise(rows: GlmRows) -> Maximum:
    """Maximise the likelihood from R's starting means."""
    here = _first(rows)
    p = rows.Q.shape[1]
    if p == 0:
        return Maximum(here.gamma, here.eta, here.deviance, 0, True)
    fall = np.inf
    for step in range(2, MAX_STEPS + 1):
        direction, fall = _direction(rows, here.eta)
        moved = _halved(rows, here, direction)
        change = abs(here.deviance - moved.deviance) / (abs(moved.deviance) + 0.1)
        here = moved
        here.iterations = step
        if change < TOLERANCE:
            here.converged = True
            break
    direction, left = _direction(rows, here.eta)
    is_bounded = bool(np.isfinite(range_of(rows.family)).any())
    if is_bounded and not left < EDGE_DECREMENT * (abs(here.deviance) + 0.1):
        return _to_the_edge(rows, here)
    if is_on_the_edge(rows.family, rows.family.inverse(here.eta)):
        return _to_the_edge(rows, here)
    return _polished(rows, here, direction, left, fall)


def _first(rows: GlmRows) -> Maximum:
    """Take R's first step; where it leaves the range, begin inside."""
    eta = rows.family.link_of(_first_means(rows.y, rows.family, rows.prior))
    w, rest = rows.working(eta)
    gamma = rows.solve(w, rows.Q.T @ (w * (eta - rows.base + rest)))
    eta = rows.predictor(gamma)
    deviance = rows.deviance(eta)
    if not np.isfinite(deviance):
        gamma = starting_predictor(rows.Q, rows.offset, rows.family, rows.y, rows.prior)
        eta = rows.predictor(gamma)
        deviance = rows.deviance(eta)
    return Maximum(gamma, eta, deviance, 1)


def _first_means(y: FloatArray, family: Family, prior: FloatArray) -> FloatArray:
    """R's starting means (``family$initialize``); where the link has none, a share of the mean."""
    if family.kin == "binomial":
        return np.asarray((prior * y + 0.5) / (prior + 1.0))
    if family.kin == "poisson":
        return y + 0.1
    if family.kin != "gaussian" or family.link == "identity":
        return y.copy()
    size = float(np.mean(np.abs(y)))
    if family.link == "log":
        return np.maximum(y, 0.1 * size)
    return np.where(np.abs(y) < 0.1 * size, 0.1 * size * np.where(y < 0, -1.0, 1.0), y)


def _direction(rows: GlmRows, eta: FloatArray) -> tuple[FloatArray, float]:
    """Return the scoring step and the fall of the deviance that it expects."""
    w, rest = rows.working(eta)
    score = rows.Q.T @ (w * rest)
    direction = rows.solve(w, score)
    return direction, float(score @ direction)


def _halved(rows: GlmRows, here: Maximum, direction: FloatArray) -> Maximum:
    """Take the longest of the steps 1, 1/2, ... that stays inside and lowers the deviance."""
    limit = here.deviance + SLACK * (abs(here.deviance) + 0.1)
    share = 1.0
    for _ in range(MAX_HALVINGS):
        gamma = here.gamma + share * direction
        eta = rows.predictor(gamma)
        deviance = rows.deviance(eta)
        if deviance <= limit:
            return Maximum(gamma, eta, deviance)
        share /= 2.0
    return Maximum(here.gamma, here.eta, here.deviance)


def _polished(
    rows: GlmRows, here: Maximum, direction: FloatArray, left: float, before: float
) -> Maximum:
    """Go on after R's last step, without counting, while scoring converges quickly."""
    for _ in range(10):
        if not 0.0 < left < POLISH * before:
            break
        moved = _halved(rows, here, direction)
        moved.iterations, moved.converged = here.iterations, here.converged
        here, before = moved, left
        direction, left = _direction(rows, here.eta)
    return here


def _to_the_edge(rows: GlmRows, here: Maximum) -> Maximum:
    """Maximise the likelihood plus tau times the logarithm of what is left to the edge."""
    low, high = range_of(rows.family)
    scale = float(np.sum(rows.prior)) / len(rows.y)
    gamma = starting_predictor(rows.Q, rows.offset, rows.family, rows.y, rows.prior)
    for tau in BARRIERS * scale:
        gamma = _centred(rows, gamma, float(tau), (low, high))
    eta = rows.predictor(gamma)
    found = Maximum(gamma, eta, rows.deviance(eta), here.iterations, True)
    limit = here.deviance + TOLERANCE * (abs(here.deviance) + 0.1)
    return found if found.deviance <= limit else here


def _centred(
    rows: GlmRows, gamma: FloatArray, tau: float, limits: tuple[float, float]
) -> FloatArray:
    """Minimise half the deviance less tau times the logarithms of the distances to the edge."""

    def gaps(eta: FloatArray) -> list[tuple[FloatArray, float]]:
        sides = ((eta - limits[0], 1.0), (limits[1] - eta, -1.0))
        return [(gap, sign) for gap, sign in sides if np.isfinite(gap).all()]

    def value(eta: FloatArray) -> float:
        half = 0.5 * rows.deviance(eta)
        return half - tau * sum(float(np.sum(np.log(g))) for g, _ in gaps(eta))

    eta = rows.predictor(gamma)
    here = value(eta)
    for _ in range(MAX_STEPS):
        slope, curve = rows.score(eta), rows.observed(eta, limits)
        for gap, sign in gaps(eta):
            slope, curve = slope + sign * tau / gap, curve + tau / gap**2
        score = rows.Q.T @ slope
        step = rows.solve(curve, score)
        fall = float(score @ step)
        share = 1.0
        # a share of the step, below which nothing of it is left but rounding
        while share > 1e-12:
            trial = rows.predictor(gamma + share * step)
            there = value(trial)
            # Armijo's share of the fall that the slope promises
            if np.isfinite(there) and there <= here - 1e-4 * share * fall:
                break
            share /= 2.0
        else:
            return gamma
        gamma, eta, here = gamma + share * step, trial, there
        # a share of what the barrier itself weighs, in units of the deviance
        if fall < 1e-3 * tau:
            return gamma
    return gamma


# --- the record ---------------------------------------------------------------------------------


def _record(
    rows: GlmRows, found: Maximum, kept: object, R: FloatArray, columns: FloatArray
) -> OlsFit:
    family, prior, y = rows.family, rows.prior, rows.y
    mu, slope = family.inverse(found.eta), rows.slope(found.eta)
    working = prior * slope**2 / family.variance(mu)
    rest = (y - mu) / slope
    used: BoolArray = prior > 0
    n, p = int(used.sum()), rows.Q.shape[1]
    df = n - p
    pearson = float((working * rest**2)[used].sum())
    dispersion = 1.0
    if family.has_dispersion:
        dispersion = pearson / df if df > 0 else float("nan")
    return OlsFit(
        beta=solve_triangular(R, found.gamma) if p else found.gamma,
        kept=np.asarray(kept),
        vcov_unscaled=_unscaled(rows.Q, working, R),
        sigma=float(np.sqrt(dispersion)),
        rss=found.deviance,
        loglik=log_likelihood(family, y, mu, prior, found.deviance),
        n=n,
        df_residual=df,
        fitted=mu,
        null_deviance=_null_deviance(rows, columns),
        working_weights=working,
        working_resid=rest,
        dispersion=dispersion,
        iterations=found.iterations,
        engine="mlpool",
        converged=found.converged,
    )


def _unscaled(Q: FloatArray, w: FloatArray, R: FloatArray) -> FloatArray:
    """Return (X'WX)^-1, X = Q R."""
    p = Q.shape[1]
    if p == 0:
        return np.empty((0, 0))
    root = np.linalg.qr(Q * np.sqrt(w)[:, None], mode="r")
    half = (
        solve_triangular(root, np.eye(p))
        if np.all(np.diag(root) != 0.0)
        else np.full((p, p), np.nan)
    )
    half = solve_triangular(R, half, check_finite=False)
    return np.asarray(half @ half.T)


def _null_deviance(rows: GlmRows, columns: FloatArray) -> float:
    """Return the deviance of the mean alone; without an intercept that of the offset (as R)."""
    has_constant = bool((columns == 1.0).all(axis=0).any())
    if not has_constant:
        return rows.deviance(np.zeros(len(rows.y)) + rows.base)
    if rows.offset is None:
        mean = float(rows.prior @ rows.y / rows.prior.sum())
        units = rows.family.unit_deviance(rows.y, np.full(len(rows.y), mean))
        return float(np.sum(rows.prior * units))
    alone = GlmRows(
        y=rows.y, Q=np.ones((len(rows.y), 1)), family=rows.family, prior=rows.prior,
        offset=rows.offset,
    )  # fmt: skip
    return maximise(alone).deviance
