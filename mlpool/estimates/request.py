"""What every ``estimate_*`` function reads from its arguments in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlpool.argument_values import flag, number
from mlpool.errors import OptionError, brief, check_option
from mlpool.estimates.delta.delta_method import Inference, Request
from mlpool.estimates.grids.cell_weights import combination_weights, read_weights
from mlpool.estimates.grids.grid_language import Focal, read_focal
from mlpool.estimates.grids.nested_factors import Nests, can_exist, nested_factors, within_nests
from mlpool.estimates.grids.reference_grid import (
    GridRows,
    Setting,
    counterfactual,
    expand,
    make_setting,
    matching,
    observed_frame,
)
from mlpool.estimates.grids.variables import Variable
from mlpool.hypotheses.linear_combinations import chosen_covariance, read_covariance, read_method
from mlpool.parameters.fixed import warn_few_clusters
from mlpool.parameters.headers import method_notes
from mlpool.uncertainty.covariance import robust_source

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ClusterLike, VcovArgs, VcovLike

ESTIMATES = ("typical", "specific", "average", "population")
"""Ways to deal with the variables that are not focal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Averaging:
    """How variables that are not focal enter.

    Attributes
    ----------
    estimate : str
        ``"typical"``: numbers at their mean, factors averaged with equal weights (emmeans);
        ``"specific"``: factors at the first level; ``"average"``: averaged over the rows of the
        data with these levels; ``"population"``: over all rows, each with the focal values put in.
    variables : mapping of Variable
    setting : Setting or None
        None for averages over rows of the data.
    nests : mapping
        Factors that are nested in others (see :func:`nested_factors`).
    weights : str
        How averaged combinations are weighted.
    offset : float, optional
        Stands in the place of the model's own.
    """

    estimate: str
    variables: Mapping[str, Variable]
    setting: Setting | None
    nests: Nests
    weights: str = "equal"
    offset: float | None = None

    def rows(self, grid: pd.DataFrame, focal: Sequence[Focal]) -> GridRows:
        """Return the rows that the answers of a grid average over."""
        if self.setting is not None:
            rows = expand(grid, self.variables, self.setting)
            rows = replace(rows, offset=self.offset)
            if self.weights != "equal" and self.setting.averaged:
                weight = combination_weights(
                    self.weights, grid, focal, self.variables, self.setting
                )
                return replace(rows, weight=weight.ravel())
            return within_nests(rows, self.variables, self.nests, self.setting.averaged)
        observed = observed_frame(self.variables)
        if self.estimate == "population":
            return counterfactual(grid, self.variables, observed)
        return matching(grid, focal, self.variables, observed)

    def existing(self, grid: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a grid whose nested levels stand within their own nests."""
        if not self.nests:
            return grid
        return grid[can_exist(grid, self.variables, self.nests)].reset_index(drop=True)

    @property
    def n_averaged(self) -> int:
        """Rows behind one answer, at most."""
        if self.setting is not None:
            return self.setting.n_averaged
        return max((v.design.n for v in self.variables.values()), default=1)

    @property
    def averaged_names(self) -> tuple[str, ...]:
        """Factors that answers average over."""
        return tuple(self.setting.averaged) if self.setting is not None else ()


def read_averaging(
    model: FittedModel,
    estimate: str | None,
    variables: dict[str, Variable],
    focal: Sequence[Focal],
    *,
    two_valued: bool = False,
    at: Any = None,
    weights: str | None = None,
    offset: float | None = None,
) -> Averaging:
    """Return how to average.

    Parameters
    ----------
    at : mapping, optional
        Values that variables are held at: ``{"x": 7}``.
    weights, offset
        As in :func:`mlpool.estimate_means`.

    Raises
    ------
    OptionError
        For an unknown way, or values of focal variables or for averages over rows.
    """
    two_valued = flag(two_valued, "two_valued")
    held = read_focal(at, variables, argument="at")
    way = check_option("typical" if estimate is None else estimate, ESTIMATES, argument="estimate")
    setting = None
    twice = {f.name for f in held} & {f.name for f in focal}
    if twice:
        raise OptionError(f"at names {brief(twice.pop())}, which is focal; give its values there.")
    if held and way in ("average", "population"):
        raise OptionError(f"estimate={brief(way)} averages over rows of the data and takes no at=.")
    if way in ("typical", "specific"):
        setting = make_setting(
            variables, focal, averages=way == "typical", two_valued=two_valued, at=held
        )
    weighting = read_weights(weights)
    if (weighting != "equal" and way != "typical") or (offset is not None and setting is None):
        raise OptionError("weights= and offset= are for estimate='typical', means of a grid.")
    # weighted by the rows of the data, combinations that cannot exist count nothing
    nests = nested_factors(model) if way == "typical" else {}
    return Averaging(
        estimate=way, variables=variables, setting=setting, nests=nests, weights=weighting,
        offset=None if offset is None else number(offset, "offset"),
    )  # fmt: skip


def read_request(
    model: FittedModel,
    ci: float | None,
    vcov: VcovLike | None,
    cluster: ClusterLike | None,
    vcov_args: VcovArgs | None,
    ci_method: str | None,
) -> Request:
    """Return the request, and warn where it rests on few clusters."""
    covariance = read_covariance(model, vcov, cluster, vcov_args)
    method = read_method(model, ci_method, covariance)
    warn_few_clusters(model, covariance, method)
    return Request(ci=ci, vcov=vcov, cluster=cluster, vcov_args=vcov_args, ci_method=ci_method)


def notes_on(model: FittedModel, request: Request, result: Inference) -> tuple[str, ...]:
    """Return where intervals, p-values and standard errors come from."""
    covariance = read_covariance(model, request.vcov, request.cluster, request.vcov_args)
    return tuple(method_notes(model, result.method, True, covariance))


def robust_lines(model: FittedModel, request: Request) -> tuple[str, ...]:
    """Return the footer that names a robust covariance, where one was asked for or fitted."""
    covariance = read_covariance(model, request.vcov, request.cluster, request.vcov_args)
    choice = chosen_covariance(model, covariance) if covariance.label is not None else None
    return () if choice is None else (f"Standard errors are robust ({robust_source(choice)}).",)


def metadata_of(
    model: FittedModel, kind: str, request: Request, result: Inference
) -> dict[str, Any]:
    """Return what is kept beside a table of estimates."""
    return {
        "kind": kind,
        "model": model,
        "formula": model.formula.text,
        "response": model.design.response_name,
        "family": None if model.family is None else str(model.family),
        "ci": request.ci,
        "ci_method": result.method,
        "vcov": result.covariance,
    }


def check_by(names: Sequence[str], variables: Mapping[str, Variable], what: str) -> None:
    """Refuse grouping factors of random effects where only fixed effects are averaged.

    Raises
    ------
    OptionError
        Naming what to use instead.
    """
    for name in names:
        if variables[name].is_group:
            raise OptionError(
                f"{brief(name)} is a grouping factor of random effects, and {what} are of "
                "the fixed "
                f"effects; use estimate_relation(by=[..., {brief(name)}]) or estimate_grouplevel()."
            )
