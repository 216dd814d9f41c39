"""Fitted linear models whose residuals are correlated or unequal (nlme's ``gls`` and ``lme``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, NoReturn, cast

import numpy as np
import pandas as pd

from mlpool.designs.residual_data import ResidualDesign, residual_design
from mlpool.designs.residual_facts import residual_design_of, residual_names
from mlpool.designs.residual_fit import fit_structure
from mlpool.engine.residual.fit import fit_residual
from mlpool.engine.residual.types import ResidualData, ResidualFit
from mlpool.engine.residual.whitening import normalized_residuals
from mlpool.engine.types import Optimum
from mlpool.errors import NotSupportedError, OptionError, brief, check_option
from mlpool.families import Family, get_family
from mlpool.formula.design import Design
from mlpool.formula.residual_structure import ResidualStructure
from mlpool.models.extractors.asked_levels import AskedLevels, effects_of_levels
from mlpool.models.extractors.random_effects import (
    GroupFrames,
    VarCorr,
    add_fixed,
    gather_by_group,
    make_varcorr,
)
from mlpool.models.fitted import FittedModel, Kind
from mlpool.models.prediction import predict_lmm
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.formula.random_terms import RandomDesign
    from mlpool.typing import DataLike, FamilyLike, ReForm, SeedLike

_LATER = (
    "of a model with a residual structure are asked for once it is fitted: "
    "model_parameters(m, vcov='CR2', cluster='id')."
)
_REFUSED = {
    "family": "A residual structure belongs to normal responses; leave family= out.",
    "cluster": f"Robust standard errors {_LATER}",
    "vcov": f"Robust standard errors {_LATER}",
}


def check_residual_request(arguments: Mapping[str, object]) -> None:
    """Refuse arguments of `fit` that do not go with a residual structure.

    Raises
    ------
    NotSupportedError
    """
    for name, sentence in _REFUSED.items():
        plain = name == "family" and get_family(cast("FamilyLike", arguments[name])) in (
            None, Family("gaussian", "identity"),
        )  # fmt: skip
        if arguments[name] is not None and not plain:
            raise NotSupportedError(sentence)
    if arguments["engine"] == "statsmodels":
        raise NotSupportedError("statsmodels does not fit residual structures; leave engine= out.")


TYPES = ("response", "pearson", "normalized")
"""Residuals of models with a residual covariance, as nlme's."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ResidualModel(FittedModel):
    """A linear model with a residual covariance, with or without random effects.

    Attributes
    ----------
    said : ResidualStructure
        What ``correlation=`` and ``dispersion=`` said.
    """

    fit: ResidualFit
    said: ResidualStructure = field(default_factory=ResidualStructure)
    kind: ClassVar[Kind] = "gls"

    # --- what it is -------------------------------------------------------------------------

    @property
    def structure(self) -> ResidualStructure:
        """What ``correlation=`` and ``dispersion=`` said."""
        return self.said

    @property
    def reml(self) -> bool:
        """Whether REML was used."""
        return self.fit.reml

    @property
    def theta(self) -> FloatArray:
        """Covariance factors of the random effects relative to sigma, in lme4's order."""
        return self.fit.theta.copy()

    @property
    def criterion(self) -> float:
        """REML criterion or ML deviance at the optimum."""
        return self.fit.criterion

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return float(self.fit.sigma)

    @property
    def loglik(self) -> float:
        """Log-likelihood; the restricted one for a REML fit."""
        return -0.5 * self.fit.criterion

    @property
    def loglik_df(self) -> int:
        """Fixed effects and every parameter of the covariance, sigma included."""
        return len(self.fit.beta) + self.fit.n_covariance

    @property
    def df_residual(self) -> int:
        """Rows minus coefficients, as nlme's ``gls``; with random effects minus all parameters."""
        return self.nobs - (self.loglik_df if self.is_mixed else len(self.fit.beta))

    @property
    def deviance(self) -> float:
        """Minus twice the log-likelihood.

        Raises
        ------
        NotSupportedError
            Of a REML fit, whose likelihood is another.
        """
        if self.reml:
            raise NotSupportedError("A REML fit has no deviance; refit with REML=False.")
        return self.fit.criterion

    @property
    def is_singular(self) -> bool:
        """Whether a random-effects covariance is singular."""
        return any(d.code == "singular" for d in self.fit.diagnostics)

    @property
    def optimum(self) -> Optimum | None:
        """The optimiser's record."""
        return self.fit.optimum

    @property
    def statsmodels(self) -> NoReturn:
        """Nothing: statsmodels does not fit these models.

        Raises
        ------
        NotSupportedError
        """
        raise NotSupportedError("statsmodels does not fit this model.")

    def residual_design(self) -> ResidualDesign:
        """Return the structure on the model's rows, with the names of its parameters."""
        return residual_design_of(self)

    # --- parameters -------------------------------------------------------------------------

    def correlation_parameters(self) -> pd.Series:
        """Return the parameters of the residual correlation by name: ``phi``, ``rho`` ..."""
        names = list(residual_names(self).correlation)
        return pd.Series(self.fit.correlation.copy(), index=names, name="Estimate", dtype=float)

    def dispersion_parameters(self) -> pd.Series:
        """Return ratios of standard deviations, exponents and powers by name.

        A stratum has the ratio of its standard deviation to that of the first one, sigma.
        """
        names = list(residual_names(self).variance)
        shown = [
            value if name in ("expon", "power") else np.exp(value)
            for name, value in zip(names, self.fit.variance, strict=True)
        ]
        return pd.Series(shown, index=names, name="Estimate", dtype=float)

    def varcorr(self) -> VarCorr:
        """Return the random effects' standard deviations and correlations, and sigma.

        Raises
        ------
        NotSupportedError
            Without random effects.
        """
        return make_varcorr(self.theta, self.sigma, self._random("VarCorr()"))

    def ranef(self, levels: AskedLevels | None = None) -> GroupFrames:
        """Return the conditional modes per group; `.cond_sd` has their conditional SDs.

        With `levels` those alone, ``{"Subject": ["308", "309"]}``.
        """
        random = self._random("ranef()")
        if levels is not None:
            return effects_of_levels(random, self.fit.b, self.fit.cond_cov, levels)
        blocks = cast("tuple[FloatArray, ...]", self.fit.cond_cov)
        sds = tuple(np.sqrt(np.clip(np.einsum("jkk->jk", V), 0.0, None)) for V in blocks)
        return GroupFrames(self._by_group(self.fit.b), GroupFrames(self._by_group(sds)))

    def coef(self) -> pd.Series | GroupFrames:
        """Return the coefficients; with random effects those of every group."""
        if not self.design.random:
            return self.fixef()
        return GroupFrames(add_fixed(self._by_group(self.fit.b), self.fixef()))

    def _random(self, what: str) -> tuple[RandomDesign, ...]:
        if not self.design.random:
            raise NotSupportedError(f"{what} needs random effects; this model has none.")
        return self.design.random

    def _by_group(self, arrays: tuple[FloatArray, ...]) -> dict[str, pd.DataFrame]:
        random = self.design.random
        return gather_by_group(
            arrays,
            [r.group for r in random],
            [r.levels for r in random],
            [r.z.names for r in random],
        )

    # --- rows -------------------------------------------------------------------------------

    @property
    def _fitted_values(self) -> FloatArray:
        offset = 0.0 if self.design.offset is None else self.design.offset
        return np.asarray(self.fit.fitted + offset)

    def residuals(
        self, type: str | None = None, scaled: bool = False, seed: SeedLike | None = None
    ) -> pd.Series:
        """Return residuals.

        Parameters
        ----------
        type : {"response", "pearson", "normalized"}, optional
            y - fitted; divided by their own standard deviations; also freed of their correlation,
            by the inverse Cholesky factor of each group's covariance with rows in the order of
            the data.
        scaled : bool
            Divide response residuals by sigma.
        seed : None
            Of quantile residuals, which these models do not have.

        Raises
        ------
        OptionError
        """
        kind = check_option("response" if type is None else type, TYPES, argument="type")
        if seed is not None:
            raise OptionError("seed= is for type='quantile'; these residuals are not random.")
        if not isinstance(scaled, bool) or (scaled and kind != "response"):
            raise OptionError(
                f"scaled= is True or False, of response residuals; got {brief(scaled)}."
            )
        values = self.design.y - self._fitted_values
        if kind == "pearson":
            values = values / self.fit.scale
        elif kind == "normalized":
            values = normalized_residuals(self.residual_design().data, self.fit)
        elif scaled:
            values = values / self.sigma
        return pd.Series(np.array(values), index=self.design.index, name="resid")

    def predict(
        self,
        newdata: DataLike | None = None,
        re_form: ReForm = None,
        allow_new_levels: bool = False,
    ) -> pd.Series:
        """Return predictions, without what known residuals say about correlated new ones (as nlme).

        Parameters
        ----------
        newdata : data frame, optional
        re_form : None, False or str
            None: with all random effects; False: without.
        allow_new_levels : bool
            Predict unseen groups with a random effect of zero.
        """
        return predict_lmm(self, newdata, re_form, allow_new_levels)

    def fit_record(self, design: Design, reml: bool | None = None) -> ResidualFit:
        """Return the record of another design, or by the other likelihood."""
        how = self.reml if reml is None else reml
        if self.structure.needs_fitted:
            return fit_structure(design, self.structure, reml=how, control=self.control)
        return fit_residual(self._on(design), reml=how, control=self.control)

    def _on(self, design: Design) -> ResidualData:
        """Return the structure on another design; of another response alone, on the same rows."""
        if design.X is not self.design.X:
            return residual_design(design, self.structure).data
        offset = 0.0 if design.offset is None else design.offset
        return replace(residual_design_of(self).data, y=np.asarray(design.y - offset))
