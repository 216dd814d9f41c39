"""Results as numbers with units, and what a transformation makes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tests.invariance.transformations import Transformation

COLUMN_UNITS = {
    **dict.fromkeys(("Coefficient", "Estimate", "SE", "CI_low", "CI_high", "Std. Error"), "c"),
    **dict.fromkeys(("2.5 %", "97.5 %", "Bias", "Median"), "c"),
    **dict.fromkeys(("Mean", "Predicted", "Difference", "fitted", "resid", "sim_1"), "y"),
    **dict.fromkeys(("Sigma", "RMSE", "Residuals"), "y"),
    **dict.fromkeys(("Sum_Squares", "Mean_Square", "RSS"), "yy"),
    **dict.fromkeys(("AIC", "AICc", "BIC", "logLik", "deviance", "Log_Likelihood"), "likelihood"),
    "Slope": "y/x",
    "Covariance": "cc",
    "vcov": "cc",
}  # fmt: skip
"""Unit of a column: c is the response's per that of its row's terms; any other column has none."""

# theta is found where the criterion is flat to rounding: about the root of 1e-16 times its
# curvature, and what is made of it follows in first order (tests/tolerances.py: REL_LMM).
REL = 2e-5


def as_frame(result: Any) -> pd.DataFrame:
    """Return any result's numbers as one frame; labels stand in its index or text columns."""
    if hasattr(result, "to_pandas"):
        return result.to_pandas()
    if hasattr(result, "to_frame") and not isinstance(result, pd.Series):
        return result.to_frame()
    if isinstance(result, pd.Series):
        return result.to_frame()
    if isinstance(result, Mapping):
        return pd.concat({str(k): as_frame(v) for k, v in result.items()})
    if isinstance(result, (float, int, np.floating, np.integer)):
        return pd.DataFrame({"value": [float(result)]})
    assert isinstance(result, pd.DataFrame), type(result)
    return result


def _labels(frame: pd.DataFrame) -> list[str]:
    """Return the text of every row: its index (unless of numbers) and text cells."""
    texts = [frame[c].astype(str) for c in frame.columns if _is_text(frame[c])]
    if not pd.api.types.is_integer_dtype(frame.index):  # 0, 1, ... in any order says nothing
        texts.insert(0, pd.Series([str(i) for i in frame.index], index=frame.index))
    return [" | ".join(row) for row in zip(*texts, strict=True)] if texts else [""] * len(frame)


def _is_text(column: pd.Series) -> bool:
    return not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))


def _numbers(frame: pd.DataFrame) -> pd.DataFrame:
    kept = [i for i in range(frame.shape[1]) if not _is_text(frame.iloc[:, i])]
    return frame.iloc[:, kept].astype(float).reset_index(drop=True)


def _in_order(frame: pd.DataFrame, words: dict[str, str]) -> pd.DataFrame:
    """Return the rows sorted by their labels, read back through `words`, then by their numbers."""
    labels = [_read_back(text, words) for text in _labels(frame)]
    numbers = _numbers(frame)
    keys = [numbers[c].map(lambda v: float(f"{v:.5g}")) for c in numbers.columns[::-1]]
    order = np.lexsort([*keys, pd.Series(labels).to_numpy(str)])
    return frame.iloc[order]


def _read_back(text: str, words: dict[str, str]) -> str:
    for new in sorted(words, key=len, reverse=True):
        text = text.replace(new, words[new])
    return text


def _factor(unit: str, label: str, law: Transformation) -> float:
    """Return what a number of `unit` in a row called `label` is multiplied by."""
    n_x = len(re.findall(r"(?<!\w)x(?!\w)", label.replace("_", " ")))
    if law.y == 1 == law.x or unit == "skip":
        return 1.0
    if unit == "c" and re.search(r"\bCor\b|\bcor_", label):
        return 1.0
    powers = {
        "1": (0, 0), "y": (1, 0), "yy": (2, 0), "x": (0, 1), "dx": (0, 1), "y/x": (1, -1),
        "1/x": (0, -1), "its x": (0, min(n_x, 1)),
        "c": (1, -min(n_x, 1)), "cc": (2, -n_x),
    }[unit]  # fmt: skip
    return float(law.y ** powers[0] * law.x ** powers[1])


def _moves(unit: str, label: str, law: Transformation) -> bool:
    """Whether a shift moves a number for good reasons: intercepts, values of the shifted column."""
    at_zero = bool(re.search(r"Intercept|\bCor\b|\bcor_", label))
    if law.shifts_x and (at_zero or unit == "x"):
        return True
    if law.shifts_y and (at_zero or unit in ("level", "test of level")):
        return True
    if unit == "skip":
        return law.shifts_x or not law.keeps_likelihood
    return unit == "likelihood" and not law.keeps_likelihood


def differences(
    base: Any, changed: Any, law: Transformation, units: Mapping[str, str], *, reorders: bool
) -> list[str]:
    """Return every number that is not what the law makes of the base's, as text."""
    before, after = as_frame(base), as_frame(changed)
    if before.shape != after.shape:
        return [f"{before.shape} rows and columns became {after.shape}"]
    if reorders:
        before, after = _in_order(before, {}), _in_order(after, law.words)
    labels = _labels(before)
    first, second = _numbers(before), _numbers(after)
    if first.shape != second.shape:
        return [f"{first.shape} numbers became {second.shape}"]
    found = []
    for j, column in enumerate(first.columns):
        unit = units.get(str(column), COLUMN_UNITS.get(str(column), "1"))
        want, moved = _expected(first.iloc[:, j].to_numpy(), unit, labels, law)
        found += _compare(str(column), labels, want, second.iloc[:, j].to_numpy(), moved)
    return found


def _expected(values: Any, unit: str, labels: list[str], law: Transformation) -> Any:
    moved = np.array([_moves(unit, label, law) for label in labels])
    plain = {"level": "y", "likelihood": "1", "test of level": "1"}.get(unit, unit)
    return values * np.array([_factor(plain, label, law) for label in labels]), moved


def _compare(column: str, labels: list[str], want: Any, got: Any, moved: Any) -> list[str]:
    found = []
    largest = np.max(np.abs(want[np.isfinite(want)]), initial=0.0)
    for label, a, b, skip in zip(labels, want, got, moved, strict=True):
        if skip or a == b or (np.isnan(a) and np.isnan(b)):
            continue
        # Sums to zero (modes, residuals) are rounding of the column's own size.
        near = abs(a - b) <= REL * max(abs(a), abs(b))
        if not near and not abs(a - b) <= REL * largest / 10:
            found.append(f"{column} [{label}]: {a:.8g} became {b:.8g}")
    return found
