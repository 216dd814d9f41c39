"""`summary_table`: a model's summary as a table for documents, in flextable's layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.errors import NotSupportedError, check_option
from mlpool.inference.wald import f_upper_p
from mlpool.models import LinearMixedModel, LinearModel
from mlpool.results import ResultFrame
from mlpool.summaries.mixed import summarise_mixed
from mlpool.summaries.r_numbers import format_g
from mlpool.summaries.single_level import summarise_lm
from mlpool.summaries.summary_text import Summary
from mlpool.tables import Column, Note, RowGroup, TableOptions, TableSpec
from mlpool.tables.cells import stars

if TYPE_CHECKING:
    from mlpool.models import FittedModel, MixedModel

STYLES = ("flextable",)

_SIGNIF = "Signif. codes: 0 <= '***' < 0.001 < '**' < 0.01 < '*' < 0.05"


def summary_table(m: FittedModel, style: str = "flextable") -> ResultFrame:
    """Return the summary of a model as a table for documents: text, HTML, Markdown or LaTeX.

    Parameters
    ----------
    m : LinearModel or LinearMixedModel
        The latter with Satterthwaite's degrees of freedom, shown as whole numbers.
    style : {"flextable"}
        The layout of R's ``as_flextable(m)``: three decimals, four of p-values, stars. As there,
        the F statistic of ``lm`` is followed by its denominator df first.

    Returns
    -------
    ResultFrame
        Parameter, Estimate, SE, t, p; of mixed models also Effects, Group and df, with a row per
        SD and correlation of the random effects (``sd__(Intercept)``, ``cor__(Intercept).x``).

    Raises
    ------
    NotSupportedError
        For other models.
    OptionError
        For other styles.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    >>> print(summary_table(m).to_pandas()["Parameter"].tolist())
    ['(Intercept)', 'Days', 'sd__(Intercept)', 'sd__Observation']
    """
    check_option(style, STYLES, argument="style")
    if isinstance(m, LinearModel):
        summary = summarise_lm(m)
        data, notes = _coefficients(summary), _linear_notes(m, summary)
    elif isinstance(m, LinearMixedModel):
        fixed = _coefficients(summarise_mixed(m, ddf="satterthwaite"))
        fixed = fixed.assign(Effects="fixed", Group="")
        data = pd.concat([fixed, _random_rows(m)], ignore_index=True)
        notes = _mixed_notes(m)
    else:
        raise NotSupportedError(
            "summary_table takes models of lm() and lmer(); model_parameters() takes the others."
        )
    return ResultFrame(
        data=data,
        layout=FlextableLayout(footers=(_SIGNIF, *notes)),
        options=TableOptions(digits=3),
        metadata={"kind": "summary_table", "model": m},
    )


def _coefficients(summary: Summary) -> pd.DataFrame:
    frame = summary.coefficients
    names = {"Std. Error": "SE", "t value": "t", "Pr(>|t|)": "p"}
    table = frame.rename(columns=names).reset_index(names="Parameter")
    return table[[c for c in ("Parameter", "Estimate", "SE", "df", "t", "p") if c in table]]


def _random_rows(m: MixedModel) -> pd.DataFrame:
    """Return the SDs and correlations as broom.mixed names them."""
    rows = []
    for block in m.varcorr().blocks:
        names = list(block.names)
        rows += [
            (block.group, f"sd__{n}", float(sd)) for n, sd in zip(names, block.sd, strict=True)
        ]
        rows += [
            (block.group, f"cor__{names[j]}.{names[i]}", float(block.cor[i, j]))
            for i in range(len(names))
            for j in range(i)
        ]
    rows.append(("Residual", "sd__Observation", float(m.sigma)))
    return pd.DataFrame(rows, columns=["Group", "Parameter", "Estimate"]).assign(Effects="random")


def _linear_notes(m: FittedModel, summary: Summary) -> list[str]:
    notes = [f"Residual standard error: {format_g(m.sigma)} on {m.df_residual} degrees of freedom"]
    if summary.fstatistic is not None:
        f, numerator, denominator = summary.fstatistic
        p = float(f_upper_p(f, numerator, denominator))
        notes += [
            f"Multiple R-squared: {format_g(summary.r_squared)}, "
            f"Adjusted R-squared: {format_g(summary.adj_r_squared)}",
            f"F-statistic: {format_g(f)} on {denominator} and {numerator} DF, p-value: {p:.4f}",
        ]
    return notes


def _mixed_notes(m: FittedModel) -> list[str]:
    return [
        f"square root of the estimated residual variance: {m.sigma:,.1f}",
        f"data's log-likelihood under the model: {m.loglik:,.1f}",
        f"Akaike Information Criterion: {m.aic:,.1f}",
        f"Bayesian Information Criterion: {m.bic:,.1f}",
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlextableLayout:
    """The layout of ``as_flextable``.

    Attributes
    ----------
    footers : tuple of str
    """

    footers: tuple[str, ...]

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return one block of coefficients, or one of fixed and one of random effects."""
        if "Effects" not in data:
            groups: tuple[RowGroup, ...] = (
                RowGroup(columns=_columns(data, options.digits, "t value", "Pr(>|t|)")),
            )
        else:
            headings = {"fixed": "Fixed effects", "random": "Random effects"}
            groups = tuple(
                RowGroup(
                    columns=_columns(
                        data[data["Effects"] == name], options.digits, "statistic", "p-value"
                    ),
                    heading=heading,
                )
                for name, heading in headings.items()
            )
        notes = tuple(Note(line) for line in self.footers)
        return TableSpec(groups=groups, notes=notes, layout="estimates")


def _columns(data: pd.DataFrame, digits: int, t_header: str, p_header: str) -> tuple[Column, ...]:
    headers = {"Group": "group", "Parameter": ""} if "Group" in data else {"Parameter": ""}
    columns = [
        Column(name=name, header=header, cells=tuple(data[name]), kind="label")
        for name, header in headers.items()
    ]
    numbers = {
        "Estimate": ("Estimate", digits), "SE": ("Standard Error", digits), "df": ("df", 0),
        "t": (t_header, digits), "p": (p_header, 4),
    }  # fmt: skip
    for name, (header, places) in numbers.items():
        if name in data and not data[name].isna().all():
            columns.append(Column(name=name, header=header, cells=_cells(data[name], places)))
    if "p" in data and not data["p"].isna().all():
        marks = tuple(stars(v) for v in data["p"])
        columns.append(Column(name="stars", header="", cells=marks, kind="label"))
    return tuple(columns)


def _cells(values: Iterable[float], places: int) -> tuple[str, ...]:
    return tuple("" if np.isnan(v) else f"{v:,.{places}f}" for v in values)
