"""What verbs of models check of their arguments, in the same words everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol, cast

from mlpool.argument_values import names as given_names
from mlpool.argument_values import plain_number
from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.models.fitted import FittedModel
from mlpool.models.mixed_model import MixedModel
from mlpool.results import ResultFrame

if TYPE_CHECKING:
    import pandas as pd

_NOT_OF_RESIDUAL_MODELS = {
    "hatvalues": "check_outliers(m) and check_model(m) take those of rows freed of the structure",
    "cooks_distance": "check_outliers(m) has those of rows freed of the structure",
    "weights": "it has no prior weights; m.dispersion_parameters() says how its variances differ",
    "display": "summary(m) prints it",
    "reliability": "its groups' means have errors that are correlated",
    "eta_squared": "no sums of squares belong to such residuals; anova(m) has its F tests",
    "omega_squared": "no sums of squares belong to such residuals; anova(m) has its F tests",
    "epsilon_squared": "no sums of squares belong to such residuals; anova(m) has its F tests",
    "wild_bootstrap": "it draws residuals that are independent; bootstrap(m) draws its own",
}
"""Verbs that models with a residual covariance do not have, and what there is instead."""


def check_model(m: object, verb: str) -> FittedModel:
    """Return `m`.

    Raises
    ------
    OptionError
        If it is no fitted model.
    """
    if group_coefficients(m) is not None:
        raise OptionError(
            f"{verb} needs one fitted model; lm_list() returns a table of many, which coef(), "
            "sigma(), confint() and plot() take. Printed it is R's summary."
        )
    if not isinstance(m, FittedModel):
        raise OptionError(
            f"{verb} needs a fitted model, as lm(), glm(), lmer() or fit() return it; "
            f"got {brief(m)}."
        )
    if m.kind == "gls" and verb.removesuffix("()") in _NOT_OF_RESIDUAL_MODELS:
        raise NotSupportedError(
            f"{verb} does not serve models with a residual correlation or dispersion: "
            f"{_NOT_OF_RESIDUAL_MODELS[verb.removesuffix('()')]}."
        )
    return m


def check_mixed(m: object, verb: str) -> MixedModel:
    """Return `m`.

    Raises
    ------
    OptionError
        If it is no fitted model.
    NotSupportedError
        If it has no random effects.
    """
    model = check_model(m, verb)
    if model.kind == "gls" and model.is_mixed:
        return cast("MixedModel", model)  # the gate above lets what it has through
    if not isinstance(model, MixedModel):
        raise NotSupportedError(
            f"{verb} needs a model with random effects, such as lmer('y ~ x + (1 | school)', ...); "
            f"this is {'an' if model.kind == 'lm' else 'a'} {model.kind} model."
        )
    return model


class GroupCoefficients(Protocol):
    """What extractors take beside models: every group's own regression, of ``lm_list``."""

    @property
    def sigma(self) -> float:
        """Residual SD of all groups together."""

    def coef(self) -> pd.DataFrame:
        """Return the coefficients, a row per group."""

    def confint(self, level: float = 0.95, *, pool: bool | None = None) -> pd.DataFrame:
        """Return the intervals of every group's coefficients."""


def group_coefficients(x: object) -> GroupCoefficients | None:
    """Return `x` if it is a table of every group's own regression."""
    is_list = isinstance(x, ResultFrame) and x.metadata.get("kind") == "lm_list"
    return cast("GroupCoefficients", x) if is_list else None


def check_level(ci: object) -> float | None:
    """Return a confidence level, or None.

    Raises
    ------
    OptionError
        If it does not lie between 0 and 1.
    """
    if ci is None:
        return None
    found = plain_number(ci)
    if found is None or not 0.0 < found < 1.0:
        raise OptionError(
            f"ci must be a level between 0 and 1 such as 0.95, or None; got {brief(ci)}."
        )
    return found


def backend_of(m: FittedModel) -> str:
    """Return the package that the model's data came from."""
    return type(m.design.frame.native).__module__.partition(".")[0]


def name_models(
    models: tuple[object, ...], names: Iterable[str] | None, named: Mapping[str, object], verb: str
) -> dict[str, FittedModel]:
    """Return models by name: ``Model 1``, ``Model 2`` ... unless named.

    Raises
    ------
    OptionError
        For fewer than two models, names that do not fit, or something that is no model.
    """
    if len(models) == 1 and isinstance(models[0], Mapping):
        found = {str(k): v for k, v in models[0].items()} | dict(named)
    else:
        found = {f"Model {i + 1}": m for i, m in enumerate(models)} | dict(named)
    if names is not None:
        given = given_names(names, "names")
        if len(given) != len(found) or len(set(given)) != len(given):
            raise OptionError(
                f"names must give each of the {len(found)} models a name of its own; got {given}."
            )
        found = dict(zip(given, found.values(), strict=True))
    if len(found) < 2:
        raise OptionError(f"{verb} needs two models or more; got {len(found)}.")
    return {name: check_model(m, verb) for name, m in found.items()}
