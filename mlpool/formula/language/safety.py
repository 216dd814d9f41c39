"""What a formula may say: the documented functions, and nothing else.

Formula text is data, not code. It is read into a tree by ``expression.py``, whose grammar has no
attribute access, subscript, lambda or statement, and evaluated by ``evaluate.py``, which walks
that tree over columns; nothing is ever handed to ``eval``. This table is the whole list of
functions; docs, parser and evaluator share it.
"""

from __future__ import annotations

from types import MappingProxyType

FUNCTIONS = MappingProxyType(
    {
        # encodings
        "factor": "make a factor: factor(x), factor(x, levels = 1:4, labels = c(...)), "
        "factor(x, ordered = FALSE)",
        "as.factor": "the same as factor(x)",
        "as_factor": "the same as factor(x)",
        "ordered": "make an ordered factor (polynomial contrasts)",
        "C": "a factor with contrasts: C(x), C(x, contr.sum), C(x, contr.treatment(base = 2))",
        "relevel": 'another reference level: relevel(x, ref = "b")',
        # keep an expression as it is
        "I": "arithmetic as written: I(x^2), I(x - 11)",
        "offset": "a term with coefficient one",
        "cbind": "successes and failures of a binomial response: cbind(k, n - k)",
        "c": "a list of constants; 1:4 is c(1, 2, 3, 4)",
        # transformations that remember the training data
        "scale": "centre and divide by the SD (n - 1); center = FALSE, scale = FALSE or numbers "
        "of your own: scale(x, center = 5, scale = 2)",
        "center": "subtract the mean",
        "poly": "orthogonal polynomial: poly(x, 2); raw powers: poly(x, 2, raw = TRUE)",
        "bs": "B-spline basis: bs(x, df = 4), bs(x, knots = c(1, 2), degree = 3)",
        "ns": "natural cubic spline, straight beyond its ends: ns(x, df = 3), "
        "ns(x, knots = c(1, 2))",
        "cut": "classes of a number: cut(x, 3), cut(x, breaks = c(-Inf, 0, Inf), labels = "
        'c("low", "high")), cut(x, c(0, 5, 10), right = FALSE)',
        "mean": "a column's mean, of the data the model is fitted to: I(x - mean(x))",
        "median": "a column's median",
        "sd": "a column's SD (n - 1): I((x - mean(x)) / sd(x))",
        "var": "a column's variance (n - 1)",
        "min": "a column's smallest value",
        "max": "a column's largest value",
        "sum": "a column's sum",
        # arithmetic
        "log": "natural logarithm; log(x, 2) to another base",
        "log2": "logarithm to base 2",
        "log10": "logarithm to base 10",
        "log1p": "log(1 + x)",
        "exp": "exponential",
        "expm1": "exp(x) - 1",
        "sqrt": "square root",
        "abs": "absolute value",
        "sin": "sine",
        "cos": "cosine",
        "tan": "tangent",
        "round": "round(x, digits)",
        "floor": "largest integer below",
        "ceiling": "smallest integer above",
        "pmin": "elementwise minimum",
        "pmax": "elementwise maximum",
        "ifelse": "ifelse(test, yes, no), of numbers or text; missing where the test is",
        "is.na": "TRUE where a value is missing",
        "as.numeric": "the number itself; TRUE is 1; text is read; a factor gives its codes",
        "as.character": "labels as text: as.numeric(as.character(f)) reads a factor's labels",
        "as.integer": "whole part",
    }
)
"""Documented functions and what each does."""

NUMPY_FUNCTIONS = (
    "abs", "ceil", "clip", "cos", "exp", "expm1", "floor", "log", "log10", "log1p", "log2",
    "maximum", "minimum", "power", "round", "sign", "sin", "sqrt", "square", "tan", "tanh", "where",
)  # fmt: skip
"""Functions that may be called as ``np.<name>``."""

CONTRASTS = (
    "contr.treatment", "contr.sum", "contr.helmert", "contr.poly", "contr.SAS", "contr.sdif",
)  # fmt: skip
"""Contrast names; also accepted without ``contr.`` in the ``contrasts=`` argument."""

COVARIANCE_STRUCTURES = ("cs", "ar1", "homcs", "toep", "ou", "exp_cov", "corAR1")
"""Names that other packages use around a bar; refused with a sentence of their own."""

NOT_NAMES = frozenset(
    {
        "TRUE", "FALSE", "True", "False", "NULL", "NA", "Inf", "NaN", "None", "if", "else", "for",
        "while", "function", "in", "next", "break", "repeat",
    }
)  # fmt: skip
"""Words that are no column without backticks: R's reserved words, and the constants."""

CONSTANTS = MappingProxyType(
    {
        "TRUE": True,
        "FALSE": False,
        "T": True,
        "F": False,
        "True": True,
        "False": False,
        "Inf": float("inf"),
        "pi": 3.141592653589793,
    }
)
"""Words that stand for a value (``T``, ``F`` and ``pi`` only where no column has that name)."""

MAX_LENGTH = 100_000
"""Characters a formula may have; a wide data frame's ``.`` is expanded after this check."""

MAX_DEPTH = 60
"""Parentheses inside each other; deeper text is a mistake or an attack."""

MAX_PRODUCTS = 20_000
"""Products that an expansion such as ``(a + b + c)^3`` may form."""

MAX_BARS = 50
"""Random-effects terms of one formula, after ``/`` and ``||`` are expanded."""


def is_allowed_function(name: str) -> bool:
    """Tell whether `name` may be called in a formula without ``context=``."""
    return (
        name in FUNCTIONS
        or name in CONTRASTS
        or (name.startswith("np.") and name[3:] in NUMPY_FUNCTIONS)
    )


def documented_functions() -> tuple[str, ...]:
    """Return all names that may be called, ``np.`` ones included."""
    return (*FUNCTIONS, *(f"np.{name}" for name in NUMPY_FUNCTIONS))


SPELT_OTHERWISE = MappingProxyType(
    {
        "diag": "around a bar it stands with one |: diag(x | g); (x || g) is lme4's spelling",
        "us": "around a bar it stands with one |: us(x | g)",
        "Treatment": 'C(f, contr.treatment(base = 2)) or relevel(f, ref = "b") name a reference',
        "Sum": "contrasts that sum to zero are C(f, contr.sum)",
        "interaction": "combinations of factors are f:g, also after a bar: (1 | f:g)",
        "Q": "names with blanks stand in backticks: `my column`",
        "standardize": "z-scores are scale(x)",
        "standardise": "z-scores are scale(x)",
        "zscore": "z-scores are scale(x)",
        "quantile": "cut() takes the limits as numbers: cut(x, c(0, 5, 10))",
        "s": "smooth terms are splines of a fixed basis here: ns(x, df = 3), bs(x, df = 4)",
        "te": "smooth terms are splines of a fixed basis here: ns(x, df = 3), bs(x, df = 4)",
        "cr": "natural splines are ns(x, df = 3)",
        "cc": "natural splines are ns(x, df = 3); none here is cyclic",
        "rcs": "ns(x, df = 3) is a restricted (natural) cubic spline",
        "lag": "make the column before the fit: df.groupby('id')['x'].shift()",
        "lead": "make the column before the fit: df.groupby('id')['x'].shift(-1)",
        "diff": "make the column before the fit: df.groupby('id')['x'].diff()",
        "numeric": "as.numeric(x) makes a number",
        "where": "choices are ifelse(x > 0, 1, 0)",
    }
)
"""Functions of R's and Python's other formulas, and what is written here."""

CODINGS = MappingProxyType(
    {
        "Treatment": "contr.treatment", "Sum": "contr.sum", "Helmert": "contr.helmert",
        "Poly": "contr.poly", "Diff": "contr.sdif", "treatment": "contr.treatment",
        "helmert": "contr.helmert", "sdif": "contr.sdif",
    }
)  # fmt: skip
"""patsy's and short names of contrasts, and R's, which are read."""
