"""One bootstrap replicate of every kind of model: what is drawn.

Each task is called with a random generator and returns the parameters of one replicate (SDs and
correlations, sigma, coefficients) and whether its fit is singular. Tasks pickle, so that other
processes can run them.

References
----------
Davison & Hinkley (1997), Bootstrap Methods and their Application, sections 6.2 and 7.2; Carpenter,
Goldstein & Rasbash (2003), J. R. Stat. Soc. C 52, 431-443 (residuals of mixed models); van der
Leeden, Meijer & Busing (2008), Resampling multilevel models, in Handbook of Multilevel Analysis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.designs.engine_data import as_lmm_data, is_structured
from mlpool.engine.lmm.fit import is_one_factor
from mlpool.engine.lmm.repeated_fits import ClusterResamples, new_responses
from mlpool.errors import NotSupportedError
from mlpool.models import GeneralizedLinearModel, LinearMixedModel
from mlpool.models.extractors.parameter_names import SdScale
from mlpool.models.extractors.random_effects import relative_factors
from mlpool.models.prediction import linear_predictor
from mlpool.refits.repeated_fits import (
    GlmRefits,
    LinearRefits,
    LmmRefits,
    ModelRefits,
    Statistic,
)
from mlpool.refits.row_resampling import Clusters, take_rows
from mlpool.refits.simulate import response_model
from mlpool.typing import FloatArray, IntArray
from mlpool.uncertainty.fit_records import mixed_fit, ols_fit
from mlpool.uncertainty.influence import leverages
from mlpool.uncertainty.score_rows import score_rows
from mlpool.uncertainty.small_sample import is_iterative

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ClusterLike

_NO_DIRECTION = 1e-10
"""Share of the largest variance, effects in their own SDs, below which a direction has none."""

# --- what is drawn ------------------------------------------------------------------------------


class Parametric:
    """Responses drawn from the fitted model, random effects anew."""

    def __init__(self, m: FittedModel) -> None:
        self._source = response_model(m)

    def __call__(self, rng: np.random.Generator) -> FloatArray:
        """Return one response."""
        return self._source.draw(rng)


class Residuals:
    """Responses made of resampled residuals: of a linear model, or of a linear mixed model.

    lm: ``y* = X beta + e*/sqrt(w)`` with e* drawn from the centred ``sqrt(w) e / sqrt(1 - h)``.
    lmer: random effects and residuals, each centred and inflated to the estimated covariances, are
    drawn with replacement at every level.
    """

    def __init__(self, m: FittedModel) -> None:
        design = m.design
        w = np.ones(design.n) if design.weights is None else design.weights
        self._root = np.sqrt(w)
        fitted = (
            linear_predictor(m, with_random=True) if m.is_mixed else np.asarray(ols_fit(m).fitted)
        )
        e = self._root * (design.y - fitted)
        self._mean = linear_predictor(m, with_random=False) if m.is_mixed else fitted
        self._terms: tuple[Any, ...] = ()
        self._effects: list[FloatArray] = []
        if m.is_mixed:
            e = e - e.mean()
            e = e * (m.sigma / np.sqrt(np.mean(e**2)))
            self._terms = as_lmm_data(design).terms
            factors = relative_factors(mixed_fit(m).theta, SdScale.of(m).sizes)
            for b, lam in zip(mixed_fit(m).b, factors, strict=True):
                self._effects.append(_inflated(b, m.sigma * lam))
        else:
            # a leverage has no unit: a residual grows 1e4 times at most
            e = e / np.sqrt(1.0 - np.minimum(leverages(m), 1.0 - 1e-8))
            e = e - e.mean()
        self._e = e

    def __call__(self, rng: np.random.Generator) -> FloatArray:
        """Return one response."""
        n = len(self._e)
        y = self._mean + self._e[rng.integers(0, n, n)] / self._root
        for term, b in zip(self._terms, self._effects, strict=True):
            drawn = b[rng.integers(0, len(b), len(b))][term.codes]
            y = y + np.einsum("ik,ik->i", term.z.rows(0, n), drawn)
        return np.asarray(y)


def _inflated(b: FloatArray, root: FloatArray) -> FloatArray:
    """Return effects (J, k) centred and transformed to the covariance ``root root'``.

    In units of the effects' own SDs, so that a slope counts whatever its predictor's unit is.
    """
    sd = np.sqrt(np.einsum("ij,ij->i", root, root))
    scale = np.where(sd > 0.0, sd, 1.0)
    b, root = (b - b.mean(axis=0)) / scale, root / scale[:, None]
    values, Q = np.linalg.eigh(b.T @ b / len(b))
    kept = values > _NO_DIRECTION * float(values.max())
    white = (b @ Q[:, kept]) / np.sqrt(values[kept])
    # The symmetric pairing: white noise in the directions that the effects have.
    return np.asarray(white @ Q[:, kept].T @ _symmetric_root(root @ root.T) * scale)


def _symmetric_root(S: FloatArray) -> FloatArray:
    values, Q = np.linalg.eigh(S)
    return np.asarray((Q * np.sqrt(np.maximum(values, 0.0))) @ Q.T)


# --- one replicate ------------------------------------------------------------------------------


class FromResponses:
    """Draws a response and fits the model to it."""

    def __init__(self, draw: Parametric | Residuals, refit: Callable[[FloatArray], Any]) -> None:
        self._draw, self._refit = draw, refit

    def __call__(self, rng: np.random.Generator) -> tuple[FloatArray, bool]:
        """Return one replicate."""
        values, is_singular = self._refit(self._draw(rng))
        return values, bool(is_singular)


class FromCases:
    """Draws clusters (or rows) with replacement and fits the model to them."""

    def __init__(self, m: FittedModel, clusters: Clusters, statistic: Statistic | None) -> None:
        self.clusters, self._design = clusters, m.design
        self._mode = "rows"
        self._refit: Any
        if statistic is None and not m.is_mixed:
            self._mode, self._refit = "counts", _single_level(m)
        elif (
            statistic is None
            and isinstance(m, LinearMixedModel)
            and not is_structured(m.design)
            and _is_the_factor(m, clusters)
        ):
            self._mode, self._refit = "sums", LmmRefits(m, ClusterResamples)
        else:
            self._refit = ModelRefits(m, statistic)

    def __call__(self, rng: np.random.Generator) -> tuple[FloatArray, bool]:
        """Return one replicate."""
        J = self.clusters.n_clusters
        return self.of(rng.integers(0, J, J))

    @property
    def is_weighted(self) -> bool:
        """Whether replicates are fits to all rows, weighted: coefficients of lm and glm."""
        return self._mode == "counts"

    def of(self, picked: IntArray) -> tuple[FloatArray, bool]:
        """Return the fit to some clusters, each as often as it is named."""
        if self._mode == "sums":
            result = self._refit(picked)
        elif self._mode == "counts":
            times = np.bincount(picked, minlength=self.clusters.n_clusters)
            result = self._refit.weighted(times[self.clusters.codes].astype(np.float64))
        else:
            rows, copies = self.clusters.rows(picked)
            result = self._refit.design(take_rows(self._design, rows, copies, self.clusters.codes))
        return result[0], bool(result[1])


def _is_the_factor(m: FittedModel, clusters: Clusters) -> bool:
    """Tell whether the clusters are the levels of the model's only grouping factor."""
    if m.fit.engine != "mlpool" or not is_one_factor(as_lmm_data(m.design)):
        return False
    return np.array_equal(np.asarray(m.design.random[0].codes), clusters.codes)


def make_task(
    m: FittedModel, type_: str, cluster: ClusterLike | None, statistic: Statistic | None
) -> Any:
    """Return what makes one replicate.

    Parameters
    ----------
    m : FittedModel
    type_ : {"parametric", "case", "residual"}
    cluster : str, Series or array, optional
        For ``"case"``.
    statistic : callable, optional

    Raises
    ------
    NotSupportedError
        For residuals of generalised models, and all but parametric draws of models with a residual
        structure.
    OptionError
        If clusters cannot be chosen.
    """
    if type_ != "parametric" and m.kind == "gls":
        raise NotSupportedError(
            f"type={type_!r} does not serve models with a residual correlation or dispersion: "
            "their rows cannot be exchanged; take type='parametric'."
        )
    if type_ == "case":
        return FromCases(m, Clusters.of(m, cluster), statistic)
    if type_ == "residual" and m.family is not None:
        raise NotSupportedError(
            f"type='residual' is for linear models, whose residuals can be exchanged; of a "
            f"{m.kind} model use type='parametric' or 'case'."
        )
    draw = Parametric(m) if type_ == "parametric" else Residuals(m)
    if statistic is not None or m.kind in ("glmer", "gls") or is_foreign(m):
        return FromResponses(draw, ModelRefits(m, statistic))
    if isinstance(m, LinearMixedModel):
        return FromResponses(draw, LmmRefits(m, new_responses))
    return FromResponses(draw, _single_level(m))


def _single_level(m: FittedModel) -> LinearRefits | GlmRefits:
    return GlmRefits(m) if isinstance(m, GeneralizedLinearModel) else LinearRefits(m)


def is_foreign(m: FittedModel) -> bool:
    """Tell whether replicates are the work of another engine, solver or search, as the model is."""
    other = m.is_mixed and (m.fit.engine != "mlpool" or is_structured(m.design))
    return bool(other) or is_iterative(m)


def influence_values(m: FittedModel, task: FromCases) -> FloatArray:
    """Return each cluster's influence on every parameter (J, k), for BCa intervals.

    Coefficients of lm and glm: the infinitesimal jackknife, scores times the bread. All else: the
    jackknife, one fit without each cluster.

    Raises
    ------
    FitError
        If the model cannot be fitted without some cluster.
    """
    J = task.clusters.n_clusters
    if task.is_weighted:
        rows = score_rows(m)
        scores = rows.X * (rows.resid * (1.0 if rows.weights is None else rows.weights))[:, None]
        by_cluster = np.zeros((J, scores.shape[1]))
        np.add.at(by_cluster, task.clusters.codes, scores)
        return np.asarray(by_cluster @ rows.bread)
    everyone = np.arange(J)
    left_out = [task.of(np.delete(everyone, j))[0] for j in range(J)]
    values = np.array(left_out)
    return np.asarray((J - 1) * (values.mean(axis=0) - values))
