"""Formula text to terms to matrices: R's and lme4's formula language.

May import errors, typing, frames. Start reading in ``parse.py`` (text) and ``design.py`` (data).
"""

import sys
from functools import partial
from types import ModuleType

from mlpool.errors import OptionError, brief
from mlpool.formula.parse import parse_formula, without_bars
from mlpool.formula.types import BarTerm, ColumnInfo, ColumnPart, Expression, ParsedFormula, Terms
from mlpool.r_spellings import answering

__all__ = [
    "BarTerm", "ColumnInfo", "ColumnPart", "Expression", "ParsedFormula", "Terms",
    "parse_formula", "without_bars",
]  # fmt: skip


class _Formula(ModuleType):
    """The folder, which is R's ``formula(m)`` when it is called.

    ``mlpool.formula`` is both: importing the folder puts the module where the function would be.
    """

    @partial(answering, name="formula")
    def __call__(self, m: object) -> str:
        """Return the formula of a fitted model, as it was written (R's ``formula``).

        Raises
        ------
        OptionError
            If `m` is no model.
        """
        found = getattr(m, "formula", None)
        if not isinstance(found, ParsedFormula):
            raise OptionError(
                "formula() needs a fitted model, as lm(), glm(), lmer() or fit() return it; "
                f"got {brief(m)}."
            )
        return found.text


sys.modules[__name__].__class__ = _Formula
