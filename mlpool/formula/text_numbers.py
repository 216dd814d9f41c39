"""Numbers that arrive as text, said before they become a coefficient per value."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from mlpool.errors import DataError, brief
from mlpool.formula.functions.factors import is_mark, read_number
from mlpool.formula.functions.values import FactorValue, Value
from mlpool.formula.types import Expression

FEW = 20
"""A column of decimals with some other text has more levels."""

_READ = 2000
"""Levels that are looked at; a column of more is judged by these."""

_MOST = 0.9
"""Share of levels that are numbers in a column of numbers with some other text."""


def refuse_numbers_as_text(expressions: Iterable[Expression], values: Mapping[str, Value]) -> None:
    """Refuse columns of text that hold numbers as predictors.

    Text of whole numbers is left alone: these are labels, of schools say. Categories that somebody
    declared, and ``factor(x)``, are as well.

    Raises
    ------
    DataError
        If the levels of a column are decimals, or numbers and marks of missing values such as a
        dot.
    """
    for expression in expressions:
        value = values[expression.text]
        is_column = isinstance(expression.tree, ast.Name)
        if not is_column or not isinstance(value, FactorValue):
            continue
        if value.is_text and holds_numbers(value.levels):
            raise DataError(_sentence(expression.text, value.levels))


def holds_numbers(levels: tuple[str, ...]) -> bool:
    """Tell whether labels are numbers rather than names.

    Examples
    --------
    >>> holds_numbers(("0", "1", "2")), holds_numbers(("0", "1", ".")), holds_numbers(("1,5", "2"))
    (False, True, True)
    """
    looked_at = levels[:_READ]
    numbers = [x for x in map(read_number, looked_at) if x is not None]
    others = [v for v in looked_at if read_number(v) is None]
    if len(numbers) < 2:
        return False
    if others and all(is_mark(v) for v in others):
        return True
    has_decimals = not all(x.is_integer() for x in numbers)
    return has_decimals and (
        not others or (len(levels) > FEW and len(numbers) >= _MOST * len(looked_at))
    )


def _sentence(text: str, levels: tuple[str, ...]) -> str:
    looked_at = levels[:_READ]
    others = [v for v in looked_at if read_number(v) is None]
    numbers = [v for v in looked_at if read_number(v) is not None]
    shown = ", ".join(repr(v) for v in [*others[:2], *numbers[:2]])
    return (
        f"The column {brief(text)} is text that holds numbers ({shown}), which would become "
        f"{len(levels):,} levels; write as.numeric({text}) for numbers (marks of missing values "
        f"become missing, decimal commas are read) or factor({text}) for levels."
    )
