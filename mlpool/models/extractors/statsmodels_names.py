"""The names that statsmodels has for what a fitted model knows, so that they work here, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.argument_values import level
from mlpool.registry import verb
from mlpool.uncertainty.fit_records import ols_fit

if TYPE_CHECKING:
    from mlpool.models.fitted import FittedModel
    from mlpool.typing import DataLike


class StatsmodelsNames:
    """statsmodels' spellings of a model's own methods; the documentation uses the latter."""

    @property
    def params(self: FittedModel) -> pd.Series:  # type: ignore[misc]
        """The coefficients: :meth:`fixef`."""
        return self.fixef()

    @property
    def bse(self: FittedModel) -> pd.Series:  # type: ignore[misc]
        """Standard errors: :attr:`se`."""
        return self.se

    @property
    def tvalues(self: FittedModel) -> pd.Series:  # type: ignore[misc]
        """Coefficients over standard errors (z values where there is no residual variance)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return (self.fixef() / self.se).rename("t value")

    @property
    def pvalues(self: FittedModel) -> pd.Series:  # type: ignore[misc]
        """p-values of :func:`mlpool.p_value`; model_parameters() offers small-sample df."""
        return pd.Series(verb("p_value")(self)["p"].to_numpy(), index=self.names, name="p")

    def conf_int(self: FittedModel, alpha: float = 0.05) -> pd.DataFrame:  # type: ignore[misc]
        """Return Wald intervals of the coefficients at level ``1 - alpha``.

        Estimate -+ quantile x standard error, as ``confint(method="wald")``. The quantile is the
        normal distribution's for ``glm``, ``lmer``, ``glmer`` and ``gls``, and t's with the
        residual df for ``lm``. :func:`mlpool.model_parameters` takes t for mixed models of a
        Gaussian response, too, so its intervals are a little wider, and profiles for ``glm``.

        Parameters
        ----------
        alpha : float
            One minus the confidence level.

        Returns
        -------
        pandas.DataFrame
            One row per coefficient; columns 0 (lower) and 1 (upper), as statsmodels has them.

        Raises
        ------
        OptionError
            If ``alpha`` is not between 0 and 1.

        See Also
        --------
        mlpool.confint : Profile and bootstrap intervals, of variances as well.

        Examples
        --------
        >>> import mlpool
        >>> m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
        >>> print(m.conf_int().round(2))
                          0       1
        (Intercept)  232.30  270.51
        Days           8.89   12.04
        """
        found = self.confint(level=1 - level(alpha, "alpha"), method="wald").loc[self.names]
        return found.set_axis([0, 1], axis=1)

    def cov_params(self: FittedModel) -> pd.DataFrame:  # type: ignore[misc]
        """Return :meth:`vcov`."""
        return self.vcov()

    @property
    def fittedvalues(self: FittedModel) -> pd.Series:  # type: ignore[misc]
        """Fitted values: :attr:`fitted`."""
        return self.fitted

    @property
    def llf(self: FittedModel) -> float:  # type: ignore[misc]
        """Log-likelihood: :attr:`loglik`."""
        return self.loglik

    @property
    def df_resid(self: FittedModel) -> int:  # type: ignore[misc]
        """Residual degrees of freedom: :attr:`df_residual`."""
        return self.df_residual

    @property
    def rsquared(self: FittedModel) -> float:  # type: ignore[misc]
        """The first index of :func:`mlpool.r2` (of mixed models the conditional R2)."""
        return float(verb("r2")(self).to_pandas().to_numpy(dtype=np.float64)[0, 0])

    @property
    def random_effects(self: FittedModel) -> Any:  # type: ignore[misc]
        """Conditional modes per grouping factor: :func:`mlpool.ranef`."""
        return verb("ranef")(self)

    @property
    def converged(self: FittedModel) -> bool:  # type: ignore[misc]
        """Whether the iterations converged (least squares always)."""
        optimum = self.optimum
        return bool(ols_fit(self).converged if optimum is None else optimum.converged)

    def tidy(  # type: ignore[misc]
        self: FittedModel,
        *,
        conf_int: bool = False,
        conf_level: float = 0.95,
        exponentiate: bool = False,
    ) -> pd.DataFrame:
        """Return :func:`mlpool.tidy` of this model."""
        options = {"conf_int": conf_int, "conf_level": conf_level, "exponentiate": exponentiate}
        frame: pd.DataFrame = verb("tidy")(self, **options)
        return frame

    def glance(self: FittedModel) -> pd.DataFrame:  # type: ignore[misc]
        """Return :func:`mlpool.glance` of this model."""
        frame: pd.DataFrame = verb("glance")(self)
        return frame

    def augment(  # type: ignore[misc] # self is the model
        self: FittedModel,
        newdata: DataLike | None = None,
    ) -> pd.DataFrame:
        """Return :func:`mlpool.augment` of this model."""
        frame: pd.DataFrame = verb("augment")(self, newdata)
        return frame
