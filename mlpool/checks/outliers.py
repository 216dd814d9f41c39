"""`check_outliers`: rows whose absence would change the coefficients most (Cook's distance)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from mlpool.argument_values import plain_number
from mlpool.checks.result import (
    NO_RESIDUALS,
    Check,
    cannot_tell,
    check_is_model,
    leaves_residuals,
)
from mlpool.errors import OptionError, brief, check_option
from mlpool.floating_point import usual_floats
from mlpool.uncertainty.influence import cooks_distance, leverages

if TYPE_CHECKING:
    from mlpool.models import FittedModel

_MOST_SHOWN = 50


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Outliers(Check):
    """Rows with a large Cook's distance.

    Attributes
    ----------
    cases : Index
        Labels of the outliers in the data: ``data.loc[check.cases]``.
    positions : tuple of int
        Their places among the rows used, from 0 (R's case numbers are one higher).
    distance : Series
        Cook's distance of every row used, on the data's own index; missing for a leverage of one.
    threshold : float
    """

    cases: pd.Index
    positions: tuple[int, ...]
    distance: pd.Series
    threshold: float = math.nan

    def __len__(self) -> int:
        return len(self.positions)

    def to_pandas(self) -> pd.DataFrame:
        """Return Cook's distance of every row and whether it is an outlier."""
        found = self.distance.to_numpy() > self.threshold
        return pd.DataFrame({"Distance_Cook": self.distance, "Outlier": found})


@usual_floats
def check_outliers(
    m: FittedModel, *, threshold: float | None = None, method: str = "cook"
) -> Outliers:
    """Find rows with a Cook's distance above the median of F(p, n - p), or `threshold`.

    Parameters
    ----------
    m : FittedModel
    threshold : float, optional
    method : {"cook"}

    Returns
    -------
    Outliers
        True if there are any. The sentence names them by their labels in the data.

    Raises
    ------
    OptionError
        For something that is no model, a threshold that is none, or another method.
    NotSupportedError
        For more than 10,000 random effects of several factors.

    References
    ----------
    Cook (1977), Technometrics 19, 15-18; of mixed models at fixed theta, as in lme4.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    >>> check_outliers(m)
    OK: No outliers detected.
    - Based on the following method and threshold: cook (0.7).
    - For variable: (Whole model)
    """
    check_is_model(m, "check_outliers()")
    check_option(method, ("cook",), argument="method")
    p, left = len(m.names), m.nobs - len(m.names)
    limit = _limit(threshold, p, left)
    index = m.design.index
    empty = pd.Series(np.full(m.nobs, np.nan), index=index, name="Distance_Cook")
    if left < 1 or not leaves_residuals(m):
        text = cannot_tell("Outliers", NO_RESIDUALS)
        return Outliers(
            sentence=text, holds=None, cases=index[:0], positions=(), distance=empty,
            threshold=limit, panel="influence", model=m,
        )  # fmt: skip
    distance = empty.copy()
    # a leverage has no unit: this close to one it leaves a row nothing but rounding
    distance[:] = np.where(leverages(m) < 1.0 - 1e-10, cooks_distance(m), np.nan)
    positions = np.flatnonzero(distance.to_numpy() > limit)
    return Outliers(
        sentence=_sentence([str(v) for v in index[positions]], limit), holds=positions.size > 0,
        cases=index[positions], positions=tuple(int(i) for i in positions), distance=distance,
        threshold=limit, panel="influence", model=m,
    )  # fmt: skip


def _limit(threshold: object, p: int, left: int) -> float:
    if threshold is None:
        return float(stats.f.ppf(0.5, p, left)) if left > 0 else math.nan
    found = plain_number(threshold)
    if found is None or not found > 0.0:
        raise OptionError(f"threshold must be a positive number; got {brief(threshold)}.")
    return found


def _sentence(labels: list[str], limit: float) -> str:
    """Return easystats' lines; a threshold is rounded to two decimals without zeros at the end."""
    based = f"- Based on the following method and threshold: cook ({float(f'{limit:.2f}'):g})."
    if not labels:
        return f"OK: No outliers detected.\n{based}\n- For variable: (Whole model)"
    shown = ", ".join(labels[:_MOST_SHOWN]) + (", ..." if len(labels) > _MOST_SHOWN else "")
    nouns = ("outlier", "case") if len(labels) == 1 else ("outliers", "cases")
    return (
        f"{len(labels)} {nouns[0]} detected: {nouns[1]} {shown}.\n{based}\n"
        "- For variable: (Whole model)."
    )
