"""`standardize_parameters`: coefficients in standard deviations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from mlpool.engine.types import LmmFit
from mlpool.errors import NotSupportedError, check_option
from mlpool.floating_point import usual_floats
from mlpool.formula.types import ColumnInfo
from mlpool.keywords import DfSpellings
from mlpool.models.argument_checks import check_model
from mlpool.option_spellings import also_spelt
from mlpool.parameters.argument_checks import check_flags, wants_ratio
from mlpool.parameters.parameters import model_parameters
from mlpool.parameters.parameters_table import ParametersLayout
from mlpool.parameters.pretty_names import pretty_names
from mlpool.performance.variance_components import null_design
from mlpool.results import ResultFrame
from mlpool.transform.scale import mad, sd
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel

METHODS = ("refit", "posthoc", "basic", "smart", "pseudo")

_BLOCK = 1 << 16
_ROUNDED = 1e-8
"""Range within groups, as a share of a predictor's whole range, that is rounding."""


@also_spelt("ci_method", keywords=DfSpellings)
@usual_floats
def standardize_parameters(
    m: FittedModel,
    method: str = "refit",
    *,
    ci: float | None = 0.95,
    robust: bool = False,
    two_sd: bool = False,
    exponentiate: bool | str = False,
    ci_method: str | None = None,
    digits: int = 2,
    **spellings: Unpack[DfSpellings],
) -> ResultFrame:
    """Return standardized coefficients (effectsize's ``standardize_parameters``).

    Parameters
    ----------
    m : FittedModel
        Prior weights enter the SDs, too (but for ``"pseudo"``), as in R.
    method : {"refit", "posthoc", "basic", "smart", "pseudo"}
        ``"refit"`` fits again to z-scores (:func:`mlpool.standardize`); exact with interactions
        and transformed terms. The others multiply coefficients by SD(x) / SD(y):

        basic
            SD(x) is that of the column of the model matrix, also of dummies and products.
        posthoc
            1 for factors and transformed terms; a product has its last variable's.
        smart
            As posthoc, but for a factor SD(y) is that of the rows with the value that the
            variable (of a product: the last one) has in the first row, as R takes it; where that
            is a number which occurs once, the rows with the factor's first value.
        pseudo
            Mixed models of one grouping factor: as basic, but predictors of rows are divided by
            the residual SD and predictors of groups by the intercept SD of the model without
            predictors, the latter's SD(x) being that of the groups' values (Hoffman 2015).
    ci : float or None
    robust : bool
        Median absolute deviations for SDs.
    two_sd : bool
        Two SDs of numeric predictors (Gelman 2008).
    exponentiate : bool or "nongaussian"
        Odds or rate ratios per SD.
    ci_method : str, optional
        As in :func:`model_parameters`.
    digits : int
    **spellings
        ``ddf=`` and ``df_method=``, other names of `ci_method`.

    Returns
    -------
    ResultFrame
        Parameter, Std_Coefficient, CI, CI_low, CI_high. Of methods without a refit the intercept
        is 0. A response that is not normal is not scaled.

    Raises
    ------
    OptionError, NotSupportedError
        For an unknown method; pseudo with several grouping factors.

    References
    ----------
    Gelman (2008), Statistics in Medicine 27, 2865-2873; Hoffman (2015), Longitudinal Analysis,
    p. 342.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    >>> print(standardize_parameters(m, "basic"))
    # Standardization method: basic
    <BLANKLINE>
    Parameter   | Std. Coef. |       95% CI
    ---------------------------------------
    (Intercept) |       0.00 | [0.00, 0.00]
    Days        |       0.54 | [0.41, 0.66]
    """
    check_model(m, "standardize_parameters()")
    check_option(method, METHODS, argument="method")
    check_flags(robust=robust, two_sd=two_sd)
    again = m.standardized(robust=robust, two_sd=two_sd) if method == "refit" else m
    raw = model_parameters(again, ci=ci, effects="fixed", ci_method=ci_method)
    frame = raw.data.rename(columns={"Coefficient": "Std_Coefficient"})
    kept = ["Parameter", "Std_Coefficient", *(["CI", "CI_low", "CI_high"] if ci else [])]
    frame = frame[kept].copy()
    values = [c for c in ("Std_Coefficient", "CI_low", "CI_high") if c in frame.columns]
    if method != "refit":
        factors = _factors(m, method, robust, two_sd)
        for column in values:
            frame[column] = frame[column].to_numpy() * factors
    ratio = wants_ratio(m, exponentiate)
    if ratio:
        frame[values] = np.exp(frame[values])
    return _table(m, raw, frame, method, ratio, digits)


def _table(
    m: FittedModel, raw: ResultFrame, frame: pd.DataFrame, method: str, ratio: bool, digits: int
) -> ResultFrame:
    layout = StandardizedLayout(
        labels=pretty_names(m.columns),
        headings=(f"Standardization method: {method}",) * len(frame),
        coefficient=_header(m, ratio),
        level=raw.metadata["ci"],
    )
    return replace(
        raw,
        data=frame,
        layout=layout,
        options=raw.options.updated(digits=digits),
        notes=(),
        metadata={
            **raw.metadata,
            "kind": "standardize_parameters",
            "std_method": method,
            "exponentiate": ratio,
        },
    )


class StandardizedLayout(ParametersLayout):
    """A parameters table whose estimates are called ``Std_Coefficient``."""

    def describe(self, data: pd.DataFrame, options: Any) -> Any:
        """Return the table."""
        renamed = data.rename(columns={"Std_Coefficient": "Coefficient"})
        return ParametersLayout.describe(self, renamed, options)


def _header(m: FittedModel, ratio: bool) -> str:
    if not ratio:
        return "Std. Coef."
    is_count = m.family is not None and m.family.kin == "poisson"
    return "Std. IRR" if is_count else "Std. Odds Ratio"


def _factors(m: FittedModel, method: str, robust: bool, two_sd: bool) -> FloatArray:
    """Return what each coefficient is multiplied by (p,)."""
    deviation = mad if robust else sd
    if method == "pseudo" and m.is_mixed:
        factors = _pseudo(m, deviation)
    else:
        basic = method in ("basic", "pseudo")
        x = _matrix_deviations(m, deviation) if basic else _smart_deviations(m, deviation)
        factors = x / _response_deviations(m, method, deviation)
    doubled = [2.0 if two_sd and _is_number(c) else 1.0 for c in m.columns]
    is_intercept = np.array([not c.parts for c in m.columns])
    return np.where(is_intercept, 0.0, factors * np.array(doubled))


def _is_number(column: ColumnInfo) -> bool:
    return bool(column.parts) and not _has_factor(column)


def _has_factor(column: ColumnInfo) -> bool:
    return any(p.kind in ("factor", "ordered", "boolean") for p in column.parts)


def _matrix_deviations(m: FittedModel, deviation: Any) -> FloatArray:
    """Return the SD of each column of the model matrix (p,)."""
    weights = m.design.weights
    if deviation is sd and weights is None:
        return np.sqrt(_column_variances(m))
    columns = m.design.X.dense()[:, m.fit.kept]
    return np.array([deviation(columns[:, i], weights) for i in range(columns.shape[1])])


def _column_variances(m: FittedModel) -> FloatArray:
    """Return the variances of X's columns from sums over blocks of rows, about a first mean."""
    matrix, kept, n = m.design.X, m.fit.kept, m.design.n
    shift = matrix.rows(0, min(_BLOCK, n))[:, kept].mean(axis=0)
    sums, squares = np.zeros(len(kept)), np.zeros(len(kept))
    for start in range(0, n, _BLOCK):
        rows = matrix.rows(start, min(start + _BLOCK, n))[:, kept] - shift
        sums += rows.sum(axis=0)
        squares += (rows**2).sum(axis=0)
    return np.asarray(np.maximum((squares - sums**2 / n) / (n - 1), 0.0))


def _smart_deviations(m: FittedModel, deviation: Any) -> FloatArray:
    """Return the SD of the (last) variable of each column; 1 for factors and transformed terms."""
    found = []
    for column in m.columns:
        last = column.parts[-1] if column.parts else None
        if last is None or last.kind != "numeric" or last.function:
            found.append(1.0)
            continue
        values, _ = m.design.column_values(last.variable)
        found.append(deviation(np.asarray(values, dtype=np.float64), m.design.weights))
    return np.array(found)


def _response_deviations(m: FittedModel, method: str, deviation: Any) -> FloatArray:
    """Return SD(y) for each column (p,); 1 for responses that are not normal."""
    if m.family is not None and m.family.kin != "gaussian":
        return np.ones(len(m.columns))
    y, weights = m.design.y, m.design.weights
    found = np.full(len(m.columns), deviation(y, weights))
    if method == "smart":
        for i, column in enumerate(m.columns):
            if _has_factor(column):
                found[i] = _first_deviation(m, column, deviation)
    if np.any(found <= 0):
        raise NotSupportedError(
            "The response (or its part at a factor's first value) has a deviation of zero; use "
            "method='refit' or robust=False."
        )
    return found


def _first_deviation(m: FittedModel, column: ColumnInfo, deviation: Any) -> float:
    """Return SD(y) of the rows with the first row's value of the column's last variable.

    A number may occur once, which leaves no spread (R then scales by 1): a product that ends in
    one has the rows with the first value of its last factor instead.
    """
    y, weights = m.design.y, m.design.weights
    factors = [p for p in column.parts if p.kind in ("factor", "ordered", "boolean")]
    for part in (column.parts[-1], factors[-1]):
        values, _ = m.design.column_values(part.variable)
        rows = np.asarray(values) == values[0]
        if part in factors or np.count_nonzero(rows) > 1:
            break
    return float(deviation(y[rows], None if weights is None else weights[rows]))


def _pseudo(m: FittedModel, deviation: Any) -> FloatArray:
    """Return SD(x) / SD(y) with each taken at the level where the predictor varies."""
    groups = {r.group: r for r in m.design.random}
    if len(groups) != 1 or m.kind != "lmer":
        raise NotSupportedError(
            "method='pseudo' is for linear mixed models with one grouping factor; use 'refit' or "
            "'basic'."
        )
    random = next(iter(groups.values()))
    sd_group, sd_row = _null_deviations(m, random)
    columns = m.design.X.dense()[:, m.fit.kept]
    first = np.unique(random.codes, return_index=True)[1]
    values = columns[first]  # one row per group: its value where the column is constant
    is_between = _are_constant(columns, values[random.codes])
    return np.array(
        [
            deviation(values[:, i]) / sd_group if between else deviation(columns[:, i]) / sd_row
            for i, between in enumerate(is_between)
        ]
    )


def _are_constant(columns: FloatArray, firsts: FloatArray) -> FloatArray:
    """Tell which columns (n, p) are their group's first value but for rounding (p,)."""
    within = np.abs(columns - firsts).max(axis=0)
    # relative to the largest value of each column
    rounding = 4.0 * np.finfo(np.float64).eps * np.abs(columns).max(axis=0)
    return np.asarray(within <= _ROUNDED * np.ptp(columns, axis=0) + rounding)


def _null_deviations(m: FittedModel, random: Any) -> tuple[float, float]:
    """Return the intercept SD and the residual SD of ``y ~ 1 + (1 | group)``."""
    bare = null_design(m)
    record = m.fit_record(replace(bare, random=(replace(random, z=bare.X),)))
    assert isinstance(record, LmmFit)
    sd_group = float(abs(record.theta[0]) * record.sigma)
    if not sd_group > 0:
        raise NotSupportedError(
            "The groups have no variance of their own, so that method='pseudo' cannot scale by it."
        )
    return sd_group, float(record.sigma)
