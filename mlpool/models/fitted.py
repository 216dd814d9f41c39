"""Fitted models: a design, a fit record, and short methods that call functions below them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, Unpack, cast

import numpy as np
import pandas as pd

from mlpool.designs.read_only import kept_arguments, read_only
from mlpool.designs.row_summaries import facts_of
from mlpool.engine.types import Control, FitRecord, LmmFit, OlsFit, Optimum
from mlpool.families import Family
from mlpool.formula.design import Design
from mlpool.formula.residual_structure import ResidualStructure
from mlpool.formula.types import ColumnInfo, ParsedFormula
from mlpool.models.extractors.missing_names import MissingNames
from mlpool.models.extractors.statsmodels_names import StatsmodelsNames
from mlpool.models.residuals import residuals_as_held
from mlpool.registry import verb
from mlpool.sources.lazy_rows import Native
from mlpool.typing import FloatArray
from mlpool.uncertainty.covariance import VcovChoice, coefficient_vcov

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.formula import Expression
    from mlpool.keywords import (
        IntervalOptions,
        ParametersOptions,
        PlotOptions,
        SummaryOptions,
        UpdateOptions,
    )
    from mlpool.models.extractors.random_effects import GroupFrames
    from mlpool.results import ResultFrame
    from mlpool.summaries import Summary
    from mlpool.typing import (
        ClusterLike,
        ColumnLike,
        DataLike,
        NamesLike,
        ReForm,
        SeedLike,
        VcovLike,
    )

Kind = Literal["lm", "glm", "lmer", "glmer", "gls"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class FittedModel(StatsmodelsNames, MissingNames, ABC):
    """What every fitted model carries.

    Attributes
    ----------
    design : Design
        The data as they were encoded.
    fit : FitRecord
        The engine's record, of a type of its own in each class.
    control : Control
    call : str
        The Python call, as printed after ``Call:``.
    family : Family or None
    vcov_choice : VcovChoice or None
        Robust covariance chosen when the model was fitted; it is what `vcov()` and `se` give.
    messages : tuple of str
        What was said about the fit.
    arguments : mapping
        What `fit` was given besides formula and data, for :func:`update`.
    """

    design: Design
    fit: FitRecord
    control: Control
    call: str
    family: Family | None = None
    vcov_choice: VcovChoice | None = None
    messages: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict, compare=False)
    _cache: dict[str, Any] = field(default_factory=dict, compare=False)
    kind: ClassVar[Kind]

    # --- what it is -------------------------------------------------------------------------

    @property
    def formula(self) -> ParsedFormula:
        """The formula."""
        return self.design.formula

    @property
    def response(self) -> Expression:
        """The left side of the formula."""
        assert self.formula.response is not None  # without one there is no fit
        return self.formula.response

    @property
    def structure(self) -> ResidualStructure:
        """What ``correlation=`` and ``dispersion=`` said: nothing, for most models."""
        return ResidualStructure()

    @property
    def columns(self) -> tuple[ColumnInfo, ...]:
        """The estimated coefficients: names and what they are made of."""
        return tuple(self.design.X.columns[i] for i in self.fit.kept)

    @property
    def names(self) -> list[str]:
        """R's names of the estimated coefficients."""
        return [c.name for c in self.columns]

    @property
    def aliased(self) -> tuple[str, ...]:
        """Coefficients that were dropped because other columns determine them."""
        names, kept = self.design.X.names, {int(i) for i in self.fit.kept}
        return tuple(n for i, n in enumerate(names) if i not in kept)

    @property
    def nobs(self) -> int:
        """Rows used."""
        return int(self.fit.n)

    @property
    def n_missing(self) -> int:
        """Rows left out because of missing values."""
        return self.design.n_missing

    @property
    def na_rows(self) -> pd.Index:
        """Labels of the rows of the data that were not used."""
        kept, index = self.design.kept, self.design.frame.index
        return index[:0] if kept is None else index[~kept]

    @property
    def ngroups(self) -> dict[str, int]:
        """Number of levels of each grouping factor."""
        return {r.group: len(r.levels) for r in self.design.random}

    @property
    def reml(self) -> bool:
        """Whether REML was used."""
        return False

    # --- coefficients -----------------------------------------------------------------------

    def fixef(self) -> pd.Series:
        """Return the coefficients by R's names."""
        return pd.Series(np.array(self.fit.beta), index=self.names, name="Estimate")

    def coef(self) -> pd.Series | GroupFrames:
        """Return the coefficients (lm, glm), or those of every group (lmer)."""
        return self.fixef()

    def vcov(
        self, type: VcovLike | None = None, cluster: ClusterLike | None = None
    ) -> pd.DataFrame:
        """Return the covariance matrix of the coefficients.

        Parameters
        ----------
        type : str, optional
            ``HC0`` .. ``HC5`` (sandwich's vcovHC), with `cluster` ``HC0`` .. ``HC3`` or
            ``vcovCL`` (sandwich's vcovCL) and ``CR0`` .. ``CR3`` (clubSandwich; of mixed models
            too). None: as fitted.
        cluster : str, Series, array or a list of them, optional
            A mixed model's are by default the grouping factor with the fewest levels.

        Returns
        -------
        DataFrame (p, p)

        Raises
        ------
        OptionError
            For unknown types.
        """
        return pd.DataFrame(np.array(coefficient_vcov(self, type, cluster)), self.names, self.names)

    @property
    def se(self) -> pd.Series:
        """Standard errors by R's names."""
        if "se" not in self._cache:
            self._cache["se"] = self._standard_errors()
        return pd.Series(np.array(self._cache["se"]), index=self.names, name="Std. Error")

    def _standard_errors(self) -> FloatArray:
        return np.asarray(np.sqrt(np.diag(self.vcov())))

    @property
    def vcov_type(self) -> str | None:
        """Name of the robust covariance chosen at fit time."""
        return None if self.vcov_choice is None else self.vcov_choice.label

    # --- fit measures -----------------------------------------------------------------------

    @property
    @abstractmethod
    def sigma(self) -> float:
        """Residual standard deviation."""

    @property
    @abstractmethod
    def loglik(self) -> float:
        """Log-likelihood (REML for REML fits)."""

    @property
    def loglik_df(self) -> int:
        """Number of parameters, as R counts them."""
        return len(self.fit.beta) + 1

    @property
    def aic(self) -> float:
        """Akaike's criterion, -2 log-likelihood + 2 parameters."""
        return -2 * self.loglik + 2 * self.loglik_df

    @property
    def bic(self) -> float:
        """Schwarz's criterion, with log(nobs) also under REML, as in R."""
        return -2 * self.loglik + float(np.log(self.nobs)) * self.loglik_df

    @property
    @abstractmethod
    def deviance(self) -> float:
        """Residual sum of squares (lm), residual deviance (glm), ML deviance (lmer)."""

    @property
    @abstractmethod
    def df_residual(self) -> int:
        """Residual degrees of freedom, as R's ``df.residual``."""

    @property
    def is_singular(self) -> bool:
        """Whether a random-effects covariance is singular (never for models without)."""
        return False

    @property
    def optimum(self) -> Optimum | None:
        """The optimiser's record."""
        return None

    @property
    @abstractmethod
    def statsmodels(self) -> Any:
        """The statsmodels results object of the same model."""

    # --- rows -------------------------------------------------------------------------------

    @property
    def fitted(self) -> pd.Series:
        """Fitted values on the data's own index."""
        return pd.Series(np.array(self._fitted_values), index=self.design.index, name="fitted")

    @property
    def resid(self) -> pd.Series:
        """Response residuals, y - fitted, on the data's own index."""
        return pd.Series(self.design.y - self._fitted_values, index=self.design.index, name="resid")

    def residuals(
        self, type: str | None = None, scaled: bool = False, seed: SeedLike | None = None
    ) -> pd.Series | Native:
        """Return R's ``residuals(type=)``; see :func:`~mlpool.models.residuals.residuals_of`.
        A model fitted by queries returns its rows lazily, with columns ``fitted`` and ``resid``.

        Parameters
        ----------
        type : {"response", "pearson", "deviance", "working", "quantile"}, optional
            Default: ``"deviance"`` for generalised models, ``"response"`` for linear ones.
        scaled : bool
            Divide by the residual standard deviation.
        seed : int or Generator, optional
            Of quantile residuals, which are random for counts and successes.
        """
        return residuals_as_held(self, type, scaled, seed)

    @property
    def prior_weights(self) -> FloatArray:
        """Prior weights of the rows used (n,), denominators of binomial responses included."""
        trials, weights = self.design.trials, self.design.weights
        ones = np.ones(self.design.n) if trials is None else np.array(trials)
        return ones if weights is None else ones * weights

    @property
    @abstractmethod
    def _fitted_values(self) -> FloatArray:
        """Fitted values of the rows used (n,)."""

    @abstractmethod
    def predict(self, newdata: DataLike | None = None) -> pd.Series | Native:
        """Return predictions of the data or of `newdata`, encoded as the data were."""

    # --- again ------------------------------------------------------------------------------

    @property
    def is_mixed(self) -> bool:
        """Whether the model has random effects."""
        return bool(self.design.random)

    @abstractmethod
    def fit_record(self, design: Design) -> FitRecord:
        """Return the engine's record of this model fitted to another design."""

    def simulate(
        self, nsim: int = 1, seed: SeedLike | None = None, re_form: ReForm = False
    ) -> pd.DataFrame:
        """Return :func:`mlpool.simulate` of this model."""
        return cast("pd.DataFrame", verb("simulate")(self, nsim, seed, re_form))

    def refit(self, y: ColumnLike | pd.DataFrame) -> Self:
        """Return :func:`mlpool.refit` of this model."""
        return cast("Self", verb("refit")(self, y))

    def update(
        self,
        formula: str | None = None,
        data: DataLike | None = None,
        **changes: Unpack[UpdateOptions],
    ) -> FittedModel:
        """Return :func:`mlpool.update` of this model."""
        return cast("FittedModel", verb("update")(self, formula, data, **changes))

    def standardized(self, *, robust: bool = False, two_sd: bool = False) -> Self:
        """Return the model fitted again to z-scores; see :func:`mlpool.standardize`."""
        return cast("Self", verb("standardize_model")(self, robust=robust, two_sd=two_sd))

    def save(self, path: str | PathLike[str], data: bool = False) -> Path:
        """Write the model to a file that :func:`mlpool.load_model` reads.

        Parameters
        ----------
        path : str or Path
        data : bool
            Keep the rows of the used columns, which residuals, refits, simulation and other
            sandwich covariances need.

        Returns
        -------
        Path
        """
        return cast("Path", verb("save_model")(self, path, data=data))

    def confint(
        self,
        parm: NamesLike | Sequence[int] | None = None,
        level: float = 0.95,
        method: str | None = None,
        **options: Unpack[IntervalOptions],
    ) -> pd.DataFrame:
        """Return :func:`mlpool.confint` of this model."""
        return cast("pd.DataFrame", verb("confint")(self, parm, level, method, **options))

    def __post_init__(self) -> None:
        """Make what the model holds read-only: results are the user's, the model is not."""
        object.__setattr__(self, "design", read_only(self.design))
        object.__setattr__(self, "fit", read_only(self.fit))
        object.__setattr__(self, "vcov_choice", read_only(self.vcov_choice))
        object.__setattr__(self, "arguments", kept_arguments(self.arguments))

    def __getstate__(self) -> dict[str, object]:
        """Pickle the estimates, the used columns and the facts; the rest is made again."""
        state = dict(self.__dict__)
        if isinstance(self.fit, OlsFit | LmmFit) and self.fit.raw is not None:
            state["fit"] = replace(self.fit, raw=None)
        return {**state, "_cache": {"facts": dict(facts_of(self))}}

    # --- text -------------------------------------------------------------------------------

    def parameters(self, **options: Unpack[ParametersOptions]) -> ResultFrame:
        """Return :func:`mlpool.model_parameters` of this model."""
        return cast("ResultFrame", verb("model_parameters")(self, **options))

    def plot(self, **options: Unpack[PlotOptions]) -> ggplot:
        """Return the panels of :func:`mlpool.check_model` as one plot."""
        return cast("ggplot", verb("plot")(self, **options))

    def summary(self, **options: Unpack[SummaryOptions]) -> Summary:
        """Return R's ``summary()``; printing it gives R's text."""
        return cast("Summary", verb("summary")(self, **options))

    def __repr__(self) -> str:
        """Return R's ``print()`` text."""
        return cast("str", verb("print_text")(self))

    def _repr_html_(self) -> str:
        return cast("str", verb("notebook_html")(self))
