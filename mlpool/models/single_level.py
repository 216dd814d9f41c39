"""Fitted linear and generalised linear models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from mlpool.designs.least_squares import AbsorbedOls, least_squares
from mlpool.engine.glm.fit import fit_glm
from mlpool.engine.types import OlsFit
from mlpool.engine.via_statsmodels import glm_results
from mlpool.families import Family
from mlpool.formula.design import Design
from mlpool.models.fitted import FittedModel, Kind
from mlpool.models.prediction import predict_glm, predict_ols
from mlpool.sources.lazy_rows import Native
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.typing import DataLike


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class SingleLevelModel(FittedModel):
    """What models without random effects have in common."""

    fit: OlsFit | AbsorbedOls

    @property
    def sigma(self) -> float:
        """Residual standard deviation; of a glm the root of its dispersion."""
        return float(self.fit.sigma)

    @property
    def loglik(self) -> float:
        """Log-likelihood."""
        return float(self.fit.loglik)

    @property
    def deviance(self) -> float:
        """Residual sum of squares (lm) or residual deviance (glm)."""
        return float(self.fit.rss)

    @property
    def df_residual(self) -> int:
        """Rows that count less estimated coefficients."""
        return int(self.fit.df_residual)

    @property
    def _fitted_values(self) -> FloatArray:
        return np.asarray(self.fit.fitted)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class LinearModel(SingleLevelModel):
    """A linear model fitted by least squares (R's ``lm``)."""

    kind: ClassVar[Kind] = "lm"

    def _standard_errors(self) -> FloatArray:
        if self.vcov_choice is None and isinstance(self.fit, AbsorbedOls):
            return np.asarray(self.fit.standard_errors)
        return super()._standard_errors()

    @property
    def statsmodels(self) -> Any:
        """The statsmodels results object of the same model (fitted now if need be)."""
        if self.fit.raw is None:
            return least_squares(self.design, "statsmodels").raw
        return self.fit.raw

    def fit_record(self, design: Design) -> OlsFit | AbsorbedOls:
        """Return the least-squares record of another design."""
        engine = "statsmodels" if self.fit.engine == "statsmodels" else "auto"
        return least_squares(design, engine)

    def predict(self, newdata: DataLike | None = None) -> pd.Series | Native:
        """Return fitted values of the data or of `newdata`, encoded as the data were.

        Of a lazy frame they are one: its rows with a column ``predicted``, in its own engine.
        """
        return predict_ols(self, newdata)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class GeneralizedLinearModel(SingleLevelModel):
    """A generalised linear model (R's ``glm``)."""

    fit: OlsFit
    family: Family
    kind: ClassVar[Kind] = "glm"

    @property
    def loglik_df(self) -> int:
        """Coefficients, plus one where a likelihood has a dispersion that is estimated."""
        own = self.family.has_dispersion and not self.family.is_quasi
        return len(self.fit.beta) + int(own)

    @property
    def statsmodels(self) -> Any:
        """The statsmodels results object of the same model (fitted now if need be)."""
        design = self.design
        return glm_results(
            design.y, design.X.dense(), self.family, trials=design.trials, weights=design.weights,
            offset=design.offset, start=self.fit.beta,
        )  # fmt: skip

    def fit_record(self, design: Design) -> OlsFit:
        """Return the IRLS record of another design."""
        return fit_glm(
            design.y, design.X.dense(), self.family,
            trials=design.trials, weights=design.weights, offset=design.offset,
        )  # fmt: skip

    def predict(self, newdata: DataLike | None = None, type: str = "link") -> pd.Series | Native:
        """Return predictions on the link (default, as R) or the response scale.

        Of a lazy frame they are one: its rows with a column ``predicted``, in its own engine.
        """
        return predict_glm(self, newdata, type)
