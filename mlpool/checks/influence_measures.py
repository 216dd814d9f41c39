"""R's `dfbeta`, `dfbetas` and `cooks.distance` of a model, or of what `influence` returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from mlpool.checks.influence import Influence, influence
from mlpool.errors import OptionError
from mlpool.models.argument_checks import check_model
from mlpool.uncertainty import influence as at_fixed_theta

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ClusterLike


def dfbeta(
    m: FittedModel | Influence, group: ClusterLike | None = None, *, refit: bool | None = None
) -> pd.DataFrame:
    """Return what each row, or group, changes of every coefficient (R's ``dfbeta``).

    Parameters
    ----------
    m : FittedModel or Influence
        A model, or what :func:`influence` returned, as in R.
    group : str, Series or array, optional
    refit : bool, optional
        As :func:`influence` takes them.

    Raises
    ------
    OptionError, NotSupportedError
        As :func:`influence`.

    See Also
    --------
    dfbetas : the same in standard errors.
    """
    if isinstance(m, Influence):
        return _of(m, group, refit).dfbeta
    return influence(m, group, refit=refit).dfbeta


def dfbetas(
    m: FittedModel | Influence, group: ClusterLike | None = None, *, refit: bool | None = None
) -> pd.DataFrame:
    """Return what each row, or group, changes of every coefficient, in standard errors.

    Parameters
    ----------
    m : FittedModel or Influence
        A model, or what :func:`influence` returned, as in R.
    group : str, Series or array, optional
    refit : bool, optional
        As :func:`influence` takes them.

    Raises
    ------
    OptionError, NotSupportedError
        As :func:`influence`.

    See Also
    --------
    influence : with Cook's distance and the estimates without each.
    """
    if isinstance(m, Influence):
        return _of(m, group, refit).dfbetas
    return influence(m, group, refit=refit).dfbetas


def cooks_distance(
    m: FittedModel | Influence, group: ClusterLike | None = None, *, refit: bool | None = None
) -> pd.Series:
    """Return Cook's distance of each row (R's ``cooks.distance``), or of each group.

    Parameters
    ----------
    m : FittedModel or Influence
        A model, or what :func:`influence` returned, as in R.
    group : str, Series or array, optional
        As :func:`influence` takes it. Single rows of mixed models keep theta, as in lme4.
    refit : bool, optional
        As :func:`influence` takes it; of single rows by default False.

    Returns
    -------
    Series
        By the data's row labels, or by group; infinite for a leverage of one.

    Raises
    ------
    OptionError
        For something that is no model.
    NotSupportedError
        As :func:`hatvalues`.

    See Also
    --------
    check_outliers : which of them are large.
    """
    if isinstance(m, Influence):
        return _of(m, group, refit).cooks_distance
    model = check_model(m, "cooks_distance()")
    if group is not None or refit:
        return influence(model, group, refit=refit).cooks_distance
    values = at_fixed_theta.cooks_distance(model)
    return pd.Series(values, index=model.design.index, name="cooksd")


def _of(found: Influence, group: object, refit: object) -> Influence:
    """Return what was found before; it takes no options.

    Raises
    ------
    OptionError
        For any.
    """
    if group is not None or refit is not None:
        raise OptionError("group= and refit= belong to influence(m, group=...), which was asked.")
    return found
