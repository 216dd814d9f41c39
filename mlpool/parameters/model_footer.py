"""Lines about the whole model below its table: formula, sigma, RMSE, R2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpool.errors import NotSupportedError
from mlpool.performance.explained_variance import R2_LABELS, r2_values, rmse

if TYPE_CHECKING:
    from mlpool.models import FittedModel


def info_lines(model: FittedModel) -> tuple[str, ...]:
    """Return the lines of ``include_info=True``."""
    lines = [
        f"Model: {fixed_formula(model.formula.text)} ({model.nobs} Observations)",
        f"Sigma: {model.sigma:.3f} (df = {model.df_residual})",
        f"RMSE : {rmse(model):.3f}",
    ]
    lines += _r2_line(model)
    return tuple(lines)


def _r2_line(model: FittedModel) -> list[str]:
    """Return the line of R2; none where R2 is not defined (several trials per row)."""
    try:
        values = r2_values(model)
    except NotSupportedError:
        return []
    labels = R2_LABELS | {"R2_adjusted": "adjusted R2"}
    texts = [
        f"{labels[name]}: {'NA' if np.isnan(value) else f'{value:.3f}'}"
        for name, value in values.items()
    ]
    return ["; ".join(texts)]


def fixed_formula(text: str) -> str:
    """Return a formula's text without its random terms.

    Examples
    --------
    >>> fixed_formula("math ~ ses + (1 + ses | school)")
    'math ~ ses'
    """
    left, _, right = text.partition("~")
    terms = [term for term in _top_level_terms(right) if "|" not in term]
    return f"{left.strip()} ~ {' + '.join(terms) or '1'}"


def _top_level_terms(text: str) -> list[str]:
    """Return what stands between the plus signs outside brackets and backticks."""
    terms, depth, quoted = [""], 0, False
    for char in text:
        quoted ^= char == "`"
        depth += (char in "([{") - (char in ")]}")
        if char == "+" and depth == 0 and not quoted:
            terms.append("")
        else:
            terms[-1] += char
    return [term.strip() for term in terms if term.strip()]
