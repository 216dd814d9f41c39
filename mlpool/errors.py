"""The error and warning tree: every sentence a user sees comes from one of these classes.

``MlpoolError`` is a ``ValueError``; leaves also inherit the built-in that fits, so ordinary
``except KeyError`` and ``except TypeError`` work. Imports nothing from mlpool.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from difflib import get_close_matches

# --- errors ---------------------------------------------------------------------------------


class MlpoolError(ValueError):
    """Base class of all errors that mlpool raises on purpose."""

    def __str__(self) -> str:
        """Return the plain sentence (``KeyError`` would print its repr)."""
        return str(self.args[0]) if self.args else ""


class FormulaError(MlpoolError):
    """A formula cannot be read, or asks for something that formulas may not do.

    Parameters
    ----------
    message : str
        One sentence.
    formula : str, optional
        The formula text; printed under the sentence with the place marked.
    start, end : int, optional
        First and last character (0-based, inclusive) of the offending span in `formula`.
    """

    def __init__(
        self,
        message: str,
        *,
        formula: str | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> None:
        self.message, self.formula, self.start, self.end = message, formula, start, end
        super().__init__(message + _marked_span(formula, start, end))

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the parts, so that errors survive process boundaries."""
        return (_rebuild_formula_error, (self.message, self.formula, self.start, self.end))


class DataError(MlpoolError):
    """The data cannot be used as the formula asks."""


class ColumnNotFoundError(DataError, KeyError):
    """A name in the formula or an argument is no column of the data."""


class NotSupportedError(MlpoolError, NotImplementedError):
    """A combination that mlpool does not fit (yet); the sentence says which and what to do."""


class OptionError(MlpoolError, TypeError):
    """An argument has a value or a name that is not among the allowed ones."""


class FitError(MlpoolError):
    """The numbers do not allow a fit (no rows, a constant response, no convergence at all)."""


class ModelFileError(MlpoolError, OSError):
    """A file cannot be read as a saved model, or a model cannot be saved."""


# --- warnings -------------------------------------------------------------------------------


class MlpoolWarning(UserWarning):
    """Base class of all mlpool warnings."""


class ConvergenceWarning(MlpoolWarning):
    """The optimiser stopped before its criterion was met."""


class SingularFitWarning(MlpoolWarning):
    """A variance is zero or a correlation is +-1: a result, but one worth a thought."""


class RankDeficiencyWarning(MlpoolWarning):
    """Columns of the fixed effects were dropped because others determine them."""


class MissingDataWarning(MlpoolWarning):
    """Rows were left out because of missing values."""


class FewClustersWarning(MlpoolWarning):
    """Cluster-robust standard errors rest on fewer than 40 clusters."""


class ScalingWarning(MlpoolWarning):
    """Columns are on very different scales, or a value is suspicious but usable."""


class ExtrapolationWarning(MlpoolWarning):
    """Estimates are asked for where there are no data."""


# --- sentences shared by several modules ----------------------------------------------------


def nearest_names(name: str, known: Iterable[str], *, n: int = 3) -> str:
    """Return ``" Did you mean 'a' or 'b'?"`` for the nearest spellings, or an empty string.

    Examples
    --------
    >>> nearest_names("gendr", ["gender", "ses"])
    " Did you mean 'gender'?"
    """
    if len(name) > _SHOWN:
        return ""
    names = [str(k) for k in known]
    by_lower = {k.lower().strip(): k for k in reversed(names)}
    close = get_close_matches(name.lower().strip(), list(by_lower), n=n, cutoff=0.6)
    if not close:
        return ""
    return " Did you mean " + " or ".join(repr(by_lower[k]) for k in close) + "?"


def check_option(value: object, allowed: Iterable[str], *, argument: str) -> str:
    """Return `value` if it is one of `allowed`, else raise :class:`OptionError` naming them.

    Raises
    ------
    OptionError
        If `value` is not one of the allowed strings.
    """
    options = tuple(allowed)
    if isinstance(value, str) and value in options:
        return value
    hint = nearest_names(value, options) if isinstance(value, str) else ""
    raise OptionError(f"{argument} must be one of {options}; got {value!r}.{hint}")


def user_level() -> int:
    """Return the stack level of the first caller outside mlpool, for warnings."""
    level, frame = 1, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("mlpool."):
        level += 1
        if frame.f_back is None:
            break
        frame = frame.f_back
    return level


_SHOWN = 100
"""Characters of a formula that a message shows."""


def _marked_span(formula: str | None, start: int | None, end: int | None) -> str:
    """Return the line of the formula that is meant, cut to a readable length, with the place."""
    if formula is None:
        return ""
    if start is None:
        return f"\n    {formula[:_SHOWN]}{'...' * (len(formula) > _SHOWN)}"
    first = formula.rfind("\n", 0, start) + 1
    last = formula.find("\n", start)
    last = len(formula) if last < 0 else last
    before, after = max(first, start - _SHOWN // 2), min(last, start + _SHOWN)
    lead, tail = "..." * (before > first), "..." * (after < last)
    width = min((end if end is not None else start) - start + 1, after - start)
    line = f"{lead}{formula[before:after]}{tail}".replace("\t", " ")
    return f"\n    {line}\n    {' ' * (len(lead) + start - before)}{'^' * max(1, width)}"


def _rebuild_formula_error(
    message: str, formula: str | None, start: int | None, end: int | None
) -> FormulaError:
    return FormulaError(message, formula=formula, start=start, end=end)
