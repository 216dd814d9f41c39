"""`check_outliers`: rows that move the coefficients (Cook), or whose predictors lie far out."""

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
from mlpool.errors import NotSupportedError, OptionError, brief, check_option
from mlpool.floating_point import usual_floats
from mlpool.formula.design_matrix import check_dense
from mlpool.inference.hat_matrix import squared_distances
from mlpool.typing import FloatArray
from mlpool.uncertainty.influence import cooks_distance, leverages

if TYPE_CHECKING:
    from mlpool.models import FittedModel

_MOST_SHOWN = 50
_NAMES = {"cook": "Distance_Cook", "mahalanobis": "Distance_Mahalanobis"}
"""Columns of the distances, as performance calls them."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Outliers(Check):
    """Rows with a large distance.

    Attributes
    ----------
    cases : Index
        Labels of the outliers in the data: ``data.loc[check.cases]``.
    positions : tuple of int
        Their places among the rows used, from 0 (R's case numbers are one higher).
    distance : Series
        Distance of every row used, on the data's own index; Cook's is missing for a leverage of
        one.
    threshold : float
    method : {"cook", "mahalanobis"}
    """

    cases: pd.Index
    positions: tuple[int, ...]
    distance: pd.Series
    threshold: float = math.nan
    method: str = "cook"

    def __len__(self) -> int:
        return len(self.positions)

    def to_pandas(self) -> pd.DataFrame:
        """Return the distance of every row and whether it is an outlier."""
        found = self.distance.to_numpy() > self.threshold
        return pd.DataFrame({_NAMES[self.method]: self.distance, "Outlier": found})


@usual_floats
def check_outliers(
    m: FittedModel, *, threshold: float | None = None, method: str = "cook"
) -> Outliers:
    """Find rows whose distance lies above a threshold.

    Parameters
    ----------
    m : FittedModel
    threshold : float, optional
        Default: of Cook's distance the median of F(p, n - p), of Mahalanobis's the 99.9th
        percentile of chi-square with a df per column.
    method : {"cook", "mahalanobis"}
        Cook's distance, or Mahalanobis's squared distance of the row's predictors (columns of the
        fixed effects but the constant) from their mean.

    Returns
    -------
    Outliers
        True if there are any. The sentence names them by their labels in the data.

    Raises
    ------
    OptionError
        For something that is no model, a threshold that is none, or another method.
    NotSupportedError
        For more than 10,000 random effects of several factors; for Mahalanobis's distance of a
        model without predictors.

    See Also
    --------
    influence : what leaving out each row, or each group, changes.

    References
    ----------
    Cook (1977), Technometrics 19, 15-18; of mixed models at fixed theta, as in lme4. Mahalanobis's
    distance and thresholds as in performance (which takes the constant for a predictor in 0.10.2,
    and fails).

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
    check_option(method, tuple(_NAMES), argument="method")
    index = m.design.index
    if method == "mahalanobis":
        distance = pd.Series(_mahalanobis(m), index=index, name=_NAMES[method])
        df = len(m.names) - int(m.formula.fixed.intercept)
        # quantiles of chi-square: the distances have no unit
        return _found(m, distance, _limit(threshold, float(stats.chi2.ppf(0.999, df))), method)
    p, left = len(m.names), m.nobs - len(m.names)
    usual = float(stats.f.ppf(0.5, p, left)) if left > 0 else math.nan
    limit = _limit(threshold, usual)
    empty = pd.Series(np.full(m.nobs, np.nan), index=index, name=_NAMES[method])
    if left < 1 or not leaves_residuals(m):
        text = cannot_tell("Outliers", NO_RESIDUALS)
        return Outliers(
            sentence=text, holds=None, cases=index[:0], positions=(), distance=empty,
            threshold=limit, panel="influence", model=m,
        )  # fmt: skip
    distance = empty.copy()
    # a leverage has no unit: this close to one it leaves a row nothing but rounding
    distance[:] = np.where(leverages(m) < 1.0 - 1e-10, cooks_distance(m), np.nan)
    return _found(m, distance, limit, method)


def _found(m: FittedModel, distance: pd.Series, limit: float, method: str) -> Outliers:
    positions = np.flatnonzero(distance.to_numpy() > limit)
    cases = distance.index[positions]
    return Outliers(
        sentence=_sentence([str(v) for v in cases], limit, method, m), holds=positions.size > 0,
        cases=cases, positions=tuple(int(i) for i in positions), distance=distance,
        threshold=limit, panel="influence" if method == "cook" else "", model=m, method=method,
    )  # fmt: skip


def _mahalanobis(m: FittedModel) -> FloatArray:
    """Return each row's squared distance (n,) from the mean of its predictors."""
    check_dense(m.nobs, len(m.names), f"the {len(m.names)} columns of the fixed effects")
    columns = m.design.X.dense()[:, m.fit.kept][:, int(m.formula.fixed.intercept) :]
    if not columns.shape[1]:
        raise NotSupportedError("Mahalanobis's distance needs predictors; this model has none.")
    return squared_distances(columns)


def _limit(threshold: object, usual: float) -> float:
    if threshold is None:
        return usual
    found = plain_number(threshold)
    if found is None or not found > 0.0:
        raise OptionError(f"threshold must be a positive number; got {brief(threshold)}.")
    return found


def _sentence(labels: list[str], limit: float, method: str, m: FittedModel) -> str:
    """Return easystats' lines; a threshold is rounded to two decimals without zeros at the end."""
    shown = f"{float(f'{limit:.2f}'):g}"
    based = f"- Based on the following method and threshold: {method} ({shown})."
    of = "variable: (Whole model)"
    if method == "mahalanobis":
        names = m.names[int(m.formula.fixed.intercept) :]
        of = f"{'variable' if len(names) == 1 else 'variables'}: {', '.join(names)}"
    if not labels:
        return f"OK: No outliers detected.\n{based}\n- For {of}"
    shown = ", ".join(labels[:_MOST_SHOWN]) + (", ..." if len(labels) > _MOST_SHOWN else "")
    nouns = ("outlier", "case") if len(labels) == 1 else ("outliers", "cases")
    return f"{len(labels)} {nouns[0]} detected: {nouns[1]} {shown}.\n{based}\n- For {of}."
