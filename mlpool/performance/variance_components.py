"""The variance of a mixed model by source: fixed effects, random effects, distribution.

Everything comes from two small matrices per model: the covariance of the columns of X and, for
each random term, the mean of z z'. They are made in one pass over blocks of rows and serve every
draw of a bootstrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.designs.residual_facts import mean_residual_variance
from mlpool.designs.row_summaries import by_counts, by_queries, fact, same_by_counts
from mlpool.errors import NotSupportedError
from mlpool.formula.design import Design
from mlpool.formula.design_matrix import make_matrix
from mlpool.formula.types import Terms
from mlpool.sources.design import asked
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel, MixedModel

_BLOCK = 1 << 16

_BINOMIAL_LINKS = {"logit": np.pi**2 / 3, "probit": 1.0, "cloglog": np.pi**2 / 6}
"""Variance of the latent error behind each link (logistic, normal, Gumbel)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignMoments:
    """What the variances need of the design.

    Attributes
    ----------
    cov_X : ndarray of shape (p, p)
        Covariance (n - 1) of the columns of X that were estimated.
    mean_zz : tuple of ndarray (k, k)
        Per random term: the mean over rows of z z'.
    is_dispersion : tuple of bool
        Per random term: whether it has one level per row of a model without a residual (an
        observation-level effect, which stands for overdispersion).
    """

    cov_X: FloatArray
    mean_zz: tuple[FloatArray, ...]
    is_dispersion: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceParts:
    """Variances by source, on the link scale.

    Attributes
    ----------
    fixed : float
        Variance of X beta over the rows.
    random : float
        Mean over the rows of z' G z, all terms but observation-level ones.
    distribution : float
        Residual variance; without one, that which the distribution implies.
    dispersion : float
        Variance of observation-level random effects.
    """

    fixed: float
    random: float
    distribution: float
    dispersion: float

    @property
    def residual(self) -> float:
        """Distribution and dispersion together."""
        return self.distribution + self.dispersion

    @property
    def total(self) -> float:
        """All of them."""
        return self.fixed + self.random + self.residual

    @property
    def icc(self) -> float:
        """Adjusted ICC, random / (random + residual)."""
        return _ratio(self.random, self.random + self.residual)

    @property
    def icc_unadjusted(self) -> float:
        """Unadjusted ICC, random / total."""
        return _ratio(self.random, self.total)

    @property
    def r2_marginal(self) -> float:
        """Marginal R2, fixed / total."""
        return _ratio(self.fixed, self.total)

    @property
    def r2_conditional(self) -> float:
        """Conditional R2, (fixed + random) / total."""
        return _ratio(self.fixed + self.random, self.total)


def variance_parts(m: MixedModel) -> VarianceParts:
    """Return the variance decomposition of a mixed model.

    Parameters
    ----------
    m : FittedModel
        With random effects.

    Raises
    ------
    NotSupportedError
        If the family and link have no known distribution-specific variance.

    References
    ----------
    Nakagawa & Schielzeth (2013), Methods Ecol. Evol. 4, 133-142; Johnson (2014), ibid. 5, 944-946
    (random slopes); Nakagawa, Johnson & Schielzeth (2017), J. R. Soc. Interface 14, 20170213.
    """
    vcovs = [block.vcov for block in m.varcorr().blocks]
    return combine_parts(design_moments(m), m.fit.beta, vcovs, distribution_variance(m))


def combine_parts(
    moments: DesignMoments, beta: FloatArray, vcovs: Sequence[FloatArray], distribution: float
) -> VarianceParts:
    """Return the decomposition for estimates `beta` (p,) and covariances of each term (k, k)."""
    means = [float(np.sum(v * zz)) for v, zz in zip(vcovs, moments.mean_zz, strict=True)]
    is_dispersion = moments.is_dispersion
    return VarianceParts(
        fixed=float(beta @ moments.cov_X @ beta),
        random=sum(v for v, is_row in zip(means, is_dispersion, strict=True) if not is_row),
        distribution=distribution,
        dispersion=sum(v for v, is_row in zip(means, is_dispersion, strict=True) if is_row),
    )


@fact("lmer", "glmer", "gls", when=lambda m: m.is_mixed)
def design_moments(m: FittedModel) -> DesignMoments:
    """Return the moments of the design in one pass over blocks of rows."""
    design: Design = m.design
    n, kept = design.n, m.fit.kept
    shift = design.X.rows(0, min(_BLOCK, n))[:, kept].mean(axis=0)
    sums, products = np.zeros(len(kept)), np.zeros((len(kept), len(kept)))
    zz = [np.zeros((r.z.shape[1], r.z.shape[1])) for r in design.random]
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        # Shifted by a mean, the products lose no digits where a column is far from zero.
        rows = design.X.rows(start, stop)[:, kept] - shift
        sums += rows.sum(axis=0)
        products += rows.T @ rows
        for total, random in zip(zz, design.random, strict=True):
            z = random.z.rows(start, stop)
            total += z.T @ z
    return DesignMoments(
        cov_X=(products - np.outer(sums, sums) / n) / (n - 1),
        mean_zz=tuple(total / n for total in zz),
        is_dispersion=tuple(m.family is not None and len(r.levels) == n for r in design.random),
    )


@by_queries(design_moments)
def _moments_of_sums(m: FittedModel) -> DesignMoments:
    """Return the moments from the sums of all rows; prior weights have no part in them."""
    design, n = asked(m.design), m.design.n
    layout, total = design.sums.layout, design.unweighted_total()
    x = layout.x[m.fit.kept]
    sums = total[0, x]
    raw = design.sums.uncentre(layout.z)
    zz = raw.T @ total @ raw / n
    ends = np.cumsum([r.z.shape[1] for r in design.random])
    return DesignMoments(
        cov_X=(total[np.ix_(x, x)] - np.outer(sums, sums) / n) / (n - 1),
        mean_zz=tuple(
            zz[end - r.z.shape[1] : end, end - r.z.shape[1] : end]
            for end, r in zip(ends, design.random, strict=True)
        ),
        is_dispersion=tuple(False for _ in design.random),
    )


@by_counts(design_moments)
def _counted_moments(m: FittedModel, counts: FloatArray) -> DesignMoments:
    """Return the moments of rows of which each combination has so many."""
    design, n = m.design, float(counts.sum())
    columns = design.X.dense()[:, m.fit.kept]
    about = columns - np.average(columns, axis=0, weights=counts)
    zz = []
    for random in design.random:
        z = random.z.dense()
        zz.append(np.asarray((z * counts[:, None]).T @ z / n))
    return DesignMoments(
        cov_X=(about * counts[:, None]).T @ about / (n - 1.0),
        mean_zz=tuple(zz),
        is_dispersion=tuple(len(r.levels) == n for r in design.random),
    )


@same_by_counts
@fact("glmer")
def distribution_variance(m: FittedModel) -> float:
    """Return the residual variance, or the one that the distribution implies on the link scale.

    Binomial: the latent error's. Others, with lambda the mean of the model without predictors and
    V its variance there: ``log(1 + V / lambda^2)`` with a log link (the lognormal approximation),
    else ``V g'(lambda)^2`` (the delta method).

    Raises
    ------
    NotSupportedError
        For binomial models with a log link, which have no latent error.

    References
    ----------
    Nakagawa, Johnson & Schielzeth (2017), J. R. Soc. Interface 14, 20170213, table 1 and eq. 6.
    """
    family = m.family
    if m.kind == "gls":  # rows may differ: their mean
        return mean_residual_variance(m)
    if family is None or (family.name == "gaussian" and family.link == "identity"):
        return float(m.sigma**2)
    if family.name == "binomial":
        if family.link in _BINOMIAL_LINKS:
            return _BINOMIAL_LINKS[family.link]
        raise NotSupportedError(
            f"the variance of the family {family} on its link scale is not known; ICC and R2 of "
            "binomial mixed models are there for the links logit, probit and cloglog."
        )
    if family.name == "Gamma" and family.link == "log":
        return float(np.log1p(m.sigma**2))
    if family.name == "poisson" and family.link == "sqrt":
        return 0.25
    eta = null_record(m).beta[:1]
    mean = float(family.inverse(eta)[0])
    phi = float(m.sigma**2) if family.has_dispersion else 1.0
    variance = phi * float(family.variance(np.array([mean]))[0])
    if family.link == "log":
        return float(np.log1p(variance / mean**2))
    return variance / float(family.derivative(eta)[0]) ** 2


def null_design(m: FittedModel) -> Design:
    """Return the design with the intercept alone for fixed effects, on the same rows."""
    design: Design = m.design
    intercept = make_matrix(Terms(intercept=True), {}, design.n, contrasts={})
    return replace(design, X=intercept)


def null_record(m: FittedModel) -> Any:
    """Return the engine's record of the model without predictors but with its random effects."""
    return m.fit_record(null_design(m))


def standard_factors(m: MixedModel) -> list[FloatArray]:
    """Return each random term's relative factor in units that do not depend on its columns'.

    With ``mean z z' = R'R`` the columns ``z R^-1`` have mean square one and are uncorrelated, an
    intercept first and slopes about their mean; their effects ``R b`` have the covariance
    ``sigma^2 L L'``. Returned is L (k, k), lower triangular, one per term: a diagonal of zero means
    a singular covariance, whatever the predictors' units and origins are.
    """
    found, start = [], 0
    for mean_zz in design_moments(m).mean_zz:
        k = len(mean_zz)
        cols, rows = np.triu_indices(k)
        lam = np.zeros((k, k))
        lam[rows, cols] = m.theta[start : start + len(rows)]
        start += len(rows)
        upper = np.linalg.qr((_upper_root(mean_zz) @ lam).T)[1]
        found.append(np.asarray(upper.T * np.where(np.diag(upper) < 0.0, -1.0, 1.0)))
    return found


def _upper_root(mean_zz: FloatArray) -> FloatArray:
    """Return R with ``R'R = mean_zz``; of columns that determine others, their lengths alone."""
    size = np.sqrt(np.diag(mean_zz))
    size = np.where(size > 0.0, size, 1.0)
    try:
        return np.asarray(np.linalg.cholesky(mean_zz / np.outer(size, size)).T * size)
    except np.linalg.LinAlgError:
        return np.diag(size)


def smallest_diagonal(m: MixedModel) -> float:
    """Return the smallest diagonal of :func:`standard_factors`; zero means a singular fit."""
    return min(float(np.diag(L).min()) for L in standard_factors(m))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
