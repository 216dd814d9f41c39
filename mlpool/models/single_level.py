"""Fitted linear and generalised linear models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from mlpool.engine.types import OlsFit
from mlpool.engine.via_statsmodels import fit_glm, fit_ols
from mlpool.formula.design import Design
from mlpool.models.fitted import FittedModel, Kind
from mlpool.models.predict import predict_glm, predict_ols


@dataclass(frozen=True, kw_only=True, repr=False)
class LinearModel(FittedModel):
    """A linear model fitted by least squares (R's ``lm``)."""

    fit: OlsFit
    kind: ClassVar[Kind] = "lm"

    def fit_record(self, design: Design) -> OlsFit:
        """Return the least-squares record of another design."""
        return fit_ols(design.y, design.X.dense(), design.weights, design.offset)

    def predict(self, newdata: Any = None) -> pd.Series:
        """Return fitted values of the data or of `newdata`, encoded as the data were."""
        return predict_ols(self, newdata)


@dataclass(frozen=True, kw_only=True, repr=False)
class GeneralizedLinearModel(FittedModel):
    """A generalised linear model (R's ``glm``)."""

    fit: OlsFit
    kind: ClassVar[Kind] = "glm"

    @property
    def loglik_df(self) -> int:
        """Coefficients, plus one where a dispersion is estimated."""
        assert self.family is not None
        return len(self.fit.beta) + int(self.family.has_dispersion)

    def fit_record(self, design: Design) -> OlsFit:
        """Return the IRLS record of another design."""
        assert self.family is not None
        return fit_glm(
            design.y, design.X.dense(), self.family,
            trials=design.trials, weights=design.weights, offset=design.offset,
        )  # fmt: skip

    def predict(self, newdata: Any = None, type: str = "link") -> pd.Series:
        """Return predictions on the link (default, as R) or the response scale."""
        return predict_glm(self, newdata, type)
