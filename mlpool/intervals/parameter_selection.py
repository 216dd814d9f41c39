"""Which parameters, at which level, under which column names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.argument_values import plain_number
from mlpool.errors import OptionError, brief, nearest_names
from mlpool.models.extractors.parameter_names import random_names
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel


def read_level(level: object) -> float:
    """Return a confidence level.

    Raises
    ------
    OptionError
        Unless it lies between 0 and 1.
    """
    found = plain_number(level)
    if found is None or not 0.0 < found < 1.0:
        raise OptionError(f"level must lie between 0 and 1, as 0.95; got {brief(level)}.")
    return found


def bound_names(level: float) -> list[str]:
    """Return R's column names: ``2.5 %``, ``97.5 %``; three digits where they are needed."""
    tail = 50.0 * (1.0 - level)
    values = (tail, 100.0 - tail)
    decimals = max(len(f"{float(f'{v:.3g}'):.15g}".partition(".")[2]) for v in values)
    return [f"{v:.{decimals}f} %" for v in values]


def interval_frame(names: list[str], bounds: FloatArray, level: float) -> pd.DataFrame:
    """Return bounds (k, 2) as R prints its matrix."""
    return pd.DataFrame(bounds, index=pd.Index(names), columns=bound_names(level))


def read_parm(
    m: FittedModel, names: list[str], parm: Any, n_random: int | None = None
) -> list[int]:
    """Return the positions of the parameters asked for, in the order asked for.

    Parameters
    ----------
    m : FittedModel
    names : list of str
        Of all parameters.
    parm : None, str, int or list of them
        ``"theta_"`` stands for SDs, correlations and sigma, ``"beta_"`` for the coefficients.
    n_random : int, optional
        How many of the first parameters are of the covariance; those of `random_names` if None.

    Raises
    ------
    OptionError
        For a name or position that does not exist.
    """
    if parm is None:
        return list(range(len(names)))
    n_random = len(random_names(m)) if n_random is None else n_random
    is_many = isinstance(parm, Iterable) and not isinstance(parm, str)
    wanted = list(parm) if is_many and getattr(parm, "ndim", 1) == 1 else [parm]
    found: list[int] = []
    for one in wanted:
        if isinstance(one, str) and one in names:
            found.append(names.index(one))
        elif isinstance(one, str) and one == "theta_":
            found += range(n_random)
        elif isinstance(one, str) and one == "beta_":
            found += range(n_random, len(names))
        elif isinstance(one, (int, np.integer)) and 0 <= one < len(names):
            found.append(int(one))
        else:
            hint = nearest_names(one, names) if isinstance(one, str) else ""
            raise OptionError(
                f"parm must name parameters among {', '.join(names)} (or 'theta_', 'beta_', "
                f"positions from 0); got {brief(one)}.{hint}"
            )
    return found
