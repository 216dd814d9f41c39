"""Formula text to terms to matrices: R's and lme4's formula language.

May import errors, typing, frames. Start reading in ``parse.py`` (text) and ``design.py`` (data).
"""

from mlpool.formula.parse import parse_formula, without_bars
from mlpool.formula.types import BarTerm, ColumnInfo, ColumnPart, Expression, ParsedFormula, Terms

__all__ = [
    "BarTerm", "ColumnInfo", "ColumnPart", "Expression", "ParsedFormula", "Terms",
    "parse_formula", "without_bars",
]  # fmt: skip
