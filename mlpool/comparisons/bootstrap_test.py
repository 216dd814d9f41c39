"""`anova(small, big, bootstrap=)`: a likelihood ratio against those of simulated responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.argument_values import whole_number
from mlpool.comparisons.models_table import error_notes, listed_models, ratio_step
from mlpool.comparisons.terms_table import CHISQ, DF, P_CHISQ, Table
from mlpool.comparisons.tests_table import AnovaLayout
from mlpool.errors import OptionError, brief
from mlpool.inference.replicates import Replicates, run_replicates
from mlpool.models import LinearMixedModel
from mlpool.refits.reduced_models import by_ml, comparable_logliks, has_quadrature, loglik_of
from mlpool.refits.repeated_fits import LmmLogliks, ModelRefits
from mlpool.refits.resampling import Parametric, is_foreign
from mlpool.refits.simulate import KINDS

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import FloatArray, SeedLike

_Refits = LmmLogliks | ModelRefits

_TIE = 1e-8
"""Share of the log-likelihood below which two ratios are equal: what two searches leave of it."""


def bootstrap_table(
    models: Mapping[str, FittedModel], iterations: object, seed: SeedLike | None
) -> Table:
    """Test the smaller of two models by a parametric bootstrap (pbkrtest's ``PBmodcomp``).

    Parameters
    ----------
    models : dict of FittedModel
        Two of the same data, the larger with random effects; REML fits are fitted again by ML.
    iterations : int
        Responses that are simulated from the smaller model.
    seed : int, SeedSequence or Generator, optional
        Replicate i draws from the seed's i-th child.

    Raises
    ------
    OptionError
        If `iterations` is no whole number above 1, or the models are not two, not nested, or both
        without random effects.
    NotSupportedError
        If the smaller model has no distribution to simulate from.
    FitError
        If no simulated response can be fitted by both models.
    """
    count = whole_number(iterations, "bootstrap", least=2)
    small, big = _two_models(models)
    logliks = comparable_logliks([small[1], big[1]], reml=False)
    step = ratio_step((*small, logliks[0]), (*big, logliks[1]))
    if step.remark:
        raise OptionError(f"bootstrap= tests a model within another. {step.remark}")
    drawn = run_replicates(LikelihoodRatios(small[1], big[1]), count, seed)
    tie = _TIE * max(1.0, abs(logliks[0]))
    p = bootstrap_p(drawn.values[:, 0], step.chi2, tie)
    data = pd.DataFrame(
        {
            "Name": ["LRT", "PBtest"], "Chi2": [step.chi2, step.chi2],
            "df": [step.df, np.nan], "p": [step.p, p],
        }
    )  # fmt: skip
    layout = AnovaLayout(
        title=listed_models("Parametric bootstrap test", [small, big]),
        labels="Name",
        columns=(CHISQ, DF, P_CHISQ),
        footers=(*_notes(drawn, p, small[0]), *error_notes({big[0]: step})),
    )
    return Table(data=data, layout=layout, method="parametric bootstrap")


class LikelihoodRatios:
    """One replicate: a response of the smaller model, and the likelihood ratio of both for it.

    Parameters
    ----------
    small, big : FittedModel
        Fits by maximum likelihood.
    """

    def __init__(self, small: FittedModel, big: FittedModel) -> None:
        self._draw = Parametric(small)
        self._small, self._big = _refits(small, big)

    def __call__(self, rng: np.random.Generator) -> tuple[FloatArray, bool]:
        """Return the ratio (1,) for a drawn response, and whether the larger fit is singular."""
        return self.of(self._draw(rng))

    def of(self, y: FloatArray) -> tuple[FloatArray, bool]:
        """Return the ratio (1,) for a response (n,), and whether the larger fit is singular."""
        less, _ = self._small(y)
        more, is_singular = self._big(y)
        return 2.0 * np.maximum(more - less, 0.0), is_singular


def _refits(small: FittedModel, big: FittedModel) -> tuple[_Refits, _Refits]:
    """Return what gives each model's log-likelihood (1,) of a response, on one scale."""
    if (
        isinstance(small, LinearMixedModel)
        and isinstance(big, LinearMixedModel)
        and not (is_foreign(small) or is_foreign(big))
    ):
        return LmmLogliks(small), LmmLogliks(big)
    loglik = _Loglik(quadrature=has_quadrature([small, big]))
    return ModelRefits(small, loglik), ModelRefits(big, loglik)


class _Loglik:
    """The log-likelihood of a refit, on the scale of both models; a class, since it must pickle."""

    def __init__(self, *, quadrature: bool) -> None:
        self._quadrature = quadrature

    def __call__(self, m: FittedModel) -> float:
        return loglik_of(m, quadrature=self._quadrature)


def bootstrap_p(drawn: FloatArray, observed: float, tie: float) -> float:
    """Return ``(1 + #{drawn >= observed}) / (1 + B)``.

    Parameters
    ----------
    drawn : ndarray of shape (B,)
        Likelihood ratios under the smaller model; zeros count.
    observed : float
    tie : float
        What rounding may take from a ratio that is as large.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap Methods and their Application, equation 4.11.
    """
    return (1.0 + int(np.sum(drawn >= observed - tie))) / (1.0 + len(drawn))


def _two_models(
    models: Mapping[str, FittedModel],
) -> tuple[tuple[str, FittedModel], tuple[str, FittedModel]]:
    """Return the smaller and the larger model by name, fitted by ML."""
    if len(models) != 2:
        raise OptionError(f"bootstrap= compares two models; got {len(models)}.")
    chosen = sorted(models.items(), key=lambda item: item[1].loglik_df)
    for (name, m), kinds in zip(chosen, ((*KINDS, "gls"), ("lmer", "glmer", "gls")), strict=True):
        if m.kind not in kinds:
            raise OptionError(
                f"bootstrap= is for lmer(), glmer() and gls() models, and {brief(name)} is none; "
                "leave it out for the usual tests."
            )
    (first, a), (second, b) = chosen
    return (first, by_ml(a)), (second, by_ml(b))


def _notes(drawn: Replicates, p: float, small: str) -> list[str]:
    """Say what p is made of, how far chance moves it, and what could not be fitted."""
    n = drawn.n_used
    extreme = round(p * (1 + n)) - 1
    error = float(np.sqrt(p * (1.0 - p) / n))
    lines = [
        f"PBtest: {n} responses simulated from {small}, {extreme} of them with a ratio as large; "
        f"Monte Carlo error of p: {error:.2g}."
    ]
    if drawn.n_failed:
        reasons = "; ".join(f"{count} x {why.rstrip('.')}" for why, count in drawn.failures[:3])
        lines.append(f"{drawn.n_failed} could not be fitted and do not count ({reasons}).")
    return lines
