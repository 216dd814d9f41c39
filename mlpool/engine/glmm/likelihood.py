"""Every row's log-likelihood as a function of its linear predictor, with derivatives.

For an exponential family with inverse link mu(eta), variance V and prior weight m, let
c = mu' / V. Then (McCullagh & Nelder 1989, section 2.5; primes are derivatives by eta)

    score      s  = m (y - mu) c / phi
    expected   We = m mu' c / phi
    observed   Wo = m (mu' c - (y - mu) c') / phi
    their slopes   We' = m (mu'' c + mu' c') / phi
                   Wo' = m (mu'' c + 2 mu' c' - (y - mu) c'') / phi

The determinant of Laplace's approximation takes `We` for the binomial and Poisson (as lme4) and
`Wo` for all families with a parameter of their own (as TMB); with a canonical link they are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, gammaln, polygamma, xlog1py, xlogy

from mlpool.engine.glmm.links import mean_and_derivatives, precision_and_derivatives
from mlpool.families import Family
from mlpool.typing import FloatArray

_CANONICAL = {
    ("binomial", "logit"), ("poisson", "log"), ("Gamma", "inverse"), ("inverse.gaussian", "1/mu^2"),
}  # fmt: skip

_SHARES = 1e-8, 1e4
"""Range of a first dispersion, relative to that of the response alone."""
POISSON_LIMIT = 11.5
"""Logarithm of theta (nbinom2), or of 1 / theta (nbinom1), about 1e5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowValues:
    """Log-likelihood of all rows at one linear predictor.

    Attributes
    ----------
    loglik : float
        Sum over rows, without what does not depend on eta or the family's parameter.
    score : ndarray of shape (n,)
        d loglik / d eta.
    weight : ndarray of shape (n,)
        What enters the determinant.
    observed : ndarray of shape (n,)
        -d score / d eta.
    slope : ndarray of shape (n,)
        d weight / d eta.
    """

    loglik: float
    score: FloatArray
    weight: FloatArray
    observed: FloatArray
    slope: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeValues:
    """Derivatives by the logarithm of the family's own parameter, each of shape (n,)."""

    loglik: FloatArray
    score: FloatArray
    weight: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RowModel:
    """The distribution of every row given its linear predictor.

    Attributes
    ----------
    family : Family
    y : ndarray of shape (n,)
    m : ndarray of shape (n,)
        Prior weights, binomial denominators included.
    """

    family: Family
    y: FloatArray
    m: FloatArray

    @property
    def is_canonical(self) -> bool:
        """Whether expected and observed weights are the same."""
        return (self.family.name, self.family.link) in _CANONICAL

    @property
    def has_one_weight(self) -> bool:
        """Whether the determinant's weights are the observed ones."""
        return self.is_canonical or self.family.name not in ("binomial", "poisson")

    @property
    def has_shape(self) -> bool:
        """Whether the family has a parameter of its own: dispersion or theta."""
        return self.family.name not in ("binomial", "poisson")

    @property
    def shape_limits(self) -> tuple[float, float]:
        """Logarithms between which the family's parameter is sought.

        Beyond them a negative binomial is a Poisson to all digits that its likelihood has.
        """
        match self.family.name:
            case "nbinom2":
                return -12.0, POISSON_LIMIT
            case "nbinom1":
                return -POISSON_LIMIT, 12.0
        return -100.0, 100.0

    def loglik(self, eta: FloatArray, shape: float) -> FloatArray:
        """Log-likelihood of each row (n,), up to constants; -inf where eta is impossible."""
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            out = self._loglik(eta, shape)
        return np.where(np.isfinite(out), out, -np.inf)

    def total(self, eta: FloatArray, shape: float) -> float:
        """Sum of :meth:`loglik`."""
        return float(np.sum(self.loglik(eta, shape)))

    def values(self, eta: FloatArray, shape: float) -> RowValues:
        """Return all that depends on eta."""
        with np.errstate(over="ignore", divide="ignore", invalid="ignore", under="ignore"):
            if self.family == Family("binomial", "logit"):
                return self._logit(eta)
            if self.family == Family("binomial", "cloglog"):
                return self._cloglog(eta)
            if self.family.name == "nbinom1":
                return self._nbinom1(eta, shape)
            return self._general(eta, shape)

    def _logit(self, eta: FloatArray) -> RowValues:
        """Return the same for the commonest model with one exponential and one logarithm."""
        e = np.exp(-np.abs(eta))
        p = np.where(eta >= 0, 1.0, e) / (1.0 + e)
        total = self.m @ (self.y * eta - np.maximum(eta, 0.0) - np.log1p(e))
        w = self.m * (e / (1.0 + e) ** 2)
        return RowValues(
            loglik=float(total), score=self.m * (self.y - p), weight=w, observed=w,
            slope=w * (1.0 - 2.0 * p),
        )  # fmt: skip

    def _cloglog(self, eta: FloatArray) -> RowValues:
        """Return the same without probabilities, which round to one where this link goes fast.

        With e = exp(eta), r = e / (exp(e) - 1), q = e / (1 - exp(-e)): the score is
        y r - (1 - y) e, minus its derivative (1 - y) e + y r (q - 1), Fisher's weight e r.
        """
        e = np.exp(np.minimum(eta, 700.0))
        fails = -np.expm1(-e)
        r = np.where(e > 0, e / np.expm1(np.minimum(e, 700.0)), 1.0)
        q = np.where(e > 0, e / fails, 1.0)
        beyond = np.where(e < 1e-4, e / 2.0, q - 1.0)  # q - 1 to first order: rounding is 1e-9
        hits, misses = self.m * self.y, self.m * (1.0 - self.y)
        # e has no unit: below, log(1 - exp(-e)) is log(e) to all digits; 1e-300 keeps log(0) out
        log_fails = np.where(e < 1e-8, np.minimum(eta, 0.0), np.log(np.maximum(fails, 1e-300)))
        weight = self.m * e * r
        return RowValues(
            loglik=float(hits @ log_fails - misses @ e),
            score=hits * r - misses * e,
            weight=weight,
            observed=misses * e + hits * r * beyond,
            slope=weight * (1.0 - beyond),
        )

    def _general(self, eta: FloatArray, shape: float) -> RowValues:
        phi = 1.0 if self.family.name == "nbinom2" else shape
        mu, m1, m2, m3 = mean_and_derivatives(self.family.link, eta)
        scale = self.m / phi
        rest = self.y - mu
        total = float(np.sum(self.loglik(eta, shape)))
        if self.is_canonical:
            sign = _canonical_factor(self.family.name)
            w = scale * m1 * sign
            return RowValues(
                loglik=total, score=scale * rest * sign, weight=w, observed=w,
                slope=scale * m2 * sign,
            )  # fmt: skip
        g, g1, g2 = precision_and_derivatives(self.family.name, mu, shape)
        c = m1 * g
        c1 = m2 * g + m1**2 * g1
        observed = scale * (m1 * c - rest * c1)
        score = scale * rest * c
        if self.has_one_weight:
            c2 = m3 * g + 3.0 * m1 * m2 * g1 + m1**3 * g2
            slope = scale * (m2 * c + 2.0 * m1 * c1 - rest * c2)
            return RowValues(
                loglik=total, score=score, weight=observed, observed=observed, slope=slope
            )
        return RowValues(
            loglik=total, score=score, weight=scale * m1 * c, observed=observed,
            slope=scale * (m2 * c + m1 * c1),
        )  # fmt: skip

    def expected(self, eta: FloatArray, shape: float) -> FloatArray:
        """Positive weights for a step where observed ones are not: those of Fisher scoring."""
        mu, m1, _, _ = mean_and_derivatives(self.family.link, eta)
        if self.family.name == "nbinom1":
            return self.m * mu / (1.0 + shape)
        phi = 1.0 if self.family.name == "nbinom2" else shape
        g, _, _ = precision_and_derivatives(self.family.name, mu, shape)
        return self.m / phi * m1**2 * g

    # --- the family's own parameter ---------------------------------------------------------

    def shape_values(self, eta: FloatArray, shape: float) -> ShapeValues:
        """Return derivatives by log phi (log theta) at the linear predictor."""
        now = self.values(eta, shape)
        mu, m1, m2, _ = mean_and_derivatives(self.family.link, eta)
        y, m = self.y, self.m
        match self.family.name:
            case "nbinom2":
                t, s = shape, shape + mu
                first = digamma(y + t) - digamma(t) + np.log(t / s) + 1.0 - (y + t) / s
                g, g1, _ = precision_and_derivatives("nbinom2", mu, t)
                dg = (mu * g / t) ** 2
                dg1 = 2.0 * mu * g * (g + mu * g1) / t**2
                change = m1**2 * dg - (y - mu) * (m2 * dg + m1**2 * dg1)
                return ShapeValues(
                    loglik=m * t * first, score=m * t * (y - mu) * m1 * dg, weight=m * t * change
                )
            case "nbinom1":
                return self._nbinom1_shape(mu, shape)
            case "Gamma":
                nu = m / shape
                first = np.log(nu * y / mu) + 1.0 - y / mu - digamma(nu)
                return ShapeValues(loglik=-nu * first, score=-now.score, weight=-now.weight)
        units = self.family.unit_deviance(y, mu)
        return ShapeValues(
            loglik=0.5 * (m * units / shape - 1.0), score=-now.score, weight=-now.weight
        )

    def start_shape(self, eta: FloatArray) -> float:
        """Return a first value of the family's parameter from residuals about `eta`."""
        mu = mean_and_derivatives(self.family.link, eta)[0]
        if not self.has_shape:
            return 1.0
        rest = (self.y - mu) ** 2
        if self.family.name == "nbinom1":
            return float(np.clip(np.mean(rest / mu) - 1.0, 0.05, 50.0))
        if self.family.name == "nbinom2":
            excess = float(np.mean(rest - mu) / np.mean(mu**2))
            return float(np.clip(1.0 / max(excess, 1e-2), 0.1, 100.0))
        spread = np.mean(self.m * (self.y - self.y.mean()) ** 2)
        # What the dispersion would be without predictors: it has the response's unit.
        plain = float(spread / self.family.variance(np.array([np.mean(self.y)]))[0])
        share = float(np.mean(self.m * rest / self.family.variance(mu))) / plain
        return plain * float(np.clip(share, *_SHARES))

    # --- likelihoods ------------------------------------------------------------------------

    def _loglik(self, eta: FloatArray, shape: float) -> FloatArray:
        name, y, m = self.family.name, self.y, self.m
        if self.family == Family("binomial", "logit"):
            return m * (y * eta - np.logaddexp(0.0, eta))
        if self.family == Family("binomial", "cloglog"):
            e = np.exp(np.minimum(eta, 700.0))
            # e has no unit: below, log(1 - exp(-e)) is log(e) to all digits
            hits = np.where(e < 1e-8, np.minimum(eta, 0.0), np.log(-np.expm1(-np.maximum(e, 1e-8))))
            return np.asarray(m * (y * hits - (1.0 - y) * e))
        mu = mean_and_derivatives(self.family.link, eta)[0]
        match name:
            case "binomial":
                out = m * (xlogy(y, mu) + xlog1py(1.0 - y, -mu))
            case "poisson":
                out = m * (xlogy(y, mu) - mu)
            case "nbinom2":
                t = shape
                out = gammaln(y + t) - gammaln(t) + t * np.log(t / (t + mu))
                out = m * (out + xlogy(y, mu) - y * np.log(t + mu) - gammaln(y + 1.0))
            case "nbinom1":
                r = mu / shape
                out = gammaln(y + r) - gammaln(r) - (r + y) * np.log1p(shape)
                out = m * (out + y * np.log(shape) - gammaln(y + 1.0))
            case "Gamma":
                nu = m / shape
                out = nu * np.log(nu * y / mu) - nu * y / mu - np.log(y) - gammaln(nu)
            case "inverse.gaussian":
                units = m * self.family.unit_deviance(y, mu) / shape
                out = -0.5 * (units + np.log(2.0 * np.pi * shape / m * y**3))
            case _:
                out = -0.5 * (m * (y - mu) ** 2 / shape + np.log(2.0 * np.pi * shape / m))
        if name == "gaussian":
            return np.asarray(out)
        below_one = (mu < 1.0) | (name != "binomial")
        return np.where((mu > 0.0) & below_one, out, -np.inf)

    def _nbinom1(self, eta: FloatArray, shape: float) -> RowValues:
        """Negative binomial of size r = mu / shape: the likelihood depends on eta through r."""
        r = np.exp(eta) / shape
        d1 = digamma(self.y + r) - digamma(r) - np.log1p(shape)
        d2 = polygamma(1, self.y + r) - polygamma(1, r)
        d3 = polygamma(2, self.y + r) - polygamma(2, r)
        w = -self.m * (r * d1 + r**2 * d2)
        return RowValues(
            loglik=float(np.sum(self.loglik(eta, shape))), score=self.m * r * d1, weight=w,
            observed=w, slope=-self.m * (r * d1 + 3.0 * r**2 * d2 + r**3 * d3),
        )  # fmt: skip

    def _nbinom1_shape(self, mu: FloatArray, a: float) -> ShapeValues:
        y, r, share = self.y, mu / a, a / (1.0 + a)
        d1 = digamma(y + r) - digamma(r)
        d2 = polygamma(1, y + r) - polygamma(1, r)
        d3 = polygamma(2, y + r) - polygamma(2, r)
        L = np.log1p(a)
        score = -r * (d1 - L) - r**2 * d2 - r * share
        return ShapeValues(
            loglik=self.m * (-r * (d1 - L) - r * share + y * (1.0 - share)),
            score=self.m * score,
            weight=-self.m * (score - 2.0 * r**2 * d2 - r**3 * d3),
        )


def _canonical_factor(family: str) -> float:
    """C = mu' / V of canonical links, a constant."""
    return {"Gamma": -1.0, "inverse.gaussian": -0.5}.get(family, 1.0)


def constant_of(
    family: Family, y: FloatArray, trials: FloatArray | None, weights: FloatArray | None
) -> float:
    """Log-likelihood that depends on the data alone: R's binomial coefficients and factorials."""
    ones = np.ones_like(y)
    w = ones if weights is None else weights
    if family.name == "poisson":
        return -float(np.sum(w * gammaln(y + 1.0)))
    if family.name != "binomial":
        return 0.0
    m, factor = (w, ones) if trials is None else (trials, w)
    size, hits = np.rint(m), np.rint(m * y)
    each = gammaln(size + 1.0) - gammaln(hits + 1.0) - gammaln(size - hits + 1.0)
    return float(np.sum(factor * each))


def saturated(family: Family, y: FloatArray, m: FloatArray) -> float:
    """Log-likelihood with every mean at its response, which lme4 leaves out when nAGQ > 1."""
    if family.name == "binomial":
        return float(np.sum(m * (xlogy(y, y) + xlog1py(1.0 - y, -y))))
    if family.name != "poisson":
        return 0.0
    return float(np.sum(m * (xlogy(y, y) - y)))
