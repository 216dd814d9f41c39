"""The same model fitted again, fast: to other responses, other rows, other weights of its rows.

Each class makes once what does not change, and gives the parameters of one fit (SDs and
correlations, sigma, coefficients) and whether it is singular.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from mlpool.designs.engine_data import as_lmm_data
from mlpool.engine.glmm.types import GlmmFit
from mlpool.engine.lmm.repeated_fits import Refitted, new_responses
from mlpool.engine.residual.types import ResidualFit
from mlpool.engine.types import FitRecord, LmmFit, OlsFit
from mlpool.errors import FitError, OptionError
from mlpool.inference.profiles.glm import GlmProblem, fit_with_offset
from mlpool.models import GeneralizedLinearModel, LinearMixedModel, MixedModel
from mlpool.models.extractors.parameter_names import SdScale, record_values
from mlpool.models.extractors.random_effects import relative_factors
from mlpool.refits.refit import with_record
from mlpool.refits.refit_response import with_response
from mlpool.typing import FloatArray
from mlpool.uncertainty.small_sample import glm_problem

if TYPE_CHECKING:
    from mlpool.formula.design import Design
    from mlpool.models import FittedModel

Statistic = Callable[[Any], Any]
"""Takes a fitted model, returns one number or several."""

Drawn = TypeVar("Drawn")

_LOST = 1e-10
"""Ratio of the eigenvalues of scaled cross-products below which a resample lost a column."""
_LOST_COLUMN = "The resample leaves a coefficient without variation in its column."
_SURE = 1e-10
"""A fitted probability this close to 0 or 1 in a replicate alone means separated outcomes."""


class LinearRefits:
    """A linear model fitted to other responses: one product each."""

    def __init__(self, m: FittedModel) -> None:
        design = m.design
        X = design.X.dense()[:, m.fit.kept]
        root = np.ones(design.n) if design.weights is None else np.sqrt(design.weights)
        Q, R = np.linalg.qr(X * root[:, None])
        self._Q, self._QT, self._R = Q, Q.T * root, R
        self._offset = 0.0 if design.offset is None else design.offset
        self._y = design.y

    def __call__(self, y: FloatArray) -> tuple[FloatArray, bool]:
        """Return the coefficients of a response."""
        return np.linalg.solve(self._R, self._QT @ (y - self._offset)), False

    def weighted(self, counts: FloatArray) -> tuple[FloatArray, bool]:
        """Return the coefficients of the rows, each taken `counts` times.

        Raises
        ------
        FitError
            If a column is lost.
        """
        gram = self._Q.T @ (self._Q * counts[:, None])
        if np.linalg.cond(gram) > 1.0 / _LOST:
            raise FitError(_LOST_COLUMN)
        turned = np.linalg.solve(gram, self._QT @ (counts * (self._y - self._offset)))
        return np.linalg.solve(self._R, turned), False


class GlmRefits:
    """A generalised linear model fitted to other responses, or to the rows weighted anew."""

    def __init__(self, m: GeneralizedLinearModel) -> None:
        self._problem = glm_problem(m)
        self._beta = np.asarray(m.fit.beta)
        self._is_bounded = m.family.kin == "binomial"
        self._closest = self._margin(self._beta, None)

    def __call__(self, y: FloatArray) -> tuple[FloatArray, bool]:
        """Return the coefficients of a response."""
        return self._fit(replace(self._problem, y=y), None), False

    def weighted(self, counts: FloatArray) -> tuple[FloatArray, bool]:
        """Return the coefficients of the rows, each taken `counts` times.

        Raises
        ------
        FitError
            If a column is lost.
        """
        used = counts > 0
        prior = self._problem.weights
        problem = replace(
            self._problem,
            y=self._problem.y[used],
            X=self._problem.X[used],
            weights=counts[used] if prior is None else (counts * prior)[used],
            offset=None if self._problem.offset is None else self._problem.offset[used],
        )
        _check_rank(problem.X, counts[used])
        return self._fit(problem, used), False

    def _fit(self, problem: GlmProblem, used: object) -> FloatArray:
        offset = np.zeros(len(problem.y)) if problem.offset is None else problem.offset
        beta, deviance = fit_with_offset(problem, problem.X, offset, self._beta)
        if not np.isfinite(deviance):
            raise FitError("The iterations diverged.")
        if self._is_bounded and self._margin(beta, used) < min(_SURE, self._closest):
            raise FitError("A predictor separates the outcomes of the resample.")
        return beta

    def _margin(self, beta: FloatArray, used: Any) -> float:
        """Return the least distance of a fitted probability from 0 and 1."""
        problem = self._problem
        eta = problem.X @ beta + (0.0 if problem.offset is None else problem.offset)
        mu = problem.family.inverse(eta if used is None else eta[used])
        return float(np.minimum(mu, 1.0 - mu).min())


class LmmRefits(Generic[Drawn]):
    """A linear mixed model fitted again to what is drawn, from sums that are made once.

    Parameters
    ----------
    m : LinearMixedModel
    prepare : callable
        :func:`~mlpool.engine.lmm.repeated_fits.new_responses` for responses (n,),
        :class:`~mlpool.engine.lmm.repeated_fits.ClusterResamples` for clusters, each as often as
        it is named.
    """

    def __init__(self, m: LinearMixedModel, prepare: Callable[..., Refitted[Drawn]]) -> None:
        control = replace(m.control, progress=False)
        self._fits = prepare(as_lmm_data(m.design), m.theta, reml=m.reml, control=control)
        self._scale = SdScale.of(m)

    def __call__(self, drawn: Drawn) -> tuple[FloatArray, bool]:
        """Return the parameters of one draw."""
        found = self._fits.fit(drawn)
        return self._scale.stack(found.beta, found.theta, found.sigma), found.is_singular


class LmmLogliks:
    """Log-likelihoods of a linear mixed model by ML for other responses, from sums made once.

    Parameters
    ----------
    m : LinearMixedModel
        A fit by ML.

    Notes
    -----
    The constant of prior weights is left out, which models of the same rows share.
    """

    def __init__(self, m: LinearMixedModel) -> None:
        control = replace(m.control, progress=False)
        self._fits = new_responses(as_lmm_data(m.design), m.theta, reml=False, control=control)

    def __call__(self, y: FloatArray) -> tuple[FloatArray, bool]:
        """Return the log-likelihood (1,) of a response (n,)."""
        found = self._fits.fit(y)
        return np.array([-0.5 * found.criterion]), found.is_singular


class ModelRefits:
    """Any model fitted to another design in full; the user's statistic or the parameters of it."""

    def __init__(self, m: FittedModel, statistic: Statistic | None = None) -> None:
        start = None
        if isinstance(m, MixedModel):
            tol, diagonal = m.control.singular_tol, _diagonal(m)
            start = tuple(m.theta.tolist()) if np.all(diagonal > tol) else None
        control = replace(m.control, progress=False, start=start)
        self._m = replace(m, control=control, vcov_choice=None)
        self._statistic = statistic

    def __call__(self, y: FloatArray) -> tuple[FloatArray, bool]:
        """Return what is asked for of a response."""
        if self._statistic is None:
            return self.design(replace(self._m.design, y=y))
        # what the user asks of the model may fit again, from its data
        return self.design(with_response(self._m, y))

    def design(self, design: Design) -> tuple[FloatArray, bool]:
        """Return what is asked for of another design.

        Raises
        ------
        FitError
            If the fit did not converge or lost a coefficient.
        """
        record = self._m.fit_record(design)
        if not np.array_equal(record.kept, self._m.fit.kept):
            raise FitError(_LOST_COLUMN)
        if not _has_converged(record):
            raise FitError("The fit did not converge.")
        if self._statistic is None:
            values = record_values(self._m, record, _sigma(record))
        else:
            model = with_record(self._m, design, record)
            values = as_vector(self._statistic(model))
        found = getattr(record, "diagnostics", ())
        return values, any(d.code == "singular" for d in found)


def _check_rank(X: FloatArray, counts: FloatArray) -> None:
    root = X * np.sqrt(counts)[:, None]
    length = np.sqrt((root**2).sum(axis=0))
    if not np.all(length > 0) or np.linalg.cond(root / length) > _LOST**-0.5:
        raise FitError(_LOST_COLUMN)


def _diagonal(m: MixedModel) -> FloatArray:
    return np.concatenate([np.diag(lam) for lam in relative_factors(m.theta, SdScale.of(m).sizes)])


def _has_converged(record: FitRecord) -> bool:
    if isinstance(record, LmmFit | GlmmFit | ResidualFit):
        return record.optimum is None or record.optimum.converged
    return not isinstance(record, OlsFit) or record.converged


def _sigma(record: FitRecord) -> float:
    if isinstance(record, OlsFit | GlmmFit):
        return float(np.sqrt(record.dispersion))
    return float(record.sigma) if isinstance(record, LmmFit | ResidualFit) else float("nan")


def as_vector(value: object) -> FloatArray:
    """Return the numbers of a statistic: a number, an array, a Series or a mapping.

    Raises
    ------
    OptionError
        If it holds anything else.
    """
    values = list(value.values()) if isinstance(value, dict) else value
    try:
        return np.atleast_1d(np.asarray(values, dtype=np.float64)).ravel()
    except (TypeError, ValueError):
        raise OptionError(
            "statistic= must return a number or several numbers (array, Series, dict); it "
            f"returned {type(value).__name__}."
        ) from None
