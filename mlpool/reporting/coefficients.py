"""One sentence per coefficient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.formula.types import ColumnPart
from mlpool.parameters.parameters_table import ParametersLayout
from mlpool.parameters.reference_levels import reference_level
from mlpool.reporting.words import interval, p_value, statistic
from mlpool.results import ResultFrame
from mlpool.tables.cells import format_number, interval_header

if TYPE_CHECKING:
    from mlpool.models import FittedModel

MOST = 40
"""Coefficients beyond which the others are only counted."""

_RATIOS = {
    ("binomial", "logit"): "odds ratio",
    ("binomial", "log"): "risk ratio",
    ("poisson", "log"): "rate ratio",
    ("nbinom1", "log"): "rate ratio",
    ("nbinom2", "log"): "rate ratio",
    ("Gamma", "log"): "ratio of means",
    ("gaussian", "log"): "ratio of means",
    ("inverse.gaussian", "log"): "ratio of means",
}


def coefficient_sentences(
    m: FittedModel, table: ResultFrame, standardized: ResultFrame | None, digits: int
) -> tuple[str, ...]:
    """Return the coefficients' sentences, in their order.

    Parameters
    ----------
    m : FittedModel
    table : ResultFrame
        Fixed effects of ``model_parameters``.
    standardized : ResultFrame or None
        The same of the model of z-scores.
    digits : int
    """
    assert isinstance(table.layout, ParametersLayout)
    rows = table.to_pandas().to_dict("records")
    again = _by_name(standardized)
    ratio = None if m.family is None else _RATIOS.get((m.family.kin, m.family.link))
    letter = table.layout.statistic
    out = []
    for label, row in zip(table.layout.labels[:MOST], rows, strict=False):
        is_intercept = row["Parameter"] == "(Intercept)"
        name = f"The intercept{_where(m)}" if is_intercept else f"The coefficient of {label}"
        head = f"{name} is {format_number(row['Coefficient'], digits)}"
        if np.isnan(row["p"]) or np.isnan(row["CI_low"]) or row["df_error"] < 1:
            out.append(f"{head}; its interval and p-value cannot be told.")
            continue
        text = _test(row, letter, digits)
        if ratio is not None and not is_intercept:
            text += f"; {ratio} {_ratio(row, digits)}"
        if row["Parameter"] in again and not is_intercept:
            text += f"; standardized {_plain(again[row['Parameter']], digits)}"
        verdict = "differs" if row["p"] < 1.0 - row["CI"] else "does not differ reliably"
        out.append(f"{head} and {verdict} from zero ({text}).")
    if len(rows) > MOST:
        out.append(f"The other {len(rows) - MOST} coefficients are in model_parameters().")
    return tuple(out)


def _test(row: Any, letter: str, digits: int) -> str:
    """Return ``95% CI [7.42, 13.52], t(174) = 6.77, p < .001``."""
    bounds = interval(row["CI_low"], row["CI_high"], digits)
    test = statistic(letter, row[letter], row["df_error"], digits)
    return f"{interval_header(row['CI'])} {bounds}, {test}, {p_value(row['p'])}"


def _by_name(table: ResultFrame | None) -> dict[str, dict[str, object]]:
    if table is None:
        return {}
    rows = table.to_pandas().set_index("Parameter")
    return {str(name): dict(rows.loc[name]) for name in rows.index}


def _plain(row: Any, digits: int) -> str:
    bounds = interval(row["CI_low"], row["CI_high"], digits)
    return f"{format_number(row['Coefficient'], digits)} {bounds}"


def _ratio(row: Any, digits: int) -> str:
    with np.errstate(over="ignore"):
        values = np.exp([row["Coefficient"], row["CI_low"], row["CI_high"]])
    return f"{format_number(values[0], digits)} {interval(values[1], values[2], digits)}"


def _where(m: FittedModel) -> str:
    """Return ``, at Days = 0 and sector = Public``; nothing where that cannot be said."""
    parts = {p.text: p for column in m.columns for p in column.parts}
    places = [_place(m, part) for part in parts.values()]
    if not places or None in places or len(places) > 6:
        return ""
    return " at " + " and ".join(str(place) for place in places)


def _place(m: FittedModel, part: ColumnPart) -> str | None:
    if part.kind == "numeric":
        return f"{part.text} = 0"
    if part.kind == "boolean":
        return f"{part.text} = FALSE"
    if part.kind == "factor":
        level = reference_level(m, part.text)
        return None if level is None else f"{part.text} = {level}"
    return None
