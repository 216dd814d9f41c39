"""`simulate`: new responses from a fitted model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.argument_values import generator, whole_number
from mlpool.designs.engine_data import as_lmm_data
from mlpool.engine.residual.rows import draw_residuals
from mlpool.engine.theta import Template
from mlpool.errors import NotSupportedError
from mlpool.inference.simulation import ResponseModel
from mlpool.models import ResidualModel
from mlpool.models.extractors.coefficients import require_kind
from mlpool.models.prediction import linear_predictor, wants_random
from mlpool.typing import FloatArray
from mlpool.uncertainty.fit_records import mixed_fit

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ReForm, SeedLike

KINDS = ("lm", "glm", "lmer", "glmer")


def simulate(
    m: FittedModel, nsim: int = 1, seed: SeedLike | None = None, re_form: ReForm = False
) -> pd.DataFrame:
    """Draw responses from a fitted model (R's ``simulate``).

    Parameters
    ----------
    m : FittedModel
    nsim : int
        Number of responses.
    seed : int, SeedSequence or Generator, optional
        Seed of ``numpy.random.default_rng``.
    re_form : None or False
        Mixed models. False (R's NA, the default): random effects are drawn anew for every
        response; None: the estimated ones are kept.

    Returns
    -------
    DataFrame of shape (n, nsim)
        Columns ``sim_1`` ... on the data's own index, as :func:`refit` takes them: numbers on the
        scale of the formula's left side, successes for ``cbind(successes, failures)``, labels for
        a response of two labels.

    Raises
    ------
    OptionError
        If `nsim` is no positive whole number, or `seed` or `re_form` cannot be used.
    NotSupportedError
        For weights that have no distribution.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    >>> simulate(m, 2, seed=1).shape
    (180, 2)
    """
    require_kind(m, (*KINDS, "gls"), "simulate()")
    count = whole_number(nsim, "nsim", least=1)
    rng = generator(seed)
    source = response_model(m, keep_effects=wants_random(re_form))
    drawn = {f"sim_{i + 1}": as_user_response(m, source.draw(rng)) for i in range(count)}
    return pd.DataFrame(drawn, index=m.design.index)


def response_model(m: FittedModel, *, keep_effects: bool = False) -> ResponseModel:
    """Return what responses are drawn from.

    Parameters
    ----------
    m : FittedModel
        A mixed one has `theta`, too.
    keep_effects : bool
        Keep the estimated random effects instead of drawing new ones.
    """
    design, family = m.design, m.family
    weights = design.weights
    if design.trials is not None:
        if weights is not None:
            raise NotSupportedError(
                "cbind(successes, failures) with weights= has no distribution to simulate from."
            )
        weights = design.trials
    has_scale = family is None or family.has_dispersion
    scale = m.sigma if has_scale else 1.0
    redrawn = m.is_mixed and not keep_effects
    terms = as_lmm_data(design).terms if redrawn else ()
    factors: tuple[FloatArray, ...] = ()
    if redrawn:
        template = Template(tuple(t.z.shape[1] for t in terms))
        # glmer's theta is not relative to sigma
        relative = scale if m.kind in ("lmer", "gls") else 1.0
        factors = tuple(relative * lam for lam in template.matrices(mixed_fit(m).theta))
    return ResponseModel(
        eta=linear_predictor(m, m.is_mixed and keep_effects),
        terms=terms,
        factors=factors,
        family=family,
        dispersion=scale**2,
        weights=weights,
        noise=_residual_noise(m) if isinstance(m, ResidualModel) else None,
    )


def _residual_noise(m: ResidualModel) -> Callable[[np.random.Generator], FloatArray]:
    return partial(draw_residuals, m.residual_design().data, m.fit)


def as_user_response(m: FittedModel, y: FloatArray) -> Any:
    """Return a drawn response as the user's data have it: counts, labels or numbers."""
    design = m.design
    if design.trials is not None:
        return np.rint(y * design.trials)
    if len(design.response_levels) == 2:
        labels = np.array(design.response_levels, dtype=object)[y.astype(np.intp)]
        return pd.Categorical(labels.tolist(), categories=list(design.response_levels))
    return y
