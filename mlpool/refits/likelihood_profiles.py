"""Likelihood profiles of fitted models: the bridge from models to `inference`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpool.designs.engine_data import as_lmm_data, is_structured
from mlpool.designs.row_summaries import of_combinations
from mlpool.errors import NotSupportedError
from mlpool.inference.profiles.glm import glm_curves
from mlpool.inference.profiles.glmm import glmm_curves
from mlpool.inference.profiles.lmm import ProfileIntervals, profile_curves
from mlpool.inference.profiles.profile_side import Curve, target_of
from mlpool.models import GeneralizedLinearModel, LinearModel
from mlpool.models import family as family_of
from mlpool.models.extractors.parameter_names import random_places
from mlpool.models.generalized_mixed import as_glmm_data
from mlpool.uncertainty.fit_records import glmm_fit, lmm_fit
from mlpool.uncertainty.small_sample import glm_problem, is_iterative

if TYPE_CHECKING:
    from mlpool.models import FittedModel


def curves_of(m: FittedModel) -> tuple[Curve, ...]:
    """Return the profile of every parameter, in the order of their names; kept with the model.

    A REML fit is profiled at its ML refit, as in lme4.

    Raises
    ------
    NotSupportedError
        For lm, whose profile is the t interval, ``nAGQ=0``, and fits by the iterative solver.
    """
    if "curves" not in m._cache:
        m._cache["curves"] = _make(m)
    found: tuple[Curve, ...] = m._cache["curves"]
    return found


def profile_bounds(m: FittedModel, level: float) -> ProfileIntervals:
    """Return profile intervals of a mixed model by place.

    Raises
    ------
    OptionError
        If `level` is not between 0 and 1.
    """
    target = target_of(level)
    bounds = np.array([curve.bounds(target) for curve in curves_of(m)]).reshape(-1, 2)
    places = random_places(m)
    return ProfileIntervals(
        places=places, random=bounds[: len(places)], fixed=bounds[len(places) :]
    )


def _make(m: FittedModel) -> tuple[Curve, ...]:
    m = of_combinations(m)
    if isinstance(m, LinearModel):
        raise NotSupportedError(
            "An lm has no profile of its own: zeta is a straight line, and confint(m) gives the "
            "exact t intervals."
        )
    if isinstance(m, GeneralizedLinearModel):
        se = np.sqrt(np.diag(m.fit.vcov_unscaled) * m.fit.dispersion)
        return glm_curves(glm_problem(m), m.fit.beta, se)
    if is_structured(m.design):
        raise NotSupportedError(
            "Profiles do not serve terms of cs(), ar1() and diag() yet; confint(m, method='Wald') "
            "has intervals, symmetric in log SDs and atanh of correlations."
        )
    if is_iterative(m):
        raise NotSupportedError(
            "Profiles need the deviance to more digits than the iterative solver's probes give; "
            "confint(m, method='Wald') has intervals, and control={'solver': 'cholesky'} profiles."
        )
    if m.kind == "lmer":
        lmm = profile_curves(as_lmm_data(m.design), lmm_fit(m))
        return (*lmm.random, *lmm.fixed)
    glmm = glmm_curves(as_glmm_data(m.design, family_of(m)), glmm_fit(m), m.control)
    return (*glmm.random, *glmm.fixed)
