"""What covariances and hypotheses read of a fitted model, which stands above them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from mlpool.engine.types import FitRecord
    from mlpool.families import Family
    from mlpool.formula.design import Design
    from mlpool.formula.residual_structure import ResidualStructure
    from mlpool.formula.types import ColumnInfo, ParsedFormula
    from mlpool.typing import ClusterLike, FloatArray, VcovLike
    from mlpool.uncertainty.covariance import VcovChoice


class EstimatedModel(Protocol):
    """A model by what it holds: `mlpool.models.FittedModel` is one."""

    @property
    def _cache(self) -> dict[str, Any]:
        """What was made once."""

    @property
    def kind(self) -> str:
        """``lm``, ``glm``, ``lmer``, ``glmer`` or ``gls``: which record `fit` is."""

    @property
    def design(self) -> Design:
        """The data as they were encoded."""

    @property
    def fit(self) -> FitRecord:
        """The engine's record, a type of its own for every kind."""

    @property
    def family(self) -> Family | None:
        """Distribution and link of generalised models."""

    @property
    def structure(self) -> ResidualStructure:
        """What is said about the residuals."""

    @property
    def vcov_choice(self) -> VcovChoice | None:
        """Robust covariance chosen when the model was fitted."""

    @property
    def vcov_type(self) -> str | None:
        """Its name."""

    @property
    def formula(self) -> ParsedFormula:
        """The formula."""

    @property
    def columns(self) -> tuple[ColumnInfo, ...]:
        """The estimated coefficients."""

    @property
    def names(self) -> list[str]:
        """R's names of the estimated coefficients."""

    @property
    def aliased(self) -> tuple[str, ...]:
        """Coefficients that were dropped because other columns determine them."""

    @property
    def is_mixed(self) -> bool:
        """Whether there are random effects."""

    @property
    def reml(self) -> bool:
        """Whether REML was used."""

    @property
    def df_residual(self) -> int:
        """Residual degrees of freedom."""

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""

    @property
    def se(self) -> pd.Series:
        """Standard errors."""

    @property
    def fitted(self) -> pd.Series:
        """Fitted values."""

    @property
    def prior_weights(self) -> FloatArray:
        """Prior weights of the rows used (n,)."""

    def fixef(self) -> pd.Series:
        """Return the coefficients."""

    def residuals(self, type: str | None = None) -> pd.Series:
        """Return residuals of R's type."""

    def vcov(
        self, type: VcovLike | None = None, cluster: ClusterLike | None = None
    ) -> pd.DataFrame:
        """Return the covariance of the coefficients."""
