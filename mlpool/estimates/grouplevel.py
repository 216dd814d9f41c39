"""`estimate_grouplevel`: random effects, or total coefficients, of every group."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.argument_values import flag
from mlpool.errors import OptionError, check_option
from mlpool.estimates.estimates_table import EstimatesLayout
from mlpool.estimates.group_coefficients import total_standard_errors
from mlpool.models import MixedModel
from mlpool.models.argument_checks import check_level, check_model
from mlpool.models.mixed_model import group_effects, has_effects
from mlpool.results import ResultFrame

if TYPE_CHECKING:
    from mlpool.models import FittedModel


def estimate_grouplevel(
    model: FittedModel,
    type: str = "random",
    *,
    ci: float | None = 0.95,
    group: str | None = None,
    dispersion: bool | None = None,
) -> ResultFrame:
    """Return the random effects of every group, or its coefficients in all.

    Parameters
    ----------
    model : LinearMixedModel or GeneralizedLinearMixedModel
    type : {"random", "total"}
        Deviations from the fixed effects (R's ``ranef``), or fixed plus random effects
        (R's ``coef``).
    ci : float or None
        Level of the normal intervals.
    group : str, optional
        One grouping factor; None: all.
    dispersion : bool, optional
        Whether standard errors and intervals are printed. Default: for random effects, as R, which
        has none for totals; the frame has both (Henderson's prediction errors) always.

    Returns
    -------
    ResultFrame
        Group, Level, Parameter, Coefficient, SE, CI_low, CI_high.

    Raises
    ------
    OptionError
        For a model without random effects, or an unknown type or grouping factor.

    References
    ----------
    Henderson (1975), Biometrics 31, 423-447.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> table = mlpool.estimate_grouplevel(m, type="total")
    >>> table.to_pandas().iloc[:2, 1:5].round(2)
      Level    Parameter  Coefficient     SE
    0   308  (Intercept)       253.66  12.25
    1   308         Days        19.67   2.34
    """
    check_model(model, "estimate_grouplevel()")
    if not has_effects(model):
        raise OptionError("estimate_grouplevel() is for models with random effects such as (1|g).")
    check_option(type, ("random", "total"), argument="type")
    level = check_level(ci)
    known = list(model.ngroups)
    if group is not None:
        check_option(group, known, argument="group")
    frame = _frame(model, type, [group] if group is not None else known)
    if level is not None:
        half = NormalDist().inv_cdf(0.5 * (1.0 + level)) * frame["SE"]
        frame["CI_low"] = frame["Coefficient"] - half
        frame["CI_high"] = frame["Coefficient"] + half
    shows = type == "random" if dispersion is None else flag(dispersion, "dispersion")
    layout = EstimatesLayout(
        title="", labels=("Group", "Level", "Parameter"), value="Coefficient", level=level,
        shows_uncertainty=shows,
    )  # fmt: skip
    return ResultFrame(
        data=frame,
        layout=layout,
        notes=(_note(type),),
        metadata={
            "kind": "estimate_grouplevel", "type": type, "model": model, "ci": level,
            "formula": model.formula.text, "response": model.design.response_name,
        },
    )  # fmt: skip


def _frame(model: MixedModel, type: str, groups: list[str]) -> pd.DataFrame:
    modes = group_effects(model)
    values = modes if type == "random" else model.coef()
    errors = modes.sd if type == "random" else total_standard_errors(model)
    parts = []
    for name in groups:
        effects = modes[name]
        # lme4's coef() lists all fixed effects; those without a random effect do not vary
        table = values[name][list(effects.columns)] if type == "total" else effects
        se = errors[name].loc[effects.index, list(effects.columns)]
        n, k = table.shape
        parts.append(
            pd.DataFrame(
                {
                    "Group": name,
                    "Level": np.repeat([str(v) for v in table.index], k),
                    "Parameter": list(table.columns) * n,
                    "Coefficient": table.to_numpy().ravel(),
                    "SE": se.to_numpy().ravel(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _note(type: str) -> str:
    if type == "random":
        return "Standard errors are conditional standard deviations given the data."
    return "Standard errors are of prediction: of fixed plus random effects, both uncertain."
