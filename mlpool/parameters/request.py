"""What `model_parameters` was asked for: arguments checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from mlpool.errors import OptionError, check_option
from mlpool.hypotheses.linear_combinations import Covariance, read_method
from mlpool.inference.p_adjust import read_adjustment
from mlpool.models.argument_checks import check_level
from mlpool.parameters.argument_checks import wants_ci_random, wants_ratio
from mlpool.parameters.fixed import warn_few_clusters
from mlpool.typing import Effects

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import SeedLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for, checked once."""

    level: float | None
    ci_method: str
    covariance: Covariance
    effects: str
    exponentiate: bool
    p_adjust: str
    ci_random: bool
    iterations: int
    seed: SeedLike | None
    include_reference: bool
    wb_component: bool


def read_request(
    m: FittedModel,
    covariance: Covariance,
    ci_method: str | None,
    *,
    bootstrap: bool,
    ci: float | None,
    effects: str,
    exponentiate: bool | str,
    p_adjust: str | None,
    ci_random: bool | None,
    **read: Any,
) -> Request:
    """Check what was asked for; `read` is taken as it is.

    Raises
    ------
    OptionError
        If bootstrap=True meets another method.
    """
    if bootstrap and (covariance.is_given or ci_method is not None):
        raise OptionError("bootstrap=True takes neither vcov=, cluster= nor ci_method=.")
    request = Request(
        level=check_level(ci),
        ci_method="bootstrap" if bootstrap else read_method(m, ci_method, covariance),
        covariance=covariance,
        effects=check_option(effects, get_args(Effects), argument="effects"),
        exponentiate=wants_ratio(m, exponentiate),
        p_adjust=read_adjustment(p_adjust),
        ci_random=wants_ci_random(ci_random),
        **read,
    )
    warn_few_clusters(m, request.covariance, request.ci_method)
    return request
