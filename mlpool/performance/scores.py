"""Scores of predicted probabilities: of logistic models of single trials, and of counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpool.designs.counted_rows import counted_mean
from mlpool.designs.row_summaries import by_counts, fact
from mlpool.families import Family
from mlpool.models import family as family_of
from mlpool.performance.explained_variance import is_bernoulli
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel


def has_single_trials(m: FittedModel) -> bool:
    """Return whether a model is one of single trials, 0 or 1."""
    return m.family is not None and m.family.kin == "binomial" and is_bernoulli(m)


def has_scores(m: FittedModel) -> bool:
    """Return whether R has scoring rules for a model: single trials, and counts."""
    is_count = m.family is not None and m.family.kin == "poisson" and m.design.weights is None
    return is_count or has_single_trials(m)


@fact("glm", "glmer", when=has_single_trials)
def log_loss(m: FittedModel) -> float:
    """Return the mean of -log of the probability given to what happened."""
    y, mu = m.design.y, np.asarray(m.fitted)
    return float(-np.mean(np.log(np.where(y == 1, mu, 1.0 - mu))))


@fact("glm", "glmer", when=has_single_trials)
def percent_correct(m: FittedModel) -> float:
    """Return the mean probability given to what happened (percentage of correct predictions).

    References
    ----------
    Herron (1999), Political Analysis 8, 83-98.
    """
    y, mu = m.design.y, np.asarray(m.fitted)
    return float(np.mean(np.where(y == 1, mu, 1.0 - mu)))


@by_counts(log_loss)
def _counted_log_loss(m: FittedModel, counts: FloatArray) -> float:
    y, mu = m.design.y, np.asarray(m.fitted)
    return -counted_mean(np.log(np.where(y == 1, mu, 1.0 - mu)), counts)


@by_counts(percent_correct)
def _counted_percent_correct(m: FittedModel, counts: FloatArray) -> float:
    y, mu = m.design.y, np.asarray(m.fitted)
    return counted_mean(np.where(y == 1, mu, 1.0 - mu), counts)


@fact("glm", "glmer", when=has_scores)
def scoring_rules(m: FittedModel) -> tuple[float, float]:
    """Return the logarithmic and the spherical score by R's definitions.

    With p_i the model's density at row i, ``mean(log p)`` and ``mean(p) / sqrt(sum p^2)``. For
    logistic models R's performance takes the density of a binomial of ``sum(y)`` trials; so that
    numbers agree, it is taken here, too: compare these scores between models of one response only.
    Log densities keep large samples from underflowing, where R gives -Inf.

    References
    ----------
    Carvalho (2016), Decision Analysis 13, 223-242.
    """
    return _scores(m, np.ones(len(m.design.y)))


@by_counts(scoring_rules)
def _scores(m: FittedModel, counts: FloatArray) -> tuple[float, float]:
    log_p = _log_densities(m, family_of(m), counts)
    largest = float(log_p.max())
    p = np.exp(log_p - largest)  # the common factor cancels in the spherical score
    return counted_mean(log_p, counts), counted_mean(p, counts) / float(np.sqrt(counts @ p**2))


def _log_densities(m: FittedModel, family: Family, counts: FloatArray) -> FloatArray:
    from scipy.special import gammaln, xlog1py, xlogy

    y, mu = m.design.y, np.asarray(m.fitted)
    if family.kin == "poisson":
        return np.asarray(xlogy(y, mu) - mu - gammaln(y + 1))
    size = counts @ y
    choose = gammaln(size + 1) - gammaln(y + 1) - gammaln(size - y + 1)
    return np.asarray(choose + xlogy(y, mu) + xlog1py(size - y, -mu))
