"""What ``correlation=`` and ``dispersion=`` say: which residuals are correlated or unequal.

Two spellings mean the same: mlpool's and mmrm's (``ar1(time | id)``, ``us(visit | id)``, ``~ sex``)
are read here, nlme's (``corAR1(form = ~ time | id)``, ``varIdent(form = ~ 1 | sex)``) in
:mod:`mlpool.formula.nlme_spellings`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlpool.errors import FormulaError, brief, nearest_names

CORRELATIONS = {
    "ar1": ("ar1", False), "ar1h": ("ar1", True), "car1": ("car1", False),
    "cs": ("cs", False), "csh": ("cs", True), "us": ("symm", True), "symm": ("symm", False),
    "toep": ("toep", False), "toeph": ("toep", True), "ad": ("ad", False), "adh": ("ad", True),
    "exp": ("exp", False), "sp_exp": ("exp", False), "ar2": ("ar", False),
    "arma11": ("arma11", False),
}  # fmt: skip
"""Spelling -> structure, and whether every visit has a variance of its own (mmrm's names)."""

MMRM = ("us", "ad", "adh", "ar1", "ar1h", "cs", "csh", "toep", "toeph", "sp_exp")
"""Covariance terms of mmrm's formulas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationTerm:
    """Which residuals are correlated, and how.

    Attributes
    ----------
    kind : str
        Of the engine: ``ar1``, ``symm`` ...
    time : str or None
        Column of times or visits; None: the row's position within its group.
    group : tuple of str
        Columns whose combinations are the groups.
    by_visit : bool
        Whether every visit has a variance of its own.
    order : int
        Of an autoregression.
    text : str
        As it was written.
    """

    kind: str
    time: str | None
    group: tuple[str, ...]
    by_visit: bool = False
    order: int = 1
    text: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the data that it reads."""
        return (*(() if self.time is None else (self.time,)), *self.group)


@dataclass(frozen=True, slots=True, kw_only=True)
class DispersionTerm:
    """One part of the residuals' standard deviations; parts multiply.

    Attributes
    ----------
    kind : {"strata", "linear", "power", "constpower"}
        A ratio per stratum, exp(x delta), |x|^delta, delta_1 + |x|^delta_2. ``linear`` of a factor
        means strata.
    columns : tuple of str
    of_fitted : bool
        The covariate is the model's own fitted values, of which there are no columns.
    """

    kind: str
    columns: tuple[str, ...]
    of_fitted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualStructure:
    """All that is said about a model's residuals.

    Attributes
    ----------
    correlation : CorrelationTerm or None
    dispersion : tuple of DispersionTerm
    dispersion_text : str
        As it was written.
    """

    correlation: CorrelationTerm | None = None
    dispersion: tuple[DispersionTerm, ...] = ()
    dispersion_text: str = ""

    @property
    def needs_fitted(self) -> bool:
        """Whether standard deviations depend on the model's own fitted values."""
        return any(term.of_fitted for term in self.dispersion)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the data that it reads."""
        own = () if self.correlation is None else self.correlation.columns
        return (*own, *(name for term in self.dispersion for name in term.columns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """``name(argument, key = argument)`` as text."""

    name: str
    arguments: tuple[str, ...]
    named: dict[str, str]


def read_call(text: str, what: str) -> Call:
    """Return the parts of a call.

    Raises
    ------
    FormulaError
        If it is none.
    """
    found = re.fullmatch(r"\s*(?:nlme::|mmrm::)?([A-Za-z_.][\w.]*)\s*\((.*)\)\s*", text, re.DOTALL)
    if found is None:
        raise FormulaError(f"{what} must read like {_EXAMPLE[what]}; got {brief(text)}.")
    plain, named = [], {}
    for part in split_at(found[2], ","):
        key = re.fullmatch(r"\s*([A-Za-z_.][\w.]*)\s*=(?!=)\s*(.*)", part, re.DOTALL)
        if key is not None:
            named[key[1]] = key[2].strip()
        elif part.strip():
            plain.append(part.strip())
    return Call(name=found[1], arguments=tuple(plain), named=named)


_EXAMPLE = {
    "correlation": "'ar1(time | id)' or 'corAR1(form = ~ time | id)'",
    "dispersion": "'~ sex', '~ power(x)' or 'varIdent(form = ~ 1 | sex)'",
}


def split_at(text: str, mark: str) -> list[str]:
    """Return the parts of a text between marks outside brackets and backticks.

    Examples
    --------
    >>> split_at("a + f(b + c)", "+")
    ['a ', ' f(b + c)']
    """
    parts, depth, quoted = [""], 0, False
    for char in text:
        quoted ^= char == "`"
        depth += (char in "([{") - (char in ")]}")
        if char == mark and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def column_name(text: str, role: str) -> str:
    """Return the column that a name or a name in backticks says.

    Raises
    ------
    FormulaError
        If it is anything else.
    """
    name = text.strip()
    if re.fullmatch(r"`[^`]+`", name):
        return name[1:-1]
    if re.fullmatch(r"[^\W\d][\w.]*", name):
        return name
    raise FormulaError(
        f"{role} must be the name of a column; make {brief(name)} a column of the data first."
    )


def time_and_group(text: str, what: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the column of times (None for ``1``) and the grouping columns of ``time | g1/g2``.

    Raises
    ------
    FormulaError
        If there is no group.
    """
    sides = split_at(text.strip().removeprefix("~"), "|")
    if len(sides) != 2:
        raise FormulaError(
            f"{what} must say within which groups residuals are correlated: time | id; got "
            f"{brief(text.strip())}."
        )
    time = sides[0].strip()
    groups = [
        column_name(g, "the group of a correlation")
        for part in split_at(sides[1], "/")
        for g in split_at(part, ":")
    ]
    return (None if time == "1" else column_name(time, "the time of a correlation")), tuple(groups)


def read_plain_correlation(call: Call, text: str) -> CorrelationTerm:
    """Return what ``ar1(time | id)`` says.

    Raises
    ------
    FormulaError
        For unknown structures.
    """
    if call.name not in CORRELATIONS:
        raise FormulaError(
            f"There is no correlation {brief(call.name)}; there are {', '.join(CORRELATIONS)}, and "
            f"nlme's corAR1, corCAR1 ...{nearest_names(call.name, CORRELATIONS)}"
        )
    if len(call.arguments) != 1 or call.named:
        raise FormulaError(f"{call.name}() reads one argument: {call.name}(time | id).")
    kind, by_visit = CORRELATIONS[call.name]
    time, group = time_and_group(call.arguments[0], f"{call.name}()")
    order = 2 if call.name == "ar2" else 1
    return CorrelationTerm(
        kind=kind, time=time, group=group, by_visit=by_visit, order=order, text=text.strip()
    )


def covariate_term(kind: str, text: str, role: str) -> DispersionTerm:
    """Return a function of a column, or of ``fitted(.)``.

    Raises
    ------
    FormulaError
        If it is neither.
    """
    if text.replace(" ", "") in ("fitted(.)", "fitted()"):
        return DispersionTerm(kind=kind, columns=(), of_fitted=True)
    return DispersionTerm(kind=kind, columns=(column_name(text, role),))


def read_dispersion_formula(text: str) -> tuple[DispersionTerm, ...]:
    """Return what ``~ sex + power(x)`` says.

    Raises
    ------
    FormulaError
        For anything but columns, their combinations, ``exp(x)`` and ``power(x)``.
    """
    found = []
    for part in split_at(text.strip().removeprefix("~"), "+"):
        term = part.strip()
        if term in ("1", ""):
            continue
        call = re.fullmatch(r"(power|exp|constpower)\s*\((.*)\)", term)
        if call is not None:
            kind = "linear" if call[1] == "exp" else call[1]
            found.append(covariate_term(kind, call[2], f"the covariate of {call[1]}()"))
            continue
        crossed = [c for piece in split_at(term, "*") for c in split_at(piece, ":")]
        names = tuple(column_name(c, "what dispersion depends on") for c in crossed)
        found.append(DispersionTerm(kind="linear" if len(names) == 1 else "strata", columns=names))
    return tuple(found)
