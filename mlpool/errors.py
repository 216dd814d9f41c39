"""The error and warning tree: every sentence a user sees comes from one of these classes.

``MlpoolError`` is a ``ValueError``; leaves also inherit the built-in that fits, so ordinary
``except KeyError`` and ``except TypeError`` work. Imports nothing from mlpool.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from difflib import get_close_matches

# --- errors ---------------------------------------------------------------------------------


class MlpoolError(ValueError):
    """Base class of all errors that mlpool raises on purpose."""

    def __init__(self, message: str = "", *more: object) -> None:
        super().__init__(_readable(message), *more)

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


def nearest_names(name: object, known: Iterable[str], *, n: int = 3) -> str:
    """Return ``" Did you mean 'a' or 'b'?"`` for the nearest spellings, or an empty string.

    Examples
    --------
    >>> nearest_names("gendr", ["gender", "ses"])
    " Did you mean 'gender'?"
    """
    if not isinstance(name, str) or len(name) > _SHOWN:
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
    raise OptionError(f"{argument} must be one of {options}; got {brief(value)}.{hint}")


def brief(value: object) -> str:
    """Return a value as a sentence shows it: short, without the names of libraries' types.

    Examples
    --------
    >>> brief("wlad"), brief(2.5), brief(lambda m: m), brief([1.0] * 500)
    ("'wlad'", '2.5', 'a function', 'a list of 500 values')
    """
    if isinstance(value, int) and abs(value) > 10**_SHOWN:
        return "a number of more than 100 digits"
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return _cut(repr(_plain(value)))
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return brief(value.item())
    if isinstance(value, (list, tuple, set, dict)):
        return _shown_collection(value)
    return _shown_shape(value) or _shown_object(value)


def _shown_shape(value: object) -> str | None:
    """Return what frames and arrays are, and how large; None for anything else."""
    shape = getattr(value, "shape", None)
    if not isinstance(shape, tuple) or not all(isinstance(n, int) for n in shape):
        return None
    kind = type(value).__name__
    if len(shape) == 2 and kind != "ndarray":
        return f"a {kind} of {shape[0]} rows and {shape[1]} columns"
    size = " by ".join(str(n) for n in shape)
    return f"{'an array' if kind == 'ndarray' else f'a {kind}'} of {size} values"


def _shown_object(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if callable(value) and hasattr(value, "__name__"):
        return "a function"
    if hasattr(value, "design") and hasattr(value, "kind"):
        return f"a model of {value.kind}()"
    own, kind = repr(value), type(value).__name__
    if own == "<NA>":
        return "a missing value"
    if own.startswith("<") or "\n" in own or " at 0x" in own or len(own) > _SHOWN:
        return f"a {kind}" if kind in ("module", "generator") else f"an object of type {kind}"
    return own


def _shown_collection(
    value: list[object] | tuple[object, ...] | set[object] | dict[object, object],
) -> str:
    kind = type(value).__name__
    many = f"a {kind} of {len(value)} values"
    if len(value) > _SHOWN // 5 or kind not in ("list", "tuple", "set", "dict"):
        return many
    if isinstance(value, dict):
        inside = ", ".join(f"{brief(k)}: {brief(v)}" for k, v in value.items())
    else:
        inside = ", ".join(brief(one) for one in value)
    if isinstance(value, tuple) and len(value) == 1:
        inside += ","
    brackets = {"list": "[]", "tuple": "()", "set": "{}", "dict": "{}"}[kind]
    text = f"{brackets[0]}{inside}{brackets[1]}" if inside or kind != "set" else "an empty set"
    return text if len(text) <= _SHOWN else many


def _plain(value: object) -> object:
    """Return NumPy's scalars, some of which are Python's numbers too, as Python's own."""
    own = getattr(value, "item", None)
    return value if own is None else own()


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}...{text[-1]}"


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
"""Characters of a formula, or of a value, that a message shows."""

_LONGEST_WORD, _LONGEST = 300, 1200
"""Characters of a word (a path may be long) and of a message that people read."""

_LONG_WORD = re.compile(rf"(\S{{{_SHOWN}}})\S{{{_LONGEST_WORD},}}")


def _readable(message: str) -> str:
    """Return a message whose endless words and lists are cut."""
    text = _LONG_WORD.sub(r"\1...", str(message))
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 4 :]}"


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
