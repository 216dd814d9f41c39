"""`Summary`: what ``m.summary()`` returns; printing it gives R's text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from mlpool.models.extractors.random_effects import VarCorr


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
    varcor : VarCorr or None
        Variances and correlations of random effects, those of ``VarCorr(m)``.
    ngrps : dict of str to int
        Number of levels of every grouping factor; empty without random effects.
    fstatistic : tuple of (value, numerator df, denominator df) or None
    """

    text: str
    coefficients: pd.DataFrame
    sigma: float
    r_squared: float = float("nan")
    adj_r_squared: float = float("nan")
    fstatistic: tuple[float, int, int] | None = None
    varcor: VarCorr | None = None
    ngrps: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return R's text."""
        return self.text

    __repr__ = __str__
