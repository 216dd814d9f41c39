"""nlme's spellings of correlations and variances, and mmrm's of formulas."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from mlpool.errors import FormulaError, NotSupportedError, OptionError, brief, nearest_names
from mlpool.formula.residual_structure import (
    MMRM,
    Call,
    CorrelationTerm,
    DispersionTerm,
    ResidualStructure,
    column_name,
    covariate_term,
    read_call,
    read_dispersion_formula,
    read_plain_correlation,
    split_at,
    time_and_group,
)

_KINDS = {
    "corAR1": "ar1", "corCAR1": "car1", "corCompSymm": "cs", "corSymm": "symm", "corExp": "exp",
    "corARMA": "ar1",
}  # fmt: skip
_UNKNOWN_CORRELATIONS = ("corGaus", "corLin", "corRatio", "corSpher", "corNatural")


def read_structure(correlation: object, dispersion: object) -> ResidualStructure:
    """Return what ``correlation=`` and ``dispersion=`` say.

    Raises
    ------
    OptionError
        If they are no text.
    FormulaError, NotSupportedError
        With one sentence.
    """
    for name, value in (("correlation", correlation), ("dispersion", dispersion)):
        if value is not None and not isinstance(value, str):
            raise OptionError(
                f"{name} must be text such as "
                f"{'ar1(time | id)' if name == 'correlation' else '~ sex'!r}; got {brief(value)}."
            )
    return ResidualStructure(
        correlation=None if correlation is None else read_correlation(str(correlation)),
        dispersion=() if dispersion is None else read_dispersion(str(dispersion)),
        dispersion_text="" if dispersion is None else str(dispersion).strip(),
    )


def read_correlation(text: str) -> CorrelationTerm:
    """Return what a correlation in either spelling says.

    Examples
    --------
    >>> read_correlation("corAR1(form = ~ Days | Subject)").kind
    'ar1'
    """
    call = read_call(text, "correlation")
    if not call.name.startswith("cor"):
        return read_plain_correlation(call, text)
    if call.name in _UNKNOWN_CORRELATIONS:
        raise NotSupportedError(f"{call.name} is not fitted here; corExp and corCAR1 are.")
    if call.name not in _KINDS:
        raise FormulaError(
            f"nlme has no correlation {brief(call.name)}; here are {', '.join(_KINDS)}."
            f"{nearest_names(call.name, _KINDS)}"
        )
    form = _form(call, ("p", "q") if call.name == "corARMA" else ("nugget",))
    time, group = time_and_group(form, f"form of {call.name}()")
    kind, order = _KINDS[call.name], 1
    if call.name == "corARMA":
        kind, order = _arma(call)
    if call.name == "corExp" and call.named.get("nugget", "FALSE") in ("TRUE", "T", "True"):
        kind = "exp_nugget"
    return CorrelationTerm(kind=kind, time=time, group=group, order=order, text=text.strip())


def _form(call: Call, others: tuple[str, ...] = ()) -> str:
    """Return the argument ``form``, by name or place; starting values are refused.

    Raises
    ------
    FormulaError, OptionError
    """
    formulas = [a for a in call.arguments if a.startswith("~")]
    numbers = [a for a in call.arguments if not a.startswith("~")]
    for name in call.named:
        if name not in ("form", *others):
            raise OptionError(
                f"{call.name}() knows {', '.join(('form', *others))} here; leave {name} out "
                "(starting values are not needed, and no parameter is held fixed)."
            )
    if numbers:
        raise OptionError(f"{call.name}() needs no starting value; leave {brief(numbers[0])} out.")
    found = call.named.get("form", formulas[0] if formulas else "")
    if not found.startswith("~"):
        raise FormulaError(f"{call.name}() needs form = ~ time | id.")
    return found


def _arma(call: Call) -> tuple[str, int]:
    """Return kind and order of ``corARMA``: AR(p) or ARMA(1, 1).

    Raises
    ------
    NotSupportedError
        For other orders.
    """
    orders = []
    for name in ("p", "q"):
        text = call.named.get(name, "0").rstrip("L")
        if not re.fullmatch(r"\d+", text):
            raise OptionError(f"{name} of corARMA() must be a whole number; got {brief(text)}.")
        orders.append(int(text))
    p, q = orders
    if q == 0 and p >= 1:
        return ("ar1", 1) if p == 1 else ("ar", p)
    if (p, q) == (1, 1):
        return "arma11", 1
    raise NotSupportedError(
        f"corARMA(p = {p}, q = {q}) is not fitted here; autoregressions (q = 0) and p = q = 1 are."
    )


def read_dispersion(text: str) -> tuple[DispersionTerm, ...]:
    """Return what a dispersion in either spelling says.

    Examples
    --------
    >>> read_dispersion("varComb(varIdent(form = ~ 1 | sex), varPower(form = ~ x))")[1].kind
    'power'
    """
    if not re.match(r"\s*(nlme::)?var[A-Z]", text):
        if not text.strip().startswith("~"):
            raise FormulaError(
                "dispersion must read like '~ sex', '~ power(x)' or 'varIdent(form = ~ 1 | sex)'; "
                f"got {brief(text)}."
            )
        return read_dispersion_formula(text)
    call = read_call(text, "dispersion")
    if call.name == "varComb":
        return tuple(term for part in call.arguments for term in read_dispersion(part))
    if call.name not in _VARIANCES:
        raise FormulaError(
            f"{brief(call.name)} is not read here; varIdent, varPower, varExp, varConstPower and "
            f"varComb are.{nearest_names(call.name, (*_VARIANCES, 'varComb'))}"
        )
    return _VARIANCES[call.name](call)


def _strata(call: Call) -> tuple[DispersionTerm, ...]:
    sides = split_at(_form(call).removeprefix("~"), "|")
    if len(sides) != 2 or sides[0].strip() != "1":
        raise FormulaError(f"{call.name}() needs strata: form = ~ 1 | sex.")
    names = tuple(column_name(g, "a stratum") for g in split_at(sides[1], "*"))
    return (DispersionTerm(kind="strata", columns=names),)


def _covariate(kind: str, call: Call) -> tuple[DispersionTerm, ...]:
    form = _form(call).removeprefix("~").strip() if call.named or call.arguments else "fitted(.)"
    if form.startswith("resid"):
        raise NotSupportedError(
            f"{call.name}() of residuals is not fitted here; of fitted values it is, "
            f"{call.name}(form = ~ fitted(.)), and of a column: {call.name}(form = ~ x)."
        )
    if "|" in form:
        raise NotSupportedError(
            f"{call.name}() with a parameter per stratum is not fitted here; combine "
            f"varComb(varIdent(form = ~ 1 | g), {call.name}(form = ~ x))."
        )
    return (covariate_term(kind, form, "a covariate"),)


_VARIANCES: dict[str, Callable[[Call], tuple[DispersionTerm, ...]]] = {
    "varIdent": _strata,
    "varPower": partial(_covariate, "power"),
    "varExp": partial(_covariate, "linear"),
    "varConstPower": partial(_covariate, "constpower"),
}


# --- formulas -----------------------------------------------------------------------------


def split_mmrm(formula: str) -> tuple[str, str]:
    """Return the fixed part of mmrm's formula and its covariance term.

    Raises
    ------
    FormulaError
        Without exactly one such term.

    Examples
    --------
    >>> split_mmrm("y ~ arm * visit + us(visit | id)")
    ('y ~ arm * visit', 'us(visit | id)')
    """
    left, tilde, right = formula.partition("~")
    kept: list[str] = []
    found: list[str] = []
    for part in split_at(right, "+"):
        is_one = re.match(rf"\s*({'|'.join(MMRM)})\s*\(.*\|", part, re.DOTALL)
        (found if is_one else kept).append(part.strip())
    if not tilde or len(found) != 1:
        raise FormulaError(
            "mmrm() needs one covariance term, such as us(visit | id): "
            "mmrm('y ~ arm * visit + us(visit | id)', data)."
        )
    return f"{left.strip()} ~ {' + '.join(kept) or '1'}", found[0]


def bars_of(random: object) -> str:
    """Return lme4's bars of nlme's ``random=``.

    Raises
    ------
    FormulaError, OptionError
        If it is neither ``~ x | g`` nor a dict from groups to formulas.

    Examples
    --------
    >>> bars_of("~ Days | Subject"), bars_of({"Subject": "pdDiag(~ Days)"})
    ('(Days | Subject)', 'diag(Days | Subject)')
    """
    if isinstance(random, Mapping):
        path, bars = "", []
        for group, terms in random.items():
            path = f"{path}:{group}" if path else str(group)
            bars.append(_bar(str(terms), path))
        return " + ".join(bars)
    if not isinstance(random, str):
        raise OptionError(
            f"random must be text such as '~ 1 | school', or a dict from groups to formulas; got "
            f"{brief(random)}."
        )
    sides = split_at(random.strip().removeprefix("~"), "|")
    if len(sides) != 2:
        raise FormulaError(f"random must say the group: ~ x | school; got {brief(random)}.")
    return _bar(sides[0], sides[1].strip())


def _bar(terms: str, group: str) -> str:
    found = re.fullmatch(r"\s*(pdDiag|pdSymm|pdLogChol)\s*\((.*)\)\s*", terms)
    name = "diag" if found is not None and found[1] == "pdDiag" else ""
    inner = (terms if found is None else found[2]).strip().removeprefix("~").strip()
    if re.match(r"pd[A-Z]|list\(", inner):
        raise NotSupportedError(f"{brief(inner)} is not read here; pdDiag and pdSymm are.")
    return f"{name}({inner} | {group})"
