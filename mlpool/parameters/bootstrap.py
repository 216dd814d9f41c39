"""Bootstrapped parameters: medians, percentile intervals and p-values, as easystats has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlpool.errors import OptionError
from mlpool.inference.bootstrap_intervals import two_sided_p
from mlpool.models.extractors.parameter_names import random_names, random_places
from mlpool.parameters.argument_checks import MIXED
from mlpool.parameters.random import Intervals
from mlpool.refits.bootstrap_draws import Drawn, draw_bootstrap
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ClusterLike, SeedLike


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapTable:
    """Summaries of the draws of the coefficients (p,), and of the random effects' parameters.

    Attributes
    ----------
    estimate, mean, low, high, p : ndarray of shape (p,)
        Medians, means, percentiles, two-sided p-values of the coefficients.
    random : mapping from place to (SE, low, high)
        Percentile intervals of SDs, correlations and sigma; empty for models without.
    notes : tuple of str
        What was resampled, and what failed.
    """

    estimate: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    p: FloatArray
    random: Intervals
    notes: tuple[str, ...]


def bootstrap_table(
    model: FittedModel,
    iterations: int,
    seed: SeedLike | None,
    level: float,
    *,
    type_: str | None = None,
    cluster: ClusterLike | None = None,
    n_jobs: int | None = None,
) -> BootstrapTable:
    """Return summaries of bootstrap draws.

    As in easystats, rows of lm and glm are resampled (case), and responses of mixed models are
    simulated (parametric), unless `type_` says otherwise.

    Raises
    ------
    OptionError
        If `iterations` is no whole number above 1, or an option is unknown.
    FitError
        If no replicate can be fitted.
    """
    default = "parametric" if model.kind in (*MIXED, "gls") else "case"
    kind = default if type_ is None else type_
    drawn = draw_bootstrap(
        model, iterations, kind, cluster=cluster, seed=seed, n_jobs=n_jobs, argument="iterations"
    )
    return summarise_draws(model, drawn, level)


def summarise_draws(model: FittedModel, drawn: Drawn, level: float) -> BootstrapTable:
    """Return summaries of draws that are there already.

    Raises
    ------
    OptionError
        If they are draws of a statistic.
    """
    if drawn.is_statistic:
        raise OptionError(
            "These are draws of a statistic; bootstrap(m) without statistic= draws parameters."
        )
    values = drawn.replicates.values
    n_random = len(random_names(model))
    draws, others = values[:, n_random:], values[:, :n_random]
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(draws, [tail, 1.0 - tail], axis=0)
    return BootstrapTable(
        estimate=np.median(draws, axis=0),
        mean=draws.mean(axis=0),
        low=low,
        high=high,
        p=two_sided_p(draws),
        random=_random(model, others, tail),
        notes=drawn.notes(),
    )


def _random(model: FittedModel, draws: FloatArray, tail: float) -> Intervals:
    """Return (SE, low, high) by place; no standard errors, as in the coefficients' table."""
    if not draws.shape[1]:
        return {}
    places = random_places(model)
    bounds = np.nanquantile(draws[:, : len(places)], [tail, 1.0 - tail], axis=0)
    return {
        place: (float("nan"), float(low), float(high))
        for place, low, high in zip(places, *bounds, strict=True)
    }
