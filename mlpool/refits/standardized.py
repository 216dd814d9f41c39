"""A model fitted again to standardized data: numeric columns as z-scores over the rows used."""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.argument_values import flag
from mlpool.errors import MissingDataWarning, MlpoolWarning, NotSupportedError, brief, user_level
from mlpool.formula.types import Expression
from mlpool.refits.refit_response import holds_answer, scaled_data
from mlpool.refits.standardized_rows import Elsewhere, is_number, z_scores_elsewhere
from mlpool.transform.scale import mad, mean, median, sd
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel

_LABELS = ("factor", "C", "as.factor", "ordered", "cut")
"""Functions that make labels of numbers; scaling the numbers would change the labels."""

_POSITIVE = ("log", "log2", "log10", "log1p", "sqrt")
"""Functions that z-scores, half of them negative, do not fit into."""


def standardize_model(
    m: FittedModel, *, robust: bool = False, two_sd: bool = False, scale_response: bool = True
) -> Any:
    """Return the model fitted again to standardized data.

    Numeric predictors, those of random slopes too, and the response of a linear model become
    z-scores over the rows that the model uses, with its weights (as R). A column whose median
    absolute deviation is 0 is only centred, with a warning. Factors, logicals, grouping factors,
    offsets and weights stay as they are; so do columns inside ``log()`` and ``sqrt()``, with a
    warning.

    Parameters
    ----------
    m : FittedModel
    robust : bool
        Median and MAD for mean and SD.
    two_sd : bool
        Divide predictors by two SDs, the response by one (Gelman 2008).
    scale_response : bool
        False leaves the response of a linear model as it is.

    Raises
    ------
    NotSupportedError
        If a column serves both as numbers and inside ``factor()`` or ``offset()``.
    """
    robust, two_sd = flag(robust, "robust"), flag(two_sd, "two_sd")
    names = _columns_to_scale(m, scale_response)
    if isinstance(m.design, Elsewhere):
        rows = z_scores_elsewhere(m, m.design, names, robust, two_sd)
        return m.update(data=rows, subset=None)
    response = m.response
    frame = m.design.frame
    scaled = {}
    for name in names:
        is_response = name in response.columns
        factor = 2.0 if two_sd and not is_response else 1.0
        values = np.asarray(frame.column(name).values, dtype=np.float64)
        scaled[name] = _z_scores(m, values, robust, factor, name)
    changes = _unscaled_arguments(m)
    is_scaled = scale_response and _is_linear(m) and not stays_positive(response)

    def rescale(values: FloatArray, text: str) -> FloatArray:
        return _z_scores(m, values, robust, 1.0, text)

    as_given, renamed = _structure_as_given(m, names)
    data = scaled_data(m, {**scaled, **as_given}, rescale if is_scaled else None)
    changes |= renamed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingDataWarning)  # said when the model was fitted
        return m.update(data=data, **changes)


def _is_linear(m: FittedModel) -> bool:
    return m.family is None or bool(m.family.kin == "gaussian")


def _columns_to_scale(m: FittedModel, scale_response: bool) -> list[str]:
    """Return the numeric columns of the formula that become z-scores."""
    parsed = m.formula
    expressions = [e for term in parsed.fixed.terms for e in term]
    expressions += [e for bar in parsed.bars for term in bar.terms.terms for e in term]
    if _is_linear(m) and scale_response and not holds_answer(m):
        expressions.append(m.response)
    wanted: dict[str, None] = {}
    fixed: dict[str, str] = {c: "offset()" for e in parsed.offsets for c in e.columns}
    positive: dict[str, str] = {}
    for expression in expressions:
        functions = _functions(expression)
        for column in expression.columns:
            if not is_number(m.design, column):
                continue
            if functions & set(_LABELS):
                fixed[column] = "factor()"
            elif functions & set(_POSITIVE):
                positive[column] = expression.text
            else:
                wanted[column] = None
    for column, place in fixed.items():
        if column in wanted:
            raise NotSupportedError(
                f"Column {brief(column)} is a number in one term and stands in {place} in another; "
                "standardize it by hand."
            )
    _warn_positive({c: t for c, t in positive.items() if c not in wanted})
    return [c for c in wanted if c not in positive]


def stays_positive(expression: Expression) -> bool:
    """Return whether an expression takes a logarithm or root, inside which nothing is scaled."""
    return bool(_functions(expression) & set(_POSITIVE))


def _functions(expression: Expression) -> set[str]:
    calls = [n.func for n in ast.walk(expression.tree) if isinstance(n, ast.Call)]
    return {f.id for f in calls if isinstance(f, ast.Name)}


def _warn_positive(columns: dict[str, str]) -> None:
    if columns:
        shown = ", ".join(dict.fromkeys(columns.values()))
        warnings.warn(
            f"Columns inside {shown} are not standardized: z-scores are partly negative.",
            MlpoolWarning,
            stacklevel=user_level(),
        )


def _z_scores(
    m: FittedModel, values: FloatArray, robust: bool, factor: float, name: str
) -> FloatArray:
    kept, weights = m.design.kept, m.design.weights
    used = values if kept is None else values[kept]
    center = (median if robust else mean)(used, weights)
    scale = (mad if robust else sd)(used, weights) * factor
    # a spread of this share of the center is rounding
    if not scale > 1e-14 * abs(center):
        spread = "median absolute deviation" if robust else "standard deviation"
        text = f"Column {brief(name)} has a {spread} of 0 over the rows used and is only centred."
        warnings.warn(text, MlpoolWarning, stacklevel=user_level())
        scale = 1.0
    return np.asarray((values - center) / scale)


def _structure_as_given(
    m: FittedModel, names: list[str]
) -> tuple[dict[str, FloatArray], dict[str, str]]:
    """Return copies of times and covariates of a residual structure, and its text that reads them.

    A correlation counts in the units of its times, whatever a predictor of that name becomes.
    """
    copies: dict[str, FloatArray] = {}
    changes: dict[str, str] = {}
    if m.kind != "gls":
        return copies, changes
    for argument in ("correlation", "dispersion"):
        text = m.arguments.get(argument)
        if not isinstance(text, str):
            continue
        for name in names:
            bare = rf"(?<![\w.`]){re.escape(name)}(?![\w.`])(?!\s*[(=])|`{re.escape(name)}`"
            if re.search(bare, text):
                copy = f"{name}.as_given"
                copies[copy] = np.asarray(m.design.frame.column(name).values, dtype=np.float64)
                changes[argument] = text = re.sub(bare, f"`{copy}`", text)
    return copies, changes


def _unscaled_arguments(m: FittedModel) -> dict[str, Any]:
    """Return weights, offset and subset as arrays of the data as they were."""
    changes: dict[str, object] = {}
    frame = m.design.frame
    for name in ("weights", "offset"):
        given = m.arguments.get(name)
        if isinstance(given, str):
            changes[name] = np.asarray(frame.column(given).values, dtype=np.float64)
    if m.arguments.get("subset") is not None:
        changes["subset"] = m.design.kept
    return changes
