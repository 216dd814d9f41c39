"""Standardized coefficients of a report: SDs of the response per SD of the predictor."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.checks.result import is_linear
from mlpool.parameters import model_parameters
from mlpool.refits.standardized import standardize_model, stays_positive
from mlpool.results import ResultFrame
from mlpool.transform.scale import sd
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel

_ON_THE_SCALE = ("Coefficient", "CI_low", "CI_high")


def standardized_parameters(m: FittedModel, options: dict[str, Any]) -> ResultFrame:
    """Return ``model_parameters`` of the model of z-scores.

    A response that is made of a column, such as ``log(y)``, is divided by its own SD: the z-scores
    of ``y`` have no logarithm. A predictor inside ``log()`` or ``sqrt()`` has the SD of its
    logarithm or root; where it stands in a product, the coefficient is missing.

    Parameters
    ----------
    m : FittedModel
    options : dict
        Of :func:`mlpool.model_parameters`.
    """
    is_made = is_linear(m) and not isinstance(m.response.tree, ast.Name)
    again = standardize_model(m, scale_response=not is_made)
    table = model_parameters(again, **options)
    factors = _own_deviations(again)
    if is_made:
        spread = sd(np.asarray(m.design.y, dtype=np.float64), m.design.weights)
        factors = factors / spread if spread > 0.0 else np.full(len(factors), np.nan)
    data = table.data.copy()
    for name in _ON_THE_SCALE:
        data[name] = data[name].to_numpy(dtype=np.float64) * factors
    return replace(table, data=data[np.isfinite(factors)].reset_index(drop=True))


def _own_deviations(again: FittedModel) -> FloatArray:
    """Return the SD of each column of X that no z-scores could be made of, else 1 (p,)."""
    out = np.ones(len(again.columns))
    expressions = {e.text: e for term in again.formula.fixed.terms for e in term}
    positive = {text for text, e in expressions.items() if stays_positive(e)}
    for i, column in enumerate(again.columns):
        if any(part.text in positive for part in column.parts):
            values = again.design.X.rows(0, again.design.n)[:, again.fit.kept[i]]
            is_alone = len(column.parts) == 1
            out[i] = sd(values, again.design.weights) if is_alone else np.nan
    return out
