"""`Summary`: what ``m.summary()`` returns; printing it gives R's text."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Summary:
    """R's summary of a model.

    Attributes
    ----------
    text : str
        R's printed text.
    coefficients : DataFrame
        With R's column names (Estimate, Std. Error, t value, ...).
    sigma : float
    r_squared, adj_r_squared : float
        Linear models only.
    fstatistic : tuple of (value, numerator df, denominator df) or None
    """

    text: str
    coefficients: pd.DataFrame
    sigma: float
    r_squared: float = float("nan")
    adj_r_squared: float = float("nan")
    fstatistic: tuple[float, int, int] | None = None

    def __str__(self) -> str:
        """Return R's text."""
        return self.text

    __repr__ = __str__
